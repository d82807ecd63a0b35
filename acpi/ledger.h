/* SPDX-License-Identifier: MIT */
/*
 * The last word of the guest on each ACPI slot, fed by ACPI_DEVICE_OST events and by
 * query-acpi-ospm-status. QEMU keeps showing the last word of a device that is long gone, and a
 * row says nothing of when: so whoever waits for an answer takes a mark first and asks for what
 * came after it.
 */
#ifndef ACPI_LEDGER_H
#define ACPI_LEDGER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "acpi/ost.h"

enum ledger_slot_type { LEDGER_CPU, LEDGER_DIMM, LEDGER_SLOT_TYPES_ };

struct ledger_entry {
    enum ledger_slot_type type;
    unsigned slot;
    uint32_t source;
    uint32_t status;
    uint64_t sequence;  /* of the last change; larger is later */
    double monotonic_ms;
    uint32_t seen_source, seen_status; /* by ledger_settle_rows(), not yet believed */
    double seen_ms;                    /* 0: nothing seen */
};

/* By slot, LIMITS_OST_SLOTS at most: whatever comes, finding one is one step. */
struct ledger_table {
    struct ledger_entry *entries; /* of sequence 0: nothing was heard */
    size_t count;
};

struct ledger {
    struct ledger_table tables[LEDGER_SLOT_TYPES_];
    uint64_t sequence;
};

void ledger_free(struct ledger *ledger);

/* Takes an event's data, or one row of query-acpi-ospm-status (QAPI ACPIOSTInfo: slot, slot-type,
 * source, status; a device may be named, but on a completed ejection it is not, hence the slot is
 * the key). What is malformed or beyond 65536 slots is ignored. Returns true when it was taken. */
bool ledger_take_event(struct ledger *ledger, const json_t *data, double monotonic_ms);

/* Takes a whole answer of query-acpi-ospm-status. Rows that say what is known already change
 * nothing; others count as news. The first answer a ledger sees is its baseline. False when memory
 * runs out: what it did not keep would be news the next time. */
bool ledger_take_rows(struct ledger *ledger, const json_t *rows, double monotonic_ms);

/* The same for an answer that is to prove something. A guest writes source and status one after the
 * other, and an answer that falls between them shows the new source with the old status: so a row
 * that differs counts only when a later answer, 100 ms on, still shows the same. */
void ledger_settle_rows(struct ledger *ledger, const json_t *rows, double monotonic_ms);

/* Everything learnt from now on is after this mark. */
uint64_t ledger_mark(const struct ledger *ledger);

/* The slot's entry if it changed after the mark, else NULL; borrowed until the next call that
 * takes something. */
const struct ledger_entry *ledger_news(const struct ledger *ledger, enum ledger_slot_type type,
                                       unsigned slot, uint64_t mark);

#endif
