/* SPDX-License-Identifier: MIT */
#include "cli/completion.h"

#include <string.h>

/* What the script does whatever the tables say: finds the subcommand's words, leaving out options
 * and their arguments, and offers what fits at the cursor. bash splits --wait=online in
 * three, and file:/path, too. */
static const char beginning[] =
    "# bash completion of vmplug; made by vmplug-generate\n"
    "\n"
    "_vmplug_words() {\n"
    "\tmapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$2\")\n"
    "}\n"
    "\n"
    "_vmplug_files() {\n"
    "\tcompopt -o filenames 2>/dev/null\n"
    "\tmapfile -t COMPREPLY < <(compgen -f -- \"$1\")\n"
    "}\n"
    "\n"
    /* What compgen is given it expands like a shell: so only what an id is made of. */
    "_vmplug_ids() {\n"
    "\t[[ -n $VMPLUG_QMP ]] || return\n"
    "\t_vmplug_words \"$(VMPLUG_AGENT='' vmplug $1 --json --timeout 1 2>/dev/null |\n"
    "\t\tgrep -o '\"id\":\"[A-Za-z][A-Za-z0-9._-]*\"' | cut -d '\"' -f 4)\" \"$2\"\n"
    "}\n"
    "\n"
    "_vmplug_vms() {\n"
    "\t_vmplug_words \"$(vmplug get vm 2>/dev/null | grep -o '^[a-z0-9][a-z0-9-]* ')\" \"$1\"\n"
    "}\n"
    "\n"
    "_vmplug() {\n"
    "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
    "\tlocal first='' second='' third='' skip='' word i\n"
    "\n"
    "\tCOMPREPLY=()\n"
    "\tif [[ $cur == : || $prev == : ]]; then\n"
    "\t\t_vmplug_files \"${cur#:}\"\n"
    "\t\treturn\n"
    "\telif [[ $cur == = ]]; then\n"
    "\t\tcur=\n"
    "\telif [[ $prev == = ]]; then\n"
    "\t\tprev=${COMP_WORDS[COMP_CWORD-2]}\n"
    "\tfi\n";

static const char middle[] =
    "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
    "\t\tword=${COMP_WORDS[i]}\n"
    "\t\tif [[ $word == [=:] ]]; then\n"
    "\t\t\tskip=yes\n"
    "\t\telif [[ -n $skip ]]; then\n"
    "\t\t\tskip=\n"
    "\t\telif [[ $word == -* ]]; then\n"
    "\t\t\tcase $word in\n";

static const char after_skips[] =
    "\t\t\tesac\n"
    "\t\telif [[ -z $first ]]; then\n"
    "\t\t\tfirst=$word\n"
    "\t\telif [[ -z $second ]]; then\n"
    "\t\t\tsecond=$word\n"
    "\t\telif [[ -z $third ]]; then\n"
    "\t\t\tthird=$word\n"
    "\t\tfi\n"
    "\tdone\n";

static const char end[] = "}\n\ncomplete -F _vmplug vmplug\n";

/* "--wait", or "-q|--qmp" */
static void print_pattern(struct output *out, const struct option_spec *spec)
{
    if (spec->letter != 0)
        output_print(out, "-%c|", spec->letter);
    output_print(out, "--%s", spec->name);
}

static void print_values(struct output *out)
{
    const struct option_spec *spec;
    size_t i;

    output_print(out, "\tcase $prev in\n");
    for (i = 0; i < OPTIONS_; i++) {
        spec = options_spec((enum option_key)i);
        if (spec->argument == NULL)
            continue;
        output_print(out, "\t");
        print_pattern(out, spec);
        if (i == OPTION_VM)
            output_print(out, ") _vmplug_vms \"$cur\"; return ;;\n");
        else if (spec->is_file)
            output_print(out, ") _vmplug_files \"$cur\"; return ;;\n");
        else if (spec->values != NULL)
            output_print(out, ") _vmplug_words '%s' \"$cur\"; return ;;\n", spec->values);
        else
            output_print(out, ") return ;;\n");
    }
    output_print(out, "\tesac\n");
}

static void print_skips(struct output *out)
{
    const struct option_spec *spec;
    const char *separator = "\t\t\t";
    size_t i;

    for (i = 0; i < OPTIONS_; i++) {
        spec = options_spec((enum option_key)i);
        if (spec->argument == NULL)
            continue;
        output_print(out, "%s", separator);
        print_pattern(out, spec);
        separator = "|";
    }
    output_print(out, ") skip=yes ;;\n");
}

/* What may stand first: groups, and commands of one word. */
static void print_first_words(struct output *out, const struct command_group *const *groups)
{
    const char *separator = "";
    size_t i;

    for (; *groups != NULL; groups++) {
        for (i = 0; i < (*groups)->count; i++) {
            output_print(out, "%s%s", separator,
                         (*groups)->word != NULL ? (*groups)->word : (*groups)->commands[i].name);
            separator = " ";
            if ((*groups)->word != NULL)
                break;
        }
    }
}

static void print_second_words(struct output *out, const struct command_group *const *groups)
{
    const struct command_group *group;
    size_t i;

    output_print(out, "\tcase $first in\n");
    for (; *groups != NULL; groups++) {
        group = *groups;
        if (group->word == NULL)
            continue;
        output_print(out, "\t%s) _vmplug_words '", group->word);
        for (i = 0; i < group->count; i++)
            output_print(out, "%s%s", i > 0 ? " " : "",
                         group->commands[i].name + strlen(group->word) + 1);
        output_print(out, "' \"$cur\" ;;\n");
    }
    output_print(out, "\tesac\n");
}

static void print_option_words(struct output *out, const struct command *command)
{
    uint64_t options = command->options | OPTION_BIT(OPTION_HELP);
    size_t i;

    output_print(out, "\t'%s'", command->name);
    if (strchr(command->name, ' ') == NULL)
        output_print(out, "|'%s '*", command->name);
    output_print(out, ") _vmplug_words '");
    for (i = 0; i < OPTIONS_; i++) {
        if ((options & OPTION_BIT(i)) != 0)
            output_print(out, "--%s ", options_spec((enum option_key)i)->name);
    }
    output_print(out, "' \"$cur\"; return ;;\n");
}

static void print_options(struct output *out, const struct command_group *const *groups)
{
    size_t i;

    output_print(out, "\tif [[ $cur == -* ]]; then\n\tcase \"$first${second:+ $second}\" in\n");
    for (; *groups != NULL; groups++) {
        for (i = 0; i < (*groups)->count; i++)
            print_option_words(out, &(*groups)->commands[i]);
    }
    output_print(out, "\t*) _vmplug_words '");
    for (i = 0; i < OPTIONS_; i++) {
        if ((OPTIONS_COMMON & OPTION_BIT(i)) != 0)
            output_print(out, "--%s ", options_spec((enum option_key)i)->name);
    }
    output_print(out, "' \"$cur\"; return ;;\n\tesac\n\tfi\n");
}

static void print_command_operands(struct output *out, const struct command *command)
{
    bool one_word = strchr(command->name, ' ') == NULL;
    bool files = (command->flags & COMMAND_TAKES_FILES) != 0;
    bool vm = (command->flags & COMMAND_NAMES_VM) != 0;

    if (!files && !vm && command->words == NULL && command->ids == NULL)
        return;
    output_print(out, "\t'%s%s) ", command->name, one_word ? " '*" : "'");
    if (files && command->ids != NULL)
        output_print(out, "[[ -z $third ]] || { _vmplug_files \"$cur\"; return; }; ");
    if (vm)
        output_print(out, "[[ -n $%s ]] || _vmplug_vms \"$cur\"", one_word ? "second" : "third");
    else if (command->ids != NULL)
        output_print(out, "_vmplug_ids '%s' \"$cur\"", command->ids);
    else if (command->words != NULL)
        output_print(out, "_vmplug_words '%s' \"$cur\"", command->words);
    else
        output_print(out, "_vmplug_files \"$cur\"");
    output_print(out, "; return ;;\n");
}

static void print_operands(struct output *out, const struct command_group *const *groups)
{
    size_t i;

    output_print(out, "\tcase \"$first $second\" in\n");
    for (; *groups != NULL; groups++) {
        for (i = 0; i < (*groups)->count; i++)
            print_command_operands(out, &(*groups)->commands[i]);
    }
    output_print(out, "\tesac\n");
}

void completion_print(struct output *out, const struct command_group *const *groups)
{
    output_print(out, "%s", beginning);
    print_values(out);
    output_print(out, "%s", middle);
    print_skips(out);
    output_print(out, "%s", after_skips);
    /* `help cpu add` is completed like `cpu add`. */
    output_print(out, "\tif [[ $first == help ]]; then\n\t\tfirst=$second\n\t\tsecond=\n\tfi\n");
    print_options(out, groups);
    output_print(out, "\tif [[ -z $first ]]; then\n\t\t_vmplug_words '");
    print_first_words(out, groups);
    output_print(out, "' \"$cur\"\n\t\treturn\n\tfi\n");
    print_operands(out, groups);
    output_print(out, "\t[[ -z $second ]] || return\n");
    print_second_words(out, groups);
    output_print(out, "%s", end);
}
