/* SPDX-License-Identifier: MIT */
#include "daemon/gate.h"

#include "base/cleanup.h"
#include "manifest/desired.h"

/* GATES_: none. */
static enum gate gate_of(enum operation_type type)
{
    switch (type) {
    case OPERATION_CPU_ADD:
    case OPERATION_CPU_REMOVE:
        return GATE_CPU;
    case OPERATION_DIMM_ADD:
    case OPERATION_DIMM_REMOVE:
    case OPERATION_VIRTIO_MEM_ADD:
    case OPERATION_VIRTIO_MEM_RESIZE:
        return GATE_MEMORY;
    case OPERATION_DISK_ADD:
    case OPERATION_DISK_REMOVE:
    case OPERATION_CDROM_INSERT:
    case OPERATION_CDROM_EJECT:
        return GATE_VOLUMES;
    case OPERATION_DISK_RESIZE:
        return GATE_EXPAND_DISKS;
    case OPERATION_BACKEND_REMOVE:
    case OPERATION_NODE_REMOVE:
    case OPERATION_DISK_THROTTLE:
    case OPERATION_TYPES_:
        break;
    }
    return GATES_;
}

static int check(const struct cluster *cluster, enum gate gate, struct error *error)
{
    if (gate == GATES_ || cluster->closed[gate] == NULL)
        return 0;
    return error_set(error, ERROR_BLOCKED,
                     "take it out of disabledFeatureGates of the KubeVirt object",
                     "the feature gate %s is disabled", cluster->closed[gate]);
}

static int check_list(const struct cluster *cluster, const struct batch_request *request,
                      struct error *error)
{
    uint64_t i;

    for (i = 0; i < request->count; i++) {
        if (check(cluster, gate_of(request->items[i].type), error) < 0)
            return -1;
    }
    return 0;
}

int gate_check(const struct batch_request *request, struct error *error)
{
    struct desired desired;
    int status = desired_open(&desired, false, error);

    if (status == 0 && request->goal == BATCH_LIST)
        status = check_list(&desired.cluster, request, error);
    else if (status == 0)
        status = check(&desired.cluster,
                       request->goal == BATCH_CPUS     ? GATE_CPU
                       : request->goal == BATCH_MEMORY ? GATE_MEMORY
                                                       : gate_of(request->each.type),
                       error);
    desired_close(&desired);
    return status;
}

int gate_check_operation(enum operation_type type, struct error *error)
{
    const struct batch_request request = {.goal = BATCH_COUNT, .each.type = type};

    return gate_check(&request, error);
}
