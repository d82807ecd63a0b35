/* SPDX-License-Identifier: MIT */
#include "base/text.h"

void text_copy(char *to, size_t size, const char *from)
{
    size_t i;

    for (i = 0; from != NULL && from[i] != '\0' && i + 1 < size; i++)
        to[i] = (unsigned char)from[i] < 0x20 || from[i] == 0x7f ? '?' : from[i];
    to[i] = '\0';
}
