/* SPDX-License-Identifier: MIT */
/*
 * An inventory as scripts read it: `status --json` and its parts. What is not known is null. Each
 * function returns a new reference.
 */
#ifndef VMM_STATUS_JSON_H
#define VMM_STATUS_JSON_H

#include <jansson.h>

#include "vmm/inventory.h"

/* What a status rests on. */
#define STATUS_PARTS                                                                    \
    (INVENTORY_MACHINE | INVENTORY_BOARD | INVENTORY_MEMORY | INVENTORY_DISKS |         \
     INVENTORY_AGENT | INVENTORY_GUEST_CPUS | INVENTORY_GUEST_MEMORY |                  \
     INVENTORY_GUEST_DISKS | INVENTORY_NAMES)

json_t *status_json(const struct inventory *inventory);
json_t *status_json_cpus(const struct inventory *inventory);
json_t *status_json_memory(const struct inventory *inventory);
json_t *status_json_disks(const struct inventory *inventory);
json_t *status_json_cdroms(const struct inventory *inventory);
json_t *status_json_limits(const struct inventory_disk *disk);

#endif
