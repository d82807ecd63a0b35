/* SPDX-License-Identifier: MIT */
#include "base/cleanup.h"
#include "cli/help.h"
#include "cli/invocation.h"
#include "cli/report.h"

static int run(struct invocation *invocation)
{
    const struct command_group *group;
    const struct command *command;
    struct error error = ERROR_INIT;
    size_t words = 0;

    if (invocation->operand_count == 0) {
        help_overview(&invocation->out, invocation->groups);
        return 0;
    }
    command = invocation_find(invocation->groups, invocation->operands, invocation->operand_count,
                              &group, &words);
    if (command != NULL && words == invocation->operand_count) {
        help_command(&invocation->out, command);
        return 0;
    }
    if (command == NULL && group != NULL && invocation->operand_count == 1) {
        help_group(&invocation->out, group);
        return 0;
    }
    if (command != NULL)
        (void)error_set(&error, ERROR_INVALID, "give the subcommand's words and no operand",
                        "help: '%s' is more than a subcommand", invocation->operands[words]);
    else
        (void)invocation_refuse_words(invocation->groups, invocation->operands,
                                      invocation->operand_count, group, &error);
    return report_mistake(invocation, &error);
}

static const struct command_example examples[] = {
    {"help", "the list of subcommands"},
    {"help disk", "those about disks"},
    {"help disk add", "one of them, with its options and examples"},
    {NULL, NULL},
};

static const struct command commands[] = {
    {
        .name = "help",
        .operands = "[SUBCOMMAND]",
        .operands_max = 2,
        .summary = "explain vmplug, or one of its subcommands",
        .help = "vmplug SUBCOMMAND --help says the same.",
        .examples = examples,
        .run = run,
    },
};

const struct command_group cmd_help_group = {
    .title = "Help", .commands = commands, .count = COUNT_OF(commands)};
