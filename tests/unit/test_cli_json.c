/* SPDX-License-Identifier: MIT */
/* The objects that scripts rely on, as text: names, order, and null for what is not known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "vmm/result_json.h"
#include "vmm/status_json.h"
#include "tests/fake/fake.h"
#include "qmp/codec.h"

/* The value is taken over. */
static void assert_json(json_t *value, const char *expected)
{
    AUTO_JSON json_t *owned = value;
    AUTO_FREE char *text = codec_dump(owned, 0);

    assert_non_null(text);
    assert_string_equal(text, expected);
}

/* ---- results ---- */

static void test_online(void **state)
{
    AUTO_JSON json_t *details = json_pack("{s:[i], s:i}", "logical_ids", 1, "slot", 1);
    const struct operation_result result = {
        .operation = "cpu-add",
        .type = OPERATION_CPU_ADD,
        .top = VERDICT_ONLINE,
        .id = "vmplug-cpu-1",
        .verdict = VERDICT_ONLINE,
        .stages = {{.rung = RUNG_ACCEPTED, .ms = 1.9},
                   {.rung = RUNG_REALIZED, .ms = 2.404},
                   {.rung = RUNG_ACKNOWLEDGED, .ms = 58.0, .has_ost = true, .ost_source = 1},
                   {.rung = RUNG_ONLINE, .ms = 633.123}},
        .stage_count = 4,
        .details = details,
        .elapsed_ms = 633.1,
    };

    (void)state;
    assert_json(result_json_operation(&result),
                "{\"operation\":\"cpu-add\",\"id\":\"vmplug-cpu-1\",\"verdict\":\"online\","
                "\"stages\":[{\"stage\":\"accepted\",\"ms\":1.9},"
                "{\"stage\":\"realized\",\"ms\":2.4},"
                "{\"stage\":\"acknowledged\",\"ms\":58.0,"
                "\"ost\":{\"source\":1,\"status\":0,\"meaning\":\"success\"}},"
                "{\"stage\":\"online\",\"ms\":633.1,\"logical_ids\":[1]}],"
                "\"missing\":[],\"slot\":1,\"elapsed_ms\":633.1}");
}

static void test_pending(void **state)
{
    const struct operation_result result = {
        .operation = "memory-add",
        .type = OPERATION_DIMM_ADD,
        .top = VERDICT_ONLINE,
        .id = "m",
        .verdict = VERDICT_PENDING,
        .missing = "agent",
        .awaiting = "acknowledged",
        .left = {"m"},
        .left_count = 1,
        .error = {.code = ERROR_TIMEOUT, .why = "late", .fix = "wait"},
        .elapsed_ms = 60000.04,
    };

    (void)state;
    assert_json(result_json_operation(&result),
                "{\"operation\":\"memory-add\",\"id\":\"m\",\"verdict\":\"pending\",\"stages\":[],"
                "\"missing\":[\"agent\"],\"awaiting\":\"acknowledged\",\"left\":[\"m\"],"
                "\"error\":{\"class\":\"timeout\",\"desc\":\"late\",\"fix\":\"wait\"},"
                "\"elapsed_ms\":60000.0}");
}

static void test_refused_by_ost(void **state)
{
    AUTO_JSON json_t *details = json_pack("{s:s, s:i}", "verdict", "forged", "slot", 0);
    const struct operation_result result = {
        .operation = "memory-add",
        .type = OPERATION_DIMM_ADD,
        .top = VERDICT_ONLINE,
        .verdict = VERDICT_REFUSED,
        .has_ost = true,
        .ost_source = 0x200,
        .ost_status = 0x82,
        .details = details,
        .error = {.code = ERROR_REJECTED, .class_name = "GenericError", .why = "no \xff"},
    };
    AUTO_JSON json_t *object = result_json_operation(&result);

    (void)state;
    /* A detail can't take a member's place. */
    assert_string_equal(json_string_value(json_object_get(object, "verdict")), "refused");
    assert_true(json_is_null(json_object_get(object, "id")));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(object, "ost"), "status")),
                     0x82);
    assert_json(json_incref(json_object_get(object, "error")),
                "{\"class\":\"GenericError\",\"desc\":\"no ?\","
                "\"fix\":\"add --trace FILE to see what it was asked\"}");
}

static void test_summary(void **state)
{
    struct batch_result result = {
        .summary = true, .verdict = VERDICT_ONLINE, .asked = 3, .done = 3, .elapsed_ms = 0.07};

    (void)state;
    assert_json(result_json_summary(&result),
                "{\"summary\":true,\"verdict\":\"online\",\"asked\":3,\"done\":3,"
                "\"elapsed_ms\":0.07}");
    result.verdict = VERDICT_UNCONFIRMED;
    result.missing = "agent";
    assert_json(result_json_summary(&result),
                "{\"summary\":true,\"verdict\":\"unconfirmed\",\"asked\":3,\"done\":3,"
                "\"missing\":[\"agent\"],\"elapsed_ms\":0.07}");
    result.missing = NULL;
    result.verdict = VERDICT_BLOCKED;
    result.error = (struct error){.code = ERROR_BLOCKED, .why = "no", .fix = "so"};
    assert_json(result_json_summary(&result),
                "{\"summary\":true,\"verdict\":\"blocked\",\"asked\":3,\"done\":3,"
                "\"error\":{\"class\":\"blocked\",\"desc\":\"no\",\"fix\":\"so\"},"
                "\"elapsed_ms\":0.07}");
}

static void test_failure(void **state)
{
    const struct error error = {.code = ERROR_BUSY, .why = "monitor is busy", .fix = "wait"};

    (void)state;
    assert_json(result_json_failure("status", NULL, VERDICT_ERROR, &error),
                "{\"operation\":\"status\",\"verdict\":\"error\","
                "\"error\":{\"class\":\"busy\",\"desc\":\"monitor is busy\",\"fix\":\"wait\"}}");
    assert_json(result_json_failure("wait", "d\"0", VERDICT_BLOCKED, &error),
                "{\"operation\":\"wait\",\"id\":\"d\\\"0\",\"verdict\":\"blocked\","
                "\"error\":{\"class\":\"busy\",\"desc\":\"monitor is busy\",\"fix\":\"wait\"}}");
}

/* Rounding must not turn the order of two moments around. */
static void test_times_stay_in_order(void **state)
{
    double ms, last = 0;

    (void)state;
    for (ms = 0; ms < 300; ms += 0.0137) {
        AUTO_JSON json_t *value = result_json_ms(ms);

        assert_true(json_real_value(value) >= last);
        last = json_real_value(value);
    }
}

/* ---- status ---- */

static void test_unknown_is_null(void **state)
{
    const struct inventory inventory = {.guest = {.reason = "no agent socket was given"}};

    (void)state;
    assert_json(
        status_json(&inventory),
        "{\"vm\":{\"name\":null,\"uuid\":null,\"state\":null,\"machine\":null,\"arch\":null,"
        "\"accel\":null,\"qemu\":null},\"board\":null,"
        "\"cpus\":{\"present\":0,\"max\":0,\"online\":null,\"hotpluggable\":false,\"slots\":[],"
        "\"reason\":null},"
        "\"memory\":{\"base_bytes\":null,\"plugged_bytes\":null,\"total_bytes\":null,"
        "\"max_bytes\":null,\"slots_total\":null,\"slots_used\":0,\"block_bytes\":null,"
        "\"online_bytes\":null,\"devices\":[]},"
        "\"disks\":null,\"scsi_buses\":[],\"cdroms\":null,"
        "\"agent\":{\"connected\":false,\"version\":null,\"reason\":\"no agent socket was given\"},"
        "\"pending\":[]}");
}

static void test_machine(void **state)
{
    const struct inventory inventory = {
        .machine = {.uuid = "00000000-0000-0000-0000-000000000000", .state = "running"},
        .guest = {.connected = true, .version = "7.2.22"},
    };
    AUTO_JSON json_t *object = status_json(&inventory);

    (void)state;
    assert_true(json_is_null(json_object_get(json_object_get(object, "vm"), "uuid")));
    assert_json(json_incref(json_object_get(object, "agent")),
                "{\"connected\":true,\"version\":\"7.2.22\"}");
}

static void test_board(void **state)
{
    static struct fdt_board tree = {.distances_known = true,
                                    .distances = {{10, 20}, {20, 10}}};
    struct inventory inventory = {.parts = INVENTORY_BOARD, .board = {.tree = &tree}};
    AUTO_JSON json_t *object = NULL;
    AUTO_JSON json_t *expected = NULL;

    (void)state;
    platform_describe(&(const struct platform_facts){.arch = "aarch64", .machine = "virt-7.2",
                                                     .relays_ost = true,
                                                     .cpus_reason = "not enabled"},
                      &inventory.board.platform);
    object = status_json(&inventory);
    expected = fake_json(
        "{'cpu':{'grow':'no','shrink':'no','signal':'unknown','by_itself':false,'unit_bytes':null,"
        "'reason':'this QEMU has no vCPU hotplug on board virt-7.2: not enabled',"
        "'fix':'use a machine type that has, such as q35 or pseries'},"
        "'dimm':{'grow':'yes','shrink':'yes','signal':'acpi','by_itself':false,"
        "'unit_bytes':134217728,'reason':null,'fix':null},"
        "'virtio-mem':{'grow':'yes','shrink':'yes','signal':'virtio','by_itself':false,"
        "'unit_bytes':134217728,'reason':null,'fix':null},"
        "'disk':{'grow':'yes','shrink':'yes','signal':'virtio','by_itself':true,"
        "'unit_bytes':null,'reason':null,'fix':null},"
        "'numa_distances':[[10,20],[20,10]]}");
    assert_true(json_equal(json_object_get(object, "board"), expected));
}

static void test_cpus(void **state)
{
    AUTO_JSON json_t *props = json_pack("{s:i}", "core-id", 1);
    struct inventory_cpu slots[] = {
        {.slot = 0, .present = true, .vcpus_count = 1, .thread_id = 42, .props = props},
        {.slot = 1, .present = true, .removable = true, .id = "vmplug-cpu-1", .vcpus_count = 1},
        {.slot = 2, .vcpus_count = 1},
    };
    struct qga_vcpu online[] = {{.logical_id = 0, .online = true}, {.logical_id = 1}};
    const struct inventory inventory = {
        .cpus = {.hotpluggable = true, .slots = slots, .slot_count = 3, .present = 2, .max = 3},
        .guest = {.cpus_known = true, .cpus = online, .cpu_count = 2},
    };

    (void)state;
    assert_json(status_json_cpus(&inventory),
                "{\"present\":2,\"max\":3,\"online\":1,\"hotpluggable\":true,\"slots\":["
                "{\"slot\":0,\"id\":null,\"present\":true,\"removable\":false,\"vcpus\":1,"
                "\"thread_id\":42,\"props\":{\"core-id\":1}},"
                "{\"slot\":1,\"id\":\"vmplug-cpu-1\",\"present\":true,\"removable\":true,"
                "\"vcpus\":1,\"thread_id\":null,\"props\":null},"
                "{\"slot\":2,\"id\":null,\"present\":false,\"removable\":false,\"vcpus\":1,"
                "\"thread_id\":null,\"props\":null}]}");
}

static void test_memory(void **state)
{
    struct inventory_memory_device devices[] = {
        {.id = "vmplug-mem-0", .kind = "dimm", .bytes = 256 << 20, .slot = 0, .addr = 0x100000000,
         .hotpluggable = true},
        {.kind = "virtio-mem", .bytes = 1 << 30, .reserved_bytes = 1 << 30,
         .requested_bytes = 4 << 20, .block_bytes = 2 << 20, .slot = -1, .node = 1,
         .addr = 0x200000000},
    };
    struct qga_memory_block blocks[] = {
        {.index = 0, .online = true}, {.index = 32, .online = true}, {.index = 33}};
    const struct inventory inventory = {
        .memory = {.known = true, .base_bytes = 128 << 20, .plugged_bytes = 256 << 20,
                   .room_known = true, .max_bytes = (uint64_t)4 << 30, .slots_total = 8,
                   .devices = devices, .device_count = 2},
        .guest = {.blocks_known = true, .block_bytes = 128 << 20, .blocks = blocks,
                  .block_count = 3},
    };

    (void)state;
    assert_json(status_json_memory(&inventory),
                "{\"base_bytes\":134217728,\"plugged_bytes\":268435456,\"total_bytes\":402653184,"
                "\"max_bytes\":4294967296,\"slots_total\":8,\"slots_used\":1,"
                "\"block_bytes\":134217728,\"online_bytes\":268435456,\"devices\":["
                "{\"id\":\"vmplug-mem-0\",\"kind\":\"dimm\",\"bytes\":268435456,\"slot\":0,"
                "\"node\":0,\"addr\":4294967296,\"removable\":true,\"online_bytes\":134217728},"
                "{\"id\":null,\"kind\":\"virtio-mem\",\"bytes\":1073741824,\"slot\":null,"
                "\"node\":1,\"addr\":8589934592,\"removable\":false,\"online_bytes\":0,"
                "\"requested_bytes\":4194304,\"max_bytes\":1073741824,"
                "\"block_bytes\":2097152}]}");
}

static void test_disks(void **state)
{
    struct inventory_disk disks[] = {
        {.id = "data1", .bus = "scsi0.0", .on_scsi = true, .lun = 1, .has_medium = true,
         .file = "/a.qcow2", .format = "qcow2", .bytes = 1024, .serial = "SER1"},
        {.id = "cd0", .cdrom = true, .tray_open = true},
        {.id = "ide0", .has_medium = true, .file = "/b\xff", .format = "raw", .read_only = true},
    };
    struct qga_disk seen[] = {{.name = "/dev/sda", .serial = "SER1"},
                              {.name = "/dev/sdb", .has_unit = true, .unit = 1}};
    const struct inventory inventory = {
        .disks = {.known = true, .disks = disks, .disk_count = 3},
        .guest = {.disks_known = true, .disks = seen, .disk_count = 2},
    };
    AUTO_JSON json_t *object = status_json(&inventory);

    (void)state;
    assert_json(json_incref(json_object_get(object, "disks")),
                "[{\"id\":\"data1\",\"bus\":\"scsi0.0\",\"lun\":1,\"file\":\"/a.qcow2\","
                "\"format\":\"qcow2\",\"bytes\":1024,\"read_only\":false,\"serial\":\"SER1\","
                "\"guest_name\":\"/dev/sda\",\"removable\":true},"
                "{\"id\":\"ide0\",\"bus\":null,\"lun\":null,\"file\":\"/b?\",\"format\":\"raw\","
                "\"bytes\":0,\"read_only\":true,\"serial\":null,\"guest_name\":null,"
                "\"removable\":null}]");
    assert_json(json_incref(json_object_get(object, "cdroms")),
                "[{\"id\":\"cd0\",\"tray\":\"open\",\"file\":null,\"locked\":false}]");
}

/* A LUN tells a disk only where nothing else can have it. */
static void test_guest_name_by_lun(void **state)
{
    struct inventory_disk disks[] = {{.id = "a", .on_scsi = true, .lun = 1, .serial = "a"},
                                     {.id = "b"}};
    struct qga_disk seen[] = {{.name = "/dev/sda", .has_unit = true, .unit = 1},
                              {.name = "/dev/sdb", .has_unit = true, .unit = 1}};
    const struct qga_disk virtio = {.name = "/dev/vda", .has_unit = true, .unit = 1};
    const struct qga_disk sdb = seen[1];
    struct inventory_scsi_device device = {.lun = 1}, other = {.lun = 1};
    struct inventory inventory = {
        .disks = {.known = true, .disks = disks, .disk_count = 1},
        .guest = {.disks_known = true, .disks = seen, .disk_count = 1},
    };

    (void)state;
    SLIST_INSERT_HEAD(&inventory.disks.scsi_devices, &device, link);
    assert_string_equal(inventory_guest_disk_name(&inventory, &disks[0]), "/dev/sda");
    inventory.guest.disk_count = 2; /* the guest shows two with this LUN */
    assert_null(inventory_guest_disk_name(&inventory, &disks[0]));
    inventory.guest.disk_count = 1;
    inventory.disks.disk_count = 2; /* one of QEMU's disks is on another kind of bus */
    assert_null(inventory_guest_disk_name(&inventory, &disks[0]));
    strcpy(disks[1].bus, "virtio"); /* which has a name of its own in the guest */
    inventory.guest.disk_count = 2;
    seen[1] = virtio;
    assert_string_equal(inventory_guest_disk_name(&inventory, &disks[0]), "/dev/sda");
    seen[1] = sdb;
    assert_null(inventory_guest_disk_name(&inventory, &disks[0]));
    inventory.guest.disk_count = 1;
    inventory.disks.disk_count = 1;
    SLIST_INSERT_HEAD(&inventory.disks.scsi_devices, &other, link); /* another target */
    assert_null(inventory_guest_disk_name(&inventory, &disks[0]));
    strcpy(seen[0].serial, "a"); /* but a serial number always does */
    assert_string_equal(inventory_guest_disk_name(&inventory, &disks[0]), "/dev/sda");
    strcpy(seen[0].serial, "z");
    assert_null(inventory_guest_disk_name(&inventory, &disks[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_online),          cmocka_unit_test(test_pending),
        cmocka_unit_test(test_refused_by_ost),  cmocka_unit_test(test_summary),
        cmocka_unit_test(test_failure),         cmocka_unit_test(test_times_stay_in_order),
        cmocka_unit_test(test_unknown_is_null), cmocka_unit_test(test_machine),
        cmocka_unit_test(test_board),
        cmocka_unit_test(test_cpus),            cmocka_unit_test(test_memory),
        cmocka_unit_test(test_disks),           cmocka_unit_test(test_guest_name_by_lun),
    };

    return cmocka_run_group_tests_name("vmm/result_json, vmm/status_json", tests, NULL, NULL);
}
