/* SPDX-License-Identifier: MIT */
/* How an operation ended, as scripts read it. json_t results are new references. */
#ifndef VMM_RESULT_JSON_H
#define VMM_RESULT_JSON_H

#include <jansson.h>

#include "vmm/batch.h"

json_t *result_json_operation(const struct operation_result *result);

/* The last line of several. */
json_t *result_json_summary(const struct batch_result *result);

/* Of a command that failed without an operation of its own. id: the device's, or NULL where the
 * command concerns none or several. */
json_t *result_json_failure(const char *operation, const char *id, enum verdict verdict,
                            const struct error *error);

/* What the user can do: the error's own advice, or the best general one. Borrowed. */
const char *result_json_fix(const struct error *error);

/* {"source", "status", "meaning"} */
json_t *result_json_ost(uint32_t source, uint32_t status);

/* Milliseconds to a tenth, or a hundredth below 100. */
json_t *result_json_ms(double ms);

#endif
