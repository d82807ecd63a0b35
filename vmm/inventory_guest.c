/* SPDX-License-Identifier: MIT */
/* The guest's own view, as its agent tells it. Everything here is bounded and checked in type. */
#include <stdlib.h>
#include <string.h>

#include "qmp/field.h"
#include "vmm/inventory_parts.h"

static struct inventory_guest *guest_of(void *user)
{
    return &((struct inventory_question *)user)->inventory->guest;
}

/* How many items of an answer are taken: a guest must not decide how much we store. */
static size_t bounded(const json_t *value)
{
    size_t count = json_array_size(value);

    return count < INVENTORY_GUEST_ITEMS_MAX ? count : INVENTORY_GUEST_ITEMS_MAX;
}

static void take_cpus(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_guest *guest = guest_of(user);

    (void)item;
    (void)error;
    guest->cpus_known = inventory_guest_read_cpus(value, &guest->cpus, &guest->cpu_count);
}

bool inventory_guest_read_cpus(const json_t *value, struct inventory_guest_cpu **ret_cpus,
                               size_t *ret_count)
{
    size_t count = bounded(value);
    struct inventory_guest_cpu *cpus;
    const json_t *row;
    size_t i, used = 0;

    if (!json_is_array(value))
        return false;
    cpus = calloc(count + 1, sizeof(*cpus));
    if (cpus == NULL)
        return false;
    for (i = 0; i < count; i++) {
        row = json_array_get(value, i);
        if (!field_s64(row, "logical-id", &cpus[used].logical_id))
            continue;
        cpus[used].online = field_bool(row, "online", false);
        cpus[used].can_offline = field_bool(row, "can-offline", false);
        used++;
    }
    *ret_cpus = cpus;
    *ret_count = used;
    return true;
}

bool inventory_guest_read_blocks(const json_t *value, struct inventory_guest_block **ret_blocks,
                                 size_t *ret_count)
{
    size_t count = bounded(value);
    struct inventory_guest_block *blocks;
    const json_t *row;
    size_t i, used = 0;

    if (!json_is_array(value))
        return false;
    blocks = calloc(count + 1, sizeof(*blocks));
    if (blocks == NULL)
        return false;
    for (i = 0; i < count; i++) {
        row = json_array_get(value, i);
        if (!field_u64(row, "phys-index", &blocks[used].index))
            continue;
        blocks[used].online = field_bool(row, "online", false);
        used++;
    }
    *ret_blocks = blocks;
    *ret_count = used;
    return true;
}

/* The name will be part of a path inside the guest, read by the agent as root. */
static bool is_disk_name(const char *name)
{
    size_t length = strlen(name);

    return length > 5 && length < sizeof(((struct inventory_guest_disk *)NULL)->name) &&
           strncmp(name, "/dev/", 5) == 0 &&
           strspn(name + 5, "abcdefghijklmnopqrstuvwxyz0123456789") == length - 5;
}

bool inventory_guest_read_disks(const json_t *value, struct inventory_guest_disk **ret_disks,
                                size_t *ret_count)
{
    size_t count = bounded(value);
    struct inventory_guest_disk *disks, *disk;
    const json_t *row, *address;
    size_t i, used = 0;

    if (!json_is_array(value))
        return false;
    disks = calloc(count + 1, sizeof(*disks));
    if (disks == NULL)
        return false;
    for (i = 0; i < count; i++) {
        row = json_array_get(value, i);
        if (field_bool(row, "partition", true) || !is_disk_name(field_string(row, "name", "")))
            continue;
        disk = &disks[used++];
        address = field_object(row, "address");
        inventory_copy(disk->name, sizeof(disk->name), field_string(row, "name", ""));
        inventory_copy(disk->serial, sizeof(disk->serial), field_string(address, "serial", ""));
        disk->has_unit = field_unsigned(address, "unit", &disk->unit);
    }
    *ret_disks = disks;
    *ret_count = used;
    return true;
}

static void take_blocks(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_guest *guest = guest_of(user);

    (void)item;
    (void)error;
    guest->blocks_known = inventory_guest_read_blocks(value, &guest->blocks, &guest->block_count);
}

static void take_block_info(void *user, void *item, const json_t *value,
                            const struct error *error)
{
    struct inventory_guest *guest = guest_of(user);
    uint64_t bytes;

    (void)item;
    (void)error;
    /* A power of two, as Linux has them; anything else would be used for dividing. */
    if (field_u64(value, "size", &bytes) && bytes >= 1 << 20 && (bytes & (bytes - 1)) == 0)
        guest->block_bytes = bytes;
}

static void take_disks(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_guest *guest = guest_of(user);

    (void)item;
    (void)error;
    guest->disks_known = inventory_guest_read_disks(value, &guest->disks, &guest->disk_count);
}

static void ask_if_enabled(const struct inventory_question *question, enum inventory_part part,
                           const char *command, gather_take_fn *take)
{
    if ((question->inventory->parts & (unsigned)part) != 0 &&
        inventory_agent_has(question->inventory, command))
        gather_ask(question->gather, PEER_AGENT, command, NULL, take, NULL);
}

static void read_commands(struct inventory_guest *guest, const json_t *list)
{
    size_t count = bounded(list);
    const json_t *row;
    const char *name;
    size_t i;

    guest->commands = json_object();
    for (i = 0; i < count; i++) {
        row = json_array_get(list, i);
        name = field_string(row, "name", NULL);
        if (name != NULL)
            (void)json_object_set_new(guest->commands, name,
                                      json_boolean(field_bool(row, "enabled", false)));
    }
}

static void take_info(void *user, void *item, const json_t *value, const struct error *error)
{
    const struct inventory_question *question = user;
    struct inventory_guest *guest = guest_of(user);

    (void)item;
    if (value == NULL) {
        inventory_copy(guest->reason, sizeof(guest->reason), error->why);
        return;
    }
    guest->connected = true;
    inventory_copy(guest->version, sizeof(guest->version), field_string(value, "version", ""));
    read_commands(guest, field_array(value, "supported_commands"));
    ask_if_enabled(question, INVENTORY_GUEST_CPUS, "guest-get-vcpus", take_cpus);
    ask_if_enabled(question, INVENTORY_GUEST_MEMORY, "guest-get-memory-block-info",
                   take_block_info);
    ask_if_enabled(question, INVENTORY_GUEST_MEMORY, "guest-get-memory-blocks", take_blocks);
    ask_if_enabled(question, INVENTORY_GUEST_DISKS, "guest-get-disks", take_disks);
}

void inventory_guest_ask(const struct inventory_question *question, struct vm *vm)
{
    struct inventory_guest *guest = &question->inventory->guest;

    guest->wanted = vm_has_agent(vm) || vm_agent_failure(vm)->code != ERROR_NONE;
    if (vm_has_agent(vm))
        gather_ask(question->gather, PEER_AGENT, "guest-info", NULL, take_info, NULL);
    else
        inventory_copy(guest->reason, sizeof(guest->reason),
                       guest->wanted ? vm_agent_failure(vm)->why : "no agent socket was given");
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
