/* SPDX-License-Identifier: MIT */
/* The way back: what QEMU answered too late, and what the guest refused and may or may not let go
 * of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "qmp/codec.h"
#include "tests/fake/rig.h"
#include "tests/fake/sim_parts.h"

static struct rig rig;

static void run(struct sim *sim, enum operation_type type, double timeout_ms)
{
    struct operation_request request = rig_addition(type);

    request.timeout_ms = timeout_ms;
    rig_open_recorded(&rig, sim, true);
    (void)rig_operate(&rig, &request);
}

static void assert_end(enum verdict verdict, const char *left)
{
    if (rig.result->verdict != verdict)
        fail_msg("%s is %s, not %s (%s)", rig.result->operation,
                 verdict_name(rig.result->verdict), verdict_name(verdict), rig.result->error.why);
    assert_string_equal(rig_left(&rig), left);
    assert_true((rig.result->awaiting != NULL) == (verdict == VERDICT_PENDING));
}

static bool is_recorded(const char *id, const char *operation)
{
    AUTO_JSON json_t *entry = rig_recorded(&rig, id);

    return entry != NULL &&
           strcmp(json_string_value(json_object_get(entry, "operation")), operation) == 0;
}

static bool anything_stands(const struct sim *sim)
{
    return sim->cpus[2].present || sim->dimm_count > 0 || sim->disk_count > 0 ||
           json_object_size(sim->objects) > 0;
}

/* ---- refused by the guest ---- */

static const struct {
    enum operation_type type;
    const char *id, *removal, *made;
} refusable[] = {
    {OPERATION_CPU_ADD, "vmplug-cpu-2", "cpu-remove", "vmplug-cpu-2"},
    {OPERATION_DIMM_ADD, "vmplug-mem-0", "memory-remove", "vmplug-mem-0-backend vmplug-mem-0"},
};

static struct sim *sim_that_refuses(uint32_t status)
{
    struct sim *sim = sim_new();

    sim->guest.ost[0].status = status;
    sim->guest.ignores = true;
    return sim;
}

static void test_let_go(void **state)
{
    static const uint32_t statuses[] = {0x01, 0x81, 0x82, 0x91};
    size_t i, j;

    (void)state;
    for (i = 0; i < COUNT_OF(refusable); i++) {
        for (j = 0; j < COUNT_OF(statuses); j++) {
            run(sim_that_refuses(statuses[j]), refusable[i].type, 5000);
            assert_end(VERDICT_REFUSED, "");
            assert_true(rig.result->has_ost);
            assert_int_equal(rig.result->ost_source, 1);
            assert_int_equal(rig.result->ost_status, statuses[j]);
            assert_string_equal(rig_stages(&rig), "accepted realized");
            assert_false(anything_stands(rig.sim)); /* the backend is gone, too */
            assert_null(rig_recorded(&rig, refusable[i].id));
            assert_true(rig.result->elapsed_ms < 4000);
            rig_close(&rig);
        }
    }
}

/* The guest's own list had it, and the agent could not put it online. */
static void test_agent_could_not(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim->guest.block_response = "operation-failed";
    run(sim, OPERATION_DIMM_ADD, 5000);
    assert_end(VERDICT_REFUSED, "");
    assert_false(rig.result->has_ost);
    assert_false(anything_stands(sim));
    assert_int_equal(sim->guest.block_count, 2);
    rig_close(&rig);
}

static void test_kept(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(refusable); i++) {
        struct sim *sim = sim_that_refuses(0x82);

        sim->guest.eject[1].status = 0x82;
        run(sim, refusable[i].type, 5000);
        assert_end(VERDICT_REFUSED, refusable[i].id);
        assert_int_equal(rig.result->ost_source, 1); /* of the refusal, not of what followed */
        assert_true(anything_stands(sim));
        rig_close(&rig);
    }
}

/* The guest has heard that it shall give it back, and does not answer: whoever waits for the end of
 * that can find it. */
static void test_not_let_go_in_time(void **state)
{
    const double grace_ms = 100;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(refusable); i++) {
        struct sim *sim = sim_that_refuses(0x82);

        sim->guest.ignores_eject = true;
        run(sim, refusable[i].type, 5 * rig_soon_ms());
        assert_end(VERDICT_REFUSED, refusable[i].made);
        assert_int_equal(sim_count(sim, SIM_QMP, "device_del"), 1);
        assert_true(anything_stands(sim));
        assert_true(is_recorded(refusable[i].id, refusable[i].removal));
        assert_true(rig.result->elapsed_ms < 5 * rig_soon_ms() + grace_ms);
        rig_close(&rig);
    }
}

/* What would kill this QEMU is not done to tidy up. */
static void test_hazard(void **state)
{
    struct sim *sim = sim_that_refuses(0x82);

    (void)state;
    sim->single_threaded = true;
    run(sim, OPERATION_CPU_ADD, 5000);
    assert_end(VERDICT_REFUSED, "vmplug-cpu-2");
    assert_int_equal(sim_count(sim, SIM_QMP, "device_del"), 0);
    rig_close(&rig);
}

static void begin_migration(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    (void)user;
    if (side == SIM_QMP && strcmp(command, "device_add") == 0)
        sim->migrating = true;
}

static void test_migration_begins(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(refusable); i++) {
        struct sim *sim = sim_that_refuses(0x82);

        sim->on_command = begin_migration;
        run(sim, refusable[i].type, 5000);
        assert_end(VERDICT_REFUSED, refusable[i].id);
        assert_int_equal(sim_count(sim, SIM_QMP, "device_del"), 0);
        rig_close(&rig);
    }
}

static void test_migrating(void **state)
{
    unsigned type;

    (void)state;
    for (type = OPERATION_CPU_ADD; type <= OPERATION_DISK_ADD; type++) {
        struct sim *sim = sim_new();

        sim->migrating = true;
        run(sim, (enum operation_type)type, 5000);
        assert_end(VERDICT_BLOCKED, "");
        assert_non_null(strstr(rig.result->error.why, "migration"));
        assert_int_equal(sim_changes(sim), 0);
        rig_close(&rig);
    }
}

/* What is said to be left when QEMU goes midway stands indeed, for all that is known. */
static void test_lost_at_each_step(void **state)
{
    unsigned step;
    bool met;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(refusable); i++) {
        for (step = 0, met = true; met; step++) {
            struct sim *sim = sim_that_refuses(0x82);

            sim_fault(sim, (struct fault){.side = SIM_QMP, .skip = step, .action = FAULT_DIE});
            run(sim, refusable[i].type, 5000);
            met = sim->faults.hits[0] > step;
            if (rig.result->verdict != VERDICT_LOST && rig.result->verdict != VERDICT_REFUSED)
                fail_msg("%s, step %u: %s", refusable[i].id, step,
                         verdict_name(rig.result->verdict));
            assert_true(met || rig.result->left_count == 0);
            if (anything_stands(sim))
                assert_true(rig.result->left_count > 0);
            rig_close(&rig);
        }
        assert_true(step > 20);
    }
}

/* ---- not answered in time ---- */

static const char *late_answer;

/* QEMU takes commands in turn: it answers the late one before it looks at the next. */
static void answer_late(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    const json_t *message;
    size_t i;

    (void)user;
    if (side != SIM_QMP || (strcmp(command, "object-del") != 0 &&
                            strcmp(command, "blockdev-del") != 0))
        return;
    json_array_foreach(sim->record[SIM_QMP], i, message) {
        if (strstr(json_string_value(json_object_get(message, "execute")), "-add") != NULL)
            server_send_json(&sim->qmp, json_pack("{s:o, s:O}", "return", fake_json(late_answer),
                                                  "id", json_object_get(message, "id")));
    }
}

static const struct {
    enum operation_type type;
    const char *command, *undo, *makes, *id;
} slow[] = {
    {OPERATION_DIMM_ADD, "object-add", "object-del", "vmplug-mem-0-backend", "vmplug-mem-0"},
    {OPERATION_DISK_ADD, "blockdev-add", "blockdev-del", "vmplug-disk-0", "vmplug-disk-0"},
};

/* It is done after the deadline, and undone at once: nothing stands. */
static void test_late_and_undone(void **state)
{
    size_t i;

    (void)state;
    late_answer = "{}";
    for (i = 0; i < COUNT_OF(slow); i++) {
        struct sim *sim = sim_new();

        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = slow[i].command,
                                      .action = FAULT_DROP});
        sim->on_command = answer_late;
        run(sim, slow[i].type, rig_soon_ms());
        assert_end(VERDICT_ERROR, "");
        assert_int_equal(rig.result->error.code, ERROR_TIMEOUT);
        assert_int_equal(sim_count(sim, SIM_QMP, slow[i].undo), 1);
        assert_false(anything_stands(sim));
        assert_int_equal(sim_count(sim, SIM_QMP, "device_add"), 0);
        assert_false(is_recorded(slow[i].id, rig.result->operation));
        rig_close(&rig);
    }
}

/* Neither is answered: what may yet come is named. */
static void test_late_and_silent(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = slow[0].command,
                                  .action = FAULT_DROP});
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = slow[0].undo,
                                  .action = FAULT_IGNORE});
    run(sim, slow[0].type, rig_soon_ms());
    assert_end(VERDICT_PENDING, slow[0].makes);
    assert_string_equal(rig.result->awaiting, "accepted");
    rig_close(&rig);
}

/* It never came to be, so it can't be undone: QEMU says so, and nothing is left. */
static void test_late_and_failed(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(slow); i++) {
        struct sim *sim = sim_new();

        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = slow[i].command,
                                      .action = FAULT_IGNORE});
        run(sim, slow[i].type, rig_soon_ms());
        assert_end(VERDICT_ERROR, "");
        assert_int_equal(rig.result->error.code, ERROR_TIMEOUT);
        assert_false(is_recorded(slow[i].id, rig.result->operation));
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_let_go),
        cmocka_unit_test(test_agent_could_not),
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_not_let_go_in_time),
        cmocka_unit_test(test_hazard),
        cmocka_unit_test(test_migration_begins),
        cmocka_unit_test(test_migrating),
        cmocka_unit_test(test_lost_at_each_step),
        cmocka_unit_test(test_late_and_undone),
        cmocka_unit_test(test_late_and_silent),
        cmocka_unit_test(test_late_and_failed),
    };

    return cmocka_run_group_tests_name("operation, undoing", tests, NULL, NULL);
}
