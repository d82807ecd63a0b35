/* SPDX-License-Identifier: MIT */
#include "daemon/ch_api.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "daemon/ch_endpoints.h"
#include "daemon/ch_json.h"
#include "qmp/codec.h"

#define ROOT "/api/v1/"

struct endpoint {
    const char *name, *method;
    bool has_body;
    bool changes;
    void (*run)(struct ch_job *job); /* NULL: answered at once */
};

static const struct endpoint endpoints[] = {
    {"vmm.ping", "GET", false, false, NULL},
    {"vm.info", "GET", false, false, ch_vm_info},
    {"vm.counters", "GET", false, false, ch_vm_counters},
    {"vm.resize", "PUT", true, true, ch_resize_run},
    {"vm.resize-disk", "PUT", true, true, ch_disk_resize},
    {"vm.add-disk", "PUT", true, true, ch_disk_add},
    {"vm.remove-device", "PUT", true, true, ch_disk_remove},
    {"vm.pause", "PUT", false, true, ch_vm_pause},
    {"vm.resume", "PUT", false, true, ch_vm_resume},
};

static const struct endpoint *find_endpoint(const struct http_request *request)
{
    const char *path = http_request_path(request);
    size_t i;

    if (strncmp(path, ROOT, strlen(ROOT)) != 0 || http_request_has_query(request))
        return NULL;
    for (i = 0; i < COUNT_OF(endpoints); i++) {
        if (strcmp(endpoints[i].name, path + strlen(ROOT)) == 0)
            return &endpoints[i];
    }
    return NULL;
}

static void refuse(struct http_request *request, unsigned status, const char *what,
                   const struct error *error)
{
    http_request_answer(request, status, http_server_error(status, what, error->why, error->fix));
}

/* Returns 0 and the body, or NULL where there is to be none; or -1 with ERROR_INVALID. */
static int read_body(const struct endpoint *endpoint, const struct http_request *request,
                     json_t **ret, struct error *error)
{
    size_t size;
    const char *text = http_request_body(request, &size);

    *ret = NULL;
    if (!endpoint->has_body)
        return size == 0 ? 0
                         : error_set(error, ERROR_INVALID, "send none",
                                     "%s takes no body", endpoint->name);
    if (size == 0)
        return error_set(error, ERROR_INVALID, "send a JSON object", "%s needs a body",
                         endpoint->name);
    if (strlen(text) != size)
        return error_set(error, ERROR_INVALID, "send a JSON object", "the body is no text");
    *ret = codec_parse(text, error);
    if (*ret == NULL)
        return -1;
    if (json_is_object(*ret))
        return 0;
    json_decref(STEAL(*ret));
    return error_set(error, ERROR_INVALID, "send a JSON object", "the body is no object");
}

void ch_api_handle(void *user, struct http_request *request)
{
    const struct endpoint *endpoint = find_endpoint(request);
    struct error error = ERROR_INIT;
    struct ch_job_options options = {.request = request};

    if (endpoint == NULL) {
        (void)error_set(&error, ERROR_INVALID, "see vmplug help serve for those there are",
                        "%.256s is none", http_request_path(request));
        refuse(request, CH_NOT_FOUND, "There is no such endpoint", &error);
        return;
    }
    if (strcmp(http_request_method(request), endpoint->method) != 0) {
        (void)error_set(&error, ERROR_INVALID, "", "%s is not asked by %.32s", endpoint->name,
                        http_request_method(request));
        error_advise(&error, "use %s", endpoint->method);
        refuse(request, CH_BAD_REQUEST, "The request can't be understood", &error);
        return;
    }
    if (read_body(endpoint, request, &options.body, &error) < 0) {
        refuse(request, CH_BAD_REQUEST, "The request can't be understood", &error);
        return;
    }
    if (endpoint->run == NULL) {
        http_request_answer(request, 200, ch_json_ping());
        return;
    }
    options.name = endpoint->name;
    options.changes = endpoint->changes;
    options.run = endpoint->run;
    ch_job_start(user, &options);
}
