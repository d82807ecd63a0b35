/* SPDX-License-Identifier: MIT */
#include "cli/invocation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/help.h"
#include "cli/named_vm.h"
#include "cli/report.h"
#include "cli/suggest.h"
#include "cli/trace.h"

/* How many of the words a command's name takes, 0 when they are not its name. */
static size_t match(const struct command *command, const char *const *words, size_t count)
{
    size_t length = count > 0 ? strlen(words[0]) : 0;
    const char *rest = command->name + length;

    if (count == 0 || strncmp(command->name, words[0], length) != 0)
        return 0;
    if (*rest == '\0')
        return 1;
    return count > 1 && *rest == ' ' && strcmp(rest + 1, words[1]) == 0 ? 2 : 0;
}

const struct command *invocation_find(const struct command_group *const *groups,
                                      const char *const *words, size_t count,
                                      const struct command_group **ret_group, size_t *ret_words)
{
    const struct command_group *group;
    size_t i;

    *ret_group = NULL;
    for (; *groups != NULL; groups++) {
        group = *groups;
        if (count > 0 && group->word != NULL && strcmp(group->word, words[0]) == 0)
            *ret_group = group;
        for (i = 0; i < group->count; i++) {
            *ret_words = match(&group->commands[i], words, count);
            if (*ret_words > 0)
                return &group->commands[i];
        }
    }
    return NULL;
}

static void consider_group(struct suggestion *suggestion, const struct command_group *group,
                           bool second_words)
{
    size_t i;

    for (i = 0; i < group->count; i++)
        suggest_consider(suggestion,
                         group->commands[i].name + (second_words ? strlen(group->word) + 1 : 0));
}

static void list_second_words(const struct command_group *group, char *text, size_t size)
{
    size_t i, used;

    *text = '\0';
    for (i = 0; i < group->count; i++) {
        used = strlen(text);
        (void)snprintf(text + used, size - used, "%s%s", i == 0 ? "" : ", ",
                       group->commands[i].name + strlen(group->word) + 1);
    }
}

static int refuse_second_word(const struct command_group *group, const char *word,
                              struct error *error)
{
    struct suggestion suggestion = {.typed = word};
    char words[128];

    list_second_words(group, words, sizeof(words));
    if (word == NULL) {
        (void)error_set(error, ERROR_INVALID, "", "%s: say what to do with it", group->word);
        error_advise(error, "one of %s, or see vmplug help %s", words, group->word);
        return -1;
    }
    consider_group(&suggestion, group, true);
    (void)error_set(error, ERROR_INVALID, "", "%s %s: there is no such subcommand", group->word,
                    word);
    if (suggestion.word != NULL)
        error_advise(error, "did you mean vmplug %s %s?", group->word, suggestion.word);
    else
        error_advise(error, "vmplug %s takes %s", group->word, words);
    return -1;
}

int invocation_refuse_words(const struct command_group *const *groups, const char *const *words,
                            size_t count, const struct command_group *group, struct error *error)
{
    struct suggestion suggestion = {.typed = words[0]};
    const char *translated = suggest_translate(words[0]);

    if (group != NULL)
        return refuse_second_word(group, count > 1 ? words[1] : NULL, error);
    for (; *groups != NULL; groups++) {
        if ((*groups)->word != NULL)
            suggest_consider(&suggestion, (*groups)->word);
        else
            consider_group(&suggestion, *groups, false);
    }
    (void)error_set(error, ERROR_INVALID, "see vmplug help", "%s: there is no such subcommand",
                    words[0]);
    if (translated != NULL)
        error_advise(error, "use vmplug %s", translated);
    else if (suggestion.word != NULL)
        error_advise(error, "did you mean vmplug %s?", suggestion.word);
    return -1;
}

static int check_operands(const struct invocation *invocation, struct error *error)
{
    const struct command *command = invocation->command;

    if (invocation->operand_count < command->operands_min)
        (void)error_set(error, ERROR_INVALID, "", "%s: something is missing behind it",
                        command->name);
    else if (invocation->operand_count > command->operands_max)
        /* Of JSON that was not quoted well any part may be a secret. */
        (void)error_set(error, ERROR_INVALID, "", "%s: '%s' is more than it takes", command->name,
                        (command->flags & COMMAND_TAKES_JSON) != 0
                            ? "..."
                            : invocation->operands[command->operands_max]);
    else
        return 0;
    error_advise(error, "write vmplug %s%s%s%s", command->name,
                 (command->options & OPTION_BIT(OPTION_FILE)) != 0 ? " --file FILE" : "",
                 command->operands[0] != '\0' ? " " : "", command->operands);
    return -1;
}

static int check_sockets(const struct invocation *invocation, struct error *error)
{
    const struct command *command = invocation->command;

    if ((command->flags & COMMAND_NEEDS_QMP) != 0 && invocation->options.qmp_path == NULL)
        return error_set(error, ERROR_INVALID,
                         "give its QMP socket with --qmp PATH or VMPLUG_QMP, or a VM's --vm NAME",
                         "%s: no QEMU is named", command->name);
    if ((command->flags & COMMAND_NEEDS_AGENT) != 0 && invocation->options.agent_path == NULL)
        return error_set(error, ERROR_INVALID,
                         "give its socket with --agent PATH or VMPLUG_AGENT, or a VM's --vm NAME",
                         "%s: no guest agent is named", command->name);
    return 0;
}

static void begin_trace(const struct invocation *invocation, struct trace *trace,
                        const struct session_options *session)
{
    struct trace_run run = {
        .arguments = invocation->arguments,
        .qmp_path = session->qmp_path,
        .agent_path = session->agent_path,
    };

    if ((invocation->command->flags & COMMAND_TAKES_JSON) != 0) {
        run.raw_command = invocation->operands[0];
        run.raw_json = invocation->operand_count > 1 ? invocation->operands[1] : NULL;
    }
    trace_begin(trace, &run);
}

int invocation_run_connected(struct invocation *invocation, const char *qmp_path,
                             const char *agent_path, int (*run)(struct invocation *invocation))
{
    const struct options *options = &invocation->options;
    struct session_options session_options = {
        .qmp_path = qmp_path, .agent_path = agent_path, .timeout_ms = options->timeout_ms};
    struct error error = ERROR_INIT;
    struct trace trace;
    int exit_code;

    if (trace_open(&trace, options->trace_path, options->verbose, &error) < 0)
        return report_mistake(invocation, &error);
    begin_trace(invocation, &trace, &session_options);
    session_options.tap = trace_tap(&trace);
    if (session_open(&invocation->session, &session_options, &error) < 0)
        exit_code = report_failure(invocation, report_verdict(&error, false), &error);
    else
        exit_code = run(invocation);
    session_close(&invocation->session);
    trace_end(&trace, exit_code);
    trace_close(&trace);
    return exit_code;
}

static int run_connected(struct invocation *invocation)
{
    const struct options *options = &invocation->options;
    unsigned flags = invocation->command->flags;
    bool qmp = (flags & (COMMAND_NEEDS_QMP | COMMAND_USES_QMP)) != 0;
    bool agent = (flags & (COMMAND_USES_AGENT | COMMAND_NEEDS_AGENT)) != 0;

    return invocation_run_connected(invocation, qmp ? options->qmp_path : NULL,
                                    agent ? options->agent_path : NULL,
                                    invocation->command->run);
}

#define VM_FLAGS                                                                        \
    (COMMAND_NEEDS_QMP | COMMAND_USES_QMP | COMMAND_USES_AGENT | COMMAND_NEEDS_AGENT)

static int run_command(struct invocation *invocation)
{
    const struct command *command = invocation->command;
    const struct options *options = &invocation->options;
    struct error error = ERROR_INIT;
    struct named_vm named;

    if (options_given(options, OPTION_HELP)) {
        help_command(&invocation->out, command);
        return 0;
    }
    if (options_check_taken(options, command->options, command->name, &error) < 0 ||
        check_operands(invocation, &error) < 0 ||
        (command->check != NULL && command->check(invocation, &error) < 0))
        return report_mistake(invocation, &error);
    if ((command->flags & VM_FLAGS) != 0 &&
        named_vm_resolve(&invocation->options, &named, &error) < 0)
        return report_failure(invocation, VERDICT_BLOCKED, &error);
    if (check_sockets(invocation, &error) < 0)
        return report_mistake(invocation, &error);
    if ((command->flags & (COMMAND_NEEDS_QMP | COMMAND_NEEDS_AGENT)) != 0 ||
        ((command->flags & COMMAND_USES_QMP) != 0 && options->qmp_path != NULL))
        return run_connected(invocation);
    return command->run(invocation);
}

/* The command `version`, of vmplug alone, whatever else is there. */
static void take_version(struct invocation *invocation)
{
    static const char *words[] = {"version"};

    invocation->operands = words;
    invocation->operand_count = COUNT_OF(words);
    invocation->options.given &= OPTION_BIT(OPTION_JSON);
    invocation->options.qmp_path = NULL;
}

static int dispatch(struct invocation *invocation)
{
    const struct command_group *group;
    struct error error = ERROR_INIT;
    bool help = options_given(&invocation->options, OPTION_HELP);
    size_t words = 0;

    if (options_given(&invocation->options, OPTION_VERSION))
        take_version(invocation);
    if (invocation->operand_count == 0 && invocation->out.json) {
        (void)error_set(&error, ERROR_INVALID, "see vmplug help", "no subcommand is named");
        return report_mistake(invocation, &error);
    }
    if (invocation->operand_count == 0) {
        help_overview(help ? &invocation->out : NULL, invocation->groups);
        return help ? 0 : 2;
    }
    invocation->command = invocation_find(invocation->groups, invocation->operands,
                                          invocation->operand_count, &group, &words);
    if (invocation->command == NULL && group != NULL && help && invocation->operand_count == 1) {
        help_group(&invocation->out, group);
        return 0;
    }
    if (invocation->command == NULL) {
        (void)invocation_refuse_words(invocation->groups, invocation->operands,
                                      invocation->operand_count, group, &error);
        return report_mistake(invocation, &error);
    }
    invocation->operands += words;
    invocation->operand_count -= words;
    return run_command(invocation);
}

/* A program started with a closed stdout would get QEMU's socket in its place, and print to it. */
static void fill_standard_streams(void)
{
    int fd;

    for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            _exit(1);
    }
}

static int finish(struct invocation *invocation, int exit_code)
{
    struct output *out = &invocation->out;

    output_flush(out);
    if (out->failure != 0 && out->failure != EPIPE)
        fprintf(stderr, "vmplug: stdout: cannot write: %s; look where the output goes\n",
                strerror(out->failure));
    return output_exit_code(out, exit_code);
}

int invocation_main(const struct command_group *const *groups, int argc, char *const argv[])
{
    struct invocation invocation = {.groups = groups,
                                    .arguments = (const char *const *)argv + (argc > 0 ? 1 : 0)};
    struct error error = ERROR_INIT;
    AUTO_FREE const char **operands = NULL;
    int status;

    fill_standard_streams();
    operands = calloc((size_t)argc + 1, sizeof(*operands));
    if (operands == NULL)
        return 1;
    status = options_parse(&invocation.options, argc, argv, operands, &invocation.operand_count,
                           &error);
    invocation.operands = operands;
    output_init(&invocation.out, stdout,
                invocation.options.json && !options_given(&invocation.options, OPTION_HELP));
    return finish(&invocation,
                  status < 0 ? report_mistake(&invocation, &error) : dispatch(&invocation));
}
