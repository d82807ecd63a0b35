/* SPDX-License-Identifier: MIT */
#include "daemon/v1_operation.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "daemon/audit_log.h"
#include "daemon/device_told.h"
#include "daemon/event_log.h"
#include "daemon/log.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "vmm/result_json.h"

#define BUCKETS 4096
#define REQUEST_ITEMS 16 /* of a request, that are shown when it is done */

enum state { WAITING, RUNNING, DONE };

struct waiter {
    STAILQ_ENTRY(waiter) link;
    void (*done)(void *user, const struct v1_operation *operation);
    void *user;
};

struct v1_operation {
    TAILQ_ENTRY(v1_operation) link;
    LIST_ENTRY(v1_operation) in_bucket;
    struct v1_operations *operations;
    uint64_t number;
    char vm[64];
    const char *name; /* "cpu-add"; borrowed for good */
    struct peer_id peer;
    struct v1_change *change; /* NULL: a reconcile */
    struct vm_job job;
    enum state state;
    char created[LOG_TIME_MAX], started[LOG_TIME_MAX], ended[LOG_TIME_MAX]; /* or "" */
    json_t *results;
    json_t *summary;
    enum verdict verdict;
    struct error error;
    STAILQ_HEAD(waiters, waiter) waiters;
};

TAILQ_HEAD(operation_list, v1_operation);

struct v1_operations {
    struct daemon *daemon;
    struct operation_list active, finished; /* oldest first; the finished by their end */
    LIST_HEAD(, v1_operation) buckets[BUCKETS];
    uint64_t next;
    size_t under_way, done;
    size_t done_results;
};

struct v1_operations *v1_operations_new(struct daemon *daemon)
{
    struct v1_operations *operations = calloc(1, sizeof(*operations));
    struct timespec now;

    if (operations == NULL)
        return NULL;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    operations->next = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    operations->daemon = daemon;
    TAILQ_INIT(&operations->active);
    TAILQ_INIT(&operations->finished);
    return operations;
}

/* ---- what there is ---- */

static const char *write_id(const struct v1_operation *operation, char id[32])
{
    (void)snprintf(id, 32, "%" PRIu64, operation->number);
    return id;
}

struct v1_operation *v1_operation_find(const struct v1_operations *operations, const char *id)
{
    struct v1_operation *operation;
    char own[32];
    uint64_t number = strtoull(id, NULL, 10);

    LIST_FOREACH(operation, &operations->buckets[number % BUCKETS], in_bucket) {
        if (operation->number == number && strcmp(write_id(operation, own), id) == 0)
            return operation;
    }
    return NULL;
}

const char *v1_operation_vm(const struct v1_operation *operation)
{
    return operation->vm;
}

bool v1_operation_is_done(const struct v1_operation *operation)
{
    return operation->state == DONE;
}

void v1_operations_each(const struct v1_operations *operations,
                        bool (*visit)(void *user, const struct v1_operation *operation),
                        void *user)
{
    const struct v1_operation *operation;

    TAILQ_FOREACH_REVERSE(operation, &operations->active, operation_list, link) {
        if (!visit(user, operation))
            return;
    }
    TAILQ_FOREACH_REVERSE(operation, &operations->finished, operation_list, link) {
        if (!visit(user, operation))
            return;
    }
}

size_t v1_operations_under_way(const struct v1_operations *operations)
{
    return operations->under_way;
}

static void set_time(json_t **object, const char *key, const char *time)
{
    if (time[0] != '\0')
        field_set(object, key, json_string(time));
}

static void set_end(json_t **object, const struct v1_operation *operation, bool results)
{
    field_set(object, "verdict", json_string(verdict_name(operation->verdict)));
    field_set(object, "exit_code", json_integer(verdict_exit_code(operation->verdict)));
    if (operation->error.code != ERROR_NONE)
        field_set(object, "error",
                  json_pack("{s:s, s:o, s:o}", "code", error_code_name(operation->error.code),
                            "message", codec_string(operation->error.why), "fix",
                            codec_string(result_json_fix(&operation->error))));
    if (results && operation->summary != NULL)
        field_set(object, "summary", json_incref(operation->summary));
}

json_t *v1_operation_json(const struct v1_operation *operation, bool results)
{
    static const char *const states[] = {"waiting", "running", "done"};
    char id[32];
    json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:I, s:s}", "id", write_id(operation, id),
                               "vm", operation->vm, "operation", operation->name, "state",
                               states[operation->state], "uid", (json_int_t)operation->peer.uid,
                               "created", operation->created);

    set_time(&object, "started", operation->started);
    set_time(&object, "ended", operation->ended);
    if (results && operation->change != NULL)
        field_set(&object, "request", json_incref(operation->change->object));
    if (results)
        field_set(&object, "results", json_copy(operation->results));
    if (operation->state == DONE)
        set_end(&object, operation, results);
    return object;
}

/* ---- the end ---- */

static void forget(struct v1_operation *operation)
{
    struct v1_operations *operations = operation->operations;

    if (operation->state == DONE) {
        operations->done--;
        operations->done_results -= json_array_size(operation->results);
        TAILQ_REMOVE(&operations->finished, operation, link);
    } else {
        operations->under_way--;
        TAILQ_REMOVE(&operations->active, operation, link);
    }
    LIST_REMOVE(operation, in_bucket);
    v1_change_free(operation->change);
    peer_free(&operation->peer);
    json_decref(operation->results);
    json_decref(operation->summary);
    free(operation);
}

/* The last one to end is kept in any case. */
static void forget_old(struct v1_operations *operations)
{
    while (operations->done > 1 && (operations->done > V1_OPERATIONS_DONE ||
                                    operations->done_results > V1_OPERATIONS_DONE_RESULTS))
        forget(TAILQ_FIRST(&operations->finished));
}

static void tell(const struct v1_operation *operation)
{
    event_log_add(operation->operations->daemon->events, EVENT_OPERATION, operation->vm,
                  v1_operation_json(operation, false));
}

static void write_down(const struct v1_operation *operation)
{
    char id[32];

    (void)audit_log_add(operation->operations->daemon->audit_log, &operation->peer, operation->vm,
                        operation->name, verdict_name(operation->verdict),
                        json_pack("{s:s}", "operation", write_id(operation, id)), NULL);
}

/* Of what was asked for only what is short is remembered. */
static void forget_long_lists(struct v1_operation *operation)
{
    json_t *object = operation->change != NULL ? operation->change->object : NULL;
    const char *key;
    json_t *value;
    void *next;

    json_object_foreach_safe(object, next, key, value) {
        if (json_array_size(value) > REQUEST_ITEMS)
            (void)json_object_del(object, key);
    }
}

static void conclude(struct v1_operation *operation, const struct batch_result *result)
{
    struct v1_operations *operations = operation->operations;
    struct waiter *waiter;

    operation->verdict = result->verdict;
    operation->error = result->error;
    operation->summary = result->summary ? result_json_summary(result) : NULL;
    (void)log_time(operation->ended);
    TAILQ_REMOVE(&operations->active, operation, link);
    TAILQ_INSERT_TAIL(&operations->finished, operation, link);
    operation->state = DONE;
    operations->under_way--;
    operations->done++;
    operations->done_results += json_array_size(operation->results);
    forget_long_lists(operation);
    write_down(operation);
    tell(operation);
    while ((waiter = STAILQ_FIRST(&operation->waiters)) != NULL) {
        STAILQ_REMOVE_HEAD(&operation->waiters, link);
        waiter->done(waiter->user, operation);
        free(waiter);
    }
    forget_old(operations);
}

static void on_done(void *user, const struct batch_result *result)
{
    conclude(user, result);
}

static void on_batch_done(void *user, const struct batch_result *result)
{
    struct v1_operation *operation = user;

    vm_job_end(&operation->job);
    conclude(operation, result);
}

static void on_failed(void *user, const struct error *error)
{
    struct batch_result result = {.verdict = VERDICT_ERROR, .error = *error};

    if (error->code == ERROR_DISCONNECTED)
        result.verdict = VERDICT_LOST;
    else if (error->code == ERROR_CANCELLED)
        result.verdict = VERDICT_INTERRUPTED;
    conclude(user, &result);
}

void v1_operations_free(struct v1_operations *operations)
{
    const struct batch_result result = {.verdict = VERDICT_INTERRUPTED};
    struct v1_operation *operation;

    if (operations == NULL)
        return;
    while ((operation = TAILQ_FIRST(&operations->active)) != NULL)
        conclude(operation, &result);
    while ((operation = TAILQ_FIRST(&operations->finished)) != NULL)
        forget(operation);
    free(operations);
}

/* ---- on its way ---- */

static void on_result(void *user, const struct operation_result *result)
{
    struct v1_operation *operation = user;
    json_t *object = result_json_operation(result);

    if (operation->change != NULL) /* else whoever reconciles tells of it */
        device_told_result(operation->operations->daemon, operation->vm, result);
    if (object != NULL)
        (void)json_array_append_new(operation->results, object);
}

static void on_stage(void *user, const struct operation_result *so_far,
                     const struct operation_stage *stage)
{
    const struct v1_operation *operation = user;

    device_told_stage(operation->operations->daemon, operation->vm, so_far, stage);
}

static void mark_running(struct v1_operation *operation)
{
    operation->state = RUNNING;
    (void)log_time(operation->started);
    tell(operation);
}

/* What `wait` takes up is another operation, which the record names. */
static int find_resumed(struct v1_operation *operation, struct error *error)
{
    struct v1_change *change = operation->change;
    AUTO_JSON json_t *entry = NULL;

    if (change->resume == NULL)
        return 0;
    entry = record_find(vm_record(operation->job.vm), change->resume);
    if (operation_type_find(field_string(entry, "operation", ""), &change->request.each.type))
        return 0;
    return error_set(error, ERROR_BLOCKED, "see the VM's status for what is pending",
                     "no request for '%s' is on record: whether one stands is unknown",
                     change->resume);
}

static void run(void *user)
{
    struct v1_operation *operation = user;
    struct batch_result result = {.verdict = VERDICT_BLOCKED};

    mark_running(operation);
    if (find_resumed(operation, &result.error) < 0)
        on_batch_done(operation, &result);
    else
        vm_job_batch(&operation->job, &operation->change->request, on_batch_done);
}

/* ---- the beginning ---- */

static struct v1_operation *operation_new(struct v1_operations *operations,
                                          const struct held_vm *held, const char *name,
                                          const struct peer_id *peer, struct error *error)
{
    struct v1_operation *operation = NULL;

    if (operations->under_way >= V1_OPERATIONS_UNDER_WAY) {
        (void)error_set(error, ERROR_LIMIT, "try again later", "too many operations are under way");
        return NULL;
    }
    operation = calloc(1, sizeof(*operation));
    if (operation == NULL || (operation->results = json_array()) == NULL ||
        peer_copy(&operation->peer, peer, NULL) < 0) {
        json_decref(operation != NULL ? operation->results : NULL);
        free(operation);
        (void)error_set(error, ERROR_SYSTEM, "try again later", "out of memory");
        return NULL;
    }
    operation->operations = operations;
    operation->number = operations->next++;
    operation->name = name;
    text_copy(operation->vm, sizeof(operation->vm), held_vm_name(held));
    (void)log_time(operation->created);
    STAILQ_INIT(&operation->waiters);
    TAILQ_INSERT_TAIL(&operations->active, operation, link);
    LIST_INSERT_HEAD(&operations->buckets[operation->number % BUCKETS], operation, in_bucket);
    operations->under_way++;
    return operation;
}

struct v1_operation *v1_operation_begin(struct v1_operations *operations, struct held_vm *held,
                                        struct v1_change *change, const struct peer_id *peer,
                                        struct error *error)
{
    struct v1_operation *operation = operation_new(operations, held, change->name, peer, error);

    if (operation == NULL) {
        v1_change_free(change);
        return NULL;
    }
    operation->change = change;
    operation->job = (struct vm_job){.name = change->name,
                                     .changes = true,
                                     .run = run,
                                     .failed = on_failed,
                                     .stage = on_stage,
                                     .result = on_result,
                                     .user = operation};
    if (vm_jobs_add(held_vm_jobs(held), &operation->job, error) == 0) {
        tell(operation);
        return operation;
    }
    forget(operation);
    return NULL;
}

struct v1_operation *v1_operation_reconcile(struct v1_operations *operations,
                                            struct held_vm *held, const char *name,
                                            const struct peer_id *peer, struct error *error)
{
    struct v1_operation *operation = operation_new(operations, held, name, peer, error);
    const struct batch_observer observer = {
        .result = on_result, .done = on_done, .user = operation};

    if (operation == NULL)
        return NULL;
    mark_running(operation);
    held_vm_reconcile(held, &observer);
    return operation;
}

int v1_operation_wait(struct v1_operation *operation,
                      void (*done)(void *user, const struct v1_operation *operation), void *user)
{
    struct waiter *waiter = calloc(1, sizeof(*waiter));

    if (waiter == NULL)
        return -1;
    waiter->done = done;
    waiter->user = user;
    STAILQ_INSERT_TAIL(&operation->waiters, waiter, link);
    return 0;
}

int v1_operation_interrupt(struct v1_operation *operation, struct error *error)
{
    if (operation->state == DONE)
        return error_set(error, ERROR_BLOCKED, "there is nothing to do",
                         "the operation has ended already");
    if (operation->change == NULL)
        return error_set(error, ERROR_BLOCKED, "apply the manifest as it was before",
                         "what is done by the manifest is not interrupted");
    vm_job_interrupt(&operation->job);
    return 0;
}
