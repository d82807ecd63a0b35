/* SPDX-License-Identifier: MIT */
#include "manifest/apply.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"

struct apply {
    struct vm *vm;
    const struct plan *plan;
    struct operation_request pattern;
    struct batch_observer observer;
    struct batch *batch;
    struct vm_timer timer; /* between steps: nothing is started or ended inside a callback */
    size_t next;
    bool *succeeded; /* by step */
    bool under_way; /* the batch has not ended */
    bool interrupted;
    bool over; /* nothing further makes sense */
    bool any;            /* a device's verdict is in result.verdict */
    enum verdict failure; /* of the first that failed; VERDICT_DONE: none */
    struct error failure_error;
    double started_ms;
    struct batch_result result;
};

/* ---- what becomes of a device, and of a step ---- */

static void on_stage(void *user, const struct operation_result *so_far,
                     const struct operation_stage *stage)
{
    struct apply *apply = user;

    if (apply->observer.stage != NULL)
        apply->observer.stage(apply->observer.user, so_far, stage);
}

static void on_result(void *user, const struct operation_result *result)
{
    struct apply *apply = user;

    if (apply->observer.result != NULL)
        apply->observer.result(apply->observer.user, result);
}

/* The least proved one speaks for all; of different words the common one is "done". */
static void join(struct apply *apply, const struct batch_result *step)
{
    if (apply->any && apply->result.verdict == VERDICT_UNCONFIRMED)
        return;
    if (step->verdict == VERDICT_UNCONFIRMED)
        apply->result.missing = step->missing;
    if (!apply->any || step->verdict == VERDICT_UNCONFIRMED)
        apply->result.verdict = step->verdict;
    else if (step->verdict != apply->result.verdict)
        apply->result.verdict = VERDICT_DONE;
    apply->any = true;
}

static void on_step_done(void *user, const struct batch_result *step)
{
    struct apply *apply = user;
    bool success = verdict_is_success(step->verdict);

    apply->under_way = false;
    /* One that came to its end before it had looked does not know. */
    apply->result.asked += !success && step->asked == 0
                               ? apply->plan->steps[apply->next].devices
                               : step->asked;
    apply->result.done += step->done;
    apply->succeeded[apply->next++] = success;
    if (success && step->asked > 0)
        join(apply, step);
    if (!success && (apply->failure == VERDICT_DONE || step->verdict == VERDICT_INTERRUPTED)) {
        apply->failure = step->verdict;
        apply->failure_error = step->error;
    }
    apply->over = step->verdict == VERDICT_INTERRUPTED || step->verdict == VERDICT_LOST;
    vm_timer_set(apply->vm, &apply->timer, 0);
}

/* ---- the end ---- */

static void finish(struct apply *apply)
{
    struct batch_result *result = &apply->result;
    bool cut_short = apply->interrupted && apply->next < apply->plan->step_count;

    result->summary = true;
    result->asked += apply->plan->block_count;
    while (apply->next < apply->plan->step_count)
        result->asked += apply->plan->steps[apply->next++].devices;
    result->elapsed_ms = clock_now_ms() - apply->started_ms;
    if (apply->failure != VERDICT_DONE) {
        result->error = apply->failure_error;
        result->verdict = apply->failure;
        if (result->done > 0 && apply->failure != VERDICT_INTERRUPTED)
            result->verdict = VERDICT_PARTIAL;
    } else if (cut_short) {
        result->verdict = VERDICT_INTERRUPTED;
        (void)error_set(&result->error, ERROR_CANCELLED, "apply it again for the rest",
                        "interrupted");
    } else if (apply->plan->block_count > 0) {
        result->verdict = VERDICT_BLOCKED;
        result->error = apply->plan->blocks[0].error;
    }
    apply->observer.done(apply->observer.user, result);
}

/* ---- step by step ---- */

static void take_pattern(const struct apply *apply, struct operation_request *each)
{
    each->force = apply->pattern.force;
    each->dry_run = apply->pattern.dry_run;
    each->wait_set = apply->pattern.wait_set;
    each->wait = apply->pattern.wait;
    each->timeout_ms = apply->pattern.timeout_ms;
}

/* In a dry run nothing has made room for what comes after it: that is taken as it is. */
static void skip_senseless(struct apply *apply)
{
    const struct plan *plan = apply->plan;
    const struct plan_step *step;

    for (; apply->next < plan->step_count; apply->next++) {
        step = &plan->steps[apply->next];
        if (step->after == 0 || (apply->succeeded[step->after - 1] && !apply->pattern.dry_run))
            return;
        apply->succeeded[apply->next] = apply->succeeded[step->after - 1];
        apply->result.asked += step->devices;
        apply->result.done += apply->succeeded[apply->next] ? step->devices : 0;
    }
}

static void go_on(void *user)
{
    struct apply *apply = user;
    const struct batch_observer observer = {
        .stage = on_stage, .result = on_result, .done = on_step_done, .user = apply};
    struct batch_request request;

    batch_free(STEAL(apply->batch));
    skip_senseless(apply);
    if (apply->interrupted || apply->over || apply->next >= apply->plan->step_count) {
        finish(apply);
        return;
    }
    request = apply->plan->steps[apply->next].request;
    take_pattern(apply, &request.each);
    apply->batch = batch_start(apply->vm, &request, &observer, &apply->failure_error);
    apply->under_way = apply->batch != NULL;
    if (apply->batch == NULL) {
        apply->failure = VERDICT_ERROR; /* of memory, most likely: nothing else would do better */
        finish(apply);
    }
}

struct apply *apply_start(struct vm *vm, const struct plan *plan,
                          const struct operation_request *pattern,
                          const struct batch_observer *observer, struct error *error)
{
    struct apply *apply = calloc(1, sizeof(*apply));

    if (apply != NULL)
        apply->succeeded = calloc(plan->step_count + 1, sizeof(*apply->succeeded));
    if (apply == NULL || apply->succeeded == NULL) {
        free(apply);
        (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
        return NULL;
    }
    apply->vm = vm;
    apply->plan = plan;
    apply->pattern = *pattern;
    apply->observer = *observer;
    apply->failure = VERDICT_DONE;
    apply->result.verdict = VERDICT_DONE;
    apply->started_ms = clock_now_ms();
    apply->timer = (struct vm_timer){.fired = go_on, .user = apply};
    vm_timer_set(vm, &apply->timer, 0);
    return apply;
}

void apply_interrupt(struct apply *apply)
{
    apply->interrupted = true;
    if (apply->under_way)
        batch_interrupt(apply->batch);
}

void apply_stop(struct apply *apply)
{
    apply->interrupted = true;
    if (apply->under_way)
        batch_stop(apply->batch);
}

void apply_free(struct apply *apply)
{
    if (apply == NULL)
        return;
    batch_free(apply->batch);
    vm_timer_stop(apply->vm, &apply->timer);
    free(apply->succeeded);
    free(apply);
}
