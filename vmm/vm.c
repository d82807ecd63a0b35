/* SPDX-License-Identifier: MIT */
#include "vmm/vm.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "qmp/field.h"

TAILQ_HEAD(vm_timer_list, vm_timer);

struct vm {
    struct pump timer_pump; /* first, so that the pump is the vm */
    struct vm_timer_list timers;
    struct qmp_client *qmp;
    struct agent *agent;
    struct error agent_failure;
    struct ledger ledger;
    struct record *record; /* NULL: none is kept */
    bool record_bound;     /* to QEMU's process */
    bool was_given_socket;
    pid_t process; /* as in the options */
};

/* A port that the guest closes may be the agent's, which has ended then without a word on its
 * socket. Which port is which is not told; being asked twice does an agent no harm. */
static void take_event(void *user, const struct qmp_event *event)
{
    struct vm *vm = user;

    if (event != NULL && strcmp(event->name, "ACPI_DEVICE_OST") == 0)
        (void)ledger_take_event(&vm->ledger, event->data, event->monotonic_ms);
    else if (event != NULL && strcmp(event->name, "VSERPORT_CHANGE") == 0 && vm->agent != NULL &&
             !field_bool(event->data, "open", true))
        agent_ask_again(vm->agent);
}

static int no_fd(const struct pump *pump)
{
    (void)pump;
    return -1;
}

static short no_events(const struct pump *pump)
{
    (void)pump;
    return 0;
}

static double next_timer_ms(const struct pump *pump)
{
    const struct vm *vm = (const struct vm *)pump;
    const struct vm_timer *timer;
    double at_ms = CLOCK_NEVER_MS;

    TAILQ_FOREACH(timer, &vm->timers, link)
        at_ms = clock_earlier_ms(at_ms, timer->at_ms);
    return at_ms;
}

/* Fires one timer at a time: its callback may set or stop others. */
static enum pump_result fire(struct pump *pump, short revents)
{
    struct vm *vm = (struct vm *)pump;
    double now_ms = clock_now_ms();
    struct vm_timer *timer;

    (void)revents;
    TAILQ_FOREACH(timer, &vm->timers, link) {
        if (timer->at_ms > now_ms)
            continue;
        vm_timer_stop(vm, timer);
        timer->fired(timer->user);
        return PUMP_PROGRESS;
    }
    return PUMP_IDLE;
}

static const struct pump_ops timer_pump_ops = {
    .fd = no_fd,
    .events = no_events,
    .deadline_ms = next_timer_ms,
    .process = fire,
};

struct vm *vm_new(const struct vm_options *options, struct error *error)
{
    const struct qmp_client_options qmp_options = {
        .path = options->qmp_path,
        .fd = options->qmp_fd,
        .greeting_timeout_ms = options->greeting_timeout_ms,
        .tap = options->tap,
    };
    AUTO_FD int agent_fd = options->agent_path == NULL && options->agent_fd > 0 ? options->agent_fd
                                                                               : -1;
    struct agent_options agent_options = {.path = options->agent_path, .tap = options->tap};
    struct vm *vm = calloc(1, sizeof(*vm));

    if (vm == NULL) {
        if (options->qmp_path == NULL)
            close(options->qmp_fd);
        (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
        return NULL;
    }
    vm->process = options->process;
    vm->was_given_socket = options->qmp_path == NULL;
    TAILQ_INIT(&vm->timers);
    vm->timer_pump.ops = &timer_pump_ops;
    vm->qmp = qmp_client_new(&qmp_options, error);
    if (vm->qmp == NULL) {
        free(vm);
        return NULL;
    }
    if (options->runtime_dir != NULL)
        vm->record = record_new(options->runtime_dir);
    if (qmp_client_subscribe(vm->qmp, take_event, vm) == 0 ||
        (options->runtime_dir != NULL && vm->record == NULL)) {
        vm_free(vm);
        (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
        return NULL;
    }
    if (options->agent_path != NULL || agent_fd >= 0) {
        agent_options.fd = steal_fd(&agent_fd);
        vm->agent = agent_new(&agent_options, &vm->agent_failure);
    }
    return vm;
}

void vm_free(struct vm *vm)
{
    if (vm == NULL)
        return;
    agent_free(vm->agent);
    qmp_client_free(vm->qmp);
    ledger_free(&vm->ledger);
    record_free(vm->record);
    free(vm);
}

size_t vm_pumps(struct vm *vm, struct pump *pumps[VM_PUMPS_MAX])
{
    size_t count = 0;

    pumps[count++] = qmp_client_pump(vm->qmp);
    if (vm->agent != NULL)
        pumps[count++] = agent_pump(vm->agent);
    pumps[count++] = &vm->timer_pump;
    return count;
}

struct qmp_client *vm_qmp(struct vm *vm)
{
    return vm->qmp;
}

struct agent *vm_agent(struct vm *vm)
{
    return vm->agent;
}

pid_t vm_process(const struct vm *vm)
{
    pid_t pid = vm->process != 0 ? vm->process : qmp_client_peer(vm->qmp);

    return pid < 0 || (vm->was_given_socket && pid == getpid()) ? 0 : pid;
}

bool vm_has_agent(const struct vm *vm)
{
    return vm->agent != NULL && agent_failure(vm->agent) == NULL;
}

const struct error *vm_agent_failure(const struct vm *vm)
{
    const struct error *failure = vm->agent != NULL ? agent_failure(vm->agent) : NULL;

    return failure != NULL ? failure : &vm->agent_failure;
}

struct pump *vm_connect_agent(struct vm *vm, const char *path, struct error *error)
{
    const struct agent_options options = {.path = path};

    if (vm_has_agent(vm)) {
        (void)error_set(error, ERROR_BUSY, "", "the agent is connected already");
        return NULL;
    }
    agent_free(STEAL(vm->agent));
    vm->agent_failure = (struct error)ERROR_INIT;
    vm->agent = agent_new(&options, &vm->agent_failure);
    if (vm->agent != NULL)
        return agent_pump(vm->agent);
    if (error != NULL)
        *error = vm->agent_failure;
    return NULL;
}

void vm_rest(struct vm *vm)
{
    qmp_client_rest(vm->qmp);
    if (vm->agent != NULL)
        agent_rest(vm->agent);
}

struct ledger *vm_ledger(struct vm *vm)
{
    return &vm->ledger;
}

struct record *vm_record(struct vm *vm)
{
    pid_t pid;

    if (vm == NULL || vm->record == NULL)
        return NULL;
    pid = vm->record_bound ? 0 : vm_process(vm);
    if (pid > 0)
        vm->record_bound = record_bind(vm->record, pid);
    return vm->record_bound ? vm->record : NULL;
}

int64_t vm_submit(struct vm *vm, enum peer peer, const struct request *request,
                  struct error *error)
{
    if (peer == PEER_QMP)
        return qmp_client_submit(vm->qmp, request, error);
    if (vm->agent != NULL)
        return agent_submit(vm->agent, request, error);
    json_decref(request->arguments);
    return error_set(error, ERROR_CONNECT, "give its socket with --agent",
                     "no guest agent is connected");
}

void vm_cancel(struct vm *vm, enum peer peer, int64_t id)
{
    if (peer == PEER_QMP)
        qmp_client_cancel(vm->qmp, id);
    else if (vm->agent != NULL)
        agent_cancel(vm->agent, id);
}

void vm_close_guest_file(struct vm *vm, int64_t handle)
{
    if (vm->agent != NULL)
        agent_close_file(vm->agent, handle);
}

void vm_timer_set(struct vm *vm, struct vm_timer *timer, double at_ms)
{
    if (!timer->armed)
        TAILQ_INSERT_TAIL(&vm->timers, timer, link);
    timer->armed = true;
    timer->at_ms = at_ms;
    pump_changed(&vm->timer_pump);
}

void vm_timer_stop(struct vm *vm, struct vm_timer *timer)
{
    if (!timer->armed)
        return;
    TAILQ_REMOVE(&vm->timers, timer, link);
    timer->armed = false;
    pump_changed(&vm->timer_pump);
}
