/* SPDX-License-Identifier: MIT */
/* Text from elsewhere. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* Replaces each control character, and whatever is no UTF-8, by '?': afterwards the text is one
 * line, a terminal does not obey it, and JSON can hold it. It may become shorter. */
void text_make_printable(char *text);

/* Copies at most size - 1 bytes, made printable. NULL copies as "". */
void text_copy(char *to, size_t size, const char *from);

/* Replaces the user's name and password of every URI in the text, as in https://me:word@host, by
 * "***". It may become shorter. */
void text_hide_credentials(char *text);

/* Returns 0 when QMP, which is JSON, can carry the text, else -1 with ERROR_INVALID. what: "the
 * path". */
int text_check_utf8(const char *what, const char *text, struct error *error);

#endif
