/* SPDX-License-Identifier: MIT */
#include "cli/through_daemon.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "qmp/codec.h"
#include "qmp/field.h"

#define RETRY_MS 50
#define TRIES_MAX 20
#define PROCESS "\r\nVmplug-Process:"
#define LENGTH "\r\nContent-Length:"
#define SWITCHING 101
#define NOT_FOUND 404
#define TOO_MANY 429
#define UNAVAILABLE 503

static int fail(struct through_daemon *self, const char *what)
{
    self->is_over = true;
    return error_set(&self->failure, ERROR_CONNECT, "look whether vmplugd is well",
                     "vmplugd holds this VM, and %s %s", self->held.api_socket, what);
}

static int fail_errno(struct through_daemon *self)
{
    self->is_over = true;
    return error_set_errno(&self->failure, ERROR_CONNECT, errno,
                           "ask whoever keeps vmplugd's policy for a role",
                           "vmplugd holds this VM, and %s can't be reached",
                           self->held.api_socket);
}

/* Of a daemon that has just been killed the socket still takes a client, and lets go of it: soon
 * nobody listens there, or the next daemon does. */
static int come_again(struct through_daemon *self)
{
    if (++self->tries >= TRIES_MAX)
        return fail(self, "gave no answer");
    close(steal_fd(&self->fd));
    self->next_ms = clock_now_ms() + RETRY_MS;
    return 0;
}

/* ---- the question ---- */

static int ask(struct through_daemon *self)
{
    char text[512];
    bool agent = strcmp(self->protocol, "qga") == 0;
    int size = snprintf(text, sizeof(text),
                        "GET /v1/vms/%s/%s HTTP/1.1\r\nHost: localhost\r\n"
                        "Connection: Upgrade\r\nUpgrade: %s\r\n%s\r\n",
                        self->held.name, agent ? "agent" : "qmp", self->protocol,
                        self->changes ? "Vmplug-Change: true\r\n" : "");

    /* A new socket has room for more than that. */
    if (send(self->fd, text, (size_t)size, MSG_NOSIGNAL) == size)
        return 0;
    return errno == EPIPE || errno == ECONNRESET ? come_again(self) : fail_errno(self);
}

/* Returns 0, also when the daemon's queue is full: then again later; or -1. */
static int try_connect(struct through_daemon *self)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return fail_errno(self);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", self->held.api_socket);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0) {
        self->next_ms = CLOCK_NEVER_MS;
        self->fd = steal_fd(&fd);
        return ask(self);
    }
    self->next_ms = clock_now_ms() + RETRY_MS;
    if (errno == EAGAIN)
        return 0;
    self->is_stale = self->is_over = errno == ECONNREFUSED || errno == ENOENT;
    return self->is_stale ? 0 : fail_errno(self);
}

/* ---- the answer ---- */

/* A header's number, or 0. */
static long header_number(const char *head, const char *header)
{
    const char *found = strcasestr(head, header);

    return found != NULL ? strtol(found + strlen(header), NULL, 10) : 0;
}

/* {"error": {"code", "message", "fix"}} */
static void take_error(struct through_daemon *self, long status, const char *body)
{
    AUTO_JSON json_t *object = codec_parse(body, NULL);
    const json_t *error = json_object_get(object, "error");
    bool later = status == TOO_MANY || status == UNAVAILABLE;

    self->is_over = true;
    if (status == NOT_FOUND) {
        self->is_stale = true;
        return;
    }
    (void)error_set(&self->failure, later ? ERROR_BUSY : ERROR_CONNECT, "", "%s",
                    field_string(error, "message", "vmplugd refused, and did not say why"));
    error_advise(&self->failure, "%s", field_string(error, "fix", ""));
}

/* body: where it begins, behind the head. */
static void take_answer(struct through_daemon *self, const char *body)
{
    long status = 0;
    size_t held = self->used - (size_t)(body - self->head);

    if (sscanf(self->head, "HTTP/1.1 %3ld", &status) != 1) {
        (void)fail(self, "speaks no HTTP");
    } else if (status == SWITCHING) {
        self->process = (pid_t)header_number(self->head, PROCESS);
        self->is_through = true;
        self->is_over = !self->changes;
    } else if ((long)held >= header_number(self->head, LENGTH) ||
               self->used == sizeof(self->head) - 1) {
        take_error(self, status, body);
    }
}

/* Takes no byte of what comes behind the head of a 101, which is no more HTTP. */
static void hear(struct through_daemon *self)
{
    char *end = strstr(self->head, "\r\n\r\n");
    size_t room = sizeof(self->head) - 1 - self->used;
    bool peeks = end == NULL || self->is_through;
    ssize_t count = recv(self->fd, self->head + self->used, room, peeks ? MSG_PEEK : 0);

    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count <= 0) {
        (void)(self->used == 0 ? come_again(self) : fail(self, "broke off its answer"));
        return;
    }
    if (self->is_through) { /* the greeting, which is for who comes */
        self->is_over = true;
        return;
    }
    self->head[self->used + (size_t)count] = '\0';
    if (end == NULL) {
        end = strstr(self->head, "\r\n\r\n");
        if (end != NULL)
            count = end + 4 - self->head - (ssize_t)self->used;
        count = recv(self->fd, self->head + self->used, (size_t)count, 0);
        self->head[self->used + (size_t)count] = '\0';
    }
    self->used += (size_t)count;
    if (end != NULL)
        take_answer(self, end + 4);
}

/* ---- the pump ---- */

static enum pump_result process(struct pump *pump, short revents)
{
    struct through_daemon *self = (struct through_daemon *)pump;

    if (!self->is_over && self->fd < 0 && clock_now_ms() >= self->next_ms)
        (void)try_connect(self);
    else if (!self->is_over && self->fd >= 0 && revents != 0)
        hear(self);
    return self->is_over ? PUMP_DEAD : PUMP_IDLE;
}

static int through_fd(const struct pump *pump)
{
    return ((const struct through_daemon *)pump)->fd;
}

static short through_events(const struct pump *pump)
{
    (void)pump;
    return POLLIN;
}

static double through_deadline_ms(const struct pump *pump)
{
    return ((const struct through_daemon *)pump)->next_ms;
}

static const struct pump_ops through_pump_ops = {
    .fd = through_fd,
    .events = through_events,
    .deadline_ms = through_deadline_ms,
    .process = process,
};

bool through_daemon_begin(struct through_daemon *self, const char *path, const char *protocol,
                          bool changes)
{
    struct held held;

    if (!held_find(path, &held))
        return false;
    *self = (struct through_daemon){
        .pump.ops = &through_pump_ops, .protocol = protocol, .held = held, .changes = changes,
        .fd = -1};
    return true;
}

bool through_daemon_is_over(void *user)
{
    return ((const struct through_daemon *)user)->is_over;
}

int through_daemon_end(struct through_daemon *self, struct error *error)
{
    AUTO_FD int fd = steal_fd(&self->fd);

    if (self->is_stale)
        return -2;
    if (!self->is_over)
        return error_set(error, ERROR_BUSY, "look whether vmplugd is well",
                         "vmplugd holds this VM, and %s did not answer in time",
                         self->held.api_socket);
    if (self->failure.code == ERROR_NONE)
        return steal_fd(&fd);
    if (error != NULL)
        *error = self->failure;
    return -1;
}
