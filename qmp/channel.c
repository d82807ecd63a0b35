/* SPDX-License-Identifier: MIT */
#include "qmp/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "qmp/limits.h"

static int connect_error(const char *path, int errnum, struct error *error)
{
    const char *fix = "is QEMU running, and was it started with this socket?";

    if (errnum == EACCES || errnum == EPERM)
        fix = "run as the user who started QEMU";
    else if (errnum == ECONNREFUSED)
        fix = "nobody listens there: QEMU has ended, or the path is another program's";
    else if (errnum == ENOTSOCK || errnum == EPROTOTYPE)
        fix = "give the socket that QEMU listens on";
    return error_set_errno(error, ERROR_CONNECT, errnum, fix, "cannot connect to %s", path);
}

int channel_connect(const char *path, struct error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    AUTO_FD int fd = -1;

    if (strlen(path) == 0 || strlen(path) >= sizeof(address.sun_path))
        return error_set(error, ERROR_CONNECT, "use a shorter path, or one relative to it",
                         "a socket's path has 1 to %zu bytes, this one %zu",
                         sizeof(address.sun_path) - 1, strlen(path));
    memcpy(address.sun_path, path, strlen(path));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_set_errno(error, ERROR_CONNECT, errno, "", "cannot make a socket");
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return steal_fd(&fd);
    if (errno == EAGAIN)
        return -2;
    return connect_error(path, errno, error);
}

void channel_init(struct channel *channel, const char *name, const struct framer_limits *limits,
                  const struct tap *tap)
{
    *channel = (struct channel){.fd = -1, .pass_fd = -1, .name = name};
    framer_init(&channel->framer, limits);
    if (tap != NULL)
        channel->tap = *tap;
}

void channel_open(struct channel *channel, int fd)
{
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    channel->fd = fd;
}

void channel_close(struct channel *channel)
{
    if (channel->fd >= 0)
        close(steal_fd(&channel->fd));
    if (channel->pass_fd >= 0)
        close(steal_fd(&channel->pass_fd));
    framer_free(&channel->framer);
    buffer_free(&channel->out);
}

static void show(const struct channel *channel, bool sent, const char *bytes, size_t size)
{
    if (channel->tap.message != NULL)
        channel->tap.message(channel->tap.user, channel->name, sent, bytes, size);
}

/* sendmsg(2), with the descriptor to pass where there is one. */
static ssize_t send_some(struct channel *channel)
{
    struct iovec bytes = {.iov_base = channel->out.bytes + channel->out.start,
                          .iov_len = buffer_size(&channel->out)};
    struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {.room = {0}};
    struct cmsghdr *header;

    if (channel->pass_fd >= 0) {
        message.msg_control = control.room;
        message.msg_controllen = sizeof(control.room);
        header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &channel->pass_fd, sizeof(int));
    }
    return sendmsg(channel->fd, &message, MSG_NOSIGNAL);
}

void channel_flush(struct channel *channel)
{
    ssize_t sent;

    while (channel->fd >= 0 && buffer_size(&channel->out) > 0) {
        sent = send_some(channel);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (sent < 0) {
            /* The peer is gone, but what it said before may still wait to be read. */
            buffer_consume(&channel->out, buffer_size(&channel->out));
            return;
        }
        buffer_consume(&channel->out, (size_t)sent);
        if (channel->pass_fd >= 0)
            close(steal_fd(&channel->pass_fd));
    }
}

int channel_send(struct channel *channel, const char *bytes, size_t size, int pass_fd,
                 struct error *error)
{
    if (buffer_append(&channel->out, bytes, size) < 0) {
        cleanup_fd(&pass_fd);
        return error_set(error, ERROR_SYSTEM, "", "out of memory");
    }
    if (pass_fd >= 0)
        channel->pass_fd = pass_fd;
    show(channel, true, bytes, size);
    channel_flush(channel);
    return 0;
}

int channel_fill(struct channel *channel, struct error *error)
{
    /* What answers mostly take fits into an allocation that is kept: the C library tidies up its
     * heap before each larger one. */
    size_t wanted = channel->loud ? LIMITS_READ_BYTES : LIMITS_READ_QUIET_BYTES;
    char *room = framer_reserve(&channel->framer, wanted);
    ssize_t count;

    if (room == NULL)
        return error_set(error, ERROR_SYSTEM, "", "out of memory");
    do {
        count = read(channel->fd, room, wanted);
    } while (count < 0 && errno == EINTR);
    framer_fed(&channel->framer, count > 0 ? (size_t)count : 0);
    channel->loud = count >= (ssize_t)LIMITS_READ_QUIET_BYTES;
    if (count > 0)
        return 1;
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    if (count < 0 && errno != ECONNRESET)
        return error_set_errno(error, ERROR_DISCONNECTED, errno, "", "%s: reading failed",
                               channel->name);
    show(channel, false, NULL, 0);
    return error_set(error, ERROR_DISCONNECTED, "look whether QEMU is still running",
                     "the %s connection was closed by the other side", channel->name);
}

enum framer_result channel_next(struct channel *channel, struct framer_message *ret_message,
                                struct error *error)
{
    enum framer_result result = framer_next(&channel->framer, ret_message, error);

    if (result == FRAMER_MESSAGE)
        show(channel, false, ret_message->bytes, ret_message->size_bytes);
    return result;
}

void channel_rest(struct channel *channel)
{
    buffer_rest(&channel->framer.buffer);
    buffer_rest(&channel->out);
}

short channel_events(const struct channel *channel)
{
    if (channel->fd < 0)
        return 0;
    return buffer_size(&channel->out) > 0 ? POLLIN | POLLOUT : POLLIN;
}
