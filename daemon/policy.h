/* SPDX-License-Identifier: MIT */
/*
 * Who may do what to which VM. A policy is a YAML file of rules:
 *
 *     rules:
 *     - role: operator         # viewer, operator or administrator
 *       users: [alice, 1001]   # names or uids
 *       groups: [vm-team]      # names or gids; a user's further groups count as well
 *       vms: [db, "web-*"]     # names or patterns of glob(7); not said: all, and the daemon itself
 *
 * A peer has the highest role of all rules that match it. The user that the daemon runs as, and
 * root, are administrators in any case, since they could take each monitor themselves; without a
 * policy nobody else has a role. What is in the file and not known is an error, since a misspelt
 * `vms` would mean all.
 */
#ifndef DAEMON_POLICY_H
#define DAEMON_POLICY_H

#include "base/error.h"
#include "daemon/peer.h"

enum role {
    ROLE_NONE,
    ROLE_VIEWER,        /* looks, and changes nothing */
    ROLE_OPERATOR,      /* changes a VM that the daemon holds */
    ROLE_ADMINISTRATOR, /* says which VMs it holds; sends anything */
};

struct policy;

/* Reads the file; NULL: there is none. NULL with ERROR_INVALID, which says where: it is no policy,
 * or names a user or a group that there is not; ERROR_BLOCKED: others than root and the daemon's
 * user may write to it; or ERROR_SYSTEM. */
struct policy *policy_new(const char *path, struct error *error);

/* Reads the file again: what is decided from now on goes by it. Returns 0, or -1 with the errors of
 * policy_new(): then all stays as it was. */
int policy_reload(struct policy *policy, struct error *error);

/* NULL is allowed. */
void policy_free(struct policy *policy);

/* vm: a VM's name, also of one that the daemon does not hold; NULL: the daemon itself. Without a
 * policy (NULL) all are administrators, for tests of what is behind it. */
enum role policy_role(const struct policy *policy, const struct peer_id *peer, const char *vm);

/* The highest role that the peer has of anything: without one it learns nothing at all, not even
 * that a VM is there. What lists VMs or events is open to all others, and shows each only what it
 * is a viewer of. */
enum role policy_highest_role(const struct policy *policy, const struct peer_id *peer);

/* Has it this role of the VM, or a higher one? Returns 0, or -1 with ERROR_BLOCKED, which says what
 * it has and what is needed (403). */
int policy_check(const struct policy *policy, const struct peer_id *peer, const char *vm,
                 enum role needed, struct error *error);

/* "viewer"; of ROLE_NONE "none". */
const char *policy_role_name(enum role role);

#endif
