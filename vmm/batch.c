/* SPDX-License-Identifier: MIT */
#include "vmm/batch.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/size.h"

#define COUNT_MAX 4096
#define AGENT_SILENCE_MS 2000

struct batch {
    struct vm *vm;
    struct batch_request request;
    struct batch_observer observer;
    struct batch_result result;
    struct inventory_fetch *fetch;
    struct operation *operation;
    struct vm_timer timer; /* goes on outside of the callback that ended the last operation */
    double started_ms;
    bool interrupted;
};

static void finish(struct batch *batch, enum verdict verdict, const struct error *error)
{
    vm_timer_stop(batch->vm, &batch->timer);
    batch->result.verdict = verdict;
    if (error != NULL)
        batch->result.error = *error;
    batch->result.elapsed_ms = clock_now_ms() - batch->started_ms;
    batch->observer.done(batch->observer.user, &batch->result);
}

static void finish_with_error(struct batch *batch, const struct error *error)
{
    enum verdict verdict = VERDICT_ERROR;

    if (error->code == ERROR_BLOCKED)
        verdict = VERDICT_BLOCKED;
    else if (error->code == ERROR_DISCONNECTED &&
             qmp_client_greeting(vm_qmp(batch->vm)) != NULL)
        verdict = VERDICT_LOST;
    batch->result.summary = true;
    finish(batch, verdict, error);
}

static void start_next(void *user);

static void on_stage(void *user, const struct operation_result *so_far,
                     const struct operation_stage *stage)
{
    struct batch *batch = user;

    if (batch->observer.stage != NULL)
        batch->observer.stage(batch->observer.user, so_far, stage);
}

/* Success goes on to the next; anything else ends the batch, as `partial` when some were done. */
static void on_done(void *user, const struct operation_result *result)
{
    struct batch *batch = user;
    bool success = verdict_is_success(result->verdict);

    if (batch->observer.result != NULL)
        batch->observer.result(batch->observer.user, result);
    /* Of several that succeeded, the least proved one speaks for all. */
    if (!(success && batch->result.verdict == VERDICT_UNCONFIRMED))
        batch->result.verdict = result->verdict;
    batch->result.done += success ? 1 : 0;
    batch->result.error = result->error;
    if (!success && batch->result.done > 0 && result->verdict != VERDICT_INTERRUPTED)
        batch->result.verdict = VERDICT_PARTIAL;
    if (!success || batch->interrupted)
        batch->request.count = 0;
    vm_timer_set(batch->vm, &batch->timer, 0);
}

static void start_next(void *user)
{
    const struct operation_observer observer = {
        .stage = on_stage, .done = on_done, .user = user};
    struct batch *batch = user;
    struct error error = ERROR_INIT;

    operation_free(STEAL(batch->operation));
    if (batch->interrupted && verdict_is_success(batch->result.verdict) &&
        (batch->result.done < batch->result.asked || batch->result.asked == 0)) {
        (void)error_set(&error, ERROR_CANCELLED, "", "interrupted");
        batch->result.summary = true; /* no device's own result says it */
        finish(batch, VERDICT_INTERRUPTED, &error);
        return;
    }
    if (batch->request.count == 0 || batch->result.done == batch->result.asked) {
        finish(batch, batch->result.verdict, NULL);
        return;
    }
    if (batch->request.files != NULL)
        batch->request.each.disk.file = batch->request.files[batch->result.done];
    batch->request.count--;
    batch->operation = operation_start(batch->vm, &batch->request.each, &observer, &error);
    if (batch->operation == NULL)
        finish_with_error(batch, &error);
}

static void begin(struct batch *batch)
{
    batch->result.asked = batch->request.count;
    batch->result.summary = batch->request.goal != BATCH_COUNT || batch->request.count != 1;
    batch->result.verdict = VERDICT_DONE;
    vm_timer_set(batch->vm, &batch->timer, 0);
}

static int count_cpus(struct batch *batch, const struct inventory *inventory, struct error *error)
{
    const struct inventory_cpus *cpus = &inventory->cpus;
    uint64_t target = batch->request.target;
    unsigned step = cpus->slot_count > 0 ? cpus->slots[0].vcpus_count : 1;

    if (target < cpus->present)
        return error_set(error, ERROR_BLOCKED, "this version only adds",
                         "the VM has %u vCPUs, and %" PRIu64 " are fewer", cpus->present, target);
    if (target > cpus->max)
        return error_set(error, ERROR_BLOCKED, "restart QEMU with a larger -smp …,maxcpus=N",
                         "this QEMU can have %u vCPUs (maxcpus), not %" PRIu64, cpus->max, target);
    if (step == 0 || (target - cpus->present) % step != 0)
        return error_set(error, ERROR_BLOCKED, "ask for whole cores",
                         "this board adds %u vCPUs at a time", step);
    batch->request.count = (target - cpus->present) / step;
    return 0;
}

static int count_memory(struct batch *batch, const struct inventory *inventory,
                        struct error *error)
{
    const struct inventory_memory *memory = &inventory->memory;
    uint64_t target = batch->request.target;
    uint64_t total = memory->base_bytes + memory->plugged_bytes;
    uint64_t block = inventory->guest.block_bytes != 0 ? inventory->guest.block_bytes
                                                       : 128 * SIZE_MIB;
    uint64_t reachable;
    char have[SIZE_TEXT_MAX], want[SIZE_TEXT_MAX], below[SIZE_TEXT_MAX], above[SIZE_TEXT_MAX];

    if (!memory->known)
        return error_set(error, ERROR_BLOCKED, "", "this QEMU does not tell how much memory it has");
    if (target < total)
        return error_set(error, ERROR_BLOCKED, "this version only adds",
                         "the VM has %s, and %s is less", size_format(total, have),
                         size_format(target, want));
    if ((target - total) % block != 0) {
        reachable = total + (target - total) / block * block;
        (void)error_set(error, ERROR_BLOCKED, "", "whole memory blocks do not reach %s from %s",
                        size_format(target, want), size_format(total, have));
        error_advise(error, "ask for %s or %s", size_format(reachable, below),
                     size_format(reachable + block, above));
        return -1;
    }
    batch->request.each.dimm.bytes = target - total;
    batch->request.count = target > total ? 1 : 0;
    return 0;
}

static void on_inventory(void *user, struct inventory *inventory, const struct error *failure)
{
    struct batch *batch = user;
    struct error error = ERROR_INIT;
    int status;

    batch->fetch = NULL;
    if (failure != NULL) {
        finish_with_error(batch, failure);
        return;
    }
    status = batch->request.goal == BATCH_CPUS ? count_cpus(batch, inventory, &error)
                                               : count_memory(batch, inventory, &error);
    inventory_free(inventory);
    if (status < 0)
        finish_with_error(batch, &error);
    else
        begin(batch);
}

struct batch *batch_start(struct vm *vm, const struct batch_request *request,
                          const struct batch_observer *observer, struct error *error)
{
    struct batch *batch = calloc(1, sizeof(*batch));
    unsigned parts = request->goal == BATCH_CPUS ? INVENTORY_CPUS
                                                 : INVENTORY_MEMORY | INVENTORY_GUEST_MEMORY;

    if (batch == NULL) {
        (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
        return NULL;
    }
    batch->vm = vm;
    batch->request = *request;
    batch->observer = *observer;
    batch->started_ms = clock_now_ms();
    batch->timer.fired = start_next;
    batch->timer.user = batch;
    if (request->goal == BATCH_COUNT) {
        if (request->count > COUNT_MAX) {
            free(batch);
            (void)error_set(error, ERROR_INVALID, "ask for fewer",
                            "at most %d devices are added at a time", COUNT_MAX);
            return NULL;
        }
        begin(batch);
        return batch;
    }
    batch->fetch = inventory_fetch(vm, parts, request->each.timeout_ms,
                                   clock_earlier_ms(AGENT_SILENCE_MS, request->each.timeout_ms),
                                   on_inventory, batch, error);
    if (batch->fetch == NULL) {
        free(batch);
        return NULL;
    }
    return batch;
}

void batch_interrupt(struct batch *batch)
{
    batch->interrupted = true;
    if (batch->operation != NULL) {
        operation_interrupt(batch->operation);
    } else if (batch->fetch != NULL) {
        inventory_fetch_cancel(STEAL(batch->fetch));
        batch->result.summary = true;
        vm_timer_set(batch->vm, &batch->timer, 0);
    }
}

void batch_free(struct batch *batch)
{
    if (batch == NULL)
        return;
    vm_timer_stop(batch->vm, &batch->timer);
    inventory_fetch_cancel(batch->fetch);
    operation_free(batch->operation);
    free(batch);
}
