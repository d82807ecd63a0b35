/* SPDX-License-Identifier: MIT */
/*
 * A VM from a manifest: launched, grown and shrunk by the command, stopped, and launched again with
 * its disks where they were. Nothing is left by a launch that fails, nor by a QEMU that is killed.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "manifest/adopt.h"
#include "manifest/launch.h"
#include "manifest/run_directory.h"
#include "manifest/stop.h"
#include "manifest/supervise.h"
#include "manifest/yaml_read.h"
#include "qmp/blocking.h"
#include "qmp/codec.h"
#include "tests/live/claims.h"

#define NAME "web"
#define MIB (1L << 20)
#define TIMEOUT_MS 60000

static const char manifest[] =
    "apiVersion: kubevirt.io/v1\n"
    "kind: VirtualMachine\n"
    "metadata:\n"
    "  name: " NAME "\n"
    "  annotations:\n"
    "    vmplug/accel: tcg\n"
    "    vmplug/kernel: %1$s/vmlinuz\n"
    "    vmplug/initrd: %1$s/initramfs\n"
    "    vmplug/cmdline: console=ttyS0 quiet loglevel=0 panic=-1\n"
    "spec:\n"
    "  runStrategy: Always\n"
    "  template:\n"
    "    spec:\n"
    "      domain:\n"
    "        cpu: {sockets: 1, model: %3$s}\n"
    "        memory: {guest: 256Mi, maxGuest: 1Gi}\n"
    "        devices:\n"
    "          disks:\n"
    "          - {name: root, disk: {bus: scsi}}\n"
    "          - {name: scratch, disk: {bus: virtio}}\n"
    "          - {name: empty, disk: {bus: scsi}}\n"
    "          - {name: media, cdrom: {bus: scsi}}\n"
    "          - {name: added, disk: {bus: scsi}}\n"
    "          - {name: ported, disk: {bus: virtio}}\n"
    "      volumes:\n"
    "      - {name: root, hostDisk: {path: %2$s/root.img, type: DiskOrCreate, capacity: 4Mi}}\n"
    "      - {name: scratch, hostDisk: {path: %2$s/scratch.img, type: DiskOrCreate, "
    "capacity: 4Mi}}\n"
    "      - {name: empty, emptyDisk: {capacity: 8Mi}}\n"
    "%4$s";

/* What is plugged while the VM runs, and is in its manifest from then on. */
static const char plugged[] =
    "      - {name: added, persistentVolumeClaim: {claimName: added, hotpluggable: true}}\n"
    "      - {name: ported, persistentVolumeClaim: {claimName: ported, hotpluggable: true}}\n";

static struct harness_vm vm; /* what the harness has to know of it */
static struct store store;
static struct objects objects;
static struct claims claims = {.objects = &objects};
static struct cluster cluster = CLUSTER_INIT;
static struct virtual_machine machine;
static struct error error;
static char *guest_directory;

/* ---- from a manifest to a launch ---- */

static json_t *read_yaml(const char *text)
{
    struct document_list list = {0};
    json_t *object;

    if (yaml_read(&list, "test.yaml", text, strlen(text), &error) < 0)
        fail_msg("%s", error.why);
    object = json_incref(list.items[0].root);
    document_list_free(&list);
    return object;
}

static void read_machine(const char *model, bool with_plugged)
{
    AUTO_FREE char *text = NULL, *short_text = NULL;
    struct document document;
    struct notes notes = {0};
    json_t *object;
    char *cut;

    assert_true(asprintf(&text, manifest, guest_directory, harness_dir(), model,
                         with_plugged ? plugged : "") > 0);
    if (!with_plugged) { /* nor their disks */
        cut = strstr(text, "          - {name: added");
        assert_true(asprintf(&short_text, "%.*s%s", (int)(cut - text), text,
                             strstr(text, "      volumes:")) > 0);
    }
    object = read_yaml(with_plugged ? text : short_text);
    virtual_machine_free(&machine);
    assert_int_equal(document_init(&document, "test.yaml", object, &error), 0);
    json_decref(object);
    if (virtual_machine_read(&machine, &document, true, &notes, &error) < 0)
        fail_msg("%s", error.why);
    document_free(&document);
    notes_free(&notes);
}

static int launch(void)
{
    const struct launch launch = {.name = NAME, .vm = &machine, .cluster = &cluster,
                                  .claims = &claims, .store = &store,
                                  .timeout_ms = TIMEOUT_MS};
    pid_t process = 0;
    int status;

    error = (struct error)ERROR_INIT;
    status = launch_start(&launch, &process, &error);
    vm.pid = status == 0 ? process : 0;
    return status;
}

/* The guest says so on its console. */
static void await_ready(void)
{
    AUTO_FREE char *command = NULL;

    assert_true(asprintf(&command,
                         "bash -c 'grep -q \"vmplug-guest: ready\" < <(timeout --foreground 240 "
                         "tail -n +1 -f --pid=%ld \"%s/console.log\")'",
                         (long)vm.pid, vm.dir) > 0);
    assert_int_equal(system(command), 0);
}

static void launch_and_wait(bool with_plugged)
{
    read_machine("max", with_plugged);
    if (launch() < 0)
        fail_msg("%s; %s", error.why, error.fix);
    await_ready();
}

static void give(enum kind kind, const char *name, json_t *object)
{
    assert_non_null(object);
    assert_int_equal(objects_give(&objects, kind, name, object, &error), 0);
}

static void claim_volume(const char *name, const char *file)
{
    give(KIND_CLAIM, name, json_pack("{s:{s:s}}", "spec", "volumeName", name));
    give(KIND_VOLUME, name, json_pack("{s:{s:{s:s}}}", "spec", "hostPath", "path", file));
}

static int begin(void **state)
{
    AUTO_FREE char *command = NULL;
    FILE *output;
    size_t size = 0;
    char path[200];

    (void)state;
    harness_need_tools();
    (void)snprintf(vm.dir, sizeof(vm.dir), "%s/vmplug/vm/" NAME, harness_dir());
    (void)snprintf(vm.qmp, sizeof(vm.qmp), "%s/qmp", vm.dir);
    (void)snprintf(vm.qmp2, sizeof(vm.qmp2), "%s/qmp2", vm.dir);
    (void)snprintf(vm.agent, sizeof(vm.agent), "%s/agent", vm.dir);
    vm.guest = true;
    assert_true(asprintf(&command, "%s/build-guest", getenv("VMPLUG_SCRIPTS")) > 0);
    output = popen(command, "r");
    assert_true(output != NULL && getline(&guest_directory, &size, output) > 0);
    assert_int_equal(pclose(output), 0);
    guest_directory[strcspn(guest_directory, "\n")] = '\0';
    (void)snprintf(path, sizeof(path), "%s/state", harness_dir());
    assert_int_equal(store_open(&store, path, true, &error), 0);
    objects = (struct objects)OBJECTS_INIT(&store);
    claim_volume("added", harness_image("added.img", "raw", "4M"));
    claim_volume("ported", harness_image("ported.img", "raw", "4M"));
    return 0;
}

static int end(void **state)
{
    enum stop_way way;

    (void)state;
    if (run_directory_is_launched(NAME, NULL))
        (void)stop_vm(NAME, 0, NULL, &way, &error);
    virtual_machine_free(&machine);
    objects_free(&objects);
    store_close(&store);
    free(guest_directory);
    return 0;
}

/* ---- what is claimed ---- */

static bool is_there(const char *file)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/%s", vm.dir, file);
    return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void claim_clean(void)
{
    static const char *const gone[] = {"qmp", "qmp2", "agent", "console", "pid", "disks"};
    size_t i;

    for (i = 0; i < COUNT_OF(gone); i++)
        assert_false(is_there(gone[i]));
    assert_false(run_directory_is_launched(NAME, NULL));
}

static void test_failing_leaves_nothing(void **state)
{
    char path[256];

    (void)state;
    read_machine("no-such-cpu", false);
    assert_int_equal(launch(), -1);
    assert_int_equal(error.code, ERROR_REJECTED);
    assert_non_null(strstr(error.why, "no-such-cpu"));
    assert_int_equal(access(vm.dir, F_OK), -1);
    (void)snprintf(path, sizeof(path), "%s/root.img", harness_dir());
    assert_int_equal(access(path, F_OK), -1);
    machine.qemu = "/no/such/qemu";
    assert_int_equal(launch(), -1);
    assert_non_null(strstr(error.why, "cannot run /no/such/qemu: No such file"));
    assert_int_equal(access(vm.dir, F_OK), -1);
}

static const char *path_of(const char *file)
{
    static char path[256];

    (void)snprintf(path, sizeof(path), "%s/%s", harness_dir(), file);
    return path;
}

static void run_named(const char *verdict, const char *const *arguments)
{
    const char *words[HARNESS_ARGUMENTS_MAX] = {"--json", "-n", NAME};
    struct harness_run run;
    size_t count = 3;

    for (; *arguments != NULL; arguments++)
        words[count++] = *arguments;
    words[count] = NULL;
    run = harness_vmplug(words);
    if (strcmp(harness_verdict(&run), verdict) != 0)
        fail_msg("%s %s: %s%s", words[3], words[4], run.out, run.err);
    harness_run_free(&run);
}

static const json_t *disk_of(const json_t *status, const char *id)
{
    const json_t *disk;
    size_t i;

    json_array_foreach(json_object_get(status, "disks"), i, disk) {
        if (strcmp(json_string_value(json_object_get(disk, "id")), id) == 0)
            return disk;
    }
    fail_msg("no disk %s", id);
    return NULL;
}

static long number(const json_t *object, const char *outer, const char *key)
{
    return (long)json_integer_value(json_object_get(json_object_get(object, outer), key));
}

static long lun_of(const char *id)
{
    AUTO_JSON json_t *status = claim_status(&vm);

    return (long)json_integer_value(json_object_get(disk_of(status, id), "lun"));
}

static void claim_bus(const char *id, const char *port)
{
    AUTO_FREE char *path = NULL;
    AUTO_JSON json_t *bus = NULL;

    assert_true(asprintf(&path, "/machine/peripheral/%s", id) > 0);
    bus = harness_qmp(&vm, "qom-get",
                      json_pack("{s:s, s:s}", "path", path, "property", "parent_bus"));
    assert_string_equal(strrchr(json_string_value(bus), '/') + 1, port);
}

static void test_has_room(void **state)
{
    AUTO_JSON json_t *status = NULL;

    (void)state;
    launch_and_wait(false);
    assert_int_equal(launch(), -1);
    assert_int_equal(error.code, ERROR_BLOCKED);
    status = claim_status(&vm);
    assert_true(json_is_true(json_object_get(json_object_get(status, "agent"), "connected")));
    assert_int_equal(number(status, "cpus", "max"), 4);
    assert_int_equal(number(status, "memory", "max_bytes"), 1024 * MIB);
    assert_int_equal(lun_of("vmplug-fix-root"), 0);
    assert_true(is_there("disks/empty.img"));
    claim_guest(&vm, GUEST_DISKS, "sda sdb vda ");
}

static void test_grows_and_shrinks(void **state)
{
    long before, more;

    (void)state;
    run_named("online", HARNESS_ARGUMENTS("cpu", "set", "2"));
    claim_guest(&vm, GUEST_CPUS, "0-1");
    before = claim_number(&vm, GUEST_MEMORY_KIB);
    run_named("done", HARNESS_ARGUMENTS("memory", "set", "512M", "--movable"));
    more = claim_number(&vm, GUEST_MEMORY_KIB);
    assert_int_equal(more - before, 256 * 1024);
    run_named("done", HARNESS_ARGUMENTS("memory", "set", "256M"));
    assert_int_equal(claim_number(&vm, GUEST_MEMORY_KIB), before);
}

static long lun_at_first;

/* As apply does it: plugged, and the layout recorded after something has changed. */
static void test_plug(void **state)
{
    const struct vm_options options = {.qmp_path = vm.qmp};
    struct vm *asked;

    (void)state;
    run_named("online", HARNESS_ARGUMENTS("disk", "add", harness_image("first.img", "raw", "4M")));
    run_named("online", HARNESS_ARGUMENTS("disk", "add", path_of("added.img"), "--id",
                                          "vmplug-vol-added", "--serial", "added"));
    run_named("online", HARNESS_ARGUMENTS("disk", "add", harness_image("other.img", "raw", "4M"),
                                          "--bus", "virtio"));
    run_named("online", HARNESS_ARGUMENTS("disk", "add", path_of("ported.img"), "--id",
                                          "vmplug-vol-ported", "--serial", "ported", "--bus",
                                          "virtio"));
    lun_at_first = lun_of("vmplug-vol-added");
    claim_bus("vmplug-vol-ported", "port2");
    asked = vm_new(&options, &error);
    assert_non_null(asked);
    if (layout_record(asked, &store, NAME, TIMEOUT_MS, &error) < 0)
        fail_msg("%s", error.why);
    vm_free(asked);
}

static void stop_in_way(enum stop_way expected)
{
    enum stop_way way = STOP_BY_ITSELF;

    if (stop_vm(NAME, STOP_GRACE_SECONDS, NULL, &way, &error) < 0)
        fail_msg("%s", error.why);
    if (way != expected)
        fail_msg("stopped by %s", stop_way_name(way));
    claim_clean();
    assert_true(is_there("qemu.log") && is_there("console.log"));
}

static void test_stops(void **state)
{
    enum stop_way way;

    (void)state;
    stop_in_way(STOP_BY_AGENT);
    assert_int_equal(stop_vm(NAME, 1, NULL, &way, &error), -1);
    assert_int_equal(error.code, ERROR_BLOCKED);
    assert_string_equal(error.why, "no VM '" NAME "' runs here");
}

/* Where those disks were that are not in the manifest nothing is now. */
static void test_comes_back_as_it_was(void **state)
{
    (void)state;
    launch_and_wait(true);
    assert_int_equal(lun_of("vmplug-vol-added"), lun_at_first);
    assert_true(lun_at_first > 3);
    assert_int_equal(lun_of("vmplug-fix-root"), 0);
    claim_bus("vmplug-vol-ported", "port2");
    claim_guest(&vm, GUEST_DISKS, "sda sdb sdc vda vdb ");
    run_named("removed", HARNESS_ARGUMENTS("disk", "remove", "vmplug-vol-ported"));
}

/* The keeper ends when all is in order again. */
static void test_killed(void **state)
{
    struct pollfd polled = {.events = POLLIN};
    pid_t keeper = 0;
    char words[256] = "";
    AUTO_FD int log = -1;
    char path[200];

    (void)state;
    assert_true(run_directory_is_launched(NAME, &keeper));
    polled.fd = supervise_open_process(keeper);
    assert_return_code(polled.fd, 0);
    assert_int_equal(kill(vm.pid, SIGKILL), 0);
    assert_int_equal(clock_poll(&polled, 1, clock_now_ms() + TIMEOUT_MS), 1);
    close(polled.fd);
    claim_clean();
    (void)snprintf(path, sizeof(path), "%s/qemu.log", vm.dir);
    log = open(path, O_RDONLY);
    assert_true(read(log, words, sizeof(words) - 1) > 0);
    assert_non_null(strstr(words, "vmplug: QEMU was ended by signal 9"));
}

/* A guest that has not come up hears nothing: QEMU is told after the grace period. A QEMU that is
 * stopped hears nothing either. */
static void test_stops_by_force(void **state)
{
    enum stop_way way = STOP_BY_ITSELF;

    (void)state;
    read_machine("max", true);
    if (launch() < 0)
        fail_msg("%s", error.why);
    assert_int_equal(adopt_forget(&store, NAME, &error), -1);
    assert_int_equal(error.code, ERROR_BLOCKED);
    assert_int_equal(stop_vm(NAME, 1, NULL, &way, &error), 0);
    assert_string_equal(stop_way_name(way), "quit");
    claim_clean();
    if (launch() < 0)
        fail_msg("%s", error.why);
    assert_int_equal(kill(vm.pid, SIGSTOP), 0);
    assert_int_equal(stop_vm(NAME, 0, NULL, &way, &error), 0);
    assert_string_equal(stop_way_name(way), "kill");
    claim_clean();
}

static void test_adopt(void **state)
{
    struct harness_vm bare;
    enum stop_way way = STOP_BY_ITSELF;
    struct harness_run run;

    (void)state;
    harness_start_bare(&bare, HARNESS_ARGUMENTS("-machine", "q35"));
    assert_int_equal(adopt_qemu("taken", bare.qmp, NULL, &error), 0);
    run = harness_vmplug(HARNESS_ARGUMENTS("-n", "taken", "--json", "status"));
    assert_int_equal(run.status, 0);
    harness_run_free(&run);
    assert_int_equal(adopt_forget(&store, "taken", &error), 0);
    assert_int_equal(adopt_forget(&store, "taken", &error), -1);
    assert_int_equal(error.code, ERROR_BLOCKED);
    assert_string_equal(error.why, "there is no VM 'taken'");
    json_decref(harness_qmp(&bare, "query-status", NULL)); /* it runs on */
    assert_int_equal(adopt_qemu("taken", bare.qmp, NULL, &error), 0);
    if (stop_vm("taken", 0, NULL, &way, &error) < 0)
        fail_msg("%s", error.why);
    assert_int_equal(way, STOP_BY_QUIT);
    assert_int_equal(adopt_forget(&store, "taken", &error), 0);
    assert_int_equal(adopt_forget(&store, NAME, &error), 0);
    assert_false(is_there("lock") || is_there("qemu.log"));
    harness_stop(&bare);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failing_leaves_nothing),
        cmocka_unit_test(test_has_room),
        cmocka_unit_test(test_grows_and_shrinks),
        cmocka_unit_test(test_plug),
        cmocka_unit_test(test_stops),
        cmocka_unit_test(test_comes_back_as_it_was),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_stops_by_force),
        cmocka_unit_test(test_adopt),
    };

    return cmocka_run_group_tests_name("a VM from a manifest", tests, begin, end);
}
