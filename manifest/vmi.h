/* SPDX-License-Identifier: MIT */
/*
 * What is, in KubeVirt's words: a VirtualMachineInstance, and the status of a VirtualMachine. All
 * of it comes from the manifest and from what QEMU and the guest say at this moment; a condition is
 * true as long as its cause is.
 */
#ifndef MANIFEST_VMI_H
#define MANIFEST_VMI_H

#include <jansson.h>

#include "manifest/plan.h"

/* The VirtualMachineInstance of a VM that runs. plan is that of the input. A new reference; NULL
 * without memory. */
json_t *vmi_json(const struct plan_input *input, const struct plan *plan);

/* The VirtualMachine as it is stored, with its status. input, plan: NULL of a VM that does not run,
 * or that nobody could be asked about; then why says so, or is NULL. A new reference; NULL without
 * memory. */
json_t *vmi_json_vm(const json_t *object, const struct plan_input *input, const struct plan *plan,
                    const char *why);

/* "Running", "Paused", "Stopped": what kubectl shows of a VM. state is QEMU's (QAPI RunState), NULL
 * of a VM that does not run. */
const char *vmi_printable_status(const char *state);

#endif
