/* SPDX-License-Identifier: MIT */
/* Device trees that real QEMUs wrote (scripts/record-fdt, which says how each was started), the
 * same cut off and damaged, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "acpi/fdt.h"
#include "base/cleanup.h"
#include "tests/fake/tree.h"

static const char *const boards[] = {"arm",         "arm-ged", "arm-numa",     "arm-threads",
                                     "loongarch",   "pseries", "pseries-numa", "pseries-negotiated",
                                     "riscv",       "riscv-numa"};

static const struct fdt_board nothing;

/* ---- what each board says, after its command line ---- */

#define ARM_WINDOWS \
    {{FDT_WINDOW_IO, 0x3eff0000, 0, 0x10000}, \
     {FDT_WINDOW_32_BIT, 0x10000000, 0x10000000, 0x2eff0000}, \
     {FDT_WINDOW_64_BIT, 0x8000000000, 0x8000000000, 0x8000000000}}, 3
#define PSERIES_WINDOWS \
    {{FDT_WINDOW_IO, 0x200000000000, 0, 0x10000}, \
     {FDT_WINDOW_32_BIT, 0x200080000000, 0x80000000, 0x80000000}, \
     {FDT_WINDOW_64_BIT, 0x210000000000, 0x210000000000, 0x10000000000}}, 3
#define RISCV_WINDOWS \
    {{FDT_WINDOW_IO, 0x3000000, 0, 0x10000}, \
     {FDT_WINDOW_32_BIT, 0x40000000, 0x40000000, 0x40000000}, \
     {FDT_WINDOW_64_BIT, 0x400000000, 0x400000000, 0x400000000}}, 3

static const struct {
    const char *name, *compatible, *description;
    struct fdt_window windows[3];
    size_t window_count;
    bool power_key;
    unsigned max_cores;
    uint8_t remote; /* distance of nodes 0 and 1; 0: unknown */
    bool negotiated;
} expected[] = {
    {"arm", "linux,dummy-virt",
     "memory 40000000+20000000@-1 cpu 0@-/0.0.0.- cpu 1@-/0.0.1.- ",
     ARM_WINDOWS, true, 0, 0, false},
    {"arm-ged", "linux,dummy-virt",
     "memory 40000000+20000000@0 cpu 0@0/0.0.0.- cpu 1@0/0.0.1.- ",
     ARM_WINDOWS, false, 0, 0, false},
    {"arm-numa", "linux,dummy-virt",
     "memory 60000000+20000000@1 memory 40000000+20000000@0 "
     "cpu 0@0/0.0.0.- cpu 1@0/0.0.1.- cpu 2@0/0.1.0.- cpu 3@0/0.1.1.- "
     "cpu 4@1/1.0.0.- cpu 5@1/1.0.1.- cpu 6@1/1.1.0.- cpu 7@1/1.1.1.- ",
     ARM_WINDOWS, true, 0, 20, false},
    {"arm-threads", "linux,dummy-virt",
     "memory 40000000+20000000@-1 "
     "cpu 0@-/0.0.0.0 cpu 1@-/0.0.0.1 cpu 2@-/0.0.1.0 cpu 3@-/0.0.1.1 ",
     ARM_WINDOWS, true, 0, 0, false},
    {"loongarch", "linux,dummy-loongson3", "cpu 0@-/0.-.0.- cpu 1@-/0.-.1.- ",
     {{FDT_WINDOW_IO, 0x18004000, 0x4000, 0xc000},
      {FDT_WINDOW_32_BIT, 0x40000000, 0x40000000, 0x40000000}}, 2, false, 0, 0, false},
    {"pseries", "qemu,pseries",
     "memory 0+40000000@0 cpu 0@-/-.-.-.- cpu 1@-/-.-.-.- ", PSERIES_WINDOWS, false, 8, 0, false},
    {"pseries-numa", "qemu,pseries",
     "memory 20000000+20000000@1 memory 0+20000000@0 cpu 0@0/-.-.-.- cpu 1@0/-.-.-.- ",
     PSERIES_WINDOWS, false, 4, 0, false},
    {"pseries-negotiated", "qemu,pseries",
     "memory 0+40000000@0 cpu 0@-/-.-.-.- cpu 1@-/-.-.-.- ", PSERIES_WINDOWS, false, 8, 0, true},
    {"riscv", "riscv-virtio",
     "memory 80000000+20000000@-1 cpu 0@-/-.0.0.- cpu 1@-/-.0.1.- ", RISCV_WINDOWS, false, 0, 0,
     false},
    {"riscv-numa", "riscv-virtio",
     "memory 80000000+20000000@0 memory a0000000+20000000@1 "
     "cpu 0@0/-.0.0.- cpu 1@0/-.0.1.- cpu 2@1/-.1.0.- cpu 3@1/-.1.1.- ",
     RISCV_WINDOWS, false, 0, 30, false},
};

static void compare_board(size_t which)
{
    size_t i;

    assert_string_equal(tree_board.compatible, expected[which].compatible);
    assert_string_equal(tree_describe(), expected[which].description);
    assert_int_equal(tree_board.window_count, expected[which].window_count);
    for (i = 0; i < tree_board.window_count; i++) {
        assert_int_equal(tree_board.windows[i].kind, expected[which].windows[i].kind);
        assert_int_equal(tree_board.windows[i].addr, expected[which].windows[i].addr);
        assert_int_equal(tree_board.windows[i].pci_addr, expected[which].windows[i].pci_addr);
        assert_int_equal(tree_board.windows[i].bytes, expected[which].windows[i].bytes);
    }
    assert_int_equal(tree_board.power_key, expected[which].power_key);
    assert_int_equal(tree_board.capacity_known, expected[which].max_cores > 0);
    assert_int_equal(tree_board.max_cores, expected[which].max_cores);
    assert_int_equal(tree_board.memory_end, tree_board.capacity_known ? 0x100000000 : 0);
    assert_int_equal(tree_board.lmb_bytes, tree_board.capacity_known ? 0x10000000 : 0);
    assert_int_equal(tree_board.drmem_lmb_bytes, expected[which].negotiated ? 0x10000000 : 0);
    assert_int_equal(tree_board.distances_known, expected[which].remote > 0);
    assert_int_equal(tree_board.distances[0][1], expected[which].remote);
    assert_int_equal(tree_board.distances[1][0], expected[which].remote);
    assert_int_equal(tree_board.distances[1][1], tree_board.distances_known ? 10 : 0);
    assert_int_equal(tree_board.distances[2][2], 0);
}

static void test_recorded(void **state)
{
    size_t size, i;

    (void)state;
    assert_int_equal(COUNT_OF(expected), COUNT_OF(boards));
    for (i = 0; i < COUNT_OF(expected); i++) {
        AUTO_FREE void *blob = tree_load_packed(expected[i].name, &size);

        tree_read_well(blob, size);
        compare_board(i);
        tree_read_well(blob, TREE_ROOM); /* more behind it than the tree */
        compare_board(i);
    }
}

/* As QEMU writes arm's. */
static void test_padded(void **state)
{
    AUTO_FREE void *blob = tree_load("arm");

    (void)state;
    assert_int_equal(fdt_totalsize(blob), TREE_ROOM);
    tree_read_well(blob, TREE_ROOM);
    compare_board(0);
}

/* Recorded ones went through dtc; none may hold a seed. */
static void test_no_seeds(void **state)
{
    static const char *const seeds[] = {"rng-seed", "kaslr-seed"};
    const char *bytes;
    int size, at;
    size_t i, j;

    (void)state;
    for (i = 0; i < COUNT_OF(boards); i++) {
        AUTO_FREE void *blob = tree_load(boards[i]);

        for (j = 0; j < COUNT_OF(seeds); j++) {
            bytes = fdt_getprop(blob, fdt_path_offset(blob, "/chosen"), seeds[j], &size);
            for (at = 0; bytes != NULL && at < size; at++)
                assert_int_equal(bytes[at], 0);
        }
    }
}

/* ---- cut off, damaged ---- */

static void test_truncated(void **state)
{
    size_t size, length, i;

    (void)state;
    for (i = 0; i < COUNT_OF(boards); i++) {
        AUTO_FREE char *blob = tree_load_packed(boards[i], &size);

        for (length = 0; length < size; length += length < 64 || length + 64 > size ? 1 : 13) {
            AUTO_FREE char *piece = malloc(length + 1); /* exact: a read beyond it would show */

            assert_non_null(piece);
            piece = length > 0 ? realloc(piece, length) : piece;
            memcpy(piece, blob, length);
            tree_read_badly(piece, length, ERROR_PROTOCOL, "it is cut off");
            if (length < sizeof(struct fdt_header))
                continue;
            fdt_set_totalsize(piece, (uint32_t)length); /* and it denies it */
            tree_read_badly(piece, length, ERROR_PROTOCOL, "this is no device tree");
        }
    }
}

/* Each byte in turn: whatever it then says, it is read to its end or refused as a whole. */
static void test_damaged(void **state)
{
    struct error error;
    size_t size, i;

    (void)state;
    for (i = 4; i < COUNT_OF(boards); i += 4) {
        AUTO_FREE unsigned char *blob = tree_load_packed(boards[i], &size);
        size_t at;

        for (at = 0; at < size; at++) {
            blob[at] ^= (unsigned char)(at % 255 + 1);
            error = (struct error)ERROR_INIT;
            if (fdt_read_board(blob, size, &tree_board, &error) == 0)
                assert_int_equal(error.code, ERROR_NONE);
            else
                assert_memory_equal(&tree_board, &nothing, sizeof(tree_board));
            blob[at] ^= (unsigned char)(at % 255 + 1);
        }
    }
}

static void test_not_a_tree(void **state)
{
    AUTO_FREE char *blob = tree_load("arm");
    AUTO_FREE char *large = calloc(1, FDT_BLOB_MAX_BYTES + 8);

    (void)state;
    tree_read_badly("", 0, ERROR_PROTOCOL, "this is no device tree: it is cut off");
    assert_int_equal(fdt_open_into(blob, large, (int)FDT_BLOB_MAX_BYTES + 8), 0);
    tree_read_badly(large, FDT_BLOB_MAX_BYTES + 8, ERROR_LIMIT, "2097160 bytes");
    memmove(large + 4, blob, TREE_ROOM);
    tree_read_badly(large + 4, TREE_ROOM, ERROR_PROTOCOL, "this is no device tree");
    fdt_set_off_dt_struct(blob, fdt_off_dt_struct(blob) + 1);
    tree_read_badly(blob, TREE_ROOM, ERROR_PROTOCOL, "FDT_ERR_BADLAYOUT");
    fdt_set_off_dt_struct(blob, fdt_off_dt_struct(blob) - 1);
    fdt_set_version(blob, 16);
    tree_read_badly(blob, TREE_ROOM, ERROR_PROTOCOL, "this is no device tree");
    memset(blob, 0, 64);
    tree_read_badly(blob, TREE_ROOM, ERROR_PROTOCOL, "this is no device tree");
}

/* One name as long as the tree, shared by all properties, would be read for each of them. */
static void test_endless_name(void **state)
{
    AUTO_FREE void *blob = tree_load("arm");
    char name[257];

    (void)state;
    memset(name, 'x', sizeof(name));
    name[255] = '\0';
    assert_int_equal(fdt_setprop_u32(blob, 0, name, 1), 0);
    tree_read_well(blob, TREE_ROOM);
    name[255] = 'x';
    name[256] = '\0';
    assert_int_equal(fdt_setprop_u32(blob, 0, name, 1), 0);
    tree_read_badly(blob, TREE_ROOM, ERROR_PROTOCOL, "this is no device tree");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded),
        cmocka_unit_test(test_padded),
        cmocka_unit_test(test_no_seeds),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_not_a_tree),
        cmocka_unit_test(test_endless_name),
    };

    return cmocka_run_group_tests_name("device trees", tests, NULL, NULL);
}
