/* SPDX-License-Identifier: MIT */
/* Rows of text whose columns are as wide as their widest cell. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include "cli/output.h"

#define TABLE_COLUMNS_MAX 10

struct table {
    size_t columns;
    char **cells; /* row after row */
    size_t cell_count;
    size_t capacity;
    bool failed; /* memory ran out: table_print() prints what there is */
};

/* Appends a cell; a row is full after `columns` of them. */
void table_add(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints all rows, each behind an indent, and empties the table. Nothing ends in blanks. */
void table_print(struct table *table, struct output *out, unsigned indent);

void table_free(struct table *table);

#endif
