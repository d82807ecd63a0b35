/* SPDX-License-Identifier: MIT */
/* A QMP session from its greeting to its end. The test is the server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "qmp/codec.h"
#include "qmp/qmp_client.h"
#include "tests/fake/fake.h"
#include "tests/fake/wire_qmp.h"


static struct wire wire;

/* ---- greeting ---- */

static void test_greeting(void **state)
{
    struct qmp_client *client = wire_qmp_begin(&wire);

    (void)state;
    wire_pump(&wire);
    assert_string_equal(wire_hear(&wire), ""); /* nothing before the greeting */
    assert_null(qmp_client_greeting(client));
    wire_say(&wire, WIRE_QMP_GREETING);
    assert_string_equal(wire_hear(&wire), WIRE_QMP_NEGOTIATION);
    assert_false(qmp_client_is_ready(client));
    assert_non_null(json_object_get(qmp_client_greeting(client), "version"));
    wire_say(&wire, WIRE_QMP_NEGOTIATED);
    assert_true(qmp_client_is_ready(client));
    assert_null(qmp_client_failure(client));
    assert_int_equal(wire.result, PUMP_IDLE);
    assert_true(pump_deadline_ms(wire.pump) == CLOCK_NEVER_MS);
    wire_qmp_end(&wire, client);
}

static void test_commands_wait_for_the_greeting(void **state)
{
    struct qmp_client *client = wire_qmp_begin(&wire);
    struct outcome outcome = {0};

    (void)state;
    assert_int_equal(wire_qmp_submit(client, "query-status", &outcome), 1);
    wire_pump(&wire);
    assert_string_equal(wire_hear(&wire), "");
    wire_say(&wire, WIRE_QMP_GREETING);
    assert_string_equal(wire_hear(&wire), WIRE_QMP_NEGOTIATION);
    wire_say(&wire, WIRE_QMP_NEGOTIATED);
    assert_string_equal(wire_hear(&wire), "{\"execute\":\"query-status\",\"id\":1}\n");
    wire_say(&wire, "{\"return\": 5, \"id\": 1}\r\n");
    assert_int_equal(outcome.count, 1);
    assert_int_equal(json_integer_value(outcome.value), 5);
    wire_qmp_end(&wire, client);
}

static void assert_failed(const struct qmp_client *client, enum error_code code, const char *why)
{
    const struct error *failure = qmp_client_failure(client);

    assert_int_equal(wire.result, PUMP_DEAD);
    assert_non_null(failure);
    if (failure->code != code || strstr(failure->why, why) == NULL)
        fail_msg("%s: %s", error_code_name(failure->code), failure->why);
    assert_false(qmp_client_is_ready(client));
    assert_int_equal(pump_fd(wire.pump), -1);
    assert_int_equal(pump_events(wire.pump), 0);
    assert_true(pump_deadline_ms(wire.pump) == CLOCK_NEVER_MS);
    assert_int_equal(pump_process(wire.pump, 0), PUMP_DEAD);
}

static void test_held_monitor(void **state)
{
    struct qmp_client *client =
        wire_qmp_begin_with(&wire, (struct qmp_client_options){.greeting_timeout_ms = 60});
    struct outcome outcome = {0};

    (void)state;
    (void)wire_qmp_submit(client, "query-status", &outcome);
    wire_pass_deadline(&wire);
    assert_failed(client, ERROR_BUSY, "no greeting within 60 ms");
    assert_int_equal(outcome.count, 1);
    assert_int_equal(outcome.error.code, ERROR_BUSY);
    assert_string_equal(wire_hear(&wire), "");
    wire_qmp_end(&wire, client);
}

static void test_little_patience(void **state)
{
    struct qmp_client *client =
        wire_qmp_begin_with(&wire, (struct qmp_client_options){.greeting_timeout_ms = 0.25});

    (void)state;
    wire_pass_deadline(&wire);
    assert_failed(client, ERROR_BUSY, "no greeting within 0.25 ms");
    wire_qmp_end(&wire, client);
}

static void test_frozen_after_the_greeting(void **state)
{
    struct qmp_client *client =
        wire_qmp_begin_with(&wire, (struct qmp_client_options){.greeting_timeout_ms = 300});

    (void)state;
    wire_say(&wire, WIRE_QMP_GREETING);
    wire_pass_deadline(&wire);
    assert_failed(client, ERROR_BUSY, "no answer within 300 ms");
    wire_qmp_end(&wire, client);
}

/* What answers is something else, or not what QEMU would say. */
static void test_not_qmp(void **state)
{
    static const struct {
        const char *said;
        enum error_code code;
        const char *fix;
    } cases[] = {
        {"{\"QMP\": 1}\n", ERROR_PROTOCOL, "mode=control"},
        {"{}\n", ERROR_PROTOCOL, "mode=control"},
        {"QEMU 7.2.22 monitor - type 'help'\r\n(qemu) ", ERROR_PROTOCOL, "mode=control"},
        {"\xff{\"return\": 1}\n", ERROR_PROTOCOL, "mode=control"},
        {"{\"QMP\": nonsense}\n", ERROR_PROTOCOL, ""},
        {"{\"QMP\": {}, \"QMP\": {}}\n", ERROR_PROTOCOL, ""},
        {WIRE_QMP_GREETING "{\"error\": {\"class\": \"X\", \"desc\": \"x\"}, \"id\": 0}\n",
         ERROR_PROTOCOL, ""},
        {WIRE_QMP_GREETING "{\"id\": 1}\n", ERROR_PROTOCOL, ""},
        {WIRE_QMP_GREETING WIRE_QMP_NEGOTIATED "]", ERROR_PROTOCOL, ""},
        {WIRE_QMP_GREETING WIRE_QMP_NEGOTIATED "{\"a\": \"\\ud800\"}", ERROR_PROTOCOL, ""},
        {WIRE_QMP_GREETING WIRE_QMP_NEGOTIATED "{\"b\": 1}", ERROR_PROTOCOL, ""},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct qmp_client *client = wire_qmp_begin(&wire);
        struct outcome outcome = {0};

        (void)wire_qmp_submit(client, "query-status", &outcome);
        wire_say(&wire, cases[i].said);
        assert_failed(client, cases[i].code, "");
        assert_non_null(strstr(qmp_client_failure(client)->fix, cases[i].fix));
        assert_int_equal(outcome.count, 1);
        assert_int_equal(outcome.error.code, cases[i].code);
        wire_qmp_end(&wire, client);
    }
}

/* Replies, and never a greeting. */
static void test_agent(void **state)
{
    static const char *const said[] = {
        "{\"return\": {}}\n", "{\"error\": {\"class\": \"GenericError\", \"desc\": \"x\"}}\n"};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(said); i++) {
        struct qmp_client *client = wire_qmp_begin_with(
            &wire, (struct qmp_client_options){.greeting_timeout_ms = 30});

        wire_say(&wire, said[i]);
        assert_null(qmp_client_failure(client));
        wire_pass_deadline(&wire);
        assert_failed(client, ERROR_PROTOCOL, "did not greet");
        assert_non_null(strstr(qmp_client_failure(client)->fix, "mode=control"));
        wire_qmp_end(&wire, client);
    }
}

/* QEMU answers to us what a client asked that was cut off, with or without an id, even with that of
 * a command of ours. */
static void test_answers_to_somebody_who_has_gone(void **state)
{
    static const char *const strange[] = {
        "{\"return\": {}}\r\n", "{\"return\": [], \"id\": 1}\r\n",
        "{\"return\": {}, \"id\": \"libvirt-7\"}\r\n",
        "{\"error\": {\"class\": \"GenericError\", \"desc\": \"x\"}, \"id\": 1}\r\n"};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(strange); i++) {
        struct qmp_client *client = wire_qmp_begin(&wire);
        struct outcome outcome = {0};

        assert_int_equal(wire_qmp_submit(client, "query-status", &outcome), 1);
        wire_say(&wire, strange[i]);
        assert_string_equal(wire_hear(&wire), "");
        wire_say(&wire, WIRE_QMP_GREETING);
        assert_string_equal(wire_hear(&wire), WIRE_QMP_NEGOTIATION);
        wire_say(&wire, strange[i]);
        assert_false(qmp_client_is_ready(client));
        assert_string_equal(wire_hear(&wire), "");
        wire_say(&wire, WIRE_QMP_NEGOTIATED);
        assert_true(qmp_client_is_ready(client));
        assert_int_equal(outcome.count, 0);
        wire_say(&wire, "{\"return\": 5, \"id\": 1}\r\n");
        assert_int_equal(outcome.count, 1);
        assert_int_equal(json_integer_value(outcome.value), 5);
        wire_qmp_end(&wire, client);
    }
}

static void test_limits(void **state)
{
    static char large[70000];
    struct qmp_client *client = wire_qmp_begin_with(
        &wire, (struct qmp_client_options){.limits = {.message_bytes = 65000, .depth = 5}});

    (void)state;
    memset(large, 'x', sizeof(large) - 1);
    wire_say(&wire, WIRE_QMP_GREETING WIRE_QMP_NEGOTIATED);
    wire_say(&wire, "{\"event\": \"");
    wire_say(&wire, large);
    assert_failed(client, ERROR_LIMIT, "65000 bytes");
    wire_qmp_end(&wire, client);
    client = wire_qmp_begin_with(&wire, (struct qmp_client_options){.limits = {.depth = 5}});
    wire_say(&wire, WIRE_QMP_GREETING WIRE_QMP_NEGOTIATED);
    wire_say(&wire, "{\"event\": \"A\", \"data\": {\"a\": [[[1]]]}}");
    assert_true(qmp_client_is_ready(client));
    wire_say(&wire, "{\"event\": \"A\", \"data\": {\"a\": [[[[1]]]]}}");
    assert_failed(client, ERROR_LIMIT, "5 levels");
    wire_qmp_end(&wire, client);
}

static void test_default_limits_take_a_schema(void **state)
{
    enum { ITEMS = 100000 };
    struct qmp_client *client = wire_qmp_begin_ready(&wire);
    struct outcome outcome = {0};
    unsigned i;

    (void)state;
    (void)wire_qmp_submit(client, "query-qmp-schema", &outcome);
    wire_say(&wire, "{\"return\": [0");
    for (i = 1; i < ITEMS; i++)
        wire_say(&wire, ",\r\n        1234567");
    wire_say(&wire, "], \"id\": 1}\r\n");
    assert_int_equal(outcome.count, 1);
    assert_int_equal(json_array_size(outcome.value), ITEMS);
    wire_qmp_end(&wire, client);
}

/* ---- connecting ---- */

static void test_connect_failure(void **state)
{
    const struct qmp_client_options options = {.path = fake_path("nothing")};
    struct error error = ERROR_INIT;

    (void)state;
    assert_null(qmp_client_new(&options, &error));
    assert_int_equal(error.code, ERROR_CONNECT);
}

/* QEMU's queue of waiting clients is full: the client tries again until its deadline. */
static void test_full_backlog(void **state)
{
    struct qmp_client_options options = {.path = fake_path("full"), .greeting_timeout_ms = 9000};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fds[8];
    struct qmp_client *client;
    size_t count = 0;

    (void)state;
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", options.path);
    assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 0), 0);
    while ((fds[count] = channel_connect(options.path, NULL)) >= 0)
        count++;
    client = qmp_client_new(&options, NULL);
    assert_non_null(client);
    wire.fd = -1;
    wire.pump = qmp_client_pump(client);
    assert_int_equal(pump_fd(wire.pump), -1);
    wire_pass_deadline(&wire); /* one retry, in vain */
    assert_int_equal(pump_fd(wire.pump), -1);
    while (count > 0) {
        close(fds[--count]);
        close(accept(listener, NULL, NULL));
    }
    wire_pass_deadline(&wire);
    assert_true(pump_fd(wire.pump) >= 0);
    wire.fd = accept(listener, NULL, NULL);
    wire_say(&wire, WIRE_QMP_GREETING WIRE_QMP_NEGOTIATED);
    assert_true(qmp_client_is_ready(client));
    wire_qmp_end(&wire, client);
    close(listener);
}

static void test_full_backlog_to_the_end(void **state)
{
    struct qmp_client_options options = {.path = fake_path("full2"), .greeting_timeout_ms = 120};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fds[8];
    struct qmp_client *client;
    size_t count = 0;

    (void)state;
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", options.path);
    assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 0), 0);
    while ((fds[count] = channel_connect(options.path, NULL)) >= 0)
        count++;
    client = qmp_client_new(&options, NULL);
    wire.pump = qmp_client_pump(client);
    do {
        wire_pass_deadline(&wire);
    } while (wire.result != PUMP_DEAD);
    assert_failed(client, ERROR_BUSY, "busy");
    qmp_client_free(client);
    while (count > 0)
        close(fds[--count]);
    close(listener);
}

/* ---- the end ---- */

static void count_ends(void *user, const struct qmp_event *event)
{
    (*(unsigned *)user) += event == NULL ? 1 : 0;
}

static void test_disconnect_tells_each_once(void **state)
{
    struct qmp_client *client = wire_qmp_begin_ready(&wire);
    struct outcome outcomes[12] = {{0}}; /* more than the window: some were never sent */
    unsigned ends = 0;
    struct error error = ERROR_INIT;
    const struct request late = {.command = "stop", .timeout_ms = 1000};
    size_t i;

    (void)state;
    (void)qmp_client_subscribe(client, count_ends, &ends);
    for (i = 0; i < COUNT_OF(outcomes); i++)
        (void)wire_qmp_submit(client, "query-status", &outcomes[i]);
    wire_hang_up(&wire);
    wire_pump(&wire);
    assert_failed(client, ERROR_DISCONNECTED, "closed");
    for (i = 0; i < COUNT_OF(outcomes); i++) {
        assert_int_equal(outcomes[i].count, 1);
        assert_int_equal(outcomes[i].error.code, ERROR_DISCONNECTED);
        assert_true(i == 0 || outcomes[i].turn > outcomes[i - 1].turn);
    }
    assert_int_equal(ends, 1);
    assert_int_equal(qmp_client_submit(client, &late, &error), -1);
    assert_int_equal(error.code, ERROR_DISCONNECTED);
    assert_int_equal(qmp_client_submit(client, &late, NULL), -1);
    wire_qmp_end(&wire, client);
}

static void submit_in_vain(void *user)
{
    const struct request late = {.command = "stop", .timeout_ms = 1000};
    struct error error = ERROR_INIT;

    assert_int_equal(qmp_client_submit(user, &late, &error), -1);
    assert_int_equal(error.code, ERROR_DISCONNECTED);
}

static void test_submitting_while_dying(void **state)
{
    struct qmp_client *client = wire_qmp_begin_ready(&wire);
    struct outcome outcome = {.also = submit_in_vain, .user = client};

    (void)state;
    (void)wire_qmp_submit(client, "stop", &outcome);
    wire_hang_up(&wire);
    wire_pump(&wire);
    assert_int_equal(outcome.count, 1);
    wire_qmp_end(&wire, client);
}

static void cancel_second(void *user)
{
    qmp_client_cancel(user, 2);
    qmp_client_cancel(user, 10);
}

static void test_cancelling_while_dying(void **state)
{
    struct qmp_client *client = wire_qmp_begin_ready(&wire);
    struct outcome outcomes[10] = {{.also = cancel_second, .user = client}};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(outcomes); i++)
        (void)wire_qmp_submit(client, "stop", &outcomes[i]);
    wire_hang_up(&wire);
    wire_pump(&wire);
    for (i = 0; i < COUNT_OF(outcomes); i++)
        assert_int_equal(outcomes[i].count, i == 1 || i == 9 ? 0 : 1);
    wire_qmp_end(&wire, client);
}

/* The reply to quit may be lost in QEMU's own end, which is what was asked for. */
static void test_quit(void **state)
{
    static const char *const lasts[] = {"", "{\"event\": \"SHUTDOWN\", \"data\": {}}\r\n",
                                        "{\"event\": \"SHUT"};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(lasts); i++) {
        struct qmp_client *client = wire_qmp_begin_ready(&wire);
        struct outcome before = {0}, quit = {0}, after = {0};

        (void)wire_qmp_submit(client, "query-status", &before);
        (void)wire_qmp_submit(client, "quit", &quit);
        (void)wire_qmp_submit(client, "query-name", &after);
        wire_say(&wire, lasts[i]);
        wire_hang_up(&wire);
        wire_pump(&wire);
        assert_int_equal(quit.count, 1);
        assert_true(json_is_object(quit.value));
        assert_int_equal(before.count + after.count, 2);
        assert_int_equal(before.error.code, ERROR_DISCONNECTED);
        assert_int_equal(after.error.code, ERROR_DISCONNECTED);
        wire_qmp_end(&wire, client);
    }
}

static void test_quit_that_was_not_sent(void **state)
{
    struct qmp_client *client = wire_qmp_begin(&wire);
    struct outcome quit = {0};

    (void)state;
    (void)wire_qmp_submit(client, "quit", &quit);
    wire_hang_up(&wire);
    wire_pump(&wire);
    assert_int_equal(quit.error.code, ERROR_DISCONNECTED);
    wire_qmp_end(&wire, client);
}

static void test_null(void **state)
{
    (void)state;
    qmp_client_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greeting),
        cmocka_unit_test(test_commands_wait_for_the_greeting),
        cmocka_unit_test(test_held_monitor),
        cmocka_unit_test(test_little_patience),
        cmocka_unit_test(test_frozen_after_the_greeting),
        cmocka_unit_test(test_not_qmp),
        cmocka_unit_test(test_agent),
        cmocka_unit_test(test_answers_to_somebody_who_has_gone),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_default_limits_take_a_schema),
        cmocka_unit_test(test_connect_failure),
        cmocka_unit_test(test_full_backlog),
        cmocka_unit_test(test_full_backlog_to_the_end),
        cmocka_unit_test(test_disconnect_tells_each_once),
        cmocka_unit_test(test_submitting_while_dying),
        cmocka_unit_test(test_cancelling_while_dying),
        cmocka_unit_test(test_quit),
        cmocka_unit_test(test_quit_that_was_not_sent),
        cmocka_unit_test(test_null),
    };

    return cmocka_run_group_tests_name("qmp session", tests, NULL, NULL);
}
