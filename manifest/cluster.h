/* SPDX-License-Identifier: MIT */
/* KubeVirt's own object: what holds for every VM of a cluster, here of a host. */
#ifndef MANIFEST_CLUSTER_H
#define MANIFEST_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "manifest/document.h"
#include "manifest/notes.h"

/* Kinds of change that feature gates switch. */
enum gate { GATE_CPU, GATE_MEMORY, GATE_VOLUMES, GATE_EXPAND_DISKS, GATES_ };

struct cluster {
    unsigned max_sockets;     /* maxCpuSockets; 0: not said */
    uint64_t max_guest_bytes; /* maxGuest; 0: not said */
    unsigned ratio;           /* maxHotplugRatio */
    bool staged; /* vmRolloutStrategy: Stage; changes wait for a restart, volumes' don't */
    const char *closed[GATES_]; /* the gate that disabledFeatureGates names; NULL: open */
};

/* What holds where there is no such object. */
#define CLUSTER_INIT {.ratio = 4}

/* Reads the document; what it does not say stays as it was. Returns 0, or -1 with ERROR_INVALID.
 * Strings are literals. */
int cluster_read(struct cluster *cluster, const struct document *document, struct notes *notes,
                 struct error *error);

#endif
