/* SPDX-License-Identifier: MIT */
/*
 * A hotplug test: vmplug moves the hardware and says what came of it, and the test looks at the
 * guest in between. Copy it, put your own guest into boot() and your own doubts into the tests.
 *
 *     cc -Wall -o test_hotplug test_hotplug.c $(pkg-config --cflags --libs libvmplug cmocka)
 *     VMPLUG_SCRIPTS=…/vmplug/scripts ./test_hotplug       which boots a small guest of its own
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <vmplug/vmm.h>

#define MIB (UINT64_C(1) << 20)
#define PATIENCE_MS 60000

static char directory[] = "/tmp/test-hotplug-XXXXXX";
static struct vmplug_vm *vm;
static struct vmplug_error error;

/* Fails with vmplug's own words. */
static void assert_verdict(int verdict, int expected)
{
    if (verdict != expected)
        fail_msg("%s, not %s: %s", vmplug_verdict_name(verdict), vmplug_verdict_name(expected),
                 error.why);
}

/* ---- the guest: one QEMU for all tests ---- */

static int run_guest(const char *arguments)
{
    const char *scripts = getenv("VMPLUG_SCRIPTS");
    char command[512];

    (void)snprintf(command, sizeof(command), "%s/run-guest --dir %s %s >/dev/null",
                   scripts != NULL ? scripts : "scripts", directory, arguments);
    return system(command);
}

static int boot(void **state)
{
    struct vmplug_vm_options options = {.struct_bytes = sizeof(options), .runtime_dir = directory};
    char qmp[64], agent[64];

    (void)state;
    if (mkdtemp(directory) == NULL || run_guest("-- -smp 1,maxcpus=4") != 0)
        return -1;
    (void)snprintf(qmp, sizeof(qmp), "%s/qmp", directory);
    (void)snprintf(agent, sizeof(agent), "%s/agent", directory);
    options.qmp_path = qmp;
    options.agent_path = agent;
    vm = vmplug_vm_open(&options, &error);
    return vm != NULL ? 0 : -1;
}

static int shut_down(void **state)
{
    char command[64];

    (void)state;
    vmplug_vm_free(vm);
    (void)snprintf(command, sizeof(command), "rm -r %s", directory);
    return run_guest("--stop") == 0 ? system(command) : -1;
}

/* ---- the tests ---- */

/* The agent's own list, so that the guest itself confirms what vmplug says. */
static void assert_vcpus(unsigned expected)
{
    char *list = vmplug_agent_call(vmplug_vm_agent(vm), "guest-get-vcpus", NULL, PATIENCE_MS,
                                   &error);
    const char *each = list;
    unsigned online = 0;

    if (list == NULL)
        fail_msg("%s", error.why);
    while ((each = strstr(each, "\"online\":true")) != NULL) {
        online++;
        each++;
    }
    vmplug_text_free(list);
    assert_int_equal(online, expected);
}

static void test_vcpus_come(void **state)
{
    (void)state;
    assert_vcpus(1);
    assert_verdict(vmplug_cpu_set(vm, 3, PATIENCE_MS, NULL, &error), VMPLUG_ONLINE);
    assert_vcpus(3);
}

static void test_memory_comes_and_goes(void **state)
{
    const struct vmplug_request movable = {.struct_bytes = sizeof(movable),
                                           .action = VMPLUG_MEMORY_ADD,
                                           .bytes = 256 * MIB,
                                           .id = "guinea-pig",
                                           .movable = 1};

    (void)state;
    assert_verdict(vmplug_run(vm, &movable, NULL, &error), VMPLUG_ONLINE);
    assert_verdict(vmplug_memory_remove(vm, "guinea-pig", PATIENCE_MS, NULL, &error),
                   VMPLUG_REMOVED);
}

/* What can't be is refused beforehand, and changes nothing. */
static void test_ceiling(void **state)
{
    (void)state;
    assert_verdict(vmplug_cpu_set(vm, 5, PATIENCE_MS, NULL, &error), VMPLUG_BLOCKED);
    assert_non_null(strstr(error.why, "maxcpus=4"));
    assert_vcpus(3);
}

/* A guest that is stopped can't answer: the request stands, and is taken up again. */
static void test_stopped_guest(void **state)
{
    const struct vmplug_request removal = {.struct_bytes = sizeof(removal),
                                           .action = VMPLUG_MEMORY_REMOVE,
                                           .timeout_ms = 2000,
                                           .names = (const char *const[]){"late"},
                                           .name_count = 1};
    const struct vmplug_request movable = {.struct_bytes = sizeof(movable),
                                           .action = VMPLUG_MEMORY_ADD,
                                           .bytes = 128 * MIB,
                                           .id = "late",
                                           .movable = 1};
    struct vmplug_qmp *qmp = vmplug_vm_qmp(vm);

    (void)state;
    assert_verdict(vmplug_run(vm, &movable, NULL, &error), VMPLUG_ONLINE);
    vmplug_text_free(vmplug_qmp_call(qmp, "stop", NULL, PATIENCE_MS, &error));
    assert_verdict(vmplug_run(vm, &removal, NULL, &error), VMPLUG_PENDING);
    vmplug_text_free(vmplug_qmp_call(qmp, "cont", NULL, PATIENCE_MS, &error));
    assert_verdict(vmplug_wait(vm, "late", PATIENCE_MS, NULL, &error), VMPLUG_REMOVED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vcpus_come),
        cmocka_unit_test(test_memory_comes_and_goes),
        cmocka_unit_test(test_ceiling),
        cmocka_unit_test(test_stopped_guest),
    };

    return cmocka_run_group_tests_name("hotplug", tests, boot, shut_down);
}
