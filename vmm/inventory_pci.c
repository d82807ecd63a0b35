/* SPDX-License-Identifier: MIT */
/*
 * Where a PCI device can be hotplugged. query-pci knows bus numbers, which firmware gives out, but
 * neither names nor who may be plugged; QOM does: a port or bridge has its bus as a child, the bus
 * has its devices as child[N], and a bus that takes devices while the guest runs has a
 * hotplug-handler.
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "qmp/field.h"
#include "vmm/inventory_parts.h"

#define BUSES_MAX 256
#define I440FX "/machine/i440fx"
#define I440FX_BUS "pci.0" /* the root bus of machine pc; that of q35 takes nothing */

static bool is_port(const char *type)
{
    static const char *const types[] = {
        "child<pcie-root-port>",  "child<ioh3420>",    "child<xio3130-downstream>",
        "child<pcie-pci-bridge>", "child<pci-bridge>",
    };
    size_t i;

    for (i = 0; i < COUNT_OF(types); i++) {
        if (strcmp(types[i], type) == 0)
            return true;
    }
    return false;
}

static void take_devices(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_pci_bus *bus = item;
    const json_t *row;
    size_t i;

    (void)user;
    (void)error;
    json_array_foreach(value, i, row)
        bus->device_count += strncmp(field_string(row, "name", ""), "child[", 6) == 0 ? 1 : 0;
}

/* A conventional bridge that is its own handler (SHPC) has no slot 0, which is where QEMU puts a
 * device that is given no place. */
static void take_handler(void *user, void *item, const json_t *value, const struct error *error)
{
    const char *handler = json_string_value(value);
    struct inventory_pci_bus *bus = item;
    size_t length = handler != NULL ? strlen(handler) : 0;

    (void)user;
    (void)error;
    if (length == 0 || (!bus->express && strncmp(bus->path, handler, length) == 0 &&
                        bus->path[length] == '/'))
        bus->hotpluggable = false;
}

/* A port's own hotplug=off; bridges have no such property. */
static void take_hotplug(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_pci_bus *bus = item;

    (void)user;
    (void)error;
    if (json_is_false(value))
        bus->hotpluggable = false;
}

/* The bus follows its port or bridge in bus->path. */
static void ask_bus(const struct inventory_question *question, struct inventory_pci_bus *bus,
                    const char *name)
{
    size_t used = strlen(bus->path);

    text_copy(bus->name, sizeof(bus->name), name);
    (void)snprintf(bus->path + used, sizeof(bus->path) - used, "/%s", bus->name);
    gather_qom_list(question->gather, bus->path, take_devices, bus);
    gather_qom_get(question->gather, bus->path, "hotplug-handler", take_handler, bus);
}

static void take_port(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_pci_bus *bus = item;
    const json_t *row;
    const char *type;
    size_t i;

    (void)error;
    json_array_foreach(value, i, row) {
        type = field_string(row, "type", "");
        bus->express = strcmp(type, "child<PCIE>") == 0;
        if (!bus->express && strcmp(type, "child<PCI>") != 0)
            continue;
        ask_bus(user, bus, field_string(row, "name", ""));
        return;
    }
    bus->hotpluggable = false;
}

static struct inventory_pci_bus *add_bus(const struct inventory_question *question,
                                         const char *path)
{
    struct inventory_pci *pci = &question->inventory->pci;
    struct inventory_pci_bus *bus = &pci->buses[pci->bus_count++];

    bus->hotpluggable = true; /* until something speaks against it */
    text_copy(bus->path, sizeof(bus->path), path);
    return bus;
}

void inventory_pci_take_peripherals(const struct inventory_question *question,
                                    const char *container, const json_t *rows)
{
    const struct inventory_pci *pci = &question->inventory->pci;
    struct inventory_pci_bus *bus;
    char path[INVENTORY_PATH_MAX];
    const json_t *row;
    size_t i;

    json_array_foreach(rows, i, row) {
        if (!is_port(field_string(row, "type", "")) || pci->buses == NULL ||
            pci->bus_count == BUSES_MAX)
            continue;
        (void)snprintf(path, sizeof(path), "%s/%.100s", container,
                       field_string(row, "name", ""));
        bus = add_bus(question, path);
        gather_qom_get(question->gather, path, "hotplug", take_hotplug, bus);
        gather_qom_list(question->gather, path, take_port, bus);
    }
}

void inventory_pci_ask(const struct inventory_question *question)
{
    struct inventory_pci *pci = &question->inventory->pci;

    pci->buses = /* answers point into it */
        gather_allocate(question->gather, BUSES_MAX, sizeof(*pci->buses));
    if (pci->buses != NULL)
        ask_bus(question, add_bus(question, I440FX), I440FX_BUS);
}
