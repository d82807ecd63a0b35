/* SPDX-License-Identifier: MIT */
#include "daemon/ch_job.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "vmm/result_json.h"

/* ---- ends ---- */

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
    http_request_answer(job->options.request, body != NULL ? 200 : 204, body);
    vm_job_end(&job->base);
    job_free(job);
}

void ch_job_fail_error(struct ch_job *job, unsigned status, const char *what,
                       const struct error *error)
{
    answer_failure(job->options.request, status, what, error);
    vm_job_end(&job->base);
    job_free(job);
}

void ch_job_fail(struct ch_job *job, unsigned status, const char *what, const char *why,
                 const char *fix)
{
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

    answer_failure(job->options.request, CH_FAILED, job->options.name, error);
    job_free(job);
}

static void on_device(void *user, const struct operation_result *result)
{
    struct ch_job *job = user;

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

static void run(void *user)
{
    struct ch_job *job = user;

    job->options.run(job);
}

void ch_job_start(struct vm_jobs *jobs, const struct ch_job_options *options)
{
    struct ch_job *job = calloc(1, sizeof(*job));
    struct error error = ERROR_INIT;

    if (job == NULL) {
        (void)error_set(&error, ERROR_SYSTEM, "try again later", "out of memory");
        refuse(options, CH_FAILED, &error);
        return;
    }
    job->options = *options;
    job->base = (struct vm_job){.name = options->name,
                                .changes = options->changes,
                                .run = run,
                                .failed = on_failed,
                                .result = on_device,
                                .user = job};
    if (vm_jobs_add(jobs, &job->base, &error) == 0)
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
