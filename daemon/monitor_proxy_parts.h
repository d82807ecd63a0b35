/* SPDX-License-Identifier: MIT */
/* What monitor_proxy.c (a client, and what it says) and monitor_errands.c (what becomes of it) have
 * in common. For them alone. */
#ifndef DAEMON_MONITOR_PROXY_PARTS_H
#define DAEMON_MONITOR_PROXY_PARTS_H

#include <sys/queue.h>

#include "daemon/guest_files.h"
#include "daemon/monitor_proxy.h"
#include "qmp/channel.h"

enum place { PLACE_NONE, PLACE_WANTED, PLACE_GRANTED };

/* A command that is under way: the client's, or the look before it. */
struct errand {
    TAILQ_ENTRY(errand) link;
    struct monitor_proxy *proxy;
    json_t *message;
    json_t *subject; /* what the owner's audit() is told of it */
    int64_t number;  /* the vm's */
    bool changes;
};

TAILQ_HEAD(errand_list, errand);

struct monitor_proxy {
    struct pump pump; /* first, so that the pump is the proxy */
    struct channel channel;
    struct vm *vm; /* NULL: it is over */
    enum peer peer;
    enum role role;
    struct monitor_proxy_owner owner;
    unsigned subscription;
    bool changes; /* as in the options */
    bool negotiated;
    bool is_due; /* there may be something to do, without anything from outside */
    json_t *held;
    json_t *subject; /* of the first one held, when a look has told what it is about; else NULL */
    const struct errand *look; /* which is under way; else NULL */
    struct errand_list errands;
    size_t errand_count;
    enum place place;
    double idle_ms;  /* when the place is given up */
    double stall_ms; /* when something of what waits must have been taken */
    struct guest_files files;
};

/* ---- monitor_proxy.c ---- */

/* Its pump is to turn. */
void monitor_proxy_wake(struct monitor_proxy *proxy);

/* Each may end the proxy. key: "return" or "error"; the value is taken over. A failure is one of
 * ours, not QEMU's. */
void monitor_proxy_answer(struct monitor_proxy *proxy, const json_t *message, const char *key,
                          json_t *value);
void monitor_proxy_answer_error(struct monitor_proxy *proxy, const json_t *message,
                                const char *class_name, const char *desc);
void monitor_proxy_answer_failure(struct monitor_proxy *proxy, const json_t *message,
                                  const struct error *error);

/* Returns as the owner's want(). */
int monitor_proxy_want_place(struct monitor_proxy *proxy, struct error *error);

/* ---- monitor_errands.c ---- */

/* Of a message; "" without one. */
const char *monitor_errands_command(const json_t *message);

/* Sends what is held, in order, until something has to wait. */
void monitor_errands_go_on(struct monitor_proxy *proxy);

/* An agent that has not answered yet is synchronised anew, for whoever comes next. */
void monitor_errands_give_up(struct monitor_proxy *proxy);

#endif
