/* SPDX-License-Identifier: MIT */
/* What the parts of vmplugd have in common. All are borrowed; in a unit test each but the loop may
 * be NULL. */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include <ev.h>

struct daemon {
    struct ev_loop *loop;
    struct fleet *fleet;
    struct event_log *events;
    struct metrics *metrics;
    struct policy *policy;
    struct audit_log *audit_log;
    struct v1_operations *operations;
    const char *api_socket;  /* from the root on: where clients find the daemon; NULL: nowhere */
    const char *socket_group; /* may connect to what the daemon listens on; NULL: its user alone */
    const char *runtime_dir; /* where records and marks are (vmm/record.h) */
    double timeout_ms;       /* of each device, unless somebody says otherwise */
};

#endif
