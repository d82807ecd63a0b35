/* SPDX-License-Identifier: MIT */
#include "base/cleanup.h"
#include "cli/fetch.h"
#include "cli/perform.h"
#include "vmm/status_json.h"
#include "cli/status_text.h"
#include "qmp/codec.h"

#define COUNT_MAX 4096

static int list(struct invocation *invocation)
{
    int exit_code = 0;
    struct inventory *inventory =
        fetch(invocation, INVENTORY_BOARD | INVENTORY_AGENT | INVENTORY_GUEST_CPUS, &exit_code);

    if (inventory == NULL)
        return exit_code;
    if (invocation->out.json) {
        AUTO_JSON json_t *object = status_json_cpus(inventory);

        output_json(&invocation->out, object, 0);
    } else {
        status_text_cpus(&invocation->out, inventory);
    }
    inventory_free(inventory);
    return 0;
}

static int read_count(const struct invocation *invocation, uint64_t *ret, struct error *error)
{
    *ret = 1;
    if (invocation->operand_count == 0)
        return 0;
    return options_read_number("cpu add: COUNT", invocation->operands[0], 1, COUNT_MAX, ret, error);
}

static int check_add(const struct invocation *invocation, struct error *error)
{
    uint64_t count;

    return read_count(invocation, &count, error);
}

static int add(struct invocation *invocation)
{
    struct batch_request request = {
        .goal = BATCH_COUNT,
        .each = perform_request(invocation, OPERATION_CPU_ADD),
        .atomic = invocation->options.atomic,
    };

    (void)read_count(invocation, &request.count, NULL);
    return perform(invocation, &request);
}

static int read_target(const struct invocation *invocation, uint64_t *ret, struct error *error)
{
    return options_read_number("cpu set: N", invocation->operands[0], 1, COUNT_MAX, ret, error);
}

static int check_set(const struct invocation *invocation, struct error *error)
{
    uint64_t target;

    return read_target(invocation, &target, error);
}

static int set(struct invocation *invocation)
{
    struct batch_request request = {
        .goal = BATCH_CPUS,
        .each = perform_request(invocation, OPERATION_CPU_ADD),
        .atomic = invocation->options.atomic,
    };

    (void)read_target(invocation, &request.target, NULL);
    return perform(invocation, &request);
}

static int take_back(struct invocation *invocation)
{
    return perform_removal(invocation, OPERATION_CPU_REMOVE);
}

static const struct command_example list_examples[] = {
    {"cpu list", "slots, ids and host threads"},
    {"cpu list --json | jq .online", "how many the guest uses"},
    {NULL, NULL},
};

static const struct command_example add_examples[] = {
    {"cpu add", "one more, and wait until the guest uses it"},
    {"cpu add 3 --timeout 10", "three more, one after the other, ten seconds for each"},
    {"cpu add --wait realized", "one more in QEMU; do not ask the guest"},
    {NULL, NULL},
};

static const struct command_example set_examples[] = {
    {"cpu set 4", "four in all; fine if there are four already"},
    {"cpu set 2 --dry-run", "what would be sent to get to two"},
    {NULL, NULL},
};

static const struct command_example remove_examples[] = {
    {"cpu remove vmplug-cpu-1", "take back one that was added"},
    {"cpu remove 3 2", "by slot, which boot vCPUs need: they have no id"},
    {"cpu remove vmplug-cpu-1 --timeout 5 || vmplug wait vmplug-cpu-1", "ask now, and wait later"},
    {NULL, NULL},
};

static const struct command commands[] = {
    {
        .name = "cpu list",
        .operands = "",
        .summary = "list the vCPU slots, which are taken, and by what",
        .help = "Slots are numbered from 0, the first boot vCPU, in the order in which they are "
                "filled. Boot vCPUs have no id. THREAD is the thread on the host that runs the "
                "vCPU, as taskset(1) and chrt(1) take it. PLACE is the slot's place in the "
                "guest's topology.",
        .examples = list_examples,
        .options = OPTIONS_VM,
        .flags = COMMAND_NEEDS_QMP | COMMAND_USES_AGENT,
        .run = list,
    },
    {
        .name = "cpu add",
        .operands = "[COUNT]",
        .operands_max = 1,
        .summary = "add one vCPU, or COUNT of them",
        .help = "Each goes into the lowest free slot. Where there is an agent, the new vCPU is put "
                "online in the guest, and the guest's own list is the proof. They are added one "
                "after the other: the next is begun when the guest has the one before, and the "
                "first failure ends it.\n\n"
                "How many there can be is fixed when QEMU starts (-smp ...,maxcpus=N).",
        .examples = add_examples,
        .options = OPTIONS_CHANGE,
        .flags = COMMAND_NEEDS_QMP | COMMAND_USES_AGENT,
        .check = check_add,
        .run = add,
    },
    {
        .name = "cpu set",
        .operands = "N",
        .operands_min = 1,
        .operands_max = 1,
        .summary = "add or remove vCPUs until there are N in all",
        .help = "Counts the boot vCPUs in. With N there already, nothing is done, which is a "
                "success. Removing begins with the highest slot.",
        .examples = set_examples,
        .options = OPTIONS_CHANGE,
        .flags = COMMAND_NEEDS_QMP | COMMAND_USES_AGENT,
        .check = check_set,
        .run = set,
    },
    {
        .name = "cpu remove",
        .operands = "ID...",
        .operands_min = 1,
        .operands_max = COUNT_MAX,
        .summary = "take vCPUs back from the guest",
        .help = "ID is a vCPU's id or its slot's number (see vmplug cpu list). The guest is asked "
                "to give it back, and may refuse. Nothing is put offline beforehand: the guest "
                "does that itself, and undoes it when it can't. The first boot vCPU, slot 0, "
                "can't go.\n\nWhen the time is over and the guest has not answered, the request "
                "stands, and the verdict is pending: vmplug status shows it, and vmplug wait "
                "takes it up again.\n\nUnder emulation (TCG) some QEMUs do not survive this, or "
                "the next vCPU after it, or the next DIMM or PCI device that is added or removed: "
                "what would kill this one is blocked, unless there is --force.",
        .examples = remove_examples,
        .options = OPTIONS_REMOVE,
        .flags = COMMAND_NEEDS_QMP | COMMAND_USES_AGENT,
        .ids = "cpu list",
        .run = take_back,
    },
};

const struct command_group cmd_cpu_group = {
    .word = "cpu", .title = "vCPUs", .commands = commands, .count = COUNT_OF(commands)};
