/* SPDX-License-Identifier: MIT */
/* What there is of VMs to see, and whether they run. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "daemon/fleet.h"
#include "daemon/v1_handlers.h"
#include "daemon/v1_plan.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "vmm/status_json.h"

#define PAGE 1000
#define PAGE_MAX 10000

/* ---- GET /v1/vms ---- */

struct listing {
    const struct v1_request *request;
    const char *after; /* names up to this one are left out */
    struct held_vm **vms;
    size_t count;
};

static void list_one(void *user, struct held_vm *held)
{
    struct listing *listing = user;
    const char *name = held_vm_name(held);

    if (strcmp(name, listing->after) > 0 && v1_api_may(listing->request, name, ROLE_VIEWER))
        listing->vms[listing->count++] = held;
}

static int compare(const void *one, const void *other)
{
    return strcmp(held_vm_name(*(struct held_vm *const *)one),
                  held_vm_name(*(struct held_vm *const *)other));
}

static json_t *describe(const struct held_vm *held)
{
    const struct error *failure = held_vm_failure(held);
    json_t *object =
        json_pack("{s:s, s:s, s:o}", "name", held_vm_name(held), "state",
                  held_vm_state_name(held_vm_state(held)), "conditions",
                  held_vm_conditions(held));

    if (failure->code != ERROR_NONE)
        field_set(&object, "message", codec_string(failure->why));
    return object;
}

void v1_vms_list(struct v1_request *request)
{
    const char *after = http_request_parameter(request->http, "after");
    AUTO_FREE struct held_vm **vms =
        calloc(fleet_count(request->daemon->fleet) + 1, sizeof(struct held_vm *));
    struct listing listing = {
        .request = request, .after = after != NULL ? after : "", .vms = vms};
    json_t *items = json_array(), *list;
    uint64_t limit = PAGE;
    size_t i;

    if (vms != NULL && v1_api_number(request, "limit", 1, PAGE_MAX, &limit) < 0) {
        json_decref(items);
        return;
    }
    if (vms != NULL) {
        fleet_foreach(request->daemon->fleet, list_one, &listing);
        qsort(vms, listing.count, sizeof(*vms), compare);
    }
    for (i = 0; i < listing.count && i < limit; i++)
        field_append(&items, describe(vms[i]));
    list = json_pack("{s:o}", "vms", items);
    if (i < listing.count)
        field_set(&list, "after", json_string(held_vm_name(vms[i - 1])));
    v1_api_answer(request, 200, vms != NULL ? list : NULL);
}

/* ---- what a manifest and a VM come to ---- */

enum view { VIEW_VM, VIEW_INSTANCE, VIEW_PLAN };

static json_t *make_view(const struct v1_request *request, const struct v1_plan *plan,
                         enum view view, const char *why)
{
    const struct held_vm *held = fleet_find(request->daemon->fleet, request->name);

    if (view == VIEW_PLAN)
        return v1_plan_json(plan, plan->input.inventory != NULL);
    if (view == VIEW_INSTANCE)
        return v1_plan_instance(plan);
    return v1_plan_vm(plan, why, held != NULL ? held_vm_conditions(held) : NULL);
}

/* inventory: NULL: the VM is not ready, and why is a reason or NULL. */
static void show(struct v1_request *request, const struct inventory *inventory, enum view view,
                 const char *why)
{
    struct error error = ERROR_INIT;
    struct v1_plan plan;

    if (v1_plan_open(&plan, false, &error) < 0 ||
        desired_take_stored(&plan.desired, request->name, &error) < 0 ||
        v1_plan_make(&plan, plan.desired.vms[0], request->job.vm, inventory, &error) < 0)
        v1_api_fail_error(request, &error);
    else
        v1_api_answer(request, 200, make_view(request, &plan, view, why));
    v1_plan_close(&plan);
}

static void show_vm(struct v1_request *request, const struct inventory *inventory)
{
    show(request, inventory, VIEW_VM, NULL);
}

static void show_instance(struct v1_request *request, const struct inventory *inventory)
{
    show(request, inventory, VIEW_INSTANCE, NULL);
}

static void show_plan(struct v1_request *request, const struct inventory *inventory)
{
    show(request, inventory, VIEW_PLAN, NULL);
}

void v1_vms_get(struct v1_request *request)
{
    struct held_vm *held = v1_api_vm(request);

    if (held == NULL)
        return;
    if (held_vm_state(held) == HELD_READY)
        v1_api_look(request, held, PLAN_PARTS, show_vm);
    else if (held_vm_state(held) == HELD_ABSENT)
        show(request, NULL, VIEW_VM, NULL);
    else
        show(request, NULL, VIEW_VM, held_vm_failure(held)->code != ERROR_NONE
                                         ? held_vm_failure(held)->why
                                         : "its monitor has yet to answer");
}

void v1_vms_instance(struct v1_request *request)
{
    struct held_vm *held = v1_api_ready_vm(request);

    if (held != NULL)
        v1_api_look(request, held, PLAN_PARTS, show_instance);
}

void v1_vms_plan(struct v1_request *request)
{
    struct held_vm *held = v1_api_vm(request);

    if (held != NULL && held_vm_state(held) == HELD_ABSENT)
        show(request, NULL, VIEW_PLAN, NULL);
    else if (held != NULL && v1_api_ready_vm(request) != NULL)
        v1_api_look(request, held, PLAN_PARTS, show_plan);
}

/* ---- GET /v1/vms/{name}/status ---- */

static void show_status(struct v1_request *request, const struct inventory *inventory)
{
    v1_api_answer(request, 200, status_json(inventory));
}

void v1_vms_status(struct v1_request *request)
{
    struct held_vm *held = v1_api_ready_vm(request);

    if (held != NULL)
        v1_api_look(request, held, STATUS_PARTS, show_status);
}

/* ---- pause and resume ---- */

/* Whether it is so is QEMU's word, after and before. */
struct turn {
    bool to_run, changed;
};

static void ask(struct v1_request *request, const char *command, vm_job_reply_fn *then)
{
    vm_job_ask(&request->job, command, NULL, then);
}

static void end_turn(struct v1_request *request, const char *state, const struct error *error)
{
    const struct turn *turn = request->state;
    bool is_so = state != NULL && strcmp(state, turn->to_run ? "running" : "paused") == 0;
    struct error problem;

    vm_job_end(&request->job);
    if (v1_api_audit(request, request->name, NULL, is_so ? "done" : "error", NULL) < 0)
        return;
    if (error != NULL) {
        v1_api_fail_error(request, error);
    } else if (is_so) {
        v1_api_answer(request, 200, json_pack("{s:s, s:s, s:b}", "vm", request->name, "status",
                                              state, "changed", (int)turn->changed));
    } else {
        (void)error_set(&problem, ERROR_REJECTED, "", "the VM is '%s'", state);
        v1_api_fail(request, 409, "blocked", problem.why, "see its status for why");
    }
}

static void on_proof(void *user, const json_t *value, const struct error *error)
{
    end_turn(user, error != NULL ? NULL : field_string(value, "status", "unknown"), error);
}

static void on_changed(void *user, const json_t *value, const struct error *error)
{
    (void)value;
    if (error != NULL)
        end_turn(user, NULL, error);
    else
        ask(user, "query-status", on_proof);
}

static void on_status(void *user, const json_t *value, const struct error *error)
{
    struct v1_request *request = user;
    struct turn *turn = request->state;
    const char *state = field_string(value, "status", "unknown");

    if (error != NULL || strcmp(state, turn->to_run ? "running" : "paused") == 0) {
        end_turn(request, error != NULL ? NULL : state, error);
        return;
    }
    turn->changed = true;
    ask(request, turn->to_run ? "cont" : "stop", on_changed);
}

static void run_turn(void *user)
{
    ask(user, "query-status", on_status);
}

static void on_turn_failed(void *user, const struct error *error)
{
    struct v1_request *request = user;

    if (v1_api_audit(request, request->name, NULL, "error", NULL) == 0)
        v1_api_fail_error(request, error);
}

static void begin_turn(struct v1_request *request, bool to_run)
{
    struct held_vm *held = v1_api_ready_vm(request);
    struct error error = ERROR_INIT;
    struct turn *turn;

    if (held == NULL || v1_api_audit(request, request->name, NULL, "begun", NULL) < 0)
        return;
    turn = calloc(1, sizeof(*turn));
    request->state = turn;
    request->free_state = free;
    request->job = (struct vm_job){.name = request->route->operation_id,
                                   .changes = true,
                                   .run = run_turn,
                                   .failed = on_turn_failed,
                                   .user = request};
    if (turn == NULL)
        (void)error_set(&error, ERROR_SYSTEM, "try again later", "out of memory");
    else
        turn->to_run = to_run;
    if (turn == NULL || vm_jobs_add(held_vm_jobs(held), &request->job, &error) < 0)
        v1_api_fail_error(request, &error);
}

void v1_vms_pause(struct v1_request *request)
{
    begin_turn(request, false);
}

void v1_vms_resume(struct v1_request *request)
{
    begin_turn(request, true);
}
