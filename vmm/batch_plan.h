/* SPDX-License-Identifier: MIT */
/* From "so much in all" to the devices to add or to remove. */
#ifndef VMM_BATCH_PLAN_H
#define VMM_BATCH_PLAN_H

#include "vmm/operation.h"

/* What one operation of a batch has for itself. */
struct batch_item {
    enum operation_type type;
    bool resume;
    const char *wanted_id; /* borrowed; NULL: id, unless that is "" */
    char id[OPERATION_ID_MAX];
    const char *file;
    uint64_t bytes;
    char note[160]; /* why this device, or "" */
    unsigned nth; /* see struct operation_request */
    uint64_t nth_bytes;
};

/* List what leads from this inventory to target vCPUs, or bytes of memory, in all; the list is the
 * caller's to free(). Return 0, or -1 with ERROR_BLOCKED (which names what can be reached) or
 * ERROR_SYSTEM. */
int batch_plan_cpus(const struct inventory *inventory, uint64_t target,
                    struct batch_item **ret_items, size_t *ret_count, struct error *error);
int batch_plan_memory(const struct inventory *inventory, uint64_t target_bytes,
                      struct batch_item **ret_items, size_t *ret_count, struct error *error);

/* Makes the pattern of all operations the one of this item. */
void batch_plan_apply(const struct batch_item *item, struct operation_request *request);

#endif
