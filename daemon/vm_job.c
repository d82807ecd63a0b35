/* SPDX-License-Identifier: MIT */
#include "daemon/vm_job.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define ASK_MS 10000

TAILQ_HEAD(vm_job_list, vm_job);

/* The first job is under way, unless it is about to be started. */
struct queue {
    struct vm_job_list list;
    size_t count;
    bool is_running;
};

struct vm_jobs {
    struct vm *vm;
    double timeout_ms;
    struct queue queues[2]; /* looks, and changes */
    struct vm_timer timer;  /* a job begins at the pump's next turn, not inside of another's end */
    bool is_stopping;
    void (*changed)(void *user); /* NULL: nobody is told */
    void *user;
    TAILQ_HEAD(, vm_jobs_watcher) watchers;
};

static struct queue *queue_of(struct vm_jobs *jobs, bool changes)
{
    return &jobs->queues[changes ? 1 : 0];
}

static void start_next(void *user)
{
    struct vm_jobs *jobs = user;
    struct vm_job *job;
    size_t i;

    for (i = 0; i < COUNT_OF(jobs->queues); i++) {
        job = TAILQ_FIRST(&jobs->queues[i].list);
        if (job == NULL || jobs->queues[i].is_running)
            continue;
        jobs->queues[i].is_running = true;
        vm_timer_set(jobs->vm, &jobs->timer, 0); /* for the other queue */
        job->run(job->user);
        return;
    }
}

struct vm_jobs *vm_jobs_new(struct vm *vm, double timeout_ms)
{
    struct vm_jobs *jobs = calloc(1, sizeof(*jobs));
    size_t i;

    if (jobs == NULL)
        return NULL;
    jobs->vm = vm;
    jobs->timeout_ms = timeout_ms;
    jobs->timer.fired = start_next;
    jobs->timer.user = jobs;
    TAILQ_INIT(&jobs->watchers);
    for (i = 0; i < COUNT_OF(jobs->queues); i++)
        TAILQ_INIT(&jobs->queues[i].list);
    return jobs;
}

int vm_jobs_add(struct vm_jobs *jobs, struct vm_job *job, struct error *error)
{
    struct queue *queue = queue_of(jobs, job->changes);

    if (jobs->is_stopping)
        return error_set(error, ERROR_CANCELLED, "start it again", "the server is about to end");
    if (queue->count > VM_JOBS_WAITING)
        return error_set(error, ERROR_LIMIT, "try again later",
                         "too many requests wait for the one under way");
    job->jobs = jobs;
    job->vm = jobs->vm;
    job->timeout_ms = jobs->timeout_ms;
    TAILQ_INSERT_TAIL(&queue->list, job, link);
    queue->count++;
    vm_timer_set(jobs->vm, &jobs->timer, 0);
    return 0;
}

bool vm_jobs_are_idle(const struct vm_jobs *jobs)
{
    return TAILQ_EMPTY(&jobs->queues[0].list) && TAILQ_EMPTY(&jobs->queues[1].list);
}

void vm_jobs_watch(struct vm_jobs *jobs, struct vm_jobs_watcher *watcher)
{
    TAILQ_INSERT_TAIL(&jobs->watchers, watcher, link);
}

void vm_jobs_unwatch(struct vm_jobs *jobs, struct vm_jobs_watcher *watcher)
{
    TAILQ_REMOVE(&jobs->watchers, watcher, link);
}

void vm_jobs_on_change(struct vm_jobs *jobs, void (*changed)(void *user), void *user)
{
    jobs->changed = changed;
    jobs->user = user;
}

/* ---- ends ---- */

static void drop_step(struct vm_job *job)
{
    inventory_fetch_cancel(STEAL(job->fetch));
    batch_free(STEAL(job->batch));
    apply_free(STEAL(job->apply));
    if (job->asked > 0)
        vm_cancel(job->vm, PEER_QMP, job->asked);
    job->asked = 0;
    vm_timer_stop(job->vm, &job->timer);
}

void vm_job_end(struct vm_job *job)
{
    struct vm_jobs *jobs = job->jobs;
    struct queue *queue = queue_of(jobs, job->changes);

    drop_step(job);
    if (job == TAILQ_FIRST(&queue->list))
        queue->is_running = false;
    TAILQ_REMOVE(&queue->list, job, link);
    queue->count--;
    vm_timer_set(job->vm, &jobs->timer, 0);
    if (job->changes && !job->looks_after && jobs->changed != NULL && !jobs->is_stopping)
        jobs->changed(jobs->user);
    job->jobs = NULL;
}

static void fail(struct vm_job *job, const struct error *error)
{
    vm_job_end(job);
    job->failed(job->user, error);
}

static void fail_stopping(struct vm_job *job)
{
    struct error error = ERROR_INIT;

    (void)error_set(&error, ERROR_CANCELLED, "start it again, and ask again",
                    "the server was told to end before all was done; what was done stays");
    fail(job, &error);
}

void vm_jobs_abandon(struct vm_jobs *jobs, const struct error *why)
{
    struct vm_jobs_watcher *watcher;
    struct vm_job *job;
    size_t i;

    jobs->is_stopping = true;
    while ((watcher = TAILQ_FIRST(&jobs->watchers)) != NULL) {
        TAILQ_REMOVE(&jobs->watchers, watcher, link);
        watcher->ended(watcher->user);
    }
    for (i = 0; i < COUNT_OF(jobs->queues); i++) {
        while ((job = TAILQ_FIRST(&jobs->queues[i].list)) != NULL)
            fail(job, why);
    }
}

void vm_jobs_free(struct vm_jobs *jobs)
{
    struct error error = ERROR_INIT;

    if (jobs == NULL)
        return;
    (void)error_set(&error, ERROR_CANCELLED, "start it again, and ask again",
                    "the server was told to end before all was done; what was done stays");
    vm_jobs_abandon(jobs, &error);
    vm_timer_stop(jobs->vm, &jobs->timer);
    free(jobs);
}

void vm_jobs_stop(struct vm_jobs *jobs)
{
    struct vm_job *job, *next;
    size_t i;

    jobs->is_stopping = true;
    for (i = 0; i < COUNT_OF(jobs->queues); i++) {
        for (job = TAILQ_FIRST(&jobs->queues[i].list); job != NULL; job = next) {
            next = TAILQ_NEXT(job, link);
            if (job->batch != NULL)
                batch_stop(job->batch);
            else if (job->apply != NULL)
                apply_stop(job->apply);
            else if (job->asked == 0) /* a reply comes, or its time passes */
                fail_stopping(job);
        }
    }
}

void vm_job_interrupt(struct vm_job *job)
{
    struct error error = ERROR_INIT;

    if (job->batch != NULL) {
        batch_interrupt(job->batch);
    } else if (job->apply != NULL) {
        apply_interrupt(job->apply);
    } else {
        (void)error_set(&error, ERROR_CANCELLED, "ask again", "it was interrupted");
        fail(job, &error);
    }
}

/* ---- steps ---- */

static void on_fetched(void *user, struct inventory *inventory, const struct error *failure)
{
    struct vm_job *job = user;

    job->fetch = NULL;
    if (failure != NULL) {
        fail(job, failure);
        return;
    }
    job->then.inventory(job->user, inventory);
    inventory_free(inventory);
}

void vm_job_look(struct vm_job *job, unsigned parts, vm_job_inventory_fn *then)
{
    struct error error = ERROR_INIT;

    if (job->jobs->is_stopping) {
        fail_stopping(job);
        return;
    }
    job->then.inventory = then;
    job->fetch = inventory_fetch(job->vm, parts, job->timeout_ms,
                                 clock_earlier_ms(INVENTORY_AGENT_SILENCE_MS, job->timeout_ms),
                                 on_fetched, job, &error);
    if (job->fetch == NULL)
        fail(job, &error);
}

static void on_stage(void *user, const struct operation_result *so_far,
                     const struct operation_stage *stage)
{
    struct vm_job *job = user;

    if (job->stage != NULL)
        job->stage(job->user, so_far, stage);
}

static void on_result(void *user, const struct operation_result *result)
{
    struct vm_job *job = user;

    if (job->result != NULL)
        job->result(job->user, result);
}

static void on_batch_done(void *user, const struct batch_result *result)
{
    struct vm_job *job = user;
    struct batch_result end = *result;

    batch_free(STEAL(job->batch));
    apply_free(STEAL(job->apply));
    job->then.batch(job->user, &end);
}

static struct batch_observer observe(struct vm_job *job)
{
    return (struct batch_observer){
        .stage = on_stage, .result = on_result, .done = on_batch_done, .user = job};
}

/* False when nothing is begun any more: then the job has failed. */
static bool may_begin(struct vm_job *job, vm_job_batch_fn *then)
{
    bool may = !job->jobs->is_stopping;

    job->then.batch = then;
    if (!may)
        fail_stopping(job);
    return may;
}

void vm_job_batch(struct vm_job *job, const struct batch_request *request, vm_job_batch_fn *then)
{
    const struct batch_observer observer = observe(job);
    struct error error = ERROR_INIT;

    if (!may_begin(job, then))
        return;
    job->batch = batch_start(job->vm, request, &observer, &error);
    if (job->batch == NULL)
        fail(job, &error);
}

void vm_job_apply(struct vm_job *job, const struct plan *plan,
                  const struct operation_request *pattern, vm_job_batch_fn *then)
{
    const struct batch_observer observer = observe(job);
    struct error error = ERROR_INIT;

    if (!may_begin(job, then))
        return;
    job->apply = apply_start(job->vm, plan, pattern, &observer, &error);
    if (job->apply == NULL)
        fail(job, &error);
}

static void on_reply(void *user, const struct reply *reply)
{
    struct vm_job *job = user;

    job->asked = 0;
    job->then.reply(job->user, reply->value, reply->error);
}

void vm_job_ask(struct vm_job *job, const char *command, json_t *arguments, vm_job_reply_fn *then)
{
    const struct request request = {.command = command,
                                    .arguments = arguments,
                                    .timeout_ms = ASK_MS,
                                    .done = on_reply,
                                    .user = job};
    struct error error = ERROR_INIT;

    job->then.reply = then;
    job->asked = vm_submit(job->vm, PEER_QMP, &request, &error);
    if (job->asked >= 0)
        return;
    job->asked = 0;
    fail(job, &error);
}

static void on_timer(void *user)
{
    struct vm_job *job = user;

    job->then.timer(job->user);
}

void vm_job_wait(struct vm_job *job, double ms, vm_job_timer_fn *then)
{
    if (job->jobs->is_stopping) {
        fail_stopping(job);
        return;
    }
    job->then.timer = then;
    job->timer.fired = on_timer;
    job->timer.user = job;
    vm_timer_set(job->vm, &job->timer, clock_now_ms() + ms);
}

void vm_job_hold(struct vm_job *job)
{
    if (job->jobs->is_stopping)
        fail_stopping(job);
}
