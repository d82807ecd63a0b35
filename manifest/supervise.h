/* SPDX-License-Identifier: MIT */
/*
 * QEMU as a process of its own, and a small one beside it that waits for its end and puts things in
 * order then. This is the one place where vmplug starts a program.
 *
 * The supervisor is of a session of its own, no child of whoever started it, and has nothing open
 * but the VM's directory, log and lock. It writes how QEMU ended into the log, removes what must
 * not outlive it, and ends. Until it is released it also ends QEMU when its starter ends.
 */
#ifndef MANIFEST_SUPERVISE_H
#define MANIFEST_SUPERVISE_H

#include <sys/types.h>

#include "base/error.h"
#include "manifest/argv.h"

struct supervision {
    int control; /* becomes readable when QEMU has ended and all is in order; -1: none */
};

#define SUPERVISION_INIT {.control = -1}

/* Starts QEMU with standard output and error in the VM's log, which begins anew. directory and
 * lock (manifest/run_directory.h) stay the caller's; the two processes hold the lock, too. A
 * program that can't be run is a QEMU that ends at once, with the reason in the log. Returns 0, or
 * -1 with ERROR_SYSTEM. */
int supervise_start(struct supervision *supervision, const struct argv *argv, int directory,
                    int lock, struct error *error);

/* From now on both live for themselves. */
void supervise_release(struct supervision *supervision);

/* Ends QEMU, unless it has ended, and waits until the supervisor has put all in order. */
void supervise_abandon(struct supervision *supervision);

/* A descriptor that becomes readable at the process's end (pidfd_open(2)), or -1 with errno. */
int supervise_open_process(pid_t process);

/* SIGKILL, to the process of such a descriptor and no other. Returns 0, or -1 with errno. */
int supervise_kill(int process_fd);

#endif
