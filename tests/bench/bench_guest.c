/* SPDX-License-Identifier: MIT */
/*
 * Up to the guest's confirmation: one DIMM, disk or vCPU. Each contender has a guest of its own,
 * which gets one more of the kind in each round: in a round all have the same. vCPUs come last,
 * since each of them makes an emulated guest slower.
 *
 * The library, and its floor, stay connected. The command connects anew each time, and so does its
 * floor, which synchronises with the agent beside its first questions, as vmplug does.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "tests/bench/bench.h"
#include "tests/bench/floor.h"
#include "tests/bench/steps.h"

#define DEVICES 8 /* of a kind, that a guest gets */
#define GUEST HARNESS_ARGUMENTS("--", "-smp", "1,maxcpus=9")
/* An agent whose client has gone looks for the next one every 100 ms. */
#define AGENT_SLEEPS_MS 20

struct kind {
    const char *name;
    int action; /* enum vmplug_action */
    const char *words[3];
};

struct side {
    bool anew; /* it connects for each device */
    struct harness_vm vm;
    unsigned devices; /* of the kind, that it has */
    struct vmplug_vm *opened;
    struct floor qmp, agent;
};

static const struct kind kinds[] = {
    {"DIMM", VMPLUG_MEMORY_ADD, {"memory", "128M", NULL}},
    {"disk", VMPLUG_DISK_ADD, {"disk", NULL, "--read-only"}}, /* several guests have the file */
    {"vCPU", VMPLUG_CPU_ADD, {"cpu", "1", NULL}},
};
static const struct kind *current;
static struct steps steps[2][COUNT_OF(kinds)][DEVICES]; /* the library's own, anew or not */
static struct steps *recorded;                          /* which of them is */

/* ---- connections ---- */

static void note(void *user, const char *channel, int sent, const char *json, size_t size_bytes)
{
    (void)user;
    if (recorded != NULL)
        steps_note(recorded, channel, sent, json, size_bytes);
}

/* And synchronises. */
static void connect_library(struct side *side)
{
    struct vmplug_error error;
    char *answer;

    side->opened = bench_open_traced(&side->vm, note, NULL);
    answer = vmplug_agent_call(vmplug_vm_agent(side->opened), "guest-ping", NULL, 60000, &error);
    if (answer == NULL) {
        fprintf(stderr, "bench: %s\n", error.why);
        exit(1);
    }
    vmplug_text_free(answer);
}

static void connect_floor(struct side *side)
{
    floor_open(&side->qmp, side->vm.qmp);
    floor_open_agent(&side->agent, side->vm.agent);
}

static void disconnect_floor(struct side *side)
{
    floor_close(&side->qmp);
    floor_close(&side->agent);
}

/* So that all who connect anew find the agent in the same state. */
static void let_agent_sleep(struct side *side)
{
    floor_open_agent(&side->agent, side->vm.agent);
    floor_synchronise(&side->agent);
    floor_close(&side->agent);
    (void)poll(NULL, 0, AGENT_SLEEPS_MS);
}

/* ---- contenders ---- */

static double run_floor(void *user)
{
    struct side *side = user;
    const struct steps *same = &steps[side->anew][current - kinds][side->devices++];
    double start_ms = bench_now_ms();

    steps_repeat(same, &side->qmp, &side->agent);
    return bench_now_ms() - start_ms;
}

static double run_floor_anew(void *user)
{
    struct side *side = user;
    double start_ms;

    let_agent_sleep(side);
    start_ms = bench_now_ms();
    connect_floor(side);
    (void)run_floor(side);
    start_ms = bench_now_ms() - start_ms;
    disconnect_floor(side);
    return start_ms;
}

static double run_library(void *user)
{
    struct side *side = user;
    const char *file = bench_disk(side->devices++);
    double start_ms = bench_now_ms();

    bench_act(side->opened,
              (struct vmplug_request){.action = current->action,
                                      .level = VMPLUG_LEVEL_ONLINE,
                                      .count = 1,
                                      .bytes = 128 << 20,
                                      .names = &file,
                                      .name_count = current->action == VMPLUG_DISK_ADD,
                                      .read_only = current->action == VMPLUG_DISK_ADD});
    return bench_now_ms() - start_ms;
}

static double run_command(void *user)
{
    struct side *side = user;
    const char *file = bench_disk(side->devices++);

    let_agent_sleep(side);
    return bench_time_run(HARNESS_ARGUMENTS(
        bench_vmplug, "--qmp", side->vm.qmp, "--agent", side->vm.agent, "--wait", "online",
        current->words[0], "add", current->words[1] != NULL ? current->words[1] : file,
        current->words[2]));
}

/* ---- the workload ---- */

static void record_next(struct side *side)
{
    if (side->anew) {
        vmplug_vm_free(side->opened);
        let_agent_sleep(side);
        side->opened = bench_open_traced(&side->vm, note, NULL);
    }
    recorded = &steps[side->anew][current - kinds][side->devices];
    (void)run_library(side);
    recorded = NULL;
}

static void record(bool anew)
{
    struct side side = {.anew = anew};

    harness_boot(&side.vm, GUEST);
    connect_library(&side);
    for (current = kinds; current < kinds + COUNT_OF(kinds); current++) {
        for (side.devices = 0; side.devices < DEVICES;)
            record_next(&side);
    }
    vmplug_vm_free(side.opened);
    harness_stop(&side.vm);
}

static void measure(struct side *sides)
{
    const struct bench_contender contenders[] = {
        {"floor, the same steps", run_floor, &sides[0]},
        {"vmplug, library", run_library, &sides[1]},
        {"floor that connects, and the same", run_floor_anew, &sides[2]},
        {"vmplug, command", run_command, &sides[3]},
    };
    static struct bench_samples samples;
    char title[64];
    size_t i;

    for (i = 0; i < COUNT_OF(contenders); i++)
        sides[i].devices = 0;
    (void)snprintf(title, sizeof(title), "one %s, online in the guest", current->name);
    bench_run(title, contenders, COUNT_OF(contenders), DEVICES - 1, &samples);
    bench_claim_at_most(&samples, 1, 0, 1.10);
    bench_claim_at_most(&samples, 3, 2, 1.10);
}

void bench_guest(void)
{
    static struct side sides[4] = {[2].anew = true, [3].anew = true};
    size_t i;

    record(false);
    record(true);
    for (i = 0; i < COUNT_OF(sides); i++)
        harness_boot_begin(&sides[i].vm, GUEST);
    for (i = 0; i < COUNT_OF(sides); i++)
        harness_boot_end(&sides[i].vm);
    connect_floor(&sides[0]);
    floor_synchronise(&sides[0].agent);
    connect_library(&sides[1]);
    for (current = kinds; current < kinds + COUNT_OF(kinds); current++)
        measure(sides);
    disconnect_floor(&sides[0]);
    vmplug_vm_free(sides[1].opened);
    for (i = 0; i < COUNT_OF(sides); i++)
        harness_stop(&sides[i].vm);
}
