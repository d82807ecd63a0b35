/* SPDX-License-Identifier: MIT */
/*
 * Whether a VM can grow and shrink, and for each prerequisite whether it is met, how that is
 * known, and what to do when it is not. Asks nobody: it reads an inventory.
 */
#ifndef VMM_DOCTOR_H
#define VMM_DOCTOR_H

#include "vmm/inventory.h"
#include "vmm/vm.h"

#define DOCTOR_CHECKS_MAX 40
#define DOCTOR_TEXT_MAX 256

/* What a diagnosis rests on. */
#define DOCTOR_PARTS                                                                    \
    (INVENTORY_MACHINE | INVENTORY_CPUS | INVENTORY_MEMORY | INVENTORY_DISKS |          \
     INVENTORY_PCI | INVENTORY_BOARD | INVENTORY_NAMES | INVENTORY_AGENT |               \
     INVENTORY_GUEST_MEMORY | INVENTORY_GUEST_ZONES | INVENTORY_GUEST_KERNEL |          \
     INVENTORY_BALLOON)

/* What can be asked for. */
enum doctor_can {
    DOCTOR_CPU_ADD,
    DOCTOR_CPU_REMOVE,
    DOCTOR_MEMORY_ADD,
    DOCTOR_MEMORY_REMOVE,
    DOCTOR_DISK_ADD,
    DOCTOR_DISK_REMOVE,
    DOCTOR_VIRTIO_MEM,
    DOCTOR_CDROM,
    DOCTOR_CANS_ /* how many there are */
};

#define DOCTOR_BIT(can) (1u << (can))
#define DOCTOR_ALL (DOCTOR_BIT(DOCTOR_CANS_) - 1)

enum doctor_result { DOCTOR_YES, DOCTOR_NO, DOCTOR_UNKNOWN };

struct doctor_check {
    char name[64];
    enum doctor_result result;
    unsigned forbids; /* DOCTOR_BIT(…) of what can't be done when the result is no */
    unsigned clouds;  /* … of what it is unknown of whether it can be done, unless it is yes */
    char reason[DOCTOR_TEXT_MAX];
    char fix[DOCTOR_TEXT_MAX]; /* "" when there is nothing to do */
};

struct doctor {
    enum doctor_result can[DOCTOR_CANS_];
    struct doctor_check checks[DOCTOR_CHECKS_MAX];
    size_t count;
};

/* "cpu_add", … */
const char *doctor_can_name(enum doctor_can can);
bool doctor_can_parse(const char *word, enum doctor_can *ret);

/* "yes", "no", "unknown" */
const char *doctor_result_name(enum doctor_result result);

/* Rests on an inventory of DOCTOR_PARTS, the vm's record and its ledger. */
void doctor_examine(struct doctor *doctor, struct vm *vm, const struct inventory *inventory);

/* Does the check decide of one of these (DOCTOR_BIT)? Each concerns DOCTOR_ALL. */
bool doctor_concerns(const struct doctor_check *check, unsigned cans);

/* The check that stands against it: the first that forbids it, else the first that clouds it, else
 * NULL. */
const struct doctor_check *doctor_obstacle(const struct doctor *doctor, enum doctor_can can);

/* ---- between doctor.c (the host's side) and doctor_guest.c ---- */

/* The next check; its texts are the caller's to set. A check that is not a yes also clouds what it
 * would forbid. */
struct doctor_check *doctor_add(struct doctor *doctor, const char *name,
                                enum doctor_result result, unsigned forbids);
void doctor_reason(struct doctor_check *check, const char *reason, ...)
    __attribute__((format(printf, 2, 3)));
void doctor_fix(struct doctor_check *check, const char *fix);

void doctor_examine_guest(struct doctor *doctor, const struct inventory *inventory);

#endif
