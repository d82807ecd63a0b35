/* SPDX-License-Identifier: MIT */
/*
 * A DIMM goes by its id, and its memory backend after it. Nothing is put offline beforehand: the
 * guest's ACPI does that block by block, and puts them online again when one of them can't go,
 * while the agent would stop half-way.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qmp/qapi.h"
#include "vmm/hazard.h"
#include "vmm/operation_kind.h"

#define OBJECTS "/objects/"

static int check(const struct operation *operation, const struct inventory_memory_device *device,
                 struct error *error)
{
    const char *id = operation->request.id;

    if (device == NULL)
        return error_set(error, ERROR_BLOCKED, "see vmplug memory list for those there are",
                         "there is no memory device '%s'", id);
    if (strcmp(device->kind, "virtio-mem") == 0)
        return error_set(error, ERROR_BLOCKED, "shrink it with vmplug memory resize ID 0",
                         "'%s' is a virtio-mem, which gives memory back without going away", id);
    if (device->slot < 0 || !device->hotpluggable)
        return error_set(error, ERROR_BLOCKED, "choose a DIMM", "'%s', a %s, can't be unplugged",
                         id, device->kind);
    return operation->request.force
               ? 0
               : hazard_check_memory_map(operation->vm, operation->before, error);
}

static int plan(struct operation *operation, struct error *error)
{
    const struct inventory_memory_device *device =
        inventory_find_memory(operation->before, operation->request.id);

    if (device == NULL && record_has(vm_record(operation->vm), operation->request.id, "-remove"))
        return operation_take_up_removal(operation, error);
    (void)snprintf(operation->result.id, OPERATION_ID_MAX, "%.63s", operation->request.id);
    if (check(operation, device, error) < 0)
        return -1;
    (void)snprintf(operation->path, sizeof(operation->path), "%s", device->id);
    operation->slot = (unsigned)device->slot;
    operation->addr = device->addr;
    operation->bytes = device->bytes;
    operation_detail(operation, "bytes", json_integer((json_int_t)device->bytes));
    operation_detail(operation, "slot", json_integer(device->slot));
    if (strncmp(device->memdev, OBJECTS, strlen(OBJECTS)) == 0)
        operation_clean_object(operation, device->memdev + strlen(OBJECTS));
    operation_add_step(operation, "device_del", json_pack("{s:s}", "id", device->id), NULL, NULL,
                       "");
    return 0;
}

/* Who has taken the id may have taken the backend's, too: that one stays. */
static int take_up(struct operation *operation, struct error *error)
{
    const struct inventory_memory_device *device =
        inventory_find_memory(operation->before, operation->request.id);

    if (operation_take_up_removal(operation, error) < 0)
        return -1;
    if (device != NULL && device->addr != operation->addr)
        operation->cleanup_count = 0;
    return 0;
}

static bool is_gone(struct operation *operation, const json_t *answer)
{
    struct qapi_memory_device device;

    if (!json_is_array(answer))
        return false;
    return !qapi_find_memory_device(answer, operation->path, &device) || /* the id, uncut */
           device.addr != operation->addr; /* another one has it by now */
}

/* A DIMM that came after it, when nobody looked, may have its address. */
static bool is_of_another(const struct operation *operation, uint64_t addr)
{
    const struct inventory_memory *memory = &operation->before->memory;
    const struct inventory_memory_device *device;
    size_t i;

    for (i = 0; i < memory->device_count; i++) {
        device = &memory->devices[i];
        if (strcmp(device->id, operation->path) != 0 && addr >= device->addr &&
            addr - device->addr < device->reserved_bytes)
            return true;
    }
    return false;
}

static void on_blocks(struct operation *operation, const json_t *value, const struct error *error)
{
    uint64_t block_bytes = operation->before->guest.block_bytes;
    struct qga_memory_block *blocks = NULL;
    size_t count = 0, found = 0, i;

    if (error != NULL || !qga_read_memory_blocks(value, &blocks, &count)) {
        operation_look_later(operation);
        return;
    }
    for (i = 0; i < count; i++) {
        if (blocks[i].index >= operation->addr / block_bytes &&
            blocks[i].index < (operation->addr + operation->bytes) / block_bytes &&
            !is_of_another(operation, blocks[i].index * block_bytes))
            found++;
    }
    free(blocks);
    if (found == 0 && count > 0) /* no guest has no memory at all: that would be no answer */
        operation_confirmed(operation);
    else
        operation_look_later(operation);
}

static void look_inside(struct operation *operation)
{
    operation_ask_agent(operation, "guest-get-memory-blocks", on_blocks);
}

static bool has_baseline(const struct inventory *before)
{
    return before->guest.block_bytes != 0;
}

static const char *const agent_commands[] = {"guest-get-memory-blocks", NULL};

const struct operation_kind dimm_remove_kind = {
    .name = "memory-remove",
    .top = VERDICT_REMOVED,
    .removes = true,
    .parts = INVENTORY_MEMORY | INVENTORY_GUEST_MEMORY | HAZARD_PARTS,
    .has_ost = true,
    .ost_type = LEDGER_DIMM,
    .ost_answer = OST_EJECTION,
    .agent_commands = agent_commands,
    .has_baseline = has_baseline,
    .plan = plan,
    .take_up = take_up,
    .realized_query = "query-memory-devices",
    .is_realized = is_gone,
    .look_inside = look_inside,
    .refusal_fix = "it holds memory that the guest can't move: add memory with --movable to be "
                   "able to take it back, or free memory in the guest and try again",
};
