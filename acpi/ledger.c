/* SPDX-License-Identifier: MIT */
#include "acpi/ledger.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "qmp/field.h"
#include "qmp/limits.h"
#include "qmp/qapi.h"

#define SETTLE_MS 100
#define FIRST_ROOM 32
#define ROWS_MAX ((size_t)2 * LIMITS_OST_SLOTS)

void ledger_free(struct ledger *ledger)
{
    size_t i;

    for (i = 0; i < COUNT_OF(ledger->tables); i++)
        free(ledger->tables[i].entries);
    *ledger = (struct ledger){.sequence = 0};
}

static bool read_row(const json_t *row, struct ledger_entry *ret)
{
    struct qapi_ost ost;

    if (!qapi_read_ost(row, &ost))
        return false;
    *ret = (struct ledger_entry){.type = ost.is_cpu ? LEDGER_CPU : LEDGER_DIMM,
                                 .slot = ost.slot,
                                 .source = ost.source,
                                 .status = ost.status};
    return true;
}

/* NULL when there is none, and nothing was heard of it. */
static struct ledger_entry *find(const struct ledger *ledger, enum ledger_slot_type type,
                                 unsigned slot)
{
    const struct ledger_table *table = &ledger->tables[type];

    return slot < table->count ? &table->entries[slot] : NULL;
}

static struct ledger_entry *find_or_add(struct ledger *ledger, const struct ledger_entry *row)
{
    struct ledger_table *table = &ledger->tables[row->type];
    struct ledger_entry *entries;
    size_t count = table->count > 0 ? table->count : FIRST_ROOM;

    if (row->slot < table->count)
        return &table->entries[row->slot];
    while (count <= row->slot)
        count *= 2;
    entries = reallocarray(table->entries, count, sizeof(*entries));
    if (entries == NULL)
        return NULL;
    table->entries = entries;
    for (; table->count < count; table->count++)
        entries[table->count] = (struct ledger_entry){.type = row->type,
                                                      .slot = (unsigned)table->count};
    return &entries[row->slot];
}

static bool take(struct ledger *ledger, const struct ledger_entry *row, uint64_t sequence,
                 double monotonic_ms)
{
    struct ledger_entry *entry = find_or_add(ledger, row);

    if (entry == NULL)
        return false;
    entry->source = row->source;
    entry->status = row->status;
    entry->sequence = sequence;
    entry->monotonic_ms = monotonic_ms;
    return true;
}

bool ledger_take_event(struct ledger *ledger, const json_t *data, double monotonic_ms)
{
    struct ledger_entry row;

    if (!read_row(field_object(data, "info"), &row))
        return false;
    return take(ledger, &row, ++ledger->sequence, monotonic_ms);
}

bool ledger_take_rows(struct ledger *ledger, const json_t *rows, double monotonic_ms)
{
    const struct ledger_entry *known;
    struct ledger_entry row;
    const json_t *object;
    size_t i;

    json_array_foreach(rows, i, object) {
        if (i >= ROWS_MAX || !read_row(object, &row))
            continue;
        known = find(ledger, row.type, row.slot);
        /* An empty row of a slot never heard of is no news: it is how every slot begins. */
        if (known == NULL && row.source == 0 && row.status == 0)
            continue;
        if ((known == NULL || known->source != row.source || known->status != row.status) &&
            !take(ledger, &row, ++ledger->sequence, monotonic_ms))
            return false;
    }
    return true;
}

void ledger_settle_rows(struct ledger *ledger, const json_t *rows, double monotonic_ms)
{
    struct ledger_entry *entry;
    struct ledger_entry row;
    const json_t *object;
    size_t i;

    json_array_foreach(rows, i, object) {
        if (i >= ROWS_MAX || !read_row(object, &row))
            continue;
        entry = find_or_add(ledger, &row);
        if (entry == NULL)
            continue;
        if (entry->source == row.source && entry->status == row.status) {
            entry->seen_ms = 0;
        } else if (entry->seen_ms == 0 || entry->seen_source != row.source ||
                   entry->seen_status != row.status) {
            entry->seen_source = row.source;
            entry->seen_status = row.status;
            entry->seen_ms = monotonic_ms;
        } else if (monotonic_ms - entry->seen_ms >= SETTLE_MS) {
            entry->seen_ms = 0;
            (void)take(ledger, &row, ++ledger->sequence, monotonic_ms);
        }
    }
}

uint64_t ledger_mark(const struct ledger *ledger)
{
    return ledger->sequence;
}

const struct ledger_entry *ledger_news(const struct ledger *ledger, enum ledger_slot_type type,
                                       unsigned slot, uint64_t mark)
{
    const struct ledger_entry *entry = find(ledger, type, slot);

    return entry != NULL && entry->sequence > mark ? entry : NULL;
}
