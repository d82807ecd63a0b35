/* SPDX-License-Identifier: MIT */
/* Many idle monitors in one process, one epoll and no thread: what each costs, and whether all are
 * served while one of them floods. The process is a new one for each number: in a used one they
 * would take memory that had been freed before, and seem to cost nothing. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/bench/bench.h"
#include "tests/bench/monitors.h"

#define MOST 10000
#define SPARE_FDS 200
#define AT_ONCE 64
#define PATIENCE_MS 120000
#define CONNECTING 256 /* at a time: a listening socket has a queue */

static struct vmplug_qmp *monitors[MOST];
static int epoll_fd;
static unsigned ready, answered;
static unsigned long events, longest_events, events_before;

static unsigned long resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long total, resident = 0;

    if (file != NULL && fscanf(file, "%lu %lu", &total, &resident) != 2)
        resident = 0;
    if (file != NULL)
        fclose(file);
    return resident * (unsigned long)sysconf(_SC_PAGESIZE);
}

/* A pump's answers may change outside of its own turn: when a command is submitted. */
static void rewatch(unsigned i)
{
    struct vmplug_pump *pump = vmplug_qmp_pump(monitors[i]);
    struct epoll_event what = {.data.u32 = i};
    short wanted = vmplug_pump_events(pump);

    what.events = ((wanted & POLLIN) != 0 ? EPOLLIN : 0) | ((wanted & POLLOUT) != 0 ? EPOLLOUT : 0);
    if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, vmplug_pump_fd(pump), &what) < 0)
        (void)epoll_ctl(epoll_fd, EPOLL_CTL_ADD, vmplug_pump_fd(pump), &what);
}

static void serve_one(unsigned i, uint32_t what)
{
    bool was_ready = vmplug_qmp_is_ready(monitors[i]);
    short wanted = vmplug_pump_events(vmplug_qmp_pump(monitors[i]));
    short revents = (short)(((what & EPOLLIN) != 0 ? POLLIN : 0) |
                            ((what & EPOLLOUT) != 0 ? POLLOUT : 0));

    events_before = events;
    if (vmplug_pump_process(vmplug_qmp_pump(monitors[i]), revents) == VMPLUG_PUMP_DEAD)
        exit(1);
    if (events - events_before > longest_events)
        longest_events = events - events_before;
    ready += !was_ready && vmplug_qmp_is_ready(monitors[i]);
    if (vmplug_pump_events(vmplug_qmp_pump(monitors[i])) != wanted)
        rewatch(i);
}

static void drive(const unsigned *figure, unsigned until)
{
    double latest_ms = bench_now_ms() + PATIENCE_MS;
    struct epoll_event what[AT_ONCE];
    int count, i;

    while (*figure < until && bench_now_ms() < latest_ms) {
        count = epoll_wait(epoll_fd, what, AT_ONCE, 1000);
        for (i = 0; i < count; i++)
            serve_one(what[i].data.u32, what[i].events);
    }
}

static void on_event(void *user, struct vmplug_event *event)
{
    (void)user;
    events += event != NULL;
}

static void on_reply(void *user, struct vmplug_reply *reply)
{
    (void)user;
    answered += vmplug_reply_error(reply) == NULL;
}

/* Asks all but the first, and awaits the answers. */
static double ask_all(unsigned count)
{
    double start_ms = bench_now_ms();
    unsigned i;

    answered = 0;
    longest_events = 0;
    for (i = 1; i < count; i++) {
        (void)vmplug_qmp_submit(monitors[i], "query-status", NULL, PATIENCE_MS, on_reply, NULL,
                                NULL);
        rewatch(i);
    }
    drive(&answered, count - 1);
    return bench_now_ms() - start_ms;
}

static void open_all(unsigned count)
{
    struct vmplug_error error;
    unsigned i;

    for (i = 0; i < count; i++) {
        monitors[i] = vmplug_qmp_open(monitors_path(i), -1, NULL, &error);
        if (monitors[i] == NULL) {
            fprintf(stderr, "bench: %s\n", error.why);
            exit(1);
        }
        rewatch(i);
        if (i % CONNECTING == CONNECTING - 1)
            drive(&ready, i + 1);
    }
    drive(&ready, count);
}

void bench_idle_alone(unsigned count)
{
    unsigned long before, after;
    double quiet_ms, loud_ms, each;
    char what[96];
    unsigned i;

    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    ready = 0;
    monitors_start(count);
    before = resident_bytes();
    open_all(count);
    after = resident_bytes();
    each = (double)(after - before) / 1024 / count;
    bench_say("%u monitors in one process, %u ready", count, ready);
    (void)snprintf(what, sizeof(what), "-> KiB resident for each of %u idle monitors", count);
    bench_claim(what, each, true, 16);
    quiet_ms = ask_all(count);
    (void)vmplug_qmp_subscribe(monitors[0], on_event, NULL);
    (void)vmplug_qmp_submit(monitors[0], "stop", NULL, 0, NULL, NULL, NULL);
    rewatch(0);
    loud_ms = ask_all(count);
    bench_say("  a question to each of the others: %.1f ms, while one floods %.1f ms", quiet_ms,
              loud_ms);
    bench_claim("-> answered of those asked while one floods", (double)answered / (count - 1),
                false, 1);
    bench_say("  %lu events came meanwhile, at most %lu of them in one turn", events,
              longest_events);
    for (i = 0; i < count; i++)
        vmplug_qmp_free(monitors[i]);
    monitors_end();
    close(epoll_fd);
}

static void measure(const char *count)
{
    char text[4096], *line = text, *end;

    (void)bench_read_run(HARNESS_ARGUMENTS("/proc/self/exe", "idle", count), STDOUT_FILENO, text,
                         sizeof(text));
    for (; (end = strchr(line, '\n')) != NULL; line = end + 1)
        bench_say("%.*s", (int)(end - line), line);
}

void bench_idle(void)
{
    struct rlimit limit;

    (void)getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    measure("1000");
    if (limit.rlim_cur >= MOST + SPARE_FDS)
        measure("10000");
    else
        bench_say("%d monitors: only %ju descriptors here", MOST, (uintmax_t)limit.rlim_cur);
}
