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
#include "tests/fake/wire_qmp.h"

static struct wire wire;

static void test_timeout_and_late_reply(void **state)
{
    struct qmp_client *client = wire_qmp_begin_ready(&wire);
    struct outcome outcomes[2] = {{0}};

    (void)state;
    (void)wire_qmp_submit_until(client, "device_add", 50, &outcomes[0]);
    (void)wire_qmp_submit(client, "query-status", &outcomes[1]);
    wire_pass_deadline(&wire);
    assert_int_equal(outcomes[0].count, 1);
    assert_int_equal(outcomes[0].error.code, ERROR_TIMEOUT);
    assert_int_equal(outcomes[1].count, 0);
    wire_say(&wire, "{\"return\": 1, \"id\": 1}\r\n{\"return\": 2, \"id\": 2}\r\n");
    assert_int_equal(outcomes[0].count, 1);
    outcome_assert_value(&outcomes[1], 2);
    assert_true(pump_deadline_ms(wire.pump) == CLOCK_NEVER_MS);
    wire_qmp_end(&wire, client);
}

/* What has timed out still occupies QEMU, and so the window; what was not sent never is. */
static void test_timeouts_in_a_full_window(void **state)
{
    struct qmp_client *client =
        wire_qmp_begin_ready_with(&wire, (struct qmp_client_options){.window = 2});
    struct outcome outcomes[4] = {{0}};

    (void)state;
    (void)wire_qmp_submit_until(client, "a", 40, &outcomes[0]);
    (void)wire_qmp_submit_until(client, "b", 40, &outcomes[1]);
    (void)wire_qmp_submit_until(client, "c", 40, &outcomes[2]);
    (void)wire_qmp_submit(client, "d", &outcomes[3]);
    assert_int_equal(wire_qmp_heard_count(&wire), 2);
    while (outcomes[2].count == 0)
        wire_pass_deadline(&wire);
    assert_int_equal(outcomes[0].error.code, ERROR_TIMEOUT);
    assert_int_equal(outcomes[1].error.code, ERROR_TIMEOUT);
    assert_int_equal(outcomes[2].error.code, ERROR_TIMEOUT);
    assert_int_equal(wire_qmp_heard_count(&wire), 0);
    wire_qmp_reply(&wire, 1);
    assert_string_equal(wire_hear(&wire), "{\"execute\":\"d\",\"id\":3}\n");
    wire_hang_up(&wire);
    wire_pump(&wire);
    assert_int_equal(outcomes[0].count + outcomes[1].count + outcomes[2].count, 3);
    assert_int_equal(outcomes[3].error.code, ERROR_DISCONNECTED);
    wire_qmp_end(&wire, client);
}

/* An id-less error may be a tombstone's: one command in flight, whoever still waits for it. */
static void test_late_error_without_id(void **state)
{
    struct qmp_client *client = wire_qmp_begin_ready(&wire);
    struct outcome outcomes[2] = {{0}};

    (void)state;
    (void)wire_qmp_submit_until(client, "a", 30, &outcomes[0]);
    wire_pass_deadline(&wire);
    wire_say(&wire, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"x\"}}");
    assert_int_equal(outcomes[0].count, 1);
    (void)wire_qmp_submit(client, "b", &outcomes[1]);
    wire_qmp_reply(&wire, 2);
    outcome_assert_value(&outcomes[1], 20);
    wire_qmp_end(&wire, client);
}

static void test_deadline_is_the_earliest(void **state)
{
    struct qmp_client *client = wire_qmp_begin_ready(&wire);
    struct outcome outcomes[3] = {{0}};
    double now_ms = clock_now_ms(), deadline_ms;

    (void)state;
    (void)wire_qmp_submit_until(client, "a", 5000, &outcomes[0]);
    (void)wire_qmp_submit_until(client, "b", 3000, &outcomes[1]);
    (void)wire_qmp_submit_until(client, "c", CLOCK_NEVER_MS, &outcomes[2]);
    deadline_ms = pump_deadline_ms(wire.pump);
    assert_true(deadline_ms >= now_ms + 3000 && deadline_ms < now_ms + 4500);
    wire_qmp_end(&wire, client);
}

static void free_client(void *user)
{
    qmp_client_free(user);
}

static void test_freeing_inside_a_timeout(void **state)
{
    struct qmp_client *client = wire_qmp_begin_ready(&wire);
    struct outcome outcomes[2] = {{.also = free_client, .user = client}};

    (void)state;
    (void)wire_qmp_submit_until(client, "a", 30, &outcomes[0]);
    (void)wire_qmp_submit_until(client, "b", 30, &outcomes[1]);
    while (outcomes[0].count == 0)
        wire_pass_deadline(&wire);
    assert_int_equal(wire.result, PUMP_DEAD);
    assert_int_equal(outcomes[0].error.code, ERROR_TIMEOUT);
    assert_int_equal(outcomes[1].count, 1);
    wire_close(&wire);
}

static void test_cancel(void **state)
{
    struct qmp_client *client =
        wire_qmp_begin_ready_with(&wire, (struct qmp_client_options){.window = 1});
    struct outcome outcomes[4] = {{0}};

    (void)state;
    (void)wire_qmp_submit(client, "a", &outcomes[0]);
    (void)wire_qmp_submit(client, "b", &outcomes[1]);
    (void)wire_qmp_submit(client, "c", &outcomes[2]);
    assert_string_equal(wire_hear(&wire), "{\"execute\":\"a\",\"id\":1}\n");
    qmp_client_cancel(client, 1); /* under way */
    qmp_client_cancel(client, 2); /* never leaves */
    qmp_client_cancel(client, 77);
    wire_pump(&wire);
    assert_string_equal(wire_hear(&wire), "");
    wire_qmp_reply(&wire, 1);
    assert_string_equal(wire_hear(&wire), "{\"execute\":\"c\",\"id\":2}\n");
    qmp_client_cancel(client, 1);
    qmp_client_cancel(client, 2); /* a number, and no id */
    wire_qmp_reply(&wire, 2);
    outcome_assert_value(&outcomes[2], 20);
    assert_int_equal(outcomes[0].count + outcomes[1].count, 0);
    (void)wire_qmp_submit(client, "d", &outcomes[3]);
    qmp_client_cancel(client, 4);
    wire_qmp_end(&wire, client);
    assert_int_equal(outcomes[3].count, 0);
}

static void cancel_second(void *user)
{
    qmp_client_cancel(user, 2);
}

static void test_cancelling_inside_a_callback(void **state)
{
    struct qmp_client *client = wire_qmp_begin_ready(&wire);
    struct outcome outcomes[2] = {{.also = cancel_second, .user = client}};

    (void)state;
    (void)wire_qmp_submit(client, "a", &outcomes[0]);
    (void)wire_qmp_submit(client, "b", &outcomes[1]);
    wire_say(&wire, "{\"return\": 1, \"id\": 1}{\"return\": 2, \"id\": 2}");
    assert_int_equal(outcomes[0].count, 1);
    assert_int_equal(outcomes[1].count, 0);
    wire_qmp_end(&wire, client);
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
