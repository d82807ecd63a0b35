/* SPDX-License-Identifier: MIT */
/*
 * query-block lists the drives but not where they sit; the buses, and what else sits on them,
 * are found by walking QOM: peripherals -> virtio-scsi -> its bus -> the bus's children.
 */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "qmp/field.h"
#include "qmp/qapi.h"
#include "vmm/inventory_parts.h"

#define PERIPHERAL "/machine/peripheral"
#define BACKEND "/virtio-backend"
#define DISKS_MAX 16384
#define BUSES_MAX 256

static struct inventory_disks *disks_of(void *user)
{
    return &((struct inventory_question *)user)->inventory->disks;
}

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static void take_path(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_scsi_device *device = item;

    (void)user;
    (void)error;
    text_copy(device->path, sizeof(device->path), json_string_value(value));
}

static void take_scsi_id(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_scsi_device *device = item;

    (void)user;
    (void)error;
    device->scsi_id = (unsigned)json_integer_value(value);
}

static void take_lun(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_scsi_device *device = item;

    (void)user;
    (void)error;
    device->lun = (unsigned)json_integer_value(value);
}

static void take_serial(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_scsi_device *device = item;

    (void)user;
    (void)error;
    text_copy(device->serial, sizeof(device->serial), json_string_value(value));
}

/* A bus shows its devices as "child[0]", "child[1]", … of type link<scsi-hd>. */
static void ask_device(const struct inventory_question *question, const struct inventory_bus *bus,
                       const char *child, const char *type)
{
    struct inventory_scsi_device *device =
        gather_allocate(question->gather, 1, sizeof(*device));
    char path[INVENTORY_PATH_MAX + 64];

    if (device == NULL)
        return;
    SLIST_INSERT_HEAD(&question->inventory->disks.scsi_devices, device, link);
    text_copy(device->bus, sizeof(device->bus), bus->name);
    (void)sscanf(type, "link<%31[^>]>", device->driver);
    (void)snprintf(path, sizeof(path), "%s/%.40s", bus->path, child);
    gather_qom_get(question->gather, bus->path, child, take_path, device);
    gather_qom_get(question->gather, path, "scsi-id", take_scsi_id, device);
    gather_qom_get(question->gather, path, "lun", take_lun, device);
    gather_qom_get(question->gather, path, "serial", take_serial, device);
}

static void take_bus(void *user, void *item, const json_t *value, const struct error *error)
{
    const struct inventory_question *question = user;
    struct inventory_bus *bus = item;
    const char *name, *type;
    const json_t *row;
    size_t i;

    (void)error;
    json_array_foreach(value, i, row) {
        name = field_string(row, "name", "");
        type = field_string(row, "type", "");
        if (i < DISKS_MAX && has_prefix(name, "child[") && has_prefix(type, "link<"))
            ask_device(question, bus, name, type);
    }
}

/* Looks for the bus, which takes the place of its HBA in *item. */
static void take_hba(void *user, void *item, const json_t *value, const struct error *error)
{
    const struct inventory_question *question = user;
    struct inventory_bus *bus = item;
    const json_t *row;
    size_t used, i;

    (void)error;
    json_array_foreach(value, i, row) {
        if (strcmp(field_string(row, "type", ""), "child<SCSI>") != 0)
            continue;
        text_copy(bus->name, sizeof(bus->name), field_string(row, "name", ""));
        used = strlen(bus->path);
        (void)snprintf(bus->path + used, sizeof(bus->path) - used, "/%s", bus->name);
        gather_qom_list(question->gather, bus->path, take_bus, bus);
        return;
    }
}

/* virtio-scsi-pci, -ccw and their kin keep the device proper, and its bus, in virtio-backend. */
void inventory_disks_take_peripherals(const struct inventory_question *question,
                                      const char *container, const json_t *rows)
{
    struct inventory_disks *disks = &question->inventory->disks;
    struct inventory_bus *bus;
    const char *type;
    const json_t *row;
    size_t i;

    json_array_foreach(rows, i, row) {
        type = field_string(row, "type", "");
        if (!has_prefix(type, "child<virtio-scsi-") || disks->buses == NULL ||
            disks->bus_count == BUSES_MAX)
            continue;
        bus = &disks->buses[disks->bus_count++];
        (void)snprintf(bus->path, sizeof(bus->path), "%s/%.100s%s", container,
                       field_string(row, "name", ""),
                       has_prefix(type, "child<virtio-scsi-device") ? "" : BACKEND);
        gather_qom_list(question->gather, bus->path, take_hba, bus);
    }
}

static void take_blk_serial(void *user, void *item, const json_t *value,
                            const struct error *error)
{
    struct inventory_disk *disk = item;

    (void)user;
    (void)error;
    text_copy(disk->serial, sizeof(disk->serial), json_string_value(value));
}

static bool has_suffix(const char *text, const char *suffix)
{
    size_t length = strlen(text);

    return length >= strlen(suffix) && strcmp(text + length - strlen(suffix), suffix) == 0;
}

/* What takes removable media is a CD-ROM drive, a floppy drive or a disk (scsi-hd,removable=on). */
static void take_driver(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_disk *disk = item;
    const char *driver = json_string_value(value);

    (void)user;
    (void)error;
    if (driver == NULL)
        return;
    disk->cdrom = has_suffix(driver, "-cd");
    disk->floppy = strcmp(driver, "floppy") == 0;
}

static void ask_driver(const struct inventory_question *question, const char *qdev,
                       struct inventory_disk *disk)
{
    char path[INVENTORY_PATH_MAX + 32];

    (void)snprintf(path, sizeof(path), "%s%s", *qdev == '/' ? "" : PERIPHERAL "/", qdev);
    gather_qom_get(question->gather, path, "type", take_driver, disk);
}

/* What stands before /virtio-backend of a virtio-blk device's path, the id where it has one. */
static void read_id(struct inventory_disk *disk, const char *qdev)
{
    if (has_prefix(qdev, PERIPHERAL "/"))
        qdev += strlen(PERIPHERAL "/");
    text_copy(disk->id, sizeof(disk->id), qdev);
    if (has_suffix(disk->id, BACKEND)) {
        disk->id[strlen(disk->id) - strlen(BACKEND)] = '\0';
        text_copy(disk->bus, sizeof(disk->bus), "virtio");
    }
}

static void keep_disk(struct inventory_disk *disk, const struct qapi_block *row)
{
    read_id(disk, row->qdev);
    disk->cdrom = row->removable; /* if QEMU does not say what it is */
    disk->locked = row->locked;
    disk->tray_open = row->tray_open;
    disk->has_medium = row->has_medium;
    disk->bytes = row->bytes;
    disk->read_only = row->read_only;
    disk->direct = row->direct;
    disk->limits = row->limits;
    text_copy(disk->qdev, sizeof(disk->qdev), row->qdev);
    text_copy(disk->file, sizeof(disk->file), row->file);
    text_copy(disk->format, sizeof(disk->format), row->format);
    text_copy(disk->node, sizeof(disk->node), row->node);
}

static void take_block(void *user, void *item, const json_t *value, const struct error *error)
{
    const struct inventory_question *question = user;
    struct inventory_disks *disks = disks_of(user);
    size_t count = json_array_size(value);
    struct inventory_disk *disk;
    struct qapi_block row;
    size_t i;

    (void)item;
    if (error != NULL || count > DISKS_MAX)
        return;
    disks->known = true;
    if (count > 0)
        disks->disks = gather_allocate(question->gather, count, sizeof(*disks->disks));
    for (i = 0; i < count && disks->disks != NULL; i++) {
        qapi_read_block(json_array_get(value, i), &row);
        if (*row.qdev == '\0')
            continue;
        disk = &disks->disks[disks->disk_count++];
        keep_disk(disk, &row);
        if (row.removable)
            ask_driver(question, row.qdev, disk);
        if (strcmp(disk->bus, "virtio") == 0)
            gather_qom_get(question->gather, row.qdev, "serial", take_blk_serial, disk);
    }
}

void inventory_disks_ask(const struct inventory_question *question)
{
    struct inventory_disks *disks = &question->inventory->disks;

    SLIST_INIT(&disks->scsi_devices);
    disks->buses = /* answers point into it */
        gather_allocate(question->gather, BUSES_MAX, sizeof(*disks->buses));
    gather_ask(question->gather, PEER_QMP, "query-block", take_block, NULL);
}

static const struct inventory_scsi_device *find_device(const struct inventory_disks *disks,
                                                       const struct inventory_disk *disk)
{
    const struct inventory_scsi_device *device;
    const char *path;

    SLIST_FOREACH(device, &disks->scsi_devices, link) {
        path = device->path;
        if (has_prefix(path, PERIPHERAL "/"))
            path += strlen(PERIPHERAL "/");
        if (strcmp(path, disk->id) == 0)
            return device;
    }
    return NULL;
}

static void leave_out_floppies(struct inventory_disks *disks)
{
    size_t kept = 0, i;

    for (i = 0; i < disks->disk_count; i++) {
        if (!disks->disks[i].floppy)
            disks->disks[kept++] = disks->disks[i];
    }
    disks->disk_count = kept;
}

void inventory_disks_finish(struct inventory *inventory)
{
    struct inventory_disks *disks = &inventory->disks;
    const struct inventory_scsi_device *device;
    struct inventory_disk *disk;
    size_t i;

    leave_out_floppies(disks);
    for (i = 0; i < disks->disk_count; i++) {
        disk = &disks->disks[i];
        device = find_device(disks, disk);
        if (device == NULL)
            continue;
        disk->on_scsi = true;
        disk->passed_through = strcmp(device->driver, "scsi-block") == 0;
        disk->scsi_id = device->scsi_id;
        disk->lun = device->lun;
        text_copy(disk->bus, sizeof(disk->bus), device->bus);
        text_copy(disk->serial, sizeof(disk->serial), device->serial);
    }
}

const char *inventory_scsi_fix(const struct inventory *inventory)
{
    const char *machine = inventory->machine.machine;

    if (strncmp(machine, "microvm", strlen("microvm")) == 0)
        return "start QEMU with -device virtio-scsi-device,id=scsi0";
    if (strncmp(machine, "s390-ccw-virtio", strlen("s390-ccw-virtio")) == 0)
        return "start QEMU with -device virtio-scsi-ccw,id=scsi0";
    return "start QEMU with -device virtio-scsi-pci,id=scsi0";
}

const struct inventory_disk *inventory_find_drive(const struct inventory *inventory,
                                                  const char *id)
{
    const struct inventory_disks *disks = &inventory->disks;
    size_t i;

    for (i = 0; i < disks->disk_count; i++) {
        if (strcmp(disks->disks[i].id, id) == 0)
            return &disks->disks[i];
    }
    return NULL;
}
