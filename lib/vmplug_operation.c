/* SPDX-License-Identifier: MIT */
/*
 * A public request becomes a batch: of one device as of many. Everything that it borrows is copied
 * into the operation's own memory first, as one block of strings.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "lib/api_vm.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "vmm/batch.h"
#include "vmm/result_json.h"

#define NAMES_MAX 4096 /* as many as a batch deals with */

struct vmplug_operation {
    struct vmplug_observer observer;
    struct batch *batch;
    const char **names;
    char *id, *file, *format, *serial, *bus; /* copies */
};

_Static_assert(VMPLUG_FAILED == (int)VERDICT_ERROR && VMPLUG_PARTIAL == (int)VERDICT_PARTIAL &&
                   VMPLUG_UNCONFIRMED == (int)VERDICT_UNCONFIRMED,
               "the public numbers are the inner ones");
_Static_assert(VMPLUG_LEVEL_ONLINE == (int)RUNG_ONLINE + 1 &&
                   VMPLUG_BACKEND_FILE == (int)BACKEND_FILE,
               "the public numbers are the inner ones");

const char *vmplug_level_name(int level)
{
    return level > VMPLUG_LEVEL_HIGHEST && level <= VMPLUG_LEVEL_ONLINE
               ? rung_name((enum rung)(level - 1))
               : "";
}

const char *vmplug_verdict_name(int verdict)
{
    return verdict_name(verdict >= 0 && verdict < (int)VERDICTS_ ? (enum verdict)verdict
                                                                 : VERDICT_ERROR);
}

int vmplug_verdict_is_success(int verdict)
{
    return verdict >= 0 && verdict < (int)VERDICTS_ && verdict_is_success((enum verdict)verdict);
}

/* ---- results ---- */

static struct vmplug_result of_device(const struct operation_result *device)
{
    struct vmplug_result result = {.device = device};

    api_error(&device->error, &result.error);
    return result;
}

static struct vmplug_result of_whole(const struct batch_result *whole)
{
    struct vmplug_result result = {.whole = whole};

    api_error(&whole->error, &result.error);
    return result;
}

int vmplug_result_verdict(const struct vmplug_result *result)
{
    return (int)(result->device != NULL ? result->device->verdict : result->whole->verdict);
}

const char *vmplug_result_id(const struct vmplug_result *result)
{
    return result->device != NULL ? result->device->id : "";
}

int vmplug_result_level(const struct vmplug_result *result)
{
    const struct operation_result *device = result->device;

    if (device == NULL || device->stage_count == 0)
        return VMPLUG_LEVEL_HIGHEST;
    return (int)device->stages[device->stage_count - 1].rung + 1;
}

uint64_t vmplug_result_asked(const struct vmplug_result *result)
{
    return result->device != NULL ? 1 : result->whole->asked;
}

uint64_t vmplug_result_done(const struct vmplug_result *result)
{
    return result->device != NULL ? verdict_is_success(result->device->verdict)
                                  : result->whole->done;
}

const struct vmplug_error *vmplug_result_error(const struct vmplug_result *result)
{
    return &result->error;
}

const char *vmplug_result_json(struct vmplug_result *result)
{
    AUTO_JSON json_t *object = NULL;

    if (result->text != NULL)
        return result->text;
    object = result->device != NULL ? result_json_operation(result->device)
                                    : result_json_summary(result->whole);
    result->text = object != NULL ? codec_dump(object, 0) : NULL;
    return result->text;
}

/* ---- what the batch tells ---- */

static void on_stage(void *user, const struct operation_result *so_far,
                     const struct operation_stage *stage)
{
    const struct vmplug_operation *operation = user;
    struct vmplug_result result = of_device(so_far);

    (void)stage;
    if (operation->observer.stage != NULL)
        operation->observer.stage(operation->observer.user, &result);
    free(result.text);
}

static void on_device(void *user, const struct operation_result *device)
{
    const struct vmplug_operation *operation = user;
    struct vmplug_result result = of_device(device);

    if (operation->observer.device != NULL)
        operation->observer.device(operation->observer.user, &result);
    free(result.text);
}

/* The operation may be gone when its owner has heard of it. */
static void on_done(void *user, const struct batch_result *whole)
{
    const struct vmplug_operation *operation = user;
    struct vmplug_result result = of_whole(whole);

    if (operation->observer.done != NULL)
        operation->observer.done(operation->observer.user, &result);
    free(result.text);
}

/* ---- from a request to a batch ---- */

struct action {
    enum batch_goal goal;
    enum operation_type type;
    size_t names_min, names_max;
};

static const struct action actions[] = {
    [VMPLUG_CPU_ADD] = {BATCH_COUNT, OPERATION_CPU_ADD, 0, 0},
    [VMPLUG_CPU_SET] = {BATCH_CPUS, OPERATION_CPU_ADD, 0, 0},
    [VMPLUG_CPU_REMOVE] = {BATCH_COUNT, OPERATION_CPU_REMOVE, 1, NAMES_MAX},
    [VMPLUG_MEMORY_ADD] = {BATCH_COUNT, OPERATION_DIMM_ADD, 0, 0},
    [VMPLUG_MEMORY_SET] = {BATCH_MEMORY, OPERATION_DIMM_ADD, 0, 0},
    [VMPLUG_MEMORY_RESIZE] = {BATCH_COUNT, OPERATION_VIRTIO_MEM_RESIZE, 1, 1},
    [VMPLUG_MEMORY_REMOVE] = {BATCH_COUNT, OPERATION_DIMM_REMOVE, 1, NAMES_MAX},
    [VMPLUG_DISK_ADD] = {BATCH_COUNT, OPERATION_DISK_ADD, 1, NAMES_MAX},
    [VMPLUG_DISK_REMOVE] = {BATCH_COUNT, OPERATION_DISK_REMOVE, 1, NAMES_MAX},
    [VMPLUG_DISK_RESIZE] = {BATCH_COUNT, OPERATION_DISK_RESIZE, 1, 1},
    [VMPLUG_DISK_THROTTLE] = {BATCH_COUNT, OPERATION_DISK_THROTTLE, 1, 1},
    [VMPLUG_CDROM_INSERT] = {BATCH_COUNT, OPERATION_CDROM_INSERT, 1, 1},
    [VMPLUG_CDROM_EJECT] = {BATCH_COUNT, OPERATION_CDROM_EJECT, 1, 1},
    [VMPLUG_WAIT] = {BATCH_COUNT, OPERATION_CPU_ADD, 1, 1}, /* what stands says the type */
};

static int check(const struct vmplug_request *request, struct error *error)
{
    const struct action *action;
    size_t i;

    if (request->action < 0 || (size_t)request->action >= COUNT_OF(actions))
        return error_set(error, ERROR_INVALID, "", "there is no action %d", request->action);
    action = &actions[request->action];
    if (request->name_count < action->names_min || request->name_count > action->names_max)
        return error_set(error, ERROR_INVALID, "", "action %d takes %zu to %zu names, not %zu",
                         request->action, action->names_min, action->names_max,
                         request->name_count);
    for (i = 0; i < request->name_count; i++) {
        if (request->names[i] == NULL)
            return error_set(error, ERROR_INVALID, "", "name %zu is NULL", i);
    }
    if (request->level < 0 || request->level > VMPLUG_LEVEL_ONLINE || request->backend < 0 ||
        request->backend > VMPLUG_BACKEND_FILE)
        return error_set(error, ERROR_INVALID, "", "there is no level %d, or no backend %d",
                         request->level, request->backend);
    return 0;
}

static void free_copies(struct vmplug_operation *operation)
{
    size_t i;

    for (i = 0; operation->names != NULL && operation->names[i] != NULL; i++)
        free((char *)operation->names[i]);
    free(operation->names);
    free(operation->id);
    free(operation->file);
    free(operation->format);
    free(operation->serial);
    free(operation->bus);
    free(operation);
}

static bool copy(char **ret, const char *text)
{
    *ret = text != NULL ? strdup(text) : NULL;
    return text == NULL || *ret != NULL;
}

/* Returns 0, or -1 with ERROR_SYSTEM. */
static int copy_strings(struct vmplug_operation *operation, const struct vmplug_request *request,
                        struct error *error)
{
    size_t i;
    bool copied = copy(&operation->id, request->id) && copy(&operation->file, request->file) &&
                  copy(&operation->format, request->format) &&
                  copy(&operation->serial, request->serial) && copy(&operation->bus, request->bus);

    operation->names = calloc(request->name_count + 1, sizeof(*operation->names));
    for (i = 0; copied && operation->names != NULL && i < request->name_count; i++)
        copied = copy((char **)&operation->names[i], request->names[i]);
    if (copied && operation->names != NULL)
        return 0;
    return error_set(error, ERROR_SYSTEM, "", "out of memory");
}

static struct operation_request one_of(const struct vmplug_operation *operation,
                                       const struct vmplug_request *request)
{
    const struct action *action = &actions[request->action];
    bool adds = action->names_max == 0 || request->action == VMPLUG_DISK_ADD;

    return (struct operation_request){
        .type = request->action == VMPLUG_MEMORY_ADD && request->virtio_mem != 0
                    ? OPERATION_VIRTIO_MEM_ADD
                    : action->type,
        .id = adds ? operation->id : operation->names[0],
        .force = request->force != 0,
        .dry_run = request->dry_run != 0,
        .wait_set = request->level != VMPLUG_LEVEL_HIGHEST,
        .wait = (enum rung)(request->level > 0 ? request->level - 1 : 0),
        .timeout_ms = request->timeout_ms > 0 ? request->timeout_ms : API_TIMEOUT_MS,
        .dimm = {.bytes = request->bytes,
                 .node_set = request->node_set != 0,
                 .node = request->node,
                 .backend = (enum backend_type)request->backend,
                 .backend_path = operation->file,
                 .hugepages = request->hugepages != 0,
                 .movable = request->movable != 0},
        .disk = {.file = adds ? operation->names[0] : operation->file,
                 .format = operation->format,
                 .serial = operation->serial,
                 .bus = operation->bus,
                 .lun_set = request->lun_set != 0,
                 .lun = request->lun,
                 .read_only = request->read_only != 0},
        .bytes = request->bytes,
        .limits = {.iops_set = request->iops_set != 0,
                   .iops = request->iops,
                   .bps_set = request->bps_set != 0,
                   .bps = request->bps},
    };
}

/* What stands for a device of this id, to be taken up again. */
static int resume(struct vmplug_vm *vm, struct operation_request *each, struct error *error)
{
    AUTO_JSON json_t *entry = record_find(vm_record(vm->vm), each->id);

    if (record_failed(vm_record(vm->vm)))
        return error_set(error, ERROR_SYSTEM, "", "out of memory");
    if (!operation_type_find(field_string(entry, "operation", ""), &each->type))
        return error_set(error, ERROR_BLOCKED, "", "no request for '%s' is on record", each->id);
    each->resume = true;
    return 0;
}

static int begin(struct vmplug_vm *vm, struct vmplug_operation *operation,
                 const struct vmplug_request *request, struct error *error)
{
    const struct action *action = &actions[request->action];
    const struct batch_observer observer = {
        .stage = on_stage, .result = on_device, .done = on_done, .user = operation};
    struct batch_request batch = {
        .goal = action->goal,
        .count = request->count > 0 ? request->count : 1,
        .target = request->action == VMPLUG_CPU_SET ? request->count : request->bytes,
        .atomic = request->atomic != 0,
    };

    if (copy_strings(operation, request, error) < 0)
        return -1;
    batch.each = one_of(operation, request);
    if (request->name_count > 0)
        batch.count = request->name_count;
    if (request->action == VMPLUG_DISK_ADD)
        batch.files = operation->names;
    else if (action->names_max > 1)
        batch.ids = operation->names;
    if (request->action == VMPLUG_WAIT && resume(vm, &batch.each, error) < 0)
        return -1;
    operation->batch = batch_start(vm->vm, &batch, &observer, error);
    return operation->batch != NULL ? 0 : -1;
}

struct vmplug_operation *vmplug_operation_start(struct vmplug_vm *vm,
                                                const struct vmplug_request *given,
                                                const struct vmplug_observer *observer,
                                                struct vmplug_error *ret_error)
{
    struct vmplug_operation *operation = calloc(1, sizeof(*operation));
    struct vmplug_request request;
    struct error error = ERROR_INIT;

    api_options(&request, sizeof(request), given, given->struct_bytes);
    if (operation == NULL) {
        (void)api_fail(ret_error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    api_options(&operation->observer, sizeof(operation->observer), observer,
                observer->struct_bytes);
    if (observer->struct_bytes == 0)
        (void)error_set(&error, ERROR_INVALID, "set struct_bytes",
                        "the observer does not tell its size, and would hear nothing");
    else if (check(&request, &error) == 0 && begin(vm, operation, &request, &error) == 0)
        return operation;
    free_copies(operation);
    api_error(&error, ret_error);
    return NULL;
}

void vmplug_operation_interrupt(struct vmplug_operation *operation)
{
    batch_interrupt(operation->batch);
}

void vmplug_operation_free(struct vmplug_operation *operation)
{
    if (operation == NULL)
        return;
    batch_free(operation->batch);
    free_copies(operation);
}
