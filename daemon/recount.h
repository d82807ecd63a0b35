/* SPDX-License-Identifier: MIT */
/*
 * What the figures say of a VM: the memory that it is to have and has, and what is left of things
 * that failed. Whoever looks at it for its manifest tells them; when something else has changed it,
 * it is looked at for them alone, a second later, and nothing is changed.
 */
#ifndef DAEMON_RECOUNT_H
#define DAEMON_RECOUNT_H

#include "daemon/daemon.h"
#include "daemon/metrics.h"
#include "daemon/vm_job.h"
#include "vmm/audit.h"

#define RECOUNT_MS 1000

struct recount {
    struct daemon *daemon;
    struct vm_jobs *jobs;  /* NULL: not connected */
    struct metrics_vm seen;
    uint64_t wanted_bytes; /* of memory, by the manifest; 0: it does not say */
    struct recount_look *look; /* NULL: none is about to be */
};

/* The VM is connected. */
void recount_attach(struct recount *recount, struct daemon *daemon, struct vm_jobs *jobs);

/* It is no more, and counts no more. After vm_jobs_abandon(). Idempotent. */
void recount_detach(struct recount *recount);

/* The inventory is of AUDIT_PARTS. */
void recount_see(struct recount *recount, const struct inventory *inventory,
                 const struct audit *audit);

/* Something has changed. Without memory, or when nothing is begun any more, it is not looked at. */
void recount_soon(struct recount *recount);

#endif
