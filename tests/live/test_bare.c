/* SPDX-License-Identifier: MIT */
/* A real QEMU with no machine running in it (-S): what is refused before or by QEMU, and whom
 * vmplug can't talk to. Each refusal leaves QEMU exactly as it was. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "qmp/channel.h"
#include "tests/live/harness.h"

static struct harness_vm vm;

static int start(void **state)
{
    (void)state;
    harness_need_tools();
    harness_start_bare(&vm, HARNESS_ARGUMENTS("-machine", "q35", "-smp", "1,maxcpus=2", "-m",
                                              "256M,slots=1,maxmem=1G", "-device",
                                              "virtio-scsi-pci,id=hba"));
    return 0;
}

static int stop(void **state)
{
    (void)state;
    harness_stop(&vm);
    return 0;
}

static void assert_refused(const struct harness_vm *at, const char *const *arguments, int status,
                           const char *verdict, const char *word)
{
    AUTO_FREE char *before = harness_snapshot(at);
    AUTO_FREE char *after = NULL;
    struct harness_run run = harness_vmplug_json(at, arguments);

    after = harness_snapshot(at);
    assert_string_equal(after, before);
    assert_int_equal(run.status, status);
    assert_string_equal(harness_verdict(&run), verdict);
    if (strstr(run.err, word) == NULL)
        print_error("no '%s' in: %s", word, run.err);
    assert_non_null(strstr(run.err, word));
    assert_ptr_equal(strchr(run.err, '\n'), run.err + strlen(run.err) - 1);
    harness_run_free(&run);
}

static void add(const char *const *arguments, const char *verdict)
{
    struct harness_run run = harness_vmplug_json(&vm, arguments);

    assert_string_equal(harness_verdict(&run), verdict);
    harness_run_free(&run);
}

/* QEMU's own refusals say what to do. */
static void test_advice(void **state)
{
    const char *image = harness_image("four.raw", "raw", "1M");

    (void)state;
    assert_refused(&vm, HARNESS_ARGUMENTS("memory", "add", "128M", "--node", "5"), 4, "rejected",
                   "choose a lower --node");
    assert_refused(&vm, HARNESS_ARGUMENTS("disk", "add", image, "--format", "vhd"), 4, "rejected",
                   "choose a --format");
    assert_refused(&vm, HARNESS_ARGUMENTS("disk", "add", image, "--format", "qcow2"), 4,
                   "rejected", "leave --format out");
}

static json_t *only_line(const struct harness_run *run)
{
    assert_non_null(run->lines);
    assert_int_equal(json_array_size(run->lines), 1);
    return json_array_get(run->lines, 0);
}

/* Whoever reads stdout finds an object there, and in it what was asked about and no more. */
static void test_objects(void **state)
{
    struct harness_run run = harness_vmplug(HARNESS_ARGUMENTS("--json"));
    const json_t *check;
    size_t i;

    (void)state;
    assert_int_equal(run.status, 2);
    assert_string_equal(harness_verdict(&run), "error");
    assert_string_equal(run.err, "vmplug: no subcommand is named; see vmplug help\n");
    harness_run_free(&run);

    run = harness_vmplug_json(&vm, HARNESS_ARGUMENTS("wait", "nosuch"));
    assert_int_equal(run.status, 7);
    assert_string_equal(json_string_value(json_object_get(only_line(&run), "id")), "nosuch");
    harness_run_free(&run);

    run = harness_vmplug_json(&vm, HARNESS_ARGUMENTS("doctor", "cpu_add", "cdrom"));
    assert_int_equal(run.status, 7);
    assert_int_equal(json_object_size(json_object_get(only_line(&run), "can")), 2);
    assert_true(json_is_false(json_object_get(json_object_get(only_line(&run), "can"),
                                              "cdrom")));
    assert_true(json_array_size(json_object_get(only_line(&run), "checks")) > 1);
    json_array_foreach(json_object_get(only_line(&run), "checks"), i, check)
        assert_string_not_equal(json_string_value(json_object_get(check, "name")), "scsi-bus");
    harness_run_free(&run);
}

/* Fills what there is, then asks for more. */
static void test_ceilings(void **state)
{
    (void)state;
    add(HARNESS_ARGUMENTS("--wait", "realized", "cpu", "add"), "realized");
    add(HARNESS_ARGUMENTS("--wait", "realized", "memory", "add", "128M"), "realized");
    assert_refused(&vm, HARNESS_ARGUMENTS("cpu", "add"), 7, "blocked", "maxcpus");
    assert_refused(&vm, HARNESS_ARGUMENTS("memory", "add", "128M"), 7, "blocked", "slots");
    assert_refused(&vm, HARNESS_ARGUMENTS("--wait", "online", "cpu", "add"), 8, "unproven",
                   "--agent");
}

static void test_two_qemus_and_one_image(void **state)
{
    const char *image = harness_image("one.qcow2", "qcow2", "1M");
    struct harness_vm other;

    (void)state;
    harness_start_bare(&other, HARNESS_ARGUMENTS("-device", "virtio-scsi-pci"));
    add(HARNESS_ARGUMENTS("disk", "add", image), "unconfirmed");
    assert_refused(&other, HARNESS_ARGUMENTS("disk", "add", image), 4, "rejected", "lock");
    harness_stop(&other);
}

static void test_broken_image(void **state)
{
    AUTO_FREE char *path = NULL;
    FILE *file;

    (void)state;
    assert_true(asprintf(&path, "%s/broken.qcow2", harness_dir()) > 0);
    file = fopen(path, "we");
    fputs("QFI\xfb and then nothing that makes sense, though it is long enough for a header, "
          "which has a hundred and four bytes",
          file);
    fclose(file);
    assert_refused(&vm, HARNESS_ARGUMENTS("disk", "add", path), 4, "rejected", "");
}

static void assert_shown(const struct harness_vm *at, const char *const *arguments)
{
    struct harness_run run = harness_vmplug_json(at, arguments);

    assert_int_equal(run.status, 0);
    assert_string_equal(run.err, "");
    harness_run_free(&run);
}

static void assert_all_shown(const struct harness_vm *at)
{
    assert_shown(at, HARNESS_ARGUMENTS("status"));
    assert_shown(at, HARNESS_ARGUMENTS("cpu", "list"));
    assert_shown(at, HARNESS_ARGUMENTS("memory", "list"));
    assert_shown(at, HARNESS_ARGUMENTS("disk", "list"));
}

static void test_small_machines(void **state)
{
    const char *image = harness_image("two.raw", "raw", "1M");
    struct harness_vm small;

    (void)state;
    harness_start_bare(&small, HARNESS_ARGUMENTS("-machine", "microvm"));
    assert_all_shown(&small);
    assert_refused(&small, HARNESS_ARGUMENTS("cpu", "add"), 7, "blocked", "vCPU");
    assert_refused(&small, HARNESS_ARGUMENTS("memory", "add", "128M"), 7, "blocked", "no DIMM");
    assert_refused(&small, HARNESS_ARGUMENTS("disk", "add", image), 7, "blocked", "virtio-scsi");
    harness_stop(&small);
    harness_start_bare(&small, HARNESS_ARGUMENTS("-machine", "none"));
    assert_all_shown(&small);
    assert_refused(&small, HARNESS_ARGUMENTS("cpu", "add"), 7, "blocked", "vCPU");
    harness_stop(&small);
}

/* ---- whom vmplug can't talk to ---- */

static void assert_no_connection(const char *path, const char *word)
{
    struct harness_run run =
        harness_vmplug(HARNESS_ARGUMENTS("--json", "--qmp", path, "cpu", "add"));

    assert_int_equal(run.status, 3);
    assert_string_equal(harness_verdict(&run), "error");
    if (strstr(run.err, word) == NULL)
        print_error("no '%s' in: %s", word, run.err);
    assert_non_null(strstr(run.err, word));
    assert_ptr_equal(strchr(run.err, '\n'), run.err + strlen(run.err) - 1);
    harness_run_free(&run);
}

static void test_busy_monitor(void **state)
{
    struct error error = ERROR_INIT;
    AUTO_FD int holder = channel_connect(vm.qmp, &error);
    char greeting[512];

    (void)state;
    assert_true(holder >= 0);
    /* The greeting shows that this client has the monitor. */
    while (read(holder, greeting, sizeof(greeting)) < 0)
        ;
    assert_no_connection(vm.qmp, "monitor is busy");
}

static void test_not_qmp(void **state)
{
    AUTO_FREE char *path = NULL;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    AUTO_FD int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    static const char greeting[] = "SSH-2.0-OpenSSH_9.2\r\n";
    int out, client;
    pid_t pid;

    (void)state;
    assert_true(asprintf(&path, "%s/ssh", harness_dir()) > 0);
    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 1), 0);
    pid = harness_spawn(HARNESS_ARGUMENTS("--qmp", path, "status"), &out);
    client = accept(listener, NULL, NULL);
    assert_int_equal(write(client, greeting, strlen(greeting)), strlen(greeting));
    assert_int_equal(harness_await(pid), 3);
    close(client);
    close(out);
}

static void test_nobody_there(void **state)
{
    (void)state;
    assert_no_connection("/nonexistent/socket", "No such file");
    assert_no_connection(harness_dir(), "");
}

static void test_status_without_agent(void **state)
{
    struct harness_run run = harness_vmplug(
        HARNESS_ARGUMENTS("--json", "--qmp", vm.qmp, "--agent", "/nonexistent", "status"));
    const json_t *agent =
        json_object_get(json_array_get(run.lines, 0), "agent");

    (void)state;
    assert_int_equal(run.status, 0);
    assert_true(json_is_false(json_object_get(agent, "connected")));
    assert_non_null(strstr(json_string_value(json_object_get(agent, "reason")), "/nonexistent"));
    harness_run_free(&run);
}

/* QEMU is killed while vmplug waits for the guest: never a success. */
static void test_lost(void **state)
{
    struct harness_vm doomed;
    char line[4096] = "";
    FILE *file;
    int out;
    pid_t pid;

    (void)state;
    harness_start_bare(&doomed, HARNESS_ARGUMENTS("-smp", "1,maxcpus=2"));
    pid = harness_spawn(HARNESS_ARGUMENTS("--qmp", doomed.qmp, "cpu", "add"), &out);
    file = fdopen(out, "r");
    while (strstr(line, "realized") == NULL)
        assert_non_null(fgets(line, sizeof(line), file));
    kill(doomed.pid, SIGKILL);
    assert_int_equal(harness_await(pid), 9);
    fclose(file);
    harness_stop(&doomed);
}

/* SIGINT while waiting: exit 130, and what stands is named. */
static void test_interrupted(void **state)
{
    struct harness_vm patient;
    char line[4096] = "";
    FILE *file;
    int out;
    pid_t pid;

    (void)state;
    harness_start_bare(&patient, HARNESS_ARGUMENTS("-smp", "1,maxcpus=2"));
    pid = harness_spawn(HARNESS_ARGUMENTS("--qmp", patient.qmp, "cpu", "add"), &out);
    file = fdopen(out, "r");
    while (strstr(line, "realized") == NULL)
        assert_non_null(fgets(line, sizeof(line), file));
    kill(pid, SIGINT);
    while (fgets(line, sizeof(line), file) != NULL && strstr(line, "vmplug-cpu-1") == NULL)
        ;
    assert_non_null(strstr(line, "vmplug-cpu-1"));
    assert_int_equal(harness_await(pid), 130);
    fclose(file);
    harness_stop(&patient);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_advice),
        cmocka_unit_test(test_objects),
        cmocka_unit_test(test_ceilings),
        cmocka_unit_test(test_two_qemus_and_one_image),
        cmocka_unit_test(test_broken_image),
        cmocka_unit_test(test_small_machines),
        cmocka_unit_test(test_busy_monitor),
        cmocka_unit_test(test_not_qmp),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_status_without_agent),
        cmocka_unit_test(test_lost),
        cmocka_unit_test(test_interrupted),
    };

    return cmocka_run_group_tests_name("QEMU without a guest", tests, start, stop);
}
