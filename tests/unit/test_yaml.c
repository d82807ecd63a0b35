/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "manifest/yaml_read.h"
#include "manifest/yaml_write.h"
#include "qmp/codec.h"

/* What a text reads as, in JSON. */
static void expect(const char *text, const char *json)
{
    AUTO_JSON json_t *expected = codec_parse(json, NULL);
    struct error error = ERROR_INIT;
    struct document document;
    AUTO_FREE char *found = NULL;

    assert_non_null(expected);
    if (yaml_read_value(&document, "t.yaml", text, strlen(text), &error) != 0)
        fail_msg("%s: %s", text, error.why);
    found = codec_dump(document.root, 0);
    if (json_equal(document.root, expected) != 1)
        fail_msg("%s reads as %s", text, found);
    document_free(&document);
}

static const struct {
    const char *text, *json;
} scalars[] = {
    {"a", "\"a\""},
    {"''", "\"\""},
    {"~", "null"},
    {"null", "null"},
    {"NULL", "null"},
    {"nUll", "\"nUll\""},
    {"true", "true"},
    {"True", "true"},
    {"FALSE", "false"},
    {"tRue", "\"tRue\""},
    {"yes", "true"}, /* as kubectl has it: YAML 1.1 */
    {"No", "false"},
    {"on", "true"},
    {"OFF", "false"},
    {"y", "true"},
    {"n", "false"},
    {"'yes'", "\"yes\""},
    {"\"no\"", "\"no\""},
    {"!!str on", "\"on\""},
    {"! 5", "\"5\""},
    {"0", "0"},
    {"-1", "-1"},
    {"+7", "7"},
    {"9223372036854775807", "9223372036854775807"},
    {"-9223372036854775808", "-9223372036854775808"},
    {"0x1F", "31"},
    {"-0x10", "-16"},
    {"0777", "511"},
    {"0o17", "15"},
    {"0b101", "5"},
    {"1_000", "1000"},
    {"089", "89"}, /* no octal digits: a real, and a whole one */
    {"0x", "\"0x\""},
    {"0x0x1", "\"0x0x1\""},
    {"0xg", "\"0xg\""},
    {"--1", "\"--1\""},
    {"1.5", "1.5"},
    {".5", "0.5"},
    {"-2.50", "-2.5"},
    {"2.0", "2"},
    {"1e3", "1000"},
    {"129e6", "129000000"},
    {"1e20", "1e20"},
    {"1e400", "\"1e400\""},
    {"1e", "\"1e\""},
    {"1e+", "\"1e+\""},
    {".", "\".\""},
    {"1.2.3", "\"1.2.3\""},
    {"1Gi", "\"1Gi\""},
    {"0x1p3", "\"0x1p3\""},
    {"!!int 5", "5"},
    {"!!int '5'", "5"},
    {"!!float 5", "5"},
    {"!!null ''", "null"},
    {"!!bool yes", "true"},
    {"2001-12-14", "\"2001-12-14\""},
    {"1:30", "\"1:30\""},
    {"52:54:00:12:34:56", "\"52:54:00:12:34:56\""},
    {"\"\\/\\u00e9\\U0001f600\\x41\"", "\"/\xc3\xa9\xf0\x9f\x98\x80\x41\""},
    {"\"a\\\n   b\"", "\"ab\""},
    {"a\n b", "\"a b\""},
    {"|\n a\n  b\n", "\"a\\n b\\n\""},
    {"|-\n a\n", "\"a\""},
    {"|+\n a\n\n", "\"a\\n\\n\""},
    {">\n a\n b\n", "\"a b\\n\""},
    {"\xef\xbb\xbf" "5", "5"},
    {"5 # five", "5"},
    {"'it''s'", "\"it's\""},
};

static void test_scalars(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(scalars); i++)
        expect(scalars[i].text, scalars[i].json);
}

static void test_structures(void **state)
{
    static const struct {
        const char *text, *json;
    } cases[] = {
        {"{}", "{}"},
        {"[]", "[]"},
        {"a:", "{\"a\": null}"},
        {"a: {b: [1, two]}", "{\"a\": {\"b\": [1, \"two\"]}}"},
        {"a:\n- 1\n- b: 2\n  c: 3\n", "{\"a\": [1, {\"b\": 2, \"c\": 3}]}"},
        {"a:\n  - - 1\n    - 2\n", "{\"a\": [[1, 2]]}"},
        {"{\n\t\"a\":\t[1,\t2],\n\t\"b\":{\"c\":\"d\"}\n}\n",
         "{\"a\": [1, 2], \"b\": {\"c\": \"d\"}}"},
        {"{\"a\":1,\"b\":[]}", "{\"a\": 1, \"b\": []}"},
        {"'1': one\n\"yes\": two\n'': three\n",
         "{\"1\": \"one\", \"yes\": \"two\", \"\": \"three\"}"},
        {"'<<': a", "{\"<<\": \"a\"}"},
        {"a: &x 1\nb: *x\n", "{\"a\": 1, \"b\": 1}"},
        {"a: &x {c: [1, 2]}\nb: *x\nd: *x\n",
         "{\"a\": {\"c\": [1, 2]}, \"b\": {\"c\": [1, 2]}, \"d\": {\"c\": [1, 2]}}"},
        {"- &x 1\n- &x 2\n- *x\n", "[1, 2, 2]"}, /* the last before it */
        {"- &x [&y 1, *y]\n- *x\n- *y\n", "[[1, 1], [1, 1], 1]"},
        {"!!map {a: !!seq [!!str 1]}", "{\"a\": [\"1\"]}"},
        {"%YAML 1.1\n---\na: 1\n...\n", "{\"a\": 1}"},
        {"? a\n: b\n", "{\"a\": \"b\"}"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++)
        expect(cases[i].text, cases[i].json);
}

/* The documents' roots, as one list. */
static void expect_documents(const char *text, const char *json)
{
    AUTO_JSON json_t *expected = codec_parse(json, NULL), *found = json_array();
    struct document_list list = {.count = 0};
    struct error error = ERROR_INIT;
    size_t i;

    assert_non_null(expected);
    if (yaml_read(&list, "t.yaml", text, strlen(text), &error) != 0)
        fail_msg("%s: %s", text, error.why);
    for (i = 0; i < list.count; i++)
        assert_int_equal(json_array_append(found, list.items[i].root), 0);
    if (json_equal(found, expected) != 1)
        fail_msg("%s reads as %zu documents", text, list.count);
    document_list_free(&list);
}

static void test_documents(void **state)
{
    static const struct {
        const char *text, *json;
    } cases[] = {
        {"", "[]"},
        {"# nothing\n", "[]"},
        {"---\n---\n", "[]"},
        {"a: 1", "[{\"a\": 1}]"},
        {"---\na: 1\n---\n---\nb: 2\n...\n---\nc: 3", "[{\"a\": 1}, {\"b\": 2}, {\"c\": 3}]"},
        {"{\"a\":1}\n---\n{\"b\":2}\n", "[{\"a\": 1}, {\"b\": 2}]"},
        {"kind: List\nitems:\n- a: 1\n- b: 2\n", "[{\"a\": 1}, {\"b\": 2}]"},
        {"kind: List\nitems: []\n", "[]"},
        {"kind: AnyList\nitems: [{a: 1}, {kind: List, items: [{b: 2}]}]\nx: 1\n---\nc: 3",
         "[{\"a\": 1}, {\"b\": 2}, {\"c\": 3}]"},
        {"kind: AllowList\n", "[{\"kind\": \"AllowList\"}]"},
        {"a: &x 1\n---\na: &x 2\nb: *x\n", "[{\"a\": 1}, {\"a\": 2, \"b\": 2}]"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++)
        expect_documents(cases[i].text, cases[i].json);
}

/* As kubectl prints it. */
static void test_writes(void **state)
{
    static const struct {
        const char *json, *text;
    } cases[] = {
        {"{}", "{}\n"},
        {"[]", "[]\n"},
        {"{\"b\": 1, \"a\": {\"d\": true, \"c\": null}}",
         "b: 1\na:\n  d: true\n  c: null\n"},
        {"{\"l\": [1, {\"a\": 1.5, \"b\": [\"x\"]}, [2, 3], [], {}]}",
         "l:\n- 1\n- a: 1.5\n  b:\n  - x\n- - 2\n  - 3\n- []\n- {}\n"},
        {"[\"plain text\", \"\", \"yes\", \"1\", \"1e3\", \"~\", \"0x1\", \"1:30\", \"<<\"]",
         "- plain text\n- \"\"\n- \"yes\"\n- \"1\"\n- \"1e3\"\n- \"~\"\n- \"0x1\"\n"
         "- \"1:30\"\n- \"<<\"\n"},
        {"[\"512Mi\", \"a: b\", \"- a\", \" a\", \"a #b\", \"'\", \"#\", \"2001-12-14\"]",
         "- 512Mi\n- 'a: b'\n- '- a'\n- ' a'\n- 'a #b'\n- ''''\n- '#'\n- 2001-12-14\n"},
        {"{\"s\": \"one\\ntwo\\n\", \"t\": \"one\\ntwo\"}",
         "s: |\n  one\n  two\nt: |-\n  one\n  two\n"},
        {"{\"on\": 1, \"2\": 2, \"a\\nb\": 3}", "\"on\": 1\n\"2\": 2\n? \"a\\nb\"\n: 3\n"},
        {"[\"é\", \"\\u0007\", \"a\\tb\"]", "- é\n- \"\\a\"\n- \"a\\tb\"\n"},
        {"[1e20, -0.1, 9223372036854775807]", "- 1e+20\n- -0.1\n- 9223372036854775807\n"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON json_t *value = codec_parse(cases[i].json, NULL);
        AUTO_FREE char *text = NULL;

        assert_non_null(value);
        text = yaml_write(value);
        assert_string_equal(text, cases[i].text);
        expect(text, cases[i].json);
    }
}

/* ---- any value is read again as what was written ---- */

static uint32_t seed = 1;

static unsigned draw(size_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % (unsigned)below;
}

static json_t *draw_string(void)
{
    static const char *const pieces[] = {
        "a", "b c", "\n", "\n\n", " ", "  ", "\t", "\r", ":", ": ", "-", "- ", "#", " #", "'",
        "\"", "\\", "{", "}", "[", "]", ",", "&", "*", "!", "|", ">", "%", "@", "`", "?", "? ",
        "---", "...", "~", "null", "yes", "true", "1", "0x", "e3", ".", "_", "é", "=", "<<", "/",
        "\xc2\x85", "\xc2\xa0", "\xe2\x80\xa8", "\xef\xbb\xbf", "\xf0\x9f\x98\x80", "\x01", "\x1b",
        "\x7f", "\xef\xbf\xbe",
    };
    char text[256] = "";
    unsigned i, count = draw(5);

    for (i = 0; i < count; i++)
        (void)strcat(text, pieces[draw(COUNT_OF(pieces))]);
    return json_string(text);
}

static json_t *draw_value(unsigned depth);

static json_t *draw_object(unsigned depth)
{
    json_t *object = json_object(), *key;
    unsigned count = draw(4);

    while (count-- > 0) {
        key = draw_string();
        assert_int_equal(json_object_set_new(object, json_string_value(key),
                                             draw_value(depth + 1)), 0);
        json_decref(key);
    }
    return object;
}

static json_t *draw_list(unsigned depth)
{
    json_t *list = json_array();
    unsigned count = draw(4);

    while (count-- > 0)
        assert_int_equal(json_array_append_new(list, draw_value(depth + 1)), 0);
    return list;
}

static json_t *draw_value(unsigned depth)
{
    static const double reals[] = {0.1, -2.5, 1e300, 1.0 / 3, 5e-324, 1e20, -0.3e-7};

    switch (draw(depth < 4 ? 10 : 6)) {
    case 0:
        return json_integer((json_int_t)draw(1U << 24) * draw(1U << 24) - 1000000);
    case 1:
        return json_real(reals[draw(COUNT_OF(reals))]);
    case 2:
        return draw(3) == 0 ? json_null() : json_boolean(draw(2));
    case 3:
    case 4:
    case 5:
        return draw_string();
    case 6:
    case 7:
        return draw_list(depth);
    default:
        return draw_object(depth);
    }
}

static void test_round_trip(void **state)
{
    unsigned i;

    (void)state;
    for (i = 0; i < 20000; i++) {
        AUTO_JSON json_t *value = draw_value(0);
        AUTO_FREE char *text = yaml_write(value);
        AUTO_FREE char *json = codec_dump(value, 0);
        AUTO_FREE char *again = NULL;
        struct document document;
        struct error error = ERROR_INIT;

        assert_non_null(text);
        if (yaml_read_value(&document, "t.yaml", text, strlen(text), &error) != 0)
            fail_msg("%s is written as\n%s, which is refused: %s", json, text, error.why);
        again = codec_dump(document.root, 0);
        if (json_equal(document.root, value) != 1 || strcmp(again, json) != 0)
            fail_msg("%s is written as\n%s, which is read as %s", json, text, again);
        document_free(&document);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_structures),
        cmocka_unit_test(test_documents),
        cmocka_unit_test(test_writes),
        cmocka_unit_test(test_round_trip),
    };

    return cmocka_run_group_tests_name("yaml", tests, NULL, NULL);
}
