/* SPDX-License-Identifier: MIT */
/* What an audit rests on: which backends and block nodes are used, which vCPUs are online. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fake/rig.h"
#include "vmm/inventory.h"

static struct rig rig;

static void reject(struct sim *sim, const char *command, const char *desc)
{
    sim_fault(sim, (struct fault){
                       .side = SIM_QMP, .command = command, .action = FAULT_REJECT, .text = desc});
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

static bool is_used(const struct inventory_object *objects, size_t count, const char *name)
{
    size_t i;

    for (i = 0; i < count; i++) {
        if (strcmp(objects[i].name, name) == 0)
            return objects[i].used;
    }
    fail_msg("there is no %s", name);
    return false;
}

static void test_objects(void **state)
{
    struct sim *sim = sim_new();
    struct inventory *inventory;
    const struct inventory_objects *objects;

    (void)state;
    sim_put_dimm(sim, "d0", SIM_DIMM_BASE, 128 * SIM_MIB);
    sim_put_disk(sim, "data1", "", 1);
    sim_leave_backend(sim, "left-memory");
    sim_leave_backend(sim, "ram-node0");
    (void)strcpy(sim->numa_backend, "ram-node0");
    sim_leave_node(sim, "left-node");
    inventory = fetch(sim, false, INVENTORY_MEMORY | INVENTORY_OBJECTS);
    objects = &inventory->objects;
    assert_true(objects->backends_known && objects->nodes_known);
    assert_int_equal(objects->backend_count, 4);
    assert_true(is_used(objects->backends, 4, "pc.ram"));
    assert_true(is_used(objects->backends, 4, "d0-memory"));
    assert_true(is_used(objects->backends, 4, "ram-node0"));
    assert_false(is_used(objects->backends, 4, "left-memory"));
    assert_int_equal(objects->node_count, 2); /* and none of QEMU's own names */
    assert_true(is_used(objects->nodes, 2, "data1-node"));
    assert_false(is_used(objects->nodes, 2, "left-node"));
    end(inventory);
}

/* A QEMU that does not tell: nothing is taken for unused. */
static void test_objects_in_doubt(void **state)
{
    struct sim *sim = sim_new();
    struct inventory *inventory;

    (void)state;
    sim_leave_backend(sim, "left-memory");
    sim_leave_node(sim, "left-node");
    reject(sim, "qom-get", "Property 'memory-region.container' not found");
    reject(sim, "x-debug-query-block-graph", "no such command");
    inventory = fetch(sim, false, INVENTORY_MEMORY | INVENTORY_OBJECTS);
    assert_true(inventory->objects.backends_known && !inventory->objects.nodes_known);
    assert_true(is_used(inventory->objects.backends, inventory->objects.backend_count,
                        "left-memory"));
    end(inventory);
}

/* Both sides number upwards; the guest lists one fewer than there are. */
static void test_slots_online(void **state)
{
    struct sim *sim = sim_new();
    struct inventory *inventory;

    (void)state;
    sim->cpus[3].present = true;
    (void)strcpy(sim->cpus[3].id, "late");
    sim->guest.vcpus[1].online = false;
    inventory = fetch(sim, true, INVENTORY_CPUS | INVENTORY_GUEST_CPUS);
    assert_int_equal(inventory_slot_online(inventory, &inventory->cpus.slots[0]), 1);
    assert_int_equal(inventory_slot_online(inventory, &inventory->cpus.slots[1]), 0);
    assert_int_equal(inventory_slot_online(inventory, &inventory->cpus.slots[3]), 0);
    inventory->guest.cpus_known = false;
    assert_int_equal(inventory_slot_online(inventory, &inventory->cpus.slots[0]), -1);
    end(inventory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_objects),
        cmocka_unit_test(test_objects_in_doubt),
        cmocka_unit_test(test_slots_online),
    };

    return cmocka_run_group_tests_name("vmm: what is used, what is online", tests, NULL, NULL);
}
