/* SPDX-License-Identifier: MIT */
#include "tests/fake/jump.h"

#include <math.h>

#include "base/clock.h"
#include "tests/fake/fake.h"

#define TURNS_MAX 1000000 /* between two moments: more of them, and somebody spins */

static double now_ms = 1e6; /* not 0: a deadline of 0 has passed */
static unsigned turns;

double clock_now_ms(void)
{
    return now_ms;
}

void jump_ms(double ms)
{
    now_ms += ms;
}

int clock_poll(struct pollfd *polled, nfds_t count, double deadline_ms)
{
    int ready = poll(polled, count, 0);

    if (++turns > TURNS_MAX)
        fake_fail("somebody spins");
    if (ready != 0 || deadline_ms <= now_ms)
        return ready;
    if (isinf(deadline_ms))
        fake_fail("everybody waits for ever");
    now_ms = deadline_ms;
    turns = 0;
    return 0;
}
