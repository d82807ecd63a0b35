/* SPDX-License-Identifier: MIT */
/* Connections that go, and users who go, at every single step of every kind of operation: whatever
 * happens, the verdict must be true of the QEMU that is left behind. */
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

#define KINDS 3
#define STEPS_MAX 60

static struct rig rig;

static bool device_stands(struct sim *sim, enum operation_type type)
{
    if (type == OPERATION_CPU_ADD)
        return sim->cpus[2].present;
    return type == OPERATION_DIMM_ADD ? sim->dimm_count > 0
                                      : sim_find_disk(sim, rig_addition_id(type)) != NULL;
}

static bool anything_stands(struct sim *sim, enum operation_type type)
{
    return device_stands(sim, type) || json_object_size(sim->objects) > 0 || sim->disk_count > 0;
}

static bool is_left(const char *id)
{
    size_t i;

    for (i = 0; i < rig.result->left_count; i++) {
        if (strcmp(rig.result->left[i], id) == 0)
            return true;
    }
    return false;
}

/* Runs every kind with a fault at the first command, the second, … until the fault is no longer
 * met; check() is asked after each run. */
static void at_each_step(struct fault fault, bool with_agent, struct operation_request *pattern,
                         void (*check)(enum operation_type type, unsigned step))
{
    enum operation_type type;
    unsigned step, steps;

    for (type = 0; type < KINDS; type++) {
        for (step = 0, steps = 1; step < steps; step++) {
            struct operation_request request = rig_addition(type);
            struct sim *sim = sim_new();

            request.wait_set = pattern->wait_set;
            request.wait = pattern->wait;
            fault.skip = step;
            sim_fault(sim, fault);
            rig_open(&rig, sim, with_agent);
            (void)rig_operate(&rig, &request);
            if (sim->faults.hits[0] > step) { /* the fault was met: there may be a further step */
                check(type, step);
                steps = step + 2;
            } else {
                assert_int_equal(rig.result->verdict,
                                 with_agent ? VERDICT_ONLINE : VERDICT_UNCONFIRMED);
            }
            rig_close(&rig);
        }
        assert_true(step > 5 && step < STEPS_MAX);
    }
}

/* ---- connections ---- */

static void check_lost(enum operation_type type, unsigned step)
{
    if (rig.result->verdict != VERDICT_LOST)
        fail_msg("%s, step %u: %s", rig_addition_id(type), step, verdict_name(rig.result->verdict));
    assert_int_equal(rig.result->error.code, ERROR_DISCONNECTED);
    /* What was sent may stand: then it is named. What was not sent is not. */
    if (sim_count(rig.sim, SIM_QMP, "device_add") > 0)
        assert_true(is_left(rig_addition_id(type)));
    if (sim_changes(rig.sim) == 0)
        assert_int_equal(rig.result->left_count, 0);
    if (json_object_size(rig.sim->objects) > 0)
        assert_true(is_left("vmplug-mem-0-backend") || device_stands(rig.sim, type));
}

static void test_qemu_goes_at_each_step(void **state)
{
    const struct fault fault = {.side = SIM_QMP, .action = FAULT_HANG_UP};
    const struct fault death = {.side = SIM_QMP, .action = FAULT_DIE};
    struct operation_request pattern = {.wait_set = false};

    (void)state;
    at_each_step(fault, true, &pattern, check_lost);
    at_each_step(fault, false, &pattern, check_lost);
    at_each_step(death, true, &pattern, check_lost);
    pattern = (struct operation_request){.wait_set = true, .wait = RUNG_ONLINE};
    at_each_step(death, true, &pattern, check_lost);
}

/* QEMU dies while the guest is asked: its agent's socket ends, too. */
static void test_both_go_at_each_question(void **state)
{
    const struct fault fault = {.side = SIM_AGENT, .action = FAULT_DIE};
    enum operation_type type;
    unsigned step, kind;

    (void)state;
    for (kind = 0; kind < 2; kind++) {
        for (type = 0; type < KINDS; type++) {
            for (step = 0; step < 2; step++) {
                struct operation_request request = rig_addition(type);
                struct sim *sim = sim_new();

                request.wait_set = kind == 1;
                request.wait = RUNG_ONLINE;
                sim_fault(sim, fault);
                sim->faults.list[0].skip = step;
                rig_open(&rig, sim, true);
                (void)rig_operate(&rig, &request);
                assert_int_equal(rig.result->verdict, VERDICT_LOST);
                rig_close(&rig);
            }
        }
    }
}

/* The agent's socket ends first, and QEMU is found dead when it is asked next. Whoever believed the
 * rungs reached before would report a device that is no more. */
static void test_agent_goes_first(void **state)
{
    enum operation_type type;
    unsigned waits, step;

    (void)state;
    for (type = 0; type < KINDS; type++) {
        for (waits = 0; waits < 2; waits++) {
            for (step = 1; step < 3; step++) {
                struct operation_request request = rig_addition(type);
                struct sim *sim = sim_new();
                static const char *const asked[KINDS][2] = {
                    {"guest-get-vcpus", "guest-set-vcpus"},
                    {"guest-get-memory-blocks", "guest-set-memory-blocks"},
                    {"guest-get-disks", "guest-get-disks"}};
                const char *command = asked[type][step - 1];
                unsigned before = step == 1 || type == OPERATION_DISK_ADD ? 1 : 0;
                static const char *const next[KINDS] = {"query-hotpluggable-cpus",
                                                        "query-memory-devices", "query-block"};

                request.wait_set = waits == 1;
                request.wait = RUNG_ONLINE;
                sim_fault(sim, (struct fault){.side = SIM_AGENT, .command = command,
                                              .skip = before, .action = FAULT_HANG_UP});
                /* Once for the plan, once for the rung; then it is dead. */
                sim_fault(sim, (struct fault){.side = SIM_QMP, .command = next[type],
                                              .skip = 2, .action = FAULT_DIE});
                rig_open(&rig, sim, true);
                (void)rig_operate(&rig, &request);
                if (rig.result->verdict != VERDICT_LOST)
                    fail_msg("%s: %s", command, verdict_name(rig.result->verdict));
                rig_close(&rig);
            }
        }
    }
}

static unsigned changes_at_last_question; /* of the agent */

static void note_changes(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    (void)user;
    (void)command;
    if (side == SIM_AGENT)
        changes_at_last_question = sim_changes(sim);
}

/* Only the agent goes, and QEMU still has the device: that is no success, and stands. An agent that
 * goes before anything was sent is none. */
static void check_agent_lost(enum operation_type type, bool wait_set)
{
    const struct operation_result *result = rig.result;

    if (changes_at_last_question == 0) {
        assert_int_equal(result->verdict, wait_set ? VERDICT_UNPROVEN : VERDICT_UNCONFIRMED);
        assert_non_null(result->missing);
        return;
    }
    assert_int_equal(result->verdict, VERDICT_PENDING);
    assert_string_equal(result->awaiting, "online");
    assert_true(result->elapsed_ms < 5000);
    assert_true(device_stands(rig.sim, type) && is_left(rig_addition_id(type)));
}

static void agent_at_each_step(bool wait_set)
{
    enum operation_type type;
    unsigned step;

    for (type = 0; type < KINDS; type++) {
        for (step = 0;; step++) {
            struct operation_request request = rig_addition(type);
            struct sim *sim = sim_new();
            bool met;

            request.wait_set = wait_set;
            request.wait = RUNG_ONLINE;
            sim->on_command = note_changes;
            sim_fault(sim, (struct fault){.side = SIM_AGENT, .skip = step,
                                          .action = FAULT_HANG_UP});
            rig_open(&rig, sim, true);
            (void)rig_operate(&rig, &request);
            met = sim->faults.hits[0] > step;
            if (met)
                check_agent_lost(type, wait_set);
            else
                assert_int_equal(rig.result->verdict, VERDICT_ONLINE);
            rig_close(&rig);
            if (!met)
                break;
        }
        assert_true(step >= 2);
    }
}

static void test_agent_goes_at_each_step(void **state)
{
    (void)state;
    agent_at_each_step(false);
    agent_at_each_step(true);
}

/* The device is gone when QEMU is asked for the last time. */
static void test_agent_goes_and_the_device_is_gone(void **state)
{
    struct operation_request request = rig_addition(OPERATION_CPU_ADD);
    struct sim *sim = sim_new();

    (void)state;
    request.timeout_ms = 2 * rig_soon_ms();
    sim_fault(sim, (struct fault){.side = SIM_AGENT, .command = "guest-set-vcpus",
                                  .action = FAULT_HANG_UP});
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "query-hotpluggable-cpus",
                                  .skip = 2, .action = FAULT_ANSWER, .text = "[]"});
    rig_open(&rig, sim, true);
    assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_PENDING);
    assert_string_equal(rig.result->awaiting, "realized");
    rig_close(&rig);
}

/* Lost while undoing: QEMU refused, but whether anything is left nobody can say. */
static void test_lost_while_undoing(void **state)
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
                                      .action = FAULT_DIE});
        rig_open(&rig, sim, true);
        assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_LOST);
        assert_string_equal(rig_left(&rig), left[type]);
        rig_close(&rig);
    }
}

/* Before there was a session at all it is no loss, but an error. */
static void test_no_session(void **state)
{
    struct operation_request request = rig_addition(OPERATION_CPU_ADD);
    struct sim *sim = sim_new();

    (void)state;
    sim->greets = false;
    request.timeout_ms = rig_soon_ms();
    rig_open(&rig, sim, true);
    assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_ERROR);
    rig_close(&rig);

    sim = sim_new();
    rig_open(&rig, sim, true);
    sim_die(sim); /* before its greeting */
    assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_ERROR);
    assert_int_equal(rig.result->error.code, ERROR_DISCONNECTED);
    rig_close(&rig);

    sim = sim_new(); /* "QMP" that will not talk: not an answer to what we asked */
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "qmp_capabilities",
                                  .action = FAULT_REJECT, .text = "no"});
    rig_open(&rig, sim, true);
    assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_ERROR);
    assert_int_equal(rig.result->error.code, ERROR_PROTOCOL);
    rig_close(&rig);
}

/* ---- the user ---- */

struct interruption {
    unsigned at;   /* which command, of both sides together */
    unsigned seen;
    bool frees;
};

static void interrupt(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    struct interruption *interruption = user;

    (void)sim;
    (void)side;
    (void)command;
    if (interruption->seen++ != interruption->at || rig.operation == NULL)
        return;
    if (!interruption->frees) {
        operation_interrupt(rig.operation);
        operation_interrupt(rig.operation); /* and once more, impatiently */
        return;
    }
    operation_free(STEAL(rig.operation));
    rig.ends = 1; /* nobody will tell us */
}

static void count_until_change(void *user, struct sim *sim, enum sim_side side,
                               const char *command)
{
    struct interruption *interruption = user;

    (void)side;
    (void)command;
    if (sim_changes(sim) == 0)
        interruption->at = ++interruption->seen;
}

/* What is said to be left stands, and what is not said to be does not. */
static void check_interrupted(enum operation_type type, unsigned at)
{
    struct sim *sim = rig.sim;

    if (rig.result->verdict != VERDICT_INTERRUPTED)
        fail_msg("%s at %u: %s", rig_addition_id(type), at, verdict_name(rig.result->verdict));
    assert_int_equal(rig.result->error.code, ERROR_CANCELLED);
    if (device_stands(sim, type))
        assert_true(is_left(rig_addition_id(type)));
    else
        assert_true(!anything_stands(sim, type) && rig.result->left_count == 0);
}

/* What stands is on record, and is taken up again as the advice says. */
static void take_up_interrupted(enum operation_type type, bool with_agent)
{
    struct operation_request request = rig_addition(type);
    AUTO_JSON json_t *entry = rig_recorded(&rig, rig_addition_id(type));
    bool advised = strstr(rig.result->error.fix, "vmplug wait") != NULL;

    assert_int_equal(entry != NULL, device_stands(rig.sim, type));
    assert_int_equal(entry != NULL, advised);
    if (entry == NULL)
        return;
    rig.sim->on_command = NULL;
    request.id = rig_addition_id(type);
    request.resume = true;
    assert_int_equal(rig_operate(&rig, &request)->verdict,
                     with_agent ? VERDICT_ONLINE : VERDICT_UNCONFIRMED);
}

static void test_interrupted_at_each_step(void **state)
{
    enum operation_type type;
    unsigned agent, slow, at;

    (void)state;
    for (type = 0; type < KINDS; type++) {
        for (agent = 0; agent < 2; agent++) {
            for (slow = 0; slow < 2; slow++) {
                for (at = 0;; at++) {
                    const struct operation_request request = rig_addition(type);
                    struct interruption interruption = {.at = at};
                    struct sim *sim = sim_new();
                    bool met, last;

                    sim->on_command = interrupt;
                    sim->user = &interruption;
                    sim->guest.ost_delay_ms = slow * 10;
                    rig_open_recorded(&rig, sim, agent == 1);
                    (void)rig_operate(&rig, &request);
                    met = interruption.seen > at;
                    /* The answer to the last command may well be quicker than the interruption. */
                    last = met && verdict_is_success(rig.result->verdict) &&
                           interruption.seen == at + 1;
                    if (met && !last)
                        check_interrupted(type, at);
                    if (met && !last)
                        take_up_interrupted(type, agent == 1);
                    rig_close(&rig);
                    if (!met)
                        break;
                }
                assert_true(at > 5 && at < STEPS_MAX);
            }
        }
    }
}

/* How many commands come before the first that changes anything. */
static unsigned count_questions(enum operation_type type, bool with_agent)
{
    const struct operation_request request = rig_addition(type);
    struct interruption interruption = {.seen = 0};
    struct sim *sim = sim_new();

    sim->on_command = count_until_change;
    sim->user = &interruption;
    rig_open(&rig, sim, with_agent);
    (void)rig_operate(&rig, &request);
    rig_close(&rig);
    return interruption.at;
}

/* The last answer of the inventory and the interruption are there in one turn: nothing is sent. */
static void test_interrupted_with_the_last_answer(void **state)
{
    enum operation_type type;
    unsigned agent;

    (void)state;
    for (type = 0; type < KINDS; type++) {
        for (agent = 0; agent < 2; agent++) {
            const struct operation_request request = rig_addition(type);
            struct interruption interruption = {.at = count_questions(type, agent == 1) - 1};
            struct sim *sim = sim_new();

            sim->on_command = interrupt;
            sim->user = &interruption;
            rig_open(&rig, sim, agent == 1);
            assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_INTERRUPTED);
            assert_int_equal(rig.result->error.code, ERROR_CANCELLED);
            assert_int_equal(rig.result->stage_count, 0);
            assert_int_equal(rig.result->left_count, 0);
            assert_int_equal(sim_changes(sim), 0);
            assert_int_equal(interruption.seen, interruption.at + 1); /* no further command */
            rig_close(&rig);
        }
    }
}

/* Of the looks at QEMU's table, the first is the inventory's. */
static void interrupt_and_answer(void *user, struct sim *sim, enum sim_side side,
                                 const char *command)
{
    (void)user;
    (void)side;
    if (strcmp(command, "query-acpi-ospm-status") != 0 || sim_count(sim, SIM_QMP, command) != 2)
        return;
    operation_interrupt(rig.operation);
    sim->guest.ost_count = 1;
    sim->guest.ignores = false;
    sim_plugged(sim, true, 2); /* answers right behind the reply */
}

/* The guest's answer comes in the turn of the interruption, and does not make it forgotten. */
static void test_interrupted_with_an_event(void **state)
{
    const struct operation_request request = rig_addition(OPERATION_CPU_ADD);
    struct sim *sim = sim_new();

    (void)state;
    sim->guest.ost_count = 0;
    sim->guest.ignores = true;
    sim->on_command = interrupt_and_answer;
    rig_open(&rig, sim, true);
    assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_INTERRUPTED);
    assert_string_equal(rig_stages(&rig), "accepted realized acknowledged");
    assert_string_equal(rig_left(&rig), "vmplug-cpu-2");
    rig_close(&rig);
}

/* Interrupted while a step that QEMU then refuses is on its way. */
static void test_interrupted_and_rejected(void **state)
{
    enum operation_type type;

    (void)state;
    for (type = 0; type < KINDS; type++) {
        struct sim *sim = sim_new();
        struct interruption interruption;

        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "device_add",
                                      .action = FAULT_REJECT, .text = "no"});
        for (interruption.at = 0;; interruption.at++) { /* find where device_add comes */
            const struct operation_request request = rig_addition(type);

            interruption = (struct interruption){.at = interruption.at};
            rig_open(&rig, sim, false);
            sim->on_command = interrupt;
            sim->user = &interruption;
            (void)rig_operate(&rig, &request);
            assert_false(verdict_is_success(rig.result->verdict));
            assert_false(anything_stands(sim, type));
            assert_int_equal(rig.result->left_count, 0);
            if (rig.result->verdict != VERDICT_INTERRUPTED)
                break; /* it was over before */
            rig_close(&rig);
            sim = sim_new();
            sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "device_add",
                                          .action = FAULT_REJECT, .text = "no"});
        }
        assert_int_equal(rig.result->verdict, VERDICT_REJECTED);
        rig_close(&rig);
    }
}

/* Freed at any time: nothing is called any more, nothing is leaked, the session goes on. */
static void test_freed_at_each_step(void **state)
{
    enum operation_type type;
    unsigned at;

    (void)state;
    for (type = 0; type < KINDS; type++) {
        for (at = 0;; at++) {
            const struct operation_request request = rig_addition(type);
            struct interruption interruption = {.at = at, .frees = true};
            struct sim *sim = sim_new();
            bool met;

            sim->on_command = interrupt;
            sim->user = &interruption;
            rig_open(&rig, sim, true);
            rig_start(&rig, &request);
            (void)rig_await(&rig);
            met = interruption.seen > at;
            if (met && rig.operation == NULL) {
                inventory_free(
                    rig_inventory(&rig, INVENTORY_MACHINE | INVENTORY_AGENT, 1000, NULL));
                assert_null(qmp_client_failure(vm_qmp(rig.vm)));
            }
            rig_close(&rig);
            if (!met)
                break;
        }
        assert_true(at > 10);
    }
    operation_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_qemu_goes_at_each_step),
        cmocka_unit_test(test_both_go_at_each_question),
        cmocka_unit_test(test_agent_goes_first),
        cmocka_unit_test(test_agent_goes_at_each_step),
        cmocka_unit_test(test_agent_goes_and_the_device_is_gone),
        cmocka_unit_test(test_lost_while_undoing),
        cmocka_unit_test(test_no_session),
        cmocka_unit_test(test_interrupted_at_each_step),
        cmocka_unit_test(test_interrupted_with_the_last_answer),
        cmocka_unit_test(test_interrupted_with_an_event),
        cmocka_unit_test(test_interrupted_and_rejected),
        cmocka_unit_test(test_freed_at_each_step),
    };

    return cmocka_run_group_tests_name("operation, lost and interrupted", tests, NULL, NULL);
}
