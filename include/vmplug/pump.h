/* SPDX-License-Identifier: MIT */
/*
 * How an event loop drives vmplug. The library has no loop, no thread and no signal handler of its
 * own: whatever talks has a pump, and a program calls it when its descriptor is ready or its
 * deadline has come. All callbacks fire from vmplug_pump_process(), never from the call that
 * started something. (The exception is freeing a handle, which tells what was still pending.) What
 * waits (vmplug_pump_run(), vmplug_qmp_call(), vmplug_status(), vmplug_run(), …) is not called in a
 * callback. A callback returns: neither longjmp(3) nor a C++ exception may leave it.
 *
 *     poll(2) on vmplug_pump_fd() for vmplug_pump_events(), at most vmplug_pump_timeout_ms();
 *     vmplug_pump_process() with the revents that it returned, 0 when there were none.
 *
 * Ask all three anew before each wait, or keep watchers and set vmplug_pump_on_change(). A pump
 * belongs to the handle that it came from and dies with it. A handle and its pumps are used by one
 * thread at a time.
 */
#ifndef VMPLUG_PUMP_H
#define VMPLUG_PUMP_H

#include <stddef.h>

#include "vmplug/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct vmplug_pump;

enum vmplug_pump_result {
    VMPLUG_PUMP_IDLE = 0,     /* nothing more to do until the next event or deadline */
    VMPLUG_PUMP_PROGRESS = 1, /* something was done */
    VMPLUG_PUMP_DEAD = 2      /* over for good; everything that was pending has been told */
};

/* The descriptor to watch, -1 for none at the moment. It may be another one next time; then the
 * earlier one has been closed, and its number may be another file's. */
VMPLUG_API int vmplug_pump_fd(const struct vmplug_pump *pump);

/* POLLIN, POLLOUT, both or 0; see poll(2). */
VMPLUG_API short vmplug_pump_events(const struct vmplug_pump *pump);

/* When to call even if nothing happens, in milliseconds of CLOCK_MONOTONIC; infinity: never. */
VMPLUG_API double vmplug_pump_deadline_ms(const struct vmplug_pump *pump);

/* The same from now on, as poll(2) and epoll_wait(2) take it: rounded up, -1: never. */
VMPLUG_API int vmplug_pump_timeout_ms(const struct vmplug_pump *pump);

/* Does what can be done without waiting, a bounded amount; callbacks fire in here. Harmless when
 * nothing was ready. Returns an enum vmplug_pump_result; after VMPLUG_PUMP_DEAD stop driving it. */
VMPLUG_API int vmplug_pump_process(struct vmplug_pump *pump, short revents);

/* changed(user) is called whenever one of the answers above may have changed outside of
 * vmplug_pump_process(): a command was submitted, an operation begun. It must not call into the
 * library but to ask for the answers. One at a time; NULL ends it. */
VMPLUG_API void vmplug_pump_on_change(struct vmplug_pump *pump, void (*changed)(void *user),
                                      void *user);

/* Drives pumps with poll(2) until condition(user) is not 0, or timeout_ms have passed (negative:
 * no limit), or all pumps are dead. The condition is asked first, and after each step. At most 8
 * pumps. Returns 1 when the condition held, else 0. */
VMPLUG_API int vmplug_pump_run(struct vmplug_pump *const pumps[], size_t count,
                               int (*condition)(void *user), void *user, double timeout_ms);

#ifdef __cplusplus
}
#endif

#endif
