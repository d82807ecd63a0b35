/* SPDX-License-Identifier: MIT */
/*
 * JSON text to values and back, with the numbers that jansson can't hold kept whole. QEMU prints
 * integers up to 2^64-1 (MemoryRegion sizes, CPU properties); jansson ends at 2^63-1 and would
 * refuse the whole message. Such a number is carried as a tagged string, read by codec_get_u64(),
 * and written by codec_dump() as the number it was.
 */
#ifndef QMP_CODEC_H
#define QMP_CODEC_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/cleanup.h"
#include "qmp/framer.h"

static inline void cleanup_json(json_t **value)
{
    json_decref(*value);
}

#define AUTO_JSON CLEANUP(cleanup_json)

/* Parses one object. Returns a new reference, or NULL with ERROR_PROTOCOL when it is not JSON,
 * repeats a key, holds a lone surrogate or invalid UTF-8, or ERROR_SYSTEM without memory. */
json_t *codec_decode(const struct framer_message *message, struct error *error);

/* The same for text that a person wrote: an object, an array or a scalar, nesting at most 64
 * deep. The error (ERROR_INVALID) says where. */
json_t *codec_parse(const char *text, struct error *error);

/* Writes a value behind what buffer holds, compact. Returns 0, or -1 when memory runs out. */
int codec_append(struct buffer *buffer, const json_t *value);

/* The value as a string of the caller's (to be freed), NULL when memory runs out; indent 0 is
 * compact. Objects keep the order in which their members were set; reals have 15 digits. */
char *codec_dump(const json_t *value, unsigned indent);

/* A JSON string of text of unknown origin; what is no UTF-8 is made printable (base/text.h). NULL
 * when memory runs out. */
json_t *codec_string(const char *text);

/* Reads a non-negative integer of up to 64 bits. False when the value is anything else. */
bool codec_get_u64(const json_t *value, uint64_t *ret_number);

#endif
