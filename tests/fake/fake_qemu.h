/* SPDX-License-Identifier: MIT */
/* vmplug-fake-qemu, the simulated QEMU as a program: its options, which are also its help. */
#ifndef TESTS_FAKE_FAKE_QEMU_H
#define TESTS_FAKE_FAKE_QEMU_H

#include "tests/fake/sim.h"

#define FAKE_QEMU "vmplug-fake-qemu"

struct fake_qemu {
    const char *qmp, *agent, *state, *pidfile, *replay;
    bool daemonize;
    unsigned major;
    unsigned cpus, max_cpus, slots;
    uint64_t base_bytes, max_bytes;
    bool kvm;
    double ost_ms, online_ms; /* how long the guest takes */
    struct sim *sim;          /* NULL as long as its size is not known */
    int ready_fd;             /* where the parent of --daemonize waits; 0: nobody does */
    char *written;            /* into the state's file, the last time */
};

/* A word of the command line: --NAME ARGUMENT, or --guest NAME=ARGUMENT. */
struct fake_qemu_word {
    const char *name, *argument, *help;
    bool late; /* it is about what is in the machine, once there is one */
    /* Returns NULL, or what is wrong with the value. */
    const char *(*take)(struct fake_qemu *self, const char *value);
};

extern const struct fake_qemu_word fake_qemu_options[], fake_qemu_traits[];
extern const size_t fake_qemu_option_count, fake_qemu_trait_count;

/* Instead of a machine: plays each run of the trace self->replay in turn, and says "ready" before
 * each. Ends after the last, with the first that goes another way, or when stopped (a pump of the
 * caller's) says so. Returns the exit status. */
int fake_qemu_replay(struct fake_qemu *self, struct pump *stop, const unsigned *stopped);

/* The sockets listen: lets the parent go, and says "ready" to whoever reads it. */
void fake_qemu_say_ready(struct fake_qemu *fake);

/* --help, and the source of the manual page. */
void fake_qemu_help(void);
void fake_qemu_manual(void);

#endif
