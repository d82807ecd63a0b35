/* SPDX-License-Identifier: MIT */
/* Asks for an inventory and waits for it. */
#ifndef CLI_FETCH_H
#define CLI_FETCH_H

#include "cli/command.h"
#include "vmm/inventory.h"

/* parts as for inventory_fetch(). Returns the inventory, to be freed with inventory_free(), or
 * NULL when QEMU could not be asked; that has then been reported, and *ret_exit_code is set. */
struct inventory *fetch(struct invocation *invocation, unsigned parts, int *ret_exit_code);

#endif
