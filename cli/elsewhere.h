/* SPDX-License-Identifier: MIT */
/*
 * What needs libraries of its own is a program of its own, so that nobody loads them who does not
 * need them: vmplug becomes it.
 */
#ifndef CLI_ELSEWHERE_H
#define CLI_ELSEWHERE_H

#include "cli/command.h"

/* Becomes the program: the one beside vmplug, as where both have just been built, else the one that
 * is installed. arguments are those behind its name, which is vmplug's, and end with NULL. Returns
 * only when it can't: the exit code, and it has been reported. */
int elsewhere_run(struct invocation *invocation, const char *program,
                  const char *const *arguments);

#endif
