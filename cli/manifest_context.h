/* SPDX-License-Identifier: MIT */
/* What the subcommands about manifests have in common. */
#ifndef CLI_MANIFEST_CONTEXT_H
#define CLI_MANIFEST_CONTEXT_H

#include "cli/command.h"
#include "manifest/desired.h"
#include "manifest/plan.h"
#include "vmm/vm_directory.h"

#define MANIFEST_GUARDS_MAX 64 /* of more VMs a daemon may be the first to do what is new */

/* One command's, in invocation->user. */
struct manifest_context {
    struct desired desired;
    const struct desired_vm *vm; /* the one that is being worked on */
    int (*run)(struct invocation *invocation); /* what is done with it, once it is connected */
    struct inventory *inventory; /* of that, while it is connected */
    struct audit *audit;
    struct plan plan;
    struct claims claims;
    struct plan_input input;
    char empty_directory[VM_DIRECTORY_MAX];
    json_t *list; /* get vmi of several: where they go, borrowed */
    int guards[MANIFEST_GUARDS_MAX]; /* of VMs that a daemon holds: session_guard() */
    size_t guard_count;
    bool several; /* VMs: the sockets that the environment names are none of theirs in particular */
};

/* Reports a failure, of which a manifest that is wrong is a mistake as a wrong command line is.
 * Returns its exit code. */
int manifest_context_fail(struct invocation *invocation, struct error *error);

/* Opens the store; with make, makes it. Returns 0, or the exit code of a failure that has been
 * reported; context_close() in any case. */
int manifest_context_open(struct invocation *invocation, struct manifest_context *context,
                          bool make);
void manifest_context_close(struct manifest_context *context);

/* Takes the manifests of --file, and of --vm alone what is stored of it; tells of fields that are
 * not acted on. Returns 0, or an exit code. */
int manifest_context_take(struct invocation *invocation, bool save);

/* Before what is stored changes: until manifest_context_close() no daemon that holds one of these
 * VMs does what is stored before this command has. Returns 0, or -1 with the errors of
 * session_guard(), or ERROR_BLOCKED: it is another user's, which has a store of its own. */
int manifest_context_guard(struct invocation *invocation, const struct desired *desired,
                           struct error *error);

/* Tells, on stderr, what was noted of what was taken. */
void manifest_context_tell_notes(const struct manifest_context *context);

/* Is the VM to be found running? Its sockets are those of the command line, of its annotations, of
 * its directory, or of the environment. second: the second monitor, where there is one. */
struct manifest_sockets {
    const char *qmp, *agent; /* either may be NULL */
    char qmp_path[VM_DIRECTORY_MAX], agent_path[VM_DIRECTORY_MAX];
};
bool manifest_context_find(const struct invocation *invocation, const struct desired_vm *vm,
                           bool second, struct manifest_sockets *sockets);

/* Plans for a VM that does not run; `run` and what is returned as below. */
int manifest_context_run_absent(struct invocation *invocation, const struct desired_vm *vm,
                                int (*run)(struct invocation *invocation));

/* Connects to the VM and plans; then `run` has context->inventory and context->plan. Returns its
 * exit code, or that of a failure. */
int manifest_context_run(struct invocation *invocation, const struct desired_vm *vm, bool second,
                         int (*run)(struct invocation *invocation));

#endif
