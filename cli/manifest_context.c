/* SPDX-License-Identifier: MIT */
#include "cli/manifest_context.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/fetch.h"
#include "cli/invocation.h"
#include "cli/report.h"
#include "manifest/files.h"
#include "manifest/launch.h"
#include "vmm/held.h"

int manifest_context_fail(struct invocation *invocation, struct error *error)
{
    /* A manifest that is wrong is a mistake of the user's, as a wrong command line is. */
    if (error->code == ERROR_INVALID) {
        if (error->fix[0] == '\0')
            error_advise(error, "see man vmplug-manifest");
        return report_mistake(invocation, error);
    }
    return report_failure(invocation, report_verdict(error, false), error);
}

int manifest_context_open(struct invocation *invocation, struct manifest_context *context,
                          bool make)
{
    struct error error = ERROR_INIT;

    *context = (struct manifest_context){.vm = NULL};
    invocation->user = context;
    if (desired_open(&context->desired, make, &error) < 0)
        return manifest_context_fail(invocation, &error);
    return 0;
}

void manifest_context_close(struct manifest_context *context)
{
    while (context->guard_count > 0)
        close(context->guards[--context->guard_count]);
    desired_close(&context->desired);
}

/* ---- manifests ---- */

void manifest_context_tell_notes(const struct manifest_context *context)
{
    const struct notes *notes = &context->desired.notes;
    size_t i;

    for (i = 0; i < notes->count; i++)
        fprintf(stderr, "vmplug: %s\n", notes->lines[i]);
    if (notes->dropped > 0)
        fprintf(stderr, "vmplug: … and %zu more\n", notes->dropped);
}

static int read_files(const struct options *options, struct document_list *list,
                      struct error *error)
{
    size_t i;

    for (i = 0; i < options->file_count; i++) {
        if (files_read(list, options->files[i], error) < 0)
            return -1;
    }
    return 0;
}

/* What the command line says of the VM is of one VM, and --vm is not kubectl's -n. */
static int check_vms(const struct options *options, const struct document_list *list,
                     struct error *error)
{
    const char *name;
    enum kind kind;
    size_t i, vms = 0;

    for (i = 0; i < list->count; i++) {
        if (kind_of(&list->items[i], &kind, &name, NULL) < 0 || kind != KIND_VIRTUAL_MACHINE)
            continue;
        vms++;
        if (options_given(options, OPTION_VM) && name != NULL &&
            strcmp(options->vm_name, name) != 0)
            return error_set(error, ERROR_INVALID, "leave out --vm, which is no namespace",
                             "--vm says '%s', and the manifest's VM is '%s'", options->vm_name,
                             name);
    }
    if (vms <= 1 || !options_given(options, OPTION_QMP))
        return 0;
    return error_set(error, ERROR_INVALID, "apply them one by one",
                     "--qmp is one VM's, and there are %zu in the manifests", vms);
}

/* Takes them twice: who they are is known before they are stored. */
static int take_list(struct invocation *invocation, const struct document_list *list, bool save,
                     struct error *error)
{
    struct manifest_context *context = invocation->user;
    const char *name = invocation->options.vm_name;
    struct desired first;
    int status = save ? desired_open(&first, false, error) : 0;

    if (save && status == 0) {
        if (desired_take(&first, list, name, false, NULL) == 0) { /* else it fails below, too */
            context->several = first.vm_count > 1;
            status = manifest_context_guard(invocation, &first, error);
        }
        desired_close(&first);
    }
    return status < 0 ? -1 : desired_take(&context->desired, list, name, save, error);
}

int manifest_context_take(struct invocation *invocation, bool save)
{
    struct manifest_context *context = invocation->user;
    const struct options *options = &invocation->options;
    struct document_list list = {0};
    struct error error = ERROR_INIT;
    int status;

    if (options->file_count == 0) {
        status = desired_take_stored(&context->desired, options->vm_name, &error);
    } else {
        status = read_files(options, &list, &error);
        if (status == 0)
            status = check_vms(options, &list, &error);
        if (status == 0)
            status = take_list(invocation, &list, save, &error);
        document_list_free(&list);
        manifest_context_tell_notes(context);
    }
    context->several = context->desired.vm_count > 1;
    return status < 0 ? manifest_context_fail(invocation, &error) : 0;
}

/* ---- the VM ---- */

static bool find_by_name(const char *name, bool second, struct manifest_sockets *sockets)
{
    size_t size = sizeof(sockets->qmp_path);

    if (!(second && vm_directory_find_socket(name, VM_DIRECTORY_QMP_2, sockets->qmp_path, size,
                                             NULL) == 0) &&
        vm_directory_find_socket(name, VM_DIRECTORY_QMP, sockets->qmp_path, size, NULL) < 0)
        return false;
    sockets->qmp = sockets->qmp_path;
    if (vm_directory_find_socket(name, VM_DIRECTORY_AGENT, sockets->agent_path, size, NULL) == 0)
        sockets->agent = sockets->agent_path;
    return true;
}

bool manifest_context_find(const struct invocation *invocation, const struct desired_vm *vm,
                           bool second, struct manifest_sockets *sockets)
{
    const struct manifest_context *context = invocation->user;
    const struct options *options = &invocation->options;
    bool given = options_given(options, OPTION_QMP);

    *sockets = (struct manifest_sockets){.qmp = NULL};
    if (!given && vm->vm.qmp_path != NULL) {
        sockets->qmp = vm->vm.qmp_path;
        sockets->agent = vm->vm.agent_path;
    } else if ((given || vm->vm.name == NULL || !find_by_name(vm->vm.name, second, sockets)) &&
               !context->several) {
        sockets->qmp = options->qmp_path;
        sockets->agent = options->agent_path;
    }
    if (options_given(options, OPTION_AGENT))
        sockets->agent = options->agent_path;
    return sockets->qmp != NULL;
}

/* What this user stores says nothing to a daemon of another's. */
static int check_owner(const char *qmp_path, struct error *error)
{
    struct held held;
    struct stat status;

    if (!held_find(qmp_path, &held) || stat(held.api_socket, &status) < 0 ||
        status.st_uid == geteuid())
        return 0;
    (void)error_set(error, ERROR_BLOCKED, "",
                    "another user's vmplugd holds the VM '%s', and keeps its manifest", held.name);
    error_advise(error, "add --api-socket %s", held.api_socket);
    return -1;
}

int manifest_context_guard(struct invocation *invocation, const struct desired *desired,
                           struct error *error)
{
    struct manifest_context *context = invocation->user;
    struct manifest_sockets sockets;
    size_t i;
    int *fd;

    for (i = 0; i < desired->vm_count && context->guard_count < MANIFEST_GUARDS_MAX; i++) {
        fd = &context->guards[context->guard_count];
        if (!manifest_context_find(invocation, desired->vms[i], false, &sockets))
            continue;
        if (session_guard(sockets.qmp, invocation->options.timeout_ms, fd, error) < 0)
            return -1;
        if (*fd < 0)
            continue;
        context->guard_count++;
        if (check_owner(sockets.qmp, error) < 0)
            return -1;
    }
    return 0;
}

static int plan_and_run(struct invocation *invocation)
{
    struct manifest_context *context = invocation->user;
    struct error error = ERROR_INIT;
    int exit_code = 0;

    context->inventory = fetch(invocation, PLAN_PARTS, &exit_code);
    if (context->inventory == NULL)
        return exit_code;
    context->audit = audit_new(invocation->session.vm, context->inventory);
    context->input.inventory = context->inventory;
    context->input.audit = context->audit;
    if (context->audit == NULL)
        (void)error_set(&error, ERROR_SYSTEM, "", "out of memory");
    if (context->audit == NULL || plan_make(&context->plan, &context->input, &error) < 0)
        exit_code = manifest_context_fail(invocation, &error);
    else
        exit_code = context->run(invocation);
    plan_free(&context->plan);
    audit_free(STEAL(context->audit));
    inventory_free(STEAL(context->inventory));
    return exit_code;
}

static void begin(struct manifest_context *context, const struct desired_vm *vm)
{
    context->vm = vm;
    context->claims = (struct claims){.objects = &context->desired.objects};
    if (vm->vm.name != NULL)
        context->claims.empty_directory = launch_disks_directory(
            vm->vm.name, context->empty_directory, sizeof(context->empty_directory));
    context->input = (struct plan_input){
        .vm = &vm->vm, .cluster = &context->desired.cluster, .claims = &context->claims};
}

int manifest_context_run_absent(struct invocation *invocation, const struct desired_vm *vm,
                                int (*run)(struct invocation *invocation))
{
    struct manifest_context *context = invocation->user;
    struct error error = ERROR_INIT;
    int exit_code;

    begin(context, vm);
    if (plan_make_absent(&context->plan, &context->input, &error) < 0)
        exit_code = manifest_context_fail(invocation, &error);
    else
        exit_code = run(invocation);
    plan_free(&context->plan);
    return exit_code;
}

int manifest_context_run(struct invocation *invocation, const struct desired_vm *vm, bool second,
                         int (*run)(struct invocation *invocation))
{
    struct manifest_context *context = invocation->user;
    struct manifest_sockets sockets;

    begin(context, vm);
    context->run = run;
    (void)manifest_context_find(invocation, vm, second, &sockets);
    return invocation_run_connected(invocation, sockets.qmp, sockets.agent, plan_and_run);
}
