/* SPDX-License-Identifier: MIT */
/* What comes of each device that the daemon has come, change or go, whoever asked for it: told to
 * the events and counted. For struct batch_observer. */
#ifndef DAEMON_DEVICE_TOLD_H
#define DAEMON_DEVICE_TOLD_H

#include "daemon/daemon.h"
#include "vmm/batch.h"

void device_told_stage(const struct daemon *daemon, const char *vm,
                       const struct operation_result *so_far, const struct operation_stage *stage);
void device_told_result(const struct daemon *daemon, const char *vm,
                        const struct operation_result *result);

#endif
