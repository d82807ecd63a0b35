/* SPDX-License-Identifier: MIT */
/* Events of a QMP session, and what callbacks may do to it. The test is the server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "qmp/qmp_client.h"
#include "tests/fake/wire_qmp.h"


static struct wire wire;

/* ---- events ---- */

struct heard {
    unsigned count;
    unsigned ends;
    char names[256];
    void (*also)(struct heard *heard);
    struct qmp_client *client;
    unsigned handle;
    struct heard *other;
};

static void hear(void *user, const struct qmp_event *event)
{
    struct heard *heard = user;

    heard->ends += event == NULL ? 1 : 0;
    heard->count += event != NULL ? 1 : 0;
    if (event != NULL) {
        strcat(heard->names, event->name);
        strcat(heard->names, event->data != NULL ? "+ " : " ");
        assert_true(event->monotonic_ms > 0 && event->monotonic_ms <= clock_now_ms());
        assert_string_equal(json_string_value(json_object_get(event->object, "event")),
                            event->name);
    }
    if (heard->also != NULL)
        heard->also(heard);
}

static void test_events_in_every_state(void **state)
{
    struct qmp_client *client = wire_qmp_begin(&wire);
    struct outcome outcome = {0};
    struct heard heard = {0};

    (void)state;
    assert_true(qmp_client_subscribe(client, hear, &heard) > 0);
    (void)wire_qmp_submit(client, "stop", &outcome);
    wire_say(&wire, "{\"event\": \"BEFORE\", \"data\": {}}\r\n");
    wire_say(&wire, WIRE_QMP_GREETING "{\"event\": \"BETWEEN\", \"data\": 7}\r\n");
    wire_say(&wire, WIRE_QMP_NEGOTIATED "{\"event\": \"AFTER\", \"data\": {\"a\": 1}}");
    wire_say(&wire, "{\"timestamp\": {}, \"event\": \"STOP\"}{\"return\": {}, \"id\": 1}");
    assert_string_equal(heard.names, "BEFORE+ BETWEEN AFTER+ STOP ");
    assert_int_equal(outcome.count, 1);
    assert_int_equal(heard.ends, 0);
    wire_hang_up(&wire);
    wire_pump(&wire);
    assert_int_equal(heard.ends, 1);
    wire_qmp_end(&wire, client);
    assert_int_equal(heard.ends, 1); /* freeing says no more */
}

static void test_free_is_quiet(void **state)
{
    struct qmp_client *client = wire_qmp_begin_ready(&wire);
    struct heard heard = {0};

    (void)state;
    (void)qmp_client_subscribe(client, hear, &heard);
    wire_qmp_end(&wire, client);
    assert_int_equal(heard.ends + heard.count, 0);
}

static void unsubscribe_self_and_other(struct heard *heard)
{
    qmp_client_unsubscribe(heard->client, heard->handle);
    if (heard->other != NULL)
        qmp_client_unsubscribe(heard->client, heard->other->handle);
}

static void test_unsubscribing_inside(void **state)
{
    struct qmp_client *client = wire_qmp_begin_ready(&wire);
    struct heard heard[3] = {{0}};
    size_t i;

    (void)state;
    for (i = 0; i < 3; i++) {
        heard[i].client = client;
        heard[i].handle = qmp_client_subscribe(client, hear, &heard[i]);
    }
    heard[0].also = unsubscribe_self_and_other;
    heard[0].other = &heard[1];
    wire_say(&wire, "{\"event\": \"A\"}{\"event\": \"B\"}");
    assert_int_equal(heard[0].count, 1);
    assert_int_equal(heard[1].count, 0);
    assert_int_equal(heard[2].count, 2);
    qmp_client_unsubscribe(client, heard[2].handle);
    qmp_client_unsubscribe(client, 12345);
    wire_say(&wire, "{\"event\": \"C\"}");
    assert_int_equal(heard[2].count, 2);
    wire_qmp_end(&wire, client);
}

static void subscribe_other(struct heard *heard)
{
    heard->also = NULL;
    heard->other->handle = qmp_client_subscribe(heard->client, hear, heard->other);
}

static void test_subscribing_inside(void **state)
{
    struct qmp_client *client = wire_qmp_begin_ready(&wire);
    struct heard second = {0};
    struct heard first = {.client = client, .also = subscribe_other, .other = &second};

    (void)state;
    first.handle = qmp_client_subscribe(client, hear, &first);
    wire_say(&wire, "{\"event\": \"A\"}{\"event\": \"B\"}");
    assert_string_equal(first.names, "A B ");
    assert_true(second.count >= 1);
    assert_int_not_equal(first.handle, second.handle);
    wire_qmp_end(&wire, client);
}

static void free_client(struct heard *heard)
{
    qmp_client_free(heard->client);
}

static void free_client_of(void *user)
{
    qmp_client_free(user);
}

static void test_freeing_inside_an_event(void **state)
{
    struct qmp_client *client = wire_qmp_begin_ready(&wire);
    struct heard first = {.client = client, .also = free_client}, second = {0};
    struct outcome outcome = {0};

    (void)state;
    (void)qmp_client_subscribe(client, hear, &first);
    (void)qmp_client_subscribe(client, hear, &second);
    (void)wire_qmp_submit(client, "stop", &outcome);
    wire_say(&wire, "{\"event\": \"A\"}{\"event\": \"B\"}{\"return\": {}, \"id\": 1}");
    assert_int_equal(wire.result, PUMP_DEAD);
    assert_int_equal(first.count, 1);
    assert_int_equal(second.count + second.ends, 0);
    assert_int_equal(outcome.count, 1);
    assert_int_equal(outcome.error.code, ERROR_CANCELLED);
    wire_close(&wire);
}

static void test_freeing_inside_the_end(void **state)
{
    struct qmp_client *client = wire_qmp_begin_ready(&wire);
    struct heard first = {.client = client, .also = free_client}, second = {0};

    (void)state;
    (void)qmp_client_subscribe(client, hear, &first);
    (void)qmp_client_subscribe(client, hear, &second);
    wire_hang_up(&wire);
    wire_pump(&wire);
    assert_int_equal(first.ends, 1);
    assert_int_equal(second.ends, 0);
    wire_close(&wire);
}

static void test_freeing_inside_a_reply(void **state)
{
    struct qmp_client *client = wire_qmp_begin_ready(&wire);
    struct outcome outcomes[3] = {{.also = free_client_of, .user = client}};

    (void)state;
    (void)wire_qmp_submit(client, "query-status", &outcomes[0]);
    (void)wire_qmp_submit(client, "query-status", &outcomes[1]);
    wire_say(&wire, "{\"return\": {}, \"id\": 1}{\"return\": {}, \"id\": 2}");
    assert_int_equal(wire.result, PUMP_DEAD);
    assert_non_null(outcomes[0].value);
    assert_int_equal(outcomes[1].count, 1);
    assert_int_equal(outcomes[1].error.code, ERROR_CANCELLED);
    wire_close(&wire);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_in_every_state),
        cmocka_unit_test(test_free_is_quiet),
        cmocka_unit_test(test_unsubscribing_inside),
        cmocka_unit_test(test_subscribing_inside),
        cmocka_unit_test(test_freeing_inside_an_event),
        cmocka_unit_test(test_freeing_inside_the_end),
        cmocka_unit_test(test_freeing_inside_a_reply),
    };

    return cmocka_run_group_tests_name("qmp events", tests, NULL, NULL);
}
