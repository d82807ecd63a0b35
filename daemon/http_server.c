/* SPDX-License-Identifier: MIT */
#include "daemon/http_server.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/http_parts.h"

/* ---- connections ---- */

void http_connection_wait(struct http_server *server, struct http_connection *connection)
{
    if (connection->waited_for)
        TAILQ_REMOVE(&server->waited_for, connection, link);
    connection->waited_for = true;
    connection->since_ms = clock_now_ms();
    TAILQ_INSERT_TAIL(&server->waited_for, connection, link);
}

void http_connection_wait_no_more(struct http_server *server, struct http_connection *connection)
{
    if (connection->waited_for)
        TAILQ_REMOVE(&server->waited_for, connection, link);
    connection->waited_for = false;
}

void http_connection_let_go(struct http_server *server, struct http_connection *connection)
{
    http_connection_wait_no_more(server, connection);
    server->connection_count--;
    connection->fd = -1;
}

/* libmicrohttpd sees the end of it, and closes it. */
static void send_away(struct http_server *server, struct http_connection *connection)
{
    (void)shutdown(connection->fd, SHUT_RDWR);
    http_connection_let_go(server, connection);
}

static void begin_connection(struct http_server *server, struct MHD_Connection *handle,
                             void **context)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct http_connection *connection = calloc(1, sizeof(*connection));

    *context = connection;
    if (connection == NULL) {
        (void)shutdown(info->connect_fd, SHUT_RDWR);
        return;
    }
    connection->fd = info->connect_fd;
    server->connection_count++;
    http_connection_wait(server, connection);
    if (server->connection_count > server->options.connections)
        send_away(server, TAILQ_FIRST(&server->waited_for));
}

static void on_connection(void *user, struct MHD_Connection *handle, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct http_server *server = user;
    struct http_connection *connection = *context;

    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        begin_connection(server, handle, context);
    } else if (connection != NULL) {
        http_connection_wait_no_more(server, connection);
        server->connection_count -= connection->fd >= 0 ? 1 : 0;
        free(connection);
        *context = NULL;
    }
}

/* NULL without memory for it, and when it has been sent away. */
struct http_connection *http_connection_of(const struct http_request *request)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct http_connection *connection = info->socket_context;

    return connection != NULL && connection->fd >= 0 ? connection : NULL;
}

/* ---- the loop ---- */

void http_server_run_soon(struct http_server *server)
{
    server->run_again = true;
    ev_timer_stop(server->options.loop, &server->timer);
    ev_timer_set(&server->timer, 0, 0);
    ev_timer_start(server->options.loop, &server->timer);
}

static void send_away_the_slow(struct http_server *server)
{
    struct http_connection *first;

    while ((first = TAILQ_FIRST(&server->waited_for)) != NULL &&
           first->since_ms + HTTP_SERVER_REQUEST_MS <= clock_now_ms())
        send_away(server, first);
}

static void run(struct http_server *server)
{
    struct ev_loop *loop = server->options.loop;
    const struct http_connection *first;
    double wake_ms = CLOCK_NEVER_MS;
    MHD_UNSIGNED_LONG_LONG timeout_ms;

    send_away_the_slow(server);
    server->run_again = false;
    (void)MHD_run(server->daemon);
    if (MHD_get_timeout(server->daemon, &timeout_ms) == MHD_YES)
        wake_ms = (double)timeout_ms;
    if (server->run_again)
        wake_ms = 0; /* one request has answered another: libmicrohttpd does not count that in */
    first = TAILQ_FIRST(&server->waited_for);
    if (first != NULL)
        wake_ms = clock_earlier_ms(wake_ms,
                                   first->since_ms + HTTP_SERVER_REQUEST_MS - clock_now_ms());
    ev_timer_stop(loop, &server->timer);
    if (wake_ms == CLOCK_NEVER_MS)
        return;
    ev_now_update(loop);
    ev_timer_set(&server->timer, wake_ms > 0 ? wake_ms / 1e3 : 0, 0);
    ev_timer_start(loop, &server->timer);
}

static void on_io(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    (void)events;
    run(io->data);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    run(timer->data);
}

struct http_server *http_server_new(const struct http_server_options *options,
                                    struct error *error)
{
    struct http_server *server = calloc(1, sizeof(*server));
    const union MHD_DaemonInfo *info;

    if (server != NULL) {
        server->options = *options;
        if (server->options.connections == 0)
            server->options.connections = HTTP_SERVER_CONNECTIONS;
        if (server->options.error == NULL)
            server->options.error = http_server_error;
        LIST_INIT(&server->requests);
        TAILQ_INIT(&server->waited_for);
        server->daemon = MHD_start_daemon(
            MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE, 0, NULL, NULL,
            http_request_step, server, MHD_OPTION_LISTEN_SOCKET, options->fd,
            MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_NOTIFY_COMPLETED,
            http_request_completed, server, MHD_OPTION_CONNECTION_LIMIT,
            2 * server->options.connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
            HTTP_SERVER_HEAD_BYTES, MHD_OPTION_END);
    }
    if (server == NULL || server->daemon == NULL) {
        close(options->fd);
        free(server);
        (void)error_set(error, ERROR_SYSTEM, "", "cannot start the HTTP server");
        return NULL;
    }
    info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    ev_io_init(&server->io, on_io, info->epoll_fd, EV_READ);
    server->io.data = server;
    ev_io_start(options->loop, &server->io);
    ev_init(&server->timer, on_timer);
    server->timer.data = server;
    return server;
}

void http_server_quiesce(struct http_server *server)
{
    int fd = MHD_quiesce_daemon(server->daemon);

    if (fd >= 0)
        close(fd);
}

bool http_server_is_idle(const struct http_server *server)
{
    return server->request_count == 0;
}

void http_server_free(struct http_server *server)
{
    struct http_request *request;

    if (server == NULL)
        return;
    LIST_FOREACH(request, &server->requests, link) { /* what is suspended can't be closed */
        if (request->suspended || request->is_asleep)
            MHD_resume_connection(request->connection);
    }
    ev_io_stop(server->options.loop, &server->io);
    ev_timer_stop(server->options.loop, &server->timer);
    MHD_stop_daemon(server->daemon);
    free(server);
}
