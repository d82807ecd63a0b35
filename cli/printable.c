/* SPDX-License-Identifier: MIT */
#include "cli/printable.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* The length of the character that begins at text, 0 when the bytes are no UTF-8 (RFC 3629). */
static size_t decode(const unsigned char *text, uint32_t *ret_character)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = text[0] < 0x80             ? 1
                    : (text[0] & 0xe0) == 0xc0 ? 2
                    : (text[0] & 0xf0) == 0xe0 ? 3
                    : (text[0] & 0xf8) == 0xf0 ? 4
                                               : 0;
    uint32_t character = length == 1 ? text[0] : text[0] & (0x7fU >> length);
    size_t i;

    for (i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        character = character << 6 | (text[i] & 0x3f);
    }
    if (length == 0 || character < smallest[length] || character > 0x10ffff ||
        (character >= 0xd800 && character <= 0xdfff))
        return 0;
    *ret_character = character;
    return length;
}

static bool is_control(uint32_t character)
{
    return character < 0x20 || (character >= 0x7f && character <= 0x9f);
}

/* kept: the control characters that stay as they are. */
static void clean(char *text, const char *kept)
{
    unsigned char *at = (unsigned char *)text;
    uint32_t character = 0;
    size_t length;

    for (; *at != '\0'; at += length) {
        length = decode(at, &character);
        if (length > 0 &&
            (!is_control(character) || (length == 1 && strchr(kept, *at) != NULL)))
            continue;
        length = length > 0 ? length : 1;
        memset(at, '?', length);
    }
}

void printable_line(char *text)
{
    clean(text, "");
}

void printable_text(char *text)
{
    clean(text, "\n\t");
}

size_t printable_width(const char *text)
{
    size_t width = 0;

    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80 ? 1 : 0;
    return width;
}

static void replace_bad_bytes(char *text)
{
    uint32_t character;
    size_t length;

    for (; *text != '\0'; text += length) {
        length = decode((const unsigned char *)text, &character);
        if (length == 0) {
            *text = '?';
            length = 1;
        }
    }
}

json_t *printable_json(const char *text)
{
    json_t *value = json_string(text);
    AUTO_FREE char *copy = NULL;

    if (value != NULL)
        return value;
    copy = strdup(text);
    if (copy == NULL)
        return NULL;
    replace_bad_bytes(copy);
    return json_string(copy);
}
