/* SPDX-License-Identifier: MIT */
#include "manifest/ceilings.h"

static void limit_sockets(struct ceilings *ceilings, const struct virtual_machine *vm,
                          const struct cluster *cluster, unsigned boot_sockets)
{
    unsigned each = vm->cpu.cores * vm->cpu.threads;

    if (vm->cpu.max_sockets != 0) {
        ceilings->sockets = vm->cpu.max_sockets;
        ceilings->sockets_by = "maxSockets";
        return;
    }
    if (cluster->max_sockets != 0) {
        ceilings->sockets = cluster->max_sockets;
        ceilings->sockets_by = "maxCpuSockets";
    } else {
        ceilings->sockets_by = "maxHotplugRatio";
        if (__builtin_mul_overflow(boot_sockets, cluster->ratio, &ceilings->sockets) ||
            ceilings->sockets > VIRTUAL_MACHINE_SOCKETS_MAX / each)
            ceilings->sockets = VIRTUAL_MACHINE_SOCKETS_MAX / each;
    }
    if (ceilings->sockets < boot_sockets)
        ceilings->sockets = boot_sockets;
}

static void limit_memory(struct ceilings *ceilings, const struct virtual_machine *vm,
                         const struct cluster *cluster, uint64_t boot_bytes)
{
    if (vm->memory.max_guest_bytes != 0) {
        ceilings->guest_bytes = vm->memory.max_guest_bytes;
        ceilings->guest_by = "maxGuest";
        return;
    }
    if (cluster->max_guest_bytes != 0) {
        ceilings->guest_bytes = cluster->max_guest_bytes;
        ceilings->guest_by = "the cluster's maxGuest";
    } else {
        ceilings->guest_by = "maxHotplugRatio";
        if (__builtin_mul_overflow(boot_bytes, cluster->ratio, &ceilings->guest_bytes))
            ceilings->guest_bytes = UINT64_MAX;
    }
    if (ceilings->guest_bytes < boot_bytes)
        ceilings->guest_bytes = boot_bytes;
}

struct ceilings ceilings_of(const struct virtual_machine *vm, const struct cluster *cluster,
                            unsigned boot_sockets, uint64_t boot_bytes)
{
    struct ceilings ceilings;

    limit_sockets(&ceilings, vm, cluster, boot_sockets);
    limit_memory(&ceilings, vm, cluster, boot_bytes);
    return ceilings;
}
