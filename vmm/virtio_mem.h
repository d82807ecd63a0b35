/* SPDX-License-Identifier: MIT */
/*
 * What adding and resizing a virtio-mem have in common: how it is seen to have come to its size.
 *
 * QEMU only asks (requested-size); the guest takes and gives as it can, and QEMU's `size` follows.
 * Linux takes memory with its blocks offline and stops when too much of it is (1 GiB), so they are
 * put online while the size is still rising.
 */
#ifndef VMM_VIRTIO_MEM_H
#define VMM_VIRTIO_MEM_H

#include "qmp/qapi.h"
#include "vmm/operation_kind.h"

/* Finds the device among the answer's query-memory-devices, and keeps where it is and how far it
 * has come. False when it is not there. */
bool virtio_mem_read(struct operation *operation, const json_t *answer,
                     struct qapi_memory_device *ret);

/* Puts its blocks online and confirms that it has request.dimm.bytes, all of them online. */
void virtio_mem_look_inside(struct operation *operation);

#endif
