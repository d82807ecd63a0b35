/* SPDX-License-Identifier: MIT */
/*
 * Where a VM with a name has its sockets while it runs: NAME in the directory `vm` beside the
 * records (vmm/record.h), which is the user's own. Of a QEMU that vmplug has launched they are
 * there, of an adopted one there are symbolic links to them.
 */
#ifndef VMM_VM_DIRECTORY_H
#define VMM_VM_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define VM_NAME_MAX 63       /* characters */
#define VM_DIRECTORY_MAX 256 /* bytes of a path */

/* What is in there. */
#define VM_DIRECTORY_QMP "qmp"
#define VM_DIRECTORY_QMP_2 "qmp2" /* a second monitor: for who looks while the first is in use */
#define VM_DIRECTORY_AGENT "agent"
#define VM_DIRECTORY_CONSOLE "console"
#define VM_DIRECTORY_PID "pid"

/* A DNS label (RFC 1123), which is what Kubernetes takes for a VM's name: lower-case letters,
 * digits, and hyphens that are neither first nor last. Returns 0, or -1 with ERROR_INVALID. */
int vm_directory_check_name(const char *name, struct error *error);

/* The directory of all of them, in which each VM that runs has one by its name. Writes at most size
 * bytes, returns text. */
const char *vm_directory_all(char *text, size_t size);

/* The path of a file of the VM's, or of its directory when file is NULL. Nothing is looked at. The
 * name has been checked. Writes at most size bytes, returns text. */
const char *vm_directory_path(const char *name, const char *file, char *text, size_t size);

/* Opens the VM's directory; with make, it is made where it is missing. Returns a descriptor, the
 * caller's, or -1 with ERROR_BLOCKED: there is none (errno is then ENOENT), or it is not ours
 * alone, so that what is in it may be anybody's. */
int vm_directory_open(const char *name, bool make, struct error *error);

/* The path of the VM's socket `file`. Returns 0, or -1 with ERROR_BLOCKED: there is no such VM, or
 * it has no such socket. */
int vm_directory_find_socket(const char *name, const char *file, char *text, size_t size,
                             struct error *error);

#endif
