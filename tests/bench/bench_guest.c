/* SPDX-License-Identifier: MIT */
/* Up to the guest's confirmation: vCPUs on a guest that runs, by turns, each pair two neighbours;
 * the more a guest has, the longer each takes, so that guests are young. */
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "tests/bench/bench.h"

#define GUESTS 3
#define PAIRS 3

static struct harness_vm vm;
static unsigned core; /* that was given last */

static void boot_when_full(void)
{
    if (core % (2 * PAIRS) != 0)
        return;
    if (core > 0)
        harness_stop(&vm);
    harness_boot(&vm, HARNESS_ARGUMENTS("--", "-smp", "1,maxcpus=8"));
    core = 0;
}

static double run_floor(void *user)
{
    char request[512];

    (void)user;
    boot_when_full();
    core++;
    (void)snprintf(request, sizeof(request),
                   "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"max-x86_64-cpu\","
                   "\"id\":\"floor-%u\",\"socket-id\":0,\"core-id\":%u,\"thread-id\":0,"
                   "\"node-id\":0},\"id\":2}",
                   core, core);
    return bench_time_run(HARNESS_ARGUMENTS(bench_floor, "cpu-add", vm.qmp, vm.agent, request));
}

static double run_vmplug(void *user)
{
    (void)user;
    boot_when_full();
    core++;
    return bench_time_run(
        HARNESS_ARGUMENTS(bench_vmplug, "--qmp", vm.qmp, "--agent", vm.agent, "cpu", "add"));
}

void bench_guest(void)
{
    static const struct bench_contender contenders[] = {{"floor, program", run_floor, NULL},
                                                        {"vmplug cpu add", run_vmplug, NULL}};
    static struct bench_samples samples;

    bench_run("one vCPU, online in the guest", contenders, COUNT_OF(contenders),
              GUESTS * PAIRS - 1, &samples);
    bench_claim_at_most(&samples, 1, 0, 1.10);
    harness_stop(&vm);
}
