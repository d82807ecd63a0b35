/* SPDX-License-Identifier: MIT */
/* Errors, and the texts of a peer that may end up in one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"

static void test_set(void **state)
{
    struct error error = ERROR_INIT;

    (void)state;
    (void)error_set_reply(&error, "OldClass", "old text");
    assert_int_equal(error_set(&error, ERROR_BLOCKED, "do that", "%s is %d", "it", 7), -1);
    assert_int_equal(error.code, ERROR_BLOCKED);
    assert_string_equal(error.class_name, "");
    assert_string_equal(error.why, "it is 7");
    assert_string_equal(error.fix, "do that");
    assert_int_equal(error_set(NULL, ERROR_BLOCKED, "", "nobody cares"), -1);
}

static void test_set_errno(void **state)
{
    struct error error = ERROR_INIT;
    char expected[128];

    (void)state;
    assert_int_equal(error_set_errno(&error, ERROR_CONNECT, ENOENT, "make it", "open %s", "x"), -1);
    (void)snprintf(expected, sizeof(expected), "open x: %s", strerror(ENOENT));
    assert_string_equal(error.why, expected);
    assert_string_equal(error.fix, "make it");
    assert_int_equal(error_set_errno(NULL, ERROR_CONNECT, ENOENT, "", "nobody cares"), -1);
}

static void test_set_reply(void **state)
{
    struct error error = ERROR_INIT;

    (void)state;
    assert_int_equal(error_set_reply(&error, "DeviceNotFound", "100%s of it %n"), -1);
    assert_int_equal(error.code, ERROR_REJECTED);
    assert_string_equal(error.class_name, "DeviceNotFound");
    assert_string_equal(error.why, "100%s of it %n");
    assert_string_equal(error.fix, "");
    assert_int_equal(error_set_reply(NULL, "A", "b"), -1);
}

static void test_long_texts_are_cut(void **state)
{
    struct error error = ERROR_INIT;
    char text[2000];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    (void)error_set_reply(&error, text, text);
    assert_int_equal(strlen(error.class_name), sizeof(error.class_name) - 1);
    assert_int_equal(strlen(error.why), sizeof(error.why) - 1);
    error_advise(&error, "%s", text);
    assert_int_equal(strlen(error.fix), sizeof(error.fix) - 1);
    (void)error_set_errno(&error, ERROR_SYSTEM, ENOENT, "", "%s", text);
    assert_int_equal(strlen(error.why), sizeof(error.why) - 1);
}

/* A cut or a control sequence must not reach a terminal, nor make a string that is no UTF-8: JSON
 * could not hold it, and the whole result would be lost. */
static void test_hostile_texts(void **state)
{
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"a\nb\tc\rd", "a?b?c?d"},
        {"\x1b[31mred\x7f", "?[31mred?"},
        {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
        {"\xe2\x82\xac\xf0\x9f\x98\x80", "\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"csi\xc2\x9b" "2J", "csi?2J"}, /* U+009B, an escape sequence in one character */
        {"nel\xc2\x85", "nel?"},
        {"nbsp\xc2\xa0", "nbsp\xc2\xa0"},
        {"bad\xff\xfe", "bad??"},
        {"cut\xe2\x82", "cut?"},
        {"lone\x9b", "lone?"},
        {"overlong\xc0\xaf\xe0\x80\xaf", "overlong??"},
        {"surrogate\xed\xa0\x80", "surrogate?"},
        {"beyond\xf4\x90\x80\x80", "beyond?"},
    };
    struct error error = ERROR_INIT;
    char copy[64];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        (void)error_set_reply(&error, "C", cases[i].text);
        assert_string_equal(error.why, cases[i].shown);
        (void)error_set(&error, ERROR_INVALID, "", "%s", cases[i].text);
        assert_string_equal(error.why, cases[i].shown);
        error_advise(&error, "%s", cases[i].text);
        assert_string_equal(error.fix, cases[i].shown);
        text_copy(copy, sizeof(copy), cases[i].text);
        assert_string_equal(copy, cases[i].shown);
    }
    (void)error_set_reply(&error, "\x1b[2J", "x");
    assert_string_equal(error.class_name, "?[2J");
}

static void test_what_qmp_can_carry(void **state)
{
    static const char *const good[] = {"", "a\n\x1b", "gr\xc3\xbcn", "\xf0\x9f\x98\x80",
                                       "\xc2\x9b"};
    static const char *const bad[] = {"\xff", "a\xc3", "\xc3(", "\xc0\xaf", "\xed\xa0\x80",
                                      "\xf4\x90\x80\x80", "\x80"};
    struct error error = ERROR_INIT;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(good); i++)
        assert_int_equal(text_check_utf8("the path", good[i], &error), 0);
    assert_int_equal(error.code, ERROR_NONE);
    for (i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(text_check_utf8("the path", bad[i], &error), -1);
        assert_int_equal(error.code, ERROR_INVALID);
        assert_non_null(strstr(error.why, "the path"));
        assert_non_null(strstr(error.why, "is not UTF-8"));
    }
}

static void test_a_cut_keeps_characters_whole(void **state)
{
    struct error error = ERROR_INIT;
    char text[1000], copy[16];
    json_t *value;
    size_t skew, i;

    (void)state;
    for (skew = 0; skew < 4; skew++) {
        memset(text, 'x', skew);
        for (i = skew; i + 4 < sizeof(text); i += 4)
            memcpy(text + i, "\xf0\x9f\x98\x80", 4);
        text[i] = '\0';
        (void)error_set_reply(&error, "C", text);
        value = json_string(error.why);
        assert_non_null(value);
        json_decref(value);
        text_copy(copy, sizeof(copy), text);
        value = json_string(copy);
        assert_non_null(value);
        json_decref(value);
        assert_true(strlen(copy) >= sizeof(copy) - 4);
    }
}

static void test_text_copy(void **state)
{
    char copy[4] = "zzz";

    (void)state;
    text_copy(copy, sizeof(copy), "ab");
    assert_string_equal(copy, "ab");
    text_copy(copy, sizeof(copy), "abcdef");
    assert_string_equal(copy, "abc");
    text_copy(copy, 1, "abc");
    assert_string_equal(copy, "");
    text_copy(copy, sizeof(copy), NULL);
    assert_string_equal(copy, "");
}

static void test_advise(void **state)
{
    struct error error = ERROR_INIT;

    (void)state;
    (void)error_set(&error, ERROR_INVALID, "old", "why");
    error_advise(&error, "ask for %u", 3u);
    assert_string_equal(error.fix, "ask for 3");
    assert_string_equal(error.why, "why");
    assert_int_equal(error.code, ERROR_INVALID);
    error_advise(NULL, "nobody cares");
}

static void test_names(void **state)
{
    static const char *const names[] = {
        [ERROR_NONE] = "none",         [ERROR_INVALID] = "invalid",
        [ERROR_BLOCKED] = "blocked",   [ERROR_CONNECT] = "connect",
        [ERROR_BUSY] = "busy",         [ERROR_PROTOCOL] = "protocol",
        [ERROR_LIMIT] = "limit",       [ERROR_REJECTED] = "rejected",
        [ERROR_TIMEOUT] = "timeout",   [ERROR_DISCONNECTED] = "disconnected",
        [ERROR_CANCELLED] = "cancelled", [ERROR_SYSTEM] = "system",
    };
    size_t i;

    (void)state;
    assert_int_equal(COUNT_OF(names), ERROR_CODES_);
    for (i = 0; i < COUNT_OF(names); i++)
        assert_string_equal(error_code_name((enum error_code)i), names[i]);
    assert_string_equal(error_code_name(ERROR_CODES_), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_set_errno),
        cmocka_unit_test(test_set_reply),
        cmocka_unit_test(test_long_texts_are_cut),
        cmocka_unit_test(test_hostile_texts),
        cmocka_unit_test(test_a_cut_keeps_characters_whole),
        cmocka_unit_test(test_text_copy),
        cmocka_unit_test(test_what_qmp_can_carry),
        cmocka_unit_test(test_advise),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
