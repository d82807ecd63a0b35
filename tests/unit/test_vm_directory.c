/* SPDX-License-Identifier: MIT */
#include "vmm/vm_directory.h"

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
#include "cli/named_vm.h"
#include "tests/fake/fake.h"

#define LONGEST "a23456789-123456789-123456789-123456789-123456789-123456789-123"

static struct error error;

static int begin(void **state)
{
    (void)state;
    fake_empty(fake_dir());
    error = (struct error)ERROR_INIT;
    return setenv("XDG_RUNTIME_DIR", fake_dir(), 1);
}

static void test_names(void **state)
{
    static const char *const good[] = {"vm1", "a", "0", "vm-cirros", LONGEST};
    static const char *const bad[] = {"",    "VM1",  "-a",        "a-",        "a.b", "a/b",
                                      "..",  "a b",  "\xc3\xa4", LONGEST "4", "a_b", "a\n"};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(good); i++)
        assert_int_equal(vm_directory_check_name(good[i], NULL), 0);
    for (i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(vm_directory_check_name(bad[i], &error), -1);
        assert_int_equal(error.code, ERROR_INVALID);
    }
}

static void make_vm(const char *name, const char *file)
{
    char path[VM_DIRECTORY_MAX];
    AUTO_FD int fd = vm_directory_open(name, true, &error);

    assert_return_code(fd, errno);
    assert_int_equal(symlinkat("/elsewhere", fd, file), 0);
    (void)vm_directory_path(name, file, path, sizeof(path));
    assert_string_equal(path, fake_path(strstr(path, "vmplug/vm/")));
    assert_int_equal(faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW), 0);
}

static void test_makes_and_finds(void **state)
{
    char path[VM_DIRECTORY_MAX];

    (void)state;
    assert_int_equal(vm_directory_find_socket("vm1", "qmp", path, sizeof(path), &error), -1);
    assert_int_equal(error.code, ERROR_BLOCKED);
    assert_string_equal(error.why, "no VM 'vm1' runs here");
    assert_int_equal(access(fake_path("vmplug"), F_OK), -1); /* looking makes nothing */
    make_vm("vm1", "qmp");
    assert_int_equal(vm_directory_find_socket("vm1", "qmp", path, sizeof(path), &error), 0);
    assert_string_equal(path, fake_path("vmplug/vm/vm1/qmp"));
    assert_int_equal(vm_directory_find_socket("vm1", "agent", path, sizeof(path), &error), -1);
    assert_string_equal(error.why, "the VM 'vm1' has no socket 'agent'");
    make_vm("vm2", "qemu.log"); /* of one that has ended */
    assert_int_equal(vm_directory_find_socket("vm2", "qmp", path, sizeof(path), &error), -1);
    assert_string_equal(error.why, "no VM 'vm2' runs here");
    assert_int_equal(setenv("XDG_RUNTIME_DIR", fake_path("nowhere"), 1), 0);
    assert_int_equal(vm_directory_open("vm1", true, &error), -1);
    assert_non_null(strstr(error.fix, "XDG_RUNTIME_DIR"));
    assert_int_equal(setenv("XDG_RUNTIME_DIR", fake_dir(), 1), 0);
}

/* Whoever may write there could name a socket of his own. */
static void test_trusts_only_what_is_ours_alone(void **state)
{
    static const char *const levels[] = {"vmplug", "vmplug/vm", "vmplug/vm/vm1"};
    char path[VM_DIRECTORY_MAX];
    size_t i;

    (void)state;
    make_vm("vm1", "qmp");
    for (i = 0; i < COUNT_OF(levels); i++) {
        assert_int_equal(chmod(fake_path(levels[i]), 0777), 0);
        assert_int_equal(vm_directory_find_socket("vm1", "qmp", path, sizeof(path), &error), -1);
        assert_int_equal(error.code, ERROR_BLOCKED);
        assert_non_null(strstr(error.why, "is not ours alone"));
        assert_int_equal(vm_directory_open("vm1", true, &error), -1);
        assert_int_equal(chmod(fake_path(levels[i]), 0700), 0);
    }
    assert_int_equal(rmdir(fake_path("vmplug/vm/vm2")), -1);
    assert_int_equal(symlink("vm1", fake_path("vmplug/vm/vm2")), 0);
    assert_int_equal(vm_directory_find_socket("vm2", "qmp", path, sizeof(path), &error), -1);
}

static struct options options_of(uint64_t given)
{
    return (struct options){
        .given = given, .qmp_path = "/q", .agent_path = "/g", .vm_name = "vm1"};
}

static void test_command_line_comes_before_environment(void **state)
{
    struct options options = options_of(0); /* all from the environment */
    struct named_vm named;

    (void)state;
    make_vm("vm1", "qmp");
    assert_int_equal(named_vm_resolve(&options, &named, &error), 0);
    assert_string_equal(options.qmp_path, "/q");
    assert_string_equal(options.agent_path, "/g");

    options = options_of(OPTION_BIT(OPTION_QMP) | OPTION_BIT(OPTION_VM));
    assert_int_equal(named_vm_resolve(&options, &named, &error), 0);
    assert_string_equal(options.qmp_path, "/q");

    options = options_of(OPTION_BIT(OPTION_VM));
    assert_int_equal(named_vm_resolve(&options, &named, &error), 0);
    assert_string_equal(options.qmp_path, fake_path("vmplug/vm/vm1/qmp"));
    assert_null(options.agent_path); /* the environment's belongs to another VM */

    options = options_of(OPTION_BIT(OPTION_VM) | OPTION_BIT(OPTION_AGENT));
    assert_int_equal(named_vm_resolve(&options, &named, &error), 0);
    assert_string_equal(options.agent_path, "/g");

    make_vm("vm1", "agent");
    options = options_of(0);
    options.qmp_path = NULL;
    assert_int_equal(named_vm_resolve(&options, &named, &error), 0);
    assert_string_equal(options.agent_path, fake_path("vmplug/vm/vm1/agent"));

    options.vm_name = "vm2";
    options.qmp_path = NULL;
    assert_int_equal(named_vm_resolve(&options, &named, &error), -1);
    assert_int_equal(error.code, ERROR_BLOCKED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_names, begin),
        cmocka_unit_test_setup(test_makes_and_finds, begin),
        cmocka_unit_test_setup(test_trusts_only_what_is_ours_alone, begin),
        cmocka_unit_test_setup(test_command_line_comes_before_environment, begin),
    };

    return cmocka_run_group_tests_name("vm_directory", tests, NULL, NULL);
}
