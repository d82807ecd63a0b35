/* SPDX-License-Identifier: MIT */
/*
 * What an event loop must know of something that talks: which descriptor to watch, for what, until
 * when, and whom to call then. Nothing below vmplug's two programs owns a loop. A pump is driven
 * by one thread at a time:
 *
 *     poll() on pump_fd() for pump_events(), no longer than until pump_deadline_ms();
 *     pump_process() with what poll() returned (0 when the deadline came).
 *
 * qmp/blocking.h does this with poll(2) and qmp/loop_ev.h with libev; another loop takes as much.
 */
#ifndef QMP_PUMP_H
#define QMP_PUMP_H

#include <stddef.h>

enum pump_result {
    PUMP_IDLE,     /* nothing more to do until the next event or deadline */
    PUMP_PROGRESS, /* something was done, and there may be more: process again */
    PUMP_DEAD      /* finished for good; everything that was pending has been told */
};

struct pump;

struct pump_ops {
    int (*fd)(const struct pump *pump);             /* -1: none at the moment */
    short (*events)(const struct pump *pump);       /* POLLIN, POLLOUT */
    double (*deadline_ms)(const struct pump *pump); /* on clock_now_ms(), or CLOCK_NEVER_MS */
    enum pump_result (*process)(struct pump *pump, short revents);
};

struct pump {
    const struct pump_ops *ops;
    /* Set by the loop's adapter, may be NULL: called whenever one of the three answers may have
     * changed outside of process(). It must not call back into the pump. */
    void (*changed)(void *user);
    void *user;
};

static inline int pump_fd(const struct pump *pump)
{
    return pump->ops->fd(pump);
}

static inline short pump_events(const struct pump *pump)
{
    return pump->ops->events(pump);
}

static inline double pump_deadline_ms(const struct pump *pump)
{
    return pump->ops->deadline_ms(pump);
}

/* Does what can be done without waiting, a bounded amount. Callbacks of completed requests and of
 * subscriptions fire in here and nowhere else. */
static inline enum pump_result pump_process(struct pump *pump, short revents)
{
    return pump->ops->process(pump, revents);
}

static inline void pump_changed(const struct pump *pump)
{
    if (pump->changed != NULL)
        pump->changed(pump->user);
}

#endif
