/* SPDX-License-Identifier: MIT */
/*
 * What would kill this QEMU. Under emulation (TCG) the removal of a vCPU is not clean:
 *
 *   - with thread=single QEMU aborts at the removal itself;
 *   - before 10.0 it leaves a corrupt heap behind, and QEMU dies of the next vCPU, of the next
 *     change of the machine's memory map (a DIMM or a PCI device that comes or goes), and of the
 *     next reset. Disks on virtio-scsi, media and a virtio-mem's size change no map;
 *   - later, a vCPU's translation context is never used again, and the first vCPU beyond maxcpus
 *     contexts aborts.
 *
 * Seen on 7.2 and 10.0; under KVM none of it is known.
 */
#ifndef VMM_HAZARD_H
#define VMM_HAZARD_H

#include "vmm/inventory.h"
#include "vmm/vm.h"

/* Is it safe to add a vCPU, to add or remove a DIMM or a PCI device, to remove a vCPU? Rests on
 * HAZARD_PARTS, for vCPUs on INVENTORY_CPUS, too, and on the vm's record. Returns 0, or -1 with
 * ERROR_BLOCKED, or with ERROR_SYSTEM when memory did not suffice to read the record. */
#define HAZARD_PARTS (INVENTORY_ACCEL | INVENTORY_OSPM)
int hazard_check_cpu_add(struct vm *vm, const struct inventory *inventory, struct error *error);
int hazard_check_memory_map(struct vm *vm, const struct inventory *inventory, struct error *error);
int hazard_check_cpu_remove(const struct inventory *inventory, struct error *error);

/* What the removal of a vCPU will have done to this QEMU, in a sentence; NULL: no harm. */
const char *hazard_after_cpu_remove(const struct inventory *inventory);

#endif
