/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation. A command waits in `queued` until the window has room, then in `in_flight`
 * until its reply. A command whose owner is gone (cancelled, or its deadline passed) stays in
 * flight as a tombstone: the window counts it, since QEMU still works on it, and its late reply
 * is recognised and dropped. Only death empties both lists otherwise.
 *
 * QEMU has one command under way and forgets those behind it when their client goes, but it gives
 * the answer to that one to whoever is there by then: before our greeting, or after it and before
 * the answer to our negotiation, which is why that has an id. What comes later is ours.
 */
#include "qmp/qmp_client.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "qmp/limits.h"

#define DEFAULT_GREETING_MS 5000
#define CONNECT_RETRY_MS 50
#define NEGOTIATION_ID 0 /* that of no command */

enum state { CONNECTING, GREETING, NEGOTIATING, READY, DEAD };

struct subscription {
    TAILQ_ENTRY(subscription) link;
    unsigned handle;
    qmp_event_fn *on_event; /* NULL: unsubscribed, freed when no dispatch is under way */
    void *user;
};

TAILQ_HEAD(subscription_list, subscription);

struct qmp_client {
    struct pump pump; /* first, so that the pump is the client */
    enum state state;
    struct channel channel;
    char *path;
    unsigned window;
    unsigned pending_max;
    unsigned pending_count;
    unsigned in_flight_count;
    double greeting_timeout_ms;
    double greeting_deadline_ms;
    double retry_ms;
    json_t *greeting;
    bool answered; /* before a greeting */
    struct pending_list queued;
    struct pending_list in_flight;
    struct subscription_list subscriptions;
    unsigned last_subscription;
    int64_t last_number;
    int64_t last_id;
    struct error failure;
    unsigned dispatching; /* callbacks on the stack: the client may not go before they return */
    bool doomed;
};

static void dispose(struct qmp_client *client)
{
    struct subscription *subscription;

    while ((subscription = TAILQ_FIRST(&client->subscriptions)) != NULL) {
        TAILQ_REMOVE(&client->subscriptions, subscription, link);
        free(subscription);
    }
    json_decref(client->greeting);
    free(client->path);
    free(client);
}

static void leave(struct qmp_client *client)
{
    if (--client->dispatching == 0 && client->doomed)
        dispose(client);
}

static void drop_unsubscribed(struct qmp_client *client)
{
    struct subscription *subscription, *next;

    for (subscription = TAILQ_FIRST(&client->subscriptions); subscription != NULL;
         subscription = next) {
        next = TAILQ_NEXT(subscription, link);
        if (subscription->on_event != NULL)
            continue;
        TAILQ_REMOVE(&client->subscriptions, subscription, link);
        free(subscription);
    }
}

static void tell_subscribers(struct qmp_client *client, const struct qmp_event *event)
{
    struct subscription *subscription;

    TAILQ_FOREACH(subscription, &client->subscriptions, link) {
        if (subscription->on_event != NULL)
            subscription->on_event(subscription->user, event);
    }
    if (client->dispatching <= 1) /* else an outer loop still stands on one of them */
        drop_unsubscribed(client);
}

/* Ends the session: every command hears of it once, then every subscriber; dead is final. */
static void die(struct qmp_client *client, const struct error *error)
{
    struct pending *quit;

    if (client->state == DEAD)
        return;
    client->state = DEAD;
    client->failure = *error;
    channel_close(&client->channel);
    if (error->code == ERROR_DISCONNECTED) {
        /* QEMU's reply to quit races with its end, which is what was asked for. */
        TAILQ_FOREACH(quit, &client->in_flight, link) {
            if (strcmp(quit->name, "quit") == 0)
                break;
        }
        if (quit != NULL) {
            AUTO_JSON json_t *nothing = json_object();

            pending_finish(&client->in_flight, quit, nothing, NULL);
        }
    }
    pending_finish_all(&client->in_flight, error);
    pending_finish_all(&client->queued, error);
    client->pending_count = 0;
    client->in_flight_count = 0;
    tell_subscribers(client, NULL);
}

static void finish(struct qmp_client *client, struct pending *pending, json_t *value,
                   const struct error *error)
{
    client->pending_count--;
    if (pending->sent)
        client->in_flight_count--;
    pending_finish(pending->sent ? &client->in_flight : &client->queued, pending, value, error);
}

/* Sends what the window allows. A command with a descriptor has the window to itself. Returns 0,
 * or -1 when memory runs out. */
static int send_queued(struct qmp_client *client, struct error *error)
{
    const struct pending *oldest;
    struct pending *pending;
    bool exclusive;

    while (client->state == READY && (pending = TAILQ_FIRST(&client->queued)) != NULL) {
        oldest = TAILQ_FIRST(&client->in_flight);
        exclusive = pending->fd >= 0 || (oldest != NULL && oldest->fd >= 0);
        if (client->in_flight_count >= (exclusive ? 1 : client->window))
            return 0;
        if (pending->fd >= 0 && buffer_size(&client->channel.out) > 0)
            return 0;
        if (pending->id == 0) { /* else memory ran out when it was to be sent before */
            client->last_id = pending_next_id(&client->in_flight, client->last_id);
            pending_complete(pending, client->last_id);
        }
        if (channel_send(&client->channel, pending->line.bytes, buffer_size(&pending->line),
                         pending->fd >= 0 ? dup(pending->fd) : -1, error) < 0)
            return -1;
        pending->sent = true;
        buffer_free(&pending->line);
        TAILQ_REMOVE(&client->queued, pending, link);
        TAILQ_INSERT_TAIL(&client->in_flight, pending, link);
        client->in_flight_count++;
    }
    return 0;
}

static int refuse_stranger(struct error *error)
{
    return error_set(error, ERROR_PROTOCOL,
                     "give the socket of -qmp or -mon mode=control, not the agent's",
                     "what answered is not QMP: it did not greet");
}

static bool is_reply(const json_t *message)
{
    return json_object_get(message, "return") != NULL || json_object_get(message, "error") != NULL;
}

static int take_greeting(struct qmp_client *client, const json_t *message, struct error *error)
{
    static const char negotiation[] = "{\"execute\":\"qmp_capabilities\",\"id\":0}\n";
    json_t *greeting = field_object(message, "QMP");

    if (greeting == NULL && is_reply(message)) {
        client->answered = true; /* for somebody who has gone, or this is no QMP */
        return 0;
    }
    if (greeting == NULL)
        return refuse_stranger(error);
    client->greeting = json_incref(greeting);
    client->state = NEGOTIATING;
    return channel_send(&client->channel, negotiation, sizeof(negotiation) - 1, -1, error);
}

static int take_negotiation(struct qmp_client *client, const json_t *message, struct error *error)
{
    struct error refusal = ERROR_INIT;
    int64_t id;

    if (is_reply(message) && (!field_s64(message, "id", &id) || id != NEGOTIATION_ID))
        return 0; /* for somebody who has gone */
    /* Not ERROR_REJECTED: that is a command's answer, and no command has been asked yet. */
    if (reply_value(message, &refusal) == NULL)
        return error_set(error, ERROR_PROTOCOL, "", "the monitor refused to negotiate: %s",
                         refusal.why);
    client->state = READY;
    client->greeting_deadline_ms = CLOCK_NEVER_MS;
    return 0;
}

/* A reply without an id answers a request that QEMU could not read. With one command in flight
 * it is that one's; with several nobody can tell whose, and the session is beyond repair. */
static struct pending *find_addressee(struct qmp_client *client, const json_t *message)
{
    int64_t id;

    if (json_object_get(message, "id") == NULL)
        return client->in_flight_count == 1 ? TAILQ_FIRST(&client->in_flight) : NULL;
    return field_s64(message, "id", &id) ? pending_find_id(&client->in_flight, id) : NULL;
}

static int take_reply(struct qmp_client *client, const json_t *message, struct error *error)
{
    struct pending *pending = find_addressee(client, message);
    struct error refusal = ERROR_INIT;
    json_t *value = reply_value(message, &refusal);

    if (value == NULL && refusal.code == ERROR_PROTOCOL) {
        *error = refusal;
        return -1;
    }
    if (pending == NULL && json_object_get(message, "id") == NULL && client->in_flight_count > 1)
        return error_set(error, ERROR_PROTOCOL, "",
                         "a reply came without an id while several were awaited");
    if (pending != NULL)
        finish(client, pending, value, value != NULL ? NULL : &refusal);
    return 0;
}

static void take_event(struct qmp_client *client, const json_t *message)
{
    const struct qmp_event event = {
        .name = field_string(message, "event", ""),
        .data = field_object(message, "data"),
        .object = message,
        .monotonic_ms = clock_now_ms(),
    };

    tell_subscribers(client, &event);
}

static int take_message(struct qmp_client *client, const json_t *message, struct error *error)
{
    if (json_is_string(json_object_get(message, "event"))) {
        take_event(client, message);
        return 0;
    }
    switch (client->state) {
    case GREETING:
        return take_greeting(client, message, error);
    case NEGOTIATING:
        return take_negotiation(client, message, error);
    case READY:
        return take_reply(client, message, error);
    case CONNECTING:
    case DEAD:
        break;
    }
    return 0;
}

/* Handles the messages that are complete. Returns 0, or -1 with the session's failure. */
static int take_messages(struct qmp_client *client, struct error *error)
{
    struct framer_message raw;
    enum framer_result result;
    int status = 0;

    while (status == 0 && client->state != DEAD) {
        AUTO_JSON json_t *message = NULL;

        result = channel_next(&client->channel, &raw, error);
        if (result == FRAMER_MORE)
            return 0;
        if (result == FRAMER_BAD) {
            if (client->state == GREETING && error->code == ERROR_PROTOCOL)
                error_advise(error, "give the socket of -qmp or -mon mode=control");
            return -1;
        }
        message = codec_decode(&raw, error);
        status = message == NULL ? -1 : take_message(client, message, error);
    }
    return status;
}

static int try_connect(struct qmp_client *client, struct error *error)
{
    int fd = channel_connect(client->path, error);

    if (fd == -1)
        return -1;
    if (fd >= 0) {
        channel_open(&client->channel, fd);
        client->state = GREETING;
    }
    client->retry_ms = fd >= 0 ? CLOCK_NEVER_MS : clock_now_ms() + CONNECT_RETRY_MS;
    return 0;
}

static int check_greeting_deadline(const struct qmp_client *client, struct error *error)
{
    if (clock_now_ms() < client->greeting_deadline_ms)
        return 0;
    if (client->state == GREETING && client->answered)
        return refuse_stranger(error);
    return error_set(error, ERROR_BUSY,
                     "end the other client, or give QEMU a second -qmp socket for vmplug",
                     "monitor is busy: another client holds it, or QEMU is frozen%s (no %s within "
                     "%g ms)",
                     client->state == NEGOTIATING ? "" : ", or this is no QMP socket",
                     client->state == NEGOTIATING ? "answer" : "greeting",
                     client->greeting_timeout_ms);
}

static void expire_commands(struct qmp_client *client)
{
    static const struct error error = {
        .code = ERROR_TIMEOUT, .fix = "look whether QEMU is stopped or overloaded",
        .why = "QEMU did not answer in time, and may still carry the command out"};
    double now_ms = clock_now_ms();
    struct pending *pending;
    reply_fn *done;

    while ((pending = pending_expired(&client->queued, now_ms)) != NULL)
        finish(client, pending, NULL, &error);
    while ((pending = pending_expired(&client->in_flight, now_ms)) != NULL) {
        const struct reply reply = {.error = &error};

        done = pending->done;
        pending_forget(pending);
        if (done != NULL)
            done(pending->user, &reply);
    }
}

static int advance(struct qmp_client *client, short revents, bool *progress, struct error *error)
{
    int filled = 0;

    if (client->state == CONNECTING && clock_now_ms() >= client->retry_ms &&
        try_connect(client, error) < 0)
        return -1;
    if (revents & POLLOUT)
        channel_flush(&client->channel);
    if (client->channel.fd >= 0 && (revents & (POLLIN | POLLHUP | POLLERR)) != 0)
        filled = channel_fill(&client->channel, error);
    if (filled < 0)
        return -1;
    *progress = filled > 0;
    if (filled > 0 && take_messages(client, error) < 0)
        return -1;
    return check_greeting_deadline(client, error);
}

static enum pump_result process(struct pump *pump, short revents)
{
    struct qmp_client *client = (struct qmp_client *)pump;
    struct error error = ERROR_INIT;
    enum pump_result result;
    bool progress = false;

    if (client->state == DEAD)
        return PUMP_DEAD;
    client->dispatching++;
    if (advance(client, revents, &progress, &error) < 0)
        die(client, &error);
    if (client->state != DEAD)
        expire_commands(client);
    if (client->state != DEAD && send_queued(client, &error) < 0)
        die(client, &error);
    result = client->state == DEAD ? PUMP_DEAD : progress ? PUMP_PROGRESS : PUMP_IDLE;
    leave(client);
    return result;
}

static int client_fd(const struct pump *pump)
{
    return ((const struct qmp_client *)pump)->channel.fd;
}

static short client_events(const struct pump *pump)
{
    return channel_events(&((const struct qmp_client *)pump)->channel);
}

static double client_deadline_ms(const struct pump *pump)
{
    const struct qmp_client *client = (const struct qmp_client *)pump;
    double deadline_ms = clock_earlier_ms(client->retry_ms, client->greeting_deadline_ms);

    if (client->state == DEAD)
        return CLOCK_NEVER_MS;
    deadline_ms = clock_earlier_ms(deadline_ms, pending_deadline_ms(&client->queued));
    return clock_earlier_ms(deadline_ms, pending_deadline_ms(&client->in_flight));
}

static const struct pump_ops client_pump_ops = {
    .fd = client_fd,
    .events = client_events,
    .deadline_ms = client_deadline_ms,
    .process = process,
};

static void apply_options(struct qmp_client *client, const struct qmp_client_options *options)
{
    struct framer_limits limits = options->limits;

    if (limits.message_bytes == 0)
        limits.message_bytes = LIMITS_QMP_MESSAGE_BYTES;
    if (limits.depth == 0)
        limits.depth = LIMITS_QMP_DEPTH;
    if (limits.values == 0)
        limits.values = LIMITS_QMP_VALUES;
    channel_init(&client->channel, "qmp", &limits, &options->tap);
    client->window = options->window > 0 ? options->window : LIMITS_QMP_WINDOW;
    client->pending_max = options->pending_max > 0 ? options->pending_max : LIMITS_QMP_PENDING;
    client->greeting_timeout_ms =
        options->greeting_timeout_ms > 0 ? options->greeting_timeout_ms : DEFAULT_GREETING_MS;
    client->greeting_deadline_ms = clock_now_ms() + client->greeting_timeout_ms;
}

struct qmp_client *qmp_client_new(const struct qmp_client_options *options, struct error *error)
{
    struct qmp_client *client = calloc(1, sizeof(*client));

    if (client == NULL)
        goto no_memory;
    client->pump.ops = &client_pump_ops;
    client->retry_ms = CLOCK_NEVER_MS;
    TAILQ_INIT(&client->queued);
    TAILQ_INIT(&client->in_flight);
    TAILQ_INIT(&client->subscriptions);
    apply_options(client, options);
    if (options->path == NULL) {
        channel_open(&client->channel, options->fd);
        client->state = GREETING;
        return client;
    }
    client->path = strdup(options->path);
    if (client->path == NULL)
        goto no_memory;
    if (try_connect(client, error) < 0) {
        qmp_client_free(client);
        return NULL;
    }
    return client;

no_memory:
    if (options->path == NULL)
        close(options->fd);
    free(client);
    (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
    return NULL;
}

void qmp_client_free(struct qmp_client *client)
{
    struct subscription *subscription;
    struct error error = ERROR_INIT;

    if (client == NULL)
        return;
    client->dispatching++;
    client->doomed = true;
    TAILQ_FOREACH(subscription, &client->subscriptions, link)
        subscription->on_event = NULL;
    (void)error_set(&error, ERROR_CANCELLED, "", "the connection was given up");
    die(client, &error);
    leave(client);
}

void qmp_client_rest(struct qmp_client *client)
{
    channel_rest(&client->channel);
}

struct pump *qmp_client_pump(struct qmp_client *client)
{
    return &client->pump;
}

bool qmp_client_is_ready(const struct qmp_client *client)
{
    return client->state == READY;
}

const struct error *qmp_client_failure(const struct qmp_client *client)
{
    return client->state == DEAD ? &client->failure : NULL;
}

pid_t qmp_client_peer(const struct qmp_client *client)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);

    if (client->channel.fd < 0 ||
        getsockopt(client->channel.fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return 0;
    return peer.pid;
}

const json_t *qmp_client_greeting(const struct qmp_client *client)
{
    return client->greeting;
}

static int refuse(const struct qmp_client *client, struct error *error)
{
    if (client->state != DEAD)
        return error_set(error, ERROR_LIMIT, "", "%u commands are pending already",
                         client->pending_max);
    if (error != NULL)
        *error = client->failure;
    return -1;
}

int64_t qmp_client_submit(struct qmp_client *client, const struct request *request,
                          struct error *error)
{
    struct pending *pending;

    if (client->state == DEAD || client->pending_count >= client->pending_max) {
        json_decref(request->arguments);
        if (request->fd > 0)
            close(request->fd);
        return refuse(client, error);
    }
    pending = pending_new(request, client->last_number + 1, error);
    if (pending == NULL)
        return -1;
    client->last_number++;
    client->pending_count++;
    TAILQ_INSERT_TAIL(&client->queued, pending, link);
    (void)send_queued(client, NULL); /* what could not leave now leaves, or fails, in the pump */
    pump_changed(&client->pump);
    return client->last_number;
}

void qmp_client_cancel(struct qmp_client *client, int64_t number)
{
    struct pending *pending = pending_find(&client->in_flight, number);

    if (pending != NULL) {
        pending_forget(pending);
        return;
    }
    pending = pending_find(&client->queued, number);
    if (pending != NULL) {
        pending_forget(pending);
        finish(client, pending, NULL, NULL);
    }
}

unsigned qmp_client_subscribe(struct qmp_client *client, qmp_event_fn *on_event, void *user)
{
    struct subscription *subscription = calloc(1, sizeof(*subscription));

    if (subscription == NULL)
        return 0;
    subscription->handle = ++client->last_subscription;
    subscription->on_event = on_event;
    subscription->user = user;
    TAILQ_INSERT_TAIL(&client->subscriptions, subscription, link);
    return subscription->handle;
}

void qmp_client_unsubscribe(struct qmp_client *client, unsigned handle)
{
    struct subscription *subscription;

    TAILQ_FOREACH(subscription, &client->subscriptions, link) {
        if (subscription->handle == handle)
            subscription->on_event = NULL;
    }
    if (client->dispatching == 0)
        drop_unsubscribed(client);
}
