/* SPDX-License-Identifier: MIT */
/*
 * Memory backends and block nodes, and whether anybody uses them. QEMU lists both and names the
 * users of neither: a backend in use is the machine's own, a memory device's, or its memory region
 * is part of another (NUMA nodes, PCI devices); a block node in use has a parent in the block
 * graph, be it a device, another node, a job or an export. Only an unstable command shows that
 * graph (x-debug-query-block-graph, since QEMU 4.0): where it is not there, nothing is known.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "qmp/field.h"
#include "vmm/inventory_parts.h"

#define OBJECTS "/objects/"
#define OBJECTS_MAX 65536

static struct inventory_objects *objects_of(void *user)
{
    return &((struct inventory_question *)user)->inventory->objects;
}

static struct inventory_object *append(const struct inventory_question *question,
                                       struct inventory_object **list, size_t *count,
                                       const char *name)
{
    struct inventory_object *grown;

    if (*count == OBJECTS_MAX)
        return NULL;
    grown = realloc(*list, (*count + 1) * sizeof(*grown));
    if (grown == NULL) {
        gather_out_of_memory(question->gather);
        return NULL;
    }
    *list = grown;
    grown = &grown[(*count)++];
    *grown = (struct inventory_object){.used = false};
    text_copy(grown->name, sizeof(grown->name), name);
    return grown;
}

/* ---- memory backends ---- */

static void use_backend(struct inventory_objects *objects, const char *path)
{
    const char *name = path;
    size_t i;

    if (strncmp(path, OBJECTS, strlen(OBJECTS)) == 0) /* before QEMU 7.1 the machine tells an id */
        name += strlen(OBJECTS);
    for (i = 0; i < objects->backend_count; i++) {
        if (strcmp(objects->backends[i].name, name) == 0)
            objects->backends[i].used = true;
    }
}

static void take_machine_backend(void *user, void *item, const json_t *value,
                                 const struct error *error)
{
    (void)item;
    (void)error;
    if (json_is_string(value))
        use_backend(objects_of(user), json_string_value(value));
}

/* Questions are answered in their order, and so this is of the next backend. What can't be told
 * counts as used. */
static void take_container(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_objects *objects = objects_of(user);

    (void)item;
    (void)error;
    if (objects->container_count < objects->backend_count &&
        (!json_is_string(value) || *json_string_value(value) != '\0'))
        objects->backends[objects->container_count].used = true;
    objects->container_count++;
}

static void take_objects(void *user, void *item, const json_t *value, const struct error *error)
{
    static const char type[] = "child<memory-backend-";
    const struct inventory_question *question = user;
    struct inventory_objects *objects = objects_of(user);
    const struct inventory_object *backend;
    char region[2 * INVENTORY_ID_MAX + 32];
    const json_t *row;
    size_t i;

    (void)item;
    (void)error;
    objects->backends_known = json_is_array(value);
    json_array_foreach(value, i, row) {
        if (strncmp(field_string(row, "type", ""), type, strlen(type)) != 0)
            continue;
        backend = append(question, &objects->backends, &objects->backend_count,
                         field_string(row, "name", ""));
        if (backend == NULL)
            return;
        (void)snprintf(region, sizeof(region), OBJECTS "%s/%s[0]", backend->name, backend->name);
        gather_qom_get(question->gather, region, "container", take_container, NULL);
    }
    gather_qom_get(question->gather, "/machine", "memory-backend", take_machine_backend, NULL);
}

/* ---- block nodes ---- */

static bool is_child(const json_t *graph, json_int_t id)
{
    const json_t *edge;
    size_t i;

    json_array_foreach(field_array(graph, "edges"), i, edge) {
        if (json_integer_value(json_object_get(edge, "child")) == id)
            return true;
    }
    return false;
}

/* Names that QEMU made up are not the monitor's to delete. */
static void take_graph(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_objects *objects = objects_of(user);
    struct inventory_object *node;
    const json_t *row;
    const char *name;
    size_t i;

    (void)item;
    (void)error;
    objects->nodes_known = field_array(value, "nodes") != NULL;
    json_array_foreach(field_array(value, "nodes"), i, row) {
        name = field_string(row, "name", "");
        if (strcmp(field_string(row, "type", ""), "block-driver") != 0 || *name == '\0' ||
            *name == '#')
            continue;
        node = append(user, &objects->nodes, &objects->node_count, name);
        if (node == NULL)
            return;
        node->used = is_child(value, json_integer_value(json_object_get(row, "id")));
    }
}

void inventory_objects_ask(const struct inventory_question *question)
{
    gather_qom_list(question->gather, "/objects", take_objects, NULL);
    gather_ask(question->gather, PEER_QMP, "x-debug-query-block-graph", take_graph, NULL);
}

void inventory_objects_finish(struct inventory *inventory)
{
    const struct inventory_memory *memory = &inventory->memory;
    size_t i;

    for (i = 0; i < memory->device_count; i++)
        use_backend(&inventory->objects, memory->devices[i].memdev);
}
