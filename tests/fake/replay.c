/* SPDX-License-Identifier: MIT */
#include "tests/fake/replay.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "tests/fake/fake.h"
#include "tests/fake/replay_parts.h"
#include "tests/fake/server.h"

#define ZEROS_MAX (1 << 20)

struct channel_end {
    struct replay *replay;
    enum replay_channel channel;
    struct server server;
    bool open, used;
};

struct replay {
    struct replay_script script;
    struct channel_end ends[REPLAY_CHANNELS_];
    size_t reached; /* time: all before it has been */
    size_t told;    /* all that came unasked before it has been said */
    unsigned epoch; /* how many changes have come */
    char failure[2048];
    char note[1024];
};

/* ---- failing ---- */

static void fail(struct replay *replay, const struct replay_line *expected, const char *got)
{
    size_t i;

    if (replay->failure[0] != '\0')
        return;
    if (expected != NULL)
        (void)snprintf(replay->failure, sizeof(replay->failure),
                       "line %" PRIu64 ": expected %.900s\n  got %.900s", expected->number,
                       expected->key, got);
    else
        (void)snprintf(replay->failure, sizeof(replay->failure),
                       "behind the last line: expected nothing that changes anything\n  got %.900s",
                       got);
    for (i = 0; i < REPLAY_CHANNELS_; i++)
        server_hang_up(&replay->ends[i].server);
}

/* ---- saying ---- */

static void say(struct replay *replay, enum replay_channel channel, const json_t *message)
{
    struct buffer text = {0};

    if (codec_append(&text, message) < 0 || buffer_append(&text, "\r\n", 2) < 0)
        fake_fail("out of memory");
    server_send(&replay->ends[channel].server, buffer_bytes(&text), buffer_size(&text));
    buffer_free(&text);
}

static void tell(struct replay *replay, const struct replay_line *line)
{
    struct server *server = &replay->ends[line->channel].server;
    const char *text = json_string_value(line->message);

    if (line->kind == REPLAY_CLOSED)
        server_hang_up(server);
    else if (text != NULL)
        server_send(server, text, strlen(text));
    else
        say(replay, line->channel, line->message);
}

/* Of a file whose content was hidden the count is left: that many zeros. */
static void give_zeros(json_t *message)
{
    json_t *value = field_object(message, "return");
    uint64_t count = 0;
    size_t length;
    char *text;

    if (strcmp(field_string(value, "buf-b64", ""), "***") != 0 ||
        !field_u64(value, "count", &count) || count > ZEROS_MAX)
        return;
    length = ((size_t)count + 2) / 3 * 4;
    text = calloc(1, length + 1);
    if (text == NULL)
        fake_fail("out of memory");
    memset(text, 'A', length);
    if (count % 3 != 0)
        memset(text + length - (3 - count % 3), '=', 3 - count % 3);
    value = json_copy(value); /* the recorded one stays as it is */
    (void)json_object_set_new(value, "buf-b64", json_string(text));
    (void)json_object_set_new(message, "return", value);
    free(text);
}

/* The answer to this occurrence, made fit for the command that came. */
static void answer(struct replay *replay, const struct replay_line *line, const json_t *command)
{
    AUTO_JSON json_t *message = NULL;
    json_t *id = json_object_get(command, "id");

    if (line->answer == REPLAY_NONE)
        return;
    message = json_copy(replay->script.lines[line->answer].message);
    give_zeros(message);
    if (id != NULL)
        (void)json_object_set(message, "id", id);
    if (line->is_sync) {
        id = json_object_get(field_object(command, "arguments"), "id");
        (void)json_object_set(message, "return", id);
        server_send(&replay->ends[line->channel].server, "\xff", 1);
    }
    say(replay, line->channel, message);
}

/* ---- time ---- */

static bool has_come(const struct replay *replay, size_t index)
{
    const struct replay_line *line = &replay->script.lines[index];
    const struct replay_line *first = &replay->script.lines[line->first];

    if (!line->is_look)
        return line->come;
    return index < replay->reached || (first->come && first->epoch == replay->epoch);
}

/* The first change that has not come. */
static size_t limit(const struct replay *replay)
{
    const struct replay_line *line;
    size_t i;

    for (i = 0; i < replay->script.count; i++) {
        line = &replay->script.lines[i];
        if (line->kind == REPLAY_SENT && !line->is_look && !line->come)
            break;
    }
    return i;
}

/* Says what is due of what came unasked, before this line. */
static void tell_due(struct replay *replay, size_t end)
{
    const struct replay_line *line;

    for (; replay->told < end; replay->told++) {
        line = &replay->script.lines[replay->told];
        if (line->kind == REPLAY_SENT && !has_come(replay, replay->told))
            return;
        if (line->kind != REPLAY_UNASKED && line->kind != REPLAY_CLOSED)
            continue;
        if (!replay->ends[line->channel].used)
            return;
        tell(replay, line);
    }
}

static void reach(struct replay *replay, size_t index)
{
    size_t end = limit(replay);

    if (index > end)
        index = end;
    if (index > replay->reached)
        replay->reached = index;
    tell_due(replay, replay->reached);
}

/* ---- hearing ---- */

static bool same_answer(const struct replay *replay, size_t left, size_t right)
{
    const struct replay_line *lines = replay->script.lines;
    const struct replay_line *a = &lines[left], *b = &lines[right];
    static const char *const members[] = {"return", "error"};
    json_t *was, *is;
    size_t i;

    if (a->answer == REPLAY_NONE || b->answer == REPLAY_NONE)
        return a->answer == b->answer;
    for (i = 0; i < COUNT_OF(members); i++) {
        was = json_object_get(lines[a->answer].message, members[i]);
        is = json_object_get(lines[b->answer].message, members[i]);
        if ((was == NULL) != (is == NULL))
            return false;
        if (was != NULL && !a->is_handle && !a->is_sync && !json_equal(was, is))
            return false;
    }
    return true;
}

/* Which occurrence of a look answers it now; first is its first. */
static size_t choose(const struct replay *replay, size_t first)
{
    const struct replay_line *lines = replay->script.lines;
    bool asked = lines[first].come;
    size_t from = asked ? lines[first].last + 1 : first, end = limit(replay), i;
    size_t chosen = asked ? lines[first].last : first; /* even if it was to come after a change */

    for (i = from; i < end; i++) {
        if (lines[i].kind != REPLAY_SENT || lines[i].first != first)
            continue;
        chosen = i;
        if (i >= replay->reached && (!asked || !same_answer(replay, lines[first].last, i)))
            break;
    }
    return chosen;
}

static void take_look(struct replay *replay, size_t first, const json_t *command)
{
    struct replay_line *lines = replay->script.lines;
    size_t chosen = choose(replay, first);

    lines[first].come = true;
    lines[first].epoch = replay->epoch;
    lines[first].last = chosen;
    reach(replay, lines[chosen].answer != REPLAY_NONE ? lines[chosen].answer : chosen);
    answer(replay, &lines[chosen], command);
}

static void take_change(struct replay *replay, enum replay_channel channel, const char *key,
                        const json_t *command)
{
    struct replay_line *line = NULL;
    size_t i;

    for (i = 0; i < replay->script.count; i++) {
        line = &replay->script.lines[i];
        if (line->kind == REPLAY_SENT && line->channel == channel && !line->is_look && !line->come)
            break;
    }
    if (i == replay->script.count || strcmp(line->key, key) != 0) {
        fail(replay, i < replay->script.count ? line : NULL, key);
        return;
    }
    line->come = true;
    replay->epoch++;
    reach(replay, line->answer != REPLAY_NONE ? line->answer : i);
    answer(replay, line, command);
}

static void take_stranger(struct replay *replay, enum replay_channel channel, const char *key,
                          const json_t *command)
{
    json_t *id = json_object_get(command, "id");
    AUTO_JSON json_t *message = json_pack("{s:{s:s, s:s}}", "error", "class", "CommandNotFound",
                                          "desc", "the trace does not have it");
    size_t used = strlen(replay->note);

    if (id != NULL)
        (void)json_object_set(message, "id", id);
    (void)snprintf(replay->note + used, sizeof(replay->note) - used, "%s%.200s",
                   used > 0 ? "\n" : "", key);
    say(replay, channel, message);
}

static void on_received(void *user, json_t *command)
{
    struct channel_end *end = user;
    struct replay *replay = end->replay;
    AUTO_FREE char *key = replay_key(&replay->script, command);
    size_t first = replay_find(&replay->script, end->channel, key);

    if (replay->failure[0] != '\0')
        return;
    if (!replay_is_look(command))
        take_change(replay, end->channel, key, command);
    else if (first != REPLAY_NONE)
        take_look(replay, first, command);
    else
        take_stranger(replay, end->channel, key, command);
    tell_due(replay, replay->script.count);
}

static void on_connected(void *user)
{
    struct channel_end *end = user;

    end->used = true;
    tell_due(end->replay, end->replay->script.count);
}

/* ---- ---- */

static const struct server_handler handler = {.connected = on_connected, .received = on_received};

struct replay *replay_new(json_t *run, const char *qmp_path, const char *agent_path)
{
    const char *const paths[REPLAY_CHANNELS_] = {qmp_path, agent_path};
    struct replay *replay = calloc(1, sizeof(*replay));
    size_t i;

    if (replay == NULL || replay_script_make(&replay->script, run) < 0)
        fake_fail("out of memory");
    for (i = 0; i < REPLAY_CHANNELS_; i++) {
        replay->ends[i] = (struct channel_end){.replay = replay,
                                               .channel = (enum replay_channel)i,
                                               .open = replay->script.has[i] && paths[i] != NULL,
                                               .server.fd = -1,
                                               .server.listen_fd = -1};
        if (replay->ends[i].open)
            server_open(&replay->ends[i].server, paths[i], &handler, &replay->ends[i]);
    }
    return replay;
}

void replay_free(struct replay *replay)
{
    size_t i;

    for (i = 0; i < REPLAY_CHANNELS_; i++) {
        if (replay->ends[i].open)
            server_close(&replay->ends[i].server);
    }
    replay_script_free(&replay->script);
    free(replay);
}

static struct pump *pump_of(struct replay *replay, enum replay_channel channel)
{
    return replay->ends[channel].open ? &replay->ends[channel].server.pump : NULL;
}

struct pump *replay_qmp_pump(struct replay *replay)
{
    return pump_of(replay, REPLAY_QMP);
}

struct pump *replay_agent_pump(struct replay *replay)
{
    return pump_of(replay, REPLAY_AGENT);
}

bool replay_is_over(const struct replay *replay)
{
    bool used = false;
    size_t i;

    for (i = 0; i < REPLAY_CHANNELS_; i++) {
        used |= replay->ends[i].used;
        if (replay->ends[i].used && replay->ends[i].server.fd >= 0)
            return false;
    }
    return used;
}

const char *replay_failure(const struct replay *replay)
{
    return replay->failure[0] != '\0' ? replay->failure : NULL;
}

const char *replay_verdict(struct replay *replay)
{
    const struct replay_line *line;
    size_t i;

    for (i = 0; i < replay->script.count && replay->failure[0] == '\0'; i++) {
        line = &replay->script.lines[i];
        if (line->kind == REPLAY_SENT &&
            !(line->is_look ? replay->script.lines[line->first].come : line->come))
            fail(replay, line, "nothing: it never came");
    }
    return replay_failure(replay);
}

const char *replay_note(const struct replay *replay)
{
    return replay->note;
}
