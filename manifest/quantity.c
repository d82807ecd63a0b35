/* SPDX-License-Identifier: MIT */
#include "manifest/quantity.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

#define TEXT_MAX 64
#define EXPONENT_MAX 99999 /* an exponent beyond it says no more than this one */

/* A number as it is written: whole.fraction * 10^exponent * 2^shift. */
struct number {
    char digits[TEXT_MAX + 1]; /* values from 0 to 9, not characters */
    int count;
    int point;      /* that many digits are before the point; may be outside of digits */
    unsigned shift; /* with one, there is no exponent, and point is inside */
};

static const struct {
    const char *suffix;
    unsigned shift;
    int exponent;
} suffixes[] = {
    {"", 0, 0},    {"Ki", 10, 0}, {"Mi", 20, 0}, {"Gi", 30, 0}, {"Ti", 40, 0},
    {"Pi", 50, 0}, {"Ei", 60, 0}, {"n", 0, -9},  {"u", 0, -6},  {"m", 0, -3},
    {"k", 0, 3},   {"M", 0, 6},   {"G", 0, 9},   {"T", 0, 12},  {"P", 0, 15},
    {"E", 0, 18},
};

static int invalid(const char *text, struct error *error)
{
    return error_set(error, ERROR_INVALID, "write it as 512Mi, 2Gi, 1.5G or a number of bytes",
                     "'%.80s' is not a quantity", text);
}

static int too_large(const char *text, struct error *error)
{
    return error_set(error, ERROR_INVALID, "ask for less", "'%.80s' is more than 2^63-1 bytes",
                     text);
}

/* Reads what stands before the suffix. Returns where that begins; NULL: there are no digits. */
static const char *read_digits(const char *at, struct number *number)
{
    bool behind_point = false;

    for (; isdigit((unsigned char)*at) || (*at == '.' && !behind_point); at++) {
        if (*at == '.') {
            behind_point = true;
            continue;
        }
        number->digits[number->count++] = (char)(*at - '0');
        number->point += !behind_point;
    }
    return number->count > 0 ? at : NULL;
}

/* "e6", "E-3"; an E alone is a suffix. */
static bool read_exponent(const char *at, struct number *number)
{
    char *end;
    long exponent;

    if ((*at != 'e' && *at != 'E') || isspace((unsigned char)at[1]))
        return false;
    exponent = strtol(at + 1, &end, 10);
    if (end == at + 1 || *end != '\0')
        return false;
    if (exponent > EXPONENT_MAX)
        exponent = EXPONENT_MAX;
    if (exponent < -EXPONENT_MAX)
        exponent = -EXPONENT_MAX;
    number->point += (int)exponent;
    return true;
}

static int read_suffix(const char *text, const char *at, struct number *number,
                       struct error *error)
{
    size_t i;

    for (i = 0; i < COUNT_OF(suffixes); i++) {
        if (strcmp(at, suffixes[i].suffix) == 0) {
            number->shift = suffixes[i].shift;
            number->point += suffixes[i].exponent;
            return 0;
        }
    }
    if (read_exponent(at, number))
        return 0;
    (void)invalid(text, error);
    for (i = 0; i < COUNT_OF(suffixes); i++) {
        if (strcasecmp(at, suffixes[i].suffix) == 0)
            error_advise(error, "write %.*s%s", (int)(at - text), text, suffixes[i].suffix);
    }
    return -1;
}

/* Doubles what is behind the point. Returns what it carries over it. */
static unsigned double_fraction(struct number *number)
{
    unsigned carry = 0, twice;
    int i;

    for (i = number->count - 1; i >= 0 && i >= number->point; i--) {
        twice = 2U * (unsigned char)number->digits[i] + carry;
        number->digits[i] = (char)(twice % 10);
        carry = twice / 10;
    }
    return carry;
}

static bool has_fraction(const struct number *number)
{
    int i;

    for (i = number->point > 0 ? number->point : 0; i < number->count; i++) {
        if (number->digits[i] != 0)
            return true;
    }
    return false;
}

/* Multiplies and adds. False when that exceeds 2^63-1. */
static bool advance(uint64_t *value, unsigned factor, unsigned addend)
{
    return !__builtin_mul_overflow(*value, factor, value) &&
           !__builtin_add_overflow(*value, addend, value) && *value <= INT64_MAX;
}

static bool evaluate(struct number *number, uint64_t *ret)
{
    uint64_t value = 0;
    unsigned i;
    int at;

    for (at = 0; at < number->point && (value != 0 || at < number->count); at++) {
        if (!advance(&value, 10, at < number->count ? (unsigned char)number->digits[at] : 0))
            return false;
    }
    for (i = 0; i < number->shift; i++) {
        if (!advance(&value, 2, double_fraction(number)))
            return false;
    }
    if (has_fraction(number) && !advance(&value, 1, 1))
        return false;
    *ret = value;
    return true;
}

int quantity_parse(const char *text, uint64_t *ret_bytes, struct error *error)
{
    struct number number = {.count = 0};
    const char *at = text + (text[0] == '+' || text[0] == '-');

    if (strlen(text) > TEXT_MAX)
        return invalid(text, error);
    at = read_digits(at, &number);
    if (at == NULL)
        return invalid(text, error);
    if (read_suffix(text, at, &number, error) < 0)
        return -1;
    if (text[0] == '-')
        return error_set(error, ERROR_INVALID, "leave out the minus sign",
                         "'%.80s' is negative", text);
    return evaluate(&number, ret_bytes) ? 0 : too_large(text, error);
}

const char *quantity_format(uint64_t bytes, char text[QUANTITY_TEXT_MAX])
{
    static const char *const units[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
    size_t unit = 0;

    for (; bytes != 0 && bytes % 1024 == 0 && unit < COUNT_OF(units) - 1; unit++)
        bytes /= 1024;
    (void)snprintf(text, QUANTITY_TEXT_MAX, "%" PRIu64 "%s", bytes, units[unit]);
    return text;
}
