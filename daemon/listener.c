/* SPDX-License-Identifier: MIT */
#include "daemon/listener.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "qmp/channel.h"

#define BACKLOG 4096 /* who connects without waiting is refused beyond it; the kernel has a limit */
#define LOCK_MS 200 /* servers hold it for less than a millisecond */
#define LOCK_LOOK_MS 5

/* Whoever may read the directory can hold its lock, and is not waited for any longer. */
static int lock(int fd)
{
    double deadline_ms = clock_now_ms() + LOCK_MS;
    int status;

    while ((status = flock(fd, LOCK_EX | LOCK_NB)) < 0 && errno == EWOULDBLOCK &&
           clock_now_ms() < deadline_ms)
        (void)clock_poll(NULL, 0, clock_now_ms() + LOCK_LOOK_MS);
    return status;
}

/* Held while the path is looked at and taken, so that of two servers that start at the same time
 * one finds the other. Returns a descriptor, or -1 with ERROR_BUSY or ERROR_SYSTEM. */
static int lock_directory(const char *path, struct error *error)
{
    const char *slash = strrchr(path, '/');
    char directory[sizeof(((struct listener *)0)->path)] = ".";
    int fd;

    if (slash != NULL)
        (void)snprintf(directory, sizeof(directory), "%.*s",
                       slash == path ? 1 : (int)(slash - path), path);
    fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || lock(fd) < 0) {
        if (errno == EWOULDBLOCK)
            (void)error_set(error, ERROR_BUSY, "choose a directory that nobody else may read",
                            "cannot make the socket '%s': somebody keeps its directory locked",
                            path);
        else
            (void)error_set_errno(error, ERROR_SYSTEM, errno, "choose a directory that is there",
                                  "cannot make the socket '%s'", path);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

/* Nothing is there, or what a server has left that is no more, which is removed. */
static int make_way(const char *path, struct error *error)
{
    struct stat status;
    AUTO_FD int fd = -1;

    if (lstat(path, &status) < 0)
        return 0; /* bind() will say what else is wrong */
    if (!S_ISSOCK(status.st_mode))
        return error_set(error, ERROR_BUSY, "choose another path, or remove it",
                         "'%s' is there already, and is no socket", path);
    fd = channel_connect(path, NULL);
    if (fd != -1)
        return error_set(error, ERROR_BUSY, "choose another path, or end that server",
                         "a server listens on '%s' already", path);
    if (unlink(path) < 0)
        return error_set_errno(error, ERROR_SYSTEM, errno, "remove it",
                               "cannot replace the socket '%s' of a server that has ended", path);
    return 0;
}

static int bind_private(int fd, const struct sockaddr_un *address)
{
    mode_t before = umask(0177);
    int status = bind(fd, (const struct sockaddr *)address, sizeof(*address));

    (void)umask(before);
    return status;
}

int listener_open(struct listener *self, const char *path, struct error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    AUTO_FD int lock = -1, fd = -1;
    struct stat status;

    *self = (struct listener){.fd = -1};
    if (strlen(path) >= sizeof(self->path))
        return error_set(error, ERROR_INVALID, "choose a shorter path",
                         "a socket's path has at most %zu characters, and '%.64s…' has %zu",
                         sizeof(self->path) - 1, path, strlen(path));
    lock = lock_directory(path, error);
    if (lock < 0 || make_way(path, error) < 0)
        return -1;
    memcpy(address.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind_private(fd, &address) < 0 || listen(fd, BACKLOG) < 0 ||
        stat(path, &status) < 0)
        return error_set_errno(error, ERROR_SYSTEM, errno, "choose another path",
                               "cannot listen on '%s'", path);
    memcpy(self->path, path, strlen(path) + 1);
    self->device = status.st_dev;
    self->inode = status.st_ino;
    self->fd = steal_fd(&fd);
    return 0;
}

int listener_share(struct listener *self, const char *group, struct error *error)
{
    const struct group *entry = getgrnam(group);
    char *end;
    unsigned long number = strtoul(group, &end, 10);

    if (entry != NULL)
        number = entry->gr_gid;
    else if (!isdigit((unsigned char)group[0]) || *end != '\0' || number >= UINT32_MAX)
        return error_set(error, ERROR_INVALID, "name one that there is",
                         "there is no group '%.64s'", group);
    /* not of what a link, put there meanwhile, may name */
    if (lchown(self->path, (uid_t)-1, (gid_t)number) < 0 ||
        fchmodat(AT_FDCWD, self->path, 0660, AT_SYMLINK_NOFOLLOW) < 0)
        return error_set_errno(error, ERROR_SYSTEM, errno, "",
                               "cannot give the socket '%s' to the group '%.64s'", self->path,
                               group);
    return 0;
}

void listener_close(struct listener *self)
{
    struct stat status;

    if (self->fd >= 0)
        close(self->fd);
    self->fd = -1;
    if (self->path[0] != '\0' && lstat(self->path, &status) == 0 &&
        status.st_dev == self->device && status.st_ino == self->inode)
        (void)unlink(self->path);
    self->path[0] = '\0';
}
