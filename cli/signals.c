/* SPDX-License-Identifier: MIT */
#include "cli/signals.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

static int signals_fd(const struct pump *pump)
{
    return ((const struct signals *)pump)->fd;
}

static short signals_events(const struct pump *pump)
{
    (void)pump;
    return POLLIN;
}

static double signals_deadline_ms(const struct pump *pump)
{
    (void)pump;
    return CLOCK_NEVER_MS;
}

static enum pump_result signals_process(struct pump *pump, short revents)
{
    struct signals *signals = (struct signals *)pump;
    struct signalfd_siginfo info;

    if ((revents & POLLIN) == 0 || read(signals->fd, &info, sizeof(info)) != sizeof(info))
        return PUMP_IDLE;
    signals->count++;
    return PUMP_PROGRESS;
}

static const struct pump_ops signals_pump_ops = {
    .fd = signals_fd,
    .events = signals_events,
    .deadline_ms = signals_deadline_ms,
    .process = signals_process,
};

int signals_open(struct signals *signals, struct error *error)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action;
    sigset_t set;
    size_t i;

    *signals = (struct signals){.pump.ops = &signals_pump_ops, .fd = -1};
    sigemptyset(&set);
    for (i = 0; i < COUNT_OF(numbers); i++) {
        /* A signalfd would hear a blocked signal although it is ignored. */
        if (sigaction(numbers[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
            sigaddset(&set, numbers[i]);
    }
    (void)signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &set, NULL) == 0)
        signals->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals->fd < 0)
        return error_set_errno(error, ERROR_SYSTEM, errno, "", "cannot await signals");
    return 0;
}

void signals_close(struct signals *signals)
{
    if (signals->fd >= 0)
        close(steal_fd(&signals->fd));
}
