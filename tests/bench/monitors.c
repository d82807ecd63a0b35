/* SPDX-License-Identifier: MIT */
#include "tests/bench/monitors.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/live/harness.h"

#define PROCESSES_MAX 8
#define FDS_MAX 8192
#define EVENTS_MAX 64

static pid_t pids[PROCESSES_MAX];
static char paths[PROCESSES_MAX][192];
static bool floods[FDS_MAX];

static const char greeting[] = "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 2, "
                               "\"major\": 7}, \"package\": \"\"}, \"capabilities\": []}}\r\n";
static const char event[] = "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 1}, \"event\": "
                            "\"RTC_CHANGE\", \"data\": {\"offset\": 1}}\r\n";

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 4096) < 0)
        exit(1);
    return fd;
}

static void watch(int epoll, int fd, uint32_t wanted, int action)
{
    struct epoll_event what = {.events = wanted, .data.fd = fd};

    (void)epoll_ctl(epoll, action, fd, &what);
}

/* Answers each line with the id that it has. */
static void answer(int epoll, int fd)
{
    char text[4096], reply[256], *line = text, *end;
    ssize_t size = read(fd, text, sizeof(text) - 1);
    const char *id;

    if (size <= 0) {
        close(fd);
        return;
    }
    text[size] = '\0';
    for (; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        id = strstr(line, "\"id\":");
        if (id == NULL)
            continue;
        id += strlen("\"id\":");
        (void)snprintf(reply, sizeof(reply), "{\"return\": {}, \"id\": %.*s}\r\n",
                       (int)strcspn(id, ",}"), id);
        (void)!write(fd, reply, strlen(reply));
        if (strstr(line, "\"stop\"") == NULL)
            continue;
        floods[fd] = true;
        watch(epoll, fd, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
    }
}

/* Whole events only: the rest of one that was cut would be missed. */
static void flood(int fd)
{
    static char bunch[(sizeof(event) - 1) * 16];
    size_t i, sent = 0;
    ssize_t count;

    for (i = 0; i < sizeof(bunch); i += sizeof(event) - 1)
        memcpy(bunch + i, event, sizeof(event) - 1);
    while (sent < sizeof(bunch)) {
        count = write(fd, bunch + sent, sizeof(bunch) - sent);
        if (count <= 0)
            return; /* its client is gone */
        sent += (size_t)count;
    }
}

static _Noreturn void serve(int listener)
{
    struct epoll_event events[EVENTS_MAX];
    int epoll = epoll_create1(EPOLL_CLOEXEC), count, fd, i;

    (void)signal(SIGPIPE, SIG_IGN);
    watch(epoll, listener, EPOLLIN, EPOLL_CTL_ADD);
    for (;;) {
        count = epoll_wait(epoll, events, EVENTS_MAX, -1);
        for (i = 0; i < count; i++) {
            fd = events[i].data.fd;
            if (fd == listener) {
                fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
                if (fd < 0 || fd >= FDS_MAX)
                    _exit(1);
                (void)!write(fd, greeting, sizeof(greeting) - 1);
                watch(epoll, fd, EPOLLIN, EPOLL_CTL_ADD);
            } else if ((events[i].events & EPOLLIN) != 0) {
                answer(epoll, fd);
            } else if (floods[fd]) {
                flood(fd);
            }
        }
    }
}

void monitors_start(unsigned count)
{
    unsigned i;
    int listener;

    for (i = 0; i * MONITORS_EACH < count; i++) {
        (void)snprintf(paths[i], sizeof(paths[i]), "%s/monitors%u", harness_dir(), i);
        (void)unlink(paths[i]);
        listener = listen_at(paths[i]);
        pids[i] = fork();
        if (pids[i] == 0) {
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
            serve(listener);
        }
        close(listener);
    }
}

const char *monitors_path(unsigned number)
{
    return paths[number / MONITORS_EACH];
}

void monitors_end(void)
{
    unsigned i;

    for (i = 0; i < PROCESSES_MAX && pids[i] > 0; i++) {
        (void)kill(pids[i], SIGKILL);
        (void)waitpid(pids[i], NULL, 0);
        pids[i] = 0;
    }
}
