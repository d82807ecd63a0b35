/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
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
#include "tests/fake/fake.h"
#include "vmm/image.h"

#define QCOW2 "QFI\xfb\0\0\0\3 and so on"
#define OLD_COW "QFI\xfa and so on"

struct content {
    const char *bytes;
    size_t size;
};

static const struct content qcow2 = {QCOW2, sizeof(QCOW2) - 1};
static const struct content plain = {"nothing in particular", 21};
static const struct content empty = {"", 0};
static const struct content brief = {"QF", 2};
static const struct content similar = {OLD_COW, sizeof(OLD_COW) - 1};

/* The table in vmm/image.h; a NULL format means refused. */
static void test_format_table(void **state)
{
    static const struct {
        const char *name;
        const struct content *content;
        const char *format;
        bool ignored;
    } cases[] = {
        {"a.qcow2", &qcow2, "qcow2", false},
        {"a.QCOW2", &qcow2, "qcow2", false},
        {"a.qcow2", &plain, NULL, false},
        {"a.qcow2", &empty, NULL, false},
        {"a.qcow2", &brief, NULL, false},
        {"a.raw", &qcow2, "raw", true},
        {"a.RAW", &qcow2, "raw", true},
        {"a.raw", &plain, "raw", false},
        {"a.raw", &empty, "raw", false},
        {"a.img", &qcow2, NULL, false},
        {"a.img", &plain, "raw", false},
        {"a.img", &empty, "raw", false},
        {"a.img", &brief, "raw", false},
        {"a.img", &similar, "raw", false},
        {"a", &qcow2, NULL, false},
        {"a", &plain, "raw", false},
        {"a.qcow2.img", &qcow2, NULL, false},
        {"a.raw.bak", &qcow2, NULL, false},
        {"qcow2", &qcow2, NULL, false},
        {".qcow2", &qcow2, "qcow2", false},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        const char *path =
            fake_file(cases[i].name, cases[i].content->bytes, cases[i].content->size);
        struct image image = {.format = "untouched"};
        struct error error = ERROR_INIT;
        int status = image_inspect(path, NULL, false, &image, &error);

        if ((status == 0) != (cases[i].format != NULL))
            fail_msg("case %zu: %d: %s", i, status, error.why);
        if (status == 0) {
            assert_string_equal(image.format, cases[i].format);
            assert_int_equal(image.header_ignored, cases[i].ignored);
            assert_false(image.block_device);
            assert_string_equal(image.path, path);
        } else {
            assert_int_equal(error.code, ERROR_BLOCKED);
            assert_non_null(strstr(error.fix, "--format"));
            assert_string_equal(image.format, "untouched");
            assert_int_equal(image_inspect(path, NULL, false, &image, NULL), -1);
        }
        assert_int_equal(unlink(path), 0);
    }
}

static void test_said_format_is_believed(void **state)
{
    static const char *const formats[] = {"raw", "qcow2", "vmdk"};
    const char *path = fake_file("said.img", qcow2.bytes, qcow2.size);
    struct image image;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(formats); i++) {
        assert_int_equal(image_inspect(path, formats[i], false, &image, NULL), 0);
        assert_string_equal(image.format, formats[i]);
        assert_false(image.header_ignored);
    }
}

static void expect_blocked(const char *path, bool read_only, const char *why, const char *fix)
{
    struct error error = ERROR_INIT;
    struct image image;

    assert_int_equal(image_inspect(path, "raw", read_only, &image, &error), -1);
    assert_int_equal(error.code, ERROR_BLOCKED);
    if (strstr(error.why, why) == NULL || strstr(error.fix, fix) == NULL)
        fail_msg("'%s'; '%s'", error.why, error.fix);
}

static void test_other_files(void **state)
{
    struct error error = ERROR_INIT;
    struct image image;

    (void)state;
    expect_blocked(fake_path("missing"), false, strerror(ENOENT), "qemu-img create");
    expect_blocked(fake_path("missing"), true, strerror(ENOENT), "look at its path");
    assert_int_equal(image_inspect("", "raw", false, &image, &error), -1);
    assert_int_equal(error.code, ERROR_INVALID);
    assert_int_equal(image_inspect("http://x/y.img", "raw", false, &image, &error), -1);
    assert_int_equal(error.code, ERROR_INVALID);
    expect_blocked(fake_dir(), false, strerror(EISDIR), "a disk image");
    expect_blocked(fake_dir(), true, "neither a regular file nor a block device", "a disk image");
    expect_blocked("/dev/null", false, "neither a regular file nor a block device", "a disk image");
    /* A FIFO that nobody writes to, or reads from, must not hold us up. */
    assert_int_equal(mkfifo(fake_path("fifo"), 0600), 0);
    expect_blocked(fake_path("fifo"), false, "neither a regular file", "a disk image");
    expect_blocked(fake_path("fifo"), true, "neither a regular file", "a disk image");
    assert_int_equal(symlink("loop", fake_path("loop")), 0);
    expect_blocked(fake_path("loop"), false, strerror(ELOOP), "");
    assert_int_equal(symlink("nowhere", fake_path("dangling")), 0);
    expect_blocked(fake_path("dangling"), false, strerror(ENOENT), "qemu-img create");
}

/* QMP carries UTF-8 only. */
static void test_names_that_are_no_utf8(void **state)
{
    const char *path = fake_file("bad\xff.raw", plain.bytes, plain.size);
    struct error error = ERROR_INIT;
    struct image image;

    (void)state;
    assert_int_equal(image_inspect(path, NULL, false, &image, &error), -1);
    assert_int_equal(error.code, ERROR_INVALID);
    assert_non_null(strstr(error.why, "is not UTF-8"));
    assert_non_null(strstr(error.fix, "rename"));
    path = fake_file("good.raw", plain.bytes, plain.size);
    assert_int_equal(image_inspect(path, "\xff", false, &image, &error), -1);
    assert_int_equal(error.code, ERROR_INVALID);
    assert_int_equal(image_inspect(fake_file("gr\xc3\xbcn.raw", plain.bytes, plain.size), NULL,
                                   false, &image, NULL), 0);
}

static void test_links_and_relative_paths(void **state)
{
    const char *target = fake_file("target.raw", plain.bytes, plain.size);
    char here[1024];
    struct image image;

    (void)state;
    assert_int_equal(symlink("target.raw", fake_path("link.raw")), 0);
    assert_int_equal(image_inspect(fake_path("link.raw"), NULL, false, &image, NULL), 0);
    assert_string_equal(image.path, target); /* QEMU's working directory is not ours */
    assert_non_null(getcwd(here, sizeof(here)));
    assert_int_equal(chdir(fake_dir()), 0);
    assert_int_equal(image_inspect("target.raw", NULL, false, &image, NULL), 0);
    assert_string_equal(image.path, target);
    assert_int_equal(image_inspect("./../x/../target.raw", NULL, false, &image, NULL), -1);
    assert_int_equal(chdir(here), 0);
}

static void test_permissions(void **state)
{
    const char *path = fake_file("guarded.raw", plain.bytes, plain.size);
    uid_t us = geteuid();
    struct image image;

    (void)state;
    assert_int_equal(chmod(fake_dir(), 0755), 0);
    assert_int_equal(chmod(path, 0444), 0);
    if (us == 0 && seteuid(65534) != 0)
        skip(); /* root that can't be less: it may read and write everything */
    expect_blocked(path, false, strerror(EACCES), "--read-only");
    assert_int_equal(image_inspect(path, NULL, true, &image, NULL), 0);
    assert_int_equal(seteuid(us), 0);
    assert_int_equal(chmod(path, 0), 0);
    assert_int_equal(seteuid(us == 0 ? 65534 : us), 0);
    expect_blocked(path, true, strerror(EACCES), "access");
    assert_int_equal(seteuid(us), 0);
}

/* Any block device of this host that can be opened for reading. */
static void test_block_device(void **state)
{
    DIR *directory = opendir("/dev");
    const struct dirent *entry;
    struct image image;
    struct stat status;
    char path[512];
    int fd;

    (void)state;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        (void)snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
        fd = stat(path, &status) == 0 && S_ISBLK(status.st_mode)
                 ? open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
                 : -1;
        if (fd < 0)
            continue;
        close(fd);
        assert_int_equal(image_inspect(path, "raw", true, &image, NULL), 0);
        assert_true(image.block_device);
        closedir(directory);
        return;
    }
    if (directory != NULL)
        closedir(directory);
    print_message("this host shows no block device\n");
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format_table),
        cmocka_unit_test(test_said_format_is_believed),
        cmocka_unit_test(test_other_files),
        cmocka_unit_test(test_names_that_are_no_utf8),
        cmocka_unit_test(test_links_and_relative_paths),
        cmocka_unit_test(test_permissions),
        cmocka_unit_test(test_block_device),
    };

    return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
