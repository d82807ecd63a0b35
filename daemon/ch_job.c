/* SPDX-License-Identifier: MIT */
#include "daemon/ch_job.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "vmm/result_json.h"

#define ASK_MS 10000

TAILQ_HEAD(ch_job_list, ch_job);

/* The first job is under way, unless it is about to be started. */
struct queue {
    struct ch_job_list list;
    size_t count;
    bool is_running;
};

struct ch_jobs {
    struct vm *vm;
    double timeout_ms;
    struct queue queues[2]; /* looks, and changes */
    struct vm_timer timer;  /* a job begins at the pump's next turn, not inside of another's end */
    bool is_stopping;
};

static struct queue *queue_of(struct ch_jobs *jobs, bool changes)
{
    return &jobs->queues[changes ? 1 : 0];
}

static void start_next(void *user)
{
    struct ch_jobs *jobs = user;
    struct ch_job *job;
    size_t i;

    for (i = 0; i < COUNT_OF(jobs->queues); i++) {
        job = TAILQ_FIRST(&jobs->queues[i].list);
        if (job == NULL || jobs->queues[i].is_running)
            continue;
        jobs->queues[i].is_running = true;
        vm_timer_set(jobs->vm, &jobs->timer, 0); /* for the other queue */
        job->options.run(job);
        return;
    }
}

struct ch_jobs *ch_jobs_new(struct vm *vm, double timeout_ms)
{
    struct ch_jobs *jobs = calloc(1, sizeof(*jobs));
    size_t i;

    if (jobs == NULL)
        return NULL;
    jobs->vm = vm;
    jobs->timeout_ms = timeout_ms;
    jobs->timer.fired = start_next;
    jobs->timer.user = jobs;
    for (i = 0; i < COUNT_OF(jobs->queues); i++)
        TAILQ_INIT(&jobs->queues[i].list);
    return jobs;
}

static void refuse(const struct ch_job_options *options, unsigned status, const char *why,
                   const char *fix)
{
    if (options->request != NULL)
        http_request_answer(options->request, status, http_server_error(options->name, why, fix));
    else if (options->done != NULL)
        options->done(options->user, false);
    json_decref(options->body);
}

void ch_jobs_add(struct ch_jobs *jobs, const struct ch_job_options *options)
{
    struct queue *queue = queue_of(jobs, options->changes);
    struct ch_job *job = NULL;

    if (jobs->is_stopping) {
        refuse(options, CH_FAILED, "the server is about to end", "start it again");
        return;
    }
    if (queue->count > CH_JOBS_WAITING) {
        refuse(options, CH_TOO_MANY, "too many requests wait for the one under way",
               "try again later");
        return;
    }
    job = calloc(1, sizeof(*job));
    if (job == NULL) {
        refuse(options, CH_FAILED, "out of memory", "try again later");
        return;
    }
    job->jobs = jobs;
    job->vm = jobs->vm;
    job->options = *options;
    job->timeout_ms = jobs->timeout_ms;
    TAILQ_INSERT_TAIL(&queue->list, job, link);
    queue->count++;
    vm_timer_set(jobs->vm, &jobs->timer, 0);
}

static void job_free(struct ch_job *job)
{
    inventory_fetch_cancel(job->fetch);
    batch_free(job->batch);
    if (job->asked > 0)
        vm_cancel(job->vm, PEER_QMP, job->asked);
    vm_timer_stop(job->vm, &job->timer);
    json_decref(job->options.body);
    free(job->items);
    free(job);
}

/* Takes the job out, and what comes next begins. */
static void leave(struct ch_job *job)
{
    struct queue *queue = queue_of(job->jobs, job->options.changes);

    if (job == TAILQ_FIRST(&queue->list))
        queue->is_running = false;
    TAILQ_REMOVE(&queue->list, job, link);
    queue->count--;
    vm_timer_set(job->vm, &job->jobs->timer, 0);
    job_free(job);
}

bool ch_jobs_are_idle(const struct ch_jobs *jobs)
{
    return TAILQ_EMPTY(&jobs->queues[0].list) && TAILQ_EMPTY(&jobs->queues[1].list);
}

/* ---- ends ---- */

void ch_job_succeed(struct ch_job *job, json_t *body)
{
    if (job->options.request != NULL)
        http_request_answer(job->options.request, body != NULL ? 200 : 204, body);
    else if (job->options.done != NULL)
        job->options.done(job->options.user, true);
    leave(job);
}

void ch_job_fail(struct ch_job *job, unsigned status, const char *what, const char *why,
                 const char *fix)
{
    if (job->options.request != NULL) {
        http_request_answer(job->options.request, status, http_server_error(what, why, fix));
    } else {
        fprintf(stderr, "vmplug: %s: %s; %s\n", what, why, fix);
        if (job->options.done != NULL)
            job->options.done(job->options.user, false);
    }
    leave(job);
}

/* Advice that is for the command's users would be none here. */
void ch_job_fail_error(struct ch_job *job, unsigned status, const char *what,
                       const struct error *error)
{
    const char *fix = result_json_fix(error);

    ch_job_fail(job, status, what, error->why, strstr(fix, "--") == NULL ? fix : "");
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

static void fail_stopping(struct ch_job *job)
{
    ch_job_fail(job, CH_FAILED, job->options.name,
                "the server was told to end before all was done; what was done stays",
                "start it again, and ask again");
}

void ch_jobs_abandon(struct ch_jobs *jobs)
{
    struct ch_job *job;
    size_t i;

    jobs->is_stopping = true;
    for (i = 0; i < COUNT_OF(jobs->queues); i++) {
        while ((job = TAILQ_FIRST(&jobs->queues[i].list)) != NULL)
            fail_stopping(job);
    }
}

void ch_jobs_free(struct ch_jobs *jobs)
{
    if (jobs == NULL)
        return;
    ch_jobs_abandon(jobs);
    vm_timer_stop(jobs->vm, &jobs->timer);
    free(jobs);
}

void ch_jobs_stop(struct ch_jobs *jobs)
{
    struct ch_job *job, *next;
    size_t i;

    jobs->is_stopping = true;
    for (i = 0; i < COUNT_OF(jobs->queues); i++) {
        for (job = TAILQ_FIRST(&jobs->queues[i].list); job != NULL; job = next) {
            next = TAILQ_NEXT(job, link);
            if (job->batch != NULL)
                batch_stop(job->batch);
            else if (job->asked == 0) /* a reply comes, or its time passes */
                fail_stopping(job);
        }
    }
}

/* ---- steps ---- */

static void on_fetched(void *user, struct inventory *inventory, const struct error *failure)
{
    struct ch_job *job = user;

    job->fetch = NULL;
    if (failure != NULL) {
        ch_job_fail_error(job, CH_FAILED, "QEMU could not be asked", failure);
        return;
    }
    job->on_inventory(job, inventory);
    inventory_free(inventory);
}

void ch_job_look(struct ch_job *job, unsigned parts, ch_job_inventory_fn *then)
{
    struct error error = ERROR_INIT;

    if (job->jobs->is_stopping) {
        fail_stopping(job);
        return;
    }
    job->on_inventory = then;
    job->fetch = inventory_fetch(job->vm, parts, job->timeout_ms,
                                 clock_earlier_ms(INVENTORY_AGENT_SILENCE_MS, job->timeout_ms),
                                 on_fetched, job, &error);
    if (job->fetch == NULL)
        ch_job_fail_error(job, CH_FAILED, "QEMU could not be asked", &error);
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

static void on_batch_done(void *user, const struct batch_result *result)
{
    struct ch_job *job = user;
    struct batch_result end = *result;

    batch_free(STEAL(job->batch));
    job->on_batch(job, &end);
}

void ch_job_batch(struct ch_job *job, const struct batch_request *request, ch_job_batch_fn *then)
{
    const struct batch_observer observer = {
        .result = on_device, .done = on_batch_done, .user = job};
    struct error error = ERROR_INIT;

    if (job->jobs->is_stopping) {
        fail_stopping(job);
        return;
    }
    job->on_batch = then;
    job->last_verdict = VERDICT_DONE;
    job->any_pending = false;
    job->batch = batch_start(job->vm, request, &observer, &error);
    if (job->batch == NULL)
        ch_job_fail_error(job, CH_FAILED, job->options.name, &error);
}

static void on_reply(void *user, const struct reply *reply)
{
    struct ch_job *job = user;

    job->asked = 0;
    job->on_reply(job, reply->value, reply->error);
}

void ch_job_ask(struct ch_job *job, const char *command, json_t *arguments, ch_job_reply_fn *then)
{
    const struct request request = {.command = command,
                                    .arguments = arguments,
                                    .timeout_ms = ASK_MS,
                                    .done = on_reply,
                                    .user = job};
    struct error error = ERROR_INIT;

    job->on_reply = then;
    job->asked = vm_submit(job->vm, PEER_QMP, &request, &error);
    if (job->asked >= 0)
        return;
    job->asked = 0;
    ch_job_fail_error(job, CH_FAILED, job->options.name, &error);
}

static void on_timer(void *user)
{
    struct ch_job *job = user;

    job->on_timer(job);
}

void ch_job_wait(struct ch_job *job, double ms, ch_job_timer_fn *then)
{
    if (job->jobs->is_stopping) {
        fail_stopping(job);
        return;
    }
    job->on_timer = then;
    job->timer.fired = on_timer;
    job->timer.user = job;
    vm_timer_set(job->vm, &job->timer, clock_now_ms() + ms);
}
