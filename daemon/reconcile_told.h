/* SPDX-License-Identifier: MIT */
/* Who is told how a VM comes to be what its manifest says: those who wait for it, the log, the
 * events, the figures; and how it stands, as a condition. */
#ifndef DAEMON_RECONCILE_TOLD_H
#define DAEMON_RECONCILE_TOLD_H

#include <jansson.h>
#include <sys/queue.h>
#include <time.h>

#include "daemon/daemon.h"
#include "vmm/batch.h"

enum condition_status { CONDITION_UNKNOWN, CONDITION_FALSE, CONDITION_TRUE };

struct reconcile_told {
    struct daemon *daemon;
    const char *name; /* of the VM; borrowed */
    TAILQ_HEAD(, waiter) waiters;
    enum condition_status status;
    const char *reason; /* a literal, in CamelCase */
    char *message;      /* NULL: "" */
    time_t since;       /* when the status became this one */
};

void reconcile_told_init(struct reconcile_told *told, struct daemon *daemon, const char *name);
void reconcile_told_free(struct reconcile_told *told);

/* The observer waits for the next pass that begins. -1 without memory. */
int reconcile_told_wait(struct reconcile_told *told, const struct batch_observer *observer);

/* A pass begins, which is that of all who wait. */
void reconcile_told_begin(struct reconcile_told *told);

/* Does anybody wait for one that is yet to begin? */
bool reconcile_told_is_awaited(const struct reconcile_told *told);

void reconcile_told_stage(struct reconcile_told *told, const struct operation_result *so_far,
                          const struct operation_stage *stage);
void reconcile_told_result(struct reconcile_told *told, const struct operation_result *result);

/* The pass is over: who waited for it hears so, and waits no more. */
void reconcile_told_done(struct reconcile_told *told, const struct batch_result *result);

/* reason: a literal. message is copied. */
void reconcile_told_condition(struct reconcile_told *told, enum condition_status status,
                              const char *reason, const char *message);

/* The condition that comes of a verdict which is no success. */
void reconcile_told_failure(struct reconcile_told *told, enum verdict verdict, bool restart,
                            const struct error *error);

/* A new reference; NULL without memory. */
json_t *reconcile_told_json(const struct reconcile_told *told);

#endif
