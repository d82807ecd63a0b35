/* SPDX-License-Identifier: MIT */
/*
 * The one thing that QEMU can't be asked: which requests stand. A removal that the guest has not
 * answered shows in no query, so it is written down, in a file that belongs to this QEMU process
 * and to no other: its name is the process' id and start time. (Not the socket: a QEMU may have
 * several monitors.) Whoever has seen a request's end takes it out again.
 *
 * The directory is the user's own (0700), the files 0600; several vmplugs may share them.
 */
#ifndef VMM_RECORD_H
#define VMM_RECORD_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

struct record;

/* Where records are kept unless somebody says otherwise: $XDG_RUNTIME_DIR/vmplug, else /run/vmplug
 * for root and /tmp/vmplug-UID for others. Writes at most size bytes, returns text. */
const char *record_default_directory(char *text, size_t size);

/* The record of a process that is yet to be named. Nothing is read or made. NULL without memory. */
struct record *record_new(const char *directory);

/* Names it. False, and it stays as it was, when there is no such process. */
bool record_bind(struct record *record, pid_t pid);
void record_free(struct record *record);

/* All of these allow a NULL record, or one of no process, which is empty and keeps nothing. */

/* Did memory not suffice to read it, since this was asked last? Then it seemed to be empty. */
bool record_failed(struct record *record);

/* Enters a request: an object with "operation" ("cpu-remove") and "id", and what else its kind
 * wants back. One with the same id is replaced. The entry is taken over. False when it could not
 * be kept: the directory is not ours alone, the disk is full, memory runs out (also when entry is
 * NULL for lack of it). */
bool record_put(struct record *record, json_t *entry);

/* After record_put() failed: where, and as far as that can be seen why. Writes at most size bytes,
 * returns text. Not for a NULL record. */
const char *record_explain(const struct record *record, char *text, size_t size);

/* Takes out the request for this id, if there is one. */
void record_drop(struct record *record, const char *id);

/* All requests: a new array, oldest first. NULL when memory runs out. */
json_t *record_list(struct record *record);

/* The request for this id, a new reference, or NULL. */
json_t *record_find(struct record *record, const char *id);

/* Is there a request for this id whose operation ends in suffix ("-remove")? */
bool record_has(struct record *record, const char *id, const char *suffix);

/* How many vCPUs have been taken from this QEMU, as far as vmplug did it: under emulation that
 * decides whether it survives another one (see vmm/hazard.h). A request of this id that is entered
 * counts once, however often its end is seen. */
unsigned record_vcpus_removed(struct record *record);
void record_count_vcpu_removed(struct record *record, const char *id);

#endif
