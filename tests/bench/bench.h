/* SPDX-License-Identifier: MIT */
/*
 * One program, one run: vmplug as a library (warm: connected before the clock starts) and as a
 * command (cold: a process each time), against the floor (floor.h) and what others would use. Who
 * competes in a workload takes turns, round by round, and who goes first changes: a machine's speed
 * drifts, and all of a round drift together. Figures are ratios of medians; their spread is the
 * least and the greatest ratio of a round. Nothing is asserted: a claim is printed with whether it
 * holds.
 */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/live/harness.h"
#include "vmplug/vmm.h"

#define BENCH_ROUNDS_MAX 200
#define BENCH_CONTENDERS_MAX 8

struct bench_contender {
    const char *name;
    /* Does it once; returns how many milliseconds it took, or below 0 when it can't be had here. */
    double (*run)(void *user);
    void *user;
};

/* What came of it, by contender and round. */
struct bench_samples {
    const struct bench_contender *contenders;
    size_t count, rounds;
    double ms[BENCH_CONTENDERS_MAX][BENCH_ROUNDS_MAX];
    bool absent[BENCH_CONTENDERS_MAX];
};

/* Where things are, from the command line. */
extern const char *bench_vmplug, *bench_floor;

/* Runs `rounds` rounds after one that does not count, and prints a line for each contender: its
 * median, and what that is of the first's. */
void bench_run(const char *title, const struct bench_contender *contenders, size_t count,
               size_t rounds, struct bench_samples *samples);

/* Says whether a promise holds: the median of contender `a` is at most `limit` times that of `b`.
 * Of one that is absent nothing is said. */
void bench_claim_at_most(const struct bench_samples *samples, size_t a, size_t b, double limit);

/* … that of `b` at least `limit` times that of `a`. */
void bench_claim_faster(const struct bench_samples *samples, size_t a, size_t b, double limit);

/* The same of any figure. */
void bench_claim(const char *what, double figure, bool at_most, double limit);

/* A line of the results, as printf() would have it. */
void bench_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

double bench_median(const double *values, size_t count);

/* Of y over x: 1 is linear. By least squares through the logarithms. */
double bench_exponent(const double *x, const double *y, size_t count);

/* Time now, in milliseconds. */
double bench_now_ms(void);

/* Time that this process has had of a processor: for what waits for nobody, on a busy machine. */
double bench_processor_ms(void);

/* Runs a program to its end with its output thrown away; returns how long it took. A failure ends
 * the benchmark. */
double bench_time_run(const char *const *argv);

/* The same with what it wrote to stdout, cut at size; or to stderr. */
double bench_read_run(const char *const *argv, int which, char *text, size_t size);

/* A QEMU without a guest, with room for 64 vCPUs, 64 DIMMs and 255 disks. */
void bench_start_qemu(struct harness_vm *vm);

/* A file for a disk, by number; made when it is first asked for. */
const char *bench_disk(unsigned number);

/* Opens it and waits until it is ready; a failure ends the benchmark. */
struct vmplug_vm *bench_open(const struct harness_vm *vm);
struct vmplug_vm *bench_open_traced(const struct harness_vm *vm, vmplug_trace_fn *trace,
                                    void *user);

/* Runs a request that has to succeed. */
void bench_act(struct vmplug_vm *vm, struct vmplug_request request);

/* ---- plots (plot.c) ---- */

struct bench_curve {
    const char *name;
    const double *x, *y;
    size_t count;
};

/* Writes NAME.svg beside the results: the curves over x, both from 0, or in powers of ten. */
void bench_plot(const char *name, const char *title, const char *x_label, const char *y_label,
                bool logarithmic, const struct bench_curve *curves, size_t count);

/* Opens NAME beside the results; NULL where none are kept. */
FILE *bench_create(const char *name);

/* ---- the workloads ---- */

void bench_status(void);
void bench_device(void);
void bench_guest(void);
void bench_series(void);
void bench_parse(void);
void bench_events(void);
void bench_idle(void);
void bench_idle_alone(unsigned count); /* in a process of its own */
void bench_hold(void);
void bench_cost(void);

#endif
