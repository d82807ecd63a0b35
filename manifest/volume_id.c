/* SPDX-License-Identifier: MIT */
#include "manifest/volume_id.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

#define PREFIX_LENGTH 11
#define HEAD_LENGTH 11 /* of a name that is cut: prefix, head, '-' and 8 digits are 31 */

static const char *const prefixes[] = {
    [VOLUME_HOTPLUGGABLE] = "vmplug-vol-",
    [VOLUME_FIXED] = "vmplug-fix-",
    [VOLUME_TRANSIENT] = "vmplug-tmp-",
};

_Static_assert(sizeof("vmplug-vol-") - 1 == PREFIX_LENGTH, "all are as long");
_Static_assert(PREFIX_LENGTH + HEAD_LENGTH + 1 + 8 == VOLUME_ID_MAX - 1, "it fits");

/* FNV-1a, 32 bits. */
static uint32_t hash(const char *text)
{
    uint32_t value = 2166136261u;

    for (; *text != '\0'; text++)
        value = (value ^ (unsigned char)*text) * 16777619u;
    return value;
}

const char *volume_id(enum volume_life life, const char *name, char text[VOLUME_ID_MAX])
{
    if (strlen(name) <= VOLUME_ID_MAX - 1 - PREFIX_LENGTH)
        (void)snprintf(text, VOLUME_ID_MAX, "%s%s", prefixes[life], name);
    else
        (void)snprintf(text, VOLUME_ID_MAX, "%s%.*s-%08x", prefixes[life], HEAD_LENGTH, name,
                       hash(name));
    return text;
}

bool volume_id_has_life(const char *id, enum volume_life *ret_life)
{
    size_t i;

    for (i = 0; i < COUNT_OF(prefixes); i++) {
        if (strncmp(id, prefixes[i], PREFIX_LENGTH) == 0) {
            *ret_life = (enum volume_life)i;
            return true;
        }
    }
    return false;
}

const char *volume_id_name(const char *id)
{
    enum volume_life life;

    return volume_id_has_life(id, &life) ? id + PREFIX_LENGTH : id;
}

const char *volume_id_serial(const char *name, size_t most, char *text, size_t size)
{
    char id[VOLUME_ID_MAX];

    if (strlen(name) > most)
        name = volume_id_name(volume_id(VOLUME_HOTPLUGGABLE, name, id));
    (void)snprintf(text, size, "%s", name);
    return text;
}
