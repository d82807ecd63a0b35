/* SPDX-License-Identifier: MIT */
#include "daemon/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/text.h"

#define MICROSECONDS 1e6

/* Nobody waits for systemd to take it. */
static void tell(const struct notify *notify, const char *state)
{
    if (notify->fd >= 0)
        (void)send(notify->fd, state, strlen(state), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void on_watchdog(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    tell(timer->data, "WATCHDOG=1");
}

/* '@' in front stands for the NUL of an abstract socket (unix(7)). */
static int connect_to(int fd, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);

    if ((path[0] != '/' && path[0] != '@') || length >= sizeof(address.sun_path)) {
        errno = EINVAL;
        return -1;
    }
    memcpy(address.sun_path, path, length);
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    length += offsetof(struct sockaddr_un, sun_path) + (path[0] == '/');
    return connect(fd, (const struct sockaddr *)&address, (socklen_t)length);
}

static void begin_watchdog(struct notify *notify)
{
    const char *interval = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    unsigned long long microseconds = interval != NULL ? strtoull(interval, NULL, 10) : 0;
    double seconds = (double)microseconds / MICROSECONDS / 2;

    if (microseconds == 0 || (pid != NULL && strtoll(pid, NULL, 10) != getpid()))
        return;
    ev_timer_init(&notify->watchdog, on_watchdog, 0, seconds);
    notify->watchdog.data = notify;
    ev_timer_start(notify->loop, &notify->watchdog);
}

int notify_open(struct notify *notify, struct ev_loop *loop, struct error *error)
{
    const char *path = getenv("NOTIFY_SOCKET");
    AUTO_FD int fd = -1;

    *notify = (struct notify){.fd = -1, .loop = loop};
    ev_init(&notify->watchdog, on_watchdog);
    if (path == NULL)
        return 0;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect_to(fd, path) < 0)
        return error_set_errno(error, ERROR_SYSTEM, errno, "", "cannot reach systemd at %.100s",
                               path);
    notify->fd = steal_fd(&fd);
    begin_watchdog(notify);
    return 0;
}

void notify_close(struct notify *notify)
{
    ev_timer_stop(notify->loop, &notify->watchdog);
    cleanup_fd(&notify->fd);
    notify->fd = -1;
}

void notify_ready(const struct notify *notify)
{
    tell(notify, "READY=1");
}

void notify_reloading(const struct notify *notify)
{
    char state[64];
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    (void)snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld",
                   (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    tell(notify, state);
}

void notify_stopping(const struct notify *notify)
{
    tell(notify, "STOPPING=1");
}

void notify_status(const struct notify *notify, const char *format, ...)
{
    char state[256] = "STATUS=";
    size_t length = strlen(state);
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(state + length, sizeof(state) - length, format, arguments);
    va_end(arguments);
    text_make_printable(state);
    tell(notify, state);
}
