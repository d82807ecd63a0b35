/* SPDX-License-Identifier: MIT */
/* vmplug/vmm.h against the shared library and a fake QEMU with a guest in it. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/fixture.h"
#include "vmplug/vmm.h"

#define SOON_MS 20000
#define PATIENCE_MS 1000 /* with a guest; QEMU has answered by then on a busy machine, too */
#define MIB (UINT64_C(1) << 20)

static struct vmplug_error error;

static struct vmplug_vm *open_vm(const char *runtime_dir)
{
    const struct vmplug_vm_options options = {.struct_bytes = sizeof(options),
                                              .qmp_path = fixture_qmp,
                                              .agent_path = fixture_agent,
                                              .runtime_dir = runtime_dir};
    struct vmplug_vm *vm = vmplug_vm_open(&options, &error);

    if (vm == NULL)
        fail_msg("%s", error.why);
    return vm;
}

static void stop(struct vmplug_vm *vm)
{
    vmplug_vm_free(vm);
    fixture_stop();
}

static void assert_state(const char *part)
{
    char *text = fixture_state();

    assert_holds(text, part);
    free(text);
}

#define assert_verdict(call, expected)                                               \
    do {                                                                             \
        int verdict_ = (call);                                                       \
        if (verdict_ != (expected))                                                  \
            fail_msg("%s: %s", vmplug_verdict_name(verdict_), error.why);            \
    } while (0)

/* ---- to look ---- */

static void test_looks(void **state)
{
    struct vmplug_vm *vm;
    char *text;

    (void)state;
    FIXTURE_START("--cpus", "2", "--max-cpus", "4");
    vm = open_vm("");
    text = vmplug_status(vm, 0, &error);
    assert_holds(text, "\"present\":2");
    assert_holds(text, "\"max\":4");
    vmplug_text_free(text);
    text = vmplug_doctor(vm, SOON_MS, &error);
    assert_holds(text, "\"cpu_add\":true");
    vmplug_text_free(text);
    text = vmplug_audit(vm, SOON_MS, &error);
    assert_holds(text, "\"clean\":true");
    vmplug_text_free(text);
    assert_null(vmplug_look_start(vm, 3, 0, NULL, NULL, &error));
    assert_int_equal(error.code, VMPLUG_ERROR_INVALID);
    stop(vm);
}

static void must_not_be_called(void *user, const char *json, const struct vmplug_error *failure)
{
    (void)user;
    (void)failure;
    fail_msg("called with %s", json);
}

static void test_look_cancelled(void **state)
{
    struct vmplug_vm *vm;

    (void)state;
    FIXTURE_START("--cpus", "2");
    vm = open_vm("");
    vmplug_look_cancel(vmplug_look_start(vm, VMPLUG_LOOK_STATUS, 0, must_not_be_called, NULL,
                                         &error));
    vmplug_text_free(vmplug_status(vm, 0, &error));
    stop(vm);
}

static void test_look_without_qemu(void **state)
{
    struct vmplug_vm *vm;

    (void)state;
    FIXTURE_START("--cpus", "2");
    vm = open_vm("");
    assert_int_equal(vmplug_qmp_wait_ready(vmplug_vm_qmp(vm), &error), 0);
    fixture_kill();
    assert_null(vmplug_status(vm, SOON_MS, &error));
    assert_int_equal(error.code, VMPLUG_ERROR_DISCONNECTED);
    vmplug_vm_free(vm);
}

/* Who serves the agent is asked by the VM's session with it; where there is none, by nobody. */
static void test_agent_of_a_vm(void **state)
{
    struct vmplug_vm_options options = {.struct_bytes = sizeof(options), .runtime_dir = ""};
    struct vmplug_vm *vm;
    char *text;

    (void)state;
    FIXTURE_START("--cpus", "2");
    vm = open_vm("");
    text = vmplug_agent_call(vmplug_vm_agent(vm), "guest-get-vcpus", NULL, SOON_MS, &error);
    assert_holds(text, "\"logical-id\":1");
    vmplug_text_free(text);
    vmplug_vm_free(vm);
    options.qmp_path = fixture_qmp;
    vm = vmplug_vm_open(&options, &error);
    assert_null(vmplug_vm_agent(vm));
    stop(vm);
}

static void keep_code(void *user, struct vmplug_reply *reply)
{
    *(int *)user = vmplug_reply_error(reply)->code;
}

/* A program's own command that is pending when the VM is freed. */
static void test_own_command(void **state)
{
    struct vmplug_vm *vm;
    int code = VMPLUG_ERROR_NONE;

    (void)state;
    FIXTURE_START("--fault", "qmp query-status ignore");
    vm = open_vm("");
    assert_true(vmplug_qmp_submit(vmplug_vm_qmp(vm), "query-status", NULL, 0, keep_code, &code,
                                  &error) > 0);
    stop(vm);
    assert_int_equal(code, VMPLUG_ERROR_CANCELLED);
}

/* ---- to act, in one call ---- */

static void test_cpus(void **state)
{
    struct vmplug_vm *vm;
    char *json;

    (void)state;
    FIXTURE_START("--cpus", "1", "--max-cpus", "4", "--accel", "kvm");
    vm = open_vm("");
    assert_verdict(vmplug_cpu_add(vm, 1, SOON_MS, &json, &error), VMPLUG_ONLINE);
    assert_holds(json, "[{\"operation\":\"cpu-add\",\"id\":\"vmplug-cpu-1\"");
    assert_null(strstr(json, "summary"));
    vmplug_text_free(json);
    assert_verdict(vmplug_cpu_set(vm, 4, SOON_MS, &json, &error), VMPLUG_ONLINE);
    assert_holds(json, "\"summary\":true,\"verdict\":\"online\",\"asked\":2,\"done\":2");
    vmplug_text_free(json);
    assert_verdict(vmplug_cpu_add(vm, 1, SOON_MS, NULL, &error), VMPLUG_BLOCKED);
    assert_int_equal(error.code, VMPLUG_ERROR_BLOCKED);
    assert_true(strlen(error.fix) > 0);
    assert_verdict(vmplug_cpu_remove(vm, "vmplug-cpu-3", SOON_MS, NULL, &error), VMPLUG_REMOVED);
    assert_verdict(vmplug_cpu_set(vm, 2, SOON_MS, NULL, NULL), VMPLUG_REMOVED);
    stop(vm);
}

static void test_memory(void **state)
{
    struct vmplug_vm *vm;

    (void)state;
    FIXTURE_START("--memory", "256M", "--max-memory", "2G");
    vm = open_vm("");
    assert_verdict(vmplug_memory_add(vm, 256 * MIB, SOON_MS, NULL, &error), VMPLUG_ONLINE);
    assert_state("vmplug-mem-0");
    assert_verdict(vmplug_memory_set(vm, 768 * MIB, SOON_MS, NULL, &error), VMPLUG_ONLINE);
    assert_verdict(vmplug_memory_remove(vm, "vmplug-mem-0", SOON_MS, NULL, &error),
                   VMPLUG_REMOVED);
    assert_verdict(vmplug_memory_resize(vm, "vmplug-mem-1", MIB, SOON_MS, NULL, &error),
                   VMPLUG_BLOCKED);
    assert_verdict(vmplug_memory_add(vm, 100 * MIB, SOON_MS, NULL, &error), VMPLUG_BLOCKED);
    stop(vm);
}

static void make_file(char *path, size_t size, const char *name, long bytes)
{
    FILE *file;

    (void)snprintf(path, size, "%s/%s", fixture_directory, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(ftruncate(fileno(file), bytes), 0);
    fclose(file);
}

static void test_disks(void **state)
{
    char data[256], medium[256];
    struct vmplug_vm *vm;

    (void)state;
    FIXTURE_START("--cdrom", "cd0");
    make_file(data, sizeof(data), "data.raw", 1 << 20);
    make_file(medium, sizeof(medium), "medium.iso", 1 << 20);
    vm = open_vm("");
    assert_verdict(vmplug_disk_add(vm, data, SOON_MS, NULL, &error), VMPLUG_ONLINE);
    assert_state("vmplug-disk-0");
    assert_verdict(vmplug_disk_resize(vm, "vmplug-disk-0", 128 * MIB, SOON_MS, NULL, &error),
                   VMPLUG_DONE);
    assert_verdict(vmplug_disk_remove(vm, "vmplug-disk-0", SOON_MS, NULL, &error), VMPLUG_REMOVED);
    assert_verdict(vmplug_cdrom_insert(vm, "cd0", medium, SOON_MS, NULL, &error), VMPLUG_DONE);
    assert_verdict(vmplug_cdrom_eject(vm, "cd0", SOON_MS, NULL, &error), VMPLUG_DONE);
    assert_verdict(vmplug_disk_add(vm, "/nonexistent", SOON_MS, NULL, &error), VMPLUG_BLOCKED);
    (void)unlink(data);
    (void)unlink(medium);
    stop(vm);
}

/* What the guest has not answered stands, for whoever has the same record. */
static void test_wait(void **state)
{
    char runtime[256];
    struct vmplug_vm *vm;

    (void)state;
    FIXTURE_START("--dimm", "d0=256M", "--guest", "removes=3/0x84,3/0", "--guest",
                  "ost-delay=3000");
    (void)snprintf(runtime, sizeof(runtime), "%s/run", fixture_directory);
    vm = open_vm(runtime);
    assert_verdict(vmplug_wait(vm, "d0", SOON_MS, NULL, &error), VMPLUG_BLOCKED);
    assert_verdict(vmplug_memory_remove(vm, "d0", PATIENCE_MS, NULL, &error), VMPLUG_PENDING);
    vmplug_vm_free(vm);
    vm = open_vm(runtime);
    assert_verdict(vmplug_wait(vm, "d0", SOON_MS, NULL, &error), VMPLUG_REMOVED);
    (void)rmdir(runtime);
    stop(vm);
}

/* The record is that of the process that the program names as QEMU's. */
static void test_record_of_a_named_process(void **state)
{
    struct vmplug_vm_options options = {.struct_bytes = sizeof(options), .qemu_pid = getpid()};
    char runtime[256], pattern[320];
    struct vmplug_vm *vm;
    glob_t found;

    (void)state;
    FIXTURE_START("--dimm", "d0=256M", "--guest", "ignores-removes");
    (void)snprintf(runtime, sizeof(runtime), "%s/run", fixture_directory);
    (void)snprintf(pattern, sizeof(pattern), "%s/%d-*.json", runtime, (int)getpid());
    options.qmp_path = fixture_qmp;
    options.agent_path = fixture_agent;
    options.runtime_dir = runtime;
    vm = vmplug_vm_open(&options, &error);
    assert_verdict(vmplug_memory_remove(vm, "d0", PATIENCE_MS, NULL, &error), VMPLUG_PENDING);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    (void)unlink(found.gl_pathv[0]);
    globfree(&found);
    (void)rmdir(runtime);
    stop(vm);
}

/* ---- operations that a loop drives ---- */

struct told {
    unsigned stages, devices, ends;
    int verdict, level;
    char id[64];
    struct vmplug_operation *operation;
    int interrupt_at; /* a level, or 0 */
};

static void on_stage(void *user, struct vmplug_result *so_far)
{
    struct told *told = user;

    assert_true(vmplug_result_level(so_far) > told->level);
    told->level = vmplug_result_level(so_far);
    told->stages++;
    if (told->level == told->interrupt_at)
        vmplug_operation_interrupt(told->operation);
}

static void on_device(void *user, struct vmplug_result *result)
{
    struct told *told = user;

    told->devices++;
    told->level = 0;
    (void)snprintf(told->id, sizeof(told->id), "%s", vmplug_result_id(result));
    assert_int_equal(vmplug_result_asked(result), 1);
    assert_holds(vmplug_result_json(result), "\"operation\":");
}

/* The last word, in which the operation may be freed. */
static void on_done(void *user, struct vmplug_result *result)
{
    struct told *told = user;

    told->ends++;
    told->verdict = vmplug_result_verdict(result);
    assert_string_equal(vmplug_result_id(result), "");
    assert_int_equal(vmplug_result_level(result), 0);
    assert_holds(vmplug_result_json(result), vmplug_verdict_name(told->verdict));
    if (vmplug_verdict_is_success(told->verdict))
        assert_int_equal(vmplug_result_error(result)->code, VMPLUG_ERROR_NONE);
    vmplug_operation_free(told->operation);
    told->operation = NULL;
}

static int is_over(void *user)
{
    return ((const struct told *)user)->ends > 0;
}

static void run(struct vmplug_vm *vm, const struct vmplug_request *request, struct told *told)
{
    const struct vmplug_observer observer = {
        .struct_bytes = sizeof(observer), .stage = on_stage, .device = on_device,
        .done = on_done, .user = told};
    struct vmplug_pump *pumps[VMPLUG_VM_PUMPS_MAX];

    told->operation = vmplug_operation_start(vm, request, &observer, &error);
    if (told->operation == NULL)
        fail_msg("%s", error.why);
    assert_int_equal(told->stages + told->devices + told->ends, 0);
    assert_int_equal(vmplug_pump_run(pumps, vmplug_vm_pumps(vm, pumps), is_over, told, SOON_MS), 1);
}

static void test_operation(void **state)
{
    const struct vmplug_request request = {
        .struct_bytes = sizeof(request), .action = VMPLUG_CPU_ADD, .count = 2};
    struct told told = {0};
    struct vmplug_vm *vm;

    (void)state;
    FIXTURE_START("--cpus", "1", "--max-cpus", "4");
    vm = open_vm("");
    run(vm, &request, &told);
    assert_int_equal(told.verdict, VMPLUG_ONLINE);
    assert_int_equal(told.devices, 2);
    assert_int_equal(told.stages, 8);
    assert_string_equal(told.id, "vmplug-cpu-2");
    stop(vm);
}

/* What libvmplug(3) allows in a callback: what starts and what ends, but a VM. */
struct chain {
    struct vmplug_vm *vm;
    struct vmplug_operation *operation;
    unsigned stages, looks, replies;
};

static void on_chain_reply(void *user, struct vmplug_reply *reply)
{
    assert_holds(vmplug_reply_json(reply, NULL), "running");
    ((struct chain *)user)->replies++;
}

static void on_chain_look(void *user, const char *json, const struct vmplug_error *failure)
{
    struct chain *chain = user;

    assert_null(failure);
    assert_holds(json, "\"present\":2");
    chain->looks++;
    assert_true(vmplug_qmp_submit(vmplug_vm_qmp(chain->vm), "query-status", NULL, SOON_MS,
                                  on_chain_reply, chain, &error) > 0);
}

static void on_no_event(void *user, struct vmplug_event *event)
{
    (void)user;
    fail_msg("%s, and nobody listens", vmplug_event_name(event));
}

static void on_chain_stage(void *user, struct vmplug_result *so_far)
{
    struct chain *chain = user;
    struct vmplug_qmp *qmp = vmplug_vm_qmp(chain->vm);

    (void)so_far;
    chain->stages++;
    vmplug_look_cancel(vmplug_look_start(chain->vm, VMPLUG_LOOK_DOCTOR, 0, must_not_be_called,
                                         NULL, &error));
    vmplug_qmp_unsubscribe(qmp, vmplug_qmp_subscribe(qmp, on_no_event, NULL));
    vmplug_qmp_cancel(qmp, vmplug_qmp_submit(qmp, "query-name", NULL, 0, on_chain_reply, chain,
                                             &error));
}

static void on_chain_done(void *user, struct vmplug_result *result)
{
    struct chain *chain = user;

    assert_int_equal(vmplug_result_verdict(result), VMPLUG_ONLINE);
    vmplug_operation_free(chain->operation);
    assert_non_null(vmplug_look_start(chain->vm, VMPLUG_LOOK_STATUS, SOON_MS, on_chain_look, chain,
                                      &error));
}

static int has_chain_ended(void *user)
{
    return ((const struct chain *)user)->replies > 0;
}

static void test_from_callbacks(void **state)
{
    const struct vmplug_request request = {.struct_bytes = sizeof(request),
                                           .action = VMPLUG_CPU_ADD};
    struct chain chain = {.stages = 0};
    const struct vmplug_observer observer = {.struct_bytes = sizeof(observer),
                                             .stage = on_chain_stage,
                                             .done = on_chain_done,
                                             .user = &chain};
    struct vmplug_pump *pumps[VMPLUG_VM_PUMPS_MAX];

    (void)state;
    FIXTURE_START("--cpus", "1", "--max-cpus", "4");
    chain.vm = open_vm("");
    chain.operation = vmplug_operation_start(chain.vm, &request, &observer, &error);
    assert_int_equal(vmplug_pump_run(pumps, vmplug_vm_pumps(chain.vm, pumps), has_chain_ended,
                                     &chain, SOON_MS),
                     1);
    assert_int_equal(chain.stages, 4);
    assert_int_equal(chain.looks, 1);
    stop(chain.vm);
}

static void test_interrupted(void **state)
{
    const struct vmplug_request request = {
        .struct_bytes = sizeof(request), .action = VMPLUG_MEMORY_ADD, .bytes = 256 * MIB};
    struct told told = {.interrupt_at = VMPLUG_LEVEL_REALIZED};
    struct vmplug_vm *vm;

    (void)state;
    FIXTURE_START("--guest", "ignores-adds");
    vm = open_vm("");
    run(vm, &request, &told);
    assert_int_equal(told.verdict, VMPLUG_INTERRUPTED);
    assert_int_equal(told.devices, 1);
    stop(vm);
}

/* A level is far enough for who asks for it. */
static void test_level(void **state)
{
    const struct vmplug_request request = {.struct_bytes = sizeof(request),
                                           .action = VMPLUG_CPU_ADD,
                                           .level = VMPLUG_LEVEL_REALIZED};
    struct told told = {0};
    struct vmplug_vm *vm;

    (void)state;
    FIXTURE_START("--guest", "ignores-adds");
    vm = open_vm("");
    run(vm, &request, &told);
    assert_int_equal(told.verdict, VMPLUG_REALIZED);
    stop(vm);
}

/* The caller's strings need not outlive the call that starts. */
static void test_strings_are_copied(void **state)
{
    char path[256];
    const char *names[] = {path};
    struct vmplug_request request = {.struct_bytes = sizeof(request),
                                     .action = VMPLUG_DISK_ADD,
                                     .names = names,
                                     .name_count = 1};
    struct vmplug_pump *pumps[VMPLUG_VM_PUMPS_MAX];
    struct told told = {0};
    const struct vmplug_observer observer = {
        .struct_bytes = sizeof(observer), .done = on_done, .user = &told};
    char id[] = "data", serial[] = "SER-1", file[256];
    struct vmplug_vm *vm;

    (void)state;
    FIXTURE_START("--cpus", "1");
    make_file(path, sizeof(path), "data.raw", 1 << 20);
    memcpy(file, path, sizeof(file));
    request.id = id;
    request.serial = serial;
    vm = open_vm("");
    told.operation = vmplug_operation_start(vm, &request, &observer, &error);
    memset(path, 'x', sizeof(path) - 1);
    memset(id, 'x', sizeof(id) - 1);
    memset(serial, 'x', sizeof(serial) - 1);
    memset(&request, 0xff, sizeof(request));
    names[0] = NULL;
    assert_int_equal(vmplug_pump_run(pumps, vmplug_vm_pumps(vm, pumps), is_over, &told, SOON_MS),
                     1);
    assert_int_equal(told.verdict, VMPLUG_ONLINE);
    assert_state("\"SER-1\"");
    (void)unlink(file);
    stop(vm);
}

static void test_bad_requests(void **state)
{
    static const char *const nobody[] = {NULL};
    const struct vmplug_request requests[] = {
        {.struct_bytes = sizeof(requests[0]), .action = -1},
        {.struct_bytes = sizeof(requests[0]), .action = VMPLUG_WAIT + 1},
        {.struct_bytes = sizeof(requests[0]), .action = VMPLUG_CPU_REMOVE},
        {.struct_bytes = sizeof(requests[0]),
         .action = VMPLUG_CPU_REMOVE,
         .names = nobody,
         .name_count = 1},
        {.struct_bytes = sizeof(requests[0]), .action = VMPLUG_CPU_ADD, .level = 5},
        {.struct_bytes = sizeof(requests[0]), .action = VMPLUG_MEMORY_ADD, .backend = 3},
    };
    const struct vmplug_observer observer = {.struct_bytes = sizeof(observer)};
    const struct vmplug_request request = {.struct_bytes = sizeof(request),
                                           .action = VMPLUG_CPU_ADD};
    const struct vmplug_observer sizeless = {.done = on_done};
    struct vmplug_vm *vm;
    size_t i;

    (void)state;
    FIXTURE_START("--cpus", "1");
    vm = open_vm("");
    for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        error.code = VMPLUG_ERROR_NONE;
        assert_null(vmplug_operation_start(vm, &requests[i], &observer, &error));
        assert_int_equal(error.code, VMPLUG_ERROR_INVALID);
    }
    error.code = VMPLUG_ERROR_NONE;
    assert_null(vmplug_operation_start(vm, &request, &sizeless, &error));
    assert_int_equal(error.code, VMPLUG_ERROR_INVALID);
    assert_int_equal(vmplug_run(vm, &requests[0], NULL, NULL), VMPLUG_FAILED);
    assert_string_equal(vmplug_verdict_name(-1), "error");
    assert_false(vmplug_verdict_is_success(-1));
    assert_true(vmplug_verdict_is_success(VMPLUG_UNCONFIRMED));
    assert_string_equal(vmplug_level_name(VMPLUG_LEVEL_ACCEPTED), "accepted");
    assert_string_equal(vmplug_level_name(VMPLUG_LEVEL_ONLINE), "online");
    assert_string_equal(vmplug_level_name(VMPLUG_LEVEL_HIGHEST), "");
    assert_string_equal(vmplug_level_name(VMPLUG_LEVEL_ONLINE + 1), "");
    assert_string_equal(vmplug_level_name(-1), "");
    stop(vm);
}

/* QEMU ends midway: never a success. */
static void test_lost(void **state)
{
    struct vmplug_vm *vm;

    (void)state;
    FIXTURE_START("--fault", "qmp device_add die-after");
    vm = open_vm("");
    assert_verdict(vmplug_cpu_add(vm, 1, SOON_MS, NULL, &error), VMPLUG_LOST);
    vmplug_vm_free(vm);
    fixture_kill();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_looks),
        cmocka_unit_test(test_look_cancelled),
        cmocka_unit_test(test_look_without_qemu),
        cmocka_unit_test(test_agent_of_a_vm),
        cmocka_unit_test(test_own_command),
        cmocka_unit_test(test_cpus),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_disks),
        cmocka_unit_test(test_wait),
        cmocka_unit_test(test_record_of_a_named_process),
        cmocka_unit_test(test_operation),
        cmocka_unit_test(test_from_callbacks),
        cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_level),
        cmocka_unit_test(test_strings_are_copied),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_lost),
    };

    return cmocka_run_group_tests_name("libvmplug: a VM", tests, NULL, NULL);
}
