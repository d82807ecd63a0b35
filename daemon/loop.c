/* SPDX-License-Identifier: MIT */
#include "daemon/loop.h"

#include <poll.h>

#include "base/clock.h"

static void watch_descriptor(struct loop_pump *self)
{
    int fd = pump_fd(self->pump);
    short wanted = pump_events(self->pump);
    int events = ((wanted & POLLIN) != 0 ? EV_READ : 0) | ((wanted & POLLOUT) != 0 ? EV_WRITE : 0);

    if (ev_is_active(&self->io) && self->io.fd == fd &&
        (self->io.events & (EV_READ | EV_WRITE)) == events)
        return;
    ev_io_stop(self->loop, &self->io);
    if (fd < 0 || events == 0)
        return;
    ev_io_set(&self->io, fd, events);
    ev_io_start(self->loop, &self->io);
}

static void watch(struct loop_pump *self)
{
    double left_ms = pump_deadline_ms(self->pump) - clock_now_ms();

    watch_descriptor(self);
    ev_timer_stop(self->loop, &self->timer);
    if (left_ms == CLOCK_NEVER_MS)
        return;
    ev_now_update(self->loop); /* the timer counts from libev's idea of now */
    ev_timer_set(&self->timer, left_ms > 0 ? left_ms / 1e3 : 0, 0);
    ev_timer_start(self->loop, &self->timer);
}

static void process(struct loop_pump *self, short revents)
{
    enum pump_result result;

    self->is_processing = true;
    result = pump_process(self->pump, revents);
    self->is_processing = false;
    if (result != PUMP_DEAD) {
        watch(self);
        if (self->on_turn != NULL)
            self->on_turn(self->user);
        return;
    }
    loop_detach(self);
    if (self->on_dead != NULL)
        self->on_dead(self->user);
}

static void on_io(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    process(io->data, (short)(((events & EV_READ) != 0 ? POLLIN : 0) |
                              ((events & EV_WRITE) != 0 ? POLLOUT : 0)));
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    process(timer->data, 0);
}

/* During processing the watchers are brought up to date at its end. */
static void on_change(void *user)
{
    struct loop_pump *self = user;

    if (!self->is_processing)
        watch(self);
}

void loop_attach(struct loop_pump *self, struct ev_loop *loop, struct pump *pump,
                 void (*on_dead)(void *user), void *user)
{
    *self = (struct loop_pump){.loop = loop, .pump = pump, .on_dead = on_dead, .user = user};
    ev_init(&self->io, on_io);
    ev_io_set(&self->io, -1, 0);
    ev_init(&self->timer, on_timer);
    self->io.data = self;
    self->timer.data = self;
    pump->changed = on_change;
    pump->user = self;
    watch(self);
}

void loop_detach(struct loop_pump *self)
{
    ev_io_stop(self->loop, &self->io);
    ev_timer_stop(self->loop, &self->timer);
    self->pump->changed = NULL;
}
