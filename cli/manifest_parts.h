/* SPDX-License-Identifier: MIT */
/* The subcommands about manifests, as manifest_run() calls them. Each returns its exit code. */
#ifndef CLI_MANIFEST_PARTS_H
#define CLI_MANIFEST_PARTS_H

#include "cli/command.h"
#include "manifest/desired.h"

int manifest_plan(struct invocation *invocation);
int manifest_apply(struct invocation *invocation);
int manifest_patch(struct invocation *invocation);
int manifest_get_vm(struct invocation *invocation);
int manifest_get_vmi(struct invocation *invocation);
int manifest_addvolume(struct invocation *invocation);
int manifest_removevolume(struct invocation *invocation);
int manifest_launch(struct invocation *invocation);
int manifest_adopt(struct invocation *invocation);
int manifest_forget(struct invocation *invocation);
int manifest_stop(struct invocation *invocation);

/* Changes what is stored of the VM that the first operand names, and carries it out. */
int manifest_change(struct invocation *invocation, desired_change_fn *change, const void *user);

/* Carries out what the context's VMs have to become. */
int manifest_carry_out(struct invocation *invocation);

#endif
