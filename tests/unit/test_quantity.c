/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/size.h"
#include "manifest/quantity.h"

static void test_accepts(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } cases[] = {
        {"0", 0},
        {"00512", 512},
        {"+1", 1},
        {"1Ki", 1024},
        {"1Gi", SIZE_GIB},
        {"1.5Gi", SIZE_GIB + 512 * SIZE_MIB},
        {"0.5Gi", 512 * SIZE_MIB},
        {".5Gi", 512 * SIZE_MIB},
        {"5.Mi", 5 * SIZE_MIB},
        {"1.5G", 1500000000},
        {"128974848", 128974848},
        {"129e6", 129000000},
        {"129E6", 129000000},
        {"1.29e+8", 129000000},
        {"1290000000e-1", 129000000},
        {"129M", 129000000},
        {"123Mi", 123 * SIZE_MIB},
        {"128974848000m", 128974848},
        {"128974848001m", 128974849}, /* up */
        {"1m", 1},
        {"1u", 1},
        {"1n", 1},
        {"0n", 0},
        {"1e-400", 1},
        {"0e400", 0},
        {"0.0000000000000000000000000000000000000000000000000000000001Ei", 1},
        {"0.3Ki", 308}, /* 307.2 */
        {"0.1Gi", 107374183},
        {"0.0009765625Ki", 1}, /* exactly */
        {"1.0000000000000000000000000000001Ki", 1025},
        {"1k", 1000},
        {"1T", UINT64_C(1000000000000)},
        {"1P", UINT64_C(1000000000000000)},
        {"1E", UINT64_C(1000000000000000000)},
        {"1E0", 1},
        {"9E", UINT64_C(9000000000000000000)},
        {"1Ti", UINT64_C(1) << 40},
        {"1Pi", UINT64_C(1) << 50},
        {"7Ei", UINT64_C(7) << 60},
        {"7.999999999999999999Ei", INT64_MAX}, /* 2^63 - 1.15 */
        {"9223372036854775807", INT64_MAX},
        {"9223372036854775806.5", INT64_MAX},
        {"9223372036854775807000m", INT64_MAX},
        {"0000000000000000000000000000000000000000000000000000000000000001", 1},
    };
    uint64_t bytes;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct error error = ERROR_INIT;

        bytes = 42;
        if (quantity_parse(cases[i].text, &bytes, &error) != 0)
            fail_msg("'%s' is refused: %s", cases[i].text, error.why);
        if (bytes != cases[i].bytes)
            fail_msg("'%s' reads as %ju", cases[i].text, (uintmax_t)bytes);
        assert_int_equal(error.code, ERROR_NONE);
    }
}

static void test_refuses(void **state)
{
    static const struct {
        const char *text;
        const char *why, *fix; /* parts of them */
    } cases[] = {
        {"", "not a quantity", "512Mi"},
        {" ", "not a quantity", "512Mi"},
        {" 1", "not a quantity", "512Mi"},
        {"1 ", "not a quantity", "512Mi"},
        {"1 Gi", "not a quantity", "512Mi"},
        {"1.5.5", "not a quantity", "512Mi"},
        {".", "not a quantity", "512Mi"},
        {"+", "not a quantity", "512Mi"},
        {"-", "not a quantity", "512Mi"},
        {"+-1", "not a quantity", "512Mi"},
        {"Gi", "not a quantity", "512Mi"},
        {"1gi", "not a quantity", "write 1Gi"},
        {"1.5GI", "not a quantity", "write 1.5Gi"},
        {"+2mI", "not a quantity", "write +2Mi"},
        {"1K", "not a quantity", "write 1k"},
        {"1e", "not a quantity", "write 1E"},
        {"1GB", "not a quantity", "512Mi"},
        {"1GiB", "not a quantity", "512Mi"},
        {"1e3.5", "not a quantity", "512Mi"},
        {"1e 3", "not a quantity", "512Mi"},
        {"1e3Gi", "not a quantity", "512Mi"},
        {"1e+", "not a quantity", "512Mi"},
        {"0x10", "not a quantity", "512Mi"},
        {"1_000", "not a quantity", "512Mi"},
        {"1,5Gi", "not a quantity", "512Mi"},
        {"١", "not a quantity", "512Mi"},
        {"1Gi\n", "not a quantity", "512Mi"},
        {"inf", "not a quantity", "512Mi"},
        {"-1Gi", "negative", "minus"},
        {"-0.1", "negative", "minus"},
        {"9223372036854775808", "more than 2^63-1", "less"},
        {"9223372036854775807.1", "more than 2^63-1", "less"},
        {"8Ei", "more than 2^63-1", "less"},
        {"7.9999999999999999999Ei", "more than 2^63-1", "less"}, /* 2^63 - 0.115 */
        {"8192Pi", "more than 2^63-1", "less"},
        {"10E", "more than 2^63-1", "less"},
        {"16E", "more than 2^63-1", "less"},
        {"18446744073709551616", "more than 2^63-1", "less"},
        {"1e400", "more than 2^63-1", "less"},
        {"1e99999999999999999999", "more than 2^63-1", "less"},
        {"99999999999999999999999999999999999999999999999999Ei", "more than 2^63-1", "less"},
        {"00000000000000000000000000000000000000000000000000000000000000001", "not a qu", "512Mi"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct error error = ERROR_INIT;
        uint64_t bytes = 42;

        if (quantity_parse(cases[i].text, &bytes, &error) != -1)
            fail_msg("'%s' is accepted", cases[i].text);
        assert_int_equal(error.code, ERROR_INVALID);
        if (strstr(error.why, cases[i].why) == NULL || strstr(error.fix, cases[i].fix) == NULL)
            fail_msg("'%s': %s; %s", cases[i].text, error.why, error.fix);
        assert_true(bytes == 42);
        assert_int_equal(quantity_parse(cases[i].text, &bytes, NULL), -1);
    }
}

/* What is written reads as what it was. */
static void test_format(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        {0, "0"},
        {1000, "1000"},
        {1024, "1Ki"},
        {512 * SIZE_MIB, "512Mi"},
        {2 * SIZE_GIB, "2Gi"},
        {1536 * SIZE_MIB, "1536Mi"},
        {SIZE_GIB + 1, "1073741825"},
        {UINT64_C(7) << 60, "7Ei"},
        {INT64_MAX, "9223372036854775807"},
        {UINT64_MAX, "18446744073709551615"},
    };
    char text[QUANTITY_TEXT_MAX];
    uint64_t bytes;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        assert_string_equal(quantity_format(cases[i].bytes, text), cases[i].text);
        if (cases[i].bytes > INT64_MAX)
            continue;
        assert_int_equal(quantity_parse(text, &bytes, NULL), 0);
        assert_true(bytes == cases[i].bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_format),
    };

    return cmocka_run_group_tests_name("quantity", tests, NULL, NULL);
}
