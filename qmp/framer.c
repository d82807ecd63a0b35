/* SPDX-License-Identifier: MIT */
#include "qmp/framer.h"

#include <string.h>

#define WIDE_DIGITS 19 /* 2^63-1 has 19 digits: anything shorter fits */
#define SENTINEL 0xff

void framer_init(struct framer *framer, const struct framer_limits *limits)
{
    *framer = (struct framer){.limits = *limits};
}

void framer_free(struct framer *framer)
{
    buffer_free(&framer->buffer);
}

static void forget_state(struct framer *framer)
{
    framer->depth = 0;
    framer->values = 0;
    framer->digits = 0;
    framer->in_string = false;
    framer->after_backslash = false;
    framer->wide_number = false;
}

static void drop(struct framer *framer, size_t size)
{
    buffer_consume(&framer->buffer, size);
    framer->scanned -= size;
}

static void drop_returned(struct framer *framer)
{
    if (framer->returned == 0)
        return;
    drop(framer, framer->returned);
    framer->returned = 0;
}

char *framer_reserve(struct framer *framer, size_t size)
{
    drop_returned(framer);
    return buffer_reserve(&framer->buffer, size);
}

void framer_fed(struct framer *framer, size_t size)
{
    buffer_commit(&framer->buffer, size);
}

/* Drops what stands before the sentinel; true once the sentinel is behind us. */
static bool find_sentinel(struct framer *framer)
{
    const char *bytes = buffer_bytes(&framer->buffer);
    size_t held = buffer_size(&framer->buffer);
    const char *found = held > 0 ? memchr(bytes, SENTINEL, held) : NULL;
    size_t skip = found != NULL ? (size_t)(found - bytes) + 1 : held;

    framer->scanned = skip;
    drop(framer, skip);
    framer->seeking = found == NULL;
    return !framer->seeking;
}

void framer_seek(struct framer *framer)
{
    drop_returned(framer);
    forget_state(framer);
    framer->seeking = true;
    (void)find_sentinel(framer);
}

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

/* Inside a string only its end matters, and a backslash that hides the next byte. */
static size_t scan_string(struct framer *framer, const char *bytes, size_t from, size_t held)
{
    size_t at = from;

    if (framer->after_backslash) {
        framer->after_backslash = false;
        return at + 1;
    }
    while (at < held && bytes[at] != '"' && bytes[at] != '\\')
        at++;
    if (at == held)
        return at;
    framer->after_backslash = bytes[at] == '\\';
    framer->in_string = framer->after_backslash;
    return at + 1;
}

/* A value begins, or another one is to follow. */
static int count_value(struct framer *framer, struct error *error)
{
    if (framer->limits.values == 0 || ++framer->values <= framer->limits.values)
        return 0;
    return error_set(error, ERROR_LIMIT, "", "a message holds more than %u values",
                     framer->limits.values);
}

/* Takes one byte outside of strings that is no digit. Returns 1 when it ends a message, 0 to go on,
 * -1 on error. */
static int take(struct framer *framer, char byte, struct error *error)
{
    switch (byte) {
    case '"':
        framer->in_string = true;
        break;
    case '{':
    case '[':
        if (++framer->depth > framer->limits.depth)
            return error_set(error, ERROR_LIMIT, "", "a message nests deeper than %u levels",
                             framer->limits.depth);
        if (count_value(framer, error) < 0)
            return -1;
        break;
    case ',':
        if (count_value(framer, error) < 0)
            return -1;
        break;
    case '}':
    case ']':
        framer->depth--;
        break;
    case 'e':
    case 'E':
        framer->wide_number |= framer->digits > 0;
        break;
    default:
        break;
    }
    framer->digits = 0;
    return framer->depth == 0 ? 1 : 0;
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* A number may come in pieces. */
static size_t scan_digits(struct framer *framer, const char *bytes, size_t from, size_t held)
{
    size_t at = from;

    while (at < held && is_digit(bytes[at]))
        at++;
    framer->digits += (unsigned)(at - from);
    framer->wide_number |= framer->digits >= WIDE_DIGITS;
    return at;
}

/* Looks at the bytes not yet looked at. Returns 1 when a message ends at scanned, 0 when bytes are
 * missing, -1 on error. */
static int scan(struct framer *framer, struct error *error)
{
    const char *bytes = buffer_bytes(&framer->buffer);
    size_t held = buffer_size(&framer->buffer);
    size_t at = framer->scanned;
    int ended = 0;

    while (at < held && ended == 0) {
        if (framer->in_string)
            at = scan_string(framer, bytes, at, held);
        else if (is_digit(bytes[at]))
            at = scan_digits(framer, bytes, at, held);
        else
            ended = take(framer, bytes[at++], error);
    }
    framer->scanned = at;
    if (ended >= 0 && at > framer->limits.message_bytes)
        return error_set(error, ERROR_LIMIT, "", "a message is longer than %zu bytes",
                         framer->limits.message_bytes);
    return ended;
}

/* Drops the white space between messages. Returns 0, or -1 when something else stands there. */
static int skip_space(struct framer *framer, struct error *error)
{
    const char *bytes = buffer_bytes(&framer->buffer);
    size_t held = buffer_size(&framer->buffer);
    size_t at = 0;

    while (at < held && is_space(bytes[at]))
        at++;
    if (at < held && bytes[at] != '{')
        return error_set(error, ERROR_PROTOCOL, "",
                         "the peer sent byte 0x%02x where a JSON object should begin",
                         (unsigned)(unsigned char)bytes[at]);
    framer->scanned = at;
    drop(framer, at);
    return 0;
}

enum framer_result framer_next(struct framer *framer, struct framer_message *ret_message,
                               struct error *error)
{
    int ended;

    drop_returned(framer);
    if (framer->seeking && !find_sentinel(framer))
        return FRAMER_MORE;
    if (framer->scanned == 0) {
        forget_state(framer);
        if (skip_space(framer, error) < 0)
            return FRAMER_BAD;
    }
    ended = scan(framer, error);
    if (ended < 0)
        return FRAMER_BAD;
    if (ended == 0)
        return FRAMER_MORE;
    framer->returned = framer->scanned;
    *ret_message = (struct framer_message){
        .bytes = buffer_bytes(&framer->buffer),
        .size_bytes = framer->scanned,
        .wide_number = framer->wide_number,
    };
    return FRAMER_MESSAGE;
}
