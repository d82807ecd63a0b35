/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation. Exactly one thing is awaited at a time: the inventory (NEW), the reply to
 * a step (SENT, ROLLING_BACK), or, while AWAITING_GUEST, the answer to one question or the timer
 * that leads to the next look. Events only bring the next look forward. Every path ends in
 * operation_finish(), once.
 */
#include "vmm/operation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "vmm/operation_kind.h"

#define FIRST_PAUSE_MS 10
#define CHOICES_MAX 16 /* plans that QEMU may refuse, each because somebody was faster */

static const struct operation_kind *const kinds[] = {
    [OPERATION_CPU_ADD] = &cpu_add_kind,
    [OPERATION_DIMM_ADD] = &dimm_add_kind,
    [OPERATION_DISK_ADD] = &disk_add_kind,
    [OPERATION_CPU_REMOVE] = &cpu_remove_kind,
    [OPERATION_DIMM_REMOVE] = &dimm_remove_kind,
    [OPERATION_DISK_REMOVE] = &disk_remove_kind,
    [OPERATION_VIRTIO_MEM_ADD] = &virtio_mem_add_kind,
    [OPERATION_VIRTIO_MEM_RESIZE] = &virtio_mem_resize_kind,
    [OPERATION_BACKEND_REMOVE] = &backend_remove_kind,
    [OPERATION_NODE_REMOVE] = &node_remove_kind,
    [OPERATION_DISK_RESIZE] = &disk_resize_kind,
    [OPERATION_DISK_THROTTLE] = &disk_throttle_kind,
    [OPERATION_CDROM_INSERT] = &cdrom_insert_kind,
    [OPERATION_CDROM_EJECT] = &cdrom_eject_kind,
};

_Static_assert(COUNT_OF(kinds) == OPERATION_TYPES_, "every type has its kind");

const char *operation_type_name(enum operation_type type)
{
    return kinds[type]->name;
}

bool operation_type_find(const char *name, enum operation_type *ret)
{
    unsigned type;

    for (type = 0; type < OPERATION_TYPES_; type++) {
        if (strcmp(kinds[type]->name, name) != 0)
            continue;
        *ret = (enum operation_type)type;
        return true;
    }
    return false;
}

const char *operation_rung_name(const struct operation_result *result, enum rung rung)
{
    return rung == RUNG_ONLINE ? verdict_name(result->top) : rung_name(rung);
}

/* ---- ends ---- */

void operation_stop_waiting(struct operation *operation)
{
    if (operation->fetch != NULL)
        inventory_fetch_cancel(STEAL(operation->fetch));
    if (operation->asked > 0)
        vm_cancel(operation->vm, operation->asked_peer, operation->asked);
    operation->asked = 0;
    operation_give_up_file(operation);
    if (operation->subscription != 0)
        qmp_client_unsubscribe(vm_qmp(operation->vm), operation->subscription);
    operation->subscription = 0;
    vm_timer_stop(operation->vm, &operation->timer);
}

/* A change knows nothing of how a removal of the same device stands, only of its own request. */
static void forget_request(struct operation *operation)
{
    struct record *record = vm_record(operation->vm);
    AUTO_JSON json_t *entry = NULL;

    if (operation->kind->top == VERDICT_DONE)
        entry = record_find(record, operation->result.id);
    if (entry == NULL ||
        strcmp(field_string(entry, "operation", ""), operation->kind->name) == 0)
        record_drop(record, operation->result.id);
}

/* A request that stands is kept in the record until somebody has seen its end. */
static void update_record(struct operation *operation, enum verdict verdict)
{
    bool stands = (verdict == VERDICT_PENDING && !operation->hesitated) ||
                  (verdict == VERDICT_REJECTED && operation->was_recorded) ||
                  (verdict == VERDICT_INTERRUPTED &&
                   operation->state == OPERATION_AWAITING_GUEST);

    if (operation->state == OPERATION_NEW || operation->request.dry_run ||
        operation->taking_back != NULL) /* which keeps its own */
        return;
    if (verdict == VERDICT_REJECTED && !operation->kind->removes)
        return; /* it entered nothing: what has its id there may be another vmplug's */
    if (operation->kind->removes && operation->state != OPERATION_ROLLING_BACK)
        stands = stands || verdict == VERDICT_LOST ||
                 (verdict_is_success(verdict) && verdict != operation->kind->top);
    if (stands && !operation->kind->removes) /* a removal was entered before it was asked for */
        operation_record(operation);
    else if (!stands)
        forget_request(operation);
}

void operation_finish(struct operation *operation, enum verdict verdict, const struct error *error)
{
    if (operation->state == OPERATION_ENDED)
        return;
    update_record(operation, verdict);
    operation_stop_waiting(operation);
    operation->state = OPERATION_ENDED;
    operation->result.verdict = verdict;
    operation->result.elapsed_ms = clock_now_ms() - operation->started_ms;
    if (error != NULL)
        operation->result.error = *error;
    if (operation->observer.done != NULL)
        operation->observer.done(operation->observer.user, &operation->result);
}

void operation_add_left(struct operation *operation, const char *id)
{
    struct operation_result *result = &operation->result;
    size_t i;

    for (i = 0; i < result->left_count; i++) {
        if (strcmp(result->left[i], id) == 0)
            return; /* a disk and its block node have one name */
    }
    if (result->left_count < OPERATION_LEFT_MAX && *id != '\0')
        (void)snprintf(result->left[result->left_count++], OPERATION_ID_MAX, "%s", id);
}

/* Names what the steps taken so far have made, and the one under way may have. */
void operation_leave_all(struct operation *operation, bool under_way)
{
    size_t i;

    for (i = 0; i < operation->step_count; i++) {
        if (i < operation->steps_done || (under_way && i == operation->steps_done))
            operation_add_left(operation, operation->steps[i].makes);
    }
}

/* A device that was made stands, and that is what is left of a failure. All that was made for it is
 * named, too, unless QEMU's inventory shows it at work. */
void operation_finish_standing(struct operation *operation, enum verdict verdict,
                               const struct error *error)
{
    if (!operation->reached[RUNG_REALIZED])
        operation_leave_all(operation, false);
    if (operation->kind->top == VERDICT_ONLINE)
        operation_add_left(operation, operation->result.id);
    operation_finish(operation, verdict, error);
}

/* QEMU could not be asked or did not answer: what that means depends on how far we were. */
void operation_finish_failed(struct operation *operation, const struct error *error)
{
    bool under_way = operation->state == OPERATION_SENT;

    if (operation->state == OPERATION_NEW && (error->code != ERROR_DISCONNECTED ||
                                              qmp_client_greeting(vm_qmp(operation->vm)) == NULL)) {
        operation_finish(operation, VERDICT_ERROR, error);
        return;
    }
    if (operation->state != OPERATION_ROLLING_BACK)
        operation_leave_all(operation, under_way);
    if (error->code == ERROR_TIMEOUT) {
        operation->result.awaiting = rung_name(RUNG_ACCEPTED);
        operation_finish(operation, VERDICT_PENDING, error);
    } else {
        operation_finish(operation, VERDICT_LOST, error);
    }
}

/* ---- sending ---- */

/* A removal that was asked for before: of a PCI device and of pseries' memory QEMU says so, of one
 * that has gone since it knows nothing. */
static bool is_under_way_already(const struct operation *operation, const struct error *error)
{
    return operation->kind->removes &&
           (strcmp(error->class_name, "DeviceNotFound") == 0 ||
            strstr(error->why, "already in the process of unplug") != NULL ||
            strstr(error->why, "unplug already in progress") != NULL);
}

static void await_guest(struct operation *operation)
{
    operation->state = OPERATION_AWAITING_GUEST;
    if (operation->request.resume)
        operation->reached[RUNG_ACCEPTED] = true; /* that was then */
    else
        operation_reach(operation, RUNG_ACCEPTED, NULL);
    if (operation->interrupted)
        operation_on_timer(operation);
    else if (!operation_finish_at_goal(operation))
        operation_look(operation);
}

static void on_step(void *user, const struct reply *reply)
{
    struct operation *operation = user;

    operation->asked = 0;
    if (reply->error != NULL && reply->error->code == ERROR_TIMEOUT) {
        operation_roll_back_late(operation, reply->error);
        return;
    }
    if (reply->error != NULL && reply->error->code != ERROR_REJECTED) {
        operation_finish_failed(operation, reply->error);
        return;
    }
    if (reply->error != NULL && !is_under_way_already(operation, reply->error)) {
        operation_roll_back(operation, reply->error);
        return;
    }
    operation->steps_done++;
    if (operation->steps_done == operation->step_count)
        await_guest(operation);
    else if (operation->interrupted)
        operation_roll_back(operation, &operation->result.error);
    else if (operation->steps[operation->steps_done].is_due != NULL)
        operation_await_step(operation);
    else
        operation_send_step(operation);
}

/* One at a time: sent together with its backend, a device would take what somebody else has just
 * made under that name, when QEMU refuses ours for that very reason. */
void operation_send_step(struct operation *operation)
{
    struct operation_step *step = &operation->steps[operation->steps_done];
    struct error error = ERROR_INIT;
    const struct request request = {
        .command = step->command,
        .arguments = json_incref(step->arguments),
        .timeout_ms = operation->deadline_ms - clock_now_ms(),
        .done = on_step,
        .user = operation,
    };

    operation->state = OPERATION_SENT;
    operation->asked_peer = PEER_QMP;
    operation->asked = vm_submit(operation->vm, PEER_QMP, &request, &error);
    if (operation->asked < 0) {
        operation->asked = 0;
        if (qmp_client_failure(vm_qmp(operation->vm)) == NULL)
            operation_roll_back(operation, &error); /* for lack of memory it was not sent */
        else
            operation_finish_failed(operation, &error);
    }
}

/* ---- preparing ---- */

static int make_plan(struct operation *operation, struct error *error)
{
    const struct operation_kind *kind = operation->kind;
    bool take_up = operation->request.resume && kind->take_up != NULL;

    operation->mark = ledger_mark(vm_ledger(operation->vm));
    if (operation->before->migrating && !operation->request.force)
        return error_set(error, ERROR_BLOCKED, "wait until the migration has ended, or cancel it",
                         "a migration is under way, and QEMU plugs nothing meanwhile");
    if ((take_up ? kind->take_up : kind->plan)(operation, error) < 0)
        return -1;
    if (!take_up)
        operation_note_pending_removal(operation);
    else if (!kind->removes)
        return operation_recall_addition(operation, error);
    return 0;
}

/* Without memory a plan may lack something, or have been made without a look at the record. */
static int plan(struct operation *operation, struct error *error)
{
    int result = make_plan(operation, error);

    if (record_failed(vm_record(operation->vm)) || operation->out_of_memory)
        return error_set(error, ERROR_SYSTEM, "", "out of memory");
    return result;
}

/* The guest is at work on an earlier ejection. One more request does not merge with that any more:
 * the guest takes it up when it has answered the other. */
static bool is_ejecting(struct operation *operation)
{
    const struct ledger_entry *last;

    if (!operation->kind->removes || operation->request.resume || !operation_expects_ost(operation))
        return false;
    last = ledger_news(vm_ledger(operation->vm), operation->kind->ost_type, operation->slot, 0);
    return last != NULL && ost_kind(last->source) == OST_EJECTION &&
           ost_outcome(last->source, last->status) == OST_IN_PROGRESS;
}

static void finish_without_memory(struct operation *operation)
{
    struct error error = ERROR_INIT;

    (void)error_set(&error, ERROR_SYSTEM, "", "out of memory");
    operation_finish(operation, VERDICT_ERROR, &error);
}

static void begin(struct operation *operation)
{
    operation->busy_before = is_ejecting(operation);
    if (operation->kind->removes && operation->request.resume)
        operation->ask_again_ms = clock_now_ms() + OPERATION_ASK_AGAIN_MS;
    operation->subscription =
        qmp_client_subscribe(vm_qmp(operation->vm), operation_on_event, operation);
    if (operation->subscription == 0) {
        finish_without_memory(operation);
        return;
    }
    if (operation->step_count == 0) {
        await_guest(operation);
        return;
    }
    if (operation->kind->removes)
        operation_record(operation); /* beforehand: we may be killed at any moment */
    else if (operation->kind->top == VERDICT_ONLINE)
        record_drop(vm_record(operation->vm), operation->result.id); /* of an earlier bearer */
    operation_send_step(operation);
}

static int fetch_inventory(struct operation *operation, inventory_done_fn *done,
                           struct error *error)
{
    const struct operation_kind *kind = operation->kind;
    double left_ms = operation->deadline_ms - clock_now_ms();
    unsigned parts = kind->parts | INVENTORY_AGENT | INVENTORY_NAMES;

    if (kind->parts_of != NULL)
        parts |= kind->parts_of(&operation->request);
    operation->fetch =
        inventory_fetch(operation->vm, parts, left_ms,
                        clock_earlier_ms(INVENTORY_AGENT_SILENCE_MS, left_ms / 2), done, operation,
                        error);
    return operation->fetch != NULL ? 0 : -1;
}

static void on_inventory(void *user, struct inventory *inventory, const struct error *failure)
{
    struct operation *operation = user;
    struct error error = ERROR_INIT;

    operation->fetch = NULL;
    operation->before = inventory;
    if (failure != NULL) {
        operation_finish_failed(operation, failure);
        return;
    }
    if (operation->interrupted) {
        operation_finish(operation, VERDICT_INTERRUPTED, NULL);
        return;
    }
    if (clock_now_ms() >= operation->deadline_ms) {
        (void)error_set(&error, ERROR_TIMEOUT, "give it more time with --timeout",
                        "looking at the VM took %.3g s; nothing was sent",
                        operation->request.timeout_ms / 1e3);
        operation_finish(operation, VERDICT_ERROR, &error);
        return;
    }
    if (operation_set_goal(operation, &error) < 0) {
        operation_finish(operation, VERDICT_UNPROVEN, &error);
        return;
    }
    if (plan(operation, &error) < 0) {
        operation_finish(operation,
                         error.code == ERROR_BLOCKED ? VERDICT_BLOCKED : VERDICT_ERROR, &error);
        return;
    }
    if (operation->request.dry_run) {
        operation_describe_plan(operation);
        if (operation->out_of_memory)
            finish_without_memory(operation);
        else
            operation_finish(operation, VERDICT_DONE, NULL);
        return;
    }
    begin(operation);
}

/* ---- choosing again ---- */

/* Everything that the plan would send, to be compared. */
static json_t *list_arguments(const struct operation *operation)
{
    json_t *list = json_array();
    size_t i;

    for (i = 0; i < operation->step_count; i++)
        field_append(&list, json_incref(operation->steps[i].arguments));
    return list;
}

static void forget_plan(struct operation *operation)
{
    size_t i;

    for (i = 0; i < operation->step_count; i++) {
        json_decref(operation->steps[i].arguments);
        json_decref(operation->steps[i].undo_arguments);
        operation->steps[i] = (struct operation_step){.command = NULL};
    }
    operation->step_count = 0;
    operation->steps_done = 0;
    operation->cleanup_count = 0;
}

/* Do QEMU's words speak of a name or a place that somebody has? Nothing but a second try hangs on
 * it. */
static bool speaks_of_another(const struct error *refusal)
{
    static const char *const words[] = {"duplicate", "already used", "is busy", "exists",
                                        "conflicts"};
    size_t i;

    for (i = 0; i < COUNT_OF(words); i++) {
        if (strcasestr(refusal->why, words[i]) != NULL)
            return true;
    }
    return false;
}

/* Plans from what there is now. False when that leads nowhere else. */
static bool plan_anew(struct operation *operation, const json_t *refused)
{
    AUTO_JSON json_t *chosen = NULL;

    operation->blind = (struct error)ERROR_INIT;
    operation->result.missing = NULL;
    if (operation_set_goal(operation, NULL) < 0 || plan(operation, NULL) < 0)
        return false;
    chosen = list_arguments(operation);
    if (json_equal(chosen, refused) && !speaks_of_another(&operation->result.error))
        return false;
    operation->result.error = (struct error)ERROR_INIT; /* of the plan that was refused */
    return true;
}

static void on_inventory_again(void *user, struct inventory *inventory,
                               const struct error *failure)
{
    struct operation *operation = user;
    AUTO_JSON json_t *refused = list_arguments(operation);

    operation->fetch = NULL;
    inventory_free(operation->before);
    operation->before = inventory;
    forget_plan(operation);
    if (operation->interrupted)
        operation_finish(operation, VERDICT_INTERRUPTED, NULL);
    else if (qmp_client_failure(vm_qmp(operation->vm)) != NULL)
        operation_finish(operation, VERDICT_LOST, qmp_client_failure(vm_qmp(operation->vm)));
    else if (failure != NULL || !plan_anew(operation, refused))
        operation_finish(operation, VERDICT_REJECTED, NULL);
    else
        begin(operation);
}

/* Two vmplugs that look at the same time choose the same id and the same place, and QEMU takes the
 * first. When a plan made anew is another one, what was refused was a choice of ours that somebody
 * else had made. When it is the same, QEMU means it, unless that somebody has let go of it since,
 * which only the words of the refusal can tell. */
bool operation_choose_again(struct operation *operation)
{
    if (operation->kind->top != VERDICT_ONLINE || operation->result.left_count > 0 ||
        ++operation->choices >= CHOICES_MAX || clock_now_ms() >= operation->deadline_ms)
        return false;
    operation_stop_waiting(operation);
    operation->state = OPERATION_NEW;
    return fetch_inventory(operation, on_inventory_again, NULL) == 0;
}

/* Outside of the call that started it. */
static void on_known(void *user)
{
    struct operation *operation = user;

    operation->timer.fired = operation_on_timer;
    on_inventory(operation, operation->before, qmp_client_failure(vm_qmp(operation->vm)));
}

struct operation *operation_start(struct vm *vm, const struct operation_request *request,
                                  struct inventory *known,
                                  const struct operation_observer *observer, struct error *error)
{
    struct operation *operation = calloc(1, sizeof(*operation));

    if (operation != NULL)
        operation->result.details = json_object();
    if (operation == NULL || operation->result.details == NULL) {
        free(operation);
        inventory_free(known);
        (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
        return NULL;
    }
    operation->vm = vm;
    operation->kind = kinds[request->type];
    operation->request = *request;
    operation->observer = *observer;
    operation->result.type = request->type;
    operation->result.operation = operation->kind->name;
    operation->result.top = operation->kind->top;
    if (request->note != NULL)
        operation_note(operation, request->note);
    operation->ask_again_ms = CLOCK_NEVER_MS;
    operation->started_ms = clock_now_ms();
    operation->deadline_ms = operation->started_ms + request->timeout_ms;
    operation->pause_ms = FIRST_PAUSE_MS;
    operation->timer.fired = operation_on_timer;
    operation->timer.user = operation;
    operation->before = known;
    operation->follows = known != NULL;
    if (known != NULL) {
        operation->timer.fired = on_known;
        vm_timer_set(vm, &operation->timer, 0);
    } else if (fetch_inventory(operation, on_inventory, error) < 0) {
        operation_free(operation);
        return NULL;
    }
    return operation;
}

/* A step on its way can't be called back: its reply leads to the undoing. A file of the guest that
 * is under way has a moment to come to its end, and to be closed. */
void operation_interrupt(struct operation *operation)
{
    double grace_ms = operation->file.under_way ? OPERATION_FILE_GRACE_MS : 0;

    if (operation->interrupted || operation->state == OPERATION_ENDED ||
        operation->state == OPERATION_ROLLING_BACK)
        return;
    operation->interrupted = true;
    (void)error_set(&operation->result.error, ERROR_CANCELLED, "", "interrupted");
    if (operation->state != OPERATION_SENT)
        vm_timer_set(operation->vm, &operation->timer, clock_now_ms() + grace_ms);
}

void operation_free(struct operation *operation)
{
    size_t i;

    if (operation == NULL)
        return;
    operation_free(operation->taking_back);
    operation_stop_waiting(operation);
    for (i = 0; i < operation->step_count; i++) {
        json_decref(operation->steps[i].arguments);
        json_decref(operation->steps[i].undo_arguments);
    }
    inventory_free(operation->before);
    json_decref(operation->result.details);
    free(operation->candidates);
    free(operation);
}
