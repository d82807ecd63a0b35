/* SPDX-License-Identifier: MIT */
/* Drives pumps with poll(2), for programs that have nothing else to do meanwhile. */
#ifndef QMP_BLOCKING_H
#define QMP_BLOCKING_H

#include <stdbool.h>
#include <stddef.h>

#include "qmp/agent.h"
#include "qmp/qmp_client.h"

#define BLOCKING_PUMPS_MAX 8

typedef bool blocking_condition_fn(void *user);

/* Pumps until the condition holds (true) or the deadline has passed or every pump is dead
 * (false). The condition is asked before the first wait and after each step. At most
 * BLOCKING_PUMPS_MAX pumps; NULL entries are allowed. */
bool blocking_run(struct pump *const pumps[], size_t count, blocking_condition_fn *condition,
                  void *user, double deadline_ms);

/* One command and its reply: the value (a new reference), or NULL with any error of
 * qmp_client_submit() and of struct reply. */
json_t *blocking_qmp(struct qmp_client *client, const char *command, json_t *arguments,
                     double timeout_ms, struct error *error);
json_t *blocking_agent(struct agent *agent, const char *command, json_t *arguments,
                       double timeout_ms, struct error *error);

#endif
