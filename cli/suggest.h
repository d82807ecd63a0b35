/* SPDX-License-Identifier: MIT */
/* What somebody who mistyped a word may have meant. */
#ifndef CLI_SUGGEST_H
#define CLI_SUGGEST_H

#include <stddef.h>

/* The best candidate so far; begin with {.typed = …}. */
struct suggestion {
    const char *typed;
    const char *word; /* NULL: nothing is near */
    unsigned distance;
};

/* Considers a word: it counts as near when few letters must be changed, or the typed word is its
 * beginning, or begins with it. */
void suggest_consider(struct suggestion *suggestion, const char *word);

/* How many letters must be inserted, deleted, replaced or swapped with their neighbour. */
unsigned suggest_distance(const char *a, const char *b);

/* What vmplug calls what is this word of kubectl, virtctl or virsh; NULL when it is none. */
const char *suggest_translate(const char *word);

#endif
