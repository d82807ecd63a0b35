/* SPDX-License-Identifier: MIT */
/* vmplug/qmp.h, agent.h, pump.h and error.h, against the shared library and a fake QEMU. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/lib/fixture.h"
#include "vmplug/acpi.h"
#include "vmplug/agent.h"
#include "vmplug/qmp.h"

#define SOON_MS 20000

static struct vmplug_error error;

static struct vmplug_qmp *open_qmp(void)
{
    struct vmplug_qmp *qmp = vmplug_qmp_open(fixture_qmp, -1, NULL, &error);

    assert_non_null(qmp);
    if (vmplug_qmp_wait_ready(qmp, &error) < 0)
        fail_msg("not ready: %s", error.why);
    assert_true(vmplug_qmp_is_ready(qmp));
    return qmp;
}

/* ---- commands ---- */

static void test_call(void **state)
{
    struct vmplug_qmp *qmp;
    char *text;

    (void)state;
    FIXTURE_START("--cpus", "2");
    qmp = open_qmp();
    text = vmplug_qmp_greeting(qmp);
    assert_holds(text, "\"version\"");
    vmplug_text_free(text);
    assert_true(vmplug_qmp_peer(qmp) > 0);
    text = vmplug_qmp_call(qmp, "query-status", NULL, SOON_MS, &error);
    assert_holds(text, "\"status\":\"running\"");
    vmplug_text_free(text);
    assert_null(vmplug_qmp_call(qmp, "device_del", "{\"id\": \"nobody\"}", SOON_MS, &error));
    assert_int_equal(error.code, VMPLUG_ERROR_REJECTED);
    assert_string_equal(error.class_name, "DeviceNotFound");
    assert_string_equal(vmplug_error_name(error.code), "rejected");
    vmplug_qmp_free(qmp);
    fixture_stop();
}

static void test_bad_arguments(void **state)
{
    struct vmplug_qmp *qmp;

    (void)state;
    FIXTURE_START("--cpus", "2");
    qmp = open_qmp();
    assert_null(vmplug_qmp_call(qmp, "device_del", "[1]", SOON_MS, &error));
    assert_int_equal(error.code, VMPLUG_ERROR_INVALID);
    assert_null(vmplug_qmp_call(qmp, "device_del", "{\"id\":", SOON_MS, &error));
    assert_int_equal(error.code, VMPLUG_ERROR_INVALID);
    assert_null(vmplug_qmp_call(qmp, "no such\"", NULL, SOON_MS, NULL));
    assert_int_equal(vmplug_qmp_failure(qmp, &error), -1);
    vmplug_qmp_free(qmp);
    assert_null(vmplug_qmp_open("/nonexistent/socket", -1, NULL, &error));
    assert_int_equal(error.code, VMPLUG_ERROR_CONNECT);
    assert_true(strlen(error.fix) > 0);
    fixture_stop();
}

struct heard {
    unsigned count;
    int code;
    char text[256];
};

static void keep(void *user, struct vmplug_reply *reply)
{
    struct heard *heard = user;
    size_t bytes = 0;

    heard->count++;
    if (vmplug_reply_error(reply) != NULL) {
        heard->code = vmplug_reply_error(reply)->code;
        assert_null(vmplug_reply_json(reply, &bytes));
        return;
    }
    heard->code = VMPLUG_ERROR_NONE;
    (void)snprintf(heard->text, sizeof(heard->text), "%s", vmplug_reply_json(reply, &bytes));
    assert_true(bytes > 0);
}

static int was_heard(void *user)
{
    return ((const struct heard *)user)->count > 0;
}

/* The answer comes from the pump, not from the submission, and a cancelled one not at all. */
static void test_submit(void **state)
{
    struct heard first = {0}, cancelled = {0};
    struct vmplug_pump *pump;
    struct vmplug_qmp *qmp;
    int64_t number;

    (void)state;
    FIXTURE_START("--cpus", "2");
    qmp = open_qmp();
    pump = vmplug_qmp_pump(qmp);
    number = vmplug_qmp_submit(qmp, "query-name", NULL, SOON_MS, keep, &cancelled, &error);
    assert_true(number > 0);
    vmplug_qmp_cancel(qmp, number);
    assert_true(vmplug_qmp_submit(qmp, "query-status", NULL, 0, keep, &first, &error) > number);
    assert_int_equal(first.count, 0);
    assert_int_equal(vmplug_pump_run(&pump, 1, was_heard, &first, SOON_MS), 1);
    assert_holds(first.text, "running");
    assert_int_equal(cancelled.count, 0);
    assert_int_equal(vmplug_pump_run(&pump, 1, was_heard, &cancelled, 0), 0);
    vmplug_qmp_free(qmp);
    fixture_stop();
}

/* What is pending when the handle is freed is told so. */
static void test_free_with_pending(void **state)
{
    struct heard heard = {0};
    struct vmplug_qmp *qmp;

    (void)state;
    FIXTURE_START("--fault", "qmp query-status ignore");
    qmp = open_qmp();
    assert_true(vmplug_qmp_submit(qmp, "query-status", NULL, 0, keep, &heard, &error) > 0);
    vmplug_qmp_free(qmp);
    assert_int_equal(heard.count, 1);
    assert_int_equal(heard.code, VMPLUG_ERROR_CANCELLED);
    fixture_stop();
}

static void test_deadline(void **state)
{
    struct vmplug_qmp *qmp;

    (void)state;
    FIXTURE_START("--fault", "qmp query-status ignore");
    qmp = open_qmp();
    assert_null(vmplug_qmp_call(qmp, "query-status", NULL, 50, &error));
    assert_int_equal(error.code, VMPLUG_ERROR_TIMEOUT);
    vmplug_qmp_free(qmp);
    fixture_stop();
}

static void free_it(void *user, struct vmplug_reply *reply)
{
    struct vmplug_qmp **qmp = user;

    (void)reply;
    vmplug_qmp_free(*qmp);
    *qmp = NULL;
}

/* A callback may free the handle that calls it: driven by hand, for nothing may look at it then. */
static void test_free_in_callback(void **state)
{
    struct vmplug_qmp *qmp;

    (void)state;
    FIXTURE_START("--cpus", "2");
    qmp = open_qmp();
    assert_true(vmplug_qmp_submit(qmp, "query-status", NULL, 0, free_it, &qmp, &error) > 0);
    while (qmp != NULL) {
        struct vmplug_pump *pump = vmplug_qmp_pump(qmp);
        struct pollfd polled = {.fd = vmplug_pump_fd(pump), .events = vmplug_pump_events(pump)};

        assert_true(poll(&polled, 1, vmplug_pump_timeout_ms(pump)) >= 0);
        (void)vmplug_pump_process(pump, polled.revents);
    }
    fixture_stop();
}

/* The same while the session's end is being told: who is still to hear of it hears of it now. */
static void test_free_at_the_end(void **state)
{
    struct vmplug_qmp *qmp, *gone;
    struct heard heard[2] = {{0}, {0}};
    size_t i;

    (void)state;
    FIXTURE_START("--fault", "qmp query-status ignore");
    qmp = open_qmp();
    assert_true(vmplug_qmp_submit(qmp, "query-status", NULL, 0, free_it, &qmp, &error) > 0);
    for (i = 0; i < 2; i++)
        assert_true(vmplug_qmp_submit(qmp, "query-status", NULL, 0, keep, &heard[i], &error) > 0);
    fixture_kill();
    for (gone = qmp; qmp != NULL;)
        (void)vmplug_pump_process(vmplug_qmp_pump(gone), POLLIN | POLLOUT);
    for (i = 0; i < 2; i++) {
        assert_int_equal(heard[i].count, 1);
        assert_int_equal(heard[i].code, VMPLUG_ERROR_CANCELLED);
    }
}

static void ask_again(void *user, struct vmplug_reply *reply)
{
    assert_int_equal(vmplug_reply_error(reply)->code, VMPLUG_ERROR_CANCELLED);
    assert_true(vmplug_qmp_submit(*(struct vmplug_qmp **)user, "query-name", NULL, 0, ask_again,
                                  user, &error) < 0);
    assert_int_equal(error.code, VMPLUG_ERROR_CANCELLED);
}

/* Who asks again whatever comes does not keep a handle from being freed. */
static void test_submit_when_freed(void **state)
{
    struct vmplug_qmp *qmp;

    (void)state;
    FIXTURE_START("--fault", "qmp query-status ignore");
    qmp = open_qmp();
    assert_true(vmplug_qmp_submit(qmp, "query-status", NULL, 0, ask_again, &qmp, &error) > 0);
    vmplug_qmp_free(qmp);
    fixture_stop();
}

/* ---- events, and the end ---- */

struct events {
    unsigned count;
    int ended;
    char name[64];
};

static void keep_event(void *user, struct vmplug_event *event)
{
    struct events *events = user;

    if (event == NULL) {
        events->ended = 1;
        return;
    }
    events->count++;
    (void)snprintf(events->name, sizeof(events->name), "%s", vmplug_event_name(event));
    assert_holds(vmplug_event_json(event), vmplug_event_name(event));
    assert_true(vmplug_event_monotonic_ms(event) > 0);
}

static int has_event(void *user)
{
    return ((const struct events *)user)->count > 0;
}

static int has_ended(void *user)
{
    return ((const struct events *)user)->ended;
}

static void test_events(void **state)
{
    struct events events = {0}, dropped = {0};
    struct vmplug_pump *pump;
    struct vmplug_qmp *qmp;
    unsigned subscription;

    (void)state;
    FIXTURE_START("--fault", "qmp query-status event-first {\"event\":\"RESET\",\"data\":"
                             "{\"guest\":true,\"reason\":\"guest-reset\"},"
                             "\"timestamp\":{\"seconds\":1,\"microseconds\":2}}");
    qmp = open_qmp();
    pump = vmplug_qmp_pump(qmp);
    assert_true(vmplug_qmp_subscribe(qmp, keep_event, &events) > 0);
    subscription = vmplug_qmp_subscribe(qmp, keep_event, &dropped);
    vmplug_qmp_unsubscribe(qmp, subscription);
    vmplug_text_free(vmplug_qmp_call(qmp, "query-status", NULL, SOON_MS, &error));
    assert_int_equal(vmplug_pump_run(&pump, 1, has_event, &events, SOON_MS), 1);
    assert_string_equal(events.name, "RESET");
    fixture_kill();
    assert_int_equal(vmplug_pump_run(&pump, 1, has_ended, &events, SOON_MS), 1);
    assert_int_equal(vmplug_qmp_failure(qmp, &error), 0);
    assert_int_equal(error.code, VMPLUG_ERROR_DISCONNECTED);
    assert_int_equal(dropped.count + (unsigned)dropped.ended, 0);
    assert_int_equal(vmplug_qmp_submit(qmp, "query-status", NULL, 0, NULL, NULL, &error), -1);
    assert_int_equal(error.code, VMPLUG_ERROR_DISCONNECTED);
    vmplug_qmp_free(qmp);
}

/* ---- descriptors ---- */

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    assert_true(strlen(path) < sizeof(address.sun_path));
    memcpy(address.sun_path, path, strlen(path));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* A socket that somebody else connected; and a descriptor on its way to QEMU, closed here. */
static void test_descriptors(void **state)
{
    struct heard heard = {0};
    struct vmplug_pump *pump;
    struct vmplug_qmp *qmp;
    int fd;

    (void)state;
    FIXTURE_START("--cpus", "2");
    qmp = vmplug_qmp_open(NULL, connect_to(fixture_qmp), NULL, &error);
    assert_non_null(qmp);
    assert_int_equal(vmplug_qmp_wait_ready(qmp, &error), 0);
    pump = vmplug_qmp_pump(qmp);
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(vmplug_qmp_submit_fd(qmp, "query-status", NULL, fd, SOON_MS, keep, &heard,
                                     &error) > 0);
    assert_int_equal(vmplug_pump_run(&pump, 1, was_heard, &heard, SOON_MS), 1);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(vmplug_qmp_submit_fd(qmp, "getfd", "[]", fd, 0, NULL, NULL, &error), -1);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    vmplug_qmp_free(qmp);
    fixture_stop();
}

/* ---- options ---- */

struct seen {
    unsigned sent, received, ends;
};

static void see(void *user, const char *channel, int sent, const char *json, size_t size_bytes)
{
    struct seen *seen = user;

    assert_string_equal(channel, "qmp");
    if (json == NULL)
        seen->ends++;
    else if (sent)
        seen->sent++;
    else
        seen->received++;
    assert_true(json == NULL || size_bytes > 0);
}

/* What a structure of another version has beyond ours is not read, what it lacks is 0. */
static void test_options(void **state)
{
    struct seen seen = {0};
    struct vmplug_qmp_options options = {
        .struct_bytes = sizeof(options), .trace = see, .trace_user = &seen};
    struct vmplug_qmp *qmp;

    (void)state;
    FIXTURE_START("--cpus", "2");
    qmp = vmplug_qmp_open(fixture_qmp, -1, &options, &error);
    assert_int_equal(vmplug_qmp_wait_ready(qmp, &error), 0);
    assert_int_equal(seen.sent, 1);
    assert_int_equal(seen.received, 2);
    vmplug_qmp_free(qmp);
    options.struct_bytes = offsetof(struct vmplug_qmp_options, trace);
    qmp = vmplug_qmp_open(fixture_qmp, -1, &options, &error);
    assert_int_equal(vmplug_qmp_wait_ready(qmp, &error), 0);
    assert_int_equal(seen.sent, 1);
    vmplug_qmp_free(qmp);
    options.struct_bytes = sizeof(options);
    options.trace = NULL;
    options.message_bytes_max = 64; /* less than a greeting */
    qmp = vmplug_qmp_open(fixture_qmp, -1, &options, &error);
    assert_int_equal(vmplug_qmp_wait_ready(qmp, &error), -1);
    assert_int_equal(error.code, VMPLUG_ERROR_LIMIT);
    vmplug_qmp_free(qmp);
    vmplug_qmp_free(NULL);
    fixture_stop();
}

/* ---- the agent, and _OST ---- */

static void free_agent(void *user, struct vmplug_reply *reply)
{
    struct vmplug_agent **agent = user;

    (void)reply;
    vmplug_agent_free(*agent);
    *agent = NULL;
}

static void test_free_agent_at_the_end(void **state)
{
    struct vmplug_agent *agent, *gone;
    struct heard heard = {0};

    (void)state;
    FIXTURE_START("--fault", "agent guest-get-osinfo ignore");
    agent = vmplug_agent_open(fixture_agent, -1, NULL, &error);
    assert_true(vmplug_agent_submit(agent, "guest-get-osinfo", NULL, SOON_MS, free_agent, &agent,
                                    &error) > 0);
    assert_true(vmplug_agent_submit(agent, "guest-get-osinfo", NULL, SOON_MS, keep, &heard,
                                    &error) > 0);
    fixture_kill();
    for (gone = agent; agent != NULL;)
        (void)vmplug_pump_process(vmplug_agent_pump(gone), POLLIN);
    assert_int_equal(heard.count, 1);
    assert_int_equal(heard.code, VMPLUG_ERROR_CANCELLED);
}

static void test_agent(void **state)
{
    struct heard heard = {0};
    struct vmplug_agent *agent;
    struct vmplug_pump *pump;
    char *text;

    (void)state;
    FIXTURE_START("--fault", "agent guest-get-osinfo ignore");
    agent = vmplug_agent_open(fixture_agent, -1, NULL, &error);
    assert_non_null(agent);
    text = vmplug_agent_call(agent, "guest-get-vcpus", NULL, SOON_MS, &error);
    assert_holds(text, "\"logical-id\":0");
    vmplug_text_free(text);
    assert_null(vmplug_agent_call(agent, "guest-get-osinfo", NULL, 50, &error));
    assert_int_equal(error.code, VMPLUG_ERROR_TIMEOUT);
    assert_null(vmplug_agent_call(agent, "guest-get-vcpus", NULL, 0, &error));
    assert_int_equal(error.code, VMPLUG_ERROR_INVALID);
    pump = vmplug_agent_pump(agent);
    assert_true(vmplug_agent_submit(agent, "guest-get-vcpus", NULL, SOON_MS, keep, &heard,
                                    &error) > 0);
    assert_int_equal(vmplug_pump_run(&pump, 1, was_heard, &heard, SOON_MS), 1);
    assert_int_equal(heard.code, VMPLUG_ERROR_NONE);
    vmplug_agent_cancel(agent, vmplug_agent_submit(agent, "guest-get-vcpus", NULL, SOON_MS, keep,
                                                   &heard, &error));
    assert_int_equal(vmplug_agent_failure(agent, &error), -1);
    vmplug_agent_free(agent);
    vmplug_agent_free(NULL);
    assert_int_equal(heard.count, 1);
    assert_null(vmplug_agent_open("/nonexistent/socket", -1, NULL, &error));
    assert_int_equal(error.code, VMPLUG_ERROR_CONNECT);
    fixture_stop();
}

static void test_ost(void **state)
{
    char text[128], small[4];

    (void)state;
    assert_int_equal(vmplug_ost_kind(0x103), VMPLUG_OST_EJECTION);
    assert_int_equal(vmplug_ost_outcome(1, 0), VMPLUG_OST_SUCCESS);
    assert_int_equal(vmplug_ost_outcome(3, 0x84), VMPLUG_OST_IN_PROGRESS);
    assert_int_equal(vmplug_ost_outcome(3, 1), VMPLUG_OST_FAILURE);
    assert_string_equal(vmplug_ost_source_name(3), "eject request");
    assert_string_equal(vmplug_ost_meaning(1, 0, text, sizeof(text)), "success");
    assert_string_equal(vmplug_ost_meaning(1, 0, small, sizeof(small)), "suc");
    assert_string_equal(vmplug_error_name(-1), "unknown");
    assert_string_equal(vmplug_error_name(VMPLUG_ERROR_SYSTEM + 1), "unknown");
    assert_true(strlen(vmplug_version()) > 0);
    vmplug_text_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_call),
        cmocka_unit_test(test_bad_arguments),
        cmocka_unit_test(test_submit),
        cmocka_unit_test(test_free_with_pending),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_free_in_callback),
        cmocka_unit_test(test_free_at_the_end),
        cmocka_unit_test(test_submit_when_freed),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_agent),
        cmocka_unit_test(test_free_agent_at_the_end),
        cmocka_unit_test(test_ost),
    };

    return cmocka_run_group_tests_name("libvmplug: sessions", tests, NULL, NULL);
}
