/* SPDX-License-Identifier: MIT */
/*
 * Times vmplug against the floor (floor.c), in turn, round by round, on real QEMUs, and prints
 * ratios: a machine's speed drifts, but the two of a pair drift together. Whole processes are
 * timed, from before the fork to after the wait.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "qmp/codec.h"
#include "tests/live/harness.h"

#define ROUNDS_MAX 200

struct series {
    double vmplug_ms[ROUNDS_MAX];
    double floor_ms[ROUNDS_MAX];
    double ratio[ROUNDS_MAX];
    size_t rounds;
};

/* Runs a program with its output thrown away; returns how long it took. */
static double time_run(const char *const *argv)
{
    double start_ms = clock_now_ms();
    pid_t pid = vfork();
    int status;

    if (pid == 0) {
        dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    if (waitpid(pid, &status, 0) != pid || status != 0) {
        fprintf(stderr, "bench: %s %s failed\n", argv[0], argv[1]);
        exit(1);
    }
    return clock_now_ms() - start_ms;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return left < right ? -1 : left > right;
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare);
    return values[count / 2];
}

/* The ratio is that of the medians: what a guest under emulation takes for the same differs by more
 * from one time to the next than vmplug and the floor do. */
static void report(const char *name, struct series *series, double limit)
{
    double vmplug_ms = median(series->vmplug_ms, series->rounds);
    double floor_ms = median(series->floor_ms, series->rounds);
    double ratio = vmplug_ms / floor_ms;

    (void)median(series->ratio, series->rounds);
    printf("%-28s %8.2f ms  floor %8.2f ms  ratio %5.2f (rounds %.2f to %.2f, %zu of them)  "
           "aim <= %.2f  %s\n",
           name, vmplug_ms, floor_ms, ratio, series->ratio[0],
           series->ratio[series->rounds - 1], series->rounds, limit,
           ratio <= limit ? "met" : "NOT MET");
    fflush(stdout);
}

static void add_round(struct series *series, double vmplug_ms, double floor_ms)
{
    series->vmplug_ms[series->rounds] = vmplug_ms;
    series->floor_ms[series->rounds] = floor_ms;
    series->ratio[series->rounds++] = vmplug_ms / floor_ms;
}

/* Who goes first changes every round. */
static void alternate(struct series *series, size_t rounds, const char *const *vmplug,
                      const char *const *floor)
{
    double vmplug_ms, floor_ms;
    size_t i;

    (void)time_run(vmplug);
    (void)time_run(floor);
    for (i = 0; i < rounds; i++) {
        if (i % 2 == 0) {
            vmplug_ms = time_run(vmplug);
            floor_ms = time_run(floor);
        } else {
            floor_ms = time_run(floor);
            vmplug_ms = time_run(vmplug);
        }
        add_round(series, vmplug_ms, floor_ms);
    }
}

/* The requests of one `vmplug status`, as its trace shows them. */
static void record_status(const char *vmplug, const struct harness_vm *vm, const char *path)
{
    AUTO_FREE char *trace = NULL;
    FILE *in, *out;
    char line[65536];

    if (asprintf(&trace, "%s.trace", path) < 0)
        exit(1);
    (void)time_run(HARNESS_ARGUMENTS(vmplug, "--qmp", vm->qmp, "--trace", trace, "status"));
    in = fopen(trace, "r");
    out = fopen(path, "w");
    while (in != NULL && out != NULL && fgets(line, sizeof(line), in) != NULL) {
        AUTO_JSON json_t *entry = codec_parse(line, NULL);
        json_t *message = json_object_get(entry, "message");
        AUTO_FREE char *request = NULL;

        if (json_object_get(message, "execute") == NULL || json_object_get(message, "id") == NULL)
            continue;
        request = codec_dump(message, 0);
        fprintf(out, "%s\n", request);
    }
    fclose(in);
    fclose(out);
}

static void bench_queries(const char *vmplug, const char *floor)
{
    static struct series one, status;
    AUTO_FREE char *requests = NULL;
    struct harness_vm vm;

    harness_start_bare(&vm, HARNESS_ARGUMENTS("-machine", "q35", "-smp", "1,maxcpus=4", "-m",
                                              "256M,slots=8,maxmem=4G", "-device",
                                              "virtio-scsi-pci,id=scsi0"));
    if (asprintf(&requests, "%s/requests", harness_dir()) < 0)
        exit(1);
    alternate(&one, 100, HARNESS_ARGUMENTS(vmplug, "--qmp", vm.qmp, "qmp", "query-status"),
              HARNESS_ARGUMENTS(floor, "qmp", vm.qmp, "{\"execute\":\"query-status\",\"id\":1}"));
    report("vmplug qmp query-status", &one, 2);
    record_status(vmplug, &vm, requests);
    alternate(&status, 100, HARNESS_ARGUMENTS(vmplug, "--qmp", vm.qmp, "--json", "status"),
              HARNESS_ARGUMENTS(floor, "pipeline", vm.qmp, requests));
    report("vmplug status", &status, 2);
    harness_stop(&vm);
}

/* Slots in ascending order, vmplug and the floor by turns: each pair is two neighbours. */
/* Some vCPUs for one guest: the more it has, the longer each takes on a host with few. */
static void add_cpus(struct series *series, const char *vmplug, const char *floor, unsigned rounds,
                     unsigned first)
{
    struct harness_vm vm;
    char request[2][512];
    double ms[2] = {0, 0};
    unsigned i, turn, core = 0;

    harness_boot(&vm, HARNESS_ARGUMENTS("--", "-smp", "1,maxcpus=8"));
    for (i = first; i < first + rounds; i++) {
        for (turn = 0; turn < 2; turn++) {
            core++;
            (void)snprintf(request[turn], sizeof(request[turn]),
                           "{\"execute\":\"device_add\",\"arguments\":{\"driver\":"
                           "\"max-x86_64-cpu\",\"id\":\"floor-%u\",\"socket-id\":0,"
                           "\"core-id\":%u,\"thread-id\":0,\"node-id\":0},\"id\":2}",
                           core, core);
            /* vmplug goes first in every other round. */
            if ((turn == 0) == (i % 2 == 0))
                ms[0] = time_run(HARNESS_ARGUMENTS(vmplug, "--qmp", vm.qmp, "--agent", vm.agent,
                                                   "cpu", "add"));
            else
                ms[1] = time_run(
                    HARNESS_ARGUMENTS(floor, "cpu-add", vm.qmp, vm.agent, request[turn]));
        }
        add_round(series, ms[0], ms[1]);
    }
    harness_stop(&vm);
}

static void bench_cpu_add(const char *vmplug, const char *floor, unsigned guests)
{
    static struct series series;
    unsigned i;

    for (i = 0; i < guests; i++)
        add_cpus(&series, vmplug, floor, 3, i);
    report("vmplug cpu add, to online", &series, 1.05);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: bench VMPLUG FLOOR\n");
        return 2;
    }
    harness_need_tools();
    bench_queries(argv[1], argv[2]);
    bench_cpu_add(argv[1], argv[2], 10);
    return 0;
}
