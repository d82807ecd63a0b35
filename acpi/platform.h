/* SPDX-License-Identifier: MIT */
/*
 * What a board can grow and shrink, in what unit, how the guest hears of it and how it comes
 * online. No board tells all of that in one place: QEMU's monitor knows a part, ACPI another, and
 * where the rules stand in the device tree, that has them. Here they are put together. Asks nobody:
 * it reads facts, so that it can be tested with those of any board.
 */
#ifndef ACPI_PLATFORM_H
#define ACPI_PLATFORM_H

#include <stdbool.h>
#include <stdint.h>

#include "acpi/fdt.h"
#include "base/error.h"

#define PLATFORM_TEXT_MAX 384

enum platform_board {
    PLATFORM_PC,      /* pc and q35: ACPI's own controllers for CPUs and memory */
    PLATFORM_MICROVM,
    PLATFORM_VIRT_ARM,
    PLATFORM_VIRT_RISCV,
    PLATFORM_VIRT_LOONGARCH,
    PLATFORM_PSERIES,
    PLATFORM_S390,
    PLATFORM_OTHER /* nothing is forbidden that is not known: QEMU has the last word */
};

enum platform_kind {
    PLATFORM_CPU,
    PLATFORM_DIMM,
    PLATFORM_VIRTIO_MEM,
    PLATFORM_DISK,
    PLATFORM_KINDS_ /* how many there are */
};

enum platform_answer { PLATFORM_UNKNOWN, PLATFORM_NO, PLATFORM_YES };

/* How the guest hears of a device. */
enum platform_signal {
    PLATFORM_SIGNAL_UNKNOWN,
    PLATFORM_SIGNAL_ACPI,   /* a Notify, answered by _OST (ACPI 6.0, 6.3.5) */
    PLATFORM_SIGNAL_DRC,    /* an event for a dynamic reconfiguration connector (PAPR) */
    PLATFORM_SIGNAL_SCLP,   /* an event of s390's service-call processor */
    PLATFORM_SIGNAL_VIRTIO, /* the device's own: virtio-scsi's events, virtio-mem's configuration */
    PLATFORM_SIGNALS_       /* how many there are */
};

/* What is known of a VM. Strings are borrowed for the call. */
struct platform_facts {
    const char *arch;        /* QAPI query-target */
    const char *machine;     /* the machine's type, "pc-q35-7.2" */
    bool acpi_off;           /* its property acpi is "off" */
    bool relays_ost;         /* query-acpi-ospm-status answers */
    bool lists_cpus;         /* query-hotpluggable-cpus answers */
    const char *cpus_reason; /* QEMU's words when it does not */
    bool lacks_dimm;         /* QEMU knows no pc-dimm, */
    bool lacks_virtio_mem;   /* and no virtio-mem-pci */
    uint64_t guest_block_bytes; /* the guest's memory block; 0: it could not be asked */
    const struct fdt_board *tree; /* NULL: there is none, or it could not be had */
};

struct platform_ability {
    enum platform_answer grow;
    enum platform_answer shrink;
    enum platform_signal signal;
    bool by_itself;      /* the guest puts it online unasked */
    uint64_t unit_bytes; /* memory comes in multiples of it; 0 for what is counted */
    char why[PLATFORM_TEXT_MAX]; /* not, where grow is PLATFORM_NO */
    const char *fix;
    char why_no_shrink[PLATFORM_TEXT_MAX]; /* the same of PLATFORM_NO of shrink */
};

struct platform {
    enum platform_board board;
    struct platform_ability abilities[PLATFORM_KINDS_];
};

/* Puts the facts together. */
void platform_describe(const struct platform_facts *facts, struct platform *ret);

/* 0, or -1 with ERROR_BLOCKED, why and what to do, when this board can't. What is unknown passes:
 * QEMU will say. */
int platform_check_grow(const struct platform *platform, enum platform_kind kind,
                        struct error *error);
int platform_check_shrink(const struct platform *platform, enum platform_kind kind,
                          struct error *error);

/* "cpu", "dimm", "virtio-mem", "disk"; "acpi", "drc", …; "yes", "no", "unknown" */
const char *platform_kind_name(enum platform_kind kind);
const char *platform_signal_name(enum platform_signal signal);
const char *platform_answer_name(enum platform_answer answer);

#endif
