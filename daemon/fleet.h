/* SPDX-License-Identifier: MIT */
/*
 * All VMs that the daemon holds: those with a manifest in the store (manifest/store.h), which is
 * followed as it changes, whoever changes it. A directory of manifests, where there is one, is
 * followed, too, and what comes or changes there is taken as by `vmplug apply`: into the store. A
 * file that goes away changes nothing, as of kubectl.
 */
#ifndef DAEMON_FLEET_H
#define DAEMON_FLEET_H

#include <stddef.h>

#include "daemon/held_vm.h"

/* VMs that are looked at at the same time; the others wait for their turn. */
#define FLEET_AT_ONCE 64

struct fleet;

struct fleet_options {
    struct daemon *daemon;     /* outlives the fleet, which is its member fleet from now on */
    const char *manifests_dir; /* borrowed; NULL: none */
};

/* Makes the store where there is none, takes what is in it and in the directory of manifests, and
 * follows both. A manifest that can't be taken is logged, and keeps nothing else from being taken.
 * NULL with ERROR_SYSTEM, or an error of store_open(). */
struct fleet *fleet_new(const struct fleet_options *options, struct error *error);

/* Lets go of all VMs at once. NULL is allowed. */
void fleet_free(struct fleet *fleet);

size_t fleet_count(const struct fleet *fleet);

/* NULL: there is no such VM. Borrowed, and good until the loop goes on. */
struct held_vm *fleet_find(const struct fleet *fleet, const char *name);

/* Calls visit for each, in no order in particular; visit neither adds nor removes any. */
void fleet_foreach(const struct fleet *fleet, void (*visit)(void *user, struct held_vm *held),
                   void *user);

/* Looks at once at what the store has of one VM: what was just stored in the same process is held
 * when this returns, and what was forgotten is let go of. The VM, or NULL: it is not in the store,
 * or with an error (which may be NULL) of held_vm_new(). Not from inside the vm's callbacks. */
struct held_vm *fleet_look(struct fleet *fleet, const char *name, struct error *error);

/* Looks at all of the store and of the directory of manifests anew, and at every VM (SIGHUP). */
void fleet_rescan(struct fleet *fleet);

/* held_vm_stop() of all; then fleet_is_idle() is awaited, or fleet_free() called. */
void fleet_stop(struct fleet *fleet);
bool fleet_is_idle(const struct fleet *fleet);

/* ---- for daemon/held_vm.c and daemon/reconcile.c ---- */

/* Asks for a turn: begin is called, from here or later from the loop, once one is free. The caller
 * keeps the structure until fleet_leave(), which also withdraws it. */
struct fleet_turn {
    TAILQ_ENTRY(fleet_turn) link;
    enum { FLEET_NO_TURN, FLEET_WAITS, FLEET_HAS_TURN } state;
    void (*begin)(void *user);
    void *user;
};

void fleet_enter(struct fleet *fleet, struct fleet_turn *turn);
void fleet_leave(struct fleet *fleet, struct fleet_turn *turn);

#endif
