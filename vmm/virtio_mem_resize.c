/* SPDX-License-Identifier: MIT */
/*
 * QEMU is told how large a virtio-mem shall be, and the guest follows as far as it can: growing, it
 * is looked into, since new memory is of no use until it is online; shrinking, QEMU's size is proof
 * enough, for only the guest gives memory back.
 */
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "base/text.h"
#include "qmp/codec.h"
#include "vmm/memory_online.h"
#include "vmm/virtio_mem.h"

#define PERIPHERAL "/machine/peripheral/"

/* By its id or its QOM path. */
static const struct inventory_memory_device *find_device(const struct operation *operation)
{
    const char *id = operation->request.id;

    if (strncmp(id, PERIPHERAL, strlen(PERIPHERAL)) == 0)
        id += strlen(PERIPHERAL);
    return inventory_find_memory(operation->before, id);
}

static uint64_t wanted_bytes(const struct operation *operation,
                             const struct inventory_memory_device *device)
{
    return operation->request.resume ? device->requested_bytes : operation->request.dimm.bytes;
}

static bool grows(const struct operation *operation)
{
    const struct inventory_memory_device *device = find_device(operation);

    return device != NULL && wanted_bytes(operation, device) > device->bytes;
}

static int check_device(const struct operation *operation,
                        const struct inventory_memory_device *device, struct error *error)
{
    if (device == NULL)
        return error_set(error, ERROR_BLOCKED, "see vmplug memory list for those there are",
                         "there is no memory device '%s'", operation->request.id);
    if (strcmp(device->kind, "virtio-mem") != 0)
        return error_set(error, ERROR_BLOCKED,
                         "use vmplug memory add and remove, or add one that can be resized with "
                         "vmplug memory add SIZE --kind virtio-mem",
                         "'%s' is a %s, and has one size only", device->id, device->kind);
    return 0;
}

static int check_size(uint64_t bytes, const struct inventory_memory_device *device,
                      struct error *error)
{
    uint64_t block = device->block_bytes != 0 ? device->block_bytes : 1; /* else QEMU will say */
    char size[SIZE_TEXT_MAX], unit[SIZE_TEXT_MAX], below[SIZE_TEXT_MAX], above[SIZE_TEXT_MAX];

    if (bytes > device->reserved_bytes) {
        (void)error_set(error, ERROR_BLOCKED, "", "'%s' can have %s at most, not %s", device->id,
                        size_format(device->reserved_bytes, above), size_format(bytes, size));
        error_advise(error, "ask for up to %s, or add another with vmplug memory add", above);
        return -1;
    }
    if (bytes % block == 0)
        return 0;
    (void)error_set(error, ERROR_BLOCKED, "",
                    "'%s' has blocks of %s, and %s is no multiple of it", device->id,
                    size_format(block, unit), size_format(bytes, size));
    error_advise(error, "ask for %s or %s", size_format(bytes / block * block, below),
                 size_format(bytes / block * block + block, above));
    return -1;
}

static json_t *set_arguments(const struct operation *operation, uint64_t bytes)
{
    return json_pack("{s:s, s:s, s:I}", "path", operation->path, "property", "requested-size",
                     "value", (json_int_t)bytes);
}

static int plan(struct operation *operation, struct error *error)
{
    const struct inventory_memory_device *device = find_device(operation);
    uint64_t bytes;

    text_copy(operation->result.id, OPERATION_ID_MAX,
              device != NULL ? device->id : operation->request.id);
    if (check_device(operation, device, error) < 0)
        return -1;
    bytes = wanted_bytes(operation, device);
    if (check_size(bytes, device, error) < 0 ||
        (grows(operation) && memory_online_check_movable(operation, error) < 0))
        return -1;
    (void)snprintf(operation->path, sizeof(operation->path), PERIPHERAL "%s", device->id);
    operation->request.dimm.bytes = bytes;
    operation_detail(operation, "bytes", json_integer((json_int_t)bytes));
    if (bytes != device->requested_bytes)
        operation_add_step(operation, "qom-set", set_arguments(operation, bytes), "qom-set",
                           set_arguments(operation, device->requested_bytes), "");
    return 0;
}

/* While the guest is looked into, it is so as soon as QEMU has asked for it, for the size may have
 * to wait for blocks to be put online. */
static bool is_realized(struct operation *operation, const json_t *answer)
{
    bool looks = grows(operation) && operation->goal == RUNG_ONLINE &&
                 operation->blind.code == ERROR_NONE && vm_has_agent(operation->vm);
    struct qapi_memory_device device;

    if (!virtio_mem_read(operation, answer, &device))
        return false;
    return operation->size_reached ||
           (looks && device.requested_bytes == operation->request.dimm.bytes);
}

static void look_inside(struct operation *operation)
{
    if (grows(operation))
        virtio_mem_look_inside(operation);
    else
        operation_confirmed(operation);
}

const struct operation_kind virtio_mem_resize_kind = {
    .name = "memory-resize",
    .top = VERDICT_DONE,
    .guest_decides = true,
    .needs_guest = grows,
    .parts = INVENTORY_MEMORY | INVENTORY_GUEST_MEMORY,
    .agent_commands = memory_online_agent_commands,
    .has_baseline = memory_online_has_baseline,
    .plan = plan,
    .realized_query = "query-memory-devices",
    .is_realized = is_realized,
    .look_inside = look_inside,
    .refusal_fix = "look into the guest's kernel log",
};
