/* SPDX-License-Identifier: MIT */
/*
 * Drives a pump from libev. All of it is in this header, so that only programs that use libev are
 * linked with it; copy it as a pattern for a loop of your own.
 */
#ifndef VMPLUG_LOOP_EV_H
#define VMPLUG_LOOP_EV_H

#include <ev.h>
#include <poll.h>

#include "vmplug/pump.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One pump's watchers. The caller owns it, and keeps it where it is while it is attached. */
struct vmplug_loop_ev {
    struct ev_loop *loop;
    struct vmplug_pump *pump;
    void (*on_dead)(void *user); /* may be NULL; the last thing that is called */
    void *user;
    ev_io io;
    ev_timer timer;
    int is_processing;
};

/* Watches what the pump wants now. */
static inline void vmplug_loop_ev_watch(struct vmplug_loop_ev *attachment)
{
    int fd = vmplug_pump_fd(attachment->pump);
    short wanted = vmplug_pump_events(attachment->pump);
    int timeout_ms = vmplug_pump_timeout_ms(attachment->pump);
    int events = ((wanted & POLLIN) ? EV_READ : 0) | ((wanted & POLLOUT) ? EV_WRITE : 0);

    if (!ev_is_active(&attachment->io) || attachment->io.fd != fd ||
        (attachment->io.events & (EV_READ | EV_WRITE)) != events) {
        ev_io_stop(attachment->loop, &attachment->io);
        if (fd >= 0 && events != 0) {
            ev_io_set(&attachment->io, fd, events);
            ev_io_start(attachment->loop, &attachment->io);
        }
    }
    ev_timer_stop(attachment->loop, &attachment->timer);
    if (timeout_ms < 0)
        return;
    ev_now_update(attachment->loop); /* the timer counts from libev's idea of now */
    ev_timer_set(&attachment->timer, timeout_ms / 1e3, 0.);
    ev_timer_start(attachment->loop, &attachment->timer);
}

static inline void vmplug_loop_ev_process(struct vmplug_loop_ev *attachment, short revents)
{
    int result;

    attachment->is_processing = 1;
    result = vmplug_pump_process(attachment->pump, revents);
    attachment->is_processing = 0;
    if (result != VMPLUG_PUMP_DEAD) {
        vmplug_loop_ev_watch(attachment);
        return;
    }
    ev_io_stop(attachment->loop, &attachment->io);
    ev_timer_stop(attachment->loop, &attachment->timer);
    if (attachment->on_dead != NULL)
        attachment->on_dead(attachment->user);
}

static inline void vmplug_loop_ev_on_io(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    vmplug_loop_ev_process((struct vmplug_loop_ev *)io->data,
                           (short)(((events & EV_READ) ? POLLIN : 0) |
                                   ((events & EV_WRITE) ? POLLOUT : 0)));
}

static inline void vmplug_loop_ev_on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    vmplug_loop_ev_process((struct vmplug_loop_ev *)timer->data, 0);
}

/* During processing the watchers are brought up to date at its end. */
static inline void vmplug_loop_ev_on_change(void *user)
{
    struct vmplug_loop_ev *attachment = (struct vmplug_loop_ev *)user;

    if (!attachment->is_processing)
        vmplug_loop_ev_watch(attachment);
}

/* Fills *attachment and watches the pump until vmplug_loop_ev_detach(). on_dead(user) is called
 * once, from the loop, when the pump is dead. The pump must outlive the attachment. */
static inline void vmplug_loop_ev_attach(struct vmplug_loop_ev *attachment, struct ev_loop *loop,
                                         struct vmplug_pump *pump, void (*on_dead)(void *user),
                                         void *user)
{
    attachment->loop = loop;
    attachment->pump = pump;
    attachment->on_dead = on_dead;
    attachment->user = user;
    attachment->is_processing = 0;
    ev_init(&attachment->io, vmplug_loop_ev_on_io);
    ev_io_set(&attachment->io, -1, 0);
    ev_init(&attachment->timer, vmplug_loop_ev_on_timer);
    attachment->io.data = attachment;
    attachment->timer.data = attachment;
    vmplug_pump_on_change(pump, vmplug_loop_ev_on_change, attachment);
    vmplug_loop_ev_watch(attachment);
}

/* Stops watching. Not from inside the pump's own callbacks. */
static inline void vmplug_loop_ev_detach(struct vmplug_loop_ev *attachment)
{
    ev_io_stop(attachment->loop, &attachment->io);
    ev_timer_stop(attachment->loop, &attachment->timer);
    vmplug_pump_on_change(attachment->pump, NULL, NULL);
}

#ifdef __cplusplus
}
#endif

#endif
