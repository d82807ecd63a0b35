/* SPDX-License-Identifier: MIT */
/* What is left of a VM in its directory, as scripts/run-guest and -daemonize leave it. */
#ifndef TESTS_LIVE_REMAINS_H
#define TESTS_LIVE_REMAINS_H

#include <sys/types.h>

/* The QEMU that was told to write the pid file in here; 0: it has ended. The number alone may be
 * somebody else's by now. */
pid_t remains_find_qemu(const char *dir);

/* Prints what a QEMU that has ended, by itself or by the test, had to say. */
void remains_tell(const char *dir);

#endif
