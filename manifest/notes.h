/* SPDX-License-Identifier: MIT */
/* Lines for the user about what was read: fields that are kept and not acted on, each once. */
#ifndef MANIFEST_NOTES_H
#define MANIFEST_NOTES_H

#include <stddef.h>

#define NOTES_MAX 100 /* further ones are counted only */

struct notes {
    char **lines;
    size_t count;
    size_t dropped;
};

/* Adds a line, as printf() would have it, unless it is there already. Without memory it is
 * dropped. */
void notes_add(struct notes *notes, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void notes_free(struct notes *notes);

#endif
