/* SPDX-License-Identifier: MIT */
/* Text of unknown origin, made safe for a terminal or for JSON. */
#ifndef CLI_PRINTABLE_H
#define CLI_PRINTABLE_H

#include <jansson.h>
#include <stddef.h>

/* Replaces, in place, what a terminal might obey by '?': control characters, among them those of
 * U+0080 to U+009F, and bytes that are no UTF-8. */
void printable_line(char *text);

/* The same, but line ends and tabs stay. */
void printable_text(char *text);

/* Columns that the text takes when each character takes one. */
size_t printable_width(const char *text);

/* A JSON string; bytes that are no UTF-8 become '?'. NULL when memory runs out. */
json_t *printable_json(const char *text);

#endif
