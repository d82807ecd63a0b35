/* SPDX-License-Identifier: MIT */
/* Text from elsewhere. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stddef.h>

/* Copies at most size - 1 bytes; NULL copies as "". Control characters become '?', so that the
 * copy may be shown on a terminal or in a log. */
void text_copy(char *to, size_t size, const char *from);

#endif
