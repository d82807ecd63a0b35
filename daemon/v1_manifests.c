/* SPDX-License-Identifier: MIT */
/* Manifests: what would come of them, and storing them, after which each VM is made what they
 * say. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "daemon/audit_log.h"
#include "daemon/fleet.h"
#include "daemon/manifest_rights.h"
#include "daemon/metrics.h"
#include "daemon/v1_handlers.h"
#include "daemon/v1_operation.h"
#include "daemon/v1_plan.h"
#include "manifest/kind.h"
#include "manifest/patch.h"
#include "manifest/yaml_read.h"
#include "qmp/codec.h"
#include "qmp/field.h"

/* Somebody else's change of the store is waited for. */
static void fail(struct v1_request *request, struct error *error)
{
    if (error->code == ERROR_INVALID && error->fix[0] == '\0')
        error_advise(error, "see man vmplug-manifest");
    if (error->code == ERROR_BUSY)
        v1_api_again(request, error);
    else
        v1_api_fail_error(request, error);
}

static void forbid(struct v1_request *request, const struct error *error)
{
    v1_api_fail(request, 403, "forbidden", error->why, error->fix);
}

/* Answers, and returns -1. */
static int refuse(struct v1_request *request, struct error *error)
{
    if (error->code == ERROR_BLOCKED)
        forbid(request, error);
    else
        fail(request, error);
    return -1;
}

static json_t *list_notes(const struct desired *desired)
{
    json_t *notes = json_array();
    size_t i;

    for (i = 0; i < desired->notes.count; i++)
        field_append(&notes, codec_string(desired->notes.lines[i]));
    return notes;
}

/* ---- who may store what ---- */

/* policy_check(), and what may not be is written down. */
static int need(const struct v1_request *request, const char *vm, enum role role,
                struct error *error)
{
    struct daemon *daemon = request->daemon;

    if (policy_check(daemon->policy, request->peer, vm, role, error) == 0)
        return 0;
    metrics_forbidden(daemon->metrics);
    (void)audit_log_add(daemon->audit_log, request->peer, vm, request->route->operation_id,
                        AUDIT_LOG_FORBIDDEN, NULL, NULL);
    return -1;
}

/* A VM of its name is an administrator's of it to bring, and an operator's to change. */
static int check_vm(const struct v1_request *request, struct desired *desired,
                    const struct desired_vm *vm, struct error *error)
{
    AUTO_JSON json_t *stored = NULL;

    if (vm->vm.name == NULL)
        return error_set(error, ERROR_INVALID, "add metadata.name",
                         "a VirtualMachine has no name");
    if (store_load(&desired->store, KIND_VIRTUAL_MACHINE, vm->vm.name, &stored, error) < 0)
        return -1;
    if (manifest_rights_change(stored, vm->vm.object) &&
        need(request, NULL, ROLE_ADMINISTRATOR, error) < 0)
        return -1;
    return need(request, vm->vm.name, stored == NULL ? ROLE_ADMINISTRATOR : ROLE_OPERATOR, error);
}

/* All else is the host's: which files there are, what is switched off. */
static int check_documents(const struct v1_request *request, const struct document_list *list,
                           struct error *error)
{
    const char *name;
    enum kind kind;
    size_t i;

    for (i = 0; i < list->count; i++) {
        if (kind_of(&list->items[i], &kind, &name, error) < 0)
            return -1;
        if (kind != KIND_VIRTUAL_MACHINE &&
            need(request, NULL, ROLE_ADMINISTRATOR, error) < 0)
            return -1;
    }
    return 0;
}

/* Takes what is in the body, checks it all, and stores nothing. Returns 0, or -1: that has been
 * answered. */
static int take(struct v1_request *request, struct v1_plan *plan, struct document_list *list)
{
    struct error error = ERROR_INIT;
    size_t size, i;
    const char *text = http_request_body(request->http, &size);
    int status;

    status = v1_plan_open(plan, false, &error);
    if (status == 0)
        status = yaml_read(list, "the body", text, size, &error);
    if (status == 0)
        status = check_documents(request, list, &error);
    if (status == 0)
        status = desired_take(&plan->desired, list, NULL, false, &error);
    for (i = 0; status == 0 && i < plan->desired.vm_count; i++)
        status = check_vm(request, &plan->desired, plan->desired.vms[i], &error);
    if (status == 0)
        return 0;
    return refuse(request, &error);
}

/* ---- POST /v1/plan, PATCH with dry_run ---- */

/* VMs are looked at one after the other. */
struct planning {
    struct v1_plan plan;
    size_t next;
    json_t *plans;
};

static void planning_free(void *state)
{
    struct planning *planning = state;

    v1_plan_close(&planning->plan);
    json_decref(planning->plans);
    free(planning);
}

static void plan_next(struct v1_request *request);

static void plan_one(struct v1_request *request, const struct inventory *inventory)
{
    struct planning *planning = request->state;
    const struct desired_vm *vm = planning->plan.desired.vms[planning->next++];
    struct error error = ERROR_INIT;

    if (v1_plan_make(&planning->plan, vm, request->job.vm, inventory, &error) < 0) {
        fail(request, &error);
        return;
    }
    field_append(&planning->plans, v1_plan_json(&planning->plan, inventory != NULL));
    plan_next(request);
}

static void plan_next(struct v1_request *request)
{
    struct planning *planning = request->state;
    struct desired *desired = &planning->plan.desired;
    struct held_vm *held;

    while (planning->next < desired->vm_count) {
        held = fleet_find(request->daemon->fleet, desired->vms[planning->next]->vm.name);
        if (held != NULL && held_vm_state(held) == HELD_READY) {
            v1_api_look(request, held, PLAN_PARTS, plan_one);
            return;
        }
        request->job.vm = NULL;
        plan_one(request, NULL);
        return;
    }
    v1_api_answer(request, 200,
                  json_pack("{s:O, s:o}", "plans", planning->plans, "notes",
                            list_notes(desired)));
}

/* NULL: without memory, which has been answered. */
static struct planning *begin_planning(struct v1_request *request)
{
    struct planning *planning = calloc(1, sizeof(*planning));

    if (planning != NULL) {
        planning->plans = json_array();
        request->state = planning;
        request->free_state = planning_free;
        return planning;
    }
    v1_api_fail(request, 500, "system", "out of memory", "try again later");
    return NULL;
}

void v1_manifests_plan(struct v1_request *request)
{
    struct planning *planning = begin_planning(request);
    struct document_list list = {0};

    if (planning != NULL && take(request, &planning->plan, &list) == 0)
        plan_next(request);
    document_list_free(&list);
}

/* ---- what becomes of VMs after a change ---- */

struct following {
    struct v1_request *request;
    json_t *vms;    /* [{"name", "state", "operation"}] */
    json_t *stored; /* [{"kind", "name"}], or NULL */
    json_t *notes;
    size_t awaited; /* operations */
    bool wait, answered;
};

static void following_free(void *state)
{
    struct following *following = state;

    json_decref(following->vms);
    json_decref(following->stored);
    json_decref(following->notes);
    free(following);
}

static void answer(struct following *following)
{
    v1_api_answer(following->request, following->wait ? 200 : 202,
                  json_pack("{s:O, s:O, s:O}", "vms", following->vms, "stored",
                            following->stored, "notes", following->notes));
}

static json_t *list_stored(const struct desired *desired)
{
    json_t *stored = json_array();
    const char *name;
    json_t *object;
    size_t kind;

    for (kind = 0; kind < KINDS_; kind++) {
        json_object_foreach(desired->objects.given[kind], name, object)
            field_append(&stored, json_pack("{s:s, s:s}", "kind", kind_name((enum kind)kind),
                                            "name", name));
    }
    return stored;
}

static json_t *vm_entry(const char *name, const struct held_vm *held, json_t *operation)
{
    return json_pack("{s:s, s:s, s:o}", "name", name, "state",
                     held_vm_state_name(held != NULL ? held_vm_state(held) : HELD_ABSENT),
                     "operation", operation != NULL ? operation : json_null());
}

static void on_done(void *user, const struct v1_operation *operation)
{
    struct following *following = user;
    const char *vm = v1_operation_vm(operation);
    json_t *entry;
    size_t i;

    json_array_foreach(following->vms, i, entry) {
        if (strcmp(field_string(entry, "name", ""), vm) == 0)
            (void)json_object_set_new(entry, "operation", v1_operation_json(operation, true));
    }
    if (--following->awaited == 0)
        answer(following);
}

/* In the audit log, and of the operation. */
static const char *action_of(const struct v1_request *request)
{
    return request->route->scope == V1_VM ? "patch" : "apply";
}

static void write_end(const struct v1_request *request, const char *name, const char *verdict)
{
    (void)audit_log_add(request->daemon->audit_log, request->peer, name, action_of(request),
                        verdict, NULL, NULL);
}

/* One that does not run goes by it when it does. */
static void follow(struct following *following, const char *name)
{
    struct v1_request *request = following->request;
    struct held_vm *held = fleet_look(request->daemon->fleet, name, NULL);
    struct error error = ERROR_INIT;
    struct v1_operation *operation;

    if (held == NULL || held_vm_state(held) != HELD_READY) {
        write_end(request, name, "done");
        field_append(&following->vms, vm_entry(name, held, NULL));
        return;
    }
    operation = v1_operation_reconcile(request->daemon->operations, held, action_of(request),
                                       request->peer, &error);
    if (operation == NULL)
        write_end(request, name, "error");
    field_append(&following->vms,
                 vm_entry(name, held,
                          operation != NULL ? v1_operation_json(operation, true) : NULL));
    if (operation != NULL && following->wait && !v1_operation_is_done(operation) &&
        v1_operation_wait(operation, on_done, following) == 0)
        following->awaited++;
}

static void follow_all(struct v1_request *request, const struct desired *desired, bool wait)
{
    struct following *following = calloc(1, sizeof(*following));
    size_t i;

    if (following == NULL) {
        v1_api_fail(request, 500, "system", "out of memory; it is stored", "see the VM's plan");
        return;
    }
    v1_api_audit_later(request);
    request->state = following;
    request->free_state = following_free;
    following->request = request;
    following->wait = wait;
    following->vms = json_array();
    following->stored = list_stored(desired);
    following->notes = list_notes(desired);
    following->awaited = 1; /* until all have been begun */
    for (i = 0; i < desired->vm_count; i++)
        follow(following, desired->vms[i]->vm.name);
    if (--following->awaited == 0)
        answer(following);
}

/* ---- POST /v1/apply ---- */

/* Before it is stored. Returns 0, or -1: that has been answered. */
static int audit_all(struct v1_request *request, const struct desired *desired)
{
    AUTO_JSON json_t *stored = list_stored(desired);
    size_t i;

    if (v1_api_audit(request, NULL, action_of(request), AUDIT_LOG_BEGUN,
                     json_pack("{s:O}", "stored", stored)) < 0)
        return -1;
    for (i = 0; i < desired->vm_count; i++) {
        if (v1_api_audit(request, desired->vms[i]->vm.name, action_of(request), AUDIT_LOG_BEGUN,
                         NULL) < 0)
            return -1;
    }
    return 0;
}

static void store(struct v1_request *request, const struct document_list *list, bool wait)
{
    struct error error = ERROR_INIT;
    struct v1_plan plan;

    if (v1_plan_open(&plan, true, &error) < 0 ||
        desired_take(&plan.desired, list, NULL, true, &error) < 0)
        fail(request, &error);
    else if (v1_api_audit(request, NULL, action_of(request), "done", NULL) == 0)
        follow_all(request, &plan.desired, wait);
    v1_plan_close(&plan);
}

void v1_manifests_apply(struct v1_request *request)
{
    struct document_list list = {0};
    struct v1_plan plan = {.audit = NULL};
    bool wait;

    if (v1_api_flag(request, "wait", &wait) < 0)
        return;
    if (take(request, &plan, &list) == 0 && audit_all(request, &plan.desired) == 0)
        store(request, &list, wait);
    v1_plan_close(&plan);
    document_list_free(&list);
}

/* ---- PATCH /v1/vms/{name} ---- */

struct patching {
    const struct v1_request *request;
    const json_t *patch;
};

static json_t *patched(const json_t *object, const void *user, struct error *error)
{
    const struct patching *patching = user;
    const struct v1_request *request = patching->request;
    AUTO_JSON json_t *changed = NULL;

    if (strcmp(request->type, V1_API_JSON_PATCH) == 0)
        changed = patch_json(object, patching->patch, error);
    else if (json_is_object(patching->patch))
        changed = patch_merge(object, patching->patch, error);
    else
        (void)error_set(error, ERROR_INVALID, "for a list of operations say " V1_API_JSON_PATCH,
                        "a merge patch is a part of the object");
    if (changed != NULL && manifest_rights_change(object, changed) &&
        need(request, NULL, ROLE_ADMINISTRATOR, error) < 0)
        return NULL;
    return STEAL(changed);
}

/* Returns 0, or -1: that has been answered. */
static int change(struct v1_request *request, struct v1_plan *plan, bool save)
{
    struct error error = ERROR_INIT;
    struct document patch = {.source = NULL};
    size_t size;
    const char *text = http_request_body(request->http, &size);
    struct patching patching = {.request = request};
    int status = v1_plan_open(plan, false, &error);

    if (status == 0)
        status = yaml_read_value(&patch, "the patch", text, size, &error);
    patching.patch = patch.root;
    if (status == 0)
        status = desired_change(&plan->desired, request->name, patched, &patching, save, &error);
    document_free(&patch);
    if (status == 0)
        return 0;
    return refuse(request, &error);
}

static void patch_and_store(struct v1_request *request, bool wait)
{
    struct v1_plan plan = {.audit = NULL};

    if (v1_api_audit(request, request->name, action_of(request), AUDIT_LOG_BEGUN, NULL) == 0 &&
        change(request, &plan, true) == 0)
        follow_all(request, &plan.desired, wait);
    v1_plan_close(&plan);
}

void v1_manifests_patch(struct v1_request *request)
{
    struct planning *planning;
    bool wait, dry_run;

    if (v1_api_flag(request, "wait", &wait) < 0 ||
        v1_api_flag(request, "dry_run", &dry_run) < 0 || v1_api_vm(request) == NULL)
        return;
    if (!dry_run) {
        patch_and_store(request, wait);
        return;
    }
    planning = begin_planning(request);
    if (planning != NULL && change(request, &planning->plan, false) == 0)
        plan_next(request);
}

/* ---- DELETE /v1/vms/{name} ---- */

/* QEMU goes on, and is nobody's. */
void v1_manifests_forget(struct v1_request *request)
{
    struct error error = ERROR_INIT;
    struct v1_plan plan;

    if (v1_api_vm(request) == NULL ||
        v1_api_audit(request, request->name, NULL, AUDIT_LOG_BEGUN, NULL) < 0)
        return;
    if (v1_plan_open(&plan, false, &error) < 0 ||
        desired_forget(&plan.desired, request->name, &error) < 0) {
        fail(request, &error);
    } else {
        (void)fleet_look(request->daemon->fleet, request->name, NULL);
        if (v1_api_audit(request, request->name, NULL, "done", NULL) == 0)
            v1_api_answer(request, 200, json_pack("{s:s}", "vm", request->name));
    }
    v1_plan_close(&plan);
}
