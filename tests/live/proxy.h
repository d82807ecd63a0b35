/* SPDX-License-Identifier: MIT */
/*
 * Stands between a vmplug and the sockets of its VM, forwards what is said line by line, and
 * strikes at a chosen moment: nothing goes on until the blow has fallen. So a fault hits the same
 * step of an operation each time, however fast the machine is.
 */
#ifndef TESTS_LIVE_PROXY_H
#define TESTS_LIVE_PROXY_H

#include "base/buffer.h"
#include "tests/live/harness.h"

enum proxy_wire_name { PROXY_QMP, PROXY_AGENT, PROXY_WIRES_ };

/* One connection and what has passed along it. */
struct proxy_wire {
    char path[160];
    const char *target;
    int listen_fd, client, server; /* -1: none */
    struct buffer from_client, from_server;
    unsigned lines; /* forwarded, both ways together */
};

/* What became of the moment, and how long it all took. */
struct proxy_outcome {
    bool struck;
    bool plugged; /* QEMU had been asked to add or take a device by then */
    double ms;
};

struct proxy {
    struct proxy_wire wires[PROXY_WIRES_];
    bool plugged;
    struct proxy_outcome outcome;
};

/* When, and what then happens. */
struct proxy_strike {
    enum proxy_wire_name wire;
    unsigned after;    /* so many lines along this wire; */
    const char *words; /* or, unless NULL, after the first line with these words in it */
    bool half;         /* and half of the next line */
    void (*act)(struct proxy *proxy, void *user);
    void *user;
};

/* Runs `vmplug --json --timeout PROXY_SECONDS ARGUMENTS…` for this VM through a proxy, to its end,
 * and claims that it kept its deadline. Only status and lines are set. Without a strike nothing
 * happens and nothing is claimed: what was begun through a proxy must also be taken up through one,
 * since vmplug knows QEMU by the process at the other end of the socket. */
#define PROXY_SECONDS "3"
struct harness_run proxy_run(const struct harness_vm *vm, const char *const *arguments,
                             const struct proxy_strike *strike, struct proxy_outcome *ret);

/* A blow: the connection ends, on both sides. */
void proxy_cut(struct proxy *proxy, enum proxy_wire_name wire);

#endif
