/* SPDX-License-Identifier: MIT */
/*
 * vmplug-fake-qemu as those use it who test their own tools, and the vmplug command as such a tool:
 * what the command says is held against the file in which the fake tells its state.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "tests/fake/fake.h"

#define ARGUMENTS_MAX 64

static char qmp[256], agent[256], state_file[256];
static pid_t pid;

/* What a command did. */
static struct {
    int status;
    json_t *line; /* the last object that it printed */
} ran;

static const char *program(const char *variable, const char *otherwise)
{
    return getenv(variable) != NULL ? getenv(variable) : otherwise;
}

/* ---- the fake ---- */

/* Starts it with these arguments (NULL-ended), its stdout in a pipe. */
static FILE *spawn(const char *const *arguments)
{
    const char *argv[ARGUMENTS_MAX] = {program("VMPLUG_FAKE_QEMU", "./vmplug-fake-qemu")};
    size_t count = 1;
    int fds[2];

    while (*arguments != NULL)
        argv[count++] = *arguments++;
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
    return fdopen(fds[0], "r");
}

static int end_of(pid_t process)
{
    int status;

    while (waitpid(process, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void start(const char *const *more)
{
    const char *arguments[ARGUMENTS_MAX] = {"--qmp", qmp, "--agent", agent, "--state", state_file};
    char line[64] = "";
    size_t count = 6;
    FILE *out;

    while (*more != NULL)
        arguments[count++] = *more++;
    out = spawn(arguments);
    if (fgets(line, sizeof(line), out) == NULL || strcmp(line, "ready\n") != 0)
        fail_msg("it is not ready: %s", line);
    fclose(out);
}

#define START(...) start((const char *const[]){__VA_ARGS__, NULL})

/* It ends by itself, or is told to, and takes its sockets with it. */
static void await_end(void)
{
    assert_int_equal(end_of(pid), 0);
    assert_int_equal(access(qmp, F_OK), -1);
    assert_int_equal(access(agent, F_OK), -1);
}

static void stop(void)
{
    assert_int_equal(kill(pid, SIGTERM), 0);
    await_end();
}

/* The state's member of this name; borrowed until the next call. */
static const json_t *state(const char *name)
{
    static json_t *all;

    json_decref(all);
    all = json_load_file(state_file, 0, NULL);
    assert_non_null(all);
    return json_object_get(all, name);
}

/* The entry of a list of the state, by its id; NULL: there is none. */
static const json_t *find(const char *list, const char *key, const char *id)
{
    const json_t *rows = state(list), *row;
    size_t i;

    json_array_foreach(rows, i, row) {
        if (strcmp(json_string_value(json_object_get(row, key)), id) == 0)
            return row;
    }
    return NULL;
}

static unsigned online(const char *list)
{
    const json_t *rows = json_object_get(state("guest"), list), *row;
    unsigned count = 0;
    size_t i;

    json_array_foreach(rows, i, row)
        count += json_is_true(json_object_get(row, "online"));
    return count;
}

/* ---- the command ---- */

/* Runs `vmplug --qmp … --agent … --json WORDS`. */
static int run(const char *words, ...) __attribute__((format(printf, 1, 2)));

static int run(const char *words, ...)
{
    char text[2048], line[8192];
    va_list arguments;
    int used, status;
    FILE *out;

    used = snprintf(text, sizeof(text), "%s --qmp %s --agent %s --json ",
                    program("VMPLUG", "./vmplug"), qmp, agent);
    va_start(arguments, words);
    used += vsnprintf(text + used, sizeof(text) - (size_t)used, words, arguments);
    va_end(arguments);
    (void)snprintf(text + used, sizeof(text) - (size_t)used, " 2>/dev/null");
    json_decref(STEAL(ran.line));
    out = popen(text, "re");
    assert_non_null(out);
    while (fgets(line, sizeof(line), out) != NULL) {
        json_decref(ran.line);
        ran.line = json_loads(line, 0, NULL);
        if (ran.line == NULL)
            fail_msg("no JSON: %s", line);
    }
    status = pclose(out);
    ran.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return ran.status;
}

static const char *verdict(void)
{
    const char *text = json_string_value(json_object_get(ran.line, "verdict"));

    return text != NULL ? text : "";
}

static void assert_ran(int status, const char *wanted)
{
    if (ran.status != status || strcmp(verdict(), wanted) != 0)
        fail_msg("%d %s: %s", ran.status, verdict(),
                 ran.line != NULL ? json_dumps(ran.line, 0) : "");
}

#define assert_ends(words, status, verdict) ((void)run words, assert_ran(status, verdict))

/* The same of a deadline that passes once something was sent. How long that takes is the machine's:
 * one that passed before is tried again, later. */
static void assert_pending(double timeout_s, const char *words)
{
    do {
        (void)run("--timeout %g %s", timeout_s, words);
        timeout_s *= 4;
    } while (strcmp(verdict(), "error") == 0 && timeout_s < 300);
    assert_ran(6, "pending");
}

/* ---- ---- */

static void test_status(void **ignored)
{
    const json_t *cpus;

    (void)ignored;
    START("--cpus", "3", "--max-cpus", "8", "--memory", "512M", "--dimm", "d0=256M", "--disk",
          "data=SER1", "--cdrom", "cd0", "--cpu", "spare");
    assert_int_equal(run("status"), 0);
    cpus = json_object_get(ran.line, "cpus");
    assert_int_equal(json_integer_value(json_object_get(cpus, "present")), 4);
    assert_int_equal(json_integer_value(json_object_get(cpus, "max")), 8);
    assert_int_equal(json_integer_value(json_object_get(cpus, "online")), 4);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(ran.line, "memory"),
                                                        "online_bytes")),
                     768 << 20);
    assert_int_equal(json_array_size(json_object_get(ran.line, "disks")), 1);
    assert_int_equal(json_array_size(json_object_get(ran.line, "cdroms")), 1);
    stop();
}

static void test_cpus_and_memory(void **ignored)
{
    (void)ignored;
    START("--accel", "kvm", "--port", "port1");
    assert_ends(("cpu add 2"), 0, "online");
    assert_true(json_is_true(json_object_get(find("cpus", "id", "vmplug-cpu-2"), "present")));
    assert_int_equal(online("cpus"), 4);
    assert_ends(("memory add 256M --movable"), 0, "online");
    assert_non_null(find("dimms", "id", "vmplug-mem-0"));
    assert_int_equal(online("blocks"), 4);
    assert_ends(("memory add 1G --kind virtio-mem"), 0, "online");
    assert_ends(("memory resize vmplug-mem-1 256M"), 0, "done");
    assert_int_equal(json_integer_value(json_object_get(find("virtio_mems", "id", "vmplug-mem-1"),
                                                        "bytes")),
                     256 << 20);
    assert_ends(("memory remove vmplug-mem-0"), 0, "removed");
    assert_null(find("dimms", "id", "vmplug-mem-0"));
    assert_ends(("cpu remove vmplug-cpu-2"), 0, "removed");
    assert_null(find("cpus", "id", "vmplug-cpu-2"));
    assert_int_equal(online("cpus"), 3);
    stop();
}

static void test_disks(void **ignored)
{
    static const char image[1 << 20];
    char file[256];

    (void)ignored;
    (void)snprintf(file, sizeof(file), "%s", fake_file("image.raw", image, sizeof(image)));
    START("--qemu", "10.0", "--port", "port1", "--cdrom", "cd0");
    assert_ends(("disk add %s --serial S1", file), 0, "online");
    assert_string_equal(json_string_value(json_object_get(find("nodes", "device", "vmplug-disk-0"),
                                                          "serial")),
                        "S1");
    assert_ends(("disk resize vmplug-disk-0 128M"), 0, "done");
    assert_ends(("disk throttle vmplug-disk-0 --iops 100"), 0, "done");
    assert_ends(("disk add %s --bus virtio --read-only", file), 0, "online");
    assert_string_equal(json_string_value(json_object_get(find("nodes", "device", "vmplug-disk-1"),
                                                          "bus")),
                        "port1");
    assert_ends(("disk remove vmplug-disk-0 vmplug-disk-1"), 0, "removed");
    assert_int_equal(json_array_size(state("nodes")), 0);
    assert_ends(("cdrom insert cd0 %s", file), 0, "done");
    assert_string_not_equal(json_string_value(json_object_get(find("cdroms", "id", "cd0"),
                                                              "node")),
                            "");
    assert_ends(("cdrom eject cd0"), 0, "done");
    assert_string_equal(json_string_value(json_object_get(find("cdroms", "id", "cd0"), "node")),
                        "");
    stop();
}

static void test_guests(void **ignored)
{
    (void)ignored;
    START("--guest", "adds=1/0x81", "--guest", "removes=0x103/0x80", "--guest", "ost-delay=1",
          "--dimm", "d0=128M");
    assert_ends(("memory add 128M"), 5, "refused");
    assert_ends(("memory remove d0"), 5, "refused");
    assert_non_null(find("dimms", "id", "d0"));
    stop();
    START("--guest", "ignores-removes", "--dimm", "d0=128M");
    assert_pending(0.5, "memory remove d0");
    stop();
    START("--guest", "agent-hangs");
    assert_ends(("cpu add"), 0, "unconfirmed");
    stop();
    START("--guest", "pretends");
    assert_pending(4, "cpu add"); /* time to get as far as the guest */
    assert_int_equal(online("cpus"), 2);
    stop();
    START("--guest", "onlines");
    assert_ends(("cpu add --wait acknowledged"), 0, "acknowledged");
    assert_int_equal(online("cpus"), 3);
    stop();
    START("--guest", "disabled=guest-set-vcpus");
    assert_ends(("cpu add"), 0, "unconfirmed");
    assert_int_equal(online("cpus"), 2);
    stop();
}

/* What does no harm: bytes, order and time. */
static void test_faults_that_do_not_matter(void **ignored)
{
    static const char script[] = "# nothing here hurts\n"
                                 "qmp greeting split\n"
                                 "\n"
                                 "agent guest-sync-delimited#1 split 2\n"
                                 "qmp device_add reorder\n"
                                 "qmp query-block#1 duplicate\n"
                                 "agent guest-get-vcpus#1 delay 30\n"
                                 "qmp query-hotpluggable-cpus#1 merge 20\n"
                                 "qmp event ACPI_DEVICE_OST#1 ignore\n";

    (void)ignored;
    START("--fault-script", fake_file("script", script, sizeof(script) - 1));
    assert_ends(("cpu add"), 0, "online");
    assert_int_equal(online("cpus"), 3);
    stop();
}

static void test_faults_that_do(void **ignored)
{
    (void)ignored;
    START("--fault", "qmp device_add drop");
    assert_pending(0.5, "cpu add");
    assert_non_null(find("cpus", "id", "vmplug-cpu-2")); /* it was carried out */
    stop();
    START("--fault", "qmp device_add#2 reject DeviceNotFound: it is gone");
    assert_ends(("cpu add 2"), 10, "partial");
    assert_null(find("cpus", "id", "vmplug-cpu-3"));
    stop();
    START("--fault", "qmp device_add deep");
    assert_ends(("cpu add"), 9, "lost");
    stop();
    START("--fault", "qmp device_add die-after");
    assert_ends(("cpu add"), 9, "lost");
    await_end();
    assert_non_null(find("cpus", "id", "vmplug-cpu-2"));
    START("--fault", "any *#3 die");
    assert_int_equal(run("cpu add"), 9);
    await_end();
}

/* ---- the process ---- */

static void test_its_end(void **ignored)
{
    struct stat seen;

    (void)ignored;
    START("--cpus", "1");
    assert_int_equal(stat(qmp, &seen), 0);
    assert_int_equal(seen.st_mode & 0777, 0600);
    assert_int_equal(stat(agent, &seen), 0);
    assert_int_equal(seen.st_mode & 0777, 0600);
    assert_int_equal(run("qmp quit"), 0);
    await_end();
}

static pid_t read_pid(const char *pidfile)
{
    FILE *file = fopen(pidfile, "re");
    int process = 0;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d", &process), 1);
    fclose(file);
    return process;
}

/* By it vmplug knows one QEMU from another, and whether it is there still. */
static void assert_listener_is(pid_t process)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct ucred listener;
    socklen_t size = sizeof(listener);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", qmp);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &listener, &size), 0);
    assert_int_equal(listener.pid, process);
    close(fd);
}

static void test_in_the_background(void **ignored)
{
    char pidfile[256];
    const char *const arguments[] = {"--qmp",     qmp,         "--agent", agent,
                                     "--pidfile", pidfile,     "--state", state_file,
                                     "--guest",   "ost-delay=0", "--daemonize", NULL};
    FILE *out;

    (void)ignored;
    (void)snprintf(pidfile, sizeof(pidfile), "%s", fake_path("pid"));
    out = spawn(arguments);
    assert_int_equal(end_of(pid), 0);
    fclose(out);
    assert_int_equal(run("status"), 0); /* it listens already */
    pid = read_pid(pidfile);
    assert_listener_is(pid);
    assert_int_equal(run("qmp quit"), 0);
    await_end();
}

/* A trace's sockets listen, too, when the parent returns. */
static void test_replay_in_the_background(void **ignored)
{
    char pidfile[256], trace[512];
    const char *const arguments[] = {"--qmp",    qmp,     "--agent",  agent, "--pidfile",   pidfile,
                                     "--replay", trace, "--daemonize", NULL};
    FILE *out;

    (void)ignored;
    (void)snprintf(pidfile, sizeof(pidfile), "%s", fake_path("pid"));
    (void)snprintf(trace, sizeof(trace), "%s/tests/data/traces/10.0/memory-list.trace",
                   getenv("VMPLUG_SOURCE"));
    (void)unlink(qmp);
    out = spawn(arguments);
    assert_int_equal(end_of(pid), 0);
    fclose(out);
    pid = read_pid(pidfile);
    assert_int_equal(run("memory list"), 0); /* its only client */
    await_end();
}

/* One who speaks what is not QMP is told so in QEMU's way, and may go on. */
static void test_a_client_of_ones_own(void **ignored)
{
    static const char *const said[] = {
        "{\"execute\":\"query-name\"}", "{\"execute\":\"qmp_capabilities\"}",
        "{\"execute\":\"qmp_capabilities\"}", "{what is this?}", "{\"id\":1}",
        "{\"execute\":\"no-such\"}", "{\"execute\":\"qom-list\",\"arguments\":{\"x\":1}}",
        "{\"execute\":\"stop\"}",
        "{\"execute\":\"query-name\",\"id\":[5]}"};
    static const char *const answers[] = {
        "Expecting capabilities negotiation", "{\"return\":{}}", "already complete",
        "JSON parse error", "lacks member 'execute'",
        "The command no-such has not been found", "Parameter 'path' is missing",
        "stop is not simulated", "{\"return\":{\"name\":\"sim\"},\"id\":[5]}"};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char line[1024];
    FILE *stream;
    size_t i;
    int fd;

    (void)ignored;
    START("--cpus", "1");
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", qmp);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    stream = fdopen(fd, "r");
    assert_non_null(fgets(line, sizeof(line), stream));
    assert_non_null(strstr(line, "\"QMP\""));
    for (i = 0; i < COUNT_OF(said); i++) {
        assert_int_equal(send(fd, said[i], strlen(said[i]), 0), (ssize_t)strlen(said[i]));
        assert_non_null(fgets(line, sizeof(line), stream));
        if (strstr(line, answers[i]) == NULL)
            fail_msg("%s: %s", said[i], line);
    }
    fclose(stream);
    stop();
}

static void test_bad_words(void **ignored)
{
    static const char *const words[][4] = {
        {NULL},
        {"--qmp"},
        {"--nonsense"},
        {"--qmp", "q", "operand"},
        {"--qmp", "q", "--qemu", "6.0"},
        {"--qmp", "q", "--cpus", "5"},
        {"--qmp", "q", "--memory", "100M"},
        {"--qmp", "q", "--guest", "sulks"},
        {"--qmp", "q", "--guest", "adds"},
        {"--qmp", "q", "--guest", "adds=1"},
        {"--qmp", "q", "--guest", "onlines=1"},
        {"--qmp", "q", "--dimm", "d0=8G"},
        {"--qmp", "q", "--fault", "qmp x explode"},
        {"--qmp", "q", "--fault-script", "/nonexistent"},
    };
    const char *arguments[5] = {NULL};
    size_t i, word;
    FILE *out;

    (void)ignored;
    for (i = 0; i < COUNT_OF(words); i++) {
        for (word = 0; word < 4; word++) {
            arguments[word] = words[i][word];
            if (arguments[word] != NULL && strcmp(arguments[word], "q") == 0)
                arguments[word] = qmp;
        }
        out = spawn(arguments);
        if (end_of(pid) != 2)
            fail_msg("taken: %s", arguments[2] != NULL ? arguments[3] : arguments[0]);
        fclose(out);
        assert_int_equal(access(qmp, F_OK), -1);
    }
}

static int begin(void **ignored)
{
    (void)ignored;
    (void)snprintf(qmp, sizeof(qmp), "%s", fake_path("q"));
    (void)snprintf(agent, sizeof(agent), "%s", fake_path("a"));
    (void)snprintf(state_file, sizeof(state_file), "%s", fake_path("state.json"));
    return setenv("XDG_RUNTIME_DIR", fake_dir(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_cpus_and_memory),
        cmocka_unit_test(test_disks),
        cmocka_unit_test(test_guests),
        cmocka_unit_test(test_faults_that_do_not_matter),
        cmocka_unit_test(test_faults_that_do),
        cmocka_unit_test(test_its_end),
        cmocka_unit_test(test_in_the_background),
        cmocka_unit_test(test_replay_in_the_background),
        cmocka_unit_test(test_a_client_of_ones_own),
        cmocka_unit_test(test_bad_words),
    };

    /* Of one in the background, too, the end is awaited: it takes its sockets with it, and the next
     * one has the same. */
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return 1;
    return cmocka_run_group_tests_name("vmplug-fake-qemu", tests, begin, NULL);
}
