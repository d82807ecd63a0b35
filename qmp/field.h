/* SPDX-License-Identifier: MIT */
/*
 * Members of a JSON object, checked in type, and set. A peer's answer is never trusted to have the
 * shape that its schema promises: a member that is missing or of another type reads as the
 * fallback. The object may be NULL or anything else; results are borrowed from it.
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

/* Build an object or an array, and take the value over. Without memory (also where the value is
 * NULL for lack of it) *object is dropped and becomes NULL, as json_pack() would have it: looking
 * once, at the end, is enough. */
void field_set(json_t **object, const char *key, json_t *value);
void field_append(json_t **array, json_t *value);

#endif
