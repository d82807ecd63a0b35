/* SPDX-License-Identifier: MIT */
/* How a session with the guest agent is synchronised. The test is the agent. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "qmp/agent.h"
#include "tests/fake/wire_agent.h"

#define COMPLAINT \
    "{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse error, stray\"}}\n"

static struct wire wire;

static void test_sync_comes_first(void **state)
{
    struct agent *agent = wire_agent_begin(&wire);
    struct outcome outcome = {0};
    int64_t number;

    (void)state;
    wire_pump(&wire);
    assert_string_equal(wire_hear(&wire), ""); /* nobody wants anything yet */
    assert_int_equal(wire_agent_submit(agent, "guest-ping", &outcome), 1);
    number = wire_agent_hear_sync(&wire);
    wire_say(&wire, COMPLAINT); /* what the 0xFF makes of an agent without a partial request */
    assert_string_equal(wire_hear(&wire), "");
    wire_agent_say_sync(&wire, number);
    assert_string_equal(wire_hear(&wire), "{\"execute\":\"guest-ping\"}\n"); /* no id: old agents */
    wire_say(&wire, "{\"return\": 5}\n");
    outcome_assert_value(&outcome, 5);
    (void)wire_agent_submit(agent, "guest-ping", &outcome);
    assert_string_equal(wire_hear(&wire), "{\"execute\":\"guest-ping\"}\n"); /* once is enough */
    wire_agent_end(&wire, agent);
}

/* Both sockets are of the same QEMU, and easily swapped. */
static void test_monitor_instead_of_an_agent(void **state)
{
    static const char *const greetings[] = {
        "{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}\r\n",
        "{\r\n    \"QMP\": {\r\n        \"version\": {", /* pretty=on */
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(greetings); i++) {
        struct agent *agent = wire_agent_begin(&wire);
        struct outcome outcome = {0};

        (void)wire_agent_submit(agent, "guest-ping", &outcome);
        wire_say(&wire, greetings[i]);
        outcome_assert_error(&outcome, ERROR_PROTOCOL);
        assert_non_null(strstr(outcome.error.why, "QMP"));
        assert_non_null(agent_failure(agent));
        wire_agent_end(&wire, agent);
    }
}

/* What is said later only looks like it. */
static void test_greeting_of_an_agent(void **state)
{
    struct agent *agent = wire_agent_begin(&wire);
    struct outcome outcome = {0};

    (void)state;
    (void)wire_agent_submit(agent, "guest-ping", &outcome);
    wire_agent_say_sync(&wire, wire_agent_hear_sync(&wire));
    wire_say(&wire, "{\"QMP\": 1, \"return\": 5}\n");
    outcome_assert_value(&outcome, 5);
    wire_agent_end(&wire, agent);
}

static void test_numbers_are_fresh(void **state)
{
    int64_t numbers[20];
    size_t i, j;

    (void)state;
    for (i = 0; i < COUNT_OF(numbers); i++) {
        struct outcome outcome = {0};
        struct agent *agent = wire_agent_begin(&wire);

        (void)wire_agent_submit(agent, "guest-ping", &outcome);
        numbers[i] = wire_agent_hear_sync(&wire);
        for (j = 0; j < i; j++)
            assert_true(numbers[i] != numbers[j]);
        wire_agent_end(&wire, agent);
    }
}

/* What a former client left behind, in every shape, before the sentinel. */
static void test_leftovers_are_dropped(void **state)
{
    static const char *const leftovers[] = {
        "{\"return\": 1}\n",
        "{\"return\": {\"a\": \"half a repl",
        "{\"return\": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
        "}}}]]]",
        "not JSON at all\n",
        "{\"return\": \"\\",
        "\xfe\xfd\x01",
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(leftovers); i++) {
        struct outcome outcome = {0};
        struct agent *agent = wire_agent_begin(&wire);
        int64_t number;

        wire_put(&wire, leftovers[i]);
        (void)wire_agent_submit(agent, "guest-ping", &outcome);
        number = wire_agent_hear_sync(&wire);
        wire_pump(&wire);
        wire_say(&wire, leftovers[i]);
        wire_agent_say_sync(&wire, number);
        wire_say(&wire, "{\"return\": 5}\n");
        outcome_assert_value(&outcome, 5);
        wire_agent_end(&wire, agent);
    }
}

/* Another client's answer, or a guess: only our number will do. */
static void test_wrong_number(void **state)
{
    static const char *const wrongs[] = {
        "\xff{\"return\": 1}\n", "\xff{\"return\": \"1\"}\n", "\xff{\"error\": {}}\n", "\xff{}\n",
        "\xff\xff\xff", "\xffnonsense", "\xff{\"return\": 18446744073709551615}",
    };
    struct agent *agent = wire_agent_begin(&wire);
    struct outcome outcome = {0};
    int64_t number;
    size_t i;

    (void)state;
    (void)wire_agent_submit(agent, "guest-ping", &outcome);
    number = wire_agent_hear_sync(&wire);
    for (i = 0; i < COUNT_OF(wrongs); i++) {
        wire_say(&wire, wrongs[i]);
        assert_string_equal(wire_hear(&wire), "");
    }
    wire_agent_say_sync(&wire, number);
    assert_string_equal(wire_hear(&wire), "{\"execute\":\"guest-ping\"}\n");
    wire_agent_end(&wire, agent);
}

static void test_resync_after_silence(void **state)
{
    struct agent *agent =
        wire_agent_begin_with(&wire, (struct agent_options){.sync_timeout_ms = 300});
    struct outcome outcome = {0};
    int64_t first, second;

    (void)state;
    (void)wire_agent_submit(agent, "guest-ping", &outcome);
    first = wire_agent_hear_sync(&wire);
    wire_pass_deadline(&wire);
    second = wire_agent_hear_sync(&wire);
    assert_true(first != second);
    wire_agent_say_sync(&wire, first); /* late: it may stand before anything */
    assert_string_equal(wire_hear(&wire), "");
    wire_agent_say_sync(&wire, second);
    assert_string_equal(wire_hear(&wire), "{\"execute\":\"guest-ping\"}\n");
    wire_agent_end(&wire, agent);
}

/* An agent that died within its answer, and a new one in its place: the brackets do not match any
 * more, and the next synchronisation puts that right. */
static void test_resync_after_half_an_answer(void **state)
{
    struct agent *agent =
        wire_agent_begin_with(&wire, (struct agent_options){.sync_timeout_ms = 300});
    struct outcome outcome = {0};

    (void)state;
    (void)wire_agent_submit(agent, "guest-ping", &outcome);
    (void)wire_agent_hear_sync(&wire);
    wire_say(&wire, "\xff{\"return\": [\"");
    wire_pass_deadline(&wire);
    wire_agent_say_sync(&wire, wire_agent_hear_sync(&wire));
    assert_string_equal(wire_hear(&wire), "{\"execute\":\"guest-ping\"}\n");
    wire_agent_end(&wire, agent);
}

/* An agent that does not even read is not sent more and more. */
static void test_resync_does_not_pile_up(void **state)
{
    static char bytes[1 << 20];
    struct agent *agent =
        wire_agent_begin_with(&wire, (struct agent_options){.sync_timeout_ms = 10});
    struct outcome outcome = {0};
    unsigned sentinels = 0, i;
    ssize_t count;

    (void)state;
    while (send(pump_fd(wire.pump), bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        ; /* the socket is full: nothing leaves */
    (void)wire_agent_submit(agent, "guest-ping", &outcome);
    for (i = 0; i < 5; i++)
        wire_pass_deadline(&wire);
    do {
        count = recv(wire.fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        for (i = 0; (ssize_t)i < count; i++)
            sentinels += (unsigned char)bytes[i] == 0xff ? 1 : 0;
        if (sentinels == 0)
            wire_pump(&wire);
    } while (count > 0);
    assert_in_range(sentinels, 1, 2); /* time enough for another may pass while we read */
    assert_int_equal(outcome.count, 0);
    wire_agent_end(&wire, agent);
}

static void test_never_answers(void **state)
{
    struct agent *agent =
        wire_agent_begin_with(&wire, (struct agent_options){.sync_timeout_ms = 30});
    struct outcome outcomes[2] = {{0}};

    (void)state;
    (void)wire_agent_submit_until(agent, "guest-ping", 70, &outcomes[0]);
    (void)wire_agent_submit_until(agent, "guest-info", 70, &outcomes[1]);
    while (outcomes[1].count == 0)
        wire_pass_deadline(&wire);
    outcome_assert_error(&outcomes[0], ERROR_TIMEOUT);
    outcome_assert_error(&outcomes[1], ERROR_TIMEOUT);
    assert_null(agent_failure(agent));
    assert_true(pump_deadline_ms(wire.pump) == CLOCK_NEVER_MS); /* nothing to do: no waking up */
    wire_agent_end(&wire, agent);
}

/* The agent starts late: what is asked then works. */
static void test_awakes(void **state)
{
    struct agent *agent = wire_agent_begin(&wire);
    struct outcome outcomes[2] = {{0}};
    int64_t number;

    (void)state;
    (void)wire_agent_submit_until(agent, "guest-ping", 20, &outcomes[0]);
    number = wire_agent_hear_sync(&wire);
    wire_pass_deadline(&wire);
    outcome_assert_error(&outcomes[0], ERROR_TIMEOUT);
    (void)wire_agent_submit(agent, "guest-info", &outcomes[1]);
    assert_string_equal(wire_hear(&wire), ""); /* the first synchronisation still counts */
    wire_agent_say_sync(&wire, number);
    assert_string_equal(wire_hear(&wire), "{\"execute\":\"guest-info\"}\n");
    wire_say(&wire, "{\"return\": 5}");
    outcome_assert_value(&outcomes[1], 5);
    wire_agent_end(&wire, agent);
}

/* The agent has taken a command and dies; its successor is asked the same. */
static void test_asks_the_successor(void **state)
{
    struct agent *agent = wire_agent_begin(&wire);
    struct outcome outcomes[2] = {{0}};

    (void)state;
    agent_ask_again(agent); /* nothing was asked yet */
    (void)wire_agent_submit(agent, "guest-ping", &outcomes[0]);
    (void)wire_agent_submit(agent, "guest-info", &outcomes[1]);
    wire_agent_say_sync(&wire, wire_agent_hear_sync(&wire));
    assert_string_equal(wire_hear(&wire), "{\"execute\":\"guest-ping\"}\n");
    wire_say(&wire, "{\"retu");
    agent_ask_again(agent);
    wire_agent_say_sync(&wire, wire_agent_hear_sync(&wire));
    assert_string_equal(wire_hear(&wire), "{\"execute\":\"guest-ping\"}\n");
    wire_say(&wire, "{\"return\": 5}\n");
    outcome_assert_value(&outcomes[0], 5);
    assert_string_equal(wire_hear(&wire), "{\"execute\":\"guest-info\"}\n");

    /* Nobody waits for it any more: it is not asked again, and blocks nobody. */
    agent_cancel(agent, 2);
    agent_ask_again(agent);
    assert_string_equal(wire_hear(&wire), "");
    (void)wire_agent_submit(agent, "guest-ping", &outcomes[0]);
    wire_agent_say_sync(&wire, wire_agent_hear_sync(&wire));
    assert_string_equal(wire_hear(&wire), "{\"execute\":\"guest-ping\"}\n");
    assert_int_equal(outcomes[1].count, 0);
    wire_agent_end(&wire, agent);
}

/* ---- a file that nobody waits for ---- */

#define CLOSE "{\"execute\":\"guest-file-close\",\"arguments\":{\"handle\":7}}\n"

/* Has it opened, up to where the agent has been asked. */
static struct agent *begin_opening(double timeout_ms, struct outcome *outcome)
{
    struct agent *agent = wire_agent_begin(&wire);

    (void)wire_agent_submit_until(agent, "guest-file-open", timeout_ms, outcome);
    wire_agent_say_sync(&wire, wire_agent_hear_sync(&wire));
    assert_string_equal(wire_hear(&wire), "{\"execute\":\"guest-file-open\"}\n");
    return agent;
}

/* The answer comes late, whether or not somebody else asks meanwhile: the file is closed, first. */
static void test_opened_late(void **state)
{
    unsigned asks;

    (void)state;
    for (asks = 0; asks < 2; asks++) {
        struct outcome outcomes[2] = {{0}};
        struct agent *agent = begin_opening(1000, &outcomes[0]);
        int64_t number = 0;

        wire_pass_deadline(&wire);
        outcome_assert_error(&outcomes[0], ERROR_TIMEOUT);
        if (asks > 0) {
            (void)wire_agent_submit(agent, "guest-ping", &outcomes[1]);
            number = wire_agent_hear_sync(&wire);
        }
        wire_say(&wire, "{\"return\": 7}\n");
        if (asks == 0)
            number = wire_agent_hear_sync(&wire);
        wire_say(&wire, COMPLAINT);
        wire_agent_say_sync(&wire, number);
        assert_string_equal(wire_hear(&wire), CLOSE);
        wire_say(&wire, "{\"return\": {}}\n");
        assert_string_equal(wire_hear(&wire), asks > 0 ? "{\"execute\":\"guest-ping\"}\n" : "");
        assert_int_equal(outcomes[0].count, 1);
        wire_agent_end(&wire, agent);
    }
}

/* Later than the next synchronisation, even. */
static void test_opened_very_late(void **state)
{
    struct outcome outcomes[2] = {{0}};
    struct agent *agent = begin_opening(1000, &outcomes[0]);
    int64_t number;

    (void)state;
    wire_pass_deadline(&wire);
    (void)wire_agent_submit(agent, "guest-ping", &outcomes[1]);
    (void)wire_agent_hear_sync(&wire);
    wire_pass_deadline(&wire);
    number = wire_agent_hear_sync(&wire);
    wire_say(&wire, "{\"return\": 7}\n");
    wire_agent_say_sync(&wire, number);
    assert_string_equal(wire_hear(&wire), CLOSE);
    wire_agent_end(&wire, agent);
}

/* It could not be opened; or the agent has gone, with the file and in the middle of its answer. */
static void test_not_opened(void **state)
{
    static const char *const answers[] = {COMPLAINT, "{\"return\": {}}\n", "", "{\"return\": 7",
                                          "nonsense\n"};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(answers); i++) {
        struct outcome outcomes[2] = {{0}};
        struct agent *agent = begin_opening(1000, &outcomes[0]);
        int64_t number;

        wire_pass_deadline(&wire);
        (void)wire_agent_submit(agent, "guest-ping", &outcomes[1]);
        number = wire_agent_hear_sync(&wire);
        wire_say(&wire, answers[i]);
        wire_agent_say_sync(&wire, number);
        if (strcmp(answers[i], "{\"return\": 7") == 0) { /* this number goes with it */
            wire_pass_deadline(&wire);
            wire_agent_say_sync(&wire, wire_agent_hear_sync(&wire));
        }
        assert_string_equal(wire_hear(&wire), "{\"execute\":\"guest-ping\"}\n");
        wire_agent_end(&wire, agent);
    }
}

static void test_opened_unheard(void **state)
{
    struct outcome outcomes[2] = {{0}};
    struct agent *agent = begin_opening(60000, &outcomes[0]);

    (void)state;
    agent_cancel(agent, 1);
    (void)wire_agent_submit(agent, "guest-ping", &outcomes[1]);
    wire_say(&wire, "{\"return\": 7}\n");
    assert_string_equal(wire_hear(&wire), CLOSE);
    wire_say(&wire, "{\"return\": {}}\n");
    assert_string_equal(wire_hear(&wire), "{\"execute\":\"guest-ping\"}\n");
    agent_close_file(agent, 7); /* not into what is on its way */
    assert_string_equal(wire_hear(&wire), "");
    (void)wire_agent_submit(agent, "guest-info", &outcomes[0]);
    wire_say(&wire, "{\"return\": 5}\n");
    outcome_assert_value(&outcomes[1], 5);
    assert_string_equal(wire_hear(&wire), CLOSE);
    wire_agent_end(&wire, agent);
}

/* What it was asked again it may have done twice. */
static void test_opened_twice(void **state)
{
    struct outcome outcome = {0};
    struct agent *agent = begin_opening(60000, &outcome);
    int64_t number;

    (void)state;
    agent_ask_again(agent);
    number = wire_agent_hear_sync(&wire);
    wire_say(&wire, "{\"return\": 7}\n");
    wire_agent_say_sync(&wire, number);
    assert_string_equal(wire_hear(&wire), CLOSE);
    wire_say(&wire, "{\"return\": {}}\n");
    assert_string_equal(wire_hear(&wire), "{\"execute\":\"guest-file-open\"}\n");
    wire_say(&wire, "{\"return\": 8}\n");
    outcome_assert_value(&outcome, 8);
    assert_string_equal(wire_hear(&wire), "");
    wire_agent_end(&wire, agent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sync_comes_first),
        cmocka_unit_test(test_monitor_instead_of_an_agent),
        cmocka_unit_test(test_greeting_of_an_agent),
        cmocka_unit_test(test_numbers_are_fresh),
        cmocka_unit_test(test_leftovers_are_dropped),
        cmocka_unit_test(test_wrong_number),
        cmocka_unit_test(test_resync_after_silence),
        cmocka_unit_test(test_resync_after_half_an_answer),
        cmocka_unit_test(test_resync_does_not_pile_up),
        cmocka_unit_test(test_never_answers),
        cmocka_unit_test(test_awakes),
        cmocka_unit_test(test_asks_the_successor),
        cmocka_unit_test(test_opened_late),
        cmocka_unit_test(test_opened_very_late),
        cmocka_unit_test(test_not_opened),
        cmocka_unit_test(test_opened_unheard),
        cmocka_unit_test(test_opened_twice),
    };

    return cmocka_run_group_tests_name("guest agent, synchronising", tests, NULL, NULL);
}
