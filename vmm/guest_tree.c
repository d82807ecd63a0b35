/* SPDX-License-Identifier: MIT */
#include "vmm/guest_tree.h"

#include <stdio.h>
#include <string.h>

#include "acpi/drmem.h"
#include "qmp/field.h"

#define LIVE_TREE "/proc/device-tree/"
#define LMB_LIST LIVE_TREE "ibm,dynamic-reconfiguration-memory/ibm,dynamic-memory-v2"

bool guest_tree_is_due(const struct operation *operation)
{
    return operation->before->board.platform.board == PLATFORM_PSERIES &&
           !operation->tree_was_asked && inventory_can_read_files(operation->before);
}

static void settle(struct operation *operation, const char *what)
{
    operation->tree_was_asked = true;
    if (what != NULL)
        operation_detail(operation, "guest_device_tree", json_string(what));
    operation_look(operation);
}

static void on_lmbs(struct operation *operation, const struct error *error)
{
    enum drmem_answer answer = DRMEM_UNKNOWN;

    if (error == NULL)
        answer = drmem_is_assigned(operation->file.bytes, operation->file.size,
                                   inventory_memory_unit(operation->before), operation->addr,
                                   operation->bytes);
    if (answer == DRMEM_NOT_ASSIGNED)
        operation_look_later(operation);
    else
        settle(operation, answer == DRMEM_ASSIGNED ? "assigned" : NULL);
}

void guest_tree_ask_memory(struct operation *operation)
{
    operation_read_file(operation, LMB_LIST, on_lmbs);
}

/* Its node is named after the model and the number of its first thread. */
static void on_core(struct operation *operation, const struct error *error)
{
    settle(operation, error == NULL ? "present" : NULL);
}

/* "power9_v2.0-spapr-cpu-core" is a "PowerPC,POWER9" (qemu:target/ppc/cpu_init.c). */
void guest_tree_ask_core(struct operation *operation)
{
    const struct inventory_cpu *cpu = &operation->before->cpus.slots[operation->slot];
    unsigned generation, id;
    char path[128];

    if (sscanf(cpu->type, "power%u_", &generation) != 1 ||
        !field_unsigned(cpu->props, "core-id", &id)) {
        settle(operation, NULL);
        return;
    }
    (void)snprintf(path, sizeof(path), LIVE_TREE "cpus/PowerPC,POWER%u@%x/reg", generation, id);
    operation_read_file(operation, path, on_core);
}
