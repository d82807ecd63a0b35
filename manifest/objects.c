/* SPDX-License-Identifier: MIT */
#include "manifest/objects.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static int without_memory(struct error *error)
{
    return error_set(error, ERROR_SYSTEM, "", "out of memory");
}

static int gather(struct objects *objects, enum kind kind, struct error *error)
{
    if (objects->merged[kind] != NULL)
        return 0;
    objects->merged[kind] =
        objects->store != NULL ? store_list(objects->store, kind, error) : json_object();
    if (objects->merged[kind] == NULL)
        return objects->store != NULL ? -1 : without_memory(error);
    if (objects->given[kind] != NULL &&
        json_object_update(objects->merged[kind], objects->given[kind]) < 0)
        return without_memory(error);
    return 0;
}

int objects_give(struct objects *objects, enum kind kind, const char *name, json_t *object,
                 struct error *error)
{
    json_decref(objects->merged[kind]);
    objects->merged[kind] = NULL;
    if (objects->given[kind] == NULL)
        objects->given[kind] = json_object();
    return json_object_set_new(objects->given[kind], name, object) == 0 ? 0
                                                                         : without_memory(error);
}

/* One file is read, and not all of them: there may be thousands. */
int objects_find(struct objects *objects, enum kind kind, const char *name, const json_t **ret,
                 struct error *error)
{
    json_t *object = NULL;

    *ret = json_object_get(objects->given[kind], name);
    if (*ret == NULL)
        *ret = json_object_get(objects->merged[kind], name);
    if (*ret == NULL)
        *ret = json_object_get(objects->found[kind], name);
    if (*ret != NULL || objects->store == NULL || objects->merged[kind] != NULL)
        return 0;
    if (store_load(objects->store, kind, name, &object, error) < 0)
        return -1;
    if (object == NULL)
        return 0;
    if (objects->found[kind] == NULL)
        objects->found[kind] = json_object();
    if (json_object_set_new(objects->found[kind], name, object) < 0)
        return without_memory(error);
    *ret = object;
    return 0;
}

int objects_list(struct objects *objects, enum kind kind, const json_t **ret, struct error *error)
{
    if (gather(objects, kind, error) < 0)
        return -1;
    *ret = objects->merged[kind];
    return 0;
}

static void use(json_t **used, enum kind kind, const char *name)
{
    char text[32 + KIND_NAME_MAX];

    (void)snprintf(text, sizeof(text), "%s/%.*s", kind_name(kind), KIND_NAME_MAX, name);
    if (*used == NULL)
        *used = json_array();
    (void)json_array_append_new(*used, json_string(text));
}

json_t *objects_used(const struct objects *objects)
{
    json_t *used = NULL, *object;
    const char *name;
    enum kind kind;

    for (kind = 0; kind < KINDS_; kind++) {
        if (kind == KIND_VIRTUAL_MACHINE || kind == KIND_KUBEVIRT)
            continue;
        if (objects->merged[kind] != NULL)
            use(&used, kind, "");
        json_object_foreach(objects->found[kind], name, object)
            use(&used, kind, name);
    }
    return used;
}

bool objects_use(const json_t *used, enum kind kind, const char *name)
{
    size_t length = strlen(kind_name(kind)), i;
    const json_t *entry;
    const char *text;

    json_array_foreach(used, i, entry) {
        text = json_string_value(entry);
        if (strncmp(text, kind_name(kind), length) != 0 || text[length] != '/')
            continue;
        if (name == NULL || text[length + 1] == '\0' || strcmp(text + length + 1, name) == 0)
            return true;
    }
    return false;
}

void objects_free(struct objects *objects)
{
    size_t i;

    for (i = 0; i < KINDS_; i++) {
        json_decref(objects->given[i]);
        json_decref(objects->merged[i]);
        json_decref(objects->found[i]);
    }
    *objects = (struct objects){.store = objects->store};
}
