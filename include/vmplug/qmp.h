/* SPDX-License-Identifier: MIT */
/*
 * A QMP session with a running QEMU: greeting, negotiation, commands with ids, events. JSON goes in
 * and comes out as text (UTF-8), so any JSON library will do. (QEMU: docs/interop/qmp-spec.)
 *
 * QEMU serves one client a monitor. A second one connects and hears nothing; that ends, after the
 * greeting's time, with VMPLUG_ERROR_BUSY.
 */
#ifndef VMPLUG_QMP_H
#define VMPLUG_QMP_H

#include <stdint.h>

#include "vmplug/pump.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Sees every message as it passes, both ways: channel is "qmp" or "agent", sent is not 0 for what
 * goes out. json is borrowed, not terminated, and NULL when the peer has closed the connection. It
 * must not call into the library. What it sees may hold secrets (set_password). */
typedef void vmplug_trace_fn(void *user, const char *channel, int sent, const char *json,
                             size_t size_bytes);

/* How a command ended. It lives as long as the callback that is given it. */
struct vmplug_reply;

/* NULL when QEMU (or the agent) has carried it out; else VMPLUG_ERROR_REJECTED with its words; or
 * the outcome is not known: VMPLUG_ERROR_TIMEOUT, _DISCONNECTED, _PROTOCOL, _LIMIT, _CANCELLED.
 * Borrowed. */
VMPLUG_API const struct vmplug_error *vmplug_reply_error(const struct vmplug_reply *reply);

/* The "return" value as JSON text, made when asked for; *ret_bytes (may be NULL) is its length.
 * NULL with an error, or without memory. Borrowed. */
VMPLUG_API const char *vmplug_reply_json(struct vmplug_reply *reply, size_t *ret_bytes);

typedef void vmplug_reply_fn(void *user, struct vmplug_reply *reply);

/* An event, as long as the callback lasts. */
struct vmplug_event;

VMPLUG_API const char *vmplug_event_name(const struct vmplug_event *event); /* "ACPI_DEVICE_OST" */

/* When it was read here, on CLOCK_MONOTONIC. */
VMPLUG_API double vmplug_event_monotonic_ms(const struct vmplug_event *event);

/* The whole event as JSON text, made when asked for; NULL without memory. Borrowed. */
VMPLUG_API const char *vmplug_event_json(struct vmplug_event *event);

/* event is NULL when the connection has ended: nothing more will come. */
typedef void vmplug_event_fn(void *user, struct vmplug_event *event);

/* All of it may be 0. */
struct vmplug_qmp_options {
    size_t struct_bytes; /* sizeof(struct vmplug_qmp_options); 0: all of it is 0 */
    double greeting_timeout_ms; /* of connecting and negotiating; 0: 5000 */
    size_t message_bytes_max;   /* the longest message accepted; 0: 16 MiB */
    unsigned pending_max;       /* commands submitted and unanswered; 0: 16384 */
    vmplug_trace_fn *trace;
    void *trace_user;
};

struct vmplug_qmp;

/* Connects to the Unix socket at path, or takes over the connected socket fd when path is NULL; it
 * is closed if this fails, too. options may be NULL. Returns without waiting: negotiation goes on
 * in the pump. NULL with VMPLUG_ERROR_CONNECT or _SYSTEM. */
VMPLUG_API struct vmplug_qmp *vmplug_qmp_open(const char *path, int fd,
                                              const struct vmplug_qmp_options *options,
                                              struct vmplug_error *error);

/* Ends what is pending, from in here, with VMPLUG_ERROR_CANCELLED. Allowed in a callback. NULL is
 * allowed. */
VMPLUG_API void vmplug_qmp_free(struct vmplug_qmp *qmp);

/* Borrowed. */
VMPLUG_API struct vmplug_pump *vmplug_qmp_pump(struct vmplug_qmp *qmp);

/* Not 0 when negotiated and alive. */
VMPLUG_API int vmplug_qmp_is_ready(const struct vmplug_qmp *qmp);

/* Why the session has ended: 0 and *error filled; or -1 while it lives. */
VMPLUG_API int vmplug_qmp_failure(const struct vmplug_qmp *qmp, struct vmplug_error *error);

/* Waits until negotiated. Returns 0, or -1 with VMPLUG_ERROR_CONNECT, _BUSY, _PROTOCOL, _LIMIT,
 * _DISCONNECTED or _SYSTEM. */
VMPLUG_API int vmplug_qmp_wait_ready(struct vmplug_qmp *qmp, struct vmplug_error *error);

/* The greeting's "QMP" object (version, capabilities) as text to be freed with vmplug_text_free();
 * NULL before it came. */
VMPLUG_API char *vmplug_qmp_greeting(const struct vmplug_qmp *qmp);

/* The process that made the socket at the other end (SO_PEERCRED, unix(7)): QEMU, unless it was
 * handed the socket by whoever started it. 0 when unknown. */
VMPLUG_API int vmplug_qmp_peer(const struct vmplug_qmp *qmp);

/* Sends a command, or queues it until it can go. arguments is the text of a JSON object, or NULL.
 * timeout_ms counts from now; 0 or less: no limit. done (may be NULL) fires from the pump exactly
 * once, unless cancelled. Returns the command's number, above 0; or -1 with VMPLUG_ERROR_INVALID,
 * _LIMIT, _SYSTEM, or what ended the session. */
VMPLUG_API int64_t vmplug_qmp_submit(struct vmplug_qmp *qmp, const char *command,
                                     const char *arguments, double timeout_ms,
                                     vmplug_reply_fn *done, void *user,
                                     struct vmplug_error *error);

/* The same with a descriptor for QEMU (SCM_RIGHTS; commands getfd and add-fd want one). It is
 * closed here when it has been sent, and when this fails. */
VMPLUG_API int64_t vmplug_qmp_submit_fd(struct vmplug_qmp *qmp, const char *command,
                                        const char *arguments, int fd, double timeout_ms,
                                        vmplug_reply_fn *done, void *user,
                                        struct vmplug_error *error);

/* done will not fire. QEMU may carry the command out all the same. */
VMPLUG_API void vmplug_qmp_cancel(struct vmplug_qmp *qmp, int64_t number);

/* Calls on_event for each event from now on. An event can come before the reply of the command that
 * caused it: subscribe first. Returns a handle above 0, or 0 without memory. */
VMPLUG_API unsigned vmplug_qmp_subscribe(struct vmplug_qmp *qmp, vmplug_event_fn *on_event,
                                         void *user);
VMPLUG_API void vmplug_qmp_unsubscribe(struct vmplug_qmp *qmp, unsigned subscription);

/* Sends a command and waits for its end, pumping meanwhile. Returns the "return" value as text to
 * be freed with vmplug_text_free(), or NULL with any error of vmplug_qmp_submit() and
 * vmplug_reply_error(). */
VMPLUG_API char *vmplug_qmp_call(struct vmplug_qmp *qmp, const char *command,
                                 const char *arguments, double timeout_ms,
                                 struct vmplug_error *error);

#ifdef __cplusplus
}
#endif

#endif
