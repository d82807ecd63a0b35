/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "acpi/fdt.h"
#include "base/cleanup.h"
#include "tests/fake/tree.h"

struct fdt_board tree_board;
static const struct fdt_board nothing;

void *tree_load(const char *name)
{
    const char *source = getenv("VMPLUG_SOURCE");
    AUTO_FREE char *packed = calloc(1, TREE_ROOM);
    char *blob = calloc(1, TREE_ROOM);
    char path[1024];
    FILE *file;

    assert_true(packed != NULL && blob != NULL);
    (void)snprintf(path, sizeof(path), "%s/tests/data/fdt/%s.dtb", source != NULL ? source : ".",
                   name);
    file = fopen(path, "rb");
    assert_non_null(file);
    assert_true(fread(packed, 1, TREE_ROOM, file) > 0);
    fclose(file);
    assert_int_equal(fdt_open_into(packed, blob, TREE_ROOM), 0);
    return blob;
}

void *tree_load_packed(const char *name, size_t *ret_size)
{
    void *blob = tree_load(name);

    assert_int_equal(fdt_pack(blob), 0);
    *ret_size = fdt_totalsize(blob);
    return blob;
}

void tree_read_well(const void *blob, size_t size)
{
    struct error error = ERROR_INIT;
    int status = fdt_read_board(blob, size, &tree_board, &error);

    if (status < 0)
        print_error("%s\n", error.why);
    assert_int_equal(status, 0);
    assert_int_equal(error.code, ERROR_NONE);
}

/* It is refused with this code, these words among the why, an advice, and nothing half-read. */
void tree_read_badly(const void *blob, size_t size, enum error_code code, const char *why)
{
    struct error error = ERROR_INIT;

    assert_int_equal(fdt_read_board(blob, size, &tree_board, &error), -1);
    assert_int_equal(error.code, code);
    if (strstr(error.why, why) == NULL)
        print_error("'%s' is not in '%s'\n", why, error.why);
    assert_non_null(strstr(error.why, why));
    assert_string_not_equal(error.fix, "");
    assert_memory_equal(&tree_board, &nothing, sizeof(tree_board));
    assert_int_equal(fdt_read_board(blob, size, &tree_board, NULL), -1);
}

static void put(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void put(char *text, size_t size, const char *format, ...)
{
    size_t used = strlen(text);
    va_list list;

    va_start(list, format);
    (void)vsnprintf(text + used, size - used, format, list);
    va_end(list);
}

const char *tree_describe(void)
{
    static char text[4096];
    const struct fdt_cpu *cpu;
    int place[5];
    size_t i, j;

    text[0] = '\0';
    for (i = 0; i < tree_board.memory_count; i++)
        put(text, sizeof(text), "memory %" PRIx64 "+%" PRIx64 "@%d ", tree_board.memories[i].addr,
            tree_board.memories[i].bytes, tree_board.memories[i].node);
    for (i = 0; i < tree_board.cpu_count; i++) {
        cpu = &tree_board.cpus[i];
        put(text, sizeof(text), "cpu %" PRIx64, cpu->reg);
        if (cpu->threads != 1)
            put(text, sizeof(text), "x%u", cpu->threads);
        memcpy(place, (int[]){cpu->node, cpu->socket, cpu->cluster, cpu->core, cpu->thread},
               sizeof(place));
        for (j = 0; j < COUNT_OF(place); j++)
            put(text, sizeof(text), place[j] == FDT_UNKNOWN ? "%c-" : "%c%d", "@/..."[j],
                place[j]);
        put(text, sizeof(text), " ");
    }
    return text;
}

