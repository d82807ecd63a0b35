/* SPDX-License-Identifier: MIT */
/*
 * A session with the guest agent (qemu-ga), which speaks QMP's commands without its greeting, one
 * at a time. The stream is synchronised first, and again after every timeout, so that no command
 * gets another one's answer. What answers runs inside the guest: believe it nothing.
 */
#ifndef VMPLUG_AGENT_H
#define VMPLUG_AGENT_H

#include "vmplug/qmp.h"

#ifdef __cplusplus
extern "C" {
#endif

/* All of it may be 0. */
struct vmplug_agent_options {
    size_t struct_bytes;      /* sizeof(struct vmplug_agent_options); 0: all of it is 0 */
    double sync_timeout_ms;   /* after it, the synchronisation is tried anew; 0: 2000 */
    size_t message_bytes_max; /* the longest answer accepted; 0: 4 MiB */
    vmplug_trace_fn *trace;
    void *trace_user;
};

struct vmplug_agent;

/* Connects to the Unix socket of the agent's port, or takes over the connected socket fd when path
 * is NULL; it is closed if this fails, too. options may be NULL. An agent that is absent, or held
 * by another client, is merely silent: its commands end with VMPLUG_ERROR_TIMEOUT. NULL with
 * VMPLUG_ERROR_CONNECT or _SYSTEM. */
VMPLUG_API struct vmplug_agent *vmplug_agent_open(const char *path, int fd,
                                                  const struct vmplug_agent_options *options,
                                                  struct vmplug_error *error);

/* Ends what is pending, from in here, with VMPLUG_ERROR_CANCELLED. Allowed in a callback. NULL is
 * allowed. */
VMPLUG_API void vmplug_agent_free(struct vmplug_agent *agent);

/* Borrowed. */
VMPLUG_API struct vmplug_pump *vmplug_agent_pump(struct vmplug_agent *agent);

/* Why the session has ended: 0 and *error filled; or -1 while it lives. */
VMPLUG_API int vmplug_agent_failure(const struct vmplug_agent *agent, struct vmplug_error *error);

/* As vmplug_qmp_submit(); timeout_ms must be above 0, for an agent need not answer. */
VMPLUG_API int64_t vmplug_agent_submit(struct vmplug_agent *agent, const char *command,
                                       const char *arguments, double timeout_ms,
                                       vmplug_reply_fn *done, void *user,
                                       struct vmplug_error *error);

/* done will not fire. The agent may carry the command out all the same. */
VMPLUG_API void vmplug_agent_cancel(struct vmplug_agent *agent, int64_t number);

/* As vmplug_qmp_call(). */
VMPLUG_API char *vmplug_agent_call(struct vmplug_agent *agent, const char *command,
                                   const char *arguments, double timeout_ms,
                                   struct vmplug_error *error);

#ifdef __cplusplus
}
#endif

#endif
