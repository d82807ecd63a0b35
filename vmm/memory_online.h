/* SPDX-License-Identifier: MIT */
/*
 * Memory inside the guest: which blocks of a device's range (operation->addr and ->bytes) are
 * there, and putting them online, where request.dimm.movable says so as movable memory.
 */
#ifndef VMM_MEMORY_ONLINE_H
#define VMM_MEMORY_ONLINE_H

#include "vmm/operation_kind.h"

extern const char *const memory_online_agent_commands[];

/* The kind's has_baseline(): without the size of blocks none can be told to be the device's. */
bool memory_online_has_baseline(const struct inventory *before);

/* With request.dimm.movable: can the agent do it? Returns 0, or -1 with ERROR_BLOCKED. */
int memory_online_check_movable(const struct operation *operation, struct error *error);

/* The same of a request that is taken up again: whether it was for movable memory, the record
 * knows, since memory_online_remember() has told it. */
int memory_online_take_up(struct operation *operation, struct error *error);
void memory_online_remember(const struct operation *operation, json_t **entry);

/* Lists the indexes of the device's blocks among these, and returns how many there are. A list that
 * memory did not suffice for becomes NULL. */
size_t memory_online_count(const struct operation *operation,
                           const struct qga_memory_block *blocks, size_t count, json_t **online,
                           json_t **offline);

/* Evidence that was there before proves nothing: then ends the look with
 * operation_cannot_look(). */
bool memory_online_were_there(struct operation *operation);

/* Ends of a look: puts these blocks online and looks again; and: all are online. */
void memory_online_put(struct operation *operation, json_t *offline);
void memory_online_confirm(struct operation *operation, json_t *online);

#endif
