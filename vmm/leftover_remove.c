/* SPDX-License-Identifier: MIT */
/*
 * Memory backends and block nodes that nobody uses: what a plug or an unplug that broke off has
 * left behind. QEMU itself refuses those that are in use, the guest knows nothing of either.
 */
#include <stdio.h>
#include <string.h>

#include "qmp/field.h"
#include "vmm/operation_kind.h"

static bool is_backend(const struct operation *operation)
{
    return operation->kind == &backend_remove_kind;
}

static const struct inventory_object *find(const struct operation *operation)
{
    const struct inventory_objects *all = &operation->before->objects;
    const struct inventory_object *objects = is_backend(operation) ? all->backends : all->nodes;
    size_t count = is_backend(operation) ? all->backend_count : all->node_count, i;

    for (i = 0; i < count; i++) {
        if (strcmp(objects[i].name, operation->request.id) == 0)
            return &objects[i];
    }
    return NULL;
}

static int plan(struct operation *operation, struct error *error)
{
    const struct inventory_object *leftover = find(operation);
    const char *name = operation->request.id;

    (void)snprintf(operation->result.id, OPERATION_ID_MAX, "%.63s", name);
    if (leftover == NULL)
        return error_set(error, ERROR_BLOCKED, "see vmplug audit for what is left",
                         "there is no '%s'", name);
    if (leftover->used)
        return error_set(error, ERROR_BLOCKED, "remove the device that uses it",
                         "'%s' is in use", name);
    if (is_backend(operation))
        operation_add_step(operation, "object-del", json_pack("{s:s}", "id", name), NULL, NULL,
                           name);
    else
        operation_add_step(operation, "blockdev-del", json_pack("{s:s}", "node-name", name), NULL,
                           NULL, name);
    return 0;
}

static bool is_gone(struct operation *operation, const json_t *answer)
{
    const char *key = is_backend(operation) ? "id" : "node-name";
    const json_t *row;
    size_t i;

    json_array_foreach(answer, i, row) {
        if (strcmp(field_string(row, key, ""), operation->result.id) == 0)
            return false;
    }
    return json_is_array(answer);
}

const struct operation_kind backend_remove_kind = {
    .name = "backend-remove",
    .top = VERDICT_REMOVED,
    .parts = INVENTORY_OBJECTS | INVENTORY_MEMORY,
    .plan = plan,
    .realized_query = "query-memdev",
    .is_realized = is_gone,
};

const struct operation_kind node_remove_kind = {
    .name = "node-remove",
    .top = VERDICT_REMOVED,
    .parts = INVENTORY_OBJECTS | INVENTORY_MEMORY,
    .plan = plan,
    .realized_query = "query-named-block-nodes",
    .is_realized = is_gone,
};
