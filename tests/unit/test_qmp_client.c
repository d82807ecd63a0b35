/* SPDX-License-Identifier: MIT */
/* Commands over a QMP session: ids, order, window, deadlines. The test is the server. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "qmp/codec.h"
#include "qmp/qmp_client.h"
#include "tests/fake/wire_qmp.h"

static struct wire wire;

/* ---- one command ---- */

static void test_wire_format(void **state)
{
    struct qmp_client *client = wire_qmp_begin_ready(&wire);
    struct outcome outcomes[2] = {{0}};
    const struct request request = {
        .command = "device_add",
        .arguments = json_pack("{s:s, s:i}", "driver", "pc-dimm", "node", 0),
        .timeout_ms = 1000,
        .done = outcome_take,
        .user = &outcomes[1]};

    (void)state;
    assert_int_equal(wire_qmp_submit(client, "query-status", &outcomes[0]), 1);
    assert_string_equal(wire_hear(&wire), "{\"execute\":\"query-status\",\"id\":1}\n");
    assert_int_equal(qmp_client_submit(client, &request, NULL), 2);
    assert_string_equal(wire_hear(&wire),
                        "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"pc-dimm\","
                        "\"node\":0},\"id\":2}\n");
    wire_qmp_end(&wire, client);
}

static void test_reply_and_error(void **state)
{
    struct qmp_client *client = wire_qmp_begin_ready(&wire);
    struct outcome outcomes[2] = {{0}};

    (void)state;
    (void)wire_qmp_submit(client, "query-status", &outcomes[0]);
    (void)wire_qmp_submit(client, "device_add", &outcomes[1]);
    assert_int_equal(outcomes[0].count, 0);
    wire_qmp_reply(&wire, 1);
    outcome_assert_value(&outcomes[0], 10);
    wire_say(&wire,
             "{\"id\": 2, \"error\": {\"class\": \"DeviceNotFound\", \"desc\": \"no \xc3\xbc\"}}");
    assert_int_equal(outcomes[1].count, 1);
    assert_int_equal(outcomes[1].error.code, ERROR_REJECTED);
    assert_string_equal(outcomes[1].error.class_name, "DeviceNotFound");
    assert_string_equal(outcomes[1].error.why, "no \xc3\xbc");
    wire_qmp_end(&wire, client);
}

static void test_done_may_be_null(void **state)
{
    struct qmp_client *client = wire_qmp_begin_ready(&wire);
    const struct request request = {.command = "stop", .timeout_ms = 1000};

    (void)state;
    assert_int_equal(qmp_client_submit(client, &request, NULL), 1);
    wire_qmp_reply(&wire, 1);
    assert_true(qmp_client_is_ready(client));
    wire_qmp_end(&wire, client);
}

static void test_refused_request(void **state)
{
    struct qmp_client *client = wire_qmp_begin_ready(&wire);
    struct outcome outcome = {0};
    const struct request request = {.command = "not a name",
                                    .arguments = json_object(),
                                    .timeout_ms = 1000,
                                    .done = outcome_take,
                                    .user = &outcome};
    struct error error = ERROR_INIT;

    (void)state;
    assert_int_equal(qmp_client_submit(client, &request, &error), -1);
    assert_int_equal(error.code, ERROR_INVALID);
    wire_pump(&wire);
    assert_int_equal(outcome.count, 0);
    assert_string_equal(wire_hear(&wire), "");
    wire_qmp_end(&wire, client);
}

static void test_too_many(void **state)
{
    struct qmp_client *client =
        wire_qmp_begin_ready_with(&wire, (struct qmp_client_options){.pending_max = 3,
                                                                     .window = 2});
    const struct request request = {.command = "stop", .arguments = json_object(),
                                    .fd = open("/dev/null", O_RDONLY)};
    struct outcome outcomes[4] = {{0}};
    struct error error = ERROR_INIT;
    int64_t id;

    (void)state;
    for (id = 1; id <= 3; id++)
        assert_int_equal(wire_qmp_submit(client, "stop", &outcomes[id]), id);
    assert_int_equal(qmp_client_submit(client, &request, &error), -1);
    assert_int_equal(error.code, ERROR_LIMIT);
    assert_int_equal(close(request.fd), -1); /* taken over all the same */
    wire_qmp_reply(&wire, 1);
    assert_int_equal(wire_qmp_submit(client, "stop", &outcomes[0]), 4);
    wire_qmp_end(&wire, client);
}

/* ---- several ---- */

static void test_window(void **state)
{
    struct qmp_client *client = wire_qmp_begin_ready(&wire);
    struct outcome outcomes[21] = {{0}};
    int64_t id;

    (void)state;
    for (id = 1; id <= 20; id++)
        assert_int_equal(wire_qmp_submit(client, "query-status", &outcomes[id]), id);
    assert_int_equal(wire_qmp_heard_count(&wire), 8);
    wire_qmp_reply(&wire, 1);
    assert_int_equal(wire_qmp_heard_count(&wire), 1);
    wire_qmp_reply(&wire, 2);
    wire_qmp_reply(&wire, 3);
    assert_int_equal(wire_qmp_heard_count(&wire), 2);
    for (id = 4; id <= 20; id++)
        wire_qmp_reply(&wire, (id - 1) % 9 + 1);
    for (id = 1; id <= 20; id++) {
        outcome_assert_value(&outcomes[id], (int)((id - 1) % 9 + 1) * 10);
        assert_true(id == 1 || outcomes[id].turn == outcomes[id - 1].turn + 1);
    }
    assert_int_equal(wire_qmp_heard_count(&wire), 9);
    wire_qmp_end(&wire, client);
}

/* Ids are given anew, but not that of a command which QEMU may still answer; numbers never are. */
static void test_ids_go_round(void **state)
{
    struct qmp_client *client = wire_qmp_begin_ready(&wire);
    struct outcome outcomes[21] = {{0}};
    int64_t number, id;

    (void)state;
    assert_int_equal(wire_qmp_submit(client, "query-status", &outcomes[0]), 1);
    qmp_client_cancel(client, 1); /* and is unanswered up to the end */
    for (number = 2; number <= 20; number++) {
        id = (number - 2) % 8 + 2;
        assert_int_equal(wire_qmp_submit(client, "query-status", &outcomes[number]), number);
        wire_qmp_reply(&wire, id == 2 ? 9 : id - 1); /* the one before, twice */
        assert_int_equal(outcomes[number].count, 0);
        qmp_client_cancel(client, number - 1); /* has ended, though another had its id */
        wire_qmp_reply(&wire, id);
        outcome_assert_value(&outcomes[number], (int)id * 10);
    }
    wire_qmp_reply(&wire, 1);
    assert_int_equal(outcomes[0].count, 0);
    wire_qmp_end(&wire, client);
}

static void test_replies_out_of_order(void **state)
{
    static const int64_t order[] = {3, 1, 5, 2, 4};
    struct qmp_client *client = wire_qmp_begin_ready(&wire);
    struct outcome outcomes[6] = {{0}};
    int64_t id;
    size_t i;

    (void)state;
    for (id = 1; id <= 5; id++)
        (void)wire_qmp_submit(client, "query-status", &outcomes[id]);
    for (i = 0; i < COUNT_OF(order); i++) {
        wire_qmp_reply(&wire, order[i]);
        outcome_assert_value(&outcomes[order[i]], (int)order[i] * 10);
    }
    wire_qmp_end(&wire, client);
}

/* Ids that were never given, are of another type, or were answered already, are nobody's. */
static void test_unknown_ids(void **state)
{
    static const char *const replies[] = {
        "{\"return\": 1, \"id\": 2}",      "{\"return\": 1, \"id\": 0}",
        "{\"return\": 1, \"id\": -1}",     "{\"return\": 1, \"id\": 9223372036854775807}",
        "{\"return\": 1, \"id\": \"1\"}",  "{\"return\": 1, \"id\": 1.0}",
        "{\"return\": 1, \"id\": null}",   "{\"return\": 1, \"id\": {\"id\": 1}}",
        "{\"return\": 1, \"id\": 18446744073709551617}",
        "{\"error\": {\"class\": \"x\", \"desc\": \"y\"}, \"id\": 7}",
    };
    struct qmp_client *client = wire_qmp_begin_ready(&wire);
    struct outcome outcome = {0};
    size_t i;

    (void)state;
    (void)wire_qmp_submit(client, "query-status", &outcome);
    for (i = 0; i < COUNT_OF(replies); i++) {
        wire_say(&wire, replies[i]);
        if (outcome.count != 0)
            fail_msg("%s was taken for ours", replies[i]);
    }
    wire_qmp_reply(&wire, 1);
    outcome_assert_value(&outcome, 10);
    wire_qmp_reply(&wire, 1); /* twice */
    assert_int_equal(outcome.count, 1);
    assert_true(qmp_client_is_ready(client));
    wire_qmp_end(&wire, client);
}

static void test_error_without_id(void **state)
{
    static const char complaint[] =
        "{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse error\"}}\r\n";
    struct qmp_client *client = wire_qmp_begin_ready(&wire);
    struct outcome outcomes[3] = {{0}};

    (void)state;
    wire_say(&wire, complaint); /* nobody asked anything */
    assert_true(qmp_client_is_ready(client));
    (void)wire_qmp_submit(client, "query-status", &outcomes[0]);
    wire_say(&wire, complaint);
    assert_int_equal(outcomes[0].count, 1);
    assert_int_equal(outcomes[0].error.code, ERROR_REJECTED);
    (void)wire_qmp_submit(client, "query-status", &outcomes[1]);
    (void)wire_qmp_submit(client, "query-status", &outcomes[2]);
    wire_say(&wire, complaint);
    assert_int_equal(wire.result, PUMP_DEAD);
    assert_int_equal(outcomes[1].error.code, ERROR_PROTOCOL);
    assert_int_equal(outcomes[2].error.code, ERROR_PROTOCOL);
    assert_int_equal(outcomes[1].count + outcomes[2].count, 2);
    wire_qmp_end(&wire, client);
}

static struct qmp_client *resubmit_client;

static void resubmit(void *user)
{
    static unsigned left = 3;

    if (left-- > 0)
        (void)wire_qmp_submit(resubmit_client, "query-status", user);
}

/* A callback submits the next: it leaves at once, and its own callback waits for the pump. */
static void test_submitting_inside_a_callback(void **state)
{
    struct outcome next = {.also = NULL};
    struct outcome first = {.also = resubmit, .user = &next};
    struct qmp_client *client = resubmit_client = wire_qmp_begin_ready(&wire);

    (void)state;
    (void)wire_qmp_submit(client, "query-status", &first);
    (void)wire_hear(&wire);
    wire_qmp_reply(&wire, 1);
    assert_int_equal(first.count, 1);
    assert_string_equal(wire_hear(&wire), "{\"execute\":\"query-status\",\"id\":2}\n");
    assert_int_equal(next.count, 0);
    wire_qmp_reply(&wire, 2);
    outcome_assert_value(&next, 20);
    wire_qmp_end(&wire, client);
}

/* The reply is there before the command is sent, as it were: still no callback inside submit. */
static void test_no_callback_inside_submit(void **state)
{
    struct qmp_client *client = wire_qmp_begin_ready(&wire);
    struct outcome outcomes[2] = {{0}};

    (void)state;
    wire_put(&wire, "{\"return\": 1, \"id\": 1}\r\n");
    (void)wire_qmp_submit(client, "query-status", &outcomes[0]);
    assert_int_equal(outcomes[0].count, 0);
    /* too late from the beginning */
    (void)wire_qmp_submit_until(client, "query-status", -5, &outcomes[1]);
    assert_int_equal(outcomes[1].count, 0);
    wire_hang_up(&wire);
    (void)wire_qmp_submit(client, "query-status", &outcomes[1]);
    assert_int_equal(outcomes[0].count + outcomes[1].count, 0);
    wire_pump(&wire);
    assert_int_equal(outcomes[0].count, 1);
    assert_int_equal(outcomes[1].count, 2);
    wire_qmp_end(&wire, client);
}

/* ---- descriptors ---- */

/* What was sent up to now, and how many descriptors came with it. */
static unsigned hear_descriptors(char *text, size_t size)
{
    union {
        char room[CMSG_SPACE(4 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec into = {.iov_base = text, .iov_len = size - 1};
    struct msghdr message = {.msg_iov = &into,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof(control.room)};
    ssize_t count = recvmsg(wire.fd, &message, MSG_DONTWAIT);
    struct cmsghdr *header = count > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    int fd;

    text[count > 0 ? count : 0] = '\0';
    if (header == NULL)
        return 0;
    memcpy(&fd, CMSG_DATA(header), sizeof(fd));
    close(fd);
    return 1;
}

static void submit_with_descriptor(struct qmp_client *client)
{
    const struct request request = {
        .command = "getfd", .timeout_ms = 60000, .fd = open("/dev/null", O_RDONLY)};

    assert_true(qmp_client_submit(client, &request, NULL) > 0);
}

/* QEMU keeps one descriptor for whoever comes next, so nobody else may be on the way. */
static void test_descriptors_travel_alone(void **state)
{
    struct qmp_client *client = wire_qmp_begin_ready(&wire);
    struct outcome outcomes[2] = {{0}};
    char text[256];

    (void)state;
    (void)wire_qmp_submit(client, "a", &outcomes[0]);
    submit_with_descriptor(client); /* 2 */
    submit_with_descriptor(client); /* 3 */
    (void)wire_qmp_submit(client, "b", &outcomes[1]);
    assert_int_equal(hear_descriptors(text, sizeof(text)), 0);
    assert_string_equal(text, "{\"execute\":\"a\",\"id\":1}\n");
    assert_string_equal(wire_hear(&wire), "");
    wire_qmp_reply(&wire, 1);
    assert_int_equal(hear_descriptors(text, sizeof(text)), 1);
    assert_string_equal(text, "{\"execute\":\"getfd\",\"id\":2}\n");
    assert_string_equal(wire_hear(&wire), "");
    wire_qmp_reply(&wire, 2);
    assert_int_equal(hear_descriptors(text, sizeof(text)), 1);
    assert_string_equal(text, "{\"execute\":\"getfd\",\"id\":3}\n");
    assert_string_equal(wire_hear(&wire), "");
    wire_qmp_reply(&wire, 3);
    assert_int_equal(hear_descriptors(text, sizeof(text)), 0);
    assert_string_equal(text, "{\"execute\":\"b\",\"id\":4}\n");
    wire_qmp_end(&wire, client);
}

/* ---- numbers ---- */

static void test_wide_numbers(void **state)
{
    struct qmp_client *client = wire_qmp_begin_ready(&wire);
    struct outcome outcome = {0};
    uint64_t value = 0;

    (void)state;
    (void)wire_qmp_submit(client, "qom-get", &outcome);
    wire_say(&wire, "{\"return\": 18446744073709551615, \"id\": 1}");
    assert_int_equal(outcome.count, 1);
    assert_true(codec_get_u64(outcome.value, &value));
    assert_true(value == UINT64_MAX);
    wire_qmp_end(&wire, client);
}

/* ---- a slow reader ---- */

static void test_a_stuffed_socket(void **state)
{
    struct qmp_client *client =
        wire_qmp_begin_ready_with(&wire, (struct qmp_client_options){.window = 4000});
    struct outcome outcomes[2000] = {{0}};
    unsigned heard = 0;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(outcomes); i++)
        (void)wire_qmp_submit(client,
                              "a-command-with-a-rather-long-name-so-that-it-fills-the-socket",
                              &outcomes[i]);
    assert_true(pump_events(wire.pump) & POLLOUT);
    while (heard < COUNT_OF(outcomes)) {
        heard += wire_qmp_heard_count(&wire);
        wire_pump(&wire);
    }
    assert_int_equal(pump_events(wire.pump), POLLIN);
    wire_qmp_end(&wire, client);
}

/* ---- the loop's hook ---- */

static void count_changes(void *user)
{
    (*(unsigned *)user)++;
}

static void test_changed_hook(void **state)
{
    struct qmp_client *client = wire_qmp_begin_ready(&wire);
    struct outcome outcome = {0};
    unsigned changes = 0;

    (void)state;
    wire.pump->changed = count_changes;
    wire.pump->user = &changes;
    (void)wire_qmp_submit(client, "a", &outcome);
    assert_int_equal(changes, 1);
    wire_qmp_reply(&wire, 1);
    wire.pump->changed = NULL;
    wire_qmp_end(&wire, client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wire_format),
        cmocka_unit_test(test_reply_and_error),
        cmocka_unit_test(test_done_may_be_null),
        cmocka_unit_test(test_refused_request),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_ids_go_round),
        cmocka_unit_test(test_replies_out_of_order),
        cmocka_unit_test(test_unknown_ids),
        cmocka_unit_test(test_error_without_id),
        cmocka_unit_test(test_submitting_inside_a_callback),
        cmocka_unit_test(test_no_callback_inside_submit),
        cmocka_unit_test(test_descriptors_travel_alone),
        cmocka_unit_test(test_wide_numbers),
        cmocka_unit_test(test_a_stuffed_socket),
        cmocka_unit_test(test_changed_hook),
    };

    return cmocka_run_group_tests_name("qmp client", tests, NULL, NULL);
}
