/* SPDX-License-Identifier: MIT */
/*
 * What the daemon says of itself, to whoever watches it: lines of key=value on stderr.
 *
 *     time=2026-11-21T19:30:00.125Z level=warning vm=db message="cannot connect" why="..."
 *
 * Where stderr is the journal, which has a time of its own, a line begins with its priority
 * (sd-daemon(3)) in the place of the time and the level. A line is one write, and has at most
 * LOG_LINE_BYTES: what is longer is cut. Nobody waits for a reader: a line for which stderr has no
 * room is dropped, and the next one that there is room for says how many were (dropped=).
 */
#ifndef DAEMON_LOG_H
#define DAEMON_LOG_H

#include "base/error.h"

#define LOG_LINE_BYTES 4096 /* PIPE_BUF: what poll(2) promises room for in a pipe */

/* The numbers are those of syslog(3). */
enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_NOTICE = 5,
                 LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

/* Lines above this level are left out; LOG_LEVEL_INFO until it is set. */
void log_set_level(enum log_level most);

/* vm: its name, or NULL. Behind the message pairs of a key and a value, which are strings; a value
 * NULL leaves its key out; behind the last pair NULL. Keys are literals of letters, digits and
 * '_'. */
void log_line(enum log_level level, const char *vm, const char *message, ...)
    __attribute__((sentinel));

/* An error, with what was tried as the message, and why= and fix=. */
void log_error(enum log_level level, const char *vm, const char *message,
               const struct error *error);

/* Now, as RFC 3339 has it, in UTC and to the millisecond. Returns text. */
#define LOG_TIME_MAX 64
const char *log_time(char text[LOG_TIME_MAX]);

#endif
