/* SPDX-License-Identifier: MIT */
#include "daemon/http_server.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "qmp/codec.h"

/* Of those that are to be closed some may still be there. */
#define HARD_CONNECTIONS (2 * HTTP_SERVER_CONNECTIONS)

/* Its place in the list of those that keep us waiting is that of its request, which is to come, or
 * whose answer it is to take. */
struct connection {
    TAILQ_ENTRY(connection) link;
    int fd;
    double since_ms;
    bool waited_for;
};

TAILQ_HEAD(connection_list, connection);

struct http_server {
    struct MHD_Daemon *daemon;
    struct http_server_options options;
    ev_io io;
    ev_timer timer;
    struct connection_list waited_for; /* longest first */
    size_t connection_count;           /* but for those that have been told to go */
    size_t request_count;              /* handed over, and their answers not yet gone */
};

struct http_request {
    struct http_server *server;
    struct MHD_Connection *connection;
    char *method, *path;
    struct buffer body;
    bool handed_over, suspended, answered;
    struct MHD_Response *response; /* NULL, although answered: without memory */
    unsigned status;
};

/* ---- connections ---- */

static void wait_for(struct http_server *server, struct connection *connection)
{
    if (connection->waited_for)
        TAILQ_REMOVE(&server->waited_for, connection, link);
    connection->waited_for = true;
    connection->since_ms = clock_now_ms();
    TAILQ_INSERT_TAIL(&server->waited_for, connection, link);
}

static void wait_no_more(struct http_server *server, struct connection *connection)
{
    if (connection->waited_for)
        TAILQ_REMOVE(&server->waited_for, connection, link);
    connection->waited_for = false;
}

/* libmicrohttpd sees the end of it, and closes it. */
static void send_away(struct http_server *server, struct connection *connection)
{
    wait_no_more(server, connection);
    server->connection_count--;
    (void)shutdown(connection->fd, SHUT_RDWR);
    connection->fd = -1;
}

static void begin_connection(struct http_server *server, struct MHD_Connection *handle,
                             void **context)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct connection *connection = calloc(1, sizeof(*connection));

    *context = connection;
    if (connection == NULL) {
        (void)shutdown(info->connect_fd, SHUT_RDWR);
        return;
    }
    connection->fd = info->connect_fd;
    server->connection_count++;
    wait_for(server, connection);
    if (server->connection_count > HTTP_SERVER_CONNECTIONS)
        send_away(server, TAILQ_FIRST(&server->waited_for));
}

static void on_connection(void *user, struct MHD_Connection *handle, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct http_server *server = user;
    struct connection *connection = *context;

    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        begin_connection(server, handle, context);
    } else if (connection != NULL) {
        wait_no_more(server, connection);
        server->connection_count -= connection->fd >= 0 ? 1 : 0;
        free(connection);
        *context = NULL;
    }
}

/* NULL without memory for it, and when it has been sent away. */
static struct connection *connection_of(const struct http_request *request)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct connection *connection = info->socket_context;

    return connection != NULL && connection->fd >= 0 ? connection : NULL;
}

/* ---- requests ---- */

static void request_free(struct http_request *request)
{
    if (request->response != NULL)
        MHD_destroy_response(request->response);
    buffer_free(&request->body);
    free(request->method);
    free(request->path);
    free(request);
}

static struct http_request *request_new(struct http_server *server,
                                        struct MHD_Connection *connection, const char *method,
                                        const char *path)
{
    struct http_request *request = calloc(1, sizeof(*request));

    if (request == NULL)
        return NULL;
    request->server = server;
    request->connection = connection;
    request->method = strdup(method);
    request->path = strdup(path);
    if (request->method != NULL && request->path != NULL)
        return request;
    request_free(request);
    return NULL;
}

static bool announces_too_much(struct MHD_Connection *connection)
{
    const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                                     MHD_HTTP_HEADER_CONTENT_LENGTH);

    return length != NULL && strtoull(length, NULL, 10) > HTTP_SERVER_BODY_BYTES;
}

static void mark_handed_over(struct http_request *request)
{
    request->handed_over = true;
    request->server->request_count++;
}

/* The client's turn again: it is to take the answer. */
static enum MHD_Result send_answer(struct http_request *request)
{
    struct connection *connection = connection_of(request);

    if (connection != NULL)
        wait_for(request->server, connection);
    return MHD_queue_response(request->connection, request->status, request->response);
}

static enum MHD_Result begin_request(struct http_request *request)
{
    if (!announces_too_much(request->connection))
        return MHD_YES;
    mark_handed_over(request);
    http_request_answer(request, MHD_HTTP_CONTENT_TOO_LARGE,
                        http_server_error("The request's body is too large",
                                          "it is announced as longer than 4 MiB",
                                          "send less"));
    return send_answer(request);
}

/* Where its length was not announced, it is found out here, and nobody can be answered yet. */
static enum MHD_Result take_body(struct http_request *request, const char *bytes, size_t *size)
{
    if (buffer_size(&request->body) + *size > HTTP_SERVER_BODY_BYTES ||
        buffer_append(&request->body, bytes, *size) < 0)
        return MHD_NO;
    *size = 0;
    return MHD_YES;
}

static enum MHD_Result hand_over(struct http_request *request)
{
    struct http_server *server = request->server;
    struct connection *connection = connection_of(request);

    if (connection != NULL)
        wait_no_more(server, connection);
    if (buffer_append(&request->body, "", 1) < 0)
        return MHD_NO;
    mark_handed_over(request);
    server->options.handle(server->options.user, request);
    if (request->answered)
        return send_answer(request);
    request->suspended = true;
    MHD_suspend_connection(request->connection);
    return MHD_YES;
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *size, void **context)
{
    struct http_request *request = *context;

    (void)version;
    if (request == NULL) {
        request = request_new(user, connection, method, url);
        *context = request;
        return request != NULL ? begin_request(request) : MHD_NO;
    }
    if (*size > 0)
        return take_body(request, bytes, size);
    return request->handed_over ? send_answer(request) : hand_over(request);
}

/* The answer has gone, or the client has. As long as the request is at work, it is suspended, and
 * libmicrohttpd does not see that its client has gone. */
static void on_completed(void *user, struct MHD_Connection *handle, void **context,
                         enum MHD_RequestTerminationCode how)
{
    struct http_server *server = user;
    struct http_request *request = *context;
    struct connection *connection;

    (void)handle;
    (void)how;
    if (request == NULL)
        return;
    connection = connection_of(request);
    if (connection != NULL)
        wait_for(server, connection);
    server->request_count -= request->handed_over ? 1 : 0;
    request_free(request);
    *context = NULL;
}

const char *http_request_method(const struct http_request *request)
{
    return request->method;
}

const char *http_request_path(const struct http_request *request)
{
    return request->path;
}

const char *http_request_body(const struct http_request *request, size_t *ret_size)
{
    *ret_size = buffer_size(&request->body) - 1;
    return buffer_bytes(&request->body);
}

bool http_request_has_query(const struct http_request *request)
{
    return MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, NULL, NULL) > 0;
}

/* Without memory there is an answer without a body. */
static struct MHD_Response *make_response(const struct http_server *server, json_t *body)
{
    char *text = body != NULL ? codec_dump(body, 0) : NULL;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(text != NULL ? strlen(text) : 0, text,
                                        MHD_RESPMEM_MUST_FREE);

    if (response == NULL) {
        free(text);
        return NULL;
    }
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_SERVER, server->options.name);
    if (text != NULL)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    return response;
}

static void run_soon(struct http_server *server)
{
    ev_timer_stop(server->options.loop, &server->timer);
    ev_timer_set(&server->timer, 0, 0);
    ev_timer_start(server->options.loop, &server->timer);
}

void http_request_answer(struct http_request *request, unsigned status, json_t *body)
{
    request->response = make_response(request->server, body);
    request->status = status;
    request->answered = true;
    json_decref(body);
    if (!request->suspended)
        return;
    request->suspended = false;
    MHD_resume_connection(request->connection);
    run_soon(request->server);
}

json_t *http_server_error(const char *what, const char *why, const char *fix)
{
    const char *const texts[] = {what, why, fix};
    json_t *array = json_array();
    size_t i;

    for (i = 0; i < COUNT_OF(texts); i++) {
        if (texts[i][0] != '\0')
            (void)json_array_append_new(array, codec_string(texts[i]));
    }
    return array;
}

/* ---- the loop ---- */

static void send_away_the_slow(struct http_server *server)
{
    struct connection *first;

    while ((first = TAILQ_FIRST(&server->waited_for)) != NULL &&
           first->since_ms + HTTP_SERVER_REQUEST_MS <= clock_now_ms())
        send_away(server, first);
}

static void run(struct http_server *server)
{
    struct ev_loop *loop = server->options.loop;
    const struct connection *first;
    double wake_ms = CLOCK_NEVER_MS;
    MHD_UNSIGNED_LONG_LONG timeout_ms;

    send_away_the_slow(server);
    (void)MHD_run(server->daemon);
    if (MHD_get_timeout(server->daemon, &timeout_ms) == MHD_YES)
        wake_ms = (double)timeout_ms;
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
        TAILQ_INIT(&server->waited_for);
        server->daemon = MHD_start_daemon(
            MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, server,
            MHD_OPTION_LISTEN_SOCKET, options->fd, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
            server, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
            MHD_OPTION_CONNECTION_LIMIT, (unsigned)HARD_CONNECTIONS,
            MHD_OPTION_CONNECTION_MEMORY_LIMIT, HTTP_SERVER_HEAD_BYTES, MHD_OPTION_END);
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
    if (server == NULL)
        return;
    ev_io_stop(server->options.loop, &server->io);
    ev_timer_stop(server->options.loop, &server->timer);
    MHD_stop_daemon(server->daemon);
    free(server);
}
