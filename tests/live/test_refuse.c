/* SPDX-License-Identifier: MIT */
/* What can't go: what does not exist or is in use is told before anything is sent, and what the
 * guest refuses stays as usable as it was. The last test takes a vCPU from a QEMU that, under
 * emulation, does not survive another one or another DIMM. */
#include <setjmp.h>
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

/* Processes and files take memory that the kernel can't move, and it takes it from the new DIMM,
 * where most is free. */
#define HOLD_MEMORY \
    "mkdir /tmp/held && for i in $(seq 40); do sleep 100000 & mkdir /tmp/held/$i; done; echo held"

static struct harness_vm vm;

static int boot(void **state)
{
    (void)state;
    harness_need_tools();
    harness_boot(&vm, HARNESS_ARGUMENTS("--", "-smp", "2,maxcpus=8"));
    vm.board = "q35";
    return 0;
}

static int stop(void **state)
{
    (void)state;
    harness_stop(&vm);
    return 0;
}

static void test_nothing_to_remove(void **state)
{
    (void)state;
    claim_blocked(&vm, "slot 0", HARNESS_ARGUMENTS("cpu", "remove", "0"));
    claim_blocked(&vm, "slot 5 has no vCPU", HARNESS_ARGUMENTS("cpu", "remove", "5"));
    claim_blocked(&vm, "no vCPU '99'", HARNESS_ARGUMENTS("cpu", "remove", "99"));
    claim_blocked(&vm, "no vCPU 'vmplug-cpu-7'", HARNESS_ARGUMENTS("cpu", "remove",
                                                                   "vmplug-cpu-7"));
    claim_blocked(&vm, "no memory device 'nothing'", HARNESS_ARGUMENTS("memory", "remove",
                                                                       "nothing"));
    claim_blocked(&vm, "no disk 'nothing'", HARNESS_ARGUMENTS("disk", "remove", "nothing"));
    claim_blocked(&vm, "128 MiB", HARNESS_ARGUMENTS("memory", "set", "128M"));
}

static bool would_send(const json_t *result, const char *command)
{
    const json_t *line;
    size_t i;

    json_array_foreach(json_object_get(result, "would_send"), i, line) {
        if (strcmp(json_string_value(json_object_get(line, "execute")), command) == 0)
            return true;
    }
    return false;
}

/* A dry run tells what it would send, and QEMU and the guest are as before. */
static void assert_dry(const char *noun, const char *id, const char *cleanup)
{
    AUTO_FREE char *before = harness_snapshot(&vm);
    AUTO_FREE char *after = NULL;
    struct harness_run run =
        claim_run(&vm, "done", HARNESS_ARGUMENTS(noun, "remove", id, "--dry-run"));

    after = harness_snapshot(&vm);
    assert_string_equal(after, before);
    assert_true(json_is_true(json_object_get(claim_last(&run), "dry_run")));
    assert_true(would_send(claim_last(&run), "device_del"));
    assert_true(cleanup == NULL || would_send(claim_last(&run), cleanup));
    harness_run_free(&run);
    claim_agreement(&vm);
    claim_pending(&vm, NULL, NULL);
}

static void test_dry_runs(void **state)
{
    const char *image = harness_image("dry.raw", "raw", "4M");

    (void)state;
    claim(&vm, "online", HARNESS_ARGUMENTS("disk", "add", image, "--id", "dry"));
    claim(&vm, "online", HARNESS_ARGUMENTS("memory", "add", "128M", "--movable", "--id", "drymem"));
    assert_dry("disk", "dry", "blockdev-del");
    assert_dry("memory", "drymem", "object-del");
    assert_dry("cpu", "1", NULL);
    claim(&vm, "removed", HARNESS_ARGUMENTS("memory", "remove", "drymem"));
    claim(&vm, "removed", HARNESS_ARGUMENTS("disk", "remove", "dry"));
}

/* SCSI would not ask the guest, so vmplug does. */
static void test_disk_in_use(void **state)
{
    const char *image = harness_image("mounted.raw", "raw", "4M");
    const char *image_for_swap = harness_image("swap.raw", "raw", "4M");

    (void)state;
    claim(&vm, "online", HARNESS_ARGUMENTS("disk", "add", image, "--id", "data"));
    claim_guest(&vm, "mke2fs /dev/sda >/dev/null && mkdir -p /mnt/data && "
                     "mount -t ext2 /dev/sda /mnt/data && echo kept >/mnt/data/file && echo ok",
                "ok");
    claim_blocked(&vm, "/mnt/data", HARNESS_ARGUMENTS("disk", "remove", "data"));
    claim_guest(&vm, "cat /mnt/data/file", "kept");
    claim_guest(&vm, "umount /mnt/data && echo ok", "ok");
    claim(&vm, "removed", HARNESS_ARGUMENTS("disk", "remove", "data"));
    claim_guest(&vm, GUEST_DISKS, "");

    claim(&vm, "online", HARNESS_ARGUMENTS("disk", "add", image_for_swap, "--id", "swap"));
    claim_guest(&vm, "mkswap /dev/sda >/dev/null && swapon /dev/sda && echo ok", "ok");
    claim_blocked(&vm, "for swap", HARNESS_ARGUMENTS("disk", "remove", "swap"));
    claim_guest(&vm, "swapoff /dev/sda && echo ok", "ok");
    claim(&vm, "removed", HARNESS_ARGUMENTS("disk", "remove", "swap"));

    /* What was written is still there, and force is force. */
    claim(&vm, "online", HARNESS_ARGUMENTS("disk", "add", image, "--id", "data"));
    claim_guest(&vm, "mount -t ext2 /dev/sda /mnt/data && cat /mnt/data/file", "kept");
    claim_blocked(&vm, "--force", HARNESS_ARGUMENTS("disk", "remove", "data"));
    claim(&vm, "removed", HARNESS_ARGUMENTS("disk", "remove", "data", "--force"));
    claim_guest(&vm, GUEST_DISKS, "");
}

/* Returns how long the verdict took from the guest's answer on. */
static double refuse(const char *id)
{
    struct harness_watch watch =
        harness_watch(&vm, HARNESS_ARGUMENTS("memory", "remove", id));
    const json_t *ost, *error;
    struct harness_run run;
    double answer_ms, took_ms;

    harness_watch_until(&watch, HARNESS_ARGUMENTS("\"ACPI_DEVICE_OST\"", "\"status\":130"));
    answer_ms = clock_now_ms();
    run = harness_watch_end(&watch);
    took_ms = clock_now_ms() - answer_ms;
    claim_ended(&run, "refused");
    ost = json_object_get(claim_last(&run), "ost");
    assert_int_equal(json_integer_value(json_object_get(ost, "source")), 3);
    assert_int_equal(json_integer_value(json_object_get(ost, "status")), 0x82);
    assert_string_equal(json_string_value(json_object_get(ost, "meaning")), "device busy");
    error = json_object_get(claim_last(&run), "error");
    assert_non_null(strstr(json_string_value(json_object_get(error, "fix")), "--movable"));
    harness_run_free(&run);
    return took_ms;
}

static void test_refused_dimm(void **state)
{
    AUTO_FREE char *before = NULL;
    AUTO_FREE char *after = NULL;
    long kib, blocks;

    (void)state;
    claim(&vm, "online", HARNESS_ARGUMENTS("memory", "add", "256M", "--id", "held"));
    claim_guest(&vm, HOLD_MEMORY, "held");
    kib = claim_number(&vm, GUEST_MEMORY_KIB);
    blocks = claim_number(&vm, GUEST_ONLINE_BLOCKS);
    before = harness_snapshot(&vm);

    assert_true(refuse("held") < 2000);
    after = harness_snapshot(&vm);
    assert_string_equal(after, before);
    assert_int_equal(claim_number(&vm, GUEST_ONLINE_BLOCKS), blocks);
    assert_int_equal(claim_number(&vm, GUEST_BLOCKS), blocks);
    assert_int_equal(claim_number(&vm, GUEST_MEMORY_KIB), kib);
    claim_guest(&vm, "dd if=/dev/zero of=/tmp/used bs=1M count=8 2>/dev/null && rm /tmp/used && "
                     "echo usable", "usable");
    claim_agreement(&vm);
    claim_pending(&vm, NULL, NULL);
}

/* The same answer once more is an answer; and what went before it is done. */
static void test_refused_again(void **state)
{
    struct harness_run run;

    (void)state;
    claim(&vm, "online", HARNESS_ARGUMENTS("memory", "add", "128M", "--movable", "--id", "loose"));
    run = claim_run(&vm, "partial", HARNESS_ARGUMENTS("memory", "remove", "loose", "held"));
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(run.lines, 0), "verdict")), "removed");
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(run.lines, 1), "verdict")), "refused");
    harness_run_free(&run);
    claim(&vm, "refused", HARNESS_ARGUMENTS("memory", "set", "256M"));
    claim_guest(&vm, GUEST_ONLINE_BLOCKS, "4");
}

/* A defect, seen in 7.2 and not in 10.0, where test_remove does what is refused here. */
static void test_no_growth_after_a_vcpu_went(void **state)
{
    AUTO_JSON json_t *running = NULL;
    struct harness_run run;

    (void)state;
    if (claim_major(&vm) >= 10)
        skip();
    run = claim_run(&vm, "removed", HARNESS_ARGUMENTS("cpu", "remove", "1"));
    assert_non_null(strstr(json_string_value(json_object_get(claim_last(&run), "note")),
                           "will not survive"));
    harness_run_free(&run);
    claim_guest(&vm, GUEST_CPUS, "0");
    claim_blocked(&vm, "would kill it", HARNESS_ARGUMENTS("cpu", "add"));
    claim_blocked(&vm, "would kill it", HARNESS_ARGUMENTS("cpu", "set", "2"));
    claim_blocked(&vm, "would kill it", HARNESS_ARGUMENTS("memory", "add", "128M"));
    claim(&vm, "online",
          HARNESS_ARGUMENTS("disk", "add", harness_image("after.raw", "raw", "1M")));
    /* Nobody's record is needed: what the guest said last of that slot is still there. */
    assert_int_equal(setenv("XDG_RUNTIME_DIR", "/nonexistent", 1), 0);
    claim_blocked(&vm, "would kill it", HARNESS_ARGUMENTS("cpu", "add"));
    assert_int_equal(setenv("XDG_RUNTIME_DIR", harness_dir(), 1), 0);
    running = harness_qmp(&vm, "query-status", NULL);
    assert_true(json_is_true(json_object_get(running, "running")));
    claim_guest(&vm, "echo alive", "alive");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_to_remove),
        cmocka_unit_test(test_dry_runs),
        cmocka_unit_test(test_disk_in_use),
        cmocka_unit_test(test_refused_dimm),
        cmocka_unit_test(test_refused_again),
        cmocka_unit_test(test_no_growth_after_a_vcpu_went),
    };

    return cmocka_run_group_tests_name("what can't go", tests, boot, stop);
}
