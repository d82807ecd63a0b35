/* SPDX-License-Identifier: MIT */
/* A QEMU that somebody else has started gets a name, and loses it. */
#ifndef MANIFEST_ADOPT_H
#define MANIFEST_ADOPT_H

#include "manifest/store.h"

/* Links to its sockets in the VM's run-time directory, in the place of earlier ones, after QEMU has
 * said at the monitor that it is one; waits for that. agent: NULL without an agent. Returns 0, or
 * -1 with ERROR_INVALID: the name; ERROR_BLOCKED: a launched VM of this name runs; ERROR_BUSY: the
 * monitor has another client; the errors of connecting; ERROR_SYSTEM. */
int adopt_qemu(const char *name, const char *qmp, const char *agent, struct error *error);

/* Takes away all that vmplug has of a VM: the links or what is left of a launch, its manifest, its
 * layout and its firmware's variables. An adopted QEMU runs on. Takes the store's lock. Returns 0,
 * or -1 with ERROR_INVALID; ERROR_BLOCKED: a launched VM of this name runs, or there is nothing of
 * this name; ERROR_SYSTEM. */
int adopt_forget(struct store *store, const char *name, struct error *error);

#endif
