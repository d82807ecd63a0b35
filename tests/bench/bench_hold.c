/* SPDX-License-Identifier: MIT */
/* vmplugd with a hundred, a thousand and ten thousand VMs: what each costs while nothing happens,
 * how long an event of one takes to a subscriber, and how long all of them take to get a vCPU. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/bench/bench.h"
#include "tests/bench/hold.h"

#define SIZES 3
#define ROUNDS_MAX 5
#define EVENTS 200
#define EVENT_PAUSE_US 5000
#define REST_US 2000000 /* after a second without work vmplugd gives back what that took */
#define SPARE_FDS 200
#define FEWEST_CLAIMED 1000 /* VMs: of fewer, what the first one brings is most */
#define CLAIMED_KIB 24
#define CLAIMED_MS 10
#define CLAIMED_EXPONENT 1.1

static const unsigned sizes[SIZES] = {100, 1000, 10000};
static const unsigned rounds[SIZES] = {ROUNDS_MAX, 3, 1}; /* each a vCPU more */

static double idle_kib(void)
{
    double kib;

    hold_start(0, 0, false);
    kib = hold_resident_kib();
    hold_end();
    return kib;
}

static void claim_memory(unsigned count, const char *what, double idle)
{
    char text[96];

    (void)usleep(REST_US);
    (void)snprintf(text, sizeof(text), "-> KiB resident for each of %u VMs, %s", count, what);
    bench_claim(text, (hold_resident_kib() - idle) / count, true, CLAIMED_KIB);
}

/* ---- events ---- */

/* How long the next RTC_CHANGE took; lines of others are read past. */
static double await_event(int fd)
{
    static char text[64 << 10];
    static size_t held;
    const char *event, *offset, *end;
    double ms;
    ssize_t count;

    for (;;) {
        text[held] = '\0';
        event = strstr(text, "\"RTC_CHANGE\"");
        offset = event != NULL ? strstr(text, "\"offset\":") : NULL;
        end = event != NULL ? strstr(event, "\n\n") : NULL;
        if (offset != NULL && end != NULL) {
            ms = bench_now_ms() - strtod(offset + strlen("\"offset\":"), NULL) / 1e3;
            held -= (size_t)(end - text);
            memmove(text, end, held);
            return ms;
        }
        count = read(fd, text + held, sizeof(text) - 1 - held);
        if (count <= 0) {
            fprintf(stderr, "bench: the events have ended\n");
            exit(1);
        }
        held += (size_t)count;
    }
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return left < right ? -1 : left > right;
}

static void measure_events(unsigned count)
{
    static double ms[EVENTS];
    char text[96];
    int fd = hold_subscribe(), i;

    for (i = 0; i < EVENTS; i++) {
        (void)usleep(EVENT_PAUSE_US);
        hold_emit((unsigned)i * 37 % count);
        ms[i] = await_event(fd);
    }
    close(fd);
    qsort(ms, EVENTS, sizeof(*ms), compare);
    bench_say("  an event of one of %u VMs to a subscriber: %.3f ms in the middle, %.3f ms at most",
              count, ms[EVENTS / 2], ms[EVENTS - 1]);
    (void)snprintf(text, sizeof(text), "-> ms of 99 in 100 of %d events", EVENTS);
    bench_claim(text, ms[EVENTS * 99 / 100], true, CLAIMED_MS);
}

/* ---- resizing ---- */

static void measure_resize(size_t size, double *ret_ms, double *ret_processor_ms)
{
    double ms[ROUNDS_MAX], processor_ms[ROUNDS_MAX], started_ms, started_processor_ms;
    unsigned i;

    for (i = 0; i < rounds[size]; i++) {
        started_ms = bench_now_ms();
        started_processor_ms = hold_processor_ms();
        hold_resize(sizes[size], 3 + i, sizes[size]);
        ms[i] = bench_now_ms() - started_ms;
        processor_ms[i] = hold_processor_ms() - started_processor_ms;
    }
    *ret_ms = bench_median(ms, rounds[size]);
    *ret_processor_ms = bench_median(processor_ms, rounds[size]);
    bench_say("  a vCPU more for each of %u VMs: %.0f ms, %.0f ms of them vmplugd's (%u rounds)",
              sizes[size], *ret_ms, *ret_processor_ms, rounds[size]);
}

static void measure_series(double idle)
{
    static double x[SIZES], ms[SIZES], processor_ms[SIZES];
    const struct bench_curve curves[] = {{"all", x, ms, SIZES},
                                         {"vmplugd's processor time", x, processor_ms, SIZES}};
    size_t i;

    for (i = 0; i < SIZES; i++) {
        x[i] = sizes[i];
        hold_start(sizes[i], 2, false);
        if (sizes[i] >= FEWEST_CLAIMED)
            claim_memory(sizes[i], "monitor only", idle);
        measure_resize(i, &ms[i], &processor_ms[i]);
        hold_end();
    }
    bench_claim("-> time over VMs, exponent", bench_exponent(x, ms, SIZES), true,
                CLAIMED_EXPONENT);
    bench_claim("-> vmplugd's processor time over VMs, exponent",
                bench_exponent(x, processor_ms, SIZES), true, CLAIMED_EXPONENT);
    bench_plot("hold", "a vCPU more for each VM that vmplugd holds", "VMs", "ms", true, curves,
               COUNT_OF(curves));
}

void bench_hold(void)
{
    struct rlimit limit;
    double idle;

    (void)getrlimit(RLIMIT_NOFILE, &limit);
    if (!hold_is_here() || limit.rlim_max < sizes[SIZES - 1] + SPARE_FDS) {
        bench_say("vmplugd with %u VMs: not here, or too few descriptors", sizes[SIZES - 1]);
        return;
    }
    (void)atexit(hold_end);
    idle = idle_kib();
    bench_say("vmplugd without VMs: %.0f KiB resident", idle);
    hold_start(1000, 2, true);
    claim_memory(1000, "monitor and agent", idle);
    measure_events(1000);
    hold_end();
    measure_series(idle);
}
