/* SPDX-License-Identifier: MIT */
/*
 * One request of Cloud Hypervisor's API at work: a job (daemon/vm_job.h) that ends, once, with an
 * answer.
 */
#ifndef DAEMON_CH_JOB_H
#define DAEMON_CH_JOB_H

#include "daemon/audit_log.h"
#include "daemon/http_server.h"
#include "daemon/policy.h"
#include "daemon/vm_job.h"

#define CH_BAD_REQUEST 400
#define CH_FORBIDDEN 403
#define CH_NOT_FOUND 404
#define CH_CONFLICT 409
#define CH_TOO_MANY 429
#define CH_FAILED 500

struct ch_job;

/* The VM that an API is of. All is borrowed, and outlives its jobs. */
struct ch_api {
    const char *vm;              /* its name; NULL: it needs none */
    struct vm_jobs *jobs;        /* NULL: QEMU is not there at the moment */
    const struct policy *policy; /* NULL: whoever may connect may do everything */
    struct audit_log *audit_log; /* NULL: none */
    /* Who else is told of each device, and of each request that is refused for lack of a role; all
     * may be NULL. */
    void (*stage)(void *user, const struct operation_result *so_far,
                  const struct operation_stage *stage);
    void (*result)(void *user, const struct operation_result *result);
    void (*forbidden)(void *user);
    void *user;
};

struct ch_job_options {
    const struct ch_api *api;
    const char *name;             /* "vm.resize"; borrowed for good */
    bool changes;                 /* else it only looks */
    struct http_request *request;
    json_t *body;                 /* of the request, or NULL; taken over */
    void (*run)(struct ch_job *job);
};

struct ch_job {
    struct vm_job base; /* its steps' user is the ch_job */
    struct ch_job_options options;
    bool audited; /* what it begins has been written down, and how it ends is to be, too */
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

/* Takes the request over, and answers it at some time; or it is refused at once, when too many
 * wait or the server is about to end. */
void ch_job_start(const struct ch_job_options *options);

/* vm_job_batch(), which forgets what came of the batch before. */
void ch_job_batch(struct ch_job *job, const struct batch_request *request, vm_job_batch_fn *then);

/* ---- ends ---- */

/* body: NULL: none. Taken over. */
void ch_job_succeed(struct ch_job *job, json_t *body);

void ch_job_fail(struct ch_job *job, unsigned status, const char *what, const char *why,
                 const char *fix);
void ch_job_fail_error(struct ch_job *job, unsigned status, const char *what,
                       const struct error *error);

/* With the status that the batch's end has in this API. */
void ch_job_fail_batch(struct ch_job *job, const char *what, const struct batch_result *result);

#endif
