/* SPDX-License-Identifier: MIT */
/*
 * What the daemon counts, in Prometheus' text format (version 0.0.4). A counter begins at 0 when
 * the daemon does. Sizes and orphans are sums over what was last seen of each VM: whoever looks at
 * one says so by metrics_saw().
 */
#ifndef DAEMON_METRICS_H
#define DAEMON_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/operation.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_STATES 8

struct metrics;

/* Of one VM; its owner keeps it, all 0 at first. */
struct metrics_vm {
    uint64_t requested_bytes; /* of memory: what its manifest or QEMU asks for, */
    uint64_t online_bytes;    /* and what the guest has; 0 while nobody knows */
    uint64_t orphans;         /* what is left of things that failed (vmm/audit.h) */
};

/* NULL without memory. */
struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics); /* NULL is allowed */

/* In all that follows metrics may be NULL: nothing is counted. */

/* A device's end: its kind, verdict, and the time to each rung; of a refusal by _OST the code. */
void metrics_operation(struct metrics *metrics, const struct operation_result *result);

/* A monitor that was lost is connected again. */
void metrics_reconnect(struct metrics *metrics);

/* A reconcile, a refused request for lack of a role, and an event that was dropped for a reader. */
void metrics_reconcile(struct metrics *metrics, enum verdict verdict);
void metrics_forbidden(struct metrics *metrics);
void metrics_gap(struct metrics *metrics);

/* What is known of a VM now takes the place of what was; {0}: it is held no more, or gone. */
void metrics_saw(struct metrics *metrics, struct metrics_vm *vm, struct metrics_vm now);

/* What is read at this moment. */
struct metrics_now {
    struct {
        const char *name; /* of a state; NULL: none */
        uint64_t count;
    } vms[METRICS_STATES];
    uint64_t subscribers;
    uint64_t operations_under_way;
};

/* The whole text, to be freed; NULL without memory. */
char *metrics_text(const struct metrics *metrics, const struct metrics_now *now);

#endif
