/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation. Exactly one thing is awaited at a time: the inventory (NEW), the reply to
 * a step (SENT, ROLLING_BACK), or, while AWAITING_GUEST, the answer to one question or the timer
 * that leads to the next look. Events only bring the next look forward. Every path ends in
 * finish(), once.
 */
#include "vmm/operation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "vmm/operation_kind.h"

#define AGENT_SILENCE_MS 2000   /* until a silent agent counts as absent, or half of the time */
#define OST_PATIENCE_MS 500     /* until the guest is looked into although it gave no _OST */
#define UNDO_TIMEOUT_MS 10000   /* undoing has time of its own: the deadline may be past */
#define FIRST_PAUSE_MS 10
#define LONGEST_PAUSE_MS 500
#define ONLINE_TRIES 3

static const struct operation_kind *const kinds[] = {
    [OPERATION_CPU_ADD] = &cpu_add_kind,
    [OPERATION_DIMM_ADD] = &dimm_add_kind,
    [OPERATION_DISK_ADD] = &disk_add_kind,
};

static void look(struct operation *operation);

/* ---- ends ---- */

static void stop_waiting(struct operation *operation)
{
    if (operation->fetch != NULL)
        inventory_fetch_cancel(STEAL(operation->fetch));
    if (operation->asked > 0)
        vm_cancel(operation->vm, operation->asked_peer, operation->asked);
    operation->asked = 0;
    if (operation->subscription != 0)
        qmp_client_unsubscribe(vm_qmp(operation->vm), operation->subscription);
    operation->subscription = 0;
    vm_timer_stop(operation->vm, &operation->timer);
}

static void finish(struct operation *operation, enum verdict verdict, const struct error *error)
{
    if (operation->state == OPERATION_ENDED)
        return;
    stop_waiting(operation);
    operation->state = OPERATION_ENDED;
    operation->result.verdict = verdict;
    operation->result.elapsed_ms = clock_now_ms() - operation->started_ms;
    if (error != NULL)
        operation->result.error = *error;
    if (operation->observer.done != NULL)
        operation->observer.done(operation->observer.user, &operation->result);
}

static void add_left(struct operation *operation, const char *id)
{
    struct operation_result *result = &operation->result;
    size_t i;

    for (i = 0; i < result->left_count; i++) {
        if (strcmp(result->left[i], id) == 0)
            return; /* a disk and its block node have one name */
    }
    if (result->left_count < OPERATION_LEFT_MAX && *id != '\0')
        result->left[result->left_count++] = id;
}

/* Names what the steps taken so far have made, and the one under way may have. */
static void leave_all(struct operation *operation, bool under_way)
{
    size_t i;

    for (i = 0; i < operation->step_count; i++) {
        if (i < operation->steps_done || (under_way && i == operation->steps_done))
            add_left(operation, operation->steps[i].makes);
    }
}

/* The device stands, and that is what is left of a failure. */
static void finish_standing(struct operation *operation, enum verdict verdict,
                            const struct error *error)
{
    add_left(operation, operation->result.id);
    finish(operation, verdict, error);
}

/* QEMU could not be asked or did not answer: what that means depends on how far we were. */
static void finish_failed(struct operation *operation, const struct error *error)
{
    bool under_way = operation->state == OPERATION_SENT;

    if (operation->state == OPERATION_NEW && (error->code != ERROR_DISCONNECTED ||
                                              qmp_client_greeting(vm_qmp(operation->vm)) == NULL)) {
        finish(operation, VERDICT_ERROR, error);
        return;
    }
    if (operation->state != OPERATION_ROLLING_BACK)
        leave_all(operation, under_way);
    if (error->code == ERROR_TIMEOUT) {
        operation->result.awaiting = rung_name(RUNG_ACCEPTED);
        finish(operation, VERDICT_PENDING, error);
    } else {
        finish(operation, VERDICT_LOST, error);
    }
}

/* The lowest rung above the one reached that is still awaited. */
static enum rung awaited_rung(const struct operation *operation)
{
    if (!operation->reached[RUNG_REALIZED])
        return RUNG_REALIZED;
    if (operation->goal == RUNG_ONLINE)
        return RUNG_ONLINE;
    return operation->goal;
}

static void finish_pending(struct operation *operation, const struct error *error)
{
    enum rung rung = awaited_rung(operation);
    struct error timeout = ERROR_INIT;

    operation->result.awaiting = rung_name(rung);
    (void)error_set(&timeout, ERROR_TIMEOUT,
                    "look again with vmplug status, or give it more time with --timeout",
                    "%s stands, but it was not %s within %.3g s", operation->result.id,
                    rung_name(rung), operation->request.timeout_ms / 1e3);
    finish_standing(operation, VERDICT_PENDING, error != NULL ? error : &timeout);
}

/* ---- rungs ---- */

static void reach(struct operation *operation, enum rung rung, const struct ledger_entry *ost)
{
    struct operation_result *result = &operation->result;
    struct operation_stage *stage;

    size_t i;

    operation->reached[rung] = true;
    for (i = 0; i < result->stage_count; i++) {
        if (result->stages[i].rung == rung)
            return;
    }
    stage = &result->stages[result->stage_count++];
    *stage = (struct operation_stage){.rung = rung,
                                      .ms = clock_now_ms() - operation->started_ms};
    if (ost != NULL) {
        stage->ms = ost->monotonic_ms - operation->started_ms;
        stage->has_ost = true;
        stage->ost_source = ost->source;
        stage->ost_status = ost->status;
    }
    if (operation->observer.stage != NULL)
        operation->observer.stage(operation->observer.user, result, stage);
}

/* True when the goal has been reached, and the operation with it. A rung that was reached says
 * nothing while the one below it is in doubt. */
static bool finish_at_goal(struct operation *operation)
{
    if (!operation->reached[operation->goal] ||
        (operation->goal > RUNG_REALIZED && !operation->reached[RUNG_REALIZED]))
        return false;
    if (operation->result.missing != NULL && !operation->request.wait_set)
        finish(operation, VERDICT_UNCONFIRMED, NULL);
    else
        finish(operation, (enum verdict)operation->goal, NULL);
    return true;
}

/* What the guest has answered by _OST since we began. Returns false when that ended it. */
static bool check_ledger(struct operation *operation)
{
    const struct ledger_entry *news;
    struct error error = ERROR_INIT;
    char meaning[OST_MEANING_MAX];

    if (!operation_expects_ost(operation) || operation->reached[RUNG_ACKNOWLEDGED] ||
        !operation->reached[RUNG_REALIZED])
        return true;
    news = ledger_news(vm_ledger(operation->vm), operation->kind->ost_type, operation->slot,
                       operation->mark);
    if (news == NULL || ost_kind(news->source) != OST_INSERTION)
        return true;
    switch (ost_outcome(news->source, news->status)) {
    case OST_IN_PROGRESS:
        return true;
    case OST_SUCCESS:
        reach(operation, RUNG_ACKNOWLEDGED, news);
        return true;
    case OST_FAILURE:
        break;
    }
    operation->result.has_ost = true;
    operation->result.ost_source = news->source;
    operation->result.ost_status = news->status;
    (void)error_set(&error, ERROR_REJECTED, "look into the guest's kernel log",
                    "the guest refused %s: %s", operation->result.id,
                    ost_meaning(news->source, news->status, meaning));
    finish_standing(operation, VERDICT_REFUSED, &error);
    return false;
}

/* ---- questions ---- */

static void lose_agent(struct operation *operation);

static void on_answer(void *user, const struct reply *reply)
{
    struct operation *operation = user;
    enum peer peer = operation->asked_peer;
    operation_answer_fn *answer = operation->answer;

    operation->asked = 0;
    if (reply->error == NULL || reply->error->code == ERROR_REJECTED) {
        answer(operation, reply->value, reply->error);
        return;
    }
    if (peer == PEER_QMP && reply->error->code != ERROR_TIMEOUT)
        finish_failed(operation, reply->error);
    else if (peer == PEER_AGENT && reply->error->code == ERROR_DISCONNECTED)
        lose_agent(operation);
    else
        operation_look_later(operation); /* the deadline decides */
}

static void ask(struct operation *operation, enum peer peer, const char *command,
                json_t *arguments, operation_answer_fn *answer)
{
    struct error error = ERROR_INIT;
    const struct request request = {
        .command = command,
        .arguments = arguments,
        .timeout_ms = operation->deadline_ms - clock_now_ms(),
        .done = on_answer,
        .user = operation,
    };

    operation->asked_peer = peer;
    operation->answer = answer;
    operation->asked = vm_submit(operation->vm, peer, &request, &error);
    if (operation->asked > 0)
        return;
    operation->asked = 0;
    if (peer == PEER_QMP)
        finish_failed(operation, &error);
    else
        lose_agent(operation);
}

static void on_agent_lost(struct operation *operation, const json_t *value,
                          const struct error *error)
{
    (void)error;
    operation->reached[RUNG_REALIZED] = operation->kind->is_realized(operation, value);
    operation_cannot_look(operation, "agent", vm_agent_failure(operation->vm)->why);
}

/* The agent's socket closes when QEMU ends, and perhaps before its monitor does: QEMU is asked
 * once more before anything is said of a device that may be no more. */
static void lose_agent(struct operation *operation)
{
    ask(operation, PEER_QMP, operation->kind->realized_query, NULL, on_agent_lost);
}

void operation_ask_agent(struct operation *operation, const char *command, json_t *arguments,
                         operation_answer_fn *answer)
{
    ask(operation, PEER_AGENT, command, arguments, answer);
}

/* ---- awaiting the guest ---- */

void operation_look_later(struct operation *operation)
{
    double next_ms = clock_now_ms() + operation->pause_ms;

    operation->pause_ms *= 2;
    if (operation->pause_ms > LONGEST_PAUSE_MS)
        operation->pause_ms = LONGEST_PAUSE_MS;
    vm_timer_set(operation->vm, &operation->timer,
                 clock_earlier_ms(next_ms, operation->deadline_ms));
}

static void on_realized(struct operation *operation, const json_t *value,
                        const struct error *error)
{
    (void)error;
    if (!operation->kind->is_realized(operation, value)) {
        operation_look_later(operation);
        return;
    }
    reach(operation, RUNG_REALIZED, NULL);
    look(operation);
}

static bool time_to_look_inside(const struct operation *operation)
{
    return !operation_expects_ost(operation) || operation->reached[RUNG_ACKNOWLEDGED] ||
           clock_now_ms() - operation->started_ms >= OST_PATIENCE_MS;
}

/* Takes the next step up the ladder that can be taken now. */
static void look(struct operation *operation)
{
    if (operation->asked > 0)
        return;
    if (!operation->reached[RUNG_REALIZED] && operation->goal >= RUNG_REALIZED) {
        ask(operation, PEER_QMP, operation->kind->realized_query, NULL, on_realized);
        return;
    }
    if (!check_ledger(operation) || finish_at_goal(operation))
        return;
    if (operation->goal == RUNG_ONLINE && time_to_look_inside(operation))
        operation->kind->look_inside(operation);
    else
        operation_look_later(operation);
}

static void on_rows(struct operation *operation, const json_t *value, const struct error *error)
{
    (void)error;
    ledger_take_rows(vm_ledger(operation->vm), value, clock_now_ms());
    look(operation);
}

static void on_timer(void *user)
{
    struct operation *operation = user;

    if (operation->interrupted) {
        if (operation->state == OPERATION_AWAITING_GUEST)
            add_left(operation, operation->result.id);
        finish(operation, VERDICT_INTERRUPTED, &operation->result.error);
        return;
    }
    if (clock_now_ms() >= operation->deadline_ms) {
        finish_pending(operation, NULL);
        return;
    }
    /* An event may have been missed: QEMU keeps the last word of each slot. */
    if (operation_expects_ost(operation) && !operation->reached[RUNG_ACKNOWLEDGED] &&
        operation->asked == 0)
        ask(operation, PEER_QMP, "query-acpi-ospm-status", NULL, on_rows);
    else
        look(operation);
}

static void on_event(void *user, const struct qmp_event *event)
{
    struct operation *operation = user;

    if (event == NULL) {
        finish_failed(operation, qmp_client_failure(vm_qmp(operation->vm)));
        return;
    }
    if (operation->state != OPERATION_AWAITING_GUEST ||
        strcmp(event->name, "ACPI_DEVICE_OST") != 0)
        return;
    if (!check_ledger(operation) || operation->asked > 0)
        return;
    vm_timer_stop(operation->vm, &operation->timer);
    look(operation);
}

void operation_online(struct operation *operation)
{
    reach(operation, RUNG_ONLINE, NULL);
    (void)finish_at_goal(operation);
}

void operation_look_again(struct operation *operation)
{
    bool first = !operation->looked_again;

    operation->looked_again = true;
    operation->failures = 0;
    if (first)
        operation->kind->look_inside(operation);
    else
        operation_look_later(operation);
}

void operation_refused(struct operation *operation, const struct error *error)
{
    finish_standing(operation, VERDICT_REFUSED, error);
}

void operation_online_failed(struct operation *operation, const struct error *error)
{
    if (++operation->failures >= ONLINE_TRIES)
        operation_refused(operation, error);
    else
        operation_look_later(operation);
}

void operation_cannot_look(struct operation *operation, const char *missing, const char *why)
{
    struct error error = ERROR_INIT;

    operation->result.missing = missing;
    if (operation->request.wait_set && operation->request.wait == RUNG_ONLINE) {
        (void)error_set(&error, ERROR_TIMEOUT, "look into the guest by another way", "%s", why);
        finish_pending(operation, &error);
        return;
    }
    operation->goal = operation_expects_ost(operation) ? RUNG_ACKNOWLEDGED : RUNG_REALIZED;
    if (!finish_at_goal(operation))
        operation_look_later(operation);
}

/* ---- undoing ---- */

static void undo_next(struct operation *operation);

static void on_undone(void *user, const struct reply *reply)
{
    struct operation *operation = user;

    operation->asked = 0;
    if (reply->error != NULL && reply->error->code != ERROR_REJECTED) {
        operation->steps_done++; /* what was being undone may stand, too */
        leave_all(operation, false);
        finish_failed(operation, reply->error);
        return;
    }
    if (reply->error != NULL)
        add_left(operation, operation->steps[operation->steps_done].makes);
    undo_next(operation);
}

static void undo_next(struct operation *operation)
{
    struct operation_step *step;
    struct request request = {
        .timeout_ms = UNDO_TIMEOUT_MS,
        .done = on_undone,
        .user = operation,
    };

    while (operation->steps_done > 0) {
        step = &operation->steps[--operation->steps_done];
        if (step->undo_command == NULL)
            continue;
        request.command = step->undo_command;
        request.arguments = STEAL(step->undo_arguments);
        operation->asked_peer = PEER_QMP;
        operation->asked = vm_submit(operation->vm, PEER_QMP, &request, NULL);
        if (operation->asked > 0)
            return;
        operation->asked = 0;
        add_left(operation, step->makes);
    }
    finish(operation, operation->interrupted ? VERDICT_INTERRUPTED : VERDICT_REJECTED, NULL);
}

static void roll_back(struct operation *operation, const struct error *error)
{
    operation->state = OPERATION_ROLLING_BACK;
    operation->result.error = *error;
    if (operation->kind->advise != NULL && error->fix[0] == '\0')
        operation->kind->advise(&operation->result.error);
    undo_next(operation);
}

/* ---- sending ---- */

static void send_step(struct operation *operation);

static void on_step(void *user, const struct reply *reply)
{
    struct operation *operation = user;

    operation->asked = 0;
    if (reply->error != NULL && reply->error->code == ERROR_REJECTED) {
        roll_back(operation, reply->error);
        return;
    }
    if (reply->error != NULL) {
        finish_failed(operation, reply->error);
        return;
    }
    operation->steps_done++;
    if (operation->steps_done < operation->step_count) {
        if (operation->interrupted)
            roll_back(operation, &operation->result.error);
        else
            send_step(operation);
        return;
    }
    operation->state = OPERATION_AWAITING_GUEST;
    reach(operation, RUNG_ACCEPTED, NULL);
    if (operation->interrupted)
        on_timer(operation);
    else if (!finish_at_goal(operation))
        look(operation);
}

static void send_step(struct operation *operation)
{
    struct operation_step *step = &operation->steps[operation->steps_done];
    struct error error = ERROR_INIT;
    const struct request request = {
        .command = step->command,
        .arguments = STEAL(step->arguments),
        .timeout_ms = operation->deadline_ms - clock_now_ms(),
        .done = on_step,
        .user = operation,
    };

    operation->asked_peer = PEER_QMP;
    operation->asked = vm_submit(operation->vm, PEER_QMP, &request, &error);
    if (operation->asked < 0) {
        operation->asked = 0;
        finish_failed(operation, &error);
    }
}

/* ---- preparing ---- */

static void on_inventory(void *user, struct inventory *inventory, const struct error *failure)
{
    struct operation *operation = user;
    struct error error = ERROR_INIT;

    operation->fetch = NULL;
    operation->before = inventory;
    if (failure != NULL) {
        finish_failed(operation, failure);
        return;
    }
    if (clock_now_ms() >= operation->deadline_ms) {
        (void)error_set(&error, ERROR_TIMEOUT, "give it more time with --timeout",
                        "looking at the VM took %.3g s; nothing was sent",
                        operation->request.timeout_ms / 1e3);
        finish(operation, VERDICT_ERROR, &error);
        return;
    }
    if (operation_set_goal(operation, &error) < 0) {
        finish(operation, VERDICT_UNPROVEN, &error);
        return;
    }
    if (operation->kind->plan(operation, &error) < 0) {
        finish(operation, error.code == ERROR_BLOCKED ? VERDICT_BLOCKED : VERDICT_ERROR, &error);
        return;
    }
    operation->mark = ledger_mark(vm_ledger(operation->vm));
    operation->subscription = qmp_client_subscribe(vm_qmp(operation->vm), on_event, operation);
    operation->state = OPERATION_SENT;
    send_step(operation);
}

struct operation *operation_start(struct vm *vm, const struct operation_request *request,
                                  const struct operation_observer *observer, struct error *error)
{
    struct operation *operation = calloc(1, sizeof(*operation));

    if (operation != NULL)
        operation->result.details = json_object();
    if (operation == NULL || operation->result.details == NULL) {
        free(operation);
        (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
        return NULL;
    }
    operation->vm = vm;
    operation->kind = kinds[request->type];
    operation->request = *request;
    operation->observer = *observer;
    operation->result.operation = operation->kind->name;
    operation->started_ms = clock_now_ms();
    operation->deadline_ms = operation->started_ms + request->timeout_ms;
    operation->pause_ms = FIRST_PAUSE_MS;
    operation->timer.fired = on_timer;
    operation->timer.user = operation;
    operation->fetch = inventory_fetch(
        vm, operation->kind->parts | INVENTORY_AGENT | INVENTORY_NAMES, request->timeout_ms,
        clock_earlier_ms(AGENT_SILENCE_MS, request->timeout_ms / 2), on_inventory, operation, error);
    if (operation->fetch == NULL) {
        operation_free(operation);
        return NULL;
    }
    return operation;
}

/* A step on its way can't be called back: its reply leads to the undoing. */
void operation_interrupt(struct operation *operation)
{
    if (operation->interrupted || operation->state == OPERATION_ENDED ||
        operation->state == OPERATION_ROLLING_BACK)
        return;
    operation->interrupted = true;
    (void)error_set(&operation->result.error, ERROR_CANCELLED, "", "interrupted");
    if (operation->state != OPERATION_SENT)
        vm_timer_set(operation->vm, &operation->timer, 0);
}

void operation_free(struct operation *operation)
{
    size_t i;

    if (operation == NULL)
        return;
    stop_waiting(operation);
    for (i = 0; i < operation->step_count; i++) {
        json_decref(operation->steps[i].arguments);
        json_decref(operation->steps[i].undo_arguments);
    }
    inventory_free(operation->before);
    json_decref(operation->result.details);
    free(operation->candidates);
    free(operation);
}
