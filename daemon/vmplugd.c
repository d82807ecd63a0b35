/* SPDX-License-Identifier: MIT */
/*
 * vmplugd: holds the VMs whose manifests are stored, and makes each of them what its manifest says.
 * One thread, on libev; nothing in it waits but the loop. SIGTERM ends it: the devices that are
 * under way are finished, and no other is begun; a second one ends it at once, and what stands is
 * taken up by the next daemon, or by vmplug.
 */
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"

#include "base/cleanup.h"
#include "daemon/audit_log.h"
#include "daemon/event_log.h"
#include "daemon/fleet.h"
#include "daemon/listener.h"
#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/notify.h"
#include "daemon/policy.h"
#include "daemon/v1_api.h"
#include "daemon/v1_operation.h"
#include "vmm/record.h"
#include "vmm/vm_directory.h"

#define CONFIGURATION "/etc/vmplug"
#define LOGS "/var/log/vmplug"
#define DEFAULT_TIMEOUT_MS 60000
#define EVENT_BYTES ((size_t)4 << 20)
#define EVENT_BYTES_MIN 4096
#define IDLE_SECONDS 0.05 /* between two looks whether all has come to its end */
#define DRAIN_COUNT 40 /* such looks, for answers that are not taken */
#define EXIT_USAGE 2

struct vmplugd {
    /* Of the command line. */
    const char *api_socket, *manifests_dir, *policy_path, *audit_log_path;
    size_t event_bytes; /* that are kept at most */
    struct daemon daemon;
    char runtime_dir[VM_DIRECTORY_MAX], default_socket[VM_DIRECTORY_MAX + 16];
    struct listener listener;
    struct v1_api *api;
    struct http_server *http;
    struct notify notify;
    ev_signal terminate, interrupt, reload;
    ev_timer idle;
    unsigned idle_count; /* looks at a fleet that had nothing more to do */
    bool is_stopping;
};

/* ---- signals ---- */

static void on_idle(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct vmplugd *self = timer->data;

    (void)events;
    if (!fleet_is_idle(self->daemon.fleet))
        return;
    if (http_server_is_idle(self->http) || ++self->idle_count > DRAIN_COUNT)
        ev_break(loop, EVBREAK_ALL);
}

static void on_terminate(struct ev_loop *loop, ev_signal *watcher, int events)
{
    struct vmplugd *self = watcher->data;

    (void)events;
    if (self->is_stopping) {
        ev_break(loop, EVBREAK_ALL);
        return;
    }
    self->is_stopping = true;
    log_line(LOG_LEVEL_INFO, NULL, "ending: what is under way is finished", NULL);
    notify_stopping(&self->notify);
    listener_close(&self->listener);
    http_server_quiesce(self->http);
    v1_api_stop(self->api);
    fleet_stop(self->daemon.fleet);
    ev_timer_start(loop, &self->idle);
}

static void on_reload(struct ev_loop *loop, ev_signal *watcher, int events)
{
    struct vmplugd *self = watcher->data;
    struct error error = ERROR_INIT;

    (void)loop;
    (void)events;
    if (self->is_stopping)
        return;
    notify_reloading(&self->notify);
    notify_status(&self->notify, "ready");
    if (policy_reload(self->daemon.policy, &error) < 0) {
        log_error(LOG_LEVEL_ERROR, NULL, "the policy stays as it was", &error);
        notify_status(&self->notify, "the policy stays as it was: %s", error.why);
    }
    v1_api_policy_changed();
    error = (struct error)ERROR_INIT;
    if (audit_log_reopen(self->daemon.audit_log, &error) < 0)
        log_error(LOG_LEVEL_ERROR, NULL, "the audit log goes on where it was", &error);
    fleet_rescan(self->daemon.fleet);
    notify_ready(&self->notify);
}

static void watch_signal(struct vmplugd *self, ev_signal *watcher, int number,
                         void (*on_signal)(struct ev_loop *, ev_signal *, int))
{
    ev_signal_init(watcher, on_signal, number);
    watcher->data = self;
    ev_signal_start(self->daemon.loop, watcher);
}

static void watch_signals(struct vmplugd *self)
{
    watch_signal(self, &self->terminate, SIGTERM, on_terminate);
    watch_signal(self, &self->interrupt, SIGINT, on_terminate);
    watch_signal(self, &self->reload, SIGHUP, on_reload);
    ev_timer_init(&self->idle, on_idle, 0, IDLE_SECONDS);
    self->idle.data = self;
}

/* ---- the parts ---- */

static int open_parts(struct vmplugd *self, struct error *error)
{
    struct daemon *daemon = &self->daemon;

    daemon->loop = ev_default_loop(0);
    if (daemon->loop == NULL)
        return error_set(error, ERROR_SYSTEM, "", "no event loop can be made");
    daemon->events = event_log_new(self->event_bytes);
    daemon->metrics = metrics_new();
    if (daemon->events == NULL || daemon->metrics == NULL)
        return error_set(error, ERROR_SYSTEM, "", "out of memory");
    if (notify_open(&self->notify, daemon->loop, error) < 0)
        log_error(LOG_LEVEL_WARNING, NULL, "systemd hears nothing", error);
    daemon->policy = policy_new(self->policy_path, error);
    if (daemon->policy == NULL)
        return -1;
    daemon->audit_log = audit_log_new(self->audit_log_path, error);
    if (daemon->audit_log == NULL)
        return -1;
    /* Where it is there, or can't be made, is seen when something is made in it. */
    (void)mkdir(self->runtime_dir, geteuid() == 0 ? 0755 : 0700);
    if (listener_open(&self->listener, self->api_socket, error) < 0 ||
        (daemon->socket_group != NULL &&
         listener_share(&self->listener, daemon->socket_group, error) < 0))
        return -1;
    daemon->api_socket = self->api_socket[0] == '/' ? self->api_socket : NULL;
    return 0;
}

static int open_api(struct vmplugd *self, struct error *error)
{
    struct daemon *daemon = &self->daemon;
    struct http_server_options options = {
        .loop = daemon->loop,
        .name = V1_API_SERVER,
        .connections = V1_API_CONNECTIONS,
        .error = v1_api_error,
        .handle = v1_api_handle,
    };

    daemon->operations = v1_operations_new(daemon);
    self->api = v1_api_new(daemon);
    if (daemon->operations == NULL || self->api == NULL)
        return error_set(error, ERROR_SYSTEM, "", "out of memory");
    options.user = self->api;
    options.fd = steal_fd(&self->listener.fd);
    self->http = http_server_new(&options, error);
    return self->http != NULL ? 0 : -1;
}

/* The API is there before any monitor is held: who finds a mark gets an answer. */
static int begin(struct vmplugd *self, struct error *error)
{
    const struct fleet_options options = {.daemon = &self->daemon,
                                          .manifests_dir = self->manifests_dir};

    if (open_parts(self, error) < 0 || open_api(self, error) < 0)
        return -1;
    watch_signals(self);
    return fleet_new(&options, error) != NULL ? 0 : -1;
}

static void end(struct vmplugd *self)
{
    fleet_free(self->daemon.fleet);
    v1_operations_free(self->daemon.operations);
    http_server_free(self->http);
    v1_api_free(self->api);
    listener_close(&self->listener);
    audit_log_free(self->daemon.audit_log);
    metrics_free(self->daemon.metrics);
    event_log_free(self->daemon.events);
    policy_free(self->daemon.policy);
    notify_close(&self->notify);
}

/* A VM takes two descriptors. */
static void raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int serve(struct vmplugd *self)
{
    struct error error = ERROR_INIT;
    int status;

    raise_limit();
    status = begin(self, &error);
    if (status == 0) {
        log_line(LOG_LEVEL_INFO, NULL, "ready", "socket", self->api_socket, "manifests",
                 self->manifests_dir, NULL);
        notify_ready(&self->notify);
        notify_status(&self->notify, "ready");
        ev_run(self->daemon.loop, 0);
    } else {
        log_error(LOG_LEVEL_ERROR, NULL, "cannot begin", &error);
    }
    end(self);
    return status == 0 ? 0 : 1;
}

/* ---- the command line ---- */

/* Says it on stderr. Returns -1. */
static int wrong(const char *what, const char *why, const char *fix)
{
    (void)fprintf(stderr, "vmplugd: %s: %s; %s\n", what, why, fix);
    return -1;
}

static int read_level(const char *word)
{
    static const struct {
        const char *word;
        enum log_level level;
    } levels[] = {{"error", LOG_LEVEL_ERROR},
                  {"warning", LOG_LEVEL_WARNING},
                  {"notice", LOG_LEVEL_NOTICE},
                  {"info", LOG_LEVEL_INFO},
                  {"debug", LOG_LEVEL_DEBUG}};
    size_t i;

    for (i = 0; i < COUNT_OF(levels); i++) {
        if (strcmp(word, levels[i].word) == 0) {
            log_set_level(levels[i].level);
            return 0;
        }
    }
    return wrong("--log-level", "there is no such level",
                 "choose error, warning, notice, info or debug");
}

static int take_option(struct vmplugd *self, int option)
{
    char *rest;

    switch (option) {
    case 's':
        self->api_socket = optarg;
        return 0;
    case 'g':
        self->daemon.socket_group = optarg;
        return 0;
    case 'm':
        self->manifests_dir = optarg;
        return 0;
    case 'p':
        self->policy_path = optarg;
        return 0;
    case 'a':
        self->audit_log_path = optarg;
        return 0;
    case 'e':
        self->event_bytes = strtoul(optarg, &rest, 10);
        if (*rest == '\0' && self->event_bytes >= EVENT_BYTES_MIN)
            return 0;
        return wrong("--event-bytes", "that is no number from 4096", "write digits only");
    case 'l':
        return read_level(optarg);
    case 't':
        self->daemon.timeout_ms = strtod(optarg, &rest) * 1e3;
        if (*rest == '\0' && self->daemon.timeout_ms > 0)
            return 0;
        return wrong("--timeout", "that is no number of seconds",
                     "write a number above 0, for example 30 or 0.5");
    default:
        return -1;
    }
}

static const char usage[] =
    "usage: vmplugd [--api-socket PATH] [--socket-group GROUP] [--manifests DIR]\n"
    "               [--policy FILE] [--audit-log FILE] [--timeout SECONDS]\n"
    "               [--event-bytes BYTES] [--log-level error|warning|notice|info|debug]\n"
    "               [--help] [--version]\n"
    "see man vmplugd\n";

__attribute__((noreturn))
static void say_and_exit(const char *text)
{
    exit(fputs(text, stdout) < 0 || fflush(stdout) != 0 ? 1 : 0);
}

static int read_arguments(struct vmplugd *self, int argc, char **argv)
{
    static const struct option options[] = {
        {"api-socket", required_argument, NULL, 's'},
        {"socket-group", required_argument, NULL, 'g'},
        {"manifests", required_argument, NULL, 'm'},
        {"policy", required_argument, NULL, 'p'},
        {"audit-log", required_argument, NULL, 'a'},
        {"event-bytes", required_argument, NULL, 'e'},
        {"log-level", required_argument, NULL, 'l'},
        {"timeout", required_argument, NULL, 't'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    int option, at;

    opterr = 0;
    for (at = 1; (option = getopt_long(argc, argv, "+:", options, NULL)) != -1; at = optind) {
        if (option == 'h' || option == 'V')
            say_and_exit(option == 'h' ? usage : PACKAGE_STRING "\n");
        if (option == '?')
            return wrong(argv[at], "there is no such option", "see vmplugd --help");
        if (option == ':')
            return wrong(argv[at], "its value is missing", "see vmplugd --help");
        if (take_option(self, option) < 0)
            return -1;
    }
    if (at < argc)
        return wrong(argv[at], "it takes nothing but options", "see vmplugd --help");
    return 0;
}

/* What the command line does not say. */
static void find_defaults(struct vmplugd *self)
{
    (void)record_default_directory(self->runtime_dir, sizeof(self->runtime_dir));
    (void)snprintf(self->default_socket, sizeof(self->default_socket), "%s/api.sock",
                   self->runtime_dir);
    self->daemon.runtime_dir = self->runtime_dir;
    self->daemon.timeout_ms = DEFAULT_TIMEOUT_MS;
    self->event_bytes = EVENT_BYTES;
    self->api_socket = self->default_socket;
    if (geteuid() != 0)
        return;
    if (access(CONFIGURATION "/manifests", F_OK) == 0)
        self->manifests_dir = CONFIGURATION "/manifests";
    if (access(CONFIGURATION "/policy.yaml", F_OK) == 0)
        self->policy_path = CONFIGURATION "/policy.yaml";
    if (access(LOGS, F_OK) == 0)
        self->audit_log_path = LOGS "/audit.log";
}

int main(int argc, char **argv)
{
    struct vmplugd self = {.listener.fd = -1, .notify.fd = -1};

    (void)signal(SIGPIPE, SIG_IGN);
    find_defaults(&self);
    if (read_arguments(&self, argc, argv) == 0)
        return serve(&self);
    return EXIT_USAGE;
}
