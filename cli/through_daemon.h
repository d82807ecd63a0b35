/* SPDX-License-Identifier: MIT */
/*
 * The way to a monitor or an agent that vmplugd holds: its API's socket, which speaks QMP or the
 * agent's protocol from the answer to an HTTP/1.1 Upgrade on (RFC 9110, 7.8), for as many clients
 * as there are.
 */
#ifndef CLI_THROUGH_DAEMON_H
#define CLI_THROUGH_DAEMON_H

#include <stdbool.h>

#include "qmp/pump.h"
#include "vmm/held.h"

struct through_daemon {
    struct pump pump; /* first; to be driven until through_daemon_is_over() */
    const char *protocol;
    struct held held;
    int fd; /* -1: none yet */
    bool changes;
    bool is_through; /* the daemon has switched over */
    bool is_over;
    bool is_stale; /* nobody holds it any more */
    pid_t process; /* QEMU's, as the daemon says; 0: it does not */
    double next_ms;
    unsigned tries; /* that came to nothing */
    struct error failure;
    size_t used;
    char head[4096]; /* of the answer, and an error's body behind it */
};

/* Is this socket's other end held by a daemon? Then the pump is begun; protocol: "qmp" or "qga",
 * borrowed. changes: it is over when, until the connection ends, nobody but this process changes
 * the VM, the daemon itself included. */
bool through_daemon_begin(struct through_daemon *self, const char *path, const char *protocol,
                          bool changes);

/* For session_run(); user: the struct. */
bool through_daemon_is_over(void *user);

/* What came of it: a connected socket, the caller's to close; -2: nobody holds it any more, so it
 * is free to be had directly; or -1 with ERROR_CONNECT: the daemon lets us not, or ERROR_BUSY: not
 * now, or it had no answer yet. Nothing is held afterwards. */
int through_daemon_end(struct through_daemon *self, struct error *error);

#endif
