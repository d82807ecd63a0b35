/* SPDX-License-Identifier: MIT */
/* Plans and objects, as JSON has them, for people; or as JSON or YAML. */
#ifndef CLI_MANIFEST_SHOW_H
#define CLI_MANIFEST_SHOW_H

#include "cli/command.h"

/* A plan, as plan_json() makes it, with the VM's name as "vm" where it has one; of a VM that does
 * not run "running" is false, and `comes` says what will come of it. Returns the exit code. */
int manifest_show_plan(struct output *out, const json_t *plan, const char *comes);

/* What of it is blocked, for people. */
void manifest_show_blocks(struct output *out, const json_t *plan);

/* How to go on about several VMs: the worse of two exit codes. */
int manifest_show_worse(int first, int second);

/* A VirtualMachine, or with instance a VirtualMachineInstance; or a List of them. */
int manifest_show_object(struct invocation *invocation, const json_t *object, bool instance);

#endif
