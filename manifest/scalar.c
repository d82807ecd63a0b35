/* SPDX-License-Identifier: MIT */
#include "manifest/scalar.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define NUMBER_MAX 400 /* characters; beyond it, it is a string */
#define REAL_EXACT 9007199254740992.0 /* 2^53: up to here, each integer is a double */

static const struct {
    const char *text;
    struct scalar scalar;
} words[] = {
    {"", {.kind = SCALAR_NULL}},
    {"~", {.kind = SCALAR_NULL}},
    {"null", {.kind = SCALAR_NULL}},
    {"Null", {.kind = SCALAR_NULL}},
    {"NULL", {.kind = SCALAR_NULL}},
    {"true", {.kind = SCALAR_BOOL, .boolean = true}},
    {"True", {.kind = SCALAR_BOOL, .boolean = true}},
    {"TRUE", {.kind = SCALAR_BOOL, .boolean = true}},
    {"y", {.kind = SCALAR_BOOL, .boolean = true}},
    {"Y", {.kind = SCALAR_BOOL, .boolean = true}},
    {"yes", {.kind = SCALAR_BOOL, .boolean = true}},
    {"Yes", {.kind = SCALAR_BOOL, .boolean = true}},
    {"YES", {.kind = SCALAR_BOOL, .boolean = true}},
    {"on", {.kind = SCALAR_BOOL, .boolean = true}},
    {"On", {.kind = SCALAR_BOOL, .boolean = true}},
    {"ON", {.kind = SCALAR_BOOL, .boolean = true}},
    {"false", {.kind = SCALAR_BOOL}},
    {"False", {.kind = SCALAR_BOOL}},
    {"FALSE", {.kind = SCALAR_BOOL}},
    {"n", {.kind = SCALAR_BOOL}},
    {"N", {.kind = SCALAR_BOOL}},
    {"no", {.kind = SCALAR_BOOL}},
    {"No", {.kind = SCALAR_BOOL}},
    {"NO", {.kind = SCALAR_BOOL}},
    {"off", {.kind = SCALAR_BOOL}},
    {"Off", {.kind = SCALAR_BOOL}},
    {"OFF", {.kind = SCALAR_BOOL}},
    {".nan", {.kind = SCALAR_INFINITE}},
    {".NaN", {.kind = SCALAR_INFINITE}},
    {".NAN", {.kind = SCALAR_INFINITE}},
    {".inf", {.kind = SCALAR_INFINITE}},
    {".Inf", {.kind = SCALAR_INFINITE}},
    {".INF", {.kind = SCALAR_INFINITE}},
    {"+.inf", {.kind = SCALAR_INFINITE}},
    {"+.Inf", {.kind = SCALAR_INFINITE}},
    {"+.INF", {.kind = SCALAR_INFINITE}},
    {"-.inf", {.kind = SCALAR_INFINITE}},
    {"-.Inf", {.kind = SCALAR_INFINITE}},
    {"-.INF", {.kind = SCALAR_INFINITE}},
};

/* Copies a number without its underscores. False when it can't be one. */
static bool copy_number(const char *text, char number[NUMBER_MAX])
{
    size_t used = 0;

    if (text[0] == '\0' || strchr("+-.0123456789", text[0]) == NULL)
        return false;
    for (; *text != '\0'; text++) {
        if (*text == '_')
            continue;
        if (!isalnum((unsigned char)*text) && strchr("+-.", *text) == NULL)
            return false;
        if (used == NUMBER_MAX - 1)
            return false;
        number[used++] = *text;
    }
    number[used] = '\0';
    return used > 0;
}

static bool resolve_integer(const char *number, struct scalar *scalar)
{
    const char *digits = number + (number[0] == '+' || number[0] == '-');
    bool negative = number[0] == '-';
    uintmax_t value;
    int base = 10;
    char *end;

    if (digits[0] == '0' && digits[1] != '\0') {
        base = 8;
        digits++;
        if (strchr("xXbBoO", digits[0]) != NULL) {
            base = digits[0] == 'x' || digits[0] == 'X' ? 16 : 8;
            base = digits[0] == 'b' || digits[0] == 'B' ? 2 : base;
            digits++;
        }
    }
    if (!isxdigit((unsigned char)digits[0]) || strncasecmp(digits, "0x", 2) == 0)
        return false;
    errno = 0;
    value = strtoumax(digits, &end, base);
    if (*end != '\0')
        return false;
    if (errno == ERANGE || value > (uintmax_t)INT64_MAX + negative)
        *scalar = (struct scalar){.kind = SCALAR_TOO_LARGE};
    else
        *scalar = (struct scalar){
            .kind = SCALAR_INTEGER,
            .integer = negative ? (int64_t)(0 - value) : (int64_t)value};
    return true;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool is_real(const char *at)
{
    size_t whole, part = 0;

    at += *at == '+' || *at == '-';
    whole = strspn(at, "0123456789");
    at += whole;
    if (*at == '.') {
        part = strspn(at + 1, "0123456789");
        at += 1 + part;
    }
    if (whole + part == 0)
        return false;
    if (*at == 'e' || *at == 'E') {
        at += 1 + (at[1] == '+' || at[1] == '-');
        if (*at == '\0')
            return false;
        at += strspn(at, "0123456789");
    }
    return *at == '\0';
}

struct scalar scalar_resolve(const char *text)
{
    struct scalar scalar = {.kind = SCALAR_STRING};
    char number[NUMBER_MAX];
    double real;
    size_t i;

    for (i = 0; i < COUNT_OF(words); i++) {
        if (strcmp(text, words[i].text) == 0)
            return words[i].scalar;
    }
    if (!copy_number(text, number) || resolve_integer(number, &scalar) || !is_real(number))
        return scalar;
    real = strtod(number, NULL);
    if (!isfinite(real)) /* so it is to kubectl: a string */
        return scalar;
    if (fabs(real) <= REAL_EXACT && real == (double)(int64_t)real)
        return (struct scalar){.kind = SCALAR_INTEGER, .integer = (int64_t)real};
    return (struct scalar){.kind = SCALAR_REAL, .real = real};
}
