/* SPDX-License-Identifier: MIT */
/*
 * Who starts something hears of it from the pump only, never inside of the call that started it;
 * and can withdraw at any time: here after each turn of the loop that it takes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/fixture.h"
#include "vmplug/vmm.h"

#define SOON_MS 20000
#define MIB (UINT64_C(1) << 20)

static struct vmplug_error error;

/* What may be called is called in between these: no callback must come before the call returns. */
static int in_call;

#define CALL(expression)     \
    do {                     \
        in_call = 1;         \
        (void)(expression);  \
        in_call = 0;         \
    } while (0)

struct told {
    struct vmplug_vm *vm;
    struct vmplug_operation *operation;
    struct vmplug_look *look;
    unsigned calls, ends, turns, again;
    int verdict;
    char json[4096]; /* of the last device */
};

static struct vmplug_vm *open_vm(void)
{
    const struct vmplug_vm_options options = {.struct_bytes = sizeof(options),
                                              .qmp_path = fixture_qmp,
                                              .agent_path = fixture_agent,
                                              .runtime_dir = ""};
    struct vmplug_vm *vm = vmplug_vm_open(&options, &error);

    assert_non_null(vm);
    return vm;
}

/* A machine that is quick, so that a turn is seldom one of waiting only. */
static struct vmplug_vm *start_vm(void)
{
    FIXTURE_START("--cpus", "1", "--memory", "256M", "--guest", "ost-delay=1", "--guest",
                  "online-delay=1");
    return open_vm();
}

static void stop_vm(struct vmplug_vm *vm)
{
    vmplug_vm_free(vm);
    fixture_stop();
}

/* ---- what is heard ---- */

static const struct vmplug_observer *observe(struct told *told);

static const struct vmplug_request add_memory = {
    .struct_bytes = sizeof(add_memory), .action = VMPLUG_MEMORY_ADD, .bytes = 256 * MIB};

static void on_stage(void *user, struct vmplug_result *so_far)
{
    (void)so_far;
    assert_false(in_call);
    ((struct told *)user)->calls++;
}

static void on_device(void *user, struct vmplug_result *result)
{
    struct told *told = user;

    assert_false(in_call);
    told->calls++;
    (void)snprintf(told->json, sizeof(told->json), "%s", vmplug_result_json(result));
}

/* Starts the same once more, as often as was asked for. In a callback, too, the call returns
 * before anything is heard. */
static void on_done(void *user, struct vmplug_result *result)
{
    struct told *told = user;

    assert_false(in_call);
    told->calls++;
    told->verdict = vmplug_result_verdict(result);
    vmplug_operation_free(told->operation);
    told->operation = NULL;
    if (told->again == 0) {
        told->ends++;
        return;
    }
    told->again--;
    CALL(told->operation =
             vmplug_operation_start(told->vm, &add_memory, observe(told), &error));
    assert_non_null(told->operation);
}

static void on_look(void *user, const char *json, const struct vmplug_error *failure)
{
    struct told *told = user;

    assert_false(in_call);
    told->look = NULL;
    told->calls++;
    told->ends++;
    told->verdict = failure == NULL ? 0 : failure->code;
    (void)snprintf(told->json, sizeof(told->json), "%s", json != NULL ? json : "");
}

static const struct vmplug_observer *observe(struct told *told)
{
    static struct vmplug_observer observer = {
        .struct_bytes = sizeof(observer), .stage = on_stage, .device = on_device, .done = on_done};

    observer.user = told;
    return &observer;
}

static int has_ended_or_turned(void *user)
{
    struct told *told = user;

    return told->ends > 0 || told->turns-- == 0;
}

/* Returns 1 when it ended within so many turns of the loop. */
static int drive(struct told *told, unsigned turns)
{
    struct vmplug_pump *pumps[VMPLUG_VM_PUMPS_MAX];
    size_t count = vmplug_vm_pumps(told->vm, pumps);

    told->turns = turns;
    (void)vmplug_pump_run(pumps, count, has_ended_or_turned, told, SOON_MS);
    return told->ends > 0;
}

static void drive_to_end(struct told *told)
{
    assert_int_equal(drive(told, 1000000), 1);
    assert_int_equal(told->ends, 1);
}

static int can_look(struct vmplug_vm *vm)
{
    char *text = vmplug_status(vm, SOON_MS, &error);
    int can = text != NULL;

    vmplug_text_free(text);
    return can;
}

/* ---- never inside of the call ---- */

static void test_start(void **state)
{
    struct told told = {.vm = start_vm(), .again = 2};

    (void)state;
    CALL(told.operation = vmplug_operation_start(told.vm, &add_memory, observe(&told), &error));
    drive_to_end(&told);
    assert_int_equal(told.verdict, VMPLUG_ONLINE);
    assert_holds(told.json, "vmplug-mem-2");
    stop_vm(told.vm);
}

/* What is hopeless from the beginning is told in its turn, too. */
static void test_start_of_the_hopeless(void **state)
{
    const struct vmplug_request hopeless = {
        .struct_bytes = sizeof(hopeless), .action = VMPLUG_CPU_SET, .count = 1000};
    struct told told = {.vm = start_vm()};

    (void)state;
    CALL(told.operation = vmplug_operation_start(told.vm, &hopeless, observe(&told), &error));
    drive_to_end(&told);
    assert_int_equal(told.verdict, VMPLUG_BLOCKED);
    stop_vm(told.vm);
}

/* With QEMU gone before, either the call fails or the callback comes from a pump; which one that
 * is, is the timers': it lives as long as the VM. */
static void test_start_without_qemu(void **state)
{
    struct told told = {.vm = start_vm()};
    int kind;

    (void)state;
    assert_true(can_look(told.vm));
    fixture_kill();
    assert_false(can_look(told.vm));
    CALL(told.operation = vmplug_operation_start(told.vm, &add_memory, observe(&told), &error));
    if (told.operation != NULL) {
        drive_to_end(&told);
        assert_int_equal(told.verdict, VMPLUG_LOST);
    }
    for (kind = VMPLUG_LOOK_STATUS; kind <= VMPLUG_LOOK_AUDIT; kind++) {
        told.ends = 0;
        CALL(told.look =
                 vmplug_look_start(told.vm, kind, SOON_MS, on_look, &told, &error));
        if (told.look == NULL)
            continue;
        drive_to_end(&told);
        assert_int_equal(told.verdict, VMPLUG_ERROR_DISCONNECTED);
    }
    vmplug_vm_free(told.vm);
}

/* ---- withdrawn after each turn ---- */

/* Nothing stays that the result does not name. */
static void assert_taken_back(const struct told *told)
{
    char *text = fixture_state();

    if (strstr(text, "vmplug-mem-0") != NULL && strstr(told->json, "\"left\":[\"") == NULL)
        fail_msg("%s stays unsaid: %s", text, told->json);
    free(text);
}

static void test_interrupt_at_any_time(void **state)
{
    unsigned turns, interrupted = 0;
    struct told told;
    int over;

    (void)state;
    for (turns = 0, over = 0; !over; turns++) {
        told = (struct told){.vm = start_vm()};
        CALL(told.operation =
                 vmplug_operation_start(told.vm, &add_memory, observe(&told), &error));
        over = drive(&told, turns);
        if (!over) {
            CALL(vmplug_operation_interrupt(told.operation));
            CALL(vmplug_operation_interrupt(told.operation)); /* twice is as once */
            drive_to_end(&told);
        }
        if (told.verdict == VMPLUG_INTERRUPTED)
            assert_taken_back(&told);
        else
            assert_int_equal(told.verdict, VMPLUG_ONLINE);
        interrupted += told.verdict == VMPLUG_INTERRUPTED;
        assert_true(can_look(told.vm));
        stop_vm(told.vm);
    }
    assert_true(interrupted > 10);
}

static void test_free_at_any_time(void **state)
{
    unsigned turns, heard;
    struct told told;
    int over;

    (void)state;
    for (turns = 0, over = 0; !over; turns++) {
        told = (struct told){.vm = start_vm()};
        CALL(told.operation =
                 vmplug_operation_start(told.vm, &add_memory, observe(&told), &error));
        over = drive(&told, turns);
        heard = told.calls;
        CALL(vmplug_operation_free(told.operation)); /* NULL when over */
        assert_true(can_look(told.vm));
        assert_int_equal(told.calls, heard);
        stop_vm(told.vm);
    }
    assert_true(turns > 10);
}

static void test_look_cancelled_at_any_time(void **state)
{
    struct told told = {.vm = start_vm()};
    unsigned turns;
    int kind, over;

    (void)state;
    for (kind = VMPLUG_LOOK_STATUS; kind <= VMPLUG_LOOK_AUDIT; kind++) {
        for (turns = 0, over = 0; !over; turns++) {
            told.calls = told.ends = 0;
            CALL(told.look = vmplug_look_start(told.vm, kind, 0, on_look, &told, &error));
            over = drive(&told, turns);
            if (over)
                break;
            CALL(vmplug_look_cancel(told.look));
            assert_true(can_look(told.vm));
            assert_int_equal(told.calls, 0);
        }
        assert_int_equal(told.calls, 1);
        assert_int_equal(told.verdict, 0);
        assert_true(turns > 1);
    }
    stop_vm(told.vm);
}

static void count_cancelled(void *user, struct vmplug_reply *reply)
{
    assert_int_equal(vmplug_reply_error(reply)->code, VMPLUG_ERROR_CANCELLED);
    ++*(unsigned *)user;
}

static void count_events(void *user, struct vmplug_event *event)
{
    (void)event;
    ++*(unsigned *)user;
}

/* Commands of the program's own that are under way when the VM goes are told so, each once, and its
 * subscriptions end without a word. */
static void test_commands_of_ones_own(void **state)
{
    struct vmplug_vm *vm = start_vm();
    struct vmplug_agent *agent = vmplug_vm_agent(vm);
    unsigned cancelled = 0, events = 0;
    char *text;

    (void)state;
    assert_non_null(agent);
    text = vmplug_agent_call(agent, "guest-get-vcpus", NULL, SOON_MS, &error);
    assert_holds(text, "\"logical-id\":0");
    vmplug_text_free(text);
    assert_true(vmplug_qmp_subscribe(vmplug_vm_qmp(vm), count_events, &events) > 0);
    assert_true(vmplug_qmp_submit(vmplug_vm_qmp(vm), "query-status", NULL, 0, count_cancelled,
                                  &cancelled, &error) > 0);
    assert_true(vmplug_agent_submit(agent, "guest-info", NULL, SOON_MS, count_cancelled, &cancelled,
                                    &error) > 0);
    assert_int_equal(cancelled, 0);
    stop_vm(vm);
    assert_int_equal(cancelled, 2);
    assert_int_equal(events, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_start_of_the_hopeless),
        cmocka_unit_test(test_start_without_qemu),
        cmocka_unit_test(test_interrupt_at_any_time),
        cmocka_unit_test(test_free_at_any_time),
        cmocka_unit_test(test_look_cancelled_at_any_time),
        cmocka_unit_test(test_commands_of_ones_own),
    };

    return cmocka_run_group_tests_name("libvmplug: at any time", tests, NULL, NULL);
}
