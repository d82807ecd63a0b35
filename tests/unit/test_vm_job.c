/* SPDX-License-Identifier: MIT */
/* Jobs of a simulated VM: whose turn it is, and how each comes to its end. */
#include "daemon/vm_job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "tests/fake/rig.h"

struct try {
    struct vm_job job;
    unsigned begun, ended, results;
    bool holds;
    struct error failure;
    enum verdict verdict;
};

static struct rig rig;
static struct vm_jobs *jobs;
static unsigned order; /* of the jobs that have begun */

static int begin(void **state)
{
    (void)state;
    order = 0;
    rig_open(&rig, sim_new(), true);
    rig.sim->kvm = true;
    jobs = vm_jobs_new(rig.vm, 5000);
    return jobs != NULL ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    vm_jobs_free(jobs);
    rig_close(&rig);
    return 0;
}

static void on_failed(void *user, const struct error *error)
{
    struct try *try = user;

    try->failure = *error;
    try->ended++;
}

static void finish(struct try *try)
{
    vm_job_end(&try->job);
    try->ended++;
}

static void on_inventory(void *user, const struct inventory *inventory)
{
    assert_true(inventory->cpus.present == 2);
    finish(user);
}

static void look(void *user)
{
    struct try *try = user;

    try->begun = ++order;
    vm_job_look(&try->job, INVENTORY_CPUS, on_inventory);
}

static void hold(void *user)
{
    struct try *try = user;

    try->begun = ++order;
    vm_job_hold(&try->job);
}

static void on_batch(void *user, const struct batch_result *result)
{
    struct try *try = user;

    try->verdict = result->verdict;
    finish(try);
}

static const struct batch_request four_cpus = {
    .goal = BATCH_CPUS, .target = 4, .each = {.type = OPERATION_CPU_ADD, .timeout_ms = 5000}};

static void add_cpus(void *user)
{
    struct try *try = user;

    try->begun = ++order;
    vm_job_batch(&try->job, &four_cpus, on_batch);
}

static void on_status(void *user, const json_t *value, const struct error *error)
{
    struct try *try = user;

    assert_non_null(value);
    assert_null(error);
    vm_job_batch(&try->job, &four_cpus, on_batch);
}

static void ask_and_add_cpus(void *user)
{
    struct try *try = user;

    try->begun = ++order;
    vm_job_ask(&try->job, "query-status", NULL, on_status);
}

static void on_result(void *user, const struct operation_result *result)
{
    struct try *try = user;

    (void)result;
    try->results++;
}

static int add(struct try *try, void (*run)(void *user), bool changes, struct error *error)
{
    *try = (struct try){.job = {.name = "try",
                                .changes = changes,
                                .run = run,
                                .failed = on_failed,
                                .result = on_result,
                                .user = try}};
    return vm_jobs_add(jobs, &try->job, error);
}

static bool are_idle(void *user)
{
    (void)user;
    return vm_jobs_are_idle(jobs);
}

static bool has_begun(void *user)
{
    return ((const struct try *)user)->begun > 0;
}

static bool has_result(void *user)
{
    return ((const struct try *)user)->results > 0;
}

/* Changes wait for each other, and looks for no change. */
static void test_in_turn(void **state)
{
    struct try first, second, looker;

    (void)state;
    assert_int_equal(add(&first, hold, true, NULL), 0);
    assert_int_equal(add(&second, look, true, NULL), 0);
    assert_int_equal(add(&looker, look, false, NULL), 0);
    assert_int_equal(first.begun, 0); /* not in there */
    rig_run(&rig, has_begun, &looker);
    rig_run(&rig, has_begun, &first);
    assert_int_equal(second.begun, 0);
    vm_job_end(&first.job);
    rig_run(&rig, are_idle, NULL);
    assert_int_equal(second.ended, 1);
    assert_int_equal(looker.ended, 1);
    assert_int_equal(second.failure.code, ERROR_NONE);
}

static void test_batch(void **state)
{
    struct try try;

    (void)state;
    assert_int_equal(add(&try, add_cpus, true, NULL), 0);
    rig_run(&rig, are_idle, NULL);
    assert_int_equal(try.verdict, VERDICT_ONLINE);
    assert_int_equal(try.results, 2);
    assert_int_equal(try.ended, 1);
}

/* Of what waits in the queue, and of what is under way. */
static void test_interrupted(void **state)
{
    struct try adder, waiting;

    (void)state;
    assert_int_equal(add(&adder, add_cpus, true, NULL), 0);
    assert_int_equal(add(&waiting, look, true, NULL), 0);
    rig_run(&rig, has_result, &adder);
    vm_job_interrupt(&waiting.job);
    assert_int_equal(waiting.ended, 1);
    assert_int_equal(waiting.failure.code, ERROR_CANCELLED);
    vm_job_interrupt(&adder.job);
    rig_run(&rig, are_idle, NULL);
    assert_int_equal(adder.ended, 1);
    assert_int_equal(adder.failure.code, ERROR_NONE); /* its own result says it */
    assert_int_equal(adder.verdict, VERDICT_INTERRUPTED);
    assert_int_equal(waiting.begun, 0);
}

/* The device under way is finished, and all else fails, now and later. */
static void test_stopped(void **state)
{
    struct try adder, waiting, late;
    struct error error = ERROR_INIT;

    (void)state;
    assert_int_equal(add(&adder, add_cpus, true, NULL), 0);
    assert_int_equal(add(&waiting, look, true, NULL), 0);
    rig_run(&rig, has_begun, &adder);
    vm_jobs_stop(jobs);
    assert_int_equal(waiting.ended, 1);
    assert_int_equal(waiting.failure.code, ERROR_CANCELLED);
    assert_int_equal(adder.ended, 0);
    rig_run(&rig, are_idle, NULL);
    assert_int_equal(adder.ended, 1);
    assert_int_equal(add(&late, look, true, &error), -1);
    assert_int_equal(error.code, ERROR_CANCELLED);
    assert_int_equal(late.ended, 0);
}

/* What was asked is still heard, and no step comes after it. */
static void test_stopped_midway(void **state)
{
    struct try try;

    (void)state;
    assert_int_equal(add(&try, ask_and_add_cpus, true, NULL), 0);
    rig_run(&rig, has_begun, &try);
    vm_jobs_stop(jobs);
    assert_int_equal(try.ended, 0);
    rig_run(&rig, are_idle, NULL);
    assert_int_equal(try.failure.code, ERROR_CANCELLED);
    assert_int_equal(sim_changes(rig.sim), 0);
}

static void test_abandoned(void **state)
{
    struct error why = ERROR_INIT;
    struct try adder, holder;

    (void)state;
    (void)error_set(&why, ERROR_DISCONNECTED, "", "gone");
    assert_int_equal(add(&adder, add_cpus, true, NULL), 0);
    assert_int_equal(add(&holder, hold, false, NULL), 0);
    rig_run(&rig, has_begun, &holder);
    vm_jobs_abandon(jobs, &why);
    assert_true(vm_jobs_are_idle(jobs));
    assert_int_equal(adder.failure.code, ERROR_DISCONNECTED);
    assert_int_equal(holder.failure.code, ERROR_DISCONNECTED);
}

/* QEMU goes: each hears of it, once. */
static void test_qemu_goes(void **state)
{
    struct try looker;

    (void)state;
    sim_fault(rig.sim, (struct fault){.side = SIM_QMP,
                                      .command = "query-hotpluggable-cpus",
                                      .times = 1,
                                      .action = FAULT_DIE});
    assert_int_equal(add(&looker, look, false, NULL), 0);
    rig_run(&rig, are_idle, NULL);
    assert_int_equal(looker.ended, 1);
    assert_int_equal(looker.failure.code, ERROR_DISCONNECTED);
}

static void test_too_many(void **state)
{
    static struct try tries[VM_JOBS_WAITING + 2];
    struct error error = ERROR_INIT;
    size_t i;

    (void)state;
    for (i = 0; i <= VM_JOBS_WAITING; i++)
        assert_int_equal(add(&tries[i], hold, true, NULL), 0);
    assert_int_equal(add(&tries[i], hold, true, &error), -1);
    assert_int_equal(error.code, ERROR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_in_turn, begin, end),
        cmocka_unit_test_setup_teardown(test_batch, begin, end),
        cmocka_unit_test_setup_teardown(test_interrupted, begin, end),
        cmocka_unit_test_setup_teardown(test_stopped, begin, end),
        cmocka_unit_test_setup_teardown(test_stopped_midway, begin, end),
        cmocka_unit_test_setup_teardown(test_abandoned, begin, end),
        cmocka_unit_test_setup_teardown(test_qemu_goes, begin, end),
        cmocka_unit_test_setup_teardown(test_too_many, begin, end),
    };

    return cmocka_run_group_tests_name("vm_job", tests, NULL, NULL);
}
