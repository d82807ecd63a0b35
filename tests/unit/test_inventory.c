/* SPDX-License-Identifier: MIT */
/* What is made of QEMU's and the guest's answers: recorded ones (QEMU 7.2), odd and hostile. */
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
#include "vmm/inventory.h"

#define ALL_PARTS (0x1ffffu | INVENTORY_CPUS)

static struct rig rig;

static void answer(struct sim *sim, enum sim_side side, const char *command, const char *value)
{
    sim_fault(sim, (struct fault){
                       .side = side, .command = command, .action = FAULT_ANSWER, .text = value});
}

static void reject(struct sim *sim, enum sim_side side, const char *command, const char *desc)
{
    sim_fault(sim, (struct fault){
                       .side = side, .command = command, .action = FAULT_REJECT, .text = desc});
}

static struct inventory *fetch(struct sim *sim, bool with_agent, unsigned parts)
{
    rig_open(&rig, sim, with_agent);
    return rig_inventory(&rig, parts, 5000, NULL);
}

static void end(struct inventory *inventory)
{
    inventory_free(inventory);
    rig_close(&rig);
}

/* ---- one part after the other ---- */

static void test_machine(void **state)
{
    struct inventory *inventory = fetch(sim_new(), false, INVENTORY_MACHINE);

    (void)state;
    assert_string_equal(inventory->machine.name, "sim");
    assert_string_equal(inventory->machine.state, "running");
    assert_string_equal(inventory->machine.machine, "pc-q35-7.2");
    assert_string_equal(inventory->machine.arch, "x86_64");
    assert_string_equal(inventory->machine.accel, "tcg");
    assert_string_equal(inventory->machine.qemu, "7.2.22");
    assert_false(inventory->memory.known); /* not wanted, not asked */
    assert_int_equal(sim_count(rig.sim, SIM_QMP, "query-block"), 0);
    assert_int_equal(sim_count(rig.sim, SIM_QMP, "query-memory-devices"), 0);
    end(inventory);
}

static void test_cpus(void **state)
{
    struct sim *sim = sim_new();
    struct inventory *inventory;

    (void)state;
    sim->cpus[2].present = true;
    (void)strcpy(sim->cpus[2].id, "vmplug-cpu-2");
    inventory = fetch(sim, false, INVENTORY_CPUS);
    assert_true(inventory->cpus.hotpluggable);
    assert_int_equal(inventory->cpus.slot_count, 4);
    assert_int_equal(inventory->cpus.present, 3);
    assert_int_equal(inventory->cpus.max, 4);
    assert_true(inventory->cpus.slots[0].present && !inventory->cpus.slots[0].removable);
    assert_true(inventory->cpus.slots[1].present && inventory->cpus.slots[1].removable);
    assert_string_equal(inventory->cpus.slots[1].id, "");
    assert_string_equal(inventory->cpus.slots[2].id, "vmplug-cpu-2");
    assert_int_equal(inventory->cpus.slots[2].slot, 2);
    assert_int_equal(inventory->cpus.slots[2].thread_id, 4002);
    assert_int_equal(json_integer_value(json_object_get(inventory->cpus.slots[2].props,
                                                        "socket-id")), 2);
    assert_true(!inventory->cpus.slots[3].present && !inventory->cpus.slots[3].removable);
    assert_int_equal(inventory->cpus.slots[3].thread_id, 0);
    end(inventory);
}

/* pseries: a slot is a core of several vCPUs, whose QOM paths stand below the core's. */
static void test_cores(void **state)
{
    struct sim *sim = sim_new();
    struct inventory *inventory;

    (void)state;
    answer(sim, SIM_QMP, "query-hotpluggable-cpus",
           "[{'props':{'core-id':4},'vcpus-count':4,'type':'power9-spapr-cpu-core'},"
           "{'props':{'core-id':0},'vcpus-count':4,'qom-path':'/machine/unattached/device[1]',"
           "'type':'power9-spapr-cpu-core'}]");
    answer(sim, SIM_QMP, "query-cpus-fast",
           "[{'cpu-index':0,'qom-path':'/machine/unattached/device[1]/thread[0]','thread-id':71},"
           "{'cpu-index':1,'qom-path':'/machine/unattached/device[1]/thread[1]','thread-id':72}]");
    inventory = fetch(sim, false, INVENTORY_CPUS);
    assert_int_equal(inventory->cpus.present, 4);
    assert_int_equal(inventory->cpus.max, 8);
    assert_int_equal(inventory->cpus.slots[0].thread_id, 71);
    end(inventory);
}

static void test_cpus_that_cannot_grow(void **state)
{
    struct sim *sim = sim_new();
    struct inventory *inventory;

    (void)state;
    sim->has_cpus = false;
    inventory = fetch(sim, false, INVENTORY_CPUS);
    assert_false(inventory->cpus.hotpluggable);
    assert_string_equal(inventory->cpus.reason,
                        "The feature 'query-hotpluggable-cpus' is not enabled");
    assert_int_equal(inventory->cpus.present, 2);
    assert_int_equal(inventory->cpus.max, 2);
    end(inventory);
}

static void test_memory(void **state)
{
    struct sim *sim = sim_new();
    struct inventory *inventory;

    (void)state;
    sim_put_dimm(sim, "d0", SIM_DIMM_BASE, 256 * SIM_MIB);
    inventory = fetch(sim, true, INVENTORY_MEMORY | INVENTORY_GUEST_MEMORY);
    assert_true(inventory->memory.known && inventory->memory.room_known);
    assert_true(inventory->memory.base_bytes == 256 * SIM_MIB);
    assert_true(inventory->memory.plugged_bytes == 256 * SIM_MIB);
    assert_true(inventory->memory.max_bytes == 4 * SIM_GIB);
    assert_int_equal(inventory->memory.slots_total, 4);
    assert_int_equal(inventory->memory.device_count, 1);
    assert_string_equal(inventory->memory.devices[0].id, "d0");
    assert_string_equal(inventory->memory.devices[0].kind, "dimm");
    assert_int_equal(inventory->memory.devices[0].slot, 0);
    assert_true(inventory->guest.block_bytes == 128 * SIM_MIB);
    assert_int_equal(inventory->guest.block_count, 4);
    end(inventory);
}

static void test_memory_without_room(void **state)
{
    static const char *const configurations[] = {"{'size':268435456}",
                                                 "{'size':268435456,'slots':0}"};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(configurations); i++) {
        struct sim *sim = sim_new();
        struct inventory *inventory;

        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "qom-get",
                                      .action = FAULT_ANSWER, .text = configurations[i]});
        answer(sim, SIM_QMP, "query-memory-size-summary", "{'base-memory':268435456}");
        inventory = fetch(sim, false, INVENTORY_MEMORY);
        assert_true(inventory->memory.room_known);
        assert_int_equal(inventory->memory.slots_total, 0);
        assert_true(inventory->memory.known && inventory->memory.plugged_bytes == 0);
        end(inventory);
    }
}

static void test_disks(void **state)
{
    struct sim *sim = sim_new();
    struct inventory *inventory;
    const struct inventory_disk *disk;

    (void)state;
    sim_put_disk(sim, "data1", "SER1", 5);
    sim_put_disk(sim, "data2", "", 6);
    sim->disks[1].scsi_id = 3;
    inventory = fetch(sim, false, INVENTORY_DISKS);
    assert_true(inventory->disks.known);
    assert_int_equal(inventory->disks.bus_count, 1);
    assert_string_equal(inventory->disks.buses[0].name, "scsi0.0");
    assert_int_equal(inventory->disks.disk_count, 2);
    disk = &inventory->disks.disks[0];
    assert_string_equal(disk->id, "data1");
    assert_string_equal(disk->serial, "SER1");
    assert_string_equal(disk->bus, "scsi0.0");
    assert_string_equal(disk->node, "data1-node");
    assert_string_equal(disk->format, "raw");
    assert_true(disk->on_scsi && disk->lun == 5 && disk->scsi_id == 0);
    assert_true(disk->has_medium && !disk->cdrom && disk->bytes == 64 * SIM_MIB);
    assert_true(inventory->disks.disks[1].lun == 6 && inventory->disks.disks[1].scsi_id == 3);
    end(inventory);
}

/* virtio-blk is shown by its QOM path, a drive without a device not at all. */
static void test_other_drives(void **state)
{
    struct sim *sim = sim_new();
    struct inventory *inventory;

    (void)state;
    answer(sim, SIM_QMP, "query-block",
           "[{'device':'','qdev':'/machine/peripheral/vd0/virtio-backend','removable':false,"
           "'locked':false,'type':'unknown','inserted':{'file':'v.raw','drv':'raw','ro':false}},"
           "{'device':'floppy0','removable':true,'locked':false,'type':'unknown'},"
           "{'device':'','qdev':'cd0','removable':true,'locked':true,'tray_open':true,"
           "'type':'unknown'},"
           "{'device':'','qdev':'/machine/unattached/device[9]','removable':true,'locked':false,"
           "'type':'unknown'}]");
    inventory = fetch(sim, false, INVENTORY_DISKS);
    assert_int_equal(inventory->disks.disk_count, 3);
    assert_string_equal(inventory->disks.disks[0].id, "vd0");
    assert_string_equal(inventory->disks.disks[0].bus, "virtio");
    assert_false(inventory->disks.disks[0].on_scsi);
    assert_string_equal(inventory->disks.disks[1].id, "cd0");
    assert_true(inventory->disks.disks[1].cdrom && inventory->disks.disks[1].locked &&
                inventory->disks.disks[1].tray_open && !inventory->disks.disks[1].has_medium);
    assert_string_equal(inventory->disks.disks[2].id, "/machine/unattached/device[9]");
    end(inventory);
}

/* Whatever takes a removable medium says so, and not all of it are CD-ROMs. */
static void test_removable_media(void **state)
{
    struct sim *sim = sim_new();
    struct inventory *inventory;

    (void)state;
    answer(sim, SIM_QMP, "query-block",
           "[{'device':'floppy0','qdev':'/machine/unattached/device[16]','removable':true},"
           "{'device':'','qdev':'cd0','removable':true},"
           "{'device':'','qdev':'/machine/peripheral-anon/device[1]','removable':true},"
           "{'device':'','qdev':'unknown','removable':true},"
           "{'device':'','qdev':'data1','removable':false}]");
    json_object_set_new(sim->types, "/machine/unattached/device[16]", json_string("floppy"));
    json_object_set_new(sim->types, "/machine/peripheral/cd0", json_string("ide-cd"));
    json_object_set_new(sim->types, "/machine/peripheral-anon/device[1]", json_string("scsi-hd"));
    inventory = fetch(sim, false, INVENTORY_DISKS);
    assert_int_equal(inventory->disks.disk_count, 4);
    assert_string_equal(inventory->disks.disks[0].id, "cd0");
    assert_true(inventory->disks.disks[0].cdrom);
    assert_string_equal(inventory->disks.disks[1].id, "/machine/peripheral-anon/device[1]");
    assert_false(inventory->disks.disks[1].cdrom);
    assert_true(inventory->disks.disks[2].cdrom);
    assert_false(inventory->disks.disks[3].cdrom);
    end(inventory);
}

static void test_names(void **state)
{
    struct sim *sim = sim_new();
    struct inventory *inventory;

    (void)state;
    sim_put_dimm(sim, "d0", SIM_DIMM_BASE, 128 * SIM_MIB);
    sim_put_disk(sim, "data1", "", 1);
    inventory = fetch(sim, false, INVENTORY_NAMES);
    assert_true(inventory_name_taken(inventory, "d0"));
    assert_true(inventory_name_taken(inventory, "d0-memory"));
    assert_true(inventory_name_taken(inventory, "data1"));
    assert_true(inventory_name_taken(inventory, "data1-node"));
    assert_true(inventory_name_taken(inventory, "scsi0"));
    assert_false(inventory_name_taken(inventory, "type"));
    assert_false(inventory_name_taken(inventory, "d"));
    assert_false(inventory_name_taken(inventory, ""));
    end(inventory);
}

static void test_ost(void **state)
{
    struct sim *sim = sim_new();
    struct inventory *inventory;

    (void)state;
    sim->dimm_ost[2] = (struct sim_ost){1, 1};
    inventory = fetch(sim, false, INVENTORY_OSPM);
    assert_true(inventory->has_ost);
    assert_int_equal(ledger_news(vm_ledger(rig.vm), LEDGER_DIMM, 2, 0)->status, 1);
    end(inventory);
    sim = sim_new();
    sim->has_ost = false;
    inventory = fetch(sim, false, INVENTORY_OSPM);
    assert_false(inventory->has_ost);
    end(inventory);
}

/* ---- the guest ---- */

static void test_guest(void **state)
{
    struct sim *sim = sim_new();
    struct inventory *inventory;
    uint64_t bytes = 0;

    (void)state;
    sim_put_dimm(sim, "d0", SIM_DIMM_BASE, 256 * SIM_MIB);
    sim->guest.blocks[3].online = false;
    sim_put_disk(sim, "data1", "SER1", 5);
    sim_disable(sim, "guest-file-open");
    inventory = fetch(sim, true, ALL_PARTS);
    assert_true(inventory->guest.wanted && inventory->guest.connected);
    assert_string_equal(inventory->guest.version, "7.2.22");
    assert_true(inventory_agent_has(inventory, "guest-get-vcpus"));
    assert_false(inventory_agent_has(inventory, "guest-file-open")); /* disabled */
    assert_false(inventory_agent_has(inventory, "guest-x"));
    assert_int_equal(inventory_cpus_online(inventory), 2);
    assert_true(inventory_bytes_online(inventory, SIM_DIMM_BASE, 256 * SIM_MIB, &bytes));
    assert_true(bytes == 128 * SIM_MIB);
    assert_true(inventory_bytes_online(inventory, 0, 256 * SIM_MIB, &bytes));
    assert_true(bytes == 256 * SIM_MIB);
    assert_true(inventory_bytes_online(inventory, SIM_DIMM_BASE + 1, 1, &bytes)); /* half a block */
    assert_true(bytes == 128 * SIM_MIB);
    assert_false(inventory_bytes_online(inventory, 0, 0, &bytes));
    assert_true(inventory_bytes_online(inventory, UINT64_MAX - 5, UINT64_MAX, &bytes));
    assert_int_equal(inventory->guest.disk_count, 1);
    end(inventory);
}

static void test_no_agent(void **state)
{
    struct inventory *inventory = fetch(sim_new(), false, ALL_PARTS);
    uint64_t bytes = 42;

    (void)state;
    assert_false(inventory->guest.wanted || inventory->guest.connected);
    assert_string_equal(inventory->guest.reason, "no agent socket was given");
    assert_int_equal(inventory_cpus_online(inventory), -1);
    assert_false(inventory_bytes_online(inventory, 0, 1, &bytes));
    assert_true(bytes == 42);
    assert_false(inventory_agent_has(inventory, "guest-info"));
    end(inventory);
}

static void test_silent_agent(void **state)
{
    struct sim *sim = sim_new();
    struct inventory *inventory;

    (void)state;
    sim->agent_hangs = true;
    rig_open(&rig, sim, true);
    inventory = rig_inventory(&rig, ALL_PARTS, 60, NULL);
    assert_true(inventory->guest.wanted && !inventory->guest.connected);
    assert_non_null(strstr(inventory->guest.reason, "did not answer in time"));
    assert_int_equal(inventory->cpus.present, 2); /* QEMU's side is there all the same */
    assert_true(inventory->memory.known);
    end(inventory);
}

static void test_agent_that_goes(void **state)
{
    struct sim *sim = sim_new();
    struct inventory *inventory;

    (void)state;
    sim_fault(sim, (struct fault){.side = SIM_AGENT, .command = "guest-get-vcpus",
                                  .action = FAULT_HANG_UP});
    inventory = fetch(sim, true, ALL_PARTS);
    assert_true(inventory->guest.wanted && !inventory->guest.connected);
    assert_non_null(strstr(inventory->guest.reason, "closed"));
    assert_false(inventory->guest.cpus_known || inventory->guest.blocks_known);
    inventory_free(inventory);
    inventory = rig_inventory(&rig, ALL_PARTS, 5000, NULL);
    assert_true(inventory->guest.wanted && !inventory->guest.connected);
    assert_non_null(strstr(inventory->guest.reason, "closed"));
    end(inventory);
}

static void test_commands_that_are_off(void **state)
{
    struct sim *sim = sim_new();
    struct inventory *inventory;

    (void)state;
    sim_disable(sim, "guest-get-vcpus");
    sim_disable(sim, "guest-get-memory-blocks");
    inventory = fetch(sim, true, ALL_PARTS);
    assert_true(inventory->guest.connected);
    assert_false(inventory->guest.cpus_known || inventory->guest.blocks_known);
    assert_true(inventory->guest.disks_known);
    assert_int_equal(sim_count(rig.sim, SIM_AGENT, "guest-get-vcpus"), 0); /* not even asked */
    end(inventory);
}

/* ---- trouble ---- */

static void test_qemu_goes(void **state)
{
    unsigned at;

    (void)state;
    for (at = 0; at < 20; at++) {
        struct sim *sim = sim_new();
        struct error failure = ERROR_INIT;
        struct inventory *inventory;

        sim_fault(sim, (struct fault){.side = SIM_QMP, .skip = at, .action = FAULT_DIE});
        rig_open(&rig, sim, true);
        inventory = rig_inventory(&rig, ALL_PARTS, 5000, &failure);
        if (inventory != NULL) /* it needs fewer commands than that */
            break;
        assert_int_equal(failure.code, ERROR_DISCONNECTED);
        rig_close(&rig);
    }
    assert_int_equal(at, 20);
}

static void test_rejections_leave_gaps(void **state)
{
    static const char *const commands[] = {
        "query-name", "query-uuid", "query-status", "query-target", "query-kvm",
        "query-hotpluggable-cpus", "query-cpus-fast", "query-memory-size-summary",
        "query-memory-devices", "query-block", "query-named-block-nodes", "query-acpi-ospm-status",
        "qom-list", "qom-get",
    };
    struct sim *sim = sim_new();
    struct inventory *inventory;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(commands); i++)
        reject(sim, SIM_QMP, commands[i], "no");
    inventory = fetch(sim, true, ALL_PARTS);
    assert_string_equal(inventory->machine.qemu, "7.2.22"); /* as the greeting said */
    assert_string_equal(inventory->machine.accel, "");
    assert_false(inventory->cpus.hotpluggable || inventory->memory.known ||
                 inventory->memory.room_known || inventory->disks.known || inventory->has_ost);
    assert_int_equal(inventory->cpus.present, 0);
    end(inventory);
}

/* Every answer of both sides is nonsense of every type, and nothing happens. */
static void test_nonsense(void **state)
{
    static const char *const values[] = {
        "{}", "[]", "1", "-1", "true", "null", "'x'", "1.5", "[1]", "[{}]", "[[]]", "[null]",
        "{'a':1}", "['x']", "'\\u0000number:18446744073709551615'",
        "[{'name':1,'type':2,'props':3,'qom-path':4,'data':5,'qdev':6,'inserted':7}]",
        ("[{'name':'x','type':'child<virtio-scsi-pci>'},{'name':'y','type':'child<SCSI>'},"
         "{'name':'child[0]','type':'link<'}]"),
        "[{'qdev':'/virtio-backend'},{'qdev':'virtio-backend','inserted':[]},{'qdev':'/'}]",
        "[{'type':'dimm','data':{'id':1,'addr':-1,'size':'x','slot':99999999999}}]",
        "{'size':-1,'max-size':-1,'slots':-1,'base-memory':-1,'version':{},'supported_commands':1}",
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(values); i++) {
        struct sim *sim = sim_new();
        struct inventory *inventory;

        /* The negotiations are let through. */
        sim_fault(sim, (struct fault){.side = SIM_QMP, .skip = 1, .action = FAULT_ANSWER,
                                      .text = values[i]});
        sim_fault(sim, (struct fault){.side = SIM_AGENT, .skip = 1, .action = FAULT_ANSWER,
                                      .text = values[i]});
        inventory = fetch(sim, true, ALL_PARTS);
        assert_non_null(inventory);
        assert_int_equal(inventory_cpus_online(inventory), -1);
        end(inventory);
    }
}

static void test_hostile_guest_lists(void **state)
{
    static const char *const values[] = {
        "{}",
        "1",
        "null",
        "'x'",
        "[1,null,'x',{},[]]",
        ("[{'logical-id':'0','online':true},{'phys-index':-1},"
         "{'name':'/dev/../x','partition':false}]"),
        "{'size':0}",
        "{'size':3}",
        "{'size':-134217728}",
    };
    static const char *const commands[] = {"guest-get-vcpus", "guest-get-memory-blocks",
                                           "guest-get-memory-block-info", "guest-get-disks"};
    size_t i, j;

    (void)state;
    for (i = 0; i < COUNT_OF(values); i++) {
        struct sim *sim = sim_new();
        struct inventory *inventory;
        uint64_t bytes;

        for (j = 0; j < COUNT_OF(commands); j++)
            answer(sim, SIM_AGENT, commands[j], values[i]);
        inventory = fetch(sim, true, ALL_PARTS);
        assert_true(inventory->guest.connected);
        assert_true(inventory->guest.block_bytes == 0);
        assert_int_equal(inventory->guest.cpu_count + inventory->guest.block_count +
                             inventory->guest.disk_count, 0);
        assert_false(inventory_bytes_online(inventory, 0, 1, &bytes)); /* nothing to divide by */
        end(inventory);
    }
}

/* Of memory with a block whose zone is not known nothing good is said. One file is open at a time,
 * which the sim sees to. */
static void test_zones(void **state)
{
    static const struct {
        bool movable[2];
        unsigned read; /* of the two blocks; then the agent refuses */
        bool known, can;
        const char *reason;
    } cases[] = {
        {{true, true}, 2, true, true, "all of it as movable"},
        {{true, false}, 2, false, false, "block 33 is not movable"},
        {{true, false}, 1, false, false, "did not tell in which zones"},
        {{false, true}, 1, false, false, "block 32 is not movable"},
        {{true, true}, 0, false, false, "did not tell in which zones"},
    };
    struct inventory *inventory;
    char reason[128];
    size_t i;
    bool can;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct sim *sim = sim_new();

        sim_put_dimm(sim, "m", SIM_DIMM_BASE, 256 * SIM_MIB);
        sim->guest.blocks[2].movable = cases[i].movable[0];
        sim->guest.blocks[3].movable = cases[i].movable[1];
        sim_fault(sim, (struct fault){.side = SIM_AGENT, .command = "guest-file-open",
                                      .skip = cases[i].read, .action = FAULT_REJECT,
                                      .text = "too many open files"});
        inventory = fetch(sim, true,
                          INVENTORY_MEMORY | INVENTORY_GUEST_MEMORY | INVENTORY_GUEST_ZONES);
        assert_int_equal(inventory_can_give_back(inventory, 0, &can, reason, sizeof(reason)),
                         cases[i].known);
        assert_int_equal(can, cases[i].can);
        assert_non_null(strstr(reason, cases[i].reason));
        end(inventory);
    }
}

static void test_cancel(void **state)
{
    struct inventory_fetch *pending;

    (void)state;
    rig_open(&rig, sim_new(), true);
    pending = inventory_fetch(rig.vm, ALL_PARTS, 5000, 1000, NULL, NULL, NULL);
    assert_non_null(pending);
    inventory_fetch_cancel(pending);
    inventory_fetch_cancel(NULL);
    inventory_free(NULL);
    inventory_free(rig_inventory(&rig, ALL_PARTS, 5000, NULL)); /* the session still works */
    rig_close(&rig);
}

/* Nothing asked is nothing known, and still an end. */
static void test_no_parts(void **state)
{
    struct inventory *inventory = fetch(sim_new(), true, 0);

    (void)state;
    assert_false(inventory->memory.known);
    end(inventory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_machine),
        cmocka_unit_test(test_cpus),
        cmocka_unit_test(test_cores),
        cmocka_unit_test(test_cpus_that_cannot_grow),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_memory_without_room),
        cmocka_unit_test(test_disks),
        cmocka_unit_test(test_other_drives),
        cmocka_unit_test(test_removable_media),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_ost),
        cmocka_unit_test(test_guest),
        cmocka_unit_test(test_no_agent),
        cmocka_unit_test(test_silent_agent),
        cmocka_unit_test(test_agent_that_goes),
        cmocka_unit_test(test_commands_that_are_off),
        cmocka_unit_test(test_qemu_goes),
        cmocka_unit_test(test_rejections_leave_gaps),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_hostile_guest_lists),
        cmocka_unit_test(test_zones),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_no_parts),
    };

    return cmocka_run_group_tests_name("inventory", tests, NULL, NULL);
}
