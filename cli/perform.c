/* SPDX-License-Identifier: MIT */
#include "cli/perform.h"

#include <inttypes.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/ladder.h"
#include "cli/report.h"
#include "vmm/result_json.h"
#include "qmp/codec.h"

struct performance {
    struct invocation *invocation;
    struct ladder ladder;
    const struct perform_work *work;
    void *under_way; /* what it has started */
    bool ended;
    struct batch_result end;
};

static void on_stage(void *user, const struct operation_result *so_far,
                     const struct operation_stage *stage)
{
    struct performance *performance = user;

    ladder_stage(&performance->ladder, so_far, stage);
}

static void on_result(void *user, const struct operation_result *result)
{
    struct performance *performance = user;
    struct output *out = &performance->invocation->out;

    ladder_result(&performance->ladder, result);
    if (out->json) {
        AUTO_JSON json_t *object = result_json_operation(result);

        output_json(out, object, 0);
    }
    ladder_begin(&performance->ladder);
}

static void on_done(void *user, const struct batch_result *result)
{
    struct performance *performance = user;
    struct output *out = &performance->invocation->out;

    performance->ended = true;
    performance->end = *result;
    ladder_summary(&performance->ladder, result);
    if (out->json && result->summary) {
        AUTO_JSON json_t *object = result_json_summary(result);

        output_json(out, object, 0);
    }
}

static bool has_ended(void *user)
{
    return ((const struct performance *)user)->ended;
}

static void on_interrupt(void *user)
{
    struct performance *performance = user;

    performance->work->interrupt(performance->under_way);
}

static void on_tick(void *user)
{
    ladder_tick(&((struct performance *)user)->ladder);
}

/* Says on stderr what stopped it; how much of it was done matters when it was not all. */
static int conclude(const struct performance *performance)
{
    const struct batch_result *end = &performance->end;
    struct error error = ERROR_INIT;

    if (verdict_is_success(end->verdict))
        return verdict_exit_code(end->verdict);
    if (end->asked > 1)
        (void)error_set(&error, end->error.code, end->error.fix,
                        "%" PRIu64 " of %" PRIu64 " done: %s", end->done, end->asked,
                        end->error.why);
    else
        error = end->error;
    report_line(performance->invocation->command->name, &error);
    return report_exit_code(end->verdict, &error);
}

static int abandon(struct performance *performance)
{
    struct error error = ERROR_INIT;

    output_erase_line(&performance->invocation->out);
    (void)error_set(&error, ERROR_CANCELLED, "",
                    "interrupted twice: what was under way was neither finished nor taken back");
    return report_failure(performance->invocation, VERDICT_INTERRUPTED, &error);
}

struct operation_request perform_request(const struct invocation *invocation,
                                         enum operation_type type)
{
    const struct options *options = &invocation->options;

    return (struct operation_request){
        .type = type,
        .id = options->id,
        .force = options->force,
        .dry_run = options->dry_run,
        .wait_set = options_given(options, OPTION_WAIT),
        .wait = options->wait,
        .timeout_ms = options->timeout_ms,
    };
}

int perform_removal(struct invocation *invocation, enum operation_type type)
{
    const struct batch_request request = {
        .goal = BATCH_COUNT,
        .count = invocation->operand_count,
        .each = perform_request(invocation, type),
        .ids = invocation->operands,
    };

    return perform(invocation, &request);
}

int perform_work(struct invocation *invocation, const struct perform_work *work)
{
    struct performance performance = {
        .invocation = invocation,
        .work = work,
        .ladder = {.out = &invocation->out,
                   .type = work->type,
                   .quiet_line = invocation->options.verbose},
    };
    const struct batch_observer observer = {
        .stage = on_stage, .result = on_result, .done = on_done, .user = &performance};
    const struct session_handlers handlers = {
        .interrupt = on_interrupt,
        .tick = invocation->out.live ? on_tick : NULL,
        .user = &performance,
    };
    struct error error = ERROR_INIT;

    ladder_begin(&performance.ladder);
    performance.under_way = work->start(work, invocation->session.vm, &observer, &error);
    if (performance.under_way == NULL)
        return report_failure(invocation, report_verdict(&error, true), &error);
    (void)session_run(&invocation->session, has_ended, &handlers, &performance, CLOCK_NEVER_MS);
    work->free(performance.under_way);
    return performance.ended ? conclude(&performance) : abandon(&performance);
}

static void *start_batch(const struct perform_work *work, struct vm *vm,
                         const struct batch_observer *observer, struct error *error)
{
    return batch_start(vm, work->what, observer, error);
}

static void interrupt_batch(void *batch)
{
    batch_interrupt(batch);
}

static void free_batch(void *batch)
{
    batch_free(batch);
}

int perform(struct invocation *invocation, const struct batch_request *request)
{
    const struct perform_work work = {
        .type = request->each.type,
        .start = start_batch,
        .interrupt = interrupt_batch,
        .free = free_batch,
        .what = request,
    };

    return perform_work(invocation, &work);
}
