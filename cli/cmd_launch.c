/* SPDX-License-Identifier: MIT */
/* VMs by name: started by vmplug, or by somebody else. */
#include "base/cleanup.h"
#include "cli/manifest_run.h"

static int check_launch(const struct invocation *invocation, struct error *error)
{
    if (invocation->options.file_count > 0 || invocation->options.vm_name != NULL)
        return 0;
    return error_set(error, ERROR_INVALID,
                     "give --file FILE, or --vm NAME for what is stored of it",
                     "launch: no manifest is named");
}

static int check_adopt(const struct invocation *invocation, struct error *error)
{
    if (invocation->options.qmp_path != NULL)
        return 0;
    return error_set(error, ERROR_INVALID, "give its QMP socket with --qmp PATH",
                     "adopt: no QEMU is named");
}

static const struct command_example launch_examples[] = {
    {"launch -f vm.yaml", "starts the VM, with the room to grow that the manifest declares"},
    {"launch -f vm.yaml --print", "QEMU's command line, and nothing else"},
    {"launch -n vm1", "starts again what is stored"},
    {NULL, NULL},
};

static const struct command_example adopt_examples[] = {
    {"adopt vm1 --qmp /run/vm/qmp --agent /run/vm/agent", "from now on it is --vm vm1"},
    {NULL, NULL},
};

static const struct command_example forget_examples[] = {
    {"forget vm1", "the VM goes on running, if it was adopted; its manifest is gone"},
    {NULL, NULL},
};

static const struct command_example stop_examples[] = {
    {"stop vm1", "asks the guest, and ends it by force after 30 seconds"},
    {"stop vm1 --grace 300", "gives it five minutes"},
    {NULL, NULL},
};

static const struct command commands[] = {
    {
        .name = "launch",
        .operands = "",
        .summary = "start a VM from its manifest, with room to grow",
        .help = "QEMU gets the vCPUs and the memory that the manifest says, and room for as many "
                "as it may have at most (maxSockets, maxGuest, else the cluster's limits, else "
                "four times as much), free PCI ports, a virtio-scsi bus, the agent's channel and "
                "two monitors. It runs on when vmplug has ended, and its log stays. The manifest "
                "is stored as by apply.\n\n"
                "It boots from its disks, or from the annotations vmplug/kernel, vmplug/initrd "
                "and vmplug/cmdline. What was plugged and is in the manifest comes back with the "
                "same ids and addresses.",
        .examples = launch_examples,
        .options = OPTION_BIT(OPTION_FILE) | OPTION_BIT(OPTION_VM) | OPTION_BIT(OPTION_PRINT) |
                   OPTION_BIT(OPTION_JSON) | OPTION_BIT(OPTION_TIMEOUT),
        .check = check_launch,
        .run = manifest_run,
    },
    {
        .name = "adopt",
        .operands = "NAME",
        .operands_min = 1,
        .operands_max = 1,
        .summary = "give a name to a QEMU that somebody else has started",
        .help = "--vm NAME then stands for its sockets, and a manifest of that name for the VM. A "
                "device that it has is the manifest's disk of that name when its id or its file "
                "is the same; others are left alone.",
        .examples = adopt_examples,
        .options = OPTIONS_VM & ~OPTION_BIT(OPTION_VM),
        .check = check_adopt,
        .run = manifest_run,
    },
    {
        .name = "forget",
        .operands = "NAME",
        .operands_min = 1,
        .operands_max = 1,
        .summary = "take a VM's name away, and what is stored of it",
        .help = "An adopted QEMU is not touched. One that vmplug launched has to be stopped "
                "first. Disk images stay.",
        .examples = forget_examples,
        .options = OPTION_BIT(OPTION_JSON),
        .flags = COMMAND_NAMES_VM,
        .run = manifest_run,
    },
    {
        .name = "stop",
        .operands = "NAME",
        .operands_min = 1,
        .operands_max = 1,
        .summary = "shut a VM down, by force when it takes too long",
        .help = "The guest is asked by its agent and by ACPI; when it has not ended within the "
                "grace period, QEMU is. The manifest stays stored.",
        .examples = stop_examples,
        .options = OPTION_BIT(OPTION_GRACE) | OPTION_BIT(OPTION_JSON),
        .flags = COMMAND_NAMES_VM,
        .run = manifest_run,
    },
};

const struct command_group cmd_launch_group = {
    .title = "VMs by name", .commands = commands, .count = COUNT_OF(commands)};
