/* SPDX-License-Identifier: MIT */
/* What is stored stays, whatever fails and wherever it ends: each of the calls by which an object
 * comes onto the disk fails in turn, writes less than it should, or is the last of its process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "manifest/limits.h"
#include "manifest/store.h"
#include "qmp/codec.h"
#include "tests/fake/fake.h"

/* ---- calls that fail ---- */

enum mishap { NONE, FAILS, ENDS_THE_PROCESS, WRITES_LITTLE };

static struct {
    enum mishap mishap;
    int at, seen;
    bool at_last_step; /* the directory's fsync(), behind the rename() */
} plan;

static bool meets(const char *call)
{
    static bool renamed;

    if (plan.mishap == NONE || plan.mishap == WRITES_LITTLE)
        return false;
    if (plan.seen == 0)
        renamed = false;
    plan.at_last_step = renamed;
    renamed |= strcmp(call, "rename") == 0;
    if (plan.seen++ != plan.at)
        return false;
    if (plan.mishap == ENDS_THE_PROCESS)
        _exit(plan.at_last_step ? 2 : 1);
    errno = ENOSPC;
    return true;
}

ssize_t __real_write(int fd, const void *bytes, size_t size);
int __real_fsync(int fd);
int __real_renameat(int from, const char *name, int to, const char *new_name);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);
int __wrap_fsync(int fd);
int __wrap_renameat(int from, const char *name, int to, const char *new_name);

ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
    if (plan.mishap == WRITES_LITTLE && plan.seen++ % 2 == 0) {
        errno = EINTR;
        return -1;
    }
    if (meets("write")) {
        (void)!__real_write(fd, bytes, size / 2); /* as a disk that gets full does */
        errno = ENOSPC;
        return -1;
    }
    return __real_write(fd, bytes, plan.mishap == WRITES_LITTLE ? 1 : size);
}

int __wrap_fsync(int fd)
{
    return meets("fsync") ? -1 : __real_fsync(fd);
}

int __wrap_renameat(int from, const char *name, int to, const char *new_name)
{
    return meets("rename") ? -1 : __real_renameat(from, name, to, new_name);
}

/* With `hurry` each look at the clock is an hour after the one before. */
static bool hurry;
double __real_clock_now_ms(void);
double __wrap_clock_now_ms(void);

double __wrap_clock_now_ms(void)
{
    static double ahead_ms;

    ahead_ms += hurry ? 3600e3 : 0;
    return __real_clock_now_ms() + ahead_ms;
}

/* ---- the store ---- */

static struct store store;
static struct error error;

static int begin(void **state)
{
    (void)state;
    plan.mishap = NONE;
    fake_empty(fake_dir());
    error = (struct error)ERROR_INIT;
    assert_int_equal(store_open(&store, fake_path("a/b/vmplug"), true, &error), 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    plan.mishap = NONE;
    store_close(&store);
    return 0;
}

static json_t *vm_of(const char *name, int sockets)
{
    return fake_jsonf("{'apiVersion':'kubevirt.io/v1','kind':'VirtualMachine','metadata':{'name':"
                      "'%s'},'spec':{'sockets':%d}}", name, sockets);
}

static int save(const char *name, int sockets)
{
    AUTO_JSON json_t *vm = vm_of(name, sockets);
    int status;

    error = (struct error)ERROR_INIT;
    assert_int_equal(store_lock(&store, NULL), 0);
    status = store_save(&store, KIND_VIRTUAL_MACHINE, name, vm, &error);
    store_unlock(&store);
    return status;
}

/* 0: there is none. */
static int sockets_of(const char *name)
{
    AUTO_JSON json_t *vm = NULL;

    error = (struct error)ERROR_INIT;
    if (store_load(&store, KIND_VIRTUAL_MACHINE, name, &vm, &error) < 0)
        fail_msg("%s", error.why);
    return (int)json_integer_value(json_object_get(json_object_get(vm, "spec"), "sockets"));
}

static void test_saves_and_loads(void **state)
{
    AUTO_JSON json_t *list = NULL;
    struct stat status;

    (void)state;
    assert_int_equal(sockets_of("vm1"), 0);
    list = store_list(&store, KIND_VIRTUAL_MACHINE, NULL);
    assert_int_equal(json_object_size(list), 0);
    assert_int_equal(save("vm2", 2), 0);
    assert_int_equal(save("vm1", 1), 0);
    assert_int_equal(save("vm1", 4), 0);
    assert_int_equal(sockets_of("vm1"), 4);
    assert_int_equal(sockets_of("vm2"), 2);
    json_decref(list);
    list = store_list(&store, KIND_VIRTUAL_MACHINE, NULL);
    assert_int_equal(json_object_size(list), 2);
    assert_string_equal(json_object_iter_key(json_object_iter(list)), "vm1");
    assert_int_equal(stat(fake_path("a/b/vmplug/virtualmachine/vm1.yaml"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(stat(fake_path("a/b/vmplug"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    assert_int_equal(store_remove(&store, KIND_VIRTUAL_MACHINE, "vm1", NULL), 0);
    assert_int_equal(store_remove(&store, KIND_VIRTUAL_MACHINE, "vm1", NULL), 0);
    assert_int_equal(store_remove(&store, KIND_CLAIM, "c", NULL), 0);
    assert_int_equal(sockets_of("vm1"), 0);
    assert_int_equal(sockets_of("vm2"), 2);
}

static void test_looking_makes_nothing(void **state)
{
    struct store other;
    AUTO_JSON json_t *list = NULL;

    (void)state;
    assert_int_equal(store_open(&other, fake_path("none"), false, &error), 0);
    assert_int_equal(other.directory, -1);
    list = store_list(&other, KIND_VIRTUAL_MACHINE, &error);
    assert_int_equal(json_object_size(list), 0);
    assert_int_equal(access(fake_path("none"), F_OK), -1);
    store_close(&other);
}

/* ---- mishaps ---- */

/* A user's home that is not there, as that of nobody, is not made at the root of all. */
static void test_makes_no_home(void **state)
{
    (void)state;
    assert_int_equal(store_open(&store, "/nonexistent/.local/state/vmplug", true, &error), -1);
    assert_int_equal(error.code, ERROR_SYSTEM);
    assert_int_equal(access("/nonexistent", F_OK), -1);
    store_close(&store);
}

static void test_each_call_fails(void **state)
{
    bool says_kept;

    (void)state;
    assert_int_equal(save("vm1", 1), 0);
    assert_int_equal(save("other", 7), 0);
    for (plan.at = 0;; plan.at++) {
        plan.mishap = FAILS;
        plan.seen = 0;
        if (save("vm1", 2) == 0)
            break;
        plan.mishap = NONE;
        assert_int_equal(error.code, ERROR_SYSTEM);
        assert_true(error.fix[0] != '\0');
        says_kept = strstr(error.fix, "stored before is as it was") != NULL;
        assert_int_equal(says_kept, !plan.at_last_step);
        assert_int_equal(sockets_of("vm1"), says_kept ? 1 : 2);
        assert_int_equal(sockets_of("other"), 7);
        if (plan.at_last_step)
            assert_int_equal(save("vm1", 1), 0);
    }
    assert_int_equal(plan.at, 4); /* write, fsync, rename, fsync */
    plan.mishap = NONE;
    assert_int_equal(sockets_of("vm1"), 2);
}

static int save_apart(int sockets)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        plan.seen = 0;
        (void)save("vm1", sockets);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void test_ends_at_each_call(void **state)
{
    AUTO_JSON json_t *list = NULL;
    int status, sockets;

    (void)state;
    assert_int_equal(save("vm1", 1), 0);
    plan.mishap = ENDS_THE_PROCESS;
    for (plan.at = 0; (status = save_apart(2)) != 0; plan.at++) {
        assert_true(WIFEXITED(status));
        sockets = sockets_of("vm1");
        assert_int_equal(sockets, WEXITSTATUS(status) == 2 ? 2 : 1);
    }
    assert_true(plan.at == 4);
    plan.mishap = NONE;
    assert_int_equal(sockets_of("vm1"), 2);
    list = store_list(&store, KIND_VIRTUAL_MACHINE, &error); /* what they left is no object */
    assert_int_equal(json_object_size(list), 1);
}

static void test_file_size_limit(void **state)
{
    const struct rlimit limit = {10, RLIM_INFINITY};
    int status;
    pid_t pid;

    (void)state;
    assert_int_equal(save("vm1", 1), 0);
    pid = fork();
    if (pid == 0) {
        (void)setrlimit(RLIMIT_FSIZE, &limit);
        (void)save("vm1", 2);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(sockets_of("vm1"), 1);
}

static void test_writes_little_by_little(void **state)
{
    (void)state;
    plan.mishap = WRITES_LITTLE;
    plan.seen = 0;
    assert_int_equal(save("vm1", 3), 0);
    plan.mishap = NONE;
    assert_int_equal(sockets_of("vm1"), 3);
}

/* ---- others ---- */

static void test_trusts_only_what_is_ours(void **state)
{
    struct store other;

    (void)state;
    assert_int_equal(chmod(fake_path("a/b/vmplug"), 0770), 0);
    assert_int_equal(store_open(&other, fake_path("a/b/vmplug"), false, &error), -1);
    assert_int_equal(error.code, ERROR_BLOCKED);
    assert_non_null(strstr(error.why, "others may write there"));
    store_close(&other);
    assert_int_equal(chmod(fake_path("a/b/vmplug"), 0755), 0);
    assert_int_equal(store_open(&other, fake_path("a/b/vmplug"), false, &error), 0);
    store_close(&other);
    fake_file("file", "", 0);
    assert_int_equal(store_open(&other, fake_path("file/x"), true, &error), -1);
    assert_int_equal(error.code, ERROR_SYSTEM);
    store_close(&other);
}

/* Another process holds the lock: it is waited for, until it ends. */
static void test_lock(void **state)
{
    struct store other;
    int ends[2];
    pid_t pid;
    char byte;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    pid = fork();
    if (pid == 0) {
        if (store_open(&other, fake_path("a/b/vmplug"), false, NULL) < 0 ||
            store_lock(&other, NULL) < 0)
            _exit(1);
        (void)!__real_write(ends[1], "x", 1);
        (void)usleep(50000);
        _exit(0); /* with the lock */
    }
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(store_lock(&store, &error), 0);
    store_unlock(&store);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void test_held_lock(void **state)
{
    int fd = open(fake_path("a/b/vmplug/lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    hurry = true;
    assert_int_equal(store_lock(&store, &error), -1);
    hurry = false;
    assert_int_equal(error.code, ERROR_BUSY);
    assert_int_equal(store.lock, -1);
    (void)close(fd);
    assert_int_equal(store_lock(&store, &error), 0);
}

/* ---- what somebody has put there ---- */

static int load_tampered(const char *text)
{
    AUTO_JSON json_t *vm = NULL;

    error = (struct error)ERROR_INIT;
    fake_file("a/b/vmplug/virtualmachine/vm1.yaml", text, strlen(text));
    return store_load(&store, KIND_VIRTUAL_MACHINE, "vm1", &vm, &error);
}

static void test_tampered(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"", ""},
        {"{", ""},
        {"apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: vm1}\n", "it holds a Persist"},
        {"apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nmetadata: {name: vm2}\n",
         "it holds 'vm2'"},
        {"apiVersion: kubevirt.io/v1\nkind: VirtualMachine\n", "it holds ''"},
        {"apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nmetadata: {name: ../x}\n",
         "is no name for a VM"},
        {"kind: VirtualMachine\nmetadata: {name: vm1}\n", "apiVersion: is missing"},
        {"apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nmetadata: {name: vm1}\n---\n"
         "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nmetadata: {name: vm1}\n",
         "it holds 2 objects"},
    };
    size_t i;

    (void)state;
    assert_int_equal(save("vm1", 1), 0);
    for (i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(load_tampered(rows[i].text), -1);
        assert_int_equal(error.code, ERROR_INVALID);
        if (strstr(error.why, rows[i].why) == NULL ||
            strstr(error.why, "a/b/vmplug/virtualmachine/vm1.yaml") == NULL)
            fail_msg("%zu: %s", i, error.why);
        assert_null(store_list(&store, KIND_VIRTUAL_MACHINE, NULL));
    }
    assert_int_equal(unlink(fake_path("a/b/vmplug/virtualmachine/vm1.yaml")), 0);
    assert_int_equal(symlink("/etc/passwd", fake_path("a/b/vmplug/virtualmachine/vm1.yaml")), 0);
    assert_int_equal(store_load(&store, KIND_VIRTUAL_MACHINE, "vm1", &(json_t *){NULL}, NULL), -1);
    assert_int_equal(save("vm1", 5), 0); /* takes its place, and does not write through it */
    assert_int_equal(sockets_of("vm1"), 5);
}

static void test_names(void **state)
{
    static const char *const names[] = {"../vm1", "", ".", "a/b", "VM", "a.b"};
    json_t *object;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(names); i++) {
        assert_int_equal(save(names[i], 1), -1);
        assert_int_equal(error.code, ERROR_INVALID);
        assert_int_equal(store_load(&store, KIND_VIRTUAL_MACHINE, names[i], &object, NULL), -1);
        assert_int_equal(store_remove(&store, KIND_VIRTUAL_MACHINE, names[i], NULL), -1);
    }
}

/* What would be stored and never read again is refused before it takes the place of what is. */
static void test_too_large(void **state)
{
    static char long_text[LIMITS_FILE_BYTES];
    AUTO_JSON json_t *vm = vm_of("vm1", 2), *another = vm_of("vm2", 2);

    (void)state;
    memset(long_text, 'x', sizeof(long_text) - 1);
    assert_int_equal(save("vm1", 1), 0);
    assert_int_equal(json_object_set_new(vm, "x", json_string(long_text)), 0);
    assert_int_equal(store_save(&store, KIND_VIRTUAL_MACHINE, "vm1", vm, &error), -1);
    assert_int_equal(error.code, ERROR_INVALID);
    assert_int_equal(sockets_of("vm1"), 1);
    assert_int_equal(store_save(&store, KIND_VIRTUAL_MACHINE, "vm1", another, &error), -1);
    assert_int_equal(sockets_of("vm1"), 1);
}

static void test_long_path(void **state)
{
    static char path[600];
    struct store other;

    (void)state;
    memset(path, 'x', sizeof(path) - 1);
    path[0] = '/';
    assert_int_equal(store_open(&other, path, true, &error), -1);
    assert_int_equal(error.code, ERROR_INVALID);
    assert_int_equal(setenv("XDG_STATE_HOME", path, 1), 0);
    assert_int_equal(store_open(&other, NULL, true, &error), -1);
    assert_int_equal(error.code, ERROR_INVALID);
    assert_int_equal(setenv("XDG_STATE_HOME", fake_path("state"), 1), 0);
    assert_int_equal(store_open(&other, NULL, true, &error), 0);
    assert_string_equal(other.path, fake_path("state/vmplug"));
    store_close(&other);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_saves_and_loads),
        TEST(test_looking_makes_nothing),
        TEST(test_makes_no_home),
        TEST(test_each_call_fails),
        TEST(test_ends_at_each_call),
        TEST(test_file_size_limit),
        TEST(test_writes_little_by_little),
        TEST(test_trusts_only_what_is_ours),
        TEST(test_lock),
        TEST(test_held_lock),
        TEST(test_tampered),
        TEST(test_names),
        TEST(test_too_large),
        TEST(test_long_path),
    };

    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
