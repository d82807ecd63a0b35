/* SPDX-License-Identifier: MIT */
/*
 * What a change of a VM's manifest asks of the one who makes it, beyond being an operator of that
 * VM: its annotations vmplug/... say which QEMU is meant, by the paths of its sockets, and where
 * the daemon makes a socket of its own. Who may set them is master of any VM that the daemon can
 * reach.
 */
#ifndef DAEMON_MANIFEST_RIGHTS_H
#define DAEMON_MANIFEST_RIGHTS_H

#include <jansson.h>
#include <stdbool.h>

/* Are those annotations other ones afterwards? Then it takes an administrator of the daemon itself
 * (policy_check() without a VM). before: NULL: there was none of this name. vmplug/last-applied,
 * which nobody goes by, does not count. */
bool manifest_rights_change(const json_t *before, const json_t *after);

#endif
