/* SPDX-License-Identifier: MIT */
#include <limits.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "lib/api_vm.h"

struct vmplug_vm *vmplug_vm_open(const struct vmplug_vm_options *given,
                                 struct vmplug_error *ret_error)
{
    struct vmplug_vm *vm = calloc(1, sizeof(*vm));
    struct vmplug_vm_options options;
    char runtime_dir[PATH_MAX];
    struct vm_options inner;
    struct error error = ERROR_INIT;

    api_options(&options, sizeof(options), given, given->struct_bytes);
    if (vm == NULL) {
        if (options.qmp_path == NULL)
            close(options.qmp_fd);
        if (options.agent_path == NULL && options.agent_fd > 0)
            close(options.agent_fd);
        (void)api_fail(ret_error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    vm->trace = (struct api_trace){.trace = options.trace, .user = options.trace_user};
    inner = (struct vm_options){
        .qmp_path = options.qmp_path,
        .agent_path = options.agent_path,
        .qmp_fd = options.qmp_fd,
        .agent_fd = options.agent_fd,
        .greeting_timeout_ms = options.greeting_timeout_ms,
        .runtime_dir = options.runtime_dir,
        .tap = api_tap(&vm->trace),
        .process = options.qemu_pid,
    };
    if (inner.runtime_dir == NULL)
        inner.runtime_dir = record_default_directory(runtime_dir, sizeof(runtime_dir));
    else if (inner.runtime_dir[0] == '\0')
        inner.runtime_dir = NULL;
    vm->vm = vm_new(&inner, &error);
    if (vm->vm != NULL) {
        vm->qmp = api_qmp_borrow(vm_qmp(vm->vm));
        vm->agent = vm_agent(vm->vm) != NULL ? api_agent_borrow(vm_agent(vm->vm)) : NULL;
    }
    if (vm->qmp != NULL && (vm->agent != NULL || vm_agent(vm->vm) == NULL))
        return vm;
    if (vm->vm != NULL)
        (void)error_set(&error, ERROR_SYSTEM, "", "out of memory");
    api_error(&error, ret_error);
    vmplug_vm_free(vm);
    return NULL;
}

void vmplug_vm_free(struct vmplug_vm *vm)
{
    if (vm == NULL)
        return;
    vmplug_qmp_free(vm->qmp); /* tells what was pending; likewise: */
    vmplug_agent_free(vm->agent);
    vm_free(vm->vm);
    free(vm);
}

_Static_assert(VMPLUG_VM_PUMPS_MAX == VM_PUMPS_MAX, "there is room for all");

size_t vmplug_vm_pumps(struct vmplug_vm *vm, struct vmplug_pump *pumps[VMPLUG_VM_PUMPS_MAX])
{
    return vm_pumps(vm->vm, (struct pump **)pumps);
}

struct vmplug_qmp *vmplug_vm_qmp(struct vmplug_vm *vm)
{
    return vm->qmp;
}

struct vmplug_agent *vmplug_vm_agent(struct vmplug_vm *vm)
{
    return vm_has_agent(vm->vm) ? vm->agent : NULL;
}

bool api_vm_run(struct vmplug_vm *vm, blocking_condition_fn *condition, void *user)
{
    struct pump *pumps[VM_PUMPS_MAX];
    size_t count = vm_pumps(vm->vm, pumps);

    return blocking_run(pumps, count, condition, user, CLOCK_NEVER_MS);
}
