/* SPDX-License-Identifier: MIT */
/*
 * What QEMU 7.2 and 10.0 say of their own commands (query-qmp-schema, recorded by
 * scripts/record-schema into tests/data), and the checks and words of QEMU's input visitor by it.
 * The guest agent has no such query: its commands are written down in the same form.
 *
 * What the schema can't tell is not known here either: the range of an integer (QEMU may say
 * "expects uint64" where this says "expected: integer"), an alternate's name, and the properties
 * of device_add, which are each device's own.
 */
#ifndef TESTS_FAKE_SCHEMA_H
#define TESTS_FAKE_SCHEMA_H

#include <jansson.h>

#include "base/error.h"

struct schema;

/* That of the QEMU of this major version: 10.0's, or for all before, 7.2's. */
const struct schema *schema_of_qemu(unsigned major);
const struct schema *schema_of_agent(void);

/* The answer to query-qmp-schema, borrowed. */
json_t *schema_json(const struct schema *schema);

/* Checks a message that should be a command. Returns 0, or -1 with ERROR_REJECTED, class_name and
 * why being what QEMU would say. */
int schema_check(const struct schema *schema, const json_t *message, struct error *error);

/* Checks what a command returns, or what an event says ("return", "data"). Likewise. */
int schema_check_answer(const struct schema *schema, const char *command, const json_t *value,
                        struct error *error);
int schema_check_event(const struct schema *schema, const char *event, const json_t *data,
                       struct error *error);

#endif
