/* SPDX-License-Identifier: MIT */
/* The routes of operations: what is asked for is begun at once, and its end is awaited or not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/gate.h"
#include "daemon/v1_handlers.h"
#include "daemon/v1_operation.h"
#include "qmp/codec.h"
#include "qmp/field.h"

#define BODY_BYTES ((size_t)256 << 10)
#define LIST 100
#define LIST_MAX 1000

static void set_location(struct v1_request *request, const struct v1_operation *operation)
{
    AUTO_JSON json_t *object = v1_operation_json(operation, false);
    char path[64];

    (void)snprintf(path, sizeof(path), "/v1/operations/%s", field_string(object, "id", ""));
    http_request_set_header(request->http, "Location", path);
}

static void on_done(void *user, const struct v1_operation *operation)
{
    v1_api_answer(user, 200, v1_operation_json(operation, true));
}

/* Answers at once, with status, or when it is done. */
static void answer(struct v1_request *request, struct v1_operation *operation, bool wait,
                   unsigned status)
{
    if (!wait || v1_operation_is_done(operation)) {
        v1_api_answer(request, status, v1_operation_json(operation, true));
        return;
    }
    if (v1_operation_wait(operation, on_done, request) < 0)
        v1_api_fail(request, 500, "system", "out of memory; the operation goes on",
                    "see /v1/operations for it");
}

/* ---- POST /v1/vms/{name}/operations ---- */

/* NULL: it is none that can be begun, and that has been answered. */
static struct v1_change *read_change(struct v1_request *request)
{
    struct error error = ERROR_INIT;
    AUTO_JSON json_t *body = NULL;
    struct v1_change *change;
    size_t size;

    (void)http_request_body(request->http, &size);
    if (size > BODY_BYTES) {
        v1_api_fail(request, 413, "too-large", "an operation has 256 KiB at most",
                    "ask for fewer devices at a time");
        return NULL;
    }
    body = v1_api_body(request);
    if (body == NULL)
        return NULL;
    change = v1_change_read(body, request->daemon->timeout_ms, &error);
    if (change == NULL) {
        v1_api_fail_error(request, &error);
        return NULL;
    }
    /* what is taken up again was begun before */
    if (change->resume != NULL || gate_check(&change->request, &error) == 0)
        return change;
    v1_api_fail_as(request, error.code == ERROR_BLOCKED ? 403 : 500, &error);
    v1_change_free(change);
    return NULL;
}

void v1_operations_begin(struct v1_request *request)
{
    struct held_vm *held = v1_api_ready_vm(request);
    struct error error = ERROR_INIT;
    struct v1_operation *operation;
    struct v1_change *change;
    bool wait;

    if (held == NULL || v1_api_flag(request, "wait", &wait) < 0)
        return;
    change = read_change(request);
    if (change == NULL)
        return;
    if (v1_api_audit(request, request->name, change->name, "begun",
                     json_incref(change->object)) < 0) {
        v1_change_free(change);
        return;
    }
    operation = v1_operation_begin(request->daemon->operations, held, change, request->peer,
                                   &error);
    if (operation == NULL) {
        v1_api_fail_error(request, &error);
        return;
    }
    v1_api_audit_later(request);
    set_location(request, operation);
    answer(request, operation, wait, wait ? 200 : 202);
}

/* ---- /v1/operations ---- */

struct listing {
    const struct v1_request *request;
    const char *vm;
    uint64_t limit;
    json_t *items;
};

static bool list_one(void *user, const struct v1_operation *operation)
{
    struct listing *listing = user;
    const char *vm = v1_operation_vm(operation);

    if ((listing->vm == NULL || strcmp(listing->vm, vm) == 0) &&
        v1_api_may(listing->request, vm, ROLE_VIEWER))
        field_append(&listing->items, v1_operation_json(operation, false));
    return json_array_size(listing->items) < listing->limit;
}

void v1_operations_list(struct v1_request *request)
{
    struct listing listing = {.request = request,
                              .vm = http_request_parameter(request->http, "vm"),
                              .limit = LIST};

    if (v1_api_number(request, "limit", 1, LIST_MAX, &listing.limit) < 0)
        return;
    listing.items = json_array();
    v1_operations_each(request->daemon->operations, list_one, &listing);
    v1_api_answer(request, 200, json_pack("{s:o}", "operations", listing.items));
}

/* NULL: there is none, and that has been answered. */
static struct v1_operation *find(struct v1_request *request)
{
    struct v1_operation *operation =
        v1_operation_find(request->daemon->operations, request->name);

    if (operation == NULL)
        v1_api_fail(request, 404, "not-found", "there is no such operation, or none any more",
                    "see /v1/operations for those there are");
    return operation;
}

void v1_operations_get(struct v1_request *request)
{
    struct v1_operation *operation = find(request);
    bool wait;

    if (operation != NULL && v1_api_flag(request, "wait", &wait) == 0)
        answer(request, operation, wait, 200);
}

void v1_operations_interrupt(struct v1_request *request)
{
    struct v1_operation *operation = find(request);
    struct error error = ERROR_INIT;

    if (operation == NULL)
        return;
    if (v1_api_audit(request, v1_operation_vm(operation), NULL, "begun",
                     json_pack("{s:s}", "operation", request->name)) < 0)
        return;
    if (v1_operation_interrupt(operation, &error) < 0) {
        v1_api_fail_error(request, &error);
        return;
    }
    operation = find(request); /* it may have ended in there */
    if (operation != NULL &&
        v1_api_audit(request, v1_operation_vm(operation), NULL, "done", NULL) == 0)
        v1_api_answer(request, 200, v1_operation_json(operation, true));
}
