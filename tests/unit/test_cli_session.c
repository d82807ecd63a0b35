/* SPDX-License-Identifier: MIT */
/* Waiting: signals, ticks and deadlines. The peer is an agent's socket on
 * which nobody answers. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "cli/session.h"

#define LONG_MS 20000 /* the test has failed when it waits so long */

static char dir[64], path[96];
static int listener = -1;

static int set_up(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/vmplug-unit-XXXXXX");
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/agent", dir);
    strcpy(address.sun_path, path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 64), 0); /* nobody accepts */
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(listener);
    (void)unlink(path);
    (void)rmdir(dir);
    return 0;
}

static void open_session(struct session *session, struct tap tap)
{
    const struct session_options options = {.agent_path = path, .timeout_ms = 1000, .tap = tap};
    struct error error = ERROR_INIT;

    assert_int_equal(session_open(session, &options, &error), 0);
}

struct counts {
    unsigned interrupts, ticks, asked;
    unsigned done_after; /* ticks; 0: never */
    unsigned done_when;  /* asked so often; 0: never */
};

static void on_interrupt(void *user)
{
    ((struct counts *)user)->interrupts++;
    (void)raise(SIGINT); /* the second one */
}

static void on_tick(void *user)
{
    ((struct counts *)user)->ticks++;
}

static bool is_done(void *user)
{
    struct counts *counts = user;

    counts->asked++;
    return (counts->done_after > 0 && counts->ticks >= counts->done_after) ||
           (counts->done_when > 0 && counts->asked >= counts->done_when);
}

/* What is done is done, although a signal came with it. */
static void test_condition_first(void **state)
{
    struct counts counts = {.done_when = 2};
    struct session session;

    (void)state;
    open_session(&session, (struct tap){.message = NULL});
    (void)raise(SIGTERM); /* read between the first question and the second */
    assert_int_equal(session_run(&session, is_done, NULL, &counts, clock_now_ms() + LONG_MS),
                     SESSION_DONE);
    assert_int_equal(session.signals.count, 1);
    session_close(&session);
}

/* A monitor that is held does not greet, and one that is free not always within a millisecond. */
static void test_held_monitor(void **state)
{
    const struct session_options options = {.qmp_path = path, .timeout_ms = 1};
    struct error error = ERROR_INIT;
    struct session session;

    (void)state;
    assert_int_equal(session_open(&session, &options, &error), -1);
    assert_int_equal(error.code, ERROR_BUSY);
    assert_non_null(strstr(error.fix, "--timeout"));
    session_close(&session);
}

static void test_deadline(void **state)
{
    struct counts counts = {.ticks = 0};
    struct session session;
    double start_ms = clock_now_ms();

    (void)state;
    open_session(&session, (struct tap){.message = NULL});
    assert_int_equal(session_run(&session, is_done, NULL, &counts, start_ms + 30),
                     SESSION_DEADLINE);
    assert_true(clock_now_ms() - start_ms >= 30);
    session_close(&session);
}

static void test_ticks(void **state)
{
    struct counts counts = {.done_after = 2};
    const struct session_handlers handlers = {.tick = on_tick, .user = &counts};
    struct session session;
    double start_ms = clock_now_ms();

    (void)state;
    open_session(&session, (struct tap){.message = NULL});
    assert_int_equal(session_run(&session, is_done, &handlers, &counts, start_ms + LONG_MS),
                     SESSION_DONE);
    assert_true(clock_now_ms() - start_ms >= 2 * SESSION_TICK_MS);
    session_close(&session);
}

static void test_one_signal_ends_a_question(void **state)
{
    struct counts counts = {.ticks = 0};
    struct session session;

    (void)state;
    open_session(&session, (struct tap){.message = NULL});
    (void)raise(SIGHUP);
    assert_int_equal(session_run(&session, is_done, NULL, &counts, clock_now_ms() + LONG_MS),
                     SESSION_INTERRUPTED);
    session_close(&session);
}

/* The first is passed on, once; the second ends the wait. */
static void test_two_signals_end_an_operation(void **state)
{
    struct counts counts = {.ticks = 0};
    const struct session_handlers handlers = {.interrupt = on_interrupt, .user = &counts};
    struct session session;

    (void)state;
    open_session(&session, (struct tap){.message = NULL});
    (void)raise(SIGTERM);
    assert_int_equal(session_run(&session, is_done, &handlers, &counts, clock_now_ms() + LONG_MS),
                     SESSION_INTERRUPTED);
    assert_int_equal(counts.interrupts, 1);
    session_close(&session);
}

/* As nohup does it. */
static void test_ignored_signals_stay_ignored(void **state)
{
    struct counts counts = {.ticks = 0};
    struct session session;

    (void)state;
    (void)signal(SIGHUP, SIG_IGN);
    open_session(&session, (struct tap){.message = NULL});
    (void)raise(SIGHUP);
    assert_int_equal(session_run(&session, is_done, NULL, &counts, clock_now_ms() + 50),
                     SESSION_DEADLINE);
    session_close(&session);
    (void)signal(SIGHUP, SIG_DFL);
}

static void test_nobody_listens(void **state)
{
    const struct session_options options = {.qmp_path = "/nonexistent", .timeout_ms = 1000};
    struct error error = ERROR_INIT;
    struct session session;

    (void)state;
    assert_int_equal(session_open(&session, &options, &error), -1);
    assert_int_equal(error.code, ERROR_CONNECT);
    assert_false(session.was_ready);
    session_close(&session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_condition_first),
        cmocka_unit_test(test_held_monitor),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_ticks),
        cmocka_unit_test(test_one_signal_ends_a_question),
        cmocka_unit_test(test_two_signals_end_an_operation),
        cmocka_unit_test(test_ignored_signals_stay_ignored),
        cmocka_unit_test(test_nobody_listens),
    };

    /* A background job of a script is born with SIGINT ignored, and one under nohup with SIGHUP. */
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGHUP, SIG_DFL);
    return cmocka_run_group_tests_name("cli/session, cli/signals", tests, set_up,
                                       tear_down);
}
