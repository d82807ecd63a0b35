/* SPDX-License-Identifier: MIT */
#include "vmm/batch_plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"

/* The structures for new memory, 64 bytes for each page of 4 KiB, come from the old. They may take
 * a quarter of what the guest has available; when it does not tell, a sixteenth of all it has. */
#define COST 64 /* bytes of new memory for each byte of old */
#define AVAILABLE_SHARE 4
#define TOTAL_SHARE 16
#define PIECES_MAX 64
#define SUMS_MAX (UINT64_C(1) << 22) /* 8 TiB in the smallest units there are, 2 MiB */

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

static int exceeds_room(uint64_t max_bytes, uint64_t want, struct error *error)
{
    char max_text[SIZE_TEXT_MAX], want_text[SIZE_TEXT_MAX];

    return error_set(error, ERROR_BLOCKED,
                     "restart QEMU with more room: -m …,slots=N,maxmem=SIZE",
                     "this QEMU can have maxmem=%s, not %s", size_format(max_bytes, max_text),
                     size_format(want, want_text));
}

static int add_memory(const struct inventory *inventory, uint64_t total, uint64_t target,
                      struct batch_item **ret_items, size_t *ret_count, struct error *error)
{
    const struct inventory_memory *memory = &inventory->memory;
    uint64_t block = inventory_memory_unit(inventory);
    uint64_t start = total, missing = target - total, available = 0, piece, reachable;
    bool known = inventory_guest_available(inventory, &available);
    unsigned slots = 0;
    size_t i;

    if (memory->room_known && target > memory->max_bytes)
        return exceeds_room(memory->max_bytes, target, error);
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
        piece = (known ? available / AVAILABLE_SHARE : total / TOTAL_SHARE) * COST / block * block;
        if (piece == 0 || piece > missing || i + 1 == slots || i + 1 == PIECES_MAX)
            piece = missing;
        (*ret_items)[i] = (struct batch_item){
            .type = OPERATION_DIMM_ADD, .bytes = piece, .nth = (unsigned)i,
            .nth_bytes = target - start - missing};
        total += piece;
        available += piece - piece / COST;
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

static void reverse(struct batch_item *items, size_t count)
{
    struct batch_item item;
    size_t i;

    for (i = 0; i < count / 2; i++) {
        item = items[i];
        items[i] = items[count - 1 - i];
        items[count - 1 - i] = item;
    }
}

static int compare_newest_first(const void *a, const void *b)
{
    const struct inventory_memory_device *const *first = a, *const *second = b;

    /* Each goes behind the others in address space. */
    return ((*first)->addr < (*second)->addr) - ((*first)->addr > (*second)->addr);
}

static uint64_t greatest_common_divisor(uint64_t a, uint64_t b)
{
    uint64_t rest;

    while (b != 0) {
        rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The devices that can go, newest first, and which sums of their sizes there are. */
struct sums {
    const struct inventory_memory_device **devices;
    size_t device_count;
    uint64_t unit_bytes; /* of which all sizes are multiples */
    uint64_t units;      /* of all together */
    uint16_t *last;      /* for each sum, 1 + the device that completes it; 0: no such sum */
};

static void sums_free(struct sums *sums)
{
    free(sums->devices);
    free(sums->last);
}

/* A sum is completed by the newest devices that make it. */
static void add_up(struct sums *sums)
{
    uint64_t units, sum;
    size_t i;

    for (i = 0; i < sums->device_count; i++) {
        units = sums->devices[i]->bytes / sums->unit_bytes;
        for (sum = sums->units; sum >= units; sum--) {
            if (sums->last[sum] == 0 && (sum == units || sums->last[sum - units] != 0))
                sums->last[sum] = (uint16_t)(i + 1);
        }
    }
}

static int sums_make(struct sums *sums, const struct inventory_memory *memory, struct error *error)
{
    uint64_t bytes = 0;
    size_t i;

    *sums = (struct sums){0};
    sums->devices = calloc(memory->device_count + 1, sizeof(*sums->devices));
    if (sums->devices == NULL)
        return error_set(error, ERROR_SYSTEM, "", "out of memory");
    for (i = 0; i < memory->device_count && i < UINT16_MAX; i++) {
        if (!can_go(&memory->devices[i]))
            continue;
        sums->devices[sums->device_count++] = &memory->devices[i];
        sums->unit_bytes = greatest_common_divisor(sums->unit_bytes, memory->devices[i].bytes);
        bytes += memory->devices[i].bytes;
    }
    if (sums->device_count > 0)
        sums->units = bytes / sums->unit_bytes;
    if (sums->units <= SUMS_MAX)
        sums->last = calloc(sums->units + 1, sizeof(*sums->last));
    if (sums->last == NULL) {
        (void)error_set(error, ERROR_SYSTEM, "remove DIMMs by their ids", "%s",
                        sums->units <= SUMS_MAX
                            ? "out of memory"
                            : "there are too many sizes of DIMMs to choose from");
        sums_free(sums);
        return -1;
    }
    qsort(sums->devices, sums->device_count, sizeof(*sums->devices), compare_newest_first);
    add_up(sums);
    return 0;
}

/* Which totals next to the one wanted can be reached by taking something away. */
static int miss(const struct sums *sums, const struct inventory_memory *memory, uint64_t total,
                uint64_t target, struct error *error)
{
    uint64_t below = 0, above = total, reached, sum;

    for (sum = 1; sum <= sums->units; sum++) {
        reached = total - sum * sums->unit_bytes;
        if (sums->last[sum] != 0 && reached > target && reached < above)
            above = reached;
        if (sums->last[sum] != 0 && reached < target && reached > below)
            below = reached;
    }
    return cannot_reach(memory, total, target, below, above, "whole DIMMs that can go", error);
}

static int remove_memory(const struct inventory_memory *memory, uint64_t total, uint64_t target,
                         struct batch_item **ret_items, size_t *ret_count, struct error *error)
{
    const struct inventory_memory_device *device;
    struct batch_item *item;
    struct sums sums;
    uint64_t sum;

    *ret_count = 0;
    if (sums_make(&sums, memory, error) < 0)
        return -1;
    sum = sums.unit_bytes != 0 ? (total - target) / sums.unit_bytes : 0;
    if (sum == 0 || sum > sums.units || sum * sums.unit_bytes != total - target ||
        sums.last[sum] == 0) {
        (void)miss(&sums, memory, total, target, error);
        sums_free(&sums);
        return -1;
    }
    if (make_items(sums.device_count, ret_items, error) < 0) {
        sums_free(&sums);
        return -1;
    }
    for (; sum > 0; sum -= device->bytes / sums.unit_bytes) {
        device = sums.devices[sums.last[sum] - 1];
        item = &(*ret_items)[(*ret_count)++];
        item->type = OPERATION_DIMM_REMOVE;
        (void)snprintf(item->id, sizeof(item->id), "%.63s", device->id);
    }
    reverse(*ret_items, *ret_count); /* the last device that completed it is the oldest */
    sums_free(&sums);
    return 0;
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
