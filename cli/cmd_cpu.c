/* SPDX-License-Identifier: MIT */
#include "base/cleanup.h"
#include "cli/fetch.h"
#include "cli/perform.h"
#include "cli/status_json.h"
#include "cli/status_text.h"
#include "qmp/codec.h"

#define COUNT_MAX 4096

static int list(struct invocation *invocation)
{
    int exit_code = 0;
    struct inventory *inventory =
        fetch(invocation, INVENTORY_CPUS | INVENTORY_AGENT | INVENTORY_GUEST_CPUS, &exit_code);

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
    };

    (void)read_target(invocation, &request.target, NULL);
    return perform(invocation, &request);
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
        .options = OPTIONS_VM | OPTION_BIT(OPTION_WAIT),
        .flags = COMMAND_NEEDS_QMP | COMMAND_USES_AGENT,
        .check = check_add,
        .run = add,
    },
    {
        .name = "cpu set",
        .operands = "N",
        .operands_min = 1,
        .operands_max = 1,
        .summary = "add vCPUs until there are N in all",
        .help = "Counts the boot vCPUs in. With N there already, nothing is done, which is a "
                "success. This version only adds: fewer than there are is blocked.",
        .examples = set_examples,
        .options = OPTIONS_VM | OPTION_BIT(OPTION_WAIT),
        .flags = COMMAND_NEEDS_QMP | COMMAND_USES_AGENT,
        .check = check_set,
        .run = set,
    },
};

const struct command_group cmd_cpu_group = {
    .word = "cpu", .title = "vCPUs", .commands = commands, .count = COUNT_OF(commands)};
