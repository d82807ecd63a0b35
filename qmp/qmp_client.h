/* SPDX-License-Identifier: MIT */
/*
 * One QMP session: greeting, capability negotiation, commands with integer ids, events. (QEMU,
 * docs/interop/qmp-spec; QAPI command qmp_capabilities.) Drive it through its pump; commands may
 * be submitted at once and leave when the session is ready.
 *
 * QEMU serves one client per monitor: a second one connects and then hears nothing. Hence the
 * greeting has a deadline of its own, and nothing is written before it: QEMU would run it when
 * the other client leaves.
 */
#ifndef QMP_QMP_CLIENT_H
#define QMP_QMP_CLIENT_H

#include <sys/types.h>

#include "qmp/channel.h"
#include "qmp/pump.h"
#include "qmp/request.h"

struct qmp_client;

struct qmp_client_options {
    const char *path;           /* the socket to connect to, or NULL: */
    int fd;                     /* a connected socket, taken over, also on failure */
    struct framer_limits limits; /* 0: those of qmp/limits.h */
    unsigned window;            /* commands in flight at once; 0: as many as QEMU queues */
    unsigned pending_max;       /* commands submitted and unanswered; 0: qmp/limits.h */
    double greeting_timeout_ms; /* 0: 5000; covers connecting and negotiating */
    struct tap tap;
};

struct qmp_event {
    const char *name;     /* "ACPI_DEVICE_OST" */
    const json_t *data;   /* an object, or NULL: STOP and RESUME carry none */
    const json_t *object; /* the whole event */
    double monotonic_ms;  /* when it was read here */
};

/* event is NULL when the connection has ended: nothing more will come. */
typedef void qmp_event_fn(void *user, const struct qmp_event *event);

/* A new client, or NULL with ERROR_CONNECT or ERROR_SYSTEM. Connecting goes on in the pump where
 * the listener's queue is full. */
struct qmp_client *qmp_client_new(const struct qmp_client_options *options, struct error *error);

/* Fails what is pending with ERROR_CANCELLED, quietly drops subscriptions, frees. Allowed in a
 * callback: the memory lives until the pump returns. NULL is allowed. */
void qmp_client_free(struct qmp_client *client);

struct pump *qmp_client_pump(struct qmp_client *client);

/* Negotiated and alive. */
bool qmp_client_is_ready(const struct qmp_client *client);

/* Why the session ended: ERROR_CONNECT, ERROR_BUSY, ERROR_PROTOCOL, ERROR_LIMIT,
 * ERROR_DISCONNECTED or ERROR_SYSTEM; NULL while it lives. */
const struct error *qmp_client_failure(const struct qmp_client *client);

/* The process that made the socket which we are connected to, as the kernel knows it: QEMU, unless
 * it was handed the socket by whoever started it. 0 when unknown (SO_PEERCRED, unix(7)). */
pid_t qmp_client_peer(const struct qmp_client *client);

/* The greeting's "QMP" object (version and capabilities), NULL before it came. */
const json_t *qmp_client_greeting(const struct qmp_client *client);

/* Sends a command, or queues it. request->done fires from the pump, never from in here, exactly
 * once: with the reply; with ERROR_TIMEOUT (outcome unknown; a late reply is swallowed); or with
 * the session's failure. A command with a descriptor travels alone, since QEMU keeps one pending
 * descriptor only. Returns the command's number, which no other of this client's has, or -1 with
 * ERROR_INVALID, ERROR_LIMIT, ERROR_SYSTEM, or the session's failure. */
int64_t qmp_client_submit(struct qmp_client *client, const struct request *request,
                          struct error *error);

/* Its callback will not fire. The command may be carried out all the same. */
void qmp_client_cancel(struct qmp_client *client, int64_t number);

/* Nothing is expected for a while: see channel_rest(). Not from inside its callbacks. */
void qmp_client_rest(struct qmp_client *client);

/* Calls on_event for each event from now on. Events can come before the reply of the command that
 * caused them: subscribe first. Returns a handle for unsubscribing, 0 without memory. */
unsigned qmp_client_subscribe(struct qmp_client *client, qmp_event_fn *on_event, void *user);
void qmp_client_unsubscribe(struct qmp_client *client, unsigned subscription);

#endif
