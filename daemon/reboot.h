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

/* What came of it, from the vm's pumps: so many vCPUs and DIMMs are online again, or a failure, and
 * it is tried again in a while. */
typedef void reboot_told_fn(void *user, uint64_t count, const struct error *failure);

/* Listens from now on; told may be NULL. NULL without memory. */
struct reboot *reboot_new(struct vm *vm, struct vm_jobs *jobs, reboot_told_fn *told, void *user);

/* After vm_jobs_abandon(), before vm_jobs_free() and vm_free(). NULL is allowed. */
void reboot_free(struct reboot *reboot);

#endif
