/* SPDX-License-Identifier: MIT */
/*
 * One VM that the daemon holds: its monitor, for as long as QEMU runs, and waited for while it does
 * not, or while another client has it. Whatever is done with the VM is a job in its queue
 * (daemon/vm_job.h); when QEMU goes, they all fail with ERROR_DISCONNECTED.
 */
#ifndef DAEMON_HELD_VM_H
#define DAEMON_HELD_VM_H

#include <jansson.h>

#include "daemon/daemon.h"
#include "daemon/vm_job.h"

enum held_state {
    HELD_ABSENT,     /* QEMU does not run, or can't be reached */
    HELD_CONNECTING, /* it has yet to say its greeting */
    HELD_BUSY,       /* … and was silent too long: another client has the monitor; waited for */
    HELD_READY,
    HELD_STATES_ /* how many there are */
};

struct held_vm;

/* Begins to hold it: it connects when its turn comes (daemon/fleet.h), from the loop. NULL with
 * ERROR_INVALID: it is no name, or ERROR_SYSTEM. */
struct held_vm *held_vm_new(struct daemon *daemon, const char *name, struct error *error);

/* Lets go of it, whatever is under way (vm_jobs_abandon()). Not from inside the vm's callbacks.
 * NULL is allowed. */
void held_vm_free(struct held_vm *held);

/* "absent", "connecting", "busy", "ready". */
const char *held_vm_state_name(enum held_state state);

/* All that is returned is borrowed, and good until the loop goes on. */
const char *held_vm_name(const struct held_vm *held);
enum held_state held_vm_state(const struct held_vm *held);

/* Why it is not ready: ERROR_NONE while nothing is amiss. */
const struct error *held_vm_failure(const struct held_vm *held);

/* NULL unless ready. What is kept of them is void once qmp_client_subscribe()'s callback is told of
 * the end, or a job fails with ERROR_DISCONNECTED. */
struct vm *held_vm_vm(const struct held_vm *held);
struct vm_jobs *held_vm_jobs(const struct held_vm *held);

/* [{type: "Synchronized", status, reason, message, lastTransitionTime}], as of Kubernetes. A new
 * reference; NULL without memory. */
json_t *held_vm_conditions(const struct held_vm *held);

/* What the manifest says, and the VM is not, is done as soon as it can be; a refusal, or a pause
 * after a failure, is no obstacle any more. observer, copied, may be NULL: `done` is called once,
 * from a pump or from here, when the manifest as it is now has been worked through, or can't be;
 * the others of each device in between. Several may wait for the same. */
void held_vm_reconcile(struct held_vm *held, const struct batch_observer *observer);

/* The manifest has changed: its sockets may be others, and what was refused may not be any more.
 * Not from inside the vm's callbacks. */
void held_vm_changed(struct held_vm *held);

/* See reconcile_source_changed(). */
void held_vm_source_changed(struct held_vm *held, enum kind kind, const char *name);

/* The daemon is about to end: vm_jobs_stop(), and nothing is begun any more, nor connected. */
void held_vm_stop(struct held_vm *held);

/* No job is under way, and none waits. */
bool held_vm_is_idle(const struct held_vm *held);

#endif
