/* SPDX-License-Identifier: MIT */
/*
 * A QEMU and a guest agent that say again what a trace (cli/trace.h) says they said.
 *
 * A command that only looks (query-…, qom-get, guest-get-…, reading a file) may come more or fewer
 * times than it was recorded, since it is vmplug's clock that decides how often. Anything else is
 * a change, and must come as it was recorded, once, in the order of its channel. From this follows
 *
 *   - time: it is marked by lines of the trace, goes only onward, and does not pass a change that
 *     has not come. Nothing is slept;
 *   - a change is answered with its answer. Looks that were recorded before it and did not come are
 *     passed over;
 *   - a look is answered with its next answer. One that was asked before gets the next that differs
 *     from what it got, so that waiting is short, and where there is none, the last;
 *   - what came unasked (greeting, events, the end of a connection) is said when each change before
 *     it has come, and each look since the last change at least once, or when time has passed it;
 *   - what had no answer gets none.
 *
 * What can't be the same is put in place: ids of requests, the number of guest-sync-delimited, and
 * handles of the guest's files, which count as the path that was opened. Content of files that the
 * trace does not show reads as zeros. "@DIR@" in a trace stands for a directory that the reader
 * chooses.
 *
 * A change that was not recorded, or differs, or did not come, fails, and so does a look that never
 * came although it was recorded. A look that was not recorded gets CommandNotFound, as from an
 * older QEMU, and is noted: if it mattered, the result shows it.
 */
#ifndef TESTS_FAKE_REPLAY_H
#define TESTS_FAKE_REPLAY_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "qmp/pump.h"

/* Reads a trace's file. Returns its runs, an array (a new reference) of
 *
 *   {"begin": the line, "lines": [of the channels], "stdout": [messages], "end": the line}
 *
 * where end is missing from a trace that was cut. Each line has its number as "line". NULL with
 * ERROR_INVALID when it is no trace. */
json_t *replay_read(const char *path, const char *directory, struct error *error);

struct replay;

/* Plays one run (borrowed, and not to be changed) on these sockets, to one client each. The agent's
 * is made only when the run has lines of it: else nobody listens there. Ends the program, or fails
 * the test, when they can't be made (tests/fake/fake.h). */
struct replay *replay_new(json_t *run, const char *qmp_path, const char *agent_path);
void replay_free(struct replay *replay);

/* NULL where there is no such socket. */
struct pump *replay_qmp_pump(struct replay *replay);
struct pump *replay_agent_pump(struct replay *replay);

/* A client was there on each socket that was used, and is gone. */
bool replay_is_over(const struct replay *replay);

/* Why it failed so far, or NULL: line, what was expected, what came. */
const char *replay_failure(const struct replay *replay);

/* The same at its end: also what never came. */
const char *replay_verdict(struct replay *replay);

/* Looks that were not recorded, "" when there were none. */
const char *replay_note(const struct replay *replay);

#endif
