/* SPDX-License-Identifier: MIT */
/* The last moments before the deadline and the first ones after it, to the millisecond: the clock
 * is the test's own (tests/fake/jump.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "tests/fake/rig.h"
#include "vmm/operation_kind.h"

#define TIMEOUT_MS 1000

static struct rig rig;

static const struct operation_result *run(struct sim *sim, enum operation_type type)
{
    const struct operation_request request = {
        .type = type,
        .timeout_ms = TIMEOUT_MS,
        .dimm = {.bytes = 256 * SIM_MIB},
        .disk = {.file = fake_file("disk.raw", "", 0)},
    };

    rig_open_recorded(&rig, sim, true);
    return rig_operate(&rig, &request);
}

static void delay(struct sim *sim, enum sim_side side, const char *command, double ms)
{
    sim_fault(sim, (struct fault){.side = side, .command = command, .times = 1,
                                  .action = FAULT_DELAY, .number = ms});
}

/* The guest's file that is open at the deadline is closed, if its agent answers soon. */
static void test_file(void **state)
{
    static const char *const commands[] = {"guest-file-open", "guest-file-read",
                                           "guest-file-close"};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(commands); i++) {
        struct sim *sim = sim_new();

        sim->guest.tells_serials = false;
        sim->guest.has_vpd = true;
        delay(sim, SIM_AGENT, commands[i], TIMEOUT_MS + 10);
        assert_int_equal(run(sim, OPERATION_DISK_ADD)->verdict, VERDICT_PENDING);
        assert_true(rig.result->elapsed_ms < TIMEOUT_MS + 20);
        assert_false(sim_has_file_open(sim));
        rig_close(&rig);
    }
}

/* An agent that does not is not waited for. */
static void test_file_of_a_silent_agent(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim->guest.tells_serials = false;
    sim->guest.has_vpd = true;
    delay(sim, SIM_AGENT, "guest-file-read", 10 * TIMEOUT_MS);
    assert_int_equal(run(sim, OPERATION_DISK_ADD)->verdict, VERDICT_PENDING);
    assert_true(rig.result->elapsed_ms <= TIMEOUT_MS + OPERATION_GRACE_MS);
    rig_close(&rig);
}

/* What QEMU answers late is undone, and known to be undone when QEMU says so in the grace. */
static void test_undo(void **state)
{
    static const struct {
        double late_ms;
        enum verdict verdict;
        unsigned left;
    } cases[] = {
        {OPERATION_GRACE_MS - 1, VERDICT_ERROR, 0},
        {OPERATION_GRACE_MS + 1, VERDICT_PENDING, 1},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct sim *sim = sim_new();

        delay(sim, SIM_QMP, "object-add", TIMEOUT_MS + cases[i].late_ms);
        assert_int_equal(run(sim, OPERATION_DIMM_ADD)->verdict, cases[i].verdict);
        assert_int_equal(rig.result->left_count, cases[i].left);
        assert_true(rig.result->elapsed_ms <= TIMEOUT_MS + OPERATION_GRACE_MS);
        assert_int_equal(sim_count(sim, SIM_QMP, "object-del"), 1);
        assert_int_equal(json_object_size(sim->objects), 0); /* it was sent in either case */
        rig_close(&rig);
    }
}

/* All that was made is undone, though no command is answered any more. */
static void test_undo_of_several(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "device_add",
                                  .action = FAULT_IGNORE});
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "object-del",
                                  .action = FAULT_DROP});
    assert_int_equal(run(sim, OPERATION_DIMM_ADD)->verdict, VERDICT_PENDING);
    assert_string_equal(rig_left(&rig), "vmplug-mem-0-backend vmplug-mem-0");
    assert_true(rig.result->elapsed_ms <= TIMEOUT_MS + OPERATION_GRACE_MS);
    rig_close(&rig);
}

/* The last look may be answered in the grace, and counts. */
static void test_last_look(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim->guest.ost_delay_ms = TIMEOUT_MS / 2;
    sim_fault(sim, (struct fault){.side = SIM_AGENT, .command = "guest-set-vcpus",
                                  .action = FAULT_IGNORE});
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "query-hotpluggable-cpus", .skip = 2,
                                  .action = FAULT_DELAY, .number = OPERATION_GRACE_MS - 1});
    assert_int_equal(run(sim, OPERATION_CPU_ADD)->verdict, VERDICT_PENDING);
    assert_string_equal(rig_left(&rig), "vmplug-cpu-2");
    assert_string_equal(rig.result->awaiting, "online");
    assert_int_equal((int)rig.result->elapsed_ms, TIMEOUT_MS + OPERATION_GRACE_MS - 1);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_file_of_a_silent_agent),
        cmocka_unit_test(test_undo),
        cmocka_unit_test(test_undo_of_several),
        cmocka_unit_test(test_last_look),
    };

    return cmocka_run_group_tests_name("operation, grace", tests, NULL, NULL);
}
