/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation. Commands wait in one list; only the first is ever on the wire, and it leaves
 * when everything has been read that came before: replies have no ids.
 *
 *   UNSYNCED --a command waits: send 0xFF and guest-sync-delimited--> SYNCING
 *   SYNCING  --0xFF and our number--> READY; --sync_timeout_ms--> SYNCING again, new number
 *   READY    --send the first command--> BUSY
 *   BUSY     --its reply--> READY; --its deadline, or nonsense--> UNSYNCED
 *   any      --end of file, or a QMP greeting instead of an agent--> DEAD
 *
 * A guest-file-open that nobody waits for any more leaves a file open in the guest, whose handle
 * only its late answer tells. So that is listened for before our number, and the file closed.
 */
#include "qmp/agent.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "qmp/limits.h"

#define DEFAULT_SYNC_MS 2000
#define CLOSE_MS 2000 /* until a file that is to be closed counts as such */

enum state { UNSYNCED, SYNCING, READY, BUSY, DEAD };

struct agent {
    struct pump pump; /* first, so that the pump is the agent */
    enum state state;
    struct channel channel;
    struct pending_list pending;
    unsigned pending_count;
    int64_t last_number;
    int64_t sync_number;
    double sync_timeout_ms;
    double resync_ms;
    bool heard;      /* something, whatever it was */
    bool opens_late; /* a guest-file-open was given up, and its answer may yet come */
    struct error failure;
    unsigned dispatching;
    bool doomed;
};

static void leave(struct agent *agent)
{
    if (--agent->dispatching == 0 && agent->doomed)
        free(agent);
}

static void die(struct agent *agent, const struct error *error)
{
    if (agent->state == DEAD)
        return;
    agent->state = DEAD;
    agent->failure = *error;
    channel_close(&agent->channel);
    agent->pending_count = 0;
    pending_finish_all(&agent->pending, error);
}

static void finish(struct agent *agent, struct pending *pending, json_t *value,
                   const struct error *error)
{
    agent->pending_count--;
    pending_finish(&agent->pending, pending, value, error);
}

/* A number that no earlier client can have used: its late answer must not be taken for ours.
 * The agent reads a signed number and refuses 2^63. */
static int64_t fresh_number(void)
{
    uint64_t number;

    if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != (ssize_t)sizeof(number))
        number = (uint64_t)(clock_now_ms() * 1e3);
    number &= INT64_MAX;
    return number > 0 ? (int64_t)number : 1;
}

/* From here on, only what comes behind 0xFF counts. */
static void seek(struct agent *agent)
{
    agent->opens_late = false;
    framer_seek(&agent->channel.framer);
}

static int synchronise(struct agent *agent, struct error *error)
{
    bool stuck = agent->state == SYNCING && buffer_size(&agent->channel.framer.buffer) > 0;
    char line[128];
    int size;

    agent->resync_ms = clock_now_ms() + agent->sync_timeout_ms;
    agent->state = SYNCING;
    if (buffer_size(&agent->channel.out) > 0)
        return 0; /* nobody reads what was sent before; more of it would not help */
    agent->sync_number = fresh_number();
    size = snprintf(line, sizeof(line),
                    "\xff{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":%" PRId64
                    "}}\n",
                    agent->sync_number);
    if (!agent->opens_late || stuck)
        seek(agent);
    if (channel_send(&agent->channel, line, (size_t)size, -1, error) == 0)
        return 0;
    agent->state = UNSYNCED; /* there is nothing to wait for */
    return -1;
}

static int send_first(struct agent *agent, struct error *error)
{
    struct pending *first = TAILQ_FIRST(&agent->pending);

    if (channel_send(&agent->channel, first->line.bytes, buffer_size(&first->line), -1, error) < 0)
        return -1;
    first->sent = true;
    agent->state = BUSY;
    return 0;
}

/* Does what the state calls for when a command waits. Returns 0, or -1 without memory. */
static int advance(struct agent *agent, struct error *error)
{
    if (TAILQ_EMPTY(&agent->pending))
        return 0;
    if (agent->state == UNSYNCED ||
        (agent->state == SYNCING && clock_now_ms() >= agent->resync_ms))
        return synchronise(agent, error);
    if (agent->state == READY)
        return send_first(agent, error);
    return 0;
}

static bool opens_file(const struct pending *pending)
{
    return strcmp(pending->name, "guest-file-open") == 0;
}

/* Gives up the answer to the first command, which is on the wire. */
static void unsynchronise(struct agent *agent)
{
    agent->state = UNSYNCED;
    agent->opens_late = agent->opens_late || opens_file(TAILQ_FIRST(&agent->pending));
}

/* The first command has been answered by nonsense; or by what memory does not suffice for, be it
 * the answer to its synchronisation, which would be asked for over and over. */
static void give_up_first(struct agent *agent, const struct error *error)
{
    struct pending *first = TAILQ_FIRST(&agent->pending);
    bool fails = agent->state == BUSY || error->code == ERROR_SYSTEM;

    agent->state = UNSYNCED;
    seek(agent);
    if (fails && first != NULL)
        finish(agent, first, NULL, error);
}

/* What comes before our number. */
static void take_late(struct agent *agent, const json_t *message)
{
    int64_t handle;

    if (agent->opens_late && field_s64(message, "return", &handle))
        agent_close_file(agent, handle);
    seek(agent);
}

static void take_reply(struct agent *agent, const json_t *message)
{
    struct pending *first = TAILQ_FIRST(&agent->pending);
    struct error error = ERROR_INIT;
    bool unheard;
    json_t *value;

    value = reply_value(message, &error);
    if (value == NULL && error.code == ERROR_PROTOCOL) {
        give_up_first(agent, &error);
        return;
    }
    agent->state = READY;
    unheard = first->done == NULL && opens_file(first) && json_is_integer(value);
    finish(agent, first, value, value != NULL ? NULL : &error);
    if (unheard && agent->state != DEAD)
        agent_close_file(agent, json_integer_value(value));
}

static void take_message(struct agent *agent, const json_t *message)
{
    int64_t number;

    if (agent->state == SYNCING && !agent->opens_late &&
        field_s64(message, "return", &number) && number == agent->sync_number)
        agent->state = READY;
    else if (agent->state == SYNCING || agent->state == UNSYNCED)
        take_late(agent, message);
    else if (agent->state == BUSY)
        take_reply(agent, message);
}

static void take_messages(struct agent *agent)
{
    struct framer_message raw;
    struct error error = ERROR_INIT;
    enum framer_result result;

    while (agent->state != DEAD) {
        AUTO_JSON json_t *message = NULL;

        /* While it seeks nobody is told of what is dropped: to word that would be most of the work
         * that an agent without end makes. */
        result = channel_next(&agent->channel, &raw, agent->state == SYNCING ? NULL : &error);
        if (result == FRAMER_MORE)
            return;
        if (result == FRAMER_MESSAGE)
            message = codec_decode(&raw, &error);
        if (message != NULL)
            take_message(agent, message);
        else if (agent->state == SYNCING && error.code != ERROR_SYSTEM)
            seek(agent);
        else
            give_up_first(agent, &error);
    }
}

/* A monitor's first word comes before ours, and would be dropped with all else that does. */
static bool is_greeting(const struct buffer *buffer)
{
    char text[64];
    int end = 0;

    (void)snprintf(text, sizeof(text), "%.*s", (int)buffer_size(buffer), buffer_bytes(buffer));
    (void)sscanf(text, " { \"QMP\"%n", &end);
    return end > 0;
}

/* Returns as channel_fill(). */
static int hear(struct agent *agent, struct error *error)
{
    int filled = channel_fill(&agent->channel, error);

    if (filled > 0 && !agent->heard && is_greeting(&agent->channel.framer.buffer))
        return error_set(error, ERROR_PROTOCOL, "give the guest agent's own socket",
                         "what answers there is QMP, not the guest agent");
    agent->heard = agent->heard || filled > 0;
    return filled;
}

static void expire(struct agent *agent)
{
    static const struct error error = {
        .code = ERROR_TIMEOUT,
        .why = "the guest agent did not answer in time",
        .fix = "look whether qemu-guest-agent runs in the guest and no other client holds its "
               "socket"};
    struct pending *pending;

    while (agent->state != DEAD &&
           (pending = pending_expired(&agent->pending, clock_now_ms())) != NULL) {
        if (pending->sent)
            unsynchronise(agent);
        finish(agent, pending, NULL, &error);
    }
}

static enum pump_result process(struct pump *pump, short revents)
{
    struct agent *agent = (struct agent *)pump;
    struct error error = ERROR_INIT;
    enum pump_result result;
    int filled = 0;

    if (agent->state == DEAD)
        return PUMP_DEAD;
    agent->dispatching++;
    if (revents & POLLOUT)
        channel_flush(&agent->channel);
    if (revents & (POLLIN | POLLHUP | POLLERR))
        filled = hear(agent, &error);
    if (filled < 0)
        die(agent, &error);
    else if (filled > 0)
        take_messages(agent);
    expire(agent);
    if (agent->state != DEAD && advance(agent, &error) < 0)
        die(agent, &error);
    result = agent->state == DEAD ? PUMP_DEAD : filled > 0 ? PUMP_PROGRESS : PUMP_IDLE;
    leave(agent);
    return result;
}

static int agent_fd(const struct pump *pump)
{
    return ((const struct agent *)pump)->channel.fd;
}

static short agent_events(const struct pump *pump)
{
    return channel_events(&((const struct agent *)pump)->channel);
}

static double agent_deadline_ms(const struct pump *pump)
{
    const struct agent *agent = (const struct agent *)pump;
    double deadline_ms = pending_deadline_ms(&agent->pending);

    if (agent->state == SYNCING && !TAILQ_EMPTY(&agent->pending))
        deadline_ms = clock_earlier_ms(deadline_ms, agent->resync_ms);
    return deadline_ms;
}

static const struct pump_ops agent_pump_ops = {
    .fd = agent_fd,
    .events = agent_events,
    .deadline_ms = agent_deadline_ms,
    .process = process,
};

struct agent *agent_new(const struct agent_options *options, struct error *error)
{
    struct framer_limits limits = options->limits;
    struct agent *agent;
    int fd = options->fd;

    if (options->path != NULL)
        fd = channel_connect(options->path, error);
    if (fd == -2)
        (void)error_set(error, ERROR_CONNECT, "end the clients that hold it",
                        "%s: too many clients wait for this agent", options->path);
    if (fd < 0)
        return NULL;
    agent = calloc(1, sizeof(*agent));
    if (agent == NULL) {
        close(fd);
        (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
        return NULL;
    }
    if (limits.message_bytes == 0)
        limits.message_bytes = LIMITS_AGENT_MESSAGE_BYTES;
    if (limits.depth == 0)
        limits.depth = LIMITS_AGENT_DEPTH;
    if (limits.values == 0)
        limits.values = LIMITS_AGENT_VALUES;
    agent->pump.ops = &agent_pump_ops;
    agent->sync_timeout_ms = options->sync_timeout_ms > 0 ? options->sync_timeout_ms
                                                          : DEFAULT_SYNC_MS;
    TAILQ_INIT(&agent->pending);
    channel_init(&agent->channel, "agent", &limits, &options->tap);
    channel_open(&agent->channel, fd);
    return agent;
}

void agent_free(struct agent *agent)
{
    struct error error = ERROR_INIT;

    if (agent == NULL)
        return;
    agent->dispatching++;
    agent->doomed = true;
    (void)error_set(&error, ERROR_CANCELLED, "", "the connection was given up");
    die(agent, &error);
    leave(agent);
}

void agent_rest(struct agent *agent)
{
    channel_rest(&agent->channel);
}

struct pump *agent_pump(struct agent *agent)
{
    return &agent->pump;
}

const struct error *agent_failure(const struct agent *agent)
{
    return agent->state == DEAD ? &agent->failure : NULL;
}

static int refuse(const struct agent *agent, struct error *error)
{
    if (agent->state != DEAD)
        return error_set(error, ERROR_LIMIT, "", "%d agent commands are pending already",
                         LIMITS_AGENT_PENDING);
    if (error != NULL)
        *error = agent->failure;
    return -1;
}

static int64_t submit(struct agent *agent, const struct request *request, bool urgent,
                      struct error *error)
{
    struct pending *first = TAILQ_FIRST(&agent->pending), *pending;

    if (agent->state == DEAD || agent->pending_count >= LIMITS_AGENT_PENDING) {
        json_decref(request->arguments);
        return refuse(agent, error);
    }
    pending = pending_new(request, agent->last_number + 1, error);
    if (pending == NULL)
        return -1;
    pending_complete(pending, 0); /* answers come in order */
    agent->last_number++;
    agent->pending_count++;
    if (!urgent || first == NULL)
        TAILQ_INSERT_TAIL(&agent->pending, pending, link);
    else if (first->sent)
        TAILQ_INSERT_AFTER(&agent->pending, first, pending, link);
    else
        TAILQ_INSERT_HEAD(&agent->pending, pending, link);
    if (agent->dispatching == 0) /* else what has come already would count as its reply */
        (void)advance(agent, NULL); /* what could not leave now leaves, or fails, in the pump */
    pump_changed(&agent->pump);
    return pending->number;
}

int64_t agent_submit(struct agent *agent, const struct request *request, struct error *error)
{
    return submit(agent, request, false, error);
}

void agent_ask_again(struct agent *agent)
{
    struct pending *first = TAILQ_FIRST(&agent->pending);

    if (agent->state != BUSY || first == NULL)
        return;
    unsynchronise(agent);
    first->sent = false;
    if (first->done == NULL)
        finish(agent, first, NULL, NULL);
    (void)advance(agent, NULL); /* as above */
    pump_changed(&agent->pump);
}

/* Before all others: they may open it anew. */
void agent_close_file(struct agent *agent, int64_t handle)
{
    const struct request request = {.command = "guest-file-close",
                                    .arguments = json_pack("{s:I}", "handle", (json_int_t)handle),
                                    .timeout_ms = CLOSE_MS};

    if (request.arguments != NULL)
        (void)submit(agent, &request, true, NULL);
}

void agent_cancel(struct agent *agent, int64_t number)
{
    struct pending *pending = pending_find(&agent->pending, number);

    if (pending == NULL)
        return;
    pending->done = NULL; /* its deadline stays: the agent may never answer it */
    if (!pending->sent)
        finish(agent, pending, NULL, NULL);
}

void agent_give_up(struct agent *agent, int64_t number)
{
    const struct pending *pending = pending_find(&agent->pending, number);
    bool sent = pending != NULL && pending->sent;

    agent_cancel(agent, number);
    if (sent)
        agent_ask_again(agent); /* of the first, which it is, and for which nobody waits: it goes */
}
