/* SPDX-License-Identifier: MIT */
#include "cli/named_vm.h"

int named_vm_resolve(struct options *options, struct named_vm *named, struct error *error)
{
    bool said = options_given(options, OPTION_VM);

    if (options->vm_name == NULL || options_given(options, OPTION_QMP) ||
        (!said && options->qmp_path != NULL))
        return 0;
    if (vm_directory_find_socket(options->vm_name, VM_DIRECTORY_QMP, named->qmp_path,
                                 sizeof(named->qmp_path), error) < 0)
        return -1;
    options->qmp_path = named->qmp_path;
    if (options_given(options, OPTION_AGENT))
        return 0;
    options->agent_path = NULL; /* what the environment names is another VM's */
    if (vm_directory_find_socket(options->vm_name, VM_DIRECTORY_AGENT, named->agent_path,
                                 sizeof(named->agent_path), NULL) == 0)
        options->agent_path = named->agent_path;
    return 0;
}
