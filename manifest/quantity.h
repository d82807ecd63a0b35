/* SPDX-License-Identifier: MIT */
/* Quantities as Kubernetes writes them (apimachinery, pkg/api/resource/quantity.go), in bytes. */
#ifndef MANIFEST_QUANTITY_H
#define MANIFEST_QUANTITY_H

#include <stdint.h>

#include "base/error.h"

#define QUANTITY_TEXT_MAX 24

/* Reads digits, with a fraction or not, and behind them Ki, Mi, Gi, Ti, Pi or Ei (powers of 1024),
 * n, u, m, k, M, G, T, P or E (of 1000), or an exponent (e6, E-3): exactly, and a part of a byte is
 * rounded up to a whole one, as Kubernetes does. Returns 0, or -1 with ERROR_INVALID when the text
 * is anything else, is negative, has more than 64 characters, or exceeds 2^63-1. */
int quantity_parse(const char *text, uint64_t *ret_bytes, struct error *error);

/* Writes it with the largest power of 1024 that divides it: "512Mi", "1536Mi", "1000". Returns
 * text. */
const char *quantity_format(uint64_t bytes, char text[QUANTITY_TEXT_MAX]);

#endif
