/* SPDX-License-Identifier: MIT */
/* Commands that nobody waits for any more: too late, or cancelled. The test is the server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "qmp/qmp_client.h"
#include "tests/fake/wire.h"

static struct wire wire;

static struct qmp_client *begin_with(struct qmp_client_options options)
{
    struct qmp_client *client;

    options.fd = wire_open(&wire);
    client = qmp_client_new(&options, NULL);
    assert_non_null(client);
    wire.pump = qmp_client_pump(client);
    wire_say(&wire, "{\"QMP\": {}}\r\n");
    wire_say(&wire, "{\"return\": {}}\r\n");
    assert_string_equal(wire_hear(&wire), "{\"execute\":\"qmp_capabilities\"}\n");
    return client;
}

static struct qmp_client *begin(void)
{
    return begin_with((struct qmp_client_options){.path = NULL});
}

static void end(struct qmp_client *client)
{
    qmp_client_free(client);
    wire_close(&wire);
}

static int64_t submit_until(struct qmp_client *client, const char *command, double timeout_ms,
                            struct outcome *outcome)
{
    const struct request request = {
        .command = command, .timeout_ms = timeout_ms, .done = outcome_take, .user = outcome};

    return qmp_client_submit(client, &request, NULL);
}

static int64_t submit(struct qmp_client *client, const char *command, struct outcome *outcome)
{
    return submit_until(client, command, 60000, outcome);
}

static void reply(int64_t id)
{
    char text[64];

    (void)snprintf(text, sizeof(text), "{\"return\": %d, \"id\": %d}\r\n", (int)id * 10, (int)id);
    wire_say(&wire, text);
}

/* How many commands have been sent since the last time. */
static unsigned heard_count(void)
{
    const char *line = wire_hear(&wire);
    unsigned count = 0;

    while ((line = strchr(line, '\n')) != NULL) {
        count++;
        line++;
    }
    return count;
}

static void assert_value(const struct outcome *outcome, int value)
{
    assert_int_equal(outcome->count, 1);
    assert_int_equal(outcome->error.code, ERROR_NONE);
    assert_int_equal(json_integer_value(outcome->value), value);
}

static void test_timeout_and_late_reply(void **state)
{
    struct qmp_client *client = begin();
    struct outcome outcomes[2] = {{0}};

    (void)state;
    (void)submit_until(client, "device_add", 50, &outcomes[0]);
    (void)submit(client, "query-status", &outcomes[1]);
    wire_pass_deadline(&wire);
    assert_int_equal(outcomes[0].count, 1);
    assert_int_equal(outcomes[0].error.code, ERROR_TIMEOUT);
    assert_int_equal(outcomes[1].count, 0);
    wire_say(&wire, "{\"return\": 1, \"id\": 1}\r\n{\"return\": 2, \"id\": 2}\r\n");
    assert_int_equal(outcomes[0].count, 1);
    assert_value(&outcomes[1], 2);
    assert_true(pump_deadline_ms(wire.pump) == CLOCK_NEVER_MS);
    end(client);
}

/* What has timed out still occupies QEMU, and so the window; what was not sent never is. */
static void test_timeouts_in_a_full_window(void **state)
{
    struct qmp_client *client = begin_with((struct qmp_client_options){.window = 2});
    struct outcome outcomes[4] = {{0}};

    (void)state;
    (void)submit_until(client, "a", 40, &outcomes[0]);
    (void)submit_until(client, "b", 40, &outcomes[1]);
    (void)submit_until(client, "c", 40, &outcomes[2]);
    (void)submit(client, "d", &outcomes[3]);
    assert_int_equal(heard_count(), 2);
    while (outcomes[2].count == 0)
        wire_pass_deadline(&wire);
    assert_int_equal(outcomes[0].error.code, ERROR_TIMEOUT);
    assert_int_equal(outcomes[1].error.code, ERROR_TIMEOUT);
    assert_int_equal(outcomes[2].error.code, ERROR_TIMEOUT);
    assert_int_equal(heard_count(), 0);
    reply(1);
    assert_string_equal(wire_hear(&wire), "{\"execute\":\"d\",\"id\":4}\n");
    wire_hang_up(&wire);
    wire_pump(&wire);
    assert_int_equal(outcomes[0].count + outcomes[1].count + outcomes[2].count, 3);
    assert_int_equal(outcomes[3].error.code, ERROR_DISCONNECTED);
    end(client);
}

/* An id-less error may be a tombstone's: one command in flight, whoever still waits for it. */
static void test_late_error_without_id(void **state)
{
    struct qmp_client *client = begin();
    struct outcome outcomes[2] = {{0}};

    (void)state;
    (void)submit_until(client, "a", 30, &outcomes[0]);
    wire_pass_deadline(&wire);
    wire_say(&wire, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"x\"}}");
    assert_int_equal(outcomes[0].count, 1);
    (void)submit(client, "b", &outcomes[1]);
    reply(2);
    assert_value(&outcomes[1], 20);
    end(client);
}

static void test_deadline_is_the_earliest(void **state)
{
    struct qmp_client *client = begin();
    struct outcome outcomes[3] = {{0}};
    double now_ms = clock_now_ms(), deadline_ms;

    (void)state;
    (void)submit_until(client, "a", 5000, &outcomes[0]);
    (void)submit_until(client, "b", 3000, &outcomes[1]);
    (void)submit_until(client, "c", CLOCK_NEVER_MS, &outcomes[2]);
    deadline_ms = pump_deadline_ms(wire.pump);
    assert_true(deadline_ms >= now_ms + 3000 && deadline_ms < now_ms + 4500);
    end(client);
}

static void free_client(void *user)
{
    qmp_client_free(user);
}

static void test_freeing_inside_a_timeout(void **state)
{
    struct qmp_client *client = begin();
    struct outcome outcomes[2] = {{.also = free_client, .user = client}};

    (void)state;
    (void)submit_until(client, "a", 30, &outcomes[0]);
    (void)submit_until(client, "b", 30, &outcomes[1]);
    while (outcomes[0].count == 0)
        wire_pass_deadline(&wire);
    assert_int_equal(wire.result, PUMP_DEAD);
    assert_int_equal(outcomes[0].error.code, ERROR_TIMEOUT);
    assert_int_equal(outcomes[1].count, 1);
    wire_close(&wire);
}

static void test_cancel(void **state)
{
    struct qmp_client *client = begin_with((struct qmp_client_options){.window = 1});
    struct outcome outcomes[4] = {{0}};

    (void)state;
    (void)submit(client, "a", &outcomes[0]);
    (void)submit(client, "b", &outcomes[1]);
    (void)submit(client, "c", &outcomes[2]);
    assert_string_equal(wire_hear(&wire), "{\"execute\":\"a\",\"id\":1}\n");
    qmp_client_cancel(client, 1); /* under way */
    qmp_client_cancel(client, 2); /* never leaves */
    qmp_client_cancel(client, 77);
    wire_pump(&wire);
    assert_string_equal(wire_hear(&wire), "");
    reply(1);
    assert_string_equal(wire_hear(&wire), "{\"execute\":\"c\",\"id\":3}\n");
    qmp_client_cancel(client, 1);
    reply(3);
    assert_value(&outcomes[2], 30);
    assert_int_equal(outcomes[0].count + outcomes[1].count, 0);
    (void)submit(client, "d", &outcomes[3]);
    qmp_client_cancel(client, 4);
    end(client);
    assert_int_equal(outcomes[3].count, 0);
}

static void cancel_second(void *user)
{
    qmp_client_cancel(user, 2);
}

static void test_cancelling_inside_a_callback(void **state)
{
    struct qmp_client *client = begin();
    struct outcome outcomes[2] = {{.also = cancel_second, .user = client}};

    (void)state;
    (void)submit(client, "a", &outcomes[0]);
    (void)submit(client, "b", &outcomes[1]);
    wire_say(&wire, "{\"return\": 1, \"id\": 1}{\"return\": 2, \"id\": 2}");
    assert_int_equal(outcomes[0].count, 1);
    assert_int_equal(outcomes[1].count, 0);
    end(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timeout_and_late_reply),
        cmocka_unit_test(test_timeouts_in_a_full_window),
        cmocka_unit_test(test_late_error_without_id),
        cmocka_unit_test(test_deadline_is_the_earliest),
        cmocka_unit_test(test_freeing_inside_a_timeout),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_cancelling_inside_a_callback),
    };

    return cmocka_run_group_tests_name("qmp deadlines", tests, NULL, NULL);
}
