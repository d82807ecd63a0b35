/* SPDX-License-Identifier: MIT */
/*
 * The connections of one run, and the only place where the program waits: for QEMU, the agent, a
 * signal, or the moment to draw a line anew.
 */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include <stdbool.h>

#include "cli/signals.h"
#include "qmp/blocking.h"
#include "vmm/vm.h"

#define SESSION_TICK_MS 100

struct session_options {
    const char *qmp_path;   /* NULL: the agent alone */
    const char *agent_path; /* NULL: none */
    double timeout_ms;      /* also for QEMU's greeting, unless that has less */
    struct tap tap;
};

struct session {
    struct vm *vm;       /* NULL: the agent alone, or no session */
    struct agent *agent; /* when it is alone */
    struct signals signals;
    bool was_ready; /* QMP was negotiated */
};

enum session_end { SESSION_DONE, SESSION_DEADLINE, SESSION_INTERRUPTED };

/* What is called meanwhile; each may be NULL. */
struct session_handlers {
    void (*interrupt)(void *user); /* the first signal; without this, it ends the wait */
    void (*tick)(void *user);      /* every SESSION_TICK_MS */
    struct pump *pump;             /* driven along */
    void *user;
};

/* Connects, by way of a daemon where one holds the VM, and waits until QMP is negotiated. Returns
 * 0, or -1 with ERROR_CONNECT, ERROR_BUSY, ERROR_PROTOCOL, ERROR_LIMIT, ERROR_DISCONNECTED,
 * ERROR_SYSTEM, or ERROR_CANCELLED when a signal came. session_close() in any case. */
int session_open(struct session *session, const struct session_options *options,
                 struct error *error);
void session_close(struct session *session);

/* Where a daemon holds the monitor of this socket: waits until this process alone changes the VM,
 * as long as *ret_fd, the caller's, is open. Else that is negative. The same returns. */
int session_guard(const char *qmp_path, double timeout_ms, int *ret_fd, struct error *error);

/* Pumps until the condition holds, the deadline has passed, or a second signal came. */
enum session_end session_run(struct session *session, blocking_condition_fn *condition,
                             const struct session_handlers *handlers, void *user,
                             double deadline_ms);

#endif
