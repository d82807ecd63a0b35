/* SPDX-License-Identifier: MIT */
/*
 * Adds a vCPU to a running VM, from GLib's main loop.
 *
 *     cc -Wall -o loop_glib loop_glib.c $(pkg-config --cflags --libs libvmplug glib-2.0)
 *     ./loop_glib QMP-SOCKET [AGENT-SOCKET]
 */
#include <stdio.h>

#include <glib.h>
#include <vmplug/vmm.h>

/* ---- the adapter: each pump is a GSource, whose descriptor and time are kept up to date ---- */

struct pump_source {
    GSource source; /* first: GLib allocates it */
    struct vmplug_pump *pump;
    int fd;
    gpointer tag; /* of the descriptor, while there is one */
};

static void pump_source_update(struct pump_source *source)
{
    int fd = vmplug_pump_fd(source->pump);
    GIOCondition wanted = (GIOCondition)vmplug_pump_events(source->pump); /* poll(2)'s numbers */
    double deadline_ms = vmplug_pump_deadline_ms(source->pump);

    if (fd != source->fd) {
        if (source->tag != NULL)
            g_source_remove_unix_fd(&source->source, source->tag);
        source->tag = fd >= 0 ? g_source_add_unix_fd(&source->source, fd, wanted) : NULL;
        source->fd = fd;
    } else if (source->tag != NULL) {
        g_source_modify_unix_fd(&source->source, source->tag, wanted);
    }
    /* GLib's time is CLOCK_MONOTONIC, too; it counts microseconds, and -1 is never. */
    g_source_set_ready_time(&source->source,
                            deadline_ms < 1e15 ? (gint64)(deadline_ms * 1e3) + 1 : -1);
}

static gboolean pump_source_dispatch(GSource *base, GSourceFunc callback, gpointer user)
{
    struct pump_source *source = (struct pump_source *)base;
    short revents = 0;

    (void)callback;
    (void)user;
    if (source->tag != NULL)
        revents = (short)g_source_query_unix_fd(base, source->tag);
    if (vmplug_pump_process(source->pump, revents) == VMPLUG_PUMP_DEAD)
        return G_SOURCE_REMOVE;
    pump_source_update(source);
    return G_SOURCE_CONTINUE;
}

/* Called by the library when a command was submitted, an operation begun. */
static void pump_source_changed(void *user)
{
    struct pump_source *source = user;

    if (!g_source_is_destroyed(&source->source))
        pump_source_update(source);
}

/* Driven by this context (NULL: the default one) until pump_source_free(). */
static struct pump_source *pump_source_new(struct vmplug_pump *pump, GMainContext *context)
{
    static GSourceFuncs functions = {.dispatch = pump_source_dispatch};
    struct pump_source *source =
        (struct pump_source *)g_source_new(&functions, sizeof(struct pump_source));

    source->pump = pump;
    source->fd = -1;
    g_source_attach(&source->source, context);
    vmplug_pump_on_change(pump, pump_source_changed, source);
    pump_source_update(source);
    return source;
}

/* Before the pump goes. Not in a callback of the pump's. */
static void pump_source_free(struct pump_source *source)
{
    vmplug_pump_on_change(source->pump, NULL, NULL);
    g_source_destroy(&source->source);
    g_source_unref(&source->source);
}

/* ---- the program ---- */

struct progress {
    GMainLoop *loop;
    int verdict;
};

static void on_stage(void *user, struct vmplug_result *so_far)
{
    (void)user;
    printf("%s: %s\n", vmplug_result_id(so_far), vmplug_level_name(vmplug_result_level(so_far)));
}

static void on_done(void *user, struct vmplug_result *result)
{
    struct progress *progress = user;

    progress->verdict = vmplug_result_verdict(result);
    printf("%s %s\n", vmplug_verdict_name(progress->verdict), vmplug_result_error(result)->why);
    g_main_loop_quit(progress->loop);
}

/* Returns an enum vmplug_verdict. */
static int add_vcpu(struct vmplug_vm *vm)
{
    const struct vmplug_request request = {
        .struct_bytes = sizeof(request), .action = VMPLUG_CPU_ADD, .count = 1};
    struct progress progress = {.loop = g_main_loop_new(NULL, FALSE), .verdict = VMPLUG_FAILED};
    const struct vmplug_observer observer = {
        .struct_bytes = sizeof(observer), .stage = on_stage, .done = on_done, .user = &progress};
    struct vmplug_error error;
    struct vmplug_operation *operation;
    struct pump_source *sources[VMPLUG_VM_PUMPS_MAX];
    struct vmplug_pump *pumps[VMPLUG_VM_PUMPS_MAX];
    size_t i, count = vmplug_vm_pumps(vm, pumps);

    for (i = 0; i < count; i++)
        sources[i] = pump_source_new(pumps[i], NULL);
    operation = vmplug_operation_start(vm, &request, &observer, &error);
    if (operation == NULL)
        fprintf(stderr, "%s; %s\n", error.why, error.fix);
    else
        g_main_loop_run(progress.loop);
    vmplug_operation_free(operation);
    for (i = 0; i < count; i++)
        pump_source_free(sources[i]);
    g_main_loop_unref(progress.loop);
    return progress.verdict;
}

int main(int argc, char **argv)
{
    const struct vmplug_vm_options options = {.struct_bytes = sizeof(options),
                                              .qmp_path = argc > 1 ? argv[1] : "",
                                              .agent_path = argc > 2 ? argv[2] : NULL};
    struct vmplug_error error;
    struct vmplug_vm *vm = vmplug_vm_open(&options, &error);
    int verdict;

    if (vm == NULL) {
        fprintf(stderr, "%s; %s\n", error.why, error.fix);
        return 1;
    }
    verdict = add_vcpu(vm);
    vmplug_vm_free(vm);
    return vmplug_verdict_is_success(verdict) ? 0 : 1;
}
