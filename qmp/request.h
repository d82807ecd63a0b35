/* SPDX-License-Identifier: MIT */
/*
 * A command on its way: what a caller hands in, and the list in which it waits for its reply.
 * Shared by the QMP client and the guest agent's.
 */
#ifndef QMP_REQUEST_H
#define QMP_REQUEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/buffer.h"
#include "base/error.h"

/* How a command ended. Exactly one of value and error is set. */
struct reply {
    json_t *value;             /* "return", borrowed: keep it with json_incref() */
    const struct error *error; /* ERROR_REJECTED: the peer's error reply; unknown outcome:
                                  ERROR_TIMEOUT, ERROR_DISCONNECTED, ERROR_PROTOCOL, ERROR_LIMIT */
};

typedef void reply_fn(void *user, const struct reply *reply);

struct request {
    const char *command; /* letters, digits, '-' and '_' */
    json_t *arguments;   /* an object or NULL; always taken over, also when submitting fails */
    double timeout_ms;   /* counted from the submission; CLOCK_NEVER_MS for none */
    int fd;              /* passed along (SCM_RIGHTS, QMP only) and closed here; 0: none */
    reply_fn *done;      /* may be NULL; called exactly once unless cancelled */
    void *user;
};

struct pending {
    TAILQ_ENTRY(pending) link;
    int64_t number; /* among its client's, for good */
    int64_t id;     /* on the wire, while it is there; 0: none */
    char name[64];
    struct buffer line; /* as it goes over the wire; empty once sent */
    double deadline_ms;
    int fd; /* -1: none */
    bool sent;
    reply_fn *done; /* NULL: nobody waits any more, but the reply must be recognised */
    void *user;
};

TAILQ_HEAD(pending_list, pending);

/* Encodes a request up to its end, compact, since QEMU reads its monitor a byte at a time. NULL
 * with ERROR_INVALID or ERROR_SYSTEM; the arguments and the descriptor are consumed in any case. */
struct pending *pending_new(const struct request *request, int64_t number, struct error *error);

/* Ends the line before it is sent, with an "id" member when id is positive. Once. */
void pending_complete(struct pending *pending, int64_t id);

/* By number, or by id; NULL when there is none. */
struct pending *pending_find(const struct pending_list *list, int64_t number);
struct pending *pending_find_id(const struct pending_list *list, int64_t id);

/* An id for what is to be sent, where `last` was the one before and the list is in flight: from 1
 * round to 9, and on only where those are taken. Each digit more costs some ten microseconds in
 * QEMU. It is not the last one again: an answer that comes twice would be taken for ours. */
int64_t pending_next_id(const struct pending_list *list, int64_t last);

/* Takes an entry out, tells its owner, frees it. One of value and error is NULL. */
void pending_finish(struct pending_list *list, struct pending *pending, json_t *value,
                    const struct error *error);

/* Finishes all with the same error, oldest first. Their callbacks must not be able to add more. */
void pending_finish_all(struct pending_list *list, const struct error *error);

/* The owner no longer wants to hear of it. */
void pending_forget(struct pending *pending);

double pending_deadline_ms(const struct pending_list *list);

/* An entry whose deadline has passed and whose owner still waits, or NULL. */
struct pending *pending_expired(const struct pending_list *list, double now_ms);

/* What a reply message says: returns its value (borrowed), or NULL with *error set to the peer's
 * error (ERROR_REJECTED) or to ERROR_PROTOCOL when it is no reply. */
json_t *reply_value(const json_t *message, struct error *error);

#endif
