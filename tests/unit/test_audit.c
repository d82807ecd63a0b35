/* SPDX-License-Identifier: MIT */
/* What an audit finds on a simulated machine, whose it says it is, and how it is made clean. */
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
#include "vmm/audit.h"

#define TIMEOUT_MS 20000

static struct rig rig;

static void plug_cpu(struct sim *sim, unsigned slot, const char *id, bool online)
{
    sim->cpus[slot].present = true;
    (void)snprintf(sim->cpus[slot].id, sizeof(sim->cpus[slot].id), "%s", id);
    sim->guest.vcpus[sim->guest.vcpu_count] =
        (struct sim_vcpu){.logical_id = sim->guest.vcpu_count, .online = online};
    sim->guest.vcpu_count++;
}

static void open_rig(struct sim *sim, bool with_agent)
{
    rig_open_recorded(&rig, sim, with_agent);
}

static struct audit *make_audit(double agent_timeout_ms)
{
    struct inventory *inventory = rig_inventory(&rig, AUDIT_PARTS, agent_timeout_ms, NULL);
    struct audit *audit = audit_new(rig.vm, inventory);

    inventory_free(inventory);
    assert_non_null(audit);
    return audit;
}

/* "kind id owner" of each, in order. One static buffer. */
static const char *summarise(const struct audit *audit)
{
    static char text[1024];
    size_t used = 0, i;

    text[0] = '\0';
    for (i = 0; i < audit->count; i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s %s %s", i > 0 ? ", " : "",
                                 audit_kind_name(audit->findings[i].kind), audit->findings[i].id,
                                 audit->findings[i].ours ? "vmplug" : "other");
        assert_true(audit->findings[i].detail[0] != '\0');
        assert_true(audit->findings[i].action[0] != '\0');
    }
    return text;
}

static void assert_findings(const char *expected)
{
    struct audit *audit = make_audit(5000);

    assert_string_equal(summarise(audit), expected);
    assert_int_equal(audit->unseen_count, 0);
    audit_free(audit);
}

/* Deals with all findings and returns how. */
static const struct batch_result *clean(void)
{
    struct audit *audit = make_audit(5000);
    struct batch_item items[16];
    struct batch_request request = {
        .goal = BATCH_LIST, .each = {.timeout_ms = TIMEOUT_MS}, .items = items};
    size_t i;

    for (i = 0; i < audit->count; i++) {
        if (audit->findings[i].can_clean)
            items[request.count++] = audit->findings[i].item;
    }
    request.missing = audit->missing;
    audit_free(audit);
    return rig_batch(&rig, &request);
}

static void test_clean(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    plug_cpu(sim, 2, "vmplug-cpu-2", true);
    sim_put_dimm(sim, "vmplug-mem-0", SIM_DIMM_BASE, 256 * SIM_MIB);
    sim_put_disk(sim, "data1", "", 1);
    open_rig(sim, true);
    assert_findings("");
    assert_int_equal(clean()->verdict, VERDICT_DONE);
    assert_int_equal(sim_changes(sim), 0);
    rig_close(&rig);
}

static void test_leftovers(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim_leave_backend(sim, "vmplug-mem-3-backend");
    sim_leave_backend(sim, "mine");
    sim_leave_node(sim, "vmplug-disk-9");
    sim_leave_node(sim, "spare");
    open_rig(sim, true);
    assert_findings("memory-backend vmplug-mem-3-backend vmplug, memory-backend mine other, "
                    "block-node vmplug-disk-9 vmplug, block-node spare other");
    assert_int_equal(clean()->verdict, VERDICT_DONE);
    assert_int_equal(rig.batch_result.done, 4);
    assert_true(rig.batch_result.summary);
    assert_int_equal(rig.verdicts[0], VERDICT_REMOVED);
    assert_findings("");
    rig_close(&rig);
}

static void test_offline(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim->guest.vcpus[1].online = false;
    plug_cpu(sim, 2, "vmplug-cpu-2", false);
    sim_put_dimm(sim, "vmplug-mem-0", SIM_DIMM_BASE, 256 * SIM_MIB);
    sim_put_dimm(sim, "theirs", SIM_DIMM_BASE + 256 * SIM_MIB, 128 * SIM_MIB);
    sim->guest.blocks[3].online = sim->guest.blocks[4].online = false;
    open_rig(sim, true);
    assert_findings("cpu-offline 1 other, cpu-offline vmplug-cpu-2 vmplug, "
                    "memory-offline vmplug-mem-0 vmplug, memory-offline theirs other");
    assert_int_equal(clean()->verdict, VERDICT_DONE);
    assert_int_equal(rig.batch_result.done, 4);
    assert_true(sim->guest.vcpus[1].online && sim->guest.vcpus[2].online);
    assert_true(sim->guest.blocks[3].online && sim->guest.blocks[4].online);
    assert_findings("");
    rig_close(&rig);
}

/* Somebody may want it so, and there is no device to finish. */
static void test_base_memory(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim->guest.blocks[1].online = false;
    open_rig(sim, true);
    assert_findings("memory-offline base other");
    assert_int_equal(clean()->asked, 0);
    rig_close(&rig);
}

static void test_refused(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim->kvm = true; /* under emulation the DIMM can't follow the vCPU (vmm/hazard.h) */
    plug_cpu(sim, 2, "vmplug-cpu-2", false);
    sim->cpus[2].ost = (struct sim_ost){1, 1};
    sim->guest.ignores = true;
    sim_put_dimm(sim, "vmplug-mem-0", SIM_DIMM_BASE, 128 * SIM_MIB);
    sim->guest.block_count--; /* it made no block of it, and said success */
    sim->dimm_ost[0] = (struct sim_ost){1, 0};
    sim_put_dimm(sim, "fine", SIM_DIMM_BASE + 128 * SIM_MIB, 128 * SIM_MIB);
    sim->dimm_ost[1] = (struct sim_ost){1, 1}; /* at first */
    open_rig(sim, true);
    assert_findings("refused vmplug-cpu-2 vmplug, memory-missing vmplug-mem-0 vmplug");
    assert_int_equal(clean()->verdict, VERDICT_DONE);
    assert_false(sim->cpus[2].present);
    assert_null(sim_find_dimm(sim, "vmplug-mem-0"));
    assert_null(json_object_get(sim->objects, "vmplug-mem-0-memory")); /* with its backend */
    assert_findings("");
    rig_close(&rig);
}

/* A removal that stands is asked for anew: the guest may have forgotten it. */
static void test_pending(void **state)
{
    struct sim *sim = sim_new();
    const struct operation_request request = {.type = OPERATION_DIMM_REMOVE,
                                              .id = "d0",
                                              .timeout_ms = rig_soon_ms()};

    (void)state;
    sim->guest.ignores_eject = true;
    sim_put_dimm(sim, "d0", SIM_DIMM_BASE, 128 * SIM_MIB);
    open_rig(sim, true);
    assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_PENDING);
    assert_findings("pending d0 vmplug");
    sim->guest.ignores_eject = false;
    assert_int_equal(clean()->verdict, VERDICT_DONE);
    assert_int_equal(sim_count(sim, SIM_QMP, "device_del"), 2);
    assert_null(sim_find_dimm(sim, "d0"));
    assert_findings("");
    rig_close(&rig);
}

/* The guest gave it back when nobody looked: the backend is left, and the record knows whose. */
static void test_removal_that_has_ended(void **state)
{
    struct sim *sim = sim_new();
    AUTO_JSON json_t *record = NULL;

    (void)state;
    sim_leave_backend(sim, "d0-memory");
    open_rig(sim, true);
    inventory_free(rig_inventory(&rig, 0, 5000, NULL)); /* the record belongs to a session */
    assert_true(record_put(vm_record(rig.vm),
                           json_pack("{s:s, s:s, s:s, s:[{s:s}]}", "operation", "memory-remove",
                                     "id", "d0", "path", "d0", "cleanups", "id", "d0-memory")));
    assert_findings("memory-backend d0-memory vmplug");
    assert_int_equal(clean()->verdict, VERDICT_DONE);
    assert_null(json_object_get(sim->objects, "d0-memory"));
    assert_findings("");
    record = record_list(vm_record(rig.vm));
    assert_int_equal(json_array_size(record), 0);
    rig_close(&rig);
}

/* A disk's node has the disk's name: while it is there the removal is awaited, and ends with it. */
static void test_removal_of_a_disk_that_left_its_node(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim_leave_node(sim, "vmplug-disk-0");
    open_rig(sim, true);
    inventory_free(rig_inventory(&rig, 0, 5000, NULL));
    assert_true(record_put(vm_record(rig.vm),
                           json_pack("{s:s, s:s, s:s, s:[{s:s}]}", "operation", "disk-remove",
                                     "id", "vmplug-disk-0", "path", "vmplug-disk-0", "cleanups",
                                     "node-name", "vmplug-disk-0")));
    assert_findings("pending vmplug-disk-0 vmplug");
    assert_int_equal(clean()->verdict, VERDICT_DONE);
    assert_int_equal(rig.batch_result.asked, 1);
    assert_findings("");
    rig_close(&rig);
}

/* The failure of one does not stop the others. */
static void test_clean_in_part(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim_leave_backend(sim, "vmplug-a");
    sim_leave_backend(sim, "vmplug-b");
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "object-del", .times = 1,
                                  .action = FAULT_REJECT, .text = "it is in use"});
    open_rig(sim, true);
    assert_int_equal(clean()->verdict, VERDICT_PARTIAL);
    assert_int_equal(rig.batch_result.asked, 2);
    assert_int_equal(rig.batch_result.done, 1);
    assert_string_equal(rig.batch_result.error.why, "it is in use");
    assert_int_equal(rig.verdicts[0], VERDICT_REJECTED);
    assert_int_equal(rig.verdicts[1], VERDICT_REMOVED);
    assert_findings("memory-backend vmplug-a vmplug");
    rig_close(&rig);
}

/* QEMU goes: what follows is not even tried. */
static void test_clean_lost(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim_leave_backend(sim, "vmplug-a");
    sim_leave_backend(sim, "vmplug-b");
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "object-del",
                                  .action = FAULT_DIE});
    open_rig(sim, true);
    assert_int_equal(clean()->verdict, VERDICT_LOST);
    assert_null(rig.batch_result.missing);
    assert_int_equal(rig.results, 1);
    rig_close(&rig);
}

/* Without an agent, devices are in doubt, and leftovers and refusals are found all the same. */
static void test_without_agent(void **state)
{
    struct sim *sim = sim_new();
    struct audit *audit;

    (void)state;
    plug_cpu(sim, 2, "vmplug-cpu-2", false);
    sim->cpus[2].ost = (struct sim_ost){0x200, 0x81};
    sim_put_dimm(sim, "vmplug-mem-0", SIM_DIMM_BASE, 128 * SIM_MIB);
    sim_leave_node(sim, "vmplug-disk-9");
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "x-debug-query-block-graph",
                                  .action = FAULT_REJECT, .text = "no such command"});
    open_rig(sim, false);
    audit = make_audit(5000);
    assert_string_equal(summarise(audit), "refused vmplug-cpu-2 vmplug");
    assert_int_equal(audit->unseen_count, 3);
    assert_string_equal(audit->unseen[0].what, "the guest's vCPUs");
    assert_string_equal(audit->unseen[0].reason, "no agent socket was given");
    assert_string_equal(audit->unseen[2].what, "block nodes");
    assert_string_equal(audit->missing, "agent");
    audit_free(audit);
    assert_int_equal(clean()->verdict, VERDICT_UNCONFIRMED);
    assert_string_equal(rig.batch_result.missing, "agent");
    assert_int_equal(rig.batch_result.done, 1);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_leftovers),
        cmocka_unit_test(test_offline),
        cmocka_unit_test(test_base_memory),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_pending),
        cmocka_unit_test(test_removal_that_has_ended),
        cmocka_unit_test(test_removal_of_a_disk_that_left_its_node),
        cmocka_unit_test(test_clean_in_part),
        cmocka_unit_test(test_clean_lost),
        cmocka_unit_test(test_without_agent),
    };

    return cmocka_run_group_tests_name("vmm: audit", tests, NULL, NULL);
}
