/* SPDX-License-Identifier: MIT */
/* Failures: one line on stderr, the result object with --json, and the exit code. */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include "cli/command.h"

/* "vmplug: WHAT: WHY; FIX". what may be NULL when why begins with it. An empty fix is replaced by
 * the best general advice. */
void report_line(const char *what, const struct error *error);

/* What a failed command comes to. was_ready: a connection that ends now was there before. */
enum verdict report_verdict(const struct error *error, bool was_ready);

/* The contract's exit code; error may be NULL. */
int report_exit_code(enum verdict verdict, const struct error *error);

/* A command that failed as a whole: line, object, exit code. report_device_failure(): one that
 * concerns the device of this id alone. */
int report_failure(struct invocation *invocation, enum verdict verdict, const struct error *error);
int report_device_failure(struct invocation *invocation, const char *id, enum verdict verdict,
                          const struct error *error);

/* The operation that a command is: of "cpu add", "cpu-add". Returns name. */
const char *report_name_operation(const struct command *command, char name[COMMAND_NAME_MAX]);

/* A mistake on the command line, which error->why begins with. The command may not be known yet. */
int report_mistake(struct invocation *invocation, const struct error *error);

#endif
