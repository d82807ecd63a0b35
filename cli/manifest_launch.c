/* SPDX-License-Identifier: MIT */
/* launch, adopt, forget, stop. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "cli/manifest_context.h"
#include "cli/manifest_parts.h"
#include "cli/manifest_show.h"
#include "cli/report.h"
#include "cli/signals.h"
#include "manifest/adopt.h"
#include "manifest/launch.h"
#include "manifest/stop.h"
#include "qmp/codec.h"

/* {"operation", "id", "verdict": "done"}, and what else there is to say of it, which is taken
 * over. */
static int succeed(struct invocation *invocation, const char *name, json_t *more)
{
    AUTO_JSON json_t *object =
        json_pack("{s:s, s:s, s:s}", "operation", invocation->command->name, "id", name,
                  "verdict", "done");

    if (more != NULL)
        (void)json_object_update(object, more);
    json_decref(more);
    if (invocation->out.json)
        output_json(&invocation->out, object, 0);
    return 0;
}

static int fail(struct invocation *invocation, const char *name, const struct error *error)
{
    if (error->code == ERROR_INVALID)
        return report_mistake(invocation, error);
    return report_device_failure(invocation, name, report_verdict(error, false), error);
}

/* ---- launch ---- */

static int print_line(struct invocation *invocation, const struct launch *launch)
{
    struct error error = ERROR_INIT;
    AUTO_FREE char *line = launch_print(launch, &error);

    if (line == NULL)
        return fail(invocation, launch->name, &error);
    if (invocation->out.json)
        return succeed(invocation, launch->name, json_pack("{s:s}", "command", line));
    output_print(&invocation->out, "%s", line);
    return 0;
}

static int start(struct invocation *invocation, const struct launch *launch)
{
    char qmp[VM_DIRECTORY_MAX], agent[VM_DIRECTORY_MAX];
    struct error error = ERROR_INIT;
    pid_t process = 0;

    if (launch_start(launch, &process, &error) < 0)
        return fail(invocation, launch->name, &error);
    vm_directory_path(launch->name, VM_DIRECTORY_QMP, qmp, sizeof(qmp));
    vm_directory_path(launch->name, VM_DIRECTORY_AGENT, agent, sizeof(agent));
    output_print(&invocation->out,
                 "%s runs, process %ld; --vm %s stands for its sockets\n  %s\n  %s\n",
                 launch->name, (long)process, launch->name, qmp, agent);
    return succeed(invocation, launch->name,
                   json_pack("{s:I, s:s, s:s}", "pid", (json_int_t)process, "qmp", qmp, "agent",
                             agent));
}

static int launch_one(struct invocation *invocation, const struct desired_vm *vm)
{
    struct manifest_context *context = invocation->user;
    struct claims claims = {.objects = &context->desired.objects};
    const struct launch launch = {
        .name = vm->vm.name,
        .vm = &vm->vm,
        .cluster = &context->desired.cluster,
        .claims = &claims,
        .store = &context->desired.store,
        .timeout_ms = options_given(&invocation->options, OPTION_TIMEOUT)
                          ? invocation->options.timeout_ms
                          : 0,
    };
    struct error error = ERROR_INIT;

    if (vm->vm.name == NULL) {
        (void)error_set(&error, ERROR_INVALID, "give it metadata.name, or say --vm NAME",
                        "launch: the manifest's VM has no name");
        return fail(invocation, NULL, &error);
    }
    return invocation->options.print ? print_line(invocation, &launch)
                                     : start(invocation, &launch);
}

int manifest_launch(struct invocation *invocation)
{
    struct manifest_context context;
    bool print = invocation->options.print;
    struct error error = ERROR_INIT;
    int exit_code = manifest_context_open(invocation, &context, !print), one;
    size_t i;

    if (exit_code == 0)
        exit_code = manifest_context_take(invocation, !print);
    if (exit_code == 0 && context.desired.vm_count == 0) {
        (void)error_set(&error, ERROR_INVALID, "give the VM's own, too",
                        "launch: there is no VirtualMachine among the manifests");
        exit_code = report_mistake(invocation, &error);
    }
    for (i = 0; exit_code == 0 && i < context.desired.vm_count; i++) {
        one = launch_one(invocation, context.desired.vms[i]);
        exit_code = manifest_show_worse(exit_code, one);
    }
    manifest_context_close(&context);
    return exit_code;
}

/* ---- the others ---- */

int manifest_adopt(struct invocation *invocation)
{
    const struct options *options = &invocation->options;
    const char *name = invocation->operands[0];
    struct error error = ERROR_INIT;

    if (adopt_qemu(name, options->qmp_path, options->agent_path, &error) < 0)
        return fail(invocation, name, &error);
    output_print(&invocation->out, "%s is %s%s\n", name, options->qmp_path,
                 options->agent_path != NULL
                     ? ""
                     : "; without an agent the guest's side can't be confirmed");
    return succeed(invocation, name, NULL);
}

int manifest_forget(struct invocation *invocation)
{
    const char *name = invocation->operands[0];
    struct manifest_context context;
    struct error error = ERROR_INIT;
    int exit_code = manifest_context_open(invocation, &context, true);

    if (exit_code == 0 && adopt_forget(&context.desired.store, name, &error) < 0)
        exit_code = fail(invocation, name, &error);
    if (exit_code == 0) {
        output_print(&invocation->out, "%s is forgotten\n", name);
        exit_code = succeed(invocation, name, NULL);
    }
    manifest_context_close(&context);
    return exit_code;
}

/* Of --grace, of the manifest, or what Kubernetes takes. */
static unsigned grace_of(struct invocation *invocation, const char *name)
{
    const struct options *options = &invocation->options;
    struct manifest_context context;
    unsigned seconds = STOP_GRACE_SECONDS;

    if (options_given(options, OPTION_GRACE))
        return options->grace_seconds;
    if (manifest_context_open(invocation, &context, false) == 0 &&
        desired_take_stored(&context.desired, name, NULL) == 0 &&
        context.desired.vms[0]->vm.grace_given)
        seconds = context.desired.vms[0]->vm.grace_seconds;
    manifest_context_close(&context);
    return seconds;
}

int manifest_stop(struct invocation *invocation)
{
    static const char *const means[] = {
        [STOP_BY_ITSELF] = "it had ended by itself",
        [STOP_BY_AGENT] = "its agent shut it down",
        [STOP_BY_ACPI] = "it heeded the power button",
        [STOP_BY_QUIT] = "it did not heed, and was cut off",
        [STOP_BY_KILL] = "QEMU did not heed, and was killed",
    };
    const char *name = invocation->operands[0];
    struct signals signals;
    const struct stop_interrupt interrupt = {.pump = &signals.pump, .count = &signals.count};
    struct error error = ERROR_INIT;
    enum stop_way way;
    int status = signals_open(&signals, &error);

    if (status == 0)
        status = stop_vm(name, grace_of(invocation, name), &interrupt, &way, &error);
    signals_close(&signals);
    if (status != 0)
        return fail(invocation, name, &error);
    output_print(&invocation->out, "%s is stopped: %s\n", name, means[way]);
    return succeed(invocation, name, json_pack("{s:s}", "by", stop_way_name(way)));
}
