/* SPDX-License-Identifier: MIT */
/*
 * Disks that the guest swaps to. No command of the agent lists them, but it can read /proc/swaps;
 * a guest without that file, or an agent that may not read it, tells nothing.
 */
#include "vmm/inventory_parts.h"

#define READ_BYTES 4096

static bool take_swaps(struct inventory *inventory, void *item, const char *text,
                       size_t size_bytes, const char *why)
{
    (void)item;
    (void)size_bytes;
    (void)why;
    return text == NULL || qga_uses_read_swaps(&inventory->guest.uses, text);
}

void inventory_swaps_ask(struct inventory_question *question)
{
    if (question->inventory->parts & INVENTORY_GUEST_MOUNTS)
        inventory_read_file(question, "/proc/swaps", READ_BYTES, take_swaps, NULL);
}
