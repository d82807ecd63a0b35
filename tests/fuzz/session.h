/* SPDX-License-Identifier: MIT */
/*
 * Commands of a session with a peer that says anything, and what must hold of each: it is answered
 * exactly once, or not at all once it was cancelled, and an honest answer reaches the command that
 * it answers and no other. Honest answers carry a word that other bytes of the input don't have.
 */
#ifndef TESTS_FUZZ_SESSION_H
#define TESTS_FUZZ_SESSION_H

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "qmp/field.h"
#include "qmp/pump.h"
#include "qmp/request.h"
#include "tests/fuzz/fuzz.h"

#define COMMANDS_MAX 48
#define STEPS_MAX 400
#define HONEST "8e1b53c6f20d"

struct session;

struct command {
    struct session *session;
    unsigned number;
    int64_t id;
    bool cancelled;
    unsigned answered;
};

struct session {
    struct command commands[COMMANDS_MAX];
    unsigned count;
    int peer;                               /* the other end */
    void (*in_callback)(struct session *session); /* once, in the next answer's callback; or NULL */
    int64_t (*submit)(struct session *session, const struct request *request);
    bool (*is_foreign)(int64_t number); /* it answers something else; or NULL */
    void *client; /* NULL: freed */
};

static inline void session_done(void *user, const struct reply *reply)
{
    struct command *command = user;
    struct session *session = command->session;
    void (*in_callback)(struct session *) = session->in_callback;
    int64_t number;

    MUST((reply->value == NULL) != (reply->error == NULL));
    MUST(reply->error == NULL || reply->error->code != ERROR_NONE);
    MUST(!command->cancelled && ++command->answered == 1);
    if (strcmp(field_string(reply->value, "word", ""), HONEST) == 0)
        MUST(field_s64(reply->value, "n", &number) && number == command->number);
    if (session->is_foreign != NULL && json_is_integer(reply->value))
        MUST(!session->is_foreign(json_integer_value(reply->value)));
    session->in_callback = NULL;
    if (in_callback != NULL)
        in_callback(session);
}

static inline void session_submit(struct session *session, double timeout_ms)
{
    struct command *command = &session->commands[session->count];
    const struct request request = {.command = "query-status",
                                    .timeout_ms = timeout_ms,
                                    .done = session_done,
                                    .user = command};
    struct request numbered = request;

    if (session->count == COMMANDS_MAX || session->client == NULL)
        return;
    *command = (struct command){.session = session, .number = session->count};
    numbered.arguments = json_pack("{s:i}", "n", (int)command->number);
    command->id = session->submit(session, &numbered);
    MUST(command->answered == 0);
    if (command->id >= 0)
        session->count++;
}

/* The command that a byte names; NULL when there is none yet. */
static inline struct command *session_command(struct session *session, uint8_t byte)
{
    return session->count > 0 ? &session->commands[byte % session->count] : NULL;
}

static inline void session_say(const struct session *session, const void *bytes, size_t size)
{
    /* What does not fit is lost: it is for the client to get along with that. */
    (void)!send(session->peer, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Lets the pump do all it can do now; that must come to an end by itself. */
static inline void session_pump(struct session *session, struct pump *pump)
{
    unsigned rounds = 0;

    while (session->client != NULL && pump_process(pump, POLLIN | POLLOUT) == PUMP_PROGRESS)
        MUST(++rounds < 10000);
}

static inline void session_check(const struct session *session)
{
    unsigned i;

    for (i = 0; i < session->count; i++)
        MUST(session->commands[i].answered == (session->commands[i].cancelled ? 0 : 1));
}

#endif
