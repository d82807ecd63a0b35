/* SPDX-License-Identifier: MIT */
/*
 * vmplug-serve: one VM behind Cloud Hypervisor's HTTP API on a Unix socket. `vmplug serve` becomes
 * it, with its options put straight; all runs in one thread on libev.
 */
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "daemon/ch_api.h"
#include "daemon/reboot.h"
#include "daemon/listener.h"
#include "daemon/loop.h"
#include "vmm/result_json.h"
#include "vmm/verdict.h"

#define GREETING_MS 5000
#define DEFAULT_TIMEOUT_MS 60000
#define DRAIN_SECONDS 2. /* for answers that are not taken, at the end */
#define EXIT_USAGE 2
#define EXIT_CONNECT 3

struct serve {
    const char *qmp_path, *agent_path, *socket_path;
    double timeout_ms;
    struct ev_loop *loop;
    struct vm *vm;
    struct loop_pump pumps[VM_PUMPS_MAX];
    struct listener listener;
    struct http_server *http;
    struct vm_jobs *jobs;
    struct ch_api api;
    struct reboot *reboot;
    ev_signal terminate, interrupt;
    ev_prepare turn;
    ev_timer drain;
    bool is_stopping;
    int exit_code;
};

static int say(const struct error *error, int exit_code)
{
    fprintf(stderr, "vmplug: serve: %s; %s\n", error->why, result_json_fix(error));
    return exit_code;
}

/* ---- the end ---- */

/* Nobody new is let in, and the device that is under way is finished. */
static void stop(struct serve *serve, int exit_code)
{
    serve->is_stopping = true;
    serve->exit_code = exit_code;
    listener_close(&serve->listener);
    if (serve->http != NULL)
        http_server_quiesce(serve->http);
    if (serve->jobs != NULL)
        vm_jobs_stop(serve->jobs);
}

static void abandon(struct serve *serve)
{
    struct error error = ERROR_INIT;

    (void)error_set(&error, ERROR_CANCELLED, "start it again, and ask again",
                    "the server was told to end before all was done; what was done stays");
    vm_jobs_abandon(serve->jobs, &error);
}

/* The second time all is left as it is, and who waits is told. */
static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
    struct serve *serve = watcher->data;

    (void)loop;
    (void)events;
    if (!serve->is_stopping)
        stop(serve, 0);
    else if (serve->jobs != NULL)
        abandon(serve);
}

static void on_drain(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)timer;
    (void)events;
    ev_break(loop, EVBREAK_ALL);
}

static void on_qemu_gone(void *user)
{
    struct serve *serve = user;
    bool served = serve->http != NULL;

    if (!serve->is_stopping)
        stop(serve, say(qmp_client_failure(vm_qmp(serve->vm)),
                        served ? verdict_exit_code(VERDICT_LOST) : EXIT_CONNECT));
}

/* ---- the beginning ---- */

static void on_reboot(void *user, uint64_t count, const struct error *failure)
{
    (void)user;
    if (failure != NULL) {
        fprintf(stderr, "vmplug: serve: what the guest's reboot left offline: %s; %s\n",
                failure->why, result_json_fix(failure));
    } else {
        printf("the guest has rebooted: %" PRIu64 " of its vCPUs and DIMMs put online again\n",
               count);
        (void)fflush(stdout);
    }
}

static int begin_service(struct serve *serve, struct error *error)
{
    static const struct reboot_observer observer = {.end = on_reboot};
    struct http_server_options options = {
        .loop = serve->loop,
        .name = CH_API_SERVER,
        .handle = ch_api_handle,
    };

    serve->jobs = vm_jobs_new(serve->vm, serve->timeout_ms);
    if (serve->jobs != NULL)
        serve->reboot = reboot_new(serve->vm, serve->jobs, &observer);
    if (serve->reboot == NULL)
        return error_set(error, ERROR_SYSTEM, "", "out of memory");
    serve->api.jobs = serve->jobs;
    options.user = &serve->api;
    options.fd = steal_fd(&serve->listener.fd);
    serve->http = http_server_new(&options, error);
    if (serve->http == NULL)
        return -1;
    printf("listening on %s\n", serve->socket_path);
    return fflush(stdout) == 0 ? 0 : error_set(error, ERROR_SYSTEM, "look where the output goes",
                                               "cannot write to stdout");
}

/* Before each of the loop's waits. */
static void on_turn(struct ev_loop *loop, ev_prepare *prepare, int events)
{
    struct serve *serve = prepare->data;
    struct error error = ERROR_INIT;

    (void)events;
    if (!serve->is_stopping && serve->http == NULL && qmp_client_is_ready(vm_qmp(serve->vm)) &&
        begin_service(serve, &error) < 0)
        stop(serve, say(&error, 1));
    if (!serve->is_stopping || (serve->jobs != NULL && !vm_jobs_are_idle(serve->jobs)))
        return;
    if (serve->http == NULL || http_server_is_idle(serve->http))
        ev_break(loop, EVBREAK_ALL);
    else if (!ev_is_active(&serve->drain))
        ev_timer_start(loop, &serve->drain);
}

static struct vm *open_vm(const struct serve *serve, struct error *error)
{
    char runtime_dir[PATH_MAX];
    const struct vm_options options = {
        .qmp_path = serve->qmp_path,
        .agent_path = serve->agent_path,
        .greeting_timeout_ms = GREETING_MS,
        .runtime_dir = record_default_directory(runtime_dir, sizeof(runtime_dir)),
    };
    struct vm *vm = vm_new(&options, error);

    if (vm != NULL && vm_agent_failure(vm)->code != ERROR_NONE)
        fprintf(stderr, "vmplug: serve: without the guest agent: %s; %s\n",
                vm_agent_failure(vm)->why, result_json_fix(vm_agent_failure(vm)));
    return vm;
}

static void watch_signal(struct serve *serve, ev_signal *watcher, int number)
{
    ev_signal_init(watcher, on_signal, number);
    watcher->data = serve;
    ev_signal_start(serve->loop, watcher);
}

static void run(struct serve *serve)
{
    struct pump *pumps[VM_PUMPS_MAX];
    size_t count = vm_pumps(serve->vm, pumps), i;

    watch_signal(serve, &serve->terminate, SIGTERM);
    watch_signal(serve, &serve->interrupt, SIGINT);
    ev_timer_init(&serve->drain, on_drain, DRAIN_SECONDS, 0);
    ev_prepare_init(&serve->turn, on_turn);
    serve->turn.data = serve;
    ev_prepare_start(serve->loop, &serve->turn);
    for (i = 0; i < count; i++)
        loop_attach(&serve->pumps[i], serve->loop, pumps[i],
                    pumps[i] == qmp_client_pump(vm_qmp(serve->vm)) ? on_qemu_gone : NULL, serve);
    ev_run(serve->loop, 0);
    if (serve->jobs != NULL)
        abandon(serve);
    reboot_free(serve->reboot);
    vm_jobs_free(serve->jobs);
    http_server_free(serve->http);
    for (i = 0; i < count; i++)
        loop_detach(&serve->pumps[i]);
}

static int serve_vm(struct serve *serve)
{
    struct error error = ERROR_INIT;

    serve->loop = ev_default_loop(0);
    if (serve->loop == NULL)
        return 1;
    if (listener_open(&serve->listener, serve->socket_path, &error) < 0)
        return say(&error, 1);
    serve->vm = open_vm(serve, &error);
    if (serve->vm == NULL) {
        listener_close(&serve->listener);
        return say(&error, EXIT_CONNECT);
    }
    run(serve);
    vm_free(serve->vm);
    listener_close(&serve->listener);
    return serve->exit_code;
}

static int read_arguments(struct serve *serve, int argc, char **argv)
{
    static const struct option options[] = {
        {"qmp", required_argument, NULL, 'q'},     {"agent", required_argument, NULL, 'g'},
        {"api-socket", required_argument, NULL, 's'}, {"timeout", required_argument, NULL, 't'},
        {NULL, 0, NULL, 0},
    };
    int option;

    serve->timeout_ms = DEFAULT_TIMEOUT_MS;
    while ((option = getopt_long(argc, argv, "q:g:", options, NULL)) != -1) {
        if (option == 'q')
            serve->qmp_path = optarg;
        else if (option == 'g')
            serve->agent_path = optarg;
        else if (option == 's')
            serve->socket_path = optarg;
        else if (option == 't')
            serve->timeout_ms = strtod(optarg, NULL) * 1e3;
        else
            return -1;
    }
    return optind == argc && serve->qmp_path != NULL && serve->socket_path != NULL &&
                   serve->timeout_ms > 0
               ? 0
               : -1;
}

int main(int argc, char **argv)
{
    struct serve serve = {.listener.fd = -1};

    (void)signal(SIGPIPE, SIG_IGN);
    if (read_arguments(&serve, argc, argv) == 0)
        return serve_vm(&serve);
    fprintf(stderr, "usage: vmplug-serve --qmp PATH [--agent PATH] --api-socket PATH "
                    "[--timeout SECONDS]\nsee vmplug help serve\n");
    return EXIT_USAGE;
}
