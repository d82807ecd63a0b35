/* SPDX-License-Identifier: MIT */
/*
 * One request of Cloud Hypervisor's API at work: it looks at the VM, has devices come and go, or
 * asks QEMU, one after the other, and ends once, with an answer. Changes of a VM wait for each
 * other; looks wait for each other, too, but not for changes.
 */
#ifndef DAEMON_CH_JOB_H
#define DAEMON_CH_JOB_H

#include <sys/queue.h>

#include "daemon/http_server.h"
#include "vmm/batch.h"
#include "vmm/batch_plan.h"

#define CH_JOBS_WAITING 64 /* of each kind; what comes then is refused */

#define CH_BAD_REQUEST 400
#define CH_NOT_FOUND 404
#define CH_CONFLICT 409
#define CH_TOO_MANY 429
#define CH_FAILED 500

struct ch_job;
struct ch_jobs;

/* What a step leads to. Each begins the next step or ends the job. */
typedef void ch_job_inventory_fn(struct ch_job *job, const struct inventory *inventory);
typedef void ch_job_batch_fn(struct ch_job *job, const struct batch_result *result);
typedef void ch_job_reply_fn(struct ch_job *job, const json_t *value, const struct error *error);
typedef void ch_job_timer_fn(struct ch_job *job);

struct ch_job_options {
    const char *name;             /* "vm.resize"; borrowed for good */
    bool changes;                 /* else it only looks */
    struct http_request *request; /* NULL: nobody asked for it */
    json_t *body;                 /* of the request, or NULL; taken over */
    void (*run)(struct ch_job *job);
    void (*done)(void *user, bool success); /* where nobody asked for it; may be NULL */
    void *user;
};

struct ch_job {
    TAILQ_ENTRY(ch_job) link;
    struct ch_jobs *jobs;
    struct vm *vm;
    struct ch_job_options options;
    double timeout_ms; /* each device's */
    /* What is under way: one of these. */
    struct inventory_fetch *fetch;
    struct batch *batch;
    int64_t asked;
    struct vm_timer timer;
    ch_job_inventory_fn *on_inventory;
    ch_job_batch_fn *on_batch;
    ch_job_reply_fn *on_reply;
    ch_job_timer_fn *on_timer;
    /* Of the batch: what its last device came to. */
    enum operation_type last_type;
    enum verdict last_verdict;
    bool any_pending; /* of all its devices */
    char last_id[OPERATION_ID_MAX];
    char bus[INVENTORY_ID_MAX]; /* … of a disk, the bus that it is on */
    /* The run functions' own. */
    struct ch_resize {
        bool vcpus_set, ram_set, balloon_set;
        uint64_t vcpus, ram_bytes, balloon_bytes;
        uint64_t target_bytes; /* what the balloon is to leave */
        double deadline_ms;
    } resize;
    bool to_run; /* else to pause */
    struct batch_item *items; /* freed at the end */
};

/* All jobs of a VM. The vm outlives them. NULL without memory. */
struct ch_jobs *ch_jobs_new(struct vm *vm, double timeout_ms);

/* Takes the request over, and answers it at some time; or it is refused at once, when too many
 * wait or the server is about to end. */
void ch_jobs_add(struct ch_jobs *jobs, const struct ch_job_options *options);

/* The device under way is finished, and no other is begun; what waits is refused, also from now
 * on. */
void ch_jobs_stop(struct ch_jobs *jobs);

/* The same at once: what is under way is left as it is. Not from inside the vm's callbacks. */
void ch_jobs_abandon(struct ch_jobs *jobs);

bool ch_jobs_are_idle(const struct ch_jobs *jobs);

/* ch_jobs_abandon(), and all is freed. NULL is allowed. */
void ch_jobs_free(struct ch_jobs *jobs);

/* ---- steps: the last thing that a function does ---- */

void ch_job_look(struct ch_job *job, unsigned parts, ch_job_inventory_fn *then);

/* What the request points to must last as long as the job. */
void ch_job_batch(struct ch_job *job, const struct batch_request *request, ch_job_batch_fn *then);

/* A QMP command. Its failure is told to `then`, without a value. */
void ch_job_ask(struct ch_job *job, const char *command, json_t *arguments, ch_job_reply_fn *then);

/* A pause. */
void ch_job_wait(struct ch_job *job, double ms, ch_job_timer_fn *then);

/* body: NULL: none. Taken over. */
void ch_job_succeed(struct ch_job *job, json_t *body);

void ch_job_fail(struct ch_job *job, unsigned status, const char *what, const char *why,
                 const char *fix);
void ch_job_fail_error(struct ch_job *job, unsigned status, const char *what,
                       const struct error *error);

/* With the status that the batch's end has in this API. */
void ch_job_fail_batch(struct ch_job *job, const char *what, const struct batch_result *result);

#endif
