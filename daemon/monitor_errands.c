/* SPDX-License-Identifier: MIT */
/*
 * What a client of a monitor_proxy wants done, done: is it allowed, is it its turn, what is it
 * about, and then on its way and answered.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "daemon/monitor_proxy_parts.h"
#include "daemon/monitor_rights.h"
#include "qmp/codec.h"
#include "qmp/field.h"

#define AGENT_LOOK_MS 60000 /* the client gives up before; else nobody would be served any more */
#define AGENT_CHANGE_MS 600000

const char *monitor_errands_command(const json_t *message)
{
    return field_string(message, "execute", "");
}

static json_t *arguments_of(const json_t *message)
{
    return field_object(message, "arguments");
}

static void errand_free(struct errand *errand)
{
    struct monitor_proxy *proxy = errand->proxy;

    if (proxy->look == errand)
        proxy->look = NULL;
    TAILQ_REMOVE(&proxy->errands, errand, link);
    proxy->errand_count--;
    json_decref(errand->message);
    json_decref(errand->subject);
    free(errand);
}

static int audit(const struct errand *errand, const char *verdict, struct error *error)
{
    const struct monitor_proxy_owner *owner = &errand->proxy->owner;

    return errand->changes ? owner->audit(owner->user, monitor_errands_command(errand->message),
                                          errand->subject, verdict, error)
                           : 0;
}

void monitor_errands_give_up(struct monitor_proxy *proxy)
{
    struct errand *errand;

    while ((errand = TAILQ_FIRST(&proxy->errands)) != NULL) {
        if (proxy->peer == PEER_QMP)
            vm_cancel(proxy->vm, PEER_QMP, errand->number);
        else
            agent_give_up(vm_agent(proxy->vm), errand->number);
        (void)audit(errand, "unknown", NULL);
        errand_free(errand);
    }
}

/* An administrator may go on with a file that another of his programs has opened. */
static bool has_own_files(const struct monitor_proxy *proxy)
{
    return proxy->peer == PEER_AGENT && proxy->role != ROLE_ADMINISTRATOR;
}

/* ---- on its way ---- */

static bool is_rejected(const struct reply *reply)
{
    return reply->error != NULL && reply->error->code == ERROR_REJECTED;
}

/* The agent's silence is passed on, too. */
static void on_reply(void *user, const struct reply *reply)
{
    struct errand *errand = user;
    struct monitor_proxy *proxy = errand->proxy;
    AUTO_JSON json_t *message = json_incref(errand->message);

    (void)audit(errand,
                reply->value != NULL ? "accepted" : is_rejected(reply) ? "rejected" : "unknown",
                NULL);
    errand_free(errand);
    if (reply->value != NULL) {
        if (has_own_files(proxy))
            guest_files_note(&proxy->files, monitor_errands_command(message),
                             arguments_of(message), reply->value);
        monitor_proxy_answer(proxy, message, "return", json_incref(reply->value));
    } else if (is_rejected(reply)) {
        monitor_proxy_answer_error(proxy, message, reply->error->class_name, reply->error->why);
    } else if (reply->error->code == ERROR_DISCONNECTED || proxy->peer == PEER_QMP) {
        monitor_proxy_end(proxy);
    }
    monitor_proxy_wake(proxy);
}

static int submit(struct errand *errand, reply_fn *done, struct error *error)
{
    struct monitor_proxy *proxy = errand->proxy;
    double agent_ms = errand->changes ? AGENT_CHANGE_MS : AGENT_LOOK_MS;
    const struct request request = {
        .command = monitor_errands_command(errand->message),
        .arguments = json_incref(arguments_of(errand->message)),
        .timeout_ms = proxy->peer == PEER_QMP ? CLOCK_NEVER_MS : agent_ms,
        .done = done,
        .user = errand,
    };

    errand->number = vm_submit(proxy->vm, proxy->peer, &request, error);
    return errand->number < 0 ? -1 : 0;
}

/* Without memory NULL, with an error. */
static struct errand *errand_new(struct monitor_proxy *proxy, json_t *message,
                                 struct error *error)
{
    struct errand *errand = calloc(1, sizeof(*errand));

    if (errand == NULL) {
        (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
        return NULL;
    }
    errand->proxy = proxy;
    errand->message = json_incref(message);
    TAILQ_INSERT_TAIL(&proxy->errands, errand, link);
    proxy->errand_count++;
    return errand;
}

static int send_errand(struct monitor_proxy *proxy, json_t *message, bool changes,
                       struct error *error)
{
    struct errand *errand = errand_new(proxy, message, error);

    if (errand == NULL)
        return -1;
    errand->changes = changes;
    errand->subject = proxy->subject != NULL ? STEAL(proxy->subject)
                                             : json_incref(arguments_of(message));
    if (audit(errand, "begun", error) < 0) {
        errand_free(errand);
        return -1;
    }
    if (submit(errand, on_reply, error) == 0)
        return 0;
    (void)audit(errand, "rejected", NULL);
    errand_free(errand);
    return -1;
}

/* ---- what it is about ---- */

static void note_driver(struct monitor_proxy *proxy, const char *driver)
{
    json_t *arguments = arguments_of(json_array_get(proxy->held, 0));

    proxy->subject = arguments != NULL ? json_copy(arguments) : json_object();
    if (json_object_set_new(proxy->subject, "driver", json_string(driver)) < 0)
        monitor_proxy_end(proxy);
}

/* Of what there is not, QEMU says so itself when the command comes. What else it may say does not
 * let a command through that may be switched off. */
static void on_driver(void *user, const struct reply *reply)
{
    struct errand *errand = user;
    struct monitor_proxy *proxy = errand->proxy;

    errand_free(errand);
    if (json_is_string(reply->value))
        note_driver(proxy, json_string_value(reply->value));
    else if (is_rejected(reply) && strcmp(reply->error->class_name, "DeviceNotFound") == 0)
        note_driver(proxy, "");
    else
        monitor_proxy_end(proxy);
    monitor_proxy_wake(proxy);
}

/* Returns 1 when there is nothing to look for, 0 when the look is under way, -1 with an error. */
static int look(struct monitor_proxy *proxy, const json_t *message, struct error *error)
{
    AUTO_JSON json_t *question = NULL;
    struct errand *errand;

    if (proxy->subject != NULL || proxy->peer != PEER_QMP ||
        !monitor_rights_needs_driver(monitor_errands_command(message)))
        return 1;
    question = monitor_rights_ask_driver(arguments_of(message));
    if (question == NULL)
        return error_set(error, ERROR_SYSTEM, "", "out of memory");
    errand = errand_new(proxy, question, error);
    if (errand == NULL)
        return -1;
    proxy->look = errand;
    if (submit(errand, on_driver, error) == 0)
        return 0;
    errand_free(errand);
    return -1;
}

/* ---- in its turn ---- */

static int check_role(struct monitor_proxy *proxy, const json_t *message,
                      struct monitor_right right, struct error *error)
{
    const char *command = monitor_errands_command(message);
    const json_t *arguments = arguments_of(message);

    if (proxy->role >= right.role)
        return has_own_files(proxy) ? guest_files_check(&proxy->files, command, arguments, error)
                                    : 0;
    (void)proxy->owner.audit(proxy->owner.user, command, arguments, "forbidden", NULL);
    (void)error_set(error, ERROR_BLOCKED, "", "forbidden: %.60s is for the role %s, and you are %s",
                    command, policy_role_name(right.role), policy_role_name(proxy->role));
    error_advise(error, "ask whoever keeps vmplugd's policy for the role %s",
                 policy_role_name(right.role));
    return -1;
}

/* The first of those held. Returns false when it has to wait. */
static bool go_first(struct monitor_proxy *proxy, json_t *message)
{
    size_t window = proxy->peer == PEER_QMP ? MONITOR_PROXY_WINDOW : 1;
    struct monitor_right right = monitor_rights_of(
        proxy->peer, monitor_errands_command(message), arguments_of(message));
    struct error error = ERROR_INIT;
    int status;

    if (proxy->errand_count >= window || proxy->look != NULL)
        return false;
    status = check_role(proxy, message, right, &error) < 0 ? -1 : 1;
    if (status > 0 && right.changes && proxy->place != PLACE_GRANTED)
        status = monitor_proxy_want_place(proxy, &error);
    if (status > 0)
        status = look(proxy, message, &error);
    if (status == 0)
        return false;
    if (status < 0 || send_errand(proxy, message, right.changes, &error) < 0)
        monitor_proxy_answer_failure(proxy, message, &error);
    return true;
}

void monitor_errands_go_on(struct monitor_proxy *proxy)
{
    while (proxy->vm != NULL && json_array_size(proxy->held) > 0 &&
           go_first(proxy, json_array_get(proxy->held, 0)))
        (void)json_array_remove(proxy->held, 0);
}
