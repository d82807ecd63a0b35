/* SPDX-License-Identifier: MIT */
/* What is said of a VM in a manifest, and carried out. */
#include "base/cleanup.h"
#include "cli/manifest_run.h"
#include "vmm/vm_directory.h"

#define MANIFESTS                                                                       \
    "A manifest is KubeVirt's own: a VirtualMachine, and beside it what it rests on, a KubeVirt " \
    "object for limits and feature gates, PersistentVolumeClaims and PersistentVolumes that say " \
    "which file a claim is. vmplug-manifest(5) has every field. A VirtualMachine may say as " \
    "little as it likes: what it does not say stays as it is.\n\n"

#define WHICH                                                                           \
    "The VM is the one of this name that vmplug launched or adopted, or the one at --qmp, or at " \
    "the manifest's annotation vmplug/qmp-socket."

static int check_files(const struct invocation *invocation, struct error *error)
{
    if (invocation->options.file_count > 0 || invocation->options.vm_name != NULL)
        return 0;
    return error_set(error, ERROR_INVALID,
                     "give --file FILE, or --vm NAME for what is stored of it",
                     "%s: no manifest is named", invocation->command->name);
}

static int check_volume(const struct invocation *invocation, struct error *error)
{
    const char *name = invocation->options.volume_name;

    if (name == NULL)
        return error_set(error, ERROR_INVALID, "give --volume-name=NAME",
                         "%s: no volume is named", invocation->command->name);
    if (vm_directory_check_name(name, NULL) == 0)
        return 0;
    return error_set(error, ERROR_INVALID,
                     "use at most 63 of a-z, 0-9 and -, with no - at either end",
                     "%s: '%.80s' is no name for a volume", invocation->command->name, name);
}

static int check_patch(const struct invocation *invocation, struct error *error)
{
    if (invocation->options.patch == NULL)
        return error_set(error, ERROR_INVALID, "give --patch PATCH", "patch vm: there is no patch");
    if (!options_given(&invocation->options, OPTION_TYPE))
        return error_set(error, ERROR_INVALID, "say --type json or --type merge",
                         "patch vm: what kind of patch it is, is not said");
    return 0;
}

static const struct command_example plan_examples[] = {
    {"plan -f vm.yaml", "what an apply would do, and why"},
    {"plan -f vm.yaml --json | jq '.blocked'", "what can't be done while the VM runs"},
    {"plan -n vm1", "what is left to do of what is stored"},
    {NULL, NULL},
};

static const struct command_example apply_examples[] = {
    {"apply -f vm.yaml", "the VM becomes what the manifest says"},
    {"apply -f manifests/", "all of a directory, claims and volumes, too"},
    {"apply -f vm.yaml --qmp /run/vm/qmp --agent /run/vm/agent", "at these sockets"},
    {NULL, NULL},
};

static const struct command_example addvolume_examples[] = {
    {"addvolume vm1 --volume-name=data", "the claim data becomes a disk, until the VM is stopped"},
    {"addvolume vm1 --volume-name=data --persist", "and it is in the manifest"},
    {NULL, NULL},
};

static const struct command_example removevolume_examples[] = {
    {"removevolume vm1 --volume-name=data", "takes the disk back"},
    {NULL, NULL},
};

#define OPTIONS_PLAN \
    (OPTIONS_VM | OPTION_BIT(OPTION_FILE) | OPTION_BIT(OPTION_API_SOCKET))

static const struct command commands[] = {
    {
        .name = "plan",
        .operands = "",
        .summary = "say what a manifest would change, and change nothing",
        .help = MANIFESTS
            "Prints the operations in their order, each with its reason, and what is blocked. "
            "Exits 0 when there is nothing to do, 11 when there are changes to make, 7 when "
            "something that was asked for is blocked.\n\n" WHICH,
        .examples = plan_examples,
        .options = OPTIONS_PLAN,
        .check = check_files,
        .run = manifest_run,
    },
    {
        .name = "apply",
        .operands = "",
        .summary = "let a VM become what a manifest says, while it runs",
        .help = MANIFESTS
            "Manifests are stored, as kubectl apply stores them: what was in the one applied "
            "before and is not in this one goes, what neither had stays. Then the plan is carried "
            "out, one step after the other, and each is proved as far as the guest can be asked. "
            "A second apply finds nothing to do. What can't be done while the VM runs is said, "
            "with the reason, keeps nothing else from being done, and makes the exit code 7.\n\n"
            WHICH " Where it does not run, what is stored is what its next launch takes.",
        .examples = apply_examples,
        .options = OPTIONS_PLAN | OPTION_BIT(OPTION_WAIT) | OPTION_BIT(OPTION_FORCE) |
                   OPTION_BIT(OPTION_DRY_RUN),
        .check = check_files,
        .run = manifest_run,
    },
    {
        .name = "addvolume",
        .operands = "VM",
        .operands_min = 1,
        .operands_max = 1,
        .summary = "plug a claim as a disk, as virtctl does",
        .help = "The volume is the PersistentVolumeClaim, or DataVolume, of its name, which has "
                "been applied before. It is on virtio-scsi unless --bus says virtio, and its "
                "serial number is its name unless --serial says otherwise. Without --persist it "
                "is in no manifest: an apply leaves it alone, and the next launch has it not.",
        .examples = addvolume_examples,
        .options = OPTIONS_REMOVE | OPTION_BIT(OPTION_VOLUME_NAME) | OPTION_BIT(OPTION_SERIAL) |
                   OPTION_BIT(OPTION_BUS) | OPTION_BIT(OPTION_PERSIST),
        .flags = COMMAND_NAMES_VM,
        .check = check_volume,
        .run = manifest_run,
    },
    {
        .name = "removevolume",
        .operands = "VM",
        .operands_min = 1,
        .operands_max = 1,
        .summary = "take a volume back, as virtctl does",
        .help = "It is taken out of the VM's manifest, too, where it is in there: otherwise the "
                "next apply would bring it back. --persist is taken for virtctl's sake, and says "
                "nothing more.",
        .examples = removevolume_examples,
        .options = OPTIONS_REMOVE | OPTION_BIT(OPTION_VOLUME_NAME) | OPTION_BIT(OPTION_PERSIST),
        .flags = COMMAND_NAMES_VM,
        .check = check_volume,
        .run = manifest_run,
    },
};

const struct command_group cmd_manifest_group = {
    .title = "Manifests", .commands = commands, .count = COUNT_OF(commands)};

/* ---- objects ---- */

static const struct command_example get_vm_examples[] = {
    {"get vm", "the VMs that have a manifest or run"},
    {"get vm vm1 -o yaml", "the manifest that is stored, with its status"},
    {NULL, NULL},
};

static const struct command_example get_vmi_examples[] = {
    {"get vmi vm1 -o yaml", "what QEMU and the guest have now, in KubeVirt's fields"},
    {"get vmi vm1 -o json | jq .status.currentCPUTopology", "its sockets, cores and threads"},
    {NULL, NULL},
};

#define OPTIONS_GET \
    (OPTIONS_VM | OPTION_BIT(OPTION_OUTPUT) | OPTION_BIT(OPTION_API_SOCKET))

static const struct command get_commands[] = {
    {
        .name = "get vm",
        .operands = "[NAME]",
        .operands_max = 1,
        .summary = "show VirtualMachines",
        .help = "The manifest as it is stored, with a status that comes from QEMU: conditions, "
                "and with RestartRequired what can't change while the VM runs.",
        .examples = get_vm_examples,
        .options = OPTIONS_GET,
        .flags = COMMAND_NAMES_VM,
        .run = manifest_run,
    },
    {
        .name = "get vmi",
        .operands = "[NAME]",
        .operands_max = 1,
        .summary = "show VirtualMachineInstances: VMs that run",
        .help = "status.currentCPUTopology, status.memory and status.volumeStatus are what the "
                "guest says, where it has an agent (the condition AgentConnected), else what QEMU "
                "has. HotVCPUChange and HotMemoryChange are there as long as something is to "
                "change, which another vmplug may be at.",
        .examples = get_vmi_examples,
        .options = OPTIONS_GET,
        .flags = COMMAND_NAMES_VM,
        .run = manifest_run,
    },
};

const struct command_group cmd_get_group = {.word = "get",
                                            .title = "Objects",
                                            .commands = get_commands,
                                            .count = COUNT_OF(get_commands)};

static const struct command_example patch_examples[] = {
    {"patch vm vm1 --type=json "
     "-p='[{\"op\":\"replace\",\"path\":\"/spec/template/spec/domain/cpu/sockets\",\"value\":5}]'",
     "five sockets"},
    {"patch vm vm1 --type=merge "
     "-p='{\"spec\":{\"template\":{\"spec\":{\"domain\":{\"memory\":{\"guest\":\"2Gi\"}}}}}}'",
     "two GiB of memory"},
    {NULL, NULL},
};

static const struct command patch_commands[] = {
    {
        .name = "patch vm",
        .operands = "NAME",
        .operands_min = 1,
        .operands_max = 1,
        .summary = "change what is stored of a VM, and carry it out",
        .help = "As kubectl patch, with --type json (RFC 6902) or merge (RFC 7386). A patch whose "
                "outcome is no VirtualMachine changes nothing.",
        .examples = patch_examples,
        .options = OPTIONS_REMOVE | OPTION_BIT(OPTION_TYPE) | OPTION_BIT(OPTION_PATCH) |
                   OPTION_BIT(OPTION_API_SOCKET),
        .flags = COMMAND_NAMES_VM,
        .check = check_patch,
        .run = manifest_run,
    },
};

const struct command_group cmd_patch_group = {.word = "patch",
                                              .title = "Patches",
                                              .commands = patch_commands,
                                              .count = COUNT_OF(patch_commands)};
