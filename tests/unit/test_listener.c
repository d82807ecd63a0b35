/* SPDX-License-Identifier: MIT */
/* Whose a socket is. (That it is the only one, and goes, is tested with vmplug serve.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "daemon/listener.h"

static void test_share(void **state)
{
    char folder[] = "/tmp/vmplug-listener-XXXXXX", path[64], number[24];
    struct error error = ERROR_INIT;
    struct listener listener;
    struct stat status;
    gid_t group = geteuid() == 0 ? 4711 : getegid();

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/socket", folder);
    assert_int_equal(listener_open(&listener, path, &error), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);

    assert_int_equal(listener_share(&listener, "no-group-is-called-so", &error), -1);
    assert_int_equal(error.code, ERROR_INVALID);
    assert_int_equal(listener_share(&listener, "", &error), -1);
    assert_int_equal(listener_share(&listener, "12x", &error), -1);
    assert_int_equal(listener_share(&listener, "-1", &error), -1);
    assert_int_equal(listener_share(&listener, "4294967295", &error), -1);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);

    (void)snprintf(number, sizeof(number), "%u", (unsigned)group);
    assert_int_equal(listener_share(&listener, number, &error), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0660);
    assert_int_equal(status.st_gid, group);
    assert_int_equal(status.st_uid, geteuid());
    if (geteuid() == 0) {
        assert_int_equal(listener_share(&listener, "daemon", &error), 0);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_gid, 1);
    }
    listener_close(&listener);
    assert_int_equal(rmdir(folder), 0);
}

/* Who may write to the directory gets no rights to another file that way. */
static void test_share_of_a_link(void **state)
{
    char folder[] = "/tmp/vmplug-listener-XXXXXX", path[64], other[64], number[24];
    struct error error = ERROR_INIT;
    struct listener listener;
    struct stat status;
    int fd;

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/socket", folder);
    (void)snprintf(other, sizeof(other), "%s/other", folder);
    assert_int_equal(listener_open(&listener, path, &error), 0);
    fd = open(other, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink(other, path), 0);

    (void)snprintf(number, sizeof(number), "%u",
                   (unsigned)(geteuid() == 0 ? 4711 : getegid()));
    assert_int_equal(listener_share(&listener, number, &error), -1);
    assert_int_equal(error.code, ERROR_SYSTEM);
    assert_int_equal(fstat(fd, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(status.st_gid, getegid());

    listener_close(&listener);
    close(fd);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(other), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* Who may only read the directory can't keep a server waiting. */
static void test_locked(void **state)
{
    char folder[] = "/tmp/vmplug-listener-XXXXXX", path[64];
    struct error error = ERROR_INIT;
    struct listener listener;
    int fd;

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/socket", folder);
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_SH), 0);
    (void)alarm(30);
    assert_int_equal(listener_open(&listener, path, &error), -1);
    assert_int_equal(error.code, ERROR_BUSY);
    assert_int_equal(listener.fd, -1);

    close(fd);
    assert_int_equal(listener_open(&listener, path, &error), 0);
    (void)alarm(0);
    listener_close(&listener);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_share),
        cmocka_unit_test(test_share_of_a_link),
        cmocka_unit_test(test_locked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
