/* SPDX-License-Identifier: MIT */
/* Readers of single answers: any JSON, of any shape, through each of them. */
#include "acpi/ledger.h"
#include "base/cleanup.h"
#include "qmp/codec.h"
#include "qmp/qapi.h"
#include "qmp/qga.h"
#include "tests/fuzz/fuzz.h"

static void read_guest(const json_t *value)
{
    AUTO_FREE struct qga_vcpu *vcpus = NULL;
    AUTO_FREE struct qga_memory_block *blocks = NULL;
    AUTO_FREE struct qga_disk *disks = NULL;
    AUTO_JSON json_t *commands __attribute__((unused)) = qga_read_commands(value);
    struct error error = ERROR_INIT;
    size_t count, i;

    (void)qga_read_vcpus(value, &vcpus, &count);
    (void)qga_read_memory_blocks(value, &blocks, &count);
    if (qga_read_disks(value, &disks, &count)) {
        for (i = 0; i < count; i++)
            MUST(strstr(disks[i].name, "..") == NULL);
    }
    (void)qga_read_block_bytes(value);
    (void)qga_check_memory_blocks_set(value, &error);
}

static void read_qemu(const json_t *value)
{
    struct qapi_hotpluggable_cpu cpu;
    struct qapi_memory_device device;
    struct qapi_block block;
    struct ledger ledger = {0};
    char meaning[OST_MEANING_MAX];
    const json_t *row;
    size_t i;

    (void)qapi_read_hotpluggable_cpu(value, 0, &cpu);
    json_array_foreach(value, i, row) {
        qapi_read_memory_device(row, &device);
        qapi_read_block(row, &block);
    }
    ledger_take_rows(&ledger, value, 0);
    (void)ledger_take_event(&ledger, value, 0);
    for (i = 0; i < ledger.tables[LEDGER_CPU].count; i++)
        (void)ost_meaning(ledger.tables[LEDGER_CPU].entries[i].source,
                          ledger.tables[LEDGER_CPU].entries[i].status, meaning);
    ledger_free(&ledger);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct script script = {.at = data, .size = size};
    AUTO_FREE char *text = script_text(&script);
    AUTO_JSON json_t *value = text != NULL ? codec_parse(text, NULL) : NULL;

    if (value != NULL) {
        read_guest(value);
        read_qemu(value);
    }
    return 0;
}
