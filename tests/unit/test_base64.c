/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/base64.h"
#include "base/cleanup.h"

static void test_decodes(void **state)
{
    static const struct {
        const char *text, *bytes;
        size_t size;
    } cases[] = {
        {"", "", 0}, /* these seven: RFC 4648, section 10 */
        {"Zg==", "f", 1},
        {"Zm8=", "fo", 2},
        {"Zm9v", "foo", 3},
        {"Zm9vYg==", "foob", 4},
        {"Zm9vYmE=", "fooba", 5},
        {"Zm9vYmFy", "foobar", 6},
        {"AAAA", "\0\0\0", 3},
        {"////", "\xff\xff\xff", 3},
        {"++++", "\xfb\xef\xbe", 3},
        {"AIAABHRlc3Q=", "\0\x80\0\4test", 8}, /* a VPD page 0x80 */
    };
    unsigned char bytes[32];
    size_t size, i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        size = 99;
        memset(bytes, 0xee, sizeof(bytes));
        assert_true(base64_decode(cases[i].text, bytes, sizeof(bytes), &size));
        assert_int_equal(size, cases[i].size);
        assert_memory_equal(bytes, cases[i].bytes, size);
        assert_int_equal(bytes[size], 0xee);
    }
}

static void test_refuses(void **state)
{
    static const char *const cases[] = {
        "A",    "AA",    "AAA",   "AAAAA", "A===",   "====",   "=AAA",  "AA=A",     "AAAA====",
        "Zm9v\n", "Zm 9v", "Zm9-", "Zm9_",  "Zm9\xff", "Zg=Zg===", "AAAA=AAA", "!AAA",
    };
    unsigned char bytes[32];
    size_t size, i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        size = 99;
        if (base64_decode(cases[i], bytes, sizeof(bytes), &size))
            fail_msg("'%s' is accepted", cases[i]);
        assert_int_equal(size, 99);
    }
}

static void test_capacity(void **state)
{
    unsigned char bytes[8] = {0};
    size_t size = 99;

    (void)state;
    assert_false(base64_decode("Zm9vYmFy", bytes, 5, &size));
    assert_int_equal(size, 99);
    assert_int_equal(bytes[5], 0);
    assert_true(base64_decode("Zm9vYmFy", bytes, 6, &size));
    assert_int_equal(size, 6);
    assert_false(base64_decode("Zg==", bytes, 0, &size));
    assert_true(base64_decode("", bytes, 0, &size));
    assert_int_equal(size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decodes),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_capacity),
    };

    return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
