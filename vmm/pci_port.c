/* SPDX-License-Identifier: MIT */
#include "vmm/pci_port.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

#define SLOTS 32 /* of a conventional bus, each for one device or more */

static bool has_room(const struct inventory_pci_bus *bus)
{
    return bus->device_count < (bus->express ? 1 : SLOTS);
}

/* Express first: virtio has less to do there. Of several the first by name, since QEMU lists them
 * in no order. */
static bool is_better(const struct inventory_pci_bus *bus, const struct inventory_pci_bus *than)
{
    if (bus->express != than->express)
        return bus->express;
    return strverscmp(bus->name, than->name) < 0;
}

/* Boards where a root port is of no use. With pcie=on microvm takes one, but Linux never sees what
 * is plugged there; pseries plugs into its host bridge, but the guest hears of that by a program of
 * its own, and shows nothing where that does not run. */
static const struct {
    const char *machine; /* how its type begins */
    const char *why, *fix;
} boards[] = {
    {"microvm", "this microvm has no PCI port that can be hotplugged",
     "put disks on a virtio-scsi bus"},
    {"pseries", "board pseries has no PCI ports: into its host bridge QEMU can plug, but a guest "
     "takes what comes only by the help of its own rtas_errd, which nobody can see from here",
     "put disks on a virtio-scsi bus, and add memory as DIMMs"},
    {"s390-ccw-virtio", "board s390-ccw-virtio has no PCI ports: its virtio devices are on "
     "channels (virtio-ccw)",
     "put disks on a virtio-scsi bus; vmplug plugs no virtio-mem on this board"},
};

static int refuse(const char *machine, struct error *error)
{
    size_t i;

    for (i = 0; i < COUNT_OF(boards); i++) {
        if (strncmp(machine, boards[i].machine, strlen(boards[i].machine)) == 0)
            return error_set(error, ERROR_BLOCKED, boards[i].fix, "%s", boards[i].why);
    }
    return error_set(error, ERROR_BLOCKED,
                     "restart QEMU with -device pcie-root-port,id=port1,chassis=1, and one more "
                     "for each further device",
                     "this QEMU has no PCI port that can be hotplugged (pcie.0 itself can't be)");
}

int pci_port_choose(const struct inventory *inventory, char bus[INVENTORY_ID_MAX],
                    struct error *error)
{
    const struct inventory_pci_bus *best = NULL, *candidate;
    unsigned taken = 0;
    size_t i;

    for (i = 0; i < inventory->pci.bus_count; i++) {
        candidate = &inventory->pci.buses[i];
        if (!candidate->hotpluggable)
            continue;
        if (!has_room(candidate))
            taken++;
        else if (best == NULL || is_better(candidate, best))
            best = candidate;
    }
    if (best != NULL) {
        text_copy(bus, INVENTORY_ID_MAX, best->name);
        return 0;
    }
    if (taken > 0)
        return error_set(error, ERROR_BLOCKED,
                         "remove a PCI device, or restart QEMU with one more -device "
                         "pcie-root-port,id=ID,chassis=N for each device to come",
                         "no PCI port is free: %u can be hotplugged, and %s taken", taken,
                         taken == 1 ? "it is" : "all are");
    return refuse(inventory->machine.machine, error);
}
