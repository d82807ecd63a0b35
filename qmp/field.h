/* SPDX-License-Identifier: MIT */
/*
 * Members of a JSON object, checked in type. A peer's answer is never trusted to have the shape
 * that its schema promises: a member that is missing or of another type reads as the fallback.
 * The object may be NULL or anything else; results are borrowed from it.
 */
#ifndef QMP_FIELD_H
#define QMP_FIELD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

const char *field_string(const json_t *object, const char *key, const char *fallback);
bool field_bool(const json_t *object, const char *key, bool fallback);
json_t *field_object(const json_t *object, const char *key); /* NULL when it is none */
json_t *field_array(const json_t *object, const char *key);  /* NULL when it is none */

/* False, and *ret untouched, when the member is no integer in range. */
bool field_u64(const json_t *object, const char *key, uint64_t *ret);
bool field_s64(const json_t *object, const char *key, int64_t *ret);
bool field_unsigned(const json_t *object, const char *key, unsigned *ret);

#endif
