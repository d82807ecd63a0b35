/* SPDX-License-Identifier: MIT */
/* Where disks are is kept, and read again, whatever has become of the file. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "manifest/layout.h"
#include "qmp/blocking.h"
#include "qmp/codec.h"
#include "tests/fake/fake.h"

static struct error error;
static struct store store;

static int begin(void **state)
{
    (void)state;
    fake_empty(fake_dir());
    error = (struct error)ERROR_INIT;
    return store_open(&store, fake_path("state"), true, &error);
}

static int end(void **state)
{
    (void)state;
    store_close(&store);
    return 0;
}

static void write_file(const char *text)
{
    AUTO_FD int fd = -1;

    (void)mkdir(fake_path("state/layout"), 0700);
    fd = open(fake_path("state/layout/web.json"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void test_is_kept(void **state)
{
    struct layout layout = {.devices = json_pack("{s:{s:s, s:i, s:i}, s:{s:s}}", "vmplug-vol-a",
                                                 "bus", "scsi0.0", "scsi-id", 1, "lun", 3,
                                                 "vmplug-vol-b", "bus", "port2")};
    struct layout_place place;

    (void)state;
    assert_int_equal(layout_save(&layout, &store, "web", &error), 0);
    layout_free(&layout);
    assert_int_equal(layout_load(&layout, &store, "other", &error), 0);
    assert_false(layout_find(&layout, "vmplug-vol-a", &place));
    assert_int_equal(layout_load(&layout, &store, "web", &error), 0);
    assert_true(layout_find(&layout, "vmplug-vol-a", &place));
    assert_string_equal(place.bus, "scsi0.0");
    assert_true(place.on_scsi);
    assert_int_equal(place.scsi_id, 1);
    assert_int_equal(place.lun, 3);
    assert_true(layout_find(&layout, "vmplug-vol-b", &place));
    assert_string_equal(place.bus, "port2");
    assert_false(place.on_scsi);
    assert_false(layout_find(&layout, "vmplug-vol-c", &place));
    layout_free(&layout);
    assert_int_equal(layout_remove(&store, "web", &error), 0);
    assert_int_equal(layout_remove(&store, "web", &error), 0);
    assert_int_equal(access(fake_path("state/layout/web.json"), F_OK), -1);
}

static void test_odd_files(void **state)
{
    static const char *const odd[] = {"", "[]", "{\"devices\": 1}", "{\"devices\": {\"a\": 3}}",
                                      "{\"devices\": {\"a\"", "\xff"};
    struct layout_place place;
    struct layout layout;
    size_t i;

    (void)state;
    assert_int_equal(layout_load(&layout, &store, "web", &error), 0);
    assert_int_equal(layout_remove(&store, "web", &error), 0);
    for (i = 0; i < COUNT_OF(odd); i++) {
        write_file(odd[i]);
        assert_int_equal(layout_load(&layout, &store, "web", &error), 0);
        assert_false(layout_find(&layout, "a", &place));
        layout_free(&layout);
    }
    write_file("{\"devices\": {\"a\": {\"bus\": 3, \"scsi-id\": -1, \"lun\": 2}}}");
    assert_int_equal(layout_load(&layout, &store, "web", &error), 0);
    assert_true(layout_find(&layout, "a", &place));
    assert_string_equal(place.bus, "");
    assert_false(place.on_scsi);
    layout_free(&layout);
}

struct learnt {
    bool done;
    struct layout layout;
};

static void take(void *user, const struct layout *layout, const struct error *failure)
{
    struct learnt *learnt = user;

    assert_null(failure);
    learnt->done = true;
    learnt->layout.devices = json_incref(layout->devices);
}

static bool is_done(void *user)
{
    return ((const struct learnt *)user)->done;
}

/* A vm on whose other end nobody is: nothing is asked here. */
static struct vm *open_vm(int *ret_peer)
{
    struct vm *vm;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    *ret_peer = pair[1];
    vm = vm_new(&(struct vm_options){.qmp_fd = pair[0]}, &error);
    assert_non_null(vm);
    return vm;
}

/* Disks of the manifest's, and no others. */
static void test_is_learnt(void **state)
{
    struct inventory_disk disks[] = {
        {.id = "vmplug-vol-a", .bus = "scsi0.0", .on_scsi = true, .lun = 4},
        {.id = "vmplug-fix-b", .bus = "scsi0.0", .on_scsi = true, .scsi_id = 2, .lun = 1},
        {.id = "vmplug-tmp-c", .bus = "scsi0.0", .on_scsi = true, .lun = 5},
        {.id = "somebody's", .bus = "scsi0.0", .on_scsi = true, .lun = 6},
        {.id = "vmplug-fix-sata", .bus = ""},
    };
    struct inventory inventory = {.disks = {.disks = disks, .disk_count = COUNT_OF(disks)}};
    AUTO_JSON json_t *expected =
        json_pack("{s:{s:s, s:i, s:i}, s:{s:s, s:i, s:i}}", "vmplug-vol-a", "bus", "scsi0.0",
                  "scsi-id", 0, "lun", 4, "vmplug-fix-b", "bus", "scsi0.0", "scsi-id", 2, "lun", 1);
    struct learnt learnt = {.done = false};
    struct pump *pumps[VM_PUMPS_MAX];
    AUTO_FD int peer = -1;
    struct vm *vm = open_vm(&peer);
    size_t count = vm_pumps(vm, pumps);

    (void)state;
    assert_non_null(layout_learn_start(vm, &inventory, 1000, take, &learnt, &error));
    assert_false(learnt.done);
    assert_true(blocking_run(pumps, count, is_done, &learnt, CLOCK_NEVER_MS));
    assert_true(json_equal(learnt.layout.devices, expected));
    layout_free(&learnt.layout);
    layout_learn_cancel(layout_learn_start(vm, &inventory, 1000, take, &learnt, &error));
    vm_free(vm);
}

/* A directory that can't be made is told. */
static void test_cannot_be_kept(void **state)
{
    struct layout layout = {0};
    AUTO_FD int fd = open(fake_path("state/layout"), O_WRONLY | O_CREAT, 0600);

    (void)state;
    assert_return_code(fd, 0);
    assert_int_equal(layout_save(&layout, &store, "web", &error), -1);
    assert_int_equal(error.code, ERROR_SYSTEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_is_kept, begin, end),
        cmocka_unit_test_setup_teardown(test_is_learnt, begin, end),
        cmocka_unit_test_setup_teardown(test_odd_files, begin, end),
        cmocka_unit_test_setup_teardown(test_cannot_be_kept, begin, end),
    };

    return cmocka_run_group_tests_name("layout", tests, NULL, NULL);
}
