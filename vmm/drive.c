/* SPDX-License-Identifier: MIT */
#include "vmm/drive.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "qmp/field.h"

#define SERVER_FIX \
    "look whether the server runs, has a connection to spare, and can be reached from this host"

const struct inventory_disk *drive_find(struct operation *operation, bool cdrom,
                                        struct error *error)
{
    const char *id = operation->request.id;
    const struct inventory_disk *drive = inventory_find_drive(operation->before, id);

    text_copy(operation->result.id, OPERATION_ID_MAX, id);
    if (drive == NULL && cdrom)
        (void)error_set(error, ERROR_BLOCKED, "see vmplug cdrom list for those there are",
                        "there is no CD-ROM drive '%s'", id);
    else if (drive == NULL)
        (void)error_set(error, ERROR_BLOCKED, "see vmplug disk list for those there are",
                        "there is no disk '%s'", id);
    else if (cdrom && !drive->cdrom)
        (void)error_set(error, ERROR_BLOCKED, "take it away with vmplug disk remove",
                        "'%s' is a disk and has no tray", id);
    else if (!cdrom && drive->cdrom)
        (void)error_set(error, ERROR_BLOCKED, "change its medium with vmplug cdrom",
                        "'%s' is a CD-ROM drive", id);
    if (drive == NULL || drive->cdrom != cdrom)
        return NULL;
    text_copy(operation->path, sizeof(operation->path), drive->qdev);
    return drive;
}

bool drive_read(const struct operation *operation, const json_t *answer, struct qapi_block *ret)
{
    const json_t *row;
    size_t i;

    json_array_foreach(answer, i, row) {
        qapi_read_block(row, ret);
        if (strcmp(ret->qdev, operation->path) == 0)
            return true;
    }
    return false;
}

static bool is_tray_open(const struct operation *operation, const json_t *answer)
{
    struct qapi_block row;

    return drive_read(operation, answer, &row) && row.tray_open;
}

void drive_await_tray(struct operation *operation)
{
    operation->steps[operation->step_count - 1].is_due = is_tray_open;
}

void drive_take_medium_out(struct operation *operation, const struct inventory_disk *drive)
{
    bool named = drive->node[0] != '\0' && drive->node[0] != '#'; /* else it goes with the medium */
    json_t *open = json_pack("{s:s}", "id", drive->qdev);

    if (operation->request.force)
        field_set(&open, "force", json_true());
    operation_add_step(operation, "blockdev-open-tray", open, "blockdev-close-tray",
                       json_pack("{s:s}", "id", drive->qdev), operation->result.id);
    if (!drive->has_medium)
        return;
    operation_add_step(operation, "blockdev-remove-medium", json_pack("{s:s}", "id", drive->qdev),
                       named ? "blockdev-insert-medium" : NULL,
                       json_pack("{s:s, s:s}", "id", drive->qdev, "node-name", drive->node),
                       operation->result.id);
    drive_await_tray(operation);
    if (named)
        operation_clean_node(operation, drive->node);
}

void drive_close_tray(struct operation *operation)
{
    operation_add_step(operation, "blockdev-close-tray",
                       json_pack("{s:s}", "id", operation->path), NULL, NULL, "");
}

void drive_advise(struct error *error)
{
    static const struct operation_advice advice[] = {
        {"does not accept value", "choose a --format that this QEMU knows, such as raw or qcow2"},
        {"Image is not in", "leave --format out, or say what the image is"},
        {"Parameter '", "choose another --format: this one takes more than a file"},
        {"Failed to connect", SERVER_FIX},
        {"by timeout", SERVER_FIX},
        {"Permission denied", "give the user that QEMU runs as access to the image"},
        {"No such file", "give the path that QEMU sees: it may have another root or mounts"},
        {NULL, NULL},
    };

    operation_advise(error, advice);
}
