/* SPDX-License-Identifier: MIT */
/*
 * plan, apply, patch and get where --api-socket says which daemon is meant: its manifests, which
 * it keeps and goes by itself, and what it does with them. A program of its own, vmplug-remote.
 * The daemon goes on when nobody waits any more.
 */
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "cli/ladder.h"
#include "cli/manifest_run.h"
#include "cli/manifest_show.h"
#include "cli/remote_http.h"
#include "cli/report.h"
#include "cli/result_read.h"
#include "manifest/files.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "vmm/result_json.h"
#include "vmm/vm_directory.h"

#define YAML "application/yaml"
#define PATH_BYTES 256

static int fail(struct invocation *invocation, struct error *error)
{
    if (error->code != ERROR_INVALID)
        return report_failure(invocation, report_verdict(error, false), error);
    if (error->fix[0] == '\0')
        error_advise(error, "see man vmplug-manifest");
    return report_mistake(invocation, error);
}

static json_t *ask(const struct invocation *invocation, const char *method, const char *path,
                   const char *type, const char *body, struct error *error)
{
    const struct remote_question question = {.socket = invocation->options.api_socket,
                                             .method = method,
                                             .path = path,
                                             .type = type,
                                             .body = body};

    return remote_http_ask(&question, error);
}

static json_t *get(const struct invocation *invocation, const char *path, struct error *error)
{
    return ask(invocation, "GET", path, NULL, NULL, error);
}

/* ---- what is sent ---- */

/* The daemon sees to all else; these are of a plan that is made here. */
static int check_options(const struct options *options, struct error *error)
{
    static const enum option_key keys[] = {OPTION_QMP, OPTION_AGENT, OPTION_WAIT, OPTION_FORCE,
                                           OPTION_DRY_RUN};
    size_t i;

    for (i = 0; i < COUNT_OF(keys); i++) {
        if (options_given(options, keys[i]))
            return error_set(error, ERROR_INVALID, "leave it out; see vmplug plan --api-socket",
                             "--%s is nothing that --api-socket goes with",
                             options_spec(keys[i])->name);
    }
    return 0;
}

static int append(struct buffer *body, const json_t *object)
{
    return buffer_append(body, "---\n", 4) < 0 || codec_append(body, object) < 0 ||
                   buffer_append(body, "\n", 1) < 0
               ? -1
               : 0;
}

/* All documents of --file, which are found to be YAML or JSON here. */
static int read_body(const struct options *options, struct buffer *body, struct error *error)
{
    struct document_list list = {0};
    int status = 0;
    size_t i;

    for (i = 0; i < options->file_count && status == 0; i++)
        status = files_read(&list, options->files[i], error);
    for (i = 0; i < list.count && status == 0; i++) {
        status = append(body, list.items[i].root);
        if (status < 0)
            (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
    }
    document_list_free(&list);
    return status == 0 && buffer_append(body, "", 1) < 0
               ? error_set(error, ERROR_SYSTEM, "", "out of memory")
               : status;
}

static void tell_notes(const json_t *answer)
{
    const json_t *notes = field_array(answer, "notes"), *note;
    size_t i;

    json_array_foreach(notes, i, note) {
        if (json_is_string(note))
            fprintf(stderr, "vmplug: %s\n", json_string_value(note));
    }
}

/* ---- plan ---- */

static int show_plans(struct invocation *invocation, const json_t *plans, const char *comes)
{
    const json_t *plan;
    int exit_code = 0;
    size_t i;

    json_array_foreach(plans, i, plan)
        exit_code = manifest_show_worse(exit_code,
                                        manifest_show_plan(&invocation->out, plan, comes));
    return exit_code;
}

/* NULL: that has been reported. */
static json_t *ask_plans(struct invocation *invocation, const char *body, int *ret_exit_code)
{
    const char *name = invocation->options.vm_name;
    struct error error = ERROR_INIT;
    char path[PATH_BYTES];
    json_t *answer, *plan;

    (void)snprintf(path, sizeof(path), "/v1/vms/%s/plan", name != NULL ? name : "");
    if (invocation->options.file_count > 0) {
        answer = ask(invocation, "POST", "/v1/plan", YAML, body, &error);
    } else {
        plan = get(invocation, path, &error);
        answer = plan != NULL ? json_pack("{s:[o]}", "plans", plan) : NULL;
    }
    if (answer == NULL)
        *ret_exit_code = fail(invocation, &error);
    return answer;
}

static int remote_plan(struct invocation *invocation)
{
    struct buffer body = {0};
    struct error error = ERROR_INIT;
    AUTO_JSON json_t *answer = NULL;
    int exit_code = 0;

    if (read_body(&invocation->options, &body, &error) < 0)
        exit_code = fail(invocation, &error);
    else
        answer = ask_plans(invocation, buffer_bytes(&body), &exit_code);
    buffer_free(&body);
    if (answer == NULL)
        return exit_code;
    tell_notes(answer);
    return show_plans(invocation, field_array(answer, "plans"),
                      "nothing changes before its next launch");
}

/* ---- what was done ---- */

static void show_result(struct ladder *ladder, const json_t *object)
{
    struct operation_result result;
    size_t i;

    if (ladder->out->json)
        output_json(ladder->out, object, 0);
    if (result_read_operation(object, &result)) {
        ladder_begin(ladder);
        for (i = 0; i < result.stage_count; i++)
            ladder_stage(ladder, &result, &result.stages[i]);
        ladder_result(ladder, &result);
    }
    json_decref(result.details);
}

static int show_end(const struct invocation *invocation, struct ladder *ladder,
                    const json_t *operation)
{
    const json_t *summary = field_object(operation, "summary");
    const json_t *problem = field_object(operation, "error");
    struct error error = ERROR_INIT;
    struct batch_result end;
    unsigned exit_code = 1;

    if (ladder->out->json && summary != NULL)
        output_json(ladder->out, summary, 0);
    if (result_read_summary(summary, &end)) {
        ladder_summary(ladder, &end);
        exit_code = (unsigned)verdict_exit_code(end.verdict);
    }
    (void)field_unsigned(operation, "exit_code", &exit_code);
    if (exit_code == 0 || problem == NULL)
        return (int)exit_code;
    if (end.asked > 1)
        (void)error_set(&error, ERROR_SYSTEM, "", "%ju of %ju done: %s", (uintmax_t)end.done,
                        (uintmax_t)end.asked, field_string(problem, "message", ""));
    else
        (void)error_set(&error, ERROR_SYSTEM, "", "%s", field_string(problem, "message", ""));
    error_advise(&error, "%s", field_string(problem, "fix", ""));
    report_line(invocation->command->name, &error);
    return (int)exit_code;
}

static int show_operation(struct invocation *invocation, const json_t *operation)
{
    const json_t *results = field_array(operation, "results"), *result;
    struct ladder ladder = {.out = &invocation->out, .type = OPERATION_CPU_ADD};
    size_t i;

    ladder_begin(&ladder);
    json_array_foreach(results, i, result)
        show_result(&ladder, result);
    return show_end(invocation, &ladder, operation);
}

/* Of what is blocked, which each VM's plan says. */
static void show_blocks(struct invocation *invocation, const json_t *plan)
{
    const json_t *blocks = field_array(plan, "blocked"), *block;
    char name[COMMAND_NAME_MAX];
    struct error error = ERROR_INIT;
    json_t *object;
    size_t i;

    manifest_show_blocks(&invocation->out, plan);
    json_array_foreach(blocks, i, block) {
        (void)error_set(&error, ERROR_BLOCKED, "", "%s", field_string(block, "reason", ""));
        error_advise(&error, "%s", field_string(block, "fix", ""));
        object = result_json_failure(report_name_operation(invocation->command, name), NULL,
                                     VERDICT_BLOCKED, &error);
        field_set(&object, "path", json_incref(json_object_get(block, "path")));
        field_set(&object, "restart_required",
                  json_boolean(field_bool(block, "restart_required", false)));
        if (invocation->out.json)
            output_json(&invocation->out, object, 0);
        json_decref(object);
    }
}

/* plans: what there was to do, in the same order. */
static int show_done(struct invocation *invocation, const json_t *answer, const json_t *plans)
{
    const json_t *vms = field_array(answer, "vms"), *vm, *operation;
    int exit_code = 0, one;
    size_t i;

    tell_notes(answer);
    json_array_foreach(vms, i, vm) {
        operation = field_object(vm, "operation");
        if (operation == NULL) {
            one = manifest_show_plan(&invocation->out, json_array_get(plans, i),
                                     "it is stored, and its next launch goes by it");
        } else {
            show_blocks(invocation, json_array_get(plans, i));
            one = show_operation(invocation, operation);
        }
        exit_code = manifest_show_worse(exit_code, one);
    }
    return exit_code;
}

static void show_stored(struct invocation *invocation, const json_t *answer)
{
    const json_t *stored = field_array(answer, "stored"), *one;
    AUTO_JSON json_t *nothing = json_pack("{s:b, s:s, s:i, s:i, s:f}", "summary", true, "verdict",
                                          "done", "asked", 0, "done", 0, "elapsed_ms", 0.0);
    size_t i;

    json_array_foreach(stored, i, one) {
        if (strcmp(field_string(one, "kind", ""), "VirtualMachine") != 0)
            output_print(&invocation->out, "%s %s: stored\n", field_string(one, "kind", ""),
                         field_string(one, "name", ""));
    }
    if (invocation->out.json && json_array_size(field_array(answer, "vms")) == 0)
        output_json(&invocation->out, nothing, 0);
}

static int change(struct invocation *invocation, const char *method, const char *path,
                  const char *type, const char *body, const json_t *plans)
{
    struct error error = ERROR_INIT;
    AUTO_JSON json_t *answer = ask(invocation, method, path, type, body, &error);

    if (answer == NULL)
        return fail(invocation, &error);
    show_stored(invocation, answer);
    return show_done(invocation, answer, plans);
}

/* ---- apply, patch ---- */

static int remote_apply(struct invocation *invocation)
{
    const char *name = invocation->options.vm_name;
    struct buffer body = {0};
    struct error error = ERROR_INIT;
    AUTO_JSON json_t *plans = NULL;
    char path[PATH_BYTES];
    int exit_code = 0;

    if (read_body(&invocation->options, &body, &error) < 0)
        exit_code = fail(invocation, &error);
    else
        plans = ask_plans(invocation, buffer_bytes(&body), &exit_code);
    (void)snprintf(path, sizeof(path), "/v1/vms/%s?wait=true", name != NULL ? name : "");
    if (plans != NULL && invocation->options.file_count > 0)
        exit_code = change(invocation, "POST", "/v1/apply?wait=true", YAML, buffer_bytes(&body),
                           field_array(plans, "plans"));
    else if (plans != NULL) /* what is stored stays as it is */
        exit_code = change(invocation, "PATCH", path, "application/merge-patch+json", "{}",
                           field_array(plans, "plans"));
    buffer_free(&body);
    return exit_code;
}

/* Whoever may not is told by the first question, which changes nothing. */
static int remote_patch(struct invocation *invocation)
{
    const struct options *options = &invocation->options;
    const char *type = options->merge_patch ? "application/merge-patch+json"
                                            : "application/json-patch+json";
    struct error error = ERROR_INIT;
    char path[PATH_BYTES];
    AUTO_JSON json_t *plans = NULL;

    if (vm_directory_check_name(invocation->operands[0], &error) < 0)
        return fail(invocation, &error);
    (void)snprintf(path, sizeof(path), "/v1/vms/%s?dry_run=true", invocation->operands[0]);
    plans = ask(invocation, "PATCH", path, type, options->patch, &error);
    if (plans == NULL)
        return fail(invocation, &error);
    (void)snprintf(path, sizeof(path), "/v1/vms/%s?wait=true", invocation->operands[0]);
    return change(invocation, "PATCH", path, type, options->patch, field_array(plans, "plans"));
}

/* ---- get ---- */

static json_t *get_one(const struct invocation *invocation, const char *name, bool instance,
                       struct error *error)
{
    char path[PATH_BYTES];

    if (vm_directory_check_name(name, error) < 0)
        return NULL;
    (void)snprintf(path, sizeof(path), "/v1/vms/%s%s", name, instance ? "/instance" : "");
    return get(invocation, path, error);
}

/* Those of a page, behind the others; a VMI only of what runs. Returns 0 at the end, 1 where there
 * is another page, or -1. */
static int list_page(const struct invocation *invocation, bool instance, json_t *items,
                     char path[PATH_BYTES], struct error *error)
{
    AUTO_JSON json_t *page = get(invocation, path, error);
    const char *after = field_string(page, "after", NULL);
    const json_t *vm;
    json_t *object;
    size_t i;

    if (page == NULL)
        return -1;
    json_array_foreach(field_array(page, "vms"), i, vm) {
        if (instance && strcmp(field_string(vm, "state", ""), "ready") != 0)
            continue;
        object = get_one(invocation, field_string(vm, "name", ""), instance, error);
        if (object == NULL)
            return -1;
        (void)json_array_append_new(items, object);
    }
    (void)snprintf(path, PATH_BYTES, "/v1/vms?after=%s", after != NULL ? after : "");
    return after != NULL ? 1 : 0;
}

static json_t *get_all(const struct invocation *invocation, bool instance, struct error *error)
{
    json_t *items = json_array();
    char path[PATH_BYTES] = "/v1/vms";
    int status;

    do {
        status = list_page(invocation, instance, items, path, error);
    } while (status > 0);
    if (status == 0)
        return json_pack("{s:s, s:s, s:o}", "apiVersion", "v1", "kind", "List", "items", items);
    json_decref(items);
    return NULL;
}

static int show(struct invocation *invocation, bool instance)
{
    const char *name = invocation->operand_count > 0 ? invocation->operands[0]
                                                     : invocation->options.vm_name;
    struct error error = ERROR_INIT;
    AUTO_JSON json_t *object = name != NULL ? get_one(invocation, name, instance, &error)
                                            : get_all(invocation, instance, &error);

    return object != NULL ? manifest_show_object(invocation, object, instance)
                          : fail(invocation, &error);
}

static int remote_get_vm(struct invocation *invocation)
{
    return show(invocation, false);
}

static int remote_get_vmi(struct invocation *invocation)
{
    return show(invocation, true);
}

/* ---- all ---- */

int manifest_run(struct invocation *invocation)
{
    static const struct {
        const char *command;
        int (*run)(struct invocation *invocation);
    } parts[] = {
        {"plan", remote_plan},     {"apply", remote_apply},     {"patch vm", remote_patch},
        {"get vm", remote_get_vm}, {"get vmi", remote_get_vmi},
    };
    struct error error = ERROR_INIT;
    size_t i;

    if (check_options(&invocation->options, &error) < 0)
        return fail(invocation, &error);
    for (i = 0; i < COUNT_OF(parts); i++) {
        if (strcmp(parts[i].command, invocation->command->name) == 0)
            return parts[i].run(invocation);
    }
    return 1; /* no other takes --api-socket */
}
