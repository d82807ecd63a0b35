/* SPDX-License-Identifier: MIT */
/* A deadline that passes at each stage: no failure, and never a success. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "tests/fake/jump.h"
#include "tests/fake/rig.h"
#include "tests/fake/sim_parts.h"

#define KINDS 3

static struct rig rig;

/* The device is in QEMU, and whatever it stands on. */
static bool is_there(struct sim *sim, enum operation_type type)
{
    if (type == OPERATION_CPU_ADD)
        return sim->cpus[2].present;
    return type == OPERATION_DIMM_ADD ? sim->dimm_count > 0
                                      : sim->disk_count > 0 && sim->disks[0].id[0] != '\0';
}

/* A step that is not answered: the device may or may not come. */
static void test_deadline_before_the_reply(void **state)
{
    static const char *const left[KINDS] = {"vmplug-cpu-2", "vmplug-mem-0-backend vmplug-mem-0",
                                            "vmplug-disk-0"};
    enum operation_type type;

    (void)state;
    for (type = 0; type < KINDS; type++) {
        struct operation_request request = rig_addition(type);
        struct sim *sim = sim_new();

        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "device_add",
                                      .action = FAULT_DROP});
        request.timeout_ms = rig_soon_ms();
        rig_open(&rig, sim, true);
        rig_assert_verdict(rig_operate(&rig, &request), VERDICT_PENDING);
        assert_string_equal(rig.result->awaiting, "accepted");
        assert_string_equal(rig_left(&rig), left[type]);
        assert_true(rig.result->elapsed_ms >= request.timeout_ms);
        rig_close(&rig);
    }
}

static void test_deadline_before_the_inventory_has_it(void **state)
{
    static const char *const queries[KINDS] = {"query-hotpluggable-cpus", "query-memory-devices",
                                               "query-block"};
    static const enum fault_action actions[] = {FAULT_ANSWER, FAULT_REJECT, FAULT_IGNORE};
    enum operation_type type;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(actions); i++) {
        for (type = 0; type < KINDS; type++) {
            struct operation_request request = rig_addition(type);
            struct sim *sim = sim_new();

            sim_fault(sim, (struct fault){.side = SIM_QMP, .command = queries[type], .skip = 1,
                                          .action = actions[i], .text = "[]"});
            request.timeout_ms = rig_soon_ms();
            rig_open(&rig, sim, true);
            rig_assert_verdict(rig_operate(&rig, &request), VERDICT_PENDING);
            assert_string_equal(rig.result->awaiting, "realized");
            assert_string_equal(rig_stages(&rig), "accepted");
            rig_close(&rig);
        }
    }
}

static void test_deadline_before_the_guest(void **state)
{
    enum operation_type type;

    (void)state;
    for (type = 0; type < KINDS; type++) {
        struct operation_request request = rig_addition(type);
        struct sim *sim = sim_new();

        sim->guest.ignores = true;
        if (type == OPERATION_DIMM_ADD)
            sim->guest.ost_count = 0; /* else it would count as refused after a while */
        request.timeout_ms = 2 * rig_soon_ms();
        rig_open(&rig, sim, true);
        rig_assert_verdict(rig_operate(&rig, &request), VERDICT_PENDING);
        assert_string_equal(rig.result->awaiting, "online");
        assert_string_equal(rig_left(&rig), rig_addition_id(type));
        assert_int_equal(rig.result->error.code, ERROR_TIMEOUT);
        assert_true(is_there(sim, type)); /* a timeout is no failure: the device stands */
        rig_close(&rig);
    }
}

static void test_deadline_before_anything_was_sent(void **state)
{
    struct operation_request request = rig_addition(OPERATION_CPU_ADD);
    struct sim *sim = sim_new();

    (void)state;
    sim_fault(sim,
              (struct fault){.side = SIM_QMP, .command = "qom-list", .action = FAULT_IGNORE});
    request.timeout_ms = 60;
    rig_open(&rig, sim, true);
    rig_assert_verdict(rig_operate(&rig, &request), VERDICT_ERROR);
    assert_int_equal(rig.result->error.code, ERROR_TIMEOUT);
    assert_int_equal(sim_changes(sim), 0);
    assert_int_equal(rig.result->left_count, 0);
    rig_close(&rig);
}

/* QEMU is busy. */
static void dawdle(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    (void)sim;
    (void)side;
    if (strcmp(command, "query-named-block-nodes") == 0)
        jump_ms(*(const double *)user);
}

/* The last answer came when the time was over: too late to begin. */
static void test_deadline_passed_while_looking(void **state)
{
    enum operation_type type;
    double busy_ms = 80;

    (void)state;
    for (type = 0; type < KINDS; type++) {
        struct operation_request request = rig_addition(type);
        struct sim *sim = sim_new();

        sim->on_command = dawdle;
        sim->user = &busy_ms;
        request.timeout_ms = 60;
        rig_open(&rig, sim, true);
        rig_assert_verdict(rig_operate(&rig, &request), VERDICT_ERROR);
        assert_int_equal(rig.result->error.code, ERROR_TIMEOUT);
        assert_int_equal(sim_changes(sim), 0);
        rig_close(&rig);
    }
}

/* An agent that answers everything with nonsense, or not at all, is waited for and no longer. */
static void test_agent_talks_nonsense(void **state)
{
    static const char *const asked[KINDS] = {"guest-get-vcpus", "guest-get-memory-blocks",
                                             "guest-get-disks"};
    static const struct {
        enum fault_action action;
        const char *text;
    } cases[] = {
        {FAULT_ANSWER, "{}"},
        {FAULT_ANSWER, "[1,null,{},'x']"},
        {FAULT_REJECT, "no"},
        {FAULT_GARBAGE, "{]\n"},
        {FAULT_GARBAGE, "{\"event\":1}\n"},
        {FAULT_IGNORE, NULL},
    };
    enum operation_type type;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        for (type = 0; type < KINDS; type++) {
            struct operation_request request = rig_addition(type);
            struct sim *sim = sim_new();

            sim_fault(sim, (struct fault){.side = SIM_AGENT, .command = asked[type],
                                          .skip = 1, .action = cases[i].action,
                                          .text = cases[i].text});
            if (type == OPERATION_DIMM_ADD)
                sim->guest.ost_count = 0;
            request.timeout_ms = 2 * rig_soon_ms();
            rig_open(&rig, sim, true);
            rig_assert_verdict(rig_operate(&rig, &request), VERDICT_PENDING);
            assert_string_equal(rig.result->awaiting, "online");
            rig_close(&rig);
        }
    }
}

static void be_slow(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    (void)user;
    (void)sim;
    (void)side;
    if (strcmp(command, "qom-list") == 0)
        jump_ms(40);
}

/* A slow QEMU: an inventory takes questions upon questions, and all of them have one deadline. */
static void test_deadline_while_questions_lead_to_others(void **state)
{
    struct operation_request request = rig_addition(OPERATION_DISK_ADD);
    struct sim *sim = sim_new();

    (void)state;
    sim_put_disk(sim, "d", "SERIAL", 0);
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "qom-get",
                                  .action = FAULT_IGNORE});
    sim->on_command = be_slow;
    request.timeout_ms = 500;
    rig_open(&rig, sim, false);
    rig_assert_verdict(rig_operate(&rig, &request), VERDICT_ERROR);
    assert_true(rig.result->elapsed_ms >= 500 && rig.result->elapsed_ms < 600);
    assert_int_equal(sim_changes(sim), 0);
    rig_close(&rig);
}

static void stop_after_device_add(void *user, struct sim *sim, enum sim_side side,
                                  const char *command)
{
    (void)side;
    if (strcmp(command, "device_add") == 0)
        sim_emit(sim, user, json_object());
}

/* A guest that does not run does nothing, however much time it gets: QEMU says so when it is asked
 * for its state, or by an event later. */
static void test_vm_does_not_run(void **state)
{
    static char stop[] = "STOP", resume[] = "RESUME";
    static const struct {
        const char *run_state;
        char *event;
        const char *why, *fix;
    } cases[] = {
        {"paused", NULL, "the VM is paused", "vmplug qmp cont, and"},
        {"suspended", NULL, "the VM is suspended", "vmplug qmp system_wakeup, and"},
        {NULL, stop, "the VM is stopped", "vmplug qmp cont, and"},
        {"paused", resume, "the request stands", "--timeout"},
    };
    enum operation_type type;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases) * KINDS; i++) {
        type = (enum operation_type)(i % KINDS);
        struct operation_request request = rig_addition(type);
        struct sim *sim = sim_new();

        sim->guest.ignores = true;
        sim->guest.ost_count = 0;
        sim->run_state = cases[i / KINDS].run_state;
        sim->user = cases[i / KINDS].event;
        sim->on_command = sim->user != NULL ? stop_after_device_add : NULL;
        request.timeout_ms = rig_soon_ms();
        rig_open(&rig, sim, true);
        rig_assert_verdict(rig_operate(&rig, &request), VERDICT_PENDING);
        assert_non_null(strstr(rig.result->error.why, cases[i / KINDS].why));
        assert_non_null(strstr(rig.result->error.fix, cases[i / KINDS].fix));
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deadline_before_the_reply),
        cmocka_unit_test(test_deadline_before_the_inventory_has_it),
        cmocka_unit_test(test_deadline_before_the_guest),
        cmocka_unit_test(test_deadline_before_anything_was_sent),
        cmocka_unit_test(test_deadline_passed_while_looking),
        cmocka_unit_test(test_deadline_while_questions_lead_to_others),
        cmocka_unit_test(test_agent_talks_nonsense),
        cmocka_unit_test(test_vm_does_not_run),
    };

    return cmocka_run_group_tests_name("operation, time", tests, NULL, NULL);
}
