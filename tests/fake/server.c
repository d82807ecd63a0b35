/* SPDX-License-Identifier: MIT */
#include "tests/fake/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/fake/fake.h"

#define READ_BYTES 65536
#define SENTINEL 0xff

void server_hang_up(struct server *server)
{
    if (server->fd >= 0)
        close(server->fd);
    server->fd = -1;
    buffer_free(&server->in);
    outbox_free(&server->out);
}

static void flush(struct server *server, bool in_turn)
{
    if (server->fd >= 0 && !outbox_flush(&server->out, server->fd, in_turn))
        server_hang_up(server);
}

void server_queue(struct server *server, struct outbox_chunk chunk)
{
    if (server->fd < 0) {
        free(chunk.bytes);
        return;
    }
    outbox_put(&server->out, chunk);
    flush(server, false);
}

void server_send(struct server *server, const char *bytes, size_t size)
{
    char *copy = malloc(size);

    if (copy == NULL)
        fake_fail("out of memory");
    memcpy(copy, bytes, size);
    server_queue(server, (struct outbox_chunk){.bytes = copy, .size = size});
}

void server_send_json(struct server *server, json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    struct outbox_chunk line = {.size = strlen(text) + 2};

    line.bytes = realloc(text, line.size);
    if (line.bytes == NULL)
        fake_fail("out of memory");
    memcpy(line.bytes + line.size - 2, "\r\n", 2);
    server_queue(server, line);
    json_decref(value);
}

/* Takes the first value out of what has come. NULL when it is not complete. */
static json_t *take_value(struct server *server)
{
    const char *bytes = server->in.bytes + server->in.start;
    size_t size = buffer_size(&server->in);
    json_error_t problem;
    json_t *value = json_loadb(bytes, size, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, &problem);

    /* QEMU's integers go further than jansson's. */
    if (value == NULL && json_error_code(&problem) == json_error_numeric_overflow)
        value = json_loadb(bytes, size, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL |
                           JSON_DECODE_INT_AS_REAL, &problem);
    /* A value cut inside of `true` looks like a bad token at the very end. */
    if (value == NULL && json_error_code(&problem) != json_error_premature_end_of_input &&
        (size_t)problem.position + strlen("false") < size) {
        if (server->handler->malformed == NULL)
            fake_fail("vmplug sent bad JSON: %s in: %.*s", problem.text, (int)size, bytes);
        buffer_consume(&server->in, size);
        server->handler->malformed(server->user);
    }
    if (value != NULL)
        buffer_consume(&server->in, (size_t)problem.position);
    return value;
}

static void take_input(struct server *server)
{
    json_t *value;
    unsigned char first;

    while (server->fd >= 0 && buffer_size(&server->in) > 0) {
        first = (unsigned char)server->in.bytes[server->in.start];
        if (first == SENTINEL || first == '\n' || first == '\r' || first == ' ') {
            buffer_consume(&server->in, 1);
            if (first == SENTINEL && server->handler->sentinel != NULL)
                server->handler->sentinel(server->user);
            continue;
        }
        value = take_value(server);
        if (value == NULL)
            return;
        if (server->handler->received != NULL)
            server->handler->received(server->user, value);
        json_decref(value);
    }
}

static void fill(struct server *server)
{
    char *room = buffer_reserve(&server->in, READ_BYTES);
    ssize_t count = recv(server->fd, room, READ_BYTES, 0);

    if (count > 0) {
        buffer_commit(&server->in, (size_t)count);
        take_input(server);
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
        server_hang_up(server);
        if (server->handler->closed != NULL)
            server->handler->closed(server->user);
    }
}

static void take_client(struct server *server)
{
    server->fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (server->fd >= 0 && server->handler->connected != NULL)
        server->handler->connected(server->user);
}

static int watched_fd(const struct pump *pump)
{
    const struct server *server = (const struct server *)pump;

    return server->fd >= 0 ? server->fd : server->listen_fd;
}

static short watched_events(const struct pump *pump)
{
    return outbox_is_ready(&((const struct server *)pump)->out) ? POLLIN | POLLOUT : POLLIN;
}

static double next_ms(const struct pump *pump)
{
    const struct server *server = (const struct server *)pump;

    return clock_earlier_ms(server->wake_ms, outbox_due_ms(&server->out));
}

static enum pump_result process(struct pump *pump, short revents)
{
    struct server *server = (struct server *)pump;

    if (revents != 0 && server->fd < 0) {
        take_client(server);
    } else {
        flush(server, true);
        if (server->fd >= 0 && (revents & (POLLIN | POLLHUP | POLLERR)))
            fill(server);
    }
    if (clock_now_ms() >= server->wake_ms) {
        server->wake_ms = CLOCK_NEVER_MS;
        if (server->handler->woken != NULL)
            server->handler->woken(server->user);
    }
    return PUMP_IDLE;
}

static const struct pump_ops server_ops = {
    .fd = watched_fd, .events = watched_events, .deadline_ms = next_ms, .process = process};

void server_open(struct server *server, const char *path, const struct server_handler *handler,
                 void *user)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    *server = (struct server){.pump = {.ops = &server_ops},
                              .listen_fd = -1,
                              .fd = -1,
                              .wake_ms = CLOCK_NEVER_MS,
                              .handler = handler,
                              .user = user};
    if (path == NULL)
        return;
    if (strlen(path) >= sizeof(address.sun_path))
        fake_fail("%s is too long for a socket: a path has 107 characters at most", path);
    (void)snprintf(server->path, sizeof(server->path), "%s", path);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    (void)unlink(path);
    server->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (server->listen_fd < 0 || fchmod(server->listen_fd, 0600) < 0 ||
        bind(server->listen_fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(server->listen_fd, 8) < 0)
        fake_fail("cannot listen at %s: %s", path, strerror(errno));
}

void server_close(struct server *server)
{
    server_hang_up(server);
    if (server->listen_fd >= 0)
        close(server->listen_fd);
    server->listen_fd = -1;
    if (server->path[0] != '\0')
        (void)unlink(server->path);
}
