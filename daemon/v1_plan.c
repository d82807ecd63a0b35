/* SPDX-License-Identifier: MIT */
#include "daemon/v1_plan.h"

#include "base/cleanup.h"
#include "manifest/launch.h"
#include "manifest/vmi.h"
#include "qmp/codec.h"
#include "qmp/field.h"

int v1_plan_open(struct v1_plan *self, bool make, struct error *error)
{
    int status;

    *self = (struct v1_plan){.audit = NULL};
    status = desired_open(&self->desired, make, error);
    self->desired.store.patience_ms = 0;
    return status;
}

static void drop_plan(struct v1_plan *self)
{
    plan_free(&self->plan);
    audit_free(STEAL(self->audit));
}

void v1_plan_close(struct v1_plan *self)
{
    drop_plan(self);
    desired_close(&self->desired);
}

int v1_plan_make(struct v1_plan *self, const struct desired_vm *desired, struct vm *vm,
                 const struct inventory *inventory, struct error *error)
{
    drop_plan(self);
    self->claims = (struct claims){
        .objects = &self->desired.objects,
        .empty_directory = launch_disks_directory(desired->vm.name, self->empty_directory,
                                                  sizeof(self->empty_directory)),
    };
    self->input = (struct plan_input){.vm = &desired->vm,
                                      .cluster = &self->desired.cluster,
                                      .claims = &self->claims,
                                      .inventory = inventory};
    if (inventory == NULL)
        return plan_make_absent(&self->plan, &self->input, error);
    self->audit = audit_new(vm, inventory);
    self->input.audit = self->audit;
    if (self->audit == NULL)
        return error_set(error, ERROR_SYSTEM, "", "out of memory");
    return plan_make(&self->plan, &self->input, error);
}

json_t *v1_plan_json(const struct v1_plan *self, bool running)
{
    json_t *object = plan_json(&self->plan);

    field_set(&object, "vm", json_string(self->input.vm->name));
    if (!running)
        field_set(&object, "running", json_false());
    return object;
}

json_t *v1_plan_vm(const struct v1_plan *self, const char *why, json_t *conditions)
{
    AUTO_JSON json_t *owned = conditions;
    bool runs = self->input.inventory != NULL;
    json_t *object = vmi_json_vm(self->input.vm->object, runs ? &self->input : NULL,
                                 runs ? &self->plan : NULL, why);
    json_t *status = field_object(object, "status");

    if (field_array(status, "conditions") == NULL)
        (void)json_object_set_new(status, "conditions", json_array());
    (void)json_array_extend(field_array(status, "conditions"), owned);
    return object;
}

json_t *v1_plan_instance(const struct v1_plan *self)
{
    return vmi_json(&self->input, &self->plan);
}
