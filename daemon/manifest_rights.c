/* SPDX-License-Identifier: MIT */
#include "daemon/manifest_rights.h"

#include <string.h>

#include "manifest/virtual_machine.h"
#include "qmp/field.h"

#define OURS "vmplug/"

static json_t *annotations_of(const json_t *object)
{
    return field_object(field_object(object, "metadata"), "annotations");
}

/* Does one have what the other has not, or has otherwise? */
static bool differs(json_t *one, const json_t *other)
{
    const char *key;
    json_t *value;

    json_object_foreach(one, key, value) {
        if (strncmp(key, OURS, strlen(OURS)) == 0 && strcmp(key, ANNOTATION_LAST_APPLIED) != 0 &&
            !json_equal(value, json_object_get(other, key)))
            return true;
    }
    return false;
}

bool manifest_rights_change(const json_t *before, const json_t *after)
{
    json_t *old = annotations_of(before), *new = annotations_of(after);

    return differs(old, new) || differs(new, old);
}
