/* SPDX-License-Identifier: MIT */
/*
 * Whatever message an operation is interrupted at, and whichever operation it is: what is left is
 * either nothing that an audit finds fault with, or something that audit --clean puts in order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "tests/fake/jump.h"
#include "tests/fake/rig.h"
#include "vmm/audit.h"

#define TIMEOUT_MS 20000
#define STEPS_MAX 400
#define STALL_MS (INVENTORY_AGENT_SILENCE_MS + 500)

static struct rig rig;

struct interruption {
    unsigned at, seen;
    bool done;
};

static void interrupt(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    struct interruption *interruption = user;

    (void)sim;
    (void)side;
    (void)command;
    if (interruption->seen++ != interruption->at || rig.operation == NULL)
        return;
    interruption->done = true;
    operation_interrupt(rig.operation);
}

static struct sim *make_sim(void)
{
    struct sim *sim = sim_new();

    sim->kvm = true;
    sim->guest.has_vpd = true;
    sim_put_cpu(sim, "vmplug-cpu-9");
    sim_put_dimm(sim, "vmplug-mem-9", SIM_DIMM_BASE, 256 * SIM_MIB);
    sim_put_disk(sim, "vmplug-disk-9", "SERIAL", 7);
    return sim;
}

static struct operation_request request_of(enum operation_type type)
{
    struct operation_request request = {.type = type, .timeout_ms = TIMEOUT_MS};

    switch (type) {
    case OPERATION_DIMM_ADD:
        request.dimm.bytes = 256 * SIM_MIB;
        break;
    case OPERATION_DISK_ADD:
        request.disk.file = fake_file("image.raw", "raw", 3);
        break;
    case OPERATION_CPU_REMOVE:
        request.id = "vmplug-cpu-9";
        break;
    case OPERATION_DIMM_REMOVE:
        request.id = "vmplug-mem-9";
        break;
    case OPERATION_DISK_REMOVE:
        request.id = "vmplug-disk-9";
        break;
    default:
        break;
    }
    return request;
}

static struct audit *make_audit(void)
{
    struct inventory *inventory = rig_inventory(&rig, AUDIT_PARTS, 5000, NULL);
    struct audit *audit = audit_new(rig.vm, inventory);

    inventory_free(inventory);
    assert_non_null(audit);
    assert_int_equal(audit->unseen_count, 0);
    return audit;
}

/* How many faults there were. All of them are vmplug's own, and can be put in order. */
static size_t clean(void)
{
    struct audit *audit = make_audit();
    struct batch_item items[16];
    struct batch_request request = {
        .goal = BATCH_LIST, .each = {.timeout_ms = TIMEOUT_MS}, .items = items};
    size_t i;

    for (i = 0; i < audit->count; i++) {
        if (!audit->findings[i].ours || !audit->findings[i].can_clean)
            fail_msg("%s %s: %s", audit_kind_name(audit->findings[i].kind), audit->findings[i].id,
                     audit->findings[i].action);
        items[request.count++] = audit->findings[i].item;
    }
    audit_free(audit);
    if (request.count > 0 && !verdict_is_success(rig_batch(&rig, &request)->verdict))
        fail_msg("it can't be cleaned: %s", rig.batch_result.error.why);
    return request.count;
}

/* Interrupts at one message; returns whether the operation came so far. */
static bool interrupt_at(enum operation_type type, unsigned at, bool frozen)
{
    const struct operation_request request = request_of(type);
    struct interruption interruption = {.at = at};
    struct sim *sim = make_sim();
    struct audit *audit;

    sim->guest.ignores_eject = frozen;
    rig_open_recorded(&rig, sim, true);
    sim->on_command = interrupt;
    sim->user = &interruption;
    rig_start(&rig, &request);
    (void)rig_await(&rig);
    sim->on_command = NULL;
    if (rig.result->verdict != VERDICT_INTERRUPTED && !verdict_is_success(rig.result->verdict))
        fail_msg("%s at message %u: %s", rig.result->operation, at, rig.result->error.why);

    sim->guest.ignores_eject = false; /* the guest goes on */
    rig_reopen(&rig);                 /* and another vmplug comes */
    (void)clean();
    audit = make_audit();
    if (audit->count > 0)
        fail_msg("%s at message %u leaves %s behind", operation_type_name(type), at,
                 audit->findings[0].id);
    audit_free(audit);
    rig_close(&rig);
    return interruption.done;
}

static void test_every_message(void **state)
{
    static const enum operation_type types[] = {OPERATION_CPU_ADD,    OPERATION_DIMM_ADD,
                                                OPERATION_DISK_ADD,   OPERATION_CPU_REMOVE,
                                                OPERATION_DIMM_REMOVE, OPERATION_DISK_REMOVE};
    unsigned at, all = 0;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(types); i++) {
        for (at = 0; at < STEPS_MAX && interrupt_at(types[i], at, false); at++)
            all++;
        assert_in_range(at, 8, STEPS_MAX - 1);
    }
    print_message("%u interruptions\n", all);
}

/* A guest that does not answer keeps a removal waiting: then it is interrupted there. */
static void test_waiting_for_the_guest(void **state)
{
    static const enum operation_type types[] = {OPERATION_CPU_REMOVE, OPERATION_DIMM_REMOVE};
    unsigned at;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(types); i++) {
        for (at = 18; at < 24; at += 2)
            assert_true(interrupt_at(types[i], at, true));
    }
}

/* The guest stalls for longer than it is waited for, at each turn: its late answers leave no file
 * open (the simulated one has room for one), and what was not seen can be put in order. */
static bool stall_at(enum operation_type type, unsigned at)
{
    const struct operation_request request = request_of(type);
    struct sim *sim = make_sim();
    struct audit *audit;
    bool has_come;

    rig_open_recorded(&rig, sim, true);
    jump_later(at, STALL_MS);
    rig_start(&rig, &request);
    if (!verdict_is_success(rig_await(&rig)->verdict) &&
        rig.result->verdict != VERDICT_BLOCKED)
        fail_msg("%s at turn %u: %s", rig.result->operation, at, rig.result->error.why);
    has_come = jump_has_come();
    (void)clean();
    audit = make_audit();
    assert_int_equal(audit->count, 0);
    audit_free(audit);
    assert_false(sim_has_file_open(sim));
    rig_close(&rig);
    return has_come;
}

static void test_stalls_at_each_turn(void **state)
{
    static const enum operation_type types[] = {OPERATION_CPU_ADD,    OPERATION_DIMM_ADD,
                                                OPERATION_DISK_ADD,   OPERATION_CPU_REMOVE,
                                                OPERATION_DIMM_REMOVE, OPERATION_DISK_REMOVE};
    unsigned at;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(types); i++) {
        for (at = 0; at < STEPS_MAX && stall_at(types[i], at); at++)
            ;
        assert_in_range(at, 8, STEPS_MAX - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_message),
        cmocka_unit_test(test_waiting_for_the_guest),
        cmocka_unit_test(test_stalls_at_each_turn),
    };

    return cmocka_run_group_tests_name("operations, interrupted, and audit", tests, NULL, NULL);
}
