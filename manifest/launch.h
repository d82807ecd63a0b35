/* SPDX-License-Identifier: MIT */
/*
 * Starts QEMU from a manifest. It outlives whoever starts it, and is supervised
 * (manifest/supervise.h) until it ends.
 */
#ifndef MANIFEST_LAUNCH_H
#define MANIFEST_LAUNCH_H

#include <sys/types.h>

#include "manifest/launch_arguments.h"

#define LAUNCH_TIMEOUT_MS 60000 /* huge pages that have to be cleared take their time */

struct launch {
    const char *name;
    const struct virtual_machine *vm; /* read as a whole */
    const struct cluster *cluster;
    struct claims *claims; /* its empty_directory is set while this works, and then put back */
    struct store *store;   /* opened with make; holds the layout and the firmware's variables */
    double timeout_ms;     /* until QEMU answers; 0: LAUNCH_TIMEOUT_MS */
};

/* Makes what the VM needs (run-time directory, emptyDisks, hostDisks that may be made, the
 * firmware's variables), starts QEMU, and returns when its second monitor has answered; waits for
 * that.
 * *ret_process is QEMU's. Returns 0, or -1, and then all that it made is gone again, with
 * ERROR_BLOCKED  a VM of this name runs, or is adopted; its kernel can't be read; or see
 *                launch_arguments_make()
 * ERROR_INVALID  see launch_arguments_make()
 * ERROR_REJECTED QEMU ended: the last lines of its log
 * ERROR_TIMEOUT  it does not answer
 * ERROR_SYSTEM. */
int launch_start(const struct launch *launch, pid_t *ret_process, struct error *error);

/* The command line that launch_start() would start, for a shell, an option a line; the caller's, to
 * be freed. Makes nothing. NULL with ERROR_INVALID, ERROR_BLOCKED or ERROR_SYSTEM. */
char *launch_print(const struct launch *launch, struct error *error);

/* Where the emptyDisks of a VM are while it runs, for struct claims. Writes at most size bytes,
 * returns text. */
const char *launch_disks_directory(const char *name, char *text, size_t size);

#endif
