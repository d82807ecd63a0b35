/* SPDX-License-Identifier: MIT */
/* Removals, when QEMU goes or the user does, at every single step: either nothing was sent, or the
 * record has it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "qmp/codec.h"
#include "tests/fake/rig.h"
#include "tests/fake/sim_parts.h"

#define KINDS 3
#define STEPS_MAX 60

static struct rig rig;

static const enum operation_type types[KINDS] = {OPERATION_CPU_REMOVE, OPERATION_DIMM_REMOVE,
                                                 OPERATION_DISK_REMOVE};
static const char *const ids[KINDS] = {"c", "m", "d"};

static struct sim *new_sim(void)
{
    struct sim *sim = sim_new();

    sim->kvm = true;
    sim_put_cpu(sim, "c");
    sim_put_dimm(sim, "m", SIM_DIMM_BASE, 256 * SIM_MIB);
    sim_put_disk(sim, "d", "SERIAL", 0);
    return sim;
}

static struct operation_request request_of(unsigned kind)
{
    return (struct operation_request){.type = types[kind], .id = ids[kind], .timeout_ms = 5000};
}

static bool anything_stands(struct sim *sim, unsigned kind)
{
    if (kind == 0)
        return sim->cpus[2].present;
    return kind == 1 ? sim->dimm_count > 0 || json_object_size(sim->objects) > 0
                     : sim->disk_count > 0;
}

static bool is_recorded(unsigned kind)
{
    AUTO_JSON json_t *entry = rig_recorded(&rig, ids[kind]);

    return entry != NULL;
}

/* What was sent is on record; what was not is not. */
static void check_record(unsigned kind)
{
    assert_int_equal(is_recorded(kind), sim_count(rig.sim, SIM_QMP, "device_del") > 0);
    assert_true(anything_stands(rig.sim, kind) ||
                sim_count(rig.sim, SIM_QMP, "device_del") > 0);
}

/* ---- QEMU ---- */

static void test_qemu_goes_at_each_step(void **state)
{
    static const enum fault_action actions[] = {FAULT_HANG_UP, FAULT_DIE};
    unsigned kind, agent, step;
    bool met;
    size_t i;

    (void)state;
    for (i = 0; i < 2 * COUNT_OF(actions); i++) {
        agent = i % 2;
        for (kind = 0; kind < KINDS; kind++) {
            for (step = 0, met = true; met; step++) {
                const struct operation_request request = request_of(kind);
                struct sim *sim = new_sim();

                sim_fault(sim, (struct fault){.side = SIM_QMP, .skip = step,
                                              .action = actions[i / 2]});
                rig_open_recorded(&rig, sim, agent == 1);
                /* Whose it is must be known while there is a connection. */
                assert_non_null(vm_record(rig.vm));
                (void)rig_operate(&rig, &request);
                met = sim->faults.hits[0] > step;
                assert_int_equal(rig.result->verdict, met ? VERDICT_LOST : VERDICT_REMOVED);
                assert_int_equal(rig.result->left_count, 0);
                if (met)
                    check_record(kind);
                else
                    assert_false(is_recorded(kind));
                rig_close(&rig);
            }
            assert_in_range(step, 5, STEPS_MAX);
        }
    }
}

/* ---- the user ---- */

struct interruption {
    unsigned at; /* which command, of both sides together */
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
        operation_interrupt(rig.operation);
        return;
    }
    operation_free(STEAL(rig.operation));
    rig.ends = 1; /* nobody will tell us */
}

/* What was interrupted is taken up again, or asked for again, and then ends well. */
static void see_through(unsigned kind)
{
    struct operation_request request = request_of(kind);

    request.resume = is_recorded(kind);
    rig.sim->on_command = NULL;
    (void)rig_operate(&rig, &request);
    if (rig.result->verdict != VERDICT_REMOVED)
        fail_msg("%s: %s (%s)", ids[kind], verdict_name(rig.result->verdict),
                 rig.result->error.why);
    assert_false(anything_stands(rig.sim, kind) || is_recorded(kind));
}

/* What stands is named, and what is known to have gone is not. */
static void check_left(unsigned kind)
{
    static const char *const after_device[KINDS] = {"", "m-memory", "d-node"};

    if (strstr(rig_stages(&rig), "realized") == NULL)
        assert_string_equal(rig_left(&rig), ids[kind]);
    else if (anything_stands(rig.sim, kind) || rig.result->left_count > 0)
        assert_string_equal(rig_left(&rig), after_device[kind]);
}

static void check_interrupted(unsigned kind)
{
    assert_int_equal(rig.result->error.code, ERROR_CANCELLED);
    if (sim_count(rig.sim, SIM_QMP, "device_del") > 0) {
        check_left(kind);
        assert_non_null(strstr(rig.result->error.fix, "vmplug wait"));
    } else {
        assert_int_equal(rig.result->left_count, 0);
    }
    check_record(kind);
}

static void test_interrupted_at_each_step(void **state)
{
    unsigned kind, slow, at;
    bool met;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        for (slow = 0; slow < 2; slow++) {
            for (at = 0, met = true; met; at++) {
                const struct operation_request request = request_of(kind);
                struct interruption interruption = {.at = at};
                struct sim *sim = new_sim();

                sim->on_command = interrupt;
                sim->user = &interruption;
                sim->guest.ost_delay_ms = slow * 10;
                rig_open_recorded(&rig, sim, true);
                (void)rig_operate(&rig, &request);
                met = interruption.seen > at;
                if (rig.result->verdict == VERDICT_INTERRUPTED) {
                    check_interrupted(kind);
                    see_through(kind);
                } else { /* the answer to the last command may be quicker */
                    assert_int_equal(rig.result->verdict, VERDICT_REMOVED);
                    assert_true(!met || interruption.seen == at + 1);
                }
                rig_close(&rig);
            }
            assert_in_range(at, 5, STEPS_MAX);
        }
    }
}

/* Freed, as when the process is killed: the record has what was sent, and the session goes on. */
static void test_freed_at_each_step(void **state)
{
    unsigned kind, at;
    bool met;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        for (at = 0, met = true; met; at++) {
            const struct operation_request request = request_of(kind);
            struct interruption interruption = {.at = at, .frees = true};
            struct sim *sim = new_sim();

            sim->on_command = interrupt;
            sim->user = &interruption;
            rig_open_recorded(&rig, sim, true);
            rig_start(&rig, &request);
            (void)rig_await(&rig);
            met = interruption.seen > at;
            if (met) {
                check_record(kind);
                rig_reopen(&rig);
                see_through(kind);
            }
            rig_close(&rig);
        }
        assert_in_range(at, 5, STEPS_MAX);
    }
}

static void free_at_addition(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    (void)user;
    (void)sim;
    (void)side;
    if (strcmp(command, "device_add") == 0) {
        operation_free(STEAL(rig.operation));
        rig.ends = 1;
    }
}

/* The guest gave it back when nobody looked, and its id was used again: the old request is none for
 * the new device. */
static void test_id_used_again(void **state)
{
    const struct operation_request addition = {
        .type = OPERATION_CPU_ADD, .id = "c", .timeout_ms = 5000};
    struct operation_request request = request_of(0);
    struct sim *sim = new_sim();

    (void)state;
    sim->guest.ignores_eject = true;
    request.timeout_ms = rig_soon_ms();
    rig_open_recorded(&rig, sim, true);
    assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_PENDING);
    assert_true(is_recorded(0));
    sim_unplug(sim, true, 2);
    rig_reopen(&rig);
    sim->on_command = free_at_addition;
    rig_start(&rig, &addition);
    (void)rig_await(&rig);
    assert_true(sim->cpus[2].present);
    assert_false(is_recorded(0));
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_qemu_goes_at_each_step),
        cmocka_unit_test(test_interrupted_at_each_step),
        cmocka_unit_test(test_freed_at_each_step),
        cmocka_unit_test(test_id_used_again),
    };

    return cmocka_run_group_tests_name("operation, removal lost and interrupted", tests, NULL,
                                       NULL);
}
