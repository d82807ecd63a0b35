/* SPDX-License-Identifier: MIT */
/*
 * Adds a vCPU to a running VM, from a loop of its own around poll(2).
 *
 *     cc -Wall -o loop_poll loop_poll.c $(pkg-config --cflags --libs libvmplug)
 *     ./loop_poll QMP-SOCKET [AGENT-SOCKET]
 *
 * The loop asks each pump anew before it waits: which descriptor, for what, how long. That is all
 * that a loop owes to vmplug. loop_epoll.c and loop_ev.c keep watchers instead.
 */
#include <poll.h>
#include <stdio.h>

#include <vmplug/vmm.h>

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

/* Waits until something is ready or due, and has each pump do its part. Returns how many pumps are
 * left: a dead one, whose connection has ended, is driven no more. */
static size_t turn(struct vmplug_pump *pumps[], size_t count)
{
    struct pollfd polled[VMPLUG_VM_PUMPS_MAX];
    int timeout_ms = -1;
    size_t i;

    for (i = 0; i < count; i++) {
        int due_ms = vmplug_pump_timeout_ms(pumps[i]);

        if (due_ms >= 0 && (timeout_ms < 0 || due_ms < timeout_ms))
            timeout_ms = due_ms;
        polled[i].fd = vmplug_pump_fd(pumps[i]); /* -1 for the VM's timers: poll(2) skips it */
        polled[i].events = vmplug_pump_events(pumps[i]);
        polled[i].revents = 0;
    }
    (void)poll(polled, count, timeout_ms); /* interrupted: nothing was ready, which does no harm */
    for (i = count; i-- > 0;) {
        if (vmplug_pump_process(pumps[i], polled[i].revents) == VMPLUG_PUMP_DEAD)
            pumps[i] = pumps[--count]; /* which has had its turn: we go down */
    }
    return count;
}

int main(int argc, char **argv)
{
    struct progress progress = {.verdict = VMPLUG_FAILED};
    const struct vmplug_vm_options options = {.struct_bytes = sizeof(options),
                                              .qmp_path = argc > 1 ? argv[1] : "",
                                              .agent_path = argc > 2 ? argv[2] : NULL};
    const struct vmplug_request request = {
        .struct_bytes = sizeof(request), .action = VMPLUG_CPU_ADD, .count = 1};
    const struct vmplug_observer observer = {
        .struct_bytes = sizeof(observer), .stage = on_stage, .done = on_done, .user = &progress};
    struct vmplug_error error;
    struct vmplug_vm *vm = vmplug_vm_open(&options, &error);
    struct vmplug_operation *operation =
        vm != NULL ? vmplug_operation_start(vm, &request, &observer, &error) : NULL;
    struct vmplug_pump *pumps[VMPLUG_VM_PUMPS_MAX];
    size_t count;

    if (operation == NULL) {
        fprintf(stderr, "%s; %s\n", error.why, error.fix);
        vmplug_vm_free(vm);
        return 1;
    }
    count = vmplug_vm_pumps(vm, pumps);
    while (!progress.ended)
        count = turn(pumps, count);
    vmplug_operation_free(operation);
    vmplug_vm_free(vm);
    return vmplug_verdict_is_success(progress.verdict) ? 0 : 1;
}
