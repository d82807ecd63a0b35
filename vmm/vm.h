/* SPDX-License-Identifier: MIT */
/*
 * One running QEMU: its monitor, its guest agent where there is one, and the guest's last words
 * by _OST. Everything else in vmm/ asks through it.
 */
#ifndef VMM_VM_H
#define VMM_VM_H

#include "acpi/ledger.h"
#include "qmp/agent.h"
#include "qmp/qmp_client.h"
#include "vmm/record.h"

enum peer { PEER_QMP, PEER_AGENT };

struct vm;

struct vm_options {
    const char *qmp_path;   /* NULL: qmp_fd */
    const char *agent_path; /* NULL: agent_fd, or no agent when that is 0 */
    int qmp_fd, agent_fd;   /* connected sockets, taken over, also on failure */
    double greeting_timeout_ms; /* 0: qmp_client's default */
    const char *runtime_dir;    /* where requests that stand are recorded; NULL: nowhere */
    struct tap tap;
    pid_t process; /* QEMU's; 0: see vm_process(); -1: unknown, and the socket is not QEMU's */
};

/* Opens both connections; the session goes on in the pumps. NULL with ERROR_CONNECT or
 * ERROR_SYSTEM. An agent socket that can't be reached is an absent agent, not a failure:
 * vm_agent_failure() says why. */
struct vm *vm_new(const struct vm_options *options, struct error *error);
void vm_free(struct vm *vm);

/* The pumps to drive: writes up to VM_PUMPS_MAX entries, returns how many. */
#define VM_PUMPS_MAX 3
size_t vm_pumps(struct vm *vm, struct pump *pumps[VM_PUMPS_MAX]);

struct qmp_client *vm_qmp(struct vm *vm);
struct agent *vm_agent(struct vm *vm); /* NULL when none was connected */

/* QEMU's process: what the options say, else whoever made the monitor's socket, but for a socket
 * pair of our own. 0 when unknown. */
pid_t vm_process(const struct vm *vm);

bool vm_has_agent(const struct vm *vm); /* connected; whether it answers is another matter */

/* Why there is no agent connection: ERROR_NONE when none was asked for. */
const struct error *vm_agent_failure(const struct vm *vm);

/* Connects to the agent's socket again, once there is no connection; its pump is another one then,
 * which is returned. NULL with ERROR_CONNECT, ERROR_SYSTEM, or ERROR_BUSY: there is a connection.
 * Not from inside the vm's callbacks. */
struct pump *vm_connect_agent(struct vm *vm, const char *path, struct error *error);

/* Nothing is under way: gives back what both sessions keep for the next message. Not from inside
 * the vm's callbacks. */
void vm_rest(struct vm *vm);

struct ledger *vm_ledger(struct vm *vm);

/* The requests that stand. Without a runtime directory, or without knowing which process QEMU is,
 * it is empty and stays so. NULL, of no vm too, is an empty record. */
struct record *vm_record(struct vm *vm);

/* qmp_client_submit() or agent_submit(). ERROR_CONNECT when there is no agent. */
int64_t vm_submit(struct vm *vm, enum peer peer, const struct request *request,
                  struct error *error);
void vm_cancel(struct vm *vm, enum peer peer, int64_t id);

/* agent_close_file(); nothing when there is no agent. */
void vm_close_guest_file(struct vm *vm, int64_t handle);

/* A moment that the vm's timer pump calls back at. The caller owns the structure and keeps it
 * until it fired or was stopped; the callback fires from the pump. Setting it again moves it. */
struct vm_timer {
    TAILQ_ENTRY(vm_timer) link;
    double at_ms;
    void (*fired)(void *user);
    void *user;
    bool armed;
};

void vm_timer_set(struct vm *vm, struct vm_timer *timer, double at_ms);
void vm_timer_stop(struct vm *vm, struct vm_timer *timer);

#endif
