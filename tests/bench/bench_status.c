/* SPDX-License-Identifier: MIT */
/* Questions that change nothing: the monitor's shortest reply, its longest, and `vmplug status`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "qmp/codec.h"
#include "tests/bench/bench.h"
#include "tests/bench/floor.h"
#include "tests/bench/twin.h"

#define CALLS 200 /* in one sample of a warm connection */
#define QUESTION "{\"execute\":\"query-status\",\"id\":1}"
#define SCHEMA "{\"execute\":\"query-qmp-schema\",\"id\":1}"

static struct harness_vm vm;
static char *requests, *script; /* files */
static struct bench_samples samples;

/* ---- warm: the connection stands ---- */

struct warm {
    struct floor floor;
    struct vmplug_qmp *qmp;
    const char *request, *command;
    unsigned calls;
};

static double warm_floor(void *user)
{
    struct warm *warm = user;
    double start_ms = bench_now_ms();
    unsigned i;

    for (i = 0; i < warm->calls; i++)
        (void)floor_call(&warm->floor, warm->request);
    return (bench_now_ms() - start_ms) / warm->calls;
}

static double warm_vmplug(void *user)
{
    struct warm *warm = user;
    double start_ms = bench_now_ms();
    unsigned i;

    for (i = 0; i < warm->calls; i++)
        vmplug_text_free(vmplug_qmp_call(warm->qmp, warm->command, NULL, 10000, NULL));
    return (bench_now_ms() - start_ms) / warm->calls;
}

static void bench_warm(void)
{
    struct warm warm = {.request = QUESTION, .command = "query-status", .calls = CALLS};
    const struct bench_contender contenders[] = {{"floor", warm_floor, &warm},
                                                 {"vmplug, library", warm_vmplug, &warm}};
    struct vmplug_error error;

    floor_open(&warm.floor, vm.qmp);
    warm.qmp = vmplug_qmp_open(vm.qmp2, -1, NULL, &error);
    if (warm.qmp == NULL || vmplug_qmp_wait_ready(warm.qmp, &error) < 0)
        exit(1);
    bench_run("query-status, a round trip", contenders, COUNT_OF(contenders), 61, &samples);
    bench_claim_at_most(&samples, 1, 0, 1.05);
    warm.request = SCHEMA;
    warm.command = "query-qmp-schema";
    warm.calls = 3;
    bench_run("query-qmp-schema (207 kB), a round trip; the floor parses nothing", contenders,
              COUNT_OF(contenders), 9, &samples);
    vmplug_qmp_free(warm.qmp);
    floor_close(&warm.floor);
}

/* ---- cold: a process each ---- */

static double cold(void *user)
{
    return bench_time_run(user);
}

static double cold_virsh(void *user)
{
    (void)user;
    return twin_state();
}

/* What a shell script would do: one line for each of the monitor's, and jq for the answer. */
static double cold_socat(void *user)
{
    char address[256];

    (void)user;
    if (access("/usr/bin/socat", X_OK) < 0 || access("/usr/bin/jq", X_OK) < 0)
        return -1;
    (void)snprintf(address, sizeof(address), "UNIX-CONNECT:%s", vm.qmp);
    return bench_time_run(HARNESS_ARGUMENTS("/usr/bin/socat", address, script));
}

static void write_script(void)
{
    FILE *file;

    if (asprintf(&script, "EXEC:%s/ask", harness_dir()) < 0)
        exit(1);
    file = fopen(script + strlen("EXEC:"), "we");
    fputs("#!/bin/sh\nread -r line\necho '{\"execute\":\"qmp_capabilities\"}'\nread -r line\n"
          "echo '" QUESTION "'\nread -r line\necho \"$line\" | jq -r .return.status >&2\n",
          file);
    fclose(file);
    (void)chmod(script + strlen("EXEC:"), 0700);
}

/* The requests of one `vmplug status`, as its trace shows them. */
static void record_status(void)
{
    AUTO_FREE char *trace = NULL;
    FILE *in, *out;
    char line[65536];

    if (asprintf(&requests, "%s/requests", harness_dir()) < 0 ||
        asprintf(&trace, "%s.trace", requests) < 0)
        exit(1);
    (void)bench_time_run(
        HARNESS_ARGUMENTS(bench_vmplug, "--qmp", vm.qmp, "--trace", trace, "status"));
    in = fopen(trace, "re");
    out = fopen(requests, "we");
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

static void bench_cold(void)
{
    const char *const *const floor = HARNESS_ARGUMENTS(bench_floor, "qmp", vm.qmp, QUESTION);
    const char *const *const ask =
        HARNESS_ARGUMENTS(bench_vmplug, "--qmp", vm.qmp, "qmp", "query-status");
    const char *const *const pipeline =
        HARNESS_ARGUMENTS(bench_floor, "pipeline", vm.qmp, requests);
    const char *const *const status =
        HARNESS_ARGUMENTS(bench_vmplug, "--qmp", vm.qmp, "--json", "status");
    const struct bench_contender one[] = {
        {"floor, program", cold, (void *)(uintptr_t)floor},
        {"vmplug qmp query-status", cold, (void *)(uintptr_t)ask},
        {"virsh domstate", cold_virsh, NULL},
        {"socat and jq", cold_socat, NULL},
    };
    const struct bench_contender all[] = {
        {"floor, program, pipelined", cold, (void *)(uintptr_t)pipeline},
        {"vmplug status", cold, (void *)(uintptr_t)status},
    };

    bench_run("query-status, a process each", one, COUNT_OF(one), 25, &samples);
    bench_claim_at_most(&samples, 1, 0, 2);
    bench_claim_faster(&samples, 1, 2, 8);
    bench_run("status, a process each", all, COUNT_OF(all), 25, &samples);
    bench_claim_at_most(&samples, 1, 0, 2);
}

void bench_status(void)
{
    bench_start_qemu(&vm);
    write_script();
    bench_warm();
    record_status();
    bench_cold();
    harness_stop(&vm);
}
