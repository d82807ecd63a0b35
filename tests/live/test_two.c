/* SPDX-License-Identifier: MIT */
/*
 * Two vmplugs at work on one QEMU at once, with ids of vmplug's own choosing: each adds and takes
 * back twenty times, as fast as it can, the same numbers being freed and taken all the while.
 * Nothing may be lost, and nothing there twice. Where there is but one monitor, the second is told
 * that it is busy, and comes again.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "qmp/codec.h"
#include "tests/live/claims.h"

#define ROUNDS 20
#define NO_CONNECTION 3

enum task { ADD_DISK, ADD_MEMORY, REMOVE_DISK, REMOVE_MEMORY, TASKS_ };

/* One who runs a vmplug after the other. */
struct worker {
    const char *qmp, *agent;
    const char *wait; /* the level, without an agent */
    const enum task *tasks; /* of a round */
    size_t task_count;
    unsigned number, round;
    size_t task;
    char image[256];
    char disk[64], memory[64]; /* what it has at the moment */
    unsigned done[TASKS_], refusals;
    pid_t pid;
    int out;
    struct buffer text;
};

static void begin(struct worker *worker)
{
    const char *const tasks[TASKS_][4] = {
        [ADD_DISK] = {"disk", "add", worker->image},
        [ADD_MEMORY] = {"memory", "add", "128M", worker->agent != NULL ? "--movable" : NULL},
        [REMOVE_DISK] = {"disk", "remove", worker->disk},
        [REMOVE_MEMORY] = {"memory", "remove", worker->memory},
    };
    const char *const *task = tasks[worker->tasks[worker->task]];
    const char *const *options =
        worker->agent != NULL
            ? HARNESS_ARGUMENTS("--json", "--qmp", worker->qmp, "--agent", worker->agent)
            : HARNESS_ARGUMENTS("--json", "--qmp", worker->qmp, "--wait", worker->wait);

    worker->pid = harness_spawn(HARNESS_ARGUMENTS(options[0], options[1], options[2], options[3],
                                                  options[4], task[0], task[1], task[2],
                                                  task[3]),
                                &worker->out);
}

/* It did what it was told to, or could not come in. */
static void take_result(struct worker *worker, int status)
{
    AUTO_JSON json_t *result = NULL;
    enum task task = worker->tasks[worker->task];
    const char *id;

    assert_int_equal(buffer_append(&worker->text, "", 1), 0);
    result = codec_parse(worker->text.bytes, NULL);
    if (status == NO_CONNECTION && strstr(worker->text.bytes, "monitor is busy") != NULL) {
        worker->refusals++;
    } else if (status != 0) {
        fail_msg("worker %u, round %u: %s", worker->number, worker->round, worker->text.bytes);
    } else {
        id = json_string_value(json_object_get(result, "id"));
        assert_non_null(id);
        (void)snprintf(task == ADD_DISK || task == REMOVE_DISK ? worker->disk : worker->memory,
                       sizeof(worker->disk), "%s", id);
        worker->done[task]++;
        worker->task = (worker->task + 1) % worker->task_count;
        worker->round += worker->task == 0 ? 1 : 0;
    }
    buffer_free(&worker->text);
}

/* Reads on; at the end of what one vmplug says, the next one is sent. */
static void go_on(struct worker *worker)
{
    char *room = buffer_reserve(&worker->text, 4096);
    ssize_t count = read(worker->out, room, 4096);

    if (count > 0) {
        buffer_commit(&worker->text, (size_t)count);
        return;
    }
    close(worker->out);
    take_result(worker, harness_await(worker->pid));
    worker->out = -1;
    if (worker->round < ROUNDS)
        begin(worker);
}

static void run_both(struct worker workers[2])
{
    struct pollfd polled[2];
    size_t i;

    for (i = 0; i < 2; i++) {
        workers[i].number = (unsigned)i;
        (void)snprintf(workers[i].image, sizeof(workers[i].image), "%s",
                       harness_image(i == 0 ? "one.qcow2" : "two.qcow2", "qcow2", "64M"));
        begin(&workers[i]);
    }
    while (workers[0].out >= 0 || workers[1].out >= 0) {
        for (i = 0; i < 2; i++)
            polled[i] = (struct pollfd){.fd = workers[i].out, .events = POLLIN};
        assert_true(poll(polled, 2, -1) > 0);
        for (i = 0; i < 2; i++) {
            if (polled[i].revents != 0)
                go_on(&workers[i]);
        }
    }
}

/* The elements of this kind that vmplug has made, by the second monitor. */
static size_t count_ours(const struct harness_vm *vm, const char *command, const char *path,
                         const char *key)
{
    json_t *arguments = path != NULL ? json_pack("{s:s}", "path", path) : NULL;
    AUTO_JSON json_t *answer = harness_qmp(vm, command, arguments);
    AUTO_JSON json_t *names = json_object();
    const json_t *row, *name;
    size_t count = 0, i;

    json_array_foreach(answer, i, row) {
        name = json_object_get(row, key);
        if (name == NULL)
            name = json_object_get(json_object_get(row, "data"), key);
        if (name == NULL || strncmp(json_string_value(name), "vmplug-", 7) != 0)
            continue;
        assert_null(json_object_get(names, json_string_value(name))); /* none twice */
        (void)json_object_set_new(names, json_string_value(name), json_true());
        count++;
    }
    return count;
}

static void claim_holds(const struct harness_vm *vm, size_t disks, size_t dimms)
{
    assert_int_equal(count_ours(vm, "query-named-block-nodes", NULL, "node-name"), disks);
    assert_int_equal(count_ours(vm, "query-memory-devices", NULL, "id"), dimms);
    assert_int_equal(count_ours(vm, "qom-list", "/objects", "name"), dimms);
    assert_int_equal(count_ours(vm, "qom-list", "/machine/peripheral", "name"), disks + dimms);
}

static void claim_clean(const struct harness_vm *vm)
{
    struct harness_run run = harness_vmplug_json(vm, HARNESS_ARGUMENTS("audit"));
    const json_t *findings = json_object_get(json_array_get(run.lines, 0), "findings");

    assert_int_equal(run.status, 0);
    if (json_array_size(findings) > 0)
        print_error("%s\n", run.out);
    assert_true(json_is_array(findings));
    assert_int_equal(json_array_size(findings), 0);
    harness_run_free(&run);
    claim_pending(vm, NULL, NULL);
}

/* ---- without a guest: nothing slows them down ---- */

static struct harness_vm vm;

static void run_bare(const char *second_qmp, const enum task *tasks, size_t task_count,
                     struct worker workers[2])
{
    size_t i, j;

    for (i = 0; i < 2; i++)
        workers[i] = (struct worker){.qmp = i == 0 ? vm.qmp : second_qmp, .wait = "realized",
                                     .tasks = tasks, .task_count = task_count};
    run_both(workers);
    for (i = 0; i < 2; i++) {
        for (j = 0; j < task_count; j++)
            assert_int_equal(workers[i].done[tasks[j]], ROUNDS);
    }
}

static int start_bare(void **state)
{
    (void)state;
    harness_need_tools();
    harness_start_bare(&vm, HARNESS_ARGUMENTS("-machine", "q35", "-m", "256M,slots=64,maxmem=64G",
                                              "-device", "virtio-scsi-pci,id=scsi0"));
    return 0;
}

static int stop(void **state)
{
    (void)state;
    harness_stop(&vm);
    return 0;
}

static void test_two_monitors(void **state)
{
    static const enum task tasks[] = {ADD_DISK, ADD_MEMORY, REMOVE_DISK};
    struct worker workers[2];

    (void)state;
    run_bare(vm.qmp2, tasks, COUNT_OF(tasks), workers);
    assert_int_equal(workers[0].refusals + workers[1].refusals, 0);
    claim_holds(&vm, 0, 2 * (size_t)ROUNDS);
    claim_clean(&vm);
}

static void test_one_monitor(void **state)
{
    static const enum task tasks[] = {ADD_DISK, REMOVE_DISK};
    struct worker workers[2];

    (void)state;
    run_bare(vm.qmp, tasks, COUNT_OF(tasks), workers);
    claim_holds(&vm, 0, 0);
    claim_clean(&vm);
}

/* ---- with a guest, and the agent for one of them ---- */

static int boot(void **state)
{
    (void)state;
    harness_need_tools();
    harness_boot(&vm, HARNESS_ARGUMENTS("--", "-m", "256M,slots=16,maxmem=16G"));
    return 0;
}

static void test_with_a_guest(void **state)
{
    static const enum task tasks[] = {ADD_DISK, ADD_MEMORY, REMOVE_DISK, REMOVE_MEMORY};
    struct worker workers[2] = {{.qmp = vm.qmp, .agent = vm.agent},
                                {.qmp = vm.qmp2, .wait = "acknowledged"}};
    size_t i, j;

    (void)state;
    for (i = 0; i < 2; i++) {
        workers[i].tasks = tasks;
        workers[i].task_count = COUNT_OF(tasks);
    }
    run_both(workers);
    for (i = 0; i < 2; i++) {
        for (j = 0; j < COUNT_OF(tasks); j++)
            assert_int_equal(workers[i].done[j], ROUNDS);
    }
    claim_holds(&vm, 0, 0);
    claim_guest(&vm, GUEST_DISKS, "");
    claim_guest(&vm, GUEST_ONLINE_BLOCKS, "2");
    claim_guest(&vm, GUEST_BLOCKS, "2");
    claim_clean(&vm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_two_monitors, start_bare, stop),
        cmocka_unit_test_setup_teardown(test_one_monitor, start_bare, stop),
        cmocka_unit_test_setup_teardown(test_with_a_guest, boot, stop),
    };

    return cmocka_run_group_tests_name("two vmplugs", tests, NULL, NULL);
}
