/* SPDX-License-Identifier: MIT */
/* Media and disks that are there already, on q35 with a scsi-cd, which the guest sees, and an
 * ide-cd, for which its kernel has no driver. The tests build on each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "qmp/codec.h"
#include "tests/live/harness.h"

static struct harness_vm vm;

static int boot(void **state)
{
    (void)state;
    harness_need_tools();
    harness_boot(&vm, HARNESS_ARGUMENTS("--", "-device", "scsi-cd,id=cd0,bus=scsi0.0,lun=9",
                                        "-device", "ide-cd,id=cd1,bus=ide.0"));
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

/* Runs a command that ends as it should; the last object it printed is the caller's. */
static json_t *run(const char *const *arguments, int status, const char *verdict)
{
    struct harness_run run = harness_vmplug_json(&vm, arguments);
    json_t *last = json_incref(json_array_get(run.lines, json_array_size(run.lines) - 1));

    if (run.status != status || strcmp(harness_verdict(&run), verdict) != 0)
        print_error("exit %d, %s%s", run.status, run.out, run.err);
    assert_int_equal(run.status, status);
    assert_string_equal(harness_verdict(&run), verdict);
    harness_run_free(&run);
    return last;
}

static void expect(const char *const *arguments, int status, const char *verdict)
{
    json_decref(run(arguments, status, verdict));
}

/* A medium of 64 KiB that holds nothing but this letter. */
static const char *make_medium(const char *name, char letter)
{
    static char path[256];
    FILE *file;
    int i;

    (void)snprintf(path, sizeof(path), "%s/%s", harness_dir(), name);
    file = fopen(path, "we");
    assert_non_null(file);
    for (i = 0; i < 65536; i++)
        fputc(letter, file);
    assert_int_equal(fclose(file), 0);
    return path;
}

static unsigned node_count(void)
{
    AUTO_JSON json_t *nodes =
        harness_qmp(&vm, "query-named-block-nodes", json_pack("{s:b}", "flat", 1));

    return (unsigned)json_array_size(nodes);
}

/* ---- CD-ROMs ---- */

static void assert_drive(size_t index, const char *id, const char *tray, const char *file)
{
    struct harness_run list = harness_vmplug_json(&vm, HARNESS_ARGUMENTS("cdrom", "list"));
    const json_t *drive = json_array_get(json_array_get(list.lines, 0), index);

    assert_string_equal(text(drive, "id"), id);
    assert_string_equal(text(drive, "tray"), tray);
    assert_string_equal(text(drive, "file"), file);
    harness_run_free(&list);
}

static void test_insert(void **state)
{
    const char *medium = make_medium("a.iso", 'a');
    AUTO_JSON json_t *result = NULL;

    (void)state;
    assert_drive(0, "cd0", "closed", "(none)");
    result = run(HARNESS_ARGUMENTS("cdrom", "insert", "cd0", medium), 0, "done");
    assert_string_equal(text(result, "guest_name"), "/dev/sr0");
    assert_drive(0, "cd0", "closed", medium);
    assert_guest("head -c 3 /dev/sr0", "aaa");
}

static void test_insert_another(void **state)
{
    unsigned nodes = node_count();
    AUTO_JSON json_t *result = NULL;

    (void)state;
    result = run(HARNESS_ARGUMENTS("cdrom", "insert", "cd0", make_medium("b.iso", 'b')), 0, "done");
    assert_string_equal(text(result, "guest_name"), "/dev/sr0");
    assert_guest("head -c 3 /dev/sr0", "bbb");
    assert_int_equal(node_count(), nodes);
}

/* An open drive is a locked one. This guest has no udev: it does nothing when it is asked. */
static void test_locked(void **state)
{
    AUTO_FREE char *pid = harness_guest(&vm, "sleep 1000 </dev/sr0 >/dev/null 2>&1 & echo $!");
    AUTO_FREE char *before = NULL, *after = NULL, *kill = NULL;

    (void)state;
    before = harness_snapshot(&vm);
    expect(HARNESS_ARGUMENTS("--timeout", "3", "cdrom", "eject", "cd0"), 6, "pending");
    expect(HARNESS_ARGUMENTS("--timeout", "3", "cdrom", "insert", "cd0", make_medium("c.iso", 'c')),
           6, "pending");
    after = harness_snapshot(&vm);
    assert_string_equal(after, before);
    expect(HARNESS_ARGUMENTS("cdrom", "eject", "cd0", "--force"), 0, "done");
    assert_drive(0, "cd0", "closed", "(none)");
    assert_true(asprintf(&kill, "kill %s", pid) > 0);
    free(harness_guest(&vm, kill));
}

static void test_eject(void **state)
{
    unsigned nodes = node_count();
    AUTO_JSON json_t *result = NULL;

    (void)state;
    result = run(HARNESS_ARGUMENTS("cdrom", "insert", "cd0", make_medium("d.iso", 'd')), 0, "done");
    assert_string_equal(text(result, "guest_name"), "/dev/sr0");
    expect(HARNESS_ARGUMENTS("cdrom", "eject", "cd0"), 0, "done");
    assert_int_equal(node_count(), nodes);
    assert_guest("head -c 3 /dev/sr0 2>/dev/null | wc -c", "0");
    expect(HARNESS_ARGUMENTS("cdrom", "eject", "cd0"), 0, "done"); /* nothing to do */
}

static void test_ide(void **state)
{
    const char *medium = make_medium("e.iso", 'e');
    unsigned nodes = node_count();

    (void)state;
    expect(HARNESS_ARGUMENTS("cdrom", "insert", "cd1", medium), 0, "done");
    assert_drive(1, "cd1", "closed", medium);
    expect(HARNESS_ARGUMENTS("cdrom", "eject", "cd1"), 0, "done");
    assert_int_equal(node_count(), nodes);
}

static void test_refusals(void **state)
{
    (void)state;
    expect(HARNESS_ARGUMENTS("cdrom", "insert", "cd7", make_medium("f.iso", 'f')), 7, "blocked");
    expect(HARNESS_ARGUMENTS("cdrom", "insert", "cd0", "/nonexistent.iso"), 7, "blocked");
    expect(HARNESS_ARGUMENTS("cdrom", "eject", "scsi0"), 7, "blocked");
}

/* ---- disks ---- */

static void test_resize(void **state)
{
    const char *image = harness_image("grows.qcow2", "qcow2", "8M");
    AUTO_JSON json_t *result = NULL;

    (void)state;
    expect(HARNESS_ARGUMENTS("disk", "add", image, "--id", "data"), 0, "online");
    assert_guest("cat /sys/block/sda/size", "16384");
    result = run(HARNESS_ARGUMENTS("disk", "resize", "data", "24M"), 0, "done");
    assert_guest("cat /sys/block/sda/size", "49152");
    assert_string_equal(text(result, "guest_name"), "/dev/sda");
    expect(HARNESS_ARGUMENTS("disk", "resize", "data", "24M"), 0, "done");
    expect(HARNESS_ARGUMENTS("disk", "resize", "data", "8M"), 7, "blocked");
    assert_guest("cat /sys/block/sda/size", "49152");
}

static json_int_t limit(const char *name)
{
    struct harness_run run =
        harness_vmplug_json(&vm, HARNESS_ARGUMENTS("disk", "throttle", "data"));
    json_int_t value =
        json_integer_value(json_object_get(json_array_get(run.lines, 0), name));

    assert_int_equal(run.status, 0);
    harness_run_free(&run);
    return value;
}

static void test_throttle(void **state)
{
    (void)state;
    assert_int_equal(limit("iops"), 0);
    expect(HARNESS_ARGUMENTS("disk", "throttle", "data", "--iops", "50", "--bps", "1M"), 0, "done");
    assert_int_equal(limit("iops"), 50);
    assert_int_equal(limit("bps"), 1 << 20);
    /* 3 MiB at 1 MiB a second, some of which QEMU lets through at once */
    assert_guest("s=$(date +%s); dd if=/dev/sda of=/dev/null bs=64k count=48 iflag=direct "
                 "2>/dev/null; test $(($(date +%s) - s)) -ge 1 && echo slow",
                 "slow");
    expect(HARNESS_ARGUMENTS("disk", "throttle", "data", "--bps", "0"), 0, "done");
    assert_int_equal(limit("iops"), 50);
    assert_int_equal(limit("bps"), 0);
    expect(HARNESS_ARGUMENTS("disk", "throttle", "data", "--off"), 0, "done");
    assert_int_equal(limit("iops"), 0);
}

/* The server ends with its last client. */
static void test_nbd(void **state)
{
    const char *image = harness_image("served.raw", "raw", "8M");
    AUTO_FREE char *serve = NULL, *uri = NULL, *before = NULL, *after = NULL;

    (void)state;
    before = harness_snapshot(&vm);
    assert_true(asprintf(&uri, "nbd+unix:///disk?socket=%s/nbd", harness_dir()) > 0);
    expect(HARNESS_ARGUMENTS("disk", "add", uri), 4, "rejected"); /* nobody serves it yet */
    after = harness_snapshot(&vm);
    assert_string_equal(after, before);
    assert_true(asprintf(&serve, "qemu-nbd --fork -k %s/nbd -x disk -f raw %s", harness_dir(),
                         image) > 0);
    assert_int_equal(system(serve), 0);
    expect(HARNESS_ARGUMENTS("disk", "add", uri, "--id", "net"), 0, "online");
    assert_guest("echo proof | dd of=/dev/sdb conv=notrunc 2>/dev/null && sync && "
                 "echo 3 >/proc/sys/vm/drop_caches && head -c 5 /dev/sdb",
                 "proof");
    expect(HARNESS_ARGUMENTS("disk", "remove", "net"), 0, "removed");
}

/* A block device of the host, where this user may make one. */
static void test_host_device(void **state)
{
    const char *image = harness_image("device.raw", "raw", "8M");
    AUTO_FREE char *attach = NULL, *detach = NULL;
    char device[64] = "";
    FILE *output;

    (void)state;
    assert_true(asprintf(&attach, "losetup -f --show %s 2>/dev/null", image) > 0);
    output = popen(attach, "r");
    if (output == NULL || fscanf(output, "%63s", device) != 1 || pclose(output) != 0)
        skip();
    assert_true(asprintf(&detach, "losetup -d %s", device) > 0);
    expect(HARNESS_ARGUMENTS("disk", "add", device, "--id", "device"), 0, "online");
    assert_guest("cat /sys/block/sdb/size", "16384");
    expect(HARNESS_ARGUMENTS("disk", "remove", "device"), 0, "removed");
    assert_int_equal(system(detach), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_insert),
        cmocka_unit_test(test_insert_another),
        cmocka_unit_test(test_locked),
        cmocka_unit_test(test_eject),
        cmocka_unit_test(test_ide),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_resize),
        cmocka_unit_test(test_throttle),
        cmocka_unit_test(test_nbd),
        cmocka_unit_test(test_host_device),
    };

    return cmocka_run_group_tests_name("media and disks", tests, boot, stop);
}
