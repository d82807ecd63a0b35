/* SPDX-License-Identifier: MIT */
/*
 * The guest agent's commands that vmplug uses, typed (QEMU, qga/qapi-schema.json). Readers take an
 * answer's value and trust nothing in it: lists are cut at QGA_ITEMS_MAX, what is malformed is
 * skipped, what is said twice counts as it was said first, names are checked before they can
 * become part of a path.
 */
#ifndef QMP_QGA_H
#define QMP_QGA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define QGA_ITEMS_MAX 65536
#define QGA_VCPUS_MAX 8192 /* Linux's own limit, NR_CPUS */
#define QGA_SERIAL_MAX 128

struct qga_vcpu {
    int64_t logical_id; /* the guest's own number, not QEMU's slot */
    bool online;
    bool can_offline;
};

struct qga_memory_block {
    uint64_t index; /* physical address divided by the block size */
    bool online;
};

struct qga_disk {
    char name[64]; /* "/dev/sda": nothing but lower-case letters and digits behind /dev/ */
    bool has_unit;
    unsigned unit;               /* LUN; the agent knows neither target nor bus of virtio-scsi */
    char serial[QGA_SERIAL_MAX]; /* "" where no udev in the guest tells the agent */
};

/* guest-get-vcpus (in ascending order, QGA_VCPUS_MAX at most), guest-get-memory-blocks,
 * guest-get-disks (partitions and disks with odd names are left out). The array is the caller's to
 * free(). False when the value is no list or memory runs out. */
bool qga_read_vcpus(const json_t *value, struct qga_vcpu **ret_vcpus, size_t *ret_count);
bool qga_read_memory_blocks(const json_t *value, struct qga_memory_block **ret_blocks,
                            size_t *ret_count);
bool qga_read_disks(const json_t *value, struct qga_disk **ret_disks, size_t *ret_count);

/* The vCPU in an array that qga_read_vcpus() gave, NULL when it is not there. */
const struct qga_vcpu *qga_find_vcpu(const struct qga_vcpu *vcpus, size_t count,
                                     int64_t logical_id);

/* guest-get-memory-block-info: a power of two of at least 1 MiB, else 0. */
uint64_t qga_read_block_bytes(const json_t *value);

/* guest-info: name -> whether it is enabled, for at most QGA_ITEMS_MAX commands; a new reference,
 * NULL without memory. */
json_t *qga_read_commands(const json_t *value);

/* Arguments of guest-set-vcpus and guest-set-memory-blocks that put these numbers (an array of
 * integers) online; a new reference, NULL without memory. guest-set-vcpus answers with how many
 * entries it processed, from the first on; which one failed, and why, is learnt by asking again for
 * those left. */
json_t *qga_vcpus_online(const json_t *logical_ids);
json_t *qga_memory_blocks_online(const json_t *indexes);

/* guest-set-memory-blocks succeeds as a command even when no block did: each has an answer of its
 * own. Returns 0 when all say success, else -1 with ERROR_REJECTED about the first that does
 * not. */
int qga_check_memory_blocks_set(const json_t *value, struct error *error);

#endif
