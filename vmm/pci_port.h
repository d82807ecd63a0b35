/* SPDX-License-Identifier: MIT */
/* Where the next PCI device goes. */
#ifndef VMM_PCI_PORT_H
#define VMM_PCI_PORT_H

#include "vmm/inventory.h"

/* A bus that takes one more device now, for device_add's `bus`: a free PCI Express port, else a
 * conventional bus with a free slot. Rests on INVENTORY_PCI, and for its advice
 * on INVENTORY_ACCEL. Returns 0, or -1 with ERROR_BLOCKED. */
int pci_port_choose(const struct inventory *inventory, char bus[INVENTORY_ID_MAX],
                    struct error *error);

#endif
