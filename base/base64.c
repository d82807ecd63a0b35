/* SPDX-License-Identifier: MIT */
#include "base/base64.h"

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int digit(char byte)
{
    const char *found = byte != '\0' ? strchr(alphabet, byte) : NULL;

    return found != NULL ? (int)(found - alphabet) : -1;
}

bool base64_decode(const char *text, unsigned char *bytes, size_t capacity, size_t *ret_size)
{
    size_t length = strlen(text);
    unsigned bits = 0, held = 0;
    size_t size = 0, i;

    if (length % 4 != 0)
        return false;
    while (length > 0 && text[length - 1] == '=' && length % 4 != 2)
        length--;
    for (i = 0; i < length; i++) {
        if (digit(text[i]) < 0)
            return false;
        bits = bits << 6 | (unsigned)digit(text[i]);
        held += 6;
        if (held < 8)
            continue;
        held -= 8;
        if (size == capacity)
            return false;
        bytes[size++] = (unsigned char)(bits >> held);
        bits &= (1u << held) - 1;
    }
    *ret_size = size;
    return true;
}
