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

enum board { PC, VIRT, VIRT_PLAIN, PSERIES, MICROVM, MICROVM_PLAIN, BOARDS_ };

#define TWO_PORTS \
    "-device", "pcie-root-port,id=port1,chassis=1", "-device", "pcie-root-port,id=port2,chassis=2"

/* Plain is without ACPI. Debian's kernel finds no virtio device on a microvm that is, and so has
 * no agent there. */
static const struct {
    const char *name;
    const char *const *arguments;
} boots[BOARDS_] = {
    [PC] = {"pc", HARNESS_ARGUMENTS("--machine", "pc", "--", "-smp", "2,maxcpus=4")},
    [VIRT] = {"virt (arm64), UEFI", HARNESS_ARGUMENTS("--machine", "virt", "--", TWO_PORTS)},
    [VIRT_PLAIN] = {"virt (arm64), no firmware",
                    HARNESS_ARGUMENTS("--machine", "virt", "--no-firmware", "--", TWO_PORTS)},
    [PSERIES] = {"pseries", HARNESS_ARGUMENTS("--machine", "pseries", "--append",
                                              "memhp_default_state=online_movable")},
    [MICROVM] = {"microvm", HARNESS_ARGUMENTS("--machine", "microvm")},
    [MICROVM_PLAIN] = {"microvm, acpi=off", HARNESS_ARGUMENTS("--machine", "microvm,acpi=off",
                                                              "--no-agent")},
};
static struct harness_vm vms[BOARDS_];

static int boot(void **state)
{
    size_t i;

    (void)state;
    harness_need_tools();
    for (i = 0; i < BOARDS_; i++)
        harness_boot_begin(&vms[i], boots[i].arguments);
    for (i = 0; i < BOARDS_; i++) {
        harness_boot_end(&vms[i]);
        vms[i].board = boots[i].name;
    }
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

/* And in a PCI port. */
static void claim_virtio_disk(const struct harness_vm *vm, const char *name)
{
    const char *image = harness_image(name, "qcow2", "8M");

    claim(vm, "online", HARNESS_ARGUMENTS("disk", "add", image, "--bus", "virtio", "--serial",
                                          name));
    claim_guest(vm, "cat /sys/block/vda/serial", name);
    claim(vm, "removed", HARNESS_ARGUMENTS("disk", "remove", "vmplug-disk-0"));
    claim_guest(vm, GUEST_DISKS, "");
}

/* What doctor says of one thing: "yes", "no" or "unknown". */
static void claim_doctor(const struct harness_vm *vm, const char *name, const char *expected)
{
    struct harness_run run = harness_vmplug_json(vm, HARNESS_ARGUMENTS("doctor"));
    const char *result = NULL;
    const json_t *row;
    size_t i;

    json_array_foreach(json_object_get(json_array_get(run.lines, 0), "checks"), i, row) {
        if (strcmp(json_string_value(json_object_get(row, "name")), name) == 0)
            result = json_string_value(json_object_get(row, "result"));
    }
    assert_non_null(result);
    assert_string_equal(result, expected);
    harness_run_free(&run);
}

/* 256 MiB more, in so many blocks of the guest, and back. */
static void claim_dimm(const struct harness_vm *vm, long blocks, bool acknowledged)
{
    long before = claim_number(vm, GUEST_ONLINE_BLOCKS);
    struct harness_run run = claim_run(vm, "online", HARNESS_ARGUMENTS("memory", "add", "256M",
                                                                       "--movable", "--id", "m0"));

    assert_true(has_stage(&run, "acknowledged") == acknowledged);
    assert_int_equal(claim_number(vm, GUEST_ONLINE_BLOCKS), before + blocks);
    harness_run_free(&run);
    claim(vm, "removed", HARNESS_ARGUMENTS("memory", "remove", "m0"));
    assert_int_equal(claim_number(vm, GUEST_BLOCKS), before);
}

/* A virtio-mem grows, and gives all of it back. */
static void claim_virtio_mem(const struct harness_vm *vm)
{
    long before = claim_number(vm, GUEST_ONLINE_BLOCKS);

    claim(vm, "online", HARNESS_ARGUMENTS("memory", "add", "256M", "--kind", "virtio-mem",
                                          "--movable", "--id", "v0"));
    assert_int_equal(claim_number(vm, GUEST_ONLINE_BLOCKS), before + 2);
    claim(vm, "done", HARNESS_ARGUMENTS("memory", "resize", "v0", "0"));
    assert_int_equal(claim_number(vm, GUEST_ONLINE_BLOCKS), before);
}

static void claim_no_virtio_mem(const struct harness_vm *vm, const char *word)
{
    claim_blocked(vm, word, HARNESS_ARGUMENTS("memory", "add", "256M", "--kind", "virtio-mem"));
}

static void test_pc(void **state)
{
    const struct harness_vm *vm = &vms[PC];

    (void)state;
    claim_machine(vm, "pc-i440fx-", "x86_64", true);
    claim(vm, "online", HARNESS_ARGUMENTS("cpu", "add"));
    claim_guest(vm, GUEST_CPUS, "0-2");
    claim_dimm(vm, 2, true);
    claim_virtio_mem(vm);
    claim_disk(vm, "pc.qcow2");
    claim(vm, "removed", HARNESS_ARGUMENTS("cpu", "remove", "vmplug-cpu-2")); /* last: hazards */
    claim_guest(vm, GUEST_CPUS, "0-1");
}

/* The guest has a block more, of the flash that its firmware told it of: no memory of QEMU's. */
static void claim_all_online(const struct harness_vm *vm)
{
    AUTO_JSON json_t *status = claim_status(vm);
    const json_t *memory = json_object_get(status, "memory");

    assert_int_equal(claim_number(vm, GUEST_ONLINE_BLOCKS), 3);
    assert_int_equal(json_integer_value(json_object_get(memory, "online_bytes")),
                     json_integer_value(json_object_get(memory, "base_bytes")));
}

static void test_virt(void **state)
{
    const struct harness_vm *vm = &vms[VIRT];

    (void)state;
    claim_machine(vm, "virt-", "aarch64", true);
    claim_all_online(vm);
    claim_doctor(vm, "memory-movable", "yes");
    claim_blocked(vm, "no vCPU hotplug", HARNESS_ARGUMENTS("cpu", "add"));
    claim_blocked(vm, "128 MiB", HARNESS_ARGUMENTS("memory", "add", "100M"));
    claim_dimm(vm, 2, true);
    claim_virtio_mem(vm);
    claim_disk(vm, "virt.qcow2");
    claim_virtio_disk(vm, "virt-blk.qcow2");
}

static void test_virt_without_firmware(void **state)
{
    const struct harness_vm *vm = &vms[VIRT_PLAIN];

    (void)state;
    claim_machine(vm, "virt-", "aarch64", true);
    claim_blocked(vm, "no vCPU hotplug", HARNESS_ARGUMENTS("cpu", "add"));
    claim_blocked(vm, "GED", HARNESS_ARGUMENTS("memory", "add", "256M"));
    claim_virtio_mem(vm);
    claim_disk(vm, "virt-plain.qcow2");
    claim_virtio_disk(vm, "plain-blk.qcow2");
}

/* The firmware hands its tree over while the guest boots, and QEMU dies of a dumpdtb after
 * that: without the guest's copy of it, there is none. */
static void claim_looks_do_no_harm(const struct harness_vm *vm)
{
    struct harness_vm mute = *vm;
    struct harness_run run;

    mute.agent[0] = '\0';
    mute.board = NULL;
    json_decref(claim_status(&mute));
    run = harness_vmplug_json(&mute, HARNESS_ARGUMENTS("doctor"));
    assert_true(json_array_size(run.lines) > 0);
    harness_run_free(&run);
    claim_blocked(&mute, "256 MiB", HARNESS_ARGUMENTS("memory", "add", "100M"));
    claim_guest(vm, "echo alive", "alive");
    json_decref(claim_status(&mute));
}

/* Taking a core away corrupts an emulating QEMU's heap. 7.2 has always lived to say that it is
 * done, and vmplug lets nothing follow that would kill it; 10.0 mostly dies of it. Hence the last
 * of all. */
static void claim_core_goes(const struct harness_vm *vm, const char *id)
{
    struct harness_run run;

    if (claim_major(vm) >= 10) {
        claim_blocked(vm, "corrupts the memory", HARNESS_ARGUMENTS("cpu", "remove", id));
        return;
    }
    run = claim_run(vm, "removed", HARNESS_ARGUMENTS("cpu", "remove", id));
    assert_non_null(strstr(json_string_value(json_object_get(claim_last(&run), "note")),
                           "will not survive"));
    harness_run_free(&run);
    claim_guest(vm, GUEST_CPUS, "0");
    claim_blocked(vm, "would kill it", HARNESS_ARGUMENTS("cpu", "add"));
}

#define ONLINING "/sys/devices/system/memory/auto_online_blocks"

/* The guest puts an LMB online by itself whatever it is told to; but what it is told is where. */
static void claim_zones_of_pseries(const struct harness_vm *vm)
{
    claim_doctor(vm, "memory-movable", "yes");
    claim_guest(vm, "echo offline >" ONLINING, "");
    claim_doctor(vm, "memory-movable", "no");
    claim(vm, "online", HARNESS_ARGUMENTS("memory", "add", "256M", "--id", "z0"));
    claim_guest(vm, "cat /sys/devices/system/memory/memory4/state", "online");
    claim_guest(vm, "cat /sys/devices/system/memory/memory4/valid_zones", "Normal");
    claim_doctor(vm, "plugged-memory-movable", "unknown");
    claim(vm, "removed", HARNESS_ARGUMENTS("memory", "remove", "z0"));
    claim_guest(vm, "echo online_movable >" ONLINING, "");
}

/* As much of the kernel's own memory, which can't be moved: of /sys/kernel/tracing. */
static void fill_with_kernel_memory(const struct harness_vm *vm, const char *kib)
{
    AUTO_FREE char *command = NULL;

    assert_true(asprintf(&command, "mkdir -p /tracing; grep -q tracefs /proc/mounts || mount -t "
                         "tracefs tracing /tracing; echo %s >/tracing/buffer_size_kb", kib) > 0);
    claim_guest(vm, command, "");
}

/* Of two LMBs the guest gives the first away and can't give the second: it takes the first back,
 * which is what makes QEMU send its event. */
static void claim_pseries_refuses(const struct harness_vm *vm)
{
    claim(vm, "online", HARNESS_ARGUMENTS("memory", "add", "512M", "--id", "r0"));
    claim_guest(vm, "cd /sys/devices/system/memory/memory5; echo offline >state; "
                "echo online_kernel >state; cat ../memory4/valid_zones valid_zones",
                "Movable\nNormal");
    fill_with_kernel_memory(vm, "250000");
    claim(vm, "refused", HARNESS_ARGUMENTS("memory", "remove", "r0"));
    claim_guest(vm, "cat /sys/devices/system/memory/memory[45]/state", "online\nonline");
}

/* Of one LMB there is nothing to take back: the guest refuses in silence, and QEMU waits on. */
static void claim_pseries_is_silent(const struct harness_vm *vm)
{
    static const char *const removal[] = {"memory", "remove", "s0", "--timeout", "3", NULL};
    struct harness_run run;

    claim_guest(vm, "echo offline >" ONLINING, "");
    claim(vm, "online", HARNESS_ARGUMENTS("memory", "add", "256M", "--id", "s0"));
    fill_with_kernel_memory(vm, "450000");
    run = claim_run(vm, "pending", removal);
    assert_non_null(strstr(run.err, "without a word"));
    harness_run_free(&run);
    claim(vm, "pending", removal); /* "Memory unplug already in progress" */
    claim_pending(vm, "memory-remove", "s0");
    fill_with_kernel_memory(vm, "1"); /* a vCPU that comes would want as much for itself */
}

/* The last vCPU that is online can't go. */
static void claim_last_core_stays(const struct harness_vm *vm, const char *id)
{
    claim_guest(vm, "echo 0 >/sys/devices/system/cpu/cpu0/online", "");
    claim(vm, "refused", HARNESS_ARGUMENTS("cpu", "remove", id));
    claim_guest(vm, "echo 1 >/sys/devices/system/cpu/cpu0/online", "");
    claim_guest(vm, GUEST_CPUS, "0-1");
}

static void test_pseries(void **state)
{
    const struct harness_vm *vm = &vms[PSERIES];
    struct harness_run run;

    (void)state;
    claim_machine(vm, "pseries-", "ppc64", true);
    claim_looks_do_no_harm(vm);
    claim_blocked(vm, "256 MiB", HARNESS_ARGUMENTS("memory", "add", "100M"));
    claim_dimm(vm, 1, false);
    claim_zones_of_pseries(vm);
    claim_no_virtio_mem(vm, "no virtio-mem");
    claim_blocked(vm, "rtas_errd",
                  HARNESS_ARGUMENTS("disk", "add", harness_image("phb.qcow2", "qcow2", "8M"),
                                    "--bus", "virtio"));
    claim_disk(vm, "pseries.qcow2");
    claim_pseries_refuses(vm);
    claim_pseries_is_silent(vm);
    run = claim_run(vm, "online", HARNESS_ARGUMENTS("cpu", "add"));
    assert_false(has_stage(&run, "acknowledged"));
    harness_run_free(&run);
    /* An emulating QEMU 10.0 now and then wakes the first core no more once there is a second: then
     * the console is silent, and the agent's word is all there is. */
    if (claim_major(vm) < 10) {
        claim_guest(vm, GUEST_CPUS, "0-1");
        claim_last_core_stays(vm, "vmplug-cpu-1");
    }
    claim_core_goes(vm, "vmplug-cpu-1");
}

static void test_microvm(void **state)
{
    const struct harness_vm *vm = &vms[MICROVM];

    (void)state;
    claim_machine(vm, "microvm", "x86_64", true);
    claim_blocked(vm, "no vCPU hotplug", HARNESS_ARGUMENTS("cpu", "add"));
    claim_blocked(vm, "no DIMM", HARNESS_ARGUMENTS("memory", "add", "256M"));
    claim_no_virtio_mem(vm, "no place");
    claim_blocked(vm, "this microvm has no PCI port",
                  HARNESS_ARGUMENTS("disk", "add", harness_image("pci.qcow2", "qcow2", "8M"),
                                    "--bus", "virtio"));
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
    claim_no_virtio_mem(vm, "no place");
    /* QEMU takes it, and nobody can say that this guest has not even the bus. */
    claim(vm, "unconfirmed", HARNESS_ARGUMENTS("disk", "add", image));
    claim_guest(vm, GUEST_DISKS, "");
}

/* ---- boards without a guest of ours ---- */

static void start_bare(struct harness_vm *vm, const char *target, const char *board,
                       const char *const *arguments, const char *machine)
{
    AUTO_FREE char *qemu = harness_qemu(target);

    harness_start_bare_on(vm, qemu, arguments);
    claim_machine(vm, machine, target, false);
    vm->board = board;
}

/* Whether QEMU itself has vCPU hotplug on the board, by its own word. */
static bool has_vcpu_hotplug(const struct harness_vm *vm, const char *machine)
{
    AUTO_JSON json_t *machines = harness_qmp(vm, "query-machines", NULL);
    const json_t *row;
    size_t i;

    json_array_foreach(machines, i, row) {
        if (strcmp(json_string_value(json_object_get(row, "name")), machine) == 0)
            return json_is_true(json_object_get(row, "hotpluggable-cpus"));
    }
    fail_msg("this QEMU has no machine %s", machine);
    return false;
}

static void claim_bare_disk(const struct harness_vm *vm, const char *name)
{
    claim(vm, "unconfirmed",
          HARNESS_ARGUMENTS("disk", "add", harness_image(name, "qcow2", "8M"), "--id", "d0"));
    claim(vm, "removed", HARNESS_ARGUMENTS("disk", "remove", "d0"));
}

static void test_riscv(void **state)
{
    struct harness_vm vm;

    (void)state;
    start_bare(&vm, "riscv64", "virt (riscv64)",
               HARNESS_ARGUMENTS("-machine", "virt", "-m", "256M,slots=4,maxmem=4G", "-device",
                                 "virtio-scsi-pci"),
               "virt");
    claim_blocked(&vm, "no vCPU hotplug", HARNESS_ARGUMENTS("cpu", "add"));
    claim_blocked(&vm, "no pc-dimm", HARNESS_ARGUMENTS("memory", "add", "256M"));
    claim_no_virtio_mem(&vm, "no virtio-mem");
    claim_bare_disk(&vm, "riscv.qcow2");
    harness_stop(&vm);
}

/* Its vCPUs come, and can't go. */
static void test_s390(void **state)
{
    struct harness_vm vm;

    (void)state;
    start_bare(&vm, "s390x", "s390-ccw-virtio",
               HARNESS_ARGUMENTS("-smp", "1,maxcpus=4", "-m", "256M", "-device",
                                 "virtio-scsi-ccw"),
               "s390-ccw-virtio");
    claim(&vm, "realized", HARNESS_ARGUMENTS("--wait", "realized", "cpu", "add"));
    claim_blocked(&vm, "s390", HARNESS_ARGUMENTS("cpu", "remove", "vmplug-cpu-1"));
    claim_blocked(&vm, "no pc-dimm", HARNESS_ARGUMENTS("memory", "add", "256M"));
    claim_no_virtio_mem(&vm, ""); /* this one has none, a newer one no port for it */
    claim_bare_disk(&vm, "s390.qcow2");
    harness_stop(&vm);
}

/* Whether its vCPUs can be added, QEMU says itself: 7.2 can't, 10.0 can. */
static void test_loongarch(void **state)
{
    struct harness_vm vm;

    (void)state;
    start_bare(&vm, "loongarch64", "virt (loongarch64)",
               HARNESS_ARGUMENTS("-machine", "virt", "-smp", "1,maxcpus=4", "-m",
                                 "1G,slots=4,maxmem=4G", "-device", "virtio-scsi-pci"),
               "virt");
    if (has_vcpu_hotplug(&vm, "virt"))
        claim(&vm, "realized", HARNESS_ARGUMENTS("--wait", "realized", "cpu", "add"));
    else
        claim_blocked(&vm, "no vCPU hotplug", HARNESS_ARGUMENTS("cpu", "add"));
    claim(&vm, "realized", HARNESS_ARGUMENTS("--wait", "realized", "memory", "add", "256M"));
    claim_no_virtio_mem(&vm, "no virtio-mem");
    claim_bare_disk(&vm, "loong.qcow2");
    harness_stop(&vm);
}

/* How many findings of the kind topology audit has, and what doctor says of it. */
static size_t count_topology_findings(const struct harness_vm *vm, const char *expected)
{
    struct harness_run audit = harness_vmplug_json(vm, HARNESS_ARGUMENTS("audit"));
    const json_t *row;
    size_t count = 0, i;

    json_array_foreach(json_object_get(json_array_get(audit.lines, 0), "findings"), i, row)
        count += strcmp(json_string_value(json_object_get(row, "kind")), "topology") == 0;
    claim_doctor(vm, "topology", expected);
    harness_run_free(&audit);
    return count;
}

/* QEMU takes any tree for the guest's, and fits only the memory's size to its own. */
static void test_foreign_tree(void **state)
{
    AUTO_FREE char *tree = NULL;
    struct harness_vm vm;

    (void)state;
    assert_true(asprintf(&tree, "%s/tests/data/fdt/arm-numa.dtb", getenv("VMPLUG_SOURCE")) > 0);
    start_bare(&vm, "aarch64", NULL,
               HARNESS_ARGUMENTS("-machine", "virt", "-smp", "2", "-m", "512M"), "virt-");
    assert_int_equal(count_topology_findings(&vm, "yes"), 0);
    harness_stop(&vm);
    start_bare(&vm, "aarch64", NULL,
               HARNESS_ARGUMENTS("-machine", "virt", "-smp", "2", "-m", "512M", "-dtb", tree),
               "virt-");
    assert_int_equal(count_topology_findings(&vm, "no"), 1);
    harness_stop(&vm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pc),
        cmocka_unit_test(test_virt),    cmocka_unit_test(test_virt_without_firmware),
        cmocka_unit_test(test_pseries), cmocka_unit_test(test_microvm),
        cmocka_unit_test(test_microvm_without_acpi),
        cmocka_unit_test(test_riscv),   cmocka_unit_test(test_s390),
        cmocka_unit_test(test_loongarch), cmocka_unit_test(test_foreign_tree),
    };

    return cmocka_run_group_tests(tests, boot, stop);
}
