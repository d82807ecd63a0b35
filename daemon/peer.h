/* SPDX-License-Identifier: MIT */
/* Who is at the other end of a Unix socket, by the kernel's word: as it was when it connected. */
#ifndef DAEMON_PEER_H
#define DAEMON_PEER_H

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

/* `enum peer` is vmm/vm.h's. */
struct peer_id {
    uid_t uid;
    gid_t gid;
    pid_t pid;
    const gid_t *groups; /* its other groups */
    size_t group_count;
};

/* Asks for SO_PEERCRED and SO_PEERGROUPS (unix(7)) of a connected socket. peer_free() frees the
 * groups. Returns 0, or -1 with ERROR_SYSTEM; there are no groups then. */
int peer_read(int fd, struct peer_id *peer, struct error *error);

/* For what outlives the connection. The same. */
int peer_copy(struct peer_id *to, const struct peer_id *from, struct error *error);

/* Idempotent. */
void peer_free(struct peer_id *peer);

#endif
