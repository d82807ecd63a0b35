/* SPDX-License-Identifier: MIT */
/* The guest agent's dialect. The test is the agent, a friendly, a broken or a hostile one. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "qmp/agent.h"
#include "tests/fake/fake.h"
#include "tests/fake/wire_agent.h"

#define COMPLAINT \
    "{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse error, stray\"}}\n"

static struct wire wire;

static struct agent *begin_synced(struct outcome *outcome)
{
    struct agent *agent = wire_agent_begin(&wire);

    (void)wire_agent_submit(agent, "guest-ping", outcome);
    wire_say(&wire, COMPLAINT);
    wire_agent_say_sync(&wire, wire_agent_hear_sync(&wire));
    assert_string_equal(wire_hear(&wire), "{\"execute\":\"guest-ping\"}\n");
    assert_int_equal(outcome->count, 0);
    return agent;
}

/* ---- commands ---- */

static void test_one_at_a_time(void **state)
{
    struct outcome outcomes[3] = {{0}};
    struct agent *agent = begin_synced(&outcomes[0]);

    (void)state;
    assert_int_equal(wire_agent_submit(agent, "guest-b", &outcomes[1]), 2);
    assert_int_equal(wire_agent_submit(agent, "guest-c", &outcomes[2]), 3);
    assert_string_equal(wire_hear(&wire), "");
    wire_say(&wire, "{\"return\": 1}\n");
    assert_string_equal(wire_hear(&wire), "{\"execute\":\"guest-b\"}\n");
    wire_say(&wire, "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"disabled\"}}\n");
    assert_string_equal(wire_hear(&wire),
                        "{\"execute\":\"guest-c\"}\n"); /* an error is an answer */
    wire_say(&wire, "{\"return\": 3, \"id\": 99}\n");
    outcome_assert_value(&outcomes[0], 1);
    outcome_assert_error(&outcomes[1], ERROR_REJECTED);
    assert_string_equal(outcomes[1].error.class_name, "CommandNotFound");
    outcome_assert_value(&outcomes[2], 3);
    wire_agent_end(&wire, agent);
}

static void test_unasked_words_are_ignored(void **state)
{
    struct outcome outcomes[2] = {{0}};
    struct agent *agent = begin_synced(&outcomes[0]);

    (void)state;
    wire_say(&wire, "{\"return\": 1}\n{\"return\": 2}\n{\"return\": 3}\n");
    outcome_assert_value(&outcomes[0], 1);
    (void)wire_agent_submit(agent, "guest-b", &outcomes[1]);
    assert_int_equal(outcomes[1].count, 0);
    wire_say(&wire, "{\"return\": 4}\n");
    outcome_assert_value(&outcomes[1], 4);
    wire_agent_end(&wire, agent);
}

/* The reply to what has timed out must not become the reply to what comes next. */
static void test_late_reply(void **state)
{
    struct outcome outcomes[3] = {{0}};
    struct agent *agent = begin_synced(&outcomes[0]);
    int64_t number;

    (void)state;
    wire_say(&wire, "{\"return\": 1}\n");
    (void)wire_agent_submit_until(agent, "guest-slow", 300, &outcomes[1]);
    (void)wire_agent_submit(agent, "guest-next", &outcomes[2]);
    (void)wire_hear(&wire);
    wire_pass_deadline(&wire);
    outcome_assert_error(&outcomes[1], ERROR_TIMEOUT);
    number = wire_agent_hear_sync(&wire); /* the next one begins with it */
    wire_say(&wire, "{\"return\": 666}\n" COMPLAINT);
    assert_int_equal(outcomes[2].count, 0);
    wire_agent_say_sync(&wire, number);
    assert_string_equal(wire_hear(&wire), "{\"execute\":\"guest-next\"}\n");
    wire_say(&wire, "{\"return\": 7}\n");
    outcome_assert_value(&outcomes[2], 7);
    assert_int_equal(outcomes[1].count, 1);
    wire_agent_end(&wire, agent);
}

/* Half of a reply when its command times out: the rest is not the beginning of the next. */
static void test_half_a_reply(void **state)
{
    struct outcome outcomes[3] = {{0}};
    struct agent *agent = begin_synced(&outcomes[0]);
    int64_t number;

    (void)state;
    wire_say(&wire, "{\"return\": 1}\n");
    (void)wire_agent_submit_until(agent, "guest-slow", 300, &outcomes[1]);
    (void)wire_agent_submit(agent, "guest-next", &outcomes[2]);
    (void)wire_hear(&wire);
    wire_say(&wire, "{\"return\": [1, 2, {\"a");
    wire_pass_deadline(&wire);
    number = wire_agent_hear_sync(&wire);
    wire_say(&wire, "\": {\"return\": 3}}]}\n");
    wire_agent_say_sync(&wire, number);
    wire_say(&wire, "{\"return\": 7}\n");
    outcome_assert_value(&outcomes[2], 7);
    wire_agent_end(&wire, agent);
}

static void test_nonsense(void **state)
{
    static const struct {
        const char *said;
        enum error_code code;
    } cases[] = {
        {"{}\n", ERROR_PROTOCOL},
        {"{\"event\": \"X\"}\n", ERROR_PROTOCOL},
        {"{\"error\": 1}\n", ERROR_PROTOCOL},
        {"{\"return\": nonsense}\n", ERROR_PROTOCOL},
        {"{\"return\": 1, \"return\": 2}\n", ERROR_PROTOCOL},
        {"{\"return\": \"\\ud800\"}\n", ERROR_PROTOCOL},
        {"root@guest:~# ", ERROR_PROTOCOL},
        {"\xff{\"return\": 1}\n", ERROR_PROTOCOL},
        {"{\"return\": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}\n",
         ERROR_LIMIT},
        {"{\"return\": "
         "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
         "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}\n",
         ERROR_LIMIT},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct agent *agent =
            wire_agent_begin_with(&wire, (struct agent_options){.limits = {.message_bytes = 150,
                                                                           .depth = 32}});
        struct outcome outcomes[2] = {{0}};

        (void)wire_agent_submit(agent, "guest-a", &outcomes[0]);
        (void)wire_agent_submit(agent, "guest-b", &outcomes[1]);
        wire_agent_say_sync(&wire, wire_agent_hear_sync(&wire));
        (void)wire_hear(&wire);
        wire_say(&wire, cases[i].said);
        if (outcomes[0].count != 1 || outcomes[0].error.code != cases[i].code)
            fail_msg("%s", cases[i].said);
        assert_int_equal(outcomes[1].count, 0);
        assert_null(agent_failure(agent));
        wire_agent_say_sync(&wire, wire_agent_hear_sync(&wire)); /* begins anew */
        assert_string_equal(wire_hear(&wire), "{\"execute\":\"guest-b\"}\n");
        wire_say(&wire, "{\"return\": 2}\n");
        outcome_assert_value(&outcomes[1], 2);
        wire_agent_end(&wire, agent);
    }
}

/* An endless reply ends at the limit, and what follows of it is thrown away as it comes. */
static void test_endless_reply(void **state)
{
    static char text[1 << 16];
    struct outcome outcomes[2] = {{0}};
    struct agent *agent = begin_synced(&outcomes[0]);
    unsigned i;

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    wire_say(&wire, "{\"return\": \"");
    for (i = 0; i < 128; i++) /* 8 MiB; the default limit is 4 */
        wire_say(&wire, text);
    outcome_assert_error(&outcomes[0], ERROR_LIMIT);
    (void)wire_agent_submit(agent, "guest-b", &outcomes[1]);
    for (i = 0; i < 16; i++)
        wire_say(&wire, text);
    wire_agent_say_sync(&wire, wire_agent_hear_sync(&wire));
    wire_say(&wire, "{\"return\": 2}\n");
    outcome_assert_value(&outcomes[1], 2);
    wire_agent_end(&wire, agent);
}

static void test_refusals(void **state)
{
    struct agent *agent = wire_agent_begin(&wire);
    struct outcome outcome = {0};
    struct request request = {.command = "bad name", .arguments = json_object(),
                              .timeout_ms = 1000, .done = outcome_take, .user = &outcome};
    struct error error = ERROR_INIT;
    unsigned i;

    (void)state;
    assert_int_equal(agent_submit(agent, &request, &error), -1);
    assert_int_equal(error.code, ERROR_INVALID);
    request.command = "guest-ping";
    for (i = 0; i < 1024; i++) {
        request.arguments = NULL;
        assert_true(agent_submit(agent, &request, NULL) > 0);
    }
    request.arguments = json_object();
    assert_int_equal(agent_submit(agent, &request, &error), -1);
    assert_int_equal(error.code, ERROR_LIMIT);
    assert_int_equal(outcome.count, 0);
    wire_agent_end(&wire, agent);
    assert_int_equal(outcome.count, 1024);
}

/* ---- cancelling, freeing, the end ---- */

static void test_cancel(void **state)
{
    struct outcome outcomes[3] = {{0}};
    struct agent *agent = begin_synced(&outcomes[0]);

    (void)state;
    (void)wire_agent_submit(agent, "guest-b", &outcomes[1]);
    (void)wire_agent_submit(agent, "guest-c", &outcomes[2]);
    agent_cancel(agent, 1); /* under way: its reply must still be recognised */
    agent_cancel(agent, 2); /* never leaves */
    agent_cancel(agent, 99);
    wire_say(&wire, "{\"return\": 1}\n");
    assert_string_equal(wire_hear(&wire), "{\"execute\":\"guest-c\"}\n");
    wire_say(&wire, "{\"return\": 3}\n");
    assert_int_equal(outcomes[0].count + outcomes[1].count, 0);
    outcome_assert_value(&outcomes[2], 3);
    wire_agent_end(&wire, agent);
}

/* A cancelled command that is never answered must not block the next for ever. */
static void test_cancelled_and_silent(void **state)
{
    struct agent *agent = wire_agent_begin(&wire);
    struct outcome outcomes[2] = {{0}};

    (void)state;
    (void)wire_agent_submit_until(agent, "guest-shutdown", 300, &outcomes[0]);
    (void)wire_agent_submit(agent, "guest-b", &outcomes[1]);
    wire_agent_say_sync(&wire, wire_agent_hear_sync(&wire));
    (void)wire_hear(&wire);
    agent_cancel(agent, 1);
    wire_pass_deadline(&wire);
    wire_agent_say_sync(&wire, wire_agent_hear_sync(&wire));
    assert_string_equal(wire_hear(&wire), "{\"execute\":\"guest-b\"}\n");
    assert_int_equal(outcomes[0].count, 0);
    wire_agent_end(&wire, agent);
}

static void test_end_of_file(void **state)
{
    struct outcome outcomes[2] = {{0}};
    struct agent *agent = begin_synced(&outcomes[0]);
    struct error error = ERROR_INIT;
    const struct request late = {.command = "guest-ping", .timeout_ms = 1000};

    (void)state;
    (void)wire_agent_submit(agent, "guest-b", &outcomes[1]);
    wire_hang_up(&wire);
    wire_pump(&wire);
    assert_int_equal(wire.result, PUMP_DEAD);
    outcome_assert_error(&outcomes[0], ERROR_DISCONNECTED);
    outcome_assert_error(&outcomes[1], ERROR_DISCONNECTED);
    assert_int_equal(agent_failure(agent)->code, ERROR_DISCONNECTED);
    assert_int_equal(agent_submit(agent, &late, &error), -1);
    assert_int_equal(error.code, ERROR_DISCONNECTED);
    assert_int_equal(pump_fd(wire.pump), -1);
    assert_true(pump_deadline_ms(wire.pump) == CLOCK_NEVER_MS);
    assert_int_equal(pump_process(wire.pump, 0), PUMP_DEAD);
    wire_agent_end(&wire, agent);
}

static void free_agent(void *user)
{
    agent_free(user);
}

static void test_freeing_inside_a_reply(void **state)
{
    struct outcome outcomes[2] = {{0}};
    struct agent *agent = begin_synced(&outcomes[0]);

    (void)state;
    outcomes[0].also = free_agent;
    outcomes[0].user = agent;
    (void)wire_agent_submit(agent, "guest-b", &outcomes[1]);
    wire_say(&wire, "{\"return\": 1}\n{\"return\": 2}\n");
    assert_int_equal(wire.result, PUMP_DEAD);
    outcome_assert_value(&outcomes[0], 1);
    outcome_assert_error(&outcomes[1], ERROR_CANCELLED);
    wire_close(&wire);
}

static void test_freeing_inside_failures(void **state)
{
    struct outcome outcomes[2] = {{0}};
    struct agent *agent = begin_synced(&outcomes[0]);

    (void)state;
    outcomes[0].also = free_agent;
    outcomes[0].user = agent;
    wire_say(&wire, "nonsense");
    outcome_assert_error(&outcomes[0], ERROR_PROTOCOL);
    wire_close(&wire);

    outcomes[0] = (struct outcome){0};
    agent = wire_agent_begin(&wire);
    outcomes[0].also = free_agent;
    outcomes[0].user = agent;
    (void)wire_agent_submit_until(agent, "guest-a", 20, &outcomes[0]);
    (void)wire_agent_submit_until(agent, "guest-b", 20, &outcomes[1]);
    wire_pass_deadline(&wire);
    outcome_assert_error(&outcomes[0], ERROR_TIMEOUT);
    assert_int_equal(outcomes[1].count, 1);
    wire_close(&wire);

    outcomes[0] = (struct outcome){0};
    agent = begin_synced(&outcomes[0]);
    outcomes[0].also = free_agent;
    outcomes[0].user = agent;
    wire_hang_up(&wire);
    wire_pump(&wire);
    outcome_assert_error(&outcomes[0], ERROR_DISCONNECTED);
    wire_close(&wire);
    agent_free(NULL);
}

static struct agent *resubmit_agent;

static void resubmit(void *user)
{
    (void)wire_agent_submit(resubmit_agent, "guest-again", user);
}

static void test_submitting_inside_a_callback(void **state)
{
    struct outcome next = {0}, first = {0};
    struct agent *agent = resubmit_agent = begin_synced(&first);

    (void)state;
    first.also = resubmit;
    first.user = &next;
    wire_say(&wire, "{\"return\": 1}\n{\"return\": 666}\n");
    assert_string_equal(wire_hear(&wire), "{\"execute\":\"guest-again\"}\n");
    outcome_assert_value(&first, 1);
    /* The second word came in the same breath, before the command could be heard; an agent does
     * not number its answers, so it can't be told from one. But never more than one. */
    assert_true(next.count <= 1);
    wire_agent_end(&wire, agent);
}

static void test_no_callback_inside_submit(void **state)
{
    struct agent *agent = wire_agent_begin(&wire);
    struct outcome outcomes[2] = {{0}};

    (void)state;
    (void)wire_agent_submit_until(agent, "guest-a", -5, &outcomes[0]);
    wire_hang_up(&wire);
    (void)wire_agent_submit(agent, "guest-b", &outcomes[1]);
    assert_int_equal(outcomes[0].count + outcomes[1].count, 0);
    wire_pump(&wire);
    assert_int_equal(outcomes[0].count + outcomes[1].count, 2);
    wire_agent_end(&wire, agent);
}

/* ---- connecting ---- */

static void test_connect_failure(void **state)
{
    const struct agent_options options = {.path = fake_path("nothing")};
    struct error error = ERROR_INIT;

    (void)state;
    assert_null(agent_new(&options, &error));
    assert_int_equal(error.code, ERROR_CONNECT);
    assert_non_null(strstr(error.why, "nothing"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_at_a_time),
        cmocka_unit_test(test_unasked_words_are_ignored),
        cmocka_unit_test(test_late_reply),
        cmocka_unit_test(test_half_a_reply),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_endless_reply),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_cancelled_and_silent),
        cmocka_unit_test(test_end_of_file),
        cmocka_unit_test(test_freeing_inside_a_reply),
        cmocka_unit_test(test_freeing_inside_failures),
        cmocka_unit_test(test_submitting_inside_a_callback),
        cmocka_unit_test(test_no_callback_inside_submit),
        cmocka_unit_test(test_connect_failure),
    };

    return cmocka_run_group_tests_name("agent", tests, NULL, NULL);
}
