/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation. What a client says is cut into messages and kept, in order, in `held`; its
 * front goes to the vm as an errand (monitor_errands.c) when there is room and, where it changes
 * the VM, when the owner has granted it; before a device_del QEMU is asked what it takes away. Of
 * QMP no message is taken while one is held. Of the agent's protocol a few are, since behind them
 * may stand the synchronisation by which the client gives them up.
 *
 * Answers come from the vm's pumps and are written at once. All else happens in the proxy's own
 * pump, which `is_due` calls for.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "daemon/monitor_proxy_parts.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "qmp/limits.h"

#define READ_AHEAD_BYTES ((size_t)64 << 10) /* taken of a client that has to wait */
#define AGENT_HELD_MAX 8

void monitor_proxy_wake(struct monitor_proxy *proxy)
{
    proxy->is_due = true;
    pump_changed(&proxy->pump);
}

/* ---- the end ---- */

static void leave_place(struct monitor_proxy *proxy)
{
    if (proxy->place != PLACE_NONE)
        proxy->owner.leave(proxy->owner.user);
    proxy->place = PLACE_NONE;
    proxy->idle_ms = CLOCK_NEVER_MS;
}

void monitor_proxy_end(struct monitor_proxy *proxy)
{
    if (proxy->vm == NULL)
        return;
    monitor_errands_give_up(proxy);
    guest_files_close(&proxy->files, proxy->vm);
    qmp_client_unsubscribe(vm_qmp(proxy->vm), proxy->subscription);
    leave_place(proxy);
    channel_close(&proxy->channel);
    proxy->vm = NULL;
    monitor_proxy_wake(proxy);
}

/* ---- what the client is told ---- */

static void say(struct monitor_proxy *proxy, const struct buffer *text)
{
    if (proxy->vm == NULL)
        return;
    if (buffer_size(&proxy->channel.out) > MONITOR_PROXY_OUT_BYTES ||
        channel_send(&proxy->channel, buffer_bytes(text), buffer_size(text), -1, NULL) < 0) {
        monitor_proxy_end(proxy);
        return;
    }
    if (buffer_size(&proxy->channel.out) > 0 && proxy->stall_ms == CLOCK_NEVER_MS)
        proxy->stall_ms = clock_now_ms() + MONITOR_PROXY_STALL_MS;
    pump_changed(&proxy->pump);
}

/* QMP's lines end in CRLF, the agent's in LF; an answer to be found behind others begins with 0xFF
 * (QEMU, docs/interop/qmp-spec.rst, qga/qapi-schema.json). The message is taken over. */
static void say_json(struct monitor_proxy *proxy, json_t *message, bool delimited)
{
    AUTO_JSON json_t *owned = message;
    const char *end = proxy->peer == PEER_AGENT ? "\n" : "\r\n";
    struct buffer text = {0};

    if (owned == NULL || (delimited && buffer_append(&text, "\xff", 1) < 0) ||
        codec_append(&text, owned) < 0 || buffer_append(&text, end, strlen(end)) < 0)
        monitor_proxy_end(proxy); /* an answer that is missing would be waited for */
    else
        say(proxy, &text);
    buffer_free(&text);
}

void monitor_proxy_answer(struct monitor_proxy *proxy, const json_t *message, const char *key,
                          json_t *value)
{
    json_t *id = json_object_get(message, "id");

    say_json(proxy, json_pack("{s:o, s:O*}", key, value, "id", id), false);
}

void monitor_proxy_answer_error(struct monitor_proxy *proxy, const json_t *message,
                                const char *class_name, const char *desc)
{
    monitor_proxy_answer(
        proxy, message, "error",
        json_pack("{s:s, s:o}", "class", class_name, "desc", codec_string(desc)));
}

void monitor_proxy_answer_failure(struct monitor_proxy *proxy, const json_t *message,
                                  const struct error *error)
{
    char text[sizeof(error->why) + sizeof(error->fix) + 2];

    (void)snprintf(text, sizeof(text), "%s%s%s", error->why, error->fix[0] != '\0' ? "; " : "",
                   error->fix);
    monitor_proxy_answer_error(proxy, message, "GenericError", text);
}

static void take_event(void *user, const struct qmp_event *event)
{
    struct monitor_proxy *proxy = user;

    if (event == NULL)
        monitor_proxy_end(proxy);
    else if (proxy->negotiated)
        say_json(proxy, json_incref((json_t *)event->object), false);
}

static void greet(struct monitor_proxy *proxy)
{
    json_t *version = json_object_get(qmp_client_greeting(vm_qmp(proxy->vm)), "version");

    say_json(proxy, json_pack("{s:{s:O*,s:[]}}", "QMP", "version", version, "capabilities"), false);
}

/* ---- its place among those who change the VM ---- */

static void begin_idling(struct monitor_proxy *proxy)
{
    if (proxy->place == PLACE_GRANTED && !proxy->changes)
        proxy->idle_ms = clock_now_ms() + MONITOR_PROXY_IDLE_MS;
}

static void take_place(struct monitor_proxy *proxy)
{
    proxy->place = PLACE_GRANTED;
    begin_idling(proxy);
}

int monitor_proxy_want_place(struct monitor_proxy *proxy, struct error *error)
{
    int status = proxy->place == PLACE_NONE ? proxy->owner.want(proxy->owner.user, error) : 0;

    if (status > 0)
        take_place(proxy);
    else if (status == 0)
        proxy->place = PLACE_WANTED;
    return status;
}

/* ---- messages ---- */

/* Returns true when the command is none for QEMU. */
static bool take_negotiation(struct monitor_proxy *proxy, const json_t *message)
{
    bool negotiates = strcmp(monitor_errands_command(message), "qmp_capabilities") == 0;
    const json_t *enable = field_array(field_object(message, "arguments"), "enable");

    if (proxy->negotiated && !negotiates)
        return false;
    if (!negotiates) {
        monitor_proxy_answer_error(proxy, message, "CommandNotFound",
                                   "Expecting capabilities negotiation with 'qmp_capabilities'");
    } else if (proxy->negotiated) {
        monitor_proxy_answer_error(
            proxy, message, "CommandNotFound",
            "Capabilities negotiation is already complete, command ignored");
    } else if (json_array_size(enable) > 0) {
        monitor_proxy_answer_error(proxy, message, "GenericError",
                                   "Capability is not available here");
    } else {
        proxy->negotiated = true;
        monitor_proxy_answer(proxy, message, "return", json_object());
    }
    return true;
}

static bool take_synchronisation(struct monitor_proxy *proxy, const json_t *message)
{
    bool delimited = strcmp(monitor_errands_command(message), "guest-sync-delimited") == 0;
    int64_t number;

    if ((!delimited && strcmp(monitor_errands_command(message), "guest-sync") != 0) ||
        !field_s64(field_object(message, "arguments"), "id", &number))
        return false;
    monitor_errands_give_up(proxy);
    (void)json_array_clear(proxy->held);
    if (proxy->place == PLACE_WANTED)
        leave_place(proxy);
    say_json(proxy, json_pack("{s:I}", "return", (json_int_t)number), delimited);
    return true;
}

static void take_message(struct monitor_proxy *proxy, json_t *message)
{
    const json_t *arguments = json_object_get(message, "arguments");

    begin_idling(proxy);
    if (!json_is_string(json_object_get(message, "execute")))
        monitor_proxy_answer_error(proxy, message, "GenericError",
                                   "QMP input lacks member 'execute'");
    else if (arguments != NULL && !json_is_object(arguments))
        monitor_proxy_answer_error(proxy, message, "GenericError",
                                   "QMP input member 'arguments' must be an object");
    else if (!(proxy->peer == PEER_QMP ? take_negotiation : take_synchronisation)(proxy, message) &&
             json_array_append(proxy->held, message) < 0)
        monitor_proxy_end(proxy);
}

/* 0xFF, which is in no JSON, ends whatever was begun before it. */
static bool seek(struct monitor_proxy *proxy)
{
    const struct buffer *in = &proxy->channel.framer.buffer;

    if (proxy->peer != PEER_AGENT || buffer_size(in) == 0 ||
        memchr(buffer_bytes(in), 0xff, buffer_size(in)) == NULL)
        return false;
    framer_seek(&proxy->channel.framer);
    return true;
}

static bool can_take(const struct monitor_proxy *proxy)
{
    return json_array_size(proxy->held) < (proxy->peer == PEER_QMP ? 1 : AGENT_HELD_MAX) &&
           buffer_size(&proxy->channel.out) < READ_AHEAD_BYTES;
}

/* What is no message is answered once, and then there is nothing to go on with. */
static void refuse(struct monitor_proxy *proxy, const struct error *error)
{
    monitor_proxy_answer_failure(proxy, NULL, error);
    monitor_proxy_end(proxy);
}

static void take_messages(struct monitor_proxy *proxy)
{
    struct error error = ERROR_INIT;
    struct framer_message raw;
    enum framer_result result;

    for (monitor_errands_go_on(proxy); proxy->vm != NULL && can_take(proxy);
         monitor_errands_go_on(proxy)) {
        AUTO_JSON json_t *message = NULL;

        result = channel_next(&proxy->channel, &raw, &error);
        if (result != FRAMER_MESSAGE && seek(proxy))
            continue;
        if (result == FRAMER_MORE)
            return;
        if (result == FRAMER_MESSAGE)
            message = codec_decode(&raw, &error);
        if (message != NULL)
            take_message(proxy, message);
        else
            refuse(proxy, &error);
    }
}

/* ---- the pump ---- */

static void flush(struct monitor_proxy *proxy)
{
    size_t before = buffer_size(&proxy->channel.out), after;

    channel_flush(&proxy->channel);
    after = buffer_size(&proxy->channel.out);
    if (after == 0)
        proxy->stall_ms = CLOCK_NEVER_MS;
    else if (after < before)
        proxy->stall_ms = clock_now_ms() + MONITOR_PROXY_STALL_MS;
}

static void look_at_clock(struct monitor_proxy *proxy)
{
    if (clock_now_ms() >= proxy->stall_ms)
        monitor_proxy_end(proxy);
    else if (clock_now_ms() < proxy->idle_ms)
        return;
    else if (proxy->errand_count == 0)
        leave_place(proxy);
    else
        begin_idling(proxy);
}

static enum pump_result process(struct pump *pump, short revents)
{
    struct monitor_proxy *proxy = (struct monitor_proxy *)pump;
    int filled = 0;

    proxy->is_due = false;
    if (proxy->vm != NULL && (revents & POLLOUT) != 0)
        flush(proxy);
    if (proxy->vm != NULL && (revents & (POLLIN | POLLHUP | POLLERR)) != 0)
        filled = channel_fill(&proxy->channel, NULL);
    if (filled < 0)
        monitor_proxy_end(proxy);
    if (proxy->vm != NULL)
        take_messages(proxy);
    if (proxy->vm != NULL)
        look_at_clock(proxy);
    return proxy->vm == NULL ? PUMP_DEAD : filled > 0 ? PUMP_PROGRESS : PUMP_IDLE;
}

static int proxy_fd(const struct pump *pump)
{
    return ((const struct monitor_proxy *)pump)->channel.fd;
}

static short proxy_events(const struct pump *pump)
{
    const struct monitor_proxy *proxy = (const struct monitor_proxy *)pump;
    bool reads = can_take(proxy) ||
                 buffer_size(&proxy->channel.framer.buffer) < READ_AHEAD_BYTES;

    return (short)(channel_events(&proxy->channel) & (reads ? POLLIN | POLLOUT : POLLOUT));
}

static double proxy_deadline_ms(const struct pump *pump)
{
    const struct monitor_proxy *proxy = (const struct monitor_proxy *)pump;

    return proxy->is_due ? 0 : clock_earlier_ms(proxy->idle_ms, proxy->stall_ms);
}

static const struct pump_ops proxy_pump_ops = {
    .fd = proxy_fd,
    .events = proxy_events,
    .deadline_ms = proxy_deadline_ms,
    .process = process,
};

/* ---- the beginning ---- */

static int begin(struct monitor_proxy *proxy, const struct monitor_proxy_options *options,
                 struct error *error)
{
    char *room = options->size > 0 ? framer_reserve(&proxy->channel.framer, options->size) : NULL;

    proxy->held = json_array();
    proxy->subscription = qmp_client_subscribe(vm_qmp(proxy->vm), take_event, proxy);
    if (proxy->held == NULL || proxy->subscription == 0 || (options->size > 0 && room == NULL))
        return error_set(error, ERROR_SYSTEM, "", "out of memory");
    if (room != NULL) {
        memcpy(room, options->bytes, options->size);
        framer_fed(&proxy->channel.framer, options->size);
    }
    if (options->changes && monitor_proxy_want_place(proxy, error) < 0)
        return -1;
    if (proxy->place != PLACE_WANTED && proxy->peer == PEER_QMP)
        greet(proxy);
    proxy->is_due = true;
    return 0;
}

struct monitor_proxy *monitor_proxy_new(const struct monitor_proxy_options *options,
                                        struct error *error)
{
    size_t message_bytes = options->role == ROLE_VIEWER ? MONITOR_PROXY_LOOK_BYTES
                                                        : MONITOR_PROXY_MESSAGE_BYTES;
    const struct framer_limits limits = {.message_bytes = message_bytes,
                                         .depth = LIMITS_QMP_DEPTH,
                                         .values = (unsigned)(message_bytes / 16)};
    struct monitor_proxy *proxy = calloc(1, sizeof(*proxy));

    if (proxy == NULL) {
        close(options->fd);
        (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
        return NULL;
    }
    proxy->pump.ops = &proxy_pump_ops;
    proxy->vm = options->vm;
    proxy->peer = options->peer;
    proxy->role = options->role;
    proxy->changes = options->changes;
    proxy->owner = options->owner;
    proxy->idle_ms = proxy->stall_ms = CLOCK_NEVER_MS;
    TAILQ_INIT(&proxy->errands);
    channel_init(&proxy->channel, "client", &limits, NULL);
    channel_open(&proxy->channel, options->fd);
    if (begin(proxy, options, error) == 0)
        return proxy;
    monitor_proxy_free(proxy);
    return NULL;
}

void monitor_proxy_free(struct monitor_proxy *proxy)
{
    if (proxy == NULL)
        return;
    monitor_proxy_end(proxy);
    json_decref(proxy->held);
    json_decref(proxy->subject);
    free(proxy);
}

struct pump *monitor_proxy_pump(struct monitor_proxy *proxy)
{
    return &proxy->pump;
}

void monitor_proxy_grant(struct monitor_proxy *proxy)
{
    if (proxy->place != PLACE_WANTED)
        return;
    take_place(proxy);
    if (proxy->changes && proxy->peer == PEER_QMP)
        greet(proxy);
    monitor_proxy_wake(proxy);
}
