/* SPDX-License-Identifier: MIT */
/* What systemd is told: a datagram socket in its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "daemon/notify.h"

static char folder[64];
static int systemd;

/* name: as $NOTIFY_SOCKET has it. */
static void listen_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", name);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    systemd = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_true(systemd >= 0);
    assert_int_equal(bind(systemd, (const struct sockaddr *)&address, size), 0);
    setenv("NOTIFY_SOCKET", name, 1);
}

static const char *heard(void)
{
    static char text[512];
    ssize_t size = recv(systemd, text, sizeof(text) - 1, MSG_DONTWAIT);

    text[size > 0 ? size : 0] = '\0';
    return text;
}

static int set_up(void **state)
{
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    systemd = -1;
    (void)strcpy(folder, "/tmp/vmplug-notify-XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    cleanup_fd(&systemd);
    return rmdir(folder);
}

static void talk(void)
{
    struct ev_loop *loop = ev_loop_new(0);
    struct notify notify;

    assert_int_equal(notify_open(&notify, loop, NULL), 0);
    notify_ready(&notify);
    assert_string_equal(heard(), "READY=1");
    notify_status(&notify, "%d VMs\nREADY=1", 3);
    assert_string_equal(heard(), "STATUS=3 VMs?READY=1");
    notify_reloading(&notify);
    assert_int_equal(strncmp(heard(), "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
    notify_stopping(&notify);
    assert_string_equal(heard(), "STOPPING=1");
    assert_int_equal(ev_run(loop, EVRUN_NOWAIT), 0); /* there is no watchdog */
    notify_close(&notify);
    assert_int_equal(notify.fd, -1);
    notify_ready(&notify);
    assert_string_equal(heard(), "");
    ev_loop_destroy(loop);
}

static void test_path(void **state)
{
    char path[96];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/notify", folder);
    listen_at(path);
    talk();
    assert_int_equal(unlink(path), 0);
}

static void test_abstract(void **state)
{
    char name[96];

    (void)state;
    (void)snprintf(name, sizeof(name), "@%s", folder);
    listen_at(name);
    talk();
}

static void test_nobody(void **state)
{
    struct ev_loop *loop = ev_loop_new(0);
    struct notify notify;
    struct error error = ERROR_INIT;

    (void)state;
    assert_int_equal(notify_open(&notify, loop, NULL), 0);
    notify_ready(&notify);
    notify_close(&notify);
    setenv("NOTIFY_SOCKET", "/tmp/vmplug-is-not-there", 1);
    assert_int_equal(notify_open(&notify, loop, &error), -1);
    assert_int_equal(error.code, ERROR_SYSTEM);
    notify_close(&notify);
    setenv("NOTIFY_SOCKET", "vsock:2:1", 1);
    assert_int_equal(notify_open(&notify, loop, &error), -1);
    notify_close(&notify);
    ev_loop_destroy(loop);
}

/* systemd reads nothing, and nobody waits for it. */
static void test_full(void **state)
{
    struct ev_loop *loop = ev_loop_new(0);
    struct notify notify;
    char name[96];
    int i;

    (void)state;
    (void)snprintf(name, sizeof(name), "@%s", folder);
    listen_at(name);
    assert_int_equal(notify_open(&notify, loop, NULL), 0);
    for (i = 0; i < 10000; i++)
        notify_ready(&notify);
    assert_string_equal(heard(), "READY=1");
    notify_close(&notify);
    ev_loop_destroy(loop);
}

static int beats(const char *pid)
{
    struct ev_loop *loop = ev_loop_new(0);
    struct notify notify;
    int count = 0;

    setenv("WATCHDOG_USEC", "2000", 1);
    if (pid != NULL)
        setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(notify_open(&notify, loop, NULL), 0);
    while (count < 3 && ev_run(loop, EVRUN_ONCE) != 0)
        count += strcmp(heard(), "WATCHDOG=1") == 0;
    notify_close(&notify);
    assert_int_equal(ev_run(loop, EVRUN_NOWAIT), 0);
    ev_loop_destroy(loop);
    return count;
}

static void test_watchdog(void **state)
{
    char name[96], pid[24];

    (void)state;
    (void)snprintf(name, sizeof(name), "@%s", folder);
    listen_at(name);
    assert_int_equal(beats(NULL), 3);
    (void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
    assert_int_equal(beats(pid), 3);
    assert_int_equal(beats("1"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_path), TEST(test_abstract), TEST(test_nobody),
        TEST(test_full), TEST(test_watchdog),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
