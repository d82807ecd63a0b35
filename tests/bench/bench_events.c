/* SPDX-License-Identifier: MIT */
/* 10^6 events from a QEMU that sends as fast as it can: how fast they are taken, and whether they
 * take memory. Beside it what jansson alone takes for the same lines, which is most of it. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/bench/bench.h"

#define EVENTS 1000000
#define ROUNDS 5
#define BUNCH 64
#define EVENT                                                                                  \
    "{\"timestamp\": {\"seconds\": 1732195200, \"microseconds\": 123456}, \"event\": "         \
    "\"RTC_CHANGE\", \"data\": {\"offset\": 1, \"qom-path\": \"/machine/unattached/x\"}}\r\n"

static double elapsed_ms[ROUNDS + 1];
static unsigned round_number;
static unsigned long taken, early_kib, late_kib;

static unsigned long resident_kib(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long total, resident = 0;

    if (file != NULL && fscanf(file, "%lu %lu", &total, &resident) != 2)
        resident = 0;
    if (file != NULL)
        fclose(file);
    return resident * (unsigned long)sysconf(_SC_PAGESIZE) / 1024;
}

static void say(int fd, const char *text, size_t size)
{
    ssize_t count;

    for (; size > 0; size -= (size_t)count, text += count) {
        count = write(fd, text, size);
        if (count <= 0)
            _exit(1);
    }
}

/* Greets, agrees to anything, and floods. */
static _Noreturn void be_qemu(int fd)
{
    static const char greeting[] =
        "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 2, \"major\": 7}, "
        "\"package\": \"\"}, \"capabilities\": []}}\r\n";
    static char bunch[BUNCH * sizeof(EVENT)], request[4096];
    static const char reply[] = "{\"return\": {}, \"id\": ";
    const char *id;
    ssize_t size;
    size_t i;

    for (i = 0; i < BUNCH; i++)
        memcpy(bunch + i * (sizeof(EVENT) - 1), EVENT, sizeof(EVENT) - 1);
    say(fd, greeting, sizeof(greeting) - 1);
    size = read(fd, request, sizeof(request) - 1);
    request[size > 0 ? size : 0] = '\0';
    id = strstr(request, "\"id\":");
    say(fd, reply, sizeof(reply) - 1);
    id += id != NULL ? strlen("\"id\":") : 0;
    say(fd, id, strcspn(id, ",}"));
    say(fd, "}\r\n", 3);
    for (i = 0; i < EVENTS / BUNCH; i++)
        say(fd, bunch, BUNCH * (sizeof(EVENT) - 1));
    (void)!read(fd, request, sizeof(request)); /* until the other side closes */
    _exit(0);
}

static void on_event(void *user, struct vmplug_event *event)
{
    (void)user;
    taken += event != NULL;
    if (taken == EVENTS / 10)
        early_kib = resident_kib();
}

static int has_all(void *user)
{
    (void)user;
    return taken == EVENTS;
}

static double run(void *user)
{
    struct vmplug_pump *pump;
    struct vmplug_qmp *qmp;
    int pair[2], status;
    double start_ms, start_processor_ms = bench_processor_ms();
    pid_t pid;

    (void)user;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        exit(1);
    pid = fork();
    if (pid == 0) {
        close(pair[0]);
        be_qemu(pair[1]);
    }
    close(pair[1]);
    taken = 0;
    qmp = vmplug_qmp_open(NULL, pair[0], NULL, NULL);
    pump = vmplug_qmp_pump(qmp);
    (void)vmplug_qmp_subscribe(qmp, on_event, NULL);
    start_ms = bench_now_ms();
    if (!vmplug_pump_run(&pump, 1, has_all, NULL, 120000))
        exit(1);
    elapsed_ms[round_number++] = bench_now_ms() - start_ms;
    start_processor_ms = bench_processor_ms() - start_processor_ms;
    late_kib = resident_kib();
    vmplug_qmp_free(qmp);
    (void)waitpid(pid, &status, 0);
    return start_processor_ms;
}

static double run_jansson(void *user)
{
    double start_ms = bench_processor_ms();
    unsigned i;

    (void)user;
    for (i = 0; i < EVENTS; i++)
        json_decref(json_loadb(EVENT, strlen(EVENT), JSON_REJECT_DUPLICATES, NULL));
    return bench_processor_ms() - start_ms;
}

void bench_events(void)
{
    static const struct bench_contender contenders[] = {{"vmplug, library", run, NULL},
                                                        {"jansson alone", run_jansson, NULL}};
    static struct bench_samples samples;

    bench_run("10^6 events, processor time", contenders, COUNT_OF(contenders), ROUNDS, &samples);
    bench_claim("-> events a second", EVENTS / bench_median(elapsed_ms + 1, ROUNDS) * 1e3, false,
                300000);
    bench_claim("-> events a second of processor time", /* without those of other processes */
                EVENTS / bench_median(samples.ms[0], ROUNDS) * 1e3, false, 300000);
    bench_say("  jansson alone: %.6g a second of processor time",
              EVENTS / bench_median(samples.ms[1], ROUNDS) * 1e3);
    bench_claim("-> KiB resident more after 10^6 events than after 10^5",
                (double)late_kib - (double)early_kib, true, 64);
}
