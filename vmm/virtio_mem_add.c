/* SPDX-License-Identifier: MIT */
/*
 * A virtio-mem is a memory backend and a virtio-mem-pci in front of it, which goes where a PCI
 * device can be hotplugged. It is added at its full size: room for more would be taken from DIMMs,
 * and whoever wants it can add a large one and shrink it. QEMU 7.2 can't unplug it again.
 */
#include <stdio.h>

#include "qmp/codec.h"
#include "qmp/field.h"
#include "vmm/memory_online.h"
#include "vmm/memory_plan.h"
#include "vmm/pci_port.h"
#include "vmm/virtio_mem.h"

static int plan(struct operation *operation, struct error *error)
{
    const struct operation_dimm *dimm = &operation->request.dimm;
    uint64_t address = memory_plan_choose_address(operation);
    json_int_t bytes = (json_int_t)dimm->bytes;
    char backend[OPERATION_ID_MAX], bus[INVENTORY_ID_MAX];
    json_t *device;

    if (memory_plan_check(operation, PLATFORM_VIRTIO_MEM, error) < 0 ||
        pci_port_choose(operation->before, bus, error) < 0 ||
        memory_plan_add_backend(operation, backend, error) < 0)
        return -1;
    device = json_pack("{s:s, s:s, s:s, s:s, s:I}", "driver", "virtio-mem-pci", "id",
                       operation->result.id, "memdev", backend, "bus", bus, "requested-size",
                       bytes);
    if (dimm->node_set)
        field_set(&device, "node", json_integer(dimm->node));
    if (address != 0)
        field_set(&device, "memaddr", json_integer((json_int_t)address));
    operation_add_step(operation, "device_add", device, NULL, NULL, operation->result.id);
    operation_detail(operation, "kind", json_string("virtio-mem"));
    operation_detail(operation, "bytes", json_integer(bytes));
    operation_detail(operation, "bus", json_string(bus));
    return 0;
}

/* One that stands already. It may have been resized since. */
static int take_up(struct operation *operation, struct error *error)
{
    const struct inventory_memory_device *device =
        inventory_find_memory(operation->before, operation->request.id);

    if (device == NULL)
        return error_set(error, ERROR_BLOCKED, "see vmplug memory list for those there are",
                         "there is no memory device '%s'", operation->request.id);
    (void)snprintf(operation->result.id, OPERATION_ID_MAX, "%s", operation->request.id);
    operation->request.dimm.bytes = device->requested_bytes;
    operation_detail(operation, "bytes", json_integer((json_int_t)device->requested_bytes));
    return memory_online_take_up(operation, error);
}

static bool is_realized(struct operation *operation, const json_t *answer)
{
    struct qapi_memory_device device;

    if (!virtio_mem_read(operation, answer, &device))
        return false;
    operation_detail(operation, "addr", json_integer((json_int_t)device.addr));
    operation_detail(operation, "node", json_integer(device.node));
    return true;
}

const struct operation_kind virtio_mem_add_kind = {
    .name = "memory-add",
    .top = VERDICT_ONLINE,
    .guest_decides = true,
    .parts = INVENTORY_MEMORY | INVENTORY_PLATFORM | INVENTORY_VIRTIO_MEM |
             INVENTORY_GUEST_MEMORY | INVENTORY_ACCEL | INVENTORY_PCI,
    .agent_commands = memory_online_agent_commands,
    .has_baseline = memory_online_has_baseline,
    .plan = plan,
    .take_up = take_up,
    .remember = memory_online_remember,
    .realized_query = "query-memory-devices",
    .is_realized = is_realized,
    .look_inside = virtio_mem_look_inside,
    .refusal_fix = "look into the guest's kernel log",
    .advise = memory_plan_advise,
};
