/* SPDX-License-Identifier: MIT */
/*
 * --trace and --verbose: what is said to QEMU and the agent, and what they say. The file gets a
 * JSON object a line:
 *
 *   {"ms":123.456,"channel":"qmp","direction":"sent","message":{…}}
 *
 * ms is the monotonic clock's, as in `events`, so that several traces of one host can be joined.
 * "text" stands in place of "message" for what is no JSON.
 */
#ifndef CLI_TRACE_H
#define CLI_TRACE_H

#include <stdbool.h>

#include "base/error.h"
#include "qmp/channel.h"

struct trace {
    int fd; /* -1: no file */
    bool verbose;
    double started_ms;
};

/* path may be NULL. Returns 0, or -1 with ERROR_INVALID when the file can't be opened. */
int trace_open(struct trace *trace, const char *path, bool verbose, struct error *error);
void trace_close(struct trace *trace);

/* Empty when nothing is to be recorded, which then costs nothing. Lives as long as the trace. */
struct tap trace_tap(struct trace *trace);

#endif
