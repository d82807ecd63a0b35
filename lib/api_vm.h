/* SPDX-License-Identifier: MIT */
/* What the public functions on a VM share. */
#ifndef LIB_API_VM_H
#define LIB_API_VM_H

#include "base/clock.h"
#include "lib/api.h"
#include "qmp/blocking.h"
#include "vmm/batch.h"
#include "vmplug/vmm.h"

#define API_TIMEOUT_MS 60000 /* where the caller says 0 */

struct vmplug_vm {
    struct vm *vm;
    struct vmplug_qmp *qmp; /* borrows the vm's client */
    struct vmplug_agent *agent; /* likewise; NULL when there is none */
    struct api_trace trace;
};

/* How a device, or the whole, stands: one of the first two is set. */
struct vmplug_result {
    const struct operation_result *device;
    const struct batch_result *whole;
    struct vmplug_error error;
    char *text; /* made when asked for */
};

/* Drives the VM until the condition holds (true), or it is dead (false). */
bool api_vm_run(struct vmplug_vm *vm, blocking_condition_fn *condition, void *user);

#endif
