/* SPDX-License-Identifier: MIT */
/* A guest without an agent: what QEMU and ACPI prove is said, and no more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "tests/live/harness.h"

static struct harness_vm vm;

static int boot(void **state)
{
    (void)state;
    harness_need_tools();
    harness_boot(&vm, HARNESS_ARGUMENTS("--no-agent"));
    return 0;
}

static int stop(void **state)
{
    (void)state;
    harness_stop(&vm);
    return 0;
}

static const json_t *only_object(const struct harness_run *run)
{
    assert_int_equal(json_array_size(run->lines), 1);
    return json_array_get(run->lines, 0);
}

/* Reached rungs, and what is missing, of one object. */
static void assert_unconfirmed(const char *const *arguments, size_t stages)
{
    struct harness_run run = harness_vmplug_json(&vm, arguments);
    const json_t *missing = json_object_get(only_object(&run), "missing");

    assert_int_equal(run.status, 0);
    assert_string_equal(harness_verdict(&run), "unconfirmed");
    assert_int_equal(json_array_size(missing), 1);
    assert_string_equal(json_string_value(json_array_get(missing, 0)), "agent");
    assert_int_equal(json_array_size(json_object_get(only_object(&run), "stages")), stages);
    harness_run_free(&run);
}

static void test_unconfirmed(void **state)
{
    (void)state;
    assert_unconfirmed(HARNESS_ARGUMENTS("cpu", "add"), 3);
    assert_unconfirmed(HARNESS_ARGUMENTS("memory", "add", "128M"), 3);
    assert_unconfirmed(HARNESS_ARGUMENTS("disk", "add", harness_image("a.raw", "raw", "1M")), 2);
}

static void assert_unproven(const char *const *arguments)
{
    AUTO_FREE char *before = harness_snapshot(&vm);
    AUTO_FREE char *after = NULL;
    struct harness_run run = harness_vmplug_json(&vm, arguments);

    after = harness_snapshot(&vm);
    assert_string_equal(after, before);
    assert_int_equal(run.status, 8);
    assert_string_equal(harness_verdict(&run), "unproven");
    harness_run_free(&run);
}

static void test_unproven_sends_nothing(void **state)
{
    (void)state;
    assert_unproven(HARNESS_ARGUMENTS("--wait", "online", "cpu", "add"));
    assert_unproven(HARNESS_ARGUMENTS("--wait", "online", "memory", "add", "128M"));
    assert_unproven(
        HARNESS_ARGUMENTS("--wait", "online", "disk", "add", harness_image("b.raw", "raw", "1M")));
}

static void assert_level(const char *wait, const char *verdict, const char *const *arguments)
{
    const char *argv[8] = {"--wait", wait};
    struct harness_run run;
    size_t count = 2;

    for (; *arguments != NULL; arguments++)
        argv[count++] = *arguments;
    run = harness_vmplug_json(&vm, argv);
    assert_int_equal(run.status, 0);
    assert_string_equal(harness_verdict(&run), verdict);
    harness_run_free(&run);
}

static void test_levels(void **state)
{
    const char *image = harness_image("c.raw", "raw", "1M");

    (void)state;
    assert_level("accepted", "accepted", HARNESS_ARGUMENTS("cpu", "add"));
    assert_level("acknowledged", "acknowledged", HARNESS_ARGUMENTS("cpu", "add"));
    assert_level("realized", "realized", HARNESS_ARGUMENTS("memory", "add", "128M"));
    /* A disk has no _OST: the level counts as the one below it. */
    assert_level("acknowledged", "realized", HARNESS_ARGUMENTS("disk", "add", image));
}

static void test_status_knows_its_limits(void **state)
{
    struct harness_run run = harness_vmplug_json(&vm, HARNESS_ARGUMENTS("status"));
    const json_t *status = only_object(&run);
    const json_t *agent = json_object_get(status, "agent");

    (void)state;
    assert_int_equal(run.status, 0);
    assert_true(json_is_null(json_object_get(json_object_get(status, "cpus"), "online")));
    assert_true(json_is_null(json_object_get(json_object_get(status, "memory"), "online_bytes")));
    assert_true(json_is_false(json_object_get(agent, "connected")));
    assert_true(json_is_string(json_object_get(agent, "reason")));
    harness_run_free(&run);
}

/* The guest stopped: nothing can answer, and the deadline is kept. */
static void test_pending(void **state)
{
    struct harness_run run;
    const json_t *result;

    (void)state;
    json_decref(harness_qmp(&vm, "stop", NULL));
    run = harness_vmplug_json(&vm, HARNESS_ARGUMENTS("--timeout", "1", "memory", "add", "128M"));
    result = only_object(&run);
    assert_int_equal(run.status, 6);
    assert_string_equal(harness_verdict(&run), "pending");
    assert_string_equal(json_string_value(json_object_get(result, "awaiting")), "acknowledged");
    assert_true(json_number_value(json_object_get(result, "elapsed_ms")) < 1500);
    harness_run_free(&run);
    json_decref(harness_qmp(&vm, "cont", NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unconfirmed),
        cmocka_unit_test(test_unproven_sends_nothing),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_status_knows_its_limits),
        cmocka_unit_test(test_pending),
    };

    return cmocka_run_group_tests_name("without an agent", tests, boot, stop);
}
