/* SPDX-License-Identifier: MIT */
/* The examples, run: each loop adds a vCPU, and what each says is what the fake QEMU has. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/fixture.h"

static const char *const loops[] = {"loop_epoll", "loop_ev", "loop_glib", "loop_poll", "loop_uv"};

#define LOOPS (sizeof(loops) / sizeof(loops[0]))

/* Of what configure found no library for there is no program; CI has all. */
static int is_built(const char *name)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "examples/%s", name);
    if (access(path, X_OK) == 0)
        return 1;
    if (getenv("CI") != NULL || (strcmp(name, "loop_glib") != 0 && strcmp(name, "loop_uv") != 0))
        fail_msg("%s was not built: run scripts/setup", path);
    print_message("%s was not built, for want of its library\n", path);
    return 0;
}

/* Runs it with these arguments, as the shell takes them. Returns its exit code; *ret_out, the
 * caller's, is all that it said. */
static int run(const char *name, const char *arguments, char **ret_out)
{
    char command[1024];
    FILE *out;
    int status;

    (void)snprintf(command, sizeof(command), "timeout 60 examples/%s %s 2>&1", name, arguments);
    *ret_out = calloc(1, 65536);
    assert_non_null(*ret_out);
    out = popen(command, "r");
    assert_non_null(out);
    (void)!fread(*ret_out, 1, 65535, out);
    status = pclose(out);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Both sockets, or the monitor's alone. */
static const char *sockets(int with_agent)
{
    static char text[640];

    (void)snprintf(text, sizeof(text), "%s %s", fixture_qmp, with_agent ? fixture_agent : "");
    return text;
}

static void assert_runs(const char *name, const char *arguments, int expected, const char *word)
{
    char *out;
    int status = run(name, arguments, &out);

    if (status != expected || strstr(out, word) == NULL)
        fail_msg("%s %s: not '%s' but exit code %d: %s", name, arguments, word, status, out);
    free(out);
}

static void assert_state(const char *part, int holds)
{
    char *text = fixture_state();

    if ((strstr(text, part) != NULL) != holds)
        fail_msg("%s %s: %s", part, holds ? "is missing" : "is there", text);
    free(text);
}

static void test_loops_add(void **state)
{
    char id[64];
    unsigned added = 0;
    size_t i;

    (void)state;
    FIXTURE_START("--cpus", "1", "--max-cpus", "8");
    for (i = 0; i < LOOPS; i++) {
        if (!is_built(loops[i]))
            continue;
        (void)snprintf(id, sizeof(id), "vmplug-cpu-%u", ++added);
        assert_state(id, 0);
        assert_runs(loops[i], sockets(1), 0, "realized\n");
        assert_state(id, 1);
        (void)snprintf(id, sizeof(id), "\"cpu\": %u,\n        \"online\": true", added);
        assert_state(id, 1);
    }
    fixture_stop();
}

/* Each stage is told, once and in order. */
static void test_loops_tell(void **state)
{
    char *out;
    size_t i;

    (void)state;
    for (i = 0; i < LOOPS; i++) {
        if (!is_built(loops[i]))
            continue;
        FIXTURE_START("--cpus", "1");
        assert_int_equal(run(loops[i], sockets(1), &out), 0);
        assert_string_equal(out, "vmplug-cpu-1: accepted\nvmplug-cpu-1: realized\n"
                                 "vmplug-cpu-1: acknowledged\nvmplug-cpu-1: online\nonline \n");
        free(out);
        fixture_stop();
    }
}

static void test_loops_without_agent(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < LOOPS; i++) {
        if (!is_built(loops[i]))
            continue;
        FIXTURE_START("--cpus", "1");
        assert_runs(loops[i], sockets(0), 0, "\nunconfirmed");
        fixture_stop();
    }
}

/* A refusal, QEMU's death midway, and no QEMU at all: no loop hangs, and none says success. */
static void test_loops_fail(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < LOOPS; i++) {
        if (!is_built(loops[i]))
            continue;
        FIXTURE_START("--fault", "qmp device_add reject no");
        assert_runs(loops[i], sockets(1), 1, "rejected");
        fixture_stop();
        FIXTURE_START("--fault", "qmp device_add die-after");
        assert_runs(loops[i], sockets(1), 1, "lost");
        fixture_kill();
        assert_runs(loops[i], sockets(1), 1, "cannot connect");
    }
}

static void test_grow(void **state)
{
    char arguments[640];

    (void)state;
    FIXTURE_START("--cpus", "1", "--max-cpus", "4", "--memory", "256M");
    (void)snprintf(arguments, sizeof(arguments), "%s 3 512", sockets(1));
    assert_runs("grow", arguments, 0, "has grown: online");
    assert_state("vmplug-cpu-2", 1);
    assert_state("vmplug-mem-0", 1);
    (void)snprintf(arguments, sizeof(arguments), "%s 5 768", sockets(1));
    assert_runs("grow", arguments, 1, "blocked: ");
    assert_state("vmplug-mem-1", 0);
    assert_runs("grow", "", 2, "usage: ");
    fixture_stop();
}

/* With a QEMU, and a guest, it is tests/live/test_tiny_vmm. */
static void test_tiny_vmm_without_qemu(void **state)
{
    (void)state;
    assert_runs("tiny_vmm", "", 2, "usage: ");
    assert_runs("tiny_vmm", "50 /nonexistent/qemu", 1, "tiny_vmm: ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loops_add),
        cmocka_unit_test(test_loops_tell),
        cmocka_unit_test(test_loops_without_agent),
        cmocka_unit_test(test_loops_fail),
        cmocka_unit_test(test_grow),
        cmocka_unit_test(test_tiny_vmm_without_qemu),
    };

    return cmocka_run_group_tests_name("examples", tests, NULL, NULL);
}
