/* SPDX-License-Identifier: MIT */
#include "daemon/ch_job.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "vmm/result_json.h"
#include "vmm/verdict.h"

/* ---- ends ---- */

/* Returns 0, or -1 with ERROR_SYSTEM. */
static int audit(const struct ch_job *job, const char *verdict, json_t *details,
                 struct error *error)
{
    const struct ch_api *api = job->options.api;

    return audit_log_add(api->audit_log, http_request_peer(job->options.request, NULL), api->vm,
                         job->options.name, verdict, details, error);
}

static void audit_end(const struct ch_job *job, enum verdict verdict)
{
    if (job->audited)
        (void)audit(job, verdict_name(verdict), NULL, NULL);
}

static enum verdict failed_verdict(const struct ch_job *job)
{
    return verdict_is_success(job->last_verdict) ? VERDICT_ERROR : job->last_verdict;
}

static void job_free(struct ch_job *job)
{
    json_decref(job->options.body);
    free(job->items);
    free(job);
}

/* Advice that is for the command's users would be none here. */
static void answer_failure(struct http_request *request, unsigned status, const char *what,
                           const struct error *error)
{
    const char *fix = result_json_fix(error);

    http_request_answer(request, status,
                        http_server_error(status, what, error->why,
                                          strstr(fix, "--") == NULL ? fix : ""));
}

void ch_job_succeed(struct ch_job *job, json_t *body)
{
    audit_end(job, job->last_verdict);
    http_request_answer(job->options.request, body != NULL ? 200 : 204, body);
    vm_job_end(&job->base);
    job_free(job);
}

void ch_job_fail_error(struct ch_job *job, unsigned status, const char *what,
                       const struct error *error)
{
    audit_end(job, failed_verdict(job));
    answer_failure(job->options.request, status, what, error);
    vm_job_end(&job->base);
    job_free(job);
}

void ch_job_fail(struct ch_job *job, unsigned status, const char *what, const char *why,
                 const char *fix)
{
    audit_end(job, failed_verdict(job));
    http_request_answer(job->options.request, status, http_server_error(status, what, why, fix));
    vm_job_end(&job->base);
    job_free(job);
}

static unsigned status_of(const struct ch_job *job, const struct batch_result *result)
{
    if (job->last_verdict == VERDICT_PENDING && job->last_type == OPERATION_CPU_REMOVE)
        return CH_TOO_MANY;
    return result->error.code == ERROR_INVALID ? CH_BAD_REQUEST : CH_FAILED;
}

void ch_job_fail_batch(struct ch_job *job, const char *what, const struct batch_result *result)
{
    struct error error = result->error;

    if (result->verdict == VERDICT_INTERRUPTED)
        (void)error_set(&error, ERROR_CANCELLED, "start it again, and ask again",
                        "the server was told to end, after %" PRIu64 " of %" PRIu64 " steps",
                        result->done, result->asked);
    else if (result->asked > 1)
        (void)error_set(&error, result->error.code, result->error.fix,
                        "%" PRIu64 " of %" PRIu64 " steps were done: %s", result->done,
                        result->asked, result->error.why);
    ch_job_fail_error(job, status_of(job, result), what, &error);
}

/* ---- the job ---- */

static void on_failed(void *user, const struct error *error)
{
    struct ch_job *job = user;

    audit_end(job, failed_verdict(job));
    answer_failure(job->options.request, CH_FAILED, job->options.name, error);
    job_free(job);
}

static void on_stage(void *user, const struct operation_result *so_far,
                     const struct operation_stage *stage)
{
    const struct ch_api *api = ((struct ch_job *)user)->options.api;

    if (api->stage != NULL)
        api->stage(api->user, so_far, stage);
}

static void on_device(void *user, const struct operation_result *result)
{
    struct ch_job *job = user;
    const struct ch_api *api = job->options.api;

    if (api->result != NULL)
        api->result(api->user, result);
    job->last_type = result->type;
    job->last_verdict = result->verdict;
    job->any_pending = job->any_pending || result->verdict == VERDICT_PENDING;
    text_copy(job->last_id, sizeof(job->last_id), result->id);
    text_copy(job->bus, sizeof(job->bus), field_string(result->details, "bus", ""));
}

static void refuse(const struct ch_job_options *options, unsigned status,
                   const struct error *error)
{
    answer_failure(options->request, status, options->name, error);
    json_decref(options->body);
}

/* The first thing that a change does is to be written down. */
static void run(void *user)
{
    struct ch_job *job = user;
    struct error error = ERROR_INIT;

    if (job->options.changes &&
        audit(job, AUDIT_LOG_BEGUN, json_incref(job->options.body), &error) < 0) {
        ch_job_fail_error(job, CH_FAILED, job->options.name, &error);
        return;
    }
    job->audited = job->options.changes;
    job->options.run(job);
}

void ch_job_start(const struct ch_job_options *options)
{
    struct ch_job *job = calloc(1, sizeof(*job));
    struct error error = ERROR_INIT;

    if (job == NULL) {
        (void)error_set(&error, ERROR_SYSTEM, "try again later", "out of memory");
        refuse(options, CH_FAILED, &error);
        return;
    }
    job->options = *options;
    job->last_verdict = VERDICT_DONE;
    job->base = (struct vm_job){.name = options->name,
                                .changes = options->changes,
                                .run = run,
                                .failed = on_failed,
                                .stage = on_stage,
                                .result = on_device,
                                .user = job};
    if (vm_jobs_add(options->api->jobs, &job->base, &error) == 0)
        return;
    refuse(options, error.code == ERROR_LIMIT ? CH_TOO_MANY : CH_FAILED, &error);
    free(job);
}

void ch_job_batch(struct ch_job *job, const struct batch_request *request, vm_job_batch_fn *then)
{
    job->last_verdict = VERDICT_DONE;
    job->any_pending = false;
    vm_job_batch(&job->base, request, then);
}
