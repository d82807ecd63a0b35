/* SPDX-License-Identifier: MIT */
#include "qmp/loop_ev.h"

#include <ev.h>
#include <math.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/clock.h"

struct loop_ev {
    struct ev_loop *loop;
    struct pump *pump;
    ev_io io;
    ev_timer timer;
    bool processing;
    void (*on_dead)(void *user);
    void *user;
};

static void watch_descriptor(struct loop_ev *attachment)
{
    int fd = pump_fd(attachment->pump);
    short wanted = pump_events(attachment->pump);
    int events = ((wanted & POLLIN) ? EV_READ : 0) | ((wanted & POLLOUT) ? EV_WRITE : 0);

    if (ev_is_active(&attachment->io) && attachment->io.fd == fd &&
        (attachment->io.events & (EV_READ | EV_WRITE)) == events)
        return;
    ev_io_stop(attachment->loop, &attachment->io);
    if (fd < 0 || events == 0)
        return;
    ev_io_set(&attachment->io, fd, events);
    ev_io_start(attachment->loop, &attachment->io);
}

static void watch_deadline(struct loop_ev *attachment)
{
    double deadline_ms = pump_deadline_ms(attachment->pump);
    double left_ms = deadline_ms - clock_now_ms();

    ev_timer_stop(attachment->loop, &attachment->timer);
    if (isinf(deadline_ms))
        return;
    ev_now_update(attachment->loop); /* the timer counts from libev's idea of now */
    ev_timer_set(&attachment->timer, left_ms > 0 ? left_ms / 1e3 : 0., 0.);
    ev_timer_start(attachment->loop, &attachment->timer);
}

static void watch(struct loop_ev *attachment)
{
    watch_descriptor(attachment);
    watch_deadline(attachment);
}

static void turn(struct loop_ev *attachment, short revents)
{
    enum pump_result result;

    attachment->processing = true;
    result = pump_process(attachment->pump, revents);
    attachment->processing = false;
    if (result != PUMP_DEAD) {
        watch(attachment);
        return;
    }
    ev_io_stop(attachment->loop, &attachment->io);
    ev_timer_stop(attachment->loop, &attachment->timer);
    if (attachment->on_dead != NULL)
        attachment->on_dead(attachment->user);
}

static void on_io(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    turn(io->data,
         (short)(((events & EV_READ) ? POLLIN : 0) | ((events & EV_WRITE) ? POLLOUT : 0)));
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    turn(timer->data, 0);
}

/* During processing the watchers are brought up to date at its end. */
static void on_changed(void *user)
{
    struct loop_ev *attachment = user;

    if (!attachment->processing)
        watch(attachment);
}

struct loop_ev *loop_ev_attach(struct ev_loop *loop, struct pump *pump,
                               void (*on_dead)(void *user), void *user, struct error *error)
{
    struct loop_ev *attachment = calloc(1, sizeof(*attachment));

    if (attachment == NULL) {
        (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
        return NULL;
    }
    attachment->loop = loop;
    attachment->pump = pump;
    attachment->on_dead = on_dead;
    attachment->user = user;
    ev_io_init(&attachment->io, on_io, -1, 0);
    ev_timer_init(&attachment->timer, on_timer, 0., 0.);
    attachment->io.data = attachment;
    attachment->timer.data = attachment;
    pump->changed = on_changed;
    pump->user = attachment;
    watch(attachment);
    return attachment;
}

void loop_ev_detach(struct loop_ev *attachment)
{
    if (attachment == NULL)
        return;
    ev_io_stop(attachment->loop, &attachment->io);
    ev_timer_stop(attachment->loop, &attachment->timer);
    attachment->pump->changed = NULL;
    attachment->pump->user = NULL;
    free(attachment);
}
