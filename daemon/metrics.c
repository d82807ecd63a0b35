/* SPDX-License-Identifier: MIT */
#include "daemon/metrics.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"

/* Kinds of refusal that are told apart; a guest could make up as many as it likes. */
#define OST_MAX 32

static const double bounds_ms[] = {5,    10,   25,   50,    100,   250,   500,
                                   1000, 2500, 5000, 10000, 30000, 60000, 300000};

struct histogram {
    uint64_t counts[COUNT_OF(bounds_ms)]; /* of those up to the bound and above the one before */
    uint64_t count;
    double sum_ms;
};

struct ost {
    uint32_t source, status;
    uint64_t count;
};

struct metrics {
    uint64_t operations[OPERATION_TYPES_][VERDICTS_];
    struct histogram rungs[OPERATION_TYPES_][RUNGS_];
    const char *rung_names[OPERATION_TYPES_][RUNGS_];
    struct ost osts[OST_MAX];
    size_t ost_count;
    uint64_t other_osts;
    uint64_t reconnects, forbidden, gaps;
    uint64_t reconciles[VERDICTS_];
    struct metrics_vm sum;
};

struct metrics *metrics_new(void)
{
    return calloc(1, sizeof(struct metrics));
}

void metrics_free(struct metrics *metrics)
{
    free(metrics);
}

/* ---- counting ---- */

static void observe(struct histogram *histogram, double ms)
{
    size_t i;

    for (i = 0; i < COUNT_OF(bounds_ms) && ms > bounds_ms[i]; i++)
        continue;
    if (i < COUNT_OF(bounds_ms))
        histogram->counts[i]++;
    histogram->count++;
    histogram->sum_ms += ms;
}

static void count_ost(struct metrics *metrics, uint32_t source, uint32_t status)
{
    struct ost *ost;
    size_t i;

    for (i = 0; i < metrics->ost_count; i++) {
        ost = &metrics->osts[i];
        if (ost->source == source && ost->status == status) {
            ost->count++;
            return;
        }
    }
    if (metrics->ost_count < OST_MAX)
        metrics->osts[metrics->ost_count++] = (struct ost){source, status, 1};
    else
        metrics->other_osts++;
}

void metrics_operation(struct metrics *metrics, const struct operation_result *result)
{
    const struct operation_stage *stage;
    enum operation_type type;
    size_t i;

    /* DIMM and virtio-mem share a name, and so their lines. */
    if (metrics == NULL || !operation_type_find(result->operation, &type))
        return;
    metrics->operations[type][result->verdict]++;
    for (i = 0; i < result->stage_count; i++) {
        stage = &result->stages[i];
        observe(&metrics->rungs[type][stage->rung], stage->ms);
        metrics->rung_names[type][stage->rung] = operation_rung_name(result, stage->rung);
    }
    if (result->verdict == VERDICT_REFUSED && result->has_ost)
        count_ost(metrics, result->ost_source, result->ost_status);
}

void metrics_reconnect(struct metrics *metrics)
{
    if (metrics != NULL)
        metrics->reconnects++;
}

void metrics_reconcile(struct metrics *metrics, enum verdict verdict)
{
    if (metrics != NULL)
        metrics->reconciles[verdict]++;
}

void metrics_forbidden(struct metrics *metrics)
{
    if (metrics != NULL)
        metrics->forbidden++;
}

void metrics_gap(struct metrics *metrics)
{
    if (metrics != NULL)
        metrics->gaps++;
}

void metrics_saw(struct metrics *metrics, struct metrics_vm *vm, struct metrics_vm now)
{
    if (metrics == NULL)
        return;
    metrics->sum.requested_bytes += now.requested_bytes - vm->requested_bytes;
    metrics->sum.online_bytes += now.online_bytes - vm->online_bytes;
    metrics->sum.orphans += now.orphans - vm->orphans;
    *vm = now;
}

/* ---- the text ---- */

struct text {
    struct buffer buffer;
    bool failed;
};

static void put(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void put(struct text *text, const char *format, ...)
{
    char line[256];
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (size < 0 || (size_t)size >= sizeof(line) ||
        buffer_append(&text->buffer, line, (size_t)size) < 0)
        text->failed = true;
}

static void put_head(struct text *text, const char *name, const char *type, const char *help)
{
    put(text, "# HELP vmplug_%s %s\n", name, help);
    put(text, "# TYPE vmplug_%s %s\n", name, type);
}

static void put_number(struct text *text, const char *name, const char *type, const char *help,
                       uint64_t value)
{
    put_head(text, name, type, help);
    put(text, "vmplug_%s %" PRIu64 "\n", name, value);
}

static void put_operations(struct text *text, const struct metrics *metrics)
{
    size_t type, verdict;

    put_head(text, "operations_total", "counter", "Devices added, taken back or changed.");
    for (type = 0; type < OPERATION_TYPES_; type++) {
        for (verdict = 0; verdict < VERDICTS_; verdict++) {
            if (metrics->operations[type][verdict] > 0)
                put(text, "vmplug_operations_total{operation=\"%s\",verdict=\"%s\"} %" PRIu64 "\n",
                    operation_type_name((enum operation_type)type),
                    verdict_name((enum verdict)verdict), metrics->operations[type][verdict]);
        }
    }
}

static void put_histogram(struct text *text, const struct histogram *histogram,
                          const char *labels)
{
    uint64_t count = 0;
    size_t i;

    for (i = 0; i < COUNT_OF(bounds_ms); i++) {
        count += histogram->counts[i];
        put(text, "vmplug_rung_seconds_bucket{%s,le=\"%g\"} %" PRIu64 "\n", labels,
            bounds_ms[i] / 1e3, count);
    }
    put(text, "vmplug_rung_seconds_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n", labels,
        histogram->count);
    put(text, "vmplug_rung_seconds_sum{%s} %.6g\n", labels, histogram->sum_ms / 1e3);
    put(text, "vmplug_rung_seconds_count{%s} %" PRIu64 "\n", labels, histogram->count);
}

static void put_rungs(struct text *text, const struct metrics *metrics)
{
    char labels[128];
    size_t type, rung;

    put_head(text, "rung_seconds", "histogram",
             "Time from an operation's beginning to each rung of evidence that it reached.");
    for (type = 0; type < OPERATION_TYPES_; type++) {
        for (rung = 0; rung < RUNGS_; rung++) {
            if (metrics->rungs[type][rung].count == 0)
                continue;
            (void)snprintf(labels, sizeof(labels), "operation=\"%s\",rung=\"%s\"",
                           operation_type_name((enum operation_type)type),
                           metrics->rung_names[type][rung]);
            put_histogram(text, &metrics->rungs[type][rung], labels);
        }
    }
}

static void put_osts(struct text *text, const struct metrics *metrics)
{
    size_t i;

    put_head(text, "ost_refusals_total", "counter",
             "Refusals by the guest's _OST (ACPI 6.5, 6.3.5), by its source event and status.");
    for (i = 0; i < metrics->ost_count; i++)
        put(text, "vmplug_ost_refusals_total{source=\"0x%x\",status=\"0x%x\"} %" PRIu64 "\n",
            metrics->osts[i].source, metrics->osts[i].status, metrics->osts[i].count);
    if (metrics->other_osts > 0)
        put(text, "vmplug_ost_refusals_total{source=\"other\",status=\"other\"} %" PRIu64 "\n",
            metrics->other_osts);
}

static void put_reconciles(struct text *text, const struct metrics *metrics)
{
    size_t i;

    put_head(text, "reconciles_total", "counter", "Manifests worked through, by what came of it.");
    for (i = 0; i < VERDICTS_; i++) {
        if (metrics->reconciles[i] > 0)
            put(text, "vmplug_reconciles_total{verdict=\"%s\"} %" PRIu64 "\n",
                verdict_name((enum verdict)i), metrics->reconciles[i]);
    }
}

static void put_now(struct text *text, const struct metrics_now *now)
{
    size_t i;

    put_head(text, "vms", "gauge", "VMs held, by the state of their monitors.");
    for (i = 0; i < METRICS_STATES && now->vms[i].name != NULL; i++)
        put(text, "vmplug_vms{state=\"%s\"} %" PRIu64 "\n", now->vms[i].name, now->vms[i].count);
    put_number(text, "event_subscribers", "gauge", "Clients that follow /v1/events.",
               now->subscribers);
    put_number(text, "api_operations_under_way", "gauge", "Operations of /v1 that have not ended.",
               now->operations_under_way);
}

char *metrics_text(const struct metrics *metrics, const struct metrics_now *now)
{
    struct text text = {.failed = false};
    char *bytes;

    put_operations(&text, metrics);
    put_rungs(&text, metrics);
    put_osts(&text, metrics);
    put_reconciles(&text, metrics);
    put_number(&text, "memory_requested_bytes", "gauge", "Memory that all VMs are to have.",
               metrics->sum.requested_bytes);
    put_number(&text, "memory_online_bytes", "gauge", "Memory that all guests have, as last seen.",
               metrics->sum.online_bytes);
    put_number(&text, "orphans", "gauge", "What is left in all VMs of things that failed.",
               metrics->sum.orphans);
    put_number(&text, "reconnects_total", "counter", "Monitors connected again.",
               metrics->reconnects);
    put_number(&text, "forbidden_total", "counter", "Requests refused for lack of a role.",
               metrics->forbidden);
    put_number(&text, "event_gaps_total", "counter",
               "Times that a reader of events was too slow and had some left out.", metrics->gaps);
    put_now(&text, now);
    if (buffer_append(&text.buffer, "", 1) < 0)
        text.failed = true;
    bytes = text.failed ? NULL : strdup(buffer_bytes(&text.buffer));
    buffer_free(&text.buffer);
    return bytes;
}
