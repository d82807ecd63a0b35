/* SPDX-License-Identifier: MIT */
/*
 * A disk is a block node and a device in front of it: a scsi-hd on a virtio-scsi bus, or a
 * virtio-blk in a PCI port. There is no _OST for it: the guest's own list of disks is looked
 * through for the serial, and where the agent gives no serials (a guest without udev) it is read in
 * sysfs, the way `cat` would, for a scsi-hd as page 0x80. The agent tells a LUN but neither target
 * nor bus, so every scsi-hd gets a LUN of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "qmp/field.h"
#include "qmp/qapi.h"
#include "vmm/drive.h"
#include "vmm/image.h"
#include "vmm/hazard.h"
#include "vmm/pci_port.h"
#include "vmm/words.h"

#define NODE_NAME_MAX 31 /* QEMU's limit */
#define VIRTIO_SERIAL_MAX 20
#define FIRST_LUN 1      /* 0 is where a boot disk goes */
#define LAST_LUN 255     /* above, Linux addresses LUNs in another way */
#define HIGHEST_LUN 16383
#define TARGETS 256
#define ANY_BUS "scsi"
#define VIRTIO "virtio"
#define SCSI_DISK "/dev/sd"
#define VIRTIO_DISK "/dev/vd"
#define VPD_HEADER 4

/* Where a disk goes: an address on a SCSI bus, or a PCI bus that takes it as it comes. */
struct place {
    char bus[INVENTORY_ID_MAX];
    unsigned scsi_id, lun;
};

static bool is_free(const struct inventory_disks *disks, const struct place *place)
{
    const struct inventory_scsi_device *device;

    SLIST_FOREACH(device, &disks->scsi_devices, link) {
        if (device->lun == place->lun && device->scsi_id == place->scsi_id &&
            strcmp(device->bus, place->bus) == 0)
            return false;
    }
    return true;
}

/* The lowest LUN, after the first so many, that no disk of the place's target has, or with
 * `anywhere` no disk of this VM, nor of its guest: that lets go of a disk later than QEMU, and one
 * in the same place could not be told from it. */
static bool find_lun(const struct inventory *before, struct place *place, bool anywhere,
                     unsigned nth)
{
    const struct inventory_guest *guest = &before->guest;
    const struct inventory_scsi_device *device;
    bool taken[LAST_LUN + 1] = {false};
    size_t i;

    for (i = 0; anywhere && i < guest->disk_count; i++) {
        if (guest->disks[i].has_unit && guest->disks[i].unit <= LAST_LUN)
            taken[guest->disks[i].unit] = true;
    }
    SLIST_FOREACH(device, &before->disks.scsi_devices, link) {
        if (device->lun <= LAST_LUN &&
            (anywhere || (device->scsi_id == place->scsi_id &&
                          strcmp(device->bus, place->bus) == 0)))
            taken[device->lun] = true;
    }
    for (place->lun = FIRST_LUN; place->lun <= LAST_LUN; place->lun++) {
        if (!taken[place->lun] && nth-- == 0)
            return true;
    }
    return false;
}

/* Room on the place's bus: at the LUN that was asked for, else at one that no other disk of this VM
 * has; when all are taken, at one that is free on some target. */
static bool find_room(const struct operation *operation, struct place *place)
{
    const struct inventory *before = operation->before;
    const struct operation_disk *disk = &operation->request.disk;

    place->scsi_id = 0;
    place->lun = disk->lun;
    if (disk->lun_set)
        return is_free(&before->disks, place);
    if (find_lun(before, place, true, operation->request.nth))
        return true;
    for (; place->scsi_id < TARGETS; place->scsi_id++) {
        if (find_lun(before, place, false, 0))
            return true;
    }
    return false;
}

/* full: the buses that were meant, which is none where there is no such bus. */
static int refuse_place(const struct operation *operation, const char *full, struct error *error)
{
    const struct operation_disk *disk = &operation->request.disk;

    if (*full != '\0' && disk->lun_set)
        return error_set(error, ERROR_BLOCKED, "choose another --lun, or none",
                         "LUN %u is taken on %s", disk->lun, full);
    if (*full != '\0')
        return error_set(error, ERROR_BLOCKED, "give QEMU another virtio-scsi device",
                         "no address is left on %s", full);
    if (disk->bus == NULL || strcmp(disk->bus, ANY_BUS) == 0)
        return error_set(error, ERROR_BLOCKED, inventory_scsi_fix(operation->before),
                         "this QEMU has no virtio-scsi bus");
    return error_set(error, ERROR_BLOCKED, "see vmplug status for the buses there are",
                     "this QEMU has no virtio-scsi bus named '%s'", disk->bus);
}

static bool wants_virtio(const struct operation_disk *disk)
{
    return disk->bus != NULL && strcmp(disk->bus, VIRTIO) == 0;
}

static int choose_port(const struct operation *operation, struct place *place,
                       struct error *error)
{
    if (operation->request.disk.lun_set)
        return error_set(error, ERROR_INVALID, "leave --lun out, or choose a SCSI --bus",
                         "a virtio-blk disk has no LUN");
    if (!operation->request.force &&
        hazard_check_memory_map(operation->vm, operation->before, error) < 0)
        return -1;
    return pci_port_choose(operation->before, place->bus, error);
}

static unsigned parts_of(const struct operation_request *request)
{
    return wants_virtio(&request->disk) ? INVENTORY_PCI | HAZARD_PARTS : 0;
}

/* The first bus with room. */
static int choose_place(const struct operation *operation, struct place *place,
                        struct error *error)
{
    const struct inventory_disks *disks = &operation->before->disks;
    const struct operation_disk *disk = &operation->request.disk;
    bool any = disk->bus == NULL || strcmp(disk->bus, ANY_BUS) == 0;
    char full[256] = "";
    size_t used, i;

    if (wants_virtio(disk))
        return choose_port(operation, place, error);
    if (disk->lun_set && disk->lun > HIGHEST_LUN)
        return error_set(error, ERROR_BLOCKED, "choose a --lun from 0 to 16383",
                         "virtio-scsi has no LUN %u", disk->lun);
    for (i = 0; i < disks->bus_count; i++) {
        text_copy(place->bus, sizeof(place->bus), disks->buses[i].name);
        if (*place->bus == '\0' || (!any && strcmp(place->bus, disk->bus) != 0))
            continue;
        if (find_room(operation, place))
            return 0;
        used = strlen(full);
        (void)snprintf(full + used, sizeof(full) - used, "%s%s", used > 0 ? ", " : "", place->bus);
    }
    return refuse_place(operation, full, error);
}

static int choose_serial(struct operation *operation, struct error *error)
{
    const struct inventory_disks *disks = &operation->before->disks;
    const char *serial = operation->request.disk.serial;
    size_t length_max = operation->on_virtio ? VIRTIO_SERIAL_MAX : WORDS_SERIAL_MAX, i;

    if (serial == NULL)
        serial = operation->result.id;
    if (words_check_serial(serial, length_max, error) < 0)
        return -1;
    for (i = 0; i < disks->disk_count; i++) {
        if (strcmp(disks->disks[i].serial, serial) == 0)
            return error_set(error, ERROR_BLOCKED, "choose another --serial",
                             "the disk '%s' has the serial '%s' already, and the guest could not "
                             "tell them apart",
                             disks->disks[i].id, serial);
    }
    text_copy(operation->serial, sizeof(operation->serial), serial);
    return 0;
}

static void describe(struct operation *operation, const struct image *image, const char *bus)
{
    operation_detail(operation, "file", json_string(image->path));
    operation_detail(operation, "format", json_string(image->format));
    operation_detail(operation, "bus", json_string(bus));
    if (!operation->on_virtio)
        operation_detail(operation, "lun", json_integer(operation->lun));
    operation_detail(operation, "serial", json_string(operation->serial));
    if (image->header_ignored)
        operation_note(operation, "taken as raw because of its name, although it begins like "
                                  "a qcow2 image");
}

/* A disk that stands already. */
static int take_up(struct operation *operation, struct error *error)
{
    const struct inventory_disk *disk = drive_find(operation, false, error);

    if (disk == NULL)
        return -1;
    text_copy(operation->serial, sizeof(operation->serial), disk->serial);
    operation->lun = disk->lun;
    operation->on_virtio = strcmp(disk->bus, VIRTIO) == 0;
    operation_detail(operation, "file", json_string(disk->file));
    operation_detail(operation, "serial", json_string(operation->serial));
    return 0;
}

static json_t *node_arguments(const struct operation *operation, const struct image *image)
{
    const struct operation_disk *disk = &operation->request.disk;
    json_t *node = image_node(image, operation->result.id, disk->read_only);

    image_tune(&node, image, disk->direct, disk->aio);
    return node;
}

static json_t *device_arguments(const struct operation *operation, const struct place *place)
{
    const char *id = operation->result.id, *write_cache = operation->request.disk.write_cache;
    json_t *device;

    if (operation->on_virtio)
        device = json_pack("{s:s, s:s, s:s, s:s, s:s}", "driver", "virtio-blk-pci", "id", id,
                           "bus", place->bus, "drive", id, "serial", operation->serial);
    else
        device = json_pack("{s:s, s:s, s:s, s:i, s:i, s:i, s:s, s:s}", "driver", "scsi-hd", "id",
                           id, "bus", place->bus, "channel", 0, "scsi-id", (int)place->scsi_id,
                           "lun", (int)place->lun, "drive", id, "serial", operation->serial);
    if (write_cache != NULL)
        field_set(&device, "write-cache", json_string(write_cache));
    return device;
}

static int plan(struct operation *operation, struct error *error)
{
    const struct operation_disk *disk = &operation->request.disk;
    const char *id = operation->result.id;
    struct place place = {.bus = ""};
    struct image image;

    operation->on_virtio = wants_virtio(disk);
    if (choose_place(operation, &place, error) < 0 ||
        image_inspect(disk->file, disk->format, disk->read_only, &image, error) < 0 ||
        operation_choose_id(operation, "vmplug-disk-", operation->request.nth, NODE_NAME_MAX,
                            error) < 0 ||
        choose_serial(operation, error) < 0)
        return -1;
    operation->lun = place.lun;
    (void)snprintf(operation->path, sizeof(operation->path),
                   operation->on_virtio ? "/machine/peripheral/%s/virtio-backend" : "%s", id);
    operation_add_step(operation, "blockdev-add", node_arguments(operation, &image), "blockdev-del",
                       json_pack("{s:s}", "node-name", id), id);
    operation_add_step(operation, "device_add", device_arguments(operation, &place), NULL, NULL,
                       id);
    describe(operation, &image, place.bus);
    return 0;
}

static bool is_realized(struct operation *operation, const json_t *answer)
{
    struct qapi_block row;

    return drive_read(operation, answer, &row);
}

/* A port is looked at again: somebody may have filled it. */
static bool enter(struct operation *operation)
{
    const json_t *arguments = operation->steps[operation->step_count - 1].arguments;
    struct inventory_disks *disks = &operation->before->disks;
    struct inventory_scsi_device *device = calloc(1, sizeof(*device));
    struct inventory_disk *grown =
        reallocarray(disks->disks, disks->disk_count + 1, sizeof(*disks->disks));

    if (grown != NULL)
        disks->disks = grown;
    if (grown == NULL || device == NULL || operation->on_virtio) {
        free(device);
        return false;
    }
    SLIST_INSERT_HEAD(&disks->scsi_devices, device, link);
    text_copy(device->bus, sizeof(device->bus), field_string(arguments, "bus", ""));
    (void)field_unsigned(arguments, "scsi-id", &device->scsi_id);
    device->lun = operation->lun;
    grown = &grown[disks->disk_count++];
    *grown = (struct inventory_disk){.on_scsi = true};
    text_copy(grown->id, sizeof(grown->id), operation->result.id);
    text_copy(grown->serial, sizeof(grown->serial), operation->serial);
    return true;
}

/* ---- the guest's side ---- */

static void read_next_candidate(struct operation *operation);

static void found(struct operation *operation, const struct qga_disk *disk)
{
    operation_detail(operation, "guest_name", json_string(disk->name));
    operation_confirmed(operation);
}

/* VPD page 0x80: a header of four bytes whose last is the length, then the serial, perhaps padded
 * with spaces (SPC-4, 7.8.15). */
static bool page_holds(const unsigned char *page, size_t size, const char *serial)
{
    size_t length;

    if (size < VPD_HEADER)
        return false;
    length = page[VPD_HEADER - 1];
    if (length > size - VPD_HEADER)
        length = size - VPD_HEADER;
    while (length > 0 && page[VPD_HEADER + length - 1] == ' ')
        length--;
    return length == strlen(serial) && memcmp(page + VPD_HEADER, serial, length) == 0;
}

/* A virtio-blk has an attribute that is the serial and nothing else. */
static bool attribute_is(const unsigned char *text, size_t size, const char *serial)
{
    if (size > 0 && text[size - 1] == '\n')
        size--;
    return size == strlen(serial) && memcmp(text, serial, size) == 0;
}

static void on_serial(struct operation *operation, const struct error *error)
{
    const struct operation_file *file = &operation->file;

    if (error == NULL && (operation->on_virtio
                              ? attribute_is(file->bytes, file->size, operation->serial)
                              : page_holds(file->bytes, file->size, operation->serial))) {
        found(operation, &operation->candidates[operation->candidate]);
    } else {
        operation->candidate++;
        read_next_candidate(operation);
    }
}

/* A disk that the guest had before is not the new one, whatever its serial. */
static bool was_there(const struct operation *operation, const struct qga_disk *disk)
{
    return !operation->request.resume && inventory_guest_had(operation->before, disk);
}

/* What has gone since leaves its name to the next one. */
static void forget_gone(struct operation *operation)
{
    struct inventory_guest *guest = &operation->before->guest;
    size_t i = 0, now;

    while (i < guest->disk_count) {
        for (now = 0; now < operation->candidate_count; now++) {
            if (strcmp(operation->candidates[now].name, guest->disks[i].name) == 0)
                break;
        }
        if (now < operation->candidate_count)
            i++;
        else
            guest->disks[i] = guest->disks[--guest->disk_count];
    }
}

/* Could it be ours: a virtio-blk, or a scsi-hd at our LUN? zram, md and loop devices have no
 * address. */
static bool is_candidate(const struct operation *operation, const struct qga_disk *disk)
{
    bool named_virtio = strncmp(disk->name, VIRTIO_DISK, strlen(VIRTIO_DISK)) == 0;

    if (was_there(operation, disk) || named_virtio != operation->on_virtio)
        return false;
    if (named_virtio)
        return true;
    return disk->has_unit ? disk->unit == operation->lun
                          : strncmp(disk->name, SCSI_DISK, strlen(SCSI_DISK)) == 0;
}

static void read_next_candidate(struct operation *operation)
{
    const struct qga_disk *disk;
    char path[128];

    while (operation->candidate < operation->candidate_count &&
           !is_candidate(operation, &operation->candidates[operation->candidate]))
        operation->candidate++;
    if (operation->candidate == operation->candidate_count) {
        operation_look_later(operation);
        return;
    }
    if (!inventory_can_read_files(operation->before)) {
        operation_cannot_look(operation, "disk-identity",
                              "the guest agent gives no serials and may not read files");
        return;
    }
    disk = &operation->candidates[operation->candidate];
    (void)snprintf(path, sizeof(path), "/sys/block/%s/%s", disk->name + strlen("/dev/"),
                   operation->on_virtio ? "serial" : "device/vpd_pg80");
    operation_read_file(operation, path, on_serial);
}

static void on_disks(struct operation *operation, const json_t *value, const struct error *error)
{
    size_t i;

    free(STEAL(operation->candidates));
    operation->candidate_count = 0;
    operation->candidate = 0;
    if (error != NULL ||
        !qga_read_disks(value, &operation->candidates, &operation->candidate_count)) {
        operation_look_later(operation);
        return;
    }
    forget_gone(operation);
    for (i = 0; i < operation->candidate_count; i++) {
        if (!was_there(operation, &operation->candidates[i]) &&
            inventory_disk_has_serial(&operation->candidates[i], operation->serial)) {
            found(operation, &operation->candidates[i]);
            return;
        }
    }
    read_next_candidate(operation);
}

static void look_inside(struct operation *operation)
{
    operation_ask_agent(operation, "guest-get-disks", on_disks);
}

/* The text is QEMU's; nothing but advice hangs on it. */
static void advise(struct error *error)
{
    static const struct operation_advice advice[] = {
        {"\" lock", "the image is open already, as a disk of this QEMU or in another process: end "
                    "that, or add --read-only to both"},
        {"Permission denied", "give the user that QEMU runs as access to the image, or add "
                              "--read-only"},
        {NULL, NULL},
    };

    operation_advise(error, advice);
    if (error->fix[0] == '\0')
        drive_advise(error);
}

static const char *const agent_commands[] = {"guest-get-disks", NULL};

const struct operation_kind disk_add_kind = {
    .name = "disk-add",
    .top = VERDICT_ONLINE,
    .guest_decides = true,
    .parts = INVENTORY_DISKS | INVENTORY_GUEST_DISKS | INVENTORY_TYPE,
    .parts_of = parts_of,
    .has_ost = false,
    .agent_commands = agent_commands,
    .has_undo_type = true,
    .undo_type = OPERATION_DISK_REMOVE,
    .plan = plan,
    .take_up = take_up,
    .realized_query = "query-block",
    .is_realized = is_realized,
    .tells_no_more = true,
    .look_inside = look_inside,
    .enter = enter,
    .advise = advise,
};
