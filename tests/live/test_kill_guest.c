/* SPDX-License-Identifier: MIT */
/*
 * With a guest: its agent's connection is cut, the agent stops or is killed, the guest panics, and
 * QEMU is killed, while an operation is under way. What was sent ends as `lost` or `pending`,
 * unless the guest has it in truth; it is never a success that is none, and never late
 * (proxy_run() sees to that). What stands is taken up again and comes online.
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

#define PENDING 6
#define LOST 9
#define STOP_AGENT "kill -STOP $(pidof qemu-ga); echo struck"
#define KILL_AGENT "kill -KILL $(pidof qemu-ga); echo struck"

static struct harness_vm vm;
static const char *image;

static int boot(void **state)
{
    (void)state;
    harness_need_tools();
    image = harness_image("disk.qcow2", "qcow2", "64M");
    harness_boot(&vm, HARNESS_ARGUMENTS("--", "-smp", "1,maxcpus=16", "-m",
                                        "256M,slots=16,maxmem=16G"));
    return 0;
}

static int stop(void **state)
{
    (void)state;
    harness_stop(&vm);
    return 0;
}

static void fail_with(const struct harness_run *run, const char *why)
{
    AUTO_FREE char *line = codec_dump(claim_last(run), 0);

    fail_msg("%s: exit %d: %s", why, run->status, line);
}

static const char *member(const struct harness_run *run, const char *key)
{
    const char *text = json_string_value(json_object_get(claim_last(run), key));

    return text != NULL ? text : "";
}

static void cut_agent(struct proxy *proxy, void *user)
{
    (void)user;
    proxy_cut(proxy, PROXY_AGENT);
}

static void cut_qmp(struct proxy *proxy, void *user)
{
    (void)user;
    proxy_cut(proxy, PROXY_QMP);
}

static void in_guest(struct proxy *proxy, void *user)
{
    (void)proxy;
    claim_guest(&vm, user, "struck");
}

/* What is pending comes online when it is taken up again; and all can be taken back. */
static void take_up(const struct harness_run *run)
{
    struct proxy_outcome outcome;
    struct harness_run again =
        proxy_run(&vm, HARNESS_ARGUMENTS("--timeout", "240", "wait", member(run, "id")), NULL,
                  &outcome);

    claim_ended(&again, "online");
    harness_run_free(&again);
}

static void see_through(const struct harness_run *run, const char *noun)
{
    const char *id = member(run, "id");

    if (run->status == PENDING)
        take_up(run);
    claim(&vm, "removed", HARNESS_ARGUMENTS(noun, "remove", id));
    claim_pending(&vm, NULL, NULL);
    claim_agreement(&vm);
}

/* ---- the agent's connection ---- */

/* Cut before anything was sent, it is a VM without an agent. */
static void cut_agent_at(const char *noun, const char *const *arguments, unsigned step)
{
    struct proxy_strike strike = {.wire = PROXY_AGENT, .after = 1, .act = cut_agent};
    struct proxy_outcome outcome = {.struck = true};
    struct harness_run run;

    for (; outcome.struck; strike.after += step) {
        run = proxy_run(&vm, arguments, &strike, &outcome);
        if (!outcome.struck)
            claim_ended(&run, "online");
        else if (outcome.plugged && run.status != PENDING)
            fail_with(&run, "cut");
        else if (!outcome.plugged && strcmp(harness_verdict(&run), "unconfirmed") != 0 &&
                 strcmp(harness_verdict(&run), "blocked") != 0)
            fail_with(&run, "cut beforehand");
        if (strcmp(harness_verdict(&run), "blocked") != 0)
            see_through(&run, noun);
        harness_run_free(&run);
    }
    assert_true(strike.after > 10);
}

static void test_agent_is_cut(void **state)
{
    (void)state;
    cut_agent_at("disk", HARNESS_ARGUMENTS("disk", "add", image), 1);
    cut_agent_at("memory", HARNESS_ARGUMENTS("memory", "add", "128M", "--movable"), 5);
}

/* ---- QEMU's connection ---- */

static void test_qmp_is_cut(void **state)
{
    struct proxy_strike strike = {.wire = PROXY_QMP, .after = 4, .act = cut_qmp};
    struct proxy_outcome outcome = {.struck = true};
    struct harness_run run;

    (void)state;
    for (; outcome.struck; strike.after += 3) {
        AUTO_JSON json_t *devices = NULL;

        run = proxy_run(&vm, HARNESS_ARGUMENTS("disk", "add", image), &strike, &outcome);
        if (run.status != (outcome.struck ? LOST : 0))
            fail_with(&run, "cut");
        devices = harness_qmp(&vm, "query-block", NULL);
        if (json_array_size(devices) > 0 && *member(&run, "id") != '\0')
            see_through(&run, "disk");
        harness_run_free(&run);
        run = harness_vmplug_json(&vm, HARNESS_ARGUMENTS("audit", "--clean"));
        assert_int_equal(run.status, 0);
        harness_run_free(&run);
    }
    assert_true(strike.after > 30);
}

/* Its agent is asked until it answers, however long the guest or the agent takes to start. */
static void await_guest(void)
{
    struct harness_run run =
        harness_vmplug_json(&vm, HARNESS_ARGUMENTS("--timeout", "240", "agent", "guest-ping"));

    assert_int_equal(run.status, 0);
    harness_run_free(&run);
}

/* ---- the agent itself ---- */

static void strike_agent(const char *command, unsigned after, bool stopped)
{
    AUTO_FREE char *copy = strdup(command);
    struct proxy_strike strike = {
        .wire = PROXY_AGENT, .after = after, .act = in_guest, .user = copy};
    struct proxy_outcome outcome;
    struct harness_run run = proxy_run(&vm, HARNESS_ARGUMENTS("disk", "add", image), &strike,
                                       &outcome);

    assert_true(outcome.struck);
    if (outcome.plugged ? stopped && run.status != PENDING
                        : strcmp(harness_verdict(&run), "unconfirmed") != 0 &&
                              strcmp(harness_verdict(&run), "online") != 0)
        fail_with(&run, command);
    if (stopped) /* another one is started in its place */
        claim_guest(&vm, KILL_AGENT, "struck");
    if (strcmp(harness_verdict(&run), "online") == 0)
        claim_guest(&vm, GUEST_DISKS, "sda ");
    await_guest();
    see_through(&run, "disk");
    harness_run_free(&run);
}

static void test_agent_is_stopped(void **state)
{
    unsigned after;

    (void)state;
    for (after = 3; after <= 11; after += 4)
        strike_agent(STOP_AGENT, after, true);
}

static void test_agent_is_killed(void **state)
{
    unsigned after;

    (void)state;
    for (after = 3; after <= 11; after += 4)
        strike_agent(KILL_AGENT, after, false);
}

/* ---- the guest ---- */

/* It panics the moment that it sees the device, and starts anew. */
static void panic_at(const char *path, const char *const *arguments)
{
    const struct proxy_strike never = {.wire = PROXY_QMP, .after = UINT32_MAX};
    AUTO_FREE char *command = NULL;
    struct proxy_outcome outcome;
    struct harness_run run;

    assert_true(asprintf(&command, "(until [ -e %s ]; do :; done; echo c >/proc/sysrq-trigger) "
                                   ">/dev/null 2>&1 & echo ready", path) > 0);
    claim_guest(&vm, command, "ready");
    run = proxy_run(&vm, arguments, &never, &outcome);
    if (run.status != PENDING)
        fail_with(&run, path);
    await_guest();
    take_up(&run);
    harness_run_free(&run);
    claim_pending(&vm, NULL, NULL);
    claim_agreement(&vm);
}

static void test_guest_panics(void **state)
{
    (void)state;
    panic_at("/sys/devices/system/cpu/cpu1", HARNESS_ARGUMENTS("cpu", "add"));
    panic_at("/sys/devices/system/memory/memory32", HARNESS_ARGUMENTS("memory", "add", "128M"));
}

/* ---- QEMU ---- */

static void kill_qemu(struct proxy *proxy, void *user)
{
    AUTO_FREE char *path = NULL;
    FILE *file;
    int pid = 0;

    (void)proxy;
    (void)user;
    assert_true(asprintf(&path, "%s/pid", vm.dir) > 0);
    file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d", &pid), 1);
    fclose(file);
    assert_true(pid > 1);
    assert_int_equal(kill(pid, SIGKILL), 0);
}

static void test_qemu_is_killed(void **state)
{
    const struct proxy_strike strike = {
        .wire = PROXY_AGENT, .words = "\"mem-blks\"", .act = kill_qemu};
    struct proxy_outcome outcome;
    struct harness_run run;

    (void)state;
    run = proxy_run(&vm, HARNESS_ARGUMENTS("memory", "add", "128M"), &strike, &outcome);
    assert_true(outcome.struck && outcome.plugged);
    if (run.status != LOST)
        fail_with(&run, "killed");
    harness_run_free(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agent_is_cut),    cmocka_unit_test(test_qmp_is_cut),
        cmocka_unit_test(test_agent_is_stopped), cmocka_unit_test(test_agent_is_killed),
        cmocka_unit_test(test_guest_panics),    cmocka_unit_test(test_qemu_is_killed), /* last */
    };

    return cmocka_run_group_tests_name("struck while the guest is at work", tests, boot, stop);
}
