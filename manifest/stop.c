/* SPDX-License-Identifier: MIT */
#include "manifest/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "manifest/run_directory.h"
#include "manifest/supervise.h"
#include "qmp/blocking.h"
#include "qmp/codec.h"
#include "vmm/vm.h"

#define AGENT_SILENCE_MS 2000
#define MONITOR_SILENCE_MS 3000
#define QUIT_MS 5000
#define KILL_MS 10000 /* a process may have much memory to give back */
#define KEEPER_MS 10000

/* QEMU's end as a pump, so that it is awaited together with what its monitor says. */
struct stopping {
    struct pump pump;
    struct vm *vm;
    int process_fd; /* -1: it is not known which process it is; then the monitor's end tells */
    bool ended;
    const struct stop_interrupt *interrupt;
};

const char *stop_way_name(enum stop_way way)
{
    static const char *const names[] = {
        [STOP_BY_ITSELF] = "none", [STOP_BY_AGENT] = "agent", [STOP_BY_ACPI] = "acpi",
        [STOP_BY_QUIT] = "quit",   [STOP_BY_KILL] = "kill",
    };

    return names[way];
}

static int process_fd(const struct pump *pump)
{
    return ((const struct stopping *)pump)->process_fd;
}

static short process_events(const struct pump *pump)
{
    (void)pump;
    return POLLIN;
}

static double never(const struct pump *pump)
{
    (void)pump;
    return CLOCK_NEVER_MS;
}

static enum pump_result take_end(struct pump *pump, short revents)
{
    struct stopping *stopping = (struct stopping *)pump;

    stopping->ended |= (revents & POLLIN) != 0;
    return stopping->ended ? PUMP_DEAD : PUMP_IDLE;
}

static const struct pump_ops process_ops = {
    .fd = process_fd,
    .events = process_events,
    .deadline_ms = never,
    .process = take_end,
};

static bool is_interrupted(const struct stopping *stopping)
{
    return stopping->interrupt != NULL && *stopping->interrupt->count > 0;
}

static bool is_over(void *user)
{
    struct stopping *stopping = user;

    if (stopping->process_fd < 0)
        stopping->ended = qmp_client_failure(vm_qmp(stopping->vm)) != NULL;
    return stopping->ended || is_interrupted(stopping);
}

/* Waits for its end, for so long, or until somebody does not want to any more. */
static bool await_end(struct stopping *stopping, double for_ms)
{
    struct pump *pumps[VM_PUMPS_MAX + 2];
    size_t count = vm_pumps(stopping->vm, pumps);

    if (stopping->process_fd >= 0)
        pumps[count++] = &stopping->pump;
    if (stopping->interrupt != NULL)
        pumps[count++] = stopping->interrupt->pump;
    (void)blocking_run(pumps, count, is_over, stopping, clock_now_ms() + for_ms);
    return stopping->ended;
}

/* ---- which process it is ---- */

/* Whoever made the monitor's socket may be the one who started QEMU, and be no QEMU: SIGKILL is not
 * for it. A program that a loader was given is not the first word. */
static bool is_qemu(pid_t process)
{
    char path[64], words[4096], *word;
    AUTO_FD int fd = -1;
    ssize_t size;

    (void)snprintf(path, sizeof(path), "/proc/%ld/cmdline", (long)process);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    size = fd >= 0 ? read(fd, words, sizeof(words) - 1) : -1;
    if (size <= 0)
        return false;
    words[size] = '\0';
    for (word = words; word < words + size; word += strlen(word) + 1) {
        if (strncmp(strrchr(word, '/') != NULL ? strrchr(word, '/') + 1 : word, "qemu", 4) == 0)
            return true;
    }
    return false;
}

/* The connection stands, so the process is there, and no other has its number. */
static void find_process(struct stopping *stopping)
{
    pid_t process = vm_process(stopping->vm);

    if (process > 0 && is_qemu(process))
        stopping->process_fd = supervise_open_process(process);
}

/* ---- asking ---- */

static void send_off(struct stopping *stopping, enum peer peer, const char *command,
                     json_t *arguments)
{
    const struct request request = {.command = command, .arguments = arguments,
                                    .timeout_ms = MONITOR_SILENCE_MS};

    (void)vm_submit(stopping->vm, peer, &request, NULL);
}

/* It does not answer when it has heard (guest-shutdown, QGA), so it is asked before whether it
 * answers at all. */
static bool ask_agent(struct stopping *stopping, double patience_ms)
{
    json_t *answer = vm_has_agent(stopping->vm)
                         ? blocking_agent(vm_agent(stopping->vm), "guest-ping", NULL,
                                          patience_ms, NULL)
                         : NULL;

    if (answer == NULL)
        return false;
    json_decref(answer);
    send_off(stopping, PEER_AGENT, "guest-shutdown", json_pack("{s:s}", "mode", "powerdown"));
    return true;
}

static enum stop_way ask_guest(struct stopping *stopping, double grace_ms)
{
    double until_ms = clock_now_ms() + grace_ms;

    if (ask_agent(stopping, clock_earlier_ms(AGENT_SILENCE_MS, grace_ms / 2)) &&
        (await_end(stopping, grace_ms / 2) || is_interrupted(stopping)))
        return STOP_BY_AGENT;
    send_off(stopping, PEER_QMP, "system_powerdown", NULL);
    (void)await_end(stopping, until_ms - clock_now_ms());
    return STOP_BY_ACPI;
}

static int end(struct stopping *stopping, double grace_ms, enum stop_way *ret_way,
               struct error *error)
{
    if (grace_ms > 0) {
        *ret_way = ask_guest(stopping, grace_ms);
        if (stopping->ended)
            return 0;
        if (is_interrupted(stopping))
            return error_set(error, ERROR_CANCELLED, "with --grace 0 it ends at once",
                             "interrupted; the guest was asked to shut down, and still may");
    }
    *ret_way = STOP_BY_QUIT;
    send_off(stopping, PEER_QMP, "quit", NULL);
    if (await_end(stopping, QUIT_MS))
        return 0;
    if (is_interrupted(stopping))
        return error_set(error, ERROR_CANCELLED, "stop it again, and it is killed",
                         "interrupted; QEMU was told to quit");
    *ret_way = STOP_BY_KILL;
    if (stopping->process_fd >= 0 && supervise_kill(stopping->process_fd) == 0 &&
        await_end(stopping, KILL_MS))
        return 0;
    return error_set(error, ERROR_TIMEOUT, "end its process by hand",
                     "QEMU does not end%s", stopping->process_fd < 0
                                                ? ", and it is not known which process it is"
                                                : "");
}

/* The second monitor serves when another client holds the first. */
static struct vm *connect_vm(const char *name, struct error *error)
{
    static const char *const monitors[] = {VM_DIRECTORY_QMP, VM_DIRECTORY_QMP_2};
    char path[VM_DIRECTORY_MAX], agent[VM_DIRECTORY_MAX];
    struct vm_options options = {.qmp_path = path};
    struct vm *vm = NULL;
    json_t *answer;
    size_t i;

    if (vm_directory_find_socket(name, VM_DIRECTORY_AGENT, agent, sizeof(agent), NULL) == 0)
        options.agent_path = agent;
    for (i = 0; i < COUNT_OF(monitors); i++) {
        if (vm_directory_find_socket(name, monitors[i], path, sizeof(path),
                                     i == 0 ? error : NULL) < 0)
            break;
        vm_free(vm);
        vm = vm_new(&options, error);
        answer = vm != NULL ? blocking_qmp(vm_qmp(vm), "query-status", NULL, MONITOR_SILENCE_MS,
                                           NULL)
                            : NULL;
        json_decref(answer);
        if (answer != NULL)
            break;
    }
    return vm; /* one that does not answer can still be killed */
}

/* Of a launched VM, the keeper puts things in order after QEMU's end. */
static int await_keeper(pid_t keeper, struct error *error)
{
    AUTO_FD int fd = keeper > 0 ? supervise_open_process(keeper) : -1;
    struct pollfd polled = {.fd = fd, .events = POLLIN};

    if (fd < 0 || clock_poll(&polled, 1, clock_now_ms() + KEEPER_MS) > 0)
        return 0;
    return error_set(error, ERROR_TIMEOUT, "end that process by hand",
                     "QEMU has ended, and its supervisor, process %ld, has not", (long)keeper);
}

static bool is_adopted(const char *name)
{
    AUTO_FD int directory = vm_directory_open(name, false, NULL);

    return directory >= 0 && run_directory_is_adopted(directory);
}

int stop_vm(const char *name, unsigned grace_seconds, const struct stop_interrupt *interrupt,
            enum stop_way *ret_way, struct error *error)
{
    struct stopping stopping = {
        .pump.ops = &process_ops, .process_fd = -1, .interrupt = interrupt};
    struct error problem = ERROR_INIT;
    pid_t keeper = 0;
    bool launched;
    int status;

    *ret_way = STOP_BY_ITSELF;
    if (vm_directory_check_name(name, error) < 0)
        return -1;
    launched = run_directory_is_launched(name, &keeper);
    if (!launched && !is_adopted(name))
        return error_set(error, ERROR_BLOCKED, "see vmplug get vm", "no VM '%s' runs here", name);
    stopping.vm = connect_vm(name, &problem);
    if (stopping.vm == NULL && launched && !run_directory_is_launched(name, NULL))
        return 0; /* it has just ended */
    if (stopping.vm == NULL)
        return error_set(error, problem.code, "vmplug forget takes its name away, if it has ended",
                         "%s", problem.why);
    find_process(&stopping);
    status = end(&stopping, grace_seconds * 1000.0, ret_way, error);
    if (stopping.process_fd >= 0)
        close(stopping.process_fd);
    vm_free(stopping.vm);
    return status == 0 && launched ? await_keeper(keeper, error) : status;
}
