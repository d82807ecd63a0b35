/* SPDX-License-Identifier: MIT */
/* Text of unknown origin, made safe for a terminal; see base/text.h for one line. */
#ifndef CLI_PRINTABLE_H
#define CLI_PRINTABLE_H

#include <stddef.h>

/* text_make_printable() for text of several lines: line ends and tabs stay. */
void printable_text(char *text);

/* Columns that the text takes when each character takes one. */
size_t printable_width(const char *text);

#endif
