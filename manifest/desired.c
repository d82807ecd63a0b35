/* SPDX-License-Identifier: MIT */
#include "manifest/desired.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "manifest/patch.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "vmm/vm_directory.h"

#define METADATA "metadata"
#define ANNOTATIONS "annotations"

/* An object that was given, merged, and not yet stored. */
struct change {
    enum kind kind;
    char *name;
    json_t *object;
};

static int without_memory(struct error *error)
{
    return error_set(error, ERROR_SYSTEM, "", "out of memory");
}

/* ---- the cluster ---- */

static int read_cluster(struct desired *desired, struct error *error)
{
    struct document document;
    struct notes unheard = {0}; /* they were told when the object was given */
    const json_t *objects;
    const char *name;
    json_t *object;
    int status;

    desired->cluster = (struct cluster)CLUSTER_INIT;
    if (objects_list(&desired->objects, KIND_KUBEVIRT, &objects, error) < 0)
        return -1;
    json_object_foreach((json_t *)objects, name, object) {
        if (document_init(&document, name, object, error) < 0)
            return -1;
        status = cluster_read(&desired->cluster, &document, &unheard, error);
        notes_free(&unheard);
        document_free(&document);
        if (status < 0)
            return -1;
    }
    return 0;
}

int desired_open(struct desired *desired, bool make, struct error *error)
{
    *desired = (struct desired){.cluster = CLUSTER_INIT};
    if (store_open(&desired->store, NULL, make, error) < 0)
        return -1;
    desired->objects = (struct objects)OBJECTS_INIT(&desired->store);
    return read_cluster(desired, error);
}

static void drop_last_vm(struct desired *desired)
{
    struct desired_vm *vm = desired->vms[--desired->vm_count];

    virtual_machine_free(&vm->vm);
    document_free(&vm->document);
    free(vm);
}

void desired_close(struct desired *desired)
{
    while (desired->vm_count > 0)
        drop_last_vm(desired);
    free(desired->vms);
    notes_free(&desired->notes);
    objects_free(&desired->objects);
    store_close(&desired->store);
}

/* ---- VMs ---- */

/* Each where it is: what is read points into it. */
static struct desired_vm *add_vm(struct desired *desired)
{
    struct desired_vm **grown =
        reallocarray(desired->vms, desired->vm_count + 1, sizeof(*desired->vms));
    struct desired_vm *vm = calloc(1, sizeof(*vm));

    if (grown != NULL)
        desired->vms = grown;
    if (grown == NULL || vm == NULL) {
        free(vm);
        return NULL;
    }
    desired->vms[desired->vm_count++] = vm;
    return vm;
}

static int check_kind(const struct document *document, struct error *error)
{
    const char *name;
    enum kind kind;

    if (kind_of(document, &kind, &name, error) < 0)
        return -1;
    if (kind == KIND_VIRTUAL_MACHINE)
        return 0;
    return error_set(error, ERROR_INVALID, "make a new object of it, by apply",
                     "%s: kind: a VirtualMachine stays one", document->source);
}

/* written: the document that it has come from, or NULL. */
static int read_vm_with_notes(struct desired *desired, const char *source,
                              const struct document *written, json_t *object, bool stored,
                              struct notes *notes, struct error *error)
{
    struct desired_vm *vm = add_vm(desired);
    int status;

    if (vm == NULL)
        return without_memory(error);
    vm->stored = stored;
    if (document_init(&vm->document, source, object, error) < 0)
        return -1;
    vm->document.written = written;
    status = check_kind(&vm->document, error);
    if (status == 0)
        status = virtual_machine_read(&vm->vm, &vm->document, true, notes, error);
    vm->document.written = NULL; /* which does not last as long */
    return status;
}

/* Of one whose notes were told when it was given. */
static int read_vm(struct desired *desired, const char *source, const struct document *written,
                   json_t *object, bool stored, struct error *error)
{
    struct notes unheard = {0};
    int status = read_vm_with_notes(desired, source, written, object, stored, &unheard, error);

    notes_free(&unheard);
    return status;
}

/* ---- merging ---- */

static const char *name_of(const json_t *object)
{
    return field_string(json_object_get(object, METADATA), "name", NULL);
}

/* A member that is an object, made where it is missing. Borrowed; NULL without memory. */
static json_t *member(json_t *object, const char *key)
{
    json_t *inner = json_object_get(object, key);

    if (json_is_object(inner))
        return inner;
    return json_object_set_new(object, key, json_object()) == 0 ? json_object_get(object, key)
                                                                : NULL;
}

static json_t *last_applied(const json_t *stored)
{
    const json_t *annotations =
        json_object_get(json_object_get(stored, METADATA), ANNOTATIONS);
    const char *text = field_string(annotations, ANNOTATION_LAST_APPLIED, NULL);

    return text != NULL ? codec_parse(text, NULL) : NULL;
}

/* So that the next apply knows what this one said. */
static int remember(json_t *merged, const json_t *next, struct error *error)
{
    json_t *annotations = member(member(merged, METADATA), ANNOTATIONS);
    AUTO_FREE char *text = codec_dump(next, 0);

    if (text == NULL || annotations == NULL ||
        json_object_set_new(annotations, ANNOTATION_LAST_APPLIED, json_string(text)) < 0)
        return without_memory(error);
    return 0;
}

/* What somebody says: without what `get` has added to it. NULL without memory. */
static json_t *said(const json_t *given)
{
    json_t *next = json_deep_copy(given);
    json_t *annotations = json_object_get(json_object_get(next, METADATA), ANNOTATIONS);

    (void)json_object_del(next, "status");
    (void)json_object_del(annotations, ANNOTATION_LAST_APPLIED);
    return next;
}

static int merge(struct desired *desired, enum kind kind, const char *name, const json_t *given,
                 json_t **ret, struct error *error)
{
    AUTO_JSON json_t *stored = NULL, *last = NULL, *next = said(given);

    if (next == NULL)
        return without_memory(error);
    if (store_load(&desired->store, kind, name, &stored, error) < 0)
        return -1;
    if (stored != NULL) {
        last = last_applied(stored);
        *ret = patch_apply(last, next, stored, error);
    } else {
        *ret = json_deep_copy(next);
        if (*ret == NULL)
            (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
    }
    if (*ret == NULL)
        return -1;
    if (json_object_set_new(member(*ret, METADATA), "name", json_string(name)) < 0)
        return without_memory(error);
    return remember(*ret, next, error);
}

/* ---- documents ---- */

/* Of what the document itself says, so that an error can say where. */
static int check(const struct document *document, enum kind kind, bool whole,
                 struct notes *notes, struct error *error)
{
    struct cluster cluster = CLUSTER_INIT;
    struct virtual_machine vm;
    int status;

    if (kind == KIND_KUBEVIRT)
        return cluster_read(&cluster, document, notes, error);
    if (kind != KIND_VIRTUAL_MACHINE)
        return claims_check(document, kind, notes, error);
    status = virtual_machine_read(&vm, document, whole, notes, error);
    virtual_machine_free(&vm);
    return status;
}

/* Else the document is all that is said of it. */
static bool is_stored(struct desired *desired, enum kind kind, const char *name)
{
    AUTO_JSON json_t *stored = NULL;

    return name != NULL && store_load(&desired->store, kind, name, &stored, NULL) == 0 &&
           stored != NULL;
}

static int refuse_nameless(const struct document *document, enum kind kind, struct error *error)
{
    struct error problem = ERROR_INIT;
    struct node metadata = document_get(document_root(document, &problem), METADATA);

    document_refuse(document_get(metadata, "name"), "give it metadata.name",
                    "a %s without a name", kind_name(kind));
    if (error != NULL)
        *error = problem;
    return -1;
}

static int take_document(struct desired *desired, const struct document *document,
                         const char *default_name, struct change *ret, struct error *error)
{
    const char *name;
    bool whole;

    if (kind_of(document, &ret->kind, &name, error) < 0)
        return -1;
    if (name == NULL && ret->kind == KIND_VIRTUAL_MACHINE)
        name = default_name;
    whole = !is_stored(desired, ret->kind, name);
    if (check(document, ret->kind, whole, &desired->notes, error) < 0)
        return -1;
    if (name == NULL && ret->kind == KIND_VIRTUAL_MACHINE)
        return read_vm(desired, document->source, document, document->root, false, error);
    if (name == NULL)
        return refuse_nameless(document, ret->kind, error);
    ret->name = strdup(name);
    if (ret->name == NULL)
        return without_memory(error);
    return merge(desired, ret->kind, name, document->root, &ret->object, error);
}

/* VMs last: they are read with all that they rest on. */
static int settle(struct desired *desired, const struct document_list *documents,
                  const struct change *changes, struct error *error)
{
    size_t i;

    for (i = 0; i < documents->count; i++) {
        if (changes[i].object != NULL &&
            objects_give(&desired->objects, changes[i].kind, changes[i].name,
                         json_incref(changes[i].object), error) < 0)
            return -1;
    }
    if (read_cluster(desired, error) < 0)
        return -1;
    for (i = 0; i < documents->count; i++) {
        if (changes[i].object != NULL && changes[i].kind == KIND_VIRTUAL_MACHINE &&
            read_vm(desired, documents->items[i].source, &documents->items[i], changes[i].object,
                    true, error) < 0)
            return -1;
    }
    return 0;
}

static int save_all(struct desired *desired, const struct change *changes, size_t count,
                    struct error *error)
{
    size_t i;

    for (i = 0; i < count; i++) {
        if (changes[i].object != NULL && store_save(&desired->store, changes[i].kind,
                                                    changes[i].name, changes[i].object,
                                                    error) < 0)
            return -1;
    }
    return 0;
}

int desired_take(struct desired *desired, const struct document_list *documents, const char *name,
                 bool save, struct error *error)
{
    AUTO_FREE struct change *changes = calloc(documents->count + 1, sizeof(*changes));
    int status = 0;
    size_t i;

    if (changes == NULL)
        return without_memory(error);
    if (save && store_lock(&desired->store, error) < 0)
        return -1;
    for (i = 0; i < documents->count && status == 0; i++)
        status = take_document(desired, &documents->items[i], name, &changes[i], error);
    if (status == 0)
        status = settle(desired, documents, changes, error);
    if (status == 0 && save)
        status = save_all(desired, changes, documents->count, error);
    store_unlock(&desired->store);
    for (i = 0; i < documents->count; i++) {
        free(changes[i].name);
        json_decref(changes[i].object);
    }
    return status;
}

static bool was_taken(struct desired *desired, const struct document *document)
{
    AUTO_JSON json_t *stored = NULL, *last = NULL, *next = NULL;
    const char *name;
    enum kind kind;

    if (kind_of(document, &kind, &name, NULL) < 0 || name == NULL ||
        store_load(&desired->store, kind, name, &stored, NULL) < 0 || stored == NULL)
        return false;
    last = last_applied(stored);
    next = said(document->root);
    return last != NULL && json_equal(last, next);
}

bool desired_was_taken(struct desired *desired, const struct document_list *documents)
{
    size_t i;

    for (i = 0; i < documents->count; i++) {
        if (!was_taken(desired, &documents->items[i]))
            return false;
    }
    return true;
}

/* ---- what is stored ---- */

static int load(struct desired *desired, const char *name, json_t **ret, struct error *error)
{
    if (store_load(&desired->store, KIND_VIRTUAL_MACHINE, name, ret, error) < 0)
        return -1;
    if (*ret != NULL)
        return 0;
    return error_set(error, ERROR_BLOCKED,
                     "apply its manifest first; vmplug get vm lists those there are",
                     "no VirtualMachine '%s' is stored", name);
}

int desired_take_stored(struct desired *desired, const char *name, struct error *error)
{
    AUTO_JSON json_t *object = NULL;

    if (load(desired, name, &object, error) < 0)
        return -1;
    return read_vm(desired, name, NULL, object, true, error);
}

int desired_take_bare(struct desired *desired, const char *name, struct error *error)
{
    AUTO_JSON json_t *object = NULL;

    if (vm_directory_check_name(name, error) < 0)
        return -1;
    object = json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", kind_api(KIND_VIRTUAL_MACHINE), "kind",
                       kind_name(KIND_VIRTUAL_MACHINE), METADATA, "name", name);
    if (object == NULL)
        return without_memory(error);
    return read_vm(desired, name, NULL, object, false, error);
}

/* Fields that are not acted on, of those that came with the change. */
static int read_changed(struct desired *desired, const char *name, json_t *before, json_t *after,
                        struct error *error)
{
    size_t count = desired->vm_count, i, j;
    struct notes old = {0}, new = {0};
    int status;

    (void)read_vm_with_notes(desired, name, NULL, before, true, &old, NULL);
    while (desired->vm_count > count)
        drop_last_vm(desired);
    status = read_vm_with_notes(desired, name, NULL, after, true, &new, error);
    for (i = 0; i < new.count; i++) {
        for (j = 0; j < old.count && strcmp(old.lines[j], new.lines[i]) != 0; j++)
            continue;
        if (j == old.count)
            notes_add(&desired->notes, "%s", new.lines[i]);
    }
    notes_free(&old);
    notes_free(&new);
    return status;
}

static int change_locked(struct desired *desired, const char *name, desired_change_fn *change,
                         const void *user, bool save, struct error *error)
{
    AUTO_JSON json_t *object = NULL, *changed = NULL;
    const char *new_name;

    if (load(desired, name, &object, error) < 0)
        return -1;
    changed = change(object, user, error);
    if (changed == NULL)
        return -1;
    new_name = name_of(changed);
    if (new_name == NULL || strcmp(new_name, name) != 0)
        return error_set(error, ERROR_INVALID, "make a new VM of it, by apply",
                         "a VM keeps its name: metadata.name is '%s'", name);
    if (read_changed(desired, name, object, changed, error) < 0)
        return -1;
    return save ? store_save(&desired->store, KIND_VIRTUAL_MACHINE, name, changed, error) : 0;
}

int desired_change(struct desired *desired, const char *name, desired_change_fn *change,
                   const void *user, bool save, struct error *error)
{
    int status;

    if (save && desired->store.directory >= 0 && store_lock(&desired->store, error) < 0)
        return -1;
    status = change_locked(desired, name, change, user, save, error);
    store_unlock(&desired->store);
    return status;
}

int desired_forget(struct desired *desired, const char *name, struct error *error)
{
    int status;

    if (desired->store.directory < 0)
        return 0;
    if (store_lock(&desired->store, error) < 0)
        return -1;
    status = store_remove(&desired->store, KIND_VIRTUAL_MACHINE, name, error);
    store_unlock(&desired->store);
    return status;
}
