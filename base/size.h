/* SPDX-License-Identifier: MIT */
/* Sizes as people write them ("512M", "2G") and as they read them. */
#ifndef BASE_SIZE_H
#define BASE_SIZE_H

#include <stdint.h>

#include "base/error.h"

#define SIZE_MIB (UINT64_C(1) << 20)
#define SIZE_GIB (UINT64_C(1) << 30)
#define SIZE_TEXT_MAX 32

/* Reads digits with an optional suffix K, M, G, T or P (powers of 1024, either case, an "iB" or
 * "B" behind it allowed; no suffix: bytes). Returns 0, or -1 with ERROR_INVALID when the text is
 * empty, signed, has anything else in it, or exceeds 2^63-1. */
int size_parse(const char *text, uint64_t *ret_bytes, struct error *error);

/* Writes the largest binary unit that divides evenly: "256 MiB", "1000001 B". Returns text. */
const char *size_format(uint64_t bytes, char text[SIZE_TEXT_MAX]);

#endif
