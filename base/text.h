/* SPDX-License-Identifier: MIT */
/* Text from elsewhere. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stddef.h>

/* Replaces each control character, and whatever is no UTF-8, by '?': afterwards the text is one
 * line, a terminal does not obey it, and JSON can hold it. It may become shorter. */
void text_make_printable(char *text);

/* Copies at most size - 1 bytes, made printable. NULL copies as "". */
void text_copy(char *to, size_t size, const char *from);

#endif
