/* SPDX-License-Identifier: MIT */
/*
 * A CD-ROM's medium is taken out: the tray opens, the medium goes and its block node with it, and
 * the empty tray closes again. A guest that has mounted the medium has locked the tray. QEMU then
 * only tells the guest that somebody has pressed the button, answers with success, and opens
 * nothing; a guest with udev unmounts the medium and opens the tray itself, others do nothing.
 */
#include "vmm/drive.h"

static int plan(struct operation *operation, struct error *error)
{
    const struct inventory_disk *drive = drive_find(operation, true, error);

    if (drive == NULL)
        return -1;
    if (!drive->has_medium)
        return 0;
    operation_detail(operation, "file", json_string(drive->file));
    operation_detail(operation, "format", json_string(drive->format));
    drive_take_medium_out(operation, drive);
    drive_close_tray(operation);
    return 0;
}

static bool is_realized(struct operation *operation, const json_t *answer)
{
    struct qapi_block row;

    return drive_read(operation, answer, &row) && !row.has_medium;
}

const struct operation_kind cdrom_eject_kind = {
    .name = "cdrom-eject",
    .top = VERDICT_DONE,
    .parts = INVENTORY_DISKS,
    .plan = plan,
    .take_up = operation_take_up_removal,
    .realized_query = "query-block",
    .is_realized = is_realized,
    .hesitation = "the guest has locked the tray and did not open it",
    .refusal_fix = "unmount the medium in the guest and try again, or use --force",
};
