/* SPDX-License-Identifier: MIT */
/*
 * What happened of late, in order: each event has a number, one more than that of the one before.
 * They are kept until their bytes are too many; whoever reads on from a number that is no longer
 * there sees by the numbers that there is a gap. Readers keep nothing but the number that they are
 * at, so that a slow one costs nothing.
 *
 * The first number is the time at which the log was made, in microseconds: a log that is made later
 * goes on above, and a reader who comes with an earlier one's number finds a gap, not other events
 * under the same numbers. It fits in the 53 bits that JSON's readers have for it.
 */
#ifndef DAEMON_EVENT_LOG_H
#define DAEMON_EVENT_LOG_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/* What happened, in one of these words. */
#define EVENT_QMP "qmp"             /* data: QEMU's event, {"event", "data"} */
#define EVENT_STATE "state"         /* data: {"state"}: held_vm_state_name() */
#define EVENT_CONDITION "condition" /* data: the condition */
#define EVENT_STAGE "stage"         /* data: {"operation", "id", "stage", "ms"} */
#define EVENT_RESULT "result"       /* data: as result_json_operation() */
#define EVENT_OPERATION "operation" /* data: an operation of /v1, without its results */

struct event_log;

struct event_log_entry {
    uint64_t number;
    char type[16];
    char *vm;   /* NULL: of the daemon */
    char *text; /* {"number", "time", "type", "vm", "data"}, in one line */
    size_t bytes;
};

/* The caller's, who keeps it where it is until event_log_unsubscribe(). */
struct event_log_subscriber {
    LIST_ENTRY(event_log_subscriber) link;
    /* An event was added. From inside of event_log_add(); it adds none, and subscribes nobody. */
    void (*added)(void *user, const struct event_log_entry *entry);
    void *user;
};

/* NULL without memory. */
struct event_log *event_log_new(size_t max_bytes);

/* There are no subscribers any more. NULL is allowed. */
void event_log_free(struct event_log *log);

/* data: taken over; one of more than a sixteenth of the log's bytes is left out ("data": null,
 * "truncated": true). What there is no memory for is a gap. A log of NULL takes everything. */
void event_log_add(struct event_log *log, const char *type, const char *vm, json_t *data);

/* The number that the next one will have. */
uint64_t event_log_next(const struct event_log *log);

/* The first event of this number or a later one, borrowed until the next is added; NULL: there is
 * none yet. One whose number is not the one asked for has a gap before it. */
const struct event_log_entry *event_log_find(const struct event_log *log, uint64_t number);

void event_log_subscribe(struct event_log *log, struct event_log_subscriber *subscriber);
void event_log_unsubscribe(struct event_log_subscriber *subscriber);

#endif
