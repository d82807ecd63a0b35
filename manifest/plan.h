/* SPDX-License-Identifier: MIT */
/*
 * From what a manifest says and what QEMU has to what is to be done: operations in their order,
 * each with its reason, and what can't be done while the VM runs. What can't be done does not keep
 * anything else from being done.
 *
 * Nothing is stored: whoever plans twice without having changed anything gets the same plan, and
 * one that was carried out leaves nothing to do.
 */
#ifndef MANIFEST_PLAN_H
#define MANIFEST_PLAN_H

#include <jansson.h>
#include <limits.h>

#include "manifest/ceilings.h"
#include "manifest/claims.h"
#include "manifest/volume_id.h"
#include "vmm/audit.h"
#include "vmm/batch.h"

/* What a plan rests on. */
#define PLAN_PARTS                                                                      \
    (AUDIT_PARTS | INVENTORY_MACHINE | INVENTORY_CPUS | INVENTORY_DISKS |               \
     INVENTORY_GUEST_MEMINFO | INVENTORY_GUEST_DISKS)

enum plan_subject { PLAN_MACHINE, PLAN_CPUS, PLAN_MEMORY, PLAN_VOLUME };

struct plan_step {
    enum plan_subject subject;
    struct batch_request request; /* its strings are the step's own */
    struct batch_item item;       /* of a BATCH_LIST of one */
    char volume[64];              /* PLAN_VOLUME: the manifest's name of it, else "" */
    char id[OPERATION_ID_MAX];
    char serial[64];
    char bus[16];
    char file[PATH_MAX];
    char what[160];   /* "memory 256 MiB -> 1 GiB" */
    char reason[256]; /* "spec.template.spec.domain.memory.guest is 1Gi" */
    uint64_t devices; /* how many it is about, as far as can be told now */
    size_t after;     /* 1 + the step without whose success it makes no sense; 0: none */
};

/* What was asked for and can't be had now. */
struct plan_block {
    enum plan_subject subject;
    char path[96];      /* in the manifest */
    struct error error; /* ERROR_BLOCKED or ERROR_INVALID: why, and what would help */
    bool restart;       /* the next launch has it: RestartRequired */
};

struct plan {
    struct plan_step *steps;
    size_t step_count;
    struct plan_block *blocks;
    size_t block_count;
};

struct plan_input {
    const struct virtual_machine *vm;
    const struct cluster *cluster;
    struct claims *claims;
    const struct inventory *inventory; /* of PLAN_PARTS */
    const struct audit *audit;         /* of the same; what was begun is finished first */
};

/* Fills in *plan; plan_free() in any case. Returns 0, or -1 with ERROR_SYSTEM. */
int plan_make(struct plan *plan, const struct plan_input *input, struct error *error);
void plan_free(struct plan *plan);

/* Of a VM that does not run there is nothing to be done; blocked are the volumes that keep it from
 * being launched. Of the input without inventory and audit, otherwise as plan_make(). */
int plan_make_absent(struct plan *plan, const struct plan_input *input, struct error *error);

/* {"operations": […], "blocked": […]}; a new reference, NULL without memory. */
json_t *plan_json(const struct plan *plan);

/* ---- for the files of the plan ---- */

/* The way out of what can't be while the VM runs. */
#define PLAN_NEXT_LAUNCH "stop the VM and launch it again: then it has it"

/* A new step or block at the end, all 0; NULL without memory. */
struct plan_step *plan_add_step(struct plan *plan, enum plan_subject subject);
struct plan_block *plan_add_block(struct plan *plan, enum plan_subject subject, const char *path,
                                  bool restart);

/* Is there a step already that finishes taking back the device of this id? Returns 1 + the step's
 * number, else 0. */
size_t plan_finishes_removal(const struct plan *plan, const char *id);

/* vCPUs a socket of this QEMU: cores x threads, 0 when that can't be told, or it knows no
 * sockets. */
unsigned plan_vcpus_per_socket(const struct inventory *inventory, unsigned *ret_cores,
                               unsigned *ret_threads);

/* The device of QEMU's that is this volume of the VM's: by its id, or by its file where file is not
 * NULL; that one is no other volume's by its id. */
const struct inventory_disk *plan_find_device(const struct plan_input *input,
                                              const struct volume *volume, const char *file);

/* The volumes' part of plan_make(). */
int plan_volumes(struct plan *plan, const struct plan_input *input, struct error *error);

#endif
