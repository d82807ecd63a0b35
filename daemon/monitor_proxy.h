/* SPDX-License-Identifier: MIT */
/*
 * One client that speaks QMP, or the guest agent's protocol, on a socket of its own, over the one
 * connection that the daemon has: any number of them, each as if it were alone.
 *
 * QMP: greeting and qmp_capabilities are our own; out-of-band execution is not offered. Each
 * command goes to QEMU under another id and its answer comes back under the client's, errors with
 * QEMU's own class and words. Events come to all. No descriptor is passed on.
 * Agent: guest-sync and guest-sync-delimited are answered here, and mean that the client waits for
 * nothing more; the others travel one at a time.
 *
 * Who is no administrator has the files of the guest that he opened here, and no others; they are
 * closed behind him.
 *
 * The first command that changes the VM waits until this client is the only one to change it, and
 * those behind it wait, too; it stays so until the client has gone or said nothing for
 * MONITOR_PROXY_IDLE_MS. One that said so when it came is greeted when it is the only one, and
 * stays it.
 *
 * No client holds others up, or fills memory: it has MONITOR_PROXY_WINDOW commands under way, and
 * no more of it is read while it does not read. Who takes nothing for MONITOR_PROXY_STALL_MS while
 * something waits for him, or has MONITOR_PROXY_OUT_BYTES waiting when an event or an answer comes,
 * is cut.
 */
#ifndef DAEMON_MONITOR_PROXY_H
#define DAEMON_MONITOR_PROXY_H

#include <jansson.h>
#include <stdbool.h>

#include "daemon/policy.h"
#include "qmp/pump.h"
#include "vmm/vm.h"

#define MONITOR_PROXY_WINDOW 8 /* commands of one client under way; of the agent's 1 */
#define MONITOR_PROXY_MESSAGE_BYTES ((size_t)1 << 20) /* one command, which may write a file */
#define MONITOR_PROXY_LOOK_BYTES ((size_t)16 << 10) /* … of a viewer's */
#define MONITOR_PROXY_OUT_BYTES ((size_t)1 << 20)
#define MONITOR_PROXY_IDLE_MS 60000
#define MONITOR_PROXY_STALL_MS 10000

struct monitor_proxy;

/* The owner's side. Called from the proxy's pump or the vm's; the proxy can't be freed in here. */
struct monitor_proxy_owner {
    /* It wants to be the only one that changes the VM. Returns 1: it is; 0: monitor_proxy_grant()
     * says when it is, later; or -1 with the error that the client is then given. */
    int (*want)(void *user, struct error *error);
    /* It does no longer, whether it had been granted or not. */
    void (*leave)(void *user);
    /* A command that changes the VM is about to be sent (verdict "begun"), which fails when that
     * can't be written down; it has ended ("accepted", "rejected", "unknown"); or it was
     * "forbidden". Returns 0, or -1 with the error that the client is then given. */
    int (*audit)(void *user, const char *command, const json_t *arguments, const char *verdict,
                 struct error *error);
    void *user;
};

struct monitor_proxy_options {
    int fd;            /* connected, taken over, also on failure */
    const char *bytes; /* what has been read of it already; may be NULL */
    size_t size;
    struct vm *vm;  /* with QMP negotiated */
    enum peer peer; /* whom the client wants to speak with */
    enum role role; /* the client's */
    bool changes;   /* it said when it came that it would change the VM */
    struct monitor_proxy_owner owner;
};

/* Begins with the greeting. NULL with ERROR_SYSTEM, or an error of the owner's want(), which is
 * called in here. */
struct monitor_proxy *monitor_proxy_new(const struct monitor_proxy_options *options,
                                        struct error *error);

/* What is under way may be carried out, and nobody hears of it. NULL is allowed. */
void monitor_proxy_free(struct monitor_proxy *proxy);

/* Dead when the client has gone or was cut, or QEMU has gone. */
struct pump *monitor_proxy_pump(struct monitor_proxy *proxy);

/* It is the only one to change the VM. */
void monitor_proxy_grant(struct monitor_proxy *proxy);

/* The vm ends: nothing more is done with it, and the pump is dead at its next turn. Also when the
 * owner can no longer keep what it granted. Allowed in the vm's callbacks. Calls leave(). */
void monitor_proxy_end(struct monitor_proxy *proxy);

#endif
