/* SPDX-License-Identifier: MIT */
/* What all kinds of device have in common on their way up the ladder. test_operation_lost.c is
 * about connections that go and users who interrupt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/fake/rig.h"

#define KINDS 3

static struct rig rig;

static bool has_ost(enum operation_type type)
{
    return type != OPERATION_DISK_ADD;
}

/* The device is in QEMU, and whatever it stands on. */
static bool is_there(struct sim *sim, enum operation_type type)
{
    if (type == OPERATION_CPU_ADD)
        return sim->cpus[2].present;
    return type == OPERATION_DIMM_ADD ? sim->dimm_count > 0
                                      : sim->disk_count > 0 && sim->disks[0].id[0] != '\0';
}

static bool is_untouched(const struct sim *sim)
{
    return !sim->cpus[2].present && sim->dimm_count == 0 && json_object_size(sim->objects) == 0 &&
           sim->disk_count == 0;
}

/* ---- it works ---- */

static void test_online(void **state)
{
    static const char *const names[KINDS] = {"cpu-add", "memory-add", "disk-add"};
    static const char *const stages[KINDS] = {"accepted realized acknowledged online",
                                              "accepted realized acknowledged online",
                                              "accepted realized online"};
    enum operation_type type;
    size_t i;

    (void)state;
    for (type = 0; type < KINDS; type++) {
        const struct operation_request request = rig_addition(type);
        const struct operation_result *result;

        rig_open(&rig, sim_new(), true);
        result = rig_operate(&rig, &request);
        rig_assert_verdict(result, VERDICT_ONLINE);
        assert_string_equal(result->operation, names[type]);
        assert_string_equal(result->id, rig_addition_id(type));
        assert_string_equal(rig_stages(&rig), stages[type]);
        assert_int_equal(rig.stages, result->stage_count); /* each was told as it came */
        assert_null(result->missing);
        assert_true(is_there(rig.sim, type));
        for (i = 0; i < result->stage_count; i++) {
            assert_true(result->stages[i].ms >= 0 && result->stages[i].ms <= result->elapsed_ms);
            assert_int_equal(result->stages[i].has_ost,
                             result->stages[i].rung == RUNG_ACKNOWLEDGED);
        }
        rig_close(&rig);
    }
}

static void test_guest_that_needs_no_help(void **state)
{
    enum operation_type type;

    (void)state;
    for (type = 0; type < KINDS; type++) {
        const struct operation_request request = rig_addition(type);
        struct sim *sim = sim_new();

        sim->guest.onlines = true;
        rig_open(&rig, sim, true);
        rig_assert_verdict(rig_operate(&rig, &request), VERDICT_ONLINE);
        assert_int_equal(sim_count(sim, SIM_AGENT, "guest-set-vcpus") +
                             sim_count(sim, SIM_AGENT, "guest-set-memory-blocks"), 0);
        rig_close(&rig);
    }
}

/* ---- who is missing ---- */

static void test_without_an_agent(void **state)
{
    enum operation_type type;

    (void)state;
    for (type = 0; type < KINDS; type++) {
        const struct operation_request request = rig_addition(type);
        const struct operation_result *result;

        rig_open(&rig, sim_new(), false);
        result = rig_operate(&rig, &request);
        rig_assert_verdict(result, VERDICT_UNCONFIRMED);
        assert_string_equal(result->missing, "agent");
        assert_int_equal(rig.result->expects_ost, has_ost(type));
        assert_string_equal(rig_stages(&rig), has_ost(type) ? "accepted realized acknowledged"
                                                            : "accepted realized");
        rig_close(&rig);
    }
}

static void test_with_a_silent_agent(void **state)
{
    enum operation_type type;

    (void)state;
    for (type = 0; type < KINDS; type++) {
        struct operation_request request = rig_addition(type);
        struct sim *sim = sim_new();

        sim->agent_hangs = true;
        request.timeout_ms = 2 * rig_soon_ms();
        rig_open(&rig, sim, true);
        rig_assert_verdict(rig_operate(&rig, &request), VERDICT_UNCONFIRMED);
        assert_string_equal(rig.result->missing, "agent");
        rig_close(&rig);

        sim = sim_new();
        sim->agent_hangs = true;
        request.wait_set = true;
        request.wait = RUNG_ONLINE;
        rig_open(&rig, sim, true);
        rig_assert_verdict(rig_operate(&rig, &request), VERDICT_UNPROVEN);
        assert_non_null(strstr(rig.result->error.fix, "another client")); /* its socket was given */
        assert_int_equal(sim_changes(sim), 0);
        rig_close(&rig);
    }
}

static void test_with_an_agent_that_may_not(void **state)
{
    static const char *const lacking[KINDS] = {"guest-set-vcpus", "guest-get-memory-block-info",
                                               "guest-get-disks"};
    enum operation_type type;

    (void)state;
    for (type = 0; type < KINDS; type++) {
        struct operation_request request = rig_addition(type);
        struct sim *sim = sim_new();

        sim_disable(sim, lacking[type]);
        rig_open(&rig, sim, true);
        rig_assert_verdict(rig_operate(&rig, &request), VERDICT_UNCONFIRMED);
        assert_string_equal(rig.result->missing, "agent-command");
        rig_close(&rig);

        sim = sim_new();
        sim_disable(sim, lacking[type]);
        request.wait_set = true;
        request.wait = RUNG_ONLINE;
        rig_open(&rig, sim, true);
        rig_assert_verdict(rig_operate(&rig, &request), VERDICT_UNPROVEN);
        assert_non_null(strstr(rig.result->error.why, lacking[type]));
        assert_int_equal(sim_changes(sim), 0);
        rig_close(&rig);
    }
}

/* A board that relays no _OST: nobody waits for one. */
static void test_without_ost(void **state)
{
    enum operation_type type;

    (void)state;
    for (type = 0; type < KINDS; type++) {
        const struct operation_request request = rig_addition(type);
        struct sim *sim = sim_new();

        sim->has_ost = false;
        rig_open(&rig, sim, true);
        if (type == OPERATION_CPU_ADD) /* such a board's guests online by themselves */
            sim->guest.onlines = true;
        rig_assert_verdict(rig_operate(&rig, &request), VERDICT_ONLINE);
        assert_string_equal(rig_stages(&rig), "accepted realized online");
        assert_false(rig.result->expects_ost);
        rig_close(&rig);

        sim = sim_new();
        sim->has_ost = false;
        rig_open(&rig, sim, false);
        rig_assert_verdict(rig_operate(&rig, &request), VERDICT_UNCONFIRMED);
        assert_string_equal(rig_stages(&rig), "accepted realized");
        rig_close(&rig);
    }
}

/* ---- how far ---- */

static void test_wait_levels(void **state)
{
    static const struct {
        enum rung wait;
        bool agent;
        enum verdict with_ost, without_ost;
    } cases[] = {
        {RUNG_ACCEPTED, true, VERDICT_ACCEPTED, VERDICT_ACCEPTED},
        {RUNG_ACCEPTED, false, VERDICT_ACCEPTED, VERDICT_ACCEPTED},
        {RUNG_REALIZED, true, VERDICT_REALIZED, VERDICT_REALIZED},
        {RUNG_REALIZED, false, VERDICT_REALIZED, VERDICT_REALIZED},
        {RUNG_ACKNOWLEDGED, true, VERDICT_ACKNOWLEDGED, VERDICT_REALIZED},
        {RUNG_ACKNOWLEDGED, false, VERDICT_ACKNOWLEDGED, VERDICT_REALIZED},
        {RUNG_ONLINE, true, VERDICT_ONLINE, VERDICT_ONLINE},
        {RUNG_ONLINE, false, VERDICT_UNPROVEN, VERDICT_UNPROVEN},
    };
    enum operation_type type;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        for (type = 0; type < KINDS; type++) {
            struct operation_request request = rig_addition(type);

            request.wait_set = true;
            request.wait = cases[i].wait;
            rig_open(&rig, sim_new(), cases[i].agent);
            rig_assert_verdict(rig_operate(&rig, &request),
                               has_ost(type) ? cases[i].with_ost : cases[i].without_ost);
            if (rig.result->verdict == VERDICT_UNPROVEN) {
                assert_int_equal(sim_changes(rig.sim), 0); /* known beforehand: nothing was sent */
                assert_string_equal(rig.result->missing, "agent");
                assert_non_null(strstr(rig.result->error.fix, "--agent"));
            }
            if (cases[i].wait < RUNG_ONLINE)
                assert_int_equal(sim_count(rig.sim, SIM_AGENT, "guest-set-vcpus") +
                                     sim_count(rig.sim, SIM_AGENT, "guest-set-memory-blocks"), 0);
            rig_close(&rig);
        }
    }
}

/* ---- the guest's answer ---- */

/* Each program of _OST answers and what becomes of it, for the two kinds that have one. */
static void test_ost(void **state)
{
    static const struct {
        struct sim_ost ost[SIM_OST_MAX];
        unsigned count;
        enum verdict verdict;
        uint32_t status; /* of the refusal */
    } cases[] = {
        {{{1, 0}}, 1, VERDICT_ONLINE, 0},
        {{{0x200, 0x80}, {1, 0}}, 2, VERDICT_ONLINE, 0},
        {{{0x200, 0x80}, {0x200, 0x80}, {0x200, 0}}, 3, VERDICT_ONLINE, 0},
        {{{1, 1}}, 1, VERDICT_REFUSED, 1},
        {{{0, 0x80}, {0, 0x81}}, 2, VERDICT_REFUSED, 0x81},
        {{{0x200, 0x80}, {1, 0x95}}, 2, VERDICT_REFUSED, 0x95},
        {{{1, 0x42}}, 1, VERDICT_REFUSED, 0x42},
        /* Not about an insertion: no answer to ours. */
        {{{3, 1}, {1, 0}}, 2, VERDICT_ONLINE, 0},
        {{{0x103, 0x82}, {1, 0}}, 2, VERDICT_ONLINE, 0},
        {{{0x100, 0x80}}, 1, VERDICT_ONLINE, 0},
        {{{0, 0}}, 0, VERDICT_ONLINE, 0}, /* no answer at all, and yet it is there */
    };
    enum operation_type type;
    unsigned i, delayed;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        for (delayed = 0; delayed < 2; delayed++) {
            for (type = 0; type < OPERATION_DISK_ADD; type++) {
                const struct operation_request request = rig_addition(type);
                struct sim *sim = sim_new();

                memcpy(sim->guest.ost, cases[i].ost, sizeof(cases[i].ost));
                sim->guest.ost_count = cases[i].count;
                sim->guest.ost_delay_ms = delayed * 15;
                rig_open(&rig, sim, true);
                rig_assert_verdict(rig_operate(&rig, &request), cases[i].verdict);
                if (cases[i].verdict == VERDICT_REFUSED) {
                    assert_true(rig.result->has_ost);
                    assert_int_equal(rig.result->ost_status, cases[i].status);
                    assert_string_equal(rig_left(&rig), ""); /* taken back */
                    assert_false(is_there(sim, type));
                }
                rig_close(&rig);
            }
        }
    }
}

/* The event may overtake the reply of the command that caused it. */
static void test_event_before_the_reply(void **state)
{
    enum operation_type type;

    (void)state;
    for (type = 0; type < OPERATION_DISK_ADD; type++) {
        const struct operation_request request = rig_addition(type);
        struct sim *sim = sim_new();

        sim->event_first = true;
        rig_open(&rig, sim, false);
        rig_assert_verdict(rig_operate(&rig, &request), VERDICT_UNCONFIRMED);
        assert_string_equal(rig_stages(&rig), "accepted realized acknowledged");
        rig_close(&rig);

        sim = sim_new();
        sim->event_first = true;
        sim->guest.ost[0].status = 0x82;
        rig_open(&rig, sim, true);
        rig_assert_verdict(rig_operate(&rig, &request), VERDICT_REFUSED);
        rig_close(&rig);
    }
}

/* The event was lost, and QEMU's table has it: costs time, not truth. */
static void test_missed_event(void **state)
{
    enum operation_type type;

    (void)state;
    for (type = 0; type < OPERATION_DISK_ADD; type++) {
        const struct operation_request request = rig_addition(type);
        struct sim *sim = sim_new();

        sim->guest.ost_unheard = true;
        rig_open(&rig, sim, false);
        rig_assert_verdict(rig_operate(&rig, &request), VERDICT_UNCONFIRMED);
        assert_string_equal(rig_stages(&rig), "accepted realized acknowledged");
        assert_true(rig.result->stages[2].has_ost);
        rig_close(&rig);

        sim = sim_new();
        sim->guest.ost_unheard = true;
        sim->guest.ost[0].status = 0x81;
        rig_open(&rig, sim, true);
        rig_assert_verdict(rig_operate(&rig, &request), VERDICT_REFUSED);
        rig_close(&rig);
    }
}

/* What QEMU still shows of the slot's last tenant is not about us. */
static void test_old_words(void **state)
{
    struct operation_request request = rig_addition(OPERATION_CPU_ADD);
    struct sim *sim = sim_new();

    (void)state;
    sim->cpus[2].ost = (struct sim_ost){1, 0x82};
    rig_open(&rig, sim, true);
    rig_assert_verdict(rig_operate(&rig, &request), VERDICT_ONLINE);
    rig_close(&rig);

    sim = sim_new();
    sim->cpus[2].ost = (struct sim_ost){1, 0};
    sim->guest.ost_count = 0;
    request.timeout_ms = rig_soon_ms();
    rig_open(&rig, sim, false);
    rig_assert_verdict(rig_operate(&rig, &request), VERDICT_PENDING); /* not acknowledged by us */
    assert_string_equal(rig.result->awaiting, "acknowledged");
    rig_close(&rig);
}

static void say_other_things(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    static const char events[] =
        "{\"event\":\"ACPI_DEVICE_OST\",\"data\":{\"info\":{\"slot\":\"3\",\"slot-type\":\"CPU\","
        "\"source\":1,\"status\":1}}}\n"
        "{\"event\":\"ACPI_DEVICE_OST\",\"data\":{\"info\":{\"slot\":\"2\",\"slot-type\":\"DIMM\","
        "\"source\":1,\"status\":1}}}\n"
        "{\"event\":\"ACPI_DEVICE_OST\",\"data\":{\"info\":{\"slot\":2,\"slot-type\":\"CPU\","
        "\"source\":1,\"status\":1}}}\n"
        "{\"event\":\"ACPI_DEVICE_OST\"}\n{\"event\":\"ACPI_DEVICE_OST\",\"data\":[]}\n"
        "{\"event\":\"DEVICE_DELETED\",\"data\":{\"device\":\"vmplug-cpu-2\"}}\n{\"event\":\"\"}\n"
        "{\"return\": [], \"id\": 99999}\n";

    (void)side;
    if (strcmp(command, user) == 0)
        server_send(&sim->qmp, events, sizeof(events) - 1);
}

/* Another slot's answer, other events, malformed ones, at every moment: none is ours. */
static void test_other_events(void **state)
{
    static char moments[][32] = {"query-named-block-nodes", "device_add", "query-hotpluggable-cpus",
                                 "guest-get-vcpus", "guest-set-vcpus"};
    const struct operation_request request = rig_addition(OPERATION_CPU_ADD);
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(moments); i++) {
        struct sim *sim = sim_new();

        sim->on_command = say_other_things;
        sim->user = moments[i];
        sim->guest.ost_delay_ms = 5;
        rig_open(&rig, sim, true);
        rig_assert_verdict(rig_operate(&rig, &request), VERDICT_ONLINE);
        assert_string_equal(rig_stages(&rig), "accepted realized acknowledged online");
        rig_close(&rig);
    }
}

/* ---- QEMU refuses ---- */

static void test_rejected(void **state)
{
    static const char *const undo[KINDS] = {NULL, "object-del", "blockdev-del"};
    enum operation_type type;

    (void)state;
    for (type = 0; type < KINDS; type++) {
        const struct operation_request request = rig_addition(type);
        const struct operation_result *result;
        struct sim *sim = sim_new();

        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "device_add",
                                      .action = FAULT_REJECT, .text = "no \x1b[1mroom"});
        rig_open(&rig, sim, true);
        result = rig_operate(&rig, &request);
        rig_assert_verdict(result, VERDICT_REJECTED);
        assert_int_equal(result->error.code, ERROR_REJECTED);
        assert_string_equal(result->error.class_name, "GenericError");
        assert_string_equal(result->error.why, "no ?[1mroom");
        assert_int_equal(result->left_count, 0);
        assert_int_equal(result->stage_count, 0);
        if (undo[type] != NULL)
            assert_int_equal(sim_count(sim, SIM_QMP, undo[type]), 1);
        assert_true(is_untouched(sim)); /* nothing is left behind */
        rig_close(&rig);
    }
}

static void test_rejected_at_the_first_step(void **state)
{
    static const char *const first[KINDS] = {"device_add", "object-add", "blockdev-add"};
    enum operation_type type;

    (void)state;
    for (type = 0; type < KINDS; type++) {
        const struct operation_request request = rig_addition(type);
        struct sim *sim = sim_new();

        sim_fault(sim, (struct fault){
                           .side = SIM_QMP, .command = first[type], .action = FAULT_REJECT,
                           .text = "no"});
        rig_open(&rig, sim, true);
        rig_assert_verdict(rig_operate(&rig, &request), VERDICT_REJECTED);
        assert_int_equal(sim_changes(sim), 1); /* no other step, and nothing to undo */
        rig_close(&rig);
    }
}

static void test_undoing_fails(void **state)
{
    static const char *const undo[KINDS] = {NULL, "object-del", "blockdev-del"};
    static const char *const left[KINDS] = {NULL, "vmplug-mem-0-backend", "vmplug-disk-0"};
    enum operation_type type;

    (void)state;
    for (type = OPERATION_DIMM_ADD; type < KINDS; type++) {
        const struct operation_request request = rig_addition(type);
        struct sim *sim = sim_new();

        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "device_add",
                                      .action = FAULT_REJECT, .text = "no"});
        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = undo[type],
                                      .action = FAULT_REJECT, .text = "in use"});
        rig_open(&rig, sim, true);
        rig_assert_verdict(rig_operate(&rig, &request), VERDICT_REJECTED);
        assert_string_equal(rig.result->error.why, "no"); /* the reason, not its consequence */
        assert_string_equal(rig_left(&rig), left[type]);
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_online),
        cmocka_unit_test(test_guest_that_needs_no_help),
        cmocka_unit_test(test_without_an_agent),
        cmocka_unit_test(test_with_a_silent_agent),
        cmocka_unit_test(test_with_an_agent_that_may_not),
        cmocka_unit_test(test_without_ost),
        cmocka_unit_test(test_wait_levels),
        cmocka_unit_test(test_ost),
        cmocka_unit_test(test_event_before_the_reply),
        cmocka_unit_test(test_missed_event),
        cmocka_unit_test(test_old_words),
        cmocka_unit_test(test_other_events),
        cmocka_unit_test(test_rejected),
        cmocka_unit_test(test_rejected_at_the_first_step),
        cmocka_unit_test(test_undoing_fails),
    };

    return cmocka_run_group_tests_name("operation", tests, NULL, NULL);
}
