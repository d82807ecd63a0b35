/* SPDX-License-Identifier: MIT */
#include "tests/bench/bench.h"

#include "config.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define DISKS 250

const char *bench_vmplug, *bench_floor;
static const char *results_dir; /* NULL: results are printed only */
static FILE *results;

/* ---- figures ---- */

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return left < right ? -1 : left > right;
}

double bench_median(const double *values, size_t count)
{
    double sorted[BENCH_ROUNDS_MAX];

    memcpy(sorted, values, count * sizeof(*values));
    qsort(sorted, count, sizeof(*sorted), compare);
    return count % 2 == 1 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

double bench_exponent(const double *x, const double *y, size_t count)
{
    double sum_x = 0, sum_y = 0, sum_xx = 0, sum_xy = 0, n = (double)count;
    size_t i;

    for (i = 0; i < count; i++) {
        sum_x += log(x[i]);
        sum_y += log(y[i]);
        sum_xx += log(x[i]) * log(x[i]);
        sum_xy += log(x[i]) * log(y[i]);
    }
    return (n * sum_xy - sum_x * sum_y) / (n * sum_xx - sum_x * sum_x);
}

double bench_now_ms(void)
{
    return clock_now_ms();
}

double bench_processor_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

void bench_say(const char *format, ...)
{
    char line[512];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    puts(line);
    fflush(stdout);
    if (results != NULL)
        fprintf(results, "%s\n", line);
}

static double ratio_of(const struct bench_samples *samples, size_t a, size_t b, double *ret_least,
                       double *ret_greatest)
{
    double ratio;
    size_t i;

    for (i = 0; i < samples->rounds; i++) {
        ratio = samples->ms[a][i] / samples->ms[b][i];
        if (i == 0 || ratio < *ret_least)
            *ret_least = ratio;
        if (i == 0 || ratio > *ret_greatest)
            *ret_greatest = ratio;
    }
    return bench_median(samples->ms[a], samples->rounds) /
           bench_median(samples->ms[b], samples->rounds);
}

static void report(const char *title, const struct bench_samples *samples)
{
    double ratio, least = 0, greatest = 0;
    size_t i;

    bench_say("%s (%zu rounds)", title, samples->rounds);
    for (i = 0; i < samples->count; i++) {
        if (samples->absent[i]) {
            bench_say("  %-34s not here", samples->contenders[i].name);
            continue;
        }
        ratio = ratio_of(samples, i, 0, &least, &greatest);
        bench_say("  %-34s %10.3f ms  %7.2f x (%.2f to %.2f)", samples->contenders[i].name,
                  bench_median(samples->ms[i], samples->rounds), ratio, least, greatest);
    }
}

void bench_run(const char *title, const struct bench_contender *contenders, size_t count,
               size_t rounds, struct bench_samples *samples)
{
    size_t round, turn, i;
    double ms;

    *samples =
        (struct bench_samples){.contenders = contenders, .count = count, .rounds = rounds};
    for (round = 0; round <= rounds; round++) {
        for (turn = 0; turn < count; turn++) {
            i = (turn + round) % count;
            ms = samples->absent[i] ? -1 : contenders[i].run(contenders[i].user);
            samples->absent[i] = ms < 0;
            if (round > 0)
                samples->ms[i][round - 1] = ms;
        }
    }
    report(title, samples);
}

void bench_claim(const char *what, double figure, bool at_most, double limit)
{
    bench_say("  %s: %.6g, wanted at %s %.6g: %s", what, figure, at_most ? "most" : "least", limit,
              (at_most ? figure <= limit : figure >= limit) ? "holds" : "DOES NOT HOLD");
}

void bench_claim_at_most(const struct bench_samples *samples, size_t a, size_t b, double limit)
{
    double least = 0, greatest = 0;
    char what[256];

    if (samples->absent[a] || samples->absent[b])
        return;
    (void)snprintf(what, sizeof(what), "-> %s / %s", samples->contenders[a].name,
                   samples->contenders[b].name);
    bench_claim(what, ratio_of(samples, a, b, &least, &greatest), true, limit);
}

void bench_claim_faster(const struct bench_samples *samples, size_t a, size_t b, double limit)
{
    double least = 0, greatest = 0;
    char what[256];

    if (samples->absent[a] || samples->absent[b])
        return;
    (void)snprintf(what, sizeof(what), "-> %s / %s", samples->contenders[b].name,
                   samples->contenders[a].name);
    bench_claim(what, ratio_of(samples, b, a, &least, &greatest), false, limit);
}

/* ---- programs ---- */

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "bench: %s: %s\n", what, why);
    exit(1);
}

double bench_read_run(const char *const *argv, int which, char *text, size_t size)
{
    double start_ms = clock_now_ms();
    char rest[4096];
    size_t used = 0;
    ssize_t count;
    int ends[2], status;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        die("pipe", argv[0]);
    pid = vfork();
    if (pid == 0) {
        dup2(open("/dev/null", O_WRONLY), which == STDOUT_FILENO ? STDERR_FILENO : STDOUT_FILENO);
        dup2(ends[1], which);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(ends[1]);
    while ((count = read(ends[0], rest, sizeof(rest))) > 0) {
        if (used + (size_t)count < size)
            memcpy(text + used, rest, (size_t)count);
        used += used + (size_t)count < size ? (size_t)count : 0;
    }
    if (size > 0)
        text[used] = '\0';
    close(ends[0]);
    if (waitpid(pid, &status, 0) != pid || status != 0)
        die(argv[0], "failed");
    return clock_now_ms() - start_ms;
}

double bench_time_run(const char *const *argv)
{
    return bench_read_run(argv, STDOUT_FILENO, NULL, 0);
}

/* ---- QEMUs ---- */

void bench_start_qemu(struct harness_vm *vm)
{
    harness_start_bare(vm, HARNESS_ARGUMENTS("-machine", "q35", "-smp",
                                             "1,sockets=65,cores=1,maxcpus=65", "-m",
                                             "256M,slots=64,maxmem=64G", "-device",
                                             "virtio-scsi-pci,id=scsi0"));
}

const char *bench_disk(unsigned number)
{
    static char *paths[DISKS];
    char name[32];

    if (paths[number] == NULL) {
        (void)snprintf(name, sizeof(name), "disk%u.raw", number);
        if (asprintf(&paths[number], "%s/%s", harness_dir(), name) < 0)
            die(name, "out of memory");
        close(open(paths[number], O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        if (truncate(paths[number], 1 << 20) < 0)
            die(paths[number], "can't be made");
    }
    return paths[number];
}

struct vmplug_vm *bench_open_traced(const struct harness_vm *vm, vmplug_trace_fn *trace,
                                    void *user)
{
    const struct vmplug_vm_options options = {.struct_bytes = sizeof(options),
                                              .qmp_path = vm->qmp,
                                              .agent_path = vm->guest ? vm->agent : NULL,
                                              .runtime_dir = harness_dir(),
                                              .trace = trace,
                                              .trace_user = user};
    struct vmplug_vm *opened;
    struct vmplug_error error;

    opened = vmplug_vm_open(&options, &error);
    if (opened == NULL || vmplug_qmp_wait_ready(vmplug_vm_qmp(opened), &error) < 0)
        die("no vm", error.why);
    return opened;
}

struct vmplug_vm *bench_open(const struct harness_vm *vm)
{
    return bench_open_traced(vm, NULL, NULL);
}

void bench_act(struct vmplug_vm *vm, struct vmplug_request request)
{
    struct vmplug_error error;
    int verdict;

    request.struct_bytes = sizeof(request);
    verdict = vmplug_run(vm, &request, NULL, &error);
    if (!vmplug_verdict_is_success(verdict))
        die(vmplug_verdict_name(verdict), error.why);
}

/* ---- the whole ---- */

FILE *bench_create(const char *name)
{
    AUTO_FREE char *path = NULL;

    if (results_dir == NULL || asprintf(&path, "%s/%s", results_dir, name) < 0)
        return NULL;
    return fopen(path, "we");
}

static void read_model(char *model, size_t size)
{
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[512];

    (void)snprintf(model, size, "unknown");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "model name : %127[^\n]", model) == 1)
            break;
    }
    if (file != NULL)
        fclose(file);
}

/* What the figures were taken on. */
static void say_where(void)
{
    char model[128], text[512], date[32];
    const time_t now = time(NULL);
    struct utsname system;

    read_model(model, sizeof(model));
    (void)uname(&system);
    (void)strftime(date, sizeof(date), "%Y-%m-%d", gmtime(&now));
    bench_say("vmplug %s, %s; %s, %ld processors; Linux %s", PACKAGE_VERSION, date, model,
              sysconf(_SC_NPROCESSORS_ONLN), system.release);
    (void)bench_read_run(HARNESS_ARGUMENTS(getenv("VMPLUG_QEMU") != NULL ? getenv("VMPLUG_QEMU")
                                                                         : "qemu-system-x86_64",
                                           "--version"),
                         STDOUT_FILENO, text, sizeof(text));
    text[strcspn(text, "\n")] = '\0';
    bench_say("%s, TCG; jansson %s; gcc %s", text, JANSSON_VERSION, __VERSION__);
    bench_say("A ratio is that of two medians, to the first line's unless said otherwise; in "
              "brackets the least and greatest of a round.");
}

static const struct {
    const char *name;
    void (*run)(void);
} workloads[] = {
    {"cost", bench_cost},     {"status", bench_status}, {"device", bench_device},
    {"series", bench_series}, {"parse", bench_parse},   {"events", bench_events},
    {"idle", bench_idle},     {"hold", bench_hold},     {"guest", bench_guest},
};

/* In a build directory the command is a script that libtool has made, which looks for the library
 * and runs what is in .libs. That takes longer than what is to be measured. */
static void find_program(const char *name)
{
    const char *slash = strrchr(name, '/');
    AUTO_FREE char *directory = NULL;
    static char *path;

    bench_vmplug = name;
    if (slash == NULL || asprintf(&directory, "%.*s/.libs", (int)(slash - name), name) < 0 ||
        asprintf(&path, "%s%s", directory, slash) < 0 || access(path, X_OK) < 0)
        return;
    bench_vmplug = path;
    (void)setenv("LD_LIBRARY_PATH", directory, 1);
}

static pid_t own_pid;

/* What was started is ended by what atexit() has, also when a signal ends us: Ctrl-C, or `| head`.
 * Should that hang in a lock that was held, the next signal kills. */
static void end(int number)
{
    if (getpid() != own_pid)
        _exit(1); /* a fake that was forked: nothing is its own */
    exit(128 + number);
}

static void end_by_signals(void)
{
    static const int numbers[] = {SIGHUP, SIGINT, SIGPIPE, SIGTERM};
    const struct sigaction action = {.sa_handler = end, .sa_flags = (int)SA_RESETHAND};
    size_t i;

    own_pid = getpid();
    for (i = 0; i < COUNT_OF(numbers); i++)
        (void)sigaction(numbers[i], &action, NULL);
}

/* BENCH names one of them; then nothing is kept. */
int main(int argc, char **argv)
{
    const char *wanted = getenv("BENCH");
    size_t i;

    if (argc == 3 && strcmp(argv[1], "idle") == 0) {
        bench_idle_alone((unsigned)atoi(argv[2]));
        return 0;
    }
    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: [BENCH=WORKLOAD] bench VMPLUG FLOOR [RESULTS]\n");
        return 2;
    }
    end_by_signals();
    find_program(argv[1]);
    bench_floor = argv[2];
    if (wanted != NULL && *wanted == '\0')
        wanted = NULL;
    if (wanted == NULL && argc == 4) {
        results_dir = argv[3];
        (void)mkdir(results_dir, 0777);
        results = bench_create("RESULTS");
    }
    harness_need_tools();
    (void)setenv("XDG_RUNTIME_DIR", harness_dir(), 1);
    say_where();
    for (i = 0; i < COUNT_OF(workloads); i++) {
        if (wanted != NULL && strcmp(wanted, workloads[i].name) != 0)
            continue;
        bench_say("\n---- %s ----", workloads[i].name);
        workloads[i].run();
    }
    if (results != NULL)
        fclose(results);
    return 0;
}
