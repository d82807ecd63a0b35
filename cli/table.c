/* SPDX-License-Identifier: MIT */
#include "cli/table.h"

#include <stdarg.h>
#include <stdlib.h>

#include "base/text.h"
#include "cli/printable.h"

#define GAP 2

static bool make_room(struct table *table)
{
    size_t capacity = table->capacity > 0 ? 2 * table->capacity : 64;
    char **cells;

    if (table->cell_count < table->capacity)
        return true;
    cells = reallocarray(table->cells, capacity, sizeof(*cells));
    if (cells == NULL)
        return false;
    table->cells = cells;
    table->capacity = capacity;
    return true;
}

void table_add(struct table *table, const char *format, ...)
{
    va_list arguments;
    char *text = NULL;
    int length;

    va_start(arguments, format);
    length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0 || table->failed || !make_room(table)) {
        table->failed = true;
        if (length >= 0)
            free(text);
        return;
    }
    text_make_printable(text);
    table->cells[table->cell_count++] = text;
}

static void measure(const struct table *table, size_t widths[TABLE_COLUMNS_MAX])
{
    size_t i, width;

    for (i = 0; i < table->columns; i++)
        widths[i] = 0;
    for (i = 0; i < table->cell_count; i++) {
        width = printable_width(table->cells[i]);
        /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): there is a cell, and so a column */
        if (width > widths[i % table->columns])
            widths[i % table->columns] = width;
    }
}

/* Blanks are owed until there is something behind them. */
static void print_row(char *const *cells, size_t count, const size_t widths[TABLE_COLUMNS_MAX],
                      struct output *out, size_t indent)
{
    size_t owed = indent;
    size_t i;

    for (i = 0; i < count; i++) {
        if (cells[i][0] != '\0') {
            output_print(out, "%*s%s", (int)owed, "", cells[i]);
            owed = 0;
        }
        owed += widths[i] - printable_width(cells[i]) + (widths[i] > 0 ? GAP : 0);
    }
    output_print(out, "\n");
}

void table_print(struct table *table, struct output *out, unsigned indent)
{
    size_t widths[TABLE_COLUMNS_MAX];
    size_t i;

    measure(table, widths);
    for (i = 0; i + table->columns <= table->cell_count; i += table->columns)
        print_row(table->cells + i, table->columns, widths, out, indent);
    table_free(table);
}

void table_free(struct table *table)
{
    size_t i;

    for (i = 0; i < table->cell_count; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = (struct table){.columns = table->columns};
}
