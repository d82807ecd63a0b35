/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/cleanup.h"
#include "lib/api_vm.h"
#include "qmp/codec.h"
#include "vmm/audit_json.h"
#include "vmm/doctor_json.h"
#include "vmm/status_json.h"

struct vmplug_look {
    struct vmplug_vm *vm;
    int kind;
    struct inventory_fetch *fetch;
    vmplug_look_fn *done;
    void *user;
};

static const unsigned parts[] = {
    [VMPLUG_LOOK_STATUS] = STATUS_PARTS,
    [VMPLUG_LOOK_DOCTOR] = DOCTOR_PARTS,
    [VMPLUG_LOOK_AUDIT] = AUDIT_PARTS,
};

static json_t *diagnose(struct vm *vm, const struct inventory *inventory)
{
    struct doctor *doctor = calloc(1, sizeof(*doctor)); /* too large for a caller's small stack */
    json_t *object;

    if (doctor == NULL)
        return NULL;
    doctor_examine(doctor, vm, inventory);
    object = doctor_json(doctor, DOCTOR_ALL);
    free(doctor);
    return object;
}

static json_t *look_through(struct vm *vm, const struct inventory *inventory)
{
    struct audit *audit = audit_new(vm, inventory);
    json_t *object = audit != NULL ? audit_json(audit) : NULL;

    audit_free(audit);
    return object;
}

static char *describe(const struct vmplug_look *look, const struct inventory *inventory)
{
    AUTO_JSON json_t *object = NULL;

    if (look->kind == VMPLUG_LOOK_STATUS)
        object = status_json(inventory);
    else if (look->kind == VMPLUG_LOOK_DOCTOR)
        object = diagnose(look->vm->vm, inventory);
    else
        object = look_through(look->vm->vm, inventory);
    return object != NULL ? codec_dump(object, 0) : NULL;
}

/* The look is gone before its owner hears of it, since that may free everything. */
static void on_fetched(void *user, struct inventory *inventory, const struct error *failure)
{
    struct vmplug_look *look = user;
    AUTO_FREE char *text = inventory != NULL ? describe(look, inventory) : NULL;
    struct vmplug_error error = {.code = VMPLUG_ERROR_NONE};
    vmplug_look_fn *done = look->done;

    user = look->user;
    free(look);
    if (inventory == NULL)
        api_error(failure, &error);
    else if (text == NULL)
        (void)api_fail(&error, ERROR_SYSTEM, "out of memory");
    inventory_free(inventory);
    done(user, text, text != NULL ? NULL : &error);
}

struct vmplug_look *vmplug_look_start(struct vmplug_vm *vm, int kind, double timeout_ms,
                                      vmplug_look_fn *done, void *user,
                                      struct vmplug_error *ret_error)
{
    struct vmplug_look *look = calloc(1, sizeof(*look));
    struct error error = ERROR_INIT;

    if (timeout_ms <= 0)
        timeout_ms = API_TIMEOUT_MS;
    if (look == NULL) {
        (void)error_set(&error, ERROR_SYSTEM, "", "out of memory");
    } else if (kind < 0 || (size_t)kind >= COUNT_OF(parts) || done == NULL) {
        (void)error_set(&error, ERROR_INVALID, "", "there is no look %d, or nobody to tell", kind);
    } else {
        *look = (struct vmplug_look){.vm = vm, .kind = kind, .done = done, .user = user};
        look->fetch = inventory_fetch(vm->vm, parts[kind], timeout_ms,
                                      clock_earlier_ms(INVENTORY_AGENT_SILENCE_MS, timeout_ms),
                                      on_fetched, look, &error);
        if (look->fetch != NULL)
            return look;
    }
    free(look);
    api_error(&error, ret_error);
    return NULL;
}

void vmplug_look_cancel(struct vmplug_look *look)
{
    inventory_fetch_cancel(look->fetch);
    free(look);
}

/* ---- waited for ---- */

struct answer {
    bool given;
    char *text;
    struct vmplug_error error;
};

static void keep_answer(void *user, const char *json, const struct vmplug_error *error)
{
    struct answer *answer = user;

    answer->given = true;
    if (error != NULL) {
        answer->error = *error;
        return;
    }
    answer->text = strdup(json);
    if (answer->text == NULL)
        (void)api_fail(&answer->error, ERROR_SYSTEM, "out of memory");
}

static bool is_given(void *user)
{
    return ((const struct answer *)user)->given;
}

static char *look_and_wait(struct vmplug_vm *vm, int kind, double timeout_ms,
                           struct vmplug_error *error)
{
    struct answer answer = {.given = false};

    if (vmplug_look_start(vm, kind, timeout_ms, keep_answer, &answer, error) == NULL)
        return NULL;
    (void)api_vm_run(vm, is_given, &answer);
    if (answer.text == NULL && error != NULL)
        *error = answer.error;
    return answer.text;
}

char *vmplug_status(struct vmplug_vm *vm, double timeout_ms, struct vmplug_error *error)
{
    return look_and_wait(vm, VMPLUG_LOOK_STATUS, timeout_ms, error);
}

char *vmplug_doctor(struct vmplug_vm *vm, double timeout_ms, struct vmplug_error *error)
{
    return look_and_wait(vm, VMPLUG_LOOK_DOCTOR, timeout_ms, error);
}

char *vmplug_audit(struct vmplug_vm *vm, double timeout_ms, struct vmplug_error *error)
{
    return look_and_wait(vm, VMPLUG_LOOK_AUDIT, timeout_ms, error);
}
