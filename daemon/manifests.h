/* SPDX-License-Identifier: MIT */
/*
 * A directory of manifests that is followed: each file that is there, comes or changes is taken as
 * by `vmplug apply`, into the store (manifest/desired.h). A file that says what it said when it was
 * taken last changes nothing, whatever has become of the object since. One that goes away changes
 * nothing either, and is logged. Where another directory takes this one's place, that is followed;
 * where none does, it is waited for.
 */
#ifndef DAEMON_MANIFESTS_H
#define DAEMON_MANIFESTS_H

#include "daemon/watch.h"

struct manifests;

/* Files are taken from the loop, one a turn. path: borrowed. NULL with ERROR_SYSTEM. */
struct manifests *manifests_new(struct ev_loop *loop, struct watch *watch, const char *path,
                                struct error *error);

/* Looks at all files anew. */
void manifests_rescan(struct manifests *manifests);

/* The watch, which tells it of changes, is not to turn any more. NULL is allowed. */
void manifests_free(struct manifests *manifests);

#endif
