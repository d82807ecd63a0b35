/* SPDX-License-Identifier: MIT */
/* Memory that is put online so that it can be taken back. */
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

static struct rig rig;

static const struct operation_request request = {
    .type = OPERATION_DIMM_ADD,
    .timeout_ms = 5000,
    .dimm = {.bytes = 384 * SIM_MIB, .movable = true},
};

static void run(struct sim *sim, double timeout_ms)
{
    struct operation_request each = request;

    each.timeout_ms = timeout_ms;
    rig_open(&rig, sim, true);
    (void)rig_operate(&rig, &each);
}

static void assert_end(enum verdict verdict)
{
    if (rig.result->verdict != verdict)
        fail_msg("%s, not %s (%s)", verdict_name(rig.result->verdict), verdict_name(verdict),
                 rig.result->error.why);
    if (verdict != VERDICT_PENDING) /* the deadline may come in between */
        assert_int_equal(rig.sim->guest.file.handle, 0);
}

static const json_t *detail(const char *name)
{
    return json_object_get(rig.result->details, name);
}

static void test_online_movable(void **state)
{
    AUTO_JSON json_t *write = fake_json("{'handle':1000,'buf-b64':'b25saW5lX21vdmFibGU='}");
    struct sim *sim = sim_new();
    unsigned i;

    (void)state;
    run(sim, 5000);
    assert_end(VERDICT_ONLINE);
    assert_true(json_is_true(detail("movable")));
    assert_null(detail("note"));
    assert_int_equal(json_array_size(detail("blocks")), 3);
    assert_int_equal(sim->guest.block_count, 5);
    for (i = 2; i < sim->guest.block_count; i++)
        assert_true(sim->guest.blocks[i].online && sim->guest.blocks[i].movable);
    assert_int_equal(sim_count(sim, SIM_AGENT, "guest-file-write"), 3); /* once each */
    assert_true(json_equal(sim_arguments(sim, SIM_AGENT, "guest-file-write"), write));
    assert_int_equal(sim_count(sim, SIM_AGENT, "guest-set-memory-blocks"), 0);
    assert_int_equal(sim_count(sim, SIM_AGENT, "guest-file-open"),
                     sim_count(sim, SIM_AGENT, "guest-file-close"));
    rig_close(&rig);
}

/* Without being asked to, it is left to the guest's kernel. */
static void test_not_asked_for(void **state)
{
    struct operation_request plain = request;

    (void)state;
    plain.dimm.movable = false;
    rig_open(&rig, sim_new(), true);
    (void)rig_operate(&rig, &plain);
    assert_end(VERDICT_ONLINE);
    assert_null(detail("movable"));
    assert_int_equal(sim_count(rig.sim, SIM_AGENT, "guest-file-open"), 0);
    rig_close(&rig);
}

/* The guest was quicker, and chose another zone: it is online, and that is said. */
static void test_guest_was_quicker(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim->guest.onlines = true;
    run(sim, 5000);
    assert_end(VERDICT_ONLINE);
    assert_true(json_is_false(detail("movable")));
    assert_non_null(strstr(json_string_value(detail("note")), "memhp_default_state"));
    assert_int_equal(sim_count(sim, SIM_AGENT, "guest-file-write"), 0);
    rig_close(&rig);
}

static void spoil_one(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    (void)user;
    if (side == SIM_AGENT && strcmp(command, "guest-file-write") == 0 &&
        sim_count(sim, SIM_AGENT, command) == 3)
        sim->guest.blocks[3].movable = false;
}

/* One that is not is as bad as all. */
static void test_one_is_not(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim->on_command = spoil_one;
    run(sim, 5000);
    assert_end(VERDICT_ONLINE);
    assert_true(json_is_false(detail("movable")));
    rig_close(&rig);
}

/* The zone can't be read, or what is read is none: it is not known. */
static void test_zone_unknown(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim_fault(sim, (struct fault){.side = SIM_AGENT, .command = "guest-file-read",
                                  .action = FAULT_REJECT, .text = "Input/output error"});
    run(sim, 5000);
    assert_end(VERDICT_ONLINE);
    assert_true(json_is_null(detail("movable")));
    assert_non_null(detail("note"));
    rig_close(&rig);
}

static void test_odd_zones(void **state)
{
    static const char *const answers[] = {
        "{'count':0,'buf-b64':'','eof':true}", "{}", "[]", "null",
        "{'count':7,'buf-b64':'!!!!!!!!','eof':true}",
        "{'count':14,'buf-b64':'Tm9ybWFsIE1vdmFibGUK','eof':true}", /* "Normal Movable" */
        "{'count':6,'buf-b64':'TW92YWJs','eof':true}",              /* "Movabl" */
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(answers); i++) {
        struct sim *sim = sim_new();

        sim_fault(sim, (struct fault){.side = SIM_AGENT, .command = "guest-file-read",
                                      .action = FAULT_ANSWER, .text = answers[i]});
        run(sim, 5000);
        assert_end(VERDICT_ONLINE);
        assert_false(json_is_true(detail("movable")));
        assert_non_null(detail("note"));
        rig_close(&rig);
    }
}

/* ---- it fails ---- */

static void test_agent_without_files(void **state)
{
    static const char *const commands[] = {"guest-file-open", "guest-file-read",
                                           "guest-file-write", "guest-file-flush",
                                           "guest-file-close"};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(commands); i++) {
        struct sim *sim = sim_new();

        sim_disable(sim, commands[i]);
        run(sim, 5000);
        assert_end(VERDICT_BLOCKED);
        assert_non_null(strstr(rig.result->error.fix, "--movable"));
        assert_int_equal(sim_changes(sim), 0);
        rig_close(&rig);
    }
}

static void test_no_agent(void **state)
{
    (void)state;
    rig_open(&rig, sim_new(), false);
    (void)rig_operate(&rig, &request);
    assert_end(VERDICT_BLOCKED);
    assert_int_equal(sim_changes(rig.sim), 0);
    rig_close(&rig);
}

/* The kernel does not take it: tried again for a while, then taken back. */
static void test_refused(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim->guest.flush_error = "Device or resource busy";
    run(sim, 9000);
    assert_end(VERDICT_REFUSED);
    assert_non_null(strstr(rig.result->error.why, "Device or resource busy"));
    assert_in_range(sim_count(sim, SIM_AGENT, "guest-file-write"), 3, 20);
    assert_int_equal(sim->dimm_count, 0);
    assert_int_equal(rig.result->left_count, 0);
    rig_close(&rig);
}

/* The state can't even be opened, or written: once, and that passes. */
static void test_passing_failures(void **state)
{
    static const char *const commands[] = {"guest-file-open", "guest-file-write",
                                           "guest-file-flush"};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(commands); i++) {
        struct sim *sim = sim_new();

        sim_fault(sim, (struct fault){.side = SIM_AGENT, .command = commands[i], .times = 1,
                                      .action = FAULT_REJECT, .text = "not now"});
        run(sim, 5000);
        assert_end(VERDICT_ONLINE);
        assert_true(json_is_true(detail("movable")));
        rig_close(&rig);
    }
}

/* Claims without deeds: not believed, and not repeated without pause. */
static void test_nothing_happens(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim->guest.set_does_nothing = true;
    run(sim, 4 * rig_soon_ms());
    assert_end(VERDICT_PENDING);
    assert_string_equal(rig.result->awaiting, "online");
    assert_true(sim_count(sim, SIM_AGENT, "guest-file-write") <=
                12 + rig.result->elapsed_ms / 200);
    rig_close(&rig);
}

/* The agent goes at each step: what QEMU has stands, and that is no success. */
static void test_agent_goes_at_each_step(void **state)
{
    unsigned step;
    bool met;

    (void)state;
    for (step = 0, met = true; met; step++) {
        struct sim *sim = sim_new();

        sim_fault(sim, (struct fault){.side = SIM_AGENT, .skip = step,
                                      .action = FAULT_HANG_UP});
        rig_open(&rig, sim, true);
        (void)rig_operate(&rig, &request);
        met = sim->faults.hits[0] > step;
        if (!met)
            assert_int_equal(rig.result->verdict, VERDICT_ONLINE);
        else if (sim_changes(sim) == 0)
            assert_int_equal(rig.result->verdict, VERDICT_BLOCKED);
        else
            assert_end(VERDICT_PENDING);
        rig_close(&rig);
    }
    assert_true(step > 20);
}

struct interruption {
    unsigned at, seen;
};

static void interrupt(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    struct interruption *interruption = user;

    (void)sim;
    if (side == SIM_AGENT && strncmp(command, "guest-file-", strlen("guest-file-")) == 0 &&
        interruption->seen++ == interruption->at)
        operation_interrupt(rig.operation);
}

/* Whatever it does with a file of the guest: the file is closed. */
static void test_interrupted_at_each_step(void **state)
{
    struct interruption interruption = {.at = 0};

    (void)state;
    do {
        struct sim *sim = sim_new();

        interruption.seen = 0;
        sim->on_command = interrupt;
        sim->user = &interruption;
        run(sim, 5000);
        if (interruption.seen > interruption.at)
            assert_end(VERDICT_INTERRUPTED);
        rig_close(&rig);
    } while (interruption.seen > interruption.at++);
    assert_true(interruption.at > 20);
}

/* Interrupted, it waits no longer for an agent that is silent. */
static void test_interrupted_in_silence(void **state)
{
    struct interruption interruption = {.at = 1};
    struct sim *sim = sim_new();

    (void)state;
    sim->on_command = interrupt;
    sim->user = &interruption;
    sim_fault(sim, (struct fault){.side = SIM_AGENT, .command = "guest-file-write",
                                  .action = FAULT_IGNORE});
    run(sim, 5000);
    assert_int_equal(rig.result->verdict, VERDICT_INTERRUPTED);
    assert_true(rig.result->elapsed_ms < 2000);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_online_movable),
        cmocka_unit_test(test_not_asked_for),
        cmocka_unit_test(test_guest_was_quicker),
        cmocka_unit_test(test_one_is_not),
        cmocka_unit_test(test_zone_unknown),
        cmocka_unit_test(test_odd_zones),
        cmocka_unit_test(test_agent_without_files),
        cmocka_unit_test(test_no_agent),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_passing_failures),
        cmocka_unit_test(test_nothing_happens),
        cmocka_unit_test(test_agent_goes_at_each_step),
        cmocka_unit_test(test_interrupted_at_each_step),
        cmocka_unit_test(test_interrupted_in_silence),
    };

    return cmocka_run_group_tests_name("operation, movable memory", tests, NULL, NULL);
}
