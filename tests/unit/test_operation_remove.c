/* SPDX-License-Identifier: MIT */
/* Taking a vCPU, a DIMM or a disk back: what is asked of QEMU, and what counts as gone. What
 * forbids it is in test_operation_remove_blocked.c; the guest's words are in
 * test_operation_eject.c. */
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

#define KINDS 3
#define RESERVED 50 /* ms by which a verdict may come after the deadline, and some more */

static struct rig rig;

static const enum operation_type types[KINDS] = {OPERATION_CPU_REMOVE, OPERATION_DIMM_REMOVE,
                                                 OPERATION_DISK_REMOVE};
static const char *const ids[KINDS] = {"c", "m", "d"};
static const char *const asked[KINDS] = {"guest-get-vcpus", "guest-get-memory-blocks",
                                         "guest-get-disks"};
static const char *const queries[KINDS] = {"query-hotpluggable-cpus", "query-memory-devices",
                                           "query-block"};

/* With one device of each kind that can go. */
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

static bool is_gone(struct sim *sim, unsigned kind)
{
    if (kind == 0)
        return !sim->cpus[2].present;
    if (kind == 1)
        return sim_find_dimm(sim, "m") == NULL && json_object_get(sim->objects, "m-memory") == NULL;
    return sim->disk_count == 0;
}

static void assert_recorded(const char *id, bool recorded)
{
    AUTO_JSON json_t *entry = rig_recorded(&rig, id);

    if ((entry != NULL) != recorded)
        fail_msg("%s is %srecorded", id, entry != NULL ? "" : "not ");
}

static const struct operation_result *remove_id(struct sim *sim, enum operation_type type,
                                                const char *id)
{
    const struct operation_request request = {.type = type, .id = id, .timeout_ms = 5000};

    rig_open_recorded(&rig, sim, true);
    return rig_operate(&rig, &request);
}

/* ---- it goes ---- */

static void test_removed(void **state)
{
    static const char *const stages[KINDS] = {"accepted realized acknowledged online",
                                              "accepted realized acknowledged online",
                                              "accepted realized online"};
    unsigned kind, agent, early;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        for (agent = 0; agent < 2; agent++) {
            for (early = 0; early < 2; early++) {
                const struct operation_request request = request_of(kind);
                struct sim *sim = new_sim();

                sim->event_first = early == 1;
                rig_open_recorded(&rig, sim, agent == 1);
                (void)rig_operate(&rig, &request);
                rig_assert_verdict(rig.result, VERDICT_REMOVED);
                assert_string_equal(rig_stages(&rig), stages[kind]);
                assert_string_equal(rig.result->id, ids[kind]);
                assert_null(rig.result->missing);
                assert_int_equal(rig.result->guest_unseen, agent == 0);
                assert_int_equal(rig.result->left_count, 0);
                assert_true(is_gone(sim, kind));
                assert_int_equal(sim_count(sim, SIM_QMP, "device_del"), 1);
                /* Nothing is put offline beforehand. */
                assert_int_equal(sim_count(sim, SIM_AGENT, "guest-set-vcpus"), 0);
                assert_int_equal(sim_count(sim, SIM_AGENT, "guest-set-memory-blocks"), 0);
                assert_recorded(ids[kind], false);
                rig_close(&rig);
            }
        }
    }
}

static void test_how_vcpus_are_named(void **state)
{
    static const struct {
        const char *wanted, *id, *path;
        unsigned slot;
    } cases[] = {
        {"c", "c", "/machine/peripheral/c", 2},
        {"2", "c", "/machine/peripheral/c", 2},
        {"1", "1", "/machine/unattached/device[1]", 1}, /* a boot vCPU has no id */
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON json_t *expected = fake_jsonf("{'id':'%s'}", cases[i].path);
        struct sim *sim = new_sim();

        (void)remove_id(sim, OPERATION_CPU_REMOVE, cases[i].wanted);
        rig_assert_verdict(rig.result, VERDICT_REMOVED);
        assert_string_equal(rig.result->id, cases[i].id);
        assert_true(json_equal(sim_arguments(sim, SIM_QMP, "device_del"), expected));
        assert_false(sim->cpus[cases[i].slot].present);
        assert_int_equal(sim->guest.vcpu_count, 2);
        rig_close(&rig);
    }
}

/* The same id is free again at once, and the slot too. */
static void test_added_again_at_once(void **state)
{
    static const enum operation_type add[KINDS] = {OPERATION_CPU_ADD, OPERATION_DIMM_ADD,
                                                   OPERATION_DISK_ADD};
    unsigned kind, again;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        const struct operation_request removal = request_of(kind);
        const struct operation_request addition = {
            .type = add[kind], .id = ids[kind], .timeout_ms = 5000,
            .dimm = {.bytes = 256 * SIM_MIB}, .disk = {.file = fake_file("d.raw", "", 0)}};

        rig_open_recorded(&rig, new_sim(), true);
        for (again = 0; again < 3; again++) {
            (void)rig_operate(&rig, &removal);
            rig_assert_verdict(rig.result, VERDICT_REMOVED);
            (void)rig_operate(&rig, &addition);
            rig_assert_verdict(rig.result, VERDICT_ONLINE);
        }
        rig_close(&rig);
    }
}

/* ---- what QEMU says ---- */

static void test_rejected(void **state)
{
    unsigned kind;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        struct sim *sim = new_sim();

        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "device_del",
                                      .action = FAULT_REJECT, .text = "Bus does not support it"});
        (void)remove_id(sim, types[kind], ids[kind]);
        rig_assert_verdict(rig.result, VERDICT_REJECTED);
        assert_string_equal(rig.result->error.why, "Bus does not support it");
        assert_int_equal(rig.result->left_count, 0);
        assert_int_equal(sim_changes(sim), 1); /* nothing was tried besides */
        assert_false(is_gone(sim, kind));
        assert_recorded(ids[kind], false);
        rig_close(&rig);
    }
}

static void vanish(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    (void)user;
    if (side != SIM_QMP || strcmp(command, "device_del") != 0)
        return;
    sim->cpus[2].present = false;
    sim->cpus[2].id[0] = '\0';
    sim->guest.vcpu_count = 2;
    sim->dimm_count = 0;
    sim->guest.block_count = 2;
    sim->disks[0].id[0] = '\0';
}

/* It went in this very moment, by somebody else: QEMU does not know it, and it is gone indeed. */
static void test_device_not_found(void **state)
{
    unsigned kind;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        struct sim *sim = new_sim();

        sim->on_command = vanish;
        (void)remove_id(sim, types[kind], ids[kind]);
        rig_assert_verdict(rig.result, VERDICT_REMOVED);
        assert_true(is_gone(sim, kind));
        rig_close(&rig);
    }
}

/* QEMU claims not to know it, and lists it all the same: that is no removal. */
static void test_device_not_found_but_there(void **state)
{
    unsigned kind;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        struct operation_request request = request_of(kind);
        struct sim *sim = new_sim();

        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "device_del",
                                      .action = FAULT_REJECT, .class_name = "DeviceNotFound",
                                      .text = "Device not found"});
        request.timeout_ms = rig_soon_ms();
        rig_open_recorded(&rig, sim, true);
        (void)rig_operate(&rig, &request);
        rig_assert_verdict(rig.result, VERDICT_PENDING);
        rig_close(&rig);
    }
}

/* Somebody has asked before: this goes on to wait for what was asked then. */
static void test_already_being_unplugged(void **state)
{
    unsigned kind;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        struct sim *sim = new_sim();

        sim_fault(sim, (struct fault){
                           .side = SIM_QMP, .command = "device_del", .action = FAULT_REJECT,
                           .text = "Device x is already in the process of unplug"});
        sim->on_command = vanish;
        (void)remove_id(sim, types[kind], ids[kind]);
        rig_assert_verdict(rig.result, VERDICT_REMOVED);
        assert_true(is_gone(sim, kind));
        rig_close(&rig);
    }
}

/* ---- what is not gone yet ---- */

static void test_deadline(void **state)
{
    unsigned kind, how;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        for (how = 0; how < 3; how++) {
            struct operation_request request = request_of(kind);
            struct sim *sim = new_sim();

            if (how == 0) /* accepted, and nothing happens */
                sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "device_del",
                                              .action = FAULT_ANSWER, .text = "{}"});
            else /* QEMU does not say whether */
                sim_fault(sim, (struct fault){.side = SIM_QMP, .command = queries[kind],
                                              .skip = 1, .text = "no",
                                              .action = how == 1 ? FAULT_REJECT : FAULT_IGNORE});
            request.timeout_ms = rig_soon_ms();
            rig_open_recorded(&rig, sim, true);
            (void)rig_operate(&rig, &request);
            rig_assert_verdict(rig.result, VERDICT_PENDING);
            assert_string_equal(rig.result->awaiting, "removed");
            assert_string_equal(rig_stages(&rig), "accepted");
            assert_in_range((unsigned)rig.result->elapsed_ms, (unsigned)request.timeout_ms - 1,
                            (unsigned)request.timeout_ms + 2 * RESERVED);
            assert_int_equal(rig.result->left_count, 0); /* it stands, as it did before */
            assert_non_null(strstr(rig.result->error.fix, "vmplug wait"));
            assert_recorded(ids[kind], true);
            rig_close(&rig);
        }
    }
}

/* device_del itself is not answered: whether it was heard nobody knows. */
static void test_deadline_before_the_reply(void **state)
{
    unsigned kind;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        struct operation_request request = request_of(kind);
        struct sim *sim = new_sim();

        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "device_del",
                                      .action = FAULT_DROP});
        request.timeout_ms = rig_soon_ms();
        rig_open_recorded(&rig, sim, true);
        (void)rig_operate(&rig, &request);
        rig_assert_verdict(rig.result, VERDICT_PENDING);
        assert_string_equal(rig.result->awaiting, "accepted");
        assert_recorded(ids[kind], true);
        rig_close(&rig);
    }
}

/* QEMU has it no more, and the guest still lists it: that is awaited. */
static void test_guest_lags(void **state)
{
    unsigned kind, for_ever;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        for (for_ever = 0; for_ever < 2; for_ever++) {
            static const char *const lists[KINDS] = {
                ("[{'logical-id':0,'online':true},{'logical-id':1,'online':true},"
                 "{'logical-id':2,'online':false}]"),
                "[{'phys-index':0,'online':true},{'phys-index':33,'online':false}]",
                "[{'name':'/dev/sda','partition':false,'dependencies':[]}]"};
            struct operation_request request = request_of(kind);
            struct sim *sim = new_sim();

            sim_fault(sim, (struct fault){.side = SIM_AGENT, .command = asked[kind], .skip = 1,
                                          .times = for_ever ? 0 : 3, .action = FAULT_ANSWER,
                                          .text = lists[kind]});
            request.timeout_ms = for_ever ? rig_soon_ms() : 5000;
            rig_open_recorded(&rig, sim, true);
            (void)rig_operate(&rig, &request);
            rig_assert_verdict(rig.result, for_ever ? VERDICT_PENDING : VERDICT_REMOVED);
            assert_true(for_ever || sim_count(sim, SIM_AGENT, asked[kind]) == 5);
            assert_recorded(ids[kind], for_ever);
            rig_close(&rig);
        }
    }
}

/* ---- the agent goes ---- */

/* QEMU's word is enough for a removal: at whatever command the agent dies. */
static void take_name(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    if (side == SIM_QMP && strcmp(command, "device_del") == 0)
        sim->guest.more_disks = user;
}

/* Another disk, of another vmplug, has the name by the time that the guest is looked at. */
static void test_name_is_used_again(void **state)
{
    static char theirs[] =
        "[{'name':'/dev/sda','partition':false,'dependencies':[],'address':{'unit':5}}]";
    const struct operation_request request = request_of(2);
    struct sim *sim = new_sim();

    (void)state;
    sim->on_command = take_name;
    sim->user = theirs;
    rig_open(&rig, sim, true);
    (void)rig_operate(&rig, &request);
    rig_assert_verdict(rig.result, VERDICT_REMOVED);
    assert_false(rig.result->guest_unseen);
    rig_close(&rig);
}

static void test_agent_goes_at_each_step(void **state)
{
    unsigned kind, step;
    bool met;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        for (step = 0, met = true; met; step++) {
            struct sim *sim = new_sim();

            sim_fault(sim, (struct fault){.side = SIM_AGENT, .skip = step,
                                          .action = FAULT_HANG_UP});
            (void)remove_id(sim, types[kind], ids[kind]);
            met = sim->faults.hits[0] > step;
            rig_assert_verdict(rig.result, VERDICT_REMOVED);
            assert_true(is_gone(sim, kind));
            rig_close(&rig);
        }
        assert_true(step > 2);
    }
}

/* An agent that claims anything but a list of what it has is no evidence. */
static void test_agent_talks_nonsense(void **state)
{
    static const char *const lists[] = {"{}", "[]", "[1,null]", "'gone'", "null"};
    unsigned kind;
    size_t i;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        for (i = 0; i < COUNT_OF(lists); i++) {
            struct operation_request request = request_of(kind);
            struct sim *sim;

            if (kind == 2 && lists[i][0] == '[')
                continue; /* a guest may well have no disk that is named */
            sim = new_sim();
            sim_fault(sim, (struct fault){.side = SIM_AGENT, .command = asked[kind], .skip = 1,
                                          .action = FAULT_ANSWER, .text = lists[i]});
            request.timeout_ms = rig_soon_ms();
            rig_open_recorded(&rig, sim, true);
            (void)rig_operate(&rig, &request);
            rig_assert_verdict(rig.result, VERDICT_PENDING);
            rig_close(&rig);
        }
    }
}

/* ---- how far ---- */

static void test_wait(void **state)
{
    static const struct {
        enum rung wait;
        enum verdict verdict[KINDS];
    } cases[] = {
        {RUNG_ACCEPTED, {VERDICT_ACCEPTED, VERDICT_ACCEPTED, VERDICT_ACCEPTED}},
        {RUNG_REALIZED, {VERDICT_REALIZED, VERDICT_REALIZED, VERDICT_REALIZED}},
        {RUNG_ACKNOWLEDGED, {VERDICT_ACKNOWLEDGED, VERDICT_ACKNOWLEDGED, VERDICT_REALIZED}},
        {RUNG_ONLINE, {VERDICT_REMOVED, VERDICT_REMOVED, VERDICT_REMOVED}},
    };
    unsigned kind, agent;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        for (kind = 0; kind < KINDS; kind++) {
            for (agent = 0; agent < 2; agent++) {
                struct operation_request request = request_of(kind);
                struct sim *sim = new_sim();

                request.wait_set = true;
                request.wait = cases[i].wait;
                rig_open_recorded(&rig, sim, agent == 1);
                (void)rig_operate(&rig, &request);
                rig_assert_verdict(rig.result, cases[i].verdict[kind]);
                assert_recorded(ids[kind], cases[i].wait != RUNG_ONLINE); /* its end was not seen */
                /* What is said to be gone is, with all that hung on it. */
                assert_true(cases[i].wait == RUNG_ACCEPTED || is_gone(sim, kind));
                rig_close(&rig);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_removed),
        cmocka_unit_test(test_how_vcpus_are_named),
        cmocka_unit_test(test_added_again_at_once),
        cmocka_unit_test(test_rejected),
        cmocka_unit_test(test_device_not_found),
        cmocka_unit_test(test_device_not_found_but_there),
        cmocka_unit_test(test_already_being_unplugged),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_deadline_before_the_reply),
        cmocka_unit_test(test_guest_lags),
        cmocka_unit_test(test_name_is_used_again),
        cmocka_unit_test(test_agent_goes_at_each_step),
        cmocka_unit_test(test_agent_talks_nonsense),
        cmocka_unit_test(test_wait),
    };

    return cmocka_run_group_tests_name("operation, removal", tests, NULL, NULL);
}
