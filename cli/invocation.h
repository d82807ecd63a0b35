/* SPDX-License-Identifier: MIT */
/* From the command line to the subcommand's function, and back to an exit code. */
#ifndef CLI_INVOCATION_H
#define CLI_INVOCATION_H

#include "cli/command.h"

/* The program. groups is ended by NULL. Returns the exit code. */
int invocation_main(const struct command_group *const *groups, int argc, char *const argv[]);

/* Runs a part of a command with a session (invocation->session) on these sockets, either of which
 * may be NULL, and its trace. Returns the exit code; that there was no session has been reported.
 * */
int invocation_run_connected(struct invocation *invocation, const char *qmp_path,
                             const char *agent_path, int (*run)(struct invocation *invocation));

/* Finds the command that the words begin with; *ret_words is how many they are. Where only the
 * group is recognised, returns NULL with *ret_group set. Hidden commands are found, too. */
const struct command *invocation_find(const struct command_group *const *groups,
                                      const char *const *words, size_t count,
                                      const struct command_group **ret_group, size_t *ret_words);

/* Says what is wrong with words that invocation_find() did not find: sets ERROR_INVALID with the
 * nearest command as advice, returns -1. */
int invocation_refuse_words(const struct command_group *const *groups, const char *const *words,
                            size_t count, const struct command_group *group, struct error *error);

#endif
