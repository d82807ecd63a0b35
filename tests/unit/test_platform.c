/* SPDX-License-Identifier: MIT */
/* What each board can grow, from the facts that real QEMUs 7.2 and 10.0 gave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "acpi/platform.h"
#include "base/cleanup.h"
#include "base/size.h"

static const char not_enabled[] = "The feature 'query-hotpluggable-cpus' is not enabled";

static struct platform describe(struct platform_facts facts)
{
    struct platform platform;

    facts.cpus_reason = facts.lists_cpus ? "" : not_enabled;
    platform_describe(&facts, &platform);
    return platform;
}

/* Grow and shrink of cpu, dimm, virtio-mem, disk, as "ynu" each. */
static const char *summarise(const struct platform *platform)
{
    static char text[3 * PLATFORM_KINDS_];
    size_t used = 0, i;

    for (i = 0; i < PLATFORM_KINDS_; i++) {
        text[used++] = platform_answer_name(platform->abilities[i].grow)[0];
        text[used++] = platform_answer_name(platform->abilities[i].shrink)[0];
        text[used++] = i + 1 < PLATFORM_KINDS_ ? ' ' : '\0';
    }
    return text;
}

static void test_boards(void **state)
{
    static const struct {
        const char *name;
        struct platform_facts facts;
        enum platform_board board;
        const char *summary;
        enum platform_signal cpu, dimm;
    } cases[] = {
        {"q35", {"x86_64", "pc-q35-7.2", .relays_ost = true, .lists_cpus = true},
         PLATFORM_PC, "yy yy yy yy", PLATFORM_SIGNAL_ACPI, PLATFORM_SIGNAL_ACPI},
        {"pc of 10.0", {"x86_64", "pc-i440fx-10.0", .relays_ost = true, .lists_cpus = true},
         PLATFORM_PC, "yy yy yy yy", PLATFORM_SIGNAL_ACPI, PLATFORM_SIGNAL_ACPI},
        {"q35,acpi=off", {"x86_64", "pc-q35-7.2", .acpi_off = true, .relays_ost = true,
                          .lists_cpus = true},
         PLATFORM_PC, "nn nn yy yy", PLATFORM_SIGNAL_ACPI, PLATFORM_SIGNAL_ACPI},
        {"microvm", {"x86_64", "microvm", .relays_ost = true},
         PLATFORM_MICROVM, "nn nn nn yy", PLATFORM_SIGNAL_UNKNOWN, PLATFORM_SIGNAL_UNKNOWN},
        {"microvm,acpi=off", {"x86_64", "microvm", .acpi_off = true},
         PLATFORM_MICROVM, "nn nn nn yy", PLATFORM_SIGNAL_UNKNOWN, PLATFORM_SIGNAL_UNKNOWN},
        {"arm64 with UEFI", {"aarch64", "virt-7.2", .relays_ost = true},
         PLATFORM_VIRT_ARM, "nn yy yy yy", PLATFORM_SIGNAL_UNKNOWN, PLATFORM_SIGNAL_ACPI},
        {"arm64 without", {"aarch64", "virt-7.2", .relays_ost = false},
         PLATFORM_VIRT_ARM, "nn nn yy yy", PLATFORM_SIGNAL_UNKNOWN, PLATFORM_SIGNAL_ACPI},
        {"arm64 that can", {"aarch64", "virt-11.0", .relays_ost = true, .lists_cpus = true},
         PLATFORM_VIRT_ARM, "yy yy yy yy", PLATFORM_SIGNAL_ACPI, PLATFORM_SIGNAL_ACPI},
        {"pseries", {"ppc64", "pseries-7.2", .lists_cpus = true, .lacks_virtio_mem = true},
         PLATFORM_PSERIES, "yy yy nn yy", PLATFORM_SIGNAL_DRC, PLATFORM_SIGNAL_DRC},
        {"riscv", {"riscv64", "virt", .lacks_dimm = true, .lacks_virtio_mem = true},
         PLATFORM_VIRT_RISCV, "nn nn nn yy", PLATFORM_SIGNAL_UNKNOWN, PLATFORM_SIGNAL_UNKNOWN},
        {"s390", {"s390x", "s390-ccw-virtio-7.2", .lists_cpus = true, .lacks_dimm = true,
                  .lacks_virtio_mem = true},
         PLATFORM_S390, "yn nn nn yy", PLATFORM_SIGNAL_SCLP, PLATFORM_SIGNAL_UNKNOWN},
        {"loongarch of 10.0", {"loongarch64", "virt", .relays_ost = true, .lists_cpus = true,
                               .lacks_virtio_mem = true},
         PLATFORM_VIRT_LOONGARCH, "yy yy nn yy", PLATFORM_SIGNAL_ACPI, PLATFORM_SIGNAL_ACPI},
        {"another", {"ppc64", "powernv9", .lists_cpus = true},
         PLATFORM_OTHER, "uu uu uu yy", PLATFORM_SIGNAL_UNKNOWN, PLATFORM_SIGNAL_UNKNOWN},
    };
    struct platform platform;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        platform = describe(cases[i].facts);
        print_message("%s\n", cases[i].name);
        assert_int_equal(platform.board, cases[i].board);
        assert_string_equal(summarise(&platform), cases[i].summary);
        assert_int_equal(platform.abilities[PLATFORM_CPU].signal, cases[i].cpu);
        assert_int_equal(platform.abilities[PLATFORM_DIMM].signal, cases[i].dimm);
    }
}

/* What is forbidden says why; what is unknown is left to QEMU. */
static void test_refusals(void **state)
{
    struct platform platform =
        describe((struct platform_facts){.arch = "aarch64", .machine = "virt-7.2"});
    struct error error = ERROR_INIT;

    (void)state;
    assert_int_equal(platform_check_grow(&platform, PLATFORM_CPU, &error), -1);
    assert_int_equal(error.code, ERROR_BLOCKED);
    assert_non_null(strstr(error.why, "no vCPU hotplug on board virt-7.2"));
    assert_non_null(strstr(error.why, not_enabled));
    assert_non_null(strstr(error.fix, "q35"));
    assert_int_equal(platform_check_shrink(&platform, PLATFORM_CPU, &error), -1);
    assert_non_null(strstr(error.why, not_enabled));
    assert_int_equal(platform_check_grow(&platform, PLATFORM_DIMM, &error), -1);
    assert_non_null(strstr(error.why, "GED"));
    assert_non_null(strstr(error.fix, "UEFI"));
    assert_int_equal(platform_check_grow(&platform, PLATFORM_DISK, &error), 0);

    platform = describe((struct platform_facts){
        .arch = "s390x", .machine = "s390-ccw-virtio-7.2", .lists_cpus = true});
    assert_int_equal(platform_check_grow(&platform, PLATFORM_CPU, &error), 0);
    assert_int_equal(platform_check_shrink(&platform, PLATFORM_CPU, &error), -1);
    assert_non_null(strstr(error.why, "s390"));
    assert_int_equal(platform_check_grow(&platform, PLATFORM_DIMM, &error), 0); /* unknown */
}

static void test_memory_unit(void **state)
{
    static struct fdt_board tree = {.lmb_bytes = 256 * SIZE_MIB};
    static const struct fdt_board negotiated = {.lmb_bytes = 256 * SIZE_MIB,
                                                .drmem_lmb_bytes = 1024 * SIZE_MIB};
    static const struct fdt_board hostile = {.lmb_bytes = 3 * SIZE_MIB};
    const struct {
        const char *arch, *machine;
        uint64_t block_mib;
        const struct fdt_board *tree;
        uint64_t unit_mib;
    } cases[] = {
        {"x86_64", "pc-q35-7.2", 0, NULL, 128},
        {"x86_64", "pc-q35-7.2", 2048, NULL, 2048},
        {"aarch64", "virt-7.2", 512, &tree, 512}, /* 64 KiB pages; an LMB is not of this board */
        {"ppc64", "pseries-7.2", 0, &tree, 256},
        {"ppc64", "pseries-7.2", 16, &tree, 256},
        {"ppc64", "pseries-7.2", 1024, &tree, 1024},
        {"ppc64", "pseries-7.2", 0, &negotiated, 1024},
        {"ppc64", "pseries-7.2", 0, &hostile, 256},
        {"ppc64", "pseries-7.2", 0, NULL, 256},
    };
    struct platform platform;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        platform = describe((struct platform_facts){
            .arch = cases[i].arch, .machine = cases[i].machine, .tree = cases[i].tree,
            .guest_block_bytes = cases[i].block_mib * SIZE_MIB});
        assert_int_equal(platform.abilities[PLATFORM_DIMM].unit_bytes,
                         cases[i].unit_mib * SIZE_MIB);
        assert_int_equal(platform.abilities[PLATFORM_VIRTIO_MEM].unit_bytes,
                         cases[i].unit_mib * SIZE_MIB);
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(platform_kind_name(PLATFORM_CPU), "cpu");
    assert_string_equal(platform_kind_name(PLATFORM_DISK), "disk");
    assert_string_equal(platform_signal_name(PLATFORM_SIGNAL_DRC), "drc");
    assert_string_equal(platform_answer_name(PLATFORM_UNKNOWN), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_boards),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_memory_unit),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
