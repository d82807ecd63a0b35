/* SPDX-License-Identifier: MIT */
/*
 * A disk is a block node and a scsi-hd in front of it, on a virtio-scsi bus. There is no _OST for
 * it: the guest's own list of disks is looked through for the serial, and where the agent gives no
 * serials (a guest without udev) the disk's page 0x80 is read in sysfs, the way `cat` would. The
 * agent tells a LUN but neither target nor bus, so every disk gets a LUN of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "qmp/qapi.h"
#include "vmm/image.h"
#include "vmm/operation_kind.h"

#define NODE_NAME_MAX 31 /* QEMU's limit */
#define SERIAL_MAX 36    /* what a guest sees of it in VPD page 0x80 */
#define FIRST_LUN 1      /* 0 is where a boot disk goes */
#define LAST_LUN 255     /* above, Linux addresses LUNs in another way */
#define HIGHEST_LUN 16383
#define TARGETS 256
#define ANY_BUS "scsi"
#define SCSI_DISK "/dev/sd"
#define VPD_HEADER 4

/* Where a disk goes: an address on a bus. */
struct place {
    const char *bus;
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
 * `anywhere` no disk of this VM. */
static bool find_lun(const struct inventory_disks *disks, struct place *place, bool anywhere,
                     unsigned nth)
{
    const struct inventory_scsi_device *device;
    bool taken[LAST_LUN + 1] = {false};

    SLIST_FOREACH(device, &disks->scsi_devices, link) {
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
    const struct inventory_disks *disks = &operation->before->disks;
    const struct operation_disk *disk = &operation->request.disk;

    place->scsi_id = 0;
    place->lun = disk->lun;
    if (disk->lun_set)
        return is_free(disks, place);
    if (find_lun(disks, place, true, operation->request.nth))
        return true;
    for (; place->scsi_id < TARGETS; place->scsi_id++) {
        if (find_lun(disks, place, false, 0))
            return true;
    }
    return false;
}

/* full: the buses that were meant, which is none where there is no such bus. */
static int refuse_place(const struct operation_disk *disk, const char *full, struct error *error)
{
    if (*full != '\0' && disk->lun_set)
        return error_set(error, ERROR_BLOCKED, "choose another --lun, or none",
                         "LUN %u is taken on %s", disk->lun, full);
    if (*full != '\0')
        return error_set(error, ERROR_BLOCKED, "give QEMU another virtio-scsi device",
                         "no address is left on %s", full);
    if (disk->bus == NULL || strcmp(disk->bus, ANY_BUS) == 0)
        return error_set(error, ERROR_BLOCKED, "start QEMU with -device virtio-scsi-pci",
                         "this QEMU has no virtio-scsi bus");
    return error_set(error, ERROR_BLOCKED, "see vmplug status for the buses there are",
                     "this QEMU has no virtio-scsi bus named '%s'", disk->bus);
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

    if (disk->lun_set && disk->lun > HIGHEST_LUN)
        return error_set(error, ERROR_BLOCKED, "choose a --lun from 0 to 16383",
                         "virtio-scsi has no LUN %u", disk->lun);
    for (i = 0; i < disks->bus_count; i++) {
        place->bus = disks->buses[i].name;
        if (*place->bus == '\0' || (!any && strcmp(place->bus, disk->bus) != 0))
            continue;
        if (find_room(operation, place))
            return 0;
        used = strlen(full);
        (void)snprintf(full + used, sizeof(full) - used, "%s%s", used > 0 ? ", " : "", place->bus);
    }
    return refuse_place(disk, full, error);
}

static int choose_serial(struct operation *operation, struct error *error)
{
    const struct inventory_disks *disks = &operation->before->disks;
    const char *serial = operation->request.disk.serial;
    size_t i;

    if (serial == NULL)
        serial = operation->result.id;
    if (strlen(serial) == 0 || strlen(serial) > SERIAL_MAX ||
        strspn(serial, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._") !=
            strlen(serial))
        return error_set(error, ERROR_INVALID, "use letters, digits, '-', '.' and '_'",
                         "'%s' is no serial, which has 1 to %d characters", serial, SERIAL_MAX);
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
    operation_detail(operation, "lun", json_integer(operation->lun));
    operation_detail(operation, "serial", json_string(operation->serial));
    if (image->header_ignored)
        operation_detail(operation, "note",
                         json_string("taken as raw because of its name, although it begins like "
                                     "a qcow2 image"));
}

/* A disk that stands already. */
static int take_up(struct operation *operation, struct error *error)
{
    const struct inventory_disks *disks = &operation->before->disks;
    size_t i;

    for (i = 0; i < disks->disk_count; i++) {
        if (strcmp(disks->disks[i].id, operation->request.id) != 0 || disks->disks[i].cdrom)
            continue;
        (void)snprintf(operation->result.id, OPERATION_ID_MAX, "%s", operation->request.id);
        text_copy(operation->serial, sizeof(operation->serial), disks->disks[i].serial);
        operation->lun = disks->disks[i].lun;
        operation_detail(operation, "file", json_string(disks->disks[i].file));
        operation_detail(operation, "serial", json_string(operation->serial));
        return 0;
    }
    return error_set(error, ERROR_BLOCKED, "see vmplug disk list for those there are",
                     "there is no disk '%s'", operation->request.id);
}

static int plan(struct operation *operation, struct error *error)
{
    const struct operation_disk *disk = &operation->request.disk;
    struct place place;
    struct image image;
    json_t *device;

    if (choose_place(operation, &place, error) < 0 ||
        image_inspect(disk->file, disk->format, disk->read_only, &image, error) < 0 ||
        operation_choose_id(operation, "vmplug-disk-", operation->request.nth, NODE_NAME_MAX,
                            error) < 0 ||
        choose_serial(operation, error) < 0)
        return -1;
    operation->lun = place.lun;
    device = json_pack("{s:s, s:s, s:s, s:i, s:i, s:i, s:s, s:s}", "driver", "scsi-hd", "id",
                       operation->result.id, "bus", place.bus, "channel", 0, "scsi-id",
                       (int)place.scsi_id, "lun", (int)place.lun, "drive", operation->result.id,
                       "serial", operation->serial);
    operation_add_step(operation, "blockdev-add",
                       image_node(&image, operation->result.id, disk->read_only), "blockdev-del",
                       json_pack("{s:s}", "node-name", operation->result.id),
                       operation->result.id);
    operation_add_step(operation, "device_add", device, NULL, NULL, operation->result.id);
    describe(operation, &image, place.bus);
    return 0;
}

static bool is_realized(struct operation *operation, const json_t *answer)
{
    struct qapi_block block;
    const json_t *row;
    size_t i;

    json_array_foreach(answer, i, row) {
        qapi_read_block(row, &block);
        if (strcmp(block.qdev, operation->result.id) == 0)
            return true;
    }
    return false;
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

static void on_page(struct operation *operation, const struct error *error)
{
    if (error == NULL &&
        page_holds(operation->file.bytes, operation->file.size, operation->serial)) {
        found(operation, &operation->candidates[operation->candidate]);
    } else {
        operation->candidate++;
        read_next_candidate(operation);
    }
}

/* A disk that the guest had before is not the new one, whatever its serial. */
static bool was_there(const struct operation *operation, const struct qga_disk *disk)
{
    const struct inventory_guest *guest = &operation->before->guest;
    size_t i;

    for (i = 0; i < guest->disk_count && !operation->request.resume; i++) {
        if (strcmp(guest->disks[i].name, disk->name) == 0)
            return true;
    }
    return false;
}

/* Could it be a scsi-hd at our LUN? zram, md and loop devices have no address. */
static bool is_candidate(const struct operation *operation, const struct qga_disk *disk)
{
    if (was_there(operation, disk))
        return false;
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
    if (!operation_can_read_files(operation)) {
        operation_cannot_look(operation, "disk-identity",
                              "the guest agent gives no serials and may not read files");
        return;
    }
    disk = &operation->candidates[operation->candidate];
    (void)snprintf(path, sizeof(path), "/sys/block/%s/device/vpd_pg80",
                   disk->name + strlen("/dev/"));
    operation_read_file(operation, path, on_page);
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
    operation_ask_agent(operation, "guest-get-disks", NULL, on_disks);
}

/* The text is QEMU's; nothing but advice hangs on it. */
static void advise(struct error *error)
{
    if (strstr(error->why, "\" lock") != NULL)
        error_advise(error, "another process has the image open: end it, or add --read-only to "
                            "both");
    else if (strstr(error->why, "Permission denied") != NULL)
        error_advise(error, "give the user that QEMU runs as access to the image, or add "
                            "--read-only");
    else if (strstr(error->why, "Failed to connect") != NULL ||
             strstr(error->why, "by timeout") != NULL)
        error_advise(error, "look whether the server runs, has a connection to spare, and can be "
                            "reached from this host");
}

static const char *const agent_commands[] = {"guest-get-disks", NULL};

const struct operation_kind disk_add_kind = {
    .name = "disk-add",
    .top = VERDICT_ONLINE,
    .guest_decides = true,
    .parts = INVENTORY_DISKS | INVENTORY_GUEST_DISKS,
    .has_ost = false,
    .agent_commands = agent_commands,
    .has_undo_type = true,
    .undo_type = OPERATION_DISK_REMOVE,
    .plan = plan,
    .take_up = take_up,
    .realized_query = "query-block",
    .is_realized = is_realized,
    .look_inside = look_inside,
    .advise = advise,
};
