/* SPDX-License-Identifier: MIT */
/*
 * A guest that reboots may leave offline what was plugged into it: nothing but vmplug has ever put
 * it online. After QEMU's event RESET the guest's agent is awaited, and what the audit
 * (vmm/audit.h) then finds offline of vmplug's own is put online again, when its turn comes.
 */
#ifndef DAEMON_CH_REBOOT_H
#define DAEMON_CH_REBOOT_H

#include "daemon/ch_job.h"

struct ch_reboot;

/* Listens from now on. NULL without memory. */
struct ch_reboot *ch_reboot_new(struct vm *vm, struct ch_jobs *jobs);

/* After ch_jobs_free(), before vm_free(). NULL is allowed. */
void ch_reboot_free(struct ch_reboot *reboot);

#endif
