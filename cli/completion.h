/* SPDX-License-Identifier: MIT */
/* bash's completion of vmplug, made from the command and option tables. */
#ifndef CLI_COMPLETION_H
#define CLI_COMPLETION_H

#include "cli/command.h"

void completion_print(struct output *out, const struct command_group *const *groups);

#endif
