/* SPDX-License-Identifier: MIT */
#include "daemon/peer.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59 /* since Linux 4.13; older C libraries lack the name */
#endif

static int cannot_tell(struct error *error)
{
    return error_set_errno(error, ERROR_SYSTEM, errno, "", "cannot tell who has connected");
}

/* The kernel says how much room it needs when there is too little. */
static int read_groups(int fd, struct peer_id *peer, struct error *error)
{
    AUTO_FREE gid_t *groups = NULL;
    socklen_t size = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) == 0)
        return 0;
    if (errno != ERANGE)
        return cannot_tell(error);
    groups = malloc(size);
    if (groups == NULL)
        return error_set(error, ERROR_SYSTEM, "", "out of memory");
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
        return cannot_tell(error);
    peer->group_count = size / sizeof(*groups);
    peer->groups = STEAL(groups);
    return 0;
}

int peer_read(int fd, struct peer_id *peer, struct error *error)
{
    struct ucred credentials;
    socklen_t size = sizeof(credentials);

    *peer = (struct peer_id){.uid = (uid_t)-1, .gid = (gid_t)-1};
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
        return cannot_tell(error);
    peer->uid = credentials.uid;
    peer->gid = credentials.gid;
    peer->pid = credentials.pid;
    return read_groups(fd, peer, error);
}

int peer_copy(struct peer_id *to, const struct peer_id *from, struct error *error)
{
    size_t bytes = from->group_count * sizeof(*from->groups);
    gid_t *groups = bytes > 0 ? malloc(bytes) : NULL;

    *to = *from;
    to->groups = groups;
    if (bytes == 0)
        return 0;
    if (groups == NULL) {
        to->group_count = 0;
        return error_set(error, ERROR_SYSTEM, "", "out of memory");
    }
    memcpy(groups, from->groups, bytes);
    return 0;
}

void peer_free(struct peer_id *peer)
{
    free((gid_t *)peer->groups);
    peer->groups = NULL;
    peer->group_count = 0;
}
