/* SPDX-License-Identifier: MIT */
#include "vmm/hazard.h"

#include <stdlib.h>
#include <string.h>

#define FORCE_FIX "restart QEMU, or risk it with --force"
#define FIRST_SOUND_MAJOR 10

static bool is_emulated(const struct inventory *inventory)
{
    return strcmp(inventory->machine.accel, "tcg") == 0;
}

static bool is_x86(const struct inventory *inventory)
{
    return strcmp(inventory->machine.arch, "x86_64") == 0;
}

static bool is_recent(const struct inventory *inventory)
{
    return atoi(inventory->machine.qemu) >= FIRST_SOUND_MAJOR;
}

/* QEMU 10.0 has been seen to survive it on x86, and to die of it on pseries. */
static bool corrupts_heap(const struct inventory *inventory)
{
    return !is_recent(inventory) || !is_x86(inventory);
}

/* The last word of an emptied slot stays: "ejected". Others may have done that, and vmplug may have
 * emptied one slot several times; the truth is at least the larger figure. */
static int count_removed(struct vm *vm, const struct inventory *inventory, unsigned *ret,
                         struct error *error)
{
    unsigned recorded = record_vcpus_removed(vm_record(vm)), emptied = 0;
    const struct ledger_entry *entry;
    size_t i;

    for (i = 0; i < inventory->cpus.slot_count; i++) {
        entry = ledger_news(vm_ledger(vm), LEDGER_CPU, (unsigned)i, 0);
        if (entry != NULL && !inventory->cpus.slots[i].present &&
            ost_kind(entry->source) == OST_EJECTION &&
            ost_outcome(entry->source, entry->status) == OST_SUCCESS)
            emptied += inventory->cpus.slots[i].vcpus_count;
    }
    *ret = recorded > emptied ? recorded : emptied;
    return record_failed(vm_record(vm)) ? error_set(error, ERROR_SYSTEM, "", "out of memory") : 0;
}

static int check_heap(const struct inventory *inventory, unsigned removed, struct error *error)
{
    if (removed == 0 || !corrupts_heap(inventory))
        return 0;
    return error_set(error, ERROR_BLOCKED, FORCE_FIX,
                     "a vCPU was removed from this QEMU %s, which under emulation (TCG) corrupts "
                     "its memory: a new vCPU would kill it, and so would a DIMM or PCI device that "
                     "comes or goes", inventory->machine.qemu);
}

int hazard_check_memory_map(struct vm *vm, const struct inventory *inventory, struct error *error)
{
    unsigned removed;

    if (!is_emulated(inventory))
        return 0;
    if (count_removed(vm, inventory, &removed, error) < 0)
        return -1;
    return check_heap(inventory, removed, error);
}

int hazard_check_cpu_add(struct vm *vm, const struct inventory *inventory, struct error *error)
{
    const struct inventory_cpus *cpus = &inventory->cpus;
    unsigned removed = 0;

    if (is_emulated(inventory) && count_removed(vm, inventory, &removed, error) < 0)
        return -1;
    if (removed == 0)
        return 0;
    if (check_heap(inventory, removed, error) < 0)
        return -1;
    if (cpus->present + removed < cpus->max)
        return 0;
    return error_set(error, ERROR_BLOCKED,
                     "restart QEMU with a larger maxcpus, or risk it with --force",
                     "under emulation (TCG) QEMU has one context for each of maxcpus=%u and uses "
                     "none twice: %u are in use, %u spent, and another would kill it", cpus->max,
                     cpus->present, removed);
}

/* One host thread runs all vCPUs: thread=single. */
static bool is_single_threaded(const struct inventory_cpus *cpus)
{
    int64_t first = cpus->slot_count > 0 ? cpus->slots[0].thread_id : 0;
    size_t i;

    for (i = 1; i < cpus->slot_count; i++) {
        if (cpus->slots[i].present && first != 0 && cpus->slots[i].thread_id == first)
            return true;
    }
    return false;
}

const char *hazard_after_cpu_remove(const struct inventory *inventory)
{
    if (!is_emulated(inventory) || !corrupts_heap(inventory))
        return NULL;
    return "once a vCPU is gone, under emulation (TCG), this version of QEMU will not survive the "
           "guest's next reset, nor a new vCPU, nor a DIMM or PCI device that comes or goes";
}

int hazard_check_cpu_remove(const struct inventory *inventory, struct error *error)
{
    if (is_emulated(inventory) && is_recent(inventory) && !is_x86(inventory))
        return error_set(error, ERROR_BLOCKED, FORCE_FIX,
                         "under emulation (TCG) removing a vCPU of a board that is not x86 "
                         "corrupts the memory of QEMU %s, as seen on pseries, which kills it at "
                         "once or a little later",
                         inventory->machine.qemu);
    if (!is_emulated(inventory) || !is_single_threaded(&inventory->cpus))
        return 0;
    return error_set(error, ERROR_BLOCKED,
                     "restart QEMU with -accel tcg,thread=multi, or risk it with --force",
                     "under emulation (TCG) with thread=single, removing a vCPU kills QEMU");
}
