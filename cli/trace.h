/* SPDX-License-Identifier: MIT */
/*
 * --trace and --verbose: what is said to QEMU and the agent, and what they say. The file gets a
 * JSON object a line:
 *
 *   {"ms":1.5,"channel":"vmplug","direction":"begin","trace":1,"version":"0.1.0",
 *    "arguments":["cpu","add"],"qmp":"/run/vm/qmp","agent":null}
 *   {"ms":2.5,"channel":"qmp","direction":"received","message":{…}}
 *   {"ms":2.6,"channel":"qmp","direction":"sent","message":{…}}
 *   {"ms":9.1,"channel":"qmp","direction":"closed"}
 *   {"ms":9.2,"channel":"vmplug","direction":"end","exit":9}
 *
 * ms is the monotonic clock's, as in `events`, so that several traces of one host can be joined.
 * "trace" is the version of this format. "text" stands in place of "message" for what is no JSON,
 * "delimited" is true where the byte 0xFF came before it, and an end may have "limit", the size
 * that the file has reached, in place of "exit". Secrets are hidden (cli/secrets.h). So a trace is
 * all that is needed to do a run again: tests/fake/replay.h plays it.
 */
#ifndef CLI_TRACE_H
#define CLI_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "cli/secrets.h"
#include "qmp/channel.h"

#define TRACE_FORMAT 1
#define TRACE_LIMIT_BYTES (UINT64_C(256) << 20)

struct trace {
    int fd; /* -1: no file */
    bool verbose;
    double started_ms;
    uint64_t bytes, limit_bytes; /* of the file, with what it held before */
    struct secrets secrets;
};

/* What is run, for the first line. */
struct trace_run {
    const char *const *arguments; /* of the program, ended by NULL; borrowed as all */
    const char *raw_command;      /* of QMP or the agent, or NULL, and the one of the arguments */
    const char *raw_json;         /* that is its JSON, or NULL */
    const char *qmp_path, *agent_path; /* NULL: none */
};

/* path may be NULL. Returns 0, or -1 with ERROR_INVALID when the file can't be opened. */
int trace_open(struct trace *trace, const char *path, bool verbose, struct error *error);

void trace_begin(struct trace *trace, const struct trace_run *run);
void trace_end(struct trace *trace, int exit_code);
void trace_close(struct trace *trace);

/* Empty when nothing is to be recorded, which then costs nothing. Lives as long as the trace. */
struct tap trace_tap(struct trace *trace);

#endif
