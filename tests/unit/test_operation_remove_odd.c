/* SPDX-License-Identifier: MIT */
/* Removals of what is out of the ordinary, and with a record that is. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "qmp/codec.h"
#include "tests/fake/rig.h"

static struct rig rig;

/* It had refused it, or not yet come to it: nothing more than QEMU's vCPUs can be left there. */
static void test_vcpu_that_the_guest_never_showed(void **state)
{
    const struct operation_request request = {
        .type = OPERATION_CPU_REMOVE, .id = "c", .timeout_ms = 5000};
    struct sim *sim = sim_new();

    (void)state;
    sim->kvm = true;
    sim_put_cpu(sim, "c");
    sim->guest.vcpu_count--;
    rig_open_recorded(&rig, sim, true);
    (void)rig_operate(&rig, &request);
    rig_assert_verdict(rig.result, VERDICT_REMOVED);
    assert_int_equal(sim->guest.vcpu_count, 2);
    rig_close(&rig);
}

/* QEMU allows ids of any length. One that is cut is not mistaken for a device that is gone. */
static void test_long_ids(void **state)
{
    static const char id[] = "m234567890123456789012345678901234567890"
                             "123456789012345678901234567890";
    AUTO_JSON json_t *blocks = fake_jsonf("[{'device':'','qdev':'/machine/peripheral/%s/virtio-"
                                          "backend','inserted':{'node-name':'#block1'}}]", id);
    AUTO_JSON json_t *dimms = fake_jsonf("[{'type':'dimm','data':{'id':'%s','addr':4294967296,"
                                         "'size':268435456,'slot':0,'node':0,'memdev':'/x',"
                                         "'hotplugged':true,'hotpluggable':true}}]", id);
    AUTO_FREE char *blocks_text = json_dumps(blocks, 0), *dimms_text = json_dumps(dimms, 0);
    const struct {
        enum operation_type type;
        const char *query, *answer;
    } cases[] = {
        {OPERATION_DIMM_REMOVE, "query-memory-devices", dimms_text},
        {OPERATION_DISK_REMOVE, "query-block", blocks_text},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        const struct operation_request request = {
            .type = cases[i].type, .id = id, .wait_set = true, .wait = RUNG_REALIZED,
            .timeout_ms = rig_soon_ms()};
        struct sim *sim = sim_new();

        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = cases[i].query,
                                      .action = FAULT_ANSWER, .text = cases[i].answer});
        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "device_del",
                                      .action = FAULT_ANSWER, .text = "{}"});
        rig_open_recorded(&rig, sim, true);
        (void)rig_operate(&rig, &request);
        rig_assert_verdict(rig.result, VERDICT_PENDING);
        rig_close(&rig);
    }
}

/* What the guest answers to an earlier request is not taken for its answer to this one. */
static void test_asked_before(void **state)
{
    static const struct {
        struct sim_ost eject[SIM_OST_MAX];
        unsigned count;
        enum verdict verdict;
    } cases[] = {
        {{{3, 0x82}, {3, 0x84}, {3, 0}}, 3, VERDICT_REMOVED},
        {{{3, 0x82}, {3, 0x84}, {3, 0x82}}, 3, VERDICT_REFUSED},
        {{{3, 0x84}, {3, 0x82}}, 2, VERDICT_REFUSED}, /* that was before a reset */
        {{{3, 0}}, 1, VERDICT_REMOVED},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct operation_request request = {.type = OPERATION_DIMM_REMOVE, .id = "m",
                                            .wait_set = true, .wait = RUNG_ACCEPTED,
                                            .timeout_ms = 5000};
        struct sim *sim = sim_new();

        sim_put_dimm(sim, "m", SIM_DIMM_BASE, 256 * SIM_MIB);
        sim->guest.eject_count = 1; /* it begins */
        rig_open_recorded(&rig, sim, true);
        (void)rig_operate(&rig, &request);
        rig_assert_verdict(rig.result, VERDICT_ACCEPTED);
        memcpy(sim->guest.eject, cases[i].eject, sizeof(sim->guest.eject));
        sim->guest.eject_count = cases[i].count;
        sim->guest.ost_delay_ms = 20;
        request.wait_set = false;
        (void)rig_operate(&rig, &request);
        rig_assert_verdict(rig.result, cases[i].verdict);
        assert_int_equal(sim->dimm_count, cases[i].verdict == VERDICT_REMOVED ? 0 : 1);
        rig_close(&rig);
    }
}

/* A change of a disk whose removal is pending does not make that forgotten. */
static void test_changed_meanwhile(void **state)
{
    struct operation_request request = {
        .type = OPERATION_DISK_REMOVE, .id = "d", .timeout_ms = rig_soon_ms()};
    struct sim *sim = sim_new();
    AUTO_JSON json_t *entry = NULL;

    (void)state;
    sim_put_disk(sim, "d", "SERIAL", 0);
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "device_del",
                                  .action = FAULT_ANSWER, .text = "{}"});
    rig_open_recorded(&rig, sim, true);
    (void)rig_operate(&rig, &request);
    rig_assert_verdict(rig.result, VERDICT_PENDING);
    request = (struct operation_request){.type = OPERATION_DISK_THROTTLE, .id = "d",
                                         .timeout_ms = 5000,
                                         .limits = {.iops_set = true, .iops = 10}};
    (void)rig_operate(&rig, &request);
    rig_assert_verdict(rig.result, VERDICT_DONE);
    entry = rig_recorded(&rig, "d");
    assert_non_null(entry);
    rig_close(&rig);
}

/* That QEMU rejects asking again does not end what was asked before. */
static void test_rejected_the_second_time(void **state)
{
    const struct operation_request request = {
        .type = OPERATION_DIMM_REMOVE, .id = "m", .timeout_ms = rig_soon_ms()};
    AUTO_JSON json_t *entry = NULL;
    struct sim *sim = sim_new();

    (void)state;
    sim_put_dimm(sim, "m", SIM_DIMM_BASE, 256 * SIM_MIB);
    sim->guest.ignores_eject = true;
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "device_del", .skip = 1,
                                  .action = FAULT_REJECT, .text = "not now"});
    rig_open_recorded(&rig, sim, true);
    (void)rig_operate(&rig, &request);
    rig_assert_verdict(rig.result, VERDICT_PENDING);
    (void)rig_operate(&rig, &request);
    rig_assert_verdict(rig.result, VERDICT_REJECTED);
    entry = rig_recorded(&rig, "m");
    assert_non_null(entry);
    rig_close(&rig);
}

/* Another vmplug was stopped while it wrote the record: that is not waited for, but said. */
static void test_record_is_held(void **state)
{
    const struct operation_request request = {
        .type = OPERATION_DIMM_REMOVE, .id = "m", .note = "beside", .timeout_ms = rig_soon_ms()};
    struct sim *sim = sim_new();
    AUTO_FD int fd = -1;

    (void)state;
    sim_put_dimm(sim, "m", SIM_DIMM_BASE, 256 * SIM_MIB);
    rig_open_recorded(&rig, sim, true);
    sim->guest.ignores_eject = true;
    (void)rig_operate(&rig, &request);
    rig_assert_verdict(rig.result, VERDICT_PENDING);
    assert_non_null(strstr(rig.result->error.fix, "vmplug wait m"));
    fd = open(fake_path("run"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    (void)rig_operate(&rig, &request);
    rig_assert_verdict(rig.result, VERDICT_PENDING);
    assert_null(strstr(rig.result->error.fix, "vmplug wait"));
    assert_non_null(strstr(json_string_value(json_object_get(rig.result->details, "note")),
                           "beside; this request could not be recorded"));
    assert_true(rig.result->elapsed_ms < request.timeout_ms + 2000);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vcpu_that_the_guest_never_showed),
        cmocka_unit_test(test_long_ids),
        cmocka_unit_test(test_asked_before),
        cmocka_unit_test(test_changed_meanwhile),
        cmocka_unit_test(test_rejected_the_second_time),
        cmocka_unit_test(test_record_is_held),
    };

    return cmocka_run_group_tests_name("operation, odd removals", tests, NULL, NULL);
}
