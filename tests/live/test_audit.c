/* SPDX-License-Identifier: MIT */
/* What half-finished plugs and a reboot leave behind on a real QEMU with a real guest, found and
 * cleaned up; and what such a VM can do. The tests build on each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "tests/live/harness.h"

#define ONLINE_CPUS "cat /sys/devices/system/cpu/online"
#define ONLINE_BLOCKS "cat /sys/devices/system/memory/memory*/state | grep -c '^online'"

static struct harness_vm vm;

static void run_ok(const char *const *arguments)
{
    struct harness_run run = harness_vmplug_json(&vm, arguments);

    if (run.status != 0)
        print_error("%s%s", run.out, run.err);
    assert_int_equal(run.status, 0);
    harness_run_free(&run);
}

static int boot(void **state)
{
    (void)state;
    harness_need_tools();
    harness_boot(&vm, NULL);
    run_ok(HARNESS_ARGUMENTS("cpu", "add"));
    run_ok(HARNESS_ARGUMENTS("memory", "add", "256M"));
    run_ok(HARNESS_ARGUMENTS("disk", "add", harness_image("d.raw", "raw", "8M")));
    return 0;
}

static int stop(void **state)
{
    (void)state;
    harness_stop(&vm);
    return 0;
}

static void assert_guest(const char *command, const char *expected)
{
    AUTO_FREE char *said = harness_guest(&vm, command);

    assert_string_equal(said, expected);
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value != NULL ? value : "(none)";
}

/* "kind id owner" of each finding, in order. */
static void assert_findings(const char *expected)
{
    struct harness_run run = harness_vmplug_json(&vm, HARNESS_ARGUMENTS("audit"));
    const json_t *audit = json_array_get(run.lines, 0), *finding;
    char found[1024] = "";
    size_t used = 0, i;

    assert_int_equal(run.status, 0);
    assert_int_equal(json_array_size(run.lines), 1);
    json_array_foreach(json_object_get(audit, "findings"), i, finding)
        used += (size_t)snprintf(found + used, sizeof(found) - used, "%s%s %s %s",
                                 i > 0 ? ", " : "", text(finding, "kind"), text(finding, "id"),
                                 text(finding, "owner"));
    assert_string_equal(found, expected);
    assert_true(*expected != '\0' || json_is_true(json_object_get(audit, "clean")));
    harness_run_free(&run);
}

static void clean(const char *option, json_int_t asked)
{
    struct harness_run run =
        harness_vmplug_json(&vm, HARNESS_ARGUMENTS("audit", "--clean", option));
    const json_t *summary;

    if (run.status != 0)
        print_error("%s%s", run.out, run.err);
    assert_int_equal(run.status, 0);
    summary = json_array_get(run.lines, (size_t)asked);
    assert_true(json_is_true(json_object_get(summary, "summary")));
    assert_string_equal(text(summary, "verdict"), "done");
    assert_int_equal(json_integer_value(json_object_get(summary, "asked")), asked);
    assert_int_equal(json_integer_value(json_object_get(summary, "done")), asked);
    harness_run_free(&run);
}

static void assert_doctor(const char *const *arguments, int status, const char *said)
{
    struct harness_run run = harness_vmplug_json(&vm, arguments);

    if (run.status != status || strstr(run.err, said) == NULL)
        print_error("%s%s", run.out, run.err);
    assert_int_equal(run.status, status);
    assert_non_null(strstr(run.err, said));
    assert_int_equal(json_array_size(run.lines), 1);
    harness_run_free(&run);
}

/* The guest's kernel can do all, and has put what was added where it may not come back from. */
static void test_doctor(void **state)
{
    (void)state;
    assert_doctor(HARNESS_ARGUMENTS("doctor", "cpu_add", "cpu_remove", "memory_add", "disk_add",
                                    "disk_remove"), 0, "");
    assert_doctor(HARNESS_ARGUMENTS("doctor"), 7, "memory_remove is not certain");
    assert_doctor(HARNESS_ARGUMENTS("doctor", "cdrom"), 7, "cdrom can't be done");
}

static void test_nothing_to_find(void **state)
{
    AUTO_FREE char *before = harness_snapshot(&vm);
    AUTO_FREE char *after = NULL;

    (void)state;
    assert_findings("");
    clean("--all", 0);
    after = harness_snapshot(&vm);
    assert_string_equal(after, before);
}

static void test_leftovers(void **state)
{
    AUTO_FREE char *before = harness_snapshot(&vm);
    AUTO_FREE char *after = NULL;

    (void)state;
    run_ok(HARNESS_ARGUMENTS("qmp", "object-add",
                             "{\"qom-type\": \"memory-backend-ram\", \"id\": "
                             "\"vmplug-mem-7-backend\", \"size\": 134217728}"));
    run_ok(HARNESS_ARGUMENTS("qmp", "object-add",
                             "{\"qom-type\": \"memory-backend-ram\", \"id\": \"theirs\", \"size\": "
                             "134217728}"));
    run_ok(HARNESS_ARGUMENTS("qmp", "blockdev-add",
                             "{\"driver\": \"raw\", \"node-name\": \"vmplug-disk-9\", \"file\": "
                             "{\"driver\": \"null-co\", \"size\": 1048576}}"));
    assert_findings("memory-backend theirs other, memory-backend vmplug-mem-7-backend vmplug, "
                    "block-node vmplug-disk-9 vmplug");
    clean("--verbose", 2);
    assert_findings("memory-backend theirs other");
    clean("--all", 1);
    assert_findings("");
    after = harness_snapshot(&vm);
    assert_string_equal(after, before);
}

static void test_offline(void **state)
{
    (void)state;
    assert_guest("echo 0 >/sys/devices/system/cpu/cpu1/online; " ONLINE_CPUS, "0");
    assert_guest("echo offline >/sys/devices/system/memory/memory33/state; " ONLINE_BLOCKS, "3");
    assert_findings("cpu-offline vmplug-cpu-1 vmplug, memory-offline vmplug-mem-0 vmplug");
    clean("--all", 2);
    assert_guest(ONLINE_CPUS, "0-1");
    assert_guest(ONLINE_BLOCKS, "4");
    assert_findings("");
}

/* What is typed while the guest boots waits for its shell, and its agent for the request. */
static void test_after_a_reboot(void **state)
{
    (void)state;
    json_decref(harness_qmp(&vm, "system_reset", NULL));
    assert_guest(ONLINE_BLOCKS, "2");
    run_ok(HARNESS_ARGUMENTS("agent", "guest-ping", "--timeout", "300"));
    assert_findings("memory-offline vmplug-mem-0 vmplug");
    clean("--all", 1);
    assert_guest(ONLINE_CPUS, "0-1");
    assert_guest(ONLINE_BLOCKS, "4");
    assert_findings("");
}

/* A guest that stands still answers no removal: the record alone knows of it. Once it goes on, it
 * gives the DIMM back by itself or when asked anew. */
static void test_pending(void **state)
{
    struct harness_run run;

    (void)state;
    run_ok(HARNESS_ARGUMENTS("memory", "add", "128M", "--movable"));
    run_ok(HARNESS_ARGUMENTS("qmp", "stop"));
    run = harness_vmplug_json(
        &vm, HARNESS_ARGUMENTS("memory", "remove", "vmplug-mem-1", "--timeout", "3"));
    assert_int_equal(run.status, 6);
    harness_run_free(&run);
    assert_findings("pending vmplug-mem-1 vmplug");
    run_ok(HARNESS_ARGUMENTS("qmp", "cont"));
    run_ok(HARNESS_ARGUMENTS("agent", "guest-ping", "--timeout", "300"));
    run_ok(HARNESS_ARGUMENTS("audit", "--clean"));
    assert_findings("");
    assert_guest(ONLINE_BLOCKS, "4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_doctor),
        cmocka_unit_test(test_nothing_to_find),
        cmocka_unit_test(test_leftovers),
        cmocka_unit_test(test_offline),
        cmocka_unit_test(test_after_a_reboot),
        cmocka_unit_test(test_pending),
    };

    return cmocka_run_group_tests_name("audit on a real guest", tests, boot, stop);
}
