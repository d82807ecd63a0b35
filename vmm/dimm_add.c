/* SPDX-License-Identifier: MIT */
/*
 * A DIMM is a memory backend and a pc-dimm in front of it. The guest takes memory in blocks, so
 * its size and its address must be whole blocks: QEMU would place any multiple of 2 MiB, and Linux
 * then silently refuses it while answering _OST success. Hence success of _OST is not yet memory,
 * and each block of the DIMM's range is looked at inside the guest.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "qmp/qapi.h"
#include "vmm/guest_tree.h"
#include "vmm/memory_online.h"
#include "vmm/memory_plan.h"
#include "vmm/operation_kind.h"

#define UNHEARD_MS 2000 /* after _OST success, until missing blocks count as refused */

/* A DIMM that stands already. Its address names its blocks. A virtio-mem goes by the same name in
 * the record, and is seen through by its own kind. */
static int take_up(struct operation *operation, struct error *error)
{
    const struct inventory_memory_device *device =
        inventory_find_memory(operation->before, operation->request.id);

    if (device != NULL && strcmp(device->kind, "virtio-mem") == 0) {
        operation->kind = &virtio_mem_add_kind;
        if (operation_set_goal(operation, error) < 0)
            return -1;
        return operation->kind->take_up(operation, error);
    }
    if (device == NULL || device->slot < 0)
        return error_set(error, ERROR_BLOCKED, "see vmplug memory list for those there are",
                         "there is no DIMM '%s'", operation->request.id);
    (void)snprintf(operation->result.id, OPERATION_ID_MAX, "%s", operation->request.id);
    operation->slot = (unsigned)device->slot;
    operation->request.dimm.bytes = device->bytes;
    operation_detail(operation, "bytes", json_integer((json_int_t)device->bytes));
    return memory_online_take_up(operation, error);
}

static int plan(struct operation *operation, struct error *error)
{
    const struct operation_dimm *dimm = &operation->request.dimm;
    uint64_t address = memory_plan_choose_address(operation);
    char backend[OPERATION_ID_MAX];
    json_t *device;

    if (memory_plan_check(operation, PLATFORM_DIMM, error) < 0 ||
        memory_plan_add_backend(operation, backend, error) < 0)
        return -1;
    device = json_pack("{s:s, s:s, s:s}", "driver", "pc-dimm", "id", operation->result.id,
                       "memdev", backend);
    if (dimm->node_set)
        field_set(&device, "node", json_integer(dimm->node));
    if (address != 0)
        field_set(&device, "addr", json_integer((json_int_t)address));
    operation_add_step(operation, "device_add", device, NULL, NULL, operation->result.id);
    operation_detail(operation, "bytes", json_integer((json_int_t)dimm->bytes));
    return 0;
}

static bool is_realized(struct operation *operation, const json_t *answer)
{
    struct qapi_memory_device device;

    if (!qapi_find_memory_device(answer, operation->result.id, &device) || device.slot < 0)
        return false;
    operation->addr = device.addr;
    operation->bytes = operation->request.dimm.bytes;
    operation->slot = (unsigned)device.slot;
    operation_detail(operation, "slot", json_integer(device.slot));
    operation_detail(operation, "addr", json_integer((json_int_t)device.addr));
    operation_detail(operation, "node", json_integer(device.node));
    return true;
}

/* ---- inside the guest ---- */

/* Linux makes the blocks before it answers by _OST: if it answered, and they are not there a good
 * while later, it has not taken the memory. */
static void miss_blocks(struct operation *operation)
{
    const struct operation_result *result = &operation->result;
    const struct operation_stage *last = &result->stages[result->stage_count - 1];
    struct error error = ERROR_INIT;

    if (last->rung != RUNG_ACKNOWLEDGED ||
        clock_now_ms() - operation->started_ms - last->ms < UNHEARD_MS) {
        operation_look_later(operation);
        return;
    }
    (void)error_set(&error, ERROR_REJECTED, "look into the guest's kernel log",
                    "the guest acknowledged %s and made no memory blocks of it", result->id);
    operation_refused(operation, &error);
}

static void on_blocks(struct operation *operation, const json_t *value, const struct error *error)
{
    uint64_t wanted = operation->bytes / memory_plan_block_bytes(operation);
    AUTO_JSON json_t *online = json_array();
    AUTO_JSON json_t *offline = json_array();
    struct qga_memory_block *blocks = NULL;
    size_t count = 0, found;

    if (error != NULL || !qga_read_memory_blocks(value, &blocks, &count)) {
        operation_look_later(operation);
        return;
    }
    found = memory_online_count(operation, blocks, count, &online, &offline);
    free(blocks);
    if (!operation->request.resume && memory_online_were_there(operation))
        return;
    if (online == NULL || offline == NULL)
        operation_look_later(operation);
    else if (json_array_size(offline) > 0)
        memory_online_put(operation, offline);
    else if (found == wanted && guest_tree_is_due(operation))
        guest_tree_ask_memory(operation);
    else if (found == wanted)
        memory_online_confirm(operation, online);
    else
        miss_blocks(operation);
}

static void look_inside(struct operation *operation)
{
    operation_ask_agent(operation, "guest-get-memory-blocks", on_blocks);
}

/* QEMU has said where it is, or will only be asked when it has to be; until then its place is no
 * worse than the others': QEMU chose it among whole blocks, or vmplug did. */
static bool enter(struct operation *operation)
{
    struct inventory_memory *memory = &operation->before->memory;
    const json_t *arguments = operation->steps[operation->step_count - 1].arguments;
    struct inventory_memory_device *devices, *added;

    devices = reallocarray(memory->devices, memory->device_count + 1, sizeof(*devices));
    if (devices == NULL)
        return false;
    memory->devices = devices;
    added = &devices[memory->device_count++];
    *added = (struct inventory_memory_device){.kind = "dimm",
                                              .bytes = operation->request.dimm.bytes,
                                              .reserved_bytes = operation->request.dimm.bytes,
                                              .slot = (int)operation->slot,
                                              .addr = operation->addr,
                                              .hotpluggable = true};
    text_copy(added->id, sizeof(added->id), operation->result.id);
    if (added->addr == 0)
        (void)field_u64(arguments, "addr", &added->addr);
    memory->plugged_bytes += added->bytes;
    return true;
}

const struct operation_kind dimm_add_kind = {
    .name = "memory-add",
    .top = VERDICT_ONLINE,
    .guest_decides = true,
    .parts = INVENTORY_MEMORY | INVENTORY_PLATFORM | INVENTORY_DIMM | INVENTORY_GUEST_MEMORY |
             INVENTORY_ACCEL,
    .has_ost = true,
    .ost_type = LEDGER_DIMM,
    .ost_answer = OST_INSERTION,
    .agent_commands = memory_online_agent_commands,
    .has_baseline = memory_online_has_baseline,
    .has_undo_type = true,
    .undo_type = OPERATION_DIMM_REMOVE,
    .plan = plan,
    .take_up = take_up,
    .remember = memory_online_remember,
    .realized_query = "query-memory-devices",
    .is_realized = is_realized,
    .look_inside = look_inside,
    .enter = enter,
    .refusal_fix = "look into the guest's kernel log",
    .advise = memory_plan_advise,
};
