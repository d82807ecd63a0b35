/* SPDX-License-Identifier: MIT */
#include "vmm/status_json.h"

#include <string.h>

#include "qmp/codec.h"

#define NO_UUID "00000000-0000-0000-0000-000000000000" /* QEMU was given none */

static json_t *text_or_null(const char *text)
{
    return *text != '\0' ? codec_string(text) : json_null();
}

static json_t *bytes_or_null(bool known, uint64_t bytes)
{
    return known ? json_integer((json_int_t)bytes) : json_null();
}

static json_t *machine_json(const struct inventory_machine *machine)
{
    const char *uuid = strcmp(machine->uuid, NO_UUID) != 0 ? machine->uuid : "";

    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", text_or_null(machine->name),
                     "uuid", text_or_null(uuid), "state", text_or_null(machine->state), "machine",
                     text_or_null(machine->machine), "arch", text_or_null(machine->arch), "accel",
                     text_or_null(machine->accel), "qemu", text_or_null(machine->qemu));
}

static json_t *cpu_json(const struct inventory_cpu *cpu)
{
    return json_pack("{s:i, s:o, s:b, s:b, s:i, s:o, s:O}", "slot", (int)cpu->slot, "id",
                     text_or_null(cpu->id), "present", cpu->present, "removable", cpu->removable,
                     "vcpus", (int)cpu->vcpus_count, "thread_id",
                     cpu->thread_id != 0 ? json_integer(cpu->thread_id) : json_null(), "props",
                     cpu->props != NULL ? cpu->props : json_null());
}

json_t *status_json_cpus(const struct inventory *inventory)
{
    const struct inventory_cpus *cpus = &inventory->cpus;
    int online = inventory_cpus_online(inventory);
    json_t *slots = json_array();
    json_t *object;
    size_t i;

    for (i = 0; i < cpus->slot_count; i++)
        (void)json_array_append_new(slots, cpu_json(&cpus->slots[i]));
    object = json_pack("{s:i, s:i, s:o, s:b, s:o}", "present", (int)cpus->present, "max",
                       (int)cpus->max, "online", online >= 0 ? json_integer(online) : json_null(),
                       "hotpluggable", cpus->hotpluggable, "slots", slots);
    if (!cpus->hotpluggable)
        (void)json_object_set_new(object, "reason", text_or_null(cpus->reason));
    return object;
}

/* Whether it can be taken back, and why not: known where the guest was asked for its zones. */
static void add_removable(json_t *object, const struct inventory *inventory, size_t index)
{
    char reason[160];
    bool can;

    if ((inventory->parts & INVENTORY_GUEST_ZONES) == 0)
        return;
    (void)json_object_set_new(
        object, "removable",
        inventory_can_give_back(inventory, index, &can, reason, sizeof(reason)) ? json_boolean(can)
                                                                               : json_null());
    (void)json_object_set_new(object, "removable_reason", json_string(reason));
}

static json_t *memory_device_json(const struct inventory *inventory,
                                  const struct inventory_memory_device *device)
{
    uint64_t online_bytes = 0;
    bool known = inventory_device_online(inventory, device, &online_bytes);
    json_t *object =
        json_pack("{s:o, s:o, s:I, s:o, s:i, s:I, s:b, s:o}", "id", text_or_null(device->id),
                  "kind", text_or_null(device->kind), "bytes", (json_int_t)device->bytes, "slot",
                  device->slot >= 0 ? json_integer(device->slot) : json_null(), "node",
                  (int)device->node, "addr", (json_int_t)device->addr, "removable",
                  device->hotpluggable, "online_bytes", bytes_or_null(known, online_bytes));

    if (strcmp(device->kind, "virtio-mem") == 0)
        (void)json_object_update_new(
            object, json_pack("{s:I, s:I, s:I}", "requested_bytes",
                              (json_int_t)device->requested_bytes, "max_bytes",
                              (json_int_t)device->reserved_bytes, "block_bytes",
                              (json_int_t)device->block_bytes));
    return object;
}

json_t *status_json_memory(const struct inventory *inventory)
{
    const struct inventory_memory *memory = &inventory->memory;
    const struct inventory_guest *guest = &inventory->guest;
    json_t *devices = json_array();
    uint64_t online_bytes = 0;
    bool online_known = inventory_memory_online(inventory, &online_bytes);
    int slots_used = 0;
    size_t i;

    for (i = 0; i < memory->device_count; i++) {
        slots_used += memory->devices[i].slot >= 0 ? 1 : 0;
        (void)json_array_append_new(devices, memory_device_json(inventory, &memory->devices[i]));
        add_removable(json_array_get(devices, i), inventory, i);
    }
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:i, s:o, s:o, s:o}", "base_bytes",
        bytes_or_null(memory->known, memory->base_bytes), "plugged_bytes",
        bytes_or_null(memory->known, memory->plugged_bytes), "total_bytes",
        bytes_or_null(memory->known, memory->base_bytes + memory->plugged_bytes), "max_bytes",
        bytes_or_null(memory->room_known, memory->max_bytes), "slots_total",
        bytes_or_null(memory->room_known, memory->slots_total), "slots_used", slots_used,
        "block_bytes", bytes_or_null(guest->block_bytes != 0, guest->block_bytes), "online_bytes",
        bytes_or_null(online_known, online_bytes), "devices", devices);
}

/* ---- disks ---- */

static json_t *disk_json(const struct inventory *inventory, const struct inventory_disk *disk)
{
    const char *guest_name = inventory_guest_disk_name(inventory, disk);

    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:o}", "id", text_or_null(disk->id), "bus",
        text_or_null(disk->bus), "lun", disk->on_scsi ? json_integer(disk->lun) : json_null(),
        "file", text_or_null(disk->file), "format", text_or_null(disk->format), "bytes",
        bytes_or_null(disk->has_medium, disk->bytes), "read_only", disk->read_only, "serial",
        text_or_null(disk->serial), "guest_name",
        guest_name != NULL ? json_string(guest_name) : json_null(),
        "removable", disk->on_scsi ? json_true() : json_null());
}

json_t *status_json_disks(const struct inventory *inventory)
{
    const struct inventory_disks *disks = &inventory->disks;
    json_t *array;
    size_t i;

    if (!disks->known)
        return json_null();
    array = json_array();
    for (i = 0; i < disks->disk_count; i++) {
        if (!disks->disks[i].cdrom)
            (void)json_array_append_new(array, disk_json(inventory, &disks->disks[i]));
    }
    return array;
}

json_t *status_json_limits(const struct inventory_disk *disk)
{
    const struct qapi_limits *limits = &disk->limits;

    return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "id", text_or_null(disk->id), "iops",
                     (json_int_t)limits->iops, "iops_rd", (json_int_t)limits->iops_rd, "iops_wr",
                     (json_int_t)limits->iops_wr, "bps", (json_int_t)limits->bps, "bps_rd",
                     (json_int_t)limits->bps_rd, "bps_wr", (json_int_t)limits->bps_wr);
}

json_t *status_json_cdroms(const struct inventory *inventory)
{
    const struct inventory_disks *disks = &inventory->disks;
    const struct inventory_disk *disk;
    json_t *array;
    size_t i;

    if (!disks->known)
        return json_null();
    array = json_array();
    for (i = 0; i < disks->disk_count; i++) {
        disk = &disks->disks[i];
        if (disk->cdrom)
            (void)json_array_append_new(
                array, json_pack("{s:o, s:s, s:o, s:b}", "id", text_or_null(disk->id), "tray",
                                 disk->tray_open ? "open" : "closed", "file",
                                 text_or_null(disk->file), "locked", disk->locked));
    }
    return array;
}

static json_t *buses_json(const struct inventory_disks *disks)
{
    json_t *array = json_array();
    size_t i;

    for (i = 0; i < disks->bus_count; i++) {
        if (disks->buses[i].name[0] != '\0')
            (void)json_array_append_new(array, codec_string(disks->buses[i].name));
    }
    return array;
}

static json_t *agent_json(const struct inventory_guest *guest)
{
    json_t *object = json_pack("{s:b, s:o}", "connected", guest->connected, "version",
                               text_or_null(guest->version));

    if (!guest->connected)
        (void)json_object_set_new(object, "reason", text_or_null(guest->reason));
    return object;
}

static json_t *ability_json(const struct platform_ability *ability)
{
    bool can = ability->grow != PLATFORM_NO;

    return json_pack("{s:s, s:s, s:s, s:b, s:o, s:o, s:o}", "grow",
                     platform_answer_name(ability->grow), "shrink",
                     platform_answer_name(ability->shrink), "signal",
                     platform_signal_name(ability->signal), "by_itself", ability->by_itself,
                     "unit_bytes", bytes_or_null(ability->unit_bytes != 0, ability->unit_bytes),
                     "reason", text_or_null(can ? ability->why_no_shrink : ability->why), "fix",
                     text_or_null(ability->fix));
}

/* From node to node, as far as the tree tells: rows of as many. */
static json_t *distances_json(const struct fdt_board *tree)
{
    json_t *rows = json_array(), *row;
    size_t from, to;

    for (from = 0; from < FDT_NODES_MAX && tree->distances[from][from] != 0; from++) {
        row = json_array();
        for (to = 0; to < FDT_NODES_MAX && tree->distances[to][to] != 0; to++)
            (void)json_array_append_new(row, json_integer(tree->distances[from][to]));
        (void)json_array_append_new(rows, row);
    }
    return rows;
}

static json_t *board_json(const struct inventory *inventory)
{
    const struct inventory_board *board = &inventory->board;
    json_t *object;
    unsigned kind;

    if ((inventory->parts & INVENTORY_PLATFORM) == 0)
        return json_null();
    object = json_object();
    for (kind = 0; kind < PLATFORM_KINDS_; kind++)
        (void)json_object_set_new(object, platform_kind_name((enum platform_kind)kind),
                                  ability_json(&board->platform.abilities[kind]));
    if (board->tree != NULL && board->tree->distances_known)
        (void)json_object_set_new(object, "numa_distances", distances_json(board->tree));
    return object;
}

json_t *status_json(const struct inventory *inventory)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:[]}", "vm",
                     machine_json(&inventory->machine), "board", board_json(inventory),
                     "cpus", status_json_cpus(inventory),
                     "memory", status_json_memory(inventory), "disks",
                     status_json_disks(inventory), "scsi_buses", buses_json(&inventory->disks),
                     "cdroms", status_json_cdroms(inventory), "agent",
                     agent_json(&inventory->guest), "pending");
}
