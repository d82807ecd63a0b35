/* SPDX-License-Identifier: MIT */
/*
 * What systemd is told of the daemon, by the datagrams of sd_notify(3), and that it lives, by a
 * timer of the loop (WatchdogSec= in the unit): a loop that does not turn does not say so. Without
 * $NOTIFY_SOCKET nothing happens.
 */
#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

#include <ev.h>

#include "base/error.h"

struct notify {
    int fd; /* -1: nobody is told */
    struct ev_loop *loop;
    ev_timer watchdog;
};

/* Connects to $NOTIFY_SOCKET, and begins with WATCHDOG=1 at half of $WATCHDOG_USEC, if that is
 * meant for this process ($WATCHDOG_PID). Returns 0, or -1 with ERROR_SYSTEM or ERROR_INVALID;
 * notify_close() in any case. */
int notify_open(struct notify *notify, struct ev_loop *loop, struct error *error);
void notify_close(struct notify *notify);

/* Requests are answered from now on; also at the end of a reload. */
void notify_ready(const struct notify *notify);

/* SIGHUP has come, and files are read; notify_ready() ends it. */
void notify_reloading(const struct notify *notify);

void notify_stopping(const struct notify *notify);

/* A line for `systemctl status`. */
void notify_status(const struct notify *notify, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
