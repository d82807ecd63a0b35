/* SPDX-License-Identifier: MIT */
/*
 * A million events, as fast as they can be sent, and an agent that never stops talking: neither
 * takes memory, and neither keeps a command or an operation from its end. The simulated QEMU and
 * what is wild in it are a process of their own.
 */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "qmp/blocking.h"
#include "qmp/codec.h"
#include "tests/fake/rig.h"

#define EVENTS 1000000
#define BUNCH 256 /* events between two lines of the monitor's */
#define BUNCHES 64
#define FIRST_SLOT 100  /* below are the simulated machine's own */
#define COMMAND_MS 60000 /* this machine may be very busy */
#define OPERATION_MS 60000
#define PEAK_KIB (128 << 10) /* while the worst message of an agent is read */
#define HEAP_BYTES (12U << 20) /* the ledger with all its slots, and one message */

/* ---- what is wild ---- */

/* Keeps something in a server's outbox: what else it has to say comes in between. */
struct flood {
    struct pump pump; /* first */
    struct server *server;
    bool on;
    struct buffer bunches[BUNCHES];
    unsigned count, next;
};

static int no_fd(const struct pump *pump)
{
    (void)pump;
    return -1;
}

static short no_events(const struct pump *pump)
{
    (void)pump;
    return 0;
}

static double flood_deadline_ms(const struct pump *pump)
{
    const struct flood *flood = (const struct flood *)pump;

    return flood->on && flood->server->fd >= 0 && flood->server->out.count == 0 ? 0
                                                                                : CLOCK_NEVER_MS;
}

static enum pump_result flood_process(struct pump *pump, short revents)
{
    struct flood *flood = (struct flood *)pump;
    const struct buffer *bunch = &flood->bunches[flood->next % flood->count];

    (void)revents;
    if (flood_deadline_ms(pump) > 0)
        return PUMP_IDLE;
    flood->next++;
    server_send(flood->server, bunch->bytes, buffer_size(bunch));
    return PUMP_PROGRESS;
}

static const struct pump_ops flood_ops = {
    .fd = no_fd, .events = no_events, .deadline_ms = flood_deadline_ms, .process = flood_process};

static struct flood flood;
static struct sim *sim;
static struct fake_child child;

/* The simulated machine, and the flood in one of its sockets. */
static void begin(enum sim_side side)
{
    struct fake_actor actors[3];

    flood.pump.ops = &flood_ops;
    flood.server = side == SIM_QMP ? &sim->qmp : &sim->agent;
    sim_actors(sim, actors);
    actors[2] = (struct fake_actor){.pump = &flood.pump};
    child = fake_serve(actors, COUNT_OF(actors));
}

static void end(void)
{
    size_t i;

    fake_join(&child);
    sim_end(sim);
    for (i = 0; i < flood.count; i++)
        buffer_free(&flood.bunches[i]);
    flood = (struct flood){.on = false};
}

static void append(struct buffer *text, const char *bytes, size_t size)
{
    assert_int_equal(buffer_append(text, bytes, size), 0);
}

static size_t heap_bytes(void)
{
    struct mallinfo2 heap = mallinfo2();

    return heap.uordblks + heap.hblkhd;
}

static long peak_kib(void)
{
    struct rusage usage;

    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss;
}

/* ---- events ---- */

/* _OST for ever other slots, resets, and events that nobody has heard of. */
static void make_bunch(struct buffer *text, unsigned seed)
{
    static const char stamp[] = "\"timestamp\":{\"seconds\":1,\"microseconds\":2}}\r\n";
    char line[512];
    unsigned i;

    for (i = 0; i < BUNCH; i++) {
        if (i % 8 == 6)
            (void)snprintf(line, sizeof(line), "{\"event\":\"RESET\",\"data\":{\"guest\":true,"
                           "\"reason\":\"guest-reset\"},%s", stamp);
        else if (i % 8 == 7)
            (void)snprintf(line, sizeof(line), "{\"event\":\"X_NEW_%u\",\"data\":{\"a\":[1,{}]},%s",
                           seed * BUNCH + i, stamp);
        else
            (void)snprintf(line, sizeof(line), "{\"event\":\"ACPI_DEVICE_OST\",\"data\":{\"info\":"
                           "{\"slot\":\"%u\",\"slot-type\":\"%s\",\"source\":1,\"status\":%u}},%s",
                           FIRST_SLOT + (seed * BUNCH + i) * 7 % 60000, i % 2 == 0 ? "CPU" : "DIMM",
                           i % 3, stamp);
        append(text, line, strlen(line));
    }
}

/* Once somebody has asked for something: not before the greeting. */
static void let_loose(void *user, struct sim *of, enum sim_side side, const char *command)
{
    (void)user;
    (void)of;
    flood.on = flood.on || (side == SIM_QMP && strcmp(command, "query-status") == 0);
}

static void begin_storm(void)
{
    sim = sim_new();
    sim->on_command = let_loose;
    for (flood.count = 0; flood.count < BUNCHES; flood.count++)
        make_bunch(&flood.bunches[flood.count], flood.count);
    begin(SIM_QMP);
}

static void count_event(void *user, const struct qmp_event *event)
{
    if (event != NULL)
        ++*(unsigned *)user;
}

static struct vm *connect_vm(bool with_agent)
{
    const struct vm_options options = {.qmp_path = sim->qmp.path,
                                       .agent_path = with_agent ? sim->agent.path : NULL,
                                       .greeting_timeout_ms = COMMAND_MS};
    struct vm *vm = vm_new(&options, NULL);

    assert_non_null(vm);
    return vm;
}

static bool is_set(void *user)
{
    return *(const bool *)user;
}

static void note_answer(void *user, const struct reply *reply)
{
    assert_null(reply->error);
    *(bool *)user = true;
}

/* Asks, and returns how long the answer took. */
static double ask(struct vm *vm)
{
    bool answered = false;
    const struct request request = {.command = "query-status", .timeout_ms = COMMAND_MS,
                                    .done = note_answer, .user = &answered};
    struct pump *pumps[VM_PUMPS_MAX];
    size_t count = vm_pumps(vm, pumps);
    double begun_ms = clock_now_ms();

    assert_true(vm_submit(vm, PEER_QMP, &request, NULL) > 0);
    assert_true(blocking_run(pumps, count, is_set, &answered, CLOCK_NEVER_MS));
    return clock_now_ms() - begun_ms;
}

static void test_commands_in_a_storm(void **state)
{
    unsigned events = 0, answers = 0;
    const char *wanted = getenv("VMPLUG_STORM_EVENTS"); /* fewer, where all is slow */
    unsigned enough = wanted != NULL ? (unsigned)atoi(wanted) : EVENTS;
    double longest_ms = 0, ms;
    size_t before, after;
    struct vm *vm;

    (void)state;
    begin_storm();
    vm = connect_vm(false);
    assert_true(qmp_client_subscribe(vm_qmp(vm), count_event, &events) > 0);
    before = heap_bytes();
    while (events < enough) {
        ms = ask(vm);
        longest_ms = ms > longest_ms ? ms : longest_ms;
        answers++;
    }
    after = heap_bytes();
    print_message("%u events, %u answers, the slowest after %.0f ms, %zu KiB more\n", events,
                  answers, longest_ms, after > before ? (after - before) >> 10 : 0);
    assert_true(after < before + HEAP_BYTES);
    assert_true(longest_ms < COMMAND_MS);
    vm_free(vm);
    end();
}

/* ---- an operation amid all that ---- */

struct ended {
    bool set;
    enum verdict verdict;
    char why[384];
};

static void note_end(void *user, const struct operation_result *result)
{
    struct ended *ended = user;

    ended->verdict = result->verdict;
    (void)snprintf(ended->why, sizeof(ended->why), "%s", result->error.why);
    ended->set = true;
}

static struct ended operate(struct vm *vm, enum operation_type type, double timeout_ms)
{
    const struct operation_request request = {.type = type, .timeout_ms = timeout_ms,
                                              .dimm = {.bytes = 256 * SIM_MIB}};
    struct ended ended = {.set = false};
    const struct operation_observer observer = {.done = note_end, .user = &ended};
    struct operation *operation = operation_start(vm, &request, NULL, &observer, NULL);
    struct pump *pumps[VM_PUMPS_MAX];
    size_t count = vm_pumps(vm, pumps);

    assert_non_null(operation);
    assert_true(blocking_run(pumps, count, is_set, &ended.set,
                             clock_now_ms() + timeout_ms + COMMAND_MS));
    operation_free(operation);
    return ended;
}

static void test_operations_in_a_storm(void **state)
{
    unsigned events = 0;
    struct ended ended;
    struct vm *vm;
    enum operation_type type;

    (void)state;
    begin_storm();
    vm = connect_vm(true);
    (void)ask(vm);
    assert_true(qmp_client_subscribe(vm_qmp(vm), count_event, &events) > 0);
    for (type = OPERATION_CPU_ADD; type <= OPERATION_DIMM_ADD; type++) {
        ended = operate(vm, type, OPERATION_MS);
        if (ended.verdict != VERDICT_ONLINE)
            fail_msg("%s: %s", verdict_name(ended.verdict), ended.why);
    }
    assert_true(events > BUNCH);
    vm_free(vm);
    end();
}

/* ---- an agent that never stops ---- */

static void make_flood(const char *once, const char *again, size_t times, const char *last)
{
    struct buffer *text = &flood.bunches[0];

    append(text, once, strlen(once));
    while (times-- > 0)
        append(text, again, strlen(again));
    append(text, last, strlen(last));
    flood.count = 1;
    flood.on = true;
}

static void test_agent_that_never_stops(void **state)
{
    static const struct {
        const char *once, *again;
        size_t times;
        const char *last;
    } floods[] = {
        {"", "x", 65536, ""},
        {"", "{\"return\": {}}\n", 4096, ""},
        {"", "\xff", 65536, ""},
        {"", "\xff{\"return\": 1}\n", 4096, ""},
        {"\xff", "[", 65536, ""},
        {"\xff{\"return\": \"", "\\u00e4", 1 << 20, "\"}\n"},
        {"\xff{\"return\": [", "{},", 1 << 20, "{}]}\n"},
        {"\xff{\"return\": [", "{},", 260000, "{}]}\n"}, /* just not too many */
    };
    size_t i, before;
    long before_kib = peak_kib();
    struct ended ended;
    struct vm *vm;

    (void)state;
    for (i = 0; i < COUNT_OF(floods); i++) {
        sim = sim_new();
        make_flood(floods[i].once, floods[i].again, floods[i].times, floods[i].last);
        begin(SIM_AGENT);
        vm = connect_vm(true);
        before = heap_bytes();
        ended = operate(vm, OPERATION_CPU_ADD, OPERATION_MS);
        if (ended.verdict != VERDICT_UNCONFIRMED)
            fail_msg("flood %zu: %s: %s", i, verdict_name(ended.verdict), ended.why);
        assert_true(heap_bytes() < before + HEAP_BYTES);
        vm_free(vm);
        end();
    }
    print_message("at most %ld MiB more\n", (peak_kib() - before_kib) >> 10);
#ifndef __SANITIZE_ADDRESS__
    assert_true(peak_kib() - before_kib < PEAK_KIB);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands_in_a_storm),
        cmocka_unit_test(test_operations_in_a_storm),
        cmocka_unit_test(test_agent_that_never_stops),
    };

    (void)!nice(10); /* it takes all that it gets, beside tests that watch the clock */
    return cmocka_run_group_tests_name("storms", tests, NULL, NULL);
}
