/* SPDX-License-Identifier: MIT */
/* virtio-mem on a real guest: two PCI ports for two of them, one that takes its memory as the
 * kernel likes, and one that takes it as movable memory and so can give all of it back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "qmp/codec.h"
#include "tests/live/harness.h"

#define MIB (1 << 20)
#define ONLINE_BLOCKS "cat /sys/devices/system/memory/memory*/state | grep -c '^online'"
#define MEMORY_KIB "sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo"

static struct harness_vm vm;

static int boot(void **state)
{
    (void)state;
    harness_need_tools();
    harness_boot(&vm, HARNESS_ARGUMENTS("--", "-device", "pcie-root-port,id=port1,chassis=1",
                                        "-device", "pcie-root-port,id=port2,chassis=2", "-device",
                                        "pcie-root-port,id=port3,chassis=3,hotplug=off"));
    vm.board = "q35";
    return 0;
}

static int stop(void **state)
{
    (void)state;
    harness_stop(&vm);
    return 0;
}

static long guest_number(const char *command)
{
    AUTO_FREE char *said = harness_guest(&vm, command);

    return atol(said);
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value != NULL ? value : "(none)";
}

static json_int_t number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return json_is_integer(value) ? json_integer_value(value) : -1;
}

/* What the second monitor says of a virtio-mem. */
static json_int_t device_number(const char *id, const char *key)
{
    AUTO_JSON json_t *rows = harness_qmp(&vm, "query-memory-devices", NULL);
    const json_t *data, *row;
    size_t i;

    json_array_foreach(rows, i, row) {
        data = json_object_get(row, "data");
        if (strcmp(text(data, "id"), id) == 0)
            return number(data, key);
    }
    return -1;
}

static const json_t *last_object(const struct harness_run *run)
{
    return json_array_get(run->lines, json_array_size(run->lines) - 1);
}

/* Runs it, and looks at QEMU and into the guest whether it is true. */
static void assert_resized(const char *const *arguments, const char *verdict, const char *id,
                           json_int_t bytes, long blocks)
{
    struct harness_run run = harness_vmplug_json(&vm, arguments);

    if (strcmp(harness_verdict(&run), verdict) != 0)
        print_error("%s%s\n", run.out, run.err);
    assert_string_equal(harness_verdict(&run), verdict);
    assert_int_equal(run.status, 0);
    assert_int_equal(device_number(id, "size"), bytes);
    assert_int_equal(device_number(id, "requested-size"), bytes);
    assert_int_equal(guest_number(ONLINE_BLOCKS), blocks);
    harness_run_free(&run);
}

/* A refusal leaves QEMU exactly as before. */
static void assert_blocked(const char *const *arguments, const char *word)
{
    AUTO_FREE char *before = harness_snapshot(&vm);
    AUTO_FREE char *after = NULL;
    struct harness_run run = harness_vmplug_json(&vm, arguments);

    after = harness_snapshot(&vm);
    assert_string_equal(after, before);
    assert_int_equal(run.status, 7);
    assert_string_equal(harness_verdict(&run), "blocked");
    if (strstr(run.err, word) == NULL)
        print_error("no '%s' in: %s", word, run.err);
    assert_non_null(strstr(run.err, word));
    harness_run_free(&run);
}

/* ---- on the guest ---- */

static void test_add(void **state)
{
    long kib = guest_number(MEMORY_KIB);
    struct harness_run run =
        harness_vmplug_json(&vm, HARNESS_ARGUMENTS("memory", "add", "512M", "--kind",
                                                   "virtio-mem"));
    const json_t *result = last_object(&run);

    (void)state;
    assert_string_equal(harness_verdict(&run), "online");
    assert_string_equal(text(result, "operation"), "memory-add");
    assert_string_equal(text(result, "id"), "vmplug-mem-0");
    assert_string_equal(text(result, "bus"), "port1");
    assert_int_equal(number(result, "reached_bytes"), 512 * MIB);
    assert_int_equal(device_number("vmplug-mem-0", "size"), 512 * MIB);
    assert_int_equal(guest_number(ONLINE_BLOCKS), 6);
    assert_int_equal(guest_number(MEMORY_KIB), kib + 512 * 1024);
    harness_run_free(&run);
}

static void test_add_movable(void **state)
{
    (void)state;
    assert_resized(HARNESS_ARGUMENTS("memory", "add", "256M", "--kind", "virtio-mem",
                                     "--movable"),
                   "online", "vmplug-mem-1", 256 * MIB, 8);
    assert_int_equal(guest_number("cat /sys/devices/system/memory/memory*/valid_zones | "
                                  "grep -c '^Movable'"),
                     2);
}

static void test_list(void **state)
{
    struct harness_run run = harness_vmplug_json(&vm, HARNESS_ARGUMENTS("memory", "list"));
    const json_t *devices = json_object_get(last_object(&run), "devices");
    const json_t *device = json_array_get(devices, 0);

    (void)state;
    assert_int_equal(json_array_size(devices), 2);
    assert_string_equal(text(device, "kind"), "virtio-mem");
    assert_int_equal(number(device, "bytes"), 512 * MIB);
    assert_int_equal(number(device, "requested_bytes"), 512 * MIB);
    assert_int_equal(number(device, "max_bytes"), 512 * MIB);
    assert_int_equal(number(device, "online_bytes"), 512 * MIB);
    assert_int_equal(number(device, "block_bytes"),
                     device_number("vmplug-mem-0", "block-size"));
    assert_int_equal(number(last_object(&run), "total_bytes"), 1024 * MIB);
    assert_int_equal(number(last_object(&run), "online_bytes"), 1024 * MIB);
    harness_run_free(&run);
}

static void test_resize(void **state)
{
    (void)state;
    assert_resized(HARNESS_ARGUMENTS("memory", "resize", "vmplug-mem-1", "0"), "done",
                   "vmplug-mem-1", 0, 6);
    assert_resized(HARNESS_ARGUMENTS("memory", "resize", "vmplug-mem-1", "0"), "done",
                   "vmplug-mem-1", 0, 6);
    assert_resized(HARNESS_ARGUMENTS("memory", "resize", "vmplug-mem-1", "128M"), "done",
                   "vmplug-mem-1", 128 * MIB, 7);
    assert_resized(HARNESS_ARGUMENTS("memory", "resize", "/machine/peripheral/vmplug-mem-1",
                                     "256M", "--movable"),
                   "done", "vmplug-mem-1", 256 * MIB, 8);
}

/* What the kernel has put into it can't go, and it says how far it came; how much that is, the
 * guest decides. */
static void test_resize_in_part(void **state)
{
    struct harness_run run = harness_vmplug_json(
        &vm, HARNESS_ARGUMENTS("memory", "resize", "vmplug-mem-0", "0", "--timeout", "8"));
    json_int_t size = device_number("vmplug-mem-0", "size");

    (void)state;
    assert_int_equal(device_number("vmplug-mem-0", "requested-size"), 0);
    assert_int_equal(number(last_object(&run), "reached_bytes"), size);
    assert_true(size < 512 * MIB);
    if (size > 0) {
        assert_string_equal(harness_verdict(&run), "pending");
        assert_string_equal(text(last_object(&run), "awaiting"), "done");
        assert_int_equal(run.status, 6);
        harness_run_free(&run);
        run = harness_vmplug_json(
            &vm, HARNESS_ARGUMENTS("wait", "vmplug-mem-0", "--timeout", "1"));
        assert_string_not_equal(harness_verdict(&run), "blocked");
        assert_string_equal(text(last_object(&run), "operation"), "memory-resize");
    } else {
        assert_string_equal(harness_verdict(&run), "done");
    }
    harness_run_free(&run);
    run = harness_vmplug_json(
        &vm, HARNESS_ARGUMENTS("memory", "resize", "vmplug-mem-0", "512M"));
    assert_string_equal(harness_verdict(&run), "done");
    assert_int_equal(device_number("vmplug-mem-0", "size"), 512 * MIB);
    harness_run_free(&run);
}

static void test_set(void **state)
{
    struct harness_run run;

    (void)state;
    assert_resized(HARNESS_ARGUMENTS("memory", "set", "896M"), "done", "vmplug-mem-0", 384 * MIB,
                   7);
    assert_resized(HARNESS_ARGUMENTS("memory", "set", "1G"), "done", "vmplug-mem-0", 512 * MIB,
                   8);
    run = harness_vmplug_json(&vm, HARNESS_ARGUMENTS("memory", "set", "1152M"));
    assert_string_equal(harness_verdict(&run), "online");
    assert_non_null(strstr(text(json_array_get(run.lines, 0), "note"), "no virtio-mem"));
    assert_int_equal(guest_number(ONLINE_BLOCKS), 9);
    harness_run_free(&run);
}

static void test_refusals(void **state)
{
    char odd[32];

    (void)state;
    (void)snprintf(odd, sizeof(odd), "%lld",
                   (long long)device_number("vmplug-mem-0", "block-size") * 3 / 2);
    assert_blocked(HARNESS_ARGUMENTS("memory", "resize", "vmplug-mem-0", odd), "no multiple");
    assert_blocked(HARNESS_ARGUMENTS("memory", "resize", "vmplug-mem-0", "1G"), "512 MiB");
    assert_blocked(HARNESS_ARGUMENTS("memory", "resize", "nothing", "1G"), "memory list");
    assert_blocked(HARNESS_ARGUMENTS("memory", "remove", "vmplug-mem-0"), "resize");
    assert_blocked(HARNESS_ARGUMENTS("memory", "add", "128M", "--kind", "virtio-mem"),
                   "all are taken");
}

/* ---- without one ---- */

static void test_machine_pc(void **state)
{
    struct harness_vm bare;
    struct harness_run run;

    (void)state;
    harness_start_bare(&bare, HARNESS_ARGUMENTS("-machine", "pc", "-m", "256M,slots=1,maxmem=1G"));
    run = harness_vmplug_json(&bare, HARNESS_ARGUMENTS("memory", "add", "128M", "--kind",
                                                       "virtio-mem", "--wait", "realized"));
    assert_string_equal(harness_verdict(&run), "realized");
    assert_string_equal(text(last_object(&run), "bus"), "pci.0");
    harness_run_free(&run);
    harness_stop(&bare);
}

static void test_no_port(void **state)
{
    struct harness_vm bare;
    struct harness_run run;

    (void)state;
    harness_start_bare(&bare, HARNESS_ARGUMENTS("-machine", "q35", "-m",
                                                "256M,slots=1,maxmem=1G"));
    run = harness_vmplug_json(
        &bare, HARNESS_ARGUMENTS("memory", "add", "128M", "--kind", "virtio-mem"));
    assert_string_equal(harness_verdict(&run), "blocked");
    assert_non_null(strstr(run.err, "pcie-root-port,id=port1"));
    harness_run_free(&run);
    harness_stop(&bare);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_add_movable),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_resize),
        cmocka_unit_test(test_resize_in_part),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_machine_pc),
        cmocka_unit_test(test_no_port),
    };

    return cmocka_run_group_tests_name("virtio-mem", tests, boot, stop);
}
