/* SPDX-License-Identifier: MIT */
#include "cli/suggest.h"

#include <string.h>

#include "base/cleanup.h"

#define WORD_MAX 63
#define STEM_MIN 4 /* --filename is --file to kubectl */

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned lower = a < b ? a : b;

    return lower < c ? lower : c;
}

/* The optimal string alignment distance, row by row; only the last three rows are needed. */
unsigned suggest_distance(const char *a, const char *b)
{
    unsigned rows[3][WORD_MAX + 1];
    unsigned *above2 = rows[0], *above = rows[1], *row = rows[2], *spare;
    size_t a_length = strlen(a), b_length = strlen(b), i, j;

    if (a_length > WORD_MAX || b_length > WORD_MAX)
        return WORD_MAX;
    for (j = 0; j <= b_length; j++)
        above[j] = above2[j] = (unsigned)j;
    for (i = 1; i <= a_length; i++) {
        row[0] = (unsigned)i;
        for (j = 1; j <= b_length; j++) {
            row[j] = least(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                above2[j - 2] + 1 < row[j])
                row[j] = above2[j - 2] + 1;
        }
        spare = above2;
        above2 = above;
        above = row;
        row = spare;
    }
    return above[b_length];
}

void suggest_consider(struct suggestion *suggestion, const char *word)
{
    size_t length = strlen(suggestion->typed), word_length = strlen(word);
    unsigned distance = suggest_distance(suggestion->typed, word);

    if ((length > 1 && strncmp(word, suggestion->typed, length) == 0) ||
        (word_length >= STEM_MIN && strncmp(word, suggestion->typed, word_length) == 0))
        distance = 1;
    if (distance > (length + 1) / 3 || distance >= word_length)
        return;
    if (suggestion->word == NULL || distance < suggestion->distance) {
        suggestion->word = word;
        suggestion->distance = distance;
    }
}

const char *suggest_translate(const char *word)
{
    static const struct {
        const char *theirs, *ours;
    } words[] = {
        {"attach-disk", "disk add"},
        {"create", "apply"},
        {"define", "apply"},
        {"delete", "stop, and then vmplug forget"},
        {"describe", "get vmi"},
        {"destroy", "stop"},
        {"detach-disk", "disk remove"},
        {"diff", "plan"},
        {"dominfo", "status"},
        {"edit", "patch vm"},
        {"list", "get vm"},
        {"ls", "get vm"},
        {"replace", "apply"},
        {"setmem", "memory set"},
        {"setvcpus", "cpu set"},
        {"shutdown", "stop"},
        {"start", "launch"},
        {"undefine", "forget"},
    };
    size_t i;

    for (i = 0; i < COUNT_OF(words); i++) {
        if (strcmp(words[i].theirs, word) == 0)
            return words[i].ours;
    }
    return NULL;
}
