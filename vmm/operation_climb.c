/* SPDX-License-Identifier: MIT */
/* The way up, once QEMU has accepted: looking at the evidence, rung by rung. See operation.c. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "qmp/field.h"
#include "vmm/operation_kind.h"

#define OST_PATIENCE_MS 500  /* until the guest is looked into although it gave no _OST */
#define LONGEST_PAUSE_MS 500 /* between two looks */
#define ONLINE_TRIES 3
#define ONLINE_PATIENCE_MS 1500 /* a refusal that lasts shorter may pass */
#define QUESTION_MS 10000 /* until a question is taken for lost */

/* ---- rungs ---- */

void operation_reach(struct operation *operation, enum rung rung, const struct ledger_entry *ost)
{
    struct operation_result *result = &operation->result;
    double since_ms = ost != NULL ? ost->monotonic_ms : clock_now_ms();
    struct operation_stage *stage;
    size_t i;

    operation->reached[rung] = true;
    for (i = 0; i < result->stage_count; i++) {
        if (result->stages[i].rung == rung)
            return;
    }
    if (rung == RUNG_REALIZED && operation->kind->on_realized != NULL)
        operation->kind->on_realized(operation);
    stage = &result->stages[result->stage_count++];
    *stage = (struct operation_stage){.rung = rung, .ms = since_ms - operation->started_ms};
    /* What was heard early counts from when the rung below it was reached. */
    if (result->stage_count > 1 && stage->ms < stage[-1].ms)
        stage->ms = stage[-1].ms;
    if (ost != NULL) {
        stage->has_ost = true;
        stage->ost_source = ost->source;
        stage->ost_status = ost->status;
    }
    if (operation->observer.stage != NULL)
        operation->observer.stage(operation->observer.user, result, stage);
}

/* True when the goal has been reached, and the operation with it. A rung that was reached says
 * nothing while the one below it is in doubt, or while something is left to go after the device. */
bool operation_finish_at_goal(struct operation *operation)
{
    if (!operation->reached[operation->goal] ||
        (operation->goal > RUNG_REALIZED && !operation->reached[RUNG_REALIZED]) ||
        (operation->goal >= RUNG_REALIZED && operation->cleanups_done < operation->cleanup_count))
        return false;
    if (operation->result.missing != NULL && !operation->request.wait_set)
        operation_finish(operation, VERDICT_UNCONFIRMED, NULL);
    else if (operation->goal == RUNG_ONLINE)
        operation_finish(operation, operation->kind->top, NULL);
    else
        operation_finish(operation, (enum verdict)operation->goal, NULL);
    return true;
}

/* What the guest has answered by _OST since we began. Returns false when that ended it. */
static bool check_ledger(struct operation *operation)
{
    const struct ledger_entry *news;
    struct error error = ERROR_INIT;
    char meaning[OST_MEANING_MAX];

    if (!operation_expects_ost(operation) ||
        (!operation->reached[RUNG_REALIZED] && !operation->kind->removes))
        return true; /* the slot is not known before */
    news = ledger_news(vm_ledger(operation->vm), operation->kind->ost_type, operation->slot,
                       operation->mark);
    if (news == NULL || ost_kind(news->source) != operation->kind->ost_answer)
        return true;
    operation->heard = true;
    switch (ost_outcome(news->source, news->status)) {
    case OST_IN_PROGRESS:
        operation->busy_before = false; /* this is ours */
        return true;
    case OST_SUCCESS:
        if (operation->reached[RUNG_REALIZED]) /* else QEMU is asked first */
            operation_reach(operation, RUNG_ACKNOWLEDGED, news);
        return true;
    case OST_FAILURE:
        break;
    }
    if (operation->kind->removes && operation->reached[RUNG_REALIZED])
        return true; /* whatever it says: it is gone */
    if (operation->busy_before)
        return true; /* this is the answer to the earlier request */
    operation->result.has_ost = true;
    operation->result.ost_source = news->source;
    operation->result.ost_status = news->status;
    (void)error_set(&error, ERROR_REJECTED, operation->kind->refusal_fix,
                    "the guest refused %s%s%s: %s", operation->kind->removes ? "to give " : "",
                    operation->result.id, operation->kind->removes ? " back" : "",
                    ost_meaning(news->source, news->status, meaning));
    operation_refused(operation, &error);
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
    operation_give_up_file(operation);
    if (peer == PEER_QMP && reply->error->code != ERROR_TIMEOUT)
        operation_finish_failed(operation, reply->error);
    else if (peer == PEER_AGENT && reply->error->code == ERROR_DISCONNECTED)
        lose_agent(operation);
    else if (operation->last_look)
        operation_finish_pending(operation, NULL);
    else
        operation_look_later(operation); /* the deadline decides */
}

/* Until when an answer is of use. */
static double latest_ms(const struct operation *operation)
{
    if (operation->last_look)
        return operation->deadline_ms + OPERATION_GRACE_MS;
    return operation->deadline_ms + (operation->file.under_way ? OPERATION_FILE_GRACE_MS : 0);
}

static bool is_alive(const struct operation *operation, enum peer peer)
{
    return peer == PEER_QMP ? qmp_client_failure(vm_qmp(operation->vm)) == NULL
                            : vm_has_agent(operation->vm);
}

static void submit(struct operation *operation, enum peer peer, const char *command,
                   json_t *arguments, operation_answer_fn *answer)
{
    /* Putting a vCPU online may take long; a mere question that long is lost, and asked again. */
    bool changes_guest = strncmp(command, "guest-set-", strlen("guest-set-")) == 0;
    struct error error = ERROR_INIT;
    const struct request request = {
        .command = command,
        .arguments = arguments,
        .timeout_ms = clock_earlier_ms(latest_ms(operation) - clock_now_ms(),
                                       changes_guest ? CLOCK_NEVER_MS : QUESTION_MS),
        .done = on_answer,
        .user = operation,
    };

    operation->asked_peer = peer;
    operation->answer = answer;
    operation->asked = vm_submit(operation->vm, peer, &request, &error);
    if (operation->asked > 0)
        return;
    operation->asked = 0;
    if (error.code == ERROR_SYSTEM && is_alive(operation, peer))
        answer(operation, NULL, &error); /* memory may be there the next time */
    else if (peer == PEER_QMP)
        operation_finish_failed(operation, &error);
    else
        lose_agent(operation);
}

static void ask(struct operation *operation, enum peer peer, const char *command,
                operation_answer_fn *answer)
{
    submit(operation, peer, command, NULL, answer);
}

static void ask_with(struct operation *operation, enum peer peer, const char *command,
                     json_t *arguments, operation_answer_fn *answer)
{
    struct error error = ERROR_INIT;

    if (arguments != NULL) {
        submit(operation, peer, command, arguments, answer);
        return;
    }
    (void)error_set(&error, ERROR_SYSTEM, "", "out of memory");
    answer(operation, NULL, &error);
}

/* It had an agent to prove it by: without one now it is no success, but stands. */
static void on_agent_lost(struct operation *operation, const json_t *value,
                          const struct error *error)
{
    (void)error;
    operation->reached[RUNG_REALIZED] = operation->kind->is_realized(operation, value);
    (void)error_set(&operation->blind, ERROR_TIMEOUT,
                    "take it up again with vmplug wait ID when the agent is back", "%s",
                    vm_agent_failure(operation->vm)->why);
    operation_look(operation);
}

/* The agent's socket closes when QEMU ends, and perhaps before its monitor does: QEMU is asked
 * once more before anything is said of a device that may be no more. */
static void lose_agent(struct operation *operation)
{
    ask(operation, PEER_QMP, operation->kind->realized_query, on_agent_lost);
}

void operation_ask_qmp(struct operation *operation, const char *command,
                       operation_answer_fn *answer)
{
    ask(operation, PEER_QMP, command, answer);
}

void operation_ask_agent(struct operation *operation, const char *command,
                         operation_answer_fn *answer)
{
    ask(operation, PEER_AGENT, command, answer);
}

void operation_ask_agent_with(struct operation *operation, const char *command,
                              json_t *arguments, operation_answer_fn *answer)
{
    ask_with(operation, PEER_AGENT, command, arguments, answer);
}

/* ---- what goes after the device ---- */

static void on_listed(struct operation *operation, const json_t *value, const struct error *error)
{
    const struct operation_cleanup *cleanup = &operation->cleanups[operation->cleanups_done];
    const json_t *row;
    size_t i;

    if (error != NULL || !json_is_array(value)) {
        operation_look_later(operation); /* it may be there, or not */
        return;
    }
    json_array_foreach(value, i, row) {
        if (strcmp(field_string(row, cleanup->key, ""), cleanup->name) == 0) {
            operation_look_later(operation); /* it is still in use, and will not be for long */
            return;
        }
    }
    operation->cleanups_done++;
    operation_look(operation);
}

static void on_cleaned(struct operation *operation, const json_t *value,
                       const struct error *error)
{
    const struct operation_cleanup *cleanup = &operation->cleanups[operation->cleanups_done];
    json_t *arguments = NULL;

    (void)value;
    if (error == NULL) {
        operation->cleanups_done++;
        operation_look(operation);
        return;
    }
    if (cleanup->list_path != NULL)
        arguments = json_pack("{s:s}", "path", cleanup->list_path);
    else
        arguments = json_pack("{s:b}", "flat", 1);
    ask_with(operation, PEER_QMP, cleanup->list, arguments, on_listed);
}

static void clean_next(struct operation *operation)
{
    const struct operation_cleanup *cleanup = &operation->cleanups[operation->cleanups_done];

    ask_with(operation, PEER_QMP, cleanup->command,
             json_pack("{s:s}", cleanup->argument, cleanup->name), on_cleaned);
}

/* ---- awaiting the guest ---- */

void operation_look_later(struct operation *operation)
{
    double next_ms = clock_now_ms() + operation->pause_ms;

    if (operation->interrupted)
        return; /* the timer is set already, and leads to the end */
    operation->pause_ms *= 2;
    if (operation->pause_ms > LONGEST_PAUSE_MS)
        operation->pause_ms = LONGEST_PAUSE_MS;
    vm_timer_set(operation->vm, &operation->timer,
                 clock_earlier_ms(next_ms, operation->deadline_ms));
}

/* A reset loses the signal but not the request: QEMU would carry it out at the next device_add of
 * the same kind, unheard of. So the guest is asked again, ever and again, until it has shown that
 * it heard: until then a repetition is merged with what it repeats. */
static void on_asked_again(struct operation *operation, const json_t *value,
                           const struct error *error)
{
    (void)value;
    (void)error; /* a guest that is booting can't be asked yet */
    operation_look_later(operation);
}

static void ask_again_or_later(struct operation *operation)
{
    if (operation->heard || clock_now_ms() < operation->ask_again_ms) {
        operation_look_later(operation);
        return;
    }
    operation->ask_again_ms = clock_now_ms() + OPERATION_ASK_AGAIN_MS;
    ask_with(operation, PEER_QMP, "device_del", json_pack("{s:s}", "id", operation->path),
             on_asked_again);
}

static void take_realized(struct operation *operation, bool realized)
{
    if (realized) {
        operation_reach(operation, RUNG_REALIZED, NULL);
        operation_look(operation);
    } else if (check_ledger(operation)) {
        ask_again_or_later(operation);
    }
}

static void on_realized(struct operation *operation, const json_t *value,
                        const struct error *error)
{
    (void)error;
    take_realized(operation, operation->kind->is_realized(operation, value));
}

static void on_realized_property(struct operation *operation, const json_t *value,
                                 const struct error *error)
{
    (void)error;
    take_realized(operation, json_is_true(value));
}

static void ask_whether_realized(struct operation *operation)
{
    char path[sizeof("/machine/peripheral/") + OPERATION_ID_MAX];

    if (!operation->follows || !operation->kind->tells_no_more) {
        ask(operation, PEER_QMP, operation->kind->realized_query, on_realized);
        return;
    }
    (void)snprintf(path, sizeof(path), "/machine/peripheral/%s", operation->result.id);
    ask_with(operation, PEER_QMP, "qom-get",
             json_pack("{s:s, s:s}", "path", path, "property", "realized"), on_realized_property);
}

/* The last word before the deadline's verdict is QEMU's: what it had may be gone again. */
static void on_last_look(struct operation *operation, const json_t *value,
                         const struct error *error)
{
    bool realized = operation->kind->is_realized(operation, value);

    (void)error;
    if (realized && !operation->reached[RUNG_REALIZED])
        operation_reach(operation, RUNG_REALIZED, NULL);
    operation->reached[RUNG_REALIZED] = realized;
    if (!operation_finish_at_goal(operation))
        operation_finish_pending(operation, NULL);
}

/* The guest has answered, or had time enough since QEMU was done. */
static bool time_to_look_inside(const struct operation *operation)
{
    const struct operation_result *result = &operation->result;
    double since_ms = result->stage_count > 0 ? result->stages[result->stage_count - 1].ms : 0;

    return !operation_expects_ost(operation) || operation->reached[RUNG_ACKNOWLEDGED] ||
           clock_now_ms() - operation->started_ms - since_ms >= OST_PATIENCE_MS;
}

static void look_into_guest(struct operation *operation)
{
    bool blind = operation->blind.code != ERROR_NONE || operation->kind->look_inside == NULL;

    operation->result.guest_unseen = blind;
    if (blind && !operation_guest_decides(operation))
        operation_confirmed(operation);
    else if (blind)
        operation_finish_pending(operation, &operation->blind);
    else
        operation->kind->look_inside(operation);
}

/* Takes the next step up the ladder that can be taken now. */
void operation_look(struct operation *operation)
{
    if (operation->asked > 0)
        return;
    if (!operation->reached[RUNG_REALIZED] && operation->goal >= RUNG_REALIZED) {
        ask_whether_realized(operation);
        return;
    }
    if (!check_ledger(operation))
        return;
    if (operation->cleanups_done < operation->cleanup_count) {
        clean_next(operation);
        return;
    }
    if (operation_finish_at_goal(operation))
        return;
    if (operation->goal == RUNG_ONLINE && time_to_look_inside(operation))
        look_into_guest(operation);
    else
        operation_look_later(operation);
}

static void on_rows(struct operation *operation, const json_t *value, const struct error *error)
{
    (void)error;
    ledger_settle_rows(vm_ledger(operation->vm), value, clock_now_ms());
    operation_look(operation);
}

static void look_a_last_time(struct operation *operation)
{
    if (operation->asked > 0)
        vm_cancel(operation->vm, operation->asked_peer, operation->asked);
    operation->asked = 0;
    operation->last_look = true;
    ask(operation, PEER_QMP, operation->kind->realized_query, on_last_look);
}

/* The device, or of one that has gone from QEMU what was still to go after it. */
static void leave_what_stands(struct operation *operation)
{
    size_t i;

    if (!operation->kind->removes || !operation->reached[RUNG_REALIZED]) {
        operation_add_left(operation, operation->result.id);
        return;
    }
    for (i = operation->cleanups_done; i < operation->cleanup_count; i++)
        operation_add_left(operation, operation->cleanups[i].name);
}

void operation_on_timer(void *user)
{
    struct operation *operation = user;

    if (operation->state == OPERATION_SENT)
        return; /* the step's reply goes on from here */
    if (operation->state == OPERATION_AWAITING_STEP) {
        operation_await_step(operation);
        return;
    }
    if (operation->interrupted) {
        if (operation->state == OPERATION_AWAITING_GUEST) {
            leave_what_stands(operation);
            error_advise(&operation->result.error,
                         "%s was asked for and stands: take it up again with vmplug wait %s",
                         operation->kind->name, operation->result.id);
        }
        operation_finish(operation, VERDICT_INTERRUPTED, &operation->result.error);
        return;
    }
    if (clock_now_ms() >= operation->deadline_ms) {
        if (!operation->file.under_way) /* else its end leads back here */
            look_a_last_time(operation);
        return;
    }
    /* An event may have been missed: QEMU keeps the last word of each slot. */
    if (operation_expects_ost(operation) && !operation->reached[RUNG_ACKNOWLEDGED] &&
        operation->asked == 0)
        ask(operation, PEER_QMP, "query-acpi-ospm-status", on_rows);
    else
        operation_look(operation);
}

static bool is_hint(const char *event)
{
    static const char *const hints[] = {
        "ACPI_DEVICE_OST",    "DEVICE_DELETED",    "DEVICE_UNPLUG_GUEST_ERROR",
        "MEM_UNPLUG_ERROR",   "DEVICE_TRAY_MOVED", "MEMORY_DEVICE_SIZE_CHANGE",
        "RESET",
    };
    size_t i;

    for (i = 0; i < COUNT_OF(hints); i++) {
        if (strcmp(event, hints[i]) == 0)
            return true;
    }
    return false;
}

/* Boards without _OST tell by an event that the guest refused (QAPI DEVICE_UNPLUG_GUEST_ERROR;
 * MEM_UNPLUG_ERROR before QEMU 9.1). */
static bool has_given_up(struct operation *operation, const struct qmp_event *event)
{
    const char *device = field_string(event->data, "device", "");

    if (!operation->kind->removes ||
        (strcmp(event->name, "DEVICE_UNPLUG_GUEST_ERROR") != 0 &&
         strcmp(event->name, "MEM_UNPLUG_ERROR") != 0) ||
        (strcmp(device, operation->result.id) != 0 && strcmp(device, operation->path) != 0 &&
         strcmp(field_string(event->data, "path", ""), operation->path) != 0))
        return false;
    (void)error_set(&operation->result.error, ERROR_REJECTED, operation->kind->refusal_fix,
                    "the guest refused to give %s back%s%.200s", operation->result.id,
                    field_string(event->data, "msg", NULL) != NULL ? ": " : "",
                    field_string(event->data, "msg", ""));
    return true;
}

void operation_on_event(void *user, const struct qmp_event *event)
{
    struct operation *operation = user;

    if (event == NULL) {
        operation_finish_failed(operation, qmp_client_failure(vm_qmp(operation->vm)));
        return;
    }
    operation_note_run_state(operation, event->name);
    if (!is_hint(event->name))
        return;
    if (operation->state == OPERATION_AWAITING_STEP && operation->asked == 0)
        operation_await_step(operation);
    if (operation->state != OPERATION_AWAITING_GUEST)
        return;
    if (strcmp(event->name, "RESET") == 0 && operation->kind->removes) {
        operation->heard = false; /* whatever the guest knew and said, it has forgotten */
        operation->mark = ledger_mark(vm_ledger(operation->vm));
        operation->ask_again_ms = clock_now_ms() + OPERATION_ASK_AGAIN_MS;
    }
    if (has_given_up(operation, event)) {
        operation_refused(operation, &operation->result.error);
        return;
    }
    if (!check_ledger(operation) || operation->asked > 0 || operation->interrupted)
        return;
    vm_timer_stop(operation->vm, &operation->timer);
    operation_look(operation);
}

void operation_confirmed(struct operation *operation)
{
    operation_reach(operation, RUNG_ONLINE, NULL);
    (void)operation_finish_at_goal(operation);
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

void operation_online_failed(struct operation *operation, const struct error *error)
{
    if (error->code == ERROR_SYSTEM) { /* it was not even asked */
        operation_look_later(operation);
        return;
    }
    if (operation->failures++ == 0)
        operation->first_failure_ms = clock_now_ms();
    if (operation->failures >= ONLINE_TRIES &&
        clock_now_ms() - operation->first_failure_ms >= ONLINE_PATIENCE_MS)
        operation_refused(operation, error);
    else
        operation_look_later(operation);
}

void operation_cannot_look(struct operation *operation, const char *missing, const char *why)
{
    (void)error_set(&operation->blind, ERROR_TIMEOUT, "look into the guest by another way", "%s",
                    why);
    if (operation_guest_decides(operation))
        operation->result.missing = missing;
    if (operation_guest_decides(operation) &&
        (!operation->request.wait_set || operation->request.wait != RUNG_ONLINE))
        operation->goal =
            operation_expects_ost(operation) ? RUNG_ACKNOWLEDGED : RUNG_REALIZED;
    operation_look(operation);
}
