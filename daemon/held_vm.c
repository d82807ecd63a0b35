/* SPDX-License-Identifier: MIT */
#include "daemon/held_vm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "daemon/ch_socket.h"
#include "daemon/event_log.h"
#include "daemon/fleet.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/metrics.h"
#include "daemon/reboot_told.h"
#include "daemon/reconcile.h"
#include "manifest/desired.h"
#include "qmp/field.h"
#include "vmm/held.h"

#define FIRST_RETRY_SECONDS 0.1
#define LAST_RETRY_SECONDS 5.
#define GREETING_MS 5000 /* then another client is thought to have the monitor */
#define PATIENCE_MS 60000 /* … and it is waited for in its queue */

enum { PUMP_QMP, PUMP_TIMERS, PUMP_AGENT, PUMPS_ };

struct held_vm {
    struct daemon *daemon;
    char name[VM_NAME_MAX + 1];
    enum held_state state;
    char *qmp_path, *agent_path; /* NULL: not known; of the agent: there is none */
    char *api_path;              /* where Cloud Hypervisor's API is to be; NULL: nowhere */
    struct ch_socket *api;       /* NULL: there is none */
    bool by_name;                /* they are those of the VM's directory */
    struct error *failure;       /* NULL: none */
    ev_timer timer;              /* until it is connected to, or its agent, again */
    double delay_s;
    struct fleet_turn turn; /* to connect */
    bool was_ready; /* before: it is connected again */
    bool is_stopping;
    /* While it is connected, and else NULL: */
    struct vm *vm;
    struct loop_pump pumps[PUMPS_];
    bool attached[PUMPS_];
    /* … and ready: */
    struct vm_jobs *jobs;
    struct reboot *reboot;
    struct reboot_told reboot_told;
    struct held_mark mark, agent_mark;
    struct reconcile *reconcile; /* always */
};

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events);
static void on_turn(void *user);

const char *held_vm_state_name(enum held_state state)
{
    static const char *const names[HELD_STATES_] = {
        [HELD_ABSENT] = "absent",
        [HELD_CONNECTING] = "connecting",
        [HELD_BUSY] = "busy",
        [HELD_READY] = "ready",
    };

    return names[state];
}

static void set_timer(struct held_vm *held, double seconds)
{
    struct ev_loop *loop = held->daemon->loop;

    if (held->is_stopping)
        return;
    ev_timer_stop(loop, &held->timer);
    ev_now_update(loop);
    ev_timer_set(&held->timer, seconds, 0);
    ev_timer_start(loop, &held->timer);
}

static void retry_later(struct held_vm *held)
{
    set_timer(held, held->delay_s);
    held->delay_s = 2 * held->delay_s < LAST_RETRY_SECONDS ? 2 * held->delay_s
                                                           : LAST_RETRY_SECONDS;
}

/* Said when it is another one than before. */
static void set_state(struct held_vm *held, enum held_state state, const struct error *failure)
{
    bool same = state == held->state && (failure == NULL) == (held->failure == NULL) &&
                (failure == NULL || strcmp(failure->why, held->failure->why) == 0);

    held->state = state;
    if (same)
        return;
    free(STEAL(held->failure));
    if (failure != NULL)
        held->failure = malloc(sizeof(*held->failure));
    if (held->failure != NULL)
        *held->failure = *failure;
    event_log_add(held->daemon->events, EVENT_STATE, held->name,
                  json_pack("{s:s}", "state", held_vm_state_name(state)));
    if (state == HELD_CONNECTING)
        return; /* what comes of it is said */
    log_line(state == HELD_BUSY ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, held->name, "state", "state",
             held_vm_state_name(state), "why", failure != NULL ? failure->why : NULL, NULL);
    if (failure != NULL)
        reconcile_detach(held->reconcile, state == HELD_BUSY ? "MonitorBusy" : "Absent", failure);
}

/* ---- ready ---- */

static void on_event(void *user, const struct qmp_event *event)
{
    struct held_vm *held = user;

    if (event == NULL)
        return;
    event_log_add(held->daemon->events, EVENT_QMP, held->name,
                  json_pack("{s:s, s:O?}", "event", event->name, "data", event->data));
    if ((strcmp(event->name, "VSERPORT_CHANGE") == 0 && field_bool(event->data, "open", false)) ||
        strcmp(event->name, "RESUME") == 0)
        reconcile_nudge(held->reconcile);
}

static struct held mark_text(const struct held_vm *held)
{
    struct held text = {.api_socket = ""};

    (void)snprintf(text.api_socket, sizeof(text.api_socket), "%s", held->daemon->api_socket);
    (void)snprintf(text.name, sizeof(text.name), "%s", held->name);
    return text;
}

static void leave_mark(struct held_vm *held, struct held_mark *mark, const char *path)
{
    struct error error = ERROR_INIT;
    struct held text;

    if (held->daemon->api_socket == NULL || mark->inode != 0)
        return;
    text = mark_text(held);
    if (held_make(mark, held->daemon->runtime_dir, path, &text, &error) < 0)
        log_error(LOG_LEVEL_WARNING, held->name, "no other client will find its way", &error);
}

static void remove_marks(struct held_vm *held)
{
    struct held text;

    if (held->daemon->api_socket == NULL)
        return;
    text = mark_text(held);
    held_remove(&held->mark, held->daemon->runtime_dir, &text);
    held_remove(&held->agent_mark, held->daemon->runtime_dir, &text);
}

/* ---- where it is ---- */

static char *find_socket(const char *name, const char *file, struct error *error)
{
    char path[VM_DIRECTORY_MAX];

    return vm_directory_find_socket(name, file, path, sizeof(path), error) == 0 ? strdup(path)
                                                                                : NULL;
}

static void forget_sockets(struct held_vm *held)
{
    free(STEAL(held->qmp_path));
    free(STEAL(held->agent_path));
}

/* Whether the manifest names sockets. */
static int read_sockets(struct held_vm *held, struct error *error)
{
    const struct virtual_machine *vm;
    struct desired desired;
    int status = desired_open(&desired, false, error);

    if (status == 0)
        status = desired_take_stored(&desired, held->name, error);
    forget_sockets(held);
    free(STEAL(held->api_path));
    if (status == 0) {
        vm = &desired.vms[0]->vm;
        held->by_name = vm->qmp_path == NULL;
        held->qmp_path = vm->qmp_path != NULL ? strdup(vm->qmp_path) : NULL;
        held->agent_path = !held->by_name && vm->agent_path != NULL ? strdup(vm->agent_path) : NULL;
        held->api_path = vm->api_path != NULL ? strdup(vm->api_path) : NULL;
    }
    desired_close(&desired);
    return status;
}

/* Those that the manifest names, or else those of the VM's directory, which come and go with it. */
static int find_sockets(struct held_vm *held, struct error *error)
{
    if (!held->by_name && held->qmp_path == NULL && read_sockets(held, error) < 0)
        return -1;
    if (!held->by_name)
        return 0;
    forget_sockets(held);
    held->qmp_path = find_socket(held->name, VM_DIRECTORY_QMP, error);
    held->agent_path = find_socket(held->name, VM_DIRECTORY_AGENT, NULL);
    return held->qmp_path != NULL ? 0 : -1;
}

/* ---- the end of a connection ---- */

/* What has ended with the monitor ends by timers that are due. */
static void run_timers(struct vm *vm)
{
    struct pump *pumps[VM_PUMPS_MAX] = {NULL};
    struct pump *timers = pumps[vm_pumps(vm, pumps) - 1];
    unsigned i;

    for (i = 0; i < 1000 && pump_process(timers, 0) == PUMP_PROGRESS; i++)
        continue;
}

static void disconnect(struct held_vm *held, const struct error *why)
{
    struct vm *vm = STEAL(held->vm);
    size_t i;

    if (vm == NULL)
        return;
    if (held->jobs != NULL) {
        run_timers(vm);
        vm_jobs_abandon(held->jobs, why);
        ch_socket_set_jobs(held->api, NULL);
        reconcile_detach(held->reconcile, held->is_stopping ? "Stopping" : "Absent", why);
        reboot_free(STEAL(held->reboot));
        vm_jobs_free(STEAL(held->jobs));
        remove_marks(held);
    }
    for (i = 0; i < PUMPS_; i++) {
        if (held->attached[i])
            loop_detach(&held->pumps[i]);
        held->attached[i] = false;
    }
    vm_free(vm);
}

static void on_qemu_gone(void *user)
{
    struct held_vm *held = user;
    struct error why = *qmp_client_failure(vm_qmp(held->vm));
    bool was_ready = held->state == HELD_READY;
    bool busy = !was_ready && why.code == ERROR_BUSY;

    held->attached[PUMP_QMP] = false; /* loop.c has seen to it */
    if (was_ready) {
        why.code = ERROR_DISCONNECTED;
        held->delay_s = FIRST_RETRY_SECONDS;
    }
    disconnect(held, &why);
    set_state(held, busy ? HELD_BUSY : HELD_ABSENT, &why);
    if (busy)
        set_timer(held, FIRST_RETRY_SECONDS);
    else
        retry_later(held);
}

/* ---- the agent ---- */

static void on_agent_gone(void *user)
{
    struct held_vm *held = user;

    held->attached[PUMP_AGENT] = false;
    if (held->state == HELD_READY)
        retry_later(held);
}

static void attach(struct held_vm *held, unsigned which, struct pump *pump,
                   void (*on_dead)(void *user))
{
    loop_attach(&held->pumps[which], held->daemon->loop, pump, on_dead, held);
    held->pumps[which].on_turn = on_turn;
    held->attached[which] = true;
}

/* QEMU makes the agent's socket after the monitor's; and a session with what runs in a guest may
 * end on its own. */
static void connect_agent(struct held_vm *held)
{
    struct pump *pump;

    if (held->by_name && held->agent_path == NULL)
        held->agent_path = find_socket(held->name, VM_DIRECTORY_AGENT, NULL);
    if (held->agent_path == NULL)
        return;
    if (!vm_has_agent(held->vm)) {
        pump = vm_connect_agent(held->vm, held->agent_path, NULL);
        if (pump == NULL) {
            retry_later(held);
            return;
        }
        attach(held, PUMP_AGENT, pump, on_agent_gone);
        if (held->jobs != NULL)
            reconcile_nudge(held->reconcile);
    }
    leave_mark(held, &held->agent_mark, held->agent_path);
}

/* ---- the beginning of a connection ---- */

static int begin_service(struct held_vm *held)
{
    struct reboot_observer observer;

    held->reboot_told = (struct reboot_told){
        .daemon = held->daemon, .name = held->name, .reconcile = held->reconcile};
    observer = reboot_told_observe(&held->reboot_told);
    held->jobs = vm_jobs_new(held->vm, held->daemon->timeout_ms);
    if (held->jobs == NULL)
        return -1;
    held->reboot = reboot_new(held->vm, held->jobs, &observer);
    if (held->reboot == NULL || qmp_client_subscribe(vm_qmp(held->vm), on_event, held) == 0)
        return -1;
    held->delay_s = FIRST_RETRY_SECONDS;
    ev_timer_stop(held->daemon->loop, &held->timer);
    if (held->was_ready)
        metrics_reconnect(held->daemon->metrics);
    held->was_ready = true;
    leave_mark(held, &held->mark, held->qmp_path);
    connect_agent(held);
    set_state(held, HELD_READY, NULL);
    reconcile_attach(held->reconcile, held->jobs);
    ch_socket_set_jobs(held->api, held->jobs);
    return 0;
}

static void give_up(struct held_vm *held, const struct error *why)
{
    disconnect(held, why);
    set_state(held, HELD_ABSENT, why);
    retry_later(held);
}

static void on_turn(void *user)
{
    struct held_vm *held = user;
    struct error error = ERROR_INIT;

    if (held->jobs != NULL && vm_jobs_are_idle(held->jobs))
        vm_rest(held->vm);
    if (held->jobs != NULL || !qmp_client_is_ready(vm_qmp(held->vm)) || held->is_stopping)
        return;
    if (begin_service(held) == 0)
        return;
    (void)error_set(&error, ERROR_SYSTEM, "", "out of memory");
    give_up(held, &error);
}

static int open_vm(struct held_vm *held, struct error *error)
{
    const struct vm_options options = {
        .qmp_path = held->qmp_path,
        .agent_path = held->agent_path,
        .greeting_timeout_ms = held->state == HELD_BUSY ? PATIENCE_MS : GREETING_MS,
        .runtime_dir = held->daemon->runtime_dir,
    };
    struct pump *pumps[VM_PUMPS_MAX];
    size_t count;

    held->vm = vm_new(&options, error);
    if (held->vm == NULL)
        return -1;
    count = vm_pumps(held->vm, pumps);
    attach(held, PUMP_QMP, qmp_client_pump(vm_qmp(held->vm)), on_qemu_gone);
    attach(held, PUMP_TIMERS, pumps[count - 1], NULL);
    if (vm_agent(held->vm) != NULL)
        attach(held, PUMP_AGENT, agent_pump(vm_agent(held->vm)), on_agent_gone);
    return 0;
}

/* Before there is a connection, so that nobody's request is under way on another path. */
static void follow_api(struct held_vm *held)
{
    struct error error = ERROR_INIT;

    if (held->api != NULL &&
        (held->api_path == NULL || strcmp(held->api_path, ch_socket_path(held->api)) != 0))
        ch_socket_free(STEAL(held->api));
    if (held->api != NULL || held->api_path == NULL)
        return;
    held->api = ch_socket_new(held->daemon, held->name, held->api_path, &error);
    if (held->api == NULL)
        log_error(LOG_LEVEL_WARNING, held->name, "without Cloud Hypervisor's API", &error);
}

static void connect_vm(struct held_vm *held)
{
    struct error error = ERROR_INIT;
    int status = find_sockets(held, &error);

    follow_api(held);
    if (status == 0)
        status = open_vm(held, &error);
    if (status == 0) {
        if (held->state != HELD_BUSY)
            set_state(held, HELD_CONNECTING, NULL);
        return;
    }
    set_state(held, HELD_ABSENT, &error);
    retry_later(held);
}

static void take_turn(void *user)
{
    struct held_vm *held = user;

    fleet_leave(held->daemon->fleet, &held->turn);
    connect_vm(held);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct held_vm *held = timer->data;

    (void)loop;
    (void)events;
    if (held->vm == NULL && held->turn.state == FLEET_NO_TURN)
        fleet_enter(held->daemon->fleet, &held->turn);
    else if (held->state == HELD_READY)
        connect_agent(held);
}

/* ---- all ---- */

struct held_vm *held_vm_new(struct daemon *daemon, const char *name, struct error *error)
{
    struct held_vm *held;

    if (vm_directory_check_name(name, error) < 0)
        return NULL;
    held = calloc(1, sizeof(*held));
    if (held != NULL) {
        (void)snprintf(held->name, sizeof(held->name), "%s", name);
        held->reconcile = reconcile_new(daemon, held->name);
    }
    if (held == NULL || held->reconcile == NULL) {
        free(held);
        (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
        return NULL;
    }
    held->daemon = daemon;
    held->delay_s = FIRST_RETRY_SECONDS;
    ev_timer_init(&held->timer, on_timer, 0, 0);
    held->timer.data = held;
    held->turn = (struct fleet_turn){.begin = take_turn, .user = held};
    set_timer(held, 0);
    return held;
}

void held_vm_free(struct held_vm *held)
{
    struct error why = ERROR_INIT;

    if (held == NULL)
        return;
    (void)error_set(&why, ERROR_CANCELLED, "", "the daemon lets go of the VM '%s'", held->name);
    held_vm_stop(held);
    disconnect(held, &why);
    ch_socket_free(held->api);
    reconcile_free(held->reconcile);
    free(held->qmp_path);
    free(held->agent_path);
    free(held->api_path);
    free(held->failure);
    free(held);
}

const char *held_vm_name(const struct held_vm *held)
{
    return held->name;
}

enum held_state held_vm_state(const struct held_vm *held)
{
    return held->state;
}

const struct error *held_vm_failure(const struct held_vm *held)
{
    static const struct error none = ERROR_INIT;

    return held->failure != NULL ? held->failure : &none;
}

struct vm *held_vm_vm(const struct held_vm *held)
{
    return held->jobs != NULL ? held->vm : NULL;
}

struct vm_jobs *held_vm_jobs(const struct held_vm *held)
{
    return held->jobs;
}

json_t *held_vm_conditions(const struct held_vm *held)
{
    return json_pack("[o]", reconcile_condition(held->reconcile));
}

void held_vm_reconcile(struct held_vm *held, const struct batch_observer *observer)
{
    reconcile_request(held->reconcile, observer);
}

void held_vm_source_changed(struct held_vm *held, enum kind kind, const char *name)
{
    reconcile_source_changed(held->reconcile, kind, name);
}

static bool is_same_path(const char *one, const char *other)
{
    return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0;
}

void held_vm_changed(struct held_vm *held)
{
    AUTO_FREE char *qmp_path = STEAL(held->qmp_path), *agent_path = STEAL(held->agent_path);
    AUTO_FREE char *api_path = STEAL(held->api_path);
    struct error error = ERROR_INIT;
    int status;

    held->by_name = false;
    status = find_sockets(held, &error);
    held->delay_s = FIRST_RETRY_SECONDS;
    if (held->vm == NULL) {
        set_timer(held, 0);
    } else if (status < 0 && !held->by_name) { /* it is no manifest any more: that is said */
        held->qmp_path = STEAL(qmp_path);
        held->agent_path = STEAL(agent_path);
        held->api_path = STEAL(api_path);
        reconcile_request(held->reconcile, NULL);
    } else if (!is_same_path(qmp_path, held->qmp_path) ||
               !is_same_path(agent_path, held->agent_path) ||
               !is_same_path(api_path, held->api_path)) {
        (void)error_set(&error, ERROR_DISCONNECTED, "", "the manifest names another socket");
        give_up(held, &error);
    } else if (held->jobs != NULL) {
        reconcile_request(held->reconcile, NULL);
    }
}

void held_vm_stop(struct held_vm *held)
{
    held->is_stopping = true;
    ev_timer_stop(held->daemon->loop, &held->timer);
    fleet_leave(held->daemon->fleet, &held->turn);
    reconcile_stop(held->reconcile);
    if (held->jobs != NULL)
        vm_jobs_stop(held->jobs);
}

bool held_vm_is_idle(const struct held_vm *held)
{
    return held->jobs == NULL || vm_jobs_are_idle(held->jobs);
}
