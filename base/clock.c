/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <limits.h>
#include <math.h>
#include <time.h>

double clock_now_ms(void)
{
    struct timespec now;
    long microseconds;

    clock_gettime(CLOCK_MONOTONIC, &now);
    microseconds = now.tv_nsec / 1000;
    return (double)now.tv_sec * 1e3 + (double)microseconds / 1e3;
}

/* Rounded up: waking a little late costs nothing, waking early costs a turn. */
static int poll_timeout_ms(double deadline_ms)
{
    double left_ms = deadline_ms - clock_now_ms();

    if (isinf(deadline_ms))
        return -1;
    if (left_ms <= 0)
        return 0;
    return left_ms >= INT_MAX - 1 ? INT_MAX : (int)left_ms + 1;
}

int clock_poll(struct pollfd *polled, nfds_t count, double deadline_ms)
{
    return poll(polled, count, poll_timeout_ms(deadline_ms));
}
