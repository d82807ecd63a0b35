/* SPDX-License-Identifier: MIT */
/*
 * In which zone the guest has the blocks of its plugged memory: what lies in Movable can be given
 * back, while the kernel may have put something immovable into the others, which only trying
 * tells. Linux shows it in sysfs, which is read through the agent. (The blocks' "removable"
 * attribute is always 1.)
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "vmm/inventory_parts.h"

#define ZONES_MAX 1024 /* blocks: reading each takes three commands */
#define READ_BYTES 64

/* The first word is the zone that it is in, or would be put into. */
static bool take_zone(struct inventory *inventory, void *item, const char *text,
                      size_t size_bytes, const char *why)
{
    struct inventory_zone *zone = item;

    (void)inventory;
    (void)size_bytes;
    (void)why;
    zone->known = text != NULL && text[0] != '\0';
    zone->movable = zone->known && strncmp(text, "Movable", strlen("Movable")) == 0;
    return true;
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

void inventory_zones_ask(struct inventory_question *question)
{
    struct inventory_memory *memory = &question->inventory->memory;
    char path[INVENTORY_FILE_PATH_MAX];
    size_t i;

    if (question->inventory->guest.block_bytes == 0 || memory->device_count == 0)
        return;
    memory->zones = gather_allocate(question->gather, ZONES_MAX, sizeof(*memory->zones));
    if (memory->zones == NULL)
        return;
    for (i = 0; i < memory->device_count; i++)
        list_zones(question->inventory, i);
    for (i = 0; i < memory->zone_count; i++) {
        (void)snprintf(path, sizeof(path),
                       "/sys/devices/system/memory/memory%" PRIu64 "/valid_zones",
                       memory->zones[i].block);
        inventory_read_file(question, path, READ_BYTES, take_zone, &memory->zones[i]);
    }
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
        if (!zone->movable) {
            (void)snprintf(reason, size, "block %" PRIu64 " is not movable memory, and goes only "
                           "while the guest's kernel has nothing in it", zone->block);
            *ret_can = false;
            return false;
        }
    }
    /* One that is not known might be the one that can't go. */
    if (!inventory_bytes_online(inventory, memory->devices[device].addr,
                                memory->devices[device].bytes, &online) ||
        known < online / inventory->guest.block_bytes)
        known = 0;
    *ret_can = known > 0;
    (void)snprintf(reason, size, "%s",
                   known > 0 ? "the guest has all of it as movable memory"
                             : "the guest did not tell in which zones it has all of it");
    return known > 0;
}
