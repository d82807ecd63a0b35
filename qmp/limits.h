/* SPDX-License-Identifier: MIT */
/*
 * What is held of a peer at most, where the options of qmp_client_new() and agent_new() say nothing
 * else. The agent's are smaller: it runs in the guest. Too large a message ends the monitor's
 * session and the agent's command. The manual page has the same table (cli/manual.c).
 *
 * There is no queue of events: each is told when it is read, and what has not been read waits in
 * the socket, where QEMU holds it. So a storm of them takes no more than one reading's bytes.
 */
#ifndef QMP_LIMITS_H
#define QMP_LIMITS_H

#include <stddef.h>

#define LIMITS_READ_BYTES ((size_t)16 << 10) /* taken from a socket at once, and then dealt with,
                                                while whoever else is in the loop waits */
#define LIMITS_READ_QUIET_BYTES ((size_t)8 << 10) /* … where the last time it was less than that */

/* A reply or an event of QEMU's: how long, how deeply nested, how many values in it. */
#define LIMITS_QMP_MESSAGE_BYTES ((size_t)16 << 20)
#define LIMITS_QMP_DEPTH 128
#define LIMITS_QMP_VALUES (1U << 20)
#define LIMITS_QMP_WINDOW 8 /* commands in flight at once: as many as QEMU queues */
#define LIMITS_QMP_PENDING 16384 /* commands submitted and not yet answered */

/* A reply of the agent's; the longest that is of use lists the memory blocks of a large guest. */
#define LIMITS_AGENT_MESSAGE_BYTES ((size_t)4 << 20)
#define LIMITS_AGENT_DEPTH 32
#define LIMITS_AGENT_VALUES (1U << 19)
#define LIMITS_AGENT_PENDING 1024

#define LIMITS_OST_SLOTS 65536 /* of each kind, whose last _OST is kept (acpi/ledger.h) */

#endif
