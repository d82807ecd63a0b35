/* SPDX-License-Identifier: MIT */
/* One VM's connections, its timers, and questions asked together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "qmp/blocking.h"
#include "tests/fake/sim.h"
#include "vmm/gather.h"
#include "vmm/vm.h"

static struct sim *sim;
static struct vm *vm;

static void begin(bool with_agent)
{
    struct vm_options options = {.greeting_timeout_ms = 30000};

    sim = sim_new();
    options.qmp_path = sim->qmp.path;
    options.agent_path = with_agent ? sim->agent.path : NULL;
    vm = vm_new(&options, NULL);
    assert_non_null(vm);
}

static void end(void)
{
    vm_free(vm);
    sim_end(sim);
}

static bool run(blocking_condition_fn *condition, void *user, double ms)
{
    struct pump *pumps[BLOCKING_PUMPS_MAX] = {NULL};
    size_t count = vm_pumps(vm, pumps);

    pumps[count++] = &sim->qmp.pump;
    pumps[count++] = &sim->agent.pump;
    return blocking_run(pumps, count, condition, user, clock_now_ms() + ms);
}

/* ---- connections ---- */

static void test_no_qemu(void **state)
{
    const struct vm_options options = {.qmp_path = fake_path("nothing")};
    struct error error = ERROR_INIT;

    (void)state;
    assert_null(vm_new(&options, &error));
    assert_int_equal(error.code, ERROR_CONNECT);
    vm_free(NULL);
}

static void test_no_agent(void **state)
{
    const struct request request = {.command = "guest-ping", .arguments = json_object(),
                                    .timeout_ms = 1000};
    struct error error = ERROR_INIT;
    struct pump *pumps[VM_PUMPS_MAX];

    (void)state;
    begin(false);
    assert_int_equal(vm_pumps(vm, pumps), 2);
    assert_false(vm_has_agent(vm));
    assert_int_equal(vm_agent_failure(vm)->code, ERROR_NONE);
    assert_int_equal(vm_submit(vm, PEER_AGENT, &request, &error), -1);
    assert_int_equal(error.code, ERROR_CONNECT);
    assert_non_null(strstr(error.fix, "--agent"));
    vm_cancel(vm, PEER_AGENT, 1);
    end();
}

/* An agent that can't be reached is absent, and says why; the VM is there all the same. */
static void test_unreachable_agent(void **state)
{
    struct vm_options options = {.agent_path = fake_path("nothing")};

    (void)state;
    sim = sim_new();
    options.qmp_path = sim->qmp.path;
    vm = vm_new(&options, NULL);
    assert_non_null(vm);
    assert_false(vm_has_agent(vm));
    assert_int_equal(vm_agent_failure(vm)->code, ERROR_CONNECT);
    end();
}

static void on_answer(void *user, const struct reply *reply)
{
    *(bool *)user = reply->value != NULL;
}

static bool is_true(void *user)
{
    return *(bool *)user;
}

/* One that comes later, or again, is connected to; what was kept for messages is given back. */
static void test_agent_comes_later(void **state)
{
    bool answered = false;
    const struct request request = {
        .command = "guest-info", .timeout_ms = 5000, .done = on_answer, .user = &answered};
    struct error error = ERROR_INIT;
    struct pump *pumps[VM_PUMPS_MAX];

    (void)state;
    begin(false);
    assert_null(vm_connect_agent(vm, fake_path("nothing"), &error));
    assert_int_equal(error.code, ERROR_CONNECT);
    assert_int_equal(vm_agent_failure(vm)->code, ERROR_CONNECT);
    assert_non_null(vm_connect_agent(vm, sim->agent.path, &error));
    assert_true(vm_has_agent(vm));
    assert_int_equal(vm_agent_failure(vm)->code, ERROR_NONE);
    assert_int_equal(vm_pumps(vm, pumps), 3);
    assert_null(vm_connect_agent(vm, sim->agent.path, &error));
    assert_int_equal(error.code, ERROR_BUSY);
    assert_true(vm_submit(vm, PEER_AGENT, &request, NULL) > 0);
    vm_rest(vm); /* what is to be sent is kept */
    assert_true(run(is_true, &answered, 5000));
    vm_rest(vm);
    answered = false;
    assert_true(vm_submit(vm, PEER_AGENT, &request, NULL) > 0);
    assert_true(run(is_true, &answered, 5000));
    end();
}

/* The process that made the socket is QEMU, but for a pair of our own: then nothing is recorded,
 * which two VMs of ours would share, unless the process is told. */
static void test_process(void **state)
{
    struct vm_options options = {.runtime_dir = "/nonexistent"};
    int fds[2];

    (void)state;
    begin(false);
    assert_int_equal(vm_process(vm), getpid()); /* its server is in here */
    end();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    options.qmp_fd = dup(fds[0]);
    vm = vm_new(&options, NULL);
    assert_int_equal(vm_process(vm), 0);
    assert_null(vm_record(vm));
    vm_free(vm);
    options.qmp_fd = fds[0];
    options.process = getppid();
    vm = vm_new(&options, NULL);
    assert_int_equal(vm_process(vm), getppid());
    assert_non_null(vm_record(vm));
    vm_free(vm);
    close(fds[1]);
}

/* ---- timers ---- */

struct ring {
    struct vm_timer timer;
    unsigned count, turn;
    struct ring *stops, *sets;
    double again_ms;
};

static unsigned turns;

static void on_fired(void *user)
{
    struct ring *ring = user;

    ring->count++;
    ring->turn = ++turns;
    if (ring->stops != NULL)
        vm_timer_stop(vm, &ring->stops->timer);
    if (ring->sets != NULL)
        vm_timer_set(vm, &ring->sets->timer, clock_now_ms() + ring->again_ms);
}

static void wind(struct ring *ring, double in_ms)
{
    ring->timer.fired = on_fired;
    ring->timer.user = ring;
    vm_timer_set(vm, &ring->timer, clock_now_ms() + in_ms);
}

static bool has_rung(void *user)
{
    return ((const struct ring *)user)->count > 0;
}

static bool has_rung_thrice(void *user)
{
    return ((const struct ring *)user)->count >= 3;
}

static void test_timers(void **state)
{
    struct ring rings[4] = {{.count = 0}};
    double before_ms = clock_now_ms();

    (void)state;
    begin(false);
    rings[1].stops = &rings[3];
    wind(&rings[0], 400);
    wind(&rings[1], 100);
    wind(&rings[2], 10000);
    wind(&rings[3], 101);
    wind(&rings[2], 250); /* moved */
    vm_timer_stop(vm, &rings[3].timer);
    vm_timer_stop(vm, &rings[3].timer);
    wind(&rings[3], 350); /* and stopped again by another's callback */
    assert_true(run(has_rung, &rings[0], 5000));
    assert_true(clock_now_ms() - before_ms >= 400);
    assert_int_equal(rings[1].count, 1);
    assert_int_equal(rings[2].count, 1);
    assert_int_equal(rings[3].count, 0);
    assert_true(rings[1].turn < rings[2].turn && rings[2].turn < rings[0].turn);
    assert_false(rings[0].timer.armed);
    end();
}

static void test_timer_that_sets_itself(void **state)
{
    struct ring ring = {.again_ms = 5};

    (void)state;
    begin(false);
    ring.sets = &ring;
    wind(&ring, 0);
    assert_true(run(has_rung_thrice, &ring, 5000));
    vm_timer_stop(vm, &ring.timer);
    end();
}

/* ---- questions ---- */

struct asked {
    unsigned answers, ends;
    unsigned values, errors;
    struct gather *gather;
    unsigned follow_ups;
    enum error_code failure;
};

static void take(void *user, void *item, const json_t *value, const struct error *error)
{
    struct asked *asked = user;

    assert_ptr_equal(item, asked);
    assert_true((value == NULL) != (error == NULL));
    asked->answers++;
    asked->values += value != NULL ? 1 : 0;
    asked->errors += error != NULL ? 1 : 0;
    if (asked->follow_ups > 0) {
        asked->follow_ups--;
        gather_ask(asked->gather, PEER_QMP, "query-name", take, asked);
    }
}

static void on_gathered(void *user, const struct error *failure)
{
    struct asked *asked = user;

    asked->ends++;
    asked->failure = failure != NULL ? failure->code : ERROR_NONE;
}

static bool is_gathered(void *user)
{
    return ((const struct asked *)user)->ends > 0;
}

static bool never(void *user)
{
    (void)user;
    return false;
}

static void open_gather(struct asked *asked, double agent_timeout_ms)
{
    *asked = (struct asked){.ends = 0};
    asked->gather = gather_new(vm, 5000, agent_timeout_ms, on_gathered, asked, NULL);
    assert_non_null(asked->gather);
}

static void test_gather(void **state)
{
    struct asked asked;

    (void)state;
    begin(true);
    open_gather(&asked, 5000);
    asked.follow_ups = 3; /* an answer leads to further questions */
    gather_ask(asked.gather, PEER_QMP, "query-name", take, &asked);
    gather_ask(asked.gather, PEER_AGENT, "guest-info", take, &asked);
    gather_qom_list(asked.gather, "/machine/nowhere", take, &asked);
    gather_qom_get(asked.gather, "/machine", "type", take, &asked);
    gather_begin(asked.gather);
    assert_int_equal(asked.answers, 0);
    assert_true(run(is_gathered, &asked, 5000));
    assert_int_equal(asked.answers, 7);
    assert_int_equal(asked.errors, 1); /* a rejection is an answer */
    assert_int_equal(asked.ends, 1);
    assert_int_equal(asked.failure, ERROR_NONE);
    end();
}

static void test_gather_nothing(void **state)
{
    struct asked asked;

    (void)state;
    begin(true);
    open_gather(&asked, 5000);
    gather_begin(asked.gather);
    assert_int_equal(asked.ends, 0);
    assert_true(run(is_gathered, &asked, 5000));
    assert_int_equal(asked.ends, 1);
    end();
}

/* What can't even be sent is answered like the rest, from the pump. */
static void test_gather_unsent(void **state)
{
    struct asked asked;

    (void)state;
    begin(false);
    open_gather(&asked, 5000);
    gather_ask(asked.gather, PEER_AGENT, "guest-info", take, &asked);
    gather_ask_with(asked.gather, PEER_AGENT, "guest-ping", json_object(), take, &asked);
    gather_begin(asked.gather);
    assert_int_equal(asked.answers, 0);
    assert_true(run(is_gathered, &asked, 5000));
    assert_int_equal(asked.errors, 2);
    assert_int_equal(asked.failure, ERROR_NONE); /* an agent's failure is none of the gathering */
    end();
}

static void test_gather_silent_agent(void **state)
{
    struct asked asked;

    (void)state;
    begin(true);
    sim->agent_hangs = true;
    open_gather(&asked, 100);
    gather_ask(asked.gather, PEER_QMP, "query-name", take, &asked);
    gather_ask(asked.gather, PEER_AGENT, "guest-info", take, &asked);
    gather_begin(asked.gather);
    assert_true(run(is_gathered, &asked, 5000));
    assert_int_equal(asked.values, 1);
    assert_int_equal(asked.errors, 1);
    assert_int_equal(asked.failure, ERROR_NONE);
    end();
}

static void test_gather_loses_qemu(void **state)
{
    struct asked asked;

    (void)state;
    begin(true);
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "query-name", .action = FAULT_DIE});
    open_gather(&asked, 5000);
    gather_ask(asked.gather, PEER_QMP, "query-name", take, &asked);
    gather_ask(asked.gather, PEER_QMP, "query-uuid", take, &asked);
    gather_begin(asked.gather);
    assert_true(run(is_gathered, &asked, 5000));
    assert_int_equal(asked.errors, 2);
    assert_int_equal(asked.failure, ERROR_DISCONNECTED);
    open_gather(&asked, 5000); /* and now nothing can be sent any more */
    gather_ask(asked.gather, PEER_QMP, "query-name", take, &asked);
    gather_begin(asked.gather);
    assert_true(run(is_gathered, &asked, 5000));
    assert_int_equal(asked.failure, ERROR_DISCONNECTED);
    end();
}

static void test_gather_cancel(void **state)
{
    struct asked asked;

    (void)state;
    begin(true);
    open_gather(&asked, 5000);
    gather_ask(asked.gather, PEER_QMP, "query-name", take, &asked);
    gather_ask(asked.gather, PEER_AGENT, "guest-info", take, &asked);
    gather_begin(asked.gather);
    gather_cancel(asked.gather);
    gather_cancel(NULL);
    assert_false(run(never, NULL, 60));
    assert_int_equal(asked.answers + asked.ends, 0);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_qemu),
        cmocka_unit_test(test_no_agent),
        cmocka_unit_test(test_unreachable_agent),
        cmocka_unit_test(test_agent_comes_later),
        cmocka_unit_test(test_process),
        cmocka_unit_test(test_timers),
        cmocka_unit_test(test_timer_that_sets_itself),
        cmocka_unit_test(test_gather),
        cmocka_unit_test(test_gather_nothing),
        cmocka_unit_test(test_gather_unsent),
        cmocka_unit_test(test_gather_silent_agent),
        cmocka_unit_test(test_gather_loses_qemu),
        cmocka_unit_test(test_gather_cancel),
    };

    return cmocka_run_group_tests_name("vm", tests, NULL, NULL);
}
