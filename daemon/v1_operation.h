/* SPDX-License-Identifier: MIT */
/*
 * What was asked of VMs by /v1, and what came of it: each operation has an id, waits for its turn,
 * is under way, and is done, once. Those that are done are remembered for a while. An id is never
 * given twice, nor by a daemon that is started later: it begins as the numbers of events do
 * (daemon/event_log.h).
 */
#ifndef DAEMON_V1_OPERATION_H
#define DAEMON_V1_OPERATION_H

#include <jansson.h>
#include <stdint.h>

#include "daemon/daemon.h"
#include "daemon/held_vm.h"
#include "daemon/peer.h"
#include "daemon/v1_change.h"

#define V1_OPERATIONS_DONE 1000         /* that are remembered, */
#define V1_OPERATIONS_DONE_RESULTS 8192 /* and so many results of theirs */
#define V1_OPERATIONS_UNDER_WAY 20000   /* at once; what comes then is refused */

struct v1_operations;
struct v1_operation;

/* NULL without memory. */
struct v1_operations *v1_operations_new(struct daemon *daemon);

/* After fleet_free(), before the HTTP server's end. NULL is allowed. */
void v1_operations_free(struct v1_operations *operations);

/* Begins a change, which is taken over, also on failure. The audit log, which has been told that it
 * is begun, is told of its end. NULL with ERROR_LIMIT, ERROR_CANCELLED (the daemon is about to
 * end) or ERROR_SYSTEM. */
struct v1_operation *v1_operation_begin(struct v1_operations *operations, struct held_vm *held,
                                        struct v1_change *change, const struct peer_id *peer,
                                        struct error *error);

/* Has the VM become what its manifest says (held_vm_reconcile()); name: "apply". The same. */
struct v1_operation *v1_operation_reconcile(struct v1_operations *operations,
                                            struct held_vm *held, const char *name,
                                            const struct peer_id *peer, struct error *error);

/* NULL: there is none, or none any more. Borrowed, until the loop goes on. */
struct v1_operation *v1_operation_find(const struct v1_operations *operations, const char *id);

const char *v1_operation_vm(const struct v1_operation *operation);
bool v1_operation_is_done(const struct v1_operation *operation);

/* {"id", "vm", "operation", "state", "created", …, "verdict", "error"}; with results also "request"
 * (when it is done, without long lists), "results", each as `vmplug --json` prints it, and
 * "summary". A new reference; NULL without memory. */
json_t *v1_operation_json(const struct v1_operation *operation, bool results);

/* All that there are, those that are under way first, the latest first of each; until visit says
 * that it has enough, by false. */
void v1_operations_each(const struct v1_operations *operations,
                        bool (*visit)(void *user, const struct v1_operation *operation),
                        void *user);

size_t v1_operations_under_way(const struct v1_operations *operations);

/* Calls done, from the loop, once it is done. It is not yet. -1 without memory. */
int v1_operation_wait(struct v1_operation *operation,
                      void (*done)(void *user, const struct v1_operation *operation), void *user);

/* A device under way is interrupted, and taken back as far as it can be; one that waits ends. Of a
 * reconcile, which is not only its own, and of what is done -1 with ERROR_BLOCKED. */
int v1_operation_interrupt(struct v1_operation *operation, struct error *error);

#endif
