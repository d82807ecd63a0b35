/* SPDX-License-Identifier: MIT */
/* A VM behind an API that people already speak. */
#include <stdio.h>

#include "base/cleanup.h"
#include "cli/elsewhere.h"
#include "cli/report.h"

#define SERVE_PROGRAM "vmplug-serve"
#define ARGUMENTS_MAX 9

static int check(const struct invocation *invocation, struct error *error)
{
    const struct options *options = &invocation->options;

    if (options->api_socket == NULL)
        return error_set(error, ERROR_INVALID, "give --api-socket PATH",
                         "serve: where to listen is not said");
    if (options->qmp_path == NULL && options->vm_name == NULL)
        return error_set(error, ERROR_INVALID,
                         "give its QMP socket with --qmp PATH or VMPLUG_QMP, or a VM's --vm NAME",
                         "serve: no QEMU is named");
    return 0;
}

/* The other program reads no environment, and knows no names. */
static int run(struct invocation *invocation)
{
    const struct options *options = &invocation->options;
    const char *arguments[ARGUMENTS_MAX] = {NULL};
    char seconds[32];
    size_t count = 0;

    (void)snprintf(seconds, sizeof(seconds), "%.6f", options->timeout_ms / 1e3);
    arguments[count++] = "--qmp";
    arguments[count++] = options->qmp_path;
    arguments[count++] = "--api-socket";
    arguments[count++] = options->api_socket;
    arguments[count++] = "--timeout";
    arguments[count++] = seconds;
    if (options->agent_path != NULL) {
        arguments[count++] = "--agent";
        arguments[count++] = options->agent_path;
    }
    return elsewhere_run(invocation, SERVE_PROGRAM, arguments);
}

static const struct command_example examples[] = {
    {"serve --qmp /run/vm/qmp --agent /run/vm/agent --api-socket /run/vm/api", "one VM"},
    {"serve -n vm1 --api-socket /run/vm1/api", "one that vmplug launched"},
    {NULL, NULL},
};

static const struct command commands[] = {
    {
        .name = "serve",
        .operands = "",
        .summary = "serve Cloud Hypervisor's HTTP API for one VM",
        .help =
            "On the Unix socket --api-socket, which is its owner's alone, programs made for Cloud "
            "Hypervisor find its /api/v1: GET vmm.ping, vm.info and vm.counters; PUT vm.resize "
            "(desired_vcpus, desired_ram, desired_balloon, together or alone), vm.resize-disk, "
            "vm.add-disk, vm.remove-device (of disks), vm.pause and vm.resume. Fields, codes and "
            "error bodies are that project's.\n\n"
            "A change is answered when the guest has it, and nobody need put anything online "
            "inside; where there is no agent, when QEMU has it. Changes are made one after the "
            "other. As long as the guest keeps a vCPU that it was asked for, a resize gets 429. "
            "vCPUs and memory of vmplug's that a reboot of the guest has left offline are put "
            "online again. Of add-disk's fields, path, id, serial, readonly and image_type count; "
            "one that would make it another disk, such as vhost_user, is refused.\n\n"
            "It holds the monitor and the agent: give QEMU a second -qmp socket for others. A "
            "line on stdout says when it listens. SIGTERM finishes the device under way, "
            "begins no other, and ends; a second one ends at once. It ends with 9 when QEMU does.",
        .examples = examples,
        .options = OPTION_BIT(OPTION_QMP) | OPTION_BIT(OPTION_AGENT) | OPTION_BIT(OPTION_VM) |
                   OPTION_BIT(OPTION_TIMEOUT) | OPTION_BIT(OPTION_API_SOCKET),
        .flags = COMMAND_USES_AGENT,
        .check = check,
        .run = run,
    },
};

const struct command_group cmd_serve_group = {
    .title = "For other programs", .commands = commands, .count = COUNT_OF(commands)};
