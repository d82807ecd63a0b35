/* SPDX-License-Identifier: MIT */
#include "daemon/reconcile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "daemon/audit_log.h"
#include "daemon/fleet.h"
#include "daemon/metrics.h"
#include "daemon/reconcile_told.h"
#include "daemon/recount.h"
#include "manifest/desired.h"
#include "manifest/launch.h"
#include "manifest/layout.h"
#include "manifest/run_directory.h"
#include "qmp/codec.h"

#define ROUNDS 3     /* looks that still find something to do; then it is tried again later */
#define TURN_SECONDS 2. /* a VM that is slow to look at keeps nobody else's turn any longer */
#define LAYOUT_MS 5000

/* One time of going by the manifest. */
struct pass {
    struct desired desired;
    struct claims claims;
    char empty_directory[VM_DIRECTORY_MAX];
    struct audit *audit;
    struct plan plan;
    struct layout_learning *learning;
    unsigned rounds;
    bool not_begun;      /* the VM waits for its first instruction */
    char unseen[512];    /* why nobody could ask the guest; "": it was asked */
    bool refused;        /* a device was, by whoever has a say in it */
    enum verdict failed; /* of the first device that did; VERDICT_DONE: none has */
    struct batch_result result;
};

struct reconcile {
    struct daemon *daemon;
    const char *name;
    struct vm_jobs *jobs; /* NULL: not connected */
    struct vm_job job;
    struct fleet_turn turn;
    ev_timer timer; /* until it is tried again, or its turn is over */
    double delay_ms; /* of the next failure; 0: RECONCILE_FIRST_MS */
    bool under_way;  /* the job is in the queue */
    struct pass *pass; /* … and has read the manifest */
    bool wanted;       /* once more, afterwards */
    bool satisfied, is_stopping;
    json_t *sources; /* what the last pass looked up in the store (objects_used()) */
    struct recount recount;
    struct reconcile_told told;
};

static void go(struct reconcile *reconcile);

/* ---- the end of a pass ---- */

static void pass_free(struct pass *pass)
{
    if (pass == NULL)
        return;
    layout_learn_cancel(pass->learning);
    plan_free(&pass->plan);
    audit_free(pass->audit);
    desired_close(&pass->desired);
    free(pass);
}

static void on_retry(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    go(timer->data);
}

static void set_timer(struct reconcile *reconcile, double seconds,
                      void (*fired)(struct ev_loop *, ev_timer *, int))
{
    ev_timer_stop(reconcile->daemon->loop, &reconcile->timer);
    ev_timer_init(&reconcile->timer, fired, seconds, 0);
    reconcile->timer.data = reconcile;
    ev_now_update(reconcile->daemon->loop);
    ev_timer_start(reconcile->daemon->loop, &reconcile->timer);
}

static void try_later(struct reconcile *reconcile)
{
    double delay_ms = reconcile->delay_ms > 0 ? reconcile->delay_ms : RECONCILE_FIRST_MS;

    if (reconcile->is_stopping || reconcile->jobs == NULL)
        return;
    reconcile->delay_ms = 2 * delay_ms < RECONCILE_LAST_MS ? 2 * delay_ms : RECONCILE_LAST_MS;
    set_timer(reconcile, delay_ms / 1e3, on_retry);
}

static bool is_refusal(enum verdict verdict)
{
    return verdict == VERDICT_REFUSED || verdict == VERDICT_REJECTED ||
           verdict == VERDICT_BLOCKED || verdict == VERDICT_UNPROVEN ||
           verdict == VERDICT_INTERRUPTED;
}

/* What is as the manifest says by QEMU's word alone is not said to be more. */
static void tell_success(struct reconcile *reconcile, const struct pass *pass)
{
    const char *unseen = pass != NULL ? pass->unseen : "";

    reconcile->satisfied = *unseen == '\0';
    reconcile_told_condition(&reconcile->told, CONDITION_TRUE,
                             *unseen != '\0' ? "Unconfirmed" : "Synchronized", unseen);
}

static void judge(struct reconcile *reconcile, const struct pass *pass,
                  const struct batch_result *result)
{
    bool partial = result->verdict == VERDICT_PARTIAL;
    enum verdict verdict = partial && pass != NULL && pass->failed != VERDICT_DONE
                               ? pass->failed
                               : result->verdict;
    bool refused = is_refusal(verdict) || (pass != NULL && pass->refused) ||
                   (partial && result->error.code == ERROR_BLOCKED);

    reconcile->satisfied = false;
    if (verdict_is_success(result->verdict)) {
        reconcile->delay_ms = 0;
        tell_success(reconcile, pass);
        return;
    }
    reconcile_told_failure(&reconcile->told, verdict,
                           pass != NULL && pass->plan.block_count > 0 &&
                               pass->plan.blocks[0].restart && verdict == VERDICT_BLOCKED,
                           &result->error);
    if (!refused)
        try_later(reconcile);
}

/* The job has left the queue. */
static void conclude(struct reconcile *reconcile, const struct batch_result *result)
{
    struct pass *pass = STEAL(reconcile->pass);
    const struct batch_result end = *result;

    ev_timer_stop(reconcile->daemon->loop, &reconcile->timer);
    if (reconcile->daemon->fleet != NULL)
        fleet_leave(reconcile->daemon->fleet, &reconcile->turn);
    reconcile->under_way = false;
    judge(reconcile, pass, &end);
    json_decref(reconcile->sources);
    reconcile->sources = pass != NULL ? objects_used(&pass->desired.objects) : NULL;
    pass_free(pass);
    metrics_reconcile(reconcile->daemon->metrics, end.verdict);
    reconcile_told_done(&reconcile->told, &end);
    if (reconcile->wanted || reconcile_told_is_awaited(&reconcile->told))
        go(reconcile);
}

static void finish(struct reconcile *reconcile, const struct batch_result *result)
{
    vm_job_end(&reconcile->job);
    conclude(reconcile, result);
}

static void fail(struct reconcile *reconcile, enum verdict verdict, const struct error *error)
{
    const struct batch_result result = {.summary = true, .verdict = verdict, .error = *error};

    finish(reconcile, &result);
}

static void on_failed(void *user, const struct error *error)
{
    struct batch_result result = {.summary = true, .verdict = VERDICT_ERROR, .error = *error};

    if (error->code == ERROR_DISCONNECTED)
        result.verdict = VERDICT_LOST;
    else if (error->code == ERROR_CANCELLED)
        result.verdict = VERDICT_INTERRUPTED;
    conclude(user, &result);
}

/* ---- where disks are, for the next launch ---- */

static void on_learnt(void *user, const struct layout *layout, const struct error *failure)
{
    struct reconcile *reconcile = user;
    struct pass *pass = reconcile->pass;
    struct store *store = &pass->desired.store;
    struct error error = ERROR_INIT;
    int status = failure != NULL ? -1 : store_lock(store, &error);

    pass->learning = NULL;
    if (status == 0) {
        status = layout_save(layout, store, reconcile->name, &error);
        store_unlock(store);
    }
    if (status == 0)
        finish(reconcile, &pass->result);
    else
        fail(reconcile, VERDICT_ERROR, failure != NULL ? failure : &error);
}

/* All that can be done for now has been. */
static void record_layout(void *user, const struct inventory *inventory)
{
    struct reconcile *reconcile = user;
    struct pass *pass = reconcile->pass;
    struct error error = ERROR_INIT;

    if (pass->rounds == 0 || !run_directory_is_launched(reconcile->name, NULL)) {
        finish(reconcile, &pass->result);
        return;
    }
    pass->learning = layout_learn_start(reconcile->job.vm, inventory, LAYOUT_MS, on_learnt,
                                        reconcile, &error);
    if (pass->learning != NULL)
        vm_job_hold(&reconcile->job);
    else
        fail(reconcile, VERDICT_ERROR, &error);
}

/* ---- carrying it out ---- */

static void look(struct reconcile *reconcile);

static void on_device(void *user, const struct operation_result *result)
{
    struct reconcile *reconcile = user;
    struct pass *pass = reconcile->pass;

    pass->refused = pass->refused || is_refusal(result->verdict);
    if (!verdict_is_success(result->verdict) && pass->failed == VERDICT_DONE)
        pass->failed = result->verdict;
    reconcile_told_result(&reconcile->told, result);
}

static void on_stage(void *user, const struct operation_result *so_far,
                     const struct operation_stage *stage)
{
    struct reconcile *reconcile = user;

    reconcile_told_stage(&reconcile->told, so_far, stage);
}

/* What was proved of each is looked at together; what came of a failure is not tried again here. */
static void on_applied(void *user, const struct batch_result *result)
{
    struct reconcile *reconcile = user;
    struct pass *pass = reconcile->pass;
    bool well = verdict_is_success(result->verdict) || result->verdict == VERDICT_BLOCKED;

    (void)audit_log_add(reconcile->daemon->audit_log, NULL, reconcile->name, "reconcile",
                        verdict_name(result->verdict), NULL, NULL);
    pass->result = *result;
    if (well && pass->failed == VERDICT_DONE)
        look(reconcile);
    else if (result->verdict == VERDICT_LOST || result->verdict == VERDICT_INTERRUPTED)
        finish(reconcile, result);
    else
        vm_job_look(&reconcile->job, INVENTORY_DISKS, record_layout);
}

static json_t *list_steps(const struct plan *plan)
{
    json_t *steps = json_array();
    size_t i;

    for (i = 0; i < plan->step_count; i++)
        (void)json_array_append_new(steps, json_string(plan->steps[i].what));
    return json_pack("{s:o}", "steps", steps);
}

/* A guest that has yet to begin answers nobody, and finds what there is when it does: there QEMU
 * has the last word. */
static void carry_out(struct reconcile *reconcile)
{
    struct pass *pass = reconcile->pass;
    const struct operation_request pattern = {.type = OPERATION_CPU_ADD,
                                              .wait_set = pass->not_begun,
                                              .wait = RUNG_REALIZED,
                                              .timeout_ms = reconcile->job.timeout_ms};
    struct error error = ERROR_INIT;

    if (pass->rounds++ == ROUNDS) {
        (void)error_set(&error, ERROR_REJECTED, "see vmplug plan", "after %d times there is still "
                        "something to do: %s", ROUNDS, pass->plan.steps[0].what);
        fail(reconcile, VERDICT_ERROR, &error);
    } else if (audit_log_add(reconcile->daemon->audit_log, NULL, reconcile->name, "reconcile",
                             AUDIT_LOG_BEGUN, list_steps(&pass->plan), &error) < 0) {
        fail(reconcile, VERDICT_ERROR, &error);
    } else {
        reconcile_told_condition(&reconcile->told, CONDITION_FALSE, "Progressing",
                                 pass->plan.steps[0].what);
        vm_job_apply(&reconcile->job, &pass->plan, &pattern, on_applied);
    }
}

/* ---- looking ---- */

static int make_plan(struct reconcile *reconcile, const struct inventory *inventory,
                     struct error *error)
{
    struct pass *pass = reconcile->pass;
    struct plan_input input = {
        .vm = &pass->desired.vms[0]->vm,
        .cluster = &pass->desired.cluster,
        .claims = &pass->claims,
        .inventory = inventory,
    };

    plan_free(&pass->plan);
    audit_free(pass->audit);
    pass->audit = audit_new(reconcile->job.vm, inventory);
    input.audit = pass->audit;
    if (pass->audit == NULL)
        return error_set(error, ERROR_SYSTEM, "", "out of memory");
    return plan_make(&pass->plan, &input, error);
}

/* As an apply of nothing has it. */
static void take_blocks(struct pass *pass)
{
    struct batch_result *result = &pass->result;

    if (pass->rounds == 0)
        *result = (struct batch_result){.summary = true, .verdict = VERDICT_DONE};
    if (pass->plan.block_count == 0 || result->verdict == VERDICT_BLOCKED)
        return;
    result->verdict = VERDICT_BLOCKED;
    result->asked += pass->plan.block_count;
    result->error = pass->plan.blocks[0].error;
}

static void note_unseen(struct pass *pass, const struct inventory *inventory)
{
    pass->unseen[0] = '\0';
    if (pass->not_begun)
        text_copy(pass->unseen, sizeof(pass->unseen),
                  "QEMU has it all, and the guest has yet to begin");
    else if (!inventory->guest.connected)
        (void)snprintf(pass->unseen, sizeof(pass->unseen),
                       "QEMU has it all, and nobody could ask the guest: %s",
                       inventory->guest.reason);
}

static void on_looked(void *user, const struct inventory *inventory)
{
    struct reconcile *reconcile = user;
    struct pass *pass = reconcile->pass;
    struct error error = ERROR_INIT;
    int status = make_plan(reconcile, inventory, &error);

    pass->not_begun = strcmp(inventory->machine.state, "prelaunch") == 0;
    note_unseen(pass, inventory);
    if (reconcile->daemon->fleet != NULL)
        fleet_leave(reconcile->daemon->fleet, &reconcile->turn);
    if (pass->audit != NULL) {
        reconcile->recount.wanted_bytes = pass->desired.vms[0]->vm.memory.guest_bytes;
        recount_see(&reconcile->recount, inventory, pass->audit);
    }
    if (status < 0) {
        fail(reconcile, VERDICT_ERROR, &error);
    } else if (pass->plan.step_count > 0) {
        carry_out(reconcile);
    } else {
        take_blocks(pass);
        record_layout(reconcile, inventory);
    }
}

static void look(struct reconcile *reconcile)
{
    vm_job_look(&reconcile->job, PLAN_PARTS, on_looked);
}

/* ---- the beginning of a pass ---- */

static int read_manifest(struct reconcile *reconcile, struct error *error)
{
    struct pass *pass = calloc(1, sizeof(*pass));

    if (pass == NULL)
        return error_set(error, ERROR_SYSTEM, "", "out of memory");
    reconcile->pass = pass;
    pass->failed = VERDICT_DONE;
    pass->claims = (struct claims){
        .objects = &pass->desired.objects,
        .empty_directory = launch_disks_directory(reconcile->name, pass->empty_directory,
                                                  sizeof(pass->empty_directory)),
    };
    if (desired_open(&pass->desired, false, error) < 0)
        return -1;
    pass->desired.store.patience_ms = 0;
    return desired_take_stored(&pass->desired, reconcile->name, error);
}

static void on_turn_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct reconcile *reconcile = timer->data;

    (void)loop;
    (void)events;
    fleet_leave(reconcile->daemon->fleet, &reconcile->turn);
}

static void begin(void *user)
{
    struct reconcile *reconcile = user;
    struct error error = ERROR_INIT;

    reconcile->wanted = false;
    reconcile_told_begin(&reconcile->told);
    if (read_manifest(reconcile, &error) < 0) {
        fail(reconcile, error.code == ERROR_SYSTEM ? VERDICT_ERROR : VERDICT_BLOCKED, &error);
        return;
    }
    if (reconcile->daemon->fleet != NULL)
        set_timer(reconcile, TURN_SECONDS, on_turn_over);
    look(reconcile);
}

static void run(void *user)
{
    struct reconcile *reconcile = user;

    if (reconcile->daemon->fleet == NULL) {
        begin(reconcile);
        return;
    }
    vm_job_hold(&reconcile->job);
    if (reconcile->under_way) /* it has not failed in there */
        fleet_enter(reconcile->daemon->fleet, &reconcile->turn);
}

static void go(struct reconcile *reconcile)
{
    struct error error = ERROR_INIT;
    struct batch_result result = {.summary = true, .verdict = VERDICT_ERROR};

    if (reconcile->under_way) {
        reconcile->wanted = reconcile->pass != NULL;
        return;
    }
    ev_timer_stop(reconcile->daemon->loop, &reconcile->timer);
    reconcile->job = (struct vm_job){
        .name = "reconcile",
        .changes = true,
        .looks_after = true,
        .run = run,
        .failed = on_failed,
        .stage = on_stage,
        .result = on_device,
        .user = reconcile,
    };
    reconcile->under_way = true;
    if (vm_jobs_add(reconcile->jobs, &reconcile->job, &error) == 0)
        return;
    reconcile->wanted = false;
    reconcile_told_begin(&reconcile->told);
    result.error = error;
    conclude(reconcile, &result);
}

void reconcile_request(struct reconcile *reconcile, const struct batch_observer *observer)
{
    struct batch_result result = {.summary = true, .verdict = VERDICT_ERROR};

    if (reconcile->jobs == NULL || reconcile->is_stopping)
        (void)error_set(&result.error, ERROR_CONNECT, "start it, or look at its sockets",
                        "the VM '%s' is not connected", reconcile->name);
    else if (observer != NULL && reconcile_told_wait(&reconcile->told, observer) < 0)
        (void)error_set(&result.error, ERROR_SYSTEM, "", "out of memory");
    if (result.error.code != ERROR_NONE) {
        if (observer != NULL)
            observer->done(observer->user, &result);
        return;
    }
    reconcile->delay_ms = 0;
    go(reconcile);
}

void reconcile_nudge(struct reconcile *reconcile)
{
    if (!reconcile->satisfied && reconcile->jobs != NULL && !reconcile->is_stopping)
        reconcile_request(reconcile, NULL);
}

void reconcile_source_changed(struct reconcile *reconcile, enum kind kind, const char *name)
{
    if (objects_use(reconcile->sources, kind, name))
        reconcile->satisfied = false;
    reconcile_nudge(reconcile);
}

/* ---- all ---- */

struct reconcile *reconcile_new(struct daemon *daemon, const char *name)
{
    struct reconcile *reconcile = calloc(1, sizeof(*reconcile));

    if (reconcile == NULL)
        return NULL;
    reconcile->daemon = daemon;
    reconcile->name = name;
    reconcile->turn = (struct fleet_turn){.begin = begin, .user = reconcile};
    ev_timer_init(&reconcile->timer, on_retry, 0, 0);
    reconcile_told_init(&reconcile->told, daemon, name);
    return reconcile;
}

static void on_changed(void *user)
{
    recount_soon(&((struct reconcile *)user)->recount);
}

void reconcile_attach(struct reconcile *reconcile, struct vm_jobs *jobs)
{
    reconcile->jobs = jobs;
    recount_attach(&reconcile->recount, reconcile->daemon, jobs);
    vm_jobs_on_change(jobs, on_changed, reconcile);
    reconcile->delay_ms = 0;
    reconcile->satisfied = false;
    reconcile_told_condition(&reconcile->told, CONDITION_UNKNOWN, "Connected",
                             "it is about to be looked at");
    reconcile_request(reconcile, NULL);
}

void reconcile_detach(struct reconcile *reconcile, const char *reason, const struct error *why)
{
    struct batch_result result = {.summary = true, .verdict = VERDICT_LOST, .error = *why};

    ev_timer_stop(reconcile->daemon->loop, &reconcile->timer);
    reconcile->jobs = NULL;
    recount_detach(&reconcile->recount);
    reconcile->wanted = false;
    reconcile_told_begin(&reconcile->told);
    reconcile_told_done(&reconcile->told, &result);
    reconcile_told_condition(&reconcile->told, CONDITION_UNKNOWN, reason, why->why);
}

void reconcile_stop(struct reconcile *reconcile)
{
    reconcile->is_stopping = true;
    if (!reconcile->under_way)
        ev_timer_stop(reconcile->daemon->loop, &reconcile->timer);
}

json_t *reconcile_condition(const struct reconcile *reconcile)
{
    return reconcile_told_json(&reconcile->told);
}

void reconcile_free(struct reconcile *reconcile)
{
    if (reconcile == NULL)
        return;
    reconcile_told_free(&reconcile->told);
    json_decref(reconcile->sources);
    free(reconcile);
}
