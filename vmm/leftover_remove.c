/* SPDX-License-Identifier: MIT */
/*
 * Memory backends and block nodes that nobody uses: what a plug or an unplug that broke off has
 * left behind. QEMU itself refuses those that are in use, the guest knows nothing of either.
 */
#include <stdio.h>
#include <string.h>

#include "qmp/field.h"
#include "vmm/operation_kind.h"

static int check(const struct inventory_object *objects, size_t count, const char *name,
                 struct error *error)
{
    size_t i;

    for (i = 0; i < count && strcmp(objects[i].name, name) != 0; i++)
        ;
    if (i == count)
        return error_set(error, ERROR_BLOCKED, "see vmplug audit for what is left",
                         "there is no '%s'", name);
    if (objects[i].used)
        return error_set(error, ERROR_BLOCKED, "remove the device that uses it",
                         "'%s' is in use", name);
    return 0;
}

static int plan(struct operation *operation, const struct inventory_object *objects, size_t count,
                const char *command, const char *argument, struct error *error)
{
    const char *name = operation->request.id;

    (void)snprintf(operation->result.id, OPERATION_ID_MAX, "%.63s", name);
    if (check(objects, count, name, error) < 0)
        return -1;
    operation_add_step(operation, command, json_pack("{s:s}", argument, name), NULL, NULL, name);
    return 0;
}

static int plan_backend(struct operation *operation, struct error *error)
{
    const struct inventory_objects *objects = &operation->before->objects;

    return plan(operation, objects->backends, objects->backend_count, "object-del", "id", error);
}

static int plan_node(struct operation *operation, struct error *error)
{
    const struct inventory_objects *objects = &operation->before->objects;

    return plan(operation, objects->nodes, objects->node_count, "blockdev-del", "node-name", error);
}

static bool is_gone(const struct operation *operation, const json_t *answer, const char *key)
{
    const json_t *row;
    size_t i;

    json_array_foreach(answer, i, row) {
        if (strcmp(field_string(row, key, ""), operation->result.id) == 0)
            return false;
    }
    return json_is_array(answer);
}

static bool is_backend_gone(struct operation *operation, const json_t *answer)
{
    return is_gone(operation, answer, "id");
}

static bool is_node_gone(struct operation *operation, const json_t *answer)
{
    return is_gone(operation, answer, "node-name");
}

const struct operation_kind backend_remove_kind = {
    .name = "backend-remove",
    .top = VERDICT_REMOVED,
    .parts = INVENTORY_OBJECTS | INVENTORY_MEMORY,
    .plan = plan_backend,
    .realized_query = "query-memdev",
    .is_realized = is_backend_gone,
};

const struct operation_kind node_remove_kind = {
    .name = "node-remove",
    .top = VERDICT_REMOVED,
    .parts = INVENTORY_OBJECTS | INVENTORY_MEMORY,
    .plan = plan_node,
    .realized_query = "query-named-block-nodes",
    .is_realized = is_node_gone,
};
