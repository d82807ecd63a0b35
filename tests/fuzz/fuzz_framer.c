/* SPDX-License-Identifier: MIT */
/* Framer and codec: whatever the bytes and however they are cut, the same messages come out, and
 * each that decodes is written as JSON that decodes again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "qmp/codec.h"
#include "qmp/framer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct framer_limits limits = {.message_bytes = 4096, .depth = 16};

/* Writes the value, reads it back, and writes it again: the same text, or the codec is broken. */
static void round_trip(const json_t *value)
{
    AUTO_FREE char *once = codec_dump(value, 0);
    AUTO_FREE char *twice = NULL;
    AUTO_JSON json_t *again = once != NULL ? codec_parse(once, NULL) : NULL;

    if (again == NULL)
        abort();
    twice = codec_dump(again, 0);
    if (twice == NULL || strcmp(once, twice) != 0)
        abort();
}

/* Feeds in pieces of `step` bytes; returns a number that depends on every message. */
static uint64_t run(const uint8_t *data, size_t size, size_t step, int decode)
{
    struct framer framer;
    struct framer_message message;
    struct error error = ERROR_INIT;
    enum framer_result result = FRAMER_MORE;
    uint64_t sum = 0;
    size_t at = 0, piece, i;

    framer_init(&framer, &limits);
    while (at < size && result != FRAMER_BAD) {
        piece = size - at < step ? size - at : step;
        memcpy(framer_reserve(&framer, piece), data + at, piece);
        framer_fed(&framer, piece);
        at += piece;
        while ((result = framer_next(&framer, &message, &error)) == FRAMER_MESSAGE) {
            AUTO_JSON json_t *value = decode ? codec_decode(&message, &error) : NULL;

            if (value != NULL)
                round_trip(value);
            for (i = 0; i < message.size_bytes; i++)
                sum = sum * 31 + (unsigned char)message.bytes[i];
            sum = sum * 31 + message.wide_number;
        }
    }
    framer_free(&framer);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (run(data, size, size + 1, 1) != run(data, size, 1, 0))
        abort();
    return 0;
}
