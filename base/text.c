/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include <stdint.h>
#include <string.h>

/* What the first byte says of the character's length; 0: no character begins so. */
static size_t announced_size(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first < 0xc0 || first >= 0xf8)
        return 0;
    return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* Length of the UTF-8 character that text begins with, 0 when it begins with none (RFC 3629). */
static size_t character_size(const unsigned char *text)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = announced_size(text[0]), i;
    uint32_t code;

    if (size < 2)
        return size;
    code = text[0] & (0x7fu >> size);
    for (i = 1; i < size; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (text[i] & 0x3fu);
    }
    return code < smallest[size] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : size;
}

/* C0 and DEL, and C1, which terminals obey as well: U+009B is ESC [ in one character. */
static bool is_control(const unsigned char *text)
{
    return text[0] < 0x20 || text[0] == 0x7f || (text[0] == 0xc2 && text[1] < 0xa0);
}

void text_make_printable(char *text)
{
    const unsigned char *read = (const unsigned char *)text;
    char *write = text;
    size_t size;

    while (*read != '\0') {
        size = character_size(read);
        if (size > 0 && !is_control(read)) {
            memmove(write, read, size);
            write += size;
            read += size;
            continue;
        }
        *write++ = '?';
        for (read++; (*read & 0xc0) == 0x80;)
            read++;
    }
    *write = '\0';
}

void text_copy(char *to, size_t size, const char *from)
{
    size_t length = from != NULL ? strnlen(from, size - 1) : 0;

    memcpy(to, from != NULL ? from : "", length);
    to[length] = '\0';
    text_make_printable(to);
}

void text_hide_credentials(char *text)
{
    static const char hidden[] = "***";
    size_t length, size;
    char *at = text;

    while ((at = strstr(at, "://")) != NULL) {
        at += strlen("://");
        for (length = strcspn(at, "/ \"'<>"); length > 0 && at[length] != '@';)
            length--; /* the last '@': a password may hold one, too */
        size = length < strlen(hidden) ? length : strlen(hidden);
        memcpy(at, hidden, size);
        memmove(at + size, at + length, strlen(at + length) + 1);
    }
}

int text_check_utf8(const char *what, const char *text, struct error *error)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t size;

    for (; *at != '\0'; at += size) {
        size = character_size(at);
        if (size == 0)
            return error_set(error, ERROR_INVALID, "rename it, or link to it by another name",
                             "%s '%s' is not UTF-8, and QMP can't carry it", what, text);
    }
    return 0;
}
