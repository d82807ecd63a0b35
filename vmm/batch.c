/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation. The goal becomes a list of items, once the inventory is known where it takes
 * one; the items are done in their order. When one fails and all or nothing was wanted, the list is
 * walked back, removing what had been added.
 */
#include "vmm/batch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "vmm/batch_plan.h"

#define COUNT_MAX 4096

struct batch {
    struct vm *vm;
    struct batch_request request;
    struct batch_observer observer;
    struct batch_result result;
    struct inventory_fetch *fetch;
    struct operation *operation;
    struct inventory *known; /* what the last operation leaves to the next, or NULL */
    enum operation_type known_type;
    bool changed;            /* something has gone since the last one began */
    unsigned subscription;
    struct vm_timer timer; /* goes on outside of the callback that ended the last operation */
    struct batch_item *items;
    size_t item_count;
    size_t next;
    double started_ms;
    bool interrupted;
    bool taking_back;
    enum verdict failure; /* of BATCH_LIST: the first, VERDICT_DONE while there is none */
    struct error failure_error;
};

static void finish(struct batch *batch, enum verdict verdict, const struct error *error)
{
    vm_timer_stop(batch->vm, &batch->timer);
    batch->result.verdict = verdict;
    if (verdict != VERDICT_UNCONFIRMED)
        batch->result.missing = NULL;
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

static void on_stage(void *user, const struct operation_result *so_far,
                     const struct operation_stage *stage)
{
    struct batch *batch = user;

    if (batch->observer.stage != NULL)
        batch->observer.stage(batch->observer.user, so_far, stage);
}

/* All or nothing was wanted, and something was done. */
static bool takes_back(const struct batch *batch)
{
    return batch->request.atomic && !batch->request.each.dry_run && batch->result.done > 0;
}

/* What was added can be removed again; what was removed or changed stays so. */
static bool is_addition(const struct batch_item *item)
{
    return item->type == OPERATION_CPU_ADD || item->type == OPERATION_DIMM_ADD ||
           item->type == OPERATION_DISK_ADD;
}

/* Of several that succeeded, the least proved one speaks for all. */
static void note_doubt(struct batch *batch, const struct operation_result *result)
{
    if (result->verdict != VERDICT_UNCONFIRMED || batch->result.missing != NULL)
        return;
    batch->result.verdict = VERDICT_UNCONFIRMED;
    batch->result.missing = result->missing;
}

/* Success goes on to the next; anything else ends the batch, as `partial` when some were done. */
static void on_done(void *user, const struct operation_result *result)
{
    struct batch *batch = user;
    struct batch_item *item = &batch->items[batch->next];
    bool success = verdict_is_success(result->verdict);

    if (batch->observer.result != NULL)
        batch->observer.result(batch->observer.user, result);
    (void)snprintf(item->id, sizeof(item->id), "%s", result->id);
    note_doubt(batch, result);
    if (!(success && batch->result.verdict == VERDICT_UNCONFIRMED))
        batch->result.verdict = result->verdict;
    batch->result.done += success ? 1 : 0;
    batch->result.error = result->error;
    batch->next++;
    if (!success || batch->interrupted) {
        batch->item_count = batch->next;
        batch->taking_back = !success && takes_back(batch);
        batch->next -= success ? 0 : 1;
    }
    if (!success && batch->result.done > 0 && result->verdict != VERDICT_INTERRUPTED &&
        !batch->taking_back)
        batch->result.verdict = VERDICT_PARTIAL;
    vm_timer_set(batch->vm, &batch->timer, 0);
}

/* The failure of one does not stop the others, unless nobody is there any more. */
static void on_list_done(void *user, const struct operation_result *result)
{
    struct batch *batch = user;
    bool over = result->verdict == VERDICT_INTERRUPTED || result->verdict == VERDICT_LOST;

    if (batch->observer.result != NULL)
        batch->observer.result(batch->observer.user, result);
    batch->next = over ? batch->item_count : batch->next + 1;
    note_doubt(batch, result);
    if (verdict_is_success(result->verdict)) {
        batch->result.done++;
    } else if (over || batch->failure == VERDICT_DONE) {
        batch->failure = result->verdict;
        batch->failure_error = result->error;
    }
    vm_timer_set(batch->vm, &batch->timer, 0);
}

static void finish_list(struct batch *batch)
{
    enum verdict verdict = batch->failure;

    if (verdict == VERDICT_DONE)
        verdict = batch->result.verdict;
    else if (verdict != VERDICT_INTERRUPTED && batch->result.done > 0)
        verdict = VERDICT_PARTIAL;
    finish(batch, verdict, &batch->failure_error);
}

static void on_taken_back(void *user, const struct operation_result *result)
{
    struct batch *batch = user;

    if (batch->observer.result != NULL)
        batch->observer.result(batch->observer.user, result);
    if (result->verdict == VERDICT_REMOVED)
        batch->result.done--;
    vm_timer_set(batch->vm, &batch->timer, 0);
}

static void start(struct batch *batch, const struct operation_request *request,
                  void (*done)(void *user, const struct operation_result *result))
{
    const struct operation_observer observer = {.stage = on_stage, .done = done, .user = batch};
    struct error error = ERROR_INIT;

    if (batch->known_type != request->type)
        inventory_free(STEAL(batch->known));
    batch->known_type = request->type;
    batch->changed = false;
    batch->operation =
        operation_start(batch->vm, request, STEAL(batch->known), &observer, &error);
    if (batch->operation == NULL)
        finish_with_error(batch, &error);
}

static void on_event(void *user, const struct qmp_event *event)
{
    struct batch *batch = user;

    if (event != NULL && strcmp(event->name, "DEVICE_DELETED") == 0)
        batch->changed = true;
}

/* What has come meanwhile is seen in QEMU's refusal of the same, and what has gone is not. */
static void end_operation(struct batch *batch)
{
    if (batch->operation != NULL && !batch->changed)
        batch->known = operation_hand_on(batch->operation);
    operation_free(STEAL(batch->operation));
}

static enum operation_type opposite(enum operation_type type)
{
    switch (type) {
    case OPERATION_CPU_ADD:
        return OPERATION_CPU_REMOVE;
    case OPERATION_DISK_ADD:
        return OPERATION_DISK_REMOVE;
    default:
        return OPERATION_DIMM_REMOVE;
    }
}

static void take_back_next(struct batch *batch)
{
    struct operation_request request = {.timeout_ms = batch->request.each.timeout_ms};

    while (batch->next > 0 && !is_addition(&batch->items[batch->next - 1]))
        batch->next--;
    if (batch->next == 0) {
        if (batch->result.done > 0 && batch->result.verdict != VERDICT_INTERRUPTED)
            batch->result.verdict = VERDICT_PARTIAL;
        finish(batch, batch->result.verdict, NULL);
        return;
    }
    batch->next--;
    request.type = opposite(batch->items[batch->next].type);
    request.id = batch->items[batch->next].id;
    start(batch, &request, on_taken_back);
}

static void go_on(void *user)
{
    struct batch *batch = user;
    struct operation_request request = batch->request.each;

    end_operation(batch);
    if (batch->taking_back) {
        take_back_next(batch);
        return;
    }
    if (batch->interrupted && verdict_is_success(batch->result.verdict) &&
        (batch->result.done < batch->result.asked || batch->result.asked == 0)) {
        (void)error_set(&batch->result.error, ERROR_CANCELLED, "", "interrupted");
        batch->result.summary = true; /* no device's own result says it */
        batch->result.verdict = VERDICT_INTERRUPTED;
        batch->taking_back = takes_back(batch);
        if (batch->taking_back)
            take_back_next(batch);
        else
            finish(batch, VERDICT_INTERRUPTED, NULL);
        return;
    }
    if (batch->next == batch->item_count && batch->request.goal == BATCH_LIST) {
        finish_list(batch);
        return;
    }
    if (batch->next == batch->item_count || batch->result.verdict == VERDICT_PARTIAL ||
        !verdict_is_success(batch->result.verdict)) {
        finish(batch, batch->result.verdict, NULL);
        return;
    }
    batch_plan_apply(&batch->items[batch->next], &request);
    start(batch, &request, batch->request.goal == BATCH_LIST ? on_list_done : on_done);
}

static void begin(struct batch *batch)
{
    batch->result.asked = batch->item_count;
    batch->result.summary = batch->request.goal != BATCH_COUNT || batch->item_count != 1;
    batch->failure = VERDICT_DONE;
    batch->result.missing = batch->request.missing;
    batch->result.verdict = batch->result.missing != NULL ? VERDICT_UNCONFIRMED : VERDICT_DONE;
    vm_timer_set(batch->vm, &batch->timer, 0);
}

static int list_items(struct batch *batch, struct error *error);

/* All or nothing, and the ceiling is known: then nothing, at once. */
static int check_room(const struct batch *batch, const struct inventory *inventory,
                      struct error *error)
{
    const struct inventory_cpus *cpus = &inventory->cpus;
    uint64_t count = batch->request.count;
    size_t i, room = 0;

    for (i = 0; i < cpus->slot_count; i++)
        room += cpus->slots[i].present ? 0 : 1;
    if (!cpus->hotpluggable || count <= room)
        return 0; /* the first operation will say what is wrong, if anything */
    return error_set(error, ERROR_BLOCKED, "ask for fewer, or restart QEMU with a larger maxcpus",
                     "%" PRIu64 " vCPUs were asked for, and there is room for %zu (maxcpus=%u)",
                     count, room, cpus->max);
}

static bool must_check_room(const struct batch_request *request)
{
    return request->goal == BATCH_COUNT && request->atomic && request->count > 1 &&
           request->each.type == OPERATION_CPU_ADD;
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
    if (batch->request.goal == BATCH_COUNT)
        status = check_room(batch, inventory, &error);
    else if (batch->request.goal == BATCH_CPUS)
        status = batch_plan_cpus(inventory, batch->request.target, &batch->items,
                                 &batch->item_count, &error);
    else
        status = batch_plan_memory(inventory, batch->request.target, &batch->items,
                                   &batch->item_count, &error);
    inventory_free(inventory);
    if (status == 0 && batch->request.goal == BATCH_COUNT)
        status = list_items(batch, &error);
    else if (status == 0)
        begin(batch);
    if (status < 0)
        finish_with_error(batch, &error);
}

/* So many of the same kind, each perhaps with an id or a file of its own; or a list as it is. */
static int list_items(struct batch *batch, struct error *error)
{
    const struct batch_request *request = &batch->request;
    size_t i;

    if (request->count > COUNT_MAX)
        return error_set(error, ERROR_INVALID, "ask for fewer",
                         "at most %d devices are dealt with at a time", COUNT_MAX);
    batch->items = calloc(request->count + 1, sizeof(*batch->items));
    if (batch->items == NULL)
        return error_set(error, ERROR_SYSTEM, "", "out of memory");
    for (i = 0; i < request->count; i++) {
        if (request->goal == BATCH_LIST) {
            batch->items[i] = request->items[i];
            continue;
        }
        batch->items[i].type = request->each.type;
        batch->items[i].file = request->files != NULL ? request->files[i] : NULL;
        batch->items[i].wanted_id = request->ids != NULL ? request->ids[i] : NULL;
        batch->items[i].nth = request->each.dry_run ? (unsigned)i : 0;
        batch->items[i].nth_bytes = i * request->each.dimm.bytes;
    }
    batch->item_count = request->count;
    begin(batch);
    return 0;
}

static int fetch_inventory(struct batch *batch, struct error *error)
{
    unsigned parts = batch->request.goal == BATCH_MEMORY
                         ? INVENTORY_MEMORY | INVENTORY_GUEST_MEMORY | INVENTORY_GUEST_MEMINFO |
                               INVENTORY_BOARD
                         : INVENTORY_CPUS;
    double timeout_ms = batch->request.each.timeout_ms;

    batch->fetch = inventory_fetch(batch->vm, parts, timeout_ms,
                                   clock_earlier_ms(INVENTORY_AGENT_SILENCE_MS, timeout_ms),
                                   on_inventory, batch, error);
    return batch->fetch != NULL ? 0 : -1;
}

struct batch *batch_start(struct vm *vm, const struct batch_request *request,
                          const struct batch_observer *observer, struct error *error)
{
    struct batch *batch = calloc(1, sizeof(*batch));
    int status;

    if (batch == NULL) {
        (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
        return NULL;
    }
    batch->vm = vm;
    batch->request = *request;
    batch->observer = *observer;
    batch->started_ms = clock_now_ms();
    batch->timer.fired = go_on;
    batch->timer.user = batch;
    batch->subscription = qmp_client_subscribe(vm_qmp(vm), on_event, batch);
    if (batch->subscription == 0)
        status = error_set(error, ERROR_SYSTEM, "", "out of memory");
    else if ((request->goal == BATCH_COUNT && !must_check_room(request)) ||
        request->goal == BATCH_LIST)
        status = list_items(batch, error);
    else
        status = fetch_inventory(batch, error);
    if (status < 0) {
        batch_free(batch);
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

void batch_stop(struct batch *batch)
{
    if (batch->operation != NULL)
        batch->interrupted = true;
    else
        batch_interrupt(batch);
}

void batch_free(struct batch *batch)
{
    if (batch == NULL)
        return;
    vm_timer_stop(batch->vm, &batch->timer);
    inventory_fetch_cancel(batch->fetch);
    operation_free(batch->operation);
    inventory_free(batch->known);
    if (batch->subscription != 0)
        qmp_client_unsubscribe(vm_qmp(batch->vm), batch->subscription);
    free(batch->items);
    free(batch);
}
