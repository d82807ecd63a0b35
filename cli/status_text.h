/* SPDX-License-Identifier: MIT */
/* An inventory as people read it: what there is, and what can still grow. */
#ifndef CLI_STATUS_TEXT_H
#define CLI_STATUS_TEXT_H

#include "cli/output.h"
#include "vmm/inventory.h"

void status_text(struct output *out, const struct inventory *inventory);
void status_text_cpus(struct output *out, const struct inventory *inventory);
void status_text_memory(struct output *out, const struct inventory *inventory);
void status_text_pending(struct output *out, const json_t *pending);
void status_text_disks(struct output *out, const struct inventory *inventory);
void status_text_cdroms(struct output *out, const struct inventory *inventory);
void status_text_limits(struct output *out, const struct inventory_disk *disk);

#endif
