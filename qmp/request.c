/* SPDX-License-Identifier: MIT */
#include "qmp/request.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "qmp/codec.h"
#include "qmp/field.h"

#define END_BYTES 32 /* ,"id":9223372036854775807} and its line end */
#define ONE_DIGIT_IDS 9

static bool is_command_name(const char *name)
{
    size_t length = strlen(name);

    for (; *name != '\0'; name++) {
        if (!isalnum((unsigned char)*name) && *name != '-' && *name != '_')
            return false;
    }
    return length > 0 && length < sizeof(((struct pending *)NULL)->name);
}

static int append_text(struct buffer *line, const char *text)
{
    return buffer_append(line, text, strlen(text));
}

/* All but the end, for which it leaves room. */
static int encode(struct buffer *line, const char *command, const json_t *arguments)
{
    if (append_text(line, "{\"execute\":\"") < 0 || append_text(line, command) < 0 ||
        append_text(line, "\"") < 0)
        return -1;
    if (json_object_size(arguments) > 0 &&
        (append_text(line, ",\"arguments\":") < 0 || codec_append(line, arguments) < 0))
        return -1;
    return buffer_reserve(line, END_BYTES) != NULL ? 0 : -1;
}

static void pending_free(struct pending *pending)
{
    buffer_free(&pending->line);
    cleanup_fd(&pending->fd);
    free(pending);
}

struct pending *pending_new(const struct request *request, int64_t number, struct error *error)
{
    AUTO_JSON json_t *arguments = request->arguments;
    AUTO_FD int fd = request->fd > 0 ? request->fd : -1;
    struct pending *pending;

    if (!is_command_name(request->command) || (arguments != NULL && !json_is_object(arguments))) {
        (void)error_set(error, ERROR_INVALID, "arguments are a JSON object",
                        "'%.60s' cannot be sent as a command", request->command);
        return NULL;
    }
    pending = calloc(1, sizeof(*pending));
    if (pending != NULL && encode(&pending->line, request->command, arguments) < 0) {
        buffer_free(&pending->line);
        free(STEAL(pending));
    }
    if (pending == NULL) {
        (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
        return NULL;
    }
    (void)snprintf(pending->name, sizeof(pending->name), "%s", request->command);
    pending->number = number;
    pending->fd = steal_fd(&fd);
    pending->deadline_ms = clock_now_ms() + request->timeout_ms;
    pending->done = request->done;
    pending->user = request->user;
    return pending;
}

void pending_complete(struct pending *pending, int64_t id)
{
    char end[END_BYTES];

    pending->id = id;
    if (id > 0)
        (void)snprintf(end, sizeof(end), ",\"id\":%" PRId64 "}\n", id);
    (void)append_text(&pending->line, id > 0 ? end : "}\n");
}

struct pending *pending_find(const struct pending_list *list, int64_t number)
{
    struct pending *pending;

    TAILQ_FOREACH(pending, list, link) {
        if (pending->number == number)
            return pending;
    }
    return NULL;
}

struct pending *pending_find_id(const struct pending_list *list, int64_t id)
{
    struct pending *pending;

    TAILQ_FOREACH(pending, list, link) {
        if (pending->id == id)
            return pending;
    }
    return NULL;
}

int64_t pending_next_id(const struct pending_list *list, int64_t last)
{
    const struct pending *pending;
    int64_t most = 1;

    TAILQ_FOREACH(pending, list, link)
        most++;
    do {
        last = last % (most > ONE_DIGIT_IDS ? most : ONE_DIGIT_IDS) + 1;
    } while (pending_find_id(list, last) != NULL);
    return last;
}

void pending_finish(struct pending_list *list, struct pending *pending, json_t *value,
                    const struct error *error)
{
    const struct reply reply = {.value = value, .error = error};

    TAILQ_REMOVE(list, pending, link);
    if (pending->done != NULL)
        pending->done(pending->user, &reply);
    pending_free(pending);
}

void pending_finish_all(struct pending_list *list, const struct error *error)
{
    while (!TAILQ_EMPTY(list))
        pending_finish(list, TAILQ_FIRST(list), NULL, error);
}

void pending_forget(struct pending *pending)
{
    pending->done = NULL;
    pending->deadline_ms = CLOCK_NEVER_MS;
}

double pending_deadline_ms(const struct pending_list *list)
{
    const struct pending *pending;
    double deadline_ms = CLOCK_NEVER_MS;

    TAILQ_FOREACH(pending, list, link)
        deadline_ms = clock_earlier_ms(deadline_ms, pending->deadline_ms);
    return deadline_ms;
}

struct pending *pending_expired(const struct pending_list *list, double now_ms)
{
    struct pending *pending;

    TAILQ_FOREACH(pending, list, link) {
        if (pending->deadline_ms <= now_ms)
            return pending;
    }
    return NULL;
}

json_t *reply_value(const json_t *message, struct error *error)
{
    json_t *value = json_object_get(message, "return");
    const json_t *problem;

    if (value != NULL)
        return value;
    problem = field_object(message, "error");
    if (problem == NULL)
        (void)error_set(error, ERROR_PROTOCOL, "", "the peer sent a message that is no reply");
    else
        (void)error_set_reply(error, field_string(problem, "class", "GenericError"),
                              field_string(problem, "desc", "no description"));
    return NULL;
}
