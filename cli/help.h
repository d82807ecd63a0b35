/* SPDX-License-Identifier: MIT */
/* Help on the screen, made from the command and option tables. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "cli/command.h"

/* All subcommands; with out NULL, two lines on stderr that say where to find them. */
void help_overview(struct output *out, const struct command_group *const *groups);

void help_group(struct output *out, const struct command_group *group);
void help_command(struct output *out, const struct command *command);

#endif
