/* SPDX-License-Identifier: MIT */
/* Who is told of what a guest's reboot has left offline, and of its being online again: the audit
 * log, the log, the events, the figures; and the manifest is gone by then. */
#ifndef DAEMON_REBOOT_TOLD_H
#define DAEMON_REBOOT_TOLD_H

#include "daemon/daemon.h"
#include "daemon/reboot.h"
#include "daemon/reconcile.h"

struct reboot_told {
    struct daemon *daemon;
    const char *name; /* of the VM; borrowed */
    struct reconcile *reconcile;
    bool begun; /* it has been written down, and its end is to be, too */
};

/* For reboot_new(): the structure is to last as long as the reboot. */
struct reboot_observer reboot_told_observe(struct reboot_told *told);

#endif
