/* SPDX-License-Identifier: MIT */
#include "vmm/held.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "tests/fake/fake.h"
#include "vmm/record.h"

static const struct held ours = {.api_socket = "/run/vmplug/api socket", .name = "vm1"};

static struct error error;
static char runtime[VM_DIRECTORY_MAX], qmp[256];

static int begin(void **state)
{
    AUTO_FD int fd = -1;

    (void)state;
    fake_empty(fake_dir());
    error = (struct error)ERROR_INIT;
    if (setenv("XDG_RUNTIME_DIR", fake_dir(), 1) < 0)
        return -1;
    (void)record_default_directory(runtime, sizeof(runtime));
    (void)snprintf(qmp, sizeof(qmp), "%s", fake_path("qmp"));
    fd = creat(qmp, 0600);
    return fd >= 0 ? 0 : -1;
}

static const char *mark_path(const struct held_mark *mark)
{
    static char path[512];

    (void)snprintf(path, sizeof(path), "%s/held/%llx-%llx", runtime,
                   (unsigned long long)mark->device, (unsigned long long)mark->inode);
    return path;
}

static void test_made_found_removed(void **state)
{
    struct held_mark mark, before;
    struct held found;

    (void)state;
    assert_false(held_find(qmp, &found));
    assert_int_equal(held_make(&mark, runtime, qmp, &ours, &error), 0);
    assert_true(held_find(qmp, &found));
    assert_string_equal(found.api_socket, ours.api_socket);
    assert_string_equal(found.name, ours.name);
    assert_int_equal(unlink(qmp), 0); /* as QEMU does at its end */
    before = mark;
    assert_int_equal(faccessat(AT_FDCWD, mark_path(&before), F_OK, AT_SYMLINK_NOFOLLOW), 0);
    held_remove(&mark, runtime, &ours);
    assert_int_equal(faccessat(AT_FDCWD, mark_path(&before), F_OK, AT_SYMLINK_NOFOLLOW), -1);
    assert_int_equal(mark.inode, 0);
    held_remove(&mark, runtime, &ours);
}

/* By another name it is the same monitor. */
static void test_by_link(void **state)
{
    struct held_mark mark;
    struct held found;

    (void)state;
    assert_int_equal(symlink(qmp, fake_path("link")), 0);
    assert_int_equal(held_make(&mark, runtime, qmp, &ours, &error), 0);
    assert_true(held_find(fake_path("link"), &found));
    assert_false(held_find(fake_path("none"), &found));
}

/* What a killed daemon has left is replaced, and not taken away by it afterwards. */
static void test_another_daemon(void **state)
{
    const struct held theirs = {.api_socket = "/run/other", .name = "vm1"};
    struct held_mark first, second;
    struct held found;

    (void)state;
    assert_int_equal(held_make(&first, runtime, qmp, &ours, &error), 0);
    assert_int_equal(held_make(&second, runtime, qmp, &theirs, &error), 0);
    held_remove(&first, runtime, &ours);
    assert_true(held_find(qmp, &found));
    assert_string_equal(found.api_socket, "/run/other");
}

static void test_failures(void **state)
{
    const struct held relative = {.api_socket = "api", .name = "vm1"};
    struct held_mark mark = {.inode = 1};

    (void)state;
    assert_int_equal(held_make(&mark, runtime, fake_path("none"), &ours, &error), -1);
    assert_int_equal(error.code, ERROR_SYSTEM);
    assert_int_equal(mark.inode, 0);
    assert_int_equal(held_make(&mark, runtime, qmp, &relative, &error), -1);
    assert_int_equal(error.code, ERROR_INVALID);
    assert_int_equal(held_make(&mark, fake_path("qmp"), qmp, &ours, &error), -1);
    assert_int_equal(error.code, ERROR_SYSTEM);
}

/* A mark that says nothing is none. */
static void test_odd_marks(void **state)
{
    static const char *const odd[] = {"x", "relative vm1", "/api", "/api VM_1", "/api "};
    struct held_mark mark;
    struct held found;
    size_t i;

    (void)state;
    assert_int_equal(held_make(&mark, runtime, qmp, &ours, &error), 0);
    for (i = 0; i < COUNT_OF(odd); i++) {
        assert_int_equal(unlink(mark_path(&mark)), 0);
        assert_int_equal(symlink(odd[i], mark_path(&mark)), 0);
        assert_false(held_find(qmp, &found));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_made_found_removed, begin),
        cmocka_unit_test_setup(test_by_link, begin),
        cmocka_unit_test_setup(test_another_daemon, begin),
        cmocka_unit_test_setup(test_failures, begin),
        cmocka_unit_test_setup(test_odd_marks, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
