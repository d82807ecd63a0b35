/* SPDX-License-Identifier: MIT */
/*
 * A disk grows while the guest uses it: the image first, then QEMU tells the guest, whose kernel
 * shows the new size in sysfs. It never shrinks, which would cut off whatever is at its end.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "base/text.h"
#include "vmm/drive.h"

#define SECTOR_BYTES 512 /* of QEMU's sizes, and of sysfs's, whatever the disk has */

static int check(const struct operation *operation, const struct inventory_disk *disk,
                 struct error *error)
{
    uint64_t bytes = operation->request.bytes;
    char have[SIZE_TEXT_MAX], want[SIZE_TEXT_MAX];

    if (bytes == 0 || bytes % SECTOR_BYTES != 0)
        return error_set(error, ERROR_BLOCKED, "ask for a multiple of 512 bytes",
                         "a disk has whole sectors, and %" PRIu64 " bytes are none", bytes);
    if (disk->bytes == 0)
        return error_set(error, ERROR_BLOCKED, "see vmplug disk list",
                         "QEMU does not tell how large '%s' is", operation->result.id);
    if (bytes < disk->bytes)
        return error_set(error, ERROR_BLOCKED,
                         "ask for more, or move what is on it to a smaller disk",
                         "'%s' has %s, and to make it %s would cut off what is at its end",
                         operation->result.id, size_format(disk->bytes, have),
                         size_format(bytes, want));
    if (bytes > disk->bytes && disk->read_only)
        return error_set(error, ERROR_BLOCKED, "resize the image where it can be written to",
                         "'%s' is read-only", operation->result.id);
    return 0;
}

static int plan(struct operation *operation, struct error *error)
{
    const struct inventory_disk *disk = drive_find(operation, false, error);
    const char *guest_name;

    if (disk == NULL || check(operation, disk, error) < 0)
        return -1;
    operation->bytes = operation->request.bytes;
    guest_name = inventory_guest_disk_name(operation->before, disk);
    text_copy(operation->guest_name, sizeof(operation->guest_name), guest_name);
    operation_detail(operation, "bytes", json_integer((json_int_t)operation->bytes));
    operation_detail(operation, "former_bytes", json_integer((json_int_t)disk->bytes));
    if (guest_name != NULL)
        operation_detail(operation, "guest_name", json_string(guest_name));
    if (operation->bytes > disk->bytes)
        operation_add_step(operation, "block_resize",
                           json_pack("{s:s, s:I}", "node-name", disk->node, "size",
                                     (json_int_t)operation->bytes),
                           NULL, NULL, "");
    return 0;
}

static bool is_realized(struct operation *operation, const json_t *answer)
{
    struct qapi_block row;

    return drive_read(operation, answer, &row) && row.bytes >= operation->bytes;
}

static void on_size(struct operation *operation, const struct error *error)
{
    const struct operation_file *file = &operation->file;
    char text[32];
    uint64_t sectors;

    if (error != NULL) {
        operation_confirmed(operation); /* the guest does not show it */
        return;
    }
    (void)snprintf(text, sizeof(text), "%.*s", (int)file->size, (const char *)file->bytes);
    sectors = strtoull(text, NULL, 10);
    if (sectors >= operation->bytes / SECTOR_BYTES)
        operation_confirmed(operation);
    else
        operation_look_later(operation);
}

static void look_inside(struct operation *operation)
{
    char path[128];

    if (operation->guest_name[0] == '\0') {
        operation_confirmed(operation); /* what the guest calls it is not known */
        return;
    }
    (void)snprintf(path, sizeof(path), "/sys/block/%s/size",
                   operation->guest_name + strlen("/dev/"));
    operation_read_file(operation, path, on_size);
}

static const char *const agent_commands[] = {"guest-get-disks", "guest-file-open",
                                             "guest-file-read", "guest-file-close", NULL};

const struct operation_kind disk_resize_kind = {
    .name = "disk-resize",
    .top = VERDICT_DONE,
    .parts = INVENTORY_DISKS | INVENTORY_GUEST_DISKS,
    .agent_commands = agent_commands,
    .plan = plan,
    .take_up = operation_take_up_removal,
    .realized_query = "query-block",
    .is_realized = is_realized,
    .look_inside = look_inside,
};
