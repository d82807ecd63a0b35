/* SPDX-License-Identifier: MIT */
/*
 * What several live tests claim of a command's result and of the guest. A claim that does not hold
 * fails the test, and shows what was said instead.
 */
#ifndef TESTS_LIVE_CLAIMS_H
#define TESTS_LIVE_CLAIMS_H

#include "tests/live/harness.h"

/* Commands for the guest's shell. */
#define GUEST_CPUS "cat /sys/devices/system/cpu/online"
#define GUEST_BLOCKS "ls -d /sys/devices/system/memory/memory* | grep -c ."
#define GUEST_ONLINE_BLOCKS "cat /sys/devices/system/memory/memory*/state | grep -c '^online'"
#define GUEST_MEMORY_KIB "sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo"
#define GUEST_DISKS "ls /sys/block | grep '^[sv]d' | tr '\\n' ' '"

/* The guest says exactly this to a shell command; or a number. */
void claim_guest(const struct harness_vm *vm, const char *command, const char *expected);
long claim_number(const struct harness_vm *vm, const char *command);

/* The vmplug command ends with this verdict and the exit code that goes with it. */
void claim(const struct harness_vm *vm, const char *verdict, const char *const *arguments);

/* The same, and the result is the caller's. */
struct harness_run claim_run(const struct harness_vm *vm, const char *verdict,
                             const char *const *arguments);
void claim_ended(const struct harness_run *run, const char *verdict);

/* Nothing is sent: such a verdict, one line on stderr with the word in it, and QEMU as before. */
void claim_blocked(const struct harness_vm *vm, const char *word, const char *const *arguments);

/* The last object on stdout; borrowed. */
const json_t *claim_last(const struct harness_run *run);

/* What `vmplug status` shows: the caller's. */
json_t *claim_status(const struct harness_vm *vm);

/* The number of vCPUs online and the memory online are the same to `vmplug status` and to the
 * guest. */
void claim_agreement(const struct harness_vm *vm);

/* `vmplug status` shows this request as pending; NULL: none at all. */
void claim_pending(const struct harness_vm *vm, const char *operation, const char *id);

/* QEMU's major version, for what rests on a defect that only versions tell apart. */
long claim_major(const struct harness_vm *vm);

#endif
