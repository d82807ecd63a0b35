/* SPDX-License-Identifier: MIT */
#include "base/size.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char units[] = "KMGTP";

static int invalid(const char *text, struct error *error)
{
    return error_set(error, ERROR_INVALID, "write it as 512M, 2G or a number of bytes",
                     "'%s' is not a size", text);
}

int size_parse(const char *text, uint64_t *ret_bytes, struct error *error)
{
    unsigned shift = 0;
    uintmax_t number;
    const char *unit;
    char *end;

    if (!isdigit((unsigned char)text[0]))
        return invalid(text, error);
    number = strtoumax(text, &end, 10); /* too large for it is too large for us, see below */
    if (*end != '\0') {
        unit = strchr(units, toupper((unsigned char)*end));
        if (unit == NULL && strcasecmp(end, "B") != 0)
            return invalid(text, error);
        if (unit != NULL) {
            shift = 10 * (unsigned)(unit - units + 1);
            end++;
            if (*end != '\0' && strcasecmp(end, "B") != 0 && strcasecmp(end, "iB") != 0 &&
                strcasecmp(end, "i") != 0)
                return invalid(text, error);
        }
    }
    if (number > ((uintmax_t)INT64_MAX >> shift))
        return error_set(error, ERROR_INVALID, "ask for less", "'%s' is more than 2^63-1 bytes",
                         text);
    *ret_bytes = (uint64_t)number << shift;
    return 0;
}

const char *size_format(uint64_t bytes, char text[SIZE_TEXT_MAX])
{
    uint64_t number = bytes;
    unsigned step = 0;

    while (number != 0 && number % 1024 == 0 && step < sizeof(units) - 1) {
        number /= 1024;
        step++;
    }
    if (step == 0)
        (void)snprintf(text, SIZE_TEXT_MAX, "%" PRIu64 " B", number);
    else
        (void)snprintf(text, SIZE_TEXT_MAX, "%" PRIu64 " %ciB", number, units[step - 1]);
    return text;
}
