/* SPDX-License-Identifier: MIT */
/*
 * Monotonic time in milliseconds, deadlines made of it, and waiting for them. Whoever waits does it
 * here, so that a test can put a clock of its own in the place of this one (tests/fake/jump.h).
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <poll.h>

/* A deadline that never comes. */
#define CLOCK_NEVER_MS (1.0 / 0.0)

/* CLOCK_MONOTONIC in milliseconds, to the microsecond. */
double clock_now_ms(void);

/* poll(2) until a deadline: how many are ready, 0 when it has passed, -1 with errno. */
int clock_poll(struct pollfd *polled, nfds_t count, double deadline_ms);

/* The earlier of two deadlines. */
static inline double clock_earlier_ms(double a_ms, double b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

#endif
