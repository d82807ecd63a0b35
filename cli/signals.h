/* SPDX-License-Identifier: MIT */
/* SIGINT, SIGTERM and SIGHUP as a pump, so that being interrupted is an event like any other. */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

#include "base/error.h"
#include "qmp/pump.h"

struct signals {
    struct pump pump; /* first, so that the pump is the signals */
    int fd;
    unsigned count; /* how many have come */
};

/* Blocks the signals and counts them from now on. One that is ignored (nohup, a script's background
 * job) stays ignored. SIGPIPE becomes an error of write(2). Returns 0, or -1 with ERROR_SYSTEM. */
int signals_open(struct signals *signals, struct error *error);
void signals_close(struct signals *signals);

#endif
