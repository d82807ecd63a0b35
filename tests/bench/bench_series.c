/* SPDX-License-Identifier: MIT */
/* Many of a kind, one after the other, each round on a fresh QEMU: whether each costs the same as
 * the first. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/bench/bench.h"
#include "tests/bench/floor.h"
#include "tests/bench/steps.h"
#include "tests/bench/twin.h"

#define LONGEST 250
#define ROUNDS 5
#define DEVICE_ROUNDS 31 /* of one device, which is soon there, but of which chance makes more */

struct series {
    const char *name;
    int action; /* enum vmplug_action */
    unsigned count;
    int level;
    const char *query; /* that shows that all are there, of the floor that asks nothing else */
};

/* When each device of the last run was done, since the first began. */
static double reached_ms[2][LONGEST];
static const struct series *current;
static struct steps steps; /* vmplug's own */

/* ---- the floors ---- */

static double run_same_steps(void *user)
{
    struct harness_vm vm;
    struct floor floor;
    double start_ms;

    (void)user;
    bench_start_qemu(&vm);
    floor_open(&floor, vm.qmp);
    start_ms = bench_now_ms();
    steps_repeat(&steps, &floor, NULL);
    start_ms = bench_now_ms() - start_ms;
    floor_close(&floor);
    harness_stop(&vm);
    return start_ms;
}

/* The ids are vmplug's: QEMU reads a request byte by byte, so their length tells. */

static void floor_add(struct floor *floor, int action, unsigned i)
{
    char request[1024];

    switch (action) {
    case VMPLUG_CPU_ADD:
        (void)snprintf(request, sizeof(request),
                       "{\"execute\":\"device_add\",\"arguments\":{\"driver\":"
                       "\"qemu64-x86_64-cpu\",\"id\":\"vmplug-cpu-%u\",\"core-id\":0,"
                       "\"thread-id\":0,\"node-id\":0,\"socket-id\":%u},\"id\":1}",
                       i + 1, i + 1);
        break;
    case VMPLUG_MEMORY_ADD:
        (void)snprintf(request, sizeof(request),
                       "{\"execute\":\"object-add\",\"arguments\":{\"qom-type\":"
                       "\"memory-backend-ram\",\"id\":\"vmplug-mem-%u-backend\","
                       "\"size\":134217728},\"id\":1}",
                       i);
        (void)floor_call(floor, request);
        (void)snprintf(request, sizeof(request),
                       "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"pc-dimm\","
                       "\"id\":\"vmplug-mem-%u\",\"memdev\":\"vmplug-mem-%u-backend\"},"
                       "\"id\":1}",
                       i, i);
        break;
    default:
        (void)snprintf(request, sizeof(request),
                       "{\"execute\":\"blockdev-add\",\"arguments\":{\"driver\":\"raw\","
                       "\"node-name\":\"vmplug-disk-%u\",\"file\":{\"driver\":\"file\","
                       "\"filename\":\"%s\"}},\"id\":1}",
                       i, bench_disk(i));
        (void)floor_call(floor, request);
        (void)snprintf(request, sizeof(request),
                       "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"scsi-hd\",\"id\":"
                       "\"vmplug-disk-%u\",\"bus\":\"scsi0.0\",\"channel\":0,\"scsi-id\":0,"
                       "\"lun\":%u,\"drive\":\"vmplug-disk-%u\","
                       "\"serial\":\"vmplug-disk-%u\"},\"id\":1}",
                       i, i + 1, i, i);
    }
    (void)floor_call(floor, request);
}

static double run_floor(void *user)
{
    struct harness_vm vm;
    struct floor floor;
    double start_ms;
    unsigned i;

    (void)user;
    bench_start_qemu(&vm);
    floor_open(&floor, vm.qmp);
    start_ms = bench_now_ms();
    for (i = 0; i < current->count; i++) {
        floor_add(&floor, current->action, i);
        reached_ms[0][i] = bench_now_ms() - start_ms;
    }
    if (current->level != VMPLUG_LEVEL_ACCEPTED)
        (void)floor_call(&floor, current->query);
    start_ms = bench_now_ms() - start_ms;
    floor_close(&floor);
    harness_stop(&vm);
    return start_ms;
}

/* ---- vmplug ---- */

struct watch {
    double start_ms;
    unsigned devices;
    int verdict; /* below 0: under way */
};

static void on_device(void *user, struct vmplug_result *result)
{
    struct watch *watch = user;

    (void)result;
    if (watch->devices < LONGEST)
        reached_ms[1][watch->devices++] = bench_now_ms() - watch->start_ms;
}

static void on_done(void *user, struct vmplug_result *result)
{
    struct watch *watch = user;

    watch->verdict = vmplug_result_verdict(result);
    if (!vmplug_verdict_is_success(watch->verdict))
        fprintf(stderr, "bench: %s\n", vmplug_result_error(result)->why);
}

static int is_over(void *user)
{
    return ((const struct watch *)user)->verdict >= 0;
}

/* user: struct steps to be noted, or NULL. */
static double run_vmplug(void *user)
{
    struct steps *trace = user;
    struct watch watch = {.verdict = -1};
    const struct vmplug_observer observer = {
        .struct_bytes = sizeof(observer), .device = on_device, .done = on_done, .user = &watch};
    struct vmplug_request request = {.struct_bytes = sizeof(request),
                                     .action = current->action,
                                     .level = current->level,
                                     .count = current->count,
                                     .bytes = 128 << 20};
    struct vmplug_pump *pumps[VMPLUG_VM_PUMPS_MAX];
    struct vmplug_operation *operation;
    const char *files[LONGEST];
    struct harness_vm vm;
    struct vmplug_vm *opened;
    double ms;
    unsigned i;

    for (i = 0; i < current->count && current->action == VMPLUG_DISK_ADD; i++) {
        files[i] = bench_disk(i);
        request.names = files;
        request.name_count = i + 1;
    }
    bench_start_qemu(&vm);
    opened = bench_open_traced(&vm, trace != NULL ? steps_note : NULL, trace);
    if (trace != NULL)
        steps_forget(trace);
    watch.start_ms = bench_now_ms();
    operation = vmplug_operation_start(opened, &request, &observer, NULL);
    (void)vmplug_pump_run(pumps, vmplug_vm_pumps(opened, pumps), is_over, &watch, 300000);
    ms = bench_now_ms() - watch.start_ms;
    if (!vmplug_verdict_is_success(watch.verdict) || watch.devices != current->count)
        exit(1);
    vmplug_operation_free(operation);
    vmplug_vm_free(opened);
    harness_stop(&vm);
    return ms;
}

static double run_command(void *user)
{
    const char *argv[LONGEST + 16] = {bench_vmplug, "--wait",
                                      current->level == VMPLUG_LEVEL_ACCEPTED ? "accepted"
                                                                              : "realized",
                                      "--qmp"};
    struct harness_vm vm;
    char count[16];
    size_t used = 5;
    unsigned i;
    double ms;

    (void)user;
    if (current->action == VMPLUG_MEMORY_ADD)
        return -1; /* it adds one DIMM at a time */
    bench_start_qemu(&vm);
    argv[4] = vm.qmp;
    argv[used++] = current->action == VMPLUG_CPU_ADD ? "cpu" : "disk";
    argv[used++] = "add";
    (void)snprintf(count, sizeof(count), "%u", current->count);
    if (current->action == VMPLUG_CPU_ADD)
        argv[used++] = count;
    for (i = 0; i < current->count && current->action == VMPLUG_DISK_ADD; i++)
        argv[used++] = bench_disk(i);
    ms = bench_time_run(argv);
    harness_stop(&vm);
    return ms;
}

static double run_virsh(void *user)
{
    (void)user;
    return twin_series(current->action, current->count);
}

/* ---- the workload ---- */

static void plot(void)
{
    char name[64], title[128];
    double x[LONGEST];
    const struct bench_curve curves[] = {
        {"floor that asks nothing", x, reached_ms[0], current->count},
        {"vmplug, library", x, reached_ms[1], current->count},
    };
    unsigned i;

    for (i = 0; i < current->count; i++)
        x[i] = i + 1;
    (void)snprintf(name, sizeof(name), "series-%s-%s", current->name,
                   current->level == VMPLUG_LEVEL_ACCEPTED ? "accepted" : "realized");
    (void)snprintf(title, sizeof(title), "%s in a row, up to %s", current->name,
                   current->level == VMPLUG_LEVEL_ACCEPTED ? "QEMU's acceptance" : "realized");
    bench_plot(name, title, current->name, "ms", false, curves, COUNT_OF(curves));
}

static const struct bench_contender contenders[] = {
    {"floor, the same steps", run_same_steps, NULL},
    {"vmplug, library", run_vmplug, NULL},
    {"floor that asks nothing", run_floor, NULL},
    {"vmplug, command", run_command, NULL},
    {"virsh, one batch", run_virsh, NULL},
};

/* Returns the samples; current says of what. */
static const struct bench_samples *measure(const struct series *series)
{
    static struct bench_samples samples;
    char title[96];

    current = series;
    (void)run_vmplug(&steps);
    (void)snprintf(title, sizeof(title), "%u %s, %s", current->count, current->name,
                   current->level == VMPLUG_LEVEL_ACCEPTED ? "accepted" : "realized");
    bench_run(title, contenders, COUNT_OF(contenders),
              current->count > 1 ? ROUNDS : DEVICE_ROUNDS, &samples);
    return &samples;
}

#define CPUS "{\"execute\":\"query-hotpluggable-cpus\",\"id\":1}"
#define DIMMS "{\"execute\":\"query-memory-devices\",\"id\":1}"
#define DISKS "{\"execute\":\"query-block\",\"id\":1}"

void bench_series(void)
{
    static const struct series rows[] = {
        {"vCPUs", VMPLUG_CPU_ADD, 64, VMPLUG_LEVEL_ACCEPTED, NULL},
        {"vCPUs", VMPLUG_CPU_ADD, 64, VMPLUG_LEVEL_REALIZED, CPUS},
        {"DIMMs", VMPLUG_MEMORY_ADD, 64, VMPLUG_LEVEL_ACCEPTED, NULL},
        {"DIMMs", VMPLUG_MEMORY_ADD, 64, VMPLUG_LEVEL_REALIZED, DIMMS},
        {"disks", VMPLUG_DISK_ADD, LONGEST, VMPLUG_LEVEL_ACCEPTED, NULL},
        {"disks", VMPLUG_DISK_ADD, LONGEST, VMPLUG_LEVEL_REALIZED, DISKS},
    };
    const struct bench_samples *samples;
    size_t i;

    for (i = 0; i < COUNT_OF(rows); i++) {
        samples = measure(&rows[i]);
        bench_claim_at_most(samples, 1, 0, 1.15);
        if (current->action != VMPLUG_DISK_ADD)
            bench_claim_faster(samples, 1, 4, current->action == VMPLUG_CPU_ADD ? 3 : 5);
        plot();
    }
}

void bench_device(void)
{
    static const struct series rows[] = {
        {"vCPU", VMPLUG_CPU_ADD, 1, VMPLUG_LEVEL_ACCEPTED, NULL},
        {"vCPU", VMPLUG_CPU_ADD, 1, VMPLUG_LEVEL_REALIZED, CPUS},
        {"DIMM", VMPLUG_MEMORY_ADD, 1, VMPLUG_LEVEL_ACCEPTED, NULL},
        {"DIMM", VMPLUG_MEMORY_ADD, 1, VMPLUG_LEVEL_REALIZED, DIMMS},
        {"disk", VMPLUG_DISK_ADD, 1, VMPLUG_LEVEL_ACCEPTED, NULL},
        {"disk", VMPLUG_DISK_ADD, 1, VMPLUG_LEVEL_REALIZED, DISKS},
    };
    size_t i;

    for (i = 0; i < COUNT_OF(rows); i++)
        bench_claim_at_most(measure(&rows[i]), 1, 0, 1.10);
}
