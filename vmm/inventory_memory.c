/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/text.h"
#include "qmp/field.h"
#include "qmp/qapi.h"
#include "vmm/inventory_parts.h"

#define DEVICES_MAX 4096

static struct inventory_memory *memory_of(void *user)
{
    return &((struct inventory_question *)user)->inventory->memory;
}

static void take_summary(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_memory *memory = memory_of(user);

    (void)item;
    (void)error;
    memory->known = field_u64(value, "base-memory", &memory->base_bytes);
    (void)field_u64(value, "plugged-memory", &memory->plugged_bytes); /* absent: none possible */
}

/* The machine's own -m option, as it was understood (QOM type MemorySizeConfiguration). */
static void take_room(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_memory *memory = memory_of(user);
    uint64_t slots = 0;

    (void)item;
    (void)error;
    if (!field_u64(value, "size", &memory->max_bytes))
        return;
    (void)field_u64(value, "max-size", &memory->max_bytes); /* absent: no more than the size */
    (void)field_u64(value, "slots", &slots);                /* absent: none */
    memory->slots_total = slots <= 65536 ? (unsigned)slots : 0;
    memory->room_known = true;
}

static void keep_device(struct inventory_memory_device *device, const json_t *row)
{
    struct qapi_memory_device read;

    qapi_read_memory_device(row, &read);
    text_copy(device->kind, sizeof(device->kind), read.kind);
    text_copy(device->id, sizeof(device->id), read.id);
    text_copy(device->memdev, sizeof(device->memdev), read.memdev);
    device->bytes = read.bytes;
    device->reserved_bytes = read.reserved_bytes;
    device->requested_bytes = read.requested_bytes;
    device->block_bytes = read.block_bytes;
    device->addr = read.addr;
    device->slot = read.slot;
    device->node = read.node;
    device->hotpluggable = read.hotpluggable;
}

static void take_devices(void *user, void *item, const json_t *value, const struct error *error)
{
    const struct inventory_question *question = user;
    struct inventory_memory *memory = memory_of(user);
    size_t count = json_array_size(value);
    size_t i;

    (void)item;
    (void)error;
    if (count == 0 || count > DEVICES_MAX)
        return;
    memory->devices = gather_allocate(question->gather, count, sizeof(*memory->devices));
    if (memory->devices == NULL)
        return;
    memory->device_count = count;
    for (i = 0; i < count; i++)
        keep_device(&memory->devices[i], json_array_get(value, i));
}

static void take_balloon(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_memory *memory = memory_of(user);

    (void)item;
    (void)error;
    memory->balloon_known = field_u64(value, "actual", &memory->balloon_bytes);
}

void inventory_balloon_ask(const struct inventory_question *question)
{
    gather_ask(question->gather, PEER_QMP, "query-balloon", take_balloon, NULL);
}

void inventory_memory_ask(const struct inventory_question *question)
{
    struct gather *gather = question->gather;

    gather_ask(gather, PEER_QMP, "query-memory-size-summary", take_summary, NULL);
    gather_qom_get(gather, "/machine", "memory", take_room, NULL);
    gather_ask(gather, PEER_QMP, "query-memory-devices", take_devices, NULL);
}

const struct inventory_memory_device *inventory_find_memory(const struct inventory *inventory,
                                                            const char *id)
{
    const struct inventory_memory *memory = &inventory->memory;
    size_t i;

    for (i = 0; i < memory->device_count; i++) {
        if (strcmp(memory->devices[i].id, id) == 0 && *id != '\0')
            return &memory->devices[i];
    }
    return NULL;
}

static bool is_elastic(const struct inventory_memory_device *device)
{
    return strcmp(device->kind, "virtio-mem") == 0;
}

/* Bytes of the blocks in a device's range: of those there, and of those online. */
static void count_blocks(const struct inventory_guest *guest,
                         const struct inventory_memory_device *device, uint64_t *ret_there,
                         uint64_t *ret_online)
{
    uint64_t first = device->addr / guest->block_bytes;
    uint64_t end = (device->addr + device->reserved_bytes) / guest->block_bytes;
    size_t i;

    *ret_there = *ret_online = 0;
    for (i = 0; i < guest->block_count; i++) {
        if (guest->blocks[i].index < first || guest->blocks[i].index >= end)
            continue;
        *ret_there += guest->block_bytes;
        *ret_online += guest->blocks[i].online ? guest->block_bytes : 0;
    }
}

bool inventory_device_online(const struct inventory *inventory,
                             const struct inventory_memory_device *device, uint64_t *ret_bytes)
{
    const struct inventory_guest *guest = &inventory->guest;
    uint64_t there, online;
    bool all;

    if (!is_elastic(device))
        return inventory_bytes_online(inventory, device->addr, device->bytes, ret_bytes);
    if (!guest->blocks_known || guest->block_bytes == 0)
        return false;
    count_blocks(guest, device, &there, &online);
    all = online == there && there >= device->bytes;
    *ret_bytes = all ? device->bytes : online;
    return all || there == device->bytes || online == 0;
}

static bool overlaps(uint64_t addr, uint64_t bytes, uint64_t begin, uint64_t size)
{
    return addr < begin ? begin - addr < bytes : addr - begin < size;
}

/* Is there memory at this address, or something else that the guest has a block for? The flash of
 * arm's UEFI is such. Where there is no device tree, nobody says. */
static bool is_memory(const struct inventory *inventory, uint64_t addr, uint64_t bytes)
{
    const struct inventory_memory *memory = &inventory->memory;
    const struct fdt_board *tree = inventory->board.tree;
    size_t i;

    if (tree == NULL || tree->memory_count == 0)
        return true;
    for (i = 0; i < tree->memory_count; i++) {
        if (overlaps(addr, bytes, tree->memories[i].addr, tree->memories[i].bytes))
            return true;
    }
    for (i = 0; i < memory->device_count; i++) {
        if (overlaps(addr, bytes, memory->devices[i].addr, memory->devices[i].reserved_bytes))
            return true;
    }
    return false;
}

/* What the guest has online, in whole blocks. */
static bool count_online(const struct inventory *inventory, uint64_t *ret_bytes)
{
    const struct inventory_guest *guest = &inventory->guest;
    size_t i;

    if (!guest->blocks_known || guest->block_bytes == 0)
        return false;
    *ret_bytes = 0;
    for (i = 0; i < guest->block_count; i++) {
        if (guest->blocks[i].online &&
            is_memory(inventory, guest->blocks[i].index * guest->block_bytes, guest->block_bytes))
            *ret_bytes += guest->block_bytes;
    }
    return true;
}

bool inventory_memory_online(const struct inventory *inventory, uint64_t *ret_bytes)
{
    const struct inventory_memory *memory = &inventory->memory;
    uint64_t there, in_blocks, online;
    size_t i;

    if (!count_online(inventory, ret_bytes))
        return false;
    for (i = 0; i < memory->device_count; i++) {
        if (!is_elastic(&memory->devices[i]))
            continue;
        if (!inventory_device_online(inventory, &memory->devices[i], &online))
            return false;
        count_blocks(&inventory->guest, &memory->devices[i], &there, &in_blocks);
        *ret_bytes = *ret_bytes - in_blocks + online;
    }
    return true;
}
