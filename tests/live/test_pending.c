/* SPDX-License-Identifier: MIT */
/* A guest that does not answer, answers late, or forgets: the verdict is true all the same, what
 * stands is on record, and `wait` sees it through. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "qmp/codec.h"
#include "tests/live/claims.h"

/* For the guest to start anew in, on a machine that has other things to do. */
#define PATIENCE "--timeout", "300"

/* So that the DIMM with the most free memory holds some that can't be moved. */
#define HOLD_MEMORY \
    "mkdir /tmp/held && for i in $(seq 40); do sleep 100000 & mkdir /tmp/held/$i; done; echo held"

static struct harness_vm vm;

static int boot(void **state)
{
    (void)state;
    harness_need_tools();
    harness_boot(&vm, HARNESS_ARGUMENTS("--", "-smp", "2,maxcpus=8"));
    return 0;
}

static int stop(void **state)
{
    (void)state;
    harness_stop(&vm);
    return 0;
}

static void tell_qemu(const char *command)
{
    json_decref(harness_qmp(&vm, command, NULL));
}

static void add_movable(const char *id)
{
    claim(&vm, "online", HARNESS_ARGUMENTS("memory", "add", "128M", "--movable", "--id", id));
}

/* Starts taking the DIMM from the frozen guest; returns when the guest is awaited. */
static struct harness_watch begin_removal(const char *id)
{
    struct harness_watch watch =
        harness_watch(&vm, HARNESS_ARGUMENTS("memory", "remove", id));

    harness_watch_until(&watch, HARNESS_ARGUMENTS("\"sent\"", "\"device_del\""));
    harness_watch_until(&watch, HARNESS_ARGUMENTS("\"sent\"", "\"query-memory-devices\""));
    return watch;
}

static void test_frozen(void **state)
{
    AUTO_FREE char *before = harness_snapshot(&vm);
    AUTO_FREE char *after = NULL;
    struct harness_watch watch;
    struct harness_run run;

    (void)state;
    add_movable("m");
    tell_qemu("stop");
    run = claim_run(&vm, "pending", HARNESS_ARGUMENTS("memory", "remove", "m", "--timeout", "2"));
    assert_string_equal(json_string_value(json_object_get(claim_last(&run), "awaiting")),
                        "removed");
    assert_true(json_number_value(json_object_get(claim_last(&run), "elapsed_ms")) < 2500);
    harness_run_free(&run);
    claim_pending(&vm, "memory-remove", "m");
    claim_blocked(&vm, "pending", HARNESS_ARGUMENTS("memory", "add", "128M", "--id", "m",
                                                    "--timeout", "2"));
    claim(&vm, "pending", HARNESS_ARGUMENTS("memory", "remove", "m", "--timeout", "1"));
    claim_pending(&vm, "memory-remove", "m");

    /* Somebody else's records say nothing of it. */
    assert_int_equal(setenv("XDG_RUNTIME_DIR", "/nonexistent", 1), 0);
    claim_blocked(&vm, "unknown", HARNESS_ARGUMENTS("wait", "m"));
    assert_int_equal(setenv("XDG_RUNTIME_DIR", harness_dir(), 1), 0);

    watch = harness_watch(&vm, HARNESS_ARGUMENTS("wait", "m"));
    harness_watch_until(&watch, HARNESS_ARGUMENTS("\"sent\"", "\"query-acpi-ospm-status\""));
    harness_watch_until(&watch, HARNESS_ARGUMENTS("\"sent\"", "\"query-acpi-ospm-status\""));
    tell_qemu("cont");
    run = harness_watch_end(&watch);
    claim_ended(&run, "removed");
    harness_run_free(&run);
    claim_guest(&vm, GUEST_ONLINE_BLOCKS, "2");
    claim_pending(&vm, NULL, NULL);
    after = harness_snapshot(&vm);
    assert_string_equal(after, before);
    claim_blocked(&vm, "unknown", HARNESS_ARGUMENTS("wait", "m"));
}

/* The guest gives it back while nobody looks; its backend waits for somebody to clear it away. */
static void test_ended_unseen(void **state)
{
    AUTO_FREE char *before = harness_snapshot(&vm);
    AUTO_FREE char *after = NULL;
    struct harness_watch events;
    struct harness_run run;

    (void)state;
    add_movable("unseen");
    tell_qemu("stop");
    claim(&vm, "pending",
          HARNESS_ARGUMENTS("memory", "remove", "unseen", "--timeout", "1"));
    events = harness_watch(&vm, HARNESS_ARGUMENTS("events", "--until", "DEVICE_DELETED"));
    harness_watch_until(&events, HARNESS_ARGUMENTS("\"received\"", "\"return\""));
    tell_qemu("cont");
    run = harness_watch_end(&events);
    assert_int_equal(run.status, 0);
    harness_run_free(&run);
    claim(&vm, "removed", HARNESS_ARGUMENTS("wait", "unseen"));
    after = harness_snapshot(&vm);
    assert_string_equal(after, before);
}

static void test_interrupted(void **state)
{
    struct harness_watch watch;
    struct harness_run run;

    (void)state;
    add_movable("m");
    tell_qemu("stop");
    watch = begin_removal("m");
    assert_int_equal(kill(watch.pid, SIGINT), 0);
    run = harness_watch_end(&watch);
    claim_ended(&run, "interrupted");
    harness_run_free(&run);
    claim_pending(&vm, "memory-remove", "m");

    watch = begin_removal("m");
    assert_int_equal(kill(watch.pid, SIGKILL), 0);
    run = harness_watch_end(&watch);
    assert_int_equal(run.status, 128 + SIGKILL);
    harness_run_free(&run);
    claim_pending(&vm, "memory-remove", "m");

    tell_qemu("cont");
    claim(&vm, "removed", HARNESS_ARGUMENTS("wait", "m"));
    claim_guest(&vm, GUEST_ONLINE_BLOCKS, "2");
    claim_pending(&vm, NULL, NULL);
}

/* The agent stops listening the moment that the guest has the new vCPU, and then dies. Its
 * successor is asked instead. */
static void test_agent_dies(void **state)
{
    struct harness_watch watch;
    struct harness_run run;

    (void)state;
    claim_guest(&vm, "(until [ -e /sys/devices/system/cpu/cpu2 ]; do :; done; "
                     "kill -STOP $(pidof qemu-ga); >/tmp/stopped) >/dev/null 2>&1 & echo ready",
                "ready");
    watch = harness_watch(&vm, HARNESS_ARGUMENTS("cpu", "add"));
    harness_watch_until(&watch, HARNESS_ARGUMENTS("\"ACPI_DEVICE_OST\""));
    claim_guest(&vm, "until [ -e /tmp/stopped ]; do :; done; kill -KILL $(pidof qemu-ga); "
                     "echo killed", "killed");
    run = harness_watch_end(&watch);
    claim_ended(&run, "online");
    harness_run_free(&run);
    claim_guest(&vm, GUEST_CPUS, "0-2");
    claim_agreement(&vm);
}

/* The guest is reset when the request has just gone out. */
static struct harness_run reset_amid(const char *command, const char *const *arguments)
{
    struct harness_watch watch = harness_watch(&vm, arguments);

    harness_watch_until(&watch, HARNESS_ARGUMENTS("\"sent\"", command));
    tell_qemu("system_reset");
    return harness_watch_end(&watch);
}

/* The guest has started anew, so far that its agent answers. */
static void await_agent(void)
{
    struct harness_run run =
        harness_vmplug_json(&vm, HARNESS_ARGUMENTS("agent", "guest-ping", PATIENCE));

    assert_int_equal(run.status, 0);
    harness_run_free(&run);
}

static void test_reset_amid_memory_remove(void **state)
{
    AUTO_FREE char *before = harness_snapshot(&vm);
    AUTO_FREE char *after = NULL;
    struct harness_run run;

    (void)state;
    add_movable("m");
    run = reset_amid("\"device_del\"", HARNESS_ARGUMENTS("memory", "remove", "m", PATIENCE));
    if (strcmp(harness_verdict(&run), "refused") == 0) {
        /* Asked again while it was still starting, it may fail to, and says so. */
        claim_ended(&run, "refused");
        harness_run_free(&run);
        await_agent();
        run = claim_run(&vm, "removed", HARNESS_ARGUMENTS("memory", "remove", "m", PATIENCE));
    } else {
        claim_ended(&run, "removed");
    }
    harness_run_free(&run);
    claim_guest(&vm, GUEST_BLOCKS, "2");
    claim_agreement(&vm);
    claim_pending(&vm, NULL, NULL);
    after = harness_snapshot(&vm);
    assert_string_equal(after, before);
}

/* The guest forgets the request while nobody listens; QEMU does not, and tells no one. */
static void test_reset_unseen(void **state)
{
    AUTO_FREE char *before = harness_snapshot(&vm);
    AUTO_FREE char *after = NULL;

    (void)state;
    add_movable("m");
    tell_qemu("stop");
    claim(&vm, "pending", HARNESS_ARGUMENTS("memory", "remove", "m", "--timeout", "1"));
    tell_qemu("system_reset");
    tell_qemu("cont");
    claim_guest(&vm, GUEST_BLOCKS, "3"); /* it has started */
    claim_pending(&vm, "memory-remove", "m");
    claim(&vm, "removed", HARNESS_ARGUMENTS("wait", "m", PATIENCE));
    claim_guest(&vm, GUEST_BLOCKS, "2");
    claim_pending(&vm, NULL, NULL);
    after = harness_snapshot(&vm);
    assert_string_equal(after, before);
}

static void test_reset_amid_memory_add(void **state)
{
    struct harness_run run =
        reset_amid("\"device_add\"",
                   HARNESS_ARGUMENTS("memory", "add", "128M", "--id", "m", PATIENCE));

    (void)state;
    claim_ended(&run, "online");
    harness_run_free(&run);
    claim_guest(&vm, GUEST_ONLINE_BLOCKS, "3");
    claim_agreement(&vm);
}

static void test_reset_amid_cpu_add(void **state)
{
    struct harness_run run =
        reset_amid("\"device_add\"", HARNESS_ARGUMENTS("cpu", "add", PATIENCE));

    (void)state;
    claim_ended(&run, "online");
    harness_run_free(&run);
    claim_agreement(&vm);
}

/* The guest refuses while nobody listens, and in the same words as once before. */
static void test_refused_unseen(void **state)
{
    struct harness_watch events;
    struct harness_run run;

    (void)state;
    claim(&vm, "online", HARNESS_ARGUMENTS("memory", "add", "256M", "--id", "held"));
    claim_guest(&vm, HOLD_MEMORY, "held");
    claim(&vm, "refused", HARNESS_ARGUMENTS("memory", "remove", "held"));
    tell_qemu("stop");
    claim(&vm, "pending", HARNESS_ARGUMENTS("memory", "remove", "held", "--timeout", "1"));
    events = harness_watch(&vm, HARNESS_ARGUMENTS("events", "--for", "60"));
    harness_watch_until(&events, HARNESS_ARGUMENTS("\"received\"", "\"return\""));
    tell_qemu("cont");
    harness_watch_until(&events, HARNESS_ARGUMENTS("\"ACPI_DEVICE_OST\"", "\"status\":130"));
    assert_int_equal(kill(events.pid, SIGINT), 0);
    run = harness_watch_end(&events);
    harness_run_free(&run);
    run = claim_run(&vm, "refused", HARNESS_ARGUMENTS("wait", "held", "--timeout", "10"));
    harness_run_free(&run);
    claim_pending(&vm, NULL, NULL);
    claim_agreement(&vm);
}

/* Without ACPI the guest never hears of anything, and nobody claims that it did. */
static void test_guest_without_acpi(void **state)
{
    struct harness_vm deaf;
    struct harness_run run;

    (void)state;
    harness_boot(&deaf, HARNESS_ARGUMENTS("--append", "acpi=off", "--", "-smp", "2,maxcpus=4"));
    run = claim_run(&deaf, "pending", HARNESS_ARGUMENTS("cpu", "add", "--timeout", "1"));
    assert_string_equal(json_string_value(json_object_get(claim_last(&run), "awaiting")),
                        "online");
    harness_run_free(&run);
    claim(&deaf, "pending", HARNESS_ARGUMENTS("memory", "add", "128M", "--timeout", "1"));
    claim_agreement(&deaf);
    claim_guest(&deaf, GUEST_BLOCKS, "2");
    claim(&deaf, "pending",
          HARNESS_ARGUMENTS("memory", "remove", "vmplug-mem-0", "--timeout", "1"));
    /* Before an ACPI guest has started, QEMU can't even ask for a vCPU. */
    run = claim_run(&deaf, "rejected", HARNESS_ARGUMENTS("cpu", "remove", "vmplug-cpu-2"));
    assert_non_null(strstr(run.err, "wait until the guest has started"));
    harness_run_free(&run);
    claim(&deaf, "online",
          HARNESS_ARGUMENTS("disk", "add", harness_image("deaf.raw", "raw", "1M"), "--id", "d"));
    claim(&deaf, "removed", HARNESS_ARGUMENTS("disk", "remove", "d"));
    claim_agreement(&deaf);
    harness_stop(&deaf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frozen),
        cmocka_unit_test(test_ended_unseen),
        cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_agent_dies),
        cmocka_unit_test(test_reset_amid_memory_remove),
        cmocka_unit_test(test_reset_unseen),
        cmocka_unit_test(test_reset_amid_memory_add),
        cmocka_unit_test(test_reset_amid_cpu_add),
        cmocka_unit_test(test_refused_unseen),
        cmocka_unit_test(test_guest_without_acpi),
    };

    return cmocka_run_group_tests_name("a guest that does not answer", tests, boot, stop);
}
