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
#define TARGETS 256
#define VPD_HEADER 4

static bool is_free(const struct inventory_disks *disks, unsigned lun, const char *bus,
                    bool any_place, unsigned scsi_id)
{
    const struct inventory_scsi_device *device;

    SLIST_FOREACH(device, &disks->scsi_devices, link) {
        if (device->lun != lun)
            continue;
        if (any_place || (strcmp(device->bus, bus) == 0 && device->scsi_id == scsi_id))
            return false;
    }
    return true;
}

/* A LUN that no other disk of this VM has; when all are taken, one that is free on some target. */
static int choose_lun(const struct operation *operation, const char *bus, unsigned *ret_scsi_id,
                      unsigned *ret_lun, struct error *error)
{
    const struct inventory_disks *disks = &operation->before->disks;
    const struct operation_disk *disk = &operation->request.disk;
    unsigned scsi_id, lun, nth = operation->request.nth;

    *ret_scsi_id = 0;
    *ret_lun = disk->lun;
    if (disk->lun_set) {
        if (disk->lun > 16383)
            return error_set(error, ERROR_BLOCKED, "choose a --lun from 0 to 16383",
                             "virtio-scsi has no LUN %u", disk->lun);
        if (!is_free(disks, disk->lun, bus, false, 0))
            return error_set(error, ERROR_BLOCKED, "choose another --lun, or none",
                             "LUN %u of %s is taken", disk->lun, bus);
        return 0;
    }
    for (lun = FIRST_LUN; lun <= LAST_LUN; lun++) {
        *ret_lun = lun;
        if (is_free(disks, lun, bus, true, 0) && nth-- == 0)
            return 0;
    }
    for (scsi_id = 1; scsi_id < TARGETS; scsi_id++) {
        for (lun = FIRST_LUN; lun <= LAST_LUN; lun++) {
            *ret_scsi_id = scsi_id;
            *ret_lun = lun;
            if (is_free(disks, lun, bus, false, scsi_id))
                return 0;
        }
    }
    return error_set(error, ERROR_BLOCKED, "give QEMU another virtio-scsi device",
                     "%s has no free address left", bus);
}

static const char *choose_bus(const struct operation *operation, struct error *error)
{
    const struct inventory_disks *disks = &operation->before->disks;
    const char *wanted = operation->request.disk.bus;
    bool any = wanted == NULL || strcmp(wanted, "scsi") == 0;
    size_t i;

    for (i = 0; i < disks->bus_count; i++) {
        if (disks->buses[i].name[0] != '\0' && (any || strcmp(disks->buses[i].name, wanted) == 0))
            return disks->buses[i].name;
    }
    if (any)
        (void)error_set(error, ERROR_BLOCKED, "start QEMU with -device virtio-scsi-pci",
                        "this QEMU has no virtio-scsi bus");
    else
        (void)error_set(error, ERROR_BLOCKED, "see vmplug status for the buses there are",
                        "this QEMU has no virtio-scsi bus named '%s'", wanted);
    return NULL;
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

static json_t *node_arguments(const struct operation *operation, const struct image *image)
{
    json_t *node = json_pack("{s:s, s:s, s:{s:s, s:s}}", "driver", image->format, "node-name",
                             operation->result.id, "file", "driver",
                             image->block_device ? "host_device" : "file", "filename",
                             image->path);

    if (operation->request.disk.read_only)
        (void)json_object_set_new(node, "read-only", json_true());
    return node;
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
    const char *bus = choose_bus(operation, error);
    unsigned scsi_id;
    struct image image;
    json_t *device;

    if (bus == NULL || image_inspect(disk->file, disk->format, disk->read_only, &image, error) < 0)
        return -1;
    if (operation_choose_id(operation, "vmplug-disk-", operation->request.nth, NODE_NAME_MAX, error) < 0 ||
        choose_serial(operation, error) < 0 ||
        choose_lun(operation, bus, &scsi_id, &operation->lun, error) < 0)
        return -1;
    device = json_pack("{s:s, s:s, s:s, s:i, s:i, s:i, s:s, s:s}", "driver", "scsi-hd", "id",
                       operation->result.id, "bus", bus, "channel", 0, "scsi-id", (int)scsi_id,
                       "lun", (int)operation->lun, "drive", operation->result.id, "serial",
                       operation->serial);
    operation_add_step(operation, "blockdev-add", node_arguments(operation, &image),
                       "blockdev-del", json_pack("{s:s}", "node-name", operation->result.id),
                       operation->result.id);
    operation_add_step(operation, "device_add", device, NULL, NULL, operation->result.id);
    describe(operation, &image, bus);
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
    if (error == NULL && page_holds(operation->file.bytes, operation->file.size, operation->serial)) {
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

/* The agent gives udev's ID_SERIAL, which for a scsi-hd is vendor and model before the serial. */
static bool names_serial(const struct operation *operation, const struct qga_disk *disk)
{
    size_t length = strlen(disk->serial), wanted = strlen(operation->serial);
    const char *end = disk->serial + length;

    if (length < wanted || strcmp(end - wanted, operation->serial) != 0)
        return false;
    return length == wanted || *(end - wanted - 1) == '_';
}

static bool is_candidate(const struct operation *operation,
                         const struct qga_disk *disk)
{
    return !disk->has_unit || disk->unit == operation->lun;
}

static void read_next_candidate(struct operation *operation)
{
    const struct qga_disk *disk;
    char path[128];

    while (operation->candidate < operation->candidate_count &&
           (was_there(operation, &operation->candidates[operation->candidate]) ||
            !is_candidate(operation, &operation->candidates[operation->candidate])))
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
    if (error != NULL || !qga_read_disks(value, &operation->candidates,
                                                     &operation->candidate_count)) {
        operation_look_later(operation);
        return;
    }
    for (i = 0; i < operation->candidate_count; i++) {
        if (!was_there(operation, &operation->candidates[i]) &&
            names_serial(operation, &operation->candidates[i])) {
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
        error_advise(error, "give the user that QEMU runs as access to the image");
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
