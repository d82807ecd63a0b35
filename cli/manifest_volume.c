/* SPDX-License-Identifier: MIT */
/* addvolume, removevolume. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/manifest_context.h"
#include "cli/manifest_parts.h"
#include "cli/perform.h"
#include "cli/report.h"
#include "manifest/volume_id.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "vmm/words.h"

/* ---- the manifest ---- */

/* The list behind these keys, made where it is missing, or null, which is the same; borrowed, NULL
 * without memory or where something else is. */
static json_t *list_at(json_t *object, const char *const *keys)
{
    json_t *inner;

    for (; *keys != NULL; keys++) {
        inner = json_object_get(object, *keys);
        if ((inner == NULL || json_is_null(inner)) &&
            json_object_set_new(object, *keys, keys[1] == NULL ? json_array() : json_object()) == 0)
            inner = json_object_get(object, *keys);
        object = inner;
    }
    return json_is_array(object) ? object : NULL;
}

static const char *const to_disks[] = {"spec",    "template", "spec", "domain",
                                       "devices", "disks",    NULL};
static const char *const to_volumes[] = {"spec", "template", "spec", "volumes", NULL};

/* Where the one of this name is; the list's size when there is none. */
static size_t find(const json_t *list, const char *name)
{
    size_t i;

    for (i = 0; i < json_array_size(list); i++) {
        if (strcmp(field_string(json_array_get(list, i), "name", ""), name) == 0)
            break;
    }
    return i;
}

static json_t *new_disk(const struct options *options)
{
    json_t *disk = json_pack("{s:s, s:{s:s}}", "name", options->volume_name, "disk", "bus",
                             options->bus != NULL ? options->bus : "scsi");

    if (options->serial != NULL)
        field_set(&disk, "serial", json_string(options->serial));
    return disk;
}

static json_t *with_volume(const json_t *object, const void *user, struct error *error)
{
    const struct options *options = user;
    AUTO_JSON json_t *changed = json_deep_copy(object);
    json_t *disks = list_at(changed, to_disks), *volumes = list_at(changed, to_volumes);

    if (find(volumes, options->volume_name) < json_array_size(volumes)) {
        (void)error_set(error, ERROR_BLOCKED, "apply the manifest, if it is not plugged",
                        "the manifest has a volume '%.63s' already", options->volume_name);
        return NULL;
    }
    /* A CD-ROM drive that is there takes the volume as its medium. */
    if (disks == NULL || volumes == NULL ||
        (find(disks, options->volume_name) == json_array_size(disks) &&
         json_array_append_new(disks, new_disk(options)) < 0) ||
        json_array_append_new(
            volumes, json_pack("{s:s, s:{s:s, s:b}}", "name", options->volume_name,
                               "persistentVolumeClaim", "claimName", options->volume_name,
                               "hotpluggable", 1)) < 0) {
        (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
        return NULL;
    }
    return STEAL(changed);
}

static json_t *without_volume(const json_t *object, const void *user, struct error *error)
{
    const char *name = user;
    AUTO_JSON json_t *changed = json_deep_copy(object);
    json_t *disks = list_at(changed, to_disks), *volumes = list_at(changed, to_volumes);
    size_t disk = find(disks, name);

    if (json_array_remove(volumes, find(volumes, name)) < 0) {
        (void)error_set(error, ERROR_BLOCKED, "see vmplug get vmi for those there are",
                        "the VM has no volume '%.63s'", name);
        return NULL;
    }
    if (json_object_get(json_array_get(disks, disk), "cdrom") == NULL) /* a drive stays, empty */
        (void)json_array_remove(disks, disk);
    return STEAL(changed);
}

/* ---- the VM, without its manifest ---- */

static int blocked(struct invocation *invocation, const struct error *error)
{
    return report_failure(invocation, report_verdict(error, false), error);
}

static int plug(struct invocation *invocation)
{
    struct manifest_context *context = invocation->user;
    const struct options *options = &invocation->options;
    const char *name = options->volume_name;
    const struct volume volume = {.name = name, .source = VOLUME_CLAIM, .source_name = name};
    struct batch_request request = {
        .goal = BATCH_COUNT, .count = 1, .each = perform_request(invocation, OPERATION_DISK_ADD)};
    struct error error = ERROR_INIT;
    char file[PATH_MAX], id[VOLUME_ID_MAX], serial[WORDS_SERIAL_MAX + 1];

    if (context->desired.cluster.closed[GATE_VOLUMES] != NULL) {
        (void)error_set(&error, ERROR_BLOCKED, "take it out of disabledFeatureGates",
                        "the feature gate %s is disabled",
                        context->desired.cluster.closed[GATE_VOLUMES]);
        return blocked(invocation, &error);
    }
    if (plan_find_device(&context->input, &volume, NULL) != NULL) {
        (void)error_set(&error, ERROR_BLOCKED, "choose another --volume-name",
                        "the VM has a volume '%.63s' already", name);
        return blocked(invocation, &error);
    }
    if (claims_find_file(&context->claims, &volume, file, sizeof(file), &error) < 0)
        return blocked(invocation, &error);
    request.each.id = volume_id(VOLUME_TRANSIENT, name, id);
    request.each.disk.file = file;
    request.each.disk.bus = options->bus;
    request.each.disk.serial = options->serial;
    if (options->serial == NULL)
        request.each.disk.serial = volume_id_serial(
            name, virtual_machine_serial_max(options->bus), serial, sizeof(serial));
    return perform(invocation, &request);
}

static int unplug(struct invocation *invocation)
{
    const struct manifest_context *context = invocation->user;
    const struct volume volume = {.name = invocation->options.volume_name};
    const struct inventory_disk *device = plan_find_device(&context->input, &volume, NULL);
    struct batch_request request = {
        .goal = BATCH_COUNT,
        .count = 1,
        .each = perform_request(invocation, OPERATION_DISK_REMOVE),
    };
    struct error error = ERROR_INIT;

    if (device == NULL) {
        (void)error_set(&error, ERROR_BLOCKED, "see vmplug get vmi for those there are",
                        "the VM has no volume '%.63s'", volume.name);
        return blocked(invocation, &error);
    }
    request.each.id = device->id;
    return perform(invocation, &request);
}

/* What stood for a volume that is in the manifest no more, and had not come by it. */
static int unplug_rest(struct invocation *invocation)
{
    const struct manifest_context *context = invocation->user;
    const struct volume volume = {.name = invocation->options.volume_name};
    const struct inventory_disk *device = plan_find_device(&context->input, &volume, NULL);

    return device != NULL && !device->cdrom ? unplug(invocation) : 0;
}

/* The VM that the first operand names, whether it has a manifest or not. */
static int run_on_vm(struct invocation *invocation, int (*run)(struct invocation *invocation))
{
    struct manifest_context *context = invocation->user;
    const char *name = invocation->operands[0];
    struct error error = ERROR_INIT;
    struct manifest_sockets sockets;
    const struct desired_vm *vm;

    if (desired_take_stored(&context->desired, name, &error) < 0 &&
        (error.code != ERROR_BLOCKED || desired_take_bare(&context->desired, name, &error) < 0))
        return blocked(invocation, &error);
    vm = context->desired.vms[context->desired.vm_count - 1];
    if (!manifest_context_find(invocation, vm, false, &sockets)) {
        if (run == unplug_rest)
            return 0;
        (void)error_set(&error, ERROR_BLOCKED, "launch it first, or use --persist",
                        "the VM '%s' does not run", name);
        return blocked(invocation, &error);
    }
    return manifest_context_run(invocation, vm, false, run);
}

static int with_context(struct invocation *invocation, int (*run)(struct invocation *invocation))
{
    struct manifest_context context;
    int exit_code = manifest_context_open(invocation, &context, false);

    if (exit_code == 0)
        exit_code = run_on_vm(invocation, run);
    manifest_context_close(&context);
    return exit_code;
}

/* ---- the commands ---- */

int manifest_addvolume(struct invocation *invocation)
{
    if (invocation->options.persist)
        return manifest_change(invocation, with_volume, &invocation->options);
    return with_context(invocation, plug);
}

/* Does the VM's manifest have it? */
static bool is_in_manifest(struct invocation *invocation)
{
    struct manifest_context context;
    bool there = manifest_context_open(invocation, &context, false) == 0 &&
                 desired_take_stored(&context.desired, invocation->operands[0], NULL) == 0 &&
                 virtual_machine_find(&context.desired.vms[0]->vm,
                                      invocation->options.volume_name) != NULL;

    manifest_context_close(&context);
    return there;
}

int manifest_removevolume(struct invocation *invocation)
{
    int exit_code;

    if (!is_in_manifest(invocation))
        return with_context(invocation, unplug);
    exit_code = manifest_change(invocation, without_volume, invocation->options.volume_name);
    if (exit_code != 0 || invocation->options.dry_run)
        return exit_code;
    return with_context(invocation, unplug_rest);
}
