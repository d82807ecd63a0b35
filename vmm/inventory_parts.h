/* SPDX-License-Identifier: MIT */
/* Between inventory.c and the files that each know one part of it. */
#ifndef VMM_INVENTORY_PARTS_H
#define VMM_INVENTORY_PARTS_H

#include "vmm/inventory.h"

/* Comes back as `user` with every answer, so that an answer can lead to further questions. */
struct inventory_question {
    struct gather *gather;
    struct inventory *inventory;
};

void inventory_machine_ask(const struct inventory_question *question);
void inventory_machine_ask_accel(const struct inventory_question *question);
void inventory_cpus_ask(const struct inventory_question *question);
void inventory_memory_ask(const struct inventory_question *question);
void inventory_zones_ask(const struct inventory_question *question);
void inventory_swaps_ask(const struct inventory_question *question);
void inventory_disks_ask(const struct inventory_question *question);
void inventory_pci_ask(const struct inventory_question *question);
void inventory_objects_ask(const struct inventory_question *question);
void inventory_balloon_ask(const struct inventory_question *question);
void inventory_meminfo_ask(const struct inventory_question *question);
void inventory_kernel_ask(const struct inventory_question *question);
void inventory_guest_ask(const struct inventory_question *question, struct vm *vm);

/* Once all is known: what can be said only then. */
void inventory_cpus_finish(struct inventory *inventory);
void inventory_disks_finish(struct inventory *inventory);
void inventory_objects_finish(struct inventory *inventory);

#endif
