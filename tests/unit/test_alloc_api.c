/* SPDX-License-Identifier: MIT */
/* The public functions that allocate, with each allocation failing in turn: they say so, or do what
 * they are for. What operations do without memory is in test_alloc_operation.c; this is about what
 * lib/ makes of it. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "tests/fake/jump.h"
#include "tests/fake/oom.h"
#include "tests/fake/sim.h"
#include "vmplug/vmm.h"

#define TIMEOUT_MS 5000

static struct sim *sim;
static struct vmplug_error error;

static void begin(void)
{
    struct pump *peers[2];

    sim = sim_new();
    sim->kvm = true;
    sim->guest.forgives = true; /* a file can't be closed without memory */
    sim_put_cpu(sim, "c");
    sim_put_dimm(sim, "m", SIM_DIMM_BASE, 256 * SIM_MIB);
    peers[0] = &sim->qmp.pump;
    peers[1] = &sim->agent.pump;
    oom_spare(peers[0]);
    oom_spare(peers[1]);
    jump_serve(peers, 2);
    error.code = VMPLUG_ERROR_NONE;
    oom_on();
}

static void end(void)
{
    oom_off();
    jump_serve(NULL, 0);
    sim_end(sim);
    fake_empty(fake_path("run"));
}

/* What failed, failed for lack of memory. A session that memory ran out of has ended. */
static void assert_starved(void)
{
    assert_true(oom_struck());
    if (error.code != VMPLUG_ERROR_SYSTEM)
        fail_msg("%s: %s", vmplug_error_name(error.code), error.why);
}

/* What was answered is the answer. */
static void check_text(char *text, const char *part)
{
    if (text == NULL)
        assert_starved();
    else if (strstr(text, part) == NULL)
        fail_msg("no %s in %s", part, text);
    vmplug_text_free(text);
}

static void each(oom_body_fn *body, void *user)
{
    assert_int_not_equal(oom_each(body, user), 0);
    (void)oom_each_lasting(body, user);
}

/* ---- sessions ---- */

struct told {
    unsigned replies, events;
    int ended;
};

static void on_reply(void *user, struct vmplug_reply *reply)
{
    struct told *told = user;
    const char *json = vmplug_reply_json(reply, NULL);

    told->replies++;
    if (vmplug_reply_error(reply) != NULL)
        assert_null(json);
    else
        assert_true(json != NULL || oom_struck());
}

static void on_event(void *user, struct vmplug_event *event)
{
    struct told *told = user;

    if (event == NULL) {
        told->ended = 1;
        return;
    }
    told->events++;
    assert_true(vmplug_event_json(event) != NULL || oom_struck());
}

static int is_told(void *user)
{
    return ((const struct told *)user)->replies > 0;
}

static int is_over(void *user)
{
    const struct told *told = user;

    return told->replies > 0 && (told->events > 0 || told->ended);
}

/* A vCPU that QEMU takes has the guest answer, which is an event. */
static void use_commands(struct vmplug_qmp *qmp)
{
    struct vmplug_pump *pump = vmplug_qmp_pump(qmp);
    struct told told = {0};
    unsigned subscription = vmplug_qmp_subscribe(qmp, on_event, &told);
    int64_t number;

    assert_true(subscription > 0 || oom_struck());
    number = vmplug_qmp_submit(qmp, "query-status", NULL, TIMEOUT_MS, on_reply, &told, &error);
    if (number < 0)
        assert_starved();
    vmplug_qmp_cancel(qmp, number);
    if (vmplug_qmp_submit_fd(qmp, "query-name", NULL, open("/dev/null", O_RDONLY | O_CLOEXEC),
                             TIMEOUT_MS, NULL, NULL, &error) < 0)
        assert_starved();
    if (vmplug_qmp_submit(qmp, "device_add",
                          "{\"driver\": \"qemu64-x86_64-cpu\", \"id\": \"d\", \"socket-id\": 3,"
                          " \"core-id\": 0, \"thread-id\": 0}",
                          TIMEOUT_MS, on_reply, &told, &error) > 0)
        assert_true(vmplug_pump_run(&pump, 1, subscription > 0 ? is_over : is_told, &told,
                                    TIMEOUT_MS) == 1 ||
                    oom_struck());
    else
        assert_starved();
    assert_true(told.replies <= 1);
    vmplug_qmp_unsubscribe(qmp, subscription);
}

static void use_qmp(void *user)
{
    struct told told = {0};
    struct vmplug_qmp *qmp;
    char *text;

    (void)user;
    begin();
    qmp = vmplug_qmp_open(sim->qmp.path, -1, NULL, &error);
    if (qmp == NULL) {
        assert_starved();
    } else {
        if (vmplug_qmp_wait_ready(qmp, &error) < 0)
            assert_starved();
        text = vmplug_qmp_greeting(qmp);
        assert_true(text != NULL || oom_struck());
        vmplug_text_free(text);
        check_text(vmplug_qmp_call(qmp, "query-status", "{}", TIMEOUT_MS, &error), "running");
        use_commands(qmp);
        if (vmplug_qmp_submit(qmp, "query-status", NULL, 0, on_reply, &told, &error) < 0)
            assert_starved();
        vmplug_qmp_free(qmp);
    }
    end();
}

static void use_agent(void *user)
{
    struct vmplug_agent *agent;
    struct told told = {0};

    (void)user;
    begin();
    agent = vmplug_agent_open(sim->agent.path, -1, NULL, &error);
    if (agent == NULL) {
        assert_starved();
    } else {
        check_text(vmplug_agent_call(agent, "guest-get-vcpus", NULL, TIMEOUT_MS, &error),
                   "logical-id");
        if (vmplug_agent_submit(agent, "guest-get-vcpus", NULL, TIMEOUT_MS, on_reply, &told,
                                &error) < 0)
            assert_starved();
        vmplug_agent_free(agent);
        assert_true(told.replies == 1 || oom_struck());
    }
    end();
}

static void test_sessions(void **state)
{
    (void)state;
    each(use_qmp, NULL);
    each(use_agent, NULL);
}

/* ---- looks ---- */

static struct vmplug_vm *open_vm(const char *runtime_dir)
{
    const struct vmplug_vm_options options = {.struct_bytes = sizeof(options),
                                              .qmp_path = sim->qmp.path,
                                              .agent_path = sim->agent.path,
                                              .runtime_dir = runtime_dir,
                                              .qemu_pid = getpid()};
    struct vmplug_vm *vm = vmplug_vm_open(&options, &error);

    if (vm == NULL)
        assert_starved();
    return vm;
}

static void on_look(void *user, const char *json, const struct vmplug_error *failure)
{
    (void)user;
    (void)json;
    (void)failure;
    fail_msg("it was cancelled");
}

static void look(void *user)
{
    static char *(*const looks[])(struct vmplug_vm *, double, struct vmplug_error *) = {
        vmplug_status, vmplug_doctor, vmplug_audit};
    static const char *const parts[] = {"\"cpus\":", "\"checks\":", "\"clean\":"};
    const size_t *kind = user;
    struct vmplug_vm *vm;
    struct vmplug_look *started;

    begin();
    vm = open_vm("");
    if (vm != NULL) {
        started = vmplug_look_start(vm, (int)*kind, 0, on_look, NULL, &error);
        if (started != NULL)
            vmplug_look_cancel(started);
        else
            assert_starved();
        check_text(looks[*kind](vm, TIMEOUT_MS, &error), parts[*kind]);
        vmplug_vm_free(vm);
    }
    end();
}

static void test_looks(void **state)
{
    size_t kind;

    (void)state;
    for (kind = VMPLUG_LOOK_STATUS; kind <= VMPLUG_LOOK_AUDIT; kind++)
        (void)oom_each(look, &kind);
}

/* ---- actions ---- */

struct run {
    struct vmplug_request request;
    int verdict; /* when memory suffices */
    bool (*is_so)(void);
};

/* A verdict without words is none, and what it claims is so. */
static void check_verdict(const struct run *run, int verdict)
{
    if (!oom_struck() && verdict != run->verdict)
        fail_msg("action %d: %s: %s", run->request.action, vmplug_verdict_name(verdict), error.why);
    if (!vmplug_verdict_is_success(verdict))
        assert_int_not_equal(error.code, VMPLUG_ERROR_NONE);
    else if (verdict == run->verdict)
        assert_true(run->is_so());
    else
        assert_int_equal(verdict, VMPLUG_UNCONFIRMED);
}

static void run_in_one_call(void *user)
{
    const struct run *run = user;
    struct vmplug_vm *vm;
    char *json = NULL;
    int verdict;

    begin();
    vm = open_vm("");
    if (vm != NULL) {
        verdict = vmplug_run(vm, &run->request, &json, &error);
        oom_off();
        check_verdict(run, verdict);
        if (json != NULL)
            json_decref(fake_json(json));
        oom_on();
        assert_true(json != NULL || oom_struck());
        vmplug_text_free(json);
        vmplug_vm_free(vm);
    }
    end();
}

struct observed {
    unsigned devices, ends;
    int verdict;
};

static void on_stage(void *user, struct vmplug_result *so_far)
{
    (void)user;
    assert_true(vmplug_result_json(so_far) != NULL || oom_struck());
}

static void on_device(void *user, struct vmplug_result *result)
{
    ((struct observed *)user)->devices++;
    on_stage(user, result);
}

static void on_done(void *user, struct vmplug_result *result)
{
    struct observed *observed = user;

    observed->ends++;
    observed->verdict = vmplug_result_verdict(result);
    error = *vmplug_result_error(result);
    on_stage(user, result);
}

static int is_done(void *user)
{
    return ((const struct observed *)user)->ends > 0;
}

static void run_by_a_loop(void *user)
{
    const struct run *run = user;
    struct observed observed = {0};
    const struct vmplug_observer observer = {
        .struct_bytes = sizeof(observer), .stage = on_stage, .device = on_device,
        .done = on_done, .user = &observed};
    struct vmplug_pump *pumps[VMPLUG_VM_PUMPS_MAX];
    struct vmplug_operation *operation;
    struct vmplug_vm *vm;

    begin();
    vm = open_vm("");
    if (vm != NULL) {
        operation = vmplug_operation_start(vm, &run->request, &observer, &error);
        if (operation == NULL) {
            assert_starved();
            assert_int_equal(sim_changes(sim), 0);
        } else {
            (void)vmplug_pump_run(pumps, vmplug_vm_pumps(vm, pumps), is_done, &observed, -1);
            assert_int_equal(observed.ends, 1);
            check_verdict(run, observed.verdict);
        }
        vmplug_operation_free(operation);
        vmplug_vm_free(vm);
    }
    end();
}

static bool has_cpus(void)
{
    return sim->cpus[2].present && sim->cpus[3].present;
}

static bool has_dimms(void)
{
    return sim->dimm_count == 2;
}

static bool is_gone(void)
{
    return sim->dimm_count == 0;
}

static bool is_unchanged(void)
{
    return sim_changes(sim) == 0;
}

static bool has_disk(void)
{
    return sim->disk_count == 1 && strcmp(sim->disks[0].id, "data") == 0 &&
           strcmp(sim->disks[0].serial, "SERIAL") == 0;
}

static void test_actions(void **state)
{
    char path[256];
    const char *image = path, *dimm = "m";
    struct run runs[] = {
        {{.action = VMPLUG_CPU_ADD}, VMPLUG_ONLINE, has_cpus},
        {{.action = VMPLUG_CPU_SET, .count = 4}, VMPLUG_ONLINE, has_cpus},
        {{.action = VMPLUG_MEMORY_ADD, .bytes = 256 * SIM_MIB, .id = "n"},
         VMPLUG_ONLINE,
         has_dimms},
        {{.action = VMPLUG_MEMORY_REMOVE, .names = &dimm, .name_count = 1},
         VMPLUG_REMOVED,
         is_gone},
        {{.action = VMPLUG_DISK_ADD,
          .names = &image,
          .name_count = 1,
          .id = "data",
          .format = "raw",
          .serial = "SERIAL",
          .bus = "scsi"},
         VMPLUG_ONLINE,
         has_disk},
        {{.action = VMPLUG_CPU_ADD, .dry_run = 1}, VMPLUG_DONE, is_unchanged},
    };
    size_t i;

    (void)state;
    (void)snprintf(path, sizeof(path), "%s", fake_file("disk.raw", "", 0));
    assert_int_equal(truncate(image, SIM_MIB), 0);
    for (i = 0; i < COUNT_OF(runs); i++) {
        runs[i].request.struct_bytes = sizeof(runs[i].request);
        runs[i].request.timeout_ms = TIMEOUT_MS;
        (void)oom_each(run_in_one_call, &runs[i]);
        (void)oom_each_lasting(run_by_a_loop, &runs[i]);
    }
}

/* What stands is on record, and taken up again. That a record could not be read is not that nothing
 * stands. */
static void take_up(void *user)
{
    struct vmplug_vm *vm;
    int verdict;

    (void)user;
    begin();
    oom_off();
    sim->guest.ost_delay_ms = 3000;
    vm = open_vm(fake_path("run"));
    assert_int_equal(vmplug_memory_remove(vm, "m", 1000, NULL, &error), VMPLUG_PENDING);
    vmplug_vm_free(vm);
    oom_on();
    vm = open_vm(fake_path("run"));
    if (vm != NULL) {
        verdict = vmplug_wait(vm, "m", 2 * TIMEOUT_MS, NULL, &error);
        if (verdict == VMPLUG_REMOVED)
            assert_true(is_gone());
        else
            assert_true(oom_struck() && verdict != VMPLUG_BLOCKED);
        vmplug_vm_free(vm);
    }
    end();
}

static void test_wait(void **state)
{
    (void)state;
    each(take_up, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sessions),
        cmocka_unit_test(test_looks),
        cmocka_unit_test(test_actions),
        cmocka_unit_test(test_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
