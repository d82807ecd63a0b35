/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "qmp/codec.h"

/* Through the framer, which decides about the wide path. */
static json_t *decode(const char *text, struct error *error)
{
    static const struct framer_limits limits = {.message_bytes = 1 << 20, .depth = 64};
    struct framer_message message;
    struct framer framer;
    json_t *value;

    framer_init(&framer, &limits);
    memcpy(framer_reserve(&framer, strlen(text)), text, strlen(text));
    framer_fed(&framer, strlen(text));
    assert_int_equal(framer_next(&framer, &message, error), FRAMER_MESSAGE);
    value = codec_decode(&message, error);
    framer_free(&framer);
    return value;
}

/* ---- numbers ---- */

static void test_u64(void **state)
{
    static const struct {
        const char *number;
        bool is_u64;
        uint64_t value;
    } cases[] = {
        {"0", true, 0},
        {"1", true, 1},
        {"9223372036854775807", true, INT64_MAX},
        {"9223372036854775808", true, UINT64_C(1) << 63},
        {"18446744073709551615", true, UINT64_MAX},
        {"18446744073709551616", false, 0},
        {"99999999999999999999999999", false, 0},
        {"-1", false, 0},
        {"-9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"-18446744073709551615", false, 0},
        {"1.0", false, 0},
        {"1e400", false, 0},
        {"-1.5E+999", false, 0},
        {"\"1\"", false, 0},
        {"\"18446744073709551615\"", false, 0},
        {"\"number:18446744073709551615\"", false, 0},
        {"true", false, 0},
        {"null", false, 0},
        {"[1]", false, 0},
    };
    char text[128];
    uint64_t value;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct error error = ERROR_INIT;
        AUTO_JSON json_t *object = NULL;

        (void)snprintf(text, sizeof(text), "{\"a\":%s}", cases[i].number);
        object = decode(text, &error);
        if (object == NULL)
            fail_msg("%s: %s", text, error.why);
        value = 42;
        if (codec_get_u64(json_object_get(object, "a"), &value) != cases[i].is_u64)
            fail_msg("%s", text);
        assert_true(value == (cases[i].is_u64 ? cases[i].value : 42));
    }
    assert_false(codec_get_u64(NULL, &value));
}

/* What came in goes out as it was, byte by byte, whatever jansson can hold. */
static void test_round_trip(void **state)
{
    static const char *const cases[] = {
        "{}",
        "{\"a\":1,\"b\":[true,false,null],\"c\":{}}",
        "{\"z\":1,\"a\":2,\"m\":3}", /* in their order */
        "{\"a\":9223372036854775807}",
        "{\"a\":9223372036854775808}",
        "{\"a\":18446744073709551615}",
        "{\"a\":18446744073709551616}",
        "{\"a\":-9223372036854775809}",
        "{\"a\":1e400}",
        "{\"a\":-1.25E+999,\"b\":[1e400,18446744073709551615,3]}",
        "{\"a\":\"18446744073709551615\",\"b\":18446744073709551615}",
        "{\"a\":\"\\\"18446744073709551615\",\"b\":1e999}",
        "{\"a\":\"\\\\\",\"b\":1e999}",
        "{\"18446744073709551615\":18446744073709551615}",
        "{\"a\":\"\\u0000\"}",
        "{\"a\":\"x\\u0000number:7\"}",
        "{\"a\":\"1e400\\u0000\",\"b\":1e400}",
        "{\"a\":\"\\n\\t\\\"\\\\/\"}",
        "{\"a\":\"\xc3\xbc\xe2\x82\xac\"}",
        "{\"true\":1e999,\"e\":\"e1e999\"}",
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct error error = ERROR_INIT;
        AUTO_JSON json_t *object = decode(cases[i], &error);
        AUTO_FREE char *text = NULL;

        if (object == NULL)
            fail_msg("%s: %s", cases[i], error.why);
        text = codec_dump(object, 0);
        assert_string_equal(text, cases[i]);
    }
}

/* Digits without end: whole where we can, refused where not, never a crash or another number. */
static void test_very_long_numbers(void **state)
{
    size_t length;
    char text[2048];

    (void)state;
    for (length = 300; length < 1900; length += 100) {
        struct error error = ERROR_INIT;
        AUTO_JSON json_t *object = NULL;
        AUTO_FREE char *dumped = NULL;
        uint64_t value;

        memcpy(text, "{\"a\":", 5);
        memset(text + 5, '9', length);
        memcpy(text + 5 + length, "}", 2);
        object = decode(text, &error);
        assert_non_null(object);
        assert_false(codec_get_u64(json_object_get(object, "a"), &value));
        dumped = codec_dump(object, 0);
        assert_string_equal(dumped, text);
    }
}

/* ---- what is refused ---- */

static void test_bad_messages(void **state)
{
    static const char *const cases[] = {
        "{\"a\":1,\"a\":2}",
        "{\"a\":{\"b\":1,\"b\":1}}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\udc00\"}",
        "{\"a\":\"\\ud800\\u0041\"}",
        "{\"a\":\"\xff\"}",
        "{\"a\":\"\xc0\xaf\"}",
        "{\"a\":\"\xed\xa0\x80\"}",
        "{\"a\":\"\xf4\x90\x80\x80\"}",
        "{\"a\\u0000\":1}",
        "{\"a\":1,}",
        "{'a':1}",
        "{a:1}",
        "{]",
        "{\"a\" 1}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":-}",
        "{\"a\":1e}",
        "{\"a\":1e+}",
        "{\"a\":--18446744073709551615}",
        "{\"a\":018446744073709551615}",
        "{\"a\":18446744073709551615.}",
        "{\"a\":18446744073709551615 1}",
        "{18446744073709551615:1}",
        "{\"a\":1e400:1}",
        "{\"a\":nul}",
        "{\"a\":\"\t\"}",
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct error error = ERROR_INIT;
        json_t *object = decode(cases[i], &error);

        if (object != NULL)
            fail_msg("%s is accepted", cases[i]);
        assert_int_equal(error.code, ERROR_PROTOCOL);
        assert_non_null(strstr(error.why, "JSON"));
        assert_null(decode(cases[i], NULL));
    }
}

static void test_valid_surrogates(void **state)
{
    AUTO_JSON json_t *object = decode("{\"a\":\"\\ud83d\\ude00\"}", NULL);

    (void)state;
    assert_string_equal(json_string_value(json_object_get(object, "a")), "\xf0\x9f\x98\x80");
}

/* ---- hostile strings ---- */

/* A peer that forges our tag has sent a number, or a plain string, but never broken JSON. */
static void test_forged_tags(void **state)
{
    static const struct {
        const char *text, *dumped;
    } cases[] = {
        {"{\"a\":\"\\u0000number:18446744073709551615\"}", "{\"a\":18446744073709551615}"},
        {"{\"a\":\"\\u0000number:7\"}", "{\"a\":7}"},
        {"{\"a\":\"\\u0000number:\"}", "{\"a\":\"\\u0000number:\"}"},
        {"{\"a\":\"\\u0000number:,\"}", "{\"a\":\"\\u0000number:,\"}"},
        {"{\"a\":\"\\u0000number:1}\"}", "{\"a\":\"\\u0000number:1}\"}"},
        {"{\"a\":\"\\u0000number:1,\\\"b\\\":2\"}", "{\"a\":\"\\u0000number:1,\\\"b\\\":2\"}"},
        {"{\"a\":\"\\u0000number:1\\\"\"}", "{\"a\":\"\\u0000number:1\\\"\"}"},
        {"{\"a\":\"\\u0000number:01\"}", "{\"a\":\"\\u0000number:01\"}"},
        {"{\"a\":\"\\u0000number:--1\"}", "{\"a\":\"\\u0000number:--1\"}"},
        {"{\"a\":\"\\u0000number:1e\"}", "{\"a\":\"\\u0000number:1e\"}"},
        {"{\"a\":\"\\u0000number:1.e5\"}", "{\"a\":\"\\u0000number:1.e5\"}"},
        {"{\"a\":\"\\u0000number:+1\"}", "{\"a\":\"\\u0000number:+1\"}"},
        {"{\"a\":\"\\u0000number: 1\"}", "{\"a\":\"\\u0000number: 1\"}"},
        {"{\"a\":\"\\u0000number:0x1\"}", "{\"a\":\"\\u0000number:0x1\"}"},
        {"{\"a\":\"\\u0000number:1\\u0000\"}", "{\"a\":\"\\u0000number:1\\u0000\"}"},
        {"{\"a\":\"\\\\u0000number:1\"}", "{\"a\":\"\\\\u0000number:1\"}"},
        {"{\"a\":\"\\\"\\u0000number:1\"}", "{\"a\":\"\\\"\\u0000number:1\"}"},
    };
    uint64_t value = 42;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct error error = ERROR_INIT;
        AUTO_JSON json_t *object = decode(cases[i].text, &error);
        AUTO_FREE char *text = NULL;

        if (object == NULL)
            fail_msg("%s: %s", cases[i].text, error.why);
        text = codec_dump(object, 0);
        assert_string_equal(text, cases[i].dumped);
        if (i > 1)
            assert_false(codec_get_u64(json_object_get(object, "a"), &value));
    }
    assert_true(value == 42);
}

static void assert_same(const json_t *list, const json_t *again)
{
    const json_t *value, *other;
    size_t i;

    assert_int_equal(json_array_size(list), json_array_size(again));
    json_array_foreach(list, i, value) {
        other = json_array_get(again, i);
        assert_true(json_equal(value, other) ||
                    (json_is_number(other) && json_string_length(value) > 8 &&
                     memcmp(json_string_value(value), "\0number:", 8) == 0));
    }
}

/* Strings made of the pieces that could confuse us, in all orders: what is dumped parses again,
 * with as many members, and a string that comes out as another value was a whole tag. */
static void test_hostile_generator(void **state)
{
    static const char *const pieces[] = {
        "\\u0000number:", "\\u0000", "number:", "1",  "18446744073709551615", "e", "-", ".",
        "\\\"",           "\\\\",    "{",       "}",  ",",                    ":", "x", "\\n",
    };
    char text[512];
    unsigned seed = 7, round, parts;

    (void)state;
    for (round = 0; round < 20000; round++) {
        AUTO_JSON json_t *object = NULL;
        AUTO_JSON json_t *again = NULL;
        AUTO_FREE char *dumped = NULL;
        size_t used = 0;
        unsigned strings;

        used += (size_t)sprintf(text + used, "{\"a\":[");
        for (strings = 0; strings < 3; strings++) {
            used += (size_t)sprintf(text + used, "%s\"", strings > 0 ? "," : "");
            for (parts = 0; parts < 5; parts++) {
                seed = seed * 1103515245u + 12345u;
                used += (size_t)sprintf(text + used, "%s", pieces[seed >> 16 & 15]);
            }
            used += (size_t)sprintf(text + used, "\"");
        }
        (void)sprintf(text + used, ",1e400]}");
        object = decode(text, NULL);
        assert_non_null(object);
        dumped = codec_dump(object, round % 2 == 0 ? 0 : 2);
        again = decode(dumped, NULL);
        if (again == NULL)
            fail_msg("%s became %s", text, dumped);
        assert_same(json_object_get(object, "a"), json_object_get(again, "a"));
    }
}

/* ---- text of a person ---- */

static void test_parse_accepts(void **state)
{
    static const char *const cases[] = {
        "{}", "[]", "1", "-1", "\"x\"", "true", "null", "1.5", "18446744073709551615", "1e400",
        "[18446744073709551615,{\"a\":1e400}]", "{\"a\":[1,2]}",
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct error error = ERROR_INIT;
        AUTO_JSON json_t *value = codec_parse(cases[i], &error);
        AUTO_FREE char *text = NULL;

        if (value == NULL)
            fail_msg("%s: %s", cases[i], error.why);
        text = codec_dump(value, 0);
        assert_string_equal(text, cases[i]);
    }
}

static void test_parse_says_where(void **state)
{
    static const struct {
        const char *text;
        int column;
    } cases[] = {
        {"", 0}, {"{", 1}, {"{\"a\" 1}", 6}, {"{\"a\":1,}", 8}, {"{'a':1}", 2}, {"[1 2]", 4},
        {"{} x", 4}, {"nul", 3}, {"{\"a\":1,\"a\":2}", 10},
    };
    char expected[32];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct error error = ERROR_INIT;

        assert_null(codec_parse(cases[i].text, &error));
        assert_int_equal(error.code, ERROR_INVALID);
        (void)snprintf(expected, sizeof(expected), "column %d:", cases[i].column);
        if (strstr(error.why, expected) == NULL)
            fail_msg("'%s' gives '%s', not %s", cases[i].text, error.why, expected);
        assert_true(error.fix[0] != '\0');
        assert_null(codec_parse(cases[i].text, NULL));
    }
}

static void nest(char *text, size_t depth, const char *open, const char *inside, const char *close)
{
    size_t i, size = 0;

    for (i = 0; i < depth; i++)
        size += (size_t)sprintf(text + size, "%s", open);
    size += (size_t)sprintf(text + size, "%s", inside);
    for (i = 0; i < depth; i++)
        size += (size_t)sprintf(text + size, "%s", close);
}

static void test_parse_depth(void **state)
{
    static char text[1 << 20];
    struct error error = ERROR_INIT;
    json_t *value;

    (void)state;
    nest(text, 64, "[", "", "]");
    value = codec_parse(text, &error);
    assert_non_null(value);
    json_decref(value);
    nest(text, 65, "[", "", "]");
    assert_null(codec_parse(text, &error));
    assert_int_equal(error.code, ERROR_INVALID);
    nest(text, 65, "{\"a\":", "1", "}");
    assert_null(codec_parse(text, &error));
    nest(text, 100000, "[", "", "");
    assert_null(codec_parse(text, &error));
    nest(text, 3, "[",
         "\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[\"", "]");
    value = codec_parse(text, &error);
    assert_non_null(value);
    json_decref(value);
}

/* ---- writing ---- */

static void test_append_is_compact_and_behind(void **state)
{
    AUTO_JSON json_t *value = json_pack("{s:s, s:[i,i]}", "k", "\xc3\xbc", "l", 1, 2);
    struct buffer buffer = {0};

    (void)state;
    assert_int_equal(buffer_append(&buffer, "\"\\u0000number:1\" ", 17), 0);
    assert_int_equal(codec_append(&buffer, value), 0);
    /* ASCII only, as QEMU's own; and what was there before is none of its business. */
    assert_int_equal(buffer_append(&buffer, "", 1), 0);
    assert_string_equal(buffer.bytes + buffer.start,
                        "\"\\u0000number:1\" {\"k\":\"\\u00FC\",\"l\":[1,2]}");
    buffer_free(&buffer);
}

static void test_dump_indents(void **state)
{
    AUTO_JSON json_t *value = json_pack("{s:i, s:[i]}", "a", 1, "b", 2);
    AUTO_FREE char *text = codec_dump(value, 2);

    (void)state;
    assert_string_equal(text, "{\n  \"a\": 1,\n  \"b\": [\n    2\n  ]\n}");
}

/* ---- memory ---- */

static unsigned allocations_left;

static void *failing_malloc(size_t size)
{
    if (allocations_left == 0)
        return NULL;
    allocations_left--;
    return malloc(size);
}

/* Each allocation of jansson's fails in turn: an error with a reason, never a crash. Where it was
 * reading a string jansson takes a lack of memory for an invalid token, and so do we. */
static void test_out_of_memory(void **state)
{
    static const char text[] = "{\"a\":[1,\"two\",{\"b\":18446744073709551615}]}";
    unsigned allowed, told = 0;
    json_t *value;

    (void)state;
    for (allowed = 0; allowed < 1000; allowed++) {
        struct error error = ERROR_INIT;

        json_set_alloc_funcs(failing_malloc, free);
        allocations_left = allowed;
        value = decode(text, &error);
        allocations_left = 1000000;
        json_decref(value);
        json_set_alloc_funcs(malloc, free);
        if (value != NULL)
            break;
        if (strcmp(error.why, "out of memory") != 0)
            assert_true(strlen(error.why) > strlen("the peer sent bad JSON: "));
        told += error.code == ERROR_SYSTEM ? 1 : 0;
    }
    assert_true(allowed < 1000 && told > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_u64),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_very_long_numbers),
        cmocka_unit_test(test_bad_messages),
        cmocka_unit_test(test_valid_surrogates),
        cmocka_unit_test(test_forged_tags),
        cmocka_unit_test(test_hostile_generator),
        cmocka_unit_test(test_parse_accepts),
        cmocka_unit_test(test_parse_says_where),
        cmocka_unit_test(test_parse_depth),
        cmocka_unit_test(test_append_is_compact_and_behind),
        cmocka_unit_test(test_dump_indents),
        cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests_name("codec", tests, NULL, NULL);
}
