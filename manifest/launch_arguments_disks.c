/* SPDX-License-Identifier: MIT */
/*
 * Every disk is a block node and a device in front of it, both of which have the id of the volume,
 * as vmm/disk_add.c does it. What was somewhere when the VM ran last goes there again; then the
 * others take what is free, in the order of the manifest.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "manifest/launch_arguments.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "vmm/image.h"
#include "vmm/words.h"

#define SCSI_BUS "scsi0.0"
#define TARGETS 256
#define LUNS 256 /* above, Linux addresses LUNs in another way */
#define PORT "port"
#define PORTS_MAX 120 /* eight a slot, from 0x10 on; 0x1f is the chipset's on q35 */
#define PORTS_SLOT 0x10
#define SATA_PORTS 6
#define SERIAL_MAX 20 /* of virtio-blk, and of sata */

enum bus { BUS_SCSI, BUS_VIRTIO, BUS_SATA };

struct disk {
    const struct volume *volume;
    char id[VOLUME_ID_MAX];
    char serial[WORDS_SERIAL_MAX + 1];
    enum bus bus;
    bool placed;
    unsigned scsi_id, lun; /* BUS_SCSI */
    unsigned port;         /* BUS_SATA, and BUS_VIRTIO, where 0 is the root bus */
    unsigned boot_index;   /* 0: it is not booted from */
};

struct disks {
    struct disk *items;
    size_t count;
    bool luns[TARGETS][LUNS]; /* taken */
    bool ports[PORTS_MAX + 1];
    unsigned port_count, sata_count;
};

static int refuse(const struct volume *volume, const char *fix, const char *why,
                  struct error *error)
{
    return error_set(error, ERROR_BLOCKED, fix, "%s: %s", volume->disk_path, why);
}

static bool is_hotpluggable_virtio(const struct disk *disk)
{
    return disk->bus == BUS_VIRTIO && disk->volume->hotpluggable;
}

const char *launch_arguments_volume_id(const struct volume *volume, char text[VOLUME_ID_MAX])
{
    return volume_id(volume->hotpluggable ? VOLUME_HOTPLUGGABLE : VOLUME_FIXED, volume->name,
                     text);
}

/* ---- where they go ---- */

/* KubeVirt's default for a drive is sata; that of a disk is what one gets that comes later. */
static enum bus bus_of(const struct volume *volume, const struct launch_board *board)
{
    const char *bus = volume->bus;

    if (bus == NULL)
        return volume->device == VOLUME_CDROM && board->has_sata ? BUS_SATA : BUS_SCSI;
    if (strcmp(bus, "virtio") == 0)
        return BUS_VIRTIO;
    return strcmp(bus, "sata") == 0 ? BUS_SATA : BUS_SCSI;
}

static int choose_serial(struct disk *disk, struct error *error)
{
    size_t most = disk->bus == BUS_SCSI ? WORDS_SERIAL_MAX : SERIAL_MAX;
    const struct volume *volume = disk->volume;
    struct error problem = ERROR_INIT;

    if (volume->serial == NULL) {
        volume_id_serial(volume->name, most, disk->serial, sizeof(disk->serial));
        return 0;
    }
    if (words_check_serial(volume->serial, most, &problem) < 0)
        return error_set(error, ERROR_INVALID, "choose a shorter or simpler one", "%s.serial: %s",
                         volume->disk_path, problem.why);
    (void)snprintf(disk->serial, sizeof(disk->serial), "%s", volume->serial);
    return 0;
}

static int check(const struct disk *disk, const struct launch_board *board, struct error *error)
{
    const struct volume *volume = disk->volume;

    if (disk->bus == BUS_SATA && !board->has_sata)
        return refuse(volume, "choose scsi or virtio", "this board has no sata", error);
    if (disk->bus == BUS_VIRTIO && volume->device == VOLUME_CDROM)
        return refuse(volume, "choose sata or scsi", "no CD-ROM drive is on bus virtio", error);
    if (disk->bus != BUS_SCSI && volume->device == VOLUME_LUN)
        return refuse(volume, "choose scsi", "a lun is on bus scsi", error);
    if (disk->bus == BUS_SATA && volume->device == VOLUME_DISK && volume->read_only)
        return refuse(volume, "choose scsi or virtio", "a sata disk can't be read-only", error);
    return 0;
}

static unsigned port_number(const char *bus)
{
    unsigned number = 0;
    int length = 0;

    if (sscanf(bus, PORT "%3u%n", &number, &length) != 1 || bus[length] != '\0' ||
        number > PORTS_MAX)
        return 0;
    return number;
}

/* Where it was, unless another one is there. */
static void place_again(struct disks *disks, struct disk *disk, const struct layout *layout)
{
    struct layout_place place;
    unsigned port;

    if (!layout_find(layout, disk->id, &place))
        return;
    if (disk->bus == BUS_SCSI && place.on_scsi && strcmp(place.bus, SCSI_BUS) == 0 &&
        place.scsi_id < TARGETS && place.lun < LUNS && !disks->luns[place.scsi_id][place.lun]) {
        disk->scsi_id = place.scsi_id;
        disk->lun = place.lun;
        disk->placed = disks->luns[place.scsi_id][place.lun] = true;
    }
    port = port_number(place.bus);
    if (is_hotpluggable_virtio(disk) && port != 0 && !disks->ports[port]) {
        disk->port = port;
        disk->placed = disks->ports[port] = true;
    }
}

/* LUN 0 is for the disks that stay, of which one is booted from. */
static int place_lun(struct disks *disks, struct disk *disk, struct error *error)
{
    for (disk->lun = disk->volume->hotpluggable ? 1 : 0; disk->lun < LUNS; disk->lun++) {
        if (!disks->luns[0][disk->lun]) {
            disks->luns[0][disk->lun] = true;
            return 0;
        }
    }
    return refuse(disk->volume, "use fewer disks", "no LUN is left", error);
}

static int place(struct disks *disks, struct disk *disk, struct error *error)
{
    if (disk->placed)
        return 0;
    if (disk->bus == BUS_SCSI)
        return place_lun(disks, disk, error);
    if (disk->bus == BUS_SATA) {
        disk->port = disks->sata_count++;
        return disk->port < SATA_PORTS ? 0
                                       : refuse(disk->volume, "choose scsi or virtio",
                                                "the board has six sata ports", error);
    }
    if (!disk->volume->hotpluggable)
        return 0;
    for (disk->port = 1; disk->port <= PORTS_MAX; disk->port++) {
        if (!disks->ports[disk->port]) {
            disks->ports[disk->port] = true;
            return 0;
        }
    }
    return refuse(disk->volume, "choose scsi", "no port is left", error);
}

/* Ports that are taken, and some that are not. */
static void count_ports(struct disks *disks)
{
    unsigned taken = 0, highest = 0, port;

    for (port = 1; port <= PORTS_MAX; port++) {
        if (disks->ports[port]) {
            taken++;
            highest = port;
        }
    }
    disks->port_count = taken + LAUNCH_ARGUMENTS_PORTS;
    if (disks->port_count < highest)
        disks->port_count = highest;
    if (disks->port_count > PORTS_MAX)
        disks->port_count = PORTS_MAX;
}

/* Where nothing is said, a VM without a kernel boots from its disks one after the other. */
static void order(struct disks *disks, const struct virtual_machine *vm)
{
    bool said = vm->kernel != NULL;
    size_t i;

    for (i = 0; i < disks->count; i++)
        said |= disks->items[i].volume->boot_order != 0;
    for (i = 0; i < disks->count; i++)
        disks->items[i].boot_index = said ? disks->items[i].volume->boot_order : (unsigned)i + 1;
}

static int place_all(struct disks *disks, const struct launch_input *input,
                     const struct launch_board *board, struct error *error)
{
    struct disk *disk;
    size_t i;

    for (i = 0; i < disks->count; i++) {
        disk = &disks->items[i];
        disk->volume = &input->vm->volumes[i];
        disk->bus = bus_of(disk->volume, board);
        launch_arguments_volume_id(disk->volume, disk->id);
        if (check(disk, board, error) < 0 || choose_serial(disk, error) < 0)
            return -1;
        place_again(disks, disk, input->layout);
    }
    for (i = 0; i < disks->count; i++) {
        if (place(disks, &disks->items[i], error) < 0)
            return -1;
    }
    count_ports(disks);
    order(disks, input->vm);
    return 0;
}

/* ---- what they are ---- */

/* A file that the launch makes need not be there yet. */
static int find_image(const struct launch_input *input, const struct volume *volume,
                      struct image *image, struct error *error)
{
    bool made = volume->source == VOLUME_EMPTY_DISK;
    struct error problem = ERROR_INIT;
    char path[PATH_MAX];

    if (claims_find_file(input->claims, volume, path, sizeof(path), &problem) == 0) {
        made |= volume->may_make && access(path, F_OK) < 0 && errno == ENOENT;
        *image = (struct image){.format = "raw"};
        (void)snprintf(image->path, sizeof(image->path), "%s", path);
        if (made || image_inspect(path, NULL, volume->read_only, image, &problem) == 0)
            return 0;
    }
    (void)error_set(error, problem.code, "", "%s: %s", volume->volume_path, problem.why);
    error_advise(error, "%s", problem.fix);
    return -1;
}

static void add_node(struct argv *argv, const struct disk *disk, const struct image *image)
{
    const struct volume *volume = disk->volume;
    json_t *node = image_node(image, disk->id, volume->read_only);

    image_tune(&node, image, virtual_machine_is_direct(volume), volume->io);
    argv_json(argv, "-blockdev", node);
}

static const char *driver_of(const struct disk *disk)
{
    switch (disk->volume->device) {
    case VOLUME_CDROM:
        return disk->bus == BUS_SATA ? "ide-cd" : "scsi-cd";
    case VOLUME_LUN:
        return "scsi-block";
    default:
        return disk->bus == BUS_VIRTIO ? "virtio-blk-pci"
                                       : disk->bus == BUS_SATA ? "ide-hd" : "scsi-hd";
    }
}

static void set_place(json_t **device, const struct disk *disk)
{
    char bus[16];

    if (disk->bus == BUS_SCSI) {
        field_set(device, "bus", json_string(SCSI_BUS));
        field_set(device, "channel", json_integer(0));
        field_set(device, "scsi-id", json_integer(disk->scsi_id));
        field_set(device, "lun", json_integer(disk->lun));
        return;
    }
    if (disk->bus == BUS_SATA)
        (void)snprintf(bus, sizeof(bus), "ide.%u", disk->port);
    else if (disk->port != 0)
        (void)snprintf(bus, sizeof(bus), PORT "%u", disk->port);
    else
        return;
    field_set(device, "bus", json_string(bus));
}

static void add_device(struct argv *argv, const struct disk *disk)
{
    const struct volume *volume = disk->volume;
    const char *write_cache = virtual_machine_write_cache(volume);
    json_t *device = json_pack("{s:s, s:s}", "driver", driver_of(disk), "id", disk->id);

    set_place(&device, disk);
    if (volume->source != VOLUME_NO_MEDIUM)
        field_set(&device, "drive", json_string(disk->id));
    if (volume->device != VOLUME_LUN)
        field_set(&device, "serial", json_string(disk->serial));
    if (write_cache != NULL && volume->device == VOLUME_DISK)
        field_set(&device, "write-cache", json_string(write_cache));
    if (disk->boot_index != 0)
        field_set(&device, "bootindex", json_integer(disk->boot_index));
    argv_json(argv, "-device", device);
}

static int add_disk(struct argv *argv, const struct launch_input *input, const struct disk *disk,
                    struct error *error)
{
    struct image image;

    if (disk->volume->source != VOLUME_NO_MEDIUM) {
        if (find_image(input, disk->volume, &image, error) < 0)
            return -1;
        if (disk->volume->device == VOLUME_LUN && !image.block_device)
            return refuse(disk->volume, "make it a disk, or give a block device of the host",
                          "a lun passes a block device through, and this is a file", error);
        add_node(argv, disk, &image);
    }
    add_device(argv, disk);
    return 0;
}

static void add_ports(struct argv *argv, unsigned count)
{
    unsigned i;

    for (i = 0; i < count; i++)
        argv_option(argv, "-device", "pcie-root-port,id=" PORT "%u,chassis=%u,addr=0x%x.%u%s",
                    i + 1, i + 1, PORTS_SLOT + i / 8, i % 8,
                    i % 8 == 0 ? ",multifunction=on" : "");
}

int launch_arguments_add_disks(struct argv *argv, const struct launch_input *input,
                               const struct launch_board *board, struct error *error)
{
    AUTO_FREE struct disks *disks = calloc(1, sizeof(*disks));
    AUTO_FREE struct disk *items = calloc(input->vm->volume_count + 1, sizeof(*items));
    size_t i;

    if (disks == NULL || items == NULL)
        return error_set(error, ERROR_SYSTEM, "", "out of memory");
    disks->items = items;
    disks->count = input->vm->volume_count;
    if (place_all(disks, input, board, error) < 0)
        return -1;
    add_ports(argv, disks->port_count);
    for (i = 0; i < disks->count; i++) {
        if (add_disk(argv, input, &disks->items[i], error) < 0)
            return -1;
    }
    return 0;
}
