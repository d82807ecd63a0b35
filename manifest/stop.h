/* SPDX-License-Identifier: MIT */
/* Ends a VM that was launched or adopted: asks the guest, and when it does not heed that, QEMU. */
#ifndef MANIFEST_STOP_H
#define MANIFEST_STOP_H

#include <stdbool.h>

#include "base/error.h"
#include "qmp/pump.h"

#define STOP_GRACE_SECONDS 30 /* Kubernetes' terminationGracePeriodSeconds */

/* What was asked last before it ended. */
enum stop_way {
    STOP_BY_ITSELF, /* it had ended, or did while it was looked for */
    STOP_BY_AGENT,  /* guest-shutdown */
    STOP_BY_ACPI,   /* system_powerdown: the power button */
    STOP_BY_QUIT,   /* QMP quit: the guest was cut off */
    STOP_BY_KILL    /* SIGKILL */
};

/* "agent", "acpi", "quit", "kill", "none". */
const char *stop_way_name(enum stop_way way);

/* Returns when QEMU has ended, and of a launched VM the supervisor, too, so that it can be launched
 * again; waits for that. The agent is asked to shut down where it answers; where it does not, or
 * when half of the grace period has passed, the power button is pressed; after it, QEMU is told to
 * quit, and five seconds later killed. Killed is only a process that is known for a QEMU. With a
 * grace of 0 the guest is not asked at all. An adopted VM's links stay (adopt_forget()). interrupt:
 * what ends the wait before that, or NULL. Returns 0, or -1 with
 * ERROR_INVALID  the name is none
 * ERROR_BLOCKED  no VM of this name runs
 * ERROR_CONNECT  an adopted one can't be reached, which may mean that it has ended
 * ERROR_TIMEOUT  it does not end
 * ERROR_CANCELLED interrupted: what was asked for may still come
 * ERROR_SYSTEM. */
struct stop_interrupt {
    struct pump *pump;
    const unsigned *count; /* that it counts up */
};
int stop_vm(const char *name, unsigned grace_seconds, const struct stop_interrupt *interrupt,
            enum stop_way *ret_way, struct error *error);

#endif
