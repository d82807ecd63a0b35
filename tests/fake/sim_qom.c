/* SPDX-License-Identifier: MIT */
/* The simulated machine as a tree of objects: qom-list and qom-get. */
#include <stdio.h>
#include <string.h>

#include "qmp/codec.h"
#include "tests/fake/sim_parts.h"

#define SCSI_DEVICE "/machine/peripheral/scsi%u/virtio-backend"

/* The path is an HBA's, or of something below it: "", "/scsi0.0", … */
static bool is_hba(const struct sim *sim, const char *path, const char **ret_behind)
{
    unsigned number;
    int used = 0;

    if (sscanf(path, SCSI_DEVICE "%n", &number, &used) != 1 || used == 0 ||
        number >= sim->scsi_count)
        return false;
    *ret_behind = path + used;
    return true;
}

static void add_row(json_t *list, const char *name, const char *type)
{
    json_array_append_new(list, json_pack("{s:s, s:s}", "name", name, "type", type));
}

static void list_peripherals(const struct sim *sim, json_t *list)
{
    char name[32];
    unsigned i;

    for (i = 0; i < sim->scsi_count; i++) {
        (void)snprintf(name, sizeof(name), "scsi%u", i);
        add_row(list, name, "child<virtio-scsi-pci>");
    }
    for (i = 0; i < sim->cpu_count; i++) {
        if (sim->cpus[i].id[0] != '\0')
            add_row(list, sim->cpus[i].id, "child<" SIM_CPU_TYPE ">");
    }
    for (i = 0; i < sim->dimm_count; i++)
        add_row(list, sim->dimms[i].id, "child<pc-dimm>");
    for (i = 0; i < sim->virtio_mem_count; i++)
        add_row(list, sim->virtio_mems[i].id, "child<virtio-mem-pci>");
    for (i = 0; i < sim->disk_count; i++) {
        if (sim->disks[i].id[0] != '\0')
            add_row(list, sim->disks[i].id,
                    sim->disks[i].virtio ? "child<virtio-blk-pci>" : "child<scsi-hd>");
    }
    for (i = 0; i < sim->cdrom_count; i++)
        add_row(list, sim->cdroms[i].id, "child<ide-cd>");
}

/* An HBA has a bus, "scsi0.0", and that has the disks on it. */
static void list_hba(const struct sim *sim, json_t *list, const char *path, const char *behind)
{
    char name[32];
    unsigned i;

    if (*behind == '\0') {
        (void)snprintf(name, sizeof(name), "scsi%c.0", path[strlen("/machine/peripheral/scsi")]);
        add_row(list, name, "child<SCSI>");
        return;
    }
    for (i = 0; i < sim->disk_count; i++) {
        (void)snprintf(name, sizeof(name), "child[%u]", i);
        if (sim->disks[i].id[0] != '\0' && strcmp(sim->disks[i].bus, behind + 1) == 0)
            add_row(list, name, "link<scsi-hd>");
    }
}

json_t *sim_qom_list(const struct sim *sim, const char *path)
{
    json_t *list = json_array(), *value;
    bool is_pci = sim_pci_list(sim, path, list);
    const char *key, *behind;

    add_row(list, "type", "string");
    if (strcmp(path, "/machine/peripheral") == 0) {
        list_peripherals(sim, list);
    } else if (strcmp(path, "/objects") == 0) {
        add_row(list, "pc.ram", "child<memory-backend-ram>");
        add_row(list, "tls0", "child<tls-creds-x509>");
        json_object_foreach(sim->objects, key, value)
            add_row(list, key, "child<memory-backend-ram>");
    } else if (is_hba(sim, path, &behind)) {
        list_hba(sim, list, path, behind);
    } else if (strcmp(path, "/machine/peripheral-anon") != 0 && !is_pci) {
        json_decref(list);
        return sim_error("DeviceNotFound", "Device '%s' not found", path);
    }
    return sim_return(list);
}

/* NULL: there is none at this path. */
static json_t *get_peripheral_type(const struct sim *sim, const char *path)
{
    AUTO_JSON json_t *rows = json_array();
    const json_t *row;
    char text[256];
    size_t i;

    list_peripherals(sim, rows);
    json_array_foreach(rows, i, row) {
        (void)snprintf(text, sizeof(text), "/machine/peripheral/%s",
                       json_string_value(json_object_get(row, "name")));
        if (strcmp(text, path) == 0 &&
            sscanf(json_string_value(json_object_get(row, "type")), "child<%255[^>]", text) == 1)
            return json_string(text);
    }
    return NULL;
}

/* A device that failed to come into being has no place in the tree. */
static bool is_realized(const struct sim *sim, const char *path)
{
    static const char peripheral[] = "/machine/peripheral/";
    const char *id = path + strlen(peripheral);
    unsigned i;

    if (strncmp(path, peripheral, strlen(peripheral)) != 0 || *id == '\0')
        return false;
    for (i = 0; i < sim->disk_count; i++) {
        if (strcmp(sim->disks[i].id, id) == 0)
            return true;
    }
    for (i = 0; i < sim->cpu_count; i++) {
        if (sim->cpus[i].present && strcmp(sim->cpus[i].id, id) == 0)
            return true;
    }
    return false;
}

json_t *sim_qom_get(const struct sim *sim, const char *path, const char *property)
{
    const json_t *type = json_object_get(sim->types, path);
    json_t *of_other = sim_pci_get(sim, path, property);
    const struct sim_disk *disk;
    const char *behind;
    char text[128];
    unsigned index;

    if (of_other == NULL)
        of_other = sim_virtio_blk_get(sim, path, property);
    if (of_other != NULL)
        return of_other;
    if (type != NULL && strcmp(property, "type") == 0)
        return sim_return(json_string(json_string_value(type)));
    if (strcmp(property, "type") == 0 && (of_other = get_peripheral_type(sim, path)) != NULL)
        return sim_return(of_other);
    if (strcmp(path, "/machine") == 0)
        return sim_board_get(sim, property);
    if (strcmp(property, "container") == 0)
        return sim_get_container(sim, path);
    if (strcmp(property, "realized") == 0 && is_realized(sim, path))
        return sim_return(json_true());
    if (!is_hba(sim, path, &behind))
        return sim_error("DeviceNotFound", "Device '%s' not found", path);
    if (sscanf(property, "child[%u]", &index) == 1 && index < sim->disk_count) {
        (void)snprintf(text, sizeof(text), "/machine/peripheral/%s", sim->disks[index].id);
        return sim_return(json_string(text));
    }
    if (sscanf(behind, "/%*[^/]/child[%u]", &index) != 1 || index >= sim->disk_count)
        return sim_error("DeviceNotFound", "Device '%s' not found", path);
    disk = &sim->disks[index];
    if (strcmp(property, "serial") == 0)
        return sim_return(json_string(disk->serial));
    return sim_return(
        json_integer(strcmp(property, "lun") == 0 ? (json_int_t)disk->lun
                                                  : (json_int_t)disk->scsi_id));
}
