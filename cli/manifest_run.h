/* SPDX-License-Identifier: MIT */
/*
 * The subcommands about manifests have a program of their own, vmplug-manifest, so that nobody
 * loads libyaml who does not need it. Both programs have all of the table; in vmplug this function
 * becomes the other program, and there it does what the command says. With --api-socket, where a
 * daemon is asked that has manifests of its own, that is vmplug-remote, for libcurl's sake.
 */
#ifndef CLI_MANIFEST_RUN_H
#define CLI_MANIFEST_RUN_H

#include "cli/command.h"

#define MANIFEST_PROGRAM "vmplug-manifest"
#define REMOTE_PROGRAM "vmplug-remote"

int manifest_run(struct invocation *invocation);

#endif
