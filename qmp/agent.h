/* SPDX-License-Identifier: MIT */
/*
 * The guest agent's dialect (qemu-ga, qga/qapi-schema.json): no greeting, one command at a time,
 * and nobody knows what a former client left half-said. So the stream is synchronised first: a
 * 0xFF byte makes the agent forget a partial request, guest-sync-delimited makes it answer with
 * 0xFF and our number, and all before that is dropped. The same again after every timeout.
 *
 * What answers here runs inside the guest and is hostile until shown otherwise.
 */
#ifndef QMP_AGENT_H
#define QMP_AGENT_H

#include "qmp/channel.h"
#include "qmp/pump.h"
#include "qmp/request.h"

struct agent;

struct agent_options {
    const char *path;            /* the socket to connect to, or NULL: */
    int fd;                      /* a connected socket, taken over, also on failure */
    struct framer_limits limits; /* 0: those of qmp/limits.h */
    double sync_timeout_ms;      /* 0: 2000; after it, the synchronisation is tried anew */
    struct tap tap;
};

/* A new session, or NULL with ERROR_CONNECT or ERROR_SYSTEM. An agent that is absent or held by
 * another client is merely silent: its commands end with ERROR_TIMEOUT. */
struct agent *agent_new(const struct agent_options *options, struct error *error);

/* Fails what is pending with ERROR_CANCELLED and frees. Allowed in a callback. NULL is allowed. */
void agent_free(struct agent *agent);

struct pump *agent_pump(struct agent *agent);

/* Why the session ended (ERROR_DISCONNECTED, ERROR_SYSTEM), NULL while it lives. */
const struct error *agent_failure(const struct agent *agent);

/* Queues a command. request->done fires from the pump, never from in here, exactly once; a command
 * that ends in ERROR_TIMEOUT may be carried out all the same. ERROR_PROTOCOL and ERROR_LIMIT say
 * that the agent answered with something that is no reply or too large; the next command begins
 * with a new synchronisation. Returns the command's number, or -1 with ERROR_INVALID, ERROR_LIMIT
 * (LIMITS_AGENT_PENDING are pending), ERROR_SYSTEM, or the session's failure. */
int64_t agent_submit(struct agent *agent, const struct request *request, struct error *error);

/* The agent may have ended, and another one may have taken its place: the command that it had not
 * answered is sent again after a new synchronisation, with the deadline that it has. Does nothing
 * when none is on its way. Fires no callback. */
void agent_ask_again(struct agent *agent);

/* Has the agent close a file that it opened and that nobody waits for any more, before all that
 * waits to be sent. Nobody hears how that ended; nothing is done when it can't be sent. Fires no
 * callback. Of a guest-file-open whose command was cancelled or whose deadline passed, and which is
 * answered all the same, the file is closed so by itself. */
void agent_close_file(struct agent *agent, int64_t handle);

/* Nothing is expected for a while: see channel_rest(). Not from inside its callbacks. */
void agent_rest(struct agent *agent);

/* Its callback will not fire. */
void agent_cancel(struct agent *agent, int64_t number);

/* The same, and where it is on its way already nothing behind it waits for its answer: there is a
 * new synchronisation first, as if its deadline had passed. Fires no callback. */
void agent_give_up(struct agent *agent, int64_t number);

#endif
