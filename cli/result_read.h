/* SPDX-License-Identifier: MIT */
/* A result that another program has made: what vmm/result_json.h writes, read again. */
#ifndef CLI_RESULT_READ_H
#define CLI_RESULT_READ_H

#include <jansson.h>

#include "vmm/batch.h"

/* Of one operation. Strings are borrowed from the object, and ret->details is the caller's. False
 * when it is none. Nothing in it is trusted: what is of another type, too long or too much is left
 * out. */
bool result_read_operation(const json_t *object, struct operation_result *ret);

/* The last line of several. False when it is none. */
bool result_read_summary(const json_t *object, struct batch_result *ret);

#endif
