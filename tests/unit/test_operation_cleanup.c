/* SPDX-License-Identifier: MIT */
/* What must go after a device: a DIMM's memory backend, a disk's block node. And what in the guest
 * keeps a disk from going. */
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

#define KINDS 2

static struct rig rig;

static const enum operation_type types[KINDS] = {OPERATION_DIMM_REMOVE, OPERATION_DISK_REMOVE};
static const char *const ids[KINDS] = {"m", "d"};
static const char *const commands[KINDS] = {"object-del", "blockdev-del"};
static const char *const lists[KINDS] = {"qom-list", "query-named-block-nodes"};

static struct sim *new_sim(void)
{
    struct sim *sim = sim_new();

    sim_put_dimm(sim, "m", SIM_DIMM_BASE, 256 * SIM_MIB);
    sim_put_disk(sim, "d", "SERIAL", 0);
    return sim;
}

static const struct operation_result *run(struct sim *sim, unsigned kind, bool force,
                                          double timeout_ms)
{
    const struct operation_request request = {
        .type = types[kind], .id = ids[kind], .force = force, .timeout_ms = timeout_ms};

    rig_open_recorded(&rig, sim, true);
    return rig_operate(&rig, &request);
}

static bool backend_stands(const struct sim *sim, unsigned kind)
{
    return kind == 0 ? json_object_get(sim->objects, "m-memory") != NULL : sim->disk_count > 0;
}

static bool is_recorded(const char *id)
{
    AUTO_JSON json_t *entry = rig_recorded(&rig, id);

    return entry != NULL;
}

static void test_deleted_after(void **state)
{
    static const char *const expected[KINDS] = {"{'id':'m-memory'}", "{'node-name':'d-node'}"};
    unsigned kind;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        AUTO_JSON json_t *arguments = fake_json(expected[kind]);

        assert_int_equal(run(new_sim(), kind, false, 5000)->verdict, VERDICT_REMOVED);
        assert_true(json_equal(sim_arguments(rig.sim, SIM_QMP, commands[kind]), arguments));
        assert_int_equal(sim_changes(rig.sim), 2);
        assert_false(backend_stands(rig.sim, kind));
        rig_close(&rig);
    }
}

/* In use for a while after the device has gone: that passes, and is awaited. */
static void test_in_use_at_first(void **state)
{
    unsigned kind;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        struct sim *sim = new_sim();

        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = commands[kind], .times = 3,
                                      .action = FAULT_REJECT, .text = "it is in use"});
        assert_int_equal(run(sim, kind, false, 5000)->verdict, VERDICT_REMOVED);
        assert_int_equal(sim_count(sim, SIM_QMP, commands[kind]), 4);
        assert_false(backend_stands(sim, kind));
        rig_close(&rig);
    }
}

/* In use to the end: the device is gone, and the request not done with. What is left can be taken
 * up again. */
static void test_in_use_to_the_end(void **state)
{
    unsigned kind;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        struct operation_request again = {
            .type = types[kind], .id = ids[kind], .resume = true, .timeout_ms = 5000};
        struct sim *sim = new_sim();

        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = commands[kind],
                                      .action = FAULT_REJECT, .text = "it is in use"});
        assert_int_equal(run(sim, kind, false, 2 * rig_soon_ms())->verdict, VERDICT_PENDING);
        assert_string_equal(rig.result->awaiting, "removed");
        assert_true(is_recorded(ids[kind]) && backend_stands(sim, kind));
        fault_clear(&sim->faults);
        rig_reopen(&rig);
        assert_int_equal(rig_operate(&rig, &again)->verdict, VERDICT_REMOVED);
        assert_false(is_recorded(ids[kind]) || backend_stands(sim, kind));
        rig_close(&rig);
    }
}

/* And what is left is not reported as gone by a lower level either. */
static void test_in_use_and_waiting_for_less(void **state)
{
    unsigned kind;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        const struct operation_request request = {.type = types[kind], .id = ids[kind],
                                                  .wait_set = true, .wait = RUNG_REALIZED,
                                                  .timeout_ms = 2 * rig_soon_ms()};
        struct sim *sim = new_sim();

        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = commands[kind],
                                      .action = FAULT_REJECT, .text = "it is in use"});
        rig_open_recorded(&rig, sim, true);
        assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_PENDING);
        assert_true(is_recorded(ids[kind]));
        rig_close(&rig);
    }
}

static void delete_before(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    unsigned kind = *(const unsigned *)user;

    if (side != SIM_QMP || strcmp(command, commands[kind]) != 0)
        return;
    (void)json_object_del(sim->objects, "m-memory");
    sim->disk_count = 0;
}

static void test_deleted_by_somebody_else(void **state)
{
    unsigned kind;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        struct sim *sim = new_sim();

        sim->on_command = delete_before;
        sim->user = &kind;
        assert_int_equal(run(sim, kind, false, 5000)->verdict, VERDICT_REMOVED);
        assert_int_equal(sim_count(sim, SIM_QMP, commands[kind]), 1);
        assert_false(is_recorded(ids[kind]));
        rig_close(&rig);
    }
}

/* QEMU neither deletes it nor says whether it is there: it may well stand. */
static void test_nobody_knows(void **state)
{
    static const enum fault_action actions[] = {FAULT_REJECT, FAULT_ANSWER};
    unsigned kind;
    size_t i;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        for (i = 0; i < COUNT_OF(actions); i++) {
            struct sim *sim = new_sim();
            /* What the plan asked before is answered. */
            unsigned before = kind == 0 ? 3 : 1;

            sim_fault(sim, (struct fault){.side = SIM_QMP, .command = commands[kind],
                                          .action = FAULT_REJECT, .text = "no"});
            sim_fault(sim, (struct fault){.side = SIM_QMP, .command = lists[kind],
                                          .skip = before, .action = actions[i],
                                          .text = "{}"});
            assert_int_equal(run(sim, kind, false, rig_soon_ms())->verdict, VERDICT_PENDING);
            assert_true(sim->faults.hits[1] > before);
            rig_close(&rig);
        }
    }
}

/* Two disks may have one block node, if neither writes: it stays with the second. */
static void test_node_of_two(void **state)
{
    static const char *const answers[] = {
        "[{'device':'','qdev':'d','inserted':{'node-name':'n'}},"
        "{'device':'','qdev':'e','inserted':{'node-name':'n'}}]",
        "[{'device':'','qdev':'e','inserted':{'node-name':'n'}}]"};
    struct sim *sim = new_sim();
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(answers); i++)
        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "query-block",
                                      .times = i == 0 ? 1 : 0, .action = FAULT_ANSWER,
                                      .text = answers[i]});
    assert_int_equal(run(sim, 1, false, 5000)->verdict, VERDICT_REMOVED);
    assert_int_equal(sim_count(sim, SIM_QMP, "blockdev-del"), 0);
    assert_non_null(strstr(json_string_value(json_object_get(rig.result->details, "note")),
                           "'e' has it, too"));
    rig_close(&rig);
}

/* Nodes that QEMU named itself go with their device. */
static void test_no_node_of_ones_own(void **state)
{
    struct sim *sim = new_sim();

    (void)state;
    (void)snprintf(sim->disks[0].node, sizeof(sim->disks[0].node), "#block123");
    assert_int_equal(run(sim, 1, false, 5000)->verdict, VERDICT_REMOVED);
    assert_int_equal(sim_count(sim, SIM_QMP, "blockdev-del"), 0);
    rig_close(&rig);
}

/* ---- disks that the guest uses ---- */

#define MOUNTED(name, disk) \
    "[{'name':'" name "','mountpoint':'/data','type':'ext4','disk':[" disk "]}]"
#define DISK(dev) \
    "{'bus-type':'scsi','bus':0,'target':0,'unit':0,'dev':'" dev "'," \
    "'pci-controller':{'domain':0,'bus':0,'slot':0,'function':0}}"

static void test_in_use_by_the_guest(void **state)
{
    static const struct {
        const char *mounts, *disks, *why; /* why: NULL: it may go */
    } cases[] = {
        {MOUNTED("sda", DISK("/dev/sda")), NULL, "for /data"},
        {MOUNTED("sda1", DISK("/dev/sda1")), NULL, "for /data"},
        {MOUNTED("dm-0", DISK("/dev/sda2") "," DISK("/dev/sdb1")), NULL, "for /data"},
        {MOUNTED("sda15", ""), NULL, "for /data"},
        {"[{'name':'dm-1','mountpoint':'/x','type':'xfs','disk':[" DISK("/dev/vdb") "]},"
         "{'name':'sda3','mountpoint':'/data','type':'ext4','disk':[]}]", NULL, "for /data"},
        {NULL, "[{'name':'/dev/dm-0','partition':false,'dependencies':['/dev/sda']}]", "/dev/dm-0"},
        {NULL, "[{'name':'/dev/md0','partition':false,'dependencies':['/dev/sdb','/dev/sda1']}]",
         "/dev/md0"},
        /* Others' disks, and what is no use. */
        {"[]", NULL, NULL},
        {MOUNTED("sdaa", DISK("/dev/sdaa")), NULL, NULL},
        {MOUNTED("sdaa1", DISK("/dev/sdaa1")), NULL, NULL},
        {MOUNTED("sdap", DISK("/dev/sdap")), NULL, NULL},
        {MOUNTED("sdap1", DISK("/dev/sdap1")), NULL, NULL},
        {MOUNTED("sdb1", DISK("/dev/sdb1")), NULL, NULL},
        {MOUNTED("sd", ""), NULL, NULL},
        {NULL, "[{'name':'/dev/dm-0','partition':false,'dependencies':['/dev/sdb']}]", NULL},
        {NULL, "[{'name':'/dev/sda1','partition':true,'dependencies':['/dev/sda']}]", NULL},
        {"{'name':'sda'}", NULL, NULL},
        {"[null,1,'sda',[],{'name':1,'disk':'/dev/sda'}]", NULL, NULL},
        {NULL, "[{'name':'/dev/dm-0','partition':false,'dependencies':[null,1,{}]}]", NULL},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct sim *sim = new_sim();

        sim->guest.mounts = cases[i].mounts;
        sim->guest.more_disks = cases[i].disks;
        (void)run(sim, 1, false, 5000);
        if ((rig.result->verdict == VERDICT_BLOCKED) != (cases[i].why != NULL))
            fail_msg("case %zu: %s (%s)", i, verdict_name(rig.result->verdict),
                     rig.result->error.why);
        if (cases[i].why == NULL) {
            assert_int_equal(rig.result->verdict, VERDICT_REMOVED);
        } else {
            assert_non_null(strstr(rig.result->error.why, cases[i].why));
            assert_non_null(strstr(rig.result->error.fix, "--force"));
            assert_int_equal(sim_changes(sim), 0);
        }
        rig_close(&rig);
    }
}

#define SWAPS "Filename\tType\tSize\tUsed\tPriority\n"

/* Swap is on no list of the agent's, but in a file that it can read. */
static void test_swapped_to(void **state)
{
    static const struct {
        const char *swaps;
        bool used;
    } cases[] = {
        {SWAPS "/dev/sda                                partition\t8188\t0\t-2\n", true},
        {SWAPS "/dev/zram0 partition\t1\t0\t-2\n/dev/sda2 partition\t8188\t0\t-3", true},
        {SWAPS "/dev/sdb partition\t8188\t0\t-2\n", false},
        {SWAPS "/dev/sdab partition\t8188\t0\t-2\n", false},
        {SWAPS, false},
        {"/dev/sda", false}, /* the first line is a heading */
        {"", false},
        {"\n\n /dev/sda\n\t\n", false},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct sim *sim = new_sim();

        sim->guest.swaps = cases[i].swaps;
        (void)run(sim, 1, false, 5000);
        if ((rig.result->verdict == VERDICT_BLOCKED) != cases[i].used)
            fail_msg("case %zu: %s", i, verdict_name(rig.result->verdict));
        if (cases[i].used) {
            assert_non_null(strstr(rig.result->error.why, "for swap"));
            assert_int_equal(sim_changes(sim), 0);
        }
        rig_close(&rig);
    }
}

static void test_forced(void **state)
{
    struct sim *sim = new_sim();

    (void)state;
    sim->guest.mounts = MOUNTED("sda1", DISK("/dev/sda1"));
    assert_int_equal(run(sim, 1, true, 5000)->verdict, VERDICT_REMOVED);
    assert_false(backend_stands(sim, 1));
    rig_close(&rig);
}

/* Another of the guest's disks is in use, and not the one that goes. */
static void test_the_right_one(void **state)
{
    struct sim *sim = new_sim();
    const struct operation_request request = {
        .type = OPERATION_DISK_REMOVE, .id = "e", .timeout_ms = 5000};

    (void)state;
    sim_put_disk(sim, "e", "OTHER", 1);
    sim->guest.mounts = MOUNTED("sda1", DISK("/dev/sda1"));
    assert_int_equal(run(sim, 1, false, 5000)->verdict, VERDICT_BLOCKED);
    assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_REMOVED);
    assert_int_equal(sim->disk_count, 1);
    assert_string_equal(sim->disks[0].id, "d");
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deleted_after),
        cmocka_unit_test(test_in_use_at_first),
        cmocka_unit_test(test_in_use_to_the_end),
        cmocka_unit_test(test_in_use_and_waiting_for_less),
        cmocka_unit_test(test_deleted_by_somebody_else),
        cmocka_unit_test(test_nobody_knows),
        cmocka_unit_test(test_node_of_two),
        cmocka_unit_test(test_no_node_of_ones_own),
        cmocka_unit_test(test_in_use_by_the_guest),
        cmocka_unit_test(test_swapped_to),
        cmocka_unit_test(test_forced),
        cmocka_unit_test(test_the_right_one),
    };

    return cmocka_run_group_tests_name("operation, cleaning up", tests, NULL, NULL);
}
