/* SPDX-License-Identifier: MIT */
/* Framer and codec: whatever the bytes and however they are cut, the same messages come out, with
 * the same end; each that decodes is written as JSON that decodes again; and what the framer holds
 * for free of wide numbers reads the same with and without care for them. */
#include "base/cleanup.h"
#include "qmp/codec.h"
#include "qmp/framer.h"
#include "tests/fuzz/fuzz.h"

#define RESYNCS_MAX 8

static const struct framer_limits limits = {.message_bytes = 4096, .depth = 16};

/* What came out: two runs that agree in these agree. */
struct run {
    uint64_t sum;
    unsigned messages, resyncs;
    enum error_code end;
};

/* Writes the value, reads it back, and writes it again: the same text, or the codec is broken. */
static void round_trip(const json_t *value)
{
    AUTO_FREE char *once = codec_dump(value, 0);
    AUTO_FREE char *twice = NULL;
    AUTO_JSON json_t *again = once != NULL ? codec_parse(once, NULL) : NULL;

    MUST(again != NULL);
    twice = codec_dump(again, 0);
    MUST(twice != NULL && strcmp(once, twice) == 0);
}

static void decode(const struct framer_message *message)
{
    struct framer_message careful = *message;
    struct error error = ERROR_INIT;
    AUTO_JSON json_t *value = codec_decode(message, &error);
    AUTO_JSON json_t *same = NULL;

    MUST((value == NULL) == (error.code == ERROR_PROTOCOL));
    if (value != NULL)
        round_trip(value);
    careful.wide_number = true;
    same = codec_decode(&careful, NULL);
    MUST((value == NULL) == (same == NULL));
    MUST(value == NULL || json_equal(value, same));
}

static void take_messages(struct framer *framer, struct run *run, bool decoding)
{
    struct framer_message message;
    struct error error = ERROR_INIT;
    enum framer_result result;
    size_t i;

    while ((result = framer_next(framer, &message, &error)) != FRAMER_MORE) {
        if (result == FRAMER_BAD) {
            run->end = error.code;
            if (run->resyncs++ == RESYNCS_MAX)
                return;
            framer_seek(framer);
            continue;
        }
        if (decoding)
            decode(&message);
        MUST(message.size_bytes <= limits.message_bytes);
        run->messages++;
        for (i = 0; i < message.size_bytes; i++)
            run->sum = run->sum * 31 + (unsigned char)message.bytes[i];
        run->sum = run->sum * 31 + message.wide_number;
    }
}

/* Feeds in pieces of step bytes, or, when it is 0, of sizes that follow from the input. */
static struct run feed(const uint8_t *data, size_t size, size_t step, bool decoding)
{
    struct framer framer;
    struct run run = {.sum = 0};
    size_t at = 0, piece;
    uint32_t chance = (uint32_t)size * 2654435761u + 1;

    framer_init(&framer, &limits);
    while (at < size && run.resyncs <= RESYNCS_MAX) {
        chance = chance * 1103515245u + 12345u + data[at];
        piece = step > 0 ? step : (chance >> 16) % 61 + 1;
        if (piece > size - at)
            piece = size - at;
        memcpy(framer_reserve(&framer, piece), data + at, piece);
        framer_fed(&framer, piece);
        at += piece;
        take_messages(&framer, &run, decoding);
    }
    framer_free(&framer);
    return run;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t steps[] = {1, 3, 0};
    const struct run whole = feed(data, size, size + 1, true);
    struct run pieces;
    size_t i;

    for (i = 0; i < COUNT_OF(steps); i++) {
        pieces = feed(data, size, steps[i], false);
        MUST(whole.sum == pieces.sum && whole.messages == pieces.messages);
        MUST(whole.resyncs == pieces.resyncs && whole.end == pieces.end);
    }
    return 0;
}
