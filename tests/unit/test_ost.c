/* SPDX-License-Identifier: MIT */
/* Every source and status code of ACPI 6.5, section 6.3.5, the reserved ones too. The
 * tables here are written down from the specification, not from the code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "acpi/ost.h"
#include "base/cleanup.h"

/* Those that answer to the three kinds of request; all others are OST_OTHER. */
static const struct {
    uint32_t source;
    enum ost_kind kind;
} kinds[] = {
    {0x00, OST_INSERTION}, {0x01, OST_INSERTION}, {0x04, OST_INSERTION}, {0x200, OST_INSERTION},
    {0x03, OST_EJECTION},  {0x103, OST_EJECTION}, {0x100, OST_SHUTDOWN},
};

static enum ost_kind expected_kind(uint32_t source)
{
    size_t i;

    for (i = 0; i < COUNT_OF(kinds); i++) {
        if (kinds[i].source == source)
            return kinds[i].kind;
    }
    return OST_OTHER;
}

static void test_kinds(void **state)
{
    uint32_t source;

    (void)state;
    for (source = 0; source < 0x400; source++)
        assert_int_equal(ost_kind(source), expected_kind(source));
    assert_int_equal(ost_kind(UINT32_MAX), OST_OTHER);
    assert_int_equal(ost_kind(0x80000001), OST_OTHER);
}

static void test_source_names(void **state)
{
    static const struct {
        uint32_t first, last;
        const char *name;
    } ranges[] = {
        {0x00, 0x00, "bus check"},
        {0x01, 0x01, "device check"},
        {0x02, 0x02, "device wake"},
        {0x03, 0x03, "eject request"},
        {0x04, 0x04, "device check light"},
        {0x05, 0x05, "frequency mismatch"},
        {0x06, 0x06, "bus mode mismatch"},
        {0x07, 0x07, "power fault"},
        {0x08, 0x08, "capabilities check"},
        {0x09, 0x09, "device _PLD check"},
        {0x0a, 0x0a, "reserved source"},
        {0x0b, 0x0b, "system locality update"},
        {0x0c, 0x0c, "system shutdown request"},
        {0x0d, 0x0d, "system resource affinity update"},
        {0x0e, 0x0e, "memory attributes update"},
        {0x0f, 0x7f, "reserved source"},
        {0x80, 0xff, "device-specific notification"},
        {0x100, 0x100, "operating system shutdown processing"},
        {0x101, 0x102, "reserved source"},
        {0x103, 0x103, "ejection processing"},
        {0x104, 0x1ff, "reserved source"},
        {0x200, 0x200, "insertion processing"},
        {0x201, 0x400, "reserved source"},
        {0xfffffff0, 0xfffffffe, "reserved source"},
    };
    uint32_t source;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(ranges); i++) {
        for (source = ranges[i].first; source <= ranges[i].last; source++)
            assert_string_equal(ost_source_name(source), ranges[i].name);
    }
}

/* What each status says; a NULL meaning stands for "reserved status 0x…". */
struct row {
    uint32_t first, last;
    enum ost_outcome outcome;
    const char *meaning;
};

#define GENERAL                                                       \
    {0x00, 0x00, OST_SUCCESS, "success"},                             \
    {0x01, 0x01, OST_FAILURE, "non-specific failure"},                \
    {0x02, 0x02, OST_FAILURE, "unrecognized notify code"},            \
    {0x03, 0x7f, OST_FAILURE, NULL}

static const struct row insertion[] = {
    GENERAL,
    {0x80, 0x80, OST_IN_PROGRESS, "device insertion in progress"},
    {0x81, 0x81, OST_FAILURE, "device driver load failure"},
    {0x82, 0x82, OST_FAILURE, "device insertion not supported by the guest"},
    {0x83, 0x8f, OST_FAILURE, NULL},
    {0x90, 0x90, OST_FAILURE, "resources unavailable (none named)"},
    {0x91, 0x91, OST_FAILURE, "resources unavailable (memory)"},
    {0x92, 0x92, OST_FAILURE, "resources unavailable (I/O)"},
    {0x93, 0x93, OST_FAILURE, "resources unavailable (I/O, memory)"},
    {0x94, 0x94, OST_FAILURE, "resources unavailable (interrupts)"},
    {0x95, 0x95, OST_FAILURE, "resources unavailable (interrupts, memory)"},
    {0x96, 0x96, OST_FAILURE, "resources unavailable (interrupts, I/O)"},
    {0x97, 0x97, OST_FAILURE, "resources unavailable (interrupts, I/O, memory)"},
    {0x98, 0x98, OST_FAILURE, "resources unavailable (bus or segment numbers)"},
    {0x99, 0x99, OST_FAILURE, "resources unavailable (bus or segment numbers, memory)"},
    {0x9a, 0x9a, OST_FAILURE, "resources unavailable (bus or segment numbers, I/O)"},
    {0x9b, 0x9b, OST_FAILURE, "resources unavailable (bus or segment numbers, I/O, memory)"},
    {0x9c, 0x9c, OST_FAILURE, "resources unavailable (bus or segment numbers, interrupts)"},
    {0x9d, 0x9d, OST_FAILURE, "resources unavailable (bus or segment numbers, interrupts, memory)"},
    {0x9e, 0x9e, OST_FAILURE, "resources unavailable (bus or segment numbers, interrupts, I/O)"},
    {0x9f, 0x9f, OST_FAILURE,
     "resources unavailable (bus or segment numbers, interrupts, I/O, memory)"},
    {0xa0, 0x200, OST_FAILURE, NULL},
};

static const struct row ejection[] = {
    GENERAL,
    {0x80, 0x80, OST_FAILURE, "ejection not supported by the guest"},
    {0x81, 0x81, OST_FAILURE, "device in use by application"},
    {0x82, 0x82, OST_FAILURE, "device busy"},
    {0x83, 0x83, OST_FAILURE, "ejection dependency is busy or not supported for ejection"},
    {0x84, 0x84, OST_IN_PROGRESS, "ejection is in progress"},
    {0x85, 0x200, OST_FAILURE, NULL},
};

static const struct row shutdown[] = {
    GENERAL,
    {0x80, 0x80, OST_FAILURE, "shutdown request denied"},
    {0x81, 0x81, OST_IN_PROGRESS, "shutdown in progress"},
    {0x82, 0x82, OST_SUCCESS, "shutdown completed"},
    {0x83, 0x83, OST_FAILURE, "graceful shutdown not supported"},
    {0x84, 0x200, OST_FAILURE, NULL},
};

static const struct row other[] = {
    GENERAL,
    {0x80, 0x200, OST_FAILURE, NULL},
};

static void check_source(uint32_t source, const struct row *rows, size_t count)
{
    char text[OST_MEANING_MAX], reserved[64];
    uint32_t status, next = 0;
    size_t i;

    for (i = 0; i < count; i++) {
        assert_int_equal(rows[i].first, next); /* the table leaves nothing out */
        next = rows[i].last + 1;
        for (status = rows[i].first; status <= rows[i].last; status++) {
            assert_int_equal(ost_outcome(source, status), rows[i].outcome);
            (void)snprintf(reserved, sizeof(reserved), "reserved status 0x%x", (unsigned)status);
            assert_ptr_equal(ost_meaning(source, status, text), text);
            assert_string_equal(text, rows[i].meaning != NULL ? rows[i].meaning : reserved);
        }
    }
}

static void test_every_status_of_every_source(void **state)
{
    uint32_t source;

    (void)state;
    for (source = 0; source <= 0x300; source++) {
        switch (expected_kind(source)) {
        case OST_INSERTION:
            check_source(source, insertion, COUNT_OF(insertion));
            break;
        case OST_EJECTION:
            check_source(source, ejection, COUNT_OF(ejection));
            break;
        case OST_SHUTDOWN:
            check_source(source, shutdown, COUNT_OF(shutdown));
            break;
        case OST_OTHER:
            check_source(source, other, COUNT_OF(other));
            break;
        }
    }
}

/* A hostile guest writes all 32 bits. */
static void test_large_codes(void **state)
{
    char text[OST_MEANING_MAX];

    (void)state;
    assert_int_equal(ost_outcome(1, UINT32_MAX), OST_FAILURE);
    assert_int_equal(ost_outcome(1, 0x80000000), OST_FAILURE);
    assert_int_equal(ost_outcome(0x10000001, 0x80), OST_FAILURE);
    assert_string_equal(ost_meaning(1, UINT32_MAX, text), "reserved status 0xffffffff");
    assert_string_equal(ost_meaning(UINT32_MAX, 0x84, text), "reserved status 0x84");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_source_names),
        cmocka_unit_test(test_every_status_of_every_source),
        cmocka_unit_test(test_large_codes),
    };

    return cmocka_run_group_tests_name("_OST", tests, NULL, NULL);
}
