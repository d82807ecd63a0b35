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
static struct pump *served[JUMP_PEERS_MAX];
static size_t served_count;

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

void jump_serve(struct pump *const peers[], size_t count)
{
    served_count = count;
    for (size_t i = 0; i < count; i++)
        served[i] = peers[i];
}

/* True when one of them had something to do; else *deadline_ms is no later than theirs. */
static bool serve(double *deadline_ms)
{
    bool any = false;
    size_t i;

    for (i = 0; i < served_count; i++) {
        struct pollfd polled = {.fd = pump_fd(served[i]), .events = pump_events(served[i])};

        if (poll(&polled, 1, 0) > 0 || pump_deadline_ms(served[i]) <= now_ms) {
            (void)pump_process(served[i], polled.revents);
            any = true;
        }
        *deadline_ms = clock_earlier_ms(*deadline_ms, pump_deadline_ms(served[i]));
    }
    return any;
}

int clock_poll(struct pollfd *polled, nfds_t count, double deadline_ms)
{
    int ready = poll(polled, count, 0);

    if (waits_left > 0 && --waits_left == 0)
        now_ms += later_ms;
    if (++turns > TURNS_MAX)
        fake_fail("somebody spins");
    if (ready == 0 && serve(&deadline_ms))
        return 0;
    if (ready != 0 || deadline_ms <= now_ms)
        return ready;
    if (isinf(deadline_ms))
        fake_fail("everybody waits for ever");
    now_ms = deadline_ms;
    turns = 0;
    return 0;
}
