/* SPDX-License-Identifier: MIT */
/*
 * A DIMM is a memory backend and a pc-dimm in front of it. The guest takes memory in blocks, so
 * its size and its address must be whole blocks: QEMU would place any multiple of 2 MiB, and Linux
 * then silently refuses it while answering _OST success. Hence success of _OST is not yet memory,
 * and each block of the DIMM's range is looked at inside the guest.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/size.h"
#include "base/text.h"
#include "qmp/codec.h"
#include "qmp/qapi.h"
#include "vmm/hazard.h"
#include "vmm/operation_kind.h"

#define UNHEARD_MS 2000 /* after _OST success, until missing blocks count as refused */
#define SLOTS_FIX "restart QEMU with more room: -m …,slots=N,maxmem=SIZE"

static uint64_t block_bytes(const struct operation *operation)
{
    uint64_t bytes = operation->before->guest.block_bytes;

    return bytes != 0 ? bytes : INVENTORY_SMALLEST_BLOCK_BYTES;
}

static bool has_slot(const struct inventory_memory_device *device)
{
    return strcmp(device->kind, "dimm") == 0 || strcmp(device->kind, "nvdimm") == 0;
}

static int check_size(const struct operation *operation, struct error *error)
{
    uint64_t block = block_bytes(operation), bytes = operation->request.dimm.bytes;
    char size[SIZE_TEXT_MAX], unit[SIZE_TEXT_MAX], below[SIZE_TEXT_MAX], above[SIZE_TEXT_MAX];

    if (bytes != 0 && bytes % block == 0)
        return 0;
    (void)error_set(error, ERROR_BLOCKED, "",
                    "the guest takes memory in blocks of %s, and %s is no multiple of it",
                    size_format(block, unit), size_format(bytes, size));
    size_format(bytes / block * block + block, above);
    if (bytes < block)
        error_advise(error, "ask for %s", above);
    else
        error_advise(error, "ask for %s or %s", size_format(bytes / block * block, below), above);
    return -1;
}

static int check_room(const struct operation *operation, struct error *error)
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
    if (memory->slots_total == 0)
        return error_set(error, ERROR_BLOCKED, SLOTS_FIX,
                         "this QEMU was started without memory slots");
    if (slots >= memory->slots_total)
        return error_set(error, ERROR_BLOCKED, SLOTS_FIX, "all %u memory slots are taken",
                         memory->slots_total);
    if (used_bytes <= memory->max_bytes && bytes <= memory->max_bytes - used_bytes)
        return 0;
    return error_set(error, ERROR_BLOCKED, SLOTS_FIX,
                     "%s more exceeds maxmem=%s, of which %s is free", size_format(bytes, size),
                     size_format(memory->max_bytes, max),
                     size_format(used_bytes < memory->max_bytes ? memory->max_bytes - used_bytes
                                                                : 0,
                                 free_size));
}

/* QEMU puts a DIMM at the end of the first gap that takes it. Behind devices that are no whole
 * blocks that would not be a block's boundary: then the address is chosen here, behind all.
 * Returns 0 to leave it to QEMU. */
static uint64_t choose_address(const struct operation *operation)
{
    const struct inventory_memory *memory = &operation->before->memory;
    uint64_t block = block_bytes(operation), end = 0, device_end;
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
        (void)json_object_set_new(arguments, "mem-path", json_string(dimm->backend_path));
    if (dimm->hugepages && type == BACKEND_MEMFD)
        (void)json_object_set_new(arguments, "hugetlb", json_true());
    return arguments;
}

static int choose_ids(struct operation *operation, char backend[OPERATION_ID_MAX],
                      struct error *error)
{
    unsigned first = operation->request.nth;

    do {
        if (operation_choose_id(operation, "vmplug-mem-", first++, 48, error) < 0)
            return -1;
        (void)snprintf(backend, OPERATION_ID_MAX, "%.48s-backend", operation->result.id);
    } while (operation->request.id == NULL && inventory_name_taken(operation->before, backend));
    if (inventory_name_taken(operation->before, backend))
        return error_set(error, ERROR_BLOCKED, "choose another --id",
                         "the id '%s', which the backend would get, is taken in this QEMU",
                         backend);
    return 0;
}

/* A DIMM that stands already. Its address names its blocks. */
static int take_up(struct operation *operation, struct error *error)
{
    const struct inventory_memory *memory = &operation->before->memory;
    size_t i;

    for (i = 0; i < memory->device_count; i++) {
        if (!has_slot(&memory->devices[i]) ||
            strcmp(memory->devices[i].id, operation->request.id) != 0)
            continue;
        (void)snprintf(operation->result.id, OPERATION_ID_MAX, "%s", operation->request.id);
        operation->request.dimm.bytes = memory->devices[i].bytes;
        operation_detail(operation, "bytes", json_integer((json_int_t)memory->devices[i].bytes));
        return 0;
    }
    return error_set(error, ERROR_BLOCKED, "see vmplug memory list for those there are",
                     "there is no DIMM '%s'", operation->request.id);
}

static int check_movable(const struct operation *operation, struct error *error);

static int plan(struct operation *operation, struct error *error)
{
    const struct operation_dimm *dimm = &operation->request.dimm;
    uint64_t address = choose_address(operation);
    char backend[OPERATION_ID_MAX];
    json_t *device;

    if (dimm->backend == BACKEND_FILE &&
        text_check_utf8("the path", dimm->backend_path, error) < 0)
        return -1;
    if (!operation->request.force &&
        hazard_check_dimm_add(operation->vm, operation->before, error) < 0)
        return -1;
    if (check_movable(operation, error) < 0 || check_size(operation, error) < 0 ||
        check_room(operation, error) < 0 ||
        choose_ids(operation, backend, error) < 0)
        return -1;
    device = json_pack("{s:s, s:s, s:s}", "driver", "pc-dimm", "id", operation->result.id,
                       "memdev", backend);
    if (dimm->node_set)
        (void)json_object_set_new(device, "node", json_integer(dimm->node));
    if (address != 0)
        (void)json_object_set_new(device, "addr", json_integer((json_int_t)address));
    operation_add_step(operation, "object-add", backend_arguments(operation, backend),
                       "object-del", json_pack("{s:s}", "id", backend), backend);
    operation_add_step(operation, "device_add", device, NULL, NULL, operation->result.id);
    operation_detail(operation, "bytes", json_integer((json_int_t)dimm->bytes));
    return 0;
}

static bool is_realized(struct operation *operation, const json_t *answer)
{
    struct qapi_memory_device device;
    const json_t *row;
    size_t i;

    json_array_foreach(answer, i, row) {
        qapi_read_memory_device(row, &device);
        if (strcmp(device.id, operation->result.id) != 0 || device.slot < 0)
            continue;
        operation->addr = device.addr;
        operation->slot = (unsigned)device.slot;
        operation_detail(operation, "slot", json_integer(device.slot));
        operation_detail(operation, "addr", json_integer((json_int_t)device.addr));
        operation_detail(operation, "node", json_integer(device.node));
        return true;
    }
    return false;
}

/* ---- online as movable memory ---- */

#define BLOCK_PATH "/sys/devices/system/memory/memory%" PRIu64 "/%s"
#define ONLINE_MOVABLE "b25saW5lX21vdmFibGU=" /* "online_movable" in base64 */

static void check_next_zone(struct operation *operation);

/* The agent's own command puts blocks into whichever zone the guest's kernel prefers. */
static void on_state_written(struct operation *operation, const struct error *error)
{
    if (error != NULL)
        operation_online_failed(operation, error);
    else
        operation_look_again(operation);
}

static void put_online_movable(struct operation *operation, const json_t *offline)
{
    uint64_t block = (uint64_t)json_integer_value(json_array_get(offline, 0));
    char path[128];

    (void)snprintf(path, sizeof(path), BLOCK_PATH, block, "state");
    if (block != operation->block)
        operation->looked_again = false; /* another block is a step forward */
    operation->block = block;
    operation_write_file(operation, path, ONLINE_MOVABLE, on_state_written);
}

/* A guest that puts new memory online by itself may have chosen another zone before us. */
static void on_zone(struct operation *operation, const struct error *error)
{
    static const char movable[] = "Movable";
    const struct operation_file *file = &operation->file;
    bool is_movable = error == NULL && file->size >= strlen(movable) &&
                      memcmp(file->bytes, movable, strlen(movable)) == 0;

    if (is_movable) {
        operation->block++;
        check_next_zone(operation);
        return;
    }
    operation_detail(operation, "movable", error == NULL ? json_false() : json_null());
    operation_detail(operation, "note",
                     json_string("the guest has it online, but not as movable memory, and may not "
                                 "be able to give it back; boot it with "
                                 "memhp_default_state=online_movable"));
    operation_confirmed(operation);
}

static void check_next_zone(struct operation *operation)
{
    uint64_t block = block_bytes(operation);
    char path[128];

    if (operation->block == (operation->addr + operation->request.dimm.bytes) / block) {
        operation_detail(operation, "movable", json_true());
        operation_confirmed(operation);
        return;
    }
    (void)snprintf(path, sizeof(path), BLOCK_PATH, operation->block, "valid_zones");
    operation_read_file(operation, path, on_zone);
}

static int check_movable(const struct operation *operation, struct error *error)
{
    if (!operation->request.dimm.movable ||
        (operation_can_write_files(operation) && operation_can_read_files(operation)))
        return 0;
    return error_set(error, ERROR_BLOCKED,
                     "allow the agent guest-file-open, -read, -write, -flush and -close, or boot "
                     "the guest with memhp_default_state=online_movable and leave out --movable",
                     "putting memory online as movable takes the guest agent's file commands, and "
                     "they are not to be had");
}

/* ---- online ---- */

static void on_set(struct operation *operation, const json_t *value, const struct error *error)
{
    struct error failure = ERROR_INIT;

    if (error == NULL && qga_check_memory_blocks_set(value, &failure) == 0)
        operation_look_again(operation);
    else
        operation_online_failed(operation, error != NULL ? error : &failure);
}

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

/* Which of the DIMM's blocks are there, and which of those are not online. */
static size_t count_blocks(const struct operation *operation,
                           const struct qga_memory_block *blocks, size_t count, json_t *online,
                           json_t *offline)
{
    uint64_t block = block_bytes(operation);
    uint64_t first = operation->addr / block;
    uint64_t end = first + operation->request.dimm.bytes / block;
    size_t found = 0, i;

    for (i = 0; i < count; i++) {
        if (blocks[i].index < first || blocks[i].index >= end)
            continue;
        found++;
        (void)json_array_append_new(blocks[i].online ? online : offline,
                                    json_integer((json_int_t)blocks[i].index));
    }
    return found;
}

/* Evidence that was there before proves nothing. */
static bool were_there(const struct operation *operation)
{
    const struct inventory_guest *guest = &operation->before->guest;
    AUTO_JSON json_t *online = json_array();
    AUTO_JSON json_t *offline = json_array();

    return count_blocks(operation, guest->blocks, guest->block_count, online, offline) > 0;
}

static void on_blocks(struct operation *operation, const json_t *value, const struct error *error)
{
    uint64_t wanted = operation->request.dimm.bytes / block_bytes(operation);
    AUTO_JSON json_t *online = json_array();
    AUTO_JSON json_t *offline = json_array();
    struct qga_memory_block *blocks = NULL;
    size_t count = 0, found;

    if (error != NULL || !qga_read_memory_blocks(value, &blocks, &count)) {
        operation_look_later(operation);
        return;
    }
    found = count_blocks(operation, blocks, count, online, offline);
    free(blocks);
    if (!operation->request.resume && were_there(operation)) {
        operation_cannot_look(operation, "agent",
                              "the guest had memory at this address before: does the agent's "
                              "socket belong to this VM?");
        return;
    }
    if (json_array_size(offline) > 0 && operation->request.dimm.movable) {
        put_online_movable(operation, offline);
    } else if (json_array_size(offline) > 0) {
        operation_ask_agent(operation, "guest-set-memory-blocks",
                            qga_memory_blocks_online(offline), on_set);
    } else if (found == wanted) {
        operation_detail(operation, "blocks", json_incref(online));
        operation->block = operation->addr / block_bytes(operation);
        if (operation->request.dimm.movable)
            check_next_zone(operation);
        else
            operation_confirmed(operation);
    } else {
        miss_blocks(operation);
    }
}

static void look_inside(struct operation *operation)
{
    operation_ask_agent(operation, "guest-get-memory-blocks", NULL, on_blocks);
}

/* Without its size no block can be told to be the DIMM's. */
static bool has_baseline(const struct inventory *before)
{
    return before->guest.blocks_known && before->guest.block_bytes != 0;
}

static const char *const agent_commands[] = {"guest-get-memory-blocks",
                                             "guest-get-memory-block-info",
                                             "guest-set-memory-blocks", NULL};

const struct operation_kind dimm_add_kind = {
    .name = "memory-add",
    .top = VERDICT_ONLINE,
    .guest_decides = true,
    .parts = INVENTORY_MEMORY | INVENTORY_OSPM | INVENTORY_GUEST_MEMORY | INVENTORY_ACCEL |
             INVENTORY_CPUS,
    .has_ost = true,
    .ost_type = LEDGER_DIMM,
    .ost_answer = OST_INSERTION,
    .agent_commands = agent_commands,
    .has_baseline = has_baseline,
    .has_undo_type = true,
    .undo_type = OPERATION_DIMM_REMOVE,
    .plan = plan,
    .take_up = take_up,
    .realized_query = "query-memory-devices",
    .is_realized = is_realized,
    .look_inside = look_inside,
    .refusal_fix = "look into the guest's kernel log",
};
