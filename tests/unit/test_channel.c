/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "qmp/channel.h"
#include "tests/fake/fake.h"

static const struct framer_limits limits = {.message_bytes = 1 << 20, .depth = 16};

/* A channel on one end of a socket pair; the other end is the peer's. */
static int open_pair(struct channel *channel, const struct tap *tap)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    channel_init(channel, "test", &limits, tap);
    channel_open(channel, fds[0]);
    return fds[1];
}

static void test_send_and_receive(void **state)
{
    struct framer_message message;
    struct channel channel;
    char bytes[16];
    int peer = open_pair(&channel, NULL);

    (void)state;
    assert_true(fcntl(channel.fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(channel_events(&channel), POLLIN);
    assert_int_equal(channel_send(&channel, "{\"a\":1}\n", 8, -1, NULL), 0);
    assert_int_equal(read(peer, bytes, sizeof(bytes)), 8);
    assert_memory_equal(bytes, "{\"a\":1}\n", 8);
    assert_int_equal(channel_fill(&channel, NULL), 0);
    assert_int_equal(write(peer, "{\"b\":2}", 7), 7);
    assert_int_equal(channel_fill(&channel, NULL), 1);
    assert_int_equal(channel_next(&channel, &message, NULL), FRAMER_MESSAGE);
    assert_memory_equal(message.bytes, "{\"b\":2}", 7);
    channel_close(&channel);
    channel_close(&channel);
    assert_int_equal(channel_events(&channel), 0);
    assert_int_equal(read(peer, bytes, sizeof(bytes)), 0);
    close(peer);
}

/* More than the socket takes: what does not fit waits, nothing is lost, nothing is doubled. */
static void test_partial_writes(void **state)
{
    enum { SIZE = 1 << 20 };
    static char sent[SIZE], received[SIZE];
    struct channel channel;
    int peer = open_pair(&channel, NULL), tiny = 1;
    size_t got = 0, i;
    ssize_t count;

    (void)state;
    assert_int_equal(setsockopt(channel.fd, SOL_SOCKET, SO_SNDBUF, &tiny, sizeof(tiny)), 0);
    for (i = 0; i < SIZE; i++)
        sent[i] = (char)(i * 7919 >> 8);
    assert_int_equal(channel_send(&channel, sent, SIZE / 2, -1, NULL), 0);
    assert_int_equal(channel_events(&channel), POLLIN | POLLOUT);
    assert_int_equal(channel_send(&channel, sent + SIZE / 2, SIZE / 2, -1, NULL), 0);
    while (got < SIZE) {
        count = recv(peer, received + got, SIZE - got, MSG_DONTWAIT);
        if (count > 0)
            got += (size_t)count;
        else
            channel_flush(&channel);
    }
    assert_memory_equal(sent, received, SIZE);
    assert_int_equal(channel_events(&channel), POLLIN);
    channel_close(&channel);
    close(peer);
}

/* The peer says its last words and goes: writing then fails silently, reading gets all of them. */
static void test_last_words(void **state)
{
    static const char words[] = "{\"return\":{}}\r\n{\"event\":\"SHUTDOWN\"}";
    struct framer_message message;
    struct error error = ERROR_INIT;
    struct channel channel;
    int peer = open_pair(&channel, NULL);

    (void)state;
    assert_int_equal(write(peer, words, strlen(words)), strlen(words));
    close(peer);
    assert_int_equal(channel_send(&channel, "{}\n", 3, -1, &error), 0); /* EPIPE, no SIGPIPE */
    assert_int_equal(channel_events(&channel), POLLIN);
    assert_int_equal(channel_fill(&channel, &error), 1);
    assert_int_equal(channel_next(&channel, &message, &error), FRAMER_MESSAGE);
    assert_int_equal(channel_next(&channel, &message, &error), FRAMER_MESSAGE);
    assert_int_equal(channel_next(&channel, &message, &error), FRAMER_MORE);
    assert_int_equal(error.code, ERROR_NONE);
    assert_int_equal(channel_fill(&channel, &error), -1);
    assert_int_equal(error.code, ERROR_DISCONNECTED);
    assert_non_null(strstr(error.why, "test"));
    channel_close(&channel);
}

/* A peer that closes without having read gives ECONNRESET: the same end. */
static void test_reset(void **state)
{
    struct error error = ERROR_INIT;
    struct channel channel;
    int peer = open_pair(&channel, NULL);

    (void)state;
    assert_int_equal(channel_send(&channel, "{}\n", 3, -1, &error), 0);
    close(peer);
    assert_int_equal(channel_fill(&channel, &error), -1);
    assert_int_equal(error.code, ERROR_DISCONNECTED);
    channel_close(&channel);
}

/* ---- descriptors ---- */

/* recvmsg(2): the bytes, and the descriptor that came with them or -1. */
static ssize_t receive(int peer, char *bytes, size_t size, int *ret_fd)
{
    union {
        char room[CMSG_SPACE(4 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec into = {.iov_base = bytes, .iov_len = size};
    struct msghdr message = {.msg_iov = &into,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof(control.room)};
    ssize_t count = recvmsg(peer, &message, MSG_DONTWAIT);
    struct cmsghdr *header = count > 0 ? CMSG_FIRSTHDR(&message) : NULL;

    *ret_fd = -1;
    if (header != NULL) {
        assert_int_equal(header->cmsg_type, SCM_RIGHTS);
        assert_int_equal(header->cmsg_len, CMSG_LEN(sizeof(int))); /* one, and one only */
        memcpy(ret_fd, CMSG_DATA(header), sizeof(int));
    }
    return count;
}

static void test_passes_a_descriptor(void **state)
{
    struct channel channel;
    struct stat ours, theirs;
    int peer = open_pair(&channel, NULL);
    int fd = open("/dev/null", O_RDONLY), passed;
    char bytes[64];

    (void)state;
    assert_int_equal(fstat(fd, &ours), 0);
    assert_int_equal(channel_send(&channel, "{\"execute\":\"getfd\"}\n", 20, fd, NULL), 0);
    assert_int_equal(close(fd), -1); /* taken over, and closed once sent */
    assert_int_equal(receive(peer, bytes, sizeof(bytes), &passed), 20);
    assert_true(passed >= 0);
    assert_int_equal(fstat(passed, &theirs), 0);
    assert_true(ours.st_rdev == theirs.st_rdev && ours.st_ino == theirs.st_ino);
    close(passed);
    assert_int_equal(channel_send(&channel, "{}\n", 3, -1, NULL), 0);
    assert_int_equal(receive(peer, bytes, sizeof(bytes), &passed), 3);
    assert_int_equal(passed, -1);
    channel_close(&channel);
    close(peer);
}

/* However many writes a message takes, its descriptor goes once, with the first byte. */
static void test_descriptor_goes_with_the_first_byte(void **state)
{
    enum { SIZE = 1 << 18 };
    static char message[SIZE];
    struct channel channel;
    int peer = open_pair(&channel, NULL), tiny = 1, passed, descriptors = 0;
    char bytes[4096];
    size_t got = 0;
    ssize_t count;

    (void)state;
    assert_int_equal(setsockopt(channel.fd, SOL_SOCKET, SO_SNDBUF, &tiny, sizeof(tiny)), 0);
    assert_int_equal(channel_send(&channel, message, SIZE, open("/dev/null", O_RDONLY), NULL), 0);
    while (got < SIZE) {
        count = receive(peer, bytes, sizeof(bytes), &passed);
        if (passed >= 0) {
            assert_int_equal(got, 0);
            descriptors++;
            close(passed);
        }
        if (count > 0)
            got += (size_t)count;
        else
            channel_flush(&channel);
    }
    assert_int_equal(descriptors, 1);
    channel_close(&channel);
    close(peer);
}

static void test_close_drops_the_descriptor(void **state)
{
    static char filler[1 << 20];
    struct channel channel;
    int peer = open_pair(&channel, NULL), fd = open("/dev/null", O_RDONLY);

    (void)state;
    while (send(channel.fd, filler, sizeof(filler), MSG_DONTWAIT) > 0)
        ; /* the socket is full: nothing leaves */
    assert_int_equal(channel_send(&channel, "{}\n", 3, fd, NULL), 0);
    assert_true(fcntl(fd, F_GETFD) >= 0);
    channel_close(&channel);
    assert_int_equal(close(fd), -1);
    close(peer);
}

/* ---- the tap ---- */

struct heard {
    unsigned count;
    bool sent[4];
    char text[4][32];
};

static void listen_in(void *user, const char *name, bool sent, const char *bytes, size_t size)
{
    struct heard *heard = user;

    assert_string_equal(name, "test");
    heard->sent[heard->count] = sent;
    (void)snprintf(heard->text[heard->count++], 32, "%.*s", (int)size, bytes);
}

static void test_tap_sees_messages(void **state)
{
    struct heard heard = {0};
    const struct tap tap = {.message = listen_in, .user = &heard};
    struct framer_message message;
    struct channel channel;
    int peer = open_pair(&channel, &tap);

    (void)state;
    assert_int_equal(channel_send(&channel, "{\"a\":1}\n", 8, -1, NULL), 0);
    assert_int_equal(write(peer, "{\"b\":2}\r\n{\"c\"", 13), 13);
    assert_int_equal(channel_fill(&channel, NULL), 1);
    while (channel_next(&channel, &message, NULL) == FRAMER_MESSAGE)
        ;
    assert_int_equal(heard.count, 2);
    assert_true(heard.sent[0]);
    assert_string_equal(heard.text[0], "{\"a\":1}\n");
    assert_false(heard.sent[1]);
    assert_string_equal(heard.text[1], "{\"b\":2}");
    channel_close(&channel);
    close(peer);
}

/* ---- connecting ---- */

static int listen_at(const char *path, int backlog)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(strlen(path) < sizeof(address.sun_path));
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

static void test_connects(void **state)
{
    const char *path = fake_path("listener");
    int listener = listen_at(path, 4), fd, accepted;

    (void)state;
    fd = channel_connect(path, NULL);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    accepted = accept(listener, NULL, NULL);
    assert_true(accepted >= 0);
    close(accepted);
    close(fd);
    close(listener);
}

static void expect_failure(const char *path, const char *why, const char *fix)
{
    struct error error = ERROR_INIT;

    assert_int_equal(channel_connect(path, &error), -1);
    assert_int_equal(error.code, ERROR_CONNECT);
    if (strstr(error.why, why) == NULL || strstr(error.fix, fix) == NULL)
        fail_msg("'%s'; '%s'", error.why, error.fix);
    assert_int_equal(channel_connect(path, NULL), -1);
}

static void test_failures_say_why(void **state)
{
    char path[256];

    (void)state;
    expect_failure(fake_path("nothing"), strerror(ENOENT), "is QEMU running");
    close(listen_at(fake_path("deserted"), 1));
    expect_failure(fake_path("deserted"), strerror(ECONNREFUSED), "nobody listens");
    expect_failure(fake_file("file", "", 0), strerror(ECONNREFUSED), "nobody listens");
    expect_failure(fake_dir(), strerror(ECONNREFUSED), "nobody listens");
    expect_failure("", "1 to 107 bytes", "shorter");
    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    expect_failure(path, "this one 255", "shorter");
    path[108] = '\0';
    expect_failure(path, "this one 108", "shorter");
    path[107] = '\0'; /* the longest that there is */
    expect_failure(path, strerror(ENOENT), "is QEMU running");
}

static void test_no_permission(void **state)
{
    const char *path = fake_path("forbidden");
    int listener = listen_at(path, 1);
    uid_t us = geteuid();

    (void)state;
    assert_int_equal(chmod(path, 0), 0);
    assert_int_equal(chmod(fake_dir(), 0755), 0);
    if (us == 0 && seteuid(65534) != 0)
        skip(); /* root that can't be less */
    expect_failure(path, strerror(EACCES), "run as the user who started QEMU");
    assert_int_equal(seteuid(us), 0);
    close(listener);
}

static void test_not_a_stream(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    (void)state;
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", fake_path("datagram"));
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    expect_failure(fake_path("datagram"), strerror(EPROTOTYPE), "the socket that QEMU listens on");
    close(fd);
}

/* A full queue is no failure: the listener is there and busy. */
static void test_full_backlog(void **state)
{
    const char *path = fake_path("full");
    int listener = listen_at(path, 0), fds[16], result = 0;
    struct error error = ERROR_INIT;
    size_t count = 0;

    (void)state;
    while (count < COUNT_OF(fds) && (result = channel_connect(path, &error)) >= 0)
        fds[count++] = result;
    assert_true(count > 0 && count < COUNT_OF(fds));
    assert_int_equal(result, -2);
    assert_int_equal(error.code, ERROR_NONE);
    while (count > 0)
        close(fds[--count]);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_send_and_receive),
        cmocka_unit_test(test_partial_writes),
        cmocka_unit_test(test_last_words),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_passes_a_descriptor),
        cmocka_unit_test(test_descriptor_goes_with_the_first_byte),
        cmocka_unit_test(test_close_drops_the_descriptor),
        cmocka_unit_test(test_tap_sees_messages),
        cmocka_unit_test(test_connects),
        cmocka_unit_test(test_failures_say_why),
        cmocka_unit_test(test_no_permission),
        cmocka_unit_test(test_not_a_stream),
        cmocka_unit_test(test_full_backlog),
    };

    return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
