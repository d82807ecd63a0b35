/* SPDX-License-Identifier: MIT */
#include "tests/bench/hold.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/bench/bench.h"
#include "tests/fake/fake.h"

#define FLEETS_MAX 16
#define FLEET_MONITORS 2500 /* in a process */
#define FLEET_AGENTS 1250   /* … of those that have one */
#define PATIENCE_MS 120000
#define PATHS 4
#define LOOK_MS 20 /* between two looks at what vmplugd has counted */
#define TEXT_BYTES (256 << 10)

struct fleet {
    pid_t pid;
    int lines_fd; /* its standard input */
    unsigned first;
};

static struct fleet fleets[FLEETS_MAX];
static unsigned fleet_count;
static pid_t daemon_pid;
static char directory[64]; /* "": none */

static const char manifest[] = "apiVersion: kubevirt.io/v1\n"
                               "kind: VirtualMachine\n"
                               "metadata:\n"
                               "  name: vm-%05u\n"
                               "  annotations: {vmplug/qmp-socket: %s/%05u.qmp%s%s%s}\n"
                               "spec:\n"
                               "  template:\n"
                               "    spec:\n"
                               "      domain:\n"
                               "        cpu: {sockets: %u, maxSockets: 16}\n"
                               "        memory: {guest: 256Mi}\n"
                               "        devices: {}\n";

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

/* In the directory; one of a few static buffers. */
static const char *path_of(const char *name)
{
    static char paths[PATHS][128];
    static unsigned next;
    char *path = paths[next++ % PATHS];

    (void)snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
    return path;
}

/* Beside vmplug, or above .libs. */
static const char *beside_vmplug(const char *name)
{
    static char path[512];
    const char *slash = strrchr(bench_vmplug, '/');
    int length = slash != NULL ? (int)(slash - bench_vmplug) : 0;

    if (length >= 6 && strncmp(slash - 6, "/.libs", 6) == 0)
        length -= 6;
    (void)snprintf(path, sizeof(path), "%.*s/%s", length, bench_vmplug, name);
    return path;
}

bool hold_is_here(void)
{
    return access(beside_vmplug("vmplugd"), X_OK) == 0;
}

/* ---- processes ---- */

static pid_t start(const char *const *argv, int in, int out)
{
    struct rlimit limit;
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (in >= 0)
        (void)dup2(in, STDIN_FILENO);
    if (out >= 0)
        (void)dup2(out, STDOUT_FILENO);
    (void)execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

static void start_fleet(unsigned first, unsigned count, bool agents)
{
    struct fleet *fleet = &fleets[fleet_count++];
    char from[16], number[16], ready;
    int in[2], out[2];

    (void)snprintf(from, sizeof(from), "%u", first);
    (void)snprintf(number, sizeof(number), "%u", count);
    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
        die("pipe");
    *fleet = (struct fleet){
        .pid = start(HARNESS_ARGUMENTS(beside_vmplug("tests/fake/fleet"), directory, from, number,
                                       "16", agents ? "agent" : NULL), in[0], out[1]),
        .lines_fd = in[1],
        .first = first,
    };
    close(in[0]);
    close(out[1]);
    if (read(out[0], &ready, 1) != 1)
        die("the fleet");
    close(out[0]);
}

static void end_process(pid_t pid, int how)
{
    if (pid <= 0)
        return;
    (void)kill(pid, how);
    (void)waitpid(pid, NULL, 0);
}

void hold_end(void)
{
    end_process(daemon_pid, SIGTERM);
    daemon_pid = 0;
    for (; fleet_count > 0; fleet_count--) {
        close(fleets[fleet_count - 1].lines_fd);
        end_process(fleets[fleet_count - 1].pid, SIGKILL);
    }
    if (directory[0] != '\0')
        fake_empty(directory);
    (void)rmdir(directory);
    directory[0] = '\0';
}

/* ---- what vmplugd says ---- */

static int ask(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char request[256];
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int length = snprintf(request, sizeof(request),
                          "GET %s HTTP/1.1\r\nHost: vmplugd\r\nConnection: close\r\n\r\n", path);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path_of("api"));
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        write(fd, request, (size_t)length) != length) {
        close(fd);
        return -1;
    }
    return fd;
}

/* The sum of all counters whose lines begin so; -1: it does not answer. */
static double sum_of(const char *counter)
{
    static char text[TEXT_BYTES];
    AUTO_FD int fd = ask("/metrics");
    size_t held = 0;
    ssize_t count;
    double sum = 0;
    char *line;

    if (fd < 0)
        return -1;
    while ((count = read(fd, text + held, sizeof(text) - 1 - held)) > 0)
        held += (size_t)count;
    text[held] = '\0';
    for (line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, counter, strlen(counter)) == 0)
            sum += strtod(line + strcspn(line, " \n"), NULL);
    }
    return sum;
}

static void await(const char *counter, double figure)
{
    double latest_ms = bench_now_ms() + PATIENCE_MS, sum = 0;

    do {
        if (waitpid(daemon_pid, NULL, WNOHANG) != 0)
            die("vmplugd has ended");
        (void)usleep((LOOK_MS + (unsigned)figure / 50) * 1000); /* it costs with their number */
        sum = sum_of(counter);
    } while (sum < figure && bench_now_ms() < latest_ms);
    if (sum < figure) {
        fprintf(stderr, "bench: %s: %g, and not %g\n", counter, sum, figure);
        exit(1);
    }
}

/* ---- ---- */

static void write_manifests(unsigned count, unsigned sockets, bool agents)
{
    char name[32], agent[192];
    FILE *file;
    unsigned i;

    for (i = 0; i < count; i++) {
        (void)snprintf(agent, sizeof(agent), "/%05u.agent", i);
        (void)snprintf(name, sizeof(name), "manifests/vm-%05u.yaml", i);
        file = fopen(path_of(name), "we");
        if (file == NULL)
            die(name);
        fprintf(file, manifest, i, directory, i, agents ? ", vmplug/agent-socket: " : "",
                agents ? directory : "", agents ? agent : "", sockets);
        if (fclose(file) != 0)
            die(name);
    }
}

/* In memory, where that can be: each manifest is stored twice synchronously, and how long a disk
 * takes for that is none of vmplugd's business. */
static void make_directory(void)
{
    const char *shared = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

    (void)snprintf(directory, sizeof(directory), "%s/vmplug-hold-XXXXXX", shared);
    if (mkdtemp(directory) == NULL || mkdir(path_of("manifests"), 0700) < 0)
        die(directory);
}

static void start_daemon(void)
{
    (void)setenv("XDG_STATE_HOME", path_of("state"), 1);
    daemon_pid = start(HARNESS_ARGUMENTS(beside_vmplug("vmplugd"), "--api-socket", path_of("api"),
                                         "--manifests", path_of("manifests"), "--log-level",
                                         "warning"), -1, -1);
}

void hold_start(unsigned count, unsigned sockets, bool agents)
{
    const unsigned each = agents ? FLEET_AGENTS : FLEET_MONITORS;
    unsigned first;

    make_directory();
    for (first = 0; first < count; first += each)
        start_fleet(first, count - first < each ? count - first : each, agents);
    write_manifests(count, sockets, agents);
    start_daemon();
    await("vmplug_reconciles_total", count);
}

void hold_resize(unsigned count, unsigned sockets, unsigned more)
{
    double before = sum_of("vmplug_operations_total{operation=\"cpu-add\"");

    write_manifests(count, sockets, false);
    await("vmplug_operations_total{operation=\"cpu-add\"", before + more);
}

/* A field of /proc/PID/stat, counted from 1 (proc(5)). */
static unsigned long stat_of(int field)
{
    char path[64], line[1024] = "";
    FILE *file;
    char *at;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)daemon_pid);
    file = fopen(path, "re");
    if (file == NULL || fgets(line, sizeof(line), file) == NULL)
        die(path);
    fclose(file);
    at = strrchr(line, ')') + 1; /* behind field 2 */
    for (field -= 2; field > 1; field--)
        at = strchr(at + 1, ' ');
    return strtoul(at + 1, NULL, 10);
}

double hold_resident_kib(void)
{
    return (double)stat_of(24) * (double)sysconf(_SC_PAGESIZE) / 1024;
}

double hold_processor_ms(void)
{
    return (double)(stat_of(14) + stat_of(15)) * 1e3 / (double)sysconf(_SC_CLK_TCK);
}

int hold_subscribe(void)
{
    int fd = ask("/v1/events");

    if (fd < 0)
        die("/v1/events");
    return fd;
}

void hold_emit(unsigned number)
{
    const struct fleet *fleet = &fleets[fleet_count - 1];

    while (fleet->first > number)
        fleet--;
    if (dprintf(fleet->lines_fd, "%u\n", number) < 0)
        die("the fleet");
}
