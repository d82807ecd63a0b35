/* SPDX-License-Identifier: MIT */
/* The simulated machine's drives: CD-ROMs and their media, sizes and limits. */
#include <stdio.h>
#include <string.h>

#include "tests/fake/sim_parts.h"

#define VIRTIO_BACKEND "/machine/peripheral/%s/virtio-backend"

static const char *text_of(const json_t *arguments, const char *key)
{
    const char *text = json_string_value(json_object_get(arguments, key));

    return text != NULL ? text : "";
}

struct sim_cdrom *sim_find_cdrom(struct sim *sim, const char *id)
{
    unsigned i;

    for (i = 0; i < sim->cdrom_count; i++) {
        if (strcmp(sim->cdroms[i].id, id) == 0)
            return &sim->cdroms[i];
    }
    return NULL;
}

void sim_put_cdrom(struct sim *sim, const char *id, const char *file)
{
    struct sim_cdrom *drive = &sim->cdroms[sim->cdrom_count++];
    struct sim_disk *medium;

    *drive = (struct sim_cdrom){.tray_open = false};
    (void)snprintf(drive->id, sizeof(drive->id), "%s", id);
    if (file == NULL)
        return;
    (void)snprintf(drive->node, sizeof(drive->node), "%.50s-medium", id);
    medium = &sim->disks[sim->disk_count++];
    *medium = (struct sim_disk){.driver = "raw", .read_only = true, .bytes = SIM_MIB};
    (void)snprintf(medium->node, sizeof(medium->node), "%.50s-medium", id);
    (void)snprintf(medium->file, sizeof(medium->file), "%s", file);
}

/* ---- query-block ---- */

json_t *sim_inserted(const struct sim *sim, const struct sim_disk *node)
{
    json_t *inserted = fake_json("{'backing_file_depth':0,'encrypted':false,'detect_zeroes':'off',"
                                 "'write_threshold':0,'cache':{'writeback':true,'direct':false,"
                                 "'no-flush':false}}");

    json_object_set_new(json_object_get(inserted, "cache"), "direct",
                        json_boolean(node->direct));
    json_object_update_new(
        inserted, json_pack("{s:s, s:s, s:s, s:b, s:{s:s, s:s, s:I}}", "file", node->file, "drv",
                            node->driver, "node-name", node->node, "ro", node->read_only, "image",
                            "filename", node->file, "format", node->driver, "virtual-size",
                            (json_int_t)node->bytes));
    json_object_update_new(
        inserted, json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "bps", (json_int_t)node->limits[0],
                            "bps_rd", (json_int_t)node->limits[1], "bps_wr",
                            (json_int_t)node->limits[2], "iops", (json_int_t)node->limits[3],
                            "iops_rd", (json_int_t)node->limits[4], "iops_wr",
                            (json_int_t)node->limits[5]));
    if (sim->major >= 10)
        json_object_set_new(inserted, "active", json_true());
    return inserted;
}

void sim_list_cdroms(struct sim *sim, json_t *rows)
{
    const struct sim_cdrom *drive;
    json_t *row;
    unsigned i;

    for (i = 0; i < sim->cdrom_count; i++) {
        drive = &sim->cdroms[i];
        row = json_pack("{s:s, s:s, s:s, s:b, s:b, s:b}", "device", "", "qdev", drive->id, "type",
                        "unknown", "removable", 1, "locked", drive->locked, "tray_open",
                        drive->tray_open);
        if (drive->node[0] != '\0')
            json_object_set_new(row, "inserted",
                                sim_inserted(sim, sim_find_node(sim, drive->node)));
        json_array_append_new(rows, row);
    }
}

json_t *sim_disk_row(const struct sim *sim, const struct sim_disk *disk)
{
    char qdev[128];

    (void)snprintf(qdev, sizeof(qdev), disk->virtio ? VIRTIO_BACKEND : "%s", disk->id);
    return json_pack("{s:s, s:s, s:s, s:b, s:b, s:o}", "device", "", "qdev", qdev, "type",
                     "unknown", "removable", 0, "locked", 0, "inserted", sim_inserted(sim, disk));
}

/* ---- disks that are plugged in ---- */

static json_t *add_scsi(struct sim *sim, struct sim_disk *disk, const json_t *arguments)
{
    unsigned lun = (unsigned)json_integer_value(json_object_get(arguments, "lun"));
    unsigned scsi_id = (unsigned)json_integer_value(json_object_get(arguments, "scsi-id"));
    const char *bus = text_of(arguments, "bus");
    unsigned i;

    if (sscanf(bus, "scsi%u.0", &i) != 1 || i >= sim->scsi_count)
        return sim_error("GenericError", "Bus '%s' not found", bus);
    for (i = 0; i < sim->disk_count; i++) {
        if (sim->disks[i].id[0] != '\0' && strcmp(sim->disks[i].bus, bus) == 0 &&
            sim->disks[i].lun == lun && sim->disks[i].scsi_id == scsi_id)
            return sim_error("GenericError", "lun already used by '%s'", sim->disks[i].id);
    }
    disk->virtio = false;
    disk->lun = lun;
    disk->scsi_id = scsi_id;
    return sim_return(json_object());
}

static json_t *add_virtio(struct sim *sim, struct sim_disk *disk, const json_t *arguments)
{
    struct sim_port *port = sim_find_port(sim, text_of(arguments, "bus"));

    if (port == NULL)
        return sim_error("GenericError", "Bus '%s' not found", text_of(arguments, "bus"));
    if (port->devices > 0)
        return sim_error("GenericError", "PCI: slot 0 function 0 already occupied by x");
    port->devices++;
    disk->virtio = true;
    disk->lun = disk->scsi_id = 0;
    return sim_return(json_object());
}

json_t *sim_add_disk(struct sim *sim, const json_t *arguments)
{
    bool virtio = strcmp(text_of(arguments, "driver"), "virtio-blk-pci") == 0;
    struct sim_disk *disk = sim_find_node(sim, text_of(arguments, "drive"));
    json_t *answer;

    if (disk == NULL)
        return sim_error("GenericError", "Property '%s.drive' can't find value '%s'",
                         text_of(arguments, "driver"), text_of(arguments, "drive"));
    answer = virtio ? add_virtio(sim, disk, arguments) : add_scsi(sim, disk, arguments);
    if (json_object_get(answer, "error") != NULL)
        return answer;
    (void)snprintf(disk->id, sizeof(disk->id), "%s", text_of(arguments, "id"));
    (void)snprintf(disk->bus, sizeof(disk->bus), "%s", text_of(arguments, "bus"));
    (void)snprintf(disk->serial, sizeof(disk->serial), "%s", text_of(arguments, "serial"));
    (void)snprintf(disk->write_cache, sizeof(disk->write_cache), "%s",
                   text_of(arguments, "write-cache"));
    return answer;
}

json_t *sim_virtio_blk_get(const struct sim *sim, const char *path, const char *property)
{
    char backend[128];
    unsigned i;

    for (i = 0; i < sim->disk_count; i++) {
        (void)snprintf(backend, sizeof(backend), VIRTIO_BACKEND, sim->disks[i].id);
        if (sim->disks[i].virtio && strcmp(backend, path) == 0 && strcmp(property, "serial") == 0)
            return sim_return(json_string(sim->disks[i].serial));
    }
    return NULL;
}

/* ---- trays and media ---- */

static void move_tray(struct sim *sim, struct sim_cdrom *drive, bool open)
{
    drive->tray_open = open;
    sim_emit(sim, "DEVICE_TRAY_MOVED",
             json_pack("{s:s, s:s, s:b}", "device", "", "id", drive->id, "tray-open", open));
}

/* Of a locked tray without force QEMU tells the guest, and calls that a success. */
static json_t *open_tray(struct sim *sim, struct sim_cdrom *drive, const json_t *arguments)
{
    bool forced = json_is_true(json_object_get(arguments, "force"));

    if (!drive->tray_open && (!drive->locked || forced || sim->guest.opens_trays)) {
        drive->locked = drive->locked && forced;
        move_tray(sim, drive, true);
    }
    return sim_return(json_object());
}

static json_t *close_tray(struct sim *sim, struct sim_cdrom *drive)
{
    if (drive->tray_open)
        move_tray(sim, drive, false);
    return sim_return(json_object());
}

static json_t *remove_medium(struct sim_cdrom *drive)
{
    if (!drive->tray_open)
        return sim_error("GenericError", "Tray of device '%s' is not open", drive->id);
    drive->node[0] = '\0';
    return sim_return(json_object());
}

static json_t *insert_medium(struct sim *sim, struct sim_cdrom *drive, const json_t *arguments)
{
    const char *node = text_of(arguments, "node-name");

    if (sim_find_node(sim, node) == NULL)
        return sim_error("GenericError", "Cannot find device='' nor node-name='%s'", node);
    if (!drive->tray_open)
        return sim_error("GenericError", "Tray of device '%s' is not open", drive->id);
    if (drive->node[0] != '\0')
        return sim_error("GenericError", "There already is a medium in device '%s'", drive->id);
    (void)snprintf(drive->node, sizeof(drive->node), "%.63s", node);
    return sim_return(json_object());
}

static json_t *tray_command(struct sim *sim, const char *command, const json_t *arguments)
{
    struct sim_cdrom *drive = sim_find_cdrom(sim, text_of(arguments, "id"));

    if (drive == NULL && sim_find_disk(sim, text_of(arguments, "id")) != NULL)
        return sim_error("GenericError", "Device '%s' is not removable", text_of(arguments, "id"));
    if (drive == NULL)
        return sim_error("DeviceNotFound", "Device '%s' not found", text_of(arguments, "id"));
    if (strcmp(command, "blockdev-open-tray") == 0)
        return open_tray(sim, drive, arguments);
    if (strcmp(command, "blockdev-close-tray") == 0)
        return close_tray(sim, drive);
    if (strcmp(command, "blockdev-remove-medium") == 0)
        return remove_medium(drive);
    return insert_medium(sim, drive, arguments);
}

/* ---- sizes and limits ---- */

static json_t *resize(struct sim *sim, const json_t *arguments)
{
    struct sim_disk *node = sim_find_node(sim, text_of(arguments, "node-name"));
    json_int_t size = json_integer_value(json_object_get(arguments, "size"));

    if (node == NULL)
        return sim_error("GenericError", "Cannot find device='' nor node-name='%s'",
                         text_of(arguments, "node-name"));
    if (node->read_only)
        return sim_error("GenericError", "Image is read-only");
    if (size < (json_int_t)node->bytes)
        return sim_offence(sim, "the disk is made smaller");
    node->bytes = (uint64_t)size;
    return sim_return(json_object());
}

static json_t *throttle(struct sim *sim, const json_t *arguments)
{
    static const char *const names[] = {"bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr"};
    struct sim_disk *disk = sim_find_disk(sim, text_of(arguments, "id"));
    uint64_t limits[6];
    unsigned i;

    if (disk == NULL)
        return sim_error("DeviceNotFound", "Device '%s' not found", text_of(arguments, "id"));
    for (i = 0; i < 6; i++)
        limits[i] = (uint64_t)json_integer_value(json_object_get(arguments, names[i]));
    if ((limits[0] > 0 && limits[1] + limits[2] > 0) ||
        (limits[3] > 0 && limits[4] + limits[5] > 0))
        return sim_error("GenericError", "bps/iops/max total values and read/write values cannot "
                                         "be used at the same time");
    memcpy(disk->limits, limits, sizeof(limits));
    return sim_return(json_object());
}

json_t *sim_media_do(struct sim *sim, const char *command, const json_t *arguments)
{
    if (strcmp(command, "block_resize") == 0)
        return resize(sim, arguments);
    if (strcmp(command, "block_set_io_throttle") == 0)
        return throttle(sim, arguments);
    if (strcmp(command, "blockdev-open-tray") == 0 || strcmp(command, "blockdev-close-tray") == 0 ||
        strcmp(command, "blockdev-remove-medium") == 0 ||
        strcmp(command, "blockdev-insert-medium") == 0)
        return tray_command(sim, command, arguments);
    return NULL;
}
