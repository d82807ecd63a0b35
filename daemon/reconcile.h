/* SPDX-License-Identifier: MIT */
/*
 * Makes a VM what its manifest says: reads the manifest, looks at the VM, plans (manifest/plan.h),
 * carries the plan out as one job, and looks again. Nothing of how far it got is kept: whoever
 * begins anew asks QEMU, and finishes what was half-done.
 *
 * What may go better another time (pending, lost, error) is tried again, after a second, and each
 * time after twice as long, at most five minutes. What QEMU, the guest or a ceiling has refused is
 * not, until somebody changes something: the manifest, QEMU, the guest.
 *
 * What somebody does to the VM in so many words (`vmplug cpu add`) is not undone by itself, but
 * when the manifest is gone by the next time.
 */
#ifndef DAEMON_RECONCILE_H
#define DAEMON_RECONCILE_H

#include <jansson.h>

#include "daemon/daemon.h"
#include "daemon/vm_job.h"

#define RECONCILE_FIRST_MS 1000 /* after the first failure */
#define RECONCILE_LAST_MS 300000

struct reconcile;

/* name: borrowed. NULL without memory. */
struct reconcile *reconcile_new(struct daemon *daemon, const char *name);

/* Forgets it all; who waits is not told. After reconcile_detach(). NULL is allowed. */
void reconcile_free(struct reconcile *reconcile);

/* The VM is connected, and is looked at soon. */
void reconcile_attach(struct reconcile *reconcile, struct vm_jobs *jobs);

/* It is no more, and why; who waits is told. After vm_jobs_abandon(). */
void reconcile_detach(struct reconcile *reconcile, const char *reason, const struct error *why);

/* See held_vm_reconcile(). */
void reconcile_request(struct reconcile *reconcile, const struct batch_observer *observer);

/* The guest, its agent or QEMU has changed: what was refused, or failed, is tried again. Where the
 * VM is what it is to be, nothing happens. */
void reconcile_nudge(struct reconcile *reconcile);

/* An object that VMs may rest on has changed (name: NULL: any of the kind): the same, and where the
 * VM is what it is to be, it is looked at anew if that object was looked at for it. */
void reconcile_source_changed(struct reconcile *reconcile, enum kind kind, const char *name);

/* Nothing is begun any more. */
void reconcile_stop(struct reconcile *reconcile);

/* {type: "Synchronized", status, reason, message, lastTransitionTime}. A new reference; NULL
 * without memory. */
json_t *reconcile_condition(const struct reconcile *reconcile);

#endif
