/* SPDX-License-Identifier: MIT */
/*
 * A medium for a CD-ROM drive, in place of the one that is in it. Its block node comes first: most
 * of what can go wrong goes wrong there, and the drive has not been touched then.
 *
 * QEMU's inventory decides. Where the agent may read files, the guest's drives are read as well,
 * and the one that has the medium's contents is named: the guest has it, and how it calls it. Its
 * list of disks is of no use, since a drive whose medium nobody has opened yet has size 0 in Linux
 * and is left out.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "vmm/drive.h"
#include "vmm/image.h"

#define NODE_NAME "vmplug-medium-%u"
#define SECTOR_BYTES OPERATION_FILE_MAX
#define DESCRIPTOR_AT 32768 /* of an ISO 9660 volume: its name and age (ECMA-119, 8.4) */
#define GUEST_PATIENCE_MS 3000 /* until the guest has noticed the new medium, if it ever does */

static void choose_node(const struct operation *operation, char *name, size_t size)
{
    unsigned i = 0;

    do {
        (void)snprintf(name, size, NODE_NAME, i++);
    } while (inventory_name_taken(operation->before, name));
}

/* How many drives of the guest are to be read: none where the medium's contents are not the file's,
 * or where another drive could be taken for this one. */
static size_t count_candidates(const struct operation *operation,
                               const struct inventory_disk *drive, const struct image *image)
{
    const struct inventory_disks *disks = &operation->before->disks;
    size_t count = 0, i;

    if (strcmp(image->format, "raw") != 0)
        return 0;
    for (i = 0; i < disks->disk_count; i++) {
        if (disks->disks[i].cdrom && disks->disks[i].has_medium && &disks->disks[i] != drive)
            return 0;
        count += disks->disks[i].cdrom ? 1 : 0;
    }
    return count;
}

static int plan(struct operation *operation, struct error *error)
{
    const struct operation_disk *medium = &operation->request.disk;
    const struct inventory_disk *drive = drive_find(operation, true, error);
    struct image image;

    if (drive == NULL || image_inspect(medium->file, medium->format, true, &image, error) < 0)
        return -1;
    choose_node(operation, operation->node, sizeof(operation->node));
    operation_add_step(operation, "blockdev-add", image_node(&image, operation->node, true),
                       "blockdev-del", json_pack("{s:s}", "node-name", operation->node),
                       operation->node);
    if (!drive->tray_open || drive->has_medium)
        drive_take_medium_out(operation, drive);
    operation_add_step(operation, "blockdev-insert-medium",
                       json_pack("{s:s, s:s}", "id", drive->qdev, "node-name", operation->node),
                       "blockdev-remove-medium", json_pack("{s:s}", "id", drive->qdev),
                       operation->result.id);
    if (!drive->has_medium)
        drive_await_tray(operation); /* a guest may lock an empty drive, too */
    drive_close_tray(operation);
    operation->candidate_count = count_candidates(operation, drive, &image);
    operation_detail(operation, "file", json_string(image.path));
    operation_detail(operation, "format", json_string(image.format));
    operation_detail(operation, "node", json_string(operation->node));
    return 0;
}

static bool is_realized(struct operation *operation, const json_t *answer)
{
    struct qapi_block row;

    return drive_read(operation, answer, &row) && row.has_medium && !row.tray_open &&
           (operation->request.resume || strcmp(row.node, operation->node) == 0);
}

/* ---- the guest's side ---- */

static void read_next(struct operation *operation);

/* The sector by which a medium is recognised; returns where it is, or -1 when it can't be read. */
static off_t read_sample(const struct operation *operation, unsigned char sample[SECTOR_BYTES])
{
    static const off_t places[] = {DESCRIPTOR_AT, 0};
    AUTO_FD int fd = open(operation->request.disk.file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    size_t i;

    for (i = 0; i < COUNT_OF(places) && fd >= 0; i++) {
        if (pread(fd, sample, SECTOR_BYTES, places[i]) == SECTOR_BYTES)
            return places[i];
    }
    return -1;
}

/* All drives have been read. That none has it may be for the guest's lack of a driver. */
static void conclude(struct operation *operation)
{
    const struct operation_result *result = &operation->result;
    double since_ms = clock_now_ms() - operation->started_ms -
                      result->stages[result->stage_count - 1].ms;
    char name[32];

    if (operation->matches == 0 && since_ms < GUEST_PATIENCE_MS) {
        operation_look_later(operation);
        return;
    }
    if (operation->matches == 1) {
        (void)snprintf(name, sizeof(name), "/dev/sr%u", operation->match);
        operation_detail(operation, "guest_name", json_string(name));
    }
    operation_confirmed(operation);
}

static void on_sector(struct operation *operation, const struct error *error)
{
    const struct operation_file *file = &operation->file;
    unsigned char sample[SECTOR_BYTES];

    if (error == NULL && file->size == SECTOR_BYTES && read_sample(operation, sample) >= 0 &&
        memcmp(file->bytes, sample, SECTOR_BYTES) == 0) {
        operation->matches++;
        operation->match = (unsigned)operation->candidate;
    }
    operation->candidate++;
    read_next(operation);
}

static void read_next(struct operation *operation)
{
    unsigned char sample[SECTOR_BYTES];
    off_t place = read_sample(operation, sample);
    char path[32];

    if (operation->candidate == operation->candidate_count) {
        conclude(operation);
        return;
    }
    (void)snprintf(path, sizeof(path), "/dev/sr%u", (unsigned)operation->candidate);
    operation_read_file_at(operation, path, (uint64_t)place, on_sector);
}

static void look_inside(struct operation *operation)
{
    unsigned char sample[SECTOR_BYTES];

    operation->candidate = 0;
    operation->matches = 0;
    if (operation->candidate_count == 0 || read_sample(operation, sample) < 0)
        operation_confirmed(operation);
    else
        read_next(operation);
}

static const char *const agent_commands[] = {"guest-file-open", "guest-file-seek",
                                             "guest-file-read", "guest-file-close", NULL};

const struct operation_kind cdrom_insert_kind = {
    .name = "cdrom-insert",
    .top = VERDICT_DONE,
    .parts = INVENTORY_DISKS,
    .agent_commands = agent_commands,
    .plan = plan,
    .take_up = operation_take_up_removal,
    .realized_query = "query-block",
    .is_realized = is_realized,
    .look_inside = look_inside,
    .advise = drive_advise,
    .hesitation = "the guest has locked the tray and did not open it",
    .refusal_fix = "unmount the medium in the guest and try again, or use --force",
};
