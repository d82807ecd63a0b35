/* SPDX-License-Identifier: MIT */
/* get vm, get vmi. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/manifest_context.h"
#include "cli/manifest_parts.h"
#include "cli/manifest_show.h"
#include "cli/report.h"
#include "manifest/vmi.h"
#include "qmp/channel.h"
#include "qmp/codec.h"
#include "qmp/field.h"

#define LOOK_MS 2000 /* at each of several VMs */

static int show_running_vm(struct invocation *invocation)
{
    const struct manifest_context *context = invocation->user;
    AUTO_JSON json_t *object =
        vmi_json_vm(context->vm->vm.object, &context->input, &context->plan, NULL);

    return manifest_show_object(invocation, object, false);
}

static int show_vmi(struct invocation *invocation)
{
    const struct manifest_context *context = invocation->user;
    AUTO_JSON json_t *vmi = vmi_json(&context->input, &context->plan);

    if (context->list == NULL)
        return manifest_show_object(invocation, vmi, true);
    (void)json_array_append(context->list, vmi);
    return 0;
}

/* ---- all ---- */

struct presence {
    bool there;
    json_t *answer; /* to query-status; NULL: the monitor is held by somebody else, or silent */
};

/* The sockets of a VM that somebody else has started outlast it. */
static bool is_deserted(const char *path)
{
    struct error error = ERROR_INIT;
    AUTO_FD int fd = channel_connect(path, &error);

    return fd < 0 && (errno == ECONNREFUSED || errno == ENOENT);
}

static struct presence look_for(struct invocation *invocation, const struct desired_vm *vm)
{
    struct session_options options = {.timeout_ms = LOOK_MS};
    struct session *session = &invocation->session;
    struct manifest_sockets sockets;
    struct error error = ERROR_INIT;
    struct presence presence = {.there = false};

    if (!manifest_context_find(invocation, vm, true, &sockets))
        return presence;
    options.qmp_path = sockets.qmp;
    presence.there = session_open(session, &options, &error) == 0 || error.code == ERROR_BUSY ||
                     !is_deserted(sockets.qmp);
    if (error.code == ERROR_NONE)
        presence.answer = blocking_qmp(vm_qmp(session->vm), "query-status", NULL, LOOK_MS, NULL);
    session_close(session);
    return presence;
}

/* The VM as it is stored, or no more than its name, and whether it runs. */
static void list_vm(const struct manifest_context *context, const struct desired_vm *vm,
                    const struct presence *presence)
{
    json_t *object = json_deep_copy(vm->vm.object);
    const char *state = field_string(presence->answer, "status", NULL);
    bool known = state != NULL || !presence->there;

    field_set(&object, "status",
              json_pack("{s:b, s:s}", "ready", state != NULL && strcmp(state, "running") == 0,
                        "printableStatus", known ? vmi_printable_status(state) : "Unknown"));
    (void)json_array_append_new(context->list, object);
}

static int list_vmi(struct invocation *invocation, const struct desired_vm *vm,
                    const struct presence *presence)
{
    const struct manifest_context *context = invocation->user;

    if (presence->answer != NULL)
        return manifest_context_run(invocation, vm, true, show_vmi);
    if (presence->there)
        (void)json_array_append_new(
            context->list,
            json_pack("{s:s, s:s, s:{s:s}, s:{s:s}}", "apiVersion", kind_api(KIND_VIRTUAL_MACHINE),
                      "kind", "VirtualMachineInstance", "metadata", "name", vm->vm.name, "status",
                      "phase", "Unknown"));
    return 0;
}

static int is_vm(const struct dirent *entry)
{
    return vm_directory_check_name(entry->d_name, NULL) == 0;
}

/* Those that have a manifest, and those that run: name -> whatever. */
static int list_names(struct manifest_context *context, json_t *names, struct error *error)
{
    char directory[VM_DIRECTORY_MAX];
    struct dirent **entries = NULL;
    const json_t *stored;
    int count, i;

    if (objects_list(&context->desired.objects, KIND_VIRTUAL_MACHINE, &stored, error) < 0)
        return -1;
    (void)json_object_update(names, (json_t *)stored);
    count = scandir(vm_directory_all(directory, sizeof(directory)), &entries, is_vm, alphasort);
    for (i = 0; i < count; i++) {
        (void)json_object_set_new(names, entries[i]->d_name, json_null());
        free(entries[i]);
    }
    free(entries);
    return 0;
}

static int print_list(struct invocation *invocation, json_t *items, bool instances)
{
    AUTO_JSON json_t *list =
        json_pack("{s:s, s:s, s:O}", "apiVersion", "v1", "kind", "List", "items", items);

    return list != NULL ? manifest_show_object(invocation, list, instances) : 1;
}

static int list_all(struct invocation *invocation, bool instances)
{
    struct manifest_context *context = invocation->user;
    struct desired *desired = &context->desired;
    AUTO_JSON json_t *items = json_array(), *names = json_object();
    struct error error = ERROR_INIT;
    const struct desired_vm *vm;
    struct presence presence;
    int exit_code = 0, one;
    const char *name;
    json_t *unused;

    context->several = true;
    if (list_names(context, names, &error) < 0)
        return manifest_context_fail(invocation, &error);
    context->list = items;
    json_object_foreach(names, name, unused) {
        one = 0;
        if (desired_take_stored(desired, name, NULL) < 0 &&
            desired_take_bare(desired, name, NULL) < 0)
            continue; /* it can't be read */
        vm = desired->vms[desired->vm_count - 1];
        presence = look_for(invocation, vm);
        if (instances)
            one = list_vmi(invocation, vm, &presence);
        else
            list_vm(context, vm, &presence);
        json_decref(presence.answer);
        exit_code = manifest_show_worse(exit_code, one);
    }
    one = print_list(invocation, items, instances);
    return exit_code != 0 ? exit_code : one;
}

/* ---- the commands ---- */

static int not_running(struct invocation *invocation, const char *name)
{
    struct error error = ERROR_INIT;

    (void)error_set(&error, ERROR_BLOCKED, "see vmplug get vm; vmplug launch starts one",
                    "the VM '%s' does not run", name);
    return report_failure(invocation, VERDICT_BLOCKED, &error);
}

/* Where the user names a socket, it is to be there. */
static bool is_there(struct invocation *invocation, const struct desired_vm *vm)
{
    struct presence presence;

    if (options_given(&invocation->options, OPTION_QMP))
        return true;
    presence = look_for(invocation, vm);
    json_decref(presence.answer);
    return presence.there;
}

/* instance: the VMI, else the VM. One that was adopted and has no manifest has both. */
static int get_one(struct invocation *invocation, const char *name, bool instance)
{
    struct manifest_context *context = invocation->user;
    struct error error = ERROR_INIT;
    struct manifest_sockets sockets;
    const struct desired_vm *vm;
    bool stored = desired_take_stored(&context->desired, name, &error) == 0, found;

    if (!stored && (error.code != ERROR_BLOCKED ||
                    desired_take_bare(&context->desired, name, &error) < 0))
        return manifest_context_fail(invocation, &error);
    vm = context->desired.vms[context->desired.vm_count - 1];
    found = manifest_context_find(invocation, vm, true, &sockets);
    if (found && (instance || is_there(invocation, vm)))
        return manifest_context_run(invocation, vm, true, instance ? show_vmi : show_running_vm);
    if (instance)
        return not_running(invocation, name);
    if (!stored && !found)
        return report_failure(invocation, VERDICT_BLOCKED, &error);
    AUTO_JSON json_t *object = vmi_json_vm(vm->vm.object, NULL, NULL, NULL);
    return manifest_show_object(invocation, object, false);
}

static int get(struct invocation *invocation, bool instance)
{
    struct manifest_context context;
    const char *name = invocation->operand_count > 0 ? invocation->operands[0]
                                                     : invocation->options.vm_name;
    int exit_code = manifest_context_open(invocation, &context, false);

    if (exit_code == 0)
        exit_code = name != NULL ? get_one(invocation, name, instance)
                                 : list_all(invocation, instance);
    manifest_context_close(&context);
    return exit_code;
}

int manifest_get_vm(struct invocation *invocation)
{
    return get(invocation, false);
}

int manifest_get_vmi(struct invocation *invocation)
{
    return get(invocation, true);
}
