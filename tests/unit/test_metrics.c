/* SPDX-License-Identifier: MIT */
/* What is counted, and how Prometheus reads it: each series once, buckets that add up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/metrics.h"

static struct operation_result ended(enum operation_type type, enum verdict verdict)
{
    return (struct operation_result){
        .type = type,
        .operation = operation_type_name(type),
        .top = VERDICT_ONLINE,
        .verdict = verdict,
        .stages = {{.rung = RUNG_ACCEPTED, .ms = 4}, {.rung = RUNG_ONLINE, .ms = 700}},
        .stage_count = verdict == VERDICT_ONLINE ? 2 : 1,
    };
}

static char *text_of(const struct metrics *metrics)
{
    const struct metrics_now now = {.vms = {{"absent", 2}, {"ready", 3}}, .subscribers = 7};

    return metrics_text(metrics, &now);
}

static void assert_line(const char *text, const char *line)
{
    char wanted[256];

    (void)snprintf(wanted, sizeof(wanted), "\n%s\n", line);
    if (strstr(text, wanted) == NULL)
        fail_msg("there is no line '%s' in:\n%s", line, text);
}

static void test_operations(void **state)
{
    struct metrics *metrics = metrics_new();
    struct operation_result result = ended(OPERATION_CPU_ADD, VERDICT_ONLINE);
    char *text;

    (void)state;
    metrics_operation(metrics, &result);
    result.stages[1].ms = 3e6;
    metrics_operation(metrics, &result);
    result = ended(OPERATION_DIMM_ADD, VERDICT_REFUSED);
    result.has_ost = true;
    result.ost_source = 3;
    result.ost_status = 0x82;
    metrics_operation(metrics, &result);
    result = ended(OPERATION_VIRTIO_MEM_ADD, VERDICT_REFUSED);
    metrics_operation(metrics, &result);
    text = text_of(metrics);
    assert_line(text, "vmplug_operations_total{operation=\"cpu-add\",verdict=\"online\"} 2");
    assert_line(text, "vmplug_operations_total{operation=\"memory-add\",verdict=\"refused\"} 2");
    assert_line(text, "vmplug_ost_refusals_total{source=\"0x3\",status=\"0x82\"} 1");
    assert_line(text, "vmplug_rung_seconds_bucket{operation=\"cpu-add\",rung=\"accepted\","
                      "le=\"0.005\"} 2");
    assert_line(text, "vmplug_rung_seconds_bucket{operation=\"cpu-add\",rung=\"online\","
                      "le=\"0.5\"} 0");
    assert_line(text, "vmplug_rung_seconds_bucket{operation=\"cpu-add\",rung=\"online\","
                      "le=\"300\"} 1");
    assert_line(text, "vmplug_rung_seconds_bucket{operation=\"cpu-add\",rung=\"online\","
                      "le=\"+Inf\"} 2");
    assert_line(text, "vmplug_rung_seconds_sum{operation=\"cpu-add\",rung=\"online\"} 3000.7");
    assert_line(text, "vmplug_rung_seconds_count{operation=\"cpu-add\",rung=\"online\"} 2");
    free(text);
    metrics_free(metrics);
}

/* A guest that makes up codes costs no more. */
static void test_many_codes(void **state)
{
    struct metrics *metrics = metrics_new();
    struct operation_result result = ended(OPERATION_CPU_REMOVE, VERDICT_REFUSED);
    char *text;

    (void)state;
    result.has_ost = true;
    for (result.ost_status = 0; result.ost_status < 100; result.ost_status++)
        metrics_operation(metrics, &result);
    text = text_of(metrics);
    assert_line(text, "vmplug_ost_refusals_total{source=\"other\",status=\"other\"} 68");
    free(text);
    metrics_free(metrics);
}

static void test_sums(void **state)
{
    struct metrics *metrics = metrics_new();
    struct metrics_vm one = {0}, other = {0};
    char *text;

    (void)state;
    metrics_saw(metrics, &one, (struct metrics_vm){100, 90, 1});
    metrics_saw(metrics, &other, (struct metrics_vm){1000, 0, 2});
    metrics_saw(metrics, &one, (struct metrics_vm){50, 50, 0});
    metrics_reconnect(metrics);
    metrics_reconcile(metrics, VERDICT_DONE);
    text = text_of(metrics);
    assert_line(text, "vmplug_memory_requested_bytes 1050");
    assert_line(text, "vmplug_memory_online_bytes 50");
    assert_line(text, "vmplug_orphans 2");
    assert_line(text, "vmplug_reconnects_total 1");
    assert_line(text, "vmplug_reconciles_total{verdict=\"done\"} 1");
    assert_line(text, "vmplug_vms{state=\"absent\"} 2");
    assert_line(text, "vmplug_vms{state=\"ready\"} 3");
    assert_line(text, "vmplug_event_subscribers 7");
    free(text);
    metrics_saw(metrics, &one, (struct metrics_vm){0});
    metrics_saw(metrics, &other, (struct metrics_vm){0});
    text = text_of(metrics);
    assert_line(text, "vmplug_memory_requested_bytes 0");
    assert_line(text, "vmplug_orphans 0");
    free(text);
    metrics_free(metrics);
    metrics_saw(NULL, &one, (struct metrics_vm){0});
    metrics_reconnect(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_many_codes),
        cmocka_unit_test(test_sums),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
