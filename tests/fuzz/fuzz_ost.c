/* SPDX-License-Identifier: MIT */
/* Events and rows of _OST in any order: the ledger says what a plain table of the last words says,
 * and each pair of codes has a meaning that fits into its buffer. */
#include <stdio.h>

#include "acpi/ledger.h"
#include "acpi/ost.h"
#include "base/cleanup.h"
#include "qmp/codec.h"
#include "tests/fuzz/fuzz.h"

#define SLOTS 8
#define ROWS_MAX 4
#define STEPS_MAX 200

/* The same in the plainest way. */
struct word {
    bool heard;
    uint32_t source, status;
    uint64_t sequence;
    uint32_t seen_source, seen_status; /* not yet believed */
    double seen_ms;
};

struct row {
    unsigned type, slot;
    uint32_t source, status;
};

static struct word words[2][SLOTS];
static uint64_t sequence;

static void check_codes(uint32_t source, uint32_t status)
{
    char text[OST_MEANING_MAX];
    enum ost_kind kind = ost_kind(source);
    enum ost_outcome outcome = ost_outcome(source, status);

    memset(text, 'x', sizeof(text));
    MUST(ost_meaning(source, status, text) == text);
    MUST(memchr(text, '\0', sizeof(text)) != NULL && text[0] != '\0');
    MUST(ost_source_name(source)[0] != '\0');
    MUST(status != 0 || outcome == OST_SUCCESS);
    MUST(outcome != OST_SUCCESS || status == 0 || kind == OST_SHUTDOWN);
    MUST(outcome == OST_FAILURE || status == 0 || kind != OST_OTHER);
}

/* Few codes and slots, so that they meet; now and then any. */
static struct row take_row(struct script *script)
{
    static const uint32_t sources[] = {0, 1, 3, 0x103, 0x200, 0x100};
    static const uint32_t statuses[] = {0, 1, 0x80, 0x82, 0x84, 0x91};
    uint8_t place = script_byte(script), codes = script_byte(script);
    struct row row = {.type = place & 1, .slot = place >> 1 & (SLOTS - 1)};

    row.source = (codes & 7) < 6 ? sources[codes & 7] : script_u32(script);
    row.status = (codes >> 3 & 7) < 6 ? statuses[codes >> 3 & 7] : script_u32(script);
    check_codes(row.source, row.status);
    return row;
}

static json_t *as_json(const struct row *row)
{
    char slot[16];

    (void)snprintf(slot, sizeof(slot), "%u", row->slot);
    return json_pack("{s:s, s:s, s:I, s:I}", "slot", slot, "slot-type",
                     row->type == LEDGER_CPU ? "CPU" : "DIMM", "source", (json_int_t)row->source,
                     "status", (json_int_t)row->status);
}

static void remember(const struct row *row)
{
    struct word *word = &words[row->type][row->slot];

    word->heard = true;
    word->source = row->source;
    word->status = row->status;
    word->sequence = ++sequence;
}

static void compare(const struct ledger *ledger, uint64_t mark)
{
    const struct ledger_entry *news;
    const struct word *word;
    unsigned type, slot;

    MUST(ledger_mark(ledger) == sequence);
    for (type = 0; type < 2; type++) {
        for (slot = 0; slot < SLOTS; slot++) {
            word = &words[type][slot];
            news = ledger_news(ledger, (enum ledger_slot_type)type, slot, mark);
            MUST((news != NULL) == (word->heard && word->sequence > mark));
            MUST(news == NULL || (news->source == word->source && news->status == word->status));
        }
    }
}

static void take_rows(struct ledger *ledger, struct script *script, double now_ms)
{
    AUTO_JSON json_t *rows = json_array();
    size_t count = script_byte(script) % ROWS_MAX, i;

    for (i = 0; i < count; i++) {
        struct row row = take_row(script);
        const struct word *word = &words[row.type][row.slot];

        (void)json_array_append_new(rows, as_json(&row));
        if (word->heard ? word->source != row.source || word->status != row.status
                        : row.source != 0 || row.status != 0)
            remember(&row);
    }
    ledger_take_rows(ledger, rows, now_ms);
}

/* A row that differs counts when it has stood for a tenth of a second. */
static void settle_row(struct ledger *ledger, struct script *script, double now_ms)
{
    AUTO_JSON json_t *rows = json_array();
    struct row row = take_row(script);
    struct word *word = &words[row.type][row.slot];

    (void)json_array_append_new(rows, as_json(&row));
    ledger_settle_rows(ledger, rows, now_ms);
    if (word->source == row.source && word->status == row.status) {
        word->seen_ms = 0;
    } else if (word->seen_ms == 0 || word->seen_source != row.source ||
               word->seen_status != row.status) {
        word->seen_source = row.source;
        word->seen_status = row.status;
        word->seen_ms = now_ms;
    } else if (now_ms - word->seen_ms >= 100) {
        word->seen_ms = 0;
        remember(&row);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct script script = {.at = data, .size = size};
    struct ledger ledger = {0};
    double now_ms = 1;
    uint64_t mark = 0;
    unsigned steps;

    memset(words, 0, sizeof(words));
    sequence = 0;
    for (steps = 0; script.size > 0 && steps < STEPS_MAX; steps++) {
        uint8_t step = script_byte(&script);

        if (step % 4 == 0) {
            struct row row = take_row(&script);
            AUTO_JSON json_t *event = json_pack("{s:o}", "info", as_json(&row));

            remember(&row);
            MUST(ledger_take_event(&ledger, event, now_ms));
        } else if (step % 4 == 1) {
            take_rows(&ledger, &script, now_ms);
        } else if (step % 4 == 2) {
            settle_row(&ledger, &script, now_ms);
        } else {
            mark = ledger_mark(&ledger);
        }
        now_ms += script_byte(&script);
        compare(&ledger, mark);
    }
    ledger_free(&ledger);
    return 0;
}
