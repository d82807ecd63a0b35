/* SPDX-License-Identifier: MIT */
/* Lines for the user about what was read: fields that are kept and not acted on, each once. */
#ifndef MANIFEST_NOTES_H
#define MANIFEST_NOTES_H

#include <stddef.h>

#include "manifest/document.h"

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

/* Notes that this member, of user's notes, is not acted on. */
void notes_add_unknown(struct node member, void *user);

/* Notes each member of an object whose key is not in known (behind the last is NULL). */
void notes_expect(struct notes *notes, struct node object, const char *const *known);

void notes_free(struct notes *notes);

#endif
