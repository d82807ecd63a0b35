/* SPDX-License-Identifier: MIT */
/*
 * A guest that reboots may leave offline what was plugged into it: nothing but vmplug has ever put
 * it online. After QEMU's event RESET the guest's agent is awaited, and what the audit
 * (vmm/audit.h) then finds offline of vmplug's own is put online again, when its turn comes.
 */
#ifndef DAEMON_REBOOT_H
#define DAEMON_REBOOT_H

#include "daemon/vm_job.h"

struct reboot;

/* All may be NULL, and are called from the vm's pumps. */
struct reboot_observer {
    /* So many vCPUs and DIMMs are about to be put online; -1 with an error: they are not. */
    int (*begin)(void *user, size_t count, struct error *error);
    void (*stage)(void *user, const struct operation_result *so_far,
                  const struct operation_stage *stage);
    void (*result)(void *user, const struct operation_result *result);
    /* What came of it: so many are online again, or a failure, and it is tried again in a while. */
    void (*end)(void *user, uint64_t count, const struct error *failure);
    void *user;
};

/* Listens from now on; observer: copied. NULL without memory. */
struct reboot *reboot_new(struct vm *vm, struct vm_jobs *jobs,
                          const struct reboot_observer *observer);

/* After vm_jobs_abandon(), before vm_jobs_free() and vm_free(). NULL is allowed. */
void reboot_free(struct reboot *reboot);

#endif
