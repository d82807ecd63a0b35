/* SPDX-License-Identifier: MIT */
/* A QEMU that was set up by somebody else: machine pc, cores and threads above one, two NUMA nodes,
 * DIMMs and disks on its command line, ids of its own, and another client on the other monitor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "qmp/codec.h"
#include "tests/live/harness.h"

static struct harness_vm vm;

static int boot(void **state)
{
    AUTO_FREE char *drive = NULL;
    const char *image;

    (void)state;
    harness_need_tools();
    image = harness_image("there.qcow2", "qcow2", "4M");
    assert_true(asprintf(&drive, "if=none,id=old,file=%s,format=qcow2", image) > 0);
    harness_boot(&vm, HARNESS_ARGUMENTS(
        "--machine", "pc", "--",
        "-smp", "2,sockets=2,cores=2,threads=2,maxcpus=8",
        "-m", "512M,slots=4,maxmem=3G",
        "-object", "memory-backend-ram,id=ram0,size=256M",
        "-object", "memory-backend-ram,id=ram1,size=256M",
        "-numa", "node,nodeid=0,memdev=ram0", "-numa", "node,nodeid=1,memdev=ram1",
        "-object", "memory-backend-ram,id=first,size=256M",
        "-device", "pc-dimm,id=plugged,memdev=first,node=1",
        "-device", "virtio-scsi-pci", "-drive", drive,
        "-device", "scsi-hd,drive=old,bus=scsi0.0,scsi-id=3,lun=1,serial=OLD"));
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

static const json_t *last(const struct harness_run *run)
{
    return json_array_get(run->lines, json_array_size(run->lines) - 1);
}

static void test_status(void **state)
{
    struct harness_run run = harness_vmplug_json(&vm, HARNESS_ARGUMENTS("status"));
    const json_t *status = last(&run);
    const json_t *disk = json_array_get(json_object_get(status, "disks"), 0);
    const json_t *dimm = json_array_get(
        json_object_get(json_object_get(status, "memory"), "devices"), 0);

    (void)state;
    assert_int_equal(run.status, 0);
    assert_int_equal(json_array_size(json_object_get(status, "disks")), 1);
    assert_string_equal(json_string_value(json_object_get(disk, "serial")), "OLD");
    assert_string_equal(json_string_value(json_object_get(disk, "bus")), "scsi0.0");
    assert_int_equal(json_integer_value(json_object_get(disk, "lun")), 1);
    assert_string_equal(json_string_value(json_object_get(dimm, "id")), "plugged");
    assert_int_equal(json_integer_value(json_object_get(dimm, "node")), 1);
    harness_run_free(&run);
}

/* Slots are filled in ascending order: socket 0, core 1, threads 0 and 1; two are there. */
static void test_cpus_with_threads(void **state)
{
    struct harness_run run = harness_vmplug_json(&vm, HARNESS_ARGUMENTS("cpu", "add", "2"));
    const json_t *props = json_object_get(json_array_get(run.lines, 0), "props");

    (void)state;
    assert_string_equal(harness_verdict(&run), "online");
    assert_int_equal(json_array_size(run.lines), 3);
    assert_int_equal(json_integer_value(json_object_get(props, "socket-id")), 0);
    assert_int_equal(json_integer_value(json_object_get(props, "core-id")), 1);
    assert_int_equal(json_integer_value(json_object_get(props, "thread-id")), 0);
    assert_int_equal(guest_number("nproc"), 4);
    harness_run_free(&run);
}

static void test_memory_on_a_node(void **state)
{
    long before = guest_number("sed -n 's/^Node 1 MemTotal: *\\([0-9]*\\) kB/\\1/p' "
                               "/sys/devices/system/node/node1/meminfo");
    struct harness_run run = harness_vmplug_json(
        &vm, HARNESS_ARGUMENTS("memory", "add", "128M", "--node", "1", "--backend", "memfd"));

    (void)state;
    assert_string_equal(harness_verdict(&run), "online");
    harness_run_free(&run);
    assert_int_equal(guest_number("sed -n 's/^Node 1 MemTotal: *\\([0-9]*\\) kB/\\1/p' "
                                  "/sys/devices/system/node/node1/meminfo"),
                     before + 128 * 1024);
}

/* The old disk has LUN 1 on another target, which the agent can't tell apart from target 0. */
static void test_disk_gets_its_own_lun(void **state)
{
    struct harness_run run = harness_vmplug_json(
        &vm, HARNESS_ARGUMENTS("disk", "add", harness_image("mine.raw", "raw", "1M")));

    (void)state;
    assert_string_equal(harness_verdict(&run), "online");
    assert_int_equal(json_integer_value(json_object_get(last(&run), "lun")), 2);
    harness_run_free(&run);
}

/* A disk that is on the VM already is locked: QEMU says so, and the new node goes again. */
static void test_locked_image(void **state)
{
    AUTO_FREE char *path = NULL;
    AUTO_FREE char *before = harness_snapshot(&vm);
    AUTO_FREE char *after = NULL;
    struct harness_run run;

    (void)state;
    assert_true(asprintf(&path, "%s/there.qcow2", harness_dir()) > 0);
    run = harness_vmplug_json(&vm, HARNESS_ARGUMENTS("disk", "add", path));
    after = harness_snapshot(&vm);
    assert_string_equal(after, before);
    assert_int_equal(run.status, 4);
    assert_string_equal(harness_verdict(&run), "rejected");
    assert_non_null(strstr(run.err, "lock"));
    assert_non_null(strstr(run.err, "; the image is open already, as a disk of this QEMU or"));
    harness_run_free(&run);
}

/* Events reach a client on another monitor; it ends when it has seen the one it waits for. */
static void test_events_on_the_other_monitor(void **state)
{
    struct harness_run run;
    char line[4096];
    int fd;
    pid_t events = harness_spawn(HARNESS_ARGUMENTS("--json", "--qmp", vm.qmp2, "events", "--until",
                                                   "ACPI_DEVICE_OST", "--for", "60"),
                                 &fd);
    FILE *out = fdopen(fd, "r");
    AUTO_JSON json_t *event = NULL;

    (void)state;
    run = harness_vmplug_json(&vm, HARNESS_ARGUMENTS("cpu", "add"));
    assert_string_equal(harness_verdict(&run), "online");
    harness_run_free(&run);
    while (fgets(line, sizeof(line), out) != NULL) {
        json_decref(event);
        event = json_loads(line, 0, NULL);
    }
    fclose(out);
    assert_int_equal(harness_await(events), 0);
    assert_string_equal(json_string_value(json_object_get(event, "event")), "ACPI_DEVICE_OST");
    assert_true(json_is_number(json_object_get(event, "monotonic_ms")));
    assert_string_equal(json_string_value(json_object_get(event, "meaning")), "success");
}

static void test_all_the_rest(void **state)
{
    struct harness_run run = harness_vmplug_json(&vm, HARNESS_ARGUMENTS("cpu", "set", "8"));

    (void)state;
    assert_string_equal(harness_verdict(&run), "online");
    assert_int_equal(guest_number("nproc"), 8);
    harness_run_free(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_cpus_with_threads),
        cmocka_unit_test(test_memory_on_a_node),
        cmocka_unit_test(test_disk_gets_its_own_lun),
        cmocka_unit_test(test_locked_image),
        cmocka_unit_test(test_events_on_the_other_monitor),
        cmocka_unit_test(test_all_the_rest),
    };

    return cmocka_run_group_tests_name("a QEMU of somebody else's", tests, boot, stop);
}
