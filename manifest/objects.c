/* SPDX-License-Identifier: MIT */
#include "manifest/objects.h"

#include <stddef.h>

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
