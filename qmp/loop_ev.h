/* SPDX-License-Identifier: MIT */
/* Drives a pump from libev. The only file but programs' own that knows ev.h. */
#ifndef QMP_LOOP_EV_H
#define QMP_LOOP_EV_H

#include "base/error.h"
#include "qmp/pump.h"

struct ev_loop;
struct loop_ev;

/* Watches the pump until loop_ev_detach(). Callbacks of what the pump drives fire from the loop.
 * on_dead (may be NULL) is called once, when the pump reports PUMP_DEAD. NULL with ERROR_SYSTEM
 * when memory runs out. The pump must outlive the attachment. */
struct loop_ev *loop_ev_attach(struct ev_loop *loop, struct pump *pump,
                               void (*on_dead)(void *user), void *user, struct error *error);

/* Stops watching and frees. Not from inside the pump's own callbacks. NULL is allowed. */
void loop_ev_detach(struct loop_ev *attachment);

#endif
