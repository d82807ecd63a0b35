/* SPDX-License-Identifier: MIT */
/* What was added goes again, from the guest and from QEMU, and leaves nothing behind. On a QEMU of
 * its own choice, whatever the host's: 7.2 dies of the next vCPU or DIMM after a vCPU was removed
 * under emulation (vmm/hazard.h, and test_refuse), 10.0 survives it as long as there are slots that
 * were never used, hence so many of them. No answer of QEMU's tells one from the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "qmp/codec.h"
#include "tests/live/claims.h"

#define CYCLES 20 /* with all others, fewer than there are slots */
#define BOOT_CPUS "0-1" /* of -smp 2 */

static struct harness_vm vm;

static int boot(void **state)
{
    AUTO_FREE char *node = NULL;

    (void)state;
    harness_need_tools();
    assert_true(asprintf(&node, "driver=raw,node-name=onpci,file.driver=file,file.filename=%s",
                         harness_image("pci.raw", "raw", "1M")) > 0);
    harness_boot(&vm, HARNESS_ARGUMENTS("--qemu", harness_newer_qemu("x86_64"), "--", "-smp",
                                        "2,maxcpus=64", "-device",
                                        "pcie-root-port,id=port0,chassis=1", "-blockdev", node,
                                        "-device",
                                        "virtio-blk-pci,id=onpci,bus=port0,drive=onpci"));
    vm.board = "q35";
    return 0;
}

static int stop(void **state)
{
    (void)state;
    harness_stop(&vm);
    return 0;
}

/* The guest's own view. */
static void assert_guest_has(const char *cpus, long blocks, const char *disks)
{
    claim_guest(&vm, GUEST_CPUS, cpus);
    assert_int_equal(claim_number(&vm, GUEST_BLOCKS), blocks);
    assert_int_equal(claim_number(&vm, GUEST_ONLINE_BLOCKS), blocks);
    claim_guest(&vm, GUEST_DISKS, disks);
}

/* Removed, by the rungs that its kind has, and QEMU does not list it any more. */
static void remove_one(const char *noun, const char *id, const char *rungs)
{
    struct harness_run run = claim_run(&vm, "removed", HARNESS_ARGUMENTS(noun, "remove", id));
    AUTO_JSON json_t *status = claim_status(&vm);
    AUTO_FREE char *all = json_dumps(status, 0);
    AUTO_FREE char *quoted = NULL;
    char found[128] = "";
    const json_t *stage;
    size_t i;

    json_array_foreach(json_object_get(claim_last(&run), "stages"), i, stage) {
        strcat(found, i > 0 ? " " : "");
        strncat(found, json_string_value(json_object_get(stage, "stage")), 20);
    }
    assert_string_equal(found, rungs);
    assert_string_equal(json_string_value(json_object_get(claim_last(&run), "id")), id);
    assert_true(asprintf(&quoted, "\"%s\"", id) > 0);
    assert_null(strstr(all, quoted));
    harness_run_free(&run);
}

#define WITH_OST "accepted realized acknowledged removed"
#define WITHOUT_OST "accepted realized removed"

static void add_all(void)
{
    claim(&vm, "online", HARNESS_ARGUMENTS("cpu", "add", "2"));
    claim(&vm, "online", HARNESS_ARGUMENTS("memory", "add", "256M", "--movable", "--id", "m0"));
    claim(&vm, "online", HARNESS_ARGUMENTS("memory", "add", "128M", "--movable", "--id", "m1"));
    claim(&vm, "online", HARNESS_ARGUMENTS("disk", "add", harness_image("a.qcow2", "qcow2", "4M"),
                                           "--id", "d0"));
    claim(&vm, "online", HARNESS_ARGUMENTS("disk", "add", harness_image("b.raw", "raw", "4M"),
                                           "--id", "d1"));
}

/* In another order than they came. */
static void test_there_and_back(void **state)
{
    AUTO_FREE char *before = harness_snapshot(&vm);
    AUTO_FREE char *after = NULL;
    long kib = claim_number(&vm, GUEST_MEMORY_KIB);

    (void)state;
    assert_guest_has(BOOT_CPUS, 2, "vda ");
    add_all();
    assert_guest_has("0-3", 5, "sda sdb vda ");
    assert_int_equal(claim_number(&vm, GUEST_MEMORY_KIB), kib + 384 * 1024);

    remove_one("memory", "m0", WITH_OST);
    assert_guest_has("0-3", 3, "sda sdb vda ");
    assert_int_equal(claim_number(&vm, GUEST_MEMORY_KIB), kib + 128 * 1024);
    remove_one("disk", "d1", WITHOUT_OST);
    assert_guest_has("0-3", 3, "sda vda ");
    remove_one("cpu", "vmplug-cpu-2", WITH_OST);
    assert_guest_has("0-1,3", 3, "sda vda ");
    remove_one("disk", "d0", WITHOUT_OST);
    assert_guest_has("0-1,3", 3, "vda ");
    remove_one("cpu", "vmplug-cpu-3", WITH_OST);
    assert_guest_has(BOOT_CPUS, 3, "vda ");
    remove_one("memory", "m1", WITH_OST);
    assert_guest_has(BOOT_CPUS, 2, "vda ");

    assert_int_equal(claim_number(&vm, GUEST_MEMORY_KIB), kib);
    after = harness_snapshot(&vm);
    assert_string_equal(after, before);
    claim_pending(&vm, NULL, NULL);
}

/* An id, a slot and an image are free the moment that `removed` has been said. */
static void test_again_at_once(void **state)
{
    AUTO_FREE char *before = harness_snapshot(&vm);
    AUTO_FREE char *after = NULL;
    const char *image = harness_image("again.qcow2", "qcow2", "4M");
    unsigned i;

    (void)state;
    for (i = 0; i < 2; i++) {
        claim(&vm, "online", HARNESS_ARGUMENTS("memory", "add", "128M", "--movable", "--id", "m"));
        claim(&vm, "removed", HARNESS_ARGUMENTS("memory", "remove", "m"));
        claim(&vm, "online", HARNESS_ARGUMENTS("disk", "add", image, "--id", "d"));
        claim(&vm, "removed", HARNESS_ARGUMENTS("disk", "remove", "d"));
    }
    after = harness_snapshot(&vm);
    assert_string_equal(after, before);
}

static void test_vcpu_cycles(void **state)
{
    AUTO_FREE char *before = harness_snapshot(&vm);
    AUTO_FREE char *after = NULL;
    unsigned i;

    (void)state;
    for (i = 0; i < CYCLES; i++) {
        claim(&vm, "online", HARNESS_ARGUMENTS("cpu", "add"));
        claim_guest(&vm, GUEST_CPUS, "0-2");
        claim(&vm, "removed", HARNESS_ARGUMENTS("cpu", "remove", "vmplug-cpu-2"));
        claim_guest(&vm, GUEST_CPUS, BOOT_CPUS);
    }
    after = harness_snapshot(&vm);
    assert_string_equal(after, before);
    claim_agreement(&vm);
}

static void test_several_at_once(void **state)
{
    struct harness_run run;

    (void)state;
    add_all();
    run = claim_run(&vm, "removed", HARNESS_ARGUMENTS("memory", "remove", "m1", "m0"));
    assert_int_equal(json_array_size(run.lines), 3);
    assert_int_equal(json_integer_value(json_object_get(claim_last(&run), "asked")), 2);
    assert_int_equal(json_integer_value(json_object_get(claim_last(&run), "done")), 2);
    harness_run_free(&run);
    run = claim_run(&vm, "partial", HARNESS_ARGUMENTS("disk", "remove", "d0", "none", "d1"));
    assert_int_equal(json_integer_value(json_object_get(claim_last(&run), "done")), 1);
    harness_run_free(&run);
    claim(&vm, "removed", HARNESS_ARGUMENTS("disk", "remove", "d1"));
    claim(&vm, "removed", HARNESS_ARGUMENTS("cpu", "remove", "3", "vmplug-cpu-2"));
    assert_guest_has(BOOT_CPUS, 2, "vda ");
}

static void test_set_up_and_down(void **state)
{
    long kib = claim_number(&vm, GUEST_MEMORY_KIB);

    (void)state;
    claim(&vm, "online", HARNESS_ARGUMENTS("cpu", "set", "4"));
    claim(&vm, "online", HARNESS_ARGUMENTS("memory", "set", "512M", "--movable"));
    claim(&vm, "online", HARNESS_ARGUMENTS("memory", "set", "640M", "--movable"));
    assert_guest_has("0-3", 5, "vda ");
    claim(&vm, "removed", HARNESS_ARGUMENTS("cpu", "set", "3"));
    claim(&vm, "removed", HARNESS_ARGUMENTS("memory", "set", "512M"));
    assert_guest_has("0-2", 4, "vda ");
    assert_int_equal(claim_number(&vm, GUEST_MEMORY_KIB), kib + 256 * 1024);
    claim_blocked(&vm, "256 MiB", HARNESS_ARGUMENTS("memory", "set", "384M"));
    claim(&vm, "removed", HARNESS_ARGUMENTS("cpu", "set", "2"));
    claim(&vm, "removed", HARNESS_ARGUMENTS("memory", "set", "256M"));
    assert_guest_has(BOOT_CPUS, 2, "vda ");
    claim(&vm, "done", HARNESS_ARGUMENTS("memory", "set", "256M"));
}

/* Not one of vmplug's, and the guest is asked first, as for any PCI device. */
static void test_disk_on_pci(void **state)
{
    AUTO_JSON json_t *nodes = NULL;

    (void)state;
    remove_one("disk", "onpci", WITHOUT_OST);
    claim_guest(&vm, "ls /sys/block | grep -c '^vd' || true", "0");
    nodes = harness_qmp(&vm, "query-named-block-nodes", NULL);
    assert_int_equal(json_array_size(nodes), 0);
}

/* It has no id, hence goes by its slot, which another vCPU can take. */
static void test_boot_vcpu(void **state)
{
    (void)state;
    claim(&vm, "removed", HARNESS_ARGUMENTS("cpu", "remove", "1"));
    claim_guest(&vm, GUEST_CPUS, "0");
    claim_blocked(&vm, "slot 1 has no vCPU", HARNESS_ARGUMENTS("cpu", "remove", "1"));
    claim(&vm, "online", HARNESS_ARGUMENTS("cpu", "add"));
    claim_guest(&vm, GUEST_CPUS, BOOT_CPUS);
    claim(&vm, "removed", HARNESS_ARGUMENTS("cpu", "remove", "vmplug-cpu-1"));
    claim_guest(&vm, GUEST_CPUS, "0");
    claim_agreement(&vm);
}

static void test_frozen_vcpu(void **state)
{
    (void)state;
    claim(&vm, "online", HARNESS_ARGUMENTS("cpu", "add", "2"));
    json_decref(harness_qmp(&vm, "stop", NULL));
    claim(&vm, "pending",
          HARNESS_ARGUMENTS("cpu", "remove", "vmplug-cpu-2", "--timeout", "1"));
    claim_pending(&vm, "cpu-remove", "vmplug-cpu-2");
    json_decref(harness_qmp(&vm, "cont", NULL));
    claim(&vm, "removed", HARNESS_ARGUMENTS("wait", "vmplug-cpu-2"));
    claim_guest(&vm, GUEST_CPUS, "0-1");
    claim_pending(&vm, NULL, NULL);
}

/* The guest is reset when the request has just gone out, and is asked again when it has started. */
static void test_reset_amid_vcpu_removal(void **state)
{
    struct harness_watch watch =
        harness_watch(&vm, HARNESS_ARGUMENTS("cpu", "remove", "vmplug-cpu-1", "--timeout", "300"));
    struct harness_run run;

    (void)state;
    harness_watch_until(&watch, HARNESS_ARGUMENTS("\"sent\"", "\"device_del\""));
    json_decref(harness_qmp(&vm, "system_reset", NULL));
    run = harness_watch_end(&watch);
    if (strcmp(harness_verdict(&run), "refused") == 0) {
        /* Asked again while its vCPUs were still starting, it may say that it is busy. */
        claim_ended(&run, "refused");
        claim_guest(&vm, GUEST_CPUS, "0-1");
        claim(&vm, "removed", HARNESS_ARGUMENTS("cpu", "remove", "vmplug-cpu-1"));
    } else {
        claim_ended(&run, "removed");
    }
    harness_run_free(&run);
    claim_guest(&vm, GUEST_CPUS, "0");
    claim_agreement(&vm);
    claim_pending(&vm, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_again_at_once),
        cmocka_unit_test(test_vcpu_cycles),
        cmocka_unit_test(test_several_at_once),
        cmocka_unit_test(test_set_up_and_down),
        cmocka_unit_test(test_disk_on_pci),
        cmocka_unit_test(test_boot_vcpu),
        cmocka_unit_test(test_frozen_vcpu),
        cmocka_unit_test(test_reset_amid_vcpu_removal),
    };

    return cmocka_run_group_tests_name("the guest shrinks", tests, boot, stop);
}
