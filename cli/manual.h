/* SPDX-License-Identifier: MIT */
/* vmplug(1), made from the command and option tables. */
#ifndef CLI_MANUAL_H
#define CLI_MANUAL_H

#include "cli/command.h"

void manual_print(struct output *out, const struct command_group *const *groups);

#endif
