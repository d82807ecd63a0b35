/* SPDX-License-Identifier: MIT */
/* The sockets of a VM that vmplug launched or adopted. */
#ifndef CLI_NAMED_VM_H
#define CLI_NAMED_VM_H

#include "cli/options.h"
#include "vmm/vm_directory.h"

/* Holds what the options then point to. */
struct named_vm {
    char qmp_path[VM_DIRECTORY_MAX];
    char agent_path[VM_DIRECTORY_MAX];
};

/* Where options name a VM, sets those of its sockets that the command line does not give; --vm on
 * the command line comes before sockets in the environment, and is after them there. Returns 0,
 * or -1 with ERROR_BLOCKED when no such VM runs here. */
int named_vm_resolve(struct options *options, struct named_vm *named, struct error *error);

#endif
