/* SPDX-License-Identifier: MIT */
/*
 * Grows a running VM: to so many vCPUs and so much memory in all. Each call returns when the guest
 * has them, or when it is certain that it has not.
 *
 *     cc -Wall -o grow grow.c $(pkg-config --cflags --libs libvmplug)
 *     ./grow QMP-SOCKET AGENT-SOCKET VCPUS MIB
 */
#include <stdio.h>
#include <stdlib.h>

#include <vmplug/vmm.h>

int main(int argc, char **argv)
{
    struct vmplug_vm_options options = {.struct_bytes = sizeof(options)};
    struct vmplug_error error = {.code = VMPLUG_ERROR_NONE};
    struct vmplug_vm *vm;
    int verdict = VMPLUG_FAILED;

    if (argc != 5) {
        fprintf(stderr, "usage: grow QMP-SOCKET AGENT-SOCKET VCPUS MIB\n");
        return 2;
    }
    options.qmp_path = argv[1];
    options.agent_path = argv[2];
    vm = vmplug_vm_open(&options, &error);
    if (vm != NULL)
        verdict = vmplug_cpu_set(vm, (unsigned)atoi(argv[3]), 0, NULL, &error);
    if (vmplug_verdict_is_success(verdict))
        verdict = vmplug_memory_set(vm, strtoull(argv[4], NULL, 10) << 20, 0, NULL, &error);
    if (vmplug_verdict_is_success(verdict))
        printf("the guest has grown: %s\n", vmplug_verdict_name(verdict));
    else
        fprintf(stderr, "%s: %s; %s\n", vmplug_verdict_name(verdict), error.why, error.fix);
    vmplug_vm_free(vm);
    return vmplug_verdict_is_success(verdict) ? 0 : 1;
}
