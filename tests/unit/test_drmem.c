/* SPDX-License-Identifier: MIT */
/* What a real guest on pseries had in its live tree, 512 MiB at boot and one LMB plugged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "acpi/drmem.h"
#include "base/cleanup.h"
#include "base/size.h"

#define LMB (256 * SIZE_MIB)

static const unsigned char list[] = {
    0, 0, 0, 3,
    0, 0, 0, 4, 0, 0, 0, 0, 0x00, 0, 0, 0, 0,    0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0xa0,
    0, 0, 0, 1, 0, 0, 0, 0, 0x40, 0, 0, 0, 0x80, 0, 0, 4, 0,   0,   0,   0,   0, 0, 0, 8,
    0, 0, 0, 13, 0, 0, 0, 0, 0x50, 0, 0, 0, 0x80, 0, 0, 5, 255, 255, 255, 255, 0, 0, 0, 0,
};

static void test_ranges(void **state)
{
    static const struct {
        uint64_t addr, bytes;
        enum drmem_answer answer;
    } cases[] = {
        {4 * LMB, LMB, DRMEM_ASSIGNED},
        {4 * LMB, LMB / 2, DRMEM_ASSIGNED},
        {5 * LMB, LMB, DRMEM_NOT_ASSIGNED},
        {4 * LMB, 2 * LMB, DRMEM_NOT_ASSIGNED}, /* half of it */
        {3 * LMB, 2 * LMB, DRMEM_NOT_ASSIGNED},
        {100 * LMB, LMB, DRMEM_NOT_ASSIGNED},
        {UINT64_MAX, LMB, DRMEM_UNKNOWN},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(drmem_is_assigned(list, sizeof(list), LMB, cases[i].addr, cases[i].bytes),
                         cases[i].answer);
}

/* Cut off anywhere it tells nothing; so do sets that reach beyond all addresses. */
static void test_nonsense(void **state)
{
    unsigned char hostile[sizeof(list)];
    size_t size;

    (void)state;
    for (size = 0; size < sizeof(list); size++)
        assert_int_equal(drmem_is_assigned(list, size, LMB, 4 * LMB, LMB), DRMEM_UNKNOWN);
    assert_int_equal(drmem_is_assigned(list, sizeof(list), 0, 4 * LMB, LMB), DRMEM_UNKNOWN);
    memcpy(hostile, list, sizeof(list));
    memset(hostile + 4, 0xff, 12);
    assert_int_equal(drmem_is_assigned(hostile, sizeof(list), LMB, 4 * LMB, LMB), DRMEM_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_nonsense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
