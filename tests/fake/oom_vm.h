/* SPDX-License-Identifier: MIT */
/* A vm connected to a simulated QEMU whose own memory never runs out; see tests/fake/oom.h. It
 * keeps a record in fake_dir(), which oom_vm_close() empties. */
#ifndef TESTS_FAKE_OOM_VM_H
#define TESTS_FAKE_OOM_VM_H

#include "qmp/blocking.h"
#include "tests/fake/sim.h"
#include "vmm/vm.h"

struct oom_vm {
    struct sim *sim; /* owned */
    struct vm *vm;
};

/* Takes sim over, connects, and waits until the session is ready. */
void oom_vm_open(struct oom_vm *oom_vm, struct sim *sim);

/* The same in two steps, the second one without waiting. NULL with *error. */
void oom_vm_prepare(struct oom_vm *oom_vm, struct sim *sim);
struct vm *oom_vm_connect(struct oom_vm *oom_vm, struct error *error);

/* Fails the test when the condition does not come to hold within a minute of its time. */
void oom_vm_drive(struct oom_vm *oom_vm, blocking_condition_fn *condition, void *user);

void oom_vm_close(struct oom_vm *oom_vm);

#endif
