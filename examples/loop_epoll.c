/* SPDX-License-Identifier: MIT */
/*
 * Adds a vCPU to a running VM, from a loop around epoll(7).
 *
 *     cc -Wall -o loop_epoll loop_epoll.c $(pkg-config --cflags --libs libvmplug)
 *     ./loop_epoll QMP-SOCKET [AGENT-SOCKET]
 *
 * Descriptors stay registered, and are brought up to date when a pump says that its answers have
 * changed. A program of thousands of VMs would keep the deadlines in a heap.
 */
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <vmplug/vmm.h>

/* ---- the adapter ---- */

struct watch {
    struct vmplug_pump *pump;
    int epoll, fd, events; /* as registered; fd -1: not */
    int is_processing, is_dead;
};

/* Registers what the pump wants now. A descriptor that it no longer names has been closed, and
 * epoll has forgotten it then by itself: its number may be somebody else's by now. */
static void watch_update(struct watch *watch)
{
    int fd = vmplug_pump_fd(watch->pump);
    short wanted = vmplug_pump_events(watch->pump);
    struct epoll_event event = {.data.ptr = watch};

    event.events = ((wanted & POLLIN) ? EPOLLIN : 0u) | ((wanted & POLLOUT) ? EPOLLOUT : 0u);
    if (fd != watch->fd && fd >= 0)
        (void)epoll_ctl(watch->epoll, EPOLL_CTL_ADD, fd, &event);
    else if (fd >= 0 && (int)event.events != watch->events)
        (void)epoll_ctl(watch->epoll, EPOLL_CTL_MOD, fd, &event);
    watch->fd = fd;
    watch->events = (int)event.events;
}

/* Called by the library when a command was submitted, an operation begun. */
static void watch_changed(void *user)
{
    struct watch *watch = user;

    if (!watch->is_processing)
        watch_update(watch);
}

static void watch_attach(struct watch *watch, int epoll, struct vmplug_pump *pump)
{
    *watch = (struct watch){.pump = pump, .epoll = epoll, .fd = -1};
    vmplug_pump_on_change(pump, watch_changed, watch);
    watch_update(watch);
}

static void watch_detach(struct watch *watch)
{
    if (watch->fd >= 0)
        (void)epoll_ctl(watch->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
    vmplug_pump_on_change(watch->pump, NULL, NULL);
}

static void watch_process(struct watch *watch, short revents)
{
    if (watch->is_dead)
        return;
    watch->is_processing = 1;
    watch->is_dead = vmplug_pump_process(watch->pump, revents) == VMPLUG_PUMP_DEAD;
    watch->is_processing = 0;
    watch_update(watch);
}

static int earliest_ms(const struct watch *watches, size_t count)
{
    int timeout_ms = -1;
    size_t i;

    for (i = 0; i < count; i++) {
        int due_ms = watches[i].is_dead ? -1 : vmplug_pump_timeout_ms(watches[i].pump);

        if (due_ms >= 0 && (timeout_ms < 0 || due_ms < timeout_ms))
            timeout_ms = due_ms;
    }
    return timeout_ms;
}

/* One wait, and what comes of it. */
static void turn(int epoll, struct watch *watches, size_t count)
{
    struct epoll_event events[8];
    int i, ready = epoll_wait(epoll, events, 8, earliest_ms(watches, count));
    size_t each;

    for (i = 0; i < ready; i++) { /* EPOLLIN and its like are POLLIN's numbers */
        watch_process(events[i].data.ptr, (short)events[i].events);
    }
    for (each = 0; each < count; each++) { /* and those whose time has come */
        if (!watches[each].is_dead && vmplug_pump_timeout_ms(watches[each].pump) == 0)
            watch_process(&watches[each], 0);
    }
}

/* ---- the program ---- */

struct progress {
    int ended, verdict;
};

static void on_stage(void *user, struct vmplug_result *so_far)
{
    (void)user;
    printf("%s: %s\n", vmplug_result_id(so_far), vmplug_level_name(vmplug_result_level(so_far)));
}

static void on_done(void *user, struct vmplug_result *result)
{
    struct progress *progress = user;

    progress->ended = 1;
    progress->verdict = vmplug_result_verdict(result);
    printf("%s %s\n", vmplug_verdict_name(progress->verdict), vmplug_result_error(result)->why);
}

/* Returns an enum vmplug_verdict. */
static int add_vcpu(struct vmplug_vm *vm)
{
    const struct vmplug_request request = {
        .struct_bytes = sizeof(request), .action = VMPLUG_CPU_ADD, .count = 1};
    struct progress progress = {.verdict = VMPLUG_FAILED};
    const struct vmplug_observer observer = {
        .struct_bytes = sizeof(observer), .stage = on_stage, .done = on_done, .user = &progress};
    struct vmplug_error error;
    struct vmplug_operation *operation;
    struct watch watches[VMPLUG_VM_PUMPS_MAX];
    struct vmplug_pump *pumps[VMPLUG_VM_PUMPS_MAX];
    size_t i, count = vmplug_vm_pumps(vm, pumps);
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    for (i = 0; i < count; i++)
        watch_attach(&watches[i], epoll, pumps[i]);
    operation = vmplug_operation_start(vm, &request, &observer, &error);
    if (operation == NULL)
        fprintf(stderr, "%s; %s\n", error.why, error.fix);
    while (operation != NULL && !progress.ended)
        turn(epoll, watches, count);
    vmplug_operation_free(operation);
    for (i = 0; i < count; i++)
        watch_detach(&watches[i]);
    close(epoll);
    return progress.verdict;
}

int main(int argc, char **argv)
{
    const struct vmplug_vm_options options = {.struct_bytes = sizeof(options),
                                              .qmp_path = argc > 1 ? argv[1] : "",
                                              .agent_path = argc > 2 ? argv[2] : NULL};
    struct vmplug_error error;
    struct vmplug_vm *vm = vmplug_vm_open(&options, &error);
    int verdict;

    if (vm == NULL) {
        fprintf(stderr, "%s; %s\n", error.why, error.fix);
        return 1;
    }
    verdict = add_vcpu(vm);
    vmplug_vm_free(vm);
    return vmplug_verdict_is_success(verdict) ? 0 : 1;
}
