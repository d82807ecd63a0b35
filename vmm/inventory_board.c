/* SPDX-License-Identifier: MIT */
/*
 * The board: what it can grow. Where the rules stand in a device tree, QEMU gives it as a file
 * only, written by QEMU's own process: into a directory that vmplug makes for it, and removes.
 * Where QEMU can't write there, or knows no dumpdtb, the guest's own copy takes its place.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "qmp/field.h"
#include "vmm/inventory_parts.h"

#define TREE "board.dtb"
#define TREE_PATH_MAX (INVENTORY_TREE_DIR_MAX + sizeof("/" TREE))
#define GUEST_TREE "/sys/firmware/fdt"

static struct inventory_board *board_of(void *user)
{
    return &((struct inventory_question *)user)->inventory->board;
}

/* ---- the device tree ---- */

/* x86 and s390 have none. */
static bool has_tree(const char *arch)
{
    static const char *const archs[] = {"aarch64", "arm",     "ppc64",
                                        "riscv64", "riscv32", "loongarch64"};
    size_t i;

    for (i = 0; i < COUNT_OF(archs); i++) {
        if (strcmp(arch, archs[i]) == 0)
            return true;
    }
    return false;
}

/* False without memory. A tree that is malformed is none. */
static bool take_tree(struct inventory_board *board, const void *blob, size_t size_bytes)
{
    AUTO_FREE struct fdt_board *tree = calloc(1, sizeof(*tree));
    struct error error = ERROR_INIT;

    if (tree == NULL)
        return false;
    if (board->tree == NULL && fdt_read_board(blob, size_bytes, tree, &error) == 0)
        board->tree = STEAL(tree);
    return error.code != ERROR_SYSTEM;
}

/* For QEMU's user alone, who is another one where we are root. False when it can't be made. */
static bool make_directory(struct inventory_question *question)
{
    const char *temporary = getenv("TMPDIR");
    char *path = question->tree_dir, proc[64];
    struct stat process;

    (void)snprintf(path, sizeof(question->tree_dir), "%s/vmplug-XXXXXX",
                   temporary != NULL && temporary[0] == '/' ? temporary : "/tmp");
    if (mkdtemp(path) == NULL) {
        path[0] = '\0';
        return false;
    }
    (void)snprintf(proc, sizeof(proc), "/proc/%ld", (long)vm_process(question->vm));
    if (geteuid() == 0 && stat(proc, &process) == 0)
        (void)!lchown(path, process.st_uid, (gid_t)-1); /* else QEMU says that it can't write */
    return true;
}

static const char *tree_path(const struct inventory_question *question, char path[TREE_PATH_MAX])
{
    (void)snprintf(path, TREE_PATH_MAX, "%s/" TREE, question->tree_dir);
    return path;
}

void inventory_board_forget(struct inventory_question *question)
{
    char path[TREE_PATH_MAX];

    if (question->tree_dir[0] == '\0')
        return;
    (void)unlink(tree_path(question, path));
    (void)rmdir(question->tree_dir);
    question->tree_dir[0] = '\0';
}

static void read_tree(struct inventory_question *question)
{
    char path[TREE_PATH_MAX];
    AUTO_FREE char *blob = gather_allocate(question->gather, 1, FDT_BLOB_MAX_BYTES);
    AUTO_FD int fd = open(tree_path(question, path),
                          O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    size_t size_bytes = 0;
    ssize_t count = 0;

    while (fd >= 0 && blob != NULL && size_bytes < FDT_BLOB_MAX_BYTES &&
           (count = read(fd, blob + size_bytes, FDT_BLOB_MAX_BYTES - size_bytes)) > 0)
        size_bytes += (size_t)count;
    if (count == 0 && size_bytes > 0 && !take_tree(&question->inventory->board, blob, size_bytes))
        gather_out_of_memory(question->gather);
}

static void take_dumped(void *user, void *item, const json_t *value, const struct error *error)
{
    (void)item;
    (void)error;
    if (value != NULL)
        read_tree(user);
    inventory_board_forget(user);
}

/* On pseries the firmware hands its own tree over while the guest boots, and a dumpdtb after that
 * lets QEMU read memory that it has freed (qemu:hw/ppc/spapr_hcall.c, h_update_dt): 7.2 and 10.0
 * die of it. */
static bool may_dump(const struct inventory_machine *machine)
{
    return has_tree(machine->arch) && (strcmp(machine->arch, "ppc64") != 0 ||
                                       strcmp(machine->state, "prelaunch") == 0);
}

void inventory_board_take_arch(struct inventory_question *question)
{
    char path[TREE_PATH_MAX];

    if ((question->inventory->parts & INVENTORY_PLATFORM) != 0 &&
        may_dump(&question->inventory->machine) && make_directory(question))
        gather_ask_with(question->gather, PEER_QMP, "dumpdtb",
                        json_pack("{s:s}", "filename", tree_path(question, path)), take_dumped,
                        NULL);
}

static bool take_guest_tree(struct inventory *inventory, void *item, const char *text,
                            size_t size_bytes, const char *why)
{
    (void)item;
    (void)why;
    return text == NULL || take_tree(&inventory->board, text, size_bytes);
}

void inventory_board_ask_guest(struct inventory_question *question)
{
    const struct inventory *inventory = question->inventory;

    if ((inventory->parts & INVENTORY_PLATFORM) != 0 && inventory->board.tree == NULL &&
        has_tree(inventory->machine.arch))
        inventory_read_file(question, GUEST_TREE, FDT_BLOB_MAX_BYTES, take_guest_tree, NULL);
}

/* ---- the rest ---- */

static void take_acpi(void *user, void *item, const json_t *value, const struct error *error)
{
    (void)item;
    (void)error;
    board_of(user)->acpi_off =
        json_is_string(value) && strcmp(json_string_value(value), "off") == 0;
}

static void take_properties(void *user, void *item, const json_t *value,
                            const struct error *error)
{
    bool *lacks = item;

    (void)user;
    (void)value;
    *lacks = error != NULL && strcmp(error->class_name, "DeviceNotFound") == 0;
}

/* Not by qom-list-types, which loads all of QEMU's modules first: when its package has been
 * upgraded under it they are another build's, and QEMU 10.0 aborts. */
static void ask_whether_known(const struct inventory_question *question, const char *driver,
                              bool *lacks)
{
    gather_ask_with(question->gather, PEER_QMP, "device-list-properties",
                    json_pack("{s:s}", "typename", driver), take_properties, lacks);
}

void inventory_board_ask(const struct inventory_question *question)
{
    struct inventory_board *board = &question->inventory->board;
    unsigned parts = question->inventory->parts;

    if (parts & INVENTORY_PLATFORM)
        gather_qom_get(question->gather, "/machine", "acpi", take_acpi, NULL);
    if (parts & INVENTORY_DIMM)
        ask_whether_known(question, "pc-dimm", &board->lacks_dimm);
    if (parts & INVENTORY_VIRTIO_MEM)
        ask_whether_known(question, "virtio-mem-pci", &board->lacks_virtio_mem);
}

void inventory_board_finish(struct inventory *inventory)
{
    struct inventory_board *board = &inventory->board;
    const struct platform_facts facts = {
        .arch = inventory->machine.arch,
        .machine = inventory->machine.machine,
        .acpi_off = board->acpi_off,
        .relays_ost = inventory->has_ost,
        .lists_cpus = inventory->cpus.hotpluggable,
        .cpus_reason = inventory->cpus.reason,
        .lacks_dimm = board->lacks_dimm,
        .lacks_virtio_mem = board->lacks_virtio_mem,
        .guest_block_bytes = inventory->guest.block_bytes,
        .tree = board->tree,
    };

    if (inventory->parts & INVENTORY_PLATFORM)
        platform_describe(&facts, &board->platform);
}

uint64_t inventory_memory_unit(const struct inventory *inventory)
{
    return inventory->board.platform.abilities[PLATFORM_DIMM].unit_bytes;
}

bool inventory_topology_agrees(const struct inventory *inventory, char *why, size_t size)
{
    const struct topology topology = {
        .vcpus = inventory->cpus.vcpus,
        .boot_count = inventory->cpus.boot_count,
        .count = inventory->cpus.present,
        .base_bytes = inventory->memory.base_bytes,
    };

    return topology_agrees(inventory->board.tree, &topology, why, size);
}
