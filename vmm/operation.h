/* SPDX-License-Identifier: MIT */
/*
 * One device, added, taken back or changed: from the request to a verdict.
 *
 *   NEW -> PREPARED -> SENT -> ACCEPTED -> AWAITING_GUEST -> CONFIRMED | REFUSED | PENDING | LOST
 *
 * with ROLLING_BACK before any end that can still be undone. Events are hints and wake a look;
 * inventory and the guest's own view are what counts. A deadline that passes is no failure: the
 * device stands, and the verdict `pending` says what is still awaited. The end comes no later than
 * a tenth of a second beyond the deadline, undone or not: `left` names what may stand.
 */
#ifndef VMM_OPERATION_H
#define VMM_OPERATION_H

#include <stdint.h>

#include "acpi/ost.h"
#include "vmm/inventory.h"
#include "vmm/verdict.h"
#include "vmm/vm.h"

#define OPERATION_ID_MAX 64
#define OPERATION_LEFT_MAX 4

enum operation_type {
    OPERATION_CPU_ADD,
    OPERATION_DIMM_ADD,
    OPERATION_DISK_ADD,
    OPERATION_CPU_REMOVE,
    OPERATION_DIMM_REMOVE,
    OPERATION_DISK_REMOVE,
    OPERATION_VIRTIO_MEM_ADD,
    OPERATION_VIRTIO_MEM_RESIZE,
    OPERATION_BACKEND_REMOVE, /* a memory backend or a block node that nobody uses */
    OPERATION_NODE_REMOVE,
    OPERATION_DISK_RESIZE,
    OPERATION_DISK_THROTTLE,
    OPERATION_CDROM_INSERT,
    OPERATION_CDROM_EJECT,
    OPERATION_TYPES_ /* how many there are */
};

enum backend_type { BACKEND_RAM, BACKEND_MEMFD, BACKEND_FILE };

/* A DIMM or a virtio-mem. */
struct operation_dimm {
    uint64_t bytes; /* of a virtio-mem that is resized: its new size */
    bool node_set;
    unsigned node;
    enum backend_type backend;
    const char *backend_path; /* BACKEND_FILE */
    bool hugepages;
    bool movable; /* online it so that it can be taken back */
};

/* A medium has a file and a format. */
struct operation_disk {
    const char *file;
    const char *format; /* NULL: found by name and content; see vmm/image.h */
    const char *serial; /* NULL: the id */
    const char *bus;    /* NULL or "scsi": the first virtio-scsi bus with room; else its name */
    bool lun_set;
    unsigned lun;
    bool read_only;
    bool direct;             /* the host's page cache is passed by */
    const char *aio;         /* as in image_tune() */
    const char *write_cache; /* "on", "off": does the guest see one? NULL: as QEMU has it */
};

/* In a second, all in all; 0: as much as it can. What is not set stays as it is. */
struct operation_limits {
    bool iops_set, bps_set;
    uint64_t iops, bps;
};

/* What to do. Strings are borrowed until the operation has ended. */
struct operation_request {
    enum operation_type type;
    const char *id; /* of what is added, NULL: the next free vmplug-… id; or of what is taken back
                       or changed, for a vCPU also its slot's number */
    const char *note; /* for the result's details, or NULL */
    bool force;     /* do what is blocked as dangerous */
    unsigned nth;   /* with dry_run: as if so many others had been added before, */
    uint64_t nth_bytes; /* of memory so much in all */
    bool dry_run;   /* plan only: the result's details tell what would be sent */
    bool resume;    /* what was asked before is taken up again: `id` stands or is on its way out */
    bool wait_set;  /* else: as far as this VM can prove */
    enum rung wait;
    double timeout_ms;
    struct operation_dimm dimm;
    struct operation_disk disk;
    uint64_t bytes; /* that a disk is to have */
    struct operation_limits limits;
};

struct operation_stage {
    enum rung rung;
    double ms; /* since the operation began */
    bool has_ost;
    uint32_t ost_source, ost_status; /* RUNG_ACKNOWLEDGED */
};

struct operation_result {
    enum operation_type type;
    const char *operation; /* "cpu-add" */
    enum verdict top;      /* what the highest rung is called: VERDICT_ONLINE, _REMOVED or _DONE */
    char id[OPERATION_ID_MAX]; /* "" when it ended before one was chosen */
    enum verdict verdict;
    struct operation_stage stages[RUNGS_];
    size_t stage_count;
    json_t *details;     /* what was made and where: slot, addr, lun, logical_ids, guest_name … */
    bool guest_unseen;   /* with VERDICT_REMOVED: nobody could look whether the guest let it go */
    bool expects_ost;    /* the guest will answer by _OST: there is a rung "acknowledged" */
    const char *missing; /* "agent", "agent-command", "ost", "disk-identity", or NULL */
    const char *awaiting; /* with VERDICT_PENDING: "accepted", "realized", "acknowledged",
                             "online", "removed" or "done"; else NULL */
    bool has_ost;        /* with VERDICT_REFUSED by _OST */
    uint32_t ost_source, ost_status;
    char left[OPERATION_LEFT_MAX][OPERATION_ID_MAX]; /* ids that stand although it failed */
    size_t left_count;
    struct error error; /* ERROR_NONE on success */
    double elapsed_ms;
};

struct operation_observer {
    /* A rung was reached. details is what is known so far; all borrowed. May be NULL. */
    void (*stage)(void *user, const struct operation_result *so_far,
                  const struct operation_stage *stage);
    /* The end, exactly once, unless freed before; result is borrowed until operation_free(). */
    void (*done)(void *user, const struct operation_result *result);
    void *user;
};

/* What a rung is called in this result: "accepted" …; "online", "removed" or "done" at the top. */
const char *operation_rung_name(const struct operation_result *result, enum rung rung);

/* The kind's name, "cpu-add", before there is a result; and the type that goes by a name: of
 * "memory-add", which DIMM and virtio-mem share, that of a DIMM, which takes up either. False when
 * there is none of this name. */
const char *operation_type_name(enum operation_type type);
bool operation_type_find(const char *name, enum operation_type *ret);

struct operation;

/* Starts. known is what operation_hand_on() gave of an operation of the same type on this vm, and
 * taken over, also on failure; NULL: QEMU and the guest are asked. The observer is called from the
 * pump, never from in here. NULL with ERROR_SYSTEM. */
struct operation *operation_start(struct vm *vm, const struct operation_request *request,
                                  struct inventory *known,
                                  const struct operation_observer *observer, struct error *error);

/* Of an addition that has ended: the VM as it found it and with what it has added, which is the
 * caller's. So that a series asks no more for each device the more there are. NULL where the next
 * one has to look for itself: this one failed, or the guest has a say in what is next, so that what
 * it has at that moment counts. What somebody else does meanwhile costs no more than a refusal:
 * QEMU knows, and then the inventory is fetched. */
struct inventory *operation_hand_on(struct operation *operation);

/* The user wants out. What is half-made is taken back first; done then comes with
 * VERDICT_INTERRUPTED and `left` naming what stands. Before anything was sent it comes at the
 * pump's next turn. */
void operation_interrupt(struct operation *operation);

/* Allowed in its own done callback, and outside of callbacks (the observer hears no more). Before
 * vm_free(). NULL is allowed. */
void operation_free(struct operation *operation);

#endif
