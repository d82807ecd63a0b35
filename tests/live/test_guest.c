/* SPDX-License-Identifier: MIT */
/* The main job on the guest that the demo shows: q35, one of four vCPUs, 256 MiB of 4 GiB, 8 slots,
 * virtio-scsi, agent. The tests build on each other, as a user's commands would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "tests/live/harness.h"

#define ONLINE_CPUS "cat /sys/devices/system/cpu/online"
#define ONLINE_BLOCKS "cat /sys/devices/system/memory/memory*/state | grep -c '^online'"
#define MEMORY_KIB "sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo"

static struct harness_vm vm;

static int boot(void **state)
{
    (void)state;
    harness_need_tools();
    harness_boot(&vm, NULL);
    vm.board = "q35";
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

static long guest_number(const char *command)
{
    AUTO_FREE char *said = harness_guest(&vm, command);

    return atol(said);
}

static const json_t *only_object(const struct harness_run *run)
{
    assert_int_equal(json_array_size(run->lines), 1);
    return json_array_get(run->lines, 0);
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value != NULL ? value : "(none)";
}

/* The ladder's rungs, in order, as one string; their times must not fall. */
static void assert_stages(const json_t *object, const char *expected)
{
    char found[128] = "";
    const json_t *stage;
    double ms, last_ms = 0;
    size_t i;

    json_array_foreach(json_object_get(object, "stages"), i, stage) {
        ms = json_number_value(json_object_get(stage, "ms"));
        assert_true(ms >= last_ms);
        last_ms = ms;
        strcat(found, i > 0 ? " " : "");
        strncat(found, text(stage, "stage"), 20);
    }
    assert_string_equal(found, expected);
    assert_true(json_number_value(json_object_get(object, "elapsed_ms")) >= last_ms);
}

static void test_status_before(void **state)
{
    struct harness_run run = harness_vmplug_json(&vm, HARNESS_ARGUMENTS("status"));
    const json_t *status = only_object(&run);
    const json_t *cpus = json_object_get(status, "cpus");
    const json_t *memory = json_object_get(status, "memory");

    (void)state;
    assert_int_equal(run.status, 0);
    assert_string_equal(run.err, "");
    assert_string_equal(text(json_object_get(status, "vm"), "state"), "running");
    assert_string_equal(text(json_object_get(status, "vm"), "accel"), "tcg");
    assert_int_equal(json_integer_value(json_object_get(cpus, "present")), 1);
    assert_int_equal(json_integer_value(json_object_get(cpus, "max")), 4);
    assert_int_equal(json_integer_value(json_object_get(cpus, "online")), 1);
    assert_int_equal(json_array_size(json_object_get(cpus, "slots")), 4);
    assert_int_equal(json_integer_value(json_object_get(memory, "base_bytes")), 256 << 20);
    assert_int_equal(json_integer_value(json_object_get(memory, "slots_total")), 8);
    assert_int_equal(json_integer_value(json_object_get(memory, "slots_used")), 0);
    assert_int_equal(json_integer_value(json_object_get(memory, "block_bytes")), 128 << 20);
    assert_true(json_is_true(
        json_object_get(json_object_get(status, "agent"), "connected")));
    harness_run_free(&run);
}

static void test_cpu_add(void **state)
{
    struct harness_run run;
    const json_t *result;

    (void)state;
    assert_guest(ONLINE_CPUS, "0");
    run = harness_vmplug_json(&vm, HARNESS_ARGUMENTS("cpu", "add"));
    assert_guest(ONLINE_CPUS, "0-1");
    result = only_object(&run);
    assert_int_equal(run.status, 0);
    assert_string_equal(text(result, "operation"), "cpu-add");
    assert_string_equal(text(result, "id"), "vmplug-cpu-1");
    assert_string_equal(text(result, "verdict"), "online");
    assert_stages(result, "accepted realized acknowledged online");
    assert_int_equal(json_array_size(json_object_get(result, "missing")), 0);
    harness_run_free(&run);
}

static void test_memory_add(void **state)
{
    long blocks = guest_number(ONLINE_BLOCKS), kib = guest_number(MEMORY_KIB);
    struct harness_run run = harness_vmplug_json(&vm, HARNESS_ARGUMENTS("memory", "add", "256M"));
    const json_t *result = only_object(&run);

    (void)state;
    assert_int_equal(guest_number(ONLINE_BLOCKS), blocks + 2);
    assert_int_equal(guest_number(MEMORY_KIB), kib + 256 * 1024);
    assert_int_equal(run.status, 0);
    assert_string_equal(text(result, "operation"), "memory-add");
    assert_string_equal(text(result, "id"), "vmplug-mem-0");
    assert_string_equal(text(result, "verdict"), "online");
    assert_stages(result, "accepted realized acknowledged online");
    harness_run_free(&run);
}

static void add_disk(const char *name, const char *format, const char *serial, const char *lun)
{
    const char *path = harness_image(name, format, "8M");
    struct harness_run run = harness_vmplug_json(
        &vm, HARNESS_ARGUMENTS("disk", "add", path, "--serial", serial));
    const json_t *result = only_object(&run);
    AUTO_FREE char *serials = NULL;
    AUTO_FREE char *command = NULL;

    assert_int_equal(run.status, 0);
    assert_string_equal(text(result, "verdict"), "online");
    assert_string_equal(text(result, "format"), format);
    assert_stages(result, "accepted realized online");
    assert_int_equal(json_integer_value(json_object_get(result, "lun")), atoi(lun));
    assert_true(asprintf(&command, "tail -c +5 /sys/block/%s/device/vpd_pg80; cat "
                                   "/sys/block/%s/size",
                         text(result, "guest_name") + strlen("/dev/"),
                         text(result, "guest_name") + strlen("/dev/")) > 0);
    serials = harness_guest(&vm, command);
    assert_non_null(strstr(serials, serial));
    assert_non_null(strstr(serials, "16384"));
    harness_run_free(&run);
}

static void test_disk_add(void **state)
{
    (void)state;
    add_disk("first.qcow2", "qcow2", "SER-1", "1");
    add_disk("second.raw", "raw", "SER-2", "2");
    assert_guest("ls /sys/block | grep -c sd", "2");
}

static void test_disk_carries_data(void **state)
{
    (void)state;
    assert_guest("echo proof | dd of=/dev/sda conv=notrunc 2>/dev/null && sync && "
                 "echo 3 >/proc/sys/vm/drop_caches && head -c 5 /dev/sda",
                 "proof");
}

static void test_disk_read_only(void **state)
{
    const char *path = harness_image("third.raw", "raw", "8M");
    struct harness_run run = harness_vmplug_json(
        &vm, HARNESS_ARGUMENTS("disk", "add", path, "--read-only", "--id", "archive"));

    (void)state;
    assert_string_equal(harness_verdict(&run), "online");
    assert_string_equal(text(only_object(&run), "id"), "archive");
    assert_guest("cat /sys/block/sdc/ro", "1");
    harness_run_free(&run);
}

static void test_cpu_set(void **state)
{
    struct harness_run run = harness_vmplug_json(&vm, HARNESS_ARGUMENTS("cpu", "set", "4"));
    const json_t *summary;

    (void)state;
    assert_guest(ONLINE_CPUS, "0-3");
    assert_int_equal(run.status, 0);
    assert_int_equal(json_array_size(run.lines), 3);
    summary = json_array_get(run.lines, 2);
    assert_true(json_is_true(json_object_get(summary, "summary")));
    assert_string_equal(text(summary, "verdict"), "online");
    assert_int_equal(json_integer_value(json_object_get(summary, "asked")), 2);
    assert_int_equal(json_integer_value(json_object_get(summary, "done")), 2);
    harness_run_free(&run);
    run = harness_vmplug_json(&vm, HARNESS_ARGUMENTS("cpu", "set", "4"));
    assert_int_equal(run.status, 0);
    assert_string_equal(harness_verdict(&run), "done");
    assert_int_equal(json_array_size(run.lines), 1);
    harness_run_free(&run);
}

static void test_memory_set(void **state)
{
    struct harness_run run = harness_vmplug_json(&vm, HARNESS_ARGUMENTS("memory", "set", "1G"));

    (void)state;
    assert_int_equal(run.status, 0);
    assert_string_equal(harness_verdict(&run), "online");
    harness_run_free(&run);
    assert_int_equal(guest_number(ONLINE_BLOCKS), 8);
}

static void test_status_after(void **state)
{
    struct harness_run run = harness_vmplug_json(&vm, HARNESS_ARGUMENTS("status"));
    const json_t *status = only_object(&run);
    const json_t *memory = json_object_get(status, "memory");

    (void)state;
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(status, "cpus"), "online")), 4);
    assert_int_equal(json_integer_value(json_object_get(memory, "total_bytes")), 1 << 30);
    assert_int_equal(json_integer_value(json_object_get(memory, "online_bytes")), 1 << 30);
    assert_int_equal(json_integer_value(json_object_get(memory, "slots_used")), 2);
    assert_int_equal(json_array_size(json_object_get(status, "disks")), 3);
    harness_run_free(&run);
}

/* A refusal: its exit code, one line on stderr with a fix, and QEMU exactly as before. */
static void assert_blocked(const char *const *arguments, int status, const char *verdict,
                           const char *word)
{
    AUTO_FREE char *before = harness_snapshot(&vm);
    AUTO_FREE char *after = NULL;
    struct harness_run run = harness_vmplug_json(&vm, arguments);

    after = harness_snapshot(&vm);
    assert_string_equal(after, before);
    assert_int_equal(run.status, status);
    assert_string_equal(harness_verdict(&run), verdict);
    assert_true(strncmp(run.err, "vmplug: ", 8) == 0);
    assert_ptr_equal(strchr(run.err, '\n'), run.err + strlen(run.err) - 1);
    assert_non_null(strchr(run.err, ';'));
    if (strstr(run.err, word) == NULL)
        print_error("no '%s' in: %s", word, run.err);
    assert_non_null(strstr(run.err, word));
    harness_run_free(&run);
}

static void test_refusals(void **state)
{
    const char *taken = harness_image("other.raw", "raw", "1M");

    (void)state;
    assert_blocked(HARNESS_ARGUMENTS("cpu", "add"), 7, "blocked", "maxcpus");
    assert_blocked(HARNESS_ARGUMENTS("cpu", "set", "9"), 7, "blocked", "maxcpus");
    assert_blocked(HARNESS_ARGUMENTS("memory", "add", "100M"), 7, "blocked", "128 MiB");
    assert_blocked(HARNESS_ARGUMENTS("memory", "add", "64G"), 7, "blocked", "maxmem");
    assert_blocked(HARNESS_ARGUMENTS("memory", "set", "1100M"), 7, "blocked", "1152 MiB");
    assert_blocked(HARNESS_ARGUMENTS("memory", "add", "256M", "--id", "vmplug-mem-0"), 7,
                   "blocked", "taken");
    assert_blocked(HARNESS_ARGUMENTS("memory", "add", "256M", "--node", "7"), 4, "rejected",
                   "node");
    assert_blocked(HARNESS_ARGUMENTS("disk", "add", "/nonexistent.raw"), 7, "blocked",
                   "No such file");
    assert_blocked(HARNESS_ARGUMENTS("disk", "add", "/tmp"), 7, "blocked", "");
    assert_blocked(HARNESS_ARGUMENTS("disk", "add", taken, "--id", "archive"), 7, "blocked",
                   "taken");
    assert_blocked(HARNESS_ARGUMENTS("disk", "add", taken, "--serial", "SER-1"), 7, "blocked",
                   "SER-1");
    assert_blocked(HARNESS_ARGUMENTS("disk", "add", taken, "--lun", "1"), 7, "blocked", "LUN");
    assert_blocked(HARNESS_ARGUMENTS("disk", "add", taken, "--bus", "nobus.0"), 7, "blocked",
                   "nobus.0");
}

/* The guest may have written a qcow2 header into a raw image. */
static void test_format_is_not_guessed(void **state)
{
    char ambiguous[256], raw[256];
    struct harness_run run;

    (void)state;
    (void)snprintf(ambiguous, sizeof(ambiguous), "%s/guest.img", harness_dir());
    (void)snprintf(raw, sizeof(raw), "%s/guest.raw", harness_dir());
    assert_int_equal(rename(harness_image("x.img", "qcow2", "1M"), ambiguous), 0);
    assert_blocked(HARNESS_ARGUMENTS("disk", "add", ambiguous), 7, "blocked", "--format");
    assert_int_equal(rename(ambiguous, raw), 0);
    run = harness_vmplug_json(&vm, HARNESS_ARGUMENTS("disk", "add", raw));
    assert_string_equal(harness_verdict(&run), "online");
    assert_string_equal(text(only_object(&run), "format"), "raw");
    harness_run_free(&run);
}

static void test_raw_protocols(void **state)
{
    struct harness_run run =
        harness_vmplug_json(&vm, HARNESS_ARGUMENTS("qmp", "query-status"));

    (void)state;
    assert_string_equal(text(only_object(&run), "status"), "running");
    harness_run_free(&run);
    run = harness_vmplug_json(&vm, HARNESS_ARGUMENTS("agent", "guest-get-memory-block-info"));
    assert_int_equal(json_integer_value(json_object_get(only_object(&run), "size")), 128 << 20);
    harness_run_free(&run);
    run = harness_vmplug_json(&vm, HARNESS_ARGUMENTS("qmp", "no-such-command"));
    assert_int_equal(run.status, 4);
    assert_non_null(strstr(run.err, "CommandNotFound"));
    harness_run_free(&run);
}

static void test_version(void **state)
{
    struct harness_run run = harness_vmplug_json(&vm, HARNESS_ARGUMENTS("version"));

    (void)state;
    assert_int_equal(run.status, 0);
    assert_non_null(strstr(run.out, "agent"));
    harness_run_free(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_before),
        cmocka_unit_test(test_cpu_add),
        cmocka_unit_test(test_memory_add),
        cmocka_unit_test(test_disk_add),
        cmocka_unit_test(test_disk_carries_data),
        cmocka_unit_test(test_disk_read_only),
        cmocka_unit_test(test_cpu_set),
        cmocka_unit_test(test_memory_set),
        cmocka_unit_test(test_status_after),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_format_is_not_guessed),
        cmocka_unit_test(test_raw_protocols),
        cmocka_unit_test(test_version),
    };

    return cmocka_run_group_tests_name("the guest grows", tests, boot, stop);
}
