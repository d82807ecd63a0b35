/* SPDX-License-Identifier: MIT */
/* Events by their numbers: in order, bounded, and with gaps that are seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/event_log.h"
#include "qmp/codec.h"
#include "qmp/field.h"

#define LOG_BYTES 65536

static void test_order(void **state)
{
    struct event_log *log = event_log_new(LOG_BYTES);
    uint64_t first = event_log_next(log), number;
    const struct event_log_entry *entry;
    AUTO_JSON json_t *object = NULL;

    (void)state;
    assert_true(first > 1600000000000000 && first < (uint64_t)1 << 53);
    assert_null(event_log_find(log, 0));
    event_log_add(log, EVENT_STATE, "db", json_pack("{s:s}", "state", "ready"));
    event_log_add(log, EVENT_QMP, NULL, NULL);
    assert_int_equal(event_log_next(log), first + 2);
    entry = event_log_find(log, first);
    assert_int_equal(entry->number, first);
    assert_string_equal(entry->type, "state");
    assert_string_equal(entry->vm, "db");
    object = codec_parse(entry->text, NULL);
    assert_true(field_u64(object, "number", &number));
    assert_int_equal(number, first);
    assert_string_equal(field_string(object, "vm", ""), "db");
    assert_string_equal(field_string(object, "type", ""), "state");
    assert_string_equal(field_string(field_object(object, "data"), "state", ""), "ready");
    assert_null(strchr(entry->text, '\n'));
    entry = event_log_find(log, first + 1);
    assert_null(entry->vm);
    assert_non_null(strstr(entry->text, "\"data\":null"));
    assert_null(event_log_find(log, first + 2));
    event_log_free(log);
}

/* What is dropped is the oldest; who asks for it gets what is left, and sees the gap. */
static void test_bounded(void **state)
{
    struct event_log *log = event_log_new(LOG_BYTES);
    uint64_t first = event_log_next(log), number, bytes = 0;
    const struct event_log_entry *entry;
    size_t i;

    (void)state;
    for (i = 0; i < 10000; i++)
        event_log_add(log, EVENT_QMP, "db", json_pack("{s:i}", "i", (int)i));
    entry = event_log_find(log, first);
    assert_true(entry->number > first);
    for (number = entry->number; number < first + 10000; number++) {
        entry = event_log_find(log, number);
        assert_int_equal(entry->number, number);
        bytes += entry->bytes;
    }
    assert_true(bytes <= LOG_BYTES && bytes > LOG_BYTES / 2);
    event_log_free(log);
}

/* One event may not push all others out. */
static void test_too_large(void **state)
{
    struct event_log *log = event_log_new(LOG_BYTES);
    char *text = calloc(1, LOG_BYTES);
    uint64_t first = event_log_next(log);

    (void)state;
    memset(text, 'x', LOG_BYTES - 1);
    event_log_add(log, EVENT_STATE, "db", json_object());
    event_log_add(log, EVENT_QMP, "db", json_pack("{s:s}", "text", text));
    assert_int_equal(event_log_find(log, first)->number, first);
    assert_non_null(strstr(event_log_find(log, first + 1)->text, "\"truncated\":true"));
    free(text);
    event_log_free(log);
}

static void on_added(void *user, const struct event_log_entry *entry)
{
    *(uint64_t *)user += entry->number;
}

static void test_subscriber(void **state)
{
    struct event_log *log = event_log_new(LOG_BYTES);
    uint64_t first = event_log_next(log), sum = 0;
    struct event_log_subscriber subscriber = {.added = on_added, .user = &sum};

    (void)state;
    event_log_subscribe(log, &subscriber);
    event_log_add(log, EVENT_STATE, "db", NULL);
    assert_int_equal(sum, first);
    event_log_unsubscribe(&subscriber);
    event_log_add(log, EVENT_STATE, "db", NULL);
    assert_int_equal(sum, first);
    event_log_free(log);
    event_log_add(NULL, EVENT_STATE, "db", json_object());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_subscriber),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
