/* SPDX-License-Identifier: MIT */
/*
 * The run-time directory of a VM that vmplug launches (vmm/vm_directory.h), and what is in it.
 *
 * Whether such a VM runs is a question of the file `lock`: its supervisor and QEMU hold it until
 * both have ended, so that nothing that is left by a crash can be taken for a VM. The logs
 * stay until the next launch. In the directory of an adopted VM are links to sockets, and nobody
 * holds the lock.
 */
#ifndef MANIFEST_RUN_DIRECTORY_H
#define MANIFEST_RUN_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "vmm/vm_directory.h"

#define RUN_DIRECTORY_LOCK "lock" /* the supervisor's process id is in it */
#define RUN_DIRECTORY_LOG "qemu.log"
#define RUN_DIRECTORY_CONSOLE_LOG "console.log"
#define RUN_DIRECTORY_DISKS "disks" /* emptyDisks: files that end with the VM */

/* Takes the lock, whose descriptor is *ret_lock and the caller's. Returns 0, or -1 with
 * ERROR_BLOCKED: the VM runs, or somebody is about to launch, adopt or forget it; or with
 * ERROR_SYSTEM. */
int run_directory_lock(int directory, const char *name, int *ret_lock, struct error *error);

/* Does a VM of this name run that vmplug has launched? *ret_supervisor, which may be NULL, is its
 * supervisor's process, 0 when that is not known. */
bool run_directory_is_launched(const char *name, pid_t *ret_supervisor);

/* Is what is there the links of an adopted VM? */
bool run_directory_is_adopted(int directory);

/* Takes away what must not outlive QEMU: sockets, emptyDisks, the process id; with the lock. */
void run_directory_clean(int directory);

/* … and the logs, the lock and the directory itself; what somebody else has put there stays. */
void run_directory_remove(int directory, const char *name);

#endif
