/* SPDX-License-Identifier: MIT */
/*
 * What a command goes by: the manifests that it was given, merged with what is stored, the
 * cluster's settings, and the VMs among them. Every change to what is stored goes through here.
 */
#ifndef MANIFEST_DESIRED_H
#define MANIFEST_DESIRED_H

#include "manifest/claims.h"
#include "manifest/cluster.h"
#include "manifest/notes.h"
#include "manifest/virtual_machine.h"

struct desired_vm {
    struct document document; /* what vm was read from */
    struct virtual_machine vm;
    bool stored; /* it has a name, and a manifest in the store or on its way there */
};

struct desired {
    struct store store;
    struct objects objects;
    struct notes notes;
    struct cluster cluster;
    struct desired_vm **vms;
    size_t vm_count;
};

/* Opens the store at its default place; with make, makes it. Returns 0, or -1 with the errors of
 * store_open(). desired_close() in any case. */
int desired_open(struct desired *desired, bool make, struct error *error);
void desired_close(struct desired *desired);

/* Takes all documents: checks each, merges it with what is stored of it (patch_apply(), by the
 * annotation vmplug/last-applied), adds VMs to desired->vms. name is what a VirtualMachine without
 * one is called; NULL: it stays without, and is not stored. With save, everything is stored, after
 * all of it was found to be good. Returns 0, or -1 with ERROR_INVALID, which says where,
 * ERROR_BUSY, or ERROR_SYSTEM: then some of it may have been stored, each object whole. */
int desired_take(struct desired *desired, const struct document_list *documents, const char *name,
                 bool save, struct error *error);

/* Has each document been taken already, and is the last that was taken of its object? */
bool desired_was_taken(struct desired *desired, const struct document_list *documents);

/* Adds the stored VM of this name. Returns 0, or -1 with ERROR_BLOCKED when there is none. */
int desired_take_stored(struct desired *desired, const char *name, struct error *error);

/* Adds a VM of this name of which nothing is said. Returns 0, or -1 with ERROR_INVALID: it is no
 * name, or ERROR_SYSTEM. */
int desired_take_bare(struct desired *desired, const char *name, struct error *error);

/* Changes the stored VM of this name by a function that returns a new object, or NULL with an
 * error, and adds it, stored if `save`; fields that came with the change and are not acted on are
 * noted. Returns 0, or -1: with ERROR_INVALID when what comes out is not that VM. Nobody else
 * changes it meanwhile. */
typedef json_t *desired_change_fn(const json_t *object, const void *user, struct error *error);
int desired_change(struct desired *desired, const char *name, desired_change_fn *change,
                   const void *user, bool save, struct error *error);

/* Takes away what is stored of the VM. */
int desired_forget(struct desired *desired, const char *name, struct error *error);

#endif
