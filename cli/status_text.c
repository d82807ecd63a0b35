/* SPDX-License-Identifier: MIT */
#include "cli/status_text.h"

#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/size.h"
#include "vmm/status_json.h"
#include "cli/table.h"
#include "qmp/field.h"

static const char *or_dash(const char *text)
{
    return *text != '\0' ? text : "-";
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

/* ---- vCPUs ---- */

static void print_cpu_line(struct output *out, const struct inventory *inventory)
{
    const struct platform_ability *ability = &inventory->board.platform.abilities[PLATFORM_CPU];
    const struct inventory_cpus *cpus = &inventory->cpus;
    int online = inventory_cpus_online(inventory);

    output_print(out, "vCPUs    %u of %u", cpus->present, cpus->max);
    if (online >= 0)
        output_print(out, ", %d online in the guest", online);
    if (ability->grow == PLATFORM_NO)
        output_print(out, "; no more can be added: %s", ability->why);
    else if (cpus->max > cpus->present)
        output_print(out, "; %u more can be added", cpus->max - cpus->present);
    else
        output_print(out, "; no more can be added (maxcpus)");
    output_print(out, "\n");
}

/* The place in the topology, as QEMU names it: "socket-id=0 core-id=1". */
static void describe_props(const json_t *props, char *text, size_t size)
{
    const char *key;
    json_t *value;
    size_t used;

    *text = '\0';
    json_object_foreach((json_t *)props, key, value) {
        used = strlen(text);
        if (json_is_integer(value))
            (void)snprintf(text + used, size - used, "%s%.40s=%lld", used > 0 ? " " : "", key,
                           (long long)json_integer_value(value));
    }
}

void status_text_cpus(struct output *out, const struct inventory *inventory)
{
    const struct inventory_cpus *cpus = &inventory->cpus;
    struct table table = {.columns = 4};
    const struct inventory_cpu *cpu;
    char props[256];
    size_t i;

    print_cpu_line(out, inventory);
    if (cpus->slot_count == 0)
        return;
    table_add(&table, "SLOT");
    table_add(&table, "ID");
    table_add(&table, "THREAD");
    table_add(&table, "PLACE");
    for (i = 0; i < cpus->slot_count; i++) {
        cpu = &cpus->slots[i];
        describe_props(cpu->props, props, sizeof(props));
        table_add(&table, "%u", cpu->slot);
        table_add(&table, "%s", cpu->present ? or_dash(cpu->id) : "(free)");
        if (cpu->thread_id != 0)
            table_add(&table, "%" PRId64, cpu->thread_id);
        else
            table_add(&table, "%s", cpu->present ? "-" : "");
        table_add(&table, "%s", props);
    }
    table_print(&table, out, 2);
}

/* ---- memory ---- */

static void print_memory_room(struct output *out, const struct inventory *inventory)
{
    const struct platform_ability *dimms = &inventory->board.platform.abilities[PLATFORM_DIMM];
    const struct inventory_memory *memory = &inventory->memory;
    uint64_t used_bytes = memory->base_bytes, elastic_bytes = 0;
    unsigned slots_used = 0, slots_free;
    char size[SIZE_TEXT_MAX];
    size_t i;

    if (!memory->room_known)
        return;
    for (i = 0; i < memory->device_count; i++) {
        used_bytes += memory->devices[i].reserved_bytes;
        elastic_bytes += memory->devices[i].reserved_bytes - memory->devices[i].bytes;
        slots_used += memory->devices[i].slot >= 0 ? 1 : 0;
    }
    slots_free = memory->slots_total > slots_used ? memory->slots_total - slots_used : 0;
    if (dimms->grow == PLATFORM_NO)
        output_print(out, "; no DIMM can be added: %s", dimms->why);
    else if (memory->slots_total == 0)
        output_print(out, "; no DIMM can be added: QEMU was started without slots=N,maxmem=SIZE");
    else if (slots_free == 0)
        output_print(out, "; no more DIMMs can be added (slots)");
    else if (used_bytes >= memory->max_bytes && elastic_bytes > 0)
        output_print(out, "; %s more in virtio-mem, and none in DIMMs (maxmem)",
                     size_format(elastic_bytes, size));
    else if (used_bytes >= memory->max_bytes)
        output_print(out, "; no more can be added (maxmem)");
    else
        output_print(out, "; %s more in %u DIMM%s can be added",
                     size_format(memory->max_bytes - used_bytes, size), slots_free,
                     plural(slots_free));
}

static void print_memory_line(struct output *out, const struct inventory *inventory)
{
    const struct inventory_memory *memory = &inventory->memory;
    char size[SIZE_TEXT_MAX];
    uint64_t online_bytes;

    if (!memory->known) {
        output_print(out, "memory   not known: this QEMU does not tell\n");
        return;
    }
    output_print(out, "memory   %s", size_format(memory->base_bytes + memory->plugged_bytes, size));
    if (memory->room_known && memory->max_bytes > 0)
        output_print(out, " of %s", size_format(memory->max_bytes, size));
    if (memory->plugged_bytes > 0)
        output_print(out, ", %s of it plugged", size_format(memory->plugged_bytes, size));
    if (inventory_memory_online(inventory, &online_bytes))
        output_print(out, ", %s online in the guest", size_format(online_bytes, size));
    print_memory_room(out, inventory);
    output_print(out, "\n");
}

/* Of a virtio-mem also what it may have, and what it is still to become. */
static void add_memory_size(struct table *table, const struct inventory_memory_device *device)
{
    bool elastic = strcmp(device->kind, "virtio-mem") == 0;
    char size[SIZE_TEXT_MAX], max[SIZE_TEXT_MAX], requested[SIZE_TEXT_MAX];

    size_format(device->bytes, size);
    size_format(device->reserved_bytes, max);
    if (!elastic)
        table_add(table, "%s", size);
    else if (device->requested_bytes == device->bytes)
        table_add(table, "%s of %s", size, max);
    else
        table_add(table, "%s of %s, to be %s", size, max,
                  size_format(device->requested_bytes, requested));
}

static void add_memory_device(struct table *table, const struct inventory *inventory,
                              const struct inventory_memory_device *device)
{
    char size[SIZE_TEXT_MAX];
    uint64_t online_bytes;

    table_add(table, "%s", or_dash(device->id));
    table_add(table, "%s", device->kind);
    add_memory_size(table, device);
    if (device->slot >= 0)
        table_add(table, "%d", device->slot);
    else
        table_add(table, "-");
    table_add(table, "%u", device->node);
    table_add(table, "0x%" PRIx64, device->addr);
    if (inventory_device_online(inventory, device, &online_bytes))
        table_add(table, "%s", size_format(online_bytes, size));
    else
        table_add(table, "-");
}

static void add_can_go(struct table *table, const struct inventory *inventory, size_t index)
{
    char reason[160];
    bool can;

    if (inventory_can_give_back(inventory, index, &can, reason, sizeof(reason)))
        table_add(table, "%s: %s", can ? "yes" : "no", reason);
    else
        table_add(table, "?: %s", reason);
}

void status_text_memory(struct output *out, const struct inventory *inventory)
{
    static const char *const heads[] = {"ID",   "KIND",    "SIZE",   "SLOT",
                                        "NODE", "ADDRESS", "ONLINE", "CAN GO"};
    const struct inventory_memory *memory = &inventory->memory;
    bool zones = (inventory->parts & INVENTORY_GUEST_ZONES) != 0;
    struct table table = {.columns = COUNT_OF(heads) - (zones ? 0 : 1)};
    size_t i;

    print_memory_line(out, inventory);
    if (memory->device_count == 0)
        return;
    for (i = 0; i < table.columns; i++)
        table_add(&table, "%s", heads[i]);
    for (i = 0; i < memory->device_count; i++) {
        add_memory_device(&table, inventory, &memory->devices[i]);
        if (zones)
            add_can_go(&table, inventory, i);
    }
    table_print(&table, out, 2);
}

/* ---- disks ---- */

static size_t count_disks(const struct inventory_disks *disks, bool cdroms)
{
    size_t count = 0, i;

    for (i = 0; i < disks->disk_count; i++)
        count += disks->disks[i].cdrom == cdroms ? 1 : 0;
    return count;
}

static void print_disk_line(struct output *out, const struct inventory_disks *disks)
{
    size_t i, named = 0;

    if (!disks->known) {
        output_print(out, "disks    not known: this QEMU does not tell\n");
        return;
    }
    output_print(out, "disks    %zu", count_disks(disks, false));
    for (i = 0; i < disks->bus_count; i++) {
        if (disks->buses[i].name[0] != '\0')
            output_print(out, "%s%s", named++ == 0 ? "; more can be added on " : ", ",
                         disks->buses[i].name);
    }
    if (named == 0)
        output_print(out, "; none can be added: this QEMU has no virtio-scsi bus");
    output_print(out, "\n");
}

static void add_disk(struct table *table, const struct inventory *inventory,
                     const struct inventory_disk *disk)
{
    const char *guest_name = inventory_guest_disk_name(inventory, disk);
    char size[SIZE_TEXT_MAX];

    table_add(table, "%s", or_dash(disk->id));
    if (disk->has_medium)
        table_add(table, "%s", size_format(disk->bytes, size));
    else
        table_add(table, "-");
    if (disk->on_scsi)
        table_add(table, "%s:%u", or_dash(disk->bus), disk->lun);
    else
        table_add(table, "%s", or_dash(disk->bus));
    table_add(table, "%s%s", or_dash(disk->format), disk->read_only ? ", read-only" : "");
    table_add(table, "%s", or_dash(disk->serial));
    table_add(table, "%s", guest_name != NULL ? guest_name : "-");
    table_add(table, "%s", or_dash(disk->file));
}

void status_text_disks(struct output *out, const struct inventory *inventory)
{
    static const char *const heads[] = {"ID",     "SIZE",     "BUS:LUN", "FORMAT",
                                        "SERIAL", "IN GUEST", "FILE"};
    const struct inventory_disks *disks = &inventory->disks;
    struct table table = {.columns = COUNT_OF(heads)};
    size_t i;

    print_disk_line(out, disks);
    if (count_disks(disks, false) == 0)
        return;
    for (i = 0; i < COUNT_OF(heads); i++)
        table_add(&table, "%s", heads[i]);
    for (i = 0; i < disks->disk_count; i++) {
        if (!disks->disks[i].cdrom)
            add_disk(&table, inventory, &disks->disks[i]);
    }
    table_print(&table, out, 2);
}

static void print_limit(struct output *out, const char *what, uint64_t iops, uint64_t bps)
{
    char size[SIZE_TEXT_MAX];

    if (iops > 0)
        output_print(out, "  %s%" PRIu64 " operations/s\n", what, iops);
    if (bps > 0)
        output_print(out, "  %s%s/s\n", what, size_format(bps, size));
}

void status_text_limits(struct output *out, const struct inventory_disk *disk)
{
    static const struct qapi_limits none;
    const struct qapi_limits *limits = &disk->limits;

    output_print(out, "disk %s%s\n", disk->id,
                 memcmp(limits, &none, sizeof(none)) == 0 ? ": no limits" : "");
    print_limit(out, "", limits->iops, limits->bps);
    print_limit(out, "reading ", limits->iops_rd, limits->bps_rd);
    print_limit(out, "writing ", limits->iops_wr, limits->bps_wr);
}

/* ---- all ---- */

void status_text_cdroms(struct output *out, const struct inventory *inventory)
{
    const struct inventory_disks *disks = &inventory->disks;
    struct table table = {.columns = 3};
    const struct inventory_disk *disk;
    size_t i;

    output_print(out, "CD-ROMs  %zu\n", count_disks(disks, true));
    for (i = 0; i < disks->disk_count; i++) {
        disk = &disks->disks[i];
        if (!disk->cdrom)
            continue;
        table_add(&table, "%s", or_dash(disk->id));
        table_add(&table, "tray %s%s", disk->tray_open ? "open" : "closed",
                  disk->locked ? ", locked" : "");
        table_add(&table, "%s", disk->has_medium ? or_dash(disk->file) : "empty");
    }
    table_print(&table, out, 2);
}

static void print_machine(struct output *out, const struct inventory_machine *machine)
{
    output_print(out, "VM       %s%s%s\n", machine->name, machine->name[0] != '\0' ? ": " : "",
                 or_dash(machine->state));
    output_print(out, "machine  %s, %s, %s, QEMU %s\n", or_dash(machine->machine),
                 or_dash(machine->arch), or_dash(machine->accel), or_dash(machine->qemu));
}

static void print_agent(struct output *out, const struct inventory_guest *guest)
{
    if (guest->connected)
        output_print(out, "agent    connected, version %s\n", or_dash(guest->version));
    else
        output_print(out, "agent    none: %s\n", guest->reason);
}

void status_text_pending(struct output *out, const json_t *pending)
{
    const json_t *entry;
    size_t i;

    if (json_array_size(pending) > 0)
        output_print(out, "pending  %zu; take one up again with vmplug wait ID\n",
                     json_array_size(pending));
    json_array_foreach(pending, i, entry)
        output_print(out, "  %s %s%s\n", field_string(entry, "operation", ""),
                     field_string(entry, "id", ""),
                     field_bool(entry, "present", true) ? "" : ", of which only remains are there");
}

void status_text(struct output *out, const struct inventory *inventory)
{
    print_machine(out, &inventory->machine);
    print_agent(out, &inventory->guest);
    print_cpu_line(out, inventory);
    status_text_memory(out, inventory);
    status_text_disks(out, inventory);
    if (count_disks(&inventory->disks, true) > 0)
        status_text_cdroms(out, inventory);
}
