/* SPDX-License-Identifier: MIT */
/* Recorded device trees against the machines that wrote them, and against others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "acpi/topology.h"
#include "base/cleanup.h"
#include "base/size.h"
#include "tests/fake/tree.h"

/* -smp 8,sockets=2,clusters=2,cores=2,threads=1 on two nodes, as query-cpus-fast lists it. */
static const struct topology_vcpu arm_numa[] = {
    {0, 0, 0, 0, 0}, {0, 0, 0, 1, 0}, {0, 0, 1, 0, 0}, {0, 0, 1, 1, 0},
    {1, 1, 0, 0, 0}, {1, 1, 0, 1, 0}, {1, 1, 1, 0, 0}, {1, 1, 1, 1, 0},
};
static const struct topology_vcpu riscv_numa[] = {
    {0, -1, -1, 0, -1}, {0, -1, -1, 1, -1}, {1, -1, -1, 2, -1}, {1, -1, -1, 3, -1}};
static const struct topology_vcpu unknown[] = {{-1, -1, -1, -1, -1}, {-1, -1, -1, -1, -1}};

static char why[256];

static bool agrees(const char *name, const struct topology_vcpu *vcpus, size_t boot_count,
                   size_t count, uint64_t mib)
{
    const struct topology topology = {.vcpus = vcpus, .boot_count = boot_count, .count = count,
                                      .base_bytes = mib * SIZE_MIB};
    size_t size;
    AUTO_FREE void *blob = tree_load_packed(name, &size);

    tree_read_well(blob, size);
    why[0] = '\0';
    return topology_agrees(&tree_board, &topology, why, sizeof(why));
}

static void test_agree(void **state)
{
    (void)state;
    assert_true(agrees("arm-numa", arm_numa, 8, 8, 1024));
    assert_true(agrees("riscv-numa", riscv_numa, 4, 4, 1024));
    assert_true(agrees("pseries", unknown, 2, 2, 1024));
    assert_true(agrees("loongarch", unknown, 2, 2, 1024));
    assert_true(agrees("arm", unknown, 2, 2, 0)); /* QEMU told no size */
    assert_string_equal(why, "");
}

static void test_memory_differs(void **state)
{
    (void)state;
    assert_false(agrees("arm", unknown, 2, 2, 1024));
    assert_string_equal(why, "the device tree has 512 MiB of memory, and QEMU began with 1 GiB");
}

/* A core that was plugged before the last reset is in pseries' tree, and need not be. */
static void test_count_differs(void **state)
{
    (void)state;
    assert_false(agrees("arm", unknown, 1, 1, 512));
    assert_string_equal(why, "the device tree has 2 vCPUs, and QEMU began with 1");
    assert_true(agrees("pseries", unknown, 1, 2, 1024));
    assert_true(agrees("pseries", unknown, 2, 3, 1024));
    assert_false(agrees("arm-numa", arm_numa, 2, 7, 1024));
}

static void test_place_differs(void **state)
{
    struct topology_vcpu vcpus[COUNT_OF(arm_numa)];
    unsigned i;

    (void)state;
    for (i = 0; i < 4; i++) {
        memcpy(vcpus, arm_numa, sizeof(vcpus));
        vcpus[5].socket += i == 0;
        vcpus[5].cluster += i == 1;
        vcpus[5].core += i == 2;
        vcpus[5].node += i == 3;
        assert_false(agrees("arm-numa", vcpus, 8, 8, 1024));
        assert_non_null(strstr(why, "vCPU 5 in"));
        assert_true((strstr(why, "NUMA node 1, and QEMU in 2") != NULL) == (i == 3));
    }
    memcpy(vcpus, arm_numa, sizeof(vcpus));
    vcpus[5].thread++; /* the tree tells of none, where a core has one */
    assert_true(agrees("arm-numa", vcpus, 8, 8, 1024));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agree),
        cmocka_unit_test(test_memory_differs),
        cmocka_unit_test(test_count_differs),
        cmocka_unit_test(test_place_differs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
