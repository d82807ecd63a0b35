/* SPDX-License-Identifier: MIT */
/*
 * The subcommands about manifests have a program of their own, vmplug-manifest, so that nobody
 * loads libyaml who does not need it. Both programs have all of the table; in vmplug this function
 * becomes the other program, and there it does what the command says.
 */
#ifndef CLI_MANIFEST_RUN_H
#define CLI_MANIFEST_RUN_H

#include "cli/command.h"

#define MANIFEST_PROGRAM "vmplug-manifest"

int manifest_run(struct invocation *invocation);

#endif
