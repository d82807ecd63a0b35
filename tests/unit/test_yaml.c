/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "manifest/yaml_read.h"
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

static void test_scalars(void **state)
{
    static const struct {
        const char *text, *json;
    } cases[] = {
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
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++)
        expect(cases[i].text, cases[i].json);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_structures),
        cmocka_unit_test(test_documents),
    };

    return cmocka_run_group_tests_name("yaml", tests, NULL, NULL);
}
