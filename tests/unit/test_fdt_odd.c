/* SPDX-License-Identifier: MIT */
/* Device trees that contradict themselves, and what no QEMU would write: refused as a whole, or the
 * doubtful part left out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <libfdt.h>

#include "acpi/fdt.h"
#include "base/cleanup.h"
#include "tests/fake/tree.h"

#define MAX_CELLS 24

struct change {
    const char *board, *node, *property;
    uint32_t cells[MAX_CELLS];
    unsigned count; /* 0: a property of 3 bytes */
    enum error_code code; /* ERROR_NONE: it is well */
    const char *result;   /* in the why, or the whole description */
};

#define MAP "/cpus/cpu-map/socket0/cluster0"
#define CAPACITY "ibm,lrdr-capacity"
#define WIDTHS "#address-cells of"

static const struct change changes[] = {
    {"arm", "/", "#address-cells", {0}, 1, ERROR_PROTOCOL, "#address-cells of /"},
    {"arm", "/", "#address-cells", {3}, 1, ERROR_PROTOCOL, "#address-cells of /"},
    {"arm", "/", "#address-cells", {5}, 1, ERROR_PROTOCOL, "#address-cells of /"},
    {"arm", "/", "#address-cells", {UINT32_MAX}, 1, ERROR_PROTOCOL, "#address-cells of /"},
    {"arm", "/", "#address-cells", {2, 2}, 2, ERROR_PROTOCOL, "#address-cells of /"},
    {"arm", "/", "#size-cells", {0}, 1, ERROR_PROTOCOL, "makes no sense"},
    {"arm", "/", "#size-cells", {3}, 1, ERROR_PROTOCOL, "#size-cells of /"},
    {"arm", "/memory", "reg", {0}, 0, ERROR_PROTOCOL, "reg of memory@40000000"},
    {"arm", "/memory", "reg", {1, 2, 3}, 3, ERROR_PROTOCOL, "reg of memory@40000000"},
    {"arm", "/memory", "reg", {UINT32_MAX, 0, 1, 0}, 4, ERROR_PROTOCOL, "reg of memory"},
    {"arm", "/memory", "reg", {0, 0, UINT32_MAX, UINT32_MAX}, 4, ERROR_PROTOCOL,
     "pcie@10000000 has at 0x3eff0000 is something else's, too"},
    {"arm", "/memory", "reg", {0, 0x80000000, 0, 2, 0, 0x80000001, 0, 2}, 8, ERROR_PROTOCOL,
     "contradicts itself: what memory@40000000 has at 0x80000001"},
    {"arm", "/memory", "reg", {0, 0x80000000, 0, 2, 0, 0x80000002, 0, 2}, 8, ERROR_NONE,
     "memory 80000000+2@-1 memory 80000002+2@-1 cpu 0@-/0.0.0.- cpu 1@-/0.0.1.- "},
    {"arm", "/memory", "reg", {1, 2, 0, 0}, 4, ERROR_NONE,
     "cpu 0@-/0.0.0.- cpu 1@-/0.0.1.- "},
    {"arm", "/memory", "device_type", {0x6d656d6f}, 1, ERROR_NONE,
     "cpu 0@-/0.0.0.- cpu 1@-/0.0.1.- "},
    {"arm-numa", "/memory@60000000", "reg", {0, 0x5fffffff, 0, 2}, 4, ERROR_PROTOCOL,
     "contradicts itself"},
    {"arm-numa", "/memory@60000000", "numa-node-id", {128}, 1, ERROR_LIMIT, "128"},
    {"arm-numa", "/memory@60000000", "numa-node-id", {1, 1}, 2, ERROR_PROTOCOL, "numa-node-id"},
    {"arm-numa", "/cpus/cpu@3", "numa-node-id", {UINT32_MAX}, 1, ERROR_LIMIT, "NUMA nodes"},
    {"arm-numa", "/cpus/cpu@3", "reg", {2}, 1, ERROR_PROTOCOL, "reg of cpu@3"},
    {"arm-numa", "/cpus/cpu@3", "reg", {3, 3}, 2, ERROR_PROTOCOL, "reg of cpu@3"},
    {"arm-numa", "/cpus/cpu@3", "phandle", {0x8006}, 1, ERROR_PROTOCOL, "phandle of cpu@3"},
    {"arm-numa", "/cpus", "#address-cells", {3}, 1, ERROR_PROTOCOL, "#address-cells of cpus"},
    {"arm-numa", "/cpus", "#address-cells", {2}, 1, ERROR_PROTOCOL, "reg of cpu@"},
    {"arm-numa", "/cpus", "#size-cells", {1}, 1, ERROR_PROTOCOL, "of cpus"},
    {"arm-numa", "/distance-map", "distance-matrix", {0, 1}, 2, ERROR_PROTOCOL, "distance-matrix"},
    {"arm-numa", "/distance-map", "distance-matrix", {0, 1, 9}, 3, ERROR_PROTOCOL, "distance-m"},
    {"arm-numa", "/distance-map", "distance-matrix", {0, 1, 256}, 3, ERROR_PROTOCOL, "distance-m"},
    {"arm-numa", "/distance-map", "distance-matrix", {1, 1, 11}, 3, ERROR_PROTOCOL, "distance-m"},
    {"arm-numa", "/distance-map", "distance-matrix", {0, 1, 20, 0, 1, 21}, 6, ERROR_PROTOCOL,
     "distance-m"},
    {"arm-numa", "/distance-map", "distance-matrix", {0, 128, 20}, 3, ERROR_LIMIT, "NUMA nodes"},
    {"arm-numa", "/distance-map", "distance-matrix", {UINT32_MAX, 0, 20}, 3, ERROR_LIMIT, "NUMA"},
    /* a phandle that is nobody's, the map's own, another vCPU's, or none */
    {"arm", MAP "/core1", "cpu", {0x7777}, 1, ERROR_PROTOCOL, "cpu of core1"},
    {"arm", MAP "/core1", "cpu", {0}, 1, ERROR_PROTOCOL, "cpu of core1"},
    {"arm", MAP "/core1", "cpu", {0x8003}, 1, ERROR_PROTOCOL, "cpu of core1"},
    {"arm", MAP "/core1", "cpu", {0x8002}, 1, ERROR_PROTOCOL, "cpu of core1"},
    {"arm", MAP "/core1", "cpu", {0x8001, 0x8001}, 2, ERROR_PROTOCOL, "cpu of core1"},
    {"arm", MAP, "cpu", {0x8001}, 1, ERROR_PROTOCOL, "cpu of cluster0"},
    {"arm", MAP, "phandle", {0x8001}, 1, ERROR_NONE,
     "memory 40000000+20000000@-1 cpu 0@-/0.0.0.- cpu 1@-/0.0.1.- "},
    {"arm", "/pcie", "#address-cells", {2}, 1, ERROR_PROTOCOL, WIDTHS},
    {"arm", "/pcie", "#size-cells", {1}, 1, ERROR_PROTOCOL, WIDTHS},
    {"arm", "/pcie", "ranges", {1, 2, 3, 4, 5, 6}, 6, ERROR_PROTOCOL, "ranges of pcie"},
    {"arm", "/pcie", "ranges", {1 << 24, 0, 0, UINT32_MAX, 0, 1, 0}, 7, ERROR_PROTOCOL, "ranges"},
    {"arm", "/pcie", "ranges", {1 << 24, UINT32_MAX, 0, 0, 0, 1, 0}, 7, ERROR_PROTOCOL, "ranges"},
    {"arm", "/pcie", "ranges", {2 << 24, 0, 0, 0, 0x50000000, 0, 4}, 7, ERROR_PROTOCOL,
     "pcie@10000000 has at 0x50000000 is something else's"},
    {"pseries", "/rtas", CAPACITY, {1, 0, 0, 1 << 28}, 4, ERROR_PROTOCOL, CAPACITY},
    {"pseries", "/rtas", CAPACITY, {1, 0, 0, 1 << 28, 1, 1, 0, 0, 1 << 28, 1}, 10, ERROR_PROTOCOL,
     CAPACITY},
    {"pseries", "/rtas", CAPACITY, {1, 0, 0, 0, 4}, 5, ERROR_PROTOCOL, CAPACITY},
    {"pseries", "/rtas", CAPACITY, {1, 0, 0, 3 << 20, 4}, 5, ERROR_PROTOCOL, CAPACITY},
    {"pseries", "/rtas", CAPACITY, {1, 0, 0, 1 << 19, 4}, 5, ERROR_PROTOCOL, CAPACITY},
    {"pseries", "/rtas", CAPACITY, {1, 0, 0, 1 << 28, 0}, 5, ERROR_PROTOCOL, CAPACITY},
    {"pseries", "/rtas", "ibm,associativity-reference-points", {9}, 1, ERROR_PROTOCOL,
     "ibm,associativity of memory@0"},
    {"pseries", "/rtas", "ibm,associativity-reference-points", {UINT32_MAX}, 1, ERROR_PROTOCOL,
     "ibm,associativity of memory@0"},
    {"pseries-numa", "/memory@20000000", "ibm,associativity", {4, 0, 0, 0}, 4, ERROR_PROTOCOL,
     "ibm,associativity of memory@20000000"},
    {"pseries-numa", "/memory@20000000", "ibm,associativity", {4, 0, 0, 0, 200}, 5, ERROR_LIMIT,
     "NUMA nodes"},
    {"pseries-negotiated", "/ibm,dynamic-reconfiguration-memory", "ibm,lmb-size", {0, 0x20000000},
     2, ERROR_PROTOCOL, "ibm,lmb-size"},
    {"pseries-negotiated", "/ibm,dynamic-reconfiguration-memory", "ibm,lmb-size", {0}, 1,
     ERROR_PROTOCOL, "ibm,lmb-size"},
    {"pseries", "/cpus/PowerPC,POWER9@0", "ibm,ppc-interrupt-server#s", {0, 1, 2, 3}, 4, ERROR_NONE,
     "memory 0+40000000@0 cpu 0x4@-/-.-.-.- cpu 1@-/-.-.-.- "},
    {"riscv", "/soc/pci@30000000", "#address-cells", {1}, 1, ERROR_PROTOCOL, WIDTHS},
    {"riscv", "/soc", "#address-cells", {3}, 1, ERROR_PROTOCOL, "#address-cells of soc"},
};

static void test_changed(void **state)
{
    uint32_t bytes[MAX_CELLS];
    size_t i, j;
    int node;

    (void)state;
    for (i = 0; i < COUNT_OF(changes); i++) {
        const struct change *change = &changes[i];
        AUTO_FREE void *blob = tree_load(change->board);

        for (j = 0; j < MAX_CELLS; j++)
            bytes[j] = cpu_to_fdt32(change->cells[j]);
        node = fdt_path_offset(blob, change->node);
        assert_true(node >= 0);
        assert_int_equal(fdt_setprop(blob, node, change->property, bytes,
                                     change->count > 0 ? (int)change->count * 4 : 3), 0);
        if (change->code == ERROR_NONE) {
            tree_read_well(blob, TREE_ROOM);
            assert_string_equal(tree_describe(), change->result);
        } else {
            tree_read_badly(blob, TREE_ROOM, change->code, change->result);
        }
    }
}

/* Configuration space and empty rows are no windows; a bus that translates hides its bridges. */
static void test_windows_left_out(void **state)
{
    const uint32_t rows[] = {0, 0,         0, cpu_to_fdt32(9), 0, 0, cpu_to_fdt32(9),
                             cpu_to_fdt32(1 << 24), 0, 0, cpu_to_fdt32(9), 0, 0, 0};
    AUTO_FREE void *blob = tree_load("arm");
    AUTO_FREE void *riscv = tree_load("riscv");
    int soc = fdt_path_offset(riscv, "/soc");

    (void)state;
    assert_int_equal(fdt_setprop(blob, fdt_path_offset(blob, "/pcie"), "ranges", rows,
                                 sizeof(rows)), 0);
    tree_read_well(blob, TREE_ROOM);
    assert_int_equal(tree_board.window_count, 0);
    assert_int_equal(fdt_setprop(riscv, soc, "ranges", rows, 20), 0);
    tree_read_well(riscv, TREE_ROOM);
    assert_int_equal(tree_board.window_count, 0);
    assert_int_equal(tree_board.cpu_count, 2);
}

/* In the map, what is not known for certain stays unknown. */
static void test_odd_maps(void **state)
{
    static const char *const names[] = {"cluster", "core99999999", "core1x", "die0", "socket0"};
    AUTO_FREE void *blob = NULL;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(names); i++) {
        AUTO_FREE void *odd = tree_load("arm");
        int core = fdt_path_offset(odd, MAP "/core1");

        assert_int_equal(fdt_set_name(odd, core, names[i]), 0);
        tree_read_well(odd, TREE_ROOM);
        assert_string_equal(tree_describe(), "memory 40000000+20000000@-1 "
                                        "cpu 0@-/0.0.0.- cpu 1@-/-.-.-.- ");
    }
    blob = tree_load("arm"); /* clusters in clusters have no number of their own */
    assert_int_equal(fdt_set_name(blob, fdt_path_offset(blob, MAP "/core1"), "cluster1"), 0);
    assert_int_equal(fdt_delprop(blob, fdt_path_offset(blob, MAP "/cluster1"), "cpu"), 0);
    tree_read_well(blob, TREE_ROOM);
    assert_int_equal(tree_board.cpus[1].cluster, FDT_UNKNOWN);
    assert_int_equal(fdt_delprop(blob, fdt_path_offset(blob, "/cpus/cpu@1"), "phandle"), 0);
    assert_int_equal(fdt_setprop_u32(blob, fdt_path_offset(blob, MAP "/core0"), "cpu", 0), 0);
    /* 0 is not the one that has none. */
    tree_read_badly(blob, TREE_ROOM, ERROR_PROTOCOL, "cpu of core0");
}

/* Text from a tree may hold anything. */
static void test_odd_texts(void **state)
{
    AUTO_FREE void *blob = tree_load("arm");

    (void)state;
    assert_int_equal(fdt_setprop(blob, 0, "compatible", "a\033[2J\377b", 8), 0);
    tree_read_well(blob, TREE_ROOM);
    assert_string_equal(tree_board.compatible, "a?[2J?b");
    assert_int_equal(fdt_setprop(blob, 0, "compatible", "abc", 3), 0); /* no end */
    tree_read_well(blob, TREE_ROOM);
    assert_string_equal(tree_board.compatible, "");
    assert_int_equal(fdt_delprop(blob, 0, "compatible"), 0);
    tree_read_well(blob, TREE_ROOM);
    assert_string_equal(tree_board.compatible, "");
}

/* ---- too much of it ---- */

static void fill_rows(const char *node, const char *property, unsigned count,
                      const uint32_t *row, unsigned width, unsigned moving, void *blob)
{
    AUTO_FREE uint32_t *cells = calloc((size_t)count * width, sizeof(*cells));
    unsigned i, j;

    assert_non_null(cells);
    for (i = 0; i < count; i++) {
        for (j = 0; j < width; j++)
            cells[i * width + j] = cpu_to_fdt32(row[j] + (j == moving ? i << 16 : 0));
    }
    assert_int_equal(fdt_setprop(blob, fdt_path_offset(blob, node), property, cells,
                                 (int)(count * width * sizeof(*cells))), 0);
}

static void test_many_rows(void **state)
{
    static const uint32_t memory[] = {1, 0, 0, 0x10000};
    static const uint32_t window[] = {2 << 24, 0, 0, 1, 0, 0, 0x10000};
    AUTO_FREE void *blob = tree_load("arm");

    (void)state;
    fill_rows("/memory", "reg", FDT_MEMORIES_MAX, memory, 4, 1, blob);
    fill_rows("/pcie", "ranges", FDT_WINDOWS_MAX, window, 7, 4, blob);
    tree_read_badly(blob, TREE_ROOM, ERROR_PROTOCOL, "contradicts itself");
    fill_rows("/memory", "reg", FDT_MEMORIES_MAX, (const uint32_t[]){2, 0, 0, 1}, 4, 1,
              blob);
    tree_read_well(blob, TREE_ROOM);
    assert_int_equal(tree_board.memory_count, FDT_MEMORIES_MAX);
    assert_int_equal(tree_board.window_count, FDT_WINDOWS_MAX);
    fill_rows("/pcie", "ranges", FDT_WINDOWS_MAX + 1, window, 7, 4, blob);
    tree_read_badly(blob, TREE_ROOM, ERROR_LIMIT, "more PCI windows than the 64");
    fill_rows("/memory", "reg", FDT_MEMORIES_MAX + 1, memory, 4, 1, blob);
    tree_read_badly(blob, TREE_ROOM, ERROR_LIMIT, "more memory than the 256");
}

/* A tree of that many vCPUs, each in the map, too, in the opposite order. */
static void *make_cpus(unsigned count)
{
    char *blob = malloc(FDT_BLOB_MAX_BYTES);
    char name[32];
    unsigned i;

    assert_non_null(blob);
    (void)fdt_create(blob, (int)FDT_BLOB_MAX_BYTES);
    (void)fdt_finish_reservemap(blob);
    (void)fdt_begin_node(blob, "");
    (void)fdt_begin_node(blob, "cpus");
    (void)fdt_property_u32(blob, "#address-cells", 1);
    (void)fdt_property_u32(blob, "#size-cells", 0);
    for (i = 0; i < count; i++) {
        (void)snprintf(name, sizeof(name), "cpu@%x", i);
        (void)fdt_begin_node(blob, name);
        (void)fdt_property_string(blob, "device_type", "cpu");
        (void)fdt_property_u32(blob, "reg", i);
        (void)fdt_property_u32(blob, "phandle", i + 1);
        (void)fdt_end_node(blob);
    }
    (void)fdt_begin_node(blob, "cpu-map");
    for (i = 0; i < count; i++) {
        (void)snprintf(name, sizeof(name), "core%u", i);
        (void)fdt_begin_node(blob, name);
        (void)fdt_property_u32(blob, "cpu", count - i);
        (void)fdt_end_node(blob);
    }
    (void)fdt_end_node(blob);
    (void)fdt_end_node(blob);
    (void)fdt_end_node(blob);
    assert_int_equal(fdt_finish(blob), 0);
    return blob;
}

static void test_many_cpus(void **state)
{
    AUTO_FREE void *most = make_cpus(FDT_CPUS_MAX);
    AUTO_FREE void *more = make_cpus(FDT_CPUS_MAX + 1);

    (void)state;
    tree_read_well(most, FDT_BLOB_MAX_BYTES);
    assert_int_equal(tree_board.cpu_count, FDT_CPUS_MAX);
    assert_int_equal(tree_board.cpus[FDT_CPUS_MAX - 1].core, 0);
    assert_int_equal(tree_board.cpus[0].core, FDT_CPUS_MAX - 1);
    tree_read_badly(more, FDT_BLOB_MAX_BYTES, ERROR_LIMIT, "more vCPUs than the 2048");
}

/* Lengths that lead libfdt 1.6.1 around in a circle, or that it takes for negative. */
static void test_wild_lengths(void **state)
{
    static const uint32_t lengths[] = {UINT32_MAX,     UINT32_MAX - 3,  UINT32_MAX - 11,
                                       UINT32_MAX - 7, UINT32_MAX - 99, INT32_MAX,
                                       UINT32_C(1) << 31, TREE_ROOM};
    size_t i;

    (void)state;
    (void)alarm(60); /* rather than for ever */
    for (i = 0; i < COUNT_OF(lengths); i++) {
        AUTO_FREE void *blob = tree_load("arm");
        int memory = fdt_path_offset(blob, "/memory");
        struct fdt_property *reg = fdt_get_property_w(blob, memory, "reg", NULL);

        assert_non_null(reg);
        reg->len = cpu_to_fdt32(lengths[i]);
        tree_read_badly(blob, TREE_ROOM, ERROR_PROTOCOL, "this is no device tree");
    }
    (void)alarm(0);
}

/* As deep as it fits, 100000 nodes and more: nothing here recurses with the tree. */
static void test_deep(void **state)
{
    AUTO_FREE char *blob = malloc(FDT_BLOB_MAX_BYTES);
    unsigned depth = 0;

    (void)state;
    assert_non_null(blob);
    (void)fdt_create(blob, (int)FDT_BLOB_MAX_BYTES);
    (void)fdt_finish_reservemap(blob);
    (void)fdt_begin_node(blob, "");
    for (; depth < 100000; depth++)
        assert_int_equal(fdt_begin_node(blob, "core1"), 0);
    for (; depth > 0; depth--)
        (void)fdt_end_node(blob);
    (void)fdt_end_node(blob);
    assert_int_equal(fdt_finish(blob), 0);
    tree_read_well(blob, FDT_BLOB_MAX_BYTES);
    assert_string_equal(tree_describe(), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changed),
        cmocka_unit_test(test_windows_left_out),
        cmocka_unit_test(test_odd_maps),
        cmocka_unit_test(test_odd_texts),
        cmocka_unit_test(test_many_rows),
        cmocka_unit_test(test_many_cpus),
        cmocka_unit_test(test_wild_lengths),
        cmocka_unit_test(test_deep),
    };

    return cmocka_run_group_tests_name("odd device trees", tests, NULL, NULL);
}
