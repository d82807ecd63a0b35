/* SPDX-License-Identifier: MIT */
/*
 * One guest a board, all booted side by side: what each can grow is online in its guest, and what
 * it can't is blocked with the reason. The boards without a guest of ours are asked without one.
 */
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

enum board { VIRT, VIRT_PLAIN, PSERIES, MICROVM, MICROVM_PLAIN, BOARDS_ };

/* Plain is without ACPI. Debian's kernel finds no virtio device on a microvm that is, and so has
 * no agent there. */
static const char *const *const boots[BOARDS_] = {
    [VIRT] = HARNESS_ARGUMENTS("--machine", "virt"),
    [VIRT_PLAIN] = HARNESS_ARGUMENTS("--machine", "virt", "--no-firmware"),
    [PSERIES] = HARNESS_ARGUMENTS("--machine", "pseries"),
    [MICROVM] = HARNESS_ARGUMENTS("--machine", "microvm"),
    [MICROVM_PLAIN] = HARNESS_ARGUMENTS("--machine", "microvm,acpi=off", "--no-agent"),
};
static struct harness_vm vms[BOARDS_];

static int boot(void **state)
{
    size_t i;

    (void)state;
    harness_need_tools();
    for (i = 0; i < BOARDS_; i++)
        harness_boot_begin(&vms[i], boots[i]);
    for (i = 0; i < BOARDS_; i++)
        harness_boot_end(&vms[i]);
    return 0;
}

static int stop(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < BOARDS_; i++)
        harness_stop(&vms[i]);
    return 0;
}

static void claim_machine(const struct harness_vm *vm, const char *machine, const char *arch,
                          bool agent)
{
    AUTO_JSON json_t *status = claim_status(vm);
    const json_t *about = json_object_get(status, "vm");
    const char *its = json_string_value(json_object_get(about, "machine"));

    assert_true(its != NULL && strncmp(its, machine, strlen(machine)) == 0);
    assert_string_equal(json_string_value(json_object_get(about, "arch")), arch);
    assert_true(json_boolean_value(json_object_get(json_object_get(status, "agent"),
                                                   "connected")) == agent);
}

/* Whether the result has passed the rung. */
static bool has_stage(const struct harness_run *run, const char *name)
{
    const json_t *stage;
    size_t i;

    json_array_foreach(json_object_get(claim_last(run), "stages"), i, stage) {
        if (strcmp(json_string_value(json_object_get(stage, "stage")), name) == 0)
            return true;
    }
    return false;
}

/* A disk comes and goes on a board whose guest has an agent. */
static void claim_disk(const struct harness_vm *vm, const char *name)
{
    const char *image = harness_image(name, "qcow2", "8M");

    claim(vm, "online", HARNESS_ARGUMENTS("disk", "add", image, "--serial", name));
    claim_guest(vm, GUEST_DISKS, "sda ");
    claim_guest(vm, "tail -c +5 /sys/block/sda/device/vpd_pg80", name);
    claim(vm, "removed", HARNESS_ARGUMENTS("disk", "remove", "vmplug-disk-0"));
    claim_guest(vm, GUEST_DISKS, "");
}

/* 256 MiB more, in so many blocks of the guest. */
static void claim_dimm(const struct harness_vm *vm, long blocks, bool acknowledged)
{
    long before = claim_number(vm, GUEST_ONLINE_BLOCKS);
    struct harness_run run = claim_run(vm, "online", HARNESS_ARGUMENTS("memory", "add", "256M"));

    assert_true(has_stage(&run, "acknowledged") == acknowledged);
    assert_int_equal(claim_number(vm, GUEST_ONLINE_BLOCKS), before + blocks);
    harness_run_free(&run);
}

static void test_virt(void **state)
{
    const struct harness_vm *vm = &vms[VIRT];

    (void)state;
    claim_machine(vm, "virt-", "aarch64", true);
    claim_blocked(vm, "no vCPU hotplug", HARNESS_ARGUMENTS("cpu", "add"));
    claim_blocked(vm, "128 MiB", HARNESS_ARGUMENTS("memory", "add", "100M"));
    claim_dimm(vm, 2, true);
    claim_disk(vm, "virt.qcow2");
}

static void test_virt_without_firmware(void **state)
{
    const struct harness_vm *vm = &vms[VIRT_PLAIN];

    (void)state;
    claim_machine(vm, "virt-", "aarch64", true);
    claim_blocked(vm, "no vCPU hotplug", HARNESS_ARGUMENTS("cpu", "add"));
    claim_blocked(vm, "GED", HARNESS_ARGUMENTS("memory", "add", "256M"));
    claim_disk(vm, "virt-plain.qcow2");
}

static void test_pseries(void **state)
{
    const struct harness_vm *vm = &vms[PSERIES];
    struct harness_run run;

    (void)state;
    claim_machine(vm, "pseries-", "ppc64", true);
    run = claim_run(vm, "online", HARNESS_ARGUMENTS("cpu", "add"));
    assert_false(has_stage(&run, "acknowledged"));
    harness_run_free(&run);
    claim_guest(vm, GUEST_CPUS, "0-1");
    claim_blocked(vm, "256 MiB", HARNESS_ARGUMENTS("memory", "add", "100M"));
    claim_dimm(vm, 1, false);
    claim_disk(vm, "pseries.qcow2");
}

static void test_microvm(void **state)
{
    const struct harness_vm *vm = &vms[MICROVM];

    (void)state;
    claim_machine(vm, "microvm", "x86_64", true);
    claim_blocked(vm, "no vCPU hotplug", HARNESS_ARGUMENTS("cpu", "add"));
    claim_blocked(vm, "no DIMM", HARNESS_ARGUMENTS("memory", "add", "256M"));
    claim_blocked(vm, "PCI port", HARNESS_ARGUMENTS("memory", "add", "256M", "--kind",
                                                    "virtio-mem"));
    claim_disk(vm, "microvm.qcow2");
}

static void test_microvm_without_acpi(void **state)
{
    const struct harness_vm *vm = &vms[MICROVM_PLAIN];
    const char *image = harness_image("unseen.qcow2", "qcow2", "8M");

    (void)state;
    claim_machine(vm, "microvm", "x86_64", false);
    claim_blocked(vm, "no vCPU hotplug", HARNESS_ARGUMENTS("cpu", "add"));
    claim_blocked(vm, "no DIMM", HARNESS_ARGUMENTS("memory", "add", "256M"));
    /* QEMU takes it, and nobody can say that this guest has not even the bus. */
    claim(vm, "unconfirmed", HARNESS_ARGUMENTS("disk", "add", image));
    claim_guest(vm, GUEST_DISKS, "");
}

/* ---- boards without a guest of ours ---- */

static void start_bare(struct harness_vm *vm, const char *qemu, const char *const *arguments,
                       const char *machine, const char *arch)
{
    harness_start_bare_on(vm, qemu, arguments);
    claim_machine(vm, machine, arch, false);
}

static void test_riscv(void **state)
{
    AUTO_FREE char *qemu = harness_qemu("riscv64");
    struct harness_vm vm;

    (void)state;
    start_bare(&vm, qemu, HARNESS_ARGUMENTS("-machine", "virt", "-m", "256M,slots=4,maxmem=4G"),
               "virt", "riscv64");
    claim_blocked(&vm, "no vCPU hotplug", HARNESS_ARGUMENTS("cpu", "add"));
    claim_blocked(&vm, "no pc-dimm", HARNESS_ARGUMENTS("memory", "add", "256M"));
    harness_stop(&vm);
}

/* Its vCPUs come, and can't go. */
static void test_s390(void **state)
{
    AUTO_FREE char *qemu = harness_qemu("s390x");
    struct harness_vm vm;

    (void)state;
    start_bare(&vm, qemu, HARNESS_ARGUMENTS("-smp", "1,maxcpus=4", "-m", "256M"),
               "s390-ccw-virtio", "s390x");
    claim(&vm, "realized", HARNESS_ARGUMENTS("--wait", "realized", "cpu", "add"));
    claim_blocked(&vm, "s390", HARNESS_ARGUMENTS("cpu", "remove", "vmplug-cpu-1"));
    claim_blocked(&vm, "no pc-dimm", HARNESS_ARGUMENTS("memory", "add", "256M"));
    harness_stop(&vm);
}

/* Its vCPUs can be added since QEMU 10.0. */
static void test_loongarch(void **state)
{
    struct harness_vm vm;

    (void)state;
    start_bare(&vm, harness_newer_qemu("loongarch64"),
               HARNESS_ARGUMENTS("-machine", "virt", "-smp", "1,maxcpus=4", "-m",
                                 "1G,slots=4,maxmem=4G"),
               "virt", "loongarch64");
    claim(&vm, "realized", HARNESS_ARGUMENTS("--wait", "realized", "cpu", "add"));
    claim(&vm, "realized", HARNESS_ARGUMENTS("--wait", "realized", "memory", "add", "256M"));
    harness_stop(&vm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_virt),    cmocka_unit_test(test_virt_without_firmware),
        cmocka_unit_test(test_pseries), cmocka_unit_test(test_microvm),
        cmocka_unit_test(test_microvm_without_acpi),
        cmocka_unit_test(test_riscv),   cmocka_unit_test(test_s390),
        cmocka_unit_test(test_loongarch),
    };

    return cmocka_run_group_tests(tests, boot, stop);
}
