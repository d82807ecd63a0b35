/* SPDX-License-Identifier: MIT */
/* The simulated machine's PCI ports and bridges, as QOM shows them. */
#include <stdio.h>
#include <string.h>

#include "tests/fake/sim_parts.h"

#define ACPI_HANDLER "/machine/unattached/device[2]"

struct sim_port *sim_put_port(struct sim *sim, const char *type, const char *path, const char *bus)
{
    struct sim_port *port = &sim->ports[sim->port_count++];

    if (sim->port_count > SIM_PORTS_MAX)
        fake_fail("too many ports");
    *port = (struct sim_port){.type = type, .handler = ACPI_HANDLER};
    (void)snprintf(port->path, sizeof(port->path), "%s", path);
    (void)snprintf(port->bus, sizeof(port->bus), "%s", bus);
    return port;
}

struct sim_port *sim_find_port(struct sim *sim, const char *bus)
{
    unsigned i;

    for (i = 0; bus != NULL && i < sim->port_count; i++) {
        if (strcmp(sim->ports[i].bus, bus) == 0)
            return &sim->ports[i];
    }
    return NULL;
}

static void add_row(json_t *list, const char *name, const char *type)
{
    char text[64];

    (void)snprintf(text, sizeof(text), "child<%s>", type);
    json_array_append_new(list, json_pack("{s:s, s:s}", "name", name, "type", text));
}

static bool is_express(const struct sim_port *port)
{
    return strcmp(port->type, "pci-bridge") != 0 && strcmp(port->type, "pcie-pci-bridge") != 0 &&
           strcmp(port->type, "i440FX-pcihost") != 0;
}

bool sim_pci_list(const struct sim *sim, const char *path, json_t *list)
{
    const struct sim_port *port;
    size_t length = strlen(path);
    bool known = false;
    unsigned i, device;
    char name[32];

    for (i = 0; i < sim->port_count; i++) {
        port = &sim->ports[i];
        if (strncmp(port->path, path, length) == 0 && port->path[length] == '/')
            add_row(list, port->path + length + 1, port->type);
        if (strncmp(port->path, path, strlen(port->path)) != 0)
            continue;
        if (path[strlen(port->path)] == '\0') {
            known = true;
            add_row(list, port->bus, is_express(port) ? "PCIE" : "PCI");
        } else if (strcmp(path + strlen(port->path) + 1, port->bus) == 0) {
            known = true;
            for (device = 0; device < port->devices; device++) {
                (void)snprintf(name, sizeof(name), "child[%u]", device);
                add_row(list, name, "virtio-rng-pci");
            }
        }
    }
    return known;
}

json_t *sim_pci_get(const struct sim *sim, const char *path, const char *property)
{
    const struct sim_port *port;
    char bus[256];
    unsigned i;

    for (i = 0; i < sim->port_count; i++) {
        port = &sim->ports[i];
        (void)snprintf(bus, sizeof(bus), "%s/%s", port->path, port->bus);
        if (strcmp(path, bus) == 0 && strcmp(property, "hotplug-handler") == 0)
            return sim_return(json_string(port->handler));
        if (strcmp(path, port->path) == 0 && strcmp(property, "hotplug") == 0 && is_express(port))
            return sim_return(json_boolean(!port->off));
    }
    return NULL;
}
