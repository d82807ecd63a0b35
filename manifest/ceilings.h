/* SPDX-License-Identifier: MIT */
/* How far a VM may grow, and who says so: the VM before the cluster, a value before the ratio. */
#ifndef MANIFEST_CEILINGS_H
#define MANIFEST_CEILINGS_H

#include "manifest/cluster.h"
#include "manifest/virtual_machine.h"

struct ceilings {
    unsigned sockets;
    const char *sockets_by; /* "maxSockets", "maxCpuSockets", "maxHotplugRatio" */
    uint64_t guest_bytes;
    const char *guest_by; /* "maxGuest", "the cluster's maxGuest", "maxHotplugRatio" */
};

/* boot_sockets and boot_bytes are what the VM starts or has started with. KubeVirt's rules: a
 * cluster's maxCpuSockets below these sockets means these; the ratio never makes more than
 * VIRTUAL_MACHINE_SOCKETS_MAX vCPUs. */
struct ceilings ceilings_of(const struct virtual_machine *vm, const struct cluster *cluster,
                            unsigned boot_sockets, uint64_t boot_bytes);

#endif
