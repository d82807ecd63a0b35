/* SPDX-License-Identifier: MIT */
/* What would kill this QEMU, and what is said of it. */
#include "vmm/hazard.h"

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

static const struct operation_request add_cpu = {.type = OPERATION_CPU_ADD, .timeout_ms = 5000};
static const struct operation_request add_dimm = {
    .type = OPERATION_DIMM_ADD, .timeout_ms = 5000, .dimm = {.bytes = 256 * SIM_MIB}};
static const struct operation_request remove_cpu = {
    .type = OPERATION_CPU_REMOVE, .id = "1", .timeout_ms = 5000};
static const struct operation_request remove_dimm = {
    .type = OPERATION_DIMM_REMOVE, .id = "vmplug-mem-0", .timeout_ms = 5000};

static struct sim *new_sim(bool kvm, unsigned major)
{
    struct sim *sim = sim_new();

    sim->kvm = kvm;
    sim->major = major;
    return sim;
}

static void assert_operation(const struct operation_request *request, bool force,
                             enum verdict verdict, const char *why)
{
    struct operation_request each = *request;

    each.force = force;
    (void)rig_operate(&rig, &each);
    if (rig.result->verdict != verdict)
        fail_msg("%s is %s, not %s (%s)", rig.result->operation,
                 verdict_name(rig.result->verdict), verdict_name(verdict), rig.result->error.why);
    if (strstr(rig.result->error.why, why) == NULL)
        fail_msg("'%s', not '%s'", rig.result->error.why, why);
    assert_true(verdict != VERDICT_BLOCKED || strstr(rig.result->error.fix, "--force") != NULL);
}

/* ---- a corrupt heap ---- */

/* Before 10.0 the next vCPU after a removal kills it, and the next DIMM that comes or goes. */
static void test_heap(void **state)
{
    static const unsigned majors[] = {5, 7, 9};
    unsigned changes;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(majors); i++) {
        rig_open_recorded(&rig, new_sim(false, majors[i]), true);
        assert_operation(&add_dimm, false, VERDICT_ONLINE, "");
        assert_operation(&add_cpu, false, VERDICT_ONLINE, "");
        assert_operation(&remove_cpu, false, VERDICT_REMOVED, "");
        assert_non_null(strstr(json_string_value(json_object_get(rig.result->details, "note")),
                               "will not survive"));
        changes = sim_changes(rig.sim);
        assert_operation(&add_cpu, false, VERDICT_BLOCKED, "corrupts");
        assert_operation(&add_dimm, false, VERDICT_BLOCKED, "corrupts");
        assert_operation(&remove_dimm, false, VERDICT_BLOCKED, "corrupts");
        assert_int_equal(sim_changes(rig.sim), changes);
        rig_reopen(&rig); /* another vmplug knows it, too */
        assert_operation(&add_cpu, false, VERDICT_BLOCKED, "corrupts");
        assert_operation(&add_dimm, true, VERDICT_ONLINE, "");
        assert_operation(&add_cpu, true, VERDICT_ONLINE, "");
        assert_operation(&remove_dimm, true, VERDICT_REMOVED, "");
        assert_operation(&add_dimm, false, VERDICT_BLOCKED, "corrupts"); /* the heap is no better */
        rig_close(&rig);
    }
}

/* A virtio-blk is a PCI device, and the guest maps its registers. */
static void test_virtio_disk(void **state)
{
    const struct operation_request removal = {
        .type = OPERATION_DISK_REMOVE, .id = "vmplug-disk-0", .timeout_ms = 5000};
    const struct operation_request request = {
        .type = OPERATION_DISK_ADD, .timeout_ms = 5000,
        .disk = {.file = fake_file("d", "", 0), .bus = "virtio"}};
    struct sim *sim = new_sim(false, 7);

    (void)state;
    (void)sim_put_port(sim, "pcie-root-port", "/machine/peripheral/port1", "port1");
    (void)sim_put_port(sim, "pcie-root-port", "/machine/peripheral/port2", "port2");
    rig_open_recorded(&rig, sim, true);
    assert_operation(&request, false, VERDICT_ONLINE, "");
    assert_operation(&remove_cpu, false, VERDICT_REMOVED, "");
    assert_operation(&request, false, VERDICT_BLOCKED, "corrupts");
    assert_operation(&removal, false, VERDICT_BLOCKED, "corrupts");
    assert_operation(&removal, true, VERDICT_REMOVED, "");
    assert_operation(&request, true, VERDICT_ONLINE, "");
    rig_close(&rig);
}

/* Another disk does it no harm. */
static void test_disk(void **state)
{
    const struct operation_request request = {
        .type = OPERATION_DISK_ADD, .timeout_ms = 5000, .disk = {.file = fake_file("d", "", 0)}};

    (void)state;
    rig_open_recorded(&rig, new_sim(false, 7), true);
    assert_operation(&remove_cpu, false, VERDICT_REMOVED, "");
    assert_operation(&request, false, VERDICT_ONLINE, "");
    rig_close(&rig);
}

/* ---- contexts ---- */

/* pseries dies of a removal with 10.0, and of what follows with 7.2. */
static void test_heap_of_another_board(void **state)
{
    struct sim *sim = new_sim(false, 10);

    (void)state;
    sim->board = &sim_pseries;
    sim->has_ost = false;
    sim->guest.onlines = true;
    (void)json_object_set_new(sim->guest.files, "/sys/firmware/fdt", json_null());
    rig_open_recorded(&rig, sim, true);
    assert_operation(&remove_cpu, false, VERDICT_BLOCKED, "corrupts");
    assert_int_equal(sim_changes(sim), 0);
    assert_operation(&remove_cpu, true, VERDICT_REMOVED, "");
    assert_non_null(json_object_get(rig.result->details, "note"));
    assert_operation(&add_cpu, false, VERDICT_BLOCKED, "corrupts");
    rig_close(&rig);
}

/* From 10.0 on there are as many contexts as maxcpus, and none is used twice. */
static void test_contexts(void **state)
{
    (void)state;
    rig_open_recorded(&rig, new_sim(false, 10), true); /* 2 of 4 */
    assert_operation(&remove_cpu, false, VERDICT_REMOVED, "");
    assert_null(json_object_get(rig.result->details, "note"));
    assert_operation(&add_cpu, false, VERDICT_ONLINE, ""); /* the third */
    assert_operation(&add_cpu, false, VERDICT_ONLINE, ""); /* the fourth */
    assert_operation(&add_cpu, false, VERDICT_BLOCKED, "maxcpus=4");
    assert_non_null(strstr(rig.result->error.why, "3 are in use, 1 spent"));
    assert_operation(&add_dimm, false, VERDICT_ONLINE, ""); /* takes none */
    assert_operation(&add_cpu, true, VERDICT_ONLINE, "");
    rig_close(&rig);
}

/* ---- what is known without the record ---- */

/* Somebody else took a vCPU: its slot's last word tells, as long as the slot is empty. */
static void test_emptied_by_others(void **state)
{
    static const struct {
        struct sim_ost ost;
        bool present, blocked;
    } cases[] = {
        {{3, 0}, false, true},
        {{0x103, 0}, false, true},
        {{3, 0}, true, false},     /* it has been filled again, by whom nobody knows */
        {{3, 0x82}, false, false}, /* it never went */
        {{3, 0x84}, false, false},
        {{1, 0}, false, false},
        {{0, 0}, false, false},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct sim *sim = new_sim(false, 7);

        sim->cpus[2].ost = cases[i].ost;
        if (cases[i].present)
            sim_put_cpu(sim, "c");
        rig_open(&rig, sim, true); /* without a record at all */
        assert_operation(&add_cpu, false, cases[i].blocked ? VERDICT_BLOCKED : VERDICT_ONLINE,
                         cases[i].blocked ? "corrupts" : "");
        assert_operation(&add_dimm, false, cases[i].blocked ? VERDICT_BLOCKED : VERDICT_ONLINE,
                         "");
        rig_close(&rig);
    }
}

/* The same removal is on record and in the ledger, and counts once. */
static void test_the_larger_figure(void **state)
{
    (void)state;
    rig_open_recorded(&rig, new_sim(false, 10), true);
    assert_operation(&remove_cpu, false, VERDICT_REMOVED, "");
    /* 1 present + 1 spent < 4; were it counted twice, the second would be too many. */
    assert_operation(&add_cpu, false, VERDICT_ONLINE, "");
    assert_operation(&add_cpu, false, VERDICT_ONLINE, "");
    rig_close(&rig);
}

/* A removal that was interrupted when QEMU was done, and is taken up, counts once, too. */
static void test_taken_up_counts_once(void **state)
{
    struct operation_request request = remove_cpu;

    (void)state;
    rig_open_recorded(&rig, new_sim(false, 10), true);
    request.wait_set = true;
    request.wait = RUNG_REALIZED;
    assert_operation(&request, false, VERDICT_REALIZED, "");
    request.wait_set = false;
    request.resume = true;
    assert_operation(&request, false, VERDICT_REMOVED, "");
    assert_int_equal(record_vcpus_removed(vm_record(rig.vm)), 1);
    rig_close(&rig);
}

/* ---- one thread for all ---- */

static void test_single_threaded(void **state)
{
    static const unsigned majors[] = {7, 10};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(majors); i++) {
        struct sim *sim = new_sim(false, majors[i]);

        sim->single_threaded = true;
        rig_open_recorded(&rig, sim, true);
        assert_operation(&remove_cpu, false, VERDICT_BLOCKED, "thread=single");
        assert_int_equal(sim_changes(sim), 0);
        assert_operation(&add_cpu, false, VERDICT_ONLINE, ""); /* adding is no harm */
        assert_operation(&remove_cpu, true, VERDICT_REMOVED, "");
        rig_close(&rig);
    }
}

/* ---- KVM ---- */

static void test_kvm(void **state)
{
    static const unsigned majors[] = {7, 10};
    unsigned round;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(majors); i++) {
        struct sim *sim = new_sim(true, majors[i]);

        sim->single_threaded = true; /* whatever it says */
        rig_open_recorded(&rig, sim, true);
        for (round = 0; round < 4; round++) {
            const struct operation_request removal = {
                .type = OPERATION_CPU_REMOVE, .id = "2", .timeout_ms = 5000};

            assert_operation(&add_cpu, false, VERDICT_ONLINE, "");
            assert_operation(&removal, false, VERDICT_REMOVED, "");
            assert_null(json_object_get(rig.result->details, "note"));
        }
        assert_operation(&add_dimm, false, VERDICT_ONLINE, "");
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heap),
        cmocka_unit_test(test_heap_of_another_board),
        cmocka_unit_test(test_virtio_disk),
        cmocka_unit_test(test_disk),
        cmocka_unit_test(test_contexts),
        cmocka_unit_test(test_emptied_by_others),
        cmocka_unit_test(test_the_larger_figure),
        cmocka_unit_test(test_taken_up_counts_once),
        cmocka_unit_test(test_single_threaded),
        cmocka_unit_test(test_kvm),
    };

    return cmocka_run_group_tests_name("hazards", tests, NULL, NULL);
}
