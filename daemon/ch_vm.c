/* SPDX-License-Identifier: MIT */
/* The VM as a whole: what it has, whether it runs. */
#include <string.h>

#include "daemon/ch_endpoints.h"
#include "daemon/ch_json.h"
#include "qmp/field.h"

static void on_info(void *user, const struct inventory *inventory)
{
    struct ch_job *job = user;

    ch_job_succeed(job, ch_json_info(inventory));
}

void ch_vm_info(struct ch_job *job)
{
    vm_job_look(&job->base, CH_JSON_INFO_PARTS, on_info);
}

static void on_counters(void *user, const json_t *value, const struct error *error)
{
    struct ch_job *job = user;

    if (error != NULL)
        ch_job_fail_error(job, CH_FAILED, "The counters could not be read", error);
    else
        ch_job_succeed(job, ch_json_counters(value));
}

void ch_vm_counters(struct ch_job *job)
{
    vm_job_ask(&job->base, "query-blockstats", NULL, on_counters);
}

/* ---- pause and resume ---- */

static const char *what_failed(const struct ch_job *job)
{
    return job->to_run ? "The VM could not be resumed" : "The VM could not be paused";
}

static bool is_so(const struct ch_job *job, const json_t *status)
{
    return strcmp(field_string(status, "status", ""), job->to_run ? "running" : "paused") == 0;
}

static void on_proof(void *user, const json_t *value, const struct error *error)
{
    struct ch_job *job = user;

    if (error != NULL)
        ch_job_fail_error(job, CH_FAILED, what_failed(job), error);
    else if (is_so(job, value))
        ch_job_succeed(job, NULL);
    else
        ch_job_fail(job, CH_FAILED, what_failed(job), field_string(value, "status", "unknown"),
                    "see vm.info for its state");
}

static void on_changed(void *user, const json_t *value, const struct error *error)
{
    struct ch_job *job = user;

    (void)value;
    if (error != NULL)
        ch_job_fail_error(job, CH_FAILED, what_failed(job), error);
    else
        vm_job_ask(&job->base, "query-status", NULL, on_proof);
}

static void on_status(void *user, const json_t *value, const struct error *error)
{
    struct ch_job *job = user;

    if (error != NULL)
        ch_job_fail_error(job, CH_FAILED, what_failed(job), error);
    else if (is_so(job, value))
        ch_job_fail(job, CH_FAILED, what_failed(job),
                    job->to_run ? "it runs already" : "it is paused already",
                    "there is nothing to do");
    else
        vm_job_ask(&job->base, job->to_run ? "cont" : "stop", NULL, on_changed);
}

void ch_vm_pause(struct ch_job *job)
{
    vm_job_ask(&job->base, "query-status", NULL, on_status);
}

void ch_vm_resume(struct ch_job *job)
{
    job->to_run = true;
    ch_vm_pause(job);
}
