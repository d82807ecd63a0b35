/* SPDX-License-Identifier: MIT */
/* plan, apply, patch. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/manifest_context.h"
#include "cli/manifest_parts.h"
#include "cli/manifest_show.h"
#include "cli/perform.h"
#include "cli/report.h"
#include "manifest/apply.h"
#include "manifest/layout.h"
#include "manifest/patch.h"
#include "manifest/run_directory.h"
#include "manifest/yaml_read.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "vmm/result_json.h"

#define EXIT_INTERRUPTED 130
#define LAYOUT_MS 5000

/* ---- plan ---- */

static json_t *named_plan(const struct manifest_context *context)
{
    json_t *object = plan_json(&context->plan);

    if (context->vm->vm.name != NULL)
        field_set(&object, "vm", json_string(context->vm->vm.name));
    return object;
}

static int print_plan(struct invocation *invocation)
{
    AUTO_JSON json_t *plan = named_plan(invocation->user);

    return manifest_show_plan(&invocation->out, plan, "");
}

static int tell_absent(struct invocation *invocation, const char *comes)
{
    AUTO_JSON json_t *plan = named_plan(invocation->user);

    field_set(&plan, "running", json_false());
    return manifest_show_plan(&invocation->out, plan, comes);
}

static int tell_not_running(struct invocation *invocation)
{
    return tell_absent(invocation, "nothing changes before its next launch");
}

/* Each VM that was named in turn. */
static int for_each_vm(struct invocation *invocation, int (*run)(struct invocation *invocation),
                       int (*absent)(struct invocation *invocation))
{
    struct manifest_context *context = invocation->user;
    struct manifest_sockets sockets;
    int exit_code = 0, one;
    size_t i;

    for (i = 0; i < context->desired.vm_count && exit_code != EXIT_INTERRUPTED; i++) {
        if (manifest_context_find(invocation, context->desired.vms[i], false, &sockets))
            one = manifest_context_run(invocation, context->desired.vms[i], false, run);
        else
            one = manifest_context_run_absent(invocation, context->desired.vms[i], absent);
        exit_code = manifest_show_worse(exit_code, one);
    }
    return exit_code;
}

/* What VMs rest on changes none by itself. */
static void tell_no_vm(struct invocation *invocation)
{
    AUTO_JSON json_t *object = json_pack("{s:[], s:[]}", "operations", "blocked");

    if (invocation->out.json)
        output_json(&invocation->out, object, 0);
    output_print(&invocation->out, "nothing to do: there is no VirtualMachine among them\n");
}

int manifest_plan(struct invocation *invocation)
{
    struct manifest_context context;
    int exit_code = manifest_context_open(invocation, &context, false);

    if (exit_code == 0)
        exit_code = manifest_context_take(invocation, false);
    if (exit_code == 0 && context.desired.vm_count == 0)
        tell_no_vm(invocation);
    if (exit_code == 0)
        exit_code = for_each_vm(invocation, print_plan, tell_not_running);
    manifest_context_close(&context);
    return exit_code;
}

/* ---- apply ---- */

struct work {
    const struct plan *plan;
    struct operation_request pattern;
};

static void *start_apply(const struct perform_work *performed, struct vm *vm,
                         const struct batch_observer *observer, struct error *error)
{
    const struct work *work = performed->what;

    return apply_start(vm, work->plan, &work->pattern, observer, error);
}

static void interrupt_apply(void *apply)
{
    apply_interrupt(apply);
}

static void free_apply(void *apply)
{
    apply_free(apply);
}

/* So that the next launch has disks where they are now. */
static void record_layout(struct invocation *invocation)
{
    struct manifest_context *context = invocation->user;
    const char *name = context->vm->vm.name;
    struct error error = ERROR_INIT;

    if (name != NULL && run_directory_is_launched(name, NULL) &&
        layout_record(invocation->session.vm, &context->desired.store, name, LAYOUT_MS, &error) < 0)
        report_line("the places of disks for the next launch", &error);
}

/* Each is an object of its own, as what is done is. */
static void print_block_objects(struct invocation *invocation, const struct plan *plan)
{
    const struct plan_block *block;
    char operation[COMMAND_NAME_MAX];
    json_t *object;
    size_t i;

    (void)report_name_operation(invocation->command, operation);
    for (i = 0; i < plan->block_count; i++) {
        block = &plan->blocks[i];
        object = result_json_failure(operation, NULL, VERDICT_BLOCKED, &block->error);
        field_set(&object, "path", json_string(block->path));
        field_set(&object, "restart_required", json_boolean(block->restart));
        output_json(&invocation->out, object, 0);
        json_decref(object);
    }
}

static int carry_out(struct invocation *invocation)
{
    struct manifest_context *context = invocation->user;
    const struct plan *plan = &context->plan;
    AUTO_JSON json_t *object = plan_json(plan);
    int exit_code;
    const struct work work = {
        .plan = plan,
        .pattern = perform_request(invocation, OPERATION_CPU_ADD),
    };
    const struct perform_work performed = {
        .type = plan->step_count > 0 ? plan->steps[0].request.each.type : OPERATION_CPU_ADD,
        .start = start_apply,
        .interrupt = interrupt_apply,
        .free = free_apply,
        .what = &work,
    };

    if (invocation->out.json)
        print_block_objects(invocation, plan);
    else
        manifest_show_blocks(&invocation->out, object);
    exit_code = perform_work(invocation, &performed);
    if (plan->step_count > 0 && !invocation->options.dry_run &&
        exit_code != verdict_exit_code(VERDICT_LOST)) /* then there is nobody to ask */
        record_layout(invocation);
    return exit_code;
}

static int tell_for_launch(struct invocation *invocation)
{
    return tell_absent(invocation, invocation->options.dry_run
                                       ? "its next launch would go by what would be stored"
                                       : "it is stored, and its next launch goes by it");
}

int manifest_carry_out(struct invocation *invocation)
{
    return for_each_vm(invocation, carry_out, tell_for_launch);
}

/* What has no VM of its own is stored, and that is all. */
static void tell_stored(struct invocation *invocation)
{
    const struct manifest_context *context = invocation->user;
    const struct objects *objects = &context->desired.objects;
    const char *what = invocation->options.dry_run ? "would be stored" : "stored";
    AUTO_JSON json_t *nothing = json_pack("{s:b, s:s, s:i, s:i, s:f}", "summary", true, "verdict",
                                          "done", "asked", 0, "done", 0, "elapsed_ms", 0.0);
    const char *name;
    json_t *object;
    size_t kind;

    for (kind = 0; kind < KINDS_; kind++) {
        json_object_foreach(objects->given[kind], name, object) {
            if (kind != KIND_VIRTUAL_MACHINE)
                output_print(&invocation->out, "%s %s: %s\n", kind_name((enum kind)kind), name,
                             what);
        }
    }
    if (invocation->out.json && context->desired.vm_count == 0)
        output_json(&invocation->out, nothing, 0);
}

int manifest_apply(struct invocation *invocation)
{
    bool dry_run = invocation->options.dry_run;
    struct manifest_context context;
    int exit_code = manifest_context_open(invocation, &context, !dry_run);

    if (exit_code == 0)
        exit_code = manifest_context_take(invocation, !dry_run);
    if (exit_code == 0) {
        tell_stored(invocation);
        exit_code = manifest_carry_out(invocation);
    }
    manifest_context_close(&context);
    return exit_code;
}

/* ---- patch ---- */

static json_t *patched(const json_t *object, const void *user, struct error *error)
{
    const struct options *options = user;
    struct document patch;
    json_t *changed = NULL;

    if (yaml_read_value(&patch, "the patch", options->patch, strlen(options->patch), error) < 0)
        return NULL;
    if (!options->merge_patch)
        changed = patch_json(object, patch.root, error);
    else if (json_is_object(patch.root))
        changed = patch_merge(object, patch.root, error);
    else
        (void)error_set(error, ERROR_INVALID, "for a list of operations say --type json",
                        "a merge patch is a part of the object, in { and }");
    document_free(&patch);
    return changed;
}

int manifest_patch(struct invocation *invocation)
{
    return manifest_change(invocation, patched, &invocation->options);
}

/* One that is not stored is refused later. */
static int guard(struct invocation *invocation, struct error *error)
{
    struct desired desired;
    int status = 0;

    if (desired_open(&desired, false, NULL) == 0 &&
        desired_take_stored(&desired, invocation->operands[0], NULL) == 0)
        status = manifest_context_guard(invocation, &desired, error);
    desired_close(&desired);
    return status;
}

int manifest_change(struct invocation *invocation, desired_change_fn *change, const void *user)
{
    bool dry_run = invocation->options.dry_run;
    struct manifest_context context;
    struct error error = ERROR_INIT;
    int exit_code = manifest_context_open(invocation, &context, false);

    if (exit_code == 0 && !dry_run && guard(invocation, &error) < 0)
        exit_code = manifest_context_fail(invocation, &error);
    if (exit_code == 0 && desired_change(&context.desired, invocation->operands[0], change, user,
                                         !dry_run, &error) < 0)
        exit_code = manifest_context_fail(invocation, &error);
    manifest_context_tell_notes(&context);
    if (exit_code == 0)
        exit_code = manifest_carry_out(invocation);
    manifest_context_close(&context);
    return exit_code;
}
