/* SPDX-License-Identifier: MIT */
/*
 * Adds a vCPU to a running VM, from libev's loop, by the adapter that comes with vmplug.
 *
 *     cc -Wall -o loop_ev loop_ev.c $(pkg-config --cflags --libs libvmplug) -lev
 *     ./loop_ev QMP-SOCKET [AGENT-SOCKET]
 */
#include <stdio.h>

#include <vmplug/loop_ev.h>
#include <vmplug/vmm.h>

struct progress {
    struct ev_loop *loop;
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
    ev_break(progress->loop, EVBREAK_ALL);
}

/* Returns an enum vmplug_verdict. */
static int add_vcpu(struct vmplug_vm *vm)
{
    const struct vmplug_request request = {
        .struct_bytes = sizeof(request), .action = VMPLUG_CPU_ADD, .count = 1};
    struct progress progress = {.loop = ev_default_loop(EVFLAG_AUTO), .verdict = VMPLUG_FAILED};
    const struct vmplug_observer observer = {
        .struct_bytes = sizeof(observer), .stage = on_stage, .done = on_done, .user = &progress};
    struct vmplug_error error;
    struct vmplug_operation *operation;
    struct vmplug_loop_ev attachments[VMPLUG_VM_PUMPS_MAX];
    struct vmplug_pump *pumps[VMPLUG_VM_PUMPS_MAX];
    size_t i, count = vmplug_vm_pumps(vm, pumps);

    for (i = 0; i < count; i++)
        vmplug_loop_ev_attach(&attachments[i], progress.loop, pumps[i], NULL, NULL);
    operation = vmplug_operation_start(vm, &request, &observer, &error);
    if (operation == NULL)
        fprintf(stderr, "%s; %s\n", error.why, error.fix);
    else
        ev_run(progress.loop, 0);
    vmplug_operation_free(operation);
    for (i = 0; i < count; i++)
        vmplug_loop_ev_detach(&attachments[i]);
    ev_loop_destroy(progress.loop);
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
