/* SPDX-License-Identifier: MIT */
/*
 * Live tests run the vmplug command as a user would, against a real QEMU, and look at the truth by
 * other ways: a second monitor of that QEMU, and a shell on the guest's serial console. Anything
 * that goes wrong here fails the test that asked.
 *
 * Environment: VMPLUG (the command), VMPLUG_SCRIPTS (the folder scripts/), VMPLUG_QEMU (default
 * qemu-system-x86_64; for another architecture, its neighbour is taken). Every vmplug keeps its
 * records in the private directory, not in the user's.
 */
#ifndef TESTS_LIVE_HARNESS_H
#define TESTS_LIVE_HARNESS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#define HARNESS_ARGUMENTS_MAX 64

struct harness_vm {
    char dir[128];   /* private; holds qmp, qmp2, and with a guest agent, console */
    char qmp[160];
    char qmp2[160];
    char agent[160];
    const char *board; /* set after the start: what comes of each vmplug is noted (results.h) */
    bool guest;      /* started by run-guest, else a bare QEMU with -S */
    pid_t pid;       /* of a bare QEMU, or of run-guest while it boots */
};

/* What a command did. */
struct harness_run {
    int status; /* exit code, or 128 + signal */
    char *out;
    char *err;
    json_t *lines; /* the JSON objects on stdout, an array; NULL when it is not JSON */
};

/* Ends the test program with 77 (skipped), or fails it under CI, when the tools are missing. */
void harness_need_tools(void);

/* The QEMU to test, for a target in QEMU's words, such as aarch64; the caller frees. */
char *harness_qemu(const char *target);

/* The QEMU that scripts/fetch-qemu has unpacked, one that survives the removal of vCPUs under
 * emulation: for run-guest's --qemu. Skips like harness_need_tools() where it can't be had. */
const char *harness_newer_qemu(const char *target);

/* A private directory for images and the like, removed at exit. */
const char *harness_dir(void);

/* Boots the guest; arguments (NULL-ended, may be NULL) go to run-guest as they are: "--machine",
 * "virt" for another board. */
void harness_boot(struct harness_vm *vm, const char *const *arguments);

/* The same in two steps, so that several guests boot side by side. */
void harness_boot_begin(struct harness_vm *vm, const char *const *arguments);
void harness_boot_end(struct harness_vm *vm);

/* Starts QEMU without a guest: -S, -nodefaults, two monitors, then the arguments. */
void harness_start_bare(struct harness_vm *vm, const char *const *arguments);
void harness_start_bare_on(struct harness_vm *vm, const char *qemu, const char *const *arguments);

/* Ends it. Idempotent. */
void harness_stop(struct harness_vm *vm);

/* Runs `vmplug ARGUMENTS…` (NULL-ended) and waits. Free with harness_run_free(). */
struct harness_run harness_vmplug(const char *const *arguments);
void harness_run_free(struct harness_run *run);

/* The same with --qmp, --agent (with a guest) and --json for this VM in front. */
struct harness_run harness_vmplug_json(const struct harness_vm *vm, const char *const *arguments);

/* Starts it and does not wait; harness_await() does. */
pid_t harness_spawn(const char *const *arguments, int *ret_out_fd);
int harness_await(pid_t pid);

/* A vmplug that is looked at while it works: every message that it sends or receives is a line. */
struct harness_watch {
    pid_t pid;
    FILE *out;
};

/* Starts `vmplug ARGUMENTS…` for this VM, as harness_vmplug_json() does, and does not wait. */
struct harness_watch harness_watch(const struct harness_vm *vm, const char *const *arguments);

/* Returns when a line has all of the words (NULL-ended) in it. */
void harness_watch_until(struct harness_watch *watch, const char *const *words);

/* Waits for its end. Only status and lines are set, without the messages. */
struct harness_run harness_watch_end(struct harness_watch *watch);

/* What the guest itself says to a shell command on its serial console, without the last newline;
 * the caller frees. */
char *harness_guest(const struct harness_vm *vm, const char *command);

/* One QMP command through the second monitor; arguments are taken over. The `return` value is the
 * caller's. */
json_t *harness_qmp(const struct harness_vm *vm, const char *command, json_t *arguments);

/* Everything that a refused command must not have changed: memory devices, block nodes, objects,
 * peripherals, vCPUs; as one string, the caller's. */
char *harness_snapshot(const struct harness_vm *vm);

/* qemu-img create -f FORMAT; returns the path, which lives as long as the program. */
const char *harness_image(const char *name, const char *format, const char *size);

/* The verdict in the last JSON line, "" when there is none. */
const char *harness_verdict(const struct harness_run *run);

#define HARNESS_ARGUMENTS(...) ((const char *const[]){__VA_ARGS__, NULL})

#endif
