/* SPDX-License-Identifier: MIT */
/*
 * In which zone the guest has the blocks of its plugged memory: what lies in Movable can be given
 * back, while the kernel may have put something immovable into the others. Linux shows it in
 * sysfs, which is read through the agent. (The blocks' "removable" attribute is always 1.)
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "qmp/field.h"
#include "vmm/inventory_parts.h"

#define ZONES_MAX 1024 /* blocks: reading each takes three commands */
#define READ_BYTES 64

static void ask_next(const struct inventory_question *question);

static void take_content(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_zone *zone = item;
    unsigned char bytes[READ_BYTES];
    size_t size = 0;

    (void)user;
    (void)error;
    if (!base64_decode(field_string(value, "buf-b64", ""), bytes, sizeof(bytes), &size) ||
        size == 0)
        return;
    /* The first word is the zone that it is in, or would be put into. */
    zone->known = true;
    zone->movable = size >= strlen("Movable") && memcmp(bytes, "Movable", strlen("Movable")) == 0;
}

static void take_closed(void *user, void *item, const json_t *value, const struct error *error)
{
    (void)item;
    (void)value;
    (void)error;
    ask_next(user);
}

static void take_handle(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_question *question = user;
    int64_t handle = json_integer_value(value);

    if (error != NULL || !json_is_integer(value)) {
        if (error == NULL || error->code == ERROR_REJECTED) /* else the agent is gone */
            ask_next(question);
        return;
    }
    gather_ask(question->gather, PEER_AGENT, "guest-file-read",
               json_pack("{s:I, s:i}", "handle", handle, "count", READ_BYTES), take_content, item);
    gather_ask(question->gather, PEER_AGENT, "guest-file-close",
               json_pack("{s:I}", "handle", handle), take_closed, NULL);
}

/* One file is open at a time: the agent has descriptors for so many only. */
static void ask_next(const struct inventory_question *question)
{
    struct inventory_memory *memory = &question->inventory->memory;
    struct inventory_zone *zone;
    char path[128];

    if (memory->zones_asked == memory->zone_count)
        return;
    zone = &memory->zones[memory->zones_asked++];
    (void)snprintf(path, sizeof(path),
                   "/sys/devices/system/memory/memory%" PRIu64 "/valid_zones", zone->block);
    gather_ask(question->gather, PEER_AGENT, "guest-file-open",
               json_pack("{s:s, s:s}", "path", path, "mode", "r"), take_handle, zone);
}

static bool is_online(const struct inventory_guest *guest, uint64_t block)
{
    size_t i;

    for (i = 0; i < guest->block_count; i++) {
        if (guest->blocks[i].index == block)
            return guest->blocks[i].online;
    }
    return false;
}

static void list_zones(struct inventory *inventory, size_t index)
{
    struct inventory_memory *memory = &inventory->memory;
    const struct inventory_memory_device *device = &memory->devices[index];
    uint64_t block_bytes = inventory->guest.block_bytes, block;

    for (block = device->addr / block_bytes;
         block < (device->addr + device->bytes) / block_bytes && memory->zone_count < ZONES_MAX;
         block++) {
        if (is_online(&inventory->guest, block))
            memory->zones[memory->zone_count++] =
                (struct inventory_zone){.device = index, .block = block};
    }
}

void inventory_zones_ask(const struct inventory_question *question)
{
    struct inventory_memory *memory = &question->inventory->memory;
    size_t i;

    if (!inventory_agent_has(question->inventory, "guest-file-open") ||
        question->inventory->guest.block_bytes == 0 || memory->device_count == 0)
        return;
    memory->zones = calloc(ZONES_MAX, sizeof(*memory->zones));
    for (i = 0; memory->zones != NULL && i < memory->device_count; i++)
        list_zones(question->inventory, i);
    ask_next(question);
}

bool inventory_can_give_back(const struct inventory *inventory, size_t device, bool *ret_can,
                             char *reason, size_t size)
{
    const struct inventory_memory *memory = &inventory->memory;
    bool elastic = strcmp(memory->devices[device].kind, "virtio-mem") == 0;
    const struct inventory_zone *zone;
    uint64_t online = 0;
    size_t known = 0, i;

    *ret_can = memory->devices[device].hotpluggable;
    (void)snprintf(reason, size, "%s", elastic ? "it is resized instead" : "QEMU can't unplug it");
    if (!*ret_can)
        return true;
    for (i = 0; i < memory->zone_count; i++) {
        zone = &memory->zones[i];
        if (zone->device != device || !zone->known)
            continue;
        known++;
        *ret_can = zone->movable;
        (void)snprintf(reason, size, "block %" PRIu64 " is not movable memory, and the guest's "
                       "kernel may use it", zone->block);
        if (!zone->movable)
            return true;
    }
    /* One that is not known might be the one that can't go. */
    if (!inventory_bytes_online(inventory, memory->devices[device].addr,
                                memory->devices[device].bytes, &online) ||
        known < online / inventory->guest.block_bytes)
        known = 0;
    (void)snprintf(reason, size, "%s",
                   known > 0 ? "the guest has all of it as movable memory"
                             : "the guest did not tell in which zones it has all of it");
    return known > 0;
}
