/* SPDX-License-Identifier: MIT */
#include "cli/session.h"

#include <limits.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/through_daemon.h"

#define GREETING_MS 5000
#define INTERRUPTED "interrupted before QEMU was asked anything"

/* Ten times a second, a call: a pump that has nothing but deadlines. */
struct ticker {
    struct pump pump; /* first, so that the pump is the ticker */
    double next_ms;
    void (*tick)(void *user);
    void *user;
};

static int no_fd(const struct pump *pump)
{
    (void)pump;
    return -1;
}

static short no_events(const struct pump *pump)
{
    (void)pump;
    return 0;
}

static double ticker_deadline_ms(const struct pump *pump)
{
    return ((const struct ticker *)pump)->next_ms;
}

static enum pump_result ticker_process(struct pump *pump, short revents)
{
    struct ticker *ticker = (struct ticker *)pump;

    (void)revents;
    if (clock_now_ms() < ticker->next_ms)
        return PUMP_IDLE;
    ticker->next_ms = clock_now_ms() + SESSION_TICK_MS;
    ticker->tick(ticker->user);
    return PUMP_PROGRESS;
}

static const struct pump_ops ticker_pump_ops = {
    .fd = no_fd,
    .events = no_events,
    .deadline_ms = ticker_deadline_ms,
    .process = ticker_process,
};

struct wait {
    const struct session *session;
    blocking_condition_fn *condition;
    const struct session_handlers *handlers;
    void *user;
    bool held;    /* the condition did */
    unsigned heard; /* signals that were dealt with */
};

/* The condition comes first: what is done is done, whatever signal came with it. */
static bool is_over(void *user)
{
    struct wait *wait = user;
    unsigned count = wait->session->signals.count;

    wait->held = wait->condition(wait->user);
    if (wait->held)
        return true;
    if (count > 0 && wait->handlers->interrupt == NULL)
        return true;
    if (count > 0 && wait->heard == 0)
        wait->handlers->interrupt(wait->handlers->user);
    wait->heard = count;
    return count > 1;
}

static size_t collect_pumps(struct session *session, struct pump *pumps[BLOCKING_PUMPS_MAX])
{
    size_t count = session->vm != NULL ? vm_pumps(session->vm, pumps) : 0;

    if (session->agent != NULL)
        pumps[count++] = agent_pump(session->agent);
    pumps[count++] = &session->signals.pump;
    return count;
}

enum session_end session_run(struct session *session, blocking_condition_fn *condition,
                             const struct session_handlers *handlers, void *user,
                             double deadline_ms)
{
    static const struct session_handlers no_handlers = {.interrupt = NULL};
    struct pump *pumps[BLOCKING_PUMPS_MAX];
    size_t count = collect_pumps(session, pumps);
    struct ticker ticker = {.pump.ops = &ticker_pump_ops,
                            .next_ms = clock_now_ms() + SESSION_TICK_MS};
    struct wait wait = {.session = session,
                        .condition = condition,
                        .handlers = handlers != NULL ? handlers : &no_handlers,
                        .user = user};

    if (wait.handlers->tick != NULL) {
        ticker.tick = wait.handlers->tick;
        ticker.user = wait.handlers->user;
        pumps[count++] = &ticker.pump;
    }
    if (wait.handlers->pump != NULL)
        pumps[count++] = wait.handlers->pump;
    if (!blocking_run(pumps, count, is_over, &wait, deadline_ms))
        return SESSION_DEADLINE;
    return wait.held ? SESSION_DONE : SESSION_INTERRUPTED;
}

static bool is_negotiated(void *user)
{
    struct session *session = user;
    struct qmp_client *qmp = vm_qmp(session->vm);

    session->was_ready = qmp_client_is_ready(qmp);
    return session->was_ready || qmp_client_failure(qmp) != NULL;
}

/* Where a daemon holds what is at the other end of this socket, a connection by way of it, and
 * *ret_process, which is QEMU's, or -1 when it does not say; else *ret_fd is negative. ret_process
 * NULL: for session_guard(). */
static int go_through_daemon(struct session *session, const char *path, const char *protocol,
                             double timeout_ms, int *ret_fd, pid_t *ret_process,
                             struct error *error)
{
    bool changes = ret_process == NULL;
    struct through_daemon way;
    const struct session_handlers handlers = {.pump = &way.pump};
    enum session_end end;

    *ret_fd = -1;
    if (path == NULL || !through_daemon_begin(&way, path, protocol, changes))
        return 0;
    end = session_run(session, through_daemon_is_over, &handlers, &way,
                      clock_now_ms() + timeout_ms);
    *ret_fd = through_daemon_end(&way, error);
    if (ret_process != NULL)
        *ret_process = way.process > 0 ? way.process : -1;
    if (end == SESSION_INTERRUPTED) {
        cleanup_fd(ret_fd);
        return error_set(error, ERROR_CANCELLED, "", INTERRUPTED);
    }
    return *ret_fd == -1 ? -1 : 0;
}

static int connect_qmp(struct session *session, const struct session_options *options,
                       struct error *error)
{
    char runtime_dir[PATH_MAX];
    struct vm_options vm_options = {
        .qmp_path = options->qmp_path,
        .agent_path = options->agent_path,
        .greeting_timeout_ms = clock_earlier_ms(options->timeout_ms, GREETING_MS),
        .tap = options->tap,
        .runtime_dir = record_default_directory(runtime_dir, sizeof(runtime_dir)),
    };
    int status = go_through_daemon(session, options->qmp_path, "qmp",
                                   vm_options.greeting_timeout_ms, &vm_options.qmp_fd,
                                   &vm_options.process, error);
    pid_t unused;

    /* Whose monitor nobody holds, its agent nobody does. */
    if (status == 0 && vm_options.qmp_fd >= 0) {
        vm_options.qmp_path = NULL;
        status = go_through_daemon(session, options->agent_path, "qga",
                                   vm_options.greeting_timeout_ms, &vm_options.agent_fd, &unused,
                                   error);
        if (status < 0)
            close(vm_options.qmp_fd);
        if (vm_options.agent_fd >= 0)
            vm_options.agent_path = NULL;
    }
    if (status < 0)
        return -1;
    session->vm = vm_new(&vm_options, error);
    if (session->vm == NULL)
        return -1;
    if (session_run(session, is_negotiated, NULL, session, CLOCK_NEVER_MS) != SESSION_DONE)
        return error_set(error, ERROR_CANCELLED, "", INTERRUPTED);
    if (session->was_ready)
        return 0;
    *error = *qmp_client_failure(vm_qmp(session->vm));
    if (error->code == ERROR_BUSY && options->timeout_ms < GREETING_MS)
        error_advise(error, "give it more time with --timeout; if that is not enough, end the "
                            "other client, or give QEMU a second -qmp socket for vmplug");
    return -1;
}

static int connect_agent(struct session *session, const struct session_options *options,
                         struct error *error)
{
    struct agent_options agent_options = {.path = options->agent_path, .tap = options->tap};
    pid_t unused;

    if (go_through_daemon(session, options->agent_path, "qga",
                          clock_earlier_ms(options->timeout_ms, GREETING_MS), &agent_options.fd,
                          &unused, error) < 0)
        return -1;
    if (agent_options.fd >= 0)
        agent_options.path = NULL;
    session->agent = agent_new(&agent_options, error);
    return session->agent != NULL ? 0 : -1;
}

int session_open(struct session *session, const struct session_options *options,
                 struct error *error)
{
    *session = (struct session){.signals.fd = -1};
    if (signals_open(&session->signals, error) < 0)
        return -1;
    return (options->qmp_path != NULL ? connect_qmp : connect_agent)(session, options, error);
}

int session_guard(const char *qmp_path, double timeout_ms, int *ret_fd, struct error *error)
{
    struct session session = {.signals.fd = -1};
    int status = signals_open(&session.signals, error);

    *ret_fd = -1;
    if (status == 0)
        status = go_through_daemon(&session, qmp_path, "qmp", timeout_ms, ret_fd, NULL, error);
    session_close(&session);
    return status;
}

void session_close(struct session *session)
{
    vm_free(STEAL(session->vm));
    agent_free(STEAL(session->agent));
    signals_close(&session->signals);
}
