/* SPDX-License-Identifier: MIT */
/*
 * What half-finished plugs have left behind: backends and block nodes without a device, devices
 * that the guest refused or does not use, removals that nobody has seen the end of; and for each,
 * the operation that finishes it or takes it away.
 */
#ifndef VMM_AUDIT_H
#define VMM_AUDIT_H

#include "vmm/batch_plan.h"

#define AUDIT_TEXT_MAX 160
#define AUDIT_UNSEEN_MAX 4

/* What an audit rests on. */
#define AUDIT_PARTS                                                                     \
    (INVENTORY_BOARD | INVENTORY_MEMORY | INVENTORY_NAMES |                             \
     INVENTORY_AGENT | INVENTORY_GUEST_CPUS | INVENTORY_GUEST_MEMORY | INVENTORY_OBJECTS)

enum audit_kind {
    AUDIT_PENDING,        /* the guest was asked, and that stands */
    AUDIT_REFUSED,        /* there, and the guest's last word on it was a failed insertion */
    AUDIT_CPU_OFFLINE,    /* there, and the guest has it not online */
    AUDIT_MEMORY_OFFLINE, /* the same of memory blocks */
    AUDIT_MEMORY_MISSING, /* the guest made no blocks of it */
    AUDIT_BACKEND,        /* a memory backend that nobody uses */
    AUDIT_NODE,           /* a block node that nobody uses */
    AUDIT_TOPOLOGY,       /* the guest goes by a device tree that is not this machine's */
    AUDIT_KINDS_          /* how many there are */
};

struct audit_finding {
    enum audit_kind kind;
    char id[INVENTORY_ID_MAX]; /* of a boot vCPU its slot's number */
    bool ours;                 /* vmplug made it, by its name or by the record */
    char detail[AUDIT_TEXT_MAX];
    char action[AUDIT_TEXT_MAX]; /* for people: what to do */
    bool can_clean;              /* `item` does it */
    struct batch_item item;
};

/* What could not be looked at, and why. */
struct audit_unseen {
    const char *what;
    char reason[384];
};

struct audit {
    struct audit_finding *findings; /* in the order in which they are best dealt with */
    size_t count;
    struct audit_unseen unseen[AUDIT_UNSEEN_MAX];
    size_t unseen_count;
    const char *missing; /* for lack of what: "agent", "agent-command", "qemu-command"; else NULL */
};

/* "memory-backend", "cpu-offline", … */
const char *audit_kind_name(enum audit_kind kind);

/* Looks through an inventory of AUDIT_PARTS, the vm's record and its ledger. Asks nobody. NULL when
 * memory runs out. */
struct audit *audit_new(struct vm *vm, const struct inventory *inventory);
void audit_free(struct audit *audit);

#endif
