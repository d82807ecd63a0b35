/* SPDX-License-Identifier: MIT */
/* A process, here a shell in the place of QEMU, and its keeper: who ends with whom, and what is
 * left then. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "manifest/run_directory.h"
#include "manifest/supervise.h"
#include "tests/fake/fake.h"

#define NAME "web"
#define TIMEOUT_MS 60000

static struct error error;
static int directory, lock;

static int begin(void **state)
{
    (void)state;
    fake_empty(fake_dir());
    error = (struct error)ERROR_INIT;
    assert_int_equal(setenv("XDG_RUNTIME_DIR", fake_dir(), 1), 0);
    directory = vm_directory_open(NAME, true, &error);
    assert_return_code(directory, 0);
    return run_directory_lock(directory, NAME, &lock, &error);
}

static int end(void **state)
{
    (void)state;
    close(lock);
    close(directory);
    return 0;
}

/* All but the lock is closed in it, and it does not see our standard input. */
static void start(struct supervision *supervision, const char *command)
{
    struct argv argv = {0};

    argv_add(&argv, "sh");
    argv_option(&argv, "-c", "%s", command);
    *supervision = (struct supervision)SUPERVISION_INIT;
    if (supervise_start(supervision, &argv, directory, lock, &error) < 0)
        fail_msg("%s", error.why);
    argv_free(&argv);
}

static void await_end(const struct supervision *supervision)
{
    struct pollfd polled = {.fd = supervision->control, .events = POLLIN};

    assert_int_equal(clock_poll(&polled, 1, clock_now_ms() + TIMEOUT_MS), 1);
}

static void write_file(const char *name)
{
    AUTO_FD int fd = openat(directory, name, O_WRONLY | O_CREAT, 0600);

    assert_return_code(fd, 0);
}

static bool is_there(const char *name)
{
    return faccessat(directory, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void claim_log(const char *expected)
{
    AUTO_FD int fd = openat(directory, RUN_DIRECTORY_LOG, O_RDONLY);
    char text[512] = "";

    assert_true(read(fd, text, sizeof(text) - 1) > 0);
    assert_string_equal(text, expected);
}

/* By which a process is known to be there. */
static void make_fifo(void)
{
    assert_int_equal(mkfifo(fake_path("end"), 0600), 0);
    assert_int_equal(setenv("FIFO", fake_path("end"), 1), 0);
}

/* Nobody holds the lock any more, once we let go of it. */
static void await_free(void)
{
    struct pollfd polled = {.events = POLLIN};
    pid_t keeper = 0;

    close(lock);
    if (run_directory_is_launched(NAME, &keeper) && keeper > 0) {
        polled.fd = supervise_open_process(keeper);
        if (polled.fd >= 0)
            assert_int_equal(clock_poll(&polled, 1, clock_now_ms() + TIMEOUT_MS), 1);
        close(polled.fd);
    }
    assert_false(run_directory_is_launched(NAME, NULL));
    assert_int_equal(run_directory_lock(directory, NAME, &lock, &error), 0);
}

static void test_ends_by_itself(void **state)
{
    struct supervision supervision;

    (void)state;
    write_file("qmp");
    assert_int_equal(mkdirat(directory, RUN_DIRECTORY_DISKS, 0700), 0);
    write_file(RUN_DIRECTORY_DISKS "/a.img");
    write_file("other");
    start(&supervision, "echo hello; read line || echo nothing >&2; exit 3");
    await_end(&supervision);
    supervise_abandon(&supervision);
    claim_log("hello\nnothing\nvmplug: QEMU ended with status 3\n");
    assert_false(is_there("qmp"));
    assert_false(is_there(RUN_DIRECTORY_DISKS));
    assert_true(is_there("other"));
    supervise_abandon(&supervision); /* once more is nothing */
}

static void test_is_not_there(void **state)
{
    struct supervision supervision = SUPERVISION_INIT;
    struct argv argv = {0};

    (void)state;
    argv_add(&argv, "/no/such/program");
    assert_int_equal(supervise_start(&supervision, &argv, directory, lock, &error), 0);
    argv_free(&argv);
    await_end(&supervision);
    supervise_abandon(&supervision);
    claim_log("vmplug: cannot run /no/such/program: No such file or directory\n"
              "vmplug: QEMU ended with status 127\n");
}

static void test_is_abandoned(void **state)
{
    struct supervision supervision;

    (void)state;
    start(&supervision, "exec sleep 1000");
    supervise_abandon(&supervision);
    claim_log("vmplug: QEMU was ended by signal 9 (Killed)\n");
    await_free();
}

/* Whoever starts it may end without a word. */
static void test_its_starter_is_killed(void **state)
{
    struct supervision supervision;
    pid_t child;
    int status;

    (void)state;
    make_fifo();
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        start(&supervision, "exec sleep 1000 >\"$FIFO\"");
        (void)open(fake_path("end"), O_RDONLY); /* it writes: it is there */
        (void)kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    await_free();
    claim_log("vmplug: QEMU was ended by signal 9 (Killed)\n");
}

/* Released, it lives on, and holds the lock; its end is seen all the same. */
static void test_is_released(void **state)
{
    struct supervision supervision;
    AUTO_FD int fifo = -1;

    (void)state;
    make_fifo();
    write_file("pid");
    start(&supervision, "read line <\"$FIFO\"; kill -TERM $$");
    supervise_release(&supervision);
    fifo = open(fake_path("end"), O_WRONLY); /* it reads: it is there */
    assert_return_code(fifo, 0);
    close(lock);
    assert_true(run_directory_is_launched(NAME, NULL));
    assert_int_equal(run_directory_lock(directory, NAME, &lock, &error), -1);
    assert_int_equal(error.code, ERROR_BLOCKED);
    assert_true(is_there("pid"));
    assert_int_equal(write(fifo, "\n", 1), 1);
    lock = -1;
    await_free();
    claim_log("vmplug: QEMU was ended by signal 15 (Terminated)\n");
    assert_false(is_there("pid"));
}

/* The lock of a directory that has been removed is none. */
static void test_lock_is_of_this_directory(void **state)
{
    int second;

    (void)state;
    assert_int_equal(run_directory_lock(directory, NAME, &second, &error), -1);
    assert_int_equal(error.code, ERROR_BLOCKED);
    run_directory_remove(directory, NAME);
    assert_int_equal(access(fake_path("vmplug/vm/" NAME), F_OK), -1);
    assert_false(run_directory_is_launched(NAME, NULL));
}

/* Only links make it one. */
static void test_adopted_is_not_launched(void **state)
{
    (void)state;
    assert_false(run_directory_is_adopted(directory));
    write_file("qmp");
    assert_false(run_directory_is_adopted(directory));
    run_directory_clean(directory);
    assert_int_equal(symlinkat("/elsewhere", directory, "qmp"), 0);
    assert_true(run_directory_is_adopted(directory));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ends_by_itself, begin, end),
        cmocka_unit_test_setup_teardown(test_is_not_there, begin, end),
        cmocka_unit_test_setup_teardown(test_is_abandoned, begin, end),
        cmocka_unit_test_setup_teardown(test_its_starter_is_killed, begin, end),
        cmocka_unit_test_setup_teardown(test_is_released, begin, end),
        cmocka_unit_test_setup_teardown(test_adopted_is_not_launched, begin, end),
        cmocka_unit_test_setup_teardown(test_lock_is_of_this_directory, begin, end),
    };

    return cmocka_run_group_tests_name("supervise", tests, NULL, NULL);
}
