/* SPDX-License-Identifier: MIT */
/*
 * The device tree that a guest booted with, held against the machine that QEMU has made. They part
 * where somebody gave QEMU a tree of his own (-dtb), and then the guest goes by a board that is not
 * there. For boards without ACPI nothing else tells the guest of CPUs, memory and NUMA nodes.
 */
#ifndef ACPI_TOPOLOGY_H
#define ACPI_TOPOLOGY_H

#include "acpi/fdt.h"

/* Where QEMU has a vCPU (QAPI CpuInstanceProperties); FDT_UNKNOWN: it does not say. */
struct topology_vcpu {
    int node, socket, cluster, core, thread;
};

struct topology {
    const struct topology_vcpu *vcpus; /* in the order of their index */
    size_t boot_count;                 /* so many were there at boot, the first ones */
    size_t count;                      /* so many there are now */
    uint64_t base_bytes;               /* memory at boot; 0: unknown */
};

/* Do they agree, as far as both tell? If not, writes the first difference. Rests on QAPI
 * query-cpus-fast and query-memory-size-summary. */
bool topology_agrees(const struct fdt_board *tree, const struct topology *topology, char *why,
                     size_t size);

#endif
