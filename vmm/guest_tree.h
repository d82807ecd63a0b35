/* SPDX-License-Identifier: MIT */
/*
 * The guest's own word on pseries, where no _OST exists: its live device tree, which it changes
 * when it has taken memory or a core. Read through the agent, where that may read files.
 */
#ifndef VMM_GUEST_TREE_H
#define VMM_GUEST_TREE_H

#include "vmm/operation_kind.h"

/* Is the guest to be asked before the operation counts as confirmed? Not where it can't be asked,
 * and not when it has been. */
bool guest_tree_is_due(const struct operation *operation);

/* Asks whether the guest has taken [operation->addr, + operation->bytes), or the core of
 * operation->slot, and looks again when it has, or tells nothing; later when it has not. */
void guest_tree_ask_memory(struct operation *operation);
void guest_tree_ask_core(struct operation *operation);

#endif
