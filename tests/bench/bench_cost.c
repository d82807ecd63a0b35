/* SPDX-License-Identifier: MIT */
/* What does not depend on how fast a machine is: bytes, system calls, instructions, and memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/bench/bench.h"

#define QUESTION "{\"execute\":\"query-status\",\"id\":1}"

static bool have(const char *tool)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/usr/bin/%s", tool);
    return access(path, X_OK) == 0;
}

static double stripped_kib(const char *path)
{
    AUTO_FREE char *to = NULL;
    struct stat status;

    if (asprintf(&to, "%s/stripped", harness_dir()) < 0)
        return 0;
    (void)bench_time_run(HARNESS_ARGUMENTS("strip", "-o", to, path));
    return stat(to, &status) == 0 ? (double)status.st_size / 1024 : 0;
}

static void measure_size(void)
{
    char library[512];
    const char *slash = strrchr(bench_vmplug, '/');
    double command_kib, library_kib;

    (void)snprintf(library, sizeof(library), "%.*s/libvmplug.so", (int)(slash - bench_vmplug),
                   bench_vmplug);
    command_kib = stripped_kib(bench_vmplug);
    if (access(library, R_OK) < 0) {
        bench_say("no shared library in this build: its size is not known");
        return;
    }
    library_kib = stripped_kib(library);
    bench_say("stripped: library %.1f KiB, command %.1f KiB", library_kib, command_kib);
    bench_claim("-> KiB together", library_kib + command_kib, true, 400);
}

/* ---- system calls, instructions, memory ---- */

/* Runs argv behind a tool's own words; what the tool says goes to text. */
static void run_under(const char *const *tool, const char *const *argv, char *text, size_t size)
{
    const char *all[HARNESS_ARGUMENTS_MAX];
    size_t count = 0;

    for (; *tool != NULL; tool++)
        all[count++] = *tool;
    for (; *argv != NULL; argv++)
        all[count++] = *argv;
    all[count] = NULL;
    (void)bench_read_run(all, STDERR_FILENO, text, size);
}

static unsigned count_calls(const char *const *argv)
{
    static char text[1 << 20];
    unsigned lines = 0;
    const char *at;

    if (!have("strace"))
        return 0;
    run_under(HARNESS_ARGUMENTS("strace", "-f", "-qq"), argv, text, sizeof(text));
    for (at = text; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    return lines;
}

static double count_instructions(const char *const *argv)
{
    static char text[1 << 20];
    const char *found;

    if (!have("valgrind"))
        return 0;
    run_under(HARNESS_ARGUMENTS("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"),
              argv, text, sizeof(text));
    found = strstr(text, "Collected : ");
    return found != NULL ? strtod(found + strlen("Collected : "), NULL) : 0;
}

static unsigned peak_kib(const char *const *argv)
{
    char text[4096];

    if (!have("time"))
        return 0;
    run_under(HARNESS_ARGUMENTS("/usr/bin/time", "-f", "%M"), argv, text, sizeof(text));
    return (unsigned)strtoul(text, NULL, 10);
}

static void measure(const char *name, const char *const *argv)
{
    bench_say("  %-34s %6u system calls  %6u KiB at most", name, count_calls(argv),
              peak_kib(argv));
}

/* Of the program that stands beside the floor under its name and this. */
static double count_beside(const char *suffix)
{
    AUTO_FREE char *path = NULL;

    return asprintf(&path, "%s-%s", bench_floor, suffix) < 0 ? 0 :
           count_instructions(HARNESS_ARGUMENTS(path));
}

/* The claim is on all but the loading of jansson. What it costs to bind the names that vmplug uses
 * of jansson and of the C library is told beside it. */
static void measure_start(const struct harness_vm *vm)
{
    double floor, vmplug, loaded, jansson, names;

    floor = count_instructions(HARNESS_ARGUMENTS(bench_floor, "qmp", vm->qmp, QUESTION));
    vmplug = count_instructions(
        HARNESS_ARGUMENTS(bench_vmplug, "--qmp", vm->qmp, "qmp", "query-status"));
    loaded = count_beside("loaded");
    jansson = loaded - count_beside("nothing");
    names = count_beside("names-command") + count_beside("names-library") - 2 * loaded;
    if (floor <= 0) {
        bench_say("no valgrind here: instructions are not counted");
        return;
    }
    bench_say("instructions, query-status from start to end: floor %.0f, vmplug %.0f, of which "
              "%.0f load jansson",
              floor, vmplug, jansson);
    bench_claim("-> vmplug without those / floor", (vmplug - jansson) / floor, true, 1.5);
    bench_say("   %.0f more bind the names of jansson and the C library that vmplug uses; without "
              "these, too, it is %.2f x the floor",
              names, (vmplug - jansson - names) / floor);
}

void bench_cost(void)
{
    struct harness_vm vm;

    measure_size();
    bench_start_qemu(&vm);
    measure_start(&vm);
    bench_say("system calls and memory of a process");
    measure("floor, query-status", HARNESS_ARGUMENTS(bench_floor, "qmp", vm.qmp, QUESTION));
    measure("vmplug qmp query-status",
            HARNESS_ARGUMENTS(bench_vmplug, "--qmp", vm.qmp, "qmp", "query-status"));
    measure("vmplug status", HARNESS_ARGUMENTS(bench_vmplug, "--qmp", vm.qmp, "status"));
    measure("vmplug cpu add --wait accepted", /* twice: once for each figure */
            HARNESS_ARGUMENTS(bench_vmplug, "--qmp", vm.qmp, "--wait", "accepted", "cpu", "add"));
    measure("vmplug memory add --wait accepted",
            HARNESS_ARGUMENTS(bench_vmplug, "--qmp", vm.qmp, "--wait", "accepted", "memory", "add",
                              "128M"));
    harness_stop(&vm);
}
