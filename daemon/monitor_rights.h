/* SPDX-License-Identifier: MIT */
/*
 * What a command of QMP or of the guest agent asks of the one who sends it through the daemon. A
 * viewer may send what only looks and tells no secret; an operator what vmplug itself sends; an
 * administrator anything.
 */
#ifndef DAEMON_MONITOR_RIGHTS_H
#define DAEMON_MONITOR_RIGHTS_H

#include <jansson.h>

#include "daemon/policy.h"
#include "vmm/operation.h"

struct monitor_right {
    enum role role; /* the least that may send it */
    bool changes;   /* the VM: it waits for other changes, and is written down */
};

/* arguments: NULL: none. What is not known here is an administrator's, and changes; by QEMU's rule
 * no command whose name begins with query- changes anything
 * (docs/devel/writing-monitor-commands.rst). */
struct monitor_right monitor_rights_of(enum peer peer, const char *command,
                                       const json_t *arguments);

/* Which kind of operation a QMP command is the heart of, for gates (daemon/gate.h). The arguments
 * of one that needs_driver are to have a "driver", too. False where it is of none. */
bool monitor_rights_operation(const char *command, const json_t *arguments,
                              enum operation_type *ret);

/* Its arguments don't tell what it is about: device_del names no driver. */
bool monitor_rights_needs_driver(const char *command);

/* A message that asks QEMU for it, by the same rule as device_del finds its device (QEMU,
 * softmmu/qdev-monitor.c, find_device_state()): a new reference, NULL without memory. */
json_t *monitor_rights_ask_driver(const json_t *arguments);

/* Of a command's arguments those that say what it is about, and are no secret: a new reference. */
json_t *monitor_rights_subject(const json_t *arguments);

#endif
