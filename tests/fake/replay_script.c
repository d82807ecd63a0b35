/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "tests/fake/replay.h"
#include "tests/fake/replay_parts.h"

#define DIRECTORY "@DIR@"
#define SYNC "guest-sync-delimited"
#define OPEN "guest-file-open"

/* ---- commands ---- */

static const char *name_of(const json_t *command)
{
    return field_string(command, "execute", "");
}

bool replay_is_look(const json_t *command)
{
    static const char *const beginnings[] = {
        "query-",   "qom-get",         "qom-list",        "device-list-properties", "guest-get-",
        "guest-info", "guest-ping",    "guest-sync",      "guest-fsfreeze-status",
        "guest-exec-status", "guest-file-read", "guest-file-seek", "guest-file-close",
    };
    const char *name = name_of(command);
    size_t i;

    if (strcmp(name, OPEN) == 0)
        return strcmp(field_string(field_object(command, "arguments"), "mode", "r"), "r") == 0;
    for (i = 0; i < COUNT_OF(beginnings); i++) {
        if (strncmp(name, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    }
    return false;
}

/* Under which a file is found; a handle that is not known stands for itself. */
static void handle_text(const json_t *handle, char text[32])
{
    (void)snprintf(text, 32, "%" JSON_INTEGER_FORMAT, json_integer_value(handle));
}

char *replay_key(const struct replay_script *script, const json_t *command)
{
    AUTO_JSON json_t *arguments = json_deep_copy(field_object(command, "arguments"));
    AUTO_FREE char *text = NULL;
    json_t *path;
    char handle[32], *key;

    if (strcmp(name_of(command), SYNC) == 0)
        (void)json_object_del(arguments, "id");
    handle_text(json_object_get(arguments, "handle"), handle);
    path = json_object_get(script->paths, handle);
    if (path != NULL && json_object_get(arguments, "handle") != NULL)
        (void)json_object_set(arguments, "handle", path);
    text = arguments != NULL ? json_dumps(arguments, JSON_SORT_KEYS) : strdup("{}");
    if (text == NULL || asprintf(&key, "%s %s", name_of(command), text) < 0)
        return NULL;
    return key;
}

size_t replay_find(const struct replay_script *script, enum replay_channel channel,
                   const char *key)
{
    size_t i;

    for (i = 0; i < script->count; i++) {
        if (script->lines[i].kind == REPLAY_SENT && script->lines[i].channel == channel &&
            strcmp(script->lines[i].key, key) == 0)
            return i;
    }
    return REPLAY_NONE;
}

/* ---- which answer is whose ---- */

/* QMP answers by id, and what it could not read without one. */
static struct replay_line *qmp_addressee(struct replay_script *script, const json_t *message)
{
    const json_t *id = json_object_get(message, "id");
    struct replay_line *line;
    size_t i;

    for (i = 0; i < script->count; i++) {
        line = &script->lines[i];
        if (line->kind == REPLAY_SENT && line->channel == REPLAY_QMP &&
            line->answer == REPLAY_NONE &&
            (id == NULL || json_equal(id, json_object_get(line->message, "id"))))
            return line;
    }
    return NULL;
}

/* The agent answers the last command; an answer to an earlier one is late, and counts for nothing.
 * A synchronisation's answer is its number. */
static struct replay_line *agent_addressee(struct replay_script *script, const json_t *message)
{
    struct replay_line *line = NULL;
    const json_t *number;
    size_t i;

    for (i = 0; i < script->count; i++) {
        if (script->lines[i].kind == REPLAY_SENT && script->lines[i].channel == REPLAY_AGENT)
            line = &script->lines[i];
    }
    if (line == NULL || line->answer != REPLAY_NONE)
        return NULL;
    number = json_object_get(field_object(line->message, "arguments"), "id");
    if (line->is_sync && !json_equal(number, json_object_get(message, "return")))
        return NULL;
    return line;
}

static void remember_path(struct replay_script *script, const struct replay_line *opened,
                          const json_t *answer)
{
    json_t *path = json_object_get(field_object(opened->message, "arguments"), "path");
    const json_t *handle = json_object_get(answer, "return");
    char text[32];

    handle_text(handle, text);
    if (path != NULL && json_is_integer(handle))
        (void)json_object_set(script->paths, text, path);
}

static void take_received(struct replay_script *script, struct replay_line *line)
{
    struct replay_line *addressee = NULL;

    line->kind = REPLAY_UNASKED;
    if (json_object_get(line->message, "return") == NULL &&
        json_object_get(line->message, "error") == NULL)
        return;
    addressee = line->channel == REPLAY_QMP ? qmp_addressee(script, line->message)
                                            : agent_addressee(script, line->message);
    if (addressee == NULL)
        return;
    line->kind = REPLAY_ANSWER;
    addressee->answer = (size_t)(line - script->lines);
    if (addressee->is_handle)
        remember_path(script, addressee, line->message);
}

static int take_sent(struct replay_script *script, struct replay_line *line)
{
    line->kind = REPLAY_SENT;
    line->key = replay_key(script, line->message);
    if (line->key == NULL)
        return -1;
    line->is_look = replay_is_look(line->message);
    line->is_sync = strcmp(name_of(line->message), SYNC) == 0;
    line->is_handle = strcmp(name_of(line->message), OPEN) == 0;
    line->first = replay_find(script, line->channel, line->key);
    if (line->first == REPLAY_NONE)
        line->first = (size_t)(line - script->lines);
    return 0;
}

int replay_script_make(struct replay_script *script, json_t *run)
{
    json_t *lines = field_array(run, "lines"), *from;
    struct replay_line *line;
    const char *direction;
    size_t i;

    *script = (struct replay_script){.paths = json_object()};
    script->lines = calloc(json_array_size(lines) + 1, sizeof(*script->lines));
    if (script->lines == NULL || script->paths == NULL)
        return -1;
    json_array_foreach(lines, i, from) {
        line = &script->lines[i];
        direction = field_string(from, "direction", "");
        *line = (struct replay_line){.answer = REPLAY_NONE, .kind = REPLAY_CLOSED};
        if (strcmp(field_string(from, "channel", ""), "agent") == 0)
            line->channel = REPLAY_AGENT;
        script->has[line->channel] = true;
        (void)field_u64(from, "line", &line->number);
        line->message = json_object_get(from, "message");
        if (line->message == NULL)
            line->message = json_object_get(from, "text");
        if (strcmp(direction, "sent") == 0 && take_sent(script, line) < 0)
            return -1;
        script->count = i + 1; /* from here on it may be found */
        if (strcmp(direction, "received") == 0)
            take_received(script, line);
    }
    return 0;
}

void replay_script_free(struct replay_script *script)
{
    size_t i;

    for (i = 0; i < script->count; i++)
        free(script->lines[i].key);
    free(script->lines);
    json_decref(script->paths);
}

/* ---- reading a file ---- */

/* The line with "@DIR@" replaced, parsed. */
static json_t *parse(const char *text, const char *directory)
{
    struct framer_message message = {.wide_number = true};
    struct buffer whole = {0};
    json_t *value = NULL;
    const char *next;
    int status = 0;

    for (; (next = strstr(text, DIRECTORY)) != NULL; text = next + strlen(DIRECTORY))
        status |= buffer_append(&whole, text, (size_t)(next - text)) |
                  buffer_append(&whole, directory, strlen(directory));
    status |= buffer_append(&whole, text, strlen(text));
    message.bytes = buffer_bytes(&whole);
    message.size_bytes = buffer_size(&whole);
    if (status == 0)
        value = codec_decode(&message, NULL);
    buffer_free(&whole);
    return value;
}

/* Adds a line to the run that it belongs to. Returns false when it can't belong to any. */
static bool add_line(json_t *runs, json_t *line)
{
    const char *channel = field_string(line, "channel", "");
    const char *direction = field_string(line, "direction", "");
    json_t *run = json_array_get(runs, json_array_size(runs) - 1);
    uint64_t format = 0;

    if (strcmp(channel, "vmplug") == 0 && strcmp(direction, "begin") == 0)
        return field_u64(line, "trace", &format) && format == 1 &&
               json_array_append_new(runs, json_pack("{s:O, s:[], s:[]}", "begin", line, "lines",
                                                     "stdout")) == 0;
    if (run == NULL)
        return false;
    if (strcmp(channel, "vmplug") == 0)
        return json_object_set(run, "end", line) == 0;
    if (strcmp(channel, "stdout") == 0)
        return json_array_append(json_object_get(run, "stdout"),
                                 json_object_get(line, "message")) == 0;
    return json_object_get(run, "end") == NULL &&
           json_array_append(json_object_get(run, "lines"), line) == 0;
}

json_t *replay_read(const char *path, const char *directory, struct error *error)
{
    FILE *file = fopen(path, "re");
    AUTO_JSON json_t *runs = json_array();
    AUTO_FREE char *text = NULL;
    unsigned number = 0;
    size_t size = 0;
    bool good = file != NULL;

    while (good && getline(&text, &size, file) >= 0) {
        AUTO_JSON json_t *line = parse(text, directory);

        (void)json_object_set_new(line, "line", json_integer(++number));
        good = add_line(runs, line);
    }
    if (file != NULL)
        fclose(file);
    if (good && json_array_size(runs) > 0)
        return STEAL(runs);
    (void)error_set(error, ERROR_INVALID, "give what one vmplug wrote with --trace",
                    file == NULL ? "%s cannot be opened" : "%s, line %u is not of a trace", path,
                    number);
    return NULL;
}
