/* SPDX-License-Identifier: MIT */
/*
 * What changes in directories (inotify(7)), told by libev's loop. Only what is complete is told: a
 * file that was closed after writing, moved in, moved away, removed; a directory that was made.
 */
#ifndef DAEMON_WATCH_H
#define DAEMON_WATCH_H

#include <ev.h>

#include "base/error.h"

struct watch;

/* It has been moved or removed: its path leads elsewhere by now, or nowhere. */
#define WATCH_ITSELF "."

/* name: of what has changed in the directory, or WATCH_ITSELF; NULL: more than was told may have
 * changed, all of it is to be looked at. Called from the loop. */
typedef void watch_fn(void *user, const char *name);

/* NULL with ERROR_SYSTEM. */
struct watch *watch_new(struct ev_loop *loop, struct error *error);

/* Follows a directory from now on, in the place of any other that the same user follows by the
 * same function; one that is followed already stays so, once. Returns 0, or -1 with ERROR_SYSTEM
 * (errno is then inotify_add_watch()'s). */
int watch_add(struct watch *watch, const char *path, watch_fn *changed, void *user,
              struct error *error);

/* NULL is allowed. */
void watch_free(struct watch *watch);

#endif
