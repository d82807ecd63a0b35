/* SPDX-License-Identifier: MIT */
/*
 * Several devices, one after the other: plug, wait for the guest, go on; stop at the first that
 * fails, and say exactly what was done. Or, where all or nothing is wanted, take back what was.
 */
#ifndef VMM_BATCH_H
#define VMM_BATCH_H

#include "vmm/operation.h"

enum batch_goal {
    BATCH_COUNT,  /* as many devices as `count` of the same kind */
    BATCH_CPUS,   /* `target` vCPUs in all: adds, or removes from the highest slot down */
    BATCH_MEMORY, /* `target` bytes in all, base memory included: adds, in pieces that the guest's
                     memory can bear, or removes whole DIMMs, newest first; or
                     resizes a virtio-mem that can make up for it all */
    BATCH_LIST,   /* `items`, one by one, whatever becomes of each */
};

struct batch_request {
    enum batch_goal goal;
    uint64_t count;
    uint64_t target;
    struct operation_request each; /* the pattern of every operation; strings are borrowed until
                                      the batch has ended */
    const char *const *files;      /* BATCH_COUNT of OPERATION_DISK_ADD: each operation's
                                      disk.file, `count` of them; or NULL */
    const char *const *ids;        /* BATCH_COUNT of removals: each operation's id; or NULL */
    const struct batch_item *items; /* BATCH_LIST: `count` of them, copied; see batch_plan.h */
    const char *missing; /* BATCH_LIST: for lack of it there may be more to do than the items, and
                            success is VERDICT_UNCONFIRMED; else NULL */
    bool atomic; /* what was added before one fails is taken back, each device with the timeout of
                    `each` again */
};

struct batch_result {
    bool summary;         /* false: one device was asked for and its own result says it all */
    enum verdict verdict; /* decides the exit code */
    const char *missing;  /* with VERDICT_UNCONFIRMED: as an operation's, of the first; else NULL */
    uint64_t asked, done; /* devices; what was taken back is not done */
    struct error error;   /* what stopped it; ERROR_NONE on success */
    double elapsed_ms;
};

struct batch_observer {
    void (*stage)(void *user, const struct operation_result *so_far,
                  const struct operation_stage *stage);
    void (*result)(void *user, const struct operation_result *result); /* each device's end */
    void (*done)(void *user, const struct batch_result *result);       /* the end, exactly once */
    void *user;
};

struct batch;

/* Starts. The observer is called from the pump, never from in here. NULL with ERROR_SYSTEM. */
struct batch *batch_start(struct vm *vm, const struct batch_request *request,
                          const struct batch_observer *observer, struct error *error);

/* Interrupts the operation under way and starts no other. */
void batch_interrupt(struct batch *batch);

/* Starts no other operation, and the one under way goes on to its end. */
void batch_stop(struct batch *batch);

/* Allowed in its own done callback. NULL is allowed. */
void batch_free(struct batch *batch);

#endif
