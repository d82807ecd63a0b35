/* SPDX-License-Identifier: MIT */
#include "qmp/field.h"

#include <limits.h>

#include "qmp/codec.h"

const char *field_string(const json_t *object, const char *key, const char *fallback)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value != NULL ? value : fallback;
}

bool field_bool(const json_t *object, const char *key, bool fallback)
{
    const json_t *value = json_object_get(object, key);

    return json_is_boolean(value) ? json_is_true(value) : fallback;
}

json_t *field_object(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    return json_is_object(value) ? value : NULL;
}

json_t *field_array(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    return json_is_array(value) ? value : NULL;
}

bool field_u64(const json_t *object, const char *key, uint64_t *ret)
{
    return codec_get_u64(json_object_get(object, key), ret);
}

bool field_s64(const json_t *object, const char *key, int64_t *ret)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_integer(value))
        return false;
    *ret = json_integer_value(value);
    return true;
}

static void drop_unless(int result, json_t **value)
{
    if (result == 0)
        return;
    json_decref(*value);
    *value = NULL;
}

void field_set(json_t **object, const char *key, json_t *value)
{
    drop_unless(json_object_set_new(*object, key, value), object);
}

void field_append(json_t **array, json_t *value)
{
    drop_unless(json_array_append_new(*array, value), array);
}

bool field_unsigned(const json_t *object, const char *key, unsigned *ret)
{
    uint64_t number;

    if (!field_u64(object, key, &number) || number > UINT_MAX)
        return false;
    *ret = (unsigned)number;
    return true;
}
