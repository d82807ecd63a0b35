/* SPDX-License-Identifier: MIT */
/*
 * What is being done with a connected VM: jobs, each a chain of steps that look at the VM, have
 * devices come and go, carry out a plan or ask QEMU, one after the other, until it ends, once.
 * Changes of a VM wait for each other; looks wait for each other, too, but not for changes.
 */
#ifndef DAEMON_VM_JOB_H
#define DAEMON_VM_JOB_H

#include <sys/queue.h>

#include "manifest/apply.h"
#include "vmm/batch.h"
#include "vmm/inventory.h"

#define VM_JOBS_WAITING 64 /* of each kind; what comes then is refused */

struct vm_jobs;

/* What a step leads to. Each begins the next step or ends the job. Called from the vm's pumps. */
typedef void vm_job_inventory_fn(void *user, const struct inventory *inventory);
typedef void vm_job_batch_fn(void *user, const struct batch_result *result);
typedef void vm_job_reply_fn(void *user, const json_t *value, const struct error *error);
typedef void vm_job_timer_fn(void *user);

/* The owner's, who keeps it where it is until it has ended or failed. */
struct vm_job {
    /* Filled in by the owner. */
    const char *name; /* "vm.resize"; borrowed */
    bool changes;     /* else it only looks */
    bool looks_after; /* its owner has looked at what came of it: vm_jobs_on_change() is not told */
    void (*run)(void *user); /* the first step, from the vm's pumps */
    /* It goes on no further: a step could not be made, QEMU has gone (ERROR_DISCONNECTED), it was
     * interrupted, or its time is over (ERROR_CANCELLED). It is no longer in the queue, and may be
     * freed in here. Never called from inside vm_jobs_add(), but from a step's start. */
    void (*failed)(void *user, const struct error *error);
    /* Of each device of a batch or a plan; may be NULL. */
    void (*stage)(void *user, const struct operation_result *so_far,
                  const struct operation_stage *stage);
    void (*result)(void *user, const struct operation_result *result);
    void *user;
    /* Filled in by vm_jobs_add(). */
    struct vm *vm;
    double timeout_ms; /* each device's, and each look's; the run function may change it */
    /* vm_job.c's own. */
    TAILQ_ENTRY(vm_job) link;
    struct vm_jobs *jobs;
    struct inventory_fetch *fetch;
    struct batch *batch;
    struct apply *apply;
    int64_t asked;
    struct vm_timer timer;
    union {
        vm_job_inventory_fn *inventory;
        vm_job_batch_fn *batch;
        vm_job_reply_fn *reply;
        vm_job_timer_fn *timer;
    } then;
};

/* All jobs of a VM, which outlives them. NULL without memory. */
struct vm_jobs *vm_jobs_new(struct vm *vm, double timeout_ms);

/* Queues a job that is in no queue. It begins at a later turn of the vm's pumps. Returns 0, or -1,
 * and nothing is called, with ERROR_LIMIT: too many wait, or ERROR_CANCELLED: nothing is begun any
 * more. */
int vm_jobs_add(struct vm_jobs *jobs, struct vm_job *job, struct error *error);

/* No job is under way, and none waits. */
bool vm_jobs_are_idle(const struct vm_jobs *jobs);

/* Whoever else uses the vm as long as it is there. The owner keeps it until it was told or is
 * unwatched. */
struct vm_jobs_watcher {
    TAILQ_ENTRY(vm_jobs_watcher) link;
    void (*ended)(void *user); /* once, first thing in vm_jobs_abandon() */
    void *user;
};

void vm_jobs_watch(struct vm_jobs *jobs, struct vm_jobs_watcher *watcher);
void vm_jobs_unwatch(struct vm_jobs *jobs, struct vm_jobs_watcher *watcher);

/* Called at the end of each job that may have changed something, while others may still begin. */
void vm_jobs_on_change(struct vm_jobs *jobs, void (*changed)(void *user), void *user);

/* The device under way is finished, and no other is begun; what waits, or holds the queue without a
 * step (vm_job_hold()), fails with ERROR_CANCELLED, also from now on. Not from inside the vm's
 * callbacks. */
void vm_jobs_stop(struct vm_jobs *jobs);

/* The same at once: what is under way is left as it is, and fails with why. Not from inside the
 * vm's callbacks. */
void vm_jobs_abandon(struct vm_jobs *jobs, const struct error *why);

/* vm_jobs_abandon() with ERROR_CANCELLED, and all is freed. NULL is allowed. */
void vm_jobs_free(struct vm_jobs *jobs);

/* Ends it before its time: a device under way is interrupted, whose result comes as usual; one that
 * waits or looks fails with ERROR_CANCELLED in here. Not from inside the vm's callbacks. */
void vm_job_interrupt(struct vm_job *job);

/* Its last step is over: what comes next may begin. The owner may free it at once. */
void vm_job_end(struct vm_job *job);

/* ---- steps: the last thing that a function does, since the job may fail in here ---- */

/* parts: enum inventory_part. The inventory is the job's until `then` returns. */
void vm_job_look(struct vm_job *job, unsigned parts, vm_job_inventory_fn *then);

/* What the request points to must last until `then` is called. */
void vm_job_batch(struct vm_job *job, const struct batch_request *request, vm_job_batch_fn *then);

/* Carries out a plan (manifest/apply.h), which must last until `then` is called. */
void vm_job_apply(struct vm_job *job, const struct plan *plan,
                  const struct operation_request *pattern, vm_job_batch_fn *then);

/* A QMP command; arguments, which may be NULL, are taken over. Its failure is told to `then`,
 * without a value. */
void vm_job_ask(struct vm_job *job, const char *command, json_t *arguments, vm_job_reply_fn *then);

/* A pause. */
void vm_job_wait(struct vm_job *job, double ms, vm_job_timer_fn *then);

/* No step: the job keeps its place until its owner begins one, or ends it. */
void vm_job_hold(struct vm_job *job);

#endif
