/* SPDX-License-Identifier: MIT */
#include "manifest/notes.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static bool has(const struct notes *notes, const char *line)
{
    size_t i;

    for (i = 0; i < notes->count; i++) {
        if (strcmp(notes->lines[i], line) == 0)
            return true;
    }
    return false;
}

static bool keep(struct notes *notes, char *line)
{
    char **grown;

    if (notes->count == NOTES_MAX)
        return false;
    grown = reallocarray(notes->lines, notes->count + 1, sizeof(*grown));
    if (grown == NULL)
        return false;
    notes->lines = grown;
    notes->lines[notes->count++] = line;
    return true;
}

void notes_add(struct notes *notes, const char *format, ...)
{
    va_list arguments;
    char *line = NULL;
    int length;

    va_start(arguments, format);
    length = vasprintf(&line, format, arguments);
    va_end(arguments);
    if (length < 0) {
        notes->dropped++;
        return;
    }
    text_make_printable(line);
    if (has(notes, line)) {
        free(line);
    } else if (!keep(notes, line)) {
        notes->dropped++;
        free(line);
    }
}

/* To say where each of tens of thousands is takes minutes. */
void notes_add_unknown(struct node member, void *user)
{
    struct notes *notes = user;
    char where[DOCUMENT_WHERE_MAX];

    if (notes->count == NOTES_MAX)
        notes->dropped++;
    else
        notes_add(notes, "%s is kept, and not acted on", document_where(member, where));
}

void notes_expect(struct notes *notes, struct node object, const char *const *known)
{
    document_each_unknown(object, known, notes_add_unknown, notes);
}

void notes_free(struct notes *notes)
{
    size_t i;

    for (i = 0; i < notes->count; i++)
        free(notes->lines[i]);
    free(notes->lines);
    *notes = (struct notes){0};
}
