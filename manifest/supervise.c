/* SPDX-License-Identifier: MIT */
#include "manifest/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "manifest/run_directory.h"

/* The supervisor's descriptors, behind the standard ones. QEMU keeps the lock. */
enum { CONTROL = 3, DIRECTORY, LOCK, ABOVE_ALL };

int supervise_open_process(pid_t process)
{
    return (int)syscall(SYS_pidfd_open, process, 0);
}

int supervise_kill(int process_fd)
{
    return (int)syscall(SYS_pidfd_send_signal, process_fd, SIGKILL, NULL, 0);
}

/* ---- in the new processes ---- */

/* Puts the descriptors where the enum says, the log and nothing to read on the standard ones, and
 * closes all others. They are first moved up, so that none is overwritten. */
static int arrange(int control, int directory, int lock)
{
    int log = openat(directory, RUN_DIRECTORY_LOG,
                     O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW, 0600);
    int nothing = open("/dev/null", O_RDONLY);
    int high[6] = {nothing, log, log, control, directory, lock}, i;

    for (i = 0; i < ABOVE_ALL; i++) {
        high[i] = fcntl(high[i], F_DUPFD, ABOVE_ALL);
        if (high[i] < 0)
            return -1;
    }
    for (i = 0; i < ABOVE_ALL; i++) {
        if (dup2(high[i], i) < 0)
            return -1;
    }
    return (int)syscall(SYS_close_range, ABOVE_ALL, ~0U, 0);
}

/* As a program expects them to be. */
static void reset_signals(void)
{
    sigset_t none;

    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGHUP, SIG_DFL);
}

static void run_qemu(const struct argv *argv)
{
    (void)fcntl(CONTROL, F_SETFD, FD_CLOEXEC);
    (void)fcntl(DIRECTORY, F_SETFD, FD_CLOEXEC);
    reset_signals();
    execvp(argv->words[0], argv->words);
    (void)dprintf(STDERR_FILENO, "vmplug: cannot run %s: %s\n", argv->words[0], strerror(errno));
    _exit(127);
}

/* Returns when QEMU has ended. Until it is released, an end of its starter is an end of QEMU. */
static void await_end(int process_fd)
{
    struct pollfd polled[2] = {{.fd = process_fd, .events = POLLIN},
                               {.fd = CONTROL, .events = POLLIN}};
    char word;

    do {
        if (poll(polled, 2, -1) < 0)
            continue;
        if (polled[1].revents != 0) {
            if (read(CONTROL, &word, 1) != 1)
                (void)supervise_kill(process_fd);
            polled[1].fd = -1; /* it has said all that it has to say */
        }
    } while ((polled[0].revents & POLLIN) == 0);
}

static void write_end(int status)
{
    if (WIFSIGNALED(status))
        (void)dprintf(STDERR_FILENO, "vmplug: QEMU was ended by signal %d (%s)\n",
                      WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        (void)dprintf(STDERR_FILENO, "vmplug: QEMU ended with status %d\n", WEXITSTATUS(status));
}

static void supervise(const struct argv *argv)
{
    int process_fd, status = 0;
    pid_t process;

    if (ftruncate(LOCK, 0) == 0)
        (void)dprintf(LOCK, "%ld\n", (long)getpid());
    (void)prctl(PR_SET_NAME, "vmplug-keeper");
    process = fork();
    if (process == 0)
        run_qemu(argv);
    /* Holds no file system. */
    process_fd = chdir("/") == 0 && process > 0 ? supervise_open_process(process) : -1;
    if (process_fd >= 0)
        await_end(process_fd);
    else if (process > 0)
        (void)kill(process, SIGKILL);
    if (process > 0 && waitpid(process, &status, 0) == process)
        write_end(status);
    run_directory_clean(DIRECTORY);
}

/* ---- in the one who starts it ---- */

int supervise_start(struct supervision *supervision, const struct argv *argv, int directory,
                    int lock, struct error *error)
{
    AUTO_FD int ours = -1;
    AUTO_FD int theirs = -1;
    int pair[2], status;
    pid_t process;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return error_set_errno(error, ERROR_SYSTEM, errno, "", "cannot make a socket pair");
    ours = pair[0];
    theirs = pair[1];
    process = fork();
    if (process < 0)
        return error_set_errno(error, ERROR_SYSTEM, errno, "", "cannot start a process");
    if (process == 0) {
        if (setsid() < 0 || arrange(theirs, directory, lock) < 0)
            _exit(1);
        process = fork();
        if (process == 0)
            supervise(argv);
        _exit(process < 0);
    }
    while (waitpid(process, &status, 0) < 0 && errno == EINTR)
        continue;
    if (status != 0)
        return error_set(error, ERROR_SYSTEM, "", "cannot start a process beside QEMU");
    supervision->control = steal_fd(&ours);
    return 0;
}

void supervise_release(struct supervision *supervision)
{
    (void)send(supervision->control, "", 1, MSG_NOSIGNAL);
    close(supervision->control);
    supervision->control = -1;
}

void supervise_abandon(struct supervision *supervision)
{
    char word;

    if (supervision->control < 0)
        return;
    (void)shutdown(supervision->control, SHUT_WR);
    while (read(supervision->control, &word, 1) < 0 && errno == EINTR)
        continue;
    close(supervision->control);
    supervision->control = -1;
}
