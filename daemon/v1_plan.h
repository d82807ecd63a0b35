/* SPDX-License-Identifier: MIT */
/* What a VM's manifest says, held against the VM as it is: what the routes that show it, and plan,
 * have in common. Held no longer than an answer takes. */
#ifndef DAEMON_V1_PLAN_H
#define DAEMON_V1_PLAN_H

#include "manifest/desired.h"
#include "manifest/plan.h"
#include "vmm/vm.h"
#include "vmm/vm_directory.h"

struct v1_plan {
    struct desired desired;
    struct claims claims;
    char empty_directory[VM_DIRECTORY_MAX];
    struct audit *audit;
    struct plan plan;
    struct plan_input input;
};

/* Opens the store; with make, makes it. Nobody who holds its lock is waited for. Returns 0, or -1
 * with the errors of store_open(); v1_plan_close() in any case. */
int v1_plan_open(struct v1_plan *self, bool make, struct error *error);
void v1_plan_close(struct v1_plan *self);

/* Plans for one of desired.vms, in the place of what was planned before; inventory: of PLAN_PARTS,
 * NULL: the VM does not run. Returns 0, or -1 with ERROR_SYSTEM. */
int v1_plan_make(struct v1_plan *self, const struct desired_vm *desired, struct vm *vm,
                 const struct inventory *inventory, struct error *error);

/* The plan as `vmplug plan --json` prints it. A new reference; NULL without memory. */
json_t *v1_plan_json(const struct v1_plan *self, bool running);

/* As `vmplug get vm -o json` and `get vmi -o json` do. why: NULL, or why nobody could be asked.
 * conditions, which is taken over, are added to its own. */
json_t *v1_plan_vm(const struct v1_plan *self, const char *why, json_t *conditions);
json_t *v1_plan_instance(const struct v1_plan *self);

#endif
