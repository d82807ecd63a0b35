/* SPDX-License-Identifier: MIT */
/*
 * Kinds of change that the host's settings switch off: spec.configuration.developerConfiguration.
 * disabledFeatureGates of the KubeVirt object in the store (manifest/cluster.h). A plan of a
 * manifest looks there by itself; what is asked for in so many words, through whichever API, is
 * held against it here.
 */
#ifndef DAEMON_GATE_H
#define DAEMON_GATE_H

#include "vmm/batch.h"
#include "vmm/batch_plan.h"

/* Before a batch is started that was asked for as such. Returns 0, or -1 with ERROR_BLOCKED, which
 * names the gate (403), or the errors of store_load(). What removes leftovers, and what only
 * throttles, is never switched off. */
int gate_check(const struct batch_request *request, struct error *error);

/* The same of one kind of operation. */
int gate_check_operation(enum operation_type type, struct error *error);

#endif
