/* SPDX-License-Identifier: MIT */
/* A device tree of any bytes: refused as a whole, or at odds with nothing that is promised of one.
 * Read a second time with a header that fits, since few bytes make one by chance. */
#include "acpi/fdt.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "tests/fuzz/fuzz.h"

static struct fdt_board board, again;
static const struct fdt_board nothing;

static bool apart(uint64_t addr, uint64_t bytes, uint64_t other, uint64_t other_bytes)
{
    return addr < other ? other - addr >= bytes : addr - other >= other_bytes;
}

static void check_ranges(void)
{
    size_t i, j;

    for (i = 0; i < board.memory_count; i++) {
        const struct fdt_memory *memory = &board.memories[i];

        MUST(memory->bytes > 0 && memory->bytes <= UINT64_MAX - memory->addr);
        MUST(memory->node >= FDT_UNKNOWN && memory->node < FDT_NODES_MAX);
        for (j = 0; j < i; j++)
            MUST(apart(memory->addr, memory->bytes, board.memories[j].addr,
                       board.memories[j].bytes));
        for (j = 0; j < board.window_count; j++)
            MUST(apart(memory->addr, memory->bytes, board.windows[j].addr,
                       board.windows[j].bytes));
    }
    for (i = 0; i < board.window_count; i++) {
        MUST(board.windows[i].bytes > 0);
        for (j = 0; j < i; j++)
            MUST(apart(board.windows[i].addr, board.windows[i].bytes, board.windows[j].addr,
                       board.windows[j].bytes));
    }
}

static void check_cpus(void)
{
    const struct fdt_cpu *cpu;
    size_t i, j;

    for (i = 0; i < board.cpu_count; i++) {
        cpu = &board.cpus[i];
        MUST(cpu->threads > 0 && cpu->node >= FDT_UNKNOWN && cpu->node < FDT_NODES_MAX);
        MUST(cpu->socket >= FDT_UNKNOWN && cpu->cluster >= FDT_UNKNOWN);
        MUST(cpu->core >= FDT_UNKNOWN && cpu->thread >= FDT_UNKNOWN);
        if (cpu->core == FDT_UNKNOWN)
            MUST(cpu->socket == FDT_UNKNOWN && cpu->cluster == FDT_UNKNOWN &&
                 cpu->thread == FDT_UNKNOWN);
        for (j = 0; j < i; j++)
            MUST(cpu->reg != board.cpus[j].reg);
    }
}

static void check_rest(void)
{
    char text[FDT_TEXT_MAX];
    unsigned i, j;

    memcpy(text, board.compatible, sizeof(text));
    MUST(memchr(text, '\0', sizeof(text)) != NULL);
    text_make_printable(text);
    MUST(strcmp(text, board.compatible) == 0);
    if (board.capacity_known)
        MUST(board.max_cores > 0 && board.lmb_bytes > 0);
    for (i = 0; i < FDT_NODES_MAX; i++) {
        for (j = 0; j < FDT_NODES_MAX; j++)
            MUST(board.distances[i][j] == 0 || (board.distances_known &&
                                                board.distances[i][j] >= 10));
    }
}

/* The same blob says the same again. */
static void compare(void)
{
    size_t i;

    MUST(board.cpu_count == again.cpu_count && board.memory_count == again.memory_count &&
         board.window_count == again.window_count);
    MUST(memcmp(board.distances, again.distances, sizeof(board.distances)) == 0);
    for (i = 0; i < board.cpu_count; i++)
        MUST(board.cpus[i].reg == again.cpus[i].reg && board.cpus[i].node == again.cpus[i].node &&
             board.cpus[i].core == again.cpus[i].core);
    for (i = 0; i < board.memory_count; i++)
        MUST(board.memories[i].addr == again.memories[i].addr &&
             board.memories[i].bytes == again.memories[i].bytes);
}

static void read_twice(const void *blob, size_t size)
{
    struct error error = ERROR_INIT;

    if (fdt_read_board(blob, size, &board, &error) < 0) {
        MUST(error.code != ERROR_NONE && error.why[0] != '\0' && error.fix[0] != '\0');
        MUST(memcmp(&board, &nothing, sizeof(board)) == 0);
        return;
    }
    MUST(error.code == ERROR_NONE);
    check_ranges();
    check_cpus();
    check_rest();
    MUST(fdt_read_board(blob, size, &again, NULL) == 0);
    compare();
}

static void put(uint8_t *header, unsigned field, size_t value)
{
    unsigned i;

    for (i = 0; i < 4; i++)
        header[4 * field + i] = (uint8_t)(value >> (24 - 8 * i));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_FREE uint8_t *blob = malloc(size > 0 ? size : 1); /* exact, and aligned */

    if (blob == NULL || size > ((size_t)1 << 16))
        return 0;
    memcpy(blob, data, size);
    read_twice(blob, size);
    if (size < 40)
        return 0;
    put(blob, 0, 0xd00dfeed);
    put(blob, 1, size); /* totalsize */
    put(blob, 5, 17);   /* version */
    put(blob, 6, 16);   /* last_comp_version */
    read_twice(blob, size);
    return 0;
}
