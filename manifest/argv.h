/* SPDX-License-Identifier: MIT */
/* A program's arguments, one after the other: made, shown to a person, freed. */
#ifndef MANIFEST_ARGV_H
#define MANIFEST_ARGV_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct argv {
    char **words; /* NULL behind the last, as a program is run with them; NULL: none yet */
    size_t count;
    bool failed; /* memory ran out on the way: one look at the end is enough */
};

/* Adds a word, as printf() would have it. */
void argv_add(struct argv *argv, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds an option and its value. */
void argv_option(struct argv *argv, const char *option, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with a value in JSON, which is taken over; NULL is taken for no memory. QEMU takes it
 * for -device, -blockdev and -object, and nothing in it needs an escape. */
void argv_json(struct argv *argv, const char *option, json_t *value);

/* For a shell: each option with its value on a line of its own, words that a shell would not take
 * as they are in single quotes. The caller's, to be freed; NULL without memory. */
char *argv_quote(const struct argv *argv);

void argv_free(struct argv *argv);

/* A value inside of one of QEMU's key=value options: commas are doubled. Writes at most size bytes,
 * returns text. */
const char *argv_escape(const char *value, char *text, size_t size);

#endif
