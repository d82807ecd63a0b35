/* SPDX-License-Identifier: MIT */
#include "manifest/value.h"

#include <string.h>

static void add(struct measure *outer, const json_t *inner)
{
    struct measure measure = value_measure(inner);

    outer->values += measure.values;
    outer->bytes += measure.bytes;
    if (outer->depth < measure.depth + 1)
        outer->depth = measure.depth + 1;
}

struct measure value_measure(const json_t *value)
{
    struct measure measure = {.values = 1, .bytes = json_string_length(value)};
    const char *key;
    json_t *inner;
    size_t i;

    if (json_is_object(value) || json_is_array(value))
        measure.depth = 1;
    json_array_foreach(value, i, inner)
        add(&measure, inner);
    json_object_foreach((json_t *)value, key, inner) {
        measure.bytes += strlen(key);
        add(&measure, inner);
    }
    return measure;
}
