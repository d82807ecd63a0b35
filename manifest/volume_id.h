/* SPDX-License-Identifier: MIT */
/*
 * What QEMU calls a manifest's volumes. The id says all that has to be known of a device later and
 * that QEMU would not tell otherwise, so that nothing about it is stored elsewhere.
 */
#ifndef MANIFEST_VOLUME_ID_H
#define MANIFEST_VOLUME_ID_H

#include <stdbool.h>
#include <stddef.h>

enum volume_life {
    VOLUME_HOTPLUGGABLE, /* vmplug-vol-…: in the manifest, comes and goes with it */
    VOLUME_FIXED,        /* vmplug-fix-…: of the launch, until the next */
    VOLUME_TRANSIENT,    /* vmplug-tmp-…: addvolume without --persist; in no manifest */
};

#define VOLUME_ID_MAX 32 /* QEMU's limit for a block node's name, with the NUL */

/* The id of the volume of this name. A name that is too long is cut, and told from others by a
 * hash. Returns text. */
const char *volume_id(enum volume_life life, const char *name, char text[VOLUME_ID_MAX]);

/* Is it one of these? */
bool volume_id_has_life(const char *id, enum volume_life *ret_life);

/* The serial number of a volume whose manifest gives none: its name, or, where that has more than
 * `most` characters, which is no fewer than 20, what stands behind the prefix of its id: that has
 * 20 at most, and no other volume has it. Returns text. */
const char *volume_id_serial(const char *name, size_t most, char *text, size_t size);

/* What stands behind the prefix: the volume's name, unless that was cut. */
const char *volume_id_name(const char *id);

#endif
