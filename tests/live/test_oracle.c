/* SPDX-License-Identifier: MIT */
/*
 * A real QEMU without a guest (-S) says what a guest could: writes to the hotplug registers through
 * its human monitor make it emit any _OST for any slot. What acpi/ makes of these events is held
 * against what was written, and against the tables of ACPI 6.5, 6.3.5, written down here once more.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "acpi/ledger.h"
#include "acpi/ost.h"
#include "base/cleanup.h"
#include "qmp/blocking.h"
#include "qmp/qmp_client.h"
#include "tests/live/harness.h"

#define DIMM_BLOCK 0xa00 /* selector; +4 source, +8 status (QEMU, acpi_mem_hotplug) */
#define CPU_BLOCK 0xcd8  /* selector; +5 command, +8 data (QEMU, acpi_cpu_hotplug) */
#define COMMAND_MS 10000

static struct harness_vm vm;
static struct qmp_client *client;
static struct ledger ledger;
static unsigned events;

/* Every source that the specification names, and some that it does not. */
static const uint32_t sources[] = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06,  0x07,  0x08,
                                   0x09, 0x0b, 0x0c, 0x0d, 0x0e, 0x80, 0x100, 0x103, 0x200};

static const struct {
    uint32_t source, status;
    const char *meaning;
} meanings[] = {
    {0x01, 0x00, "success"},
    {0x01, 0x01, "non-specific failure"},
    {0x01, 0x02, "unrecognized notify code"},
    {0x01, 0x03, "reserved status 0x3"},
    {0x01, 0x80, "device insertion in progress"},
    {0x01, 0x81, "device driver load failure"},
    {0x01, 0x82, "device insertion not supported by the guest"},
    {0x200, 0x80, "device insertion in progress"},
    {0x200, 0x91, "resources unavailable (memory)"},
    {0x200, 0x92, "resources unavailable (I/O)"},
    {0x200, 0x94, "resources unavailable (interrupts)"},
    {0x200, 0x98, "resources unavailable (bus or segment numbers)"},
    {0x200, 0x9f, "resources unavailable (bus or segment numbers, interrupts, I/O, memory)"},
    {0x03, 0x80, "ejection not supported by the guest"},
    {0x03, 0x81, "device in use by application"},
    {0x03, 0x82, "device busy"},
    {0x03, 0x83, "ejection dependency is busy or not supported for ejection"},
    {0x03, 0x84, "ejection is in progress"},
    {0x103, 0x82, "device busy"},
    {0x103, 0x84, "ejection is in progress"},
    {0x100, 0x80, "shutdown request denied"},
    {0x100, 0x81, "shutdown in progress"},
    {0x100, 0x82, "shutdown completed"},
    {0x100, 0x83, "graceful shutdown not supported"},
};

static void monitor(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void monitor(const char *format, ...)
{
    char line[128];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    json_decref(blocking_qmp(client, "human-monitor-command",
                             json_pack("{s:s}", "command-line", line), COMMAND_MS, NULL));
}

static void say_dimm(unsigned slot, uint32_t source, uint32_t status)
{
    monitor("o/w 0x%x %u", DIMM_BLOCK, slot);
    monitor("o/w 0x%x 0x%" PRIx32, DIMM_BLOCK + 4, source);
    monitor("o/w 0x%x 0x%" PRIx32, DIMM_BLOCK + 8, status);
}

static void say_cpu(unsigned slot, uint32_t source, uint32_t status)
{
    monitor("o/w 0x%x %u", CPU_BLOCK, slot);
    monitor("o/b 0x%x 1", CPU_BLOCK + 5);
    monitor("o/w 0x%x 0x%" PRIx32, CPU_BLOCK + 8, source);
    monitor("o/b 0x%x 2", CPU_BLOCK + 5);
    monitor("o/w 0x%x 0x%" PRIx32, CPU_BLOCK + 8, status);
}

static void on_event(void *user, const struct qmp_event *event)
{
    (void)user;
    if (event == NULL || strcmp(event->name, "ACPI_DEVICE_OST") != 0)
        return;
    assert_true(ledger_take_event(&ledger, event->data, event->monotonic_ms));
    events++;
}

static int start(void **state)
{
    struct qmp_client_options options = {.path = vm.qmp};

    (void)state;
    harness_need_tools();
    harness_start_bare(&vm, HARNESS_ARGUMENTS("-machine", "q35", "-smp", "1,maxcpus=4", "-m",
                                              "256M,slots=4,maxmem=2G"));
    client = qmp_client_new(&options, NULL);
    if (client == NULL || qmp_client_subscribe(client, on_event, NULL) == 0)
        return -1;
    /* Twice any selector, then a command: the vCPU block leaves its old register layout. */
    monitor("o/w 0x%x 0", CPU_BLOCK);
    monitor("o/w 0x%x 0", CPU_BLOCK);
    monitor("o/b 0x%x 0", CPU_BLOCK + 5);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    qmp_client_free(client);
    ledger_free(&ledger);
    harness_stop(&vm);
    return 0;
}

/* QEMU sends the event before the reply to the command that caused it. */
static const struct ledger_entry *say(enum ledger_slot_type type, unsigned slot, uint32_t source,
                                      uint32_t status)
{
    uint64_t mark = ledger_mark(&ledger);
    const struct ledger_entry *entry;
    unsigned before = events;

    if (type == LEDGER_CPU)
        say_cpu(slot, source, status);
    else
        say_dimm(slot, source, status);
    assert_int_equal(events, before + 1);
    entry = ledger_news(&ledger, type, slot, mark);
    assert_non_null(entry);
    return entry;
}

/* Every status of every source, for either kind of slot, comes through as it was written. */
static void test_every_code(void **state)
{
    const struct ledger_entry *entry;
    char text[OST_MEANING_MAX];
    uint32_t status;
    unsigned type;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(sources); i++) {
        for (status = 0; status <= 0xa0; status += status == 3 ? 0x7c : 1) {
            type = (unsigned)(i + status) % 2;
            entry = say((enum ledger_slot_type)type, (unsigned)(status % 4), sources[i], status);
            assert_int_equal(entry->source, sources[i]);
            assert_int_equal(entry->status, status);
            assert_true(strlen(ost_meaning(entry->source, entry->status, text)) > 0);
            assert_true(strlen(ost_source_name(entry->source)) > 0);
        }
    }
}

static void test_meanings(void **state)
{
    const struct ledger_entry *entry;
    char text[OST_MEANING_MAX];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(meanings); i++) {
        entry = say(LEDGER_DIMM, 1, meanings[i].source, meanings[i].status);
        assert_string_equal(ost_meaning(entry->source, entry->status, text), meanings[i].meaning);
    }
}

/* The table that QEMU keeps says the same as its last event. */
static void test_rows(void **state)
{
    struct ledger from_rows = {0};
    json_t *rows;

    (void)state;
    (void)say(LEDGER_DIMM, 2, 3, 0x82);
    (void)say(LEDGER_CPU, 3, 0x103, 0x81);
    rows = blocking_qmp(client, "query-acpi-ospm-status", NULL, COMMAND_MS, NULL);
    ledger_take_rows(&from_rows, rows, 1);
    json_decref(rows);
    assert_int_equal(ledger_news(&from_rows, LEDGER_DIMM, 2, 0)->status, 0x82);
    assert_int_equal(ledger_news(&from_rows, LEDGER_CPU, 3, 0)->source, 0x103);
    assert_int_equal(ledger_news(&from_rows, LEDGER_CPU, 3, 0)->status, 0x81);
    ledger_free(&from_rows);
}

/* An ejection of a DIMM, asked for by the guest's side alone. */
static void test_eject(void **state)
{
    struct harness_run run =
        harness_vmplug(HARNESS_ARGUMENTS("-q", vm.qmp2, "--json", "memory", "add", "128M",
                                         "--wait", "realized"));
    json_t *devices;

    (void)state;
    assert_string_equal(harness_verdict(&run), "realized");
    harness_run_free(&run);
    monitor("o/w 0x%x 0", DIMM_BLOCK);
    monitor("o/b 0x%x 8", DIMM_BLOCK + 0x14);
    devices = blocking_qmp(client, "query-memory-devices", NULL, COMMAND_MS, NULL);
    assert_int_equal(json_array_size(devices), 0);
    json_decref(devices);
    run = harness_vmplug(HARNESS_ARGUMENTS("-q", vm.qmp2, "qmp", "object-del",
                                           "{\"id\":\"vmplug-mem-0-backend\"}"));
    assert_int_equal(run.status, 0);
    harness_run_free(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code),
        cmocka_unit_test(test_meanings),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_eject),
    };

    return cmocka_run_group_tests_name("live: _OST by a QEMU without a guest", tests, start, stop);
}
