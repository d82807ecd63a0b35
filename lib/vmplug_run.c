/* SPDX-License-Identifier: MIT */
/* Actions that are over when the call returns. */
#include <stdlib.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "lib/api_vm.h"

struct run {
    bool wants_text;
    bool failed; /* memory ran out over the text */
    bool ended;
    int verdict;
    struct buffer text;
    struct vmplug_error error;
};

static void append(struct run *run, const char *json)
{
    const char *before = buffer_size(&run->text) == 0 ? "[" : ",";

    if (run->wants_text && (json == NULL || buffer_append(&run->text, before, 1) < 0 ||
                            buffer_append(&run->text, json, strlen(json)) < 0))
        run->failed = true;
}

static void on_device(void *user, struct vmplug_result *result)
{
    struct run *run = user;

    append(run, run->wants_text ? vmplug_result_json(result) : NULL);
}

static void on_done(void *user, struct vmplug_result *result)
{
    struct run *run = user;

    run->ended = true;
    run->verdict = vmplug_result_verdict(result);
    run->error = *vmplug_result_error(result);
    if (result->whole->summary)
        append(run, run->wants_text ? vmplug_result_json(result) : NULL);
}

static bool has_ended(void *user)
{
    return ((const struct run *)user)->ended;
}

/* The text is the caller's, or NULL. */
static char *finish_text(struct run *run)
{
    char *text = NULL;

    if (!run->failed && buffer_size(&run->text) > 0 && buffer_append(&run->text, "]", 2) == 0)
        text = strdup(buffer_bytes(&run->text));
    buffer_free(&run->text);
    return text;
}

int vmplug_run(struct vmplug_vm *vm, const struct vmplug_request *request, char **ret_json,
               struct vmplug_error *error)
{
    struct run run = {.wants_text = ret_json != NULL, .verdict = VMPLUG_FAILED};
    const struct vmplug_observer observer = {.struct_bytes = sizeof(observer),
                                             .device = on_device,
                                             .done = on_done,
                                             .user = &run};
    struct vmplug_operation *operation;

    if (ret_json != NULL)
        *ret_json = NULL;
    operation = vmplug_operation_start(vm, request, &observer, &run.error);
    if (operation != NULL)
        (void)api_vm_run(vm, has_ended, &run);
    else if (run.error.code == VMPLUG_ERROR_BLOCKED)
        run.verdict = VMPLUG_BLOCKED;
    vmplug_operation_free(operation);
    if (ret_json != NULL)
        *ret_json = finish_text(&run);
    if (!vmplug_verdict_is_success(run.verdict) && error != NULL)
        *error = run.error;
    return run.verdict;
}

/* ---- the usual ones ---- */

static struct vmplug_request basic(enum vmplug_action action, double timeout_ms)
{
    return (struct vmplug_request){.struct_bytes = sizeof(struct vmplug_request),
                                   .action = (int)action,
                                   .timeout_ms = timeout_ms};
}

/* One device, by its name. */
static int run_one(struct vmplug_vm *vm, struct vmplug_request request, const char *name,
                   char **ret_json, struct vmplug_error *error)
{
    request.names = &name;
    request.name_count = 1;
    return vmplug_run(vm, &request, ret_json, error);
}

int vmplug_cpu_add(struct vmplug_vm *vm, unsigned count, double timeout_ms, char **ret_json,
                   struct vmplug_error *error)
{
    struct vmplug_request request = basic(VMPLUG_CPU_ADD, timeout_ms);

    request.count = count;
    return vmplug_run(vm, &request, ret_json, error);
}

int vmplug_cpu_set(struct vmplug_vm *vm, unsigned count, double timeout_ms, char **ret_json,
                   struct vmplug_error *error)
{
    struct vmplug_request request = basic(VMPLUG_CPU_SET, timeout_ms);

    request.count = count;
    return vmplug_run(vm, &request, ret_json, error);
}

int vmplug_cpu_remove(struct vmplug_vm *vm, const char *id, double timeout_ms, char **ret_json,
                      struct vmplug_error *error)
{
    return run_one(vm, basic(VMPLUG_CPU_REMOVE, timeout_ms), id, ret_json, error);
}

int vmplug_memory_add(struct vmplug_vm *vm, uint64_t bytes, double timeout_ms, char **ret_json,
                      struct vmplug_error *error)
{
    struct vmplug_request request = basic(VMPLUG_MEMORY_ADD, timeout_ms);

    request.bytes = bytes;
    return vmplug_run(vm, &request, ret_json, error);
}

int vmplug_memory_set(struct vmplug_vm *vm, uint64_t bytes, double timeout_ms, char **ret_json,
                      struct vmplug_error *error)
{
    struct vmplug_request request = basic(VMPLUG_MEMORY_SET, timeout_ms);

    request.bytes = bytes;
    return vmplug_run(vm, &request, ret_json, error);
}

int vmplug_memory_resize(struct vmplug_vm *vm, const char *id, uint64_t bytes, double timeout_ms,
                         char **ret_json, struct vmplug_error *error)
{
    struct vmplug_request request = basic(VMPLUG_MEMORY_RESIZE, timeout_ms);

    request.bytes = bytes;
    return run_one(vm, request, id, ret_json, error);
}

int vmplug_memory_remove(struct vmplug_vm *vm, const char *id, double timeout_ms, char **ret_json,
                         struct vmplug_error *error)
{
    return run_one(vm, basic(VMPLUG_MEMORY_REMOVE, timeout_ms), id, ret_json, error);
}

int vmplug_disk_add(struct vmplug_vm *vm, const char *file, double timeout_ms, char **ret_json,
                    struct vmplug_error *error)
{
    return run_one(vm, basic(VMPLUG_DISK_ADD, timeout_ms), file, ret_json, error);
}

int vmplug_disk_remove(struct vmplug_vm *vm, const char *id, double timeout_ms, char **ret_json,
                       struct vmplug_error *error)
{
    return run_one(vm, basic(VMPLUG_DISK_REMOVE, timeout_ms), id, ret_json, error);
}

int vmplug_disk_resize(struct vmplug_vm *vm, const char *id, uint64_t bytes, double timeout_ms,
                       char **ret_json, struct vmplug_error *error)
{
    struct vmplug_request request = basic(VMPLUG_DISK_RESIZE, timeout_ms);

    request.bytes = bytes;
    return run_one(vm, request, id, ret_json, error);
}

int vmplug_cdrom_insert(struct vmplug_vm *vm, const char *id, const char *file, double timeout_ms,
                        char **ret_json, struct vmplug_error *error)
{
    struct vmplug_request request = basic(VMPLUG_CDROM_INSERT, timeout_ms);

    request.file = file;
    return run_one(vm, request, id, ret_json, error);
}

int vmplug_cdrom_eject(struct vmplug_vm *vm, const char *id, double timeout_ms, char **ret_json,
                       struct vmplug_error *error)
{
    return run_one(vm, basic(VMPLUG_CDROM_EJECT, timeout_ms), id, ret_json, error);
}

int vmplug_wait(struct vmplug_vm *vm, const char *id, double timeout_ms, char **ret_json,
                struct vmplug_error *error)
{
    return run_one(vm, basic(VMPLUG_WAIT, timeout_ms), id, ret_json, error);
}
