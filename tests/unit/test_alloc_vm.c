/* SPDX-License-Identifier: MIT */
/* What vmm/ does beside single operations, with each allocation failing in turn: it says that
 * memory ran out, or is right all the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "qmp/codec.h"
#include "tests/fake/oom.h"
#include "tests/fake/oom_vm.h"
#include "vmm/audit.h"
#include "vmm/batch.h"
#include "vmm/doctor.h"

#define TIMEOUT_MS 5000
#define ALL_PARTS INVENTORY_ALL

static struct oom_vm on;

static struct sim *sim_with_devices(void)
{
    struct sim *sim = sim_new();

    sim_put_cpu(sim, "c");
    sim_put_dimm(sim, "m", SIM_DIMM_BASE, 256 * SIM_MIB);
    sim_put_disk(sim, "d", "SERIAL", 0);
    sim_put_cdrom(sim, "cd0", NULL);
    (void)sim_put_port(sim, "pcie-root-port", "/machine/peripheral/port1", "port1");
    sim_leave_backend(sim, "b");
    sim_leave_node(sim, "n");
    sim->guest.mounts = "[{'name':'sda1','mountpoint':'/','disk':[{'dev':'/dev/sda'}]}]";
    return sim;
}

/* ---- connecting ---- */

static bool is_settled(void *user)
{
    const struct qmp_client *client = vm_qmp(user);

    return qmp_client_is_ready(client) || qmp_client_failure(client) != NULL;
}

static void connect_vm(void *user)
{
    struct error error = ERROR_INIT;

    (void)user;
    oom_vm_prepare(&on, sim_new());
    oom_on();
    if (oom_vm_connect(&on, &error) == NULL) {
        assert_int_equal(error.code, ERROR_SYSTEM);
    } else {
        oom_vm_drive(&on, is_settled, on.vm);
        if (!qmp_client_is_ready(vm_qmp(on.vm)))
            assert_int_equal(qmp_client_failure(vm_qmp(on.vm))->code, ERROR_SYSTEM);
        vm_free(STEAL(on.vm));
    }
    oom_off();
    oom_vm_close(&on);
}

static void test_connect(void **state)
{
    (void)state;
    (void)oom_each(connect_vm, NULL);
    (void)oom_each_lasting(connect_vm, NULL);
}

/* ---- looking ---- */

struct fetched {
    bool ended;
    struct inventory *inventory;
    struct error failure;
};

static void on_inventory(void *user, struct inventory *inventory, const struct error *failure)
{
    struct fetched *fetched = user;

    fetched->ended = true;
    fetched->inventory = inventory;
    if (failure != NULL)
        fetched->failure = *failure;
}

static bool is_fetched(void *user)
{
    return ((const struct fetched *)user)->ended;
}

static struct inventory *fetch(struct error *error)
{
    struct fetched fetched = {.ended = false};

    if (inventory_fetch(on.vm, ALL_PARTS, TIMEOUT_MS, TIMEOUT_MS, on_inventory, &fetched, error) ==
        NULL)
        return NULL;
    oom_vm_drive(&on, is_fetched, &fetched);
    *error = fetched.failure;
    return fetched.inventory;
}

/* The figures as they are, whichever there are. */
static void check_inventory(const struct inventory *inventory)
{
    assert_int_equal(inventory->cpus.present, 3);
    assert_int_equal(inventory->memory.device_count, 1);
    assert_int_equal(inventory->memory.zone_count, 2);
    assert_int_equal(inventory->disks.disk_count, 2);
    assert_int_equal(inventory->pci.bus_count, 2);
    assert_int_equal(inventory->objects.backend_count, 3); /* and the machine's */
    assert_int_equal(inventory->objects.node_count, 2);
    assert_int_equal(inventory->guest.cpu_count, 3);
    assert_int_equal(inventory->guest.block_count, 4);
    assert_int_equal(inventory->guest.disk_count, 1);
    assert_non_null(qga_uses_find(&inventory->guest.uses, "/dev/sda"));
    assert_true(inventory_name_taken(inventory, "n"));
    assert_true(inventory->guest.files[INVENTORY_FILE_MEMINFO].text != NULL);
}

static void check_audit(const struct inventory *inventory)
{
    struct audit *audit = audit_new(on.vm, inventory);

    if (audit == NULL)
        assert_true(oom_struck());
    else
        assert_int_equal(audit->count, 2); /* b and n */
    audit_free(audit);
}

static void check_doctor(const struct inventory *inventory)
{
    struct doctor doctor;

    doctor_examine(&doctor, on.vm, inventory);
    assert_int_not_equal(doctor.can[DOCTOR_CPU_ADD], DOCTOR_NO);
    if (!oom_struck())
        assert_int_equal(doctor.can[DOCTOR_CPU_ADD], DOCTOR_YES);
}

static void look(void *user)
{
    struct inventory *inventory;
    struct error error = ERROR_INIT;

    (void)user;
    oom_vm_open(&on, sim_with_devices());
    oom_on();
    inventory = fetch(&error);
    if (inventory == NULL) {
        assert_true(oom_struck());
        assert_int_equal(error.code, ERROR_SYSTEM);
    } else {
        check_inventory(inventory);
        check_audit(inventory);
        check_doctor(inventory);
        inventory_free(inventory);
    }
    oom_off();
    oom_vm_close(&on);
}

static void test_look(void **state)
{
    (void)state;
    (void)oom_each(look, NULL);
    (void)oom_each_lasting(look, NULL);
}

/* ---- batches ---- */

struct ended {
    bool ended;
    unsigned results;
    struct batch_result result;
};

static void on_result(void *user, const struct operation_result *result)
{
    struct ended *ended = user;

    if (verdict_is_success(result->verdict))
        ended->results++;
}

static void on_batch(void *user, const struct batch_result *result)
{
    struct ended *ended = user;

    ended->ended = true;
    ended->result = *result;
}

static bool has_ended(void *user)
{
    return ((const struct ended *)user)->ended;
}

/* So many devices as it says are there. */
static void check_batch(const struct batch_request *request, const struct ended *ended)
{
    unsigned added = on.sim->dimm_count, cpus = 0, i;

    for (i = 2; i < on.sim->cpu_count; i++)
        cpus += on.sim->cpus[i].present;
    if (verdict_is_success(ended->result.verdict))
        assert_int_equal(ended->result.done, ended->result.asked);
    if (request->goal == BATCH_MEMORY && on.sim->dimm_count > 0)
        added = 2 - added; /* removals */
    if (ended->result.error.code == ERROR_NONE)
        assert_int_equal(ended->result.done, cpus + added);
    else
        assert_true(oom_struck());
    assert_true(ended->result.done <= cpus + added);
    if (!request->atomic)
        assert_int_equal(ended->result.done, ended->results);
}

struct batch_case {
    struct batch_request request;
    struct sim *(*make)(void);
};

static void run_batch(void *user)
{
    const struct batch_case *batch_case = user;
    struct ended ended = {.ended = false};
    const struct batch_observer observer = {
        .result = on_result, .done = on_batch, .user = &ended};
    struct error error = ERROR_INIT;
    struct batch *batch;

    oom_vm_open(&on, batch_case->make());
    oom_on();
    batch = batch_start(on.vm, &batch_case->request, &observer, &error);
    if (batch == NULL)
        assert_int_equal(error.code, ERROR_SYSTEM);
    else
        oom_vm_drive(&on, has_ended, &ended);
    batch_free(batch);
    oom_off();
    if (batch != NULL)
        check_batch(&batch_case->request, &ended);
    oom_vm_close(&on);
}

static struct sim *sim_with_dimms(void)
{
    struct sim *sim = sim_new();

    sim_put_dimm(sim, "m", SIM_DIMM_BASE, 256 * SIM_MIB);
    sim_put_dimm(sim, "n", SIM_DIMM_BASE + 256 * SIM_MIB, 256 * SIM_MIB);
    return sim;
}

static void test_batch(void **state)
{
    struct batch_case cases[] = {
        {{.goal = BATCH_CPUS, .target = 4, .atomic = true, .each = {.type = OPERATION_CPU_ADD}},
         sim_new},
        {{.goal = BATCH_MEMORY, .target = 512 * SIM_MIB, .each = {.type = OPERATION_DIMM_ADD}},
         sim_with_dimms},
        {{.goal = BATCH_COUNT, .count = 2, .each = {.type = OPERATION_CPU_ADD}}, sim_new},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        cases[i].request.each.timeout_ms = TIMEOUT_MS;
        (void)oom_each(run_batch, &cases[i]);
    }
}

/* ---- the record ---- */

static bool has(struct record *record, const char *id)
{
    AUTO_JSON json_t *entry = record_find(record, id);

    return entry != NULL;
}

static void keep_record(void *user)
{
    struct record *record;
    bool put = false;
    json_t *list;

    (void)user;
    oom_on();
    record = record_new(fake_path("run"));
    if (record != NULL && record_bind(record, getpid())) {
        put = record_put(record, json_pack("{s:s, s:s}", "operation", "cpu-remove", "id", "a"));
        record_count_vcpu_removed(record, "a");
        record_drop(record, "nobody");
        list = record_list(record);
        assert_true(list != NULL || record_failed(record));
        json_decref(list);
        if (put && !has(record, "a"))
            assert_true(record_failed(record));
        if (record_vcpus_removed(record) != 1)
            assert_true(oom_struck());
    }
    oom_off();
    if (put) { /* whatever failed since */
        assert_true(has(record, "a"));
        assert_true(record_has(record, "a", "-remove"));
    }
    record_free(record);
    fake_empty(fake_path("run"));
}

static void test_record(void **state)
{
    (void)state;
    assert_int_not_equal(oom_each(keep_record, NULL), 0);
    (void)oom_each_lasting(keep_record, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connect),
        cmocka_unit_test(test_look),
        cmocka_unit_test(test_batch),
        cmocka_unit_test(test_record),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
