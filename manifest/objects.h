/* SPDX-License-Identifier: MIT */
/* The objects that a command goes by: those that it was given, and behind them those in the store.
 */
#ifndef MANIFEST_OBJECTS_H
#define MANIFEST_OBJECTS_H

#include <jansson.h>

#include "manifest/store.h"

struct objects {
    struct store *store;     /* borrowed; NULL: nothing is stored */
    json_t *given[KINDS_];   /* name -> object; NULL: none */
    json_t *merged[KINDS_];  /* … with those stored; made when asked for */
    json_t *found[KINDS_];   /* those stored that were looked up alone */
};

#define OBJECTS_INIT(from) {.store = (from)}

/* Takes over a reference. Returns 0, or -1 with ERROR_SYSTEM without memory. */
int objects_give(struct objects *objects, enum kind kind, const char *name, json_t *object,
                 struct error *error);

/* *ret is borrowed, NULL: there is none. Returns 0, or -1 with ERROR_INVALID or ERROR_SYSTEM, as
 * store_load(). */
int objects_find(struct objects *objects, enum kind kind, const char *name, const json_t **ret,
                 struct error *error);

/* All of a kind: name -> object, borrowed. */
int objects_list(struct objects *objects, enum kind kind, const json_t **ret, struct error *error);

/* What of the store was looked up: an array of "KIND/NAME", or "KIND/" where all of a kind were
 * listed; without VirtualMachines and KubeVirts. A new reference; NULL when nothing was, or without
 * memory. */
json_t *objects_used(const struct objects *objects);

/* Is one of these in it? name: NULL: any of the kind. */
bool objects_use(const json_t *used, enum kind kind, const char *name);

void objects_free(struct objects *objects);

#endif
