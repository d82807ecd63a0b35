/* SPDX-License-Identifier: MIT */
/* What forbids that a vCPU, a DIMM or a disk is taken back: told before anything is sent. */
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

static struct rig rig;

static const enum operation_type types[KINDS] = {OPERATION_CPU_REMOVE, OPERATION_DIMM_REMOVE,
                                                 OPERATION_DISK_REMOVE};
static const char *const ids[KINDS] = {"c", "m", "d"};

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

static void test_blocked(void **state)
{
    static const struct {
        enum operation_type type;
        const char *id, *why;
    } cases[] = {
        {OPERATION_CPU_REMOVE, "0", "can't go"},
        {OPERATION_CPU_REMOVE, "3", "slot 3 has no vCPU"},
        {OPERATION_CPU_REMOVE, "4", "there is no vCPU '4'"},
        {OPERATION_CPU_REMOVE, "nobody", "there is no vCPU 'nobody'"},
        {OPERATION_CPU_REMOVE, "", "there is no vCPU ''"},
        {OPERATION_CPU_REMOVE, "02", "there is no vCPU '02'"},
        {OPERATION_CPU_REMOVE, "m", "there is no vCPU 'm'"},
        {OPERATION_DIMM_REMOVE, "nobody", "there is no memory device 'nobody'"},
        {OPERATION_DIMM_REMOVE, "", "there is no memory device ''"},
        {OPERATION_DIMM_REMOVE, "c", "there is no memory device 'c'"},
        {OPERATION_DISK_REMOVE, "nobody", "there is no disk 'nobody'"},
        {OPERATION_DISK_REMOVE, "", "there is no disk ''"},
        {OPERATION_DISK_REMOVE, "scsi0", "there is no disk 'scsi0'"}, /* a device, but no disk */
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct sim *sim = new_sim();

        (void)remove_id(sim, cases[i].type, cases[i].id);
        rig_assert_verdict(rig.result, VERDICT_BLOCKED);
        if (strstr(rig.result->error.why, cases[i].why) == NULL)
            fail_msg("'%s', not '%s'", rig.result->error.why, cases[i].why);
        assert_true(rig.result->error.fix[0] != '\0');
        assert_int_equal(sim_changes(sim), 0);
        assert_recorded(cases[i].id, false);
        rig_close(&rig);
    }
}

/* Which of the guest's disks it is can't be told: then any that is in use may be it. */
static void test_disk_that_may_be_mounted(void **state)
{
    struct operation_request request = {
        .type = OPERATION_DISK_REMOVE, .id = "d", .timeout_ms = 5000};
    struct sim *sim = new_sim();

    (void)state;
    sim_put_disk(sim, "e", "OTHER", 0); /* at the same LUN of another target */
    sim->disks[1].scsi_id = 1;
    sim->guest.tells_serials = false;
    sim->guest.mounts = "[{'name':'sdb1','mountpoint':'/data','type':'ext4','disk':[]}]";
    rig_open_recorded(&rig, sim, true);
    (void)rig_operate(&rig, &request);
    rig_assert_verdict(rig.result, VERDICT_BLOCKED);
    assert_non_null(strstr(rig.result->error.why, "/dev/sdb for /data, and that may be 'd'"));
    assert_int_equal(sim_changes(sim), 0);
    request.force = true;
    (void)rig_operate(&rig, &request);
    rig_assert_verdict(rig.result, VERDICT_REMOVED);
    rig_close(&rig);
}

static void test_memory_that_cannot_go(void **state)
{
    static const struct {
        const char *rows, *why;
    } cases[] = {
        {"[{'type':'virtio-mem','data':{'id':'m','memaddr':4294967296,'size':0,'max-size':1,"
         "'requested-size':0,'block-size':1,'node':0,'memdev':'/objects/x'}}]",
         "gives memory back without going away"},
        {"[{'type':'dimm','data':{'id':'m','addr':4294967296,'size':268435456,'slot':0,'node':0,"
         "'memdev':'/objects/x','hotplugged':false,'hotpluggable':false}}]", "can't be unplugged"},
        {"[{'type':'virtio-pmem','data':{'id':'m','memaddr':4294967296,'size':4096,"
         "'memdev':'/objects/x'}}]", "can't be unplugged"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct sim *sim = new_sim();

        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "query-memory-devices",
                                      .action = FAULT_ANSWER, .text = cases[i].rows});
        (void)remove_id(sim, OPERATION_DIMM_REMOVE, "m");
        rig_assert_verdict(rig.result, VERDICT_BLOCKED);
        assert_non_null(strstr(rig.result->error.why, cases[i].why));
        assert_int_equal(sim_changes(sim), 0);
        rig_close(&rig);
    }
}

static void test_machine_that_cannot(void **state)
{
    struct sim *sim = new_sim();

    (void)state;
    sim->has_cpus = false;
    (void)remove_id(sim, OPERATION_CPU_REMOVE, "c");
    rig_assert_verdict(rig.result, VERDICT_BLOCKED);
    assert_non_null(strstr(rig.result->error.why, "is not enabled"));
    assert_int_equal(sim_changes(sim), 0);
    rig_close(&rig);
}

static void test_migrating(void **state)
{
    unsigned kind;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        struct operation_request request = request_of(kind);
        struct sim *sim = new_sim();

        sim->migrating = true;
        rig_open_recorded(&rig, sim, true);
        (void)rig_operate(&rig, &request);
        rig_assert_verdict(rig.result, VERDICT_BLOCKED);
        assert_non_null(strstr(rig.result->error.why, "migration"));
        assert_int_equal(sim_changes(sim), 0);
        request.force = true; /* QEMU will say */
        (void)rig_operate(&rig, &request);
        rig_assert_verdict(rig.result, VERDICT_REMOVED);
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocked),
        cmocka_unit_test(test_disk_that_may_be_mounted),
        cmocka_unit_test(test_memory_that_cannot_go),
        cmocka_unit_test(test_machine_that_cannot),
        cmocka_unit_test(test_migrating),
    };

    return cmocka_run_group_tests_name("operation, removal that is blocked", tests, NULL, NULL);
}
