/* SPDX-License-Identifier: MIT */
/* A Unix socket that is listened on, for its owner alone (0600), or for a group as well. */
#ifndef DAEMON_LISTENER_H
#define DAEMON_LISTENER_H

#include <sys/types.h>
#include <sys/un.h>

#include "base/error.h"

struct listener {
    int fd; /* -1: closed */
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    dev_t device; /* what was made under this path */
    ino_t inode;
};

/* Makes the socket and listens. One that a dead server has left is replaced. Returns 0, or -1 with
 * ERROR_INVALID (the path is too long), ERROR_BUSY (a server listens there, something else than a
 * socket is there, or somebody keeps the directory locked) or ERROR_SYSTEM; self->fd is -1 then. */
int listener_open(struct listener *self, const char *path, struct error *error);

/* Lets a group, by its name or number, connect as well (0660). Returns 0, or -1 with ERROR_INVALID:
 * there is no such group, or ERROR_SYSTEM. */
int listener_share(struct listener *self, const char *group, struct error *error);

/* Closes the descriptor, unless somebody has taken it (fd is -1), and removes the socket, unless it
 * is another one's by now. Idempotent. */
void listener_close(struct listener *self);

#endif
