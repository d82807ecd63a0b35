/* SPDX-License-Identifier: MIT */
/*
 * Carries out a plan, one step after the other. A step that fails keeps only those from being tried
 * that make no sense without it. Whoever interrupts it and plans anew gets what is left.
 */
#ifndef MANIFEST_APPLY_H
#define MANIFEST_APPLY_H

#include "manifest/plan.h"

struct apply;

/* Starts. plan is borrowed until apply_free(); pattern says what all steps have in common: timeout,
 * level, force, dry_run. The observer hears of each device as of a batch's, and at the end once of
 * all: its verdict is that of the devices where all have the same, `done` where they differ,
 * `blocked` where all that could be done was, and something could not; `partial`, or the failing
 * one's own, where something failed. It is called from the pump, never from in here. NULL with
 * ERROR_SYSTEM. */
struct apply *apply_start(struct vm *vm, const struct plan *plan,
                          const struct operation_request *pattern,
                          const struct batch_observer *observer, struct error *error);

/* Interrupts the operation under way and starts no other. */
void apply_interrupt(struct apply *apply);

/* Starts no other operation, and the one under way goes on to its end. */
void apply_stop(struct apply *apply);

/* Allowed in its own done callback. NULL is allowed. */
void apply_free(struct apply *apply);

#endif
