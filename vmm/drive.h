/* SPDX-License-Identifier: MIT */
/* What the operations on a drive that is there already have in common. */
#ifndef VMM_DRIVE_H
#define VMM_DRIVE_H

#include "vmm/operation_kind.h"

/* Finds the disk, or the CD-ROM drive, that the request names, and settles the result's id and
 * operation->path, by which QEMU knows it. NULL with ERROR_BLOCKED. */
const struct inventory_disk *drive_find(struct operation *operation, bool cdrom,
                                        struct error *error);

/* The drive's row in the answer to query-block. False when it is not there. */
bool drive_read(const struct operation *operation, const json_t *answer, struct qapi_block *ret);

/* Plans what takes a CD-ROM's medium out: the tray is opened, which the guest may delay where it
 * has locked it and there is no --force, and the medium's block node goes at last. */
void drive_take_medium_out(struct operation *operation, const struct inventory_disk *drive);

/* The step planned last waits until the tray is open. */
void drive_await_tray(struct operation *operation);

/* Plans that the tray is closed. */
void drive_close_tray(struct operation *operation);

/* What to do when QEMU can't open an image. */
void drive_advise(struct error *error);

#endif
