/* SPDX-License-Identifier: MIT */
/* Monotonic time in milliseconds, and deadlines made of it. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

/* A deadline that never comes. */
#define CLOCK_NEVER_MS (1.0 / 0.0)

/* CLOCK_MONOTONIC in milliseconds, to the microsecond. */
double clock_now_ms(void);

/* The earlier of two deadlines. */
static inline double clock_earlier_ms(double a_ms, double b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

#endif
