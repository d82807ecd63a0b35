/* SPDX-License-Identifier: MIT */
#include "cli/help.h"

#include <string.h>

#define WIDTH 80
#define SUMMARY_COLUMN 28
#define OPTION_COLUMN 24

/* Prints words behind what stands on the line already (at column), broken before WIDTH; further
 * lines begin at indent. An empty line in the text stays one. */
static void wrap(struct output *out, size_t column, size_t indent, const char *text)
{
    size_t length;

    while (*text != '\0') {
        if (strncmp(text, "\n\n", 2) == 0) {
            output_print(out, "\n\n%*s", (int)indent, "");
            column = indent;
            text += 2;
            continue;
        }
        length = strcspn(text, " \n");
        if (column > indent && column + 1 + length > WIDTH) {
            output_print(out, "\n%*s", (int)indent, "");
            column = indent;
        }
        if (column > indent) {
            output_print(out, " ");
            column++;
        }
        output_print(out, "%.*s", (int)length, text);
        column += length;
        text += length;
        text += *text == ' ' || (*text == '\n' && text[1] != '\n') ? 1 : 0;
    }
    output_print(out, "\n");
}

/* A term, and what it means from a column on: below the term when that is too long. */
static void print_term(struct output *out, const char *term, size_t column, const char *meaning)
{
    size_t used = 2 + strlen(term);

    output_print(out, "  %s", term);
    if (used + 2 > column) {
        output_print(out, "\n");
        used = 0;
    }
    output_print(out, "%*s", (int)(column - used), "");
    wrap(out, column, column, meaning);
}

static void print_option(struct output *out, const struct option_spec *spec)
{
    char letter[8] = "    ", term[64], meaning[256];

    if (spec->letter != 0)
        (void)snprintf(letter, sizeof(letter), "-%c, ", spec->letter);
    (void)snprintf(term, sizeof(term), "%s--%s%s%s", letter, spec->name,
                   spec->argument != NULL ? " " : "", spec->argument != NULL ? spec->argument : "");
    (void)snprintf(meaning, sizeof(meaning), "%s%s%s%s", spec->help,
                   spec->variable != NULL ? " (or " : "",
                   spec->variable != NULL ? spec->variable : "", spec->variable != NULL ? ")" : "");
    print_term(out, term, OPTION_COLUMN, meaning);
}

static void print_options(struct output *out, uint64_t options)
{
    size_t i;

    output_print(out, "\nOptions:\n");
    for (i = 0; i < OPTIONS_; i++) {
        if ((options & OPTION_BIT(i)) != 0)
            print_option(out, options_spec((enum option_key)i));
    }
}

static void print_commands(struct output *out, const struct command_group *group)
{
    const struct command *command;
    char term[128];
    size_t i;

    for (i = 0; i < group->count; i++) {
        command = &group->commands[i];
        (void)snprintf(term, sizeof(term), "%s%s%s", command->name,
                       command->operands[0] != '\0' ? " " : "", command->operands);
        print_term(out, term, SUMMARY_COLUMN, command->summary);
    }
}

void help_overview(struct output *out, const struct command_group *const *groups)
{
    if (out == NULL) {
        fputs("usage: vmplug [OPTION]... SUBCOMMAND [OPERAND]...\n"
              "vmplug help lists the subcommands, vmplug help cpu add explains one of them.\n",
              stderr);
        return;
    }
    output_print(out, "usage: vmplug [OPTION]... SUBCOMMAND [OPERAND]...\n\n");
    wrap(out, 0, 0,
         "Adds vCPUs, memory and disks to a QEMU that is running, over QMP, and takes them back, "
         "and proves that the guest has them or has let them go.");
    for (; *groups != NULL; groups++) {
        output_print(out, "\n%s:\n", (*groups)->title);
        print_commands(out, *groups);
    }
    print_options(out, OPTIONS_COMMON);
    output_print(out, "\nExamples:\n"
                      "  export VMPLUG_QMP=/run/vm/qmp VMPLUG_AGENT=/run/vm/agent\n"
                      "  vmplug status\n"
                      "  vmplug cpu add 2\n"
                      "  vmplug memory add 512M\n"
                      "  vmplug disk add data.qcow2\n\n"
                      "vmplug help SUBCOMMAND explains one of them; man vmplug says it all.\n");
}

void help_group(struct output *out, const struct command_group *group)
{
    const struct command_example *example;
    size_t i;

    output_print(out, "%s:\n", group->title);
    print_commands(out, group);
    output_print(out, "\nExamples:\n");
    for (i = 0; i < group->count; i++) {
        for (example = group->commands[i].examples; example->line != NULL; example++)
            output_print(out, "  vmplug %s\n", example->line);
    }
    output_print(out, "\nvmplug help %s explains one of them.\n", group->commands[0].name);
}

void help_command(struct output *out, const struct command *command)
{
    const struct command_example *example;

    output_print(out, "usage: vmplug [OPTION]... %s%s%s\n\n", command->name,
                 command->operands[0] != '\0' ? " " : "", command->operands);
    wrap(out, 0, 0, command->summary);
    output_print(out, "\n");
    wrap(out, 0, 0, command->help);
    print_options(out, command->options | OPTION_BIT(OPTION_HELP));
    output_print(out, "\nExamples:\n");
    for (example = command->examples; example->line != NULL; example++)
        output_print(out, "  vmplug %s\n      %s\n", example->line, example->does);
}
