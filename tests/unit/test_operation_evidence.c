/* SPDX-License-Identifier: MIT */
/* Evidence that proves nothing: it was there before, it is torn, or it is another's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "tests/fake/rig.h"

static struct rig rig;

static struct operation_request request_of(enum operation_type type, double timeout_ms)
{
    return (struct operation_request){
        .type = type,
        .timeout_ms = timeout_ms,
        .dimm = {.bytes = 256 * SIM_MIB},
        .disk = {.file = fake_file("disk.raw", "", 0)},
    };
}

static enum verdict run(struct sim *sim, bool with_agent, const struct operation_request *request)
{
    rig_open(&rig, sim, with_agent);
    return rig_operate(&rig, request)->verdict;
}

static void answer(struct sim *sim, enum sim_side side, const char *command, unsigned skip,
                   unsigned times, const char *value)
{
    sim_fault(sim, (struct fault){.side = side, .command = command, .skip = skip,
                                  .times = times, .action = FAULT_ANSWER, .text = value});
}

/* ---- what was there before ---- */

/* An agent that did not say what the guest had can't prove anything new. */
static void check_no_baseline(enum operation_type type, enum fault_action action)
{
    static const char *const lists[] = {"guest-get-vcpus", "guest-get-memory-blocks"};
    const struct fault fault = {.side = SIM_AGENT, .command = lists[type], .times = 1,
                                    .action = action, .text = "{}"};
    struct operation_request request = request_of(type, 5000);
    struct sim *sim = sim_new();

    sim_fault(sim, fault);
    assert_int_equal(run(sim, true, &request), VERDICT_UNCONFIRMED);
    assert_string_equal(rig.result->missing, "agent");
    assert_string_equal(rig_stages(&rig), "accepted realized acknowledged");
    assert_int_equal(sim_count(sim, SIM_AGENT, "guest-info"), 1);
    assert_int_equal(sim_count(sim, SIM_AGENT, lists[type]), 1); /* in vain, and not again */
    rig_close(&rig);

    sim = sim_new();
    sim_fault(sim, fault);
    request.wait_set = true;
    request.wait = RUNG_ONLINE;
    assert_int_equal(run(sim, true, &request), VERDICT_UNPROVEN);
    assert_string_equal(rig.result->missing, "agent");
    assert_non_null(strstr(rig.result->error.why, "did not list"));
    assert_int_equal(sim_changes(sim), 0);
    assert_int_equal(rig.result->left_count, 0);
    rig_close(&rig);
}

static void test_no_baseline(void **state)
{
    enum operation_type type;

    (void)state;
    for (type = 0; type < OPERATION_DISK_ADD; type++) {
        check_no_baseline(type, FAULT_ANSWER);
        check_no_baseline(type, FAULT_REJECT);
    }
}

/* Blocks whose size nobody knows are nobody's. The guest's are larger than any that could be
 * assumed, and it takes the DIMM all the same. */
static void test_unknown_block_size(void **state)
{
    struct operation_request request = request_of(OPERATION_DIMM_ADD, 5000);
    struct sim *sim = sim_new();

    (void)state;
    sim->guest.block_bytes = 256 * SIM_MIB;
    answer(sim, SIM_AGENT, "guest-get-memory-block-info", 0, 0, "{}");
    assert_int_equal(run(sim, true, &request), VERDICT_UNCONFIRMED);
    assert_string_equal(rig.result->missing, "agent");
    assert_string_equal(rig_stages(&rig), "accepted realized acknowledged");
    rig_close(&rig);

    sim = sim_new();
    answer(sim, SIM_AGENT, "guest-get-memory-block-info", 0, 0, "{}");
    request.wait_set = true;
    request.wait = RUNG_ONLINE;
    assert_int_equal(run(sim, true, &request), VERDICT_UNPROVEN);
    assert_int_equal(sim_changes(sim), 0);
    rig_close(&rig);

    sim = sim_new(); /* what no Linux takes is still not sent */
    answer(sim, SIM_AGENT, "guest-get-memory-block-info", 0, 0, "{}");
    request.wait_set = false;
    request.dimm.bytes = 64 * SIM_MIB;
    assert_int_equal(run(sim, true, &request), VERDICT_BLOCKED);
    rig_close(&rig);
}

/* Disks that come and go in the guest by themselves are no candidates: when it may not read files,
 * nothing is decided until there is one. */
static void test_disks_of_the_guests_own(void **state)
{
    static const char others[] = "[{'name':'/dev/zram0','partition':false},"
                                 "{'name':'/dev/md127','partition':false},"
                                 "{'name':'/dev/loop0','partition':false},"
                                 "{'name':'/dev/vda','partition':false,'address':{'unit':0}}]";
    const struct operation_request request = request_of(OPERATION_DISK_ADD, 5000);
    struct sim *sim = sim_new();

    (void)state;
    sim_disable(sim, "guest-file-open");
    answer(sim, SIM_AGENT, "guest-get-disks", 1, 3, others);
    assert_int_equal(run(sim, true, &request), VERDICT_ONLINE);
    rig_close(&rig);

    sim = sim_new(); /* nor are they opened */
    sim->guest.tells_serials = false;
    sim->guest.has_vpd = true;
    answer(sim, SIM_AGENT, "guest-get-disks", 1, 3, others);
    assert_int_equal(run(sim, true, &request), VERDICT_ONLINE);
    assert_int_equal(sim_count(sim, SIM_AGENT, "guest-file-open"), 1);
    rig_close(&rig);

    sim = sim_new(); /* but what may be a scsi-hd is looked at, whatever LUN the agent knows */
    sim->guest.has_vpd = true;
    sim->guest.tells_serials = false;
    answer(sim, SIM_AGENT, "guest-get-disks", 1, 0, "[{'name':'/dev/sda','partition':false}]");
    assert_int_equal(run(sim, true, &request), VERDICT_ONLINE);
    rig_close(&rig);
}

/* The guest had memory where ours goes: the agent is perhaps another VM's. */
static void test_blocks_that_were_there(void **state)
{
    struct operation_request request = request_of(OPERATION_DIMM_ADD, 5000);
    struct sim *sim = sim_new();

    (void)state;
    sim->guest.ignores = true;
    sim->guest.blocks[sim->guest.block_count++] = (struct sim_block){32, true, false};
    sim->guest.blocks[sim->guest.block_count++] = (struct sim_block){33, true, false};
    assert_int_equal(run(sim, true, &request), VERDICT_UNCONFIRMED);
    assert_string_equal(rig.result->missing, "agent");
    assert_int_equal(sim_count(sim, SIM_AGENT, "guest-set-memory-blocks"), 0);
    rig_close(&rig);

    sim = sim_new(); /* offline, it is still not ours, and not ours to put online */
    sim->guest.ignores = true;
    sim->guest.blocks[sim->guest.block_count++] = (struct sim_block){32, false, false};
    request.wait_set = true;
    request.wait = RUNG_ONLINE;
    assert_int_equal(run(sim, true, &request), VERDICT_PENDING);
    assert_string_equal(rig.result->missing, "agent");
    assert_non_null(strstr(rig.result->error.why, "before"));
    assert_int_equal(sim_count(sim, SIM_AGENT, "guest-set-memory-blocks"), 0);
    rig_close(&rig);
}

static void test_disk_that_was_there(void **state)
{
    static const char *const lists[] = {
        "[{'name':'/dev/sda','partition':false,'address':{'serial':'vmplug-disk-0','unit':1}}]",
        "[{'name':'/dev/sda','partition':false,'address':{'unit':1}}]",
        "[{'name':'/dev/sda','partition':false}]",
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(lists); i++) {
        const struct operation_request request = request_of(OPERATION_DISK_ADD, rig_soon_ms());
        struct sim *sim = sim_new();

        sim->guest.has_vpd = true;
        answer(sim, SIM_AGENT, "guest-get-disks", 0, 0, lists[i]);
        assert_int_equal(run(sim, true, &request), VERDICT_PENDING);
        assert_int_equal(sim_count(sim, SIM_AGENT, "guest-file-open"), 0);
        rig_close(&rig);
    }
}

static void show_another(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    (void)user;
    (void)side;
    if (strcmp(command, "guest-set-vcpus") == 0 && sim->guest.vcpu_count == 3) {
        sim->guest.vcpus[3] = (struct sim_vcpu){3, true};
        sim->guest.vcpu_count = 4;
    }
}

/* QEMU has one that the guest has not shown yet: when one appears, it may be that one. */
static void test_vcpu_that_was_late(void **state)
{
    struct operation_request request = request_of(OPERATION_CPU_ADD, 5000);
    struct sim *sim = sim_new();

    (void)state;
    request.timeout_ms = 2 * rig_soon_ms();
    sim->cpus[2].present = true;
    (void)strcpy(sim->cpus[2].id, "late");
    assert_int_equal(run(sim, true, &request), VERDICT_PENDING);
    assert_string_equal(rig.result->awaiting, "online");
    assert_true(sim->guest.vcpus[2].online); /* it was put online all the same */
    rig_close(&rig);

    sim = sim_new();
    request.timeout_ms = 5000;
    sim->cpus[2].present = true;
    (void)strcpy(sim->cpus[2].id, "late");
    sim->on_command = show_another;
    assert_int_equal(run(sim, true, &request), VERDICT_ONLINE);
    rig_close(&rig);
}

/* Half of it, said twice, is not the whole. */
static void test_half_of_it_twice(void **state)
{
    static const struct {
        enum operation_type type;
        const char *command, *list;
    } cases[] = {
        {OPERATION_CPU_ADD, "guest-get-vcpus",
         "[{'logical-id':0,'online':true},{'logical-id':1,'online':true},"
         "{'logical-id':2,'online':true},{'logical-id':2,'online':true}]"},
        {OPERATION_DIMM_ADD, "guest-get-memory-blocks",
         "[{'phys-index':0,'online':true},{'phys-index':32,'online':true},"
         "{'phys-index':32,'online':true}]"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        const struct operation_request request = request_of(cases[i].type, rig_soon_ms());
        struct sim *sim = sim_new();

        sim->vcpus_per_slot = 2;
        answer(sim, SIM_AGENT, cases[i].command, 1, 0, cases[i].list);
        assert_int_equal(run(sim, true, &request), VERDICT_PENDING);
        assert_string_equal(rig.result->awaiting, "online");
        rig_close(&rig);
    }
}

/* ---- the serial that the agent tells ---- */

/* udev puts vendor and model before it. */
static void test_serials_in_udevs_manner(void **state)
{
    static const struct {
        const char *serial;
        bool ours;
    } cases[] = {
        {"vmplug-disk-0", true},
        {"0QEMU_QEMU_HARDDISK_vmplug-disk-0", true},
        {"_vmplug-disk-0", true},
        {"0QEMU_QEMU_HARDDISK_vmplug-disk-00", false},
        {"0QEMU_QEMU_HARDDISK_vmplug-disk-0 ", false},
        {"xvmplug-disk-0", false},
        {"0QEMU_QEMU_HARDDISK_xvmplug-disk-0", false},
        {"vmplug-disk-0_x", false},
        {"disk-0", false},
        {"0", false},
    };
    char list[256];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        const struct operation_request request =
            request_of(OPERATION_DISK_ADD, cases[i].ours ? 5000 : rig_soon_ms());
        struct sim *sim = sim_new();

        (void)snprintf(list, sizeof(list),
                       "[{'name':'/dev/sda','partition':false,'address':{'serial':'%s','unit':1}}]",
                       cases[i].serial);
        answer(sim, SIM_AGENT, "guest-get-disks", 1, 0, list);
        if (run(sim, true, &request) != (cases[i].ours ? VERDICT_ONLINE : VERDICT_PENDING))
            fail_msg("'%s': %s", cases[i].serial, verdict_name(rig.result->verdict));
        rig_close(&rig);
    }
}

/* ---- _OST ---- */

static const char half_refusal[] = "[{'slot':'2','slot-type':'CPU','source':1,'status':130}]";
static const char half_success[] = "[{'slot':'2','slot-type':'CPU','source':1,'status':0}]";

/* The rows are all there is, and before the first of them QEMU shows what the slot's last device
 * left behind. */
static struct sim *sim_with_rows(struct sim_ost old, uint32_t status)
{
    struct sim *sim = sim_new();

    sim->guest.ost_unheard = true;
    sim->cpus[2].ost = old;
    sim->guest.ost[0] = (struct sim_ost){1, status};
    return sim;
}

/* QEMU was asked between the guest's two writes: new source, old status. It is not believed before
 * it has stood for a while. */
static void test_torn_row(void **state)
{
    const struct operation_request request = request_of(OPERATION_CPU_ADD, 5000);
    struct sim *sim = sim_with_rows((struct sim_ost){3, 130}, 0);

    (void)state;
    answer(sim, SIM_QMP, "query-acpi-ospm-status", 1, 1, half_refusal);
    assert_int_equal(run(sim, true, &request), VERDICT_ONLINE);
    assert_string_equal(rig_stages(&rig), "accepted realized acknowledged online");
    assert_int_equal(rig.result->stages[2].ost_status, 0);
    assert_true(sim_count(sim, SIM_QMP, "query-acpi-ospm-status") >= 4); /* looked at twice */
    rig_close(&rig);

    sim = sim_with_rows((struct sim_ost){0, 0}, 130); /* a slot that nobody has used yet */
    sim->guest.ignores = true;
    answer(sim, SIM_QMP, "query-acpi-ospm-status", 1, 1, half_success);
    assert_int_equal(run(sim, true, &request), VERDICT_REFUSED);
    assert_string_equal(rig_stages(&rig), "accepted realized"); /* never acknowledged */
    assert_int_equal(rig.result->ost_status, 130);
    rig_close(&rig);

    sim = sim_with_rows((struct sim_ost){3, 130}, 0); /* but what stays is true */
    answer(sim, SIM_QMP, "query-acpi-ospm-status", 1, 0, half_refusal);
    assert_int_equal(run(sim, true, &request), VERDICT_REFUSED);
    assert_int_equal(rig.result->ost_status, 130);
    rig_close(&rig);
}

/* A later word of the guest counts, too: success first, and then a failure before it was online. */
static void test_failure_after_success(void **state)
{
    const struct operation_request request = request_of(OPERATION_CPU_ADD, 5000);
    struct sim *sim = sim_new();

    (void)state;
    sim->guest.ost[1] = (struct sim_ost){1, 0x81};
    sim->guest.ost_count = 2;
    sim->guest.ost_delay_ms = 20;
    sim->guest.ignores = true;
    assert_int_equal(run(sim, true, &request), VERDICT_REFUSED);
    assert_string_equal(rig_stages(&rig), "accepted realized acknowledged");
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_baseline),
        cmocka_unit_test(test_unknown_block_size),
        cmocka_unit_test(test_blocks_that_were_there),
        cmocka_unit_test(test_disks_of_the_guests_own),
        cmocka_unit_test(test_disk_that_was_there),
        cmocka_unit_test(test_vcpu_that_was_late),
        cmocka_unit_test(test_half_of_it_twice),
        cmocka_unit_test(test_serials_in_udevs_manner),
        cmocka_unit_test(test_torn_row),
        cmocka_unit_test(test_failure_after_success),
    };

    return cmocka_run_group_tests_name("operation, evidence", tests, NULL, NULL);
}
