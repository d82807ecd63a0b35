/* SPDX-License-Identifier: MIT */
/*
 * Who holds a monitor or an agent: a daemon, which serves one client where QEMU does, leaves a mark
 * for everyone else. It is a symbolic link `held/DEVICE-INODE` (of the socket, in hex) beside
 * the records (vmm/record.h), whose text is "API-SOCKET NAME". A daemon that was killed leaves its
 * marks behind: nobody listens on the API's socket then, and the monitor is free.
 */
#ifndef VMM_HELD_H
#define VMM_HELD_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

#include "vmm/vm_directory.h"

/* Of one monitor, the daemon's: what it takes to remove it when the socket has gone. */
struct held_mark {
    dev_t device;
    ino_t inode; /* 0: there is none */
};

struct held {
    char api_socket[sizeof(((struct sockaddr_un *)0)->sun_path)];
    char name[VM_NAME_MAX + 1]; /* what the daemon calls the VM */
};

/* Marks the monitor or agent of this socket in the runtime directory, in place of an earlier mark.
 * Returns 0 and *mark, or -1 with ERROR_SYSTEM, or ERROR_INVALID: the API's path is too long or not
 * one from the root on; mark->inode is 0 then. */
int held_make(struct held_mark *mark, const char *runtime_dir, const char *qmp_path,
              const struct held *held, struct error *error);

/* Takes the mark away, unless it is another daemon's by now. Idempotent. */
void held_remove(struct held_mark *mark, const char *runtime_dir, const struct held *held);

/* Is what is behind this socket held? Looks beside the user's records, and into /run/vmplug; what
 * neither root nor the user has made does not count. */
bool held_find(const char *qmp_path, struct held *ret);

#endif
