/* SPDX-License-Identifier: MIT */
/* Pumps driven by poll(2), against scripted peers driven beside them or in a child process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "qmp/blocking.h"
#include "qmp/codec.h"
#include "tests/fake/peer.h"
#include "tests/fake/wire.h"

#define PATIENCE_MS 60000 /* the test has failed when it waits so long */

static bool never(void *user)
{
    (void)user;
    return false;
}

static bool at_once(void *user)
{
    (void)user;
    return true;
}

static bool is_told(void *user)
{
    return ((const struct outcome *)user)->count > 0;
}

static bool is_ready(void *user)
{
    return qmp_client_is_ready(user);
}

/* ---- one call, one reply ---- */

static void test_qmp(void **state)
{
    struct peer *peer = peer_new("qmp");
    const struct qmp_client_options options = {.path = peer_path(peer)};
    struct fake_actor actor = peer_actor(peer);
    struct fake_child child;
    struct qmp_client *client;
    struct error error = ERROR_INIT;
    json_t *value;

    (void)state;
    peer_greet(peer);
    peer_expect(peer, "query-status", NULL);
    peer_emit(peer, "STOP", NULL);
    peer_reply(peer, "{'status':'paused'}");
    peer_expect(peer, "device_add", "{'driver':'x'}");
    peer_reply_error(peer, "GenericError", "'x' is not a valid device model name");
    peer_expect(peer, "query-name", NULL);
    peer_hang_up(peer);
    child = fake_serve(&actor, 1);
    client = qmp_client_new(&options, &error);
    assert_non_null(client);
    value = blocking_qmp(client, "query-status", NULL, PATIENCE_MS, &error);
    assert_string_equal(json_string_value(json_object_get(value, "status")), "paused");
    json_decref(value);
    assert_int_equal(error.code, ERROR_NONE);
    assert_null(blocking_qmp(client, "device_add", json_pack("{s:s}", "driver", "x"), PATIENCE_MS,
                             &error));
    assert_int_equal(error.code, ERROR_REJECTED);
    assert_string_equal(error.class_name, "GenericError");
    assert_null(blocking_qmp(client, "query-name", NULL, PATIENCE_MS, &error));
    assert_int_equal(error.code, ERROR_DISCONNECTED);
    assert_null(blocking_qmp(client, "query-name", json_object(), PATIENCE_MS, &error));
    assert_int_equal(error.code, ERROR_DISCONNECTED);
    assert_null(blocking_qmp(client, "bad name", json_object(), PATIENCE_MS, NULL));
    qmp_client_free(client);
    fake_join(&child);
    peer_end_unchecked(peer);
}

static void test_agent(void **state)
{
    struct peer *peer = peer_new("agent");
    const struct agent_options options = {.path = peer_path(peer)};
    struct fake_actor actor = peer_actor(peer);
    struct fake_child child;
    struct agent *agent;
    struct error error = ERROR_INIT;
    json_t *value;

    (void)state;
    peer_sync(peer);
    peer_expect(peer, "guest-get-vcpus", NULL);
    peer_reply(peer, "[]");
    peer_expect(peer, "guest-exec", "{'path':'/bin/true'}");
    peer_reply_error(peer, "CommandNotFound", "has been disabled");
    peer_hang(peer);
    child = fake_serve(&actor, 1);
    agent = agent_new(&options, &error);
    assert_non_null(agent);
    value = blocking_agent(agent, "guest-get-vcpus", NULL, PATIENCE_MS, &error);
    assert_true(json_is_array(value));
    json_decref(value);
    assert_null(blocking_agent(agent, "guest-exec", json_pack("{s:s}", "path", "/bin/true"),
                               PATIENCE_MS, &error));
    assert_int_equal(error.code, ERROR_REJECTED);
    assert_null(blocking_agent(agent, "guest-ping", NULL, 50, &error));
    assert_int_equal(error.code, ERROR_TIMEOUT);
    agent_free(agent);
    fake_join(&child);
    peer_end_unchecked(peer);
}

static void test_held_monitor(void **state)
{
    struct peer *peer = peer_new("held"); /* its script is empty: it never greets */
    const struct qmp_client_options options = {.path = peer_path(peer), .greeting_timeout_ms = 60};
    struct qmp_client *client = qmp_client_new(&options, NULL);
    struct error error = ERROR_INIT;
    double before_ms = clock_now_ms();

    (void)state;
    assert_null(blocking_qmp(client, "query-status", NULL, PATIENCE_MS, &error));
    assert_int_equal(error.code, ERROR_BUSY);
    assert_true(clock_now_ms() - before_ms >= 59);
    qmp_client_free(client);
    peer_end(peer);
}

/* ---- running ---- */

static void test_condition_is_asked_first(void **state)
{
    struct pump *none[2] = {NULL, NULL};

    (void)state;
    assert_true(blocking_run(none, 2, at_once, NULL, 0));
    assert_true(blocking_run(NULL, 0, at_once, NULL, 0));
    assert_false(blocking_run(none, 2, never, NULL, CLOCK_NEVER_MS)); /* nothing to wait for */
}

static void test_deadline(void **state)
{
    struct peer *peer = peer_new("slow");
    const struct qmp_client_options options = {.path = peer_path(peer)};
    struct qmp_client *client = qmp_client_new(&options, NULL);
    struct pump *pumps[] = {qmp_client_pump(client), peer_pump(peer), NULL};
    double before_ms = clock_now_ms();

    (void)state;
    peer_greet(peer);
    assert_true(blocking_run(pumps, COUNT_OF(pumps), is_ready, client, before_ms + PATIENCE_MS));
    before_ms = clock_now_ms();
    assert_false(blocking_run(pumps, COUNT_OF(pumps), never, NULL, before_ms + 50));
    assert_true(clock_now_ms() - before_ms >= 50);
    qmp_client_free(client);
    peer_end(peer);
}

/* The earliest deadline of any pump wakes it: here a command's, while the caller has none. */
static void test_deadline_of_a_pump(void **state)
{
    struct peer *peer = peer_new("hanging");
    const struct qmp_client_options options = {.path = peer_path(peer)};
    struct qmp_client *client = qmp_client_new(&options, NULL);
    struct pump *pumps[] = {NULL, qmp_client_pump(client), peer_pump(peer)};
    struct outcome outcome = {0};
    const struct request request = {
        .command = "query-status", .timeout_ms = 100, .done = outcome_take, .user = &outcome};
    double before_ms;

    (void)state;
    peer_greet(peer);
    peer_expect(peer, "query-status", NULL);
    assert_true(blocking_run(pumps, COUNT_OF(pumps), is_ready, client, CLOCK_NEVER_MS));
    before_ms = clock_now_ms();
    assert_true(qmp_client_submit(client, &request, NULL) > 0);
    assert_true(blocking_run(pumps, COUNT_OF(pumps), is_told, &outcome, CLOCK_NEVER_MS));
    assert_int_equal(outcome.error.code, ERROR_TIMEOUT);
    assert_true(clock_now_ms() - before_ms >= 99);
    qmp_client_free(client);
    peer_end_unchecked(peer); /* that may have been too soon for it to read the command */
}

/* Two sessions at once; the death of one does not end the run, that of both does. */
static void test_several_pumps(void **state)
{
    struct peer *peers[2] = {peer_new("one"), peer_new("two")};
    struct qmp_client *clients[2];
    struct pump *pumps[4];
    struct outcome outcome = {0};
    const struct request request = {.command = "query-status",
                                    .timeout_ms = PATIENCE_MS,
                                    .done = outcome_take,
                                    .user = &outcome};
    size_t i;

    (void)state;
    for (i = 0; i < 2; i++) {
        const struct qmp_client_options options = {.path = peer_path(peers[i])};

        clients[i] = qmp_client_new(&options, NULL);
        pumps[2 * i] = qmp_client_pump(clients[i]);
        pumps[2 * i + 1] = peer_pump(peers[i]);
        peer_greet(peers[i]);
    }
    peer_hang_up(peers[0]);
    peer_wait_for(peers[1], peers[0]);
    peer_expect(peers[1], "query-status", NULL);
    peer_reply(peers[1], "{}");
    peer_hang_up(peers[1]);
    assert_true(qmp_client_submit(clients[1], &request, NULL) > 0);
    assert_true(blocking_run(pumps, 4, is_told, &outcome, clock_now_ms() + PATIENCE_MS));
    assert_non_null(outcome.value);
    pumps[1] = pumps[3] = NULL;
    assert_false(blocking_run(pumps, 4, never, NULL, CLOCK_NEVER_MS));
    assert_int_equal(qmp_client_failure(clients[0])->code, ERROR_DISCONNECTED);
    assert_int_equal(qmp_client_failure(clients[1])->code, ERROR_DISCONNECTED);
    for (i = 0; i < 2; i++) {
        qmp_client_free(clients[i]);
        peer_end(peers[i]);
    }
}

/* Messages cut into pieces by time: the run goes on in between. */
static void test_reply_in_pieces(void **state)
{
    struct peer *peer = peer_new("pieces");
    const struct qmp_client_options options = {.path = peer_path(peer)};
    struct qmp_client *client = qmp_client_new(&options, NULL);
    struct pump *pumps[] = {qmp_client_pump(client), peer_pump(peer)};
    struct outcome outcome = {0};
    const struct request request = {.command = "query-status",
                                    .timeout_ms = PATIENCE_MS,
                                    .done = outcome_take,
                                    .user = &outcome};

    (void)state;
    peer_greet(peer);
    peer_expect(peer, "query-status", NULL);
    peer_raw(peer, "{\"return\": {\"a\"", 15);
    peer_pause(peer, 20);
    peer_raw(peer, ": [\"}", 5);
    peer_pause(peer, 20);
    peer_raw(peer, "\"]}, \"id\": 1}", 13);
    assert_true(qmp_client_submit(client, &request, NULL) > 0);
    assert_true(blocking_run(pumps, 2, is_told, &outcome, clock_now_ms() + PATIENCE_MS));
    assert_non_null(outcome.value);
    qmp_client_free(client);
    peer_end(peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_qmp),
        cmocka_unit_test(test_agent),
        cmocka_unit_test(test_held_monitor),
        cmocka_unit_test(test_condition_is_asked_first),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_deadline_of_a_pump),
        cmocka_unit_test(test_several_pumps),
        cmocka_unit_test(test_reply_in_pieces),
    };

    return cmocka_run_group_tests_name("blocking", tests, NULL, NULL);
}
