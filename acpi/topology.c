/* SPDX-License-Identifier: MIT */
#include "acpi/topology.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/size.h"

static bool memory_agrees(const struct fdt_board *tree, const struct topology *topology, char *why,
                          size_t size)
{
    char told[SIZE_TEXT_MAX], have[SIZE_TEXT_MAX];
    uint64_t bytes = 0;
    size_t i;

    for (i = 0; i < tree->memory_count; i++)
        bytes += tree->memories[i].bytes;
    if (bytes == 0 || topology->base_bytes == 0 || bytes == topology->base_bytes)
        return true;
    (void)snprintf(why, size, "the device tree has %s of memory, and QEMU began with %s",
                   size_format(bytes, told), size_format(topology->base_bytes, have));
    return false;
}

/* On pseries QEMU writes the tree anew at each reset, with what was plugged until then. */
static bool count_agrees(const struct fdt_board *tree, const struct topology *topology, char *why,
                         size_t size)
{
    size_t told = 0, i;

    for (i = 0; i < tree->cpu_count; i++)
        told += tree->cpus[i].threads;
    if (told == 0 || (told >= topology->boot_count && told <= topology->count))
        return true;
    (void)snprintf(why, size, "the device tree has %zu vCPUs, and QEMU began with %zu", told,
                   topology->boot_count);
    return false;
}

static bool differ(int told, int have)
{
    return told != FDT_UNKNOWN && have != FDT_UNKNOWN && told != have;
}

/* Without sockets (riscv) the tree counts cores in another way than QEMU does. */
static bool place_agrees(const struct fdt_cpu *told, const struct topology_vcpu *have)
{
    return told->socket == FDT_UNKNOWN ||
           (!differ(told->socket, have->socket) && !differ(told->cluster, have->cluster) &&
            !differ(told->core, have->core) && !differ(told->thread, have->thread));
}

/* A row of the tree is a vCPU, except on pseries, where it is a core of several. */
static bool places_agree(const struct fdt_board *tree, const struct topology *topology, char *why,
                         size_t size)
{
    const struct topology_vcpu *have;
    const struct fdt_cpu *told;
    size_t vcpu = 0, i;

    for (i = 0; i < tree->cpu_count && vcpu < topology->boot_count; i++) {
        told = &tree->cpus[i];
        have = &topology->vcpus[vcpu];
        if (differ(told->node, have->node)) {
            (void)snprintf(why, size, "the device tree has vCPU %zu in NUMA node %d, and QEMU in "
                           "%d", vcpu, told->node, have->node);
            return false;
        }
        if (told->threads == 1 && !place_agrees(told, have)) {
            (void)snprintf(why, size, "the device tree has vCPU %zu in another socket, cluster, "
                           "core or thread than QEMU", vcpu);
            return false;
        }
        vcpu += told->threads;
    }
    return true;
}

bool topology_agrees(const struct fdt_board *tree, const struct topology *topology, char *why,
                     size_t size)
{
    return memory_agrees(tree, topology, why, size) && count_agrees(tree, topology, why, size) &&
           places_agree(tree, topology, why, size);
}
