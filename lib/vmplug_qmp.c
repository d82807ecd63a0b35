/* SPDX-License-Identifier: MIT */
#include "vmplug/qmp.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "lib/api.h"
#include "qmp/blocking.h"
#include "qmp/codec.h"

struct subscription {
    TAILQ_ENTRY(subscription) link;
    unsigned number;
    vmplug_event_fn *on_event;
    void *user;
};

TAILQ_HEAD(subscription_list, subscription);

struct vmplug_qmp {
    struct qmp_client *client;
    bool borrowed;
    struct api_calls calls;
    struct subscription_list subscriptions;
    struct api_trace trace;
};

struct vmplug_event {
    const struct qmp_event *event;
    char *text; /* made when asked for */
};

static struct vmplug_qmp *new_handle(void)
{
    struct vmplug_qmp *qmp = calloc(1, sizeof(*qmp));

    if (qmp == NULL)
        return NULL;
    TAILQ_INIT(&qmp->calls.list);
    TAILQ_INIT(&qmp->subscriptions);
    return qmp;
}

struct vmplug_qmp *vmplug_qmp_open(const char *path, int fd,
                                   const struct vmplug_qmp_options *given,
                                   struct vmplug_error *ret_error)
{
    struct vmplug_qmp *qmp = new_handle();
    struct vmplug_qmp_options options;
    struct qmp_client_options inner = {.path = path, .fd = fd};
    struct error error = ERROR_INIT;

    api_options(&options, sizeof(options), given, given != NULL ? given->struct_bytes : 0);
    inner.greeting_timeout_ms = options.greeting_timeout_ms;
    inner.limits.message_bytes = options.message_bytes_max;
    inner.pending_max = options.pending_max;
    if (qmp != NULL) {
        qmp->trace = (struct api_trace){.trace = options.trace, .user = options.trace_user};
        inner.tap = api_tap(&qmp->trace);
        qmp->client = qmp_client_new(&inner, &error);
    } else {
        if (path == NULL)
            close(fd);
        (void)error_set(&error, ERROR_SYSTEM, "", "out of memory");
    }
    if (qmp != NULL && qmp->client != NULL)
        return qmp;
    api_error(&error, ret_error);
    free(qmp);
    return NULL;
}

struct vmplug_qmp *api_qmp_borrow(struct qmp_client *client)
{
    struct vmplug_qmp *qmp = new_handle();

    if (qmp == NULL)
        return NULL;
    qmp->client = client;
    qmp->borrowed = true;
    return qmp;
}

static void cancel(void *peer, int64_t number)
{
    qmp_client_cancel(peer, number);
}

void vmplug_qmp_free(struct vmplug_qmp *qmp)
{
    struct subscription *subscription;

    if (qmp == NULL)
        return;
    api_calls_end(&qmp->calls, cancel, qmp->client);
    while ((subscription = TAILQ_FIRST(&qmp->subscriptions)) != NULL)
        vmplug_qmp_unsubscribe(qmp, subscription->number);
    if (!qmp->borrowed)
        qmp_client_free(qmp->client);
    free(qmp);
}

struct vmplug_pump *vmplug_qmp_pump(struct vmplug_qmp *qmp)
{
    return (struct vmplug_pump *)qmp_client_pump(qmp->client);
}

int vmplug_qmp_is_ready(const struct vmplug_qmp *qmp)
{
    return qmp_client_is_ready(qmp->client);
}

int vmplug_qmp_failure(const struct vmplug_qmp *qmp, struct vmplug_error *error)
{
    const struct error *failure = qmp_client_failure(qmp->client);

    if (failure == NULL)
        return -1;
    api_error(failure, error);
    return 0;
}

static bool is_settled(void *user)
{
    const struct vmplug_qmp *qmp = user;

    return qmp_client_is_ready(qmp->client) || qmp_client_failure(qmp->client) != NULL;
}

int vmplug_qmp_wait_ready(struct vmplug_qmp *qmp, struct vmplug_error *error)
{
    struct pump *pump = qmp_client_pump(qmp->client);

    (void)blocking_run(&pump, 1, is_settled, qmp, CLOCK_NEVER_MS);
    return vmplug_qmp_failure(qmp, error) == 0 ? -1 : 0;
}

char *vmplug_qmp_greeting(const struct vmplug_qmp *qmp)
{
    const json_t *greeting = qmp_client_greeting(qmp->client);

    return greeting != NULL ? codec_dump(greeting, 0) : NULL;
}

int vmplug_qmp_peer(const struct vmplug_qmp *qmp)
{
    return qmp_client_peer(qmp->client);
}

/* ---- commands ---- */

static int64_t submit(void *peer, const struct request *request, struct error *error)
{
    return qmp_client_submit(peer, request, error);
}

int64_t vmplug_qmp_submit(struct vmplug_qmp *qmp, const char *command, const char *arguments,
                          double timeout_ms, vmplug_reply_fn *done, void *user,
                          struct vmplug_error *error)
{
    return api_call(&qmp->calls, submit, qmp->client, command, arguments, 0, timeout_ms, done,
                    user, error);
}

int64_t vmplug_qmp_submit_fd(struct vmplug_qmp *qmp, const char *command, const char *arguments,
                             int fd, double timeout_ms, vmplug_reply_fn *done, void *user,
                             struct vmplug_error *error)
{
    return api_call(&qmp->calls, submit, qmp->client, command, arguments, fd, timeout_ms, done,
                    user, error);
}

void vmplug_qmp_cancel(struct vmplug_qmp *qmp, int64_t number)
{
    qmp_client_cancel(qmp->client, number);
    api_call_drop(&qmp->calls, number);
}

char *vmplug_qmp_call(struct vmplug_qmp *qmp, const char *command, const char *arguments,
                      double timeout_ms, struct vmplug_error *error)
{
    return api_call_wait(qmp_client_pump(qmp->client), &qmp->calls, submit, qmp->client, command,
                         arguments, timeout_ms, error);
}

/* ---- events ---- */

/* The subscription may be gone when the call returns. */
static void on_event(void *user, const struct qmp_event *inner)
{
    const struct subscription *subscription = user;
    struct vmplug_event event = {.event = inner};

    subscription->on_event(subscription->user, inner != NULL ? &event : NULL);
    free(event.text);
}

const char *vmplug_event_name(const struct vmplug_event *event)
{
    return event->event->name;
}

double vmplug_event_monotonic_ms(const struct vmplug_event *event)
{
    return event->event->monotonic_ms;
}

const char *vmplug_event_json(struct vmplug_event *event)
{
    if (event->text == NULL)
        event->text = codec_dump(event->event->object, 0);
    return event->text;
}

unsigned vmplug_qmp_subscribe(struct vmplug_qmp *qmp, vmplug_event_fn *given, void *user)
{
    struct subscription *subscription = calloc(1, sizeof(*subscription));

    if (subscription == NULL)
        return 0;
    subscription->on_event = given;
    subscription->user = user;
    subscription->number = qmp_client_subscribe(qmp->client, on_event, subscription);
    if (subscription->number == 0) {
        free(subscription);
        return 0;
    }
    TAILQ_INSERT_TAIL(&qmp->subscriptions, subscription, link);
    return subscription->number;
}

void vmplug_qmp_unsubscribe(struct vmplug_qmp *qmp, unsigned number)
{
    struct subscription *subscription;

    TAILQ_FOREACH(subscription, &qmp->subscriptions, link) {
        if (subscription->number != number)
            continue;
        qmp_client_unsubscribe(qmp->client, number);
        TAILQ_REMOVE(&qmp->subscriptions, subscription, link);
        free(subscription);
        return;
    }
}
