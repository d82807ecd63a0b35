/* SPDX-License-Identifier: MIT */
/*
 * fleet DIR FIRST COUNT [CPUS] [agent]: COUNT simulated QEMUs in one process, at DIR/00007.qmp for
 * the one with number 7, and DIR/00007.agent if they are to have one. Each has 2 vCPUs of CPUS
 * (16), and a guest that answers at once. Says "ready" when all listen, and ends with its standard
 * input. A number on a line of that has this QEMU say RTC_CHANGE, its offset being the time of
 * CLOCK_MONOTONIC in microseconds, so that whoever hears it knows how long it took.
 *
 * They are one process, and hence have one record of requests (vmm/record.h): removals on more than
 * one of them would mix.
 */
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/fake/sim_parts.h"

#define EVENTS_MAX 64
#define LINES_BYTES 4096

struct end {
    struct pump *pump;
    int fd; /* that epoll knows of, for these: */
    short events;
};

static struct sim **sims;
static struct end *ends;
static unsigned first, count;
static int epoll_fd;

void fake_fail(const char *format, ...)
{
    va_list arguments;

    (void)fputs("fleet: ", stderr);
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
    _exit(1);
}

/* What was said is not kept: there is no end to it. */
static void forget(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    (void)user;
    (void)command;
    (void)json_array_clear(sim->record[side]);
}

static void watch(struct end *end)
{
    int fd = pump_fd(end->pump);
    short wanted = pump_events(end->pump);
    struct epoll_event what = {.data.ptr = end};

    if (fd < 0 || (fd == end->fd && wanted == end->events))
        return;
    what.events =
        ((wanted & POLLIN) != 0 ? EPOLLIN : 0) | ((wanted & POLLOUT) != 0 ? EPOLLOUT : 0);
    if (end->fd >= 0 && fd != end->fd) /* the listening one, or one that is closed */
        (void)epoll_ctl(epoll_fd, EPOLL_CTL_DEL, end->fd, NULL);
    if (epoll_ctl(epoll_fd, fd == end->fd ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &what) < 0)
        fake_fail("epoll_ctl: %s", strerror(errno));
    end->fd = fd;
    end->events = wanted;
}

/* A client's number may be that of one before, which has left epoll when it was closed. */
static void process(struct end *end, uint32_t what)
{
    const struct server *server = (const struct server *)end->pump;
    bool had_client = server->fd >= 0;

    (void)pump_process(end->pump, (short)(((what & EPOLLIN) != 0 ? POLLIN : 0) |
                                          ((what & EPOLLOUT) != 0 ? POLLOUT : 0) |
                                          ((what & (EPOLLHUP | EPOLLERR)) != 0 ? POLLHUP : 0)));
    if (had_client && server->fd < 0)
        end->fd = -1;
}

static void open_one(const char *directory, unsigned number, unsigned cpus, bool has_agent)
{
    char qmp[108], agent[108];
    struct sim *sim;

    (void)snprintf(qmp, sizeof(qmp), "%s/%05u.qmp", directory, first + number);
    (void)snprintf(agent, sizeof(agent), "%s/%05u.agent", directory, first + number);
    sim = sims[number] = sim_new_at(qmp, has_agent ? agent : NULL);
    sim->lenient = true;
    sim->guest.has_vpd = true;
    sim->on_command = forget;
    sim_resize(sim, 2, cpus, 256 * SIM_MIB, 16 * SIM_GIB, SIM_DIMMS_MAX);
    ends[2 * number] = (struct end){.pump = &sim->qmp.pump, .fd = -1};
    ends[2 * number + 1] = (struct end){.pump = &sim->agent.pump, .fd = -1};
    watch(&ends[2 * number]);
    watch(&ends[2 * number + 1]);
}

static void emit(unsigned number)
{
    if (number < first || number - first >= count)
        fake_fail("there is no %u", number);
    sim_emit(sims[number - first], "RTC_CHANGE",
             json_pack("{s:I, s:s}", "offset", (json_int_t)(clock_now_ms() * 1000), "qom-path",
                       "/machine/unattached/device[4]"));
    watch(&ends[2 * (number - first)]);
}

/* Returns false at its end. */
static bool take_lines(void)
{
    static char text[LINES_BYTES];
    static size_t held;
    ssize_t size = read(STDIN_FILENO, text + held, sizeof(text) - 1 - held);
    char *line = text, *end;

    if (size <= 0)
        return false;
    held += (size_t)size;
    text[held] = '\0';
    for (; (end = strchr(line, '\n')) != NULL; line = end + 1)
        emit((unsigned)strtoul(line, NULL, 10));
    held = strlen(line);
    memmove(text, line, held);
    return true;
}

static void serve(void)
{
    struct epoll_event what[EVENTS_MAX];
    struct epoll_event input = {.events = EPOLLIN};
    int found, i;

    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &input) < 0)
        fake_fail("standard input: %s", strerror(errno));
    for (;;) {
        found = epoll_wait(epoll_fd, what, EVENTS_MAX, -1);
        for (i = 0; i < found; i++) {
            if (what[i].data.ptr == NULL) {
                if (!take_lines())
                    return;
                continue;
            }
            process(what[i].data.ptr, what[i].events);
            watch(what[i].data.ptr);
        }
    }
}

int main(int argc, char *argv[])
{
    struct rlimit limit;
    bool has_agent = argc > 4 && strcmp(argv[argc - 1], "agent") == 0;
    unsigned cpus = argc - has_agent > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : 16, i;

    if (argc < 4 || cpus < 2 || cpus > SIM_CPUS_MAX) {
        (void)fputs("usage: fleet DIR FIRST COUNT [CPUS] [agent]\n", stderr);
        return 2;
    }
    first = (unsigned)strtoul(argv[2], NULL, 10);
    count = (unsigned)strtoul(argv[3], NULL, 10);
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    (void)mallopt(M_MMAP_THRESHOLD, sizeof(struct sim)); /* what one never uses is no page */
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    sims = calloc(count, sizeof(struct sim *));
    ends = calloc(count, 2 * sizeof(*ends));
    if (sims == NULL || ends == NULL)
        fake_fail("out of memory");
    for (i = 0; i < count; i++)
        open_one(argv[1], i, cpus, has_agent);
    (void)puts("ready");
    (void)fflush(stdout);
    serve();
    for (i = 0; i < count; i++)
        sim_end(sims[i]);
    free(sims);
    free(ends);
    return 0;
}
