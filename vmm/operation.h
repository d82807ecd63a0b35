/* SPDX-License-Identifier: MIT */
/*
 * One device, added: from the request to a verdict.
 *
 *   NEW -> PREPARED -> SENT -> ACCEPTED -> AWAITING_GUEST -> CONFIRMED | REFUSED | PENDING | LOST
 *
 * with ROLLING_BACK before any end that can still be undone. Events are hints and wake a look;
 * inventory and the guest's own view are what counts. A deadline that passes is no failure: the
 * device stands, and the verdict `pending` says what is still awaited.
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

enum operation_type { OPERATION_CPU_ADD, OPERATION_DIMM_ADD, OPERATION_DISK_ADD };

enum backend_type { BACKEND_RAM, BACKEND_MEMFD, BACKEND_FILE };

struct operation_dimm {
    uint64_t bytes;
    bool node_set;
    unsigned node;
    enum backend_type backend;
    const char *backend_path; /* BACKEND_FILE */
    bool hugepages;
};

struct operation_disk {
    const char *file;
    const char *format; /* NULL: found by name and content; see vmm/image.h */
    const char *serial; /* NULL: the id */
    const char *bus;    /* NULL or "scsi": the first virtio-scsi bus with room; else its name */
    bool lun_set;
    unsigned lun;
    bool read_only;
};

/* What to do. Strings are borrowed until the operation has ended. */
struct operation_request {
    enum operation_type type;
    const char *id; /* NULL: the next free vmplug-… id */
    bool wait_set;  /* else: as far as this VM can prove */
    enum rung wait;
    double timeout_ms;
    struct operation_dimm dimm;
    struct operation_disk disk;
};

struct operation_stage {
    enum rung rung;
    double ms; /* since the operation began */
    bool has_ost;
    uint32_t ost_source, ost_status; /* RUNG_ACKNOWLEDGED */
};

struct operation_result {
    const char *operation; /* "cpu-add" */
    char id[OPERATION_ID_MAX]; /* "" when it ended before one was chosen */
    enum verdict verdict;
    struct operation_stage stages[RUNGS_];
    size_t stage_count;
    json_t *details;     /* what was made and where: slot, addr, lun, logical_ids, guest_name … */
    bool expects_ost;    /* the guest will answer by _OST: there is a rung "acknowledged" */
    const char *missing; /* "agent", "agent-command", "ost", "disk-identity", or NULL */
    const char *awaiting; /* with VERDICT_PENDING: "accepted", "realized", "acknowledged",
                             "online"; else NULL */
    bool has_ost;        /* with VERDICT_REFUSED by _OST */
    uint32_t ost_source, ost_status;
    const char *left[OPERATION_LEFT_MAX]; /* ids that stand although it failed */
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

struct operation;

/* Starts. The observer is called from the pump, never from in here. NULL with ERROR_SYSTEM. */
struct operation *operation_start(struct vm *vm, const struct operation_request *request,
                                  const struct operation_observer *observer, struct error *error);

/* The user wants out. What is half-made is taken back first; done then comes with
 * VERDICT_INTERRUPTED and `left` naming what stands. Before anything was sent it comes at the
 * pump's next turn. */
void operation_interrupt(struct operation *operation);

/* Allowed in its own done callback, and outside of callbacks (the observer hears no more). Before
 * vm_free(). NULL is allowed. */
void operation_free(struct operation *operation);

#endif
