/* SPDX-License-Identifier: MIT */
/*
 * Where manifests are kept between commands, and while a VM does not run: a directory of the user's
 * own with one of each kind in it, and a YAML file for each object. Nothing is kept that QEMU could
 * be asked.
 */
#ifndef MANIFEST_STORE_H
#define MANIFEST_STORE_H

#include <jansson.h>
#include <stdbool.h>

#include "manifest/kind.h"

struct store {
    int directory; /* -1: there is none, and it is empty */
    int lock;      /* -1: not held */
    double patience_ms; /* how long store_lock() waits: ten seconds, unless it is set otherwise */
    char path[512];
};

/* Opens it; with make, makes it where it is missing. path: from the root on; NULL is
 * $XDG_STATE_HOME/vmplug, else ~/.local/state/vmplug, of root /var/lib/vmplug. Returns 0, or -1
 * with ERROR_SYSTEM, ERROR_BLOCKED when others may write there, or ERROR_INVALID when the path is
 * too long. store_close() in any case. */
int store_open(struct store *store, const char *path, bool make, struct error *error);
void store_close(struct store *store);

/* Holds others off who would change something, until store_unlock() or store_close(); waits for
 * them, store->patience_ms at most. Returns 0, or -1 with ERROR_BUSY, ERROR_SYSTEM. */
int store_lock(struct store *store, struct error *error);
void store_unlock(struct store *store);

/* The object, a new reference; *ret is NULL when there is none. Returns 0, or -1 with ERROR_INVALID
 * when that is no name, or the file is no such object of this name, or ERROR_SYSTEM. */
int store_load(struct store *store, enum kind kind, const char *name, json_t **ret,
               struct error *error);

/* All of a kind, name -> object, in the order of their names; a new reference, or NULL with an
 * error as of store_load(). */
json_t *store_list(struct store *store, enum kind kind, struct error *error);

/* The names of all of a kind, a new array; nothing is read. NULL with ERROR_SYSTEM. */
json_t *store_names(struct store *store, enum kind kind, struct error *error);

/* The name of the object that a file of a kind's directory holds; false when it holds none. Writes
 * at most size bytes. */
bool store_read_name(const char *file, char *name, size_t size);

/* The directory of a kind's files, whether it is there or not. Writes at most size bytes, returns
 * text. */
const char *store_folder(const struct store *store, enum kind kind, char *text, size_t size);

/* With the lock. What was stored before stays when this fails. Return 0, or -1 with ERROR_INVALID
 * when that is no name, or the object could not be read again (it is too large, it is none of this
 * kind and name), or ERROR_SYSTEM. */
int store_save(struct store *store, enum kind kind, const char *name, const json_t *object,
               struct error *error);
int store_remove(struct store *store, enum kind kind, const char *name, struct error *error);

#endif
