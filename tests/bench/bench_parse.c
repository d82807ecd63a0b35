/* SPDX-License-Identifier: MIT */
/* Framing and parsing of replies that come in pieces, against jansson's own json_loadb() on the
 * whole: what it costs to find where a message ends, and whether that stays linear. */
#include <jansson.h>
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "qmp/codec.h"
#include "qmp/framer.h"
#include "tests/bench/bench.h"

#define ROUNDS 5
#define LEAST_BYTES 76
#define MOST_BYTES (16 << 20)
#define SIZES 7
#define SHORTEST_MS 4 /* of a sample: shorter ones are repeated */

static const size_t pieces[] = {1, 64, 4096, 65536};

struct reply {
    struct buffer text;
    size_t piece; /* 0: json_loadb() */
    unsigned times;
};

/* What QEMU's own look like: objects of a few members, with names and small numbers. */
static void make(struct reply *reply, size_t bytes)
{
    static const char head[] = "{\"return\": [{\"name\": \"a\"}";
    static const char tail[] = "], \"id\": \"bench-1\"}\r\n";
    char row[128];
    unsigned i = 0;
    int size;

    (void)buffer_append(&reply->text, head, strlen(head));
    while (buffer_size(&reply->text) + strlen(tail) < bytes) {
        size = snprintf(row, sizeof(row),
                        ", {\"name\": \"vmplug-%u\", \"type\": \"child<pc-dimm>\", \"at\": %u}", i,
                        i * 7);
        (void)buffer_append(&reply->text, row, (size_t)size);
        i++;
    }
    (void)buffer_append(&reply->text, tail, strlen(tail));
}

static void load_whole(const struct reply *reply)
{
    json_t *value = json_loadb(buffer_bytes(&reply->text), buffer_size(&reply->text), 0, NULL);

    if (value == NULL)
        exit(1);
    json_decref(value);
}

static void load_pieces(const struct reply *reply, struct framer *framer)
{
    const char *bytes = buffer_bytes(&reply->text);
    size_t size = buffer_size(&reply->text), at = 0, length;
    struct framer_message message;
    unsigned found = 0;
    char *room;

    while (at < size) {
        length = size - at < reply->piece ? size - at : reply->piece;
        room = framer_reserve(framer, length);
        memcpy(room, bytes + at, length);
        framer_fed(framer, length);
        at += length;
        while (framer_next(framer, &message, NULL) == FRAMER_MESSAGE) {
            json_decref(codec_decode(&message, NULL));
            found++;
        }
    }
    if (found != 1)
        exit(1);
}

/* One framer for all, as a session has. Each begins with a heap that was given back: else it would
 * be luck who finds the pages of the one before, and who has to ask the kernel for each anew. */
static double run(void *user)
{
    const struct framer_limits limits = {.message_bytes = 2 * MOST_BYTES, .depth = 64};
    const struct reply *reply = user;
    struct framer framer;
    double start_ms;
    unsigned i;

    (void)malloc_trim(0);
    start_ms = bench_processor_ms();
    framer_init(&framer, &limits);
    for (i = 0; i < reply->times; i++) {
        if (reply->piece == 0)
            load_whole(reply);
        else
            load_pieces(reply, &framer);
    }
    framer_free(&framer);
    return (bench_processor_ms() - start_ms) / reply->times;
}

static void measure(size_t bytes, double *ret_bytes, double ms[COUNT_OF(pieces) + 1])
{
    static const char *const names[] = {"jansson, whole", "1 B", "64 B", "4 KiB", "64 KiB"};
    struct bench_contender contenders[COUNT_OF(pieces) + 1];
    struct reply replies[COUNT_OF(pieces) + 1] = {{.piece = 0}};
    static struct bench_samples samples;
    char title[96];
    size_t i;

    make(&replies[0], bytes);
    for (i = 0; i < COUNT_OF(contenders); i++) {
        replies[i] = replies[0];
        replies[i].piece = i == 0 ? 0 : pieces[i - 1];
        replies[i].times = 1;
        replies[i].times = (unsigned)(SHORTEST_MS / (run(&replies[i]) + 1e-4)) + 1;
        contenders[i] = (struct bench_contender){names[i], run, &replies[i]};
    }
    *ret_bytes = (double)buffer_size(&replies[0].text);
    (void)snprintf(title, sizeof(title), "a reply of %.0f bytes, processor time, in pieces of",
                   *ret_bytes);
    bench_run(title, contenders, COUNT_OF(contenders), ROUNDS, &samples);
    for (i = 0; i < COUNT_OF(contenders); i++)
        ms[i] = bench_median(samples.ms[i], ROUNDS);
    bench_claim_faster(&samples, 4, 0, 0.85);
    buffer_free(&replies[0].text);
}

void bench_parse(void)
{
    static double bytes[SIZES], ms[SIZES][COUNT_OF(pieces) + 1];
    static double by_piece[COUNT_OF(pieces) + 1][SIZES];
    const struct bench_curve curves[] = {
        {"jansson, whole", bytes, by_piece[0], SIZES}, {"1 B", bytes, by_piece[1], SIZES},
        {"64 B", bytes, by_piece[2], SIZES},           {"4 KiB", bytes, by_piece[3], SIZES},
        {"64 KiB", bytes, by_piece[4], SIZES},
    };
    double step = pow((double)MOST_BYTES / LEAST_BYTES, 1.0 / (SIZES - 1));
    char what[64];
    size_t i, j;

    for (i = 0; i < SIZES; i++) {
        measure((size_t)(LEAST_BYTES * pow(step, (double)i)), &bytes[i], ms[i]);
        for (j = 0; j <= COUNT_OF(pieces); j++)
            by_piece[j][i] = ms[i][j];
    }
    for (j = 0; j < COUNT_OF(pieces); j++) {
        (void)snprintf(what, sizeof(what), "-> time over size, exponent, pieces of %zu B",
                       pieces[j]);
        bench_claim(what, bench_exponent(bytes, by_piece[j + 1], SIZES), true, 1.05);
    }
    bench_plot("parse", "framing and parsing, by pieces", "bytes", "ms", true, curves,
               COUNT_OF(curves));
}
