/* SPDX-License-Identifier: MIT */
/* The daemon itself: whether it is well, what it counts, what it can be asked. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "daemon/event_log.h"
#include "daemon/fleet.h"
#include "daemon/metrics.h"
#include "daemon/v1_handlers.h"
#include "daemon/v1_operation.h"

static void count_state(void *user, struct held_vm *held)
{
    struct metrics_now *now = user;

    now->vms[held_vm_state(held)].count++;
}

static void count_states(const struct v1_request *request, struct metrics_now *now)
{
    size_t i;

    for (i = 0; i < HELD_STATES_; i++)
        now->vms[i].name = held_vm_state_name((enum held_state)i);
    fleet_foreach(request->daemon->fleet, count_state, now);
}

/* That it answers at all says that its loop turns. */
void v1_about_health(struct v1_request *request)
{
    v1_api_answer(request, 200,
                  json_pack("{s:s, s:s, s:I, s:I}", "status", "ok", "version", PACKAGE_VERSION,
                            "vms", (json_int_t)fleet_count(request->daemon->fleet), "next_event",
                            (json_int_t)event_log_next(request->daemon->events)));
}

void v1_about_metrics(struct v1_request *request)
{
    struct metrics_now now = {
        .subscribers = v1_events_count(request->api->events),
        .operations_under_way = v1_operations_under_way(request->daemon->operations),
    };

    count_states(request, &now);
    v1_api_answer_text(request, 200, METRICS_CONTENT_TYPE,
                       metrics_text(request->daemon->metrics, &now));
}

/* NULL with errno. */
static char *read_file(const char *path)
{
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    AUTO_FREE char *text = NULL;
    struct stat status;
    ssize_t got;

    if (fd < 0 || fstat(fd, &status) < 0)
        return NULL;
    text = calloc(1, (size_t)status.st_size + 1);
    got = text != NULL ? read(fd, text, (size_t)status.st_size) : -1;
    return got == status.st_size ? STEAL(text) : NULL;
}

void v1_about_openapi(struct v1_request *request)
{
    const char *path = getenv("VMPLUG_OPENAPI");
    char *text = read_file(path != NULL ? path : VMPLUG_OPENAPI_PATH);

    if (text != NULL)
        v1_api_answer_text(request, 200, V1_API_JSON, text);
    else
        v1_api_fail(request, 500, "system", "the document that describes this API can't be read",
                    "install " VMPLUG_OPENAPI_PATH " again");
}
