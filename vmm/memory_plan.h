/* SPDX-License-Identifier: MIT */
/* What a DIMM and a virtio-mem have in common before anything is sent: size, room, place, backend.
 * Rests on INVENTORY_MEMORY, _GUEST_MEMORY, _ACCEL and _BOARD of operation->before. */
#ifndef VMM_MEMORY_PLAN_H
#define VMM_MEMORY_PLAN_H

#include "vmm/operation_kind.h"

/* The guest's memory block; where it can't be asked, the smallest that it may have on the board. */
uint64_t memory_plan_block_bytes(const struct operation *operation);

/* May memory of request.dimm be added, as PLATFORM_DIMM or PLATFORM_VIRTIO_MEM: does the board take
 * it, is it whole blocks, is there address space for it and, for a DIMM, a slot; can it be put
 * online as movable memory where that is wanted; does QEMU survive it? Returns 0, or -1 with
 * ERROR_BLOCKED or ERROR_INVALID. */
int memory_plan_check(const struct operation *operation, enum platform_kind kind,
                      struct error *error);

/* QEMU puts a device at the end of the first gap that takes it. Behind devices that are no whole
 * blocks that would not be a block's boundary: then the address is chosen here, behind all.
 * Returns 0 to leave it to QEMU. */
uint64_t memory_plan_choose_address(const struct operation *operation);

/* Settles the ids of device and backend, and appends the step that makes the backend. Returns 0, or
 * -1 with ERROR_INVALID or ERROR_BLOCKED. */
int memory_plan_add_backend(struct operation *operation, char backend[OPERATION_ID_MAX],
                            struct error *error);

/* What to do when QEMU refuses the backend or the device. */
void memory_plan_advise(struct error *error);

#endif
