/* SPDX-License-Identifier: MIT */
/* The guest's own view, as its agent tells it. */
#include <string.h>

#include "base/text.h"
#include "qmp/field.h"
#include "vmm/inventory_parts.h"

static struct inventory_guest *guest_of(void *user)
{
    return &((struct inventory_question *)user)->inventory->guest;
}

/* A list that could not be kept is not one that the guest did not tell. */
static bool keep(void *user, const json_t *value, bool kept)
{
    const struct inventory_question *question = user;

    if (json_is_array(value) && !kept)
        gather_out_of_memory(question->gather);
    return kept;
}

static void take_cpus(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_guest *guest = guest_of(user);

    (void)item;
    (void)error;
    guest->cpus_known =
        keep(user, value, qga_read_vcpus(value, &guest->cpus, &guest->cpu_count));
}

static void take_blocks(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_guest *guest = guest_of(user);

    (void)item;
    (void)error;
    guest->blocks_known =
        keep(user, value, qga_read_memory_blocks(value, &guest->blocks, &guest->block_count));
}

static void take_block_info(void *user, void *item, const json_t *value,
                            const struct error *error)
{
    (void)item;
    (void)error;
    guest_of(user)->block_bytes = qga_read_block_bytes(value);
}

static void take_disks(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_guest *guest = guest_of(user);

    (void)item;
    (void)error;
    guest->disks_known =
        keep(user, value, qga_read_disks(value, &guest->disks, &guest->disk_count)) &&
        keep(user, value, qga_uses_read_dependencies(&guest->uses, value));
}

static void take_filesystems(void *user, void *item, const json_t *value,
                             const struct error *error)
{
    (void)item;
    (void)error;
    (void)keep(user, value, qga_uses_read_filesystems(&guest_of(user)->uses, value));
}

static void ask_if_enabled(const struct inventory_question *question, enum inventory_part part,
                           const char *command, gather_take_fn *take)
{
    if ((question->inventory->parts & (unsigned)part) != 0 &&
        inventory_agent_has(question->inventory, command))
        gather_ask(question->gather, PEER_AGENT, command, take, NULL);
}

static void take_info(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_question *question = user;
    struct inventory_guest *guest = guest_of(user);

    (void)item;
    if (value == NULL) {
        text_copy(guest->reason, sizeof(guest->reason), error->why);
        return;
    }
    guest->connected = true;
    text_copy(guest->version, sizeof(guest->version), field_string(value, "version", ""));
    guest->commands = qga_read_commands(value);
    if (guest->commands == NULL)
        gather_out_of_memory(question->gather);
    ask_if_enabled(question, INVENTORY_GUEST_CPUS, "guest-get-vcpus", take_cpus);
    ask_if_enabled(question, INVENTORY_GUEST_MEMORY, "guest-get-memory-block-info",
                   take_block_info);
    ask_if_enabled(question, INVENTORY_GUEST_MEMORY, "guest-get-memory-blocks", take_blocks);
    ask_if_enabled(question, INVENTORY_GUEST_DISKS, "guest-get-disks", take_disks);
    if (question->inventory->parts & INVENTORY_GUEST_KERNEL)
        inventory_kernel_ask(question);
    else if (question->inventory->parts & INVENTORY_GUEST_MEMINFO)
        inventory_meminfo_ask(question);
    ask_if_enabled(question, INVENTORY_GUEST_MOUNTS, "guest-get-fsinfo", take_filesystems);
    inventory_swaps_ask(question);
}

void inventory_guest_ask(const struct inventory_question *question)
{
    struct vm *vm = question->vm;
    struct inventory_guest *guest = &question->inventory->guest;

    guest->wanted = vm_has_agent(vm) || vm_agent_failure(vm)->code != ERROR_NONE;
    if (vm_has_agent(vm))
        gather_ask(question->gather, PEER_AGENT, "guest-info", take_info, NULL);
    else
        text_copy(guest->reason, sizeof(guest->reason),
                       guest->wanted ? vm_agent_failure(vm)->why : "no agent socket was given");
}

void inventory_guest_finish(struct inventory *inventory, struct vm *vm)
{
    struct inventory_guest *guest = &inventory->guest;

    if (!guest->connected || vm_has_agent(vm))
        return;
    guest->connected = false;
    text_copy(guest->reason, sizeof(guest->reason), vm_agent_failure(vm)->why);
}

bool inventory_disk_has_serial(const struct qga_disk *disk, const char *serial)
{
    size_t length = strlen(disk->serial), wanted = strlen(serial);

    if (wanted == 0 || length < wanted || strcmp(disk->serial + length - wanted, serial) != 0)
        return false;
    return length == wanted || disk->serial[length - wanted - 1] == '_';
}

static bool is_another(const struct qga_disk *disk, const struct qga_disk *other)
{
    return (disk->has_unit && other->has_unit && disk->unit != other->unit) ||
           (disk->serial[0] != '\0' && other->serial[0] != '\0' &&
            strcmp(disk->serial, other->serial) != 0);
}

bool inventory_guest_had(const struct inventory *inventory, const struct qga_disk *disk)
{
    const struct inventory_guest *guest = &inventory->guest;
    size_t i;

    for (i = 0; i < guest->disk_count; i++) {
        if (strcmp(guest->disks[i].name, disk->name) == 0)
            return !is_another(&guest->disks[i], disk);
    }
    return false;
}

/* A virtio-blk is told apart by its name in the guest. */
#define VIRTIO_DISK "/dev/vd"

/* The agent tells a LUN, but neither target nor bus: it identifies a disk only where no other has
 * the same, and where there are no disks of another kind, whose numbers it tells likewise. */
static bool lun_is_telling(const struct inventory *inventory, const struct inventory_disk *disk)
{
    const struct inventory_disks *disks = &inventory->disks;
    const struct inventory_scsi_device *device;
    unsigned same = 0;
    size_t i;

    for (i = 0; i < disks->disk_count; i++) {
        if (!disks->disks[i].on_scsi && !disks->disks[i].cdrom &&
            strcmp(disks->disks[i].bus, "virtio") != 0)
            return false;
    }
    SLIST_FOREACH(device, &disks->scsi_devices, link)
        same += device->lun == disk->lun ? 1 : 0;
    return disk->on_scsi && same == 1;
}

const char *inventory_guest_disk_name(const struct inventory *inventory,
                                      const struct inventory_disk *disk)
{
    const struct inventory_guest *guest = &inventory->guest;
    bool by_lun = lun_is_telling(inventory, disk), same;
    const struct qga_disk *seen;
    const char *name = NULL;
    unsigned found = 0;
    size_t i;

    for (i = 0; i < guest->disk_count; i++) {
        seen = &guest->disks[i];
        same = seen->serial[0] != '\0' ? inventory_disk_has_serial(seen, disk->serial)
                                       : by_lun && seen->has_unit && seen->unit == disk->lun &&
                                             strncmp(seen->name, VIRTIO_DISK,
                                                     strlen(VIRTIO_DISK)) != 0;
        if (!same)
            continue;
        name = seen->name;
        found++;
    }
    return found == 1 ? name : NULL;
}

bool inventory_agent_has(const struct inventory *inventory, const char *command)
{
    return inventory->guest.connected &&
           json_is_true(json_object_get(inventory->guest.commands, command));
}

int inventory_cpus_online(const struct inventory *inventory)
{
    const struct inventory_guest *guest = &inventory->guest;
    int online = 0;
    size_t i;

    if (!guest->cpus_known)
        return -1;
    for (i = 0; i < guest->cpu_count; i++)
        online += guest->cpus[i].online ? 1 : 0;
    return online;
}

/* A guest of a board without _OST lists the vCPUs that could be plugged, too (pseries). One that
 * lists fewer than there are has not taken the last ones. */
int inventory_slot_online(const struct inventory *inventory, const struct inventory_cpu *cpu)
{
    const struct inventory_guest *guest = &inventory->guest;
    const struct inventory_cpus *cpus = &inventory->cpus;
    bool lists_all = guest->cpu_count == cpus->max;
    size_t first = 0, i;
    int online = 0;

    if (!guest->cpus_known || (guest->cpu_count > cpus->present && !lists_all))
        return -1;
    for (i = 0; i < cpu->slot; i++) {
        if (lists_all || cpus->slots[i].present)
            first += cpus->slots[i].vcpus_count;
    }
    for (i = first; i < first + cpu->vcpus_count && i < guest->cpu_count; i++)
        online += guest->cpus[i].online ? 1 : 0;
    return online;
}

bool inventory_bytes_online(const struct inventory *inventory, uint64_t addr, uint64_t bytes,
                            uint64_t *ret_bytes)
{
    const struct inventory_guest *guest = &inventory->guest;
    uint64_t first, last, online = 0;
    size_t i;

    if (!guest->blocks_known || guest->block_bytes == 0 || bytes == 0)
        return false;
    first = addr / guest->block_bytes;
    last = (addr + (bytes - 1)) / guest->block_bytes;
    for (i = 0; i < guest->block_count; i++) {
        if (guest->blocks[i].online && guest->blocks[i].index >= first &&
            guest->blocks[i].index <= last)
            online += guest->block_bytes;
    }
    *ret_bytes = online;
    return true;
}
