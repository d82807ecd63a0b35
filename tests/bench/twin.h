/* SPDX-License-Identifier: MIT */
/*
 * A libvirt twin of the VM: the same machine, without a guest, started paused by a libvirtd of the
 * benchmark's own. Where libvirt is not installed there is none, and everything here returns below
 * 0.
 */
#ifndef TESTS_BENCH_TWIN_H
#define TESTS_BENCH_TWIN_H

/* How many milliseconds `virsh domstate` takes. */
double twin_state(void);

/* How many it takes to add so many vCPUs, DIMMs or disks (enum vmplug_action), by one virsh. */
double twin_series(int action, unsigned count);

/* Ends libvirtd and what it has started. */
void twin_end(void);

#endif
