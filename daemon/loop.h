/* SPDX-License-Identifier: MIT */
/* A pump (qmp/pump.h) in libev's loop. include/vmplug/loop_ev.h is the same for the public ones. */
#ifndef DAEMON_LOOP_H
#define DAEMON_LOOP_H

#include <ev.h>
#include <stdbool.h>

#include "qmp/pump.h"

/* One pump's watchers. The caller owns it, and keeps it where it is while it is attached. */
struct loop_pump {
    struct ev_loop *loop;
    struct pump *pump;
    void (*on_dead)(void *user); /* may be NULL; the last thing that is called, from the loop */
    void (*on_turn)(void *user); /* the same after each turn that the pump survives; NULL at first,
                                    the caller may set it */
    void *user;
    ev_io io;
    ev_timer timer;
    bool is_processing;
};

/* Fills *self and watches the pump, until loop_detach() or the pump's end. The pump outlives it. */
void loop_attach(struct loop_pump *self, struct ev_loop *loop, struct pump *pump,
                 void (*on_dead)(void *user), void *user);

/* Not from inside the pump's own callbacks. */
void loop_detach(struct loop_pump *self);

#endif
