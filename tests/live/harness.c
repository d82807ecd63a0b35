/* SPDX-License-Identifier: MIT */
#include "tests/live/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "qmp/blocking.h"
#include "qmp/codec.h"
#include "tests/live/remains.h"
#include "tests/live/results.h"

#define SKIPPED 77
#define COMMAND_MS 30000

static char private_dir[64];
static unsigned vm_count;

static const char *environment(const char *name, const char *fallback)
{
    const char *value = getenv(name);

    return value != NULL && *value != '\0' ? value : fallback;
}

static const char *script(const char *name)
{
    static char path[512];

    (void)snprintf(path, sizeof(path), "%s/%s", environment("VMPLUG_SCRIPTS", "scripts"), name);
    return path;
}

/* ---- processes ---- */

/* A child that ends with us, whatever ends us. */
static pid_t spawn(const char *const *argv, int out_fd, int err_fd)
{
    pid_t parent = getpid();
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(126);
    (void)signal(SIGINT, SIG_DFL); /* ignored in a script's background job */
    if (out_fd >= 0)
        dup2(out_fd, STDOUT_FILENO);
    if (err_fd >= 0)
        dup2(err_fd, STDERR_FILENO);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    fprintf(stderr, "cannot run %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

int harness_await(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Reads both to their ends, so that neither pipe can fill up. */
static void read_both(int fds[2], struct buffer texts[2])
{
    struct pollfd polled[2] = {{.fd = fds[0], .events = POLLIN}, {.fd = fds[1], .events = POLLIN}};
    ssize_t count;
    size_t i;

    while (polled[0].fd >= 0 || polled[1].fd >= 0) {
        assert_true(poll(polled, 2, -1) > 0);
        for (i = 0; i < 2; i++) {
            if (polled[i].revents == 0)
                continue;
            count = read(polled[i].fd, buffer_reserve(&texts[i], 4096), 4096);
            if (count <= 0)
                polled[i].fd = -1;
            else
                buffer_commit(&texts[i], (size_t)count);
        }
    }
    for (i = 0; i < 2; i++)
        assert_int_equal(buffer_append(&texts[i], "", 1), 0);
}

static struct harness_run run(const char *const *argv)
{
    struct harness_run result = {.status = -1};
    struct buffer texts[2] = {{0}, {0}};
    int out[2], err[2];
    pid_t pid;

    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(pipe2(err, O_CLOEXEC), 0);
    pid = spawn(argv, out[1], err[1]);
    close(out[1]);
    close(err[1]);
    read_both((int[2]){out[0], err[0]}, texts);
    close(out[0]);
    close(err[0]);
    result.status = harness_await(pid);
    result.out = texts[0].bytes;
    result.err = texts[1].bytes;
    return result;
}

static void parse_lines(struct harness_run *result)
{
    AUTO_FREE char *copy = strdup(result->out);
    char *rest = copy;
    char *line;
    json_t *object;

    result->lines = json_array();
    while ((line = strsep(&rest, "\n")) != NULL) {
        if (*line == '\0')
            continue;
        object = codec_parse(line, NULL);
        if (object == NULL) {
            json_decref(STEAL(result->lines));
            return;
        }
        (void)json_array_append_new(result->lines, object);
    }
}

/* The command, then `before` (may be NULL), then the arguments. */
static void build_command(const char *argv[HARNESS_ARGUMENTS_MAX], const char *const *before,
                          const char *const *arguments)
{
    size_t count = 0;

    (void)harness_dir(); /* where it keeps its records */
    argv[count++] = environment("VMPLUG", "./vmplug");
    for (; before != NULL && *before != NULL; before++)
        argv[count++] = *before;
    for (; *arguments != NULL; arguments++) {
        assert_true(count < HARNESS_ARGUMENTS_MAX - 1);
        argv[count++] = *arguments;
    }
    argv[count] = NULL;
}

static struct harness_run run_vmplug(const char *const *before, const char *const *arguments)
{
    const char *argv[HARNESS_ARGUMENTS_MAX];
    struct harness_run result;

    build_command(argv, before, arguments);
    result = run(argv);
    parse_lines(&result);
    return result;
}

struct harness_run harness_vmplug(const char *const *arguments)
{
    return run_vmplug(NULL, arguments);
}

struct harness_run harness_vmplug_json(const struct harness_vm *vm, const char *const *arguments)
{
    const char *before[] = {"--json", "--qmp", vm->qmp, "--agent", vm->agent, NULL};

    struct harness_run result;

    if (vm->agent[0] == '\0')
        before[3] = NULL;
    result = run_vmplug(before, arguments);
    results_note(vm, arguments, &result);
    return result;
}

static pid_t start_vmplug(const char *const *before, const char *const *arguments, int *ret_out_fd)
{
    const char *argv[HARNESS_ARGUMENTS_MAX];
    int out[2];
    pid_t pid;

    build_command(argv, before, arguments);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    pid = spawn(argv, out[1], -1);
    close(out[1]);
    *ret_out_fd = out[0];
    return pid;
}

pid_t harness_spawn(const char *const *arguments, int *ret_out_fd)
{
    return start_vmplug(NULL, arguments, ret_out_fd);
}

/* The trace goes to the same pipe as the results, whole lines both. */
struct harness_watch harness_watch(const struct harness_vm *vm, const char *const *arguments)
{
    const char *before[] = {"--json", "--trace", "/dev/stdout", "--qmp", vm->qmp, "--agent",
                            vm->agent, NULL};
    struct harness_watch watch;
    int out;

    if (vm->agent[0] == '\0')
        before[5] = NULL;
    watch.pid = start_vmplug(before, arguments, &out);
    watch.out = fdopen(out, "r");
    assert_non_null(watch.out);
    return watch;
}

void harness_watch_until(struct harness_watch *watch, const char *const *words)
{
    AUTO_FREE char *line = NULL;
    const char *const *word;
    size_t size = 0;

    do {
        if (getline(&line, &size, watch->out) < 0)
            fail_msg("vmplug ended before '%s'", words[0]);
        for (word = words; *word != NULL && strstr(line, *word) != NULL; word++)
            ;
    } while (*word != NULL);
}

struct harness_run harness_watch_end(struct harness_watch *watch)
{
    struct harness_run result = {.lines = json_array()};
    AUTO_FREE char *line = NULL;
    size_t size = 0;
    json_t *object;

    while (getline(&line, &size, watch->out) >= 0) {
        object = codec_parse(line, NULL);
        if (object != NULL && json_object_get(object, "channel") == NULL)
            (void)json_array_append(result.lines, object);
        json_decref(object);
    }
    fclose(watch->out);
    result.status = harness_await(watch->pid);
    return result;
}

void harness_run_free(struct harness_run *result)
{
    free(result->out);
    free(result->err);
    json_decref(result->lines);
}

const char *harness_verdict(const struct harness_run *result)
{
    size_t count = json_array_size(result->lines);
    const char *verdict = NULL;

    if (count > 0)
        verdict = json_string_value(
            json_object_get(json_array_get(result->lines, count - 1), "verdict"));
    return verdict != NULL ? verdict : "";
}

/* ---- places ---- */

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* A failed assertion leaves its VM behind. */
static void kill_left_behind(unsigned number)
{
    char dir[192];
    pid_t pid;

    (void)snprintf(dir, sizeof(dir), "%s/vm%u", private_dir, number);
    pid = remains_find_qemu(dir);
    if (pid > 0)
        (void)kill(pid, SIGKILL);
}

static void remove_dir(void)
{
    unsigned i;

    for (i = 0; i < vm_count; i++)
        kill_left_behind(i);
    (void)nftw(private_dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

const char *harness_dir(void)
{
    if (private_dir[0] == '\0') {
        (void)snprintf(private_dir, sizeof(private_dir), "/tmp/vmplug-live-XXXXXX");
        assert_non_null(mkdtemp(private_dir));
        (void)atexit(remove_dir);
        assert_int_equal(setenv("XDG_RUNTIME_DIR", private_dir, 1), 0);
    }
    return private_dir;
}

const char *harness_image(const char *name, const char *format, const char *size)
{
    char *path;
    struct harness_run made;

    assert_true(asprintf(&path, "%s/%s", harness_dir(), name) > 0);
    made = run(HARNESS_ARGUMENTS("qemu-img", "create", "-q", "-f", format, path, size));
    assert_int_equal(made.status, 0);
    harness_run_free(&made);
    return path;
}

static void skip_all(const char *why)
{
    fprintf(stderr, "%s\n", why);
    exit(getenv("CI") != NULL ? 1 : SKIPPED);
}

void harness_need_tools(void)
{
    struct harness_run have =
        run(HARNESS_ARGUMENTS("sh", "-c", "command -v \"$0\" socat qemu-img cpio readelf",
                              environment("VMPLUG_QEMU", "qemu-system-x86_64")));
    int status = have.status;

    harness_run_free(&have);
    if (status != 0)
        skip_all("QEMU or another tool is missing: run scripts/setup");
}

char *harness_qemu(const char *target)
{
    static const char usual[] = "qemu-system-x86_64";
    const char *named = environment("VMPLUG_QEMU", usual);
    size_t length = strlen(named), tail = strlen(usual);
    char *qemu;

    if (length < tail || strcmp(named + length - tail, usual) != 0)
        return strdup(named);
    assert_true(asprintf(&qemu, "%.*sqemu-system-%s", (int)(length - tail), named, target) > 0);
    return qemu;
}

const char *harness_newer_qemu(const char *target)
{
    struct harness_run fetched = run(HARNESS_ARGUMENTS(script("fetch-qemu"), "--arch", target));
    char *path = STEAL(fetched.out);

    if (fetched.status != 0)
        skip_all(fetched.err);
    harness_run_free(&fetched);
    path[strcspn(path, "\n")] = '\0';
    return path; /* for as long as the program runs */
}

/* ---- virtual machines ---- */

static void prepare(struct harness_vm *vm, bool guest)
{
    *vm = (struct harness_vm){.guest = guest};
    (void)snprintf(vm->dir, sizeof(vm->dir), "%s/vm%u", harness_dir(), vm_count++);
    (void)snprintf(vm->qmp, sizeof(vm->qmp), "%s/qmp", vm->dir);
    (void)snprintf(vm->qmp2, sizeof(vm->qmp2), "%s/qmp2", vm->dir);
    if (guest)
        (void)snprintf(vm->agent, sizeof(vm->agent), "%s/agent", vm->dir);
}

void harness_boot_begin(struct harness_vm *vm, const char *const *arguments)
{
    const char *argv[HARNESS_ARGUMENTS_MAX] = {script("run-guest"), "--dir", vm->dir};
    size_t count = 3;
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

    prepare(vm, true);
    for (; arguments != NULL && *arguments != NULL; arguments++) {
        if (strcmp(*arguments, "--no-agent") == 0)
            vm->agent[0] = '\0';
        argv[count++] = *arguments;
    }
    vm->pid = spawn(argv, nowhere, -1);
    close(nowhere);
}

void harness_boot_end(struct harness_vm *vm)
{
    assert_int_equal(harness_await(vm->pid), 0);
    vm->pid = 0;
}

void harness_boot(struct harness_vm *vm, const char *const *arguments)
{
    harness_boot_begin(vm, arguments);
    harness_boot_end(vm);
}

/* QEMU says by its pid file, through -daemonize, that its sockets are there. */
void harness_start_bare_on(struct harness_vm *vm, const char *qemu, const char *const *arguments)
{
    const char *argv[HARNESS_ARGUMENTS_MAX] = {
        qemu, "-S", "-nodefaults", "-no-user-config", "-display", "none", "-accel", "tcg",
        "-daemonize", "-pidfile"};
    size_t count = 10;
    char pid_path[192], qmp[256], qmp2[256];
    struct harness_run started;
    FILE *file;
    int pid = 0;

    prepare(vm, false);
    assert_int_equal(mkdir(vm->dir, 0700), 0);
    (void)snprintf(pid_path, sizeof(pid_path), "%s/pid", vm->dir);
    (void)snprintf(qmp, sizeof(qmp), "unix:%s,server=on,wait=off", vm->qmp);
    (void)snprintf(qmp2, sizeof(qmp2), "unix:%s,server=on,wait=off", vm->qmp2);
    argv[count++] = pid_path;
    argv[count++] = "-qmp";
    argv[count++] = qmp;
    argv[count++] = "-qmp";
    argv[count++] = qmp2;
    for (; arguments != NULL && *arguments != NULL; arguments++)
        argv[count++] = *arguments;
    started = run(argv);
    if (started.status != 0)
        print_error("%s\n", started.err);
    assert_int_equal(started.status, 0);
    harness_run_free(&started);
    file = fopen(pid_path, "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d", &pid), 1);
    fclose(file);
    vm->pid = pid;
}

void harness_start_bare(struct harness_vm *vm, const char *const *arguments)
{
    harness_start_bare_on(vm, environment("VMPLUG_QEMU", "qemu-system-x86_64"), arguments);
}

/* No child of ours, since it is a daemon; until it has ended it holds locks on its images. */
static void kill_and_await(pid_t pid)
{
    struct pollfd ended = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};

    if (ended.fd < 0)
        return; /* it has ended */
    (void)kill(pid, SIGKILL);
    assert_int_equal(poll(&ended, 1, COMMAND_MS), 1);
    close(ended.fd);
}

void harness_stop(struct harness_vm *vm)
{
    struct harness_run stopped;
    char pid_path[192];

    if (vm->guest) {
        if (remains_find_qemu(vm->dir) == 0)
            remains_tell(vm->dir);
        stopped = run(HARNESS_ARGUMENTS(script("run-guest"), "--dir", vm->dir, "--stop"));
        assert_int_equal(stopped.status, 0);
        harness_run_free(&stopped);
    } else if (vm->pid > 0) {
        kill_and_await(vm->pid);
        (void)snprintf(pid_path, sizeof(pid_path), "%s/pid", vm->dir);
        (void)unlink(pid_path);
    }
    *vm = (struct harness_vm){.guest = false};
}

char *harness_guest(const struct harness_vm *vm, const char *command)
{
    struct harness_run said =
        run(HARNESS_ARGUMENTS(script("guest-shell"), "--timeout", "300", vm->dir, command));
    char *text;
    size_t length;

    if (said.status != 0)
        print_error("in the guest: %s: %s%s\n", command, said.out, said.err);
    assert_int_equal(said.status, 0);
    text = STEAL(said.out);
    harness_run_free(&said);
    length = strlen(text);
    if (length > 0 && text[length - 1] == '\n')
        text[length - 1] = '\0';
    return text;
}

/* ---- the second monitor ---- */

static struct qmp_client *connect_second(const struct harness_vm *vm)
{
    const struct qmp_client_options options = {.path = vm->qmp2,
                                               .greeting_timeout_ms = COMMAND_MS};
    struct error error = ERROR_INIT;
    struct qmp_client *client = qmp_client_new(&options, &error);

    if (client == NULL)
        print_error("%s\n", error.why);
    assert_non_null(client);
    return client;
}

json_t *harness_qmp(const struct harness_vm *vm, const char *command, json_t *arguments)
{
    struct qmp_client *client = connect_second(vm);
    struct error error = ERROR_INIT;
    json_t *value = blocking_qmp(client, command, arguments, COMMAND_MS, &error);

    if (value == NULL)
        print_error("%s: %s\n", command, error.why);
    assert_non_null(value);
    qmp_client_free(client);
    return value;
}

static int compare_lines(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* One line an element, sorted: QEMU's own order is that of a hash table. */
static void append_sorted(struct buffer *text, const json_t *array)
{
    size_t count = json_array_size(array), i;
    char **lines = calloc(count + 1, sizeof(*lines));

    assert_non_null(lines);
    for (i = 0; i < count; i++) {
        lines[i] = codec_dump(json_array_get(array, i), 0);
        assert_non_null(lines[i]);
    }
    qsort(lines, count, sizeof(*lines), compare_lines);
    for (i = 0; i < count; i++) {
        assert_int_equal(buffer_append(text, lines[i], strlen(lines[i])), 0);
        assert_int_equal(buffer_append(text, "\n", 1), 0);
        free(lines[i]);
    }
    free(lines);
}

char *harness_snapshot(const struct harness_vm *vm)
{
    static const struct {
        const char *command;
        const char *path;
    } questions[] = {
        {"query-memory-devices", NULL},    {"query-named-block-nodes", NULL},
        {"query-hotpluggable-cpus", NULL}, {"qom-list", "/objects"},
        {"qom-list", "/machine/peripheral"},
    };
    struct qmp_client *client = connect_second(vm);
    struct buffer text = {0};
    json_t *arguments, *value;
    size_t i;

    for (i = 0; i < COUNT_OF(questions); i++) {
        arguments =
            questions[i].path != NULL ? json_pack("{s:s}", "path", questions[i].path) : NULL;
        value = blocking_qmp(client, questions[i].command, arguments, COMMAND_MS, NULL);
        append_sorted(&text, value);
        assert_int_equal(buffer_append(&text, "\n", 1), 0);
        json_decref(value);
    }
    assert_int_equal(buffer_append(&text, "", 1), 0);
    qmp_client_free(client);
    return text.bytes;
}
