/* SPDX-License-Identifier: MIT */
/* What was asked for before is taken up again; and what would be asked for is only described. */
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

static struct rig rig;

static const enum operation_type additions[KINDS] = {OPERATION_CPU_ADD, OPERATION_DIMM_ADD,
                                                     OPERATION_DISK_ADD};
static const char *const added[KINDS] = {"vmplug-cpu-2", "vmplug-mem-0", "vmplug-disk-0"};
static const enum operation_type removals[KINDS] = {OPERATION_CPU_REMOVE, OPERATION_DIMM_REMOVE,
                                                    OPERATION_DISK_REMOVE};
static const char *const removed[KINDS] = {"c", "m", "d"};

static struct operation_request addition(unsigned kind)
{
    return (struct operation_request){.type = additions[kind],
                                      .timeout_ms = 5000,
                                      .dimm = {.bytes = 256 * SIM_MIB},
                                      .disk = {.file = fake_file("disk.raw", "", 0)}};
}

static struct operation_request removal(unsigned kind)
{
    return (struct operation_request){
        .type = removals[kind], .id = removed[kind], .timeout_ms = 5000};
}

static struct sim *sim_with_devices(void)
{
    struct sim *sim = sim_new();

    sim->kvm = true;
    sim_put_cpu(sim, "c");
    sim_put_dimm(sim, "m", SIM_DIMM_BASE, 256 * SIM_MIB);
    sim_put_disk(sim, "d", "SERIAL", 0);
    return sim;
}

static bool is_recorded(const char *id)
{
    AUTO_JSON json_t *entry = rig_recorded(&rig, id);

    return entry != NULL;
}

static const struct operation_result *take_up(enum operation_type type, const char *id)
{
    const struct operation_request request = {
        .type = type, .id = id, .resume = true, .timeout_ms = 5000};

    rig_reopen(&rig);
    return rig_operate(&rig, &request);
}

/* ---- additions ---- */

/* The guest was too slow; later it has it, and it is put online now. */
static void test_addition_is_put_online(void **state)
{
    unsigned kind;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        struct operation_request request = addition(kind);
        struct sim *sim = sim_new();
        unsigned changes;

        sim->guest.ignores = true;
        sim->guest.ost_count = 0;
        request.timeout_ms = 2 * rig_soon_ms();
        rig_open_recorded(&rig, sim, true);
        (void)rig_operate(&rig, &request);
        rig_assert_verdict(rig.result, VERDICT_PENDING);
        assert_true(is_recorded(added[kind]));
        changes = sim_changes(sim);

        sim->guest.ignores = false;
        if (kind < 2) /* disks show by themselves */
            sim_guest_shows(sim, kind == 0, kind == 0 ? 2 : 0);
        (void)take_up(additions[kind], added[kind]);
        rig_assert_verdict(rig.result, VERDICT_ONLINE);
        assert_string_equal(rig.result->id, added[kind]);
        assert_false(is_recorded(added[kind]));
        assert_int_equal(sim_changes(sim), changes + (kind < 2 ? 1 : 0)); /* guest-set-… */
        assert_true(kind != 0 || sim->guest.vcpus[2].online);
        rig_close(&rig);
    }
}

/* A vCPU that somebody has put offline in the guest stays so, however many were asked for and in
 * whatever order they are waited for; but where nothing is on record, all are put online. */
static void test_only_its_own_vcpu(void **state)
{
    struct operation_request request = addition(0);
    struct sim *sim = sim_new();

    (void)state;
    sim->guest.vcpus[1].online = false;
    sim->guest.ignores = true;
    sim->guest.ost_count = 0;
    request.timeout_ms = 2 * rig_soon_ms();
    rig_open_recorded(&rig, sim, true);
    (void)rig_operate(&rig, &request);
    rig_assert_verdict(rig.result, VERDICT_PENDING);
    (void)rig_operate(&rig, &request);
    rig_assert_verdict(rig.result, VERDICT_PENDING);
    assert_string_equal(rig.result->id, "vmplug-cpu-3");
    sim->guest.ignores = false;
    sim_guest_shows(sim, true, 3);
    request.resume = true;
    request.id = "vmplug-cpu-2";
    rig_reopen(&rig);
    (void)rig_operate(&rig, &request);
    rig_assert_verdict(rig.result, VERDICT_PENDING); /* what has come may be the other one */
    sim_guest_shows(sim, true, 2);
    (void)take_up(OPERATION_CPU_ADD, "vmplug-cpu-2");
    rig_assert_verdict(rig.result, VERDICT_ONLINE);
    (void)take_up(OPERATION_CPU_ADD, "vmplug-cpu-3");
    rig_assert_verdict(rig.result, VERDICT_ONLINE);
    assert_true(sim->guest.vcpus[2].online && sim->guest.vcpus[3].online);
    assert_false(sim->guest.vcpus[1].online);
    (void)take_up(OPERATION_CPU_ADD, "vmplug-cpu-2");
    rig_assert_verdict(rig.result, VERDICT_ONLINE);
    assert_true(sim->guest.vcpus[1].online);
    rig_close(&rig);
}

/* Still not: it stays on record. */
static void test_addition_stays_pending(void **state)
{
    unsigned kind;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        struct operation_request request = addition(kind);
        struct sim *sim = sim_new();

        sim->guest.ignores = true;
        sim->guest.ost_count = 0;
        request.timeout_ms = 2 * rig_soon_ms();
        rig_open_recorded(&rig, sim, true);
        (void)rig_operate(&rig, &request);
        request.resume = true;
        request.id = added[kind];
        rig_reopen(&rig);
        (void)rig_operate(&rig, &request);
        rig_assert_verdict(rig.result, VERDICT_PENDING);
        assert_string_equal(rig.result->awaiting, "online");
        assert_true(is_recorded(added[kind]));
        rig_close(&rig);
    }
}

static void test_addition_that_is_not_there(void **state)
{
    unsigned kind;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        rig_open_recorded(&rig, sim_with_devices(), true);
        (void)take_up(additions[kind], "nobody");
        rig_assert_verdict(rig.result, VERDICT_BLOCKED);
        assert_int_equal(sim_changes(rig.sim), 0);
        rig_close(&rig);
    }
}

/* What is online already is: nothing is asked for. */
static void test_addition_that_is_online(void **state)
{
    unsigned kind;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        rig_open_recorded(&rig, sim_with_devices(), true);
        (void)take_up(additions[kind], removed[kind]);
        rig_assert_verdict(rig.result, VERDICT_ONLINE);
        assert_int_equal(sim_changes(rig.sim), 0);
        rig_close(&rig);
    }
}

/* What stands is not removed because it is looked at again. */
static void test_addition_refused_later(void **state)
{
    struct sim *sim = sim_with_devices();

    (void)state;
    sim->guest.blocks[2].online = false;
    sim->guest.block_response = "operation-failed";
    rig_open_recorded(&rig, sim, true);
    (void)take_up(OPERATION_DIMM_ADD, "m");
    rig_assert_verdict(rig.result, VERDICT_REFUSED);
    assert_string_equal(rig_left(&rig), "m");
    assert_int_equal(sim_count(sim, SIM_QMP, "device_del"), 0);
    rig_close(&rig);
}

/* ---- removals ---- */

static void make_pending(unsigned kind, struct sim *sim)
{
    struct operation_request request = removal(kind);

    sim->guest.ignores_eject = true;
    if (kind == 2) /* SCSI asks nobody: it is QEMU that is slow */
        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "device_del",
                                      .action = FAULT_ANSWER, .text = "{}"});
    request.timeout_ms = rig_soon_ms();
    rig_open_recorded(&rig, sim, true);
    (void)rig_operate(&rig, &request);
    rig_assert_verdict(rig.result, VERDICT_PENDING);
    assert_true(is_recorded(removed[kind]));
}

static void unplug(struct sim *sim, unsigned kind)
{
    if (kind < 2)
        sim_unplug(sim, kind == 0, kind == 0 ? 2 : 0);
    else
        sim->disks[0].id[0] = '\0';
}

static bool is_clean(const struct sim *sim, unsigned kind)
{
    return kind == 0   ? !sim->cpus[2].present
           : kind == 1 ? json_object_size(sim->objects) == 0
                       : sim->disk_count == 0;
}

/* It went while nobody looked: what was to go after it goes now. `remove` does the same. */
static void test_removed_meanwhile(void **state)
{
    unsigned kind, resume;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        for (resume = 0; resume < 2; resume++) {
            struct operation_request request = removal(kind);
            struct sim *sim = sim_with_devices();

            make_pending(kind, sim);
            unplug(sim, kind);
            request.resume = resume == 1;
            rig_reopen(&rig);
            (void)rig_operate(&rig, &request);
            rig_assert_verdict(rig.result, VERDICT_REMOVED);
            assert_int_equal(sim_count(sim, SIM_QMP, "device_del"), 1); /* that of before */
            assert_true(is_clean(sim, kind));
            assert_false(is_recorded(removed[kind]));
            rig_close(&rig);
        }
    }
}

/* It went while nobody looked, and another DIMM has its place: that one's memory is not its. */
static void test_address_is_taken(void **state)
{
    struct sim *sim = sim_with_devices();

    (void)state;
    make_pending(1, sim);
    unplug(sim, 1);
    rig_reopen(&rig);
    sim_put_dimm(sim, "other", SIM_DIMM_BASE, 256 * SIM_MIB);
    (void)take_up(removals[1], removed[1]);
    rig_assert_verdict(rig.result, VERDICT_REMOVED);
    assert_false(is_recorded(removed[1]));
    rig_close(&rig);
}

/* It went while nobody looked, and another one has its id: that one is left alone. */
static void test_id_is_taken_again(void **state)
{
    unsigned kind;

    (void)state;
    for (kind = 0; kind < 2; kind++) {
        struct sim *sim = sim_with_devices();
        AUTO_JSON json_t *record = NULL, *pending = NULL;
        struct inventory *inventory;

        make_pending(kind, sim);
        unplug(sim, kind);
        rig_reopen(&rig);
        if (kind == 0) {
            sim->cpus[3] = (struct sim_cpu){.present = true, .id = "c"};
            sim_guest_shows(sim, true, 3);
        } else {
            sim_put_dimm(sim, "m", SIM_DIMM_BASE + 512 * SIM_MIB, 256 * SIM_MIB);
        }
        inventory = rig_inventory(&rig, INVENTORY_CPUS | INVENTORY_MEMORY | INVENTORY_NAMES, 1000,
                                  NULL);
        record = record_list(vm_record(rig.vm));
        assert_int_equal(json_array_size(record), 1);
        assert_false(inventory_is_present(inventory, json_array_get(record, 0)));
        inventory_free(inventory);
        (void)take_up(removals[kind], removed[kind]);
        rig_assert_verdict(rig.result, VERDICT_REMOVED);
        assert_int_equal(sim_count(sim, SIM_QMP, "device_del"), 1); /* that of before */
        assert_true(kind == 0 ? sim->cpus[3].present : sim->dimm_count == 1);
        assert_true(kind == 0 || json_object_size(sim->objects) == 1);
        assert_false(is_recorded(removed[kind]));
        rig_close(&rig);
    }
}

/* The same of an addition: nothing is said of the other one as if it were the one asked for. */
static void test_addition_whose_id_is_taken(void **state)
{
    unsigned kind;

    (void)state;
    for (kind = 0; kind < 2; kind++) {
        struct operation_request request = addition(kind);
        struct sim *sim = sim_new();

        sim->kvm = true;
        sim->guest.ignores = true;
        request.timeout_ms = 2 * rig_soon_ms();
        rig_open_recorded(&rig, sim, true);
        (void)rig_operate(&rig, &request);
        rig_assert_verdict(rig.result, VERDICT_PENDING);
        if (kind == 0) {
            sim->cpus[3] = sim->cpus[2];
            sim->cpus[2] = (struct sim_cpu){.present = false};
        } else {
            sim->dimms[0].addr += 512 * SIM_MIB;
        }
        (void)take_up(additions[kind], added[kind]);
        rig_assert_verdict(rig.result, VERDICT_BLOCKED);
        assert_non_null(strstr(rig.result->error.why, "another one has its id"));
        rig_close(&rig);
    }
}

/* It refused while nobody looked: QEMU's table has its last word. */
static void test_refused_meanwhile(void **state)
{
    unsigned kind;

    (void)state;
    for (kind = 0; kind < 2; kind++) {
        struct sim *sim = sim_with_devices();

        make_pending(kind, sim);
        sim->cpus[2].ost = sim->dimm_ost[0] = (struct sim_ost){3, 0x82};
        (void)take_up(removals[kind], removed[kind]);
        rig_assert_verdict(rig.result, VERDICT_REFUSED);
        assert_int_equal(rig.result->ost_status, 0x82);
        assert_false(is_recorded(removed[kind]));
        rig_close(&rig);
    }
}

/* It goes while it is looked at, and nothing is asked for again before. */
static void test_removed_at_last(void **state)
{
    static const char *const asked[KINDS] = {"query-hotpluggable-cpus", "query-memory-devices",
                                             "query-block"};
    unsigned kind;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        struct operation_request request = removal(kind);
        struct sim *sim = sim_with_devices();

        make_pending(kind, sim);
        request.resume = true;
        rig_reopen(&rig);
        rig_start(&rig, &request);
        fault_clear(&sim->faults);
        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = asked[kind], .skip = 3,
                                      .action = FAULT_ANSWER, .text = kind == 0 ?
                                      "[{'type':'t','vcpus-count':1,'props':{}},"
                                          "{'type':'t','vcpus-count':1,'props':{}},"
                                          "{'type':'t','vcpus-count':1,'props':{}},"
                                          "{'type':'t','vcpus-count':1,'props':{},"
                                          "'qom-path':'/x'}]" : "[]"});
        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "object-del",
                                      .action = FAULT_ANSWER, .text = "{}"});
        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "blockdev-del",
                                      .action = FAULT_ANSWER, .text = "{}"});
        sim->guest.vcpu_count = sim->guest.block_count = 2;
        sim->guest.ignores = true;
        (void)rig_await(&rig);
        rig_assert_verdict(rig.result, VERDICT_REMOVED);
        assert_int_equal(sim_count(sim, SIM_QMP, "device_del"), 1);
        rig_close(&rig);
    }
}

/* Of what was never asked for nobody knows. An addition's record is no removal's. */
static void test_no_record(void **state)
{
    unsigned kind;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        rig_open_recorded(&rig, sim_with_devices(), true);
        (void)take_up(removals[kind], removed[kind]);
        rig_assert_verdict(rig.result, VERDICT_BLOCKED);
        assert_true(record_put(vm_record(rig.vm),
                               fake_jsonf("{'operation':'x-add','id':'%s'}", removed[kind])));
        (void)take_up(removals[kind], removed[kind]);
        rig_assert_verdict(rig.result, VERDICT_BLOCKED);
        assert_int_equal(sim_changes(rig.sim), 0);
        assert_true(is_recorded(removed[kind]));
        rig_close(&rig);
    }
}

/* While it is pending, its id is not given away. */
static void test_id_is_taken(void **state)
{
    unsigned kind;

    (void)state;
    for (kind = 0; kind < 2; kind++) {
        struct operation_request request = addition(kind);
        struct sim *sim = sim_with_devices();

        make_pending(kind, sim);
        request.id = removed[kind];
        (void)rig_operate(&rig, &request);
        rig_assert_verdict(rig.result, VERDICT_BLOCKED);
        request.id = NULL;
        (void)rig_operate(&rig, &request);
        rig_assert_verdict(rig.result, VERDICT_ONLINE);
        /* The guest's ACPI looks at all slots of the kind. */
        assert_non_null(strstr(json_string_value(json_object_get(rig.result->details, "note")),
                               removed[kind]));
        rig_close(&rig);
    }
}

/* ---- dry runs ---- */

static void assert_described(const char *first, const char *last)
{
    const json_t *lines = json_object_get(rig.result->details, "would_send");
    const json_t *expected = json_object_get(rig.result->details, "expected");
    size_t count = json_array_size(expected);

    rig_assert_verdict(rig.result, VERDICT_DONE);
    assert_int_equal(sim_changes(rig.sim), 0);
    assert_int_equal(rig.result->stage_count, 0);
    assert_true(json_is_true(json_object_get(rig.result->details, "dry_run")));
    assert_string_equal(json_string_value(json_object_get(json_array_get(lines, 0), "execute")),
                        first);
    assert_true(count > 1);
    assert_string_equal(json_string_value(json_array_get(expected, count - 1)), last);
    assert_null(rig_recorded(&rig, rig.result->id));
}

/* Whatever is sent to QEMU afterwards was foretold, in this order. */
static void assert_foretold(const json_t *lines)
{
    const json_t *line, *message;
    size_t i = 0, j;

    json_array_foreach(lines, j, line) {
        if (strcmp(json_string_value(json_object_get(line, "to")), "qmp") != 0)
            continue;
        do {
            message = json_array_get(rig.sim->record[SIM_QMP], i++);
            assert_non_null(message);
        } while (!json_equal(json_object_get(message, "execute"),
                             json_object_get(line, "execute")) ||
                 !json_equal(json_object_get(message, "arguments"),
                             json_object_get(line, "arguments")));
    }
}

static void test_dry_run(void **state)
{
    static const char *const firsts[2][KINDS] = {{"device_add", "object-add", "blockdev-add"},
                                                 {"device_del", "device_del", "device_del"}};
    unsigned kind, down;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        for (down = 0; down < 2; down++) {
            struct operation_request request = down ? removal(kind) : addition(kind);
            AUTO_JSON json_t *lines = NULL;

            request.dry_run = true;
            rig_open_recorded(&rig, down ? sim_with_devices() : sim_new(), true);
            (void)rig_operate(&rig, &request);
            assert_described(firsts[down][kind], down ? "removed" : "online");
            lines = json_incref(json_object_get(rig.result->details, "would_send"));
            request.dry_run = false;
            (void)rig_operate(&rig, &request);
            rig_assert_verdict(rig.result, down ? VERDICT_REMOVED : VERDICT_ONLINE);
            assert_foretold(lines);
            rig_close(&rig);
        }
    }
}

/* It is told beforehand what would be blocked. */
static void test_dry_run_blocked(void **state)
{
    struct operation_request request = removal(0);

    (void)state;
    request.dry_run = true;
    request.id = "0";
    rig_open_recorded(&rig, sim_with_devices(), true);
    (void)rig_operate(&rig, &request);
    rig_assert_verdict(rig.result, VERDICT_BLOCKED);
    rig_close(&rig);
}

/* A dry run does not do away with what is on record. */
static void test_dry_run_leaves_the_record(void **state)
{
    struct operation_request request = removal(0);

    (void)state;
    make_pending(0, sim_with_devices());
    request.dry_run = true;
    (void)rig_operate(&rig, &request);
    rig_assert_verdict(rig.result, VERDICT_DONE);
    assert_true(is_recorded("c"));
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addition_is_put_online),
        cmocka_unit_test(test_only_its_own_vcpu),
        cmocka_unit_test(test_addition_stays_pending),
        cmocka_unit_test(test_addition_that_is_not_there),
        cmocka_unit_test(test_addition_that_is_online),
        cmocka_unit_test(test_addition_refused_later),
        cmocka_unit_test(test_removed_meanwhile),
        cmocka_unit_test(test_address_is_taken),
        cmocka_unit_test(test_id_is_taken_again),
        cmocka_unit_test(test_addition_whose_id_is_taken),
        cmocka_unit_test(test_refused_meanwhile),
        cmocka_unit_test(test_removed_at_last),
        cmocka_unit_test(test_no_record),
        cmocka_unit_test(test_id_is_taken),
        cmocka_unit_test(test_dry_run),
        cmocka_unit_test(test_dry_run_blocked),
        cmocka_unit_test(test_dry_run_leaves_the_record),
    };

    return cmocka_run_group_tests_name("operation, taken up and foretold", tests, NULL, NULL);
}
