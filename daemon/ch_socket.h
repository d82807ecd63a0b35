/* SPDX-License-Identifier: MIT */
/* Cloud Hypervisor's API (daemon/ch_api.h) of one VM that the daemon holds, on the socket that the
 * annotation vmplug/api-socket of its manifest names. */
#ifndef DAEMON_CH_SOCKET_H
#define DAEMON_CH_SOCKET_H

#include "daemon/daemon.h"
#include "daemon/vm_job.h"

struct ch_socket;

/* Makes the socket, and answers on it. vm: borrowed. NULL with ERROR_INVALID, ERROR_BUSY or
 * ERROR_SYSTEM, as of listener_open() and listener_share(). */
struct ch_socket *ch_socket_new(struct daemon *daemon, const char *vm, const char *path,
                                struct error *error);

/* Where the VM's jobs are; NULL: QEMU is not there, and that is answered. NULL for the socket is
 * allowed. */
void ch_socket_set_jobs(struct ch_socket *self, struct vm_jobs *jobs);

const char *ch_socket_path(const struct ch_socket *self);

/* Closes all connections. Only when no job of the VM's is left. NULL is allowed. */
void ch_socket_free(struct ch_socket *self);

#endif
