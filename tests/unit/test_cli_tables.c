/* SPDX-License-Identifier: MIT */
/* The command tables against what is made of them: every example is a command line that vmplug
 * takes, every command and option is in the manual page and the completion, and words that are
 * nearly a command are answered with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "cli/completion.h"
#include "cli/help.h"
#include "cli/invocation.h"
#include "cli/manual.h"
#include "cli/roff.h"

#define WORDS_MAX 32

typedef void visit_fn(const struct command *command, void *user);

static void visit(visit_fn *function, void *user)
{
    size_t i, j;

    for (i = 0; command_groups[i] != NULL; i++) {
        for (j = 0; j < command_groups[i]->count; j++)
            function(&command_groups[i]->commands[j], user);
    }
}

static void check_entry(const struct command *command, void *user)
{
    (void)user;
    assert_true(strlen(command->name) > 0 && strlen(command->name) < COMMAND_NAME_MAX);
    assert_non_null(command->operands);
    assert_true(command->operands_min <= command->operands_max);
    assert_true((*command->operands == '\0') == (command->operands_max == 0));
    assert_true(strlen(command->summary) > 0);
    assert_true(command->summary[strlen(command->summary) - 1] != '.');
    assert_true(command->help[strlen(command->help) - 1] == '.');
    assert_non_null(command->run);
    assert_non_null(command->examples);
    if ((command->flags & COMMAND_NEEDS_QMP) != 0)
        assert_true((command->options & OPTION_BIT(OPTION_QMP)) != 0);
}

static void test_entries_are_complete(void **state)
{
    (void)state;
    visit(check_entry, NULL);
}

/* Cuts a line as a shell would, up to a pipe. Quotes are kept together, and left out. */
static int cut(char *line, char *argv[WORDS_MAX])
{
    int argc = 1;
    char *at = line;
    char quote;

    argv[0] = (char[]){"vmplug"};
    while (*at != '\0' && *at != '|') {
        assert_true(argc < WORDS_MAX);
        quote = *at == '\'' ? *at++ : ' ';
        argv[argc++] = at;
        at += strcspn(at, (char[]){quote, '\0'});
        if (*at != '\0')
            *at++ = '\0';
        at += strspn(at, " ");
    }
    return argc;
}

/* Reads it as far as can be without a VM. Returns 0, or -1 with what is wrong. */
static int read_line(const struct command *command, const char *line, struct error *error)
{
    AUTO_FREE char *copy = strdup(line);
    const char *operands[WORDS_MAX];
    struct invocation invocation = {.groups = command_groups};
    const struct command_group *group;
    char *argv[WORDS_MAX];
    size_t words = 0;
    int argc = cut(copy, argv);

    if (options_parse(&invocation.options, argc, argv, operands, &invocation.operand_count,
                      error) < 0)
        return -1;
    invocation.command =
        invocation_find(command_groups, operands, invocation.operand_count, &group, &words);
    if (command != NULL && invocation.command != command)
        fail_msg("vmplug %s: is no example of %s", line, command->name);
    command = invocation.command;
    assert_non_null(command);
    if (options_check_taken(&invocation.options, command->options, command->name, error) < 0)
        return -1;
    invocation.operands = operands + words;
    invocation.operand_count -= words;
    if (invocation.operand_count < command->operands_min ||
        invocation.operand_count > command->operands_max)
        fail_msg("vmplug %s: %zu operands", line, invocation.operand_count);
    return command->check != NULL ? command->check(&invocation, error) : 0;
}

static void check_example(const struct command *command, const char *line)
{
    struct error error = ERROR_INIT;

    if (read_line(command, line, &error) < 0)
        fail_msg("vmplug %s: %s", line, error.why);
}

/* Words that no VM could make right. */
static void test_mistakes_need_no_vm(void **state)
{
    static const char *const lines[] = {
        "disk add ''",         "disk add a.raw nbd://", "disk add http://x/y.qcow2",
        "cdrom insert cd0 ''", "cdrom insert cd0 ftp://x/y.iso", "qmp ''", "agent ''",
        "memory add 1G --id 'a b'", "disk add a.raw --serial ''",
    };
    struct error error;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(lines); i++) {
        error = (struct error)ERROR_INIT;
        if (read_line(NULL, lines[i], &error) == 0)
            fail_msg("vmplug %s is accepted", lines[i]);
        assert_int_equal(error.code, ERROR_INVALID);
        assert_true(error.fix[0] != '\0');
    }
}

static void check_examples(const struct command *command, void *user)
{
    const struct command_example *example;

    (void)user;
    assert_non_null(command->examples[0].line);
    for (example = command->examples; example->line != NULL; example++) {
        assert_non_null(example->does);
        check_example(command, example->line);
    }
}

static void test_examples_are_true(void **state)
{
    (void)state;
    visit(check_examples, NULL);
}

/* ---- what is made of the tables ---- */

typedef void print_fn(struct output *out, const struct command_group *const *printed);

static char *print(print_fn *function)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    struct output out;

    assert_non_null(stream);
    output_init(&out, stream, false);
    function(&out, command_groups);
    fclose(stream);
    return text;
}

static void assert_contains(const char *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void assert_contains(const char *text, const char *format, ...)
{
    char word[256];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(word, sizeof(word), format, arguments);
    va_end(arguments);
    if (strstr(text, word) == NULL)
        fail_msg("there is no '%s'", word);
}

/* As roff wants it: every dash of an option with a backslash before. */
static void escape_dashes(const char *from, char *to)
{
    for (; *from != '\0'; from++) {
        if (*from == '-')
            *to++ = '\\';
        *to++ = *from;
    }
    *to = '\0';
}

static void check_in_manual(const struct command *command, void *user)
{
    assert_contains(user, ".SS \"vmplug %s", command->name);
}

static void test_manual_is_complete(void **state)
{
    AUTO_FREE char *text = print(manual_print);
    char name[64];
    size_t i;

    (void)state;
    visit(check_in_manual, text);
    for (i = 0; i < OPTIONS_; i++) {
        escape_dashes(options_spec((enum option_key)i)->name, name);
        assert_contains(text, "\\fB\\-\\-%s\\fR", name);
    }
    /* Removals come in a later version. */
    for (i = 0; i < VERDICTS_; i++) {
        if (i != VERDICT_REMOVED && i != VERDICT_ERROR)
            assert_contains(text, "%s (%d)\"", verdict_name((enum verdict)i),
                            verdict_exit_code((enum verdict)i));
    }
    for (i = 0; i < RUNGS_; i++)
        assert_contains(text, ".TP\n.B \"%s\"", rung_name((enum rung)i));
    assert_contains(text, "VMPLUG_QMP");
    assert_contains(text, "VMPLUG_AGENT");
    assert_contains(text, "NO_COLOR");
    assert_contains(text, ".SH QEMU VERSIONS\n");
}

/* A line that begins with a dot or an apostrophe is a request, and there are few that we use. */
static void test_manual_has_no_stray_requests(void **state)
{
    static const char *const requests[] = {".\\\"", ".TH ", ".SH ", ".SS ", ".PP", ".TP", ".IP",
                                           ".B ",   ".BR ", ".RS ", ".RE",  ".EX", ".EE"};
    AUTO_FREE char *text = print(manual_print);
    char *rest = text, *line;
    size_t i;

    (void)state;
    while ((line = strsep(&rest, "\n")) != NULL) {
        assert_true(*line != '\'');
        if (*line != '.')
            continue;
        for (i = 0; i < COUNT_OF(requests); i++) {
            if (strncmp(line, requests[i], strlen(requests[i])) == 0)
                break;
        }
        if (i == COUNT_OF(requests))
            fail_msg("'%s' is no request of ours", line);
    }
}

static void check_in_completion(const struct command *command, void *user)
{
    size_t i;

    assert_contains(user, "'%s'", command->name);
    for (i = 0; i < OPTIONS_; i++) {
        if ((command->options & OPTION_BIT(i)) != 0)
            assert_contains(user, "--%s ", options_spec((enum option_key)i)->name);
    }
}

static void test_completion_is_complete(void **state)
{
    AUTO_FREE char *text = print(completion_print);

    (void)state;
    visit(check_in_completion, text);
    assert_contains(text, "accepted realized acknowledged online");
    assert_contains(text, "cpu) _vmplug_words 'list add set remove'");
}

/* What bash offers at the end of these words, to a user who has the VMs vm1 and web, the one at the
 * socket with a drive cd0 and a disk whose id is a trap. */
static void assert_offered(const char *words, const char *expected)
{
    AUTO_FREE char *script = print(completion_print);
    AUTO_FREE char *command = NULL;
    char offered[512] = "";
    FILE *bash;

    assert_true(asprintf(&command,
                         "vmplug() { [[ \"$*\" != 'cdrom list --json'* ]] || "
                         "echo '[{\"id\":\"cd0\"},{\"id\":\"$(id)\"}]'; "
                         "[[ \"$*\" != 'get vm' ]] || "
                         "printf 'NAME  STATUS\\nvm1   Running\\nweb   Stopped\\n$(id) x\\n'; }"
                         "\n%s\n"
                         "VMPLUG_QMP=x COMP_WORDS=(vmplug %s)\n"
                         "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) _vmplug; echo \"${COMPREPLY[*]}\"",
                         script, words) > 0);
    assert_int_equal(setenv("SCRIPT", command, 1), 0);
    bash = popen("bash -c \"$SCRIPT\"", "r");
    assert_non_null(bash);
    assert_non_null(fgets(offered, sizeof(offered), bash));
    (void)pclose(bash);
    offered[strcspn(offered, "\n")] = '\0';
    assert_string_equal(offered, expected);
}

static void test_completion_offers(void **state)
{
    (void)state;
    assert_offered("cdrom eject ''", "cd0");
    assert_offered("cdrom insert --json c", "cd0");
    assert_offered("cdrom insert cd0 /proc/version", "/proc/version");
    assert_offered("disk remove ''", "");
    assert_offered("doctor cpu_add mem", "memory_add memory_remove");
    assert_offered("memo", "memory");
    assert_offered("--wait real", "realized");
    assert_offered("get vm ''", "vm1 web");
    assert_offered("get vm web ''", "");
    assert_offered("get v", "vm vmi");
    assert_offered("addvolume w", "web");
    assert_offered("addvolume web ''", "");
    assert_offered("patch vm --type json ''", "vm1 web");
    assert_offered("cpu add --vm ''", "vm1 web");
    assert_offered("plan -n v", "vm1");
}

static void check_in_help(const struct command *command, void *user)
{
    assert_contains(user, "  %s", command->name);
}

/* Lines fit a terminal. Examples are left as long as they are. */
static void check_width(char *text)
{
    char *rest = text, *line;

    while ((line = strsep(&rest, "\n")) != NULL) {
        if (strlen(line) > 80 && strncmp(line, "  vmplug ", 9) != 0)
            fail_msg("too long: %s", line);
    }
}

static void check_help_of(const struct command *command, void *user)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    struct output out;

    (void)user;
    output_init(&out, stream, false);
    help_command(&out, command);
    fclose(stream);
    assert_contains(text, "usage: vmplug [OPTION]... %s", command->name);
    assert_contains(text, "--help");
    check_width(text);
    free(text);
}

static void test_help_is_complete(void **state)
{
    AUTO_FREE char *text = print(help_overview);

    (void)state;
    visit(check_in_help, text);
    visit(check_help_of, NULL);
    check_width(text);
}

static void print_roff(struct output *out, const struct command_group *const *unused)
{
    (void)unused;
    roff_text(out, ".dot and (--an-option) or read-only. It's \"it\"\n\n.again \\ ~^`", ".IP");
    roff_literal(out, ".x --y 'z'");
    roff_argument(out, "--a b");
}

static void test_roff(void **state)
{
    AUTO_FREE char *text = print(print_roff);

    (void)state;
    assert_string_equal(text, "\\&.dot and (\\-\\-an\\-option) or read-only.\n"
                              "It\\(aqs \\(dqit\\(dq\n.IP\n\\&.again \\e \\(ti\\(ha\\(ga\n"
                              "\\&.x \\-\\-y \\(aqz\\(aq\n"
                              "\"\\-\\-a b\"");
}

/* ---- words ---- */

static void test_find(void **state)
{
    static const char *const words[] = {"cpu", "add", "3"};
    static const char *const version[] = {"version"};
    const struct command_group *group;
    const struct command *command;
    size_t count = 0;

    (void)state;
    command = invocation_find(command_groups, words, 3, &group, &count);
    assert_string_equal(command->name, "cpu add");
    assert_int_equal(count, 2);
    command = invocation_find(command_groups, version, 1, &group, &count);
    assert_string_equal(command->name, "version");
    assert_int_equal(count, 1);
    assert_null(invocation_find(command_groups, words, 1, &group, &count));
    assert_ptr_equal(group, &cmd_cpu_group);
    assert_null(invocation_find(command_groups, words + 1, 2, &group, &count));
    assert_null(group);
}

static void assert_refusal(const char *first, const char *second, const char *why, const char *fix)
{
    const char *const words[] = {first, second};
    const struct command_group *group;
    struct error error = ERROR_INIT;
    size_t count = second != NULL ? 2 : 1, taken;

    assert_null(invocation_find(command_groups, words, count, &group, &taken));
    assert_int_equal(invocation_refuse_words(command_groups, words, count, group, &error), -1);
    assert_int_equal(error.code, ERROR_INVALID);
    assert_string_equal(error.why, why);
    assert_string_equal(error.fix, fix);
}

static void test_refusals(void **state)
{
    (void)state;
    assert_refusal("stats", NULL, "stats: there is no such subcommand",
                   "did you mean vmplug status?");
    assert_refusal("statu", NULL, "statu: there is no such subcommand",
                   "did you mean vmplug status?");
    assert_refusal("edit", "vm", "edit: there is no such subcommand", "use vmplug patch vm");
    assert_refusal("cpus", "add", "cpus: there is no such subcommand", "did you mean vmplug cpu?");
    assert_refusal("frobnicate", NULL, "frobnicate: there is no such subcommand",
                   "see vmplug help");
    assert_refusal("cpu", "ad", "cpu ad: there is no such subcommand",
                   "did you mean vmplug cpu add?");
    assert_refusal("cpu", "frobnicate", "cpu frobnicate: there is no such subcommand",
                   "vmplug cpu takes list, add, set, remove");
    assert_refusal("disk", NULL, "disk: say what to do with it",
                   "one of list, add, remove, resize, throttle, or see vmplug help disk");
    assert_refusal("x\033[2J\n", NULL, "x?[2J?: there is no such subcommand", "see vmplug help");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries_are_complete),
        cmocka_unit_test(test_examples_are_true),
        cmocka_unit_test(test_mistakes_need_no_vm),
        cmocka_unit_test(test_manual_is_complete),
        cmocka_unit_test(test_manual_has_no_stray_requests),
        cmocka_unit_test(test_roff),
        cmocka_unit_test(test_completion_is_complete),
        cmocka_unit_test(test_completion_offers),
        cmocka_unit_test(test_help_is_complete),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests_name("cli: tables, help, manual, completion", tests, NULL, NULL);
}
