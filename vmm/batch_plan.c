/* SPDX-License-Identifier: MIT */
#include "vmm/batch_plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"

/* The structures for new memory (64 bytes for each page of 4 KiB) come from the old: a piece four
 * times as large as all there is takes a sixteenth of it. */
#define PIECE_FACTOR 4
#define PIECES_MAX 64

void batch_plan_apply(const struct batch_item *item, struct operation_request *request)
{
    request->type = item->type;
    request->nth = request->dry_run ? item->nth : 0;
    request->nth_bytes = request->dry_run ? item->nth_bytes : 0;
    request->resume = request->resume || item->resume;
    if (item->wanted_id != NULL)
        request->id = item->wanted_id;
    else if (item->id[0] != '\0')
        request->id = item->id;
    if (item->file != NULL)
        request->disk.file = item->file;
    if (item->bytes != 0)
        request->dimm.bytes = item->bytes;
    if (item->note[0] != '\0')
        request->note = item->note;
}

static int make_items(size_t count, struct batch_item **ret_items, struct error *error)
{
    *ret_items = calloc(count + 1, sizeof(**ret_items));
    return *ret_items != NULL ? 0 : error_set(error, ERROR_SYSTEM, "", "out of memory");
}

/* ---- vCPUs ---- */

static int add_cpus(const struct inventory_cpus *cpus, uint64_t target,
                    struct batch_item **ret_items, size_t *ret_count, struct error *error)
{
    unsigned step = cpus->slot_count > 0 ? cpus->slots[0].vcpus_count : 1;
    size_t i;

    if (!cpus->hotpluggable && target > cpus->present)
        return error_set(error, ERROR_BLOCKED, "use a machine type that can, such as q35",
                         "this machine can't add vCPUs: %s", cpus->reason);
    if (target > cpus->max)
        return error_set(error, ERROR_BLOCKED, "restart QEMU with a larger -smp …,maxcpus=N",
                         "this QEMU can have maxcpus=%u, not %" PRIu64, cpus->max, target);
    if (step == 0 || (target - cpus->present) % step != 0)
        return error_set(error, ERROR_BLOCKED, "ask for whole cores",
                         "this board adds %u vCPUs at a time", step);
    *ret_count = (target - cpus->present) / step;
    if (make_items(*ret_count, ret_items, error) < 0)
        return -1;
    for (i = 0; i < *ret_count; i++)
        (*ret_items)[i] = (struct batch_item){.type = OPERATION_CPU_ADD, .nth = (unsigned)i};
    return 0;
}

static int remove_cpus(const struct inventory_cpus *cpus, uint64_t target,
                       struct batch_item **ret_items, size_t *ret_count, struct error *error)
{
    uint64_t excess = cpus->present - target;
    struct batch_item *item;
    size_t i;

    if (make_items(cpus->slot_count, ret_items, error) < 0)
        return -1;
    *ret_count = 0;
    for (i = cpus->slot_count; i-- > 0 && excess > 0;) {
        if (!cpus->slots[i].removable || cpus->slots[i].vcpus_count > excess)
            continue;
        excess -= cpus->slots[i].vcpus_count;
        item = &(*ret_items)[(*ret_count)++];
        item->type = OPERATION_CPU_REMOVE;
        if (cpus->slots[i].id[0] != '\0')
            (void)snprintf(item->id, sizeof(item->id), "%.63s", cpus->slots[i].id);
        else
            (void)snprintf(item->id, sizeof(item->id), "%u", cpus->slots[i].slot);
    }
    if (excess == 0)
        return 0;
    free(*ret_items);
    *ret_items = NULL;
    return error_set(error, ERROR_BLOCKED, "ask for whole cores, and for one at least",
                     "%" PRIu64 " vCPUs can't be reached from %u", target, cpus->present);
}

int batch_plan_cpus(const struct inventory *inventory, uint64_t target,
                    struct batch_item **ret_items, size_t *ret_count, struct error *error)
{
    const struct inventory_cpus *cpus = &inventory->cpus;

    if (target < cpus->present)
        return remove_cpus(cpus, target, ret_items, ret_count, error);
    return add_cpus(cpus, target, ret_items, ret_count, error);
}

/* ---- memory ---- */

static bool is_elastic(const struct inventory_memory_device *device)
{
    return strcmp(device->kind, "virtio-mem") == 0 && device->id[0] != '\0' &&
           device->block_bytes != 0;
}

/* A virtio-mem may come nearer to the size wanted than whole DIMMs do. */
static void come_nearer(const struct inventory_memory *memory, uint64_t have, uint64_t want,
                        uint64_t *below, uint64_t *above)
{
    const struct inventory_memory_device *device;
    uint64_t low, high, block, reach;
    size_t i;

    for (i = 0; i < memory->device_count; i++) {
        device = &memory->devices[i];
        if (!is_elastic(device) || device->bytes > have)
            continue;
        block = device->block_bytes;
        low = have - device->bytes;
        high = low + device->reserved_bytes;
        reach = low + ((want < high ? want : high) - low) / block * block;
        if (want >= low && reach > *below)
            *below = reach;
        reach = want > low ? low + (want - low + block - 1) / block * block : low;
        if (want <= high && (*above == 0 || reach < *above))
            *above = reach;
    }
}

/* Says which sizes next to the one wanted can be reached. Either may be 0: there is none. */
static int cannot_reach(const struct inventory_memory *memory, uint64_t have, uint64_t want,
                        uint64_t below, uint64_t above, const char *what, struct error *error)
{
    char have_text[SIZE_TEXT_MAX], want_text[SIZE_TEXT_MAX];
    char below_text[SIZE_TEXT_MAX], above_text[SIZE_TEXT_MAX];

    come_nearer(memory, have, want, &below, &above);
    (void)error_set(error, ERROR_BLOCKED, "", "%s do not reach %s from %s", what,
                    size_format(want, want_text), size_format(have, have_text));
    size_format(below, below_text);
    size_format(above, above_text);
    if (below != 0 && above != 0)
        error_advise(error, "ask for %s or %s", below_text, above_text);
    else
        error_advise(error, "ask for %s", below != 0 ? below_text : above_text);
    return -1;
}

static int add_memory(const struct inventory *inventory, uint64_t total, uint64_t target,
                      struct batch_item **ret_items, size_t *ret_count, struct error *error)
{
    const struct inventory_memory *memory = &inventory->memory;
    uint64_t block = inventory->guest.block_bytes != 0 ? inventory->guest.block_bytes
                                                       : INVENTORY_SMALLEST_BLOCK_BYTES;
    uint64_t start = total, missing = target - total, piece, reachable;
    unsigned slots = 0;
    size_t i;

    if (missing % block != 0) {
        reachable = total + missing / block * block;
        return cannot_reach(memory, total, target, reachable, reachable + block,
                            "whole memory blocks", error);
    }
    for (i = 0; i < memory->device_count; i++)
        slots += memory->devices[i].slot >= 0 ? 1 : 0;
    slots = memory->room_known && memory->slots_total > slots ? memory->slots_total - slots : 1;
    if (make_items(PIECES_MAX, ret_items, error) < 0)
        return -1;
    for (i = 0; missing > 0 && i < PIECES_MAX; i++) {
        piece = total * PIECE_FACTOR / block * block;
        if (piece == 0 || piece > missing || i + 1 == slots || i + 1 == PIECES_MAX)
            piece = missing;
        (*ret_items)[i] = (struct batch_item){
            .type = OPERATION_DIMM_ADD, .bytes = piece, .nth = (unsigned)i,
            .nth_bytes = target - start - missing};
        total += piece;
        missing -= piece;
    }
    *ret_count = i;
    return 0;
}

static bool has_elastic(const struct inventory_memory *memory)
{
    size_t i;

    for (i = 0; i < memory->device_count; i++) {
        if (is_elastic(&memory->devices[i]))
            return true;
    }
    return false;
}

/* The virtio-mem that can make up for the difference alone, and to which size. */
static const struct inventory_memory_device *find_elastic(const struct inventory_memory *memory,
                                                          uint64_t total, uint64_t target,
                                                          uint64_t *ret_bytes)
{
    const struct inventory_memory_device *device;
    size_t i;

    for (i = 0; i < memory->device_count; i++) {
        device = &memory->devices[i];
        if (!is_elastic(device) || total - device->bytes > target)
            continue;
        *ret_bytes = target - (total - device->bytes);
        if (*ret_bytes <= device->reserved_bytes && *ret_bytes % device->block_bytes == 0)
            return device;
    }
    return NULL;
}

static int resize_memory(const struct inventory_memory_device *device, uint64_t bytes,
                         struct batch_item **ret_items, size_t *ret_count, struct error *error)
{
    struct batch_item *item;

    if (make_items(1, ret_items, error) < 0)
        return -1;
    item = *ret_items;
    *ret_count = 1;
    item->type = OPERATION_VIRTIO_MEM_RESIZE;
    item->bytes = bytes;
    (void)snprintf(item->id, sizeof(item->id), "%.63s", device->id);
    (void)snprintf(item->note, sizeof(item->note),
                   bytes > device->bytes ? "it is a virtio-mem with room, so no DIMM is added"
                                         : "it is a virtio-mem, so no DIMM is taken back");
    return 0;
}

static bool can_go(const struct inventory_memory_device *device)
{
    return device->slot >= 0 && device->hotpluggable && device->id[0] != '\0' && device->bytes > 0;
}

/* The newest of those that are not marked yet: each goes behind the others in address space. */
static struct inventory_memory_device *newest(const struct inventory_memory *memory,
                                              const bool *marked)
{
    struct inventory_memory_device *found = NULL, *device;
    size_t i;

    for (i = 0; i < memory->device_count; i++) {
        device = &memory->devices[i];
        if (!marked[i] && can_go(device) && (found == NULL || device->addr > found->addr))
            found = device;
    }
    return found;
}

static int remove_memory(const struct inventory_memory *memory, uint64_t total, uint64_t target,
                         struct batch_item **ret_items, size_t *ret_count, struct error *error)
{
    bool *marked = calloc(memory->device_count + 1, sizeof(*marked));
    struct inventory_memory_device *device;
    uint64_t reached = total, smallest = 0;
    struct batch_item *item;

    *ret_count = 0;
    if (marked == NULL || make_items(memory->device_count, ret_items, error) < 0) {
        free(marked);
        return error_set(error, ERROR_SYSTEM, "", "out of memory");
    }
    while (reached > target && (device = newest(memory, marked)) != NULL) {
        marked[device - memory->devices] = true;
        if (device->bytes > reached - target) { /* too large; an older one may do */
            if (smallest == 0 || device->bytes < smallest)
                smallest = device->bytes;
            continue;
        }
        reached -= device->bytes;
        item = &(*ret_items)[(*ret_count)++];
        item->type = OPERATION_DIMM_REMOVE;
        (void)snprintf(item->id, sizeof(item->id), "%.63s", device->id);
    }
    free(marked);
    if (reached == target)
        return 0;
    free(*ret_items);
    *ret_items = NULL;
    return cannot_reach(memory, total, target, smallest != 0 ? reached - smallest : 0, reached,
                        "whole DIMMs that can go", error);
}

int batch_plan_memory(const struct inventory *inventory, uint64_t target_bytes,
                      struct batch_item **ret_items, size_t *ret_count, struct error *error)
{
    const struct inventory_memory *memory = &inventory->memory;
    uint64_t total = memory->base_bytes + memory->plugged_bytes, bytes;
    const struct inventory_memory_device *elastic;
    int status;
    size_t i;

    if (!memory->known)
        return error_set(error, ERROR_BLOCKED, "",
                         "this QEMU does not tell how much memory it has");
    elastic = find_elastic(memory, total, target_bytes, &bytes);
    if (elastic != NULL && target_bytes != total)
        return resize_memory(elastic, bytes, ret_items, ret_count, error);
    if (target_bytes < total)
        status = remove_memory(memory, total, target_bytes, ret_items, ret_count, error);
    else
        status = add_memory(inventory, total, target_bytes, ret_items, ret_count, error);
    for (i = 0; status == 0 && has_elastic(memory) && i < *ret_count; i++)
        (void)snprintf((*ret_items)[i].note, sizeof((*ret_items)[i].note),
                       "no virtio-mem can make up for it alone");
    return status;
}
