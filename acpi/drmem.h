/* SPDX-License-Identifier: MIT */
/*
 * The guest's own list of memory on pseries. A board without _OST has no other word of the guest's:
 * it marks an LMB as assigned when it has taken the LMB from the hypervisor, and keeps the list up
 * to date in its live device tree, as ibm,dynamic-memory-v2 (PAPR; linux:arch/powerpc/mm/drmem.c).
 */
#ifndef ACPI_DRMEM_H
#define ACPI_DRMEM_H

#include <stddef.h>
#include <stdint.h>

enum drmem_answer { DRMEM_UNKNOWN, DRMEM_NOT_ASSIGNED, DRMEM_ASSIGNED };

/* Is all of [addr, addr + bytes) assigned, in LMBs of lmb_bytes? DRMEM_UNKNOWN where the list is
 * cut off or makes no sense: it is the guest's. */
enum drmem_answer drmem_is_assigned(const void *list, size_t size_bytes, uint64_t lmb_bytes,
                                    uint64_t addr, uint64_t bytes);

#endif
