/* SPDX-License-Identifier: MIT */
#include "tests/lib/fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGUMENTS_MAX 64

char fixture_qmp[256], fixture_agent[256], fixture_directory[192];
static char state_file[256];
static pid_t pid;

static void choose_paths(void)
{
    const char *base = getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp";

    (void)snprintf(fixture_directory, sizeof(fixture_directory), "%s/vmplug-lib-XXXXXX", base);
    assert_non_null(mkdtemp(fixture_directory));
    (void)snprintf(fixture_qmp, sizeof(fixture_qmp), "%s/qmp", fixture_directory);
    (void)snprintf(fixture_agent, sizeof(fixture_agent), "%s/agent", fixture_directory);
    (void)snprintf(state_file, sizeof(state_file), "%s/state", fixture_directory);
}

void fixture_start(const char *const *more)
{
    const char *argv[ARGUMENTS_MAX] = {
        getenv("VMPLUG_FAKE_QEMU"), "--qmp", fixture_qmp, "--agent", fixture_agent, "--state",
        state_file};
    char line[16] = "";
    size_t count = 7;
    int fds[2];

    choose_paths();
    if (argv[0] == NULL)
        argv[0] = "./vmplug-fake-qemu";
    while (*more != NULL)
        argv[count++] = *more++;
    assert_int_equal(pipe(fds), 0);
    pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* for a test that fails */
        (void)dup2(fds[1], STDOUT_FILENO);
        close(fds[0]);
        close(fds[1]);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(fds[1]);
    if (read(fds[0], line, sizeof(line) - 1) <= 0 || strcmp(line, "ready\n") != 0)
        fail_msg("the fake is not ready: %s", line);
    close(fds[0]);
}

static int end_by(int signal_number)
{
    int status;

    assert_int_equal(kill(pid, signal_number), 0);
    while (waitpid(pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    return status;
}

static void remove_files(void)
{
    (void)unlink(state_file);
    (void)unlink(fixture_qmp);
    (void)unlink(fixture_agent);
    (void)rmdir(fixture_directory);
}

void fixture_kill(void)
{
    (void)end_by(SIGKILL);
    remove_files();
}

void fixture_stop(void)
{
    int status = end_by(SIGTERM);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    remove_files();
}

char *fixture_state(void)
{
    FILE *file = fopen(state_file, "r");
    char *text = calloc(1, 65536);

    assert_non_null(file);
    assert_non_null(text);
    assert_true(fread(text, 1, 65535, file) > 0);
    fclose(file);
    return text;
}
