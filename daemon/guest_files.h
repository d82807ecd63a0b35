/* SPDX-License-Identifier: MIT */
/* The guest's files that one client has opened through its agent, which would let it go on with
 * anybody's: a handle is a number (QEMU, qga/qapi-schema.json, guest-file-open). */
#ifndef DAEMON_GUEST_FILES_H
#define DAEMON_GUEST_FILES_H

#include "vmm/vm.h"

#define GUEST_FILES_MAX 16 /* that one client has open */

struct guest_files {
    int64_t handles[GUEST_FILES_MAX];
    size_t count;
};

/* May this command be sent? Yes, when it is not about a file. Returns 0, or -1 with ERROR_LIMIT:
 * too many are open, or ERROR_BLOCKED: it is not this client's. */
int guest_files_check(const struct guest_files *files, const char *command,
                      const json_t *arguments, struct error *error);

/* The agent has carried it out, and answered this. */
void guest_files_note(struct guest_files *files, const char *command, const json_t *arguments,
                      const json_t *value);

/* Has the agent close all that are open. */
void guest_files_close(struct guest_files *files, struct vm *vm);

#endif
