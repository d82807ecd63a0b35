/* SPDX-License-Identifier: MIT */
/* A vm connected to a simulated QEMU, both driven in one loop, and what the tests of vmm/ do with
 * it. Everything that does not come to its end within some seconds fails the test. */
#ifndef TESTS_FAKE_RIG_H
#define TESTS_FAKE_RIG_H

#include "qmp/blocking.h"
#include "tests/fake/sim.h"
#include "vmm/batch.h"
#include "vmm/operation.h"

#define RIG_RESULTS_MAX 16
#define RIG_TIMEOUT_MS 5000 /* of an inventory */

struct rig {
    struct sim *sim; /* owned */
    bool with_agent, recorded;
    struct vm *vm;
    struct operation *operation;
    struct batch *batch;

    /* How the last operation or batch ended. */
    unsigned ends;
    const struct operation_result *result; /* until the next one or rig_close() */
    unsigned results;
    enum verdict verdicts[RIG_RESULTS_MAX]; /* of a batch's operations */
    char ids[RIG_RESULTS_MAX][64];
    char note[160]; /* of the last one */
    struct batch_result batch_result;
    unsigned stages; /* how often a stage was told */
    unsigned bad_stages; /* told twice, or below one that was told before */
    enum rung last_rung;
};

/* Connects a vm to sim, which is taken over. Without an agent its socket is not even given. */
void rig_open(struct rig *rig, struct sim *sim, bool with_agent);

void rig_close(struct rig *rig);

/* vmplug goes, and sim stays until rig_close(). The last result has gone, too. */
void rig_leave(struct rig *rig);

/* The same with an agent and a record of what stands, empty at first; rig_close() removes it. */
void rig_open_recorded(struct rig *rig, struct sim *sim, bool with_agent);

/* Another vmplug comes, to the same QEMU with the same record: the session begins anew. */
void rig_reopen(struct rig *rig);

/* The record's entry for this id, a new reference, or NULL. */
json_t *rig_recorded(struct rig *rig, const char *id);

/* Drives both ends until the condition holds. */
void rig_run(struct rig *rig, blocking_condition_fn *condition, void *user);

/* Fetches an inventory; the caller frees it. NULL with *ret_failure (may be NULL) when QEMU could
 * not be asked. */
struct inventory *rig_inventory(struct rig *rig, unsigned parts, double agent_timeout_ms,
                                struct error *ret_failure);

/* Runs an operation to its end. */
const struct operation_result *rig_operate(struct rig *rig,
                                           const struct operation_request *request);

/* A vCPU, a DIMM of two blocks, or a disk, for a new sim, with five seconds; and the id it gets. */
struct operation_request rig_addition(enum operation_type type);
const char *rig_addition_id(enum operation_type type);

/* Fails the test unless it is this one, and the rest of the result fits it. */
void rig_assert_verdict(const struct operation_result *result, enum verdict verdict);

/* The same in two halves, to do something in between. */
void rig_start(struct rig *rig, const struct operation_request *request);
const struct operation_result *rig_await(struct rig *rig);

const struct batch_result *rig_batch(struct rig *rig, const struct batch_request *request);

/* The same in two halves, for what is carried out like a batch. */
struct batch_observer rig_observer(struct rig *rig);
const struct batch_result *rig_await_batch(struct rig *rig);

/* A deadline that is near, and yet leaves time enough to get as far as the guest, on this machine
 * and under whatever it runs in: measured once. */
double rig_soon_ms(void);

/* The stages reached, as "accepted realized". One static buffer. */
const char *rig_stages(const struct rig *rig);

/* The ids that are left, as "a b". One static buffer. */
const char *rig_left(const struct rig *rig);

#endif
