/* SPDX-License-Identifier: MIT */
#include "acpi/platform.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

/* Linux's memory blocks on x86-64 and arm64 have this size or a multiple of it. */
#define SMALLEST_BLOCK_BYTES (UINT64_C(128) << 20)

/* QEMU's pseries takes memory in such blocks, whatever the guest (qemu:include/hw/ppc/spapr.h). */
#define SPAPR_BLOCK_BYTES (UINT64_C(256) << 20)

static const struct {
    const char *arch; /* NULL: the name says it all */
    const char *prefix;
    enum platform_board board;
} boards[] = {
    {NULL, "pc-q35-", PLATFORM_PC},
    {NULL, "pc-i440fx-", PLATFORM_PC},
    {NULL, "microvm", PLATFORM_MICROVM},
    {NULL, "pseries", PLATFORM_PSERIES},
    {NULL, "s390-ccw-virtio", PLATFORM_S390},
    {"aarch64", "virt", PLATFORM_VIRT_ARM},
    {"arm", "virt", PLATFORM_VIRT_ARM},
    {"riscv64", "virt", PLATFORM_VIRT_RISCV},
    {"riscv32", "virt", PLATFORM_VIRT_RISCV},
    {"loongarch64", "virt", PLATFORM_VIRT_LOONGARCH},
};

static enum platform_board find_board(const struct platform_facts *facts)
{
    size_t i;

    for (i = 0; i < COUNT_OF(boards); i++) {
        if (strncmp(facts->machine, boards[i].prefix, strlen(boards[i].prefix)) == 0 &&
            (boards[i].arch == NULL || strcmp(facts->arch, boards[i].arch) == 0))
            return boards[i].board;
    }
    return PLATFORM_OTHER;
}

static void forbid_shrink(struct platform_ability *ability, const char *why)
{
    ability->shrink = PLATFORM_NO;
    (void)snprintf(ability->why_no_shrink, sizeof(ability->why_no_shrink), "%s", why);
}

static void forbid(struct platform_ability *ability, const char *fix, const char *why)
{
    ability->grow = PLATFORM_NO;
    ability->fix = fix;
    (void)snprintf(ability->why, sizeof(ability->why), "%s", why);
    forbid_shrink(ability, why);
}

#define ACPI_OFF "the machine was started with acpi=off, and the guest would never hear of it"
#define ACPI_ON "start QEMU without acpi=off"
#define OTHER_BOARD "use a machine type that can, such as q35"

/* ---- vCPUs ---- */

static void describe_cpus(const struct platform_facts *facts, struct platform *platform)
{
    struct platform_ability *cpus = &platform->abilities[PLATFORM_CPU];
    char why[PLATFORM_TEXT_MAX];

    *cpus = (struct platform_ability){.grow = PLATFORM_YES, .shrink = PLATFORM_YES, .fix = ""};
    if (!facts->lists_cpus) {
        (void)snprintf(why, sizeof(why), "this QEMU has no vCPU hotplug on board %.64s: %.256s",
                       facts->machine, facts->cpus_reason);
        forbid(cpus, "use a machine type that has, such as q35 or pseries", why);
        return;
    }
    switch (platform->board) {
    case PLATFORM_PC:
        cpus->signal = PLATFORM_SIGNAL_ACPI;
        if (facts->acpi_off)
            forbid(cpus, ACPI_ON, ACPI_OFF);
        break;
    case PLATFORM_VIRT_ARM:
    case PLATFORM_VIRT_LOONGARCH:
        cpus->signal = PLATFORM_SIGNAL_ACPI;
        break;
    case PLATFORM_PSERIES:
        cpus->signal = PLATFORM_SIGNAL_DRC;
        cpus->by_itself = true;
        break;
    case PLATFORM_S390:
        cpus->signal = PLATFORM_SIGNAL_SCLP;
        forbid_shrink(cpus, "QEMU can't unplug vCPUs of s390");
        break;
    case PLATFORM_MICROVM:
    case PLATFORM_VIRT_RISCV:
    case PLATFORM_OTHER:
        cpus->grow = cpus->shrink = PLATFORM_UNKNOWN;
        break;
    }
}

/* ---- memory ---- */

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* What QEMU insists on and what the guest takes; both are powers of two. */
static uint64_t memory_unit(const struct platform_facts *facts, enum platform_board board)
{
    uint64_t lmb = 0;

    if (board != PLATFORM_PSERIES)
        return facts->guest_block_bytes != 0 ? facts->guest_block_bytes : SMALLEST_BLOCK_BYTES;
    if (facts->tree != NULL)
        lmb = larger(facts->tree->lmb_bytes, facts->tree->drmem_lmb_bytes);
    if (lmb == 0 || (lmb & (lmb - 1)) != 0)
        lmb = SPAPR_BLOCK_BYTES;
    return larger(lmb, facts->guest_block_bytes);
}

static void describe_dimms(const struct platform_facts *facts, struct platform *platform)
{
    static const char no_type[] = "this QEMU has no pc-dimm for its architecture";
    struct platform_ability *dimms = &platform->abilities[PLATFORM_DIMM];

    *dimms = (struct platform_ability){.grow = PLATFORM_YES,
                                       .shrink = PLATFORM_YES,
                                       .unit_bytes = memory_unit(facts, platform->board),
                                       .fix = ""};
    switch (platform->board) {
    case PLATFORM_PC:
        dimms->signal = PLATFORM_SIGNAL_ACPI;
        if (facts->acpi_off)
            forbid(dimms, ACPI_ON, ACPI_OFF);
        break;
    case PLATFORM_VIRT_ARM:
    case PLATFORM_VIRT_LOONGARCH:
        dimms->signal = PLATFORM_SIGNAL_ACPI;
        if (!facts->relays_ost)
            forbid(dimms, "start QEMU with UEFI firmware for the guest, and without acpi=off",
                   "the board has no ACPI event device (GED): QEMU makes one only for a guest that "
                   "boots by UEFI firmware with ACPI");
        break;
    case PLATFORM_PSERIES:
        dimms->signal = PLATFORM_SIGNAL_DRC;
        dimms->by_itself = true;
        break;
    case PLATFORM_MICROVM:
        forbid(dimms, OTHER_BOARD, "board microvm takes no DIMM, with or without ACPI");
        break;
    case PLATFORM_VIRT_RISCV:
    case PLATFORM_S390:
    case PLATFORM_OTHER:
        dimms->grow = dimms->shrink = PLATFORM_UNKNOWN;
        break;
    }
    if (facts->lacks_dimm)
        forbid(dimms, OTHER_BOARD, no_type);
}

static void describe_virtio_mem(const struct platform_facts *facts, struct platform *platform)
{
    struct platform_ability *ability = &platform->abilities[PLATFORM_VIRTIO_MEM];

    *ability = (struct platform_ability){.grow = PLATFORM_YES,
                                         .shrink = PLATFORM_YES,
                                         .signal = PLATFORM_SIGNAL_VIRTIO,
                                         .unit_bytes = memory_unit(facts, platform->board),
                                         .fix = ""};
    if (facts->lacks_virtio_mem)
        forbid(ability, "add a DIMM, where the board takes one, or use a machine type such as q35",
               "this QEMU has no virtio-mem-pci for its architecture");
    else if (platform->board == PLATFORM_MICROVM)
        forbid(ability, OTHER_BOARD,
               "board microvm gives a virtio-mem no place in the guest's memory, although its QEMU "
               "accepts one");
    else if (platform->board == PLATFORM_OTHER)
        ability->grow = ability->shrink = PLATFORM_UNKNOWN;
}

/* ---- all ---- */

void platform_describe(const struct platform_facts *facts, struct platform *ret)
{
    *ret = (struct platform){.board = find_board(facts)};
    describe_cpus(facts, ret);
    describe_dimms(facts, ret);
    describe_virtio_mem(facts, ret);
    ret->abilities[PLATFORM_DISK] = (struct platform_ability){.grow = PLATFORM_YES,
                                                              .shrink = PLATFORM_YES,
                                                              .signal = PLATFORM_SIGNAL_VIRTIO,
                                                              .by_itself = true,
                                                              .fix = ""};
}

int platform_check_grow(const struct platform *platform, enum platform_kind kind,
                        struct error *error)
{
    const struct platform_ability *ability = &platform->abilities[kind];

    if (ability->grow != PLATFORM_NO)
        return 0;
    return error_set(error, ERROR_BLOCKED, ability->fix, "%s", ability->why);
}

int platform_check_shrink(const struct platform *platform, enum platform_kind kind,
                          struct error *error)
{
    const struct platform_ability *ability = &platform->abilities[kind];

    if (ability->shrink != PLATFORM_NO)
        return 0;
    return error_set(error, ERROR_BLOCKED, ability->fix, "%s", ability->why_no_shrink);
}

const char *platform_kind_name(enum platform_kind kind)
{
    static const char *const names[] = {"cpu", "dimm", "virtio-mem", "disk"};

    _Static_assert(COUNT_OF(names) == PLATFORM_KINDS_, "every kind has its name");
    return names[kind];
}

const char *platform_signal_name(enum platform_signal signal)
{
    static const char *const names[] = {"unknown", "acpi", "drc", "sclp", "virtio"};

    _Static_assert(COUNT_OF(names) == PLATFORM_SIGNALS_, "every signal has its name");
    return names[signal];
}

const char *platform_answer_name(enum platform_answer answer)
{
    static const char *const names[] = {"unknown", "no", "yes"};

    return names[answer];
}
