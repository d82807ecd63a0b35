/* SPDX-License-Identifier: MIT */
/* Many fake monitors in a few processes, each process behind one socket. */
#ifndef TESTS_BENCH_MONITORS_H
#define TESTS_BENCH_MONITORS_H

#define MONITORS_EACH 2500 /* a process has so many; it needs a descriptor for each */

/* Starts as many processes as it takes for `count` monitors. Each monitor greets, agrees to
 * anything, and on a command that is called stop (QAPI) floods its client with events. */
void monitors_start(unsigned count);

/* The socket of the monitor of this number. */
const char *monitors_path(unsigned number);

void monitors_end(void);

#endif
