/* SPDX-License-Identifier: MIT */
/* The same engine under libev. The peer, a pump like any other, is attached to the same loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ev.h>

#include "base/clock.h"
#include "qmp/qmp_client.h"
#include "tests/fake/peer.h"
#include "tests/fake/wire.h"
#include "vmplug/loop_ev.h"

#define PATIENCE_MS 60000 /* the test has failed when it waits so long */

struct scene {
    struct ev_loop *loop;
    struct peer *peer;
    struct qmp_client *client;
    struct vmplug_loop_ev peer_attachment, attachment;
    bool attached;
    unsigned deaths;
    bool detach_when_dead;
};

static void detach(struct scene *scene)
{
    if (scene->attached)
        vmplug_loop_ev_detach(&scene->attachment);
    scene->attached = false;
}

static void on_dead(void *user)
{
    struct scene *scene = user;

    scene->deaths++;
    if (scene->detach_when_dead)
        detach(scene);
    ev_break(scene->loop, EVBREAK_ALL);
}

static void attach(struct scene *scene)
{
    vmplug_loop_ev_attach(&scene->attachment, scene->loop,
                          (struct vmplug_pump *)qmp_client_pump(scene->client), on_dead, scene);
    scene->attached = true;
}

static void begin(struct scene *scene, const char *name, double greeting_timeout_ms)
{
    struct qmp_client_options options = {.greeting_timeout_ms = greeting_timeout_ms};

    *scene = (struct scene){.loop = ev_loop_new(EVFLAG_AUTO), .peer = peer_new(name)};
    options.path = peer_path(scene->peer);
    scene->client = qmp_client_new(&options, NULL);
    assert_non_null(scene->client);
    vmplug_loop_ev_attach(&scene->peer_attachment, scene->loop,
                          (struct vmplug_pump *)peer_pump(scene->peer), NULL, NULL);
    attach(scene);
}

static void end(struct scene *scene)
{
    detach(scene);
    vmplug_loop_ev_detach(&scene->peer_attachment);
    qmp_client_free(scene->client);
    peer_end(scene->peer);
    ev_loop_destroy(scene->loop);
}

static void stop_loop(void *user)
{
    ev_break(user, EVBREAK_ALL);
}

static struct request request_until(const char *command, double timeout_ms, struct scene *scene,
                                    struct outcome *outcome)
{
    outcome->also = stop_loop;
    outcome->user = scene->loop;
    return (struct request){
        .command = command, .timeout_ms = timeout_ms, .done = outcome_take, .user = outcome};
}

static void test_command(void **state)
{
    struct outcome outcome = {0};
    struct request request;
    struct scene scene;

    (void)state;
    begin(&scene, "command", 0);
    peer_greet(scene.peer);
    peer_expect(scene.peer, "query-status", NULL);
    peer_reply(scene.peer, "{}");
    request = request_until("query-status", PATIENCE_MS, &scene, &outcome);
    assert_int_equal(qmp_client_submit(scene.client, &request, NULL), 1);
    ev_run(scene.loop, 0);
    assert_int_equal(outcome.count, 1);
    assert_int_equal(outcome.error.code, ERROR_NONE);
    assert_int_equal(scene.deaths, 0);
    end(&scene);
}

static struct outcome outside_outcome;
static struct request outside_request;
static double submitted_ms;

static void submit_from_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    submitted_ms = clock_now_ms();
    assert_true(qmp_client_submit(timer->data, &outside_request, NULL) > 0);
    assert_int_equal(outside_outcome.count, 0);
}

/* Submitted while the loop waits for something else: the pump's hook brings the watchers up to
 * date, with the new deadline. */
static void test_submitting_from_outside(void **state)
{
    ev_timer timer;
    struct scene scene;

    (void)state;
    begin(&scene, "outside", PATIENCE_MS); /* nobody greets */
    outside_request = request_until("query-status", 60, &scene, &outside_outcome);
    ev_timer_init(&timer, submit_from_timer, 0.3, 0.);
    timer.data = scene.client;
    ev_timer_start(scene.loop, &timer);
    ev_run(scene.loop, 0);
    assert_int_equal(outside_outcome.count, 1);
    assert_int_equal(outside_outcome.error.code, ERROR_TIMEOUT);
    assert_true(clock_now_ms() - submitted_ms >= 59);
    end(&scene);
}

/* A deadline passes although the loop was blocked before it was set. */
static void test_greeting_deadline(void **state)
{
    struct scene scene;
    double before_ms = clock_now_ms();

    (void)state;
    begin(&scene, "silent", 60);
    ev_run(scene.loop, 0);
    assert_int_equal(scene.deaths, 1);
    assert_int_equal(qmp_client_failure(scene.client)->code, ERROR_BUSY);
    assert_true(clock_now_ms() - before_ms >= 59);
    end(&scene);
}

static void test_death_is_told_once(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene, "death", 0);
    peer_greet(scene.peer);
    peer_hang_up(scene.peer);
    ev_run(scene.loop, 0);
    assert_int_equal(scene.deaths, 1);
    ev_run(scene.loop, EVRUN_NOWAIT);
    ev_run(scene.loop, EVRUN_NOWAIT);
    assert_int_equal(scene.deaths, 1);
    end(&scene);
}

static void test_detaching_when_told_of_death(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene, "detach", 0);
    scene.detach_when_dead = true;
    peer_greet(scene.peer);
    peer_hang_up(scene.peer);
    ev_run(scene.loop, 0);
    assert_int_equal(scene.deaths, 1);
    end(&scene);
}

/* Detached, nothing of it is watched any more, and the pump may be driven by another. */
static void test_detach(void **state)
{
    struct scene scene;
    struct outcome outcome = {0};
    struct request request;

    (void)state;
    begin(&scene, "detached", 0);
    peer_greet(scene.peer);
    peer_expect(scene.peer, "query-status", NULL);
    peer_reply(scene.peer, "{}");
    detach(&scene);
    assert_null(qmp_client_pump(scene.client)->changed);
    ev_run(scene.loop, EVRUN_NOWAIT);
    request = request_until("query-status", PATIENCE_MS, &scene, &outcome);
    assert_int_equal(qmp_client_submit(scene.client, &request, NULL), 1);
    ev_run(scene.loop, EVRUN_NOWAIT);
    assert_false(qmp_client_is_ready(scene.client));
    attach(&scene);
    ev_run(scene.loop, 0);
    assert_int_equal(outcome.count, 1);
    end(&scene);
}

/* An attached pump with nothing to do lets the processor sleep. */
static void test_idle_is_idle(void **state)
{
    struct scene scene;
    ev_timer timer;
    struct outcome outcome = {0};
    struct request request;
    unsigned before;

    (void)state;
    begin(&scene, "idle", 0);
    peer_greet(scene.peer);
    peer_expect(scene.peer, "query-status", NULL);
    peer_reply(scene.peer, "{}");
    peer_expect(scene.peer, "query-name", NULL);
    request = request_until("query-status", PATIENCE_MS, &scene, &outcome);
    assert_int_equal(qmp_client_submit(scene.client, &request, NULL), 1);
    ev_run(scene.loop, 0);
    assert_int_equal(outcome.count, 1);
    outside_request = request_until("query-name", -1, &scene, &outside_outcome);
    outside_outcome.count = 0;
    ev_timer_init(&timer, submit_from_timer, 0.1, 0.);
    timer.data = scene.client;
    ev_timer_start(scene.loop, &timer);
    before = ev_iteration(scene.loop);
    ev_run(scene.loop, 0);
    assert_int_equal(outside_outcome.error.code, ERROR_TIMEOUT);
    assert_true(ev_iteration(scene.loop) - before < 10);
    end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_command),
        cmocka_unit_test(test_submitting_from_outside),
        cmocka_unit_test(test_greeting_deadline),
        cmocka_unit_test(test_death_is_told_once),
        cmocka_unit_test(test_detaching_when_told_of_death),
        cmocka_unit_test(test_detach),
        cmocka_unit_test(test_idle_is_idle),
    };

    return cmocka_run_group_tests_name("libev loop", tests, NULL, NULL);
}
