/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation. libfdt checks the blob as a whole first (fdt_check_full()); from then on
 * its offsets and lengths can be relied on, but nothing that stands in a property. Every look-up
 * goes through the properties of one node or the children of one node, and no node is gone through
 * more often than it lies deep below a node that is read, so that the time is bounded.
 */
#include "acpi/fdt.h"

#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/size.h"
#include "base/text.h"

#define VERSION 17 /* of the format, since 2007 */
#define NAME_MAX_BYTES 255 /* of a property; the specification allows 31 */
#define LOCAL_DISTANCE 10
#define DUMP_AGAIN "have QEMU write it again (QMP's dumpdtb); if it stays so, report it"
#define REPORT "report it, with the device tree"

struct tree {
    const void *blob;
    struct fdt_board *board;
    unsigned address_cells, size_cells; /* of the root */
    unsigned domain; /* which cell of ibm,associativity is the NUMA node; 0: unknown */
    uint32_t phandles[FDT_CPUS_MAX]; /* of board->cpus; 0: has none */
};

/* What is left of a property. */
struct cells {
    const fdt32_t *at;
    size_t count;
};

static const char *name_of(const struct tree *tree, int node)
{
    const char *name = fdt_get_name(tree->blob, node, NULL);

    return name != NULL && *name != '\0' ? name : "/";
}

static int malformed(const struct tree *tree, int node, const char *property, struct error *error)
{
    return error_set(error, ERROR_PROTOCOL, DUMP_AGAIN,
                     "the device tree is malformed: %s of %s makes no sense", property,
                     name_of(tree, node));
}

static int too_many(const char *what, size_t maximum, struct error *error)
{
    return error_set(error, ERROR_LIMIT, REPORT,
                     "the device tree has more %s than the %zu that vmplug takes", what, maximum);
}

/* A property that consists of rows of that many cells; none when it is not there. */
static int read_rows(const struct tree *tree, int node, const char *property, unsigned row,
                     struct cells *ret, struct error *error)
{
    int size = 0;
    const void *bytes = fdt_getprop(tree->blob, node, property, &size);

    *ret = (struct cells){.at = bytes};
    if (bytes == NULL)
        return 0;
    if ((size_t)size % (row * sizeof(fdt32_t)) != 0)
        return malformed(tree, node, property, error);
    ret->count = (size_t)size / sizeof(fdt32_t);
    return 0;
}

/* The next number of one or two cells (none: 0); the caller knows that they are there. */
static uint64_t take_number(struct cells *cells, unsigned count)
{
    uint64_t number = 0;

    for (; count > 0; count--) {
        number = number << 32 | fdt32_ld(cells->at++);
        cells->count--;
    }
    return number;
}

/* #address-cells and #size-cells of a node, for the addresses of its children. */
static int read_widths(const struct tree *tree, int node, unsigned *ret_address,
                       unsigned *ret_size, struct error *error)
{
    int address = fdt_address_cells(tree->blob, node);
    int size = fdt_size_cells(tree->blob, node);

    if (address < 1 || address > 3)
        return malformed(tree, node, "#address-cells", error);
    if (size < 0 || size > 2)
        return malformed(tree, node, "#size-cells", error);
    *ret_address = (unsigned)address;
    *ret_size = (unsigned)size;
    return 0;
}

static bool is_text(const struct tree *tree, int node, const char *property, const char *text)
{
    int size = 0;
    const void *bytes = fdt_getprop(tree->blob, node, property, &size);

    return bytes != NULL && (size_t)size == strlen(text) + 1 &&
           memcmp(bytes, text, (size_t)size) == 0;
}

static bool is_compatible(const struct tree *tree, int node, const char *text)
{
    return fdt_node_check_compatible(tree->blob, node, text) == 0;
}

static bool overlap(uint64_t addr, uint64_t bytes, uint64_t other_addr, uint64_t other_bytes)
{
    return addr < other_addr + other_bytes && other_addr < addr + bytes;
}

/* Nothing that was read before may be in there, and its end must be an address, too. */
static int check_free(const struct tree *tree, int node, const char *property, uint64_t addr,
                      uint64_t bytes, struct error *error)
{
    const struct fdt_board *board = tree->board;
    bool taken = false;
    size_t i;

    if (bytes > UINT64_MAX - addr)
        return malformed(tree, node, property, error);
    for (i = 0; i < board->memory_count; i++)
        taken |= overlap(addr, bytes, board->memories[i].addr, board->memories[i].bytes);
    for (i = 0; i < board->window_count; i++)
        taken |= overlap(addr, bytes, board->windows[i].addr, board->windows[i].bytes);
    if (taken)
        return error_set(error, ERROR_PROTOCOL, DUMP_AGAIN,
                         "the device tree contradicts itself: what %s has at 0x%llx is something "
                         "else's, too",
                         name_of(tree, node), (unsigned long long)addr);
    return 0;
}

/* numa-node-id, or the cell of PAPR's ibm,associativity that /rtas says. */
static int read_node(const struct tree *tree, int node, int *ret, struct error *error)
{
    const char *property = "numa-node-id";
    struct cells cells;
    uint32_t number;

    *ret = FDT_UNKNOWN;
    if (read_rows(tree, node, property, 1, &cells, error) < 0)
        return -1;
    if (cells.at == NULL && tree->domain > 0) {
        property = "ibm,associativity";
        if (read_rows(tree, node, property, 1, &cells, error) < 0)
            return -1;
        if (cells.at != NULL && cells.count <= tree->domain)
            return malformed(tree, node, property, error);
        if (cells.at != NULL)
            cells = (struct cells){.at = cells.at + tree->domain, .count = 1};
    }
    if (cells.at == NULL)
        return 0;
    if (cells.count != 1)
        return malformed(tree, node, property, error);
    number = (uint32_t)take_number(&cells, 1);
    if (number >= FDT_NODES_MAX)
        return too_many("NUMA nodes", FDT_NODES_MAX, error);
    *ret = (int)number;
    return 0;
}

static int read_memory(struct tree *tree, int node, struct error *error)
{
    struct fdt_board *board = tree->board;
    struct fdt_memory memory;
    struct cells cells;

    if (read_rows(tree, node, "reg", tree->address_cells + tree->size_cells, &cells, error) < 0 ||
        read_node(tree, node, &memory.node, error) < 0)
        return -1;
    while (cells.count > 0) {
        memory.addr = take_number(&cells, tree->address_cells);
        memory.bytes = take_number(&cells, tree->size_cells);
        if (memory.bytes == 0)
            continue;
        if (check_free(tree, node, "reg", memory.addr, memory.bytes, error) < 0)
            return -1;
        if (board->memory_count == FDT_MEMORIES_MAX)
            return too_many("memory", FDT_MEMORIES_MAX, error);
        board->memories[board->memory_count++] = memory;
    }
    return 0;
}

/* A row of `ranges` (IEEE 1275's PCI binding): an address of PCI, whose first cell says what it is
 * of, the same place's address outside, and the size. */
static int read_window(struct tree *tree, int bridge, struct cells *cells, unsigned address_cells,
                       struct error *error)
{
    static const enum fdt_window_kind kinds[] = {FDT_WINDOW_IO, FDT_WINDOW_32_BIT,
                                                 FDT_WINDOW_64_BIT};
    struct fdt_board *board = tree->board;
    unsigned space = (unsigned)(take_number(cells, 1) >> 24 & 3);
    struct fdt_window window = {.pci_addr = take_number(cells, 2)};

    window.addr = take_number(cells, address_cells);
    window.bytes = take_number(cells, 2);
    if (space == 0 || window.bytes == 0) /* configuration space is no window */
        return 0;
    if (window.bytes > UINT64_MAX - window.pci_addr)
        return malformed(tree, bridge, "ranges", error);
    if (check_free(tree, bridge, "ranges", window.addr, window.bytes, error) < 0)
        return -1;
    if (board->window_count == FDT_WINDOWS_MAX)
        return too_many("PCI windows", FDT_WINDOWS_MAX, error);
    window.kind = kinds[space - 1];
    board->windows[board->window_count++] = window;
    return 0;
}

static int read_bridge(struct tree *tree, int node, unsigned parent_cells, struct error *error)
{
    unsigned address_cells, size_cells;
    struct cells cells;

    if (read_widths(tree, node, &address_cells, &size_cells, error) < 0)
        return -1;
    if (address_cells != 3 || size_cells != 2)
        return malformed(tree, node, "#address-cells", error);
    if (read_rows(tree, node, "ranges", 3 + parent_cells + 2, &cells, error) < 0)
        return -1;
    while (cells.count > 0) {
        if (read_window(tree, node, &cells, parent_cells, error) < 0)
            return -1;
    }
    return 0;
}

/* Bridges on a bus whose addresses are the CPUs' own, which is what an empty `ranges` says. */
static int read_bus(struct tree *tree, int bus, struct error *error)
{
    unsigned address_cells, size_cells;
    int size = -1, node;

    if (fdt_getprop(tree->blob, bus, "ranges", &size) == NULL || size != 0)
        return 0;
    fdt_for_each_subnode(node, tree->blob, bus) {
        if (!is_text(tree, node, "device_type", "pci"))
            continue;
        if (read_widths(tree, bus, &address_cells, &size_cells, error) < 0)
            return -1;
        if (address_cells > 2)
            return malformed(tree, bus, "#address-cells", error);
        if (read_bridge(tree, node, address_cells, error) < 0)
            return -1;
    }
    return 0;
}

/* Rows of from, to, distance (Linux, bindings/numa.txt; QEMU's limits). */
static int read_distances(struct tree *tree, int node, struct error *error)
{
    struct fdt_board *board = tree->board;
    uint64_t from, to, distance;
    struct cells cells;

    if (read_rows(tree, node, "distance-matrix", 3, &cells, error) < 0)
        return -1;
    while (cells.count > 0) {
        from = take_number(&cells, 1);
        to = take_number(&cells, 1);
        distance = take_number(&cells, 1);
        if (from >= FDT_NODES_MAX || to >= FDT_NODES_MAX)
            return too_many("NUMA nodes", FDT_NODES_MAX, error);
        if (distance < LOCAL_DISTANCE || distance > UINT8_MAX ||
            (from == to && distance != LOCAL_DISTANCE) ||
            (board->distances[from][to] != 0 && board->distances[from][to] != distance))
            return malformed(tree, node, "distance-matrix", error);
        board->distances[from][to] = (uint8_t)distance;
        board->distances_known = true;
    }
    return 0;
}

static int read_child_of_root(struct tree *tree, int node, struct error *error)
{
    if (is_text(tree, node, "device_type", "memory"))
        return read_memory(tree, node, error);
    if (is_text(tree, node, "device_type", "pci"))
        return read_bridge(tree, node, tree->address_cells, error);
    if (is_compatible(tree, node, "numa-distance-map-v1"))
        return read_distances(tree, node, error);
    if (is_compatible(tree, node, "gpio-keys"))
        tree->board->power_key = fdt_subnode_offset(tree->blob, node, "poweroff") >= 0;
    return read_bus(tree, node, error);
}

/* Memory of less than a megabyte has never come in blocks. */
static bool is_block(uint64_t bytes)
{
    return bytes >= SIZE_MIB && (bytes & (bytes - 1)) == 0;
}

/* Where pseries tells how far it grows, and which of the associativity domains is NUMA's. */
static int read_rtas(struct tree *tree, struct error *error)
{
    struct fdt_board *board = tree->board;
    int rtas = fdt_path_offset(tree->blob, "/rtas");
    struct cells capacity, points;

    if (rtas < 0)
        return 0;
    if (read_rows(tree, rtas, "ibm,lrdr-capacity", 5, &capacity, error) < 0 ||
        read_rows(tree, rtas, "ibm,associativity-reference-points", 1, &points, error) < 0)
        return -1;
    if (points.count > 0)
        tree->domain = (unsigned)take_number(&points, 1);
    if (capacity.at == NULL)
        return 0;
    if (capacity.count != 5)
        return malformed(tree, rtas, "ibm,lrdr-capacity", error);
    board->memory_end = take_number(&capacity, 2);
    board->lmb_bytes = take_number(&capacity, 2);
    board->max_cores = (unsigned)take_number(&capacity, 1);
    board->capacity_known = true;
    if (!is_block(board->lmb_bytes) || board->max_cores == 0)
        return malformed(tree, rtas, "ibm,lrdr-capacity", error);
    return 0;
}

static int read_drmem(struct tree *tree, struct error *error)
{
    struct fdt_board *board = tree->board;
    int node = fdt_path_offset(tree->blob, "/ibm,dynamic-reconfiguration-memory");
    struct cells cells;

    if (node < 0)
        return 0;
    if (read_rows(tree, node, "ibm,lmb-size", 2, &cells, error) < 0)
        return -1;
    if (cells.at == NULL)
        return 0;
    if (cells.count != 2)
        return malformed(tree, node, "ibm,lmb-size", error);
    board->drmem_lmb_bytes = take_number(&cells, 2);
    if (!is_block(board->drmem_lmb_bytes) ||
        (board->capacity_known && board->drmem_lmb_bytes != board->lmb_bytes))
        return malformed(tree, node, "ibm,lmb-size", error);
    return 0;
}

/* The vCPU with this phandle, or NULL; 0 is no phandle. */
static struct fdt_cpu *find_cpu(const struct tree *tree, uint32_t phandle)
{
    size_t i;

    for (i = 0; phandle != 0 && i < tree->board->cpu_count; i++) {
        if (tree->phandles[i] == phandle)
            return &tree->board->cpus[i];
    }
    return NULL;
}

static int read_cpu(struct tree *tree, int node, unsigned reg_cells, struct error *error)
{
    struct fdt_board *board = tree->board;
    struct fdt_cpu cpu = {.threads = 1,
                          .socket = FDT_UNKNOWN,
                          .cluster = FDT_UNKNOWN,
                          .core = FDT_UNKNOWN,
                          .thread = FDT_UNKNOWN};
    uint32_t phandle = fdt_get_phandle(tree->blob, node);
    struct cells reg, servers;
    size_t i;

    if (read_rows(tree, node, "reg", reg_cells, &reg, error) < 0 ||
        read_rows(tree, node, "ibm,ppc-interrupt-server#s", 1, &servers, error) < 0 ||
        read_node(tree, node, &cpu.node, error) < 0)
        return -1;
    if (reg.count != reg_cells)
        return malformed(tree, node, "reg", error);
    cpu.reg = take_number(&reg, reg_cells);
    if (servers.count > 0)
        cpu.threads = (unsigned)servers.count;
    for (i = 0; i < board->cpu_count; i++) {
        if (board->cpus[i].reg == cpu.reg)
            return malformed(tree, node, "reg", error);
    }
    if (find_cpu(tree, phandle) != NULL)
        return malformed(tree, node, "phandle", error);
    if (board->cpu_count == FDT_CPUS_MAX)
        return too_many("vCPUs", FDT_CPUS_MAX, error);
    tree->phandles[board->cpu_count] = phandle;
    board->cpus[board->cpu_count++] = cpu;
    return 0;
}

/* ---- /cpus/cpu-map (Linux, bindings/cpu/cpu-topology.txt) ---- */

enum map_level { MAP_SOCKET, MAP_CLUSTER, MAP_CORE, MAP_THREAD, MAP_LEVELS };

static const char *const map_words[MAP_LEVELS] = {"socket", "cluster", "core", "thread"};

/* "core3": sets *ret_number and returns the level, which is that or one below. MAP_LEVELS: none. */
static unsigned read_map_name(const char *name, unsigned level, int *ret_number)
{
    size_t length, digits;

    for (; level < MAP_LEVELS; level++) {
        length = strlen(map_words[level]);
        if (strncmp(name, map_words[level], length) != 0)
            continue;
        digits = strspn(name + length, "0123456789");
        if (digits == 0 || digits > 5 || name[length + digits] != '\0')
            return MAP_LEVELS;
        *ret_number = atoi(name + length);
        return level;
    }
    return MAP_LEVELS;
}

/* The entry may say which vCPU sits there. */
static int place_cpu(struct tree *tree, int entry, const int place[MAP_LEVELS],
                     struct error *error)
{
    struct fdt_cpu *cpu = NULL;
    struct cells cells;

    if (read_rows(tree, entry, "cpu", 1, &cells, error) < 0)
        return -1;
    if (cells.at == NULL)
        return 0;
    if (cells.count == 1)
        cpu = find_cpu(tree, (uint32_t)take_number(&cells, 1));
    if (cpu == NULL || cpu->core != FDT_UNKNOWN || place[MAP_CORE] == FDT_UNKNOWN)
        return malformed(tree, entry, "cpu", error);
    cpu->socket = place[MAP_SOCKET];
    cpu->cluster = place[MAP_CLUSTER];
    cpu->core = place[MAP_CORE];
    cpu->thread = place[MAP_THREAD];
    return 0;
}

/* Each call is at a deeper level than its caller's: it ends after four. */
static int read_map(struct tree *tree, int parent, unsigned level, const int place[MAP_LEVELS],
                    struct error *error)
{
    int here[MAP_LEVELS];
    unsigned found;
    int node, number;

    fdt_for_each_subnode(node, tree->blob, parent) {
        found = read_map_name(name_of(tree, node), level, &number);
        if (found == MAP_LEVELS)
            continue;
        memcpy(here, place, sizeof(here));
        here[found] = number;
        if (place_cpu(tree, node, here, error) < 0 ||
            read_map(tree, node, found + 1, here, error) < 0)
            return -1;
    }
    return 0;
}

static int read_cpus(struct tree *tree, struct error *error)
{
    static const int nowhere[MAP_LEVELS] = {FDT_UNKNOWN, FDT_UNKNOWN, FDT_UNKNOWN, FDT_UNKNOWN};
    int cpus = fdt_path_offset(tree->blob, "/cpus");
    unsigned address_cells, size_cells;
    int node, map;

    if (cpus < 0)
        return 0;
    if (read_widths(tree, cpus, &address_cells, &size_cells, error) < 0)
        return -1;
    if (address_cells > 2 || size_cells != 0)
        return malformed(tree, cpus, "#address-cells", error);
    fdt_for_each_subnode(node, tree->blob, cpus) {
        if (is_text(tree, node, "device_type", "cpu") &&
            read_cpu(tree, node, address_cells, error) < 0)
            return -1;
    }
    map = fdt_subnode_offset(tree->blob, cpus, "cpu-map");
    return map < 0 ? 0 : read_map(tree, map, MAP_SOCKET, nowhere, error);
}

/* ---- the whole ---- */

/* libfdt looks for the end of each property's name: one endless name that all properties share
 * would make it read the same megabyte a hundred thousand times. */
static bool has_endless_name(const void *blob)
{
    const char *at = (const char *)blob + fdt_off_dt_strings(blob);
    const char *end = at + fdt_size_dt_strings(blob);
    size_t length;

    for (; at < end; at += length + 1) {
        length = strnlen(at, (size_t)(end - at));
        if (length > NAME_MAX_BYTES)
            return true;
    }
    return false;
}

/* libfdt before 1.7 lets the length of a property wrap around: it would go through the same
 * properties for ever, or find one whose length is negative. */
static bool has_wild_length(const void *blob)
{
    const struct fdt_property *property;
    int at = 0, next;
    uint32_t tag;

    for (; (tag = fdt_next_tag(blob, at, &next)) != FDT_END; at = next) {
        property = tag == FDT_PROP ? fdt_offset_ptr(blob, at, sizeof(*property)) : NULL;
        if (property != NULL && fdt32_ld(&property->len) > FDT_BLOB_MAX_BYTES)
            return true;
    }
    return false;
}

/* From here on libfdt can be trusted with it. */
static int check(const void *blob, size_t size_bytes, struct error *error)
{
    int status = size_bytes < sizeof(struct fdt_header) ? -FDT_ERR_TRUNCATED
                                                        : fdt_check_header(blob);

    if (status == 0 && fdt_totalsize(blob) > size_bytes)
        status = -FDT_ERR_TRUNCATED;
    if (status == 0 && fdt_totalsize(blob) > FDT_BLOB_MAX_BYTES)
        return error_set(error, ERROR_LIMIT, REPORT,
                         "the device tree has %u bytes, and vmplug takes %zu",
                         (unsigned)fdt_totalsize(blob), FDT_BLOB_MAX_BYTES);
    if (status == 0 && fdt_off_dt_struct(blob) % FDT_TAGSIZE != 0)
        status = -FDT_ERR_BADLAYOUT; /* libfdt asks alignment of the blob alone */
    if (status == 0 &&
        (fdt_version(blob) < VERSION || has_endless_name(blob) || has_wild_length(blob)))
        status = -FDT_ERR_BADSTRUCTURE;
    if (status == 0)
        status = fdt_check_full(blob, size_bytes);
    if (status < 0)
        return error_set(error, ERROR_PROTOCOL, DUMP_AGAIN, "this is no device tree: %s",
                         status == -FDT_ERR_TRUNCATED ? "it is cut off" : fdt_strerror(status));
    return 0;
}

static int read_tree(struct tree *tree, struct error *error)
{
    const char *compatible = fdt_stringlist_get(tree->blob, 0, "compatible", 0, NULL);
    int node;

    text_copy(tree->board->compatible, sizeof(tree->board->compatible), compatible);
    if (read_widths(tree, 0, &tree->address_cells, &tree->size_cells, error) < 0)
        return -1;
    if (tree->address_cells > 2 || tree->size_cells == 0)
        return malformed(tree, 0, "#address-cells", error);
    if (read_rtas(tree, error) < 0 || read_drmem(tree, error) < 0)
        return -1;
    fdt_for_each_subnode(node, tree->blob, 0) {
        if (read_child_of_root(tree, node, error) < 0)
            return -1;
    }
    return read_cpus(tree, error);
}

int fdt_read_board(const void *blob, size_t size_bytes, struct fdt_board *ret,
                   struct error *error)
{
    AUTO_FREE struct tree *tree = NULL;
    int status;

    memset(ret, 0, sizeof(*ret));
    if (check(blob, size_bytes, error) < 0)
        return -1;
    tree = calloc(1, sizeof(*tree));
    if (tree == NULL)
        return error_set(error, ERROR_SYSTEM, "", "out of memory");
    tree->blob = blob;
    tree->board = ret;
    status = read_tree(tree, error);
    if (status < 0)
        memset(ret, 0, sizeof(*ret));
    return status;
}
