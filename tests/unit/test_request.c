/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "qmp/codec.h"
#include "qmp/request.h"
#include "tests/fake/fake.h"

static struct pending *make(const char *command, const char *arguments)
{
    const struct request request = {
        .command = command, .arguments = fake_json(arguments), .timeout_ms = 1000};

    return pending_new(&request, 1, NULL);
}

static void drop(struct pending *pending)
{
    struct pending_list list = TAILQ_HEAD_INITIALIZER(list);

    TAILQ_INSERT_TAIL(&list, pending, link);
    pending_finish(&list, pending, NULL, NULL);
}

static void test_wire_format(void **state)
{
    static const struct {
        const char *command, *arguments;
        int64_t id;
        const char *line;
    } cases[] = {
        {"query-status", NULL, 1, "{\"execute\":\"query-status\",\"id\":1}\n"},
        {"query-status", "{}", 1, "{\"execute\":\"query-status\",\"id\":1}\n"},
        {"guest-ping", NULL, 0, "{\"execute\":\"guest-ping\"}\n"},
        {"qom-get", "{'path':'/m','property':'p'}", INT64_MAX,
         "{\"execute\":\"qom-get\",\"arguments\":{\"path\":\"/m\",\"property\":\"p\"},"
         "\"id\":9223372036854775807}\n"},
        {"device_add", "{'id':'a\\u00fc\\n','n':[1, 2],'b':true}", 7,
         "{\"execute\":\"device_add\",\"arguments\":{\"id\":\"a\\u00FC\\n\",\"n\":[1,2],\"b\":true}"
         ",\"id\":7}\n"},
        {"x", "{'size':'\\u0000number:18446744073709551615'}", 2,
         "{\"execute\":\"x\",\"arguments\":{\"size\":18446744073709551615},\"id\":2}\n"},
    };
    struct pending *pending;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        pending = make(cases[i].command, cases[i].arguments);
        assert_non_null(pending);
        pending_complete(pending, cases[i].id);
        assert_int_equal(buffer_size(&pending->line), strlen(cases[i].line));
        assert_memory_equal(pending->line.bytes + pending->line.start, cases[i].line,
                            strlen(cases[i].line));
        assert_int_equal(pending->id, cases[i].id);
        assert_string_equal(pending->name, cases[i].command);
        assert_int_equal(pending->fd, -1);
        assert_false(pending->sent);
        drop(pending);
    }
}

/* A name is written as it is; so nothing may stand in it that JSON would have to escape. */
static void test_refused_requests(void **state)
{
    static const struct {
        const char *command, *arguments;
    } cases[] = {
        {"", NULL},
        {"a\"b", NULL},
        {"a b", NULL},
        {"a\\", NULL},
        {"a\n", NULL},
        {"\xc3\xbc", NULL},
        {"a{}", NULL},
        {"query-status", "[]"},
        {"query-status", "1"},
        {"query-status", "'x'"},
        {"a123456789012345678901234567890123456789012345678901234567890123", NULL}, /* 64 */
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        const struct request request = {
            .command = cases[i].command, .arguments = fake_json(cases[i].arguments)};
        struct error error = ERROR_INIT;

        assert_null(pending_new(&request, 1, &error));
        assert_int_equal(error.code, ERROR_INVALID);
    }
}

/* The descriptor is closed whatever becomes of the request. */
static void test_descriptor_is_taken_over(void **state)
{
    struct request request = {.command = "getfd"};
    struct pending *pending;
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    request.fd = fds[0];
    pending = pending_new(&request, 1, NULL);
    assert_int_equal(pending->fd, fds[0]);
    drop(pending);
    assert_int_equal(close(fds[0]), -1);
    request.command = "not a name";
    request.fd = fds[1];
    assert_null(pending_new(&request, 1, NULL));
    assert_int_equal(close(fds[1]), -1);
}

struct told {
    unsigned count;
    const json_t *value;
    enum error_code code;
};

static void on_done(void *user, const struct reply *reply)
{
    struct told *told = user;

    told->count++;
    told->value = reply->value;
    told->code = reply->error != NULL ? reply->error->code : ERROR_NONE;
}

static struct pending *add(struct pending_list *list, struct told *told, int64_t number,
                           double timeout_ms)
{
    const struct request request = {
        .command = "x", .timeout_ms = timeout_ms, .done = on_done, .user = told};
    struct pending *pending = pending_new(&request, number, NULL);

    TAILQ_INSERT_TAIL(list, pending, link);
    return pending;
}

static void test_list(void **state)
{
    struct pending_list list = TAILQ_HEAD_INITIALIZER(list);
    struct told told[3] = {{0}};
    AUTO_JSON json_t *value = json_integer(5);
    struct error error = ERROR_INIT;
    struct pending *second;

    (void)state;
    (void)add(&list, &told[0], 1, 1e6);
    second = add(&list, &told[1], 2, 1e6);
    (void)add(&list, &told[2], 3, 1e6);
    assert_ptr_equal(pending_find(&list, 2), second);
    assert_null(pending_find(&list, 4));
    pending_finish(&list, second, value, NULL);
    assert_int_equal(told[1].count, 1);
    assert_ptr_equal(told[1].value, value);
    assert_null(pending_find(&list, 2));
    (void)error_set(&error, ERROR_DISCONNECTED, "", "gone");
    pending_finish_all(&list, &error);
    assert_true(TAILQ_EMPTY(&list));
    assert_int_equal(told[0].count, 1);
    assert_int_equal(told[2].count, 1);
    assert_int_equal(told[2].code, ERROR_DISCONNECTED);
    assert_null(told[2].value);
}

/* One digit while one is free, none that is in flight, and not the one before. */
static void test_next_id(void **state)
{
    struct pending_list list = TAILQ_HEAD_INITIALIZER(list);
    struct told told = {0};
    unsigned taken = 0;
    int64_t id, i;

    (void)state;
    for (i = 0, id = 0; i < 9; i++) {
        assert_int_equal(pending_next_id(&list, id), i + 1);
        id = i + 1;
    }
    assert_int_equal(pending_next_id(&list, 9), 1);
    assert_int_equal(pending_next_id(&list, 12), 4);
    pending_complete(add(&list, &told, 1, 1e6), 9);
    pending_complete(add(&list, &told, 2, 1e6), 1);
    assert_int_equal(pending_next_id(&list, 8), 2);
    for (i = 0, id = 1; i < 20; i++) {
        id = pending_next_id(&list, id);
        assert_null(pending_find_id(&list, id));
        pending_complete(add(&list, &told, 3 + i, 1e6), id);
        taken |= 1U << id;
        if (i == 6)
            assert_int_equal(taken, 0x1fc); /* 2 to 8 */
    }
    assert_null(pending_find_id(&list, 0));
    pending_finish_all(&list, NULL);
}

static void test_deadlines(void **state)
{
    struct pending_list list = TAILQ_HEAD_INITIALIZER(list);
    struct told told[3] = {{0}};
    double now_ms = clock_now_ms(), soon_ms;
    struct pending *late, *soon;

    (void)state;
    assert_true(pending_deadline_ms(&list) == CLOCK_NEVER_MS);
    assert_null(pending_expired(&list, now_ms + 1e12));
    late = add(&list, &told[0], 1, 5000);
    soon = add(&list, &told[1], 2, 1000);
    (void)add(&list, &told[2], 3, CLOCK_NEVER_MS);
    soon_ms = soon->deadline_ms;
    assert_true(pending_deadline_ms(&list) == soon_ms);
    assert_true(soon_ms >= now_ms + 1000 && soon_ms < now_ms + 4000);
    assert_null(pending_expired(&list, soon_ms - 0.001));
    assert_ptr_equal(pending_expired(&list, soon_ms), soon);
    pending_forget(soon);
    assert_null(pending_expired(&list, soon_ms));
    assert_true(pending_deadline_ms(&list) == late->deadline_ms);
    pending_finish_all(&list, NULL);
    assert_int_equal(told[1].count, 0);
    assert_int_equal(told[0].count, 1);
}

static void test_reply_value(void **state)
{
    static const struct {
        const char *message;
        bool has_value;
        enum error_code code;
        const char *class_name, *why;
    } cases[] = {
        {"{'return':{},'id':1}", true, ERROR_NONE, "", ""},
        {"{'return':0}", true, ERROR_NONE, "", ""},
        {"{'return':null}", true, ERROR_NONE, "", ""},
        {"{'return':[]}", true, ERROR_NONE, "", ""},
        {"{'error':{'class':'DeviceNotFound','desc':'no'}}", false, ERROR_REJECTED,
         "DeviceNotFound", "no"},
        {"{'error':{}}", false, ERROR_REJECTED, "GenericError", "no description"},
        {"{'error':{'class':3,'desc':[]}}", false, ERROR_REJECTED, "GenericError",
         "no description"},
        {"{'error':'x'}", false, ERROR_PROTOCOL, "", NULL},
        {"{'error':null}", false, ERROR_PROTOCOL, "", NULL},
        {"{}", false, ERROR_PROTOCOL, "", NULL},
        {"{'id':1}", false, ERROR_PROTOCOL, "", NULL},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON json_t *message = fake_json(cases[i].message);
        struct error error = ERROR_INIT;

        assert_int_equal(reply_value(message, &error) != NULL, cases[i].has_value);
        assert_int_equal(error.code, cases[i].code);
        assert_string_equal(error.class_name, cases[i].class_name);
        if (cases[i].why != NULL)
            assert_string_equal(error.why, cases[i].why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wire_format),
        cmocka_unit_test(test_refused_requests),
        cmocka_unit_test(test_descriptor_is_taken_over),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_next_id),
        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_reply_value),
    };

    return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
