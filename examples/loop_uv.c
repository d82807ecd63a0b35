/* SPDX-License-Identifier: MIT */
/*
 * Adds a vCPU to a running VM, from libuv's loop.
 *
 *     cc -Wall -o loop_uv loop_uv.c $(pkg-config --cflags --libs libvmplug libuv)
 *     ./loop_uv QMP-SOCKET [AGENT-SOCKET]
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <uv.h>
#include <vmplug/vmm.h>

/* ---- the adapter ---- */

/*
 * libuv wants a descriptor to stay open until its handle has been closed, which takes a turn of the
 * loop, and vmplug closes its own as soon as the other side has gone. So a duplicate is watched.
 */
struct uv_duplicate {
    uv_poll_t poll; /* first: it is freed by way of it */
    int fd;
};

struct uv_pump {
    uv_timer_t timer; /* first: likewise */
    struct uv_duplicate *duplicate; /* NULL: nothing is watched */
    struct vmplug_pump *pump;
    int fd, events; /* of the pump's, as watched */
    int is_processing, is_dead;
};

static void uv_pump_update(struct uv_pump *pump);

static void uv_pump_process(struct uv_pump *pump, short revents)
{
    pump->is_processing = 1;
    pump->is_dead = vmplug_pump_process(pump->pump, revents) == VMPLUG_PUMP_DEAD;
    pump->is_processing = 0;
    uv_pump_update(pump);
}

/* When there is an error to be read, libuv stops the handle and says so by its status. */
static void uv_pump_on_poll(uv_poll_t *poll, int status, int events)
{
    struct uv_pump *pump = poll->data;

    if (status < 0)
        pump->events = 0;
    uv_pump_process(pump, status < 0 ? POLLIN | POLLERR
                                     : (short)(((events & UV_READABLE) ? POLLIN : 0) |
                                               ((events & UV_WRITABLE) ? POLLOUT : 0)));
}

static void uv_pump_on_timer(uv_timer_t *timer)
{
    uv_pump_process(timer->data, 0);
}

static void uv_duplicate_on_close(uv_handle_t *handle)
{
    struct uv_duplicate *duplicate = (struct uv_duplicate *)handle;

    close(duplicate->fd);
    free(duplicate);
}

static void uv_pump_unwatch(struct uv_pump *pump)
{
    if (pump->duplicate != NULL)
        uv_close((uv_handle_t *)&pump->duplicate->poll, uv_duplicate_on_close);
    pump->duplicate = NULL;
}

/* Watches this descriptor instead of the one before; -1: none. */
static void uv_pump_watch(struct uv_pump *pump, int fd)
{
    struct uv_duplicate *duplicate = fd >= 0 ? malloc(sizeof(*duplicate)) : NULL;

    uv_pump_unwatch(pump);
    pump->fd = fd;
    pump->events = 0;
    if (duplicate == NULL)
        return;
    duplicate->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (uv_poll_init(pump->timer.loop, &duplicate->poll, duplicate->fd) < 0) {
        free(duplicate);
        return;
    }
    duplicate->poll.data = pump;
    pump->duplicate = duplicate;
}

static void uv_pump_update(struct uv_pump *pump)
{
    int fd = pump->is_dead ? -1 : vmplug_pump_fd(pump->pump);
    int timeout_ms = pump->is_dead ? -1 : vmplug_pump_timeout_ms(pump->pump);
    short wanted = vmplug_pump_events(pump->pump);
    int events = ((wanted & POLLIN) ? UV_READABLE : 0) | ((wanted & POLLOUT) ? UV_WRITABLE : 0);

    if (fd != pump->fd)
        uv_pump_watch(pump, fd);
    if (pump->duplicate != NULL && events != pump->events)
        (void)uv_poll_start(&pump->duplicate->poll, events, uv_pump_on_poll);
    pump->events = events;
    uv_timer_stop(&pump->timer);
    if (timeout_ms < 0)
        return;
    uv_update_time(pump->timer.loop); /* the timer counts from libuv's idea of now */
    uv_timer_start(&pump->timer, uv_pump_on_timer, (uint64_t)timeout_ms, 0);
}

/* Called by the library when a command was submitted, an operation begun. */
static void uv_pump_changed(void *user)
{
    struct uv_pump *pump = user;

    if (!pump->is_processing)
        uv_pump_update(pump);
}

/* Driven by the loop until uv_pump_free(). NULL without memory. */
static struct uv_pump *uv_pump_new(struct vmplug_pump *driven, uv_loop_t *loop)
{
    struct uv_pump *pump = calloc(1, sizeof(*pump));

    if (pump == NULL)
        return NULL;
    pump->pump = driven;
    pump->fd = -1;
    (void)uv_timer_init(loop, &pump->timer);
    pump->timer.data = pump;
    vmplug_pump_on_change(driven, uv_pump_changed, pump);
    uv_pump_update(pump);
    return pump;
}

static void uv_pump_on_close(uv_handle_t *timer)
{
    free(timer->data);
}

/* Before the driven pump goes; the loop must run on for this to be finished. Not in a callback of
 * the pump's. NULL is allowed. */
static void uv_pump_free(struct uv_pump *pump)
{
    if (pump == NULL)
        return;
    vmplug_pump_on_change(pump->pump, NULL, NULL);
    uv_pump_unwatch(pump);
    uv_close((uv_handle_t *)&pump->timer, uv_pump_on_close);
}

/* ---- the program ---- */

struct progress {
    uv_loop_t *loop;
    int verdict;
};

static void on_stage(void *user, struct vmplug_result *so_far)
{
    (void)user;
    printf("%s: %s\n", vmplug_result_id(so_far), vmplug_level_name(vmplug_result_level(so_far)));
}

static void on_done(void *user, struct vmplug_result *result)
{
    struct progress *progress = user;

    progress->verdict = vmplug_result_verdict(result);
    printf("%s %s\n", vmplug_verdict_name(progress->verdict), vmplug_result_error(result)->why);
    uv_stop(progress->loop);
}

/* Returns an enum vmplug_verdict. */
static int add_vcpu(struct vmplug_vm *vm)
{
    const struct vmplug_request request = {
        .struct_bytes = sizeof(request), .action = VMPLUG_CPU_ADD, .count = 1};
    struct progress progress = {.loop = uv_default_loop(), .verdict = VMPLUG_FAILED};
    const struct vmplug_observer observer = {
        .struct_bytes = sizeof(observer), .stage = on_stage, .done = on_done, .user = &progress};
    struct vmplug_error error;
    struct vmplug_operation *operation;
    struct uv_pump *driven[VMPLUG_VM_PUMPS_MAX];
    struct vmplug_pump *pumps[VMPLUG_VM_PUMPS_MAX];
    size_t i, count = vmplug_vm_pumps(vm, pumps);

    for (i = 0; i < count; i++)
        driven[i] = uv_pump_new(pumps[i], progress.loop);
    operation = vmplug_operation_start(vm, &request, &observer, &error);
    if (operation == NULL)
        fprintf(stderr, "%s; %s\n", error.why, error.fix);
    else
        (void)uv_run(progress.loop, UV_RUN_DEFAULT);
    vmplug_operation_free(operation);
    for (i = 0; i < count; i++)
        uv_pump_free(driven[i]);
    (void)uv_run(progress.loop, UV_RUN_DEFAULT); /* until all handles are closed */
    (void)uv_loop_close(progress.loop);
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
