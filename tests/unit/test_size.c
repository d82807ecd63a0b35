/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/size.h"

static void test_parse_accepts(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } cases[] = {
        {"0", 0},
        {"1", 1},
        {"4096", 4096},
        {"0512", 512}, /* decimal, not octal */
        {"5B", 5},
        {"5b", 5},
        {"1K", 1024},
        {"1k", 1024},
        {"1KiB", 1024},
        {"1kib", 1024},
        {"1KB", 1024},
        {"512M", 512 * SIZE_MIB},
        {"512m", 512 * SIZE_MIB},
        {"512MiB", 512 * SIZE_MIB},
        {"512Mi", 512 * SIZE_MIB},
        {"2G", 2 * SIZE_GIB},
        {"2GB", 2 * SIZE_GIB},
        {"3T", 3 * 1024 * SIZE_GIB},
        {"1P", 1024 * 1024 * SIZE_GIB},
        {"8191P", UINT64_C(8191) << 50},
        {"9223372036854775807", INT64_MAX},
        {"9007199254740991K", UINT64_C(9007199254740991) << 10},
    };
    uint64_t bytes;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct error error = ERROR_INIT;

        bytes = 42;
        if (size_parse(cases[i].text, &bytes, &error) != 0)
            fail_msg("'%s' is refused: %s", cases[i].text, error.why);
        assert_true(bytes == cases[i].bytes);
        assert_int_equal(error.code, ERROR_NONE);
    }
}

static void test_parse_refuses(void **state)
{
    static const char *const cases[] = {
        "", " ", " 1", "1 ", "-1", "+1", "M", "B", "1X", "1MM", "1MiBx", "1iB", "1 M",
        "0x10", "1.5G", "1e3", "1M\n", "G1", "1GiB ", "١", "1,024", "9223372036854775808", "8192P",
        "9007199254740992K", "18446744073709551616", "99999999999999999999999",
        "18446744073709551615K",
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct error error = ERROR_INIT;
        uint64_t bytes = 42;

        if (size_parse(cases[i], &bytes, &error) != -1)
            fail_msg("'%s' is accepted", cases[i]);
        assert_int_equal(error.code, ERROR_INVALID);
        assert_true(error.why[0] != '\0' && error.fix[0] != '\0');
        assert_true(bytes == 42);
        assert_int_equal(size_parse(cases[i], &bytes, NULL), -1);
    }
}

static void test_too_large(void **state)
{
    static const char *const cases[] = {"8192P", "9223372036854775808", "99999999999999999999999",
                                        "99999999999999999999999G"};
    struct error error = ERROR_INIT;
    uint64_t bytes;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(size_parse(cases[i], &bytes, &error), -1);
        assert_non_null(strstr(error.why, "more than 2^63-1 bytes"));
    }
}

static void test_format(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        {0, "0 B"},
        {1, "1 B"},
        {1023, "1023 B"},
        {1024, "1 KiB"},
        {1000001, "1000001 B"},
        {256 * SIZE_MIB, "256 MiB"},
        {SIZE_GIB, "1 GiB"},
        {SIZE_GIB + SIZE_MIB, "1025 MiB"},
        {UINT64_C(1) << 40, "1 TiB"},
        {UINT64_C(1) << 50, "1 PiB"},
        {UINT64_C(1) << 63, "8192 PiB"},
        {UINT64_MAX, "18446744073709551615 B"},
    };
    char text[SIZE_TEXT_MAX];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        assert_string_equal(size_format(cases[i].bytes, text), cases[i].text);
        assert_string_equal(text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_accepts),
        cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_format),
    };

    return cmocka_run_group_tests_name("size", tests, NULL, NULL);
}
