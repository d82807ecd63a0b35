/* SPDX-License-Identifier: MIT */
/* What reaches stdout: cleaned text, escaped JSON, aligned tables; what becomes of a failure. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/table.h"
#include "qmp/codec.h"

struct page {
    struct output out;
    FILE *stream;
    char *text;
    size_t size;
};

static void open_page(struct page *page, bool json)
{
    page->stream = open_memstream(&page->text, &page->size);
    assert_non_null(page->stream);
    output_init(&page->out, page->stream, json);
}

static void assert_page(struct page *page, const char *expected)
{
    fclose(page->stream);
    assert_string_equal(page->text, expected);
    free(page->text);
}

static void test_text_is_cleaned(void **state)
{
    struct page page;

    (void)state;
    open_page(&page, false);
    output_print(&page.out, "%s\n", "a\033[31mred\a\x7f\xc2\x9b"
                                    "31m\xff\ttab gr\xc3\xbc\xc3\x9f");
    output_print(&page.out, "%s", "\xc3");
    assert_page(&page, "a?[31mred???31m?\ttab gr\xc3\xbc\xc3\x9f\n?");
}

static void test_a_file_gets_no_escapes(void **state)
{
    struct page page;

    (void)state;
    open_page(&page, false);
    assert_false(page.out.terminal);
    output_style(&page.out, OUTPUT_BAD);
    output_erase_line(&page.out);
    output_print(&page.out, "plain");
    output_style(&page.out, OUTPUT_PLAIN);
    assert_page(&page, "plain");
}

static void test_json_only(void **state)
{
    struct page page;

    (void)state;
    open_page(&page, true);
    output_print(&page.out, "for people");
    {
        AUTO_JSON json_t *value = json_pack("{s:s, s:i}", "a", "x\x7fy\xc2\x9bz\n\xc3\xbc", "b", 1);

        output_json(&page.out, value, 0);
    }
    assert_page(&page, "{\"a\":\"x\\u007fy\\u009bz\\n\xc3\xbc\",\"b\":1}\n");
}

static void test_json_for_people(void **state)
{
    struct page page;
    AUTO_JSON json_t *value = json_pack("{s:[i]}", "a", 1);

    (void)state;
    open_page(&page, false);
    output_json(&page.out, value, 2);
    assert_page(&page, "{\n  \"a\": [\n    1\n  ]\n}\n");
}

static void test_bad_bytes_become_json(void **state)
{
    AUTO_JSON json_t *good = codec_string("gr\xc3\xbc\xc3\x9f\n");
    AUTO_JSON json_t *bad = codec_string("disk\xff.raw");

    (void)state;
    assert_string_equal(json_string_value(good), "gr\xc3\xbc\xc3\x9f\n");
    assert_string_equal(json_string_value(bad), "disk?.raw");
}

static void test_full_disk(void **state)
{
    FILE *full = fopen("/dev/full", "w");
    struct output out;

    (void)state;
    if (full == NULL)
        skip();
    output_init(&out, full, false);
    output_print(&out, "something");
    output_flush(&out);
    assert_int_equal(out.failure, ENOSPC);
    output_print(&out, "more");
    assert_int_equal(output_exit_code(&out, 0), 1);
    assert_int_equal(output_exit_code(&out, 7), 7);
    out.failure = EPIPE; /* the reader has left: his choice */
    assert_int_equal(output_exit_code(&out, 0), 0);
    fclose(full);
}

static void test_table(void **state)
{
    struct table table = {.columns = 3};
    struct page page;

    (void)state;
    open_page(&page, false);
    table_add(&table, "ID");
    table_add(&table, "SIZE");
    table_add(&table, "FILE");
    table_add(&table, "gr\xc3\xbc\xc3\x9f");
    table_add(&table, "%d MiB", 64);
    table_add(&table, "%s", "/a\nb");
    table_add(&table, "x");
    table_add(&table, "-");
    table_add(&table, "%s", "");
    table_print(&table, &page.out, 2);
    assert_page(&page, "  ID    SIZE    FILE\n"
                       "  gr\xc3\xbc\xc3\x9f  64 MiB  /a?b\n"
                       "  x     -\n");
    assert_int_equal(table.cell_count, 0);
}

static void test_exit_codes(void **state)
{
    static const struct {
        enum verdict verdict;
        enum error_code code;
        int exit_code;
    } cases[] = {
        {VERDICT_ONLINE, ERROR_NONE, 0},        {VERDICT_DONE, ERROR_NONE, 0},
        {VERDICT_UNCONFIRMED, ERROR_NONE, 0},   {VERDICT_REJECTED, ERROR_REJECTED, 4},
        {VERDICT_REFUSED, ERROR_REJECTED, 5},   {VERDICT_PENDING, ERROR_TIMEOUT, 6},
        {VERDICT_BLOCKED, ERROR_BLOCKED, 7},    {VERDICT_UNPROVEN, ERROR_BLOCKED, 8},
        {VERDICT_LOST, ERROR_DISCONNECTED, 9},  {VERDICT_PARTIAL, ERROR_REJECTED, 10},
        {VERDICT_ERROR, ERROR_INVALID, 2},      {VERDICT_ERROR, ERROR_CONNECT, 3},
        {VERDICT_ERROR, ERROR_BUSY, 3},         {VERDICT_ERROR, ERROR_PROTOCOL, 3},
        {VERDICT_ERROR, ERROR_LIMIT, 3},        {VERDICT_ERROR, ERROR_DISCONNECTED, 3},
        {VERDICT_ERROR, ERROR_SYSTEM, 1},       {VERDICT_ERROR, ERROR_TIMEOUT, 1},
        {VERDICT_INTERRUPTED, ERROR_CANCELLED, 130},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        const struct error error = {.code = cases[i].code};

        assert_int_equal(report_exit_code(cases[i].verdict, &error), cases[i].exit_code);
    }
}

/* A connection that ended is lost; one that never was is an error. */
static void test_verdicts_of_errors(void **state)
{
    struct error error = {.code = ERROR_DISCONNECTED};

    (void)state;
    assert_int_equal(report_verdict(&error, true), VERDICT_LOST);
    assert_int_equal(report_verdict(&error, false), VERDICT_ERROR);
    error.code = ERROR_CANCELLED;
    assert_int_equal(report_verdict(&error, true), VERDICT_INTERRUPTED);
    error.code = ERROR_BUSY;
    assert_int_equal(report_verdict(&error, false), VERDICT_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_is_cleaned),
        cmocka_unit_test(test_a_file_gets_no_escapes),
        cmocka_unit_test(test_json_only),
        cmocka_unit_test(test_json_for_people),
        cmocka_unit_test(test_bad_bytes_become_json),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_exit_codes),
        cmocka_unit_test(test_verdicts_of_errors),
    };

    return cmocka_run_group_tests_name("cli/output, cli/table, cli/report", tests, NULL, NULL);
}
