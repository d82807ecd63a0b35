/* SPDX-License-Identifier: MIT */
/* For builds: what is installed beside the program, and must say what it does. */
#include "base/cleanup.h"
#include "cli/completion.h"
#include "cli/manual.h"

static int generate_man(struct invocation *invocation)
{
    manual_print(&invocation->out, invocation->groups);
    return 0;
}

static int generate_completion(struct invocation *invocation)
{
    completion_print(&invocation->out, invocation->groups);
    return 0;
}

static const struct command_example no_examples[] = {{NULL, NULL}};

static const struct command commands[] = {
    {
        .name = "generate man",
        .operands = "",
        .summary = "print vmplug(1)",
        .help = "The source is for groff and mandoc.",
        .examples = no_examples,
        .run = generate_man,
    },
    {
        .name = "generate bash-completion",
        .operands = "",
        .summary = "print the completion for bash",
        .help = "Source it, or install it as bash-completion/completions/vmplug.",
        .examples = no_examples,
        .run = generate_completion,
    },
};

const struct command_group cmd_generate_group = {
    .word = "generate",
    .title = "Builds",
    .hidden = true,
    .commands = commands,
    .count = COUNT_OF(commands),
};
