/* SPDX-License-Identifier: MIT */
/* The simulated machine's memory backends and block nodes, and who uses them. */
#include <stdio.h>
#include <string.h>

#include "tests/fake/sim_parts.h"

#define OBJECTS "/objects/"

static bool is_in_use(const struct sim *sim, const char *backend)
{
    unsigned i;

    for (i = 0; i < sim->dimm_count; i++) {
        if (strcmp(sim->dimms[i].backend, backend) == 0)
            return true;
    }
    for (i = 0; i < sim->virtio_mem_count; i++) {
        if (strcmp(sim->virtio_mems[i].backend, backend) == 0)
            return true;
    }
    return strcmp(backend, sim->numa_backend) == 0;
}

void sim_leave_backend(struct sim *sim, const char *id)
{
    json_object_set_new(sim->objects, id, json_object());
}

void sim_leave_node(struct sim *sim, const char *name)
{
    struct sim_disk *disk = &sim->disks[sim->disk_count++];

    *disk = (struct sim_disk){.driver = "raw", .file = "left.raw"};
    (void)snprintf(disk->node, sizeof(disk->node), "%s", name);
}

/* A DIMM's region lies in the machine's device memory; the machine's own is only aliased. */
json_t *sim_get_container(const struct sim *sim, const char *path)
{
    char backend[64], region[64];

    if (sscanf(path, OBJECTS "%63[^/]/%63s", backend, region) != 2)
        return sim_error("DeviceNotFound", "Device '%s' not found", path);
    return sim_return(
        json_string(is_in_use(sim, backend) ? "/machine/device-memory[0]" : ""));
}

static json_t *query_memdev(const struct sim *sim)
{
    json_t *list = json_array(), *value;
    const char *key;

    json_object_foreach(sim->objects, key, value)
        json_array_append_new(list, json_pack("{s:s, s:I, s:s, s:b, s:b, s:b, s:b, s:[]}", "id",
                                              key, "size", (json_int_t)(128 * SIM_MIB), "policy",
                                              "default", "merge", 1, "dump", 1, "prealloc", 0,
                                              "share", 0, "host-nodes"));
    return sim_return(list);
}

json_t *sim_object_del(struct sim *sim, const char *id)
{
    if (json_object_get(sim->objects, id) == NULL)
        return sim_error("GenericError", "object '%s' not found", id);
    if (is_in_use(sim, id))
        return sim_error("GenericError", "object '%s' is in use, can not be deleted", id);
    json_object_del(sim->objects, id);
    return sim_return(json_object());
}

static void add_node(json_t *graph, int id, const char *type, const char *name)
{
    json_array_append_new(json_object_get(graph, "nodes"),
                          json_pack("{s:i, s:s, s:s}", "id", id, "type", type, "name", name));
}

static void add_edge(json_t *graph, int parent, int child, const char *name)
{
    json_array_append_new(json_object_get(graph, "edges"),
                          json_pack("{s:i, s:i, s:s, s:[], s:[]}", "parent", parent, "child",
                                    child, "name", name, "perm", "shared-perm"));
}

static bool is_medium(const struct sim *sim, const struct sim_disk *disk)
{
    unsigned i;

    for (i = 0; i < sim->cdrom_count; i++) {
        if (strcmp(sim->cdroms[i].node, disk->node) == 0)
            return true;
    }
    return false;
}

/* A device's backend, its node, and the node of the file below, which QEMU names. */
static json_t *query_block_graph(const struct sim *sim)
{
    json_t *graph = json_pack("{s:[], s:[]}", "nodes", "edges");
    const struct sim_disk *disk;
    char name[32];
    int i;

    for (i = 0; i < (int)sim->disk_count; i++) {
        disk = &sim->disks[i];
        (void)snprintf(name, sizeof(name), "#block%03d", i);
        add_node(graph, 3 * i + 2, "block-driver", disk->node);
        add_node(graph, 3 * i + 3, "block-driver", name);
        add_edge(graph, 3 * i + 2, 3 * i + 3, "file");
        if (disk->id[0] == '\0' && !is_medium(sim, disk))
            continue;
        add_node(graph, 3 * i + 1, "block-backend", "");
        add_edge(graph, 3 * i + 1, 3 * i + 2, "root");
    }
    return sim_return(graph);
}

static json_t *query_balloon(const struct sim *sim)
{
    return sim->balloon_bytes != 0
               ? sim_return(json_pack("{s:I}", "actual", (json_int_t)sim->balloon_bytes))
               : sim_error("DeviceNotActive", "No balloon device has been activated");
}

json_t *sim_objects_do(const struct sim *sim, const char *command)
{
    if (strcmp(command, "x-debug-query-block-graph") == 0)
        return query_block_graph(sim);
    if (strcmp(command, "query-memdev") == 0)
        return query_memdev(sim);
    return strcmp(command, "query-balloon") == 0 ? query_balloon(sim) : NULL;
}
