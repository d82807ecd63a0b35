/* SPDX-License-Identifier: MIT */
/*
 * GET /v1/vms/{name}/qmp and /agent: from the answer to an Upgrade on the connection speaks QMP,
 * or the agent's protocol, with the VM (daemon/monitor_proxy.h). It keeps the role that its user
 * had when it began, and ends when a policy that is read anew has a lower one for him. With a
 * header Vmplug-Change it is greeted once it is the only one that changes the VM, and is so until
 * it ends.
 *
 * A client that changes the VM is a job among the others that do. What it has to say to QEMU and to
 * the agent belongs together, so all connections of a process to a VM have one place in the queue.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "daemon/audit_log.h"
#include "daemon/fleet.h"
#include "daemon/gate.h"
#include "daemon/loop.h"
#include "daemon/monitor_proxy.h"
#include "daemon/monitor_rights.h"
#include "daemon/v1_handlers.h"
#include "vmm/vm_directory.h"

#define SESSIONS_MAX 512 /* of all VMs; each has a descriptor */
#define SESSIONS_EACH 384 /* … of one user */

/* A process's, among those that change the VM. (Of one in another pid namespace the kernel says 0:
 * all of such a user are one.) */
struct turn {
    TAILQ_ENTRY(turn) link;
    const struct vm_jobs *jobs;
    uid_t uid;
    pid_t pid;
    struct vm_job job;
    bool is_queued, is_granted;
    size_t users;
};

struct session {
    TAILQ_ENTRY(session) link;
    struct daemon *daemon;
    char name[VM_NAME_MAX + 1]; /* of the VM */
    enum peer peer;
    bool changes; /* said so when it came */
    enum role role; /* once it has begun */
    struct peer_id user;
    struct vm_jobs *jobs; /* NULL: they have ended, or it has not begun */
    struct vm_jobs_watcher watcher;
    struct turn *turn; /* NULL: it does not change the VM */
    struct monitor_proxy *proxy; /* NULL: it has not begun */
    struct loop_pump pump;
};

static TAILQ_HEAD(, session) sessions = TAILQ_HEAD_INITIALIZER(sessions);
static size_t session_count;
static TAILQ_HEAD(, turn) turns = TAILQ_HEAD_INITIALIZER(turns);

static void session_free(void *user)
{
    struct session *session = user;

    monitor_proxy_free(session->proxy);
    if (session->jobs != NULL)
        vm_jobs_unwatch(session->jobs, &session->watcher);
    TAILQ_REMOVE(&sessions, session, link);
    session_count--;
    peer_free(&session->user);
    free(session);
}

/* ---- the only one that changes the VM ---- */

/* The turn goes with its last user. Returns whether it has. */
static bool leave_turn(struct turn *turn)
{
    if (--turn->users > 0)
        return false;
    if (turn->is_queued)
        vm_job_end(&turn->job);
    TAILQ_REMOVE(&turns, turn, link);
    free(turn);
    return true;
}

static void on_turn(void *user)
{
    struct turn *turn = user;
    struct session *session;

    turn->is_granted = true;
    turn->users++; /* who is granted it may be cut for it */
    TAILQ_FOREACH(session, &sessions, link) {
        if (session->turn == turn)
            monitor_proxy_grant(session->proxy);
    }
    if (!leave_turn(turn))
        vm_job_hold(&turn->job);
}

static void on_failed(void *user, const struct error *error)
{
    struct turn *turn = user;
    struct session *session;
    size_t users = turn->users;

    (void)error;
    turn->is_queued = false;
    TAILQ_FOREACH(session, &sessions, link) {
        if (users == 0)
            return;
        if (session->turn != turn)
            continue;
        users--;
        monitor_proxy_end(session->proxy);
    }
}

static struct turn *find_turn(const struct session *session)
{
    struct turn *turn;

    TAILQ_FOREACH(turn, &turns, link) {
        if (turn->jobs == session->jobs && turn->uid == session->user.uid &&
            turn->pid == session->user.pid)
            return turn;
    }
    return NULL;
}

static struct turn *turn_new(const struct session *session, struct error *error)
{
    struct turn *turn = calloc(1, sizeof(*turn));

    if (turn == NULL) {
        (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
        return NULL;
    }
    turn->jobs = session->jobs;
    turn->uid = session->user.uid;
    turn->pid = session->user.pid;
    turn->job = (struct vm_job){.name = "monitor",
                                 .changes = true,
                                 .run = on_turn,
                                 .failed = on_failed,
                                 .user = turn};
    if (vm_jobs_add(session->jobs, &turn->job, error) < 0) {
        free(turn);
        return NULL;
    }
    turn->is_queued = true;
    TAILQ_INSERT_TAIL(&turns, turn, link);
    return turn;
}

static int want(void *user, struct error *error)
{
    struct session *session = user;
    struct turn *turn = find_turn(session);

    if (turn == NULL)
        turn = turn_new(session, error);
    if (turn == NULL)
        return -1;
    session->turn = turn;
    turn->users++;
    return turn->is_granted ? 1 : 0;
}

static void leave(void *user)
{
    struct session *session = user;

    (void)leave_turn(STEAL(session->turn));
}

static int audit(void *user, const char *command, const json_t *arguments, const char *verdict,
                 struct error *error)
{
    const struct session *session = user;
    enum operation_type type;
    char action[128];

    if (strcmp(verdict, AUDIT_LOG_BEGUN) == 0 && session->peer == PEER_QMP &&
        monitor_rights_operation(command, arguments, &type) &&
        gate_check_operation(type, error) < 0)
        return -1;
    (void)snprintf(action, sizeof(action), "%s:%.64s",
                   session->peer == PEER_QMP ? "qmp" : "agent", command);
    return audit_log_add(session->daemon->audit_log, &session->user, session->name, action,
                         verdict, monitor_rights_subject(arguments), error);
}

/* ---- the beginning and the end ---- */

static void on_jobs_ended(void *user)
{
    struct session *session = user;

    session->jobs = NULL;
    monitor_proxy_end(session->proxy);
}

static enum role role_of(const struct session *session)
{
    return policy_role(session->daemon->policy, &session->user, session->name);
}

static int begin(struct session *session, struct held_vm *held, int fd, const char *bytes,
                 size_t size)
{
    const struct monitor_proxy_options options = {
        .fd = fd,
        .bytes = bytes,
        .size = size,
        .vm = held_vm_vm(held),
        .peer = session->peer,
        .changes = session->changes,
        .role = role_of(session),
        .owner = {.want = want, .leave = leave, .audit = audit, .user = session},
    };

    session->role = options.role;
    session->jobs = held_vm_jobs(held);
    session->proxy = monitor_proxy_new(&options, NULL);
    if (session->proxy == NULL) {
        session->jobs = NULL;
        return -1;
    }
    session->watcher = (struct vm_jobs_watcher){.ended = on_jobs_ended, .user = session};
    vm_jobs_watch(session->jobs, &session->watcher);
    loop_attach(&session->pump, session->daemon->loop, monitor_proxy_pump(session->proxy),
                session_free, session);
    return 0;
}

/* The VM may have gone meanwhile. */
static void on_upgraded(void *user, int fd, const char *bytes, size_t size)
{
    struct session *session = user;
    struct held_vm *held = fleet_find(session->daemon->fleet, session->name);

    if (fd >= 0 && (held == NULL || held_vm_vm(held) == NULL)) {
        close(fd);
        fd = -1;
    }
    if (fd < 0 || begin(session, held, fd, bytes, size) < 0)
        session_free(session);
}

void v1_monitor_policy_changed(void)
{
    const struct session *session;

    TAILQ_FOREACH(session, &sessions, link) {
        if (session->proxy != NULL && role_of(session) < session->role)
            monitor_proxy_end(session->proxy);
    }
}

void v1_monitor_stop(void)
{
    struct session *session, *next;

    for (session = TAILQ_FIRST(&sessions); session != NULL; session = next) {
        next = TAILQ_NEXT(session, link);
        if (session->proxy == NULL)
            continue; /* the HTTP server ends it */
        loop_detach(&session->pump);
        session_free(session);
    }
}

/* ---- the request ---- */

static bool is_crowded(const struct v1_request *request)
{
    const struct session *session;
    size_t own = 0;

    TAILQ_FOREACH(session, &sessions, link)
        own += session->user.uid == request->peer->uid ? 1 : 0;
    return session_count >= SESSIONS_MAX || own >= SESSIONS_EACH;
}

static struct session *session_new(const struct v1_request *request, enum peer peer)
{
    struct session *session = is_crowded(request) ? NULL : calloc(1, sizeof(*session));

    if (session == NULL)
        return NULL;
    session->daemon = request->daemon;
    session->peer = peer;
    (void)snprintf(session->name, sizeof(session->name), "%s", request->name);
    if (peer_copy(&session->user, request->peer, NULL) < 0) {
        free(session);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&sessions, session, link);
    session_count++;
    return session;
}

static void upgrade(struct v1_request *request, enum peer peer, const char *protocol)
{
    struct http_request *http = request->http;
    bool changes = http_request_header(http, "Vmplug-Change") != NULL;
    struct held_vm *held = v1_api_ready_vm(request);
    struct session *session;
    char process[16];

    if (held == NULL)
        return; /* the request has been answered, and is no more */
    if (!http_request_wants_upgrade(http, protocol)) {
        http_request_set_header(http, "Upgrade", protocol);
        v1_api_fail(request, 426, "upgrade-required", "this is another protocol than HTTP",
                    "send the headers Connection: Upgrade and Upgrade: qmp or qga");
        return;
    }
    if (peer == PEER_AGENT && !vm_has_agent(held_vm_vm(held))) {
        v1_api_fail(request, 404, "no-agent", "no guest agent is connected",
                    "name its socket in the manifest: vmplug/agent-socket");
        return;
    }
    if (changes && !v1_api_may(request, request->name, ROLE_OPERATOR)) {
        v1_api_fail(request, 403, "forbidden", "a change of this VM is for the role operator",
                    "ask whoever keeps vmplugd's policy for it");
        return;
    }
    session = session_new(request, peer);
    if (session == NULL) {
        v1_api_fail(request, 503, "unavailable", "too many speak with monitors already",
                    "try again later");
        return;
    }
    session->changes = changes;
    (void)snprintf(process, sizeof(process), "%ld", (long)vm_process(held_vm_vm(held)));
    http_request_set_header(http, "Vmplug-Process", process);
    v1_api_let_go(request);
    http_request_upgrade(http, protocol, on_upgraded, session);
}

void v1_monitor_qmp(struct v1_request *request)
{
    upgrade(request, PEER_QMP, "qmp");
}

void v1_monitor_agent(struct v1_request *request)
{
    upgrade(request, PEER_AGENT, "qga");
}
