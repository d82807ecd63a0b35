/* SPDX-License-Identifier: MIT */
#include "cli/printable.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

#define KEPT "\n\t"

void printable_text(char *text)
{
    char *write = text;
    char *read = text;
    size_t length;
    char stop;

    do {
        length = strcspn(read, KEPT);
        stop = read[length];
        read[length] = '\0';
        text_make_printable(read);
        memmove(write, read, strlen(read) + 1);
        write += strlen(write);
        *write = stop;
        write += stop != '\0' ? 1 : 0;
        read += length + 1;
    } while (stop != '\0');
}

size_t printable_width(const char *text)
{
    size_t width = 0;

    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80 ? 1 : 0;
    return width;
}
