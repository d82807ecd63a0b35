/* SPDX-License-Identifier: MIT */
/* Between inventory.c and the files that each know one part of it. */
#ifndef VMM_INVENTORY_PARTS_H
#define VMM_INVENTORY_PARTS_H

#include <sys/queue.h>

#include "vmm/inventory.h"

#define INVENTORY_FILE_PATH_MAX 128
#define INVENTORY_TREE_DIR_MAX 512

struct inventory_reading;

/* Comes back as `user` with every answer, so that an answer can lead to further questions. */
struct inventory_question {
    struct vm *vm;
    struct gather *gather;
    struct inventory *inventory;
    STAILQ_HEAD(, inventory_reading) readings; /* of the guest's files; the first is under way */
    char tree_dir[INVENTORY_TREE_DIR_MAX]; /* where QEMU writes the device tree; "": nowhere */
};

/* What a file of the guest has, borrowed, with a NUL behind its size_bytes; or NULL and why the
 * guest could not open it. False when there was no memory to keep it. */
typedef bool inventory_take_file_fn(struct inventory *inventory, void *item, const char *text,
                                    size_t size_bytes, const char *why);

/* Reads a file of the guest, bytes_max of it at most, when those asked for before have been read.
 * item comes back with it; nothing does where the agent can't read files, falls silent or sends
 * nonsense. path is shorter than INVENTORY_FILE_PATH_MAX. */
void inventory_read_file(struct inventory_question *question, const char *path, size_t bytes_max,
                         inventory_take_file_fn *take, void *item);

/* No file will be read any more. */
void inventory_forget_readings(struct inventory_question *question);

void inventory_machine_ask(const struct inventory_question *question);
void inventory_machine_ask_accel(const struct inventory_question *question);
void inventory_machine_ask_type(struct inventory_question *question);
void inventory_board_ask(const struct inventory_question *question);
void inventory_cpus_ask(const struct inventory_question *question);
void inventory_memory_ask(const struct inventory_question *question);
void inventory_zones_ask(struct inventory_question *question);
void inventory_swaps_ask(struct inventory_question *question);
void inventory_disks_ask(const struct inventory_question *question);
void inventory_pci_ask(const struct inventory_question *question);
void inventory_objects_ask(const struct inventory_question *question);
void inventory_balloon_ask(const struct inventory_question *question);
void inventory_meminfo_ask(struct inventory_question *question);
void inventory_kernel_ask(struct inventory_question *question);
void inventory_guest_ask(const struct inventory_question *question);

/* The devices of a container, /machine/peripheral or -anon (rows of qom-list): leads to the buses
 * among them. */
void inventory_disks_take_peripherals(const struct inventory_question *question,
                                      const char *container, const json_t *rows);
void inventory_pci_take_peripherals(const struct inventory_question *question,
                                    const char *container, const json_t *rows);

/* The machine's architecture is known: a device tree can be asked for where there is one. */
void inventory_board_take_arch(struct inventory_question *question);

/* When all else has been answered: the guest's device tree in place of one that QEMU can't give. */
void inventory_board_ask_guest(struct inventory_question *question);

/* Takes away what QEMU wrote, or would have. */
void inventory_board_forget(struct inventory_question *question);

/* Once all is known: what can be said only then. An agent that has gone meanwhile is none. */
void inventory_machine_finish(struct inventory *inventory, struct vm *vm);
void inventory_guest_finish(struct inventory *inventory, struct vm *vm);
void inventory_cpus_finish(struct inventory *inventory);
void inventory_disks_finish(struct inventory *inventory);
void inventory_objects_finish(struct inventory *inventory);
void inventory_board_finish(struct inventory *inventory);

#endif
