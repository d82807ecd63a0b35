/* SPDX-License-Identifier: MIT */
#include "daemon/reconcile_told.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "daemon/device_told.h"
#include "daemon/event_log.h"
#include "daemon/log.h"
#include "vmm/result_json.h"

#define TYPE "Synchronized"

struct waiter {
    TAILQ_ENTRY(waiter) link;
    struct batch_observer observer;
    bool begun; /* its pass has */
};

static const char *const status_names[] = {
    [CONDITION_UNKNOWN] = "Unknown", [CONDITION_FALSE] = "False", [CONDITION_TRUE] = "True"};

void reconcile_told_init(struct reconcile_told *told, struct daemon *daemon, const char *name)
{
    *told = (struct reconcile_told){.daemon = daemon, .name = name, .reason = "Absent"};
    told->since = time(NULL);
    TAILQ_INIT(&told->waiters);
}

void reconcile_told_free(struct reconcile_told *told)
{
    struct waiter *waiter;

    while ((waiter = TAILQ_FIRST(&told->waiters)) != NULL) {
        TAILQ_REMOVE(&told->waiters, waiter, link);
        free(waiter);
    }
    free(STEAL(told->message));
}

/* ---- who waits ---- */

int reconcile_told_wait(struct reconcile_told *told, const struct batch_observer *observer)
{
    struct waiter *waiter = calloc(1, sizeof(*waiter));

    if (waiter == NULL)
        return -1;
    waiter->observer = *observer;
    TAILQ_INSERT_TAIL(&told->waiters, waiter, link);
    return 0;
}

void reconcile_told_begin(struct reconcile_told *told)
{
    struct waiter *waiter;

    TAILQ_FOREACH(waiter, &told->waiters, link)
        waiter->begun = true;
}

bool reconcile_told_is_awaited(const struct reconcile_told *told)
{
    return !TAILQ_EMPTY(&told->waiters);
}

void reconcile_told_stage(struct reconcile_told *told, const struct operation_result *so_far,
                          const struct operation_stage *stage)
{
    struct waiter *waiter;

    device_told_stage(told->daemon, told->name, so_far, stage);
    TAILQ_FOREACH(waiter, &told->waiters, link) {
        if (waiter->begun && waiter->observer.stage != NULL)
            waiter->observer.stage(waiter->observer.user, so_far, stage);
    }
}

void reconcile_told_result(struct reconcile_told *told, const struct operation_result *result)
{
    struct waiter *waiter;

    device_told_result(told->daemon, told->name, result);
    if (verdict_is_success(result->verdict))
        log_line(LOG_LEVEL_INFO, told->name, "by the manifest", "operation", result->operation,
                 "id", result->id, "verdict", verdict_name(result->verdict), NULL);
    else
        log_line(LOG_LEVEL_WARNING, told->name, "by the manifest", "operation", result->operation,
                 "id", result->id, "verdict", verdict_name(result->verdict), "why",
                 result->error.why, "fix", result_json_fix(&result->error), NULL);
    TAILQ_FOREACH(waiter, &told->waiters, link) {
        if (waiter->begun && waiter->observer.result != NULL)
            waiter->observer.result(waiter->observer.user, result);
    }
}

/* Whoever hears of it may wait for the next one at once. */
void reconcile_told_done(struct reconcile_told *told, const struct batch_result *result)
{
    struct waiter *waiter, *next;

    for (waiter = TAILQ_FIRST(&told->waiters); waiter != NULL; waiter = next) {
        next = TAILQ_NEXT(waiter, link);
        if (!waiter->begun)
            continue;
        TAILQ_REMOVE(&told->waiters, waiter, link);
        if (waiter->observer.done != NULL)
            waiter->observer.done(waiter->observer.user, result);
        free(waiter);
    }
}

/* ---- how it stands ---- */

void reconcile_told_condition(struct reconcile_told *told, enum condition_status status,
                              const char *reason, const char *message)
{
    const char *before = told->message != NULL ? told->message : "";

    if (told->status == status && strcmp(told->reason, reason) == 0 &&
        strcmp(before, message) == 0)
        return;
    if (told->status != status)
        told->since = time(NULL);
    told->status = status;
    told->reason = reason;
    free(told->message);
    told->message = message[0] != '\0' ? strdup(message) : NULL;
    log_line(status == CONDITION_FALSE && strcmp(reason, "Progressing") != 0 ? LOG_LEVEL_WARNING
                                                                             : LOG_LEVEL_INFO,
             told->name, "condition", "type", TYPE, "status", status_names[status], "reason",
             reason, "why", message[0] != '\0' ? message : NULL, NULL);
    event_log_add(told->daemon->events, EVENT_CONDITION, told->name, reconcile_told_json(told));
}

void reconcile_told_failure(struct reconcile_told *told, enum verdict verdict, bool restart,
                            const struct error *error)
{
    static const char *const reasons[VERDICTS_] = {
        [VERDICT_REJECTED] = "Rejected",       [VERDICT_REFUSED] = "Refused",
        [VERDICT_PENDING] = "Pending",         [VERDICT_BLOCKED] = "Blocked",
        [VERDICT_UNPROVEN] = "Unproven",       [VERDICT_LOST] = "Lost",
        [VERDICT_INTERRUPTED] = "Interrupted",
    };
    const char *reason = reasons[verdict] != NULL ? reasons[verdict] : "Error";
    const char *fix = result_json_fix(error);
    char message[sizeof(error->why) + sizeof(error->fix) + 2];

    (void)snprintf(message, sizeof(message), "%s%s%s", error->why, fix[0] != '\0' ? "; " : "",
                   fix);
    reconcile_told_condition(told, CONDITION_FALSE, restart ? "RestartRequired" : reason, message);
}

json_t *reconcile_told_json(const struct reconcile_told *told)
{
    char since[32];
    struct tm parts;

    if (gmtime_r(&told->since, &parts) == NULL ||
        strftime(since, sizeof(since), "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        since[0] = '\0';
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "type", TYPE, "status",
                     status_names[told->status], "reason", told->reason, "message",
                     told->message != NULL ? told->message : "", "lastTransitionTime", since);
}
