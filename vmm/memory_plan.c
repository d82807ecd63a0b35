/* SPDX-License-Identifier: MIT */
#include "vmm/memory_plan.h"

#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "base/text.h"
#include "qmp/field.h"
#include "vmm/hazard.h"
#include "vmm/memory_online.h"
#include "vmm/words.h"

#define SLOTS_FIX "restart QEMU with more room: -m …,slots=N,maxmem=SIZE"

uint64_t memory_plan_block_bytes(const struct operation *operation)
{
    const struct inventory *before = operation->before;

    return before->guest.block_bytes != 0 ? before->guest.block_bytes
                                          : inventory_memory_unit(before);
}

static int check_size(const struct operation *operation, struct error *error)
{
    uint64_t block = inventory_memory_unit(operation->before);
    uint64_t bytes = operation->request.dimm.bytes;
    char size[SIZE_TEXT_MAX], unit[SIZE_TEXT_MAX], below[SIZE_TEXT_MAX], above[SIZE_TEXT_MAX];

    if (bytes != 0 && bytes % block == 0)
        return 0;
    (void)error_set(error, ERROR_BLOCKED, "",
                    "%s of %s, and %s is no multiple of it",
                    operation->before->board.platform.board == PLATFORM_PSERIES
                        ? "this board takes memory in logical memory blocks (LMB)"
                        : "the guest takes memory in blocks",
                    size_format(block, unit), size_format(bytes, size));
    size_format(bytes / block * block + block, above);
    if (bytes < block)
        error_advise(error, "ask for %s", above);
    else
        error_advise(error, "ask for %s or %s", size_format(bytes / block * block, below), above);
    return -1;
}

static bool has_slot(const struct inventory_memory_device *device)
{
    return strcmp(device->kind, "dimm") == 0 || strcmp(device->kind, "nvdimm") == 0;
}

/* A virtio-mem keeps its room from all others, and may use it itself. Returns -1. */
static int advise_room(const struct inventory_memory *memory, struct error *error)
{
    const struct inventory_memory_device *device;
    char more[SIZE_TEXT_MAX];
    size_t i;

    for (i = 0; i < memory->device_count; i++) {
        device = &memory->devices[i];
        if (strcmp(device->kind, "virtio-mem") == 0 && device->id[0] != '\0' &&
            device->requested_bytes < device->reserved_bytes) {
            size_format(device->reserved_bytes - device->requested_bytes, more);
            error_advise(error,
                         "vmplug memory resize %s SIZE can give that virtio-mem %s more, or "
                         SLOTS_FIX, device->id, more);
            break;
        }
    }
    return -1;
}

static int check_room(const struct operation *operation, bool takes_slot, struct error *error)
{
    const struct inventory_memory *memory = &operation->before->memory;
    uint64_t used_bytes = memory->base_bytes + operation->request.nth_bytes;
    uint64_t bytes = operation->request.dimm.bytes;
    char size[SIZE_TEXT_MAX], free_size[SIZE_TEXT_MAX], max[SIZE_TEXT_MAX];
    unsigned slots = operation->request.nth;
    size_t i;

    if (!memory->room_known)
        return 0; /* QEMU will say */
    for (i = 0; i < memory->device_count; i++) {
        used_bytes += memory->devices[i].reserved_bytes;
        slots += has_slot(&memory->devices[i]) ? 1 : 0;
    }
    if (takes_slot && memory->slots_total == 0)
        return error_set(error, ERROR_BLOCKED, SLOTS_FIX,
                         "this QEMU was started without memory slots");
    if (takes_slot && slots >= memory->slots_total) {
        (void)error_set(error, ERROR_BLOCKED, SLOTS_FIX, "all %u memory slots are taken",
                        memory->slots_total);
        return advise_room(memory, error);
    }
    if (used_bytes <= memory->max_bytes && bytes <= memory->max_bytes - used_bytes)
        return 0;
    (void)error_set(error, ERROR_BLOCKED, SLOTS_FIX,
                    "%s more exceeds maxmem=%s, of which %s is free", size_format(bytes, size),
                    size_format(memory->max_bytes, max),
                    size_format(used_bytes < memory->max_bytes ? memory->max_bytes - used_bytes
                                                               : 0,
                                free_size));
    return advise_room(memory, error);
}

int memory_plan_check(const struct operation *operation, enum platform_kind kind,
                      struct error *error)
{
    const struct operation_dimm *dimm = &operation->request.dimm;

    if (dimm->backend == BACKEND_FILE &&
        text_check_utf8("the path", dimm->backend_path, error) < 0)
        return -1;
    if (platform_check_grow(&operation->before->board.platform, kind, error) < 0 ||
        memory_online_check_movable(operation, error) < 0 || check_size(operation, error) < 0 ||
        check_room(operation, kind == PLATFORM_DIMM, error) < 0)
        return -1;
    return operation->request.force
               ? 0
               : hazard_check_memory_map(operation->vm, operation->before, error);
}

uint64_t memory_plan_choose_address(const struct operation *operation)
{
    const struct inventory_memory *memory = &operation->before->memory;
    uint64_t block = inventory_memory_unit(operation->before), end = 0, device_end;
    bool aligned = true;
    size_t i;

    for (i = 0; i < memory->device_count; i++) {
        device_end = memory->devices[i].addr + memory->devices[i].reserved_bytes;
        aligned = aligned && device_end % block == 0;
        end = device_end > end ? device_end : end;
    }
    return aligned ? 0 : (end + block - 1) / block * block;
}

static json_t *backend_arguments(const struct operation *operation, const char *id)
{
    static const char *const types[] = {
        [BACKEND_RAM] = "memory-backend-ram",
        [BACKEND_MEMFD] = "memory-backend-memfd",
        [BACKEND_FILE] = "memory-backend-file",
    };
    const struct operation_dimm *dimm = &operation->request.dimm;
    enum backend_type type = dimm->backend;
    json_t *arguments;

    if (dimm->hugepages && type == BACKEND_RAM)
        type = BACKEND_MEMFD; /* plain RAM can't ask for huge pages */
    arguments = json_pack("{s:s, s:s, s:I}", "qom-type", types[type], "id", id, "size",
                          (json_int_t)dimm->bytes);
    if (type == BACKEND_FILE)
        field_set(&arguments, "mem-path", json_string(dimm->backend_path));
    if (dimm->hugepages && type == BACKEND_MEMFD)
        field_set(&arguments, "hugetlb", json_true());
    return arguments;
}

static int choose_ids(struct operation *operation, char backend[OPERATION_ID_MAX],
                      struct error *error)
{
    unsigned first = operation->request.nth;

    do {
        if (operation_choose_id(operation, "vmplug-mem-", first++, WORDS_ID_MAX, error) < 0)
            return -1;
        (void)snprintf(backend, OPERATION_ID_MAX, "%.48s-backend", operation->result.id);
    } while (operation->request.id == NULL && inventory_name_taken(operation->before, backend));
    if (inventory_name_taken(operation->before, backend))
        return error_set(error, ERROR_BLOCKED, "choose another --id",
                         "the id '%s', which the backend would get, is taken in this QEMU",
                         backend);
    return 0;
}

int memory_plan_add_backend(struct operation *operation, char backend[OPERATION_ID_MAX],
                            struct error *error)
{
    if (choose_ids(operation, backend, error) < 0)
        return -1;
    operation_add_step(operation, "object-add", backend_arguments(operation, backend),
                       "object-del", json_pack("{s:s}", "id", backend), backend);
    return 0;
}

void memory_plan_advise(struct error *error)
{
    static const struct operation_advice advice[] = {
        {"number of numa nodes", "choose a lower --node, counted from 0, or start QEMU with more "
                                 "of -numa node"},
        {"map backing store for guest RAM: Cannot allocate",
         "reserve huge pages on this host (/proc/sys/vm/nr_hugepages), or leave --hugepages out"},
        {"no free slots", SLOTS_FIX},
        {"not enough space", SLOTS_FIX},
        {"cannot set up guest memory", "free memory on this host, or ask for less"},
        {"backing store size", "name a file that has this size, or one that is not there yet"},
        {"backing store", "name a file that QEMU may make, read and write"},
        {NULL, NULL},
    };

    operation_advise(error, advice);
}
