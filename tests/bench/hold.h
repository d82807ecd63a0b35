/* SPDX-License-Identifier: MIT */
/*
 * A vmplugd of its own, with a store, a directory of manifests and an API socket in the private
 * directory, and the simulated QEMUs (tests/fake/fleet.c) that it holds, in several processes: each
 * has two descriptors of its own for a monitor, and a process has a limit. What goes wrong ends the
 * benchmark.
 */
#ifndef TESTS_BENCH_HOLD_H
#define TESTS_BENCH_HOLD_H

#include <stdbool.h>
#include <stddef.h>

/* Whether vmplugd was built. */
bool hold_is_here(void);

/* Starts QEMUs, writes a manifest of each with so many sockets, and starts vmplugd; returns when it
 * has found each VM to be what its manifest says. */
void hold_start(unsigned count, unsigned sockets, bool agents);
void hold_end(void);

/* Writes the manifests anew, and returns when so many vCPUs more have been added. */
void hold_resize(unsigned count, unsigned sockets, unsigned more);

/* Of vmplugd. */
double hold_resident_kib(void);
double hold_processor_ms(void);

/* A subscriber of all events: a connected socket on which their lines come. */
int hold_subscribe(void);

/* Has one QEMU say RTC_CHANGE, whose offset is now, in microseconds of CLOCK_MONOTONIC. */
void hold_emit(unsigned number);

#endif
