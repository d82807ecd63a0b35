/* SPDX-License-Identifier: MIT */
#include "tests/fake/jump.h"

#include <math.h>

#include "base/clock.h"
#include "tests/fake/fake.h"

#define TURNS_MAX 1000000 /* between two moments: more of them, and somebody spins */

static double now_ms = 1e6; /* not 0: a deadline of 0 has passed */
static unsigned turns;
static unsigned waits_left; /* 0: none is due */
static double later_ms;

double clock_now_ms(void)
{
    return now_ms;
}

void jump_ms(double ms)
{
    now_ms += ms;
}

void jump_later(unsigned waits, double ms)
{
    waits_left = waits + 1;
    later_ms = ms;
}

bool jump_has_come(void)
{
    return waits_left == 0;
}

int clock_poll(struct pollfd *polled, nfds_t count, double deadline_ms)
{
    int ready = poll(polled, count, 0);

    if (waits_left > 0 && --waits_left == 0)
        now_ms += later_ms;
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
