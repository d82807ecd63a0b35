/* SPDX-License-Identifier: MIT */
/* Who says how far a VM may grow: the VM before the cluster, a value before the ratio. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "manifest/ceilings.h"

#define MIB (UINT64_C(1) << 20)

static const struct {
    unsigned cores, threads, boot; /* sockets at boot */
    unsigned of_vm, of_cluster, ratio;
    unsigned sockets;
    const char *by;
} socket_rows[] = {
    {1, 1, 2, 0, 0, 4, 8, "maxHotplugRatio"},
    {1, 1, 2, 0, 0, 1, 2, "maxHotplugRatio"},
    {1, 1, 2, 0, 5, 4, 5, "maxCpuSockets"},
    {1, 1, 2, 3, 5, 4, 3, "maxSockets"},
    {1, 1, 2, 6, 5, 4, 6, "maxSockets"},
    {1, 1, 2, 1, 0, 4, 1, "maxSockets"},     /* it is the VM's word, even below what it has */
    {1, 1, 6, 0, 5, 4, 6, "maxCpuSockets"},  /* raised to what the VM starts with */
    {1, 1, 200, 0, 0, 4, 512, "maxHotplugRatio"},
    {2, 2, 100, 0, 0, 4, 128, "maxHotplugRatio"}, /* 512 vCPUs in all */
    {4, 2, 64, 0, 0, 4, 64, "maxHotplugRatio"},
    {3, 1, 100, 0, 0, 512, 170, "maxHotplugRatio"},
    {4, 2, 100, 0, 0, 4, 100, "maxHotplugRatio"}, /* never less than there is */
    {1, 1, 0, 0, 0, 4, 0, "maxHotplugRatio"},
    {1, 1, UINT32_MAX / 2, 0, 0, 512, UINT32_MAX / 2, "maxHotplugRatio"},
};

static void test_sockets(void **state)
{
    struct ceilings ceilings;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(socket_rows); i++) {
        const struct virtual_machine vm = {.cpu = {.sockets = 1,
                                                   .cores = socket_rows[i].cores,
                                                   .threads = socket_rows[i].threads,
                                                   .max_sockets = socket_rows[i].of_vm}};
        const struct cluster cluster = {.max_sockets = socket_rows[i].of_cluster,
                                        .ratio = socket_rows[i].ratio};

        ceilings = ceilings_of(&vm, &cluster, socket_rows[i].boot, 0);
        if (ceilings.sockets != socket_rows[i].sockets)
            fail_msg("row %zu: %u", i, ceilings.sockets);
        assert_string_equal(ceilings.sockets_by, socket_rows[i].by);
    }
}

static const struct {
    uint64_t boot_bytes, of_vm, of_cluster;
    unsigned ratio;
    uint64_t bytes;
    const char *by;
} memory_rows[] = {
    {256 * MIB, 0, 0, 4, 1024 * MIB, "maxHotplugRatio"},
    {256 * MIB, 0, 512 * MIB, 4, 512 * MIB, "the cluster's maxGuest"},
    {256 * MIB, 300 * MIB, 512 * MIB, 4, 300 * MIB, "maxGuest"},
    {256 * MIB, 700 * MIB, 512 * MIB, 4, 700 * MIB, "maxGuest"},
    {256 * MIB, 0, 128 * MIB, 4, 256 * MIB, "the cluster's maxGuest"},
    {256 * MIB, 128 * MIB, 0, 4, 128 * MIB, "maxGuest"},
    {UINT64_C(1) << 62, 0, 0, 4, UINT64_MAX, "maxHotplugRatio"},
    {(UINT64_C(1) << 62) - 1, 0, 0, 4, UINT64_MAX - 3, "maxHotplugRatio"},
};

static void test_memory(void **state)
{
    struct ceilings ceilings;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(memory_rows); i++) {
        const struct virtual_machine vm = {.cpu = {.sockets = 1, .cores = 1, .threads = 1},
                                           .memory.max_guest_bytes = memory_rows[i].of_vm};
        const struct cluster cluster = {.max_guest_bytes = memory_rows[i].of_cluster,
                                        .ratio = memory_rows[i].ratio};

        ceilings = ceilings_of(&vm, &cluster, 1, memory_rows[i].boot_bytes);
        if (ceilings.guest_bytes != memory_rows[i].bytes)
            fail_msg("row %zu: %ju", i, (uintmax_t)ceilings.guest_bytes);
        assert_string_equal(ceilings.guest_by, memory_rows[i].by);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sockets),
        cmocka_unit_test(test_memory),
    };

    return cmocka_run_group_tests_name("ceilings", tests, NULL, NULL);
}
