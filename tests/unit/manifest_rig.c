/* SPDX-License-Identifier: MIT */
#include "tests/unit/manifest_rig.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "manifest/kind.h"
#include "manifest/yaml_read.h"

static void forget_documents(struct manifest_rig *self)
{
    virtual_machine_free(&self->vm);
    objects_free(&self->objects);
    notes_free(&self->notes);
    document_list_free(&self->documents);
}

static void take_one(struct manifest_rig *self, const struct document *document)
{
    struct error error = ERROR_INIT;
    const char *name = NULL;
    enum kind kind;
    int status;

    if (kind_of(document, &kind, &name, &error) < 0)
        fake_fail("%s", error.why);
    if (kind == KIND_VIRTUAL_MACHINE)
        status = virtual_machine_read(&self->vm, document, true, &self->notes, &error);
    else if (kind == KIND_KUBEVIRT)
        status = cluster_read(&self->cluster, document, &self->notes, &error);
    else
        status = objects_give(&self->objects, kind, name, json_incref(document->root), &error);
    if (status < 0)
        fake_fail("%s", error.why);
}

void manifest_rig_take(struct manifest_rig *self, const char *format, ...)
{
    AUTO_FREE char *text = NULL;
    struct error error = ERROR_INIT;
    va_list arguments;
    int length;
    size_t i;

    va_start(arguments, format);
    length = vasprintf(&text, format, arguments);
    va_end(arguments);
    forget_documents(self);
    self->cluster = (struct cluster)CLUSTER_INIT;
    self->claims = (struct claims){.objects = &self->objects};
    if (length < 0 || yaml_read(&self->documents, "t", text, (size_t)length, &error) < 0)
        fake_fail("%s", error.why);
    for (i = 0; i < self->documents.count; i++)
        take_one(self, &self->documents.items[i]);
}

void manifest_rig_open(struct manifest_rig *self, struct sim *sim, bool with_agent)
{
    rig_open_recorded(&self->rig, sim, with_agent);
}

static void forget_plan(struct manifest_rig *self)
{
    apply_free(STEAL(self->apply));
    plan_free(&self->plan);
    audit_free(STEAL(self->audit));
    inventory_free(STEAL(self->inventory));
}

void manifest_rig_plan(struct manifest_rig *self)
{
    struct error error = ERROR_INIT;

    forget_plan(self);
    self->inventory = rig_inventory(&self->rig, PLAN_PARTS, RIG_TIMEOUT_MS, NULL);
    self->audit = audit_new(self->rig.vm, self->inventory);
    self->input = (struct plan_input){.vm = &self->vm,
                                      .cluster = &self->cluster,
                                      .claims = &self->claims,
                                      .inventory = self->inventory,
                                      .audit = self->audit};
    if (self->audit == NULL || plan_make(&self->plan, &self->input, &error) < 0)
        fake_fail("%s", error.why);
}

void manifest_rig_expect(struct manifest_rig *self, const char *lines)
{
    char text[8192] = "";
    size_t used = 0, i;

    manifest_rig_plan(self);
    for (i = 0; i < self->plan.step_count; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s\n",
                                 self->plan.steps[i].what);
    for (i = 0; i < self->plan.block_count; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "! %s: %s\n",
                                 self->plan.blocks[i].path, self->plan.blocks[i].error.why);
    if (strcmp(text, lines) != 0)
        fake_fail("planned is\n%sand not\n%s", text, lines);
}

void manifest_rig_reopen(struct manifest_rig *self)
{
    forget_plan(self);
    rig_reopen(&self->rig);
}

const struct batch_result *manifest_rig_apply(struct manifest_rig *self)
{
    const struct operation_request pattern = {.timeout_ms = RIG_TIMEOUT_MS};
    const struct batch_observer observer = rig_observer(&self->rig);

    self->apply = apply_start(self->rig.vm, &self->plan, &pattern, &observer, NULL);
    if (self->apply == NULL)
        fake_fail("it did not begin");
    return rig_await_batch(&self->rig);
}

void manifest_rig_close(struct manifest_rig *self)
{
    forget_plan(self);
    forget_documents(self);
    rig_close(&self->rig);
    *self = (struct manifest_rig){.apply = NULL};
}
