/* SPDX-License-Identifier: MIT */
/*
 * The connection is cut, or QEMU killed, at each step of an operation: `lost`, never a success that
 * is none, never a wait past the deadline (proxy_run() sees to that), and what stands is named.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "qmp/codec.h"
#include "tests/live/claims.h"
#include "tests/live/proxy.h"

#define NO_CONNECTION 3
#define LOST 9
#define FIRST_COMMAND 4 /* lines: greeting, negotiation and its reply come before */

static struct harness_vm vm;
static const char *image;

static int stop(void **state)
{
    (void)state;
    harness_stop(&vm);
    return 0;
}

static void show(const struct harness_run *run)
{
    AUTO_FREE char *line = codec_dump(claim_last(run), 0);

    print_error("%s\n", line);
}

/* ---- a QEMU without a guest ---- */

static void start_bare(void)
{
    harness_start_bare(&vm, HARNESS_ARGUMENTS("-machine", "q35", "-m", "256M,slots=128,maxmem=64G",
                                              "-smp", "1,maxcpus=64", "-device",
                                              "virtio-scsi-pci,id=scsi0"));
}

static int begin_bare(void **state)
{
    (void)state;
    harness_need_tools();
    image = harness_image("disk.qcow2", "qcow2", "64M");
    start_bare();
    return 0;
}

static void cut(struct proxy *proxy, void *user)
{
    (void)user;
    proxy_cut(proxy, PROXY_QMP);
}

/* It has not said what was on its way. */
static void kill_qemu(struct proxy *proxy, void *user)
{
    assert_int_equal(kill(vm.pid, SIGKILL), 0);
    cut(proxy, user);
}

static bool is_named(const struct harness_run *run, const char *name)
{
    const json_t *left = json_object_get(claim_last(run), "left");
    const json_t *row;
    size_t i;

    json_array_foreach(left, i, row) {
        if (strcmp(json_string_value(row), name) == 0)
            return true;
    }
    return false;
}

/* Whatever QEMU has of this operation, the result names; a device also stands for its backend. */
static void claim_all_named(const struct harness_run *run, const char *command, const char *path,
                            const char *key)
{
    const char *id = json_string_value(json_object_get(claim_last(run), "id"));
    json_t *arguments = path != NULL ? json_pack("{s:s}", "path", path) : NULL;
    AUTO_JSON json_t *rows = harness_qmp(&vm, command, arguments);
    const char *name;
    const json_t *row;
    size_t i;

    json_array_foreach(rows, i, row) {
        name = json_string_value(json_object_get(row, key));
        if (id == NULL || name == NULL || *id == '\0' || strncmp(name, id, strlen(id)) != 0 ||
            is_named(run, name) || is_named(run, id))
            continue;
        show(run);
        fail_msg("%s stands, and is not named", name);
    }
}

static void claim_lost(const struct harness_run *run, unsigned lines)
{
    if (run->status != LOST && (run->status != NO_CONNECTION || lines >= FIRST_COMMAND))
        show(run);
    assert_true(run->status == LOST || (run->status == NO_CONNECTION && lines < FIRST_COMMAND));
    assert_string_equal(harness_verdict(run), run->status == LOST ? "lost" : "error");
}

/* Takes away what an attempt has left, so that the next one finds the same. */
static void tidy(void)
{
    struct harness_run run =
        harness_vmplug_json(&vm, HARNESS_ARGUMENTS("disk", "remove", "vmplug-disk-0"));

    harness_run_free(&run);
    run = harness_vmplug_json(&vm, HARNESS_ARGUMENTS("audit", "--clean"));
    harness_run_free(&run);
}

static unsigned cut_everywhere(const char *const *arguments, bool half)
{
    struct proxy_strike strike = {.wire = PROXY_QMP, .half = half, .act = cut};
    struct harness_run run;
    struct proxy_outcome outcome = {.struck = true};

    for (; outcome.struck; strike.after++) {
        run = proxy_run(&vm, arguments, &strike, &outcome);
        if (outcome.struck) {
            claim_lost(&run, strike.after);
            claim_all_named(&run, "query-named-block-nodes", NULL, "node-name");
            claim_all_named(&run, "qom-list", "/objects", "name");
            claim_all_named(&run, "qom-list", "/machine/peripheral", "name");
        } else {
            assert_int_equal(run.status, 0);
        }
        harness_run_free(&run);
        tidy();
    }
    return strike.after;
}

static void test_connection_is_cut(void **state)
{
    unsigned cells = 0, half;

    (void)state;
    for (half = 0; half < 2; half++) {
        cells += cut_everywhere(HARNESS_ARGUMENTS("--wait", "realized", "disk", "add", image),
                                half == 1);
        cells += cut_everywhere(HARNESS_ARGUMENTS("--wait", "realized", "memory", "add", "128M"),
                                half == 1);
        cells += cut_everywhere(HARNESS_ARGUMENTS("--wait", "realized", "cpu", "add"),
                                half == 1);
    }
    print_message("%u cuts\n", cells);
    assert_true(cells > 100);
}

static void test_connection_is_cut_amid_a_removal(void **state)
{
    struct proxy_strike strike = {.wire = PROXY_QMP, .act = cut};
    struct harness_run run;
    struct proxy_outcome outcome = {.struck = true};

    (void)state;
    for (; outcome.struck; strike.after++) {
        claim(&vm, "realized", HARNESS_ARGUMENTS("disk", "add", image, "--wait", "realized"));
        run = proxy_run(&vm,
                        HARNESS_ARGUMENTS("--wait", "realized", "disk", "remove",
                                          "vmplug-disk-0"),
                        &strike, &outcome);
        if (outcome.struck)
            claim_lost(&run, strike.after);
        else
            assert_int_equal(run.status, 0);
        harness_run_free(&run);
        tidy();
    }
    assert_true(strike.after > FIRST_COMMAND + 4);
}

static void kill_everywhere(const char *const *arguments)
{
    struct proxy_strike strike = {.wire = PROXY_QMP, .act = kill_qemu};
    struct harness_run run;
    struct proxy_outcome outcome = {.struck = true};

    for (; outcome.struck; strike.after++) {
        run = proxy_run(&vm, arguments, &strike, &outcome);
        if (outcome.struck)
            claim_lost(&run, strike.after);
        else
            assert_int_equal(run.status, 0);
        harness_run_free(&run);
        if (!outcome.struck)
            continue;
        harness_stop(&vm);
        start_bare();
    }
}

static void test_qemu_is_killed(void **state)
{
    (void)state;
    kill_everywhere(HARNESS_ARGUMENTS("--wait", "realized", "disk", "add",
                                      image));
    kill_everywhere(HARNESS_ARGUMENTS("--wait", "realized", "memory", "add",
                                      "128M"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_connection_is_cut, begin_bare, stop),
        cmocka_unit_test_setup_teardown(test_connection_is_cut_amid_a_removal, begin_bare, stop),
        cmocka_unit_test_setup_teardown(test_qemu_is_killed, begin_bare, stop),
    };

    return cmocka_run_group_tests_name("struck at each step", tests, NULL, NULL);
}
