/* SPDX-License-Identifier: MIT */
/*
 * What a flattened device tree says of a board: memory, vCPUs and their places, NUMA distances, PCI
 * windows, and how far a pseries can grow. QEMU writes it (QMP's dumpdtb) as it was when the guest
 * booted: nothing that was plugged later is in it. The guest's own copy, /sys/firmware/fdt, has the
 * same form and is hostile until shown otherwise: so a tree that contradicts itself is refused as a
 * whole, and nothing is guessed. (Devicetree Specification 0.4; Linux, Documentation/devicetree/
 * bindings; qemu:docs/specs/ppc-spapr-hotplug.)
 */
#ifndef ACPI_FDT_H
#define ACPI_FDT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* What is read at most, each beyond what QEMU's boards can have. */
#define FDT_BLOB_MAX_BYTES ((size_t)2 << 20)
#define FDT_CPUS_MAX 2048
#define FDT_MEMORIES_MAX 256
#define FDT_NODES_MAX 128 /* NUMA nodes, as in QEMU */
#define FDT_WINDOWS_MAX 64
#define FDT_TEXT_MAX 64

#define FDT_UNKNOWN (-1) /* the tree does not say */

/* A stretch of memory that was there at boot. */
struct fdt_memory {
    uint64_t addr;
    uint64_t bytes;
    int node; /* NUMA, or FDT_UNKNOWN */
};

/* A vCPU that was there at boot; on pseries a core. Its place is that of /cpus/cpu-map, each number
 * counted within the one before it, or FDT_UNKNOWN. */
struct fdt_cpu {
    uint64_t reg;     /* what the hardware calls it: MPIDR, hart id, first thread of a core */
    unsigned threads; /* vCPUs in it: 1, except on pseries */
    int node;
    int socket;
    int cluster;
    int core;
    int thread;
};

enum fdt_window_kind { FDT_WINDOW_IO, FDT_WINDOW_32_BIT, FDT_WINDOW_64_BIT };

/* Where a PCI host bridge shows its devices to the CPUs. */
struct fdt_window {
    enum fdt_window_kind kind;
    uint64_t addr; /* as the CPUs see it */
    uint64_t pci_addr;
    uint64_t bytes;
};

struct fdt_board {
    char compatible[FDT_TEXT_MAX]; /* of the root, its first: "linux,dummy-virt", "qemu,pseries" */
    bool power_key; /* gpio-keys has a poweroff: arm's virt has no GED */
    bool capacity_known; /* pseries: the next three (PAPR, ibm,lrdr-capacity) */
    uint64_t memory_end; /* no address of memory, plugged or not, is above; 0: not said */
    uint64_t lmb_bytes;  /* of the logical memory blocks: a power of two, 1 MiB or more */
    unsigned max_cores;
    uint64_t drmem_lmb_bytes; /* the same, as told once the guest has negotiated; 0: not yet */
    struct fdt_memory memories[FDT_MEMORIES_MAX];
    size_t memory_count;
    struct fdt_cpu cpus[FDT_CPUS_MAX];
    size_t cpu_count;
    struct fdt_window windows[FDT_WINDOWS_MAX];
    size_t window_count;
    bool distances_known;
    uint8_t distances[FDT_NODES_MAX][FDT_NODES_MAX]; /* from, to; 0: not said */
};

/* Reads a tree of which size_bytes are at blob, aligned to 8 bytes as malloc() does it; they may be
 * more than the tree, which knows its own size, and the tree may be padded. *ret is the caller's,
 * is large (some 100 KiB), and is all zero on failure. Its text is printable. The time that it
 * takes is bounded by the maxima above, whatever the blob says. Returns 0, or -1 with
 * ERROR_PROTOCOL (no tree, cut off, malformed, or at odds with itself), ERROR_LIMIT (more of
 * something than the maxima above) or ERROR_SYSTEM (memory ran out). */
int fdt_read_board(const void *blob, size_t size_bytes, struct fdt_board *ret,
                   struct error *error);

#endif
