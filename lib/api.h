/* SPDX-License-Identifier: MIT */
/*
 * What the public functions share. Public handles that are nothing but an inner one in another name
 * are cast; the others have a structure of their own.
 */
#ifndef LIB_API_H
#define LIB_API_H

#include <stddef.h>
#include <string.h>
#include <sys/queue.h>

#include "base/error.h"
#include "qmp/channel.h"
#include "qmp/qmp_client.h"
#include "qmp/request.h"
#include "vmm/vm.h"
#include "vmplug/agent.h"
#include "vmplug/qmp.h"

/* *ret becomes what error says; ret may be NULL. */
void api_error(const struct error *error, struct vmplug_error *ret);

/* Says it, in one statement. Returns -1. */
int api_fail(struct vmplug_error *ret, enum error_code code, const char *why);

/* Out of a caller's structure, as its version knew it, into one of today; what it did not know is
 * 0. given may be NULL. */
void api_options(void *ret, size_t size_bytes, const void *given, size_t given_bytes);

/* A time limit as the inside has it: 0 or less is none. */
double api_timeout_ms(double timeout_ms);

/* ---- a trace: who wants to see the messages ---- */

struct api_trace {
    vmplug_trace_fn *trace;
    void *user;
};

/* The tap that shows them; trace outlives it. */
struct tap api_tap(const struct api_trace *trace);

/* ---- commands on their way ---- */

struct api_call {
    TAILQ_ENTRY(api_call) link;
    struct api_calls *calls;
    int64_t number;
    vmplug_reply_fn *done;
    void *user;
};

TAILQ_HEAD(api_call_list, api_call);

struct api_calls {
    struct api_call_list list;
    bool ended;
};

typedef int64_t api_submit_fn(void *peer, const struct request *request, struct error *error);
typedef void api_cancel_fn(void *peer, int64_t number);

/* Submits by way of `submit`, and keeps in calls who waits for the answer. fd: 0 for none. */
int64_t api_call(struct api_calls *calls, api_submit_fn *submit, void *peer, const char *command,
                 const char *arguments, int fd, double timeout_ms, vmplug_reply_fn *done,
                 void *user, struct vmplug_error *error);

/* Nobody waits for this answer any more. */
void api_call_drop(struct api_calls *calls, int64_t number);

/* Tells all who wait that it is over, with ERROR_CANCELLED, and takes no more. */
void api_calls_end(struct api_calls *calls, api_cancel_fn *cancel, void *peer);

/* The same as api_call(), waited for: the answer's value, the caller's, or NULL. */
char *api_call_wait(struct pump *pump, struct api_calls *calls, api_submit_fn *submit, void *peer,
                    const char *command, const char *arguments, double timeout_ms,
                    struct vmplug_error *error);

/* ---- a session that is part of a VM ---- */

/* The public handles of a client and an agent that somebody else owns; NULL without memory. */
struct vmplug_qmp *api_qmp_borrow(struct qmp_client *client);
struct vmplug_agent *api_agent_borrow(struct agent *agent);

#endif
