/* SPDX-License-Identifier: MIT */
/*
 * What SECURITY.md says, of the command itself: the system calls that it makes, what it writes and
 * who may read that, and that ids and paths are checked before anything is sent.
 */
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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "qmp/codec.h"
#include "tests/fake/sim.h"

#define ARGUMENTS_MAX 24
#define BAD_COMMAND_LINE 2
#define BLOCKED 7
#define ARGUMENTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct sim *sim;
static struct fake_child child;
static char runtime[256], calls[256], trace[256], output[256], errors[256], image[256];

static int begin(void **state)
{
    struct fake_actor actors[2];

    (void)state;
    (void)snprintf(runtime, sizeof(runtime), "%s", fake_path("run"));
    (void)snprintf(calls, sizeof(calls), "%s", fake_path("calls"));
    (void)snprintf(trace, sizeof(trace), "%s", fake_path("trace"));
    (void)snprintf(output, sizeof(output), "%s", fake_path("output"));
    (void)snprintf(errors, sizeof(errors), "%s", fake_path("errors"));
    (void)snprintf(image, sizeof(image), "%s", fake_file("disk.raw", "", 0));
    assert_int_equal(mkdir(runtime, 0700), 0);
    assert_int_equal(setenv("XDG_RUNTIME_DIR", runtime, 1), 0);
    sim = sim_new();
    sim->kvm = true; /* where a vCPU that was removed is no danger */
    sim->guest.has_vpd = true;
    sim_put_cdrom(sim, "cd0", NULL);
    sim_actors(sim, actors);
    child = fake_serve(actors, COUNT_OF(actors));
    return 0;
}

static int end(void **state)
{
    (void)state;
    fake_join(&child);
    sim_end(sim);
    fake_empty(runtime);
    (void)rmdir(runtime);
    return 0;
}

static const char *environment(const char *name, const char *otherwise)
{
    const char *value = getenv(name);

    return value != NULL ? value : otherwise;
}

/* `WRAPPER… vmplug --qmp … --agent … ARGUMENTS…`; returns the exit code. What it says is
 * in the files output and errors. */
static int run(const char *const *wrapper, const char *const *arguments)
{
    const char *argv[ARGUMENTS_MAX];
    size_t count = 0;
    int status, out;
    pid_t pid;

    for (; wrapper != NULL && *wrapper != NULL; wrapper++)
        argv[count++] = *wrapper;
    argv[count++] = environment("VMPLUG", "./vmplug");
    argv[count++] = "--qmp";
    argv[count++] = sim->qmp.path;
    argv[count++] = "--agent";
    argv[count++] = sim->agent.path;
    argv[count++] = "--trace";
    argv[count++] = trace;
    for (; *arguments != NULL; arguments++)
        argv[count++] = *arguments;
    argv[count] = NULL;
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)umask(0); /* which is no excuse */
        out = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        (void)dup2(out, STDOUT_FILENO);
        out = open(errors, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        (void)dup2(out, STDERR_FILENO);
        (void)execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "re");
    struct buffer text = {0};
    size_t count;

    assert_non_null(file);
    while ((count = fread(buffer_reserve(&text, 65536), 1, 65536, file)) > 0)
        buffer_commit(&text, count);
    fclose(file);
    assert_int_equal(buffer_append(&text, "", 1), 0);
    return text.bytes;
}

/* ---- system calls ---- */

/* The indented lines below the headline. */
static json_t *documented_calls(void)
{
    char path[512];
    AUTO_FREE char *text = NULL;
    json_t *names = json_object();
    char *line, *rest, *word;

    (void)snprintf(path, sizeof(path), "%s/SECURITY.md", environment("VMPLUG_SOURCE", "."));
    text = read_text(path);
    rest = strstr(text, "\n## What it asks of the kernel\n");
    assert_non_null(rest);
    rest++;
    (void)strsep(&rest, "\n");
    while ((line = strsep(&rest, "\n")) != NULL && strncmp(line, "## ", 3) != 0) {
        if (strncmp(line, "    ", 4) != 0)
            continue;
        while ((word = strsep(&line, " ")) != NULL)
            (void)json_object_set_new(names, word, json_true());
    }
    assert_true(json_object_size(names) > 30);
    return names;
}

/* "1234 openat(…" to "openat", at the beginning of its arguments; NULL for what is no call. */
static char *name_of(char *line, char **ret_arguments)
{
    char *name = line + strspn(line, "0123456789 ");
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");

    if (length == 0 || name[length] != '(')
        return NULL;
    name[length] = '\0';
    *ret_arguments = name + length + 1;
    return name;
}

static void check_calls(const json_t *documented)
{
    AUTO_FREE char *text = read_text(calls);
    char *rest = text, *line, *name, *arguments;
    unsigned count = 0, started = 0;

    while ((line = strsep(&rest, "\n")) != NULL) {
        name = name_of(line, &arguments);
        if (name == NULL)
            continue;
        count++;
        if (strcmp(name, "execve") == 0) {
            assert_int_equal(++started, 1); /* itself, and nothing else */
            continue;
        }
        if (json_object_get(documented, name) == NULL)
            fail_msg("SECURITY.md says nothing of %s(%s", name, arguments);
        if (strcmp(name, "socket") == 0 && strncmp(arguments, "AF_UNIX", 7) != 0)
            fail_msg("%s(%s", name, arguments);
        if (strcmp(name, "kill") == 0 && strstr(arguments, ", 0)") == NULL)
            fail_msg("%s(%s", name, arguments);
    }
    assert_true(count > 20);
}

static bool is_sanitized(void)
{
#ifdef __SANITIZE_ADDRESS__
    return true; /* which makes calls of its own */
#else
    return false;
#endif
}

static void test_system_calls(void **state)
{
    static const char *const lines[][8] = {
        {"status"},
        {"doctor"},
        {"--json", "audit"},
        {"cpu", "add"},
        {"memory", "add", "256M"},
        {"memory", "add", "256M", "--movable"},
        {"disk", "add", image},
        {"disk", "resize", "vmplug-disk-0", "1M"},
        {"disk", "throttle", "vmplug-disk-0", "--iops", "5"},
        {"cdrom", "insert", "cd0", image},
        {"cdrom", "eject", "cd0"},
        {"disk", "remove", "vmplug-disk-0"},
        {"memory", "remove", "vmplug-mem-1"},
        {"cpu", "remove", "vmplug-cpu-2"},
        {"wait", "vmplug-mem-0"},
        {"events", "--for", "0.05"},
        {"qmp", "query-status"},
        {"agent", "guest-info"},
        {"memory", "add", "256M", "--backend", "file:relative", "--dry-run"},
        {"disk", "add", "nbd://localhost/x", "--dry-run"},
        {"audit", "--clean"},
        {"cpu", "list"},
    };
    const char *const strace[] = {"strace", "-f", "-qq", "-o", calls, NULL};
    AUTO_JSON json_t *documented = NULL;
    size_t i;
    int status;

    (void)state;
    if (is_sanitized() || run(strace, ARGUMENTS("status")) != 0)
        skip(); /* there is no strace here, or it may not look; nothing is freed behind this */
    documented = documented_calls();
    for (i = 0; i < COUNT_OF(lines); i++) {
        status = run(strace, lines[i]);
        if (status != 0 && status != BLOCKED)
            fail_msg("%s %s: exit %d", lines[i][0], lines[i][1], status);
        check_calls(documented);
    }
}

/* ---- what it writes ---- */

static mode_t mode_of(const char *path)
{
    struct stat status;

    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 07777;
}

static void test_what_is_written(void **state)
{
    char path[512];

    (void)state;
    assert_int_equal(run(NULL, ARGUMENTS("disk", "add", image, "--id", "mine")),
                     0);
    assert_int_equal(run(NULL, ARGUMENTS("disk", "remove", "mine")), 0);
    (void)snprintf(path, sizeof(path), "%s/vmplug", runtime);
    assert_int_equal(mode_of(path), 0700);
    assert_int_equal(mode_of(trace), 0600);
}

/* Somebody else's directory is not written to, and that is said. */
static void test_a_directory_that_others_may_write(void **state)
{
    AUTO_FREE char *said = NULL;
    char path[512];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/vmplug", runtime);
    assert_int_equal(chmod(path, 0777), 0);
    assert_int_equal(run(NULL, ARGUMENTS("disk", "add", image, "--id", "mine")), 0);
    assert_int_equal(run(NULL, ARGUMENTS("--json", "disk", "remove", "mine")), 0);
    said = read_text(output);
    assert_non_null(strstr(said, "other users may write to it"));
    assert_int_equal(chmod(path, 0700), 0);
}

/* ---- what it lets through ---- */

/* One line, and nothing in it that a terminal would obey. */
static void check_error(const char *const *arguments)
{
    AUTO_FREE char *said = read_text(errors);
    const char *at;

    assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
    for (at = said; *at != '\n'; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            fail_msg("%s %s: %s", arguments[0], arguments[1], said);
    }
}

static void check_nothing_was_sent(const char *const *arguments)
{
    static const char *const changes[] = {"device_add", "device_del", "object-add", "blockdev-",
                                          "block_",     "quit",       "guest-exec"};
    AUTO_FREE char *sent = access(trace, F_OK) == 0 ? read_text(trace) : strdup("");
    char *rest = sent, *line;
    size_t i;

    while ((line = strsep(&rest, "\n")) != NULL) {
        for (i = 0; i < COUNT_OF(changes) && strstr(line, "\"sent\"") != NULL; i++) {
            if (strstr(line, changes[i]) != NULL)
                fail_msg("%s %s: %s", arguments[0], arguments[1], line);
        }
    }
}

static void test_hostile_arguments(void **state)
{
    static const char *const lines[][8] = {
        {"cpu", "add", "--id", "a\nb"},
        {"cpu", "add", "-1"},
        {"cpu", "add", "99999999999999999999"},
        {"cpu", "remove", "/machine/peripheral/x\",\"y\":\"z"},
        {"memory", "add", "256M", "--id", "a\"b"},
        {"memory", "add", "256M", "--node", "-1"},
        {"memory", "add", "1e9"},
        {"memory", "add", "0x10000000"},
        {"memory", "add", "256M", "--backend", "file:/\xff"},
        {"memory", "add", "256M", "--backend", "file:"},
        {"memory", "add", "256M", "--backend", "exec:/bin/sh"},
        {"memory", "remove", "../x"},
        {"disk", "add", image, "--id", "\x1b[1m"},
        {"disk", "add", image, "--serial", "a\nb"},
        {"disk", "add", image, "--serial", "0123456789012345678901234567890123456"},
        {"disk", "add", image, "--bus", "scsi0.0\",\"x\":\"y"},
        {"disk", "add", image, "--bus", "\x1b]0;x\x07"},
        {"disk", "add", image, "--lun", "99999"},
        {"disk", "add", image, "--format", "\xff"},
        {"disk", "add", "/nonexistent/\x1b[2J\n"},
        {"disk", "add", "/dev/null"},
        {"disk", "add", "/"},
        {"disk", "add", ""},
        {"disk", "add", "nbd://"},
        {"disk", "add", "nbd+unix:///x?socket=relative"},
        {"disk", "add", "nbd://host:99999/x"},
        {"disk", "remove", ""},
        {"disk", "resize", "x\n", "1M"},
        {"disk", "throttle", "x", "--iops", "-5"},
        {"cdrom", "insert", "cd0", "/etc/\n"},
        {"wait", "\x1b[1m"},
        {"qmp", "a b"},
        {"qmp", "quit\",\"x\":\""},
        {"qmp", "query-status", "{\"a\":"},
        {"qmp", "query-status", "[]"},
        {"agent", "guest-exec\n", "{}"},
    };
    size_t i;
    int status;

    (void)state;
    for (i = 0; i < COUNT_OF(lines); i++) {
        (void)unlink(trace);
        status = run(NULL, lines[i]);
        if (status != BAD_COMMAND_LINE && status != BLOCKED && status != 1)
            fail_msg("%s %s %s: exit %d", lines[i][0], lines[i][1],
                     lines[i][2] != NULL ? lines[i][2] : "", status);
        check_error(lines[i]);
        check_nothing_was_sent(lines[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_system_calls),
        cmocka_unit_test(test_what_is_written),
        cmocka_unit_test(test_a_directory_that_others_may_write),
        cmocka_unit_test(test_hostile_arguments),
    };

    return cmocka_run_group_tests_name("what SECURITY.md says", tests, begin, end);
}
