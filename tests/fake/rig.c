/* SPDX-License-Identifier: MIT */
#include "tests/fake/rig.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "qmp/blocking.h"
#include "qmp/field.h"

#define PATIENCE_MS 60000
#define RECORD "run" /* in fake_dir() */
#define SOON_MS 100
#define SOON_FACTOR 8 /* times what it takes when nothing goes wrong */

static void forget(struct rig *rig)
{
    batch_free(STEAL(rig->batch));
    operation_free(STEAL(rig->operation));
    rig->ends = rig->results = rig->stages = rig->bad_stages = 0;
}

static void connect_vm(struct rig *rig)
{
    char directory[512];
    const struct vm_options options = {.qmp_path = rig->sim->qmp.path,
                                       .agent_path = rig->with_agent ? rig->sim->agent.path : NULL,
                                       .greeting_timeout_ms = 30000,
                                       .runtime_dir = rig->recorded ? directory : NULL};
    struct error error = ERROR_INIT;

    (void)snprintf(directory, sizeof(directory), "%s", fake_path(RECORD));
    rig->vm = vm_new(&options, &error);
    if (rig->vm == NULL)
        fake_fail("no vm: %s", error.why);
}

void rig_open(struct rig *rig, struct sim *sim, bool with_agent)
{
    *rig = (struct rig){.sim = sim, .with_agent = with_agent};
    connect_vm(rig);
}

void rig_open_recorded(struct rig *rig, struct sim *sim, bool with_agent)
{
    fake_empty(fake_path(RECORD));
    *rig = (struct rig){.sim = sim, .with_agent = with_agent, .recorded = true};
    connect_vm(rig);
}

void rig_reopen(struct rig *rig)
{
    forget(rig);
    vm_free(rig->vm);
    server_hang_up(&rig->sim->qmp);
    server_hang_up(&rig->sim->agent);
    rig->sim->guest.file = (struct sim_file){0}; /* the agent can spare one that was left open */
    connect_vm(rig);
}

json_t *rig_recorded(struct rig *rig, const char *id)
{
    return record_find(vm_record(rig->vm), id);
}

void rig_leave(struct rig *rig)
{
    forget(rig);
    vm_free(STEAL(rig->vm));
}

void rig_close(struct rig *rig)
{
    rig_leave(rig);
    sim_end(rig->sim);
    if (rig->recorded)
        fake_empty(fake_path(RECORD));
}

void rig_run(struct rig *rig, blocking_condition_fn *condition, void *user)
{
    struct pump *pumps[BLOCKING_PUMPS_MAX] = {NULL};
    size_t count = vm_pumps(rig->vm, pumps);

    pumps[count++] = &rig->sim->qmp.pump;
    pumps[count++] = &rig->sim->agent.pump;
    if (!blocking_run(pumps, count, condition, user, clock_now_ms() + PATIENCE_MS))
        fake_fail("it does not come to an end");
}

/* ---- inventories ---- */

struct fetched {
    bool ended;
    struct inventory *inventory;
    struct error failure;
};

static void on_inventory(void *user, struct inventory *inventory, const struct error *failure)
{
    struct fetched *fetched = user;

    if (fetched->ended)
        fake_fail("an inventory ended twice");
    fetched->ended = true;
    fetched->inventory = inventory;
    if (failure != NULL)
        fetched->failure = *failure;
}

static bool is_fetched(void *user)
{
    return ((const struct fetched *)user)->ended;
}

struct inventory *rig_inventory(struct rig *rig, unsigned parts, double agent_timeout_ms,
                                struct error *ret_failure)
{
    struct fetched fetched = {.ended = false};

    if (inventory_fetch(rig->vm, parts, RIG_TIMEOUT_MS, agent_timeout_ms, on_inventory, &fetched,
                        NULL) == NULL)
        fake_fail("an inventory can't be fetched");
    if (fetched.ended)
        fake_fail("an inventory ended inside its beginning");
    rig_run(rig, is_fetched, &fetched);
    if (ret_failure != NULL)
        *ret_failure = fetched.failure;
    if ((fetched.inventory == NULL) == (fetched.failure.code == ERROR_NONE))
        fake_fail("an inventory ended with neither or both");
    return fetched.inventory;
}

/* ---- operations and batches ---- */

struct operation_request rig_addition(enum operation_type type)
{
    return (struct operation_request){
        .type = type,
        .timeout_ms = 5000,
        .dimm = {.bytes = 256 * SIM_MIB},
        .disk = {.file = fake_file("disk.raw", "", 0)},
    };
}

const char *rig_addition_id(enum operation_type type)
{
    static const char *const ids[] = {[OPERATION_CPU_ADD] = "vmplug-cpu-2",
                                      [OPERATION_DIMM_ADD] = "vmplug-mem-0",
                                      [OPERATION_DISK_ADD] = "vmplug-disk-0"};

    return ids[type];
}

void rig_assert_verdict(const struct operation_result *result, enum verdict verdict)
{
    bool success = verdict_is_success(verdict);

    if (result->verdict != verdict)
        fake_fail("%s %s is %s, not %s (%s)", result->operation, result->id,
                  verdict_name(result->verdict), verdict_name(verdict), result->error.why);
    if ((result->error.code == ERROR_NONE) != success ||
        (result->awaiting != NULL) != (verdict == VERDICT_PENDING) ||
        (success && result->left_count > 0) || result->elapsed_ms < 0)
        fake_fail("%s %s is %s, which does not fit its error '%s', awaiting '%s' or %u left",
                  result->operation, result->id, verdict_name(verdict), result->error.why,
                  result->awaiting != NULL ? result->awaiting : "",
                  (unsigned)result->left_count);
}

static void on_stage(void *user, const struct operation_result *so_far,
                     const struct operation_stage *stage)
{
    struct rig *rig = user;

    (void)so_far;
    if (rig->stages > 0 && stage->rung <= rig->last_rung)
        rig->bad_stages++;
    rig->last_rung = stage->rung;
    rig->stages++;
}

static void keep(struct rig *rig, const struct operation_result *result)
{
    if (rig->results < RIG_RESULTS_MAX) {
        rig->verdicts[rig->results] = result->verdict;
        (void)snprintf(rig->ids[rig->results], sizeof(rig->ids[0]), "%s", result->id);
    }
    (void)snprintf(rig->note, sizeof(rig->note), "%s", field_string(result->details, "note", ""));
    rig->results++;
}

static void on_done(void *user, const struct operation_result *result)
{
    struct rig *rig = user;

    rig->ends++;
    rig->result = result;
    keep(rig, result);
}

static void on_result(void *user, const struct operation_result *result)
{
    struct rig *rig = user;

    keep(rig, result);
    rig->stages = 0;
}

static void on_batch_done(void *user, const struct batch_result *result)
{
    struct rig *rig = user;

    rig->ends++;
    rig->batch_result = *result;
}

static bool has_ended(void *user)
{
    return ((const struct rig *)user)->ends > 0;
}

void rig_start(struct rig *rig, const struct operation_request *request)
{
    const struct operation_observer observer = {.stage = on_stage, .done = on_done, .user = rig};

    forget(rig);
    rig->operation = operation_start(rig->vm, request, NULL, &observer, NULL);
    if (rig->operation == NULL || rig->ends > 0)
        fake_fail("the operation did not begin, or ended in its beginning");
}

const struct operation_result *rig_await(struct rig *rig)
{
    rig_run(rig, has_ended, rig);
    if (rig->ends != 1 || rig->bad_stages > 0)
        fake_fail("ended %u times, with %u odd stages", rig->ends, rig->bad_stages);
    return rig->result;
}

const struct operation_result *rig_operate(struct rig *rig,
                                           const struct operation_request *request)
{
    rig_start(rig, request);
    return rig_await(rig);
}

struct batch_observer rig_observer(struct rig *rig)
{
    forget(rig);
    return (struct batch_observer){
        .stage = on_stage, .result = on_result, .done = on_batch_done, .user = rig};
}

const struct batch_result *rig_batch(struct rig *rig, const struct batch_request *request)
{
    const struct batch_observer observer = rig_observer(rig);

    rig->batch = batch_start(rig->vm, request, &observer, NULL);
    if (rig->batch == NULL)
        fake_fail("the batch did not begin");
    return rig_await_batch(rig);
}

const struct batch_result *rig_await_batch(struct rig *rig)
{
    if (rig->ends > 0)
        fake_fail("it ended in its beginning");
    rig_run(rig, has_ended, rig);
    if (rig->ends != 1 || rig->bad_stages > 0)
        fake_fail("ended %u times, with %u odd stages", rig->ends, rig->bad_stages);
    return &rig->batch_result;
}

double rig_soon_ms(void)
{
    const struct operation_request request = {
        .type = OPERATION_DIMM_ADD, .timeout_ms = PATIENCE_MS, .dimm = {.bytes = 256 * SIM_MIB}};
    static double soon_ms;
    struct rig rig;

    if (soon_ms > 0)
        return soon_ms;
    rig_open(&rig, sim_new(), true);
    soon_ms = SOON_FACTOR * rig_operate(&rig, &request)->elapsed_ms;
    if (soon_ms < SOON_MS)
        soon_ms = SOON_MS;
    rig_close(&rig);
    return soon_ms;
}

const char *rig_stages(const struct rig *rig)
{
    static char text[128];
    size_t used = 0, i;

    text[0] = '\0';
    for (i = 0; i < rig->result->stage_count; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i > 0 ? " " : "",
                                 rung_name(rig->result->stages[i].rung));
    return text;
}

const char *rig_left(const struct rig *rig)
{
    static char text[512];
    size_t used = 0, i;

    text[0] = '\0';
    for (i = 0; i < rig->result->left_count; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i > 0 ? " " : "",
                                 rig->result->left[i]);
    return text;
}
