/* SPDX-License-Identifier: MIT */
/* What in the guest uses a disk, so that taking it away would hurt (QEMU, qga/qapi-schema.json:
 * guest-get-fsinfo, guest-get-disks). Nothing in the answers is trusted. */
#ifndef QMP_QGA_USE_H
#define QMP_QGA_USE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct qga_use {
    char device[64]; /* "sda" or "sda1", without /dev/ */
    char by[128];    /* a mount point, or the device that is built upon it */
};

struct qga_uses {
    struct qga_use *uses;
    size_t count;
};

/* Appends what guest-get-fsinfo tells of mounted file systems, and what guest-get-disks tells of
 * devices that depend on others (LVM, RAID). False when memory runs out, as below. */
bool qga_uses_read_filesystems(struct qga_uses *uses, const json_t *value);
bool qga_uses_read_dependencies(struct qga_uses *uses, const json_t *value);

/* Appends what the guest's /proc/swaps tells (proc(5)): a heading, then a device or file a line. */
bool qga_uses_read_swaps(struct qga_uses *uses, const char *text);

void qga_uses_free(struct qga_uses *uses);

/* By what the disk ("/dev/sda") or one of its partitions is used; NULL: nothing that is known. */
const char *qga_uses_find(const struct qga_uses *uses, const char *disk);

#endif
