/* SPDX-License-Identifier: MIT */
/* Whose a socket is. (That it is the only one, and goes, is tested with vmplug serve.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <sys/stat.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_share)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
