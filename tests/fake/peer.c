/* SPDX-License-Identifier: MIT */
#include "tests/fake/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/fake/server.h"

#define LINES_MAX 512
#define COMMANDS_MAX 256

enum line_kind {
    ACCEPT,
    EXPECT,
    EXPECT_SENTINEL,
    EXPECT_CLOSE,
    REPLY,    /* value, to the command `ordinal`, or the last one when it is negative */
    EMIT,     /* value */
    SYNC,     /* the number of the command expected last, behind 0xFF */
    RAW,
    PAUSE,
    WAIT_FOR,
    HANG_UP,
    HANG
};

static const char *const kind_names[] = {
    [ACCEPT] = "a client", [EXPECT] = "command", [EXPECT_SENTINEL] = "byte 0xff",
    [EXPECT_CLOSE] = "end of the connection", [REPLY] = "reply", [EMIT] = "event", [SYNC] = "sync",
    [RAW] = "bytes", [PAUSE] = "pause", [WAIT_FOR] = "wait", [HANG_UP] = "hang-up", [HANG] = "hang",
};

struct line {
    enum line_kind kind;
    char *command;
    json_t *value; /* arguments, or what is sent */
    int ordinal;
    char *bytes;
    size_t size;
    double ms;
    const struct peer *other;
};

struct peer {
    struct server server; /* first */
    char name[64];
    struct line lines[LINES_MAX];
    unsigned count;
    unsigned next;
    json_t *commands[COMMANDS_MAX]; /* as they were received */
    unsigned received;
    unsigned expected;              /* how many of them were met by an EXPECT */
    bool hanging;
};

static struct line *add(struct peer *peer, enum line_kind kind)
{
    struct line *line = &peer->lines[peer->count];

    if (peer->count == LINES_MAX)
        fake_fail("%s: the script is too long", peer->name);
    peer->count++;
    *line = (struct line){.kind = kind, .ordinal = -1};
    return line;
}

static const struct line *current(const struct peer *peer)
{
    return peer->next < peer->count ? &peer->lines[peer->next] : NULL;
}

static const char *current_name(const struct peer *peer, char text[256])
{
    const struct line *line = current(peer);

    (void)snprintf(text, 256, "%s%s%.200s", line != NULL ? kind_names[line->kind] : "nothing more",
                   line != NULL && line->command != NULL ? " " : "",
                   line != NULL && line->command != NULL ? line->command : "");
    return text;
}

/* ---- playing ---- */

static void check_command(const struct peer *peer, const struct line *line, const json_t *command)
{
    const json_t *arguments = json_object_get(command, "arguments");
    const char *name = json_string_value(json_object_get(command, "execute"));

    if (name != NULL && strcmp(name, line->command) == 0 &&
        (line->value == NULL || fake_json_has(arguments, line->value)))
        return;
    fake_fail("%s: line %u: expected %s %s, got %s", peer->name, peer->next, line->command,
              line->value != NULL ? json_dumps(line->value, JSON_COMPACT) : "",
              json_dumps(command, JSON_COMPACT));
}

static const json_t *command_of(const struct peer *peer, int ordinal)
{
    unsigned index = ordinal >= 0 ? (unsigned)ordinal : peer->expected - 1;

    if (index >= peer->expected)
        fake_fail("%s: line %u replies to a command that was not expected", peer->name, peer->next);
    return peer->commands[index];
}

static void send_reply(struct peer *peer, const struct line *line)
{
    json_t *id = json_object_get(command_of(peer, line->ordinal), "id");
    json_t *reply = json_copy(line->value);

    if (id != NULL)
        json_object_set(reply, "id", id);
    server_send_json(&peer->server, reply);
}

static void send_sync(struct peer *peer)
{
    const json_t *arguments = json_object_get(command_of(peer, -1), "arguments");
    const json_t *number = json_object_get(arguments, "id");
    char text[256];

    (void)snprintf(text, sizeof(text),
                   "{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse error, stray "
                   "\"}}\n\xff{\"return\": %" JSON_INTEGER_FORMAT "}\n",
                   json_integer_value(number));
    server_send(&peer->server, text, strlen(text));
}

/* Plays one line. Returns false when something must come or pass before. */
static bool play_line(struct peer *peer, struct line *line)
{
    struct server *server = &peer->server;

    switch (line->kind) {
    case ACCEPT:
        return server->fd >= 0;
    case EXPECT:
        if (peer->expected == peer->received)
            return false;
        check_command(peer, line, peer->commands[peer->expected++]);
        return true;
    case EXPECT_SENTINEL:
    case EXPECT_CLOSE:
        return false; /* played by on_sentinel(), on_closed() */
    case REPLY:
        send_reply(peer, line);
        return true;
    case EMIT:
        server_send_json(server, json_incref(line->value));
        return true;
    case SYNC:
        send_sync(peer);
        return true;
    case RAW:
        server_send(server, line->bytes, line->size);
        return true;
    case PAUSE:
        if (line->ms > 0) {
            server->wake_ms = clock_now_ms() + line->ms;
            line->ms = 0;
        }
        return server->wake_ms == CLOCK_NEVER_MS;
    case WAIT_FOR:
        if (!peer_is_done(line->other))
            server->wake_ms = clock_now_ms() + 1;
        return peer_is_done(line->other);
    case HANG_UP:
        server_hang_up(server);
        return true;
    case HANG:
        peer->hanging = true;
        return true;
    }
    return true;
}

static void play(struct peer *peer)
{
    char wanted[256];

    while (peer->next < peer->count && play_line(peer, &peer->lines[peer->next]))
        peer->next++;
    if (peer->hanging || peer->received == peer->expected)
        return;
    /* Commands may queue up while we pause, but not when none is expected any more. */
    if (current(peer) == NULL)
        fake_fail("%s: expected %s, got %s", peer->name, current_name(peer, wanted),
                  json_dumps(peer->commands[peer->expected], JSON_COMPACT));
}

static void on_connected(void *user)
{
    struct peer *peer = user;

    if (current(peer) != NULL && current(peer)->kind == ACCEPT)
        peer->next++;
    play(peer);
}

static void on_received(void *user, json_t *value)
{
    struct peer *peer = user;

    if (peer->hanging)
        return;
    if (peer->received == COMMANDS_MAX)
        fake_fail("%s: too many commands", peer->name);
    peer->commands[peer->received++] = json_incref(value);
    play(peer);
}

static void on_sentinel(void *user)
{
    struct peer *peer = user;
    char wanted[256];

    if (peer->hanging)
        return;
    if (current(peer) == NULL || current(peer)->kind != EXPECT_SENTINEL)
        fake_fail("%s: expected %s, got byte 0xff", peer->name, current_name(peer, wanted));
    peer->next++;
    play(peer);
}

static void on_closed(void *user)
{
    struct peer *peer = user;

    if (current(peer) != NULL && current(peer)->kind == EXPECT_CLOSE)
        peer->next++;
    play(peer);
}

static void on_woken(void *user)
{
    play(user);
}

static const struct server_handler handler = {.connected = on_connected,
                                              .received = on_received,
                                              .sentinel = on_sentinel,
                                              .closed = on_closed,
                                              .woken = on_woken};

/* ---- the script ---- */

struct peer *peer_new(const char *name)
{
    struct peer *peer = calloc(1, sizeof(*peer));

    (void)snprintf(peer->name, sizeof(peer->name), "%s", name);
    server_open(&peer->server, fake_path(name), &handler, peer);
    return peer;
}

const char *peer_path(const struct peer *peer)
{
    return peer->server.path;
}

struct pump *peer_pump(struct peer *peer)
{
    return &peer->server.pump;
}

static void check_done(void *user)
{
    const struct peer *peer = user;
    char wanted[256];

    if (!peer_is_done(peer))
        fake_fail("%s: the script ended at line %u of %u, awaiting %s", peer->name, peer->next,
                  peer->count, current_name(peer, wanted));
}

struct fake_actor peer_actor(struct peer *peer)
{
    return (struct fake_actor){.pump = peer_pump(peer), .check = check_done, .user = peer};
}

void peer_accept(struct peer *peer)
{
    (void)add(peer, ACCEPT);
}

void peer_greet(struct peer *peer)
{
    static const char greeting[] =
        "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, "
        "\"package\": \"\"}, \"capabilities\": [\"oob\"]}}\r\n";

    peer_accept(peer);
    peer_raw(peer, greeting, sizeof(greeting) - 1);
    peer_expect(peer, "qmp_capabilities", NULL);
    peer_reply(peer, "{}");
}

void peer_resync(struct peer *peer)
{
    peer_expect_sentinel(peer);
    peer_expect(peer, "guest-sync-delimited", NULL);
    (void)add(peer, SYNC);
}

void peer_sync(struct peer *peer)
{
    peer_accept(peer);
    peer_resync(peer);
}

void peer_expect(struct peer *peer, const char *command, const char *arguments)
{
    struct line *line = add(peer, EXPECT);

    line->command = strdup(command);
    line->value = fake_json(arguments);
}

void peer_expect_sentinel(struct peer *peer)
{
    (void)add(peer, EXPECT_SENTINEL);
}

void peer_reply_to(struct peer *peer, unsigned ordinal, const char *value)
{
    struct line *line = add(peer, REPLY);

    line->value = json_pack("{s:o}", "return", fake_json(value));
    line->ordinal = (int)ordinal;
}

void peer_reply(struct peer *peer, const char *value)
{
    add(peer, REPLY)->value = json_pack("{s:o}", "return", fake_json(value));
}

void peer_reply_error(struct peer *peer, const char *class_name, const char *desc)
{
    add(peer, REPLY)->value =
        json_pack("{s:{s:s, s:s}}", "error", "class", class_name, "desc", desc);
}

void peer_emit(struct peer *peer, const char *event, const char *data)
{
    struct line *line = add(peer, EMIT);

    line->value = json_pack("{s:{s:i, s:i}, s:s}", "timestamp", "seconds", 1, "microseconds", 2,
                            "event", event);
    if (data != NULL)
        json_object_set_new(line->value, "data", fake_json(data));
}

void peer_raw(struct peer *peer, const char *bytes, size_t size)
{
    struct line *line = add(peer, RAW);

    line->bytes = malloc(size);
    memcpy(line->bytes, bytes, size);
    line->size = size;
}

void peer_pause(struct peer *peer, double ms)
{
    add(peer, PAUSE)->ms = ms;
}

void peer_wait_for(struct peer *peer, const struct peer *other)
{
    add(peer, WAIT_FOR)->other = other;
}

void peer_hang_up(struct peer *peer)
{
    (void)add(peer, HANG_UP);
}

void peer_expect_close(struct peer *peer)
{
    (void)add(peer, EXPECT_CLOSE);
}

void peer_hang(struct peer *peer)
{
    (void)add(peer, HANG);
}

bool peer_is_done(const struct peer *peer)
{
    return peer->next == peer->count;
}

void peer_end(struct peer *peer)
{
    check_done(peer);
    peer_end_unchecked(peer);
}

void peer_end_unchecked(struct peer *peer)
{
    unsigned i;

    server_close(&peer->server);
    for (i = 0; i < peer->count; i++) {
        free(peer->lines[i].command);
        free(peer->lines[i].bytes);
        json_decref(peer->lines[i].value);
    }
    for (i = 0; i < peer->received; i++)
        json_decref(peer->commands[i]);
    free(peer);
}
