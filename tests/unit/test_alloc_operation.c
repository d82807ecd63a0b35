/* SPDX-License-Identifier: MIT */
/* Every kind of operation, with each of its allocations failing in turn: whatever it then says must
 * be true of what the simulated QEMU and its guest have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "tests/fake/oom.h"
#include "tests/fake/oom_vm.h"
#include "vmm/operation.h"

#define TIMEOUT_MS 5000

/* ---- a case, and a run of it ---- */

struct run {
    /* The case. */
    struct operation_request request;
    enum verdict verdict;              /* when memory suffices */
    void (*prepare)(struct sim *sim);  /* may be NULL */
    bool (*is_so)(const struct sim *sim); /* what the request asks for */
    size_t lines;                         /* of a dry run's description */
    bool lasting;                         /* nothing can be undone */

    struct oom_vm on;
    const struct operation_result *result;
    json_t *found; /* names that stood already */
};

/* Ids of all that could have been made: name -> true. */
static json_t *list_standing(const struct sim *sim)
{
    json_t *names = json_object(), *value;
    const char *key;
    unsigned i;

    for (i = 0; i < sim->cpu_count; i++) {
        if (sim->cpus[i].present)
            (void)json_object_set_new(names, sim->cpus[i].id, json_true());
    }
    for (i = 0; i < sim->dimm_count; i++)
        (void)json_object_set_new(names, sim->dimms[i].id, json_true());
    for (i = 0; i < sim->virtio_mem_count; i++)
        (void)json_object_set_new(names, sim->virtio_mems[i].id, json_true());
    for (i = 0; i < sim->disk_count; i++) {
        (void)json_object_set_new(names, sim->disks[i].id, json_true());
        (void)json_object_set_new(names, sim->disks[i].node, json_true());
    }
    json_object_foreach(sim->objects, key, value)
        (void)json_object_set_new(names, key, json_true());
    return names;
}

/* By its own name, or by that of the device that has it. */
static bool is_left(const struct operation_result *result, const char *name)
{
    size_t i, length;

    for (i = 0; i < result->left_count; i++) {
        length = strlen(result->left[i]);
        if (strncmp(name, result->left[i], length) == 0 &&
            (name[length] == '\0' || strcmp(name + length, "-backend") == 0))
            return true;
    }
    return false;
}

static void check_left(const struct run *run)
{
    json_t *names = list_standing(run->on.sim), *value;
    const char *key;

    json_object_foreach(names, key, value) {
        if (*key != '\0' && json_object_get(run->found, key) == NULL &&
            !is_left(run->result, key))
            fail_msg("%s: %s: '%s' stands, and the result does not say so",
                     run->result->operation, verdict_name(run->result->verdict), key);
    }
    json_decref(names);
}

static void check_truth(const struct run *run)
{
    const struct operation_result *result = run->result;

    switch (result->verdict) {
    case VERDICT_ONLINE:
    case VERDICT_REMOVED:
    case VERDICT_DONE:
        if (run->request.dry_run)
            assert_int_equal(
                json_array_size(json_object_get(result->details, "would_send")), run->lines);
        else if (!run->is_so(run->on.sim))
            fail_msg("%s: it is not %s", result->operation, verdict_name(result->verdict));
        break;
    case VERDICT_UNCONFIRMED: /* the agent's connection may have ended */
        if (result->missing == NULL || sim_changes(run->on.sim) == 0)
            fail_msg("%s: unconfirmed, and nothing is missing", result->operation);
        break;
    case VERDICT_ERROR:
        /* What was answered too late is undone, and then nothing of it stands. */
        if (result->error.code != ERROR_SYSTEM &&
            (result->error.code != ERROR_TIMEOUT || run->is_so(run->on.sim)))
            fail_msg("%s: '%s'", result->operation, result->error.why);
        if (result->top == VERDICT_REMOVED && sim_changes(run->on.sim) > 0)
            fail_msg("%s: something was changed", result->operation);
        if (result->top == VERDICT_DONE && !run->request.dry_run && !run->lasting &&
            run->is_so(run->on.sim))
            fail_msg("%s: it was done", result->operation);
        check_left(run);
        break;
    case VERDICT_PENDING:
        if (result->top != VERDICT_DONE) /* a change has been made, if not seen */
            check_left(run);
        break;
    case VERDICT_LOST:
        check_left(run);
        break;
    default: /* nobody refused anything, unless the case is about that */
        if (result->verdict == run->verdict) {
            check_left(run);
            break;
        }
        fail_msg("%s: %s: '%s'", result->operation, verdict_name(result->verdict),
                 result->error.why);
    }
}

static void on_done(void *user, const struct operation_result *result)
{
    struct run *run = user;

    assert_null(run->result);
    run->result = result;
}

static bool is_done(void *user)
{
    return ((const struct run *)user)->result != NULL;
}

static void operate(void *user)
{
    struct run *run = user;
    const struct operation_observer observer = {.done = on_done, .user = run};
    struct operation *operation;
    struct error error = ERROR_INIT;
    struct sim *sim;

    run->result = NULL;
    sim = sim_new();
    if (run->prepare != NULL)
        run->prepare(sim);
    run->found = list_standing(sim);
    oom_vm_open(&run->on, sim);
    oom_on();
    operation = operation_start(run->on.vm, &run->request, NULL, &observer, &error);
    if (operation == NULL) {
        assert_int_equal(error.code, ERROR_SYSTEM);
        assert_int_equal(sim_changes(run->on.sim), 0);
    } else {
        oom_vm_drive(&run->on, is_done, run);
        oom_off();
        check_truth(run);
        if (!oom_struck())
            assert_int_equal(run->result->verdict, run->verdict);
        oom_on();
        operation_free(operation);
    }
    oom_off();
    json_decref(run->found);
    oom_vm_close(&run->on);
}

static void try_all(struct run run)
{
    run.request.timeout_ms = TIMEOUT_MS;
    (void)oom_each(operate, &run);
    run.lasting = true;
    (void)oom_each_lasting(operate, &run);
}

/* ---- additions ---- */

static char image[512];

static unsigned blocks_online(const struct sim *sim, bool movable)
{
    unsigned count = 0, i;

    for (i = 2; i < sim->guest.block_count; i++) {
        if (sim->guest.blocks[i].online && sim->guest.blocks[i].movable == movable)
            count++;
    }
    return count;
}

static bool has_cpu_online(const struct sim *sim)
{
    return sim->cpus[2].present && sim->guest.vcpu_count == 3 && sim->guest.vcpus[2].online;
}

static bool has_dimm_online(const struct sim *sim)
{
    return sim->dimm_count == 1 && blocks_online(sim, false) == 2;
}

static bool has_dimm_movable(const struct sim *sim)
{
    return sim->dimm_count == 1 && blocks_online(sim, true) == 2;
}

static bool has_disk(const struct sim *sim)
{
    return sim->disk_count == 1 && sim->disks[0].id[0] != '\0';
}

static bool has_virtio_mem(const struct sim *sim)
{
    return sim->virtio_mem_count == 1 && sim->virtio_mems[0].bytes == 256 * SIM_MIB &&
           blocks_online(sim, false) == 2;
}

static void put_port(struct sim *sim)
{
    (void)sim_put_port(sim, "pcie-root-port", "/machine/peripheral/port1", "port1");
}

static void show_vpd(struct sim *sim)
{
    sim->guest.tells_serials = false;
    sim->guest.has_vpd = true;
}

static void test_cpu_add(void **state)
{
    (void)state;
    try_all((struct run){.request = {.type = OPERATION_CPU_ADD},
                         .verdict = VERDICT_ONLINE,
                         .is_so = has_cpu_online});
}

static void test_dimm_add(void **state)
{
    struct run run = {
        .request = {.type = OPERATION_DIMM_ADD,
                    .dimm = {.bytes = 256 * SIM_MIB, .node_set = true, .hugepages = true}},
        .verdict = VERDICT_ONLINE,
        .is_so = has_dimm_online};

    (void)state;
    try_all(run);
    run.request.dimm.movable = true;
    run.is_so = has_dimm_movable;
    try_all(run);
}

static void test_disk_add(void **state)
{
    struct run run = {.request = {.type = OPERATION_DISK_ADD,
                                  .disk = {.file = image, .read_only = true}},
                      .verdict = VERDICT_ONLINE,
                      .is_so = has_disk};

    (void)state;
    try_all(run);
    run.prepare = show_vpd;
    try_all(run);
    run.request.disk.bus = "virtio";
    run.prepare = put_port;
    try_all(run);
}

static void test_virtio_mem_add(void **state)
{
    (void)state;
    try_all((struct run){
        .request = {.type = OPERATION_VIRTIO_MEM_ADD, .dimm = {.bytes = 256 * SIM_MIB}},
        .verdict = VERDICT_ONLINE,
        .prepare = put_port,
        .is_so = has_virtio_mem});
}

/* ---- additions that are taken back ---- */

static bool has_nothing(const struct sim *sim)
{
    (void)sim;
    return false;
}

static void refuse(struct sim *sim)
{
    sim->guest.ost[0].status = 0x81;
}

static void reject(struct sim *sim)
{
    sim_fault(sim, (struct fault){.side = SIM_QMP,
                                      .command = "device_add",
                                      .action = FAULT_REJECT,
                                      .text = "no"});
}

static void test_taken_back(void **state)
{
    struct run run = {
        .request = {.type = OPERATION_DIMM_ADD, .dimm = {.bytes = 256 * SIM_MIB}},
        .verdict = VERDICT_REFUSED,
        .prepare = refuse,
        .is_so = has_nothing};

    (void)state;
    try_all(run);
    run.verdict = VERDICT_REJECTED;
    run.prepare = reject;
    try_all(run);
}

/* ---- removals ---- */

static void put_all(struct sim *sim)
{
    sim->kvm = true;
    sim_put_cpu(sim, "c");
    sim_put_dimm(sim, "m", SIM_DIMM_BASE, 256 * SIM_MIB);
    sim_put_disk(sim, "d", "SERIAL", 0);
    sim_leave_backend(sim, "b");
    sim_leave_node(sim, "n");
}

static bool is_cpu_gone(const struct sim *sim)
{
    return !sim->cpus[2].present;
}

static bool is_dimm_gone(const struct sim *sim)
{
    return sim->dimm_count == 0 && json_object_get(sim->objects, "m-memory") == NULL;
}

static bool is_disk_gone(const struct sim *sim)
{
    return sim->disk_count == 1; /* the node that was left there */
}

static bool is_backend_gone(const struct sim *sim)
{
    return json_object_get(sim->objects, "b") == NULL;
}

static void test_remove(void **state)
{
    static const struct {
        enum operation_type type;
        const char *id;
        bool (*is_so)(const struct sim *sim);
    } cases[] = {
        {OPERATION_CPU_REMOVE, "c", is_cpu_gone},
        {OPERATION_DIMM_REMOVE, "m", is_dimm_gone},
        {OPERATION_DISK_REMOVE, "d", is_disk_gone},
        {OPERATION_BACKEND_REMOVE, "b", is_backend_gone},
        {OPERATION_NODE_REMOVE, "n", is_disk_gone},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++)
        try_all((struct run){.request = {.type = cases[i].type, .id = cases[i].id},
                             .verdict = VERDICT_REMOVED,
                             .prepare = put_all,
                             .is_so = cases[i].is_so});
}

/* ---- changes ---- */

static void put_virtio_mem(struct sim *sim)
{
    (void)sim_put_virtio_mem(sim, "v", SIM_DIMM_BASE, SIM_GIB);
}

static void put_drive(struct sim *sim)
{
    sim_put_cdrom(sim, "cd0", image);
}

static bool is_resized(const struct sim *sim)
{
    return sim->disks[0].bytes == 128 * SIM_MIB;
}

static bool is_throttled(const struct sim *sim)
{
    return sim->disks[0].limits[0] == 0 && sim->disks[0].limits[3] == 500;
}

static bool has_medium(const struct sim *sim)
{
    return sim->cdroms[0].node[0] != '\0' && strcmp(sim->cdroms[0].node, "cd0-medium") != 0 &&
           !sim->cdroms[0].tray_open;
}

static bool is_ejected(const struct sim *sim)
{
    return sim->cdroms[0].node[0] == '\0';
}

static void test_change(void **state)
{
    const struct run runs[] = {
        {.request = {.type = OPERATION_VIRTIO_MEM_RESIZE,
                     .id = "v",
                     .dimm = {.bytes = 256 * SIM_MIB}},
         .prepare = put_virtio_mem,
         .is_so = has_virtio_mem},
        {.request = {.type = OPERATION_DISK_RESIZE, .id = "d", .bytes = 128 * SIM_MIB},
         .prepare = put_all,
         .is_so = is_resized},
        {.request = {.type = OPERATION_DISK_THROTTLE,
                     .id = "d",
                     .limits = {.iops_set = true, .iops = 500}},
         .prepare = put_all,
         .is_so = is_throttled},
        {.request = {.type = OPERATION_CDROM_INSERT, .id = "cd0", .disk = {.file = image}},
         .prepare = put_drive,
         .is_so = has_medium},
        {.request = {.type = OPERATION_CDROM_EJECT, .id = "cd0", .force = true},
         .prepare = put_drive,
         .is_so = is_ejected},
    };
    struct run run;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(runs); i++) {
        run = runs[i];
        run.verdict = VERDICT_DONE;
        try_all(run);
    }
}

/* ---- what is only described ---- */

static void test_dry_run(void **state)
{
    struct run run = {.request = {.type = OPERATION_DIMM_REMOVE, .id = "m", .dry_run = true},
                      .verdict = VERDICT_DONE,
                      .prepare = put_all,
                      .lines = 3};

    (void)state;
    try_all(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cpu_add),   cmocka_unit_test(test_dimm_add),
        cmocka_unit_test(test_disk_add),  cmocka_unit_test(test_virtio_mem_add),
        cmocka_unit_test(test_taken_back), cmocka_unit_test(test_remove),
        cmocka_unit_test(test_change),    cmocka_unit_test(test_dry_run),
    };

    (void)snprintf(image, sizeof(image), "%s", fake_file("disk.raw", "", 0));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
