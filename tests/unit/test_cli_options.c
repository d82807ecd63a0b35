/* SPDX-License-Identifier: MIT */
/* The command line, read: where options may stand, what their values may be, what is suggested. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "cli/options.h"
#include "cli/suggest.h"

#define WORDS_MAX 16

struct parsed {
    struct options options;
    const char *operands[WORDS_MAX];
    size_t operand_count;
    struct error error;
    int status;
};

/* Parses "vmplug" and what follows; the words are separated by '|'. */
static struct parsed parse(const char *line)
{
    static char copy[512];
    struct parsed parsed = {.error = ERROR_INIT};
    char *argv[WORDS_MAX] = {(char[]){"vmplug"}};
    char *rest = copy, *word;
    int argc = 1;

    assert_true(strlen(line) < sizeof(copy));
    strcpy(copy, line);
    while (*line != '\0' && (word = strsep(&rest, "|")) != NULL) {
        assert_true(argc < WORDS_MAX - 1);
        argv[argc++] = word;
    }
    parsed.status = options_parse(&parsed.options, argc, argv, parsed.operands,
                                  &parsed.operand_count, &parsed.error);
    return parsed;
}

static int without_environment(void **state)
{
    (void)state;
    unsetenv("VMPLUG_QMP");
    unsetenv("VMPLUG_AGENT");
    return 0;
}

static void test_nothing(void **state)
{
    struct parsed parsed = parse("");

    (void)state;
    assert_int_equal(parsed.status, 0);
    assert_int_equal(parsed.operand_count, 0);
    assert_true(parsed.options.given == 0);
    assert_true(parsed.options.timeout_ms == 60000);
    assert_null(parsed.options.qmp_path);
    assert_false(parsed.options.json);
}

/* Before, between and after the words: the same. */
static void test_options_anywhere(void **state)
{
    static const char *const lines[] = {
        "--json|-q|/q|cpu|add|3",       "cpu|--json|add|-q/q|3", "cpu|add|3|--json|--qmp=/q",
        "cpu|add|--qmp|/q|3|--json|--", "--js|cpu|add|3|--qm|/q",
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(lines); i++) {
        struct parsed parsed = parse(lines[i]);

        assert_int_equal(parsed.status, 0);
        assert_int_equal(parsed.operand_count, 3);
        assert_string_equal(parsed.operands[0], "cpu");
        assert_string_equal(parsed.operands[1], "add");
        assert_string_equal(parsed.operands[2], "3");
        assert_string_equal(parsed.options.qmp_path, "/q");
        assert_true(parsed.options.json);
        assert_true(parsed.options.given == (OPTION_BIT(OPTION_JSON) | OPTION_BIT(OPTION_QMP)));
    }
}

static void test_posixly_correct_changes_nothing(void **state)
{
    struct parsed parsed;

    (void)state;
    setenv("POSIXLY_CORRECT", "1", 1);
    parsed = parse("status|--json");
    unsetenv("POSIXLY_CORRECT");
    assert_int_equal(parsed.status, 0);
    assert_int_equal(parsed.operand_count, 1);
    assert_true(parsed.options.json);
}

static void test_operands_that_look_like_options(void **state)
{
    struct parsed parsed = parse("disk|add|--|--json|-x");

    (void)state;
    assert_int_equal(parsed.status, 0);
    assert_int_equal(parsed.operand_count, 4);
    assert_string_equal(parsed.operands[2], "--json");
    assert_string_equal(parsed.operands[3], "-x");
    assert_false(parsed.options.json);
}

static void test_environment(void **state)
{
    struct parsed parsed;

    (void)state;
    setenv("VMPLUG_QMP", "/from/environment", 1);
    setenv("VMPLUG_AGENT", "", 1); /* as good as unset */
    parsed = parse("status");
    assert_string_equal(parsed.options.qmp_path, "/from/environment");
    assert_null(parsed.options.agent_path);
    assert_true(parsed.options.given == 0);
    parsed = parse("status|-q|/from/line");
    assert_string_equal(parsed.options.qmp_path, "/from/line");
}

static void test_values(void **state)
{
    struct options options;

    (void)state;
    options = parse("--timeout|0.25|--wait|realized|--node|3|--lun|0|--backend|memfd").options;
    assert_true(options.timeout_ms == 250);
    assert_int_equal(options.wait, RUNG_REALIZED);
    assert_int_equal(options.node, 3);
    assert_true(options_given(&options, OPTION_LUN));
    assert_false(options_given(&options, OPTION_ID));
    assert_int_equal(options.backend, BACKEND_MEMFD);
    options = parse("--backend|file:/dev/shm/x|--for|5.|--until|DEVICE_DELETED|-v").options;
    assert_int_equal(options.backend, BACKEND_FILE);
    assert_string_equal(options.backend_path, "/dev/shm/x");
    assert_true(options.for_ms == 5000);
    assert_string_equal(options.until, "DEVICE_DELETED");
    assert_true(options.verbose);
    options = parse("--backend|file:/x|--backend|ram").options; /* the last one counts */
    assert_int_equal(options.backend, BACKEND_RAM);
    assert_null(options.backend_path);
}

/* Each mistake names the option first, and says what to do. */
static void test_mistakes(void **state)
{
    static const struct {
        const char *line;
        const char *why;
        const char *fix;
    } cases[] = {
        {"--timeout|0", "--timeout: ", "30 or 0.5"},
        {"--timeout|-1", "--timeout: ", "30 or 0.5"},
        {"--timeout|inf", "--timeout: ", "30 or 0.5"},
        {"--timeout|nan", "--timeout: ", "30 or 0.5"},
        {"--timeout|1e3", "--timeout: ", "30 or 0.5"},
        {"--timeout|1e400", "--timeout: ", "30 or 0.5"},
        {"--timeout|0x10", "--timeout: ", "30 or 0.5"},
        {"--timeout|1.2.3", "--timeout: ", "30 or 0.5"},
        {"--timeout|.", "--timeout: ", "30 or 0.5"},
        {"--timeout| 1", "--timeout: ", "30 or 0.5"},
        {"--timeout|2000000000", "--timeout: ", "at most 1000000000"},
        {"--id|a b", "--id: 'a b' is no id", "letter"},
        {"--id|", "--id: '' is no id", "letter"},
        {"--id|1a", "--id: '1a' is no id", "letter"},
        {"--serial|a b", "--serial: 'a b' is no serial", "letters"},
        {"--serial|", "--serial: '' is no serial", "letters"},
        {"--timeout|", "--timeout: ", "30 or 0.5"},
        {"--for|0", "--for: ", "30 or 0.5"},
        {"--wait|", "--wait: ''", "accepted, realized"},
        {"--node|one", "--node: 'one'", "digits"},
        {"--node|4294967296", "--node: '4294967296'", "digits"},
        {"--lun|-1", "--lun: '-1'", "digits"},
        {"--lun|1 ", "--lun: '1 '", "digits"},
        {"--backend|disk", "--backend: 'disk'", "ram, memfd or file:PATH"},
        {"--backend|file:", "--backend: 'file:'", "ram, memfd or file:PATH"},
        {"--format|raw,x=1", "--format: 'raw,x=1'", "qcow2"},
        {"--format|", "--format: ''", "qcow2"},
        {"--until|device_deleted", "--until: 'device_deleted'", "DEVICE_DELETED"},
        {"--qmp|", "--qmp: the path is empty", "path"},
        {"--jsn", "--jsn: there is no such option", "--json?"},
        {"--reed-only", "--reed-only: there is no such option", "--read-only?"},
        {"--tiemout=3", "--tiemout: there is no such option", "--timeout?"},
        {"--xyzzy", "--xyzzy: there is no such option", "vmplug help"},
        {"-Z", "-Z: there is no such option", "vmplug help"},
        {"-vZ", "-Z: there is no such option", "vmplug help"},
        {"status|-q", "--qmp: its PATH is missing", ""},
        {"status|--timeout", "--timeout: its SECONDS is missing", ""},
        {"--json=yes", "--json: takes no value", "="},
        {"--a", "--a: there are several such options", "--agent, --atomic, --all, --api-socket?"},
        {"--fo=3", "--fo: there are several such options", "--format, --force, --for?"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct parsed parsed = parse(cases[i].line);

        if (parsed.status != -1)
            fail_msg("'%s' is accepted", cases[i].line);
        assert_int_equal(parsed.error.code, ERROR_INVALID);
        if (strncmp(parsed.error.why, cases[i].why, strlen(cases[i].why)) != 0)
            fail_msg("'%s': '%s' is not '%s'", cases[i].line, parsed.error.why, cases[i].why);
        if (strstr(parsed.error.fix, cases[i].fix) == NULL)
            fail_msg("'%s': no '%s' in '%s'", cases[i].line, cases[i].fix, parsed.error.fix);
    }
}

/* The first mistake is told, and --json behind it still counts. */
static void test_reading_goes_on(void **state)
{
    struct parsed parsed = parse("--wait|x|--node|y|cpu|--json|add");

    (void)state;
    assert_int_equal(parsed.status, -1);
    assert_non_null(strstr(parsed.error.why, "--wait"));
    assert_true(parsed.options.json);
    assert_int_equal(parsed.operand_count, 2);
}

static void test_check_taken(void **state)
{
    struct parsed parsed = parse("--json|--lun|1");
    struct error error = ERROR_INIT;

    (void)state;
    assert_int_equal(options_check_taken(&parsed.options,
                                         OPTION_BIT(OPTION_JSON) | OPTION_BIT(OPTION_LUN),
                                         "disk add", &error),
                     0);
    assert_int_equal(options_check_taken(&parsed.options, OPTIONS_VM, "disk list", &error), -1);
    assert_int_equal(error.code, ERROR_INVALID);
    assert_string_equal(error.why, "--lun: vmplug disk list does not take it");
    assert_non_null(strstr(error.fix, "vmplug help disk list"));
}

static void test_numbers(void **state)
{
    static const char *const refused[] = {"", "0", "11", "-1", "+1", " 1", "1 ", "1x", "0x1", "1.0",
                                          "99999999999999999999999"};
    struct error error = ERROR_INIT;
    uint64_t number = 0;
    size_t i;

    (void)state;
    assert_int_equal(options_read_number("n", "1", 1, 10, &number, &error), 0);
    assert_true(number == 1);
    assert_int_equal(options_read_number("n", "010", 1, 10, &number, &error), 0);
    assert_true(number == 10); /* decimal, not octal */
    for (i = 0; i < COUNT_OF(refused); i++) {
        assert_int_equal(options_read_number("n", refused[i], 1, 10, &number, &error), -1);
        assert_true(number == 10);
    }
}

static void test_distance(void **state)
{
    (void)state;
    assert_int_equal(suggest_distance("", ""), 0);
    assert_int_equal(suggest_distance("", "abc"), 3);
    assert_int_equal(suggest_distance("abc", ""), 3);
    assert_int_equal(suggest_distance("status", "status"), 0);
    assert_int_equal(suggest_distance("stats", "status"), 1);
    assert_int_equal(suggest_distance("sttaus", "status"), 1);
    assert_int_equal(suggest_distance("kitten", "sitting"), 3);
}

static const char *suggested(const char *typed)
{
    static const char *const words[] = {"status", "cpu", "memory", "disk",
                                        "events", "qmp", "agent"};
    struct suggestion suggestion = {.typed = typed};
    size_t i;

    for (i = 0; i < COUNT_OF(words); i++)
        suggest_consider(&suggestion, words[i]);
    return suggestion.word != NULL ? suggestion.word : "(none)";
}

static void test_translations(void **state)
{
    (void)state;
    assert_string_equal(suggest_translate("start"), "launch");
    assert_string_equal(suggest_translate("setvcpus"), "cpu set");
    assert_null(suggest_translate("launch"));
    assert_null(suggest_translate(""));
}

static void test_suggestions(void **state)
{
    (void)state;
    assert_string_equal(suggested("stats"), "status");
    assert_string_equal(suggested("cpus"), "cpu");
    assert_string_equal(suggested("mem"), "memory");
    assert_string_equal(suggested("dsik"), "disk");
    assert_string_equal(suggested("diskette"), "disk");
    assert_string_equal(suggested("cpushares"), "(none)");
    assert_string_equal(suggested("list"), "(none)");
    assert_string_equal(suggested("xyzzy"), "(none)");
    assert_string_equal(suggested("x"), "(none)");
    assert_string_equal(suggested(""), "(none)");
    assert_string_equal(
        suggested("a-word-that-is-much-longer-than-any-subcommand-could-ever-reasonably-be"),
        "(none)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_nothing, without_environment),
        cmocka_unit_test_setup(test_options_anywhere, without_environment),
        cmocka_unit_test_setup(test_posixly_correct_changes_nothing, without_environment),
        cmocka_unit_test_setup(test_operands_that_look_like_options, without_environment),
        cmocka_unit_test_setup(test_environment, without_environment),
        cmocka_unit_test_setup(test_values, without_environment),
        cmocka_unit_test_setup(test_mistakes, without_environment),
        cmocka_unit_test_setup(test_reading_goes_on, without_environment),
        cmocka_unit_test_setup(test_check_taken, without_environment),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_suggestions),
        cmocka_unit_test(test_translations),
    };

    return cmocka_run_group_tests_name("cli/options, cli/suggest", tests, NULL, NULL);
}
