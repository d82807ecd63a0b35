/* SPDX-License-Identifier: MIT */
/*
 * Cuts a byte stream into JSON objects. Knows brackets and strings, nothing else of JSON, and does
 * no I/O: QMP ends a message with CRLF, the guest agent with LF, `pretty=on` spreads it over many
 * lines, and some peers send no line end at all, so only the brackets tell where a message ends.
 */
#ifndef QMP_FRAMER_H
#define QMP_FRAMER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"

struct framer_limits {
    size_t message_bytes; /* the longest message accepted */
    unsigned depth;       /* how deeply objects and arrays may nest */
    unsigned values;      /* how many it may hold, 0: any number; decoded, the shortest, {}, takes a
                             hundred times its three bytes */
};

struct framer {
    struct framer_limits limits;
    struct buffer buffer;
    size_t scanned;  /* bytes of the buffer already looked at */
    size_t returned; /* length of the message that framer_next() returned last */
    unsigned depth;
    unsigned values;
    unsigned digits; /* length of the run of digits that ends here */
    bool in_string;
    bool after_backslash;
    bool wide_number;
    bool seeking;
};

/* A complete object inside the framer's buffer. */
struct framer_message {
    const char *bytes;
    size_t size_bytes;
    bool wide_number; /* may hold a number that needs codec's care: 19 digits or an exponent */
};

enum framer_result { FRAMER_MESSAGE, FRAMER_MORE, FRAMER_BAD };

void framer_init(struct framer *framer, const struct framer_limits *limits);
void framer_free(struct framer *framer);

/* Room to read size bytes into, NULL when memory runs out; framer_fed() says how many came. Both
 * end the life of the last message. Between a framer_reserve() and its framer_fed() nothing else
 * may be called. */
char *framer_reserve(struct framer *framer, size_t size);
void framer_fed(struct framer *framer, size_t size);

/* The next complete object. It lives until the next call on this framer. FRAMER_MORE: nothing
 * complete yet; FRAMER_BAD: *error is ERROR_PROTOCOL (not an object) or ERROR_LIMIT, and the
 * stream can only be closed or, for the agent, resynchronised by framer_seek(). Every byte is
 * looked at once, however the stream is cut into pieces. */
enum framer_result framer_next(struct framer *framer, struct framer_message *ret_message,
                               struct error *error);

/* Drops everything up to and including the next 0xFF byte, held or yet to come, which is how the
 * guest agent marks where a guest-sync-delimited reply begins (qga/qapi-schema.json). */
void framer_seek(struct framer *framer);

#endif
