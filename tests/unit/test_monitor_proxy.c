/* SPDX-License-Identifier: MIT */
/* Several clients on one monitor and one agent, of a simulated machine: each is answered as if it
 * were alone, and none holds the others up. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "daemon/monitor_proxy.h"
#include "qmp/blocking.h"
#include "tests/fake/rig.h"

#define CLIENTS_MAX 3
#define LATEST_BYTES 4096 /* kept of what was too much */
#define PATIENCE_MS 60000 /* by a clock that jumps */
#define CAPABILITIES "{\"execute\":\"qmp_capabilities\"}\n"

struct client {
    struct monitor_proxy *proxy;
    int fd;
    char heard[1 << 16];
    size_t size;
    bool deaf, has_end; /* reads nothing; was closed by the proxy */
    unsigned wants, leaves; /* what the owner saw, and how it is */
    bool at_once, refuses, can_not_audit;
    char audited[256];
};

static struct rig rig;
static struct client clients[CLIENTS_MAX];

static int on_want(void *user, struct error *error)
{
    struct client *client = user;

    client->wants++;
    if (client->refuses)
        return error_set(error, ERROR_LIMIT, "try again later", "too many wait");
    return client->at_once ? 1 : 0;
}

static void on_leave(void *user)
{
    ((struct client *)user)->leaves++;
}

static int on_audit(void *user, const char *command, const json_t *arguments, const char *verdict,
                    struct error *error)
{
    struct client *client = user;
    size_t used = strlen(client->audited);
    (void)arguments;
    (void)snprintf(client->audited + used, sizeof(client->audited) - used, "%s %s; ", command,
                   verdict);
    return client->can_not_audit && strcmp(verdict, "begun") == 0
               ? error_set(error, ERROR_SYSTEM, "make room", "it can't be written down")
               : 0;
}

static struct client *join_with(enum peer peer, enum role role, const char *first)
{
    struct client *client = clients;
    struct monitor_proxy_options options = {.vm = rig.vm, .peer = peer, .role = role};
    struct error error = ERROR_INIT;
    int pair[2];

    while (client->proxy != NULL)
        client++;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    *client = (struct client){.fd = pair[0]};
    (void)fcntl(client->fd, F_SETFL, O_NONBLOCK);
    options.fd = pair[1];
    options.bytes = first;
    options.size = strlen(first);
    options.owner = (struct monitor_proxy_owner){
        .want = on_want, .leave = on_leave, .audit = on_audit, .user = client};
    client->proxy = monitor_proxy_new(&options, &error);
    if (client->proxy == NULL)
        fail_msg("%s", error.why);
    return client;
}

/* What one has heard is forgotten, so that what comes next is looked for. */
static void say(struct client *client, const char *text)
{
    client->size = 0;
    client->heard[0] = '\0';
    assert_int_equal(send(client->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void hear(struct client *client)
{
    ssize_t count;

    while (client->proxy != NULL && !client->deaf && !client->has_end) {
        if (client->size > sizeof(client->heard) / 2) {
            memmove(client->heard, client->heard + client->size - LATEST_BYTES, LATEST_BYTES);
            client->size = LATEST_BYTES;
        }
        count = read(client->fd, client->heard + client->size,
                     sizeof(client->heard) - 1 - client->size);
        if (count < 0 && errno == EAGAIN)
            break;
        client->has_end = count <= 0;
        client->size += count > 0 ? (size_t)count : 0;
    }
    client->heard[client->size] = '\0';
}

struct hope {
    struct client *client;
    const char *words; /* NULL: to be closed */
    bool (*also)(void);
};

static bool has_come(void *user)
{
    const struct hope *hope = user;
    size_t i;

    for (i = 0; i < CLIENTS_MAX; i++)
        hear(&clients[i]);
    if (hope->also != NULL)
        return hope->also();
    return hope->words == NULL ? hope->client->has_end
                               : memmem(hope->client->heard, hope->client->size, hope->words,
                                        strlen(hope->words)) != NULL;
}

static bool run(const struct hope *hope, double ms)
{
    struct pump *pumps[BLOCKING_PUMPS_MAX] = {NULL};
    size_t count = vm_pumps(rig.vm, pumps), i;

    pumps[count++] = &rig.sim->qmp.pump;
    if (rig.with_agent)
        pumps[count++] = &rig.sim->agent.pump;
    for (i = 0; i < CLIENTS_MAX && count < BLOCKING_PUMPS_MAX; i++)
        pumps[count++] = clients[i].proxy != NULL ? monitor_proxy_pump(clients[i].proxy) : NULL;
    return blocking_run(pumps, count, has_come, (void *)hope, clock_now_ms() + ms);
}

static void await(struct client *client, const char *words)
{
    const struct hope hope = {.client = client, .words = words};

    if (!run(&hope, PATIENCE_MS))
        fail_msg("not '%s', but '%s'", words != NULL ? words : "the end", client->heard);
}

static bool never(void)
{
    return false;
}

/* Everybody does what there is to do. */
static void settle(void)
{
    const struct hope hope = {.also = never};

    assert_false(run(&hope, 5));
}

static void ask(struct client *client, const char *text, const char *words)
{
    say(client, text);
    await(client, words);
}

static bool is_ready(void)
{
    return qmp_client_is_ready(vm_qmp(rig.vm));
}

static void begin(bool with_agent)
{
    struct sim *sim = sim_new();
    const struct hope hope = {.also = is_ready};

    sim->lenient = true;
    sim->guest.forgives = true;
    rig_open(&rig, sim, with_agent);
    assert_true(run(&hope, PATIENCE_MS));
}

static struct client *join(enum peer peer, enum role role)
{
    struct client *client = join_with(peer, role, peer == PEER_QMP ? CAPABILITIES : "");

    if (peer == PEER_QMP)
        await(client, "{\"return\":{}}\r\n");
    return client;
}

static void part(struct client *client)
{
    monitor_proxy_free(STEAL(client->proxy));
    close(client->fd);
}

static int end(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < CLIENTS_MAX; i++) {
        if (clients[i].proxy != NULL)
            part(&clients[i]);
    }
    rig_close(&rig);
    return 0;
}

/* ---- QMP ---- */

static void test_greeting(void **state)
{
    struct client *client;

    (void)state;
    begin(false);
    client = join_with(PEER_QMP, ROLE_VIEWER, "");
    await(client, "{\"QMP\":{\"version\":{\"qemu\":{");
    await(client, "\"capabilities\":[]}}\r\n");
    ask(client, "{\"execute\":\"query-status\",\"id\":[1,{\"a\":null}]}",
        "\"class\":\"CommandNotFound\"");
    assert_non_null(strstr(client->heard, "\"id\":[1,{\"a\":null}]}\r\n"));
    ask(client, "{\"execute\":\"qmp_capabilities\",\"arguments\":{\"enable\":[\"oob\"]}}", "error");
    ask(client, "{\"execute\":\"qmp_capabilities\",\"id\":\"x\"}",
        "{\"return\":{},\"id\":\"x\"}\r\n");
    ask(client, CAPABILITIES, "already");
    ask(client, "{\"execute\":\"query-status\",\"id\":7}", "\"running\":true");
    assert_non_null(strstr(client->heard, ",\"id\":7}\r\n"));
    ask(client, "{\"id\":5}", "lacks member 'execute'");
}

/* Two that use the same ids, and one that pipelines more than its window. */
static void test_answers_find_their_client(void **state)
{
    struct client *one, *other;
    char text[4096] = "";
    size_t i;

    (void)state;
    begin(false);
    one = join(PEER_QMP, ROLE_VIEWER);
    other = join(PEER_QMP, ROLE_VIEWER);
    say(one, "{\"execute\":\"query-name\",\"id\":1}");
    say(other, "{\"execute\":\"query-status\",\"id\":1}");
    await(one, "\"id\":1}");
    await(other, "\"id\":1}");
    assert_null(strstr(one->heard, "running"));
    assert_non_null(strstr(other->heard, "running"));
    for (i = 1; i <= 20; i++)
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text),
                       "{\"execute\":\"query-kvm\",\"id\":%zu}", i);
    ask(one, text, "\"id\":20}");
    for (i = 1; i <= 20; i++) {
        (void)snprintf(text, sizeof(text), "\"id\":%zu}", i);
        assert_non_null(strstr(one->heard, text));
    }
}

static void test_errors_are_qemus(void **state)
{
    struct client *client;

    (void)state;
    begin(false);
    client = join(PEER_QMP, ROLE_ADMINISTRATOR);
    ask(client, "{\"execute\":\"query-nothing\",\"id\":1}",
        "{\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"The command query-nothing has not "
        "been found\"},\"id\":1}\r\n");
    ask(client, "{\"execute\":\"query-a b\"}", "\"class\":\"GenericError\"");
    ask(client, "[]", NULL);
    assert_non_null(strstr(client->heard, "JSON object"));
}

static void test_events_come_to_all(void **state)
{
    struct client *one, *other, *third;

    (void)state;
    begin(false);
    one = join(PEER_QMP, ROLE_VIEWER);
    other = join(PEER_QMP, ROLE_VIEWER);
    third = join_with(PEER_QMP, ROLE_VIEWER, ""); /* has not negotiated */
    server_send_json(&rig.sim->qmp, json_pack("{s:s, s:{s:i}}", "event", "NEWS", "data", "n", 4));
    await(one, "\"event\":\"NEWS\"");
    await(other, "{\"event\":\"NEWS\",\"data\":{\"n\":4}}\r\n");
    assert_null(strstr(third->heard, "NEWS"));
}

static void test_qemu_ends(void **state)
{
    struct client *one, *other;

    (void)state;
    begin(false);
    one = join(PEER_QMP, ROLE_VIEWER);
    other = join_with(PEER_AGENT, ROLE_VIEWER, "");
    say(one, "{\"execute\":\"query-status\"}");
    sim_die(rig.sim);
    await(one, NULL);
    await(other, NULL);
}

/* ---- who may do what ---- */

static void test_viewer(void **state)
{
    struct client *client;

    (void)state;
    begin(true);
    client = join(PEER_QMP, ROLE_VIEWER);
    ask(client, "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"x\"},\"id\":1}", "\"id\":1}");
    assert_non_null(strstr(client->heard, "forbidden: device_del is for the role operator, and "
                                          "you are viewer"));
    ask(client, "{\"execute\":\"human-monitor-command\",\"id\":2}", "administrator");
    assert_string_equal(client->audited,
                        "device_del forbidden; human-monitor-command forbidden; ");
    assert_int_equal(client->wants, 0);
    client = join(PEER_AGENT, ROLE_VIEWER);
    ask(client, "{\"execute\":\"guest-set-vcpus\",\"arguments\":{\"vcpus\":[]}}", "forbidden");
    ask(client,
        "{\"execute\":\"guest-file-open\",\"arguments\":{\"path\":\"/etc/shadow\"}}",
        "administrator");
    ask(client, "{\"execute\":\"guest-file-read\",\"arguments\":{\"handle\":1000}}",
        "no file with this handle");
    assert_int_equal(sim_changes(rig.sim), 0);
}

/* ---- changes ---- */

#define NODE_GONE(name) \
    "{\"execute\":\"blockdev-del\",\"arguments\":{\"node-name\":\"" name "\"},\"id\":\"" name "\"}"

static unsigned removals(void)
{
    return sim_count(rig.sim, SIM_QMP, "blockdev-del");
}

static void test_a_change_waits(void **state)
{
    struct client *client, *other;

    (void)state;
    begin(false);
    client = join(PEER_QMP, ROLE_OPERATOR);
    other = join(PEER_QMP, ROLE_OPERATOR);
    say(client, NODE_GONE("a") "{\"execute\":\"query-status\",\"id\":2}");
    settle();
    assert_int_equal(client->wants, 1);
    assert_int_equal(removals(), 0);
    assert_string_equal(client->heard, ""); /* those behind it wait, too */
    ask(other, "{\"execute\":\"query-status\",\"id\":3}", "\"id\":3}"); /* others don't */
    monitor_proxy_grant(client->proxy);
    await(client, "\"id\":2}");
    assert_int_equal(removals(), 1);
    assert_string_equal(client->audited, "blockdev-del begun; blockdev-del rejected; ");
    ask(client, NODE_GONE("b"), "\"id\":\"b\"}"); /* has its place */
    assert_int_equal(client->wants, 1);
    assert_int_equal(client->leaves, 0);
    close(client->fd);
    client->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    settle();
    assert_int_equal(client->leaves, 1);
}

static bool has_left(void)
{
    return clients[0].leaves > 0;
}

static void test_the_place_of_one_that_idles(void **state)
{
    const struct hope hope = {.also = has_left};
    struct client *client;
    double begun_ms;

    (void)state;
    begin(false);
    client = join(PEER_QMP, ROLE_OPERATOR);
    say(client, NODE_GONE("a"));
    settle();
    monitor_proxy_grant(client->proxy);
    await(client, "\"id\":\"a\"}");
    begun_ms = clock_now_ms();
    assert_true(run(&hope, 2 * MONITOR_PROXY_IDLE_MS));
    assert_true(clock_now_ms() - begun_ms >= MONITOR_PROXY_IDLE_MS - 10);
    say(client, NODE_GONE("b"));
    settle();
    assert_int_equal(client->wants, 2);
    assert_int_equal(removals(), 1);
}

static void test_a_change_that_nobody_waits_for_is_not_sent(void **state)
{
    struct client *client;

    (void)state;
    begin(false);
    client = join(PEER_QMP, ROLE_OPERATOR);
    say(client, NODE_GONE("a"));
    settle();
    close(client->fd);
    client->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    settle();
    assert_int_equal(client->leaves, 1);
    monitor_proxy_grant(client->proxy);
    settle();
    assert_int_equal(removals(), 0);
}

static void test_a_change_that_can_not_be(void **state)
{
    struct client *client;

    (void)state;
    begin(false);
    client = join(PEER_QMP, ROLE_OPERATOR);
    client->refuses = true;
    ask(client, NODE_GONE("a"), "too many wait; try again later");
    client->refuses = false;
    client->at_once = client->can_not_audit = true;
    ask(client, NODE_GONE("b"), "it can't be written down; make room");
    assert_int_equal(removals(), 0);
    client->can_not_audit = false;
    ask(client, NODE_GONE("c"), "\"id\":\"c\"}");
    assert_int_equal(removals() + client->wants, 3);
}

/* ---- the agent ---- */

static void test_agent(void **state)
{
    struct client *one, *other;

    (void)state;
    begin(true);
    one = join(PEER_AGENT, ROLE_OPERATOR);
    other = join(PEER_AGENT, ROLE_OPERATOR);
    ask(one, "\xff{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":77}}\n",
        "\xff{\"return\":77}\n");
    ask(other, "{\"execute\":\"guest-sync\",\"arguments\":{\"id\":78}}\n", "{\"return\":78}\n");
    assert_int_equal(sim_count(rig.sim, SIM_AGENT, "guest-sync"), 0);
    say(one, "{\"execute\":\"guest-get-vcpus\"}\n");
    say(other, "{\"execute\":\"guest-info\",\"id\":4}\n{\"execute\":\"guest-get-osinfo\"}\n");
    await(one, "logical-id");
    await(other, ",\"id\":4}\n{\"return\":{");
    assert_non_null(strstr(other->heard, "supported_commands"));
    ask(one, "{\"execute\":\"guest-nothing\"}\n", "forbidden");
    /* What was begun is forgotten at 0xFF. */
    ask(one, "{\"execute\":\"guest-pi\xff{\"execute\":\"guest-get-memory-block-info\"}\n",
        "\"size\"");
}

static void test_agent_is_given_up(void **state)
{
    struct client *one, *other;

    (void)state;
    begin(true);
    one = join(PEER_AGENT, ROLE_OPERATOR);
    other = join(PEER_AGENT, ROLE_OPERATOR);
    rig.sim->agent_hangs = true;
    say(one, "{\"execute\":\"guest-get-vcpus\"}\n{\"execute\":\"guest-info\"}\n");
    settle();
    assert_string_equal(one->heard, "");
    ask(one, "\xff{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":1}}\n",
        "\xff{\"return\":1}\n");
    rig.sim->agent_hangs = false;
    ask(other, "{\"execute\":\"guest-get-memory-block-info\"}\n", "\"size\""); /* at once */
    ask(one, "{\"execute\":\"guest-get-memory-block-info\"}\n", "\"size\"");
    assert_null(strstr(one->heard, "supported_commands"));
}

static void test_files_are_closed_behind_one(void **state)
{
    struct client *client;
    char text[160];
    const char *handle;

    (void)state;
    begin(true);
    client = join(PEER_AGENT, ROLE_VIEWER);
    ask(client,
        "{\"execute\":\"guest-file-open\",\"arguments\":{\"path\":\"/proc/meminfo\"}}\n",
        "return\":");
    assert_true(sim_has_file_open(rig.sim));
    handle = strstr(client->heard, "return\":") + strlen("return\":");
    (void)snprintf(text, sizeof(text),
                   "{\"execute\":\"guest-file-read\",\"arguments\":{\"handle\":%d}}\n",
                   atoi(handle));
    ask(client, text, "buf-b64");
    part(client);
    settle();
    assert_false(sim_has_file_open(rig.sim));
}

/* ---- clients that mean no good ---- */

/* One reads nothing of so many events, and the other all. */
static struct client *storm(int count)
{
    struct client *deaf, *other;
    char last[32], text[1000] = "";
    int i;

    memset(text, 'x', sizeof(text) - 1);
    begin(false);
    deaf = join(PEER_QMP, ROLE_VIEWER);
    other = join(PEER_QMP, ROLE_VIEWER);
    deaf->deaf = true;
    for (i = 1; i <= count; i++)
        server_send_json(&rig.sim->qmp, json_pack("{s:s, s:{s:s, s:i}}", "event", "NEWS", "data",
                                                  "s", text, "n", i));
    (void)snprintf(last, sizeof(last), "\"n\":%d}", count);
    await(other, last);
    ask(other, "{\"execute\":\"query-status\",\"id\":3}", "\"id\":3}");
    return deaf;
}

static bool was_cut(const struct client *client)
{
    return send(client->fd, " ", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE;
}

static void test_one_that_takes_nothing_in_time(void **state)
{
    const struct hope hope = {.also = never};
    struct client *deaf = storm(800);

    (void)state;
    assert_false(was_cut(deaf));
    assert_false(run(&hope, MONITOR_PROXY_STALL_MS + 1000));
    assert_true(was_cut(deaf));
}

static void test_one_for_whom_too_much_waits(void **state)
{
    assert_true(was_cut(storm(3000)));
    (void)state;
}

static void test_too_long(void **state)
{
    static char text[2 * MONITOR_PROXY_MESSAGE_BYTES];
    struct client *client;
    size_t limit, sent;
    enum role role;

    (void)state;
    begin(false);
    (void)snprintf(text, sizeof(text), "{\"a\":\"%*s", (int)sizeof(text) - 7, "");
    for (role = ROLE_VIEWER; role <= ROLE_OPERATOR; role++) {
        limit = role == ROLE_VIEWER ? MONITOR_PROXY_LOOK_BYTES : MONITOR_PROXY_MESSAGE_BYTES;
        client = join(PEER_QMP, role);
        for (sent = 0; sent < 2 * limit && !client->has_end; sent += 4096) {
            assert_int_equal(send(client->fd, text + sent, 4096, MSG_NOSIGNAL), 4096);
            settle();
        }
        assert_true(sent > limit && strstr(client->heard, "longer than") != NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_greeting, end),
        cmocka_unit_test_teardown(test_answers_find_their_client, end),
        cmocka_unit_test_teardown(test_errors_are_qemus, end),
        cmocka_unit_test_teardown(test_events_come_to_all, end),
        cmocka_unit_test_teardown(test_qemu_ends, end),
        cmocka_unit_test_teardown(test_viewer, end),
        cmocka_unit_test_teardown(test_a_change_waits, end),
        cmocka_unit_test_teardown(test_the_place_of_one_that_idles, end),
        cmocka_unit_test_teardown(test_a_change_that_nobody_waits_for_is_not_sent, end),
        cmocka_unit_test_teardown(test_a_change_that_can_not_be, end),
        cmocka_unit_test_teardown(test_agent, end),
        cmocka_unit_test_teardown(test_agent_is_given_up, end),
        cmocka_unit_test_teardown(test_files_are_closed_behind_one, end),
        cmocka_unit_test_teardown(test_one_that_takes_nothing_in_time, end),
        cmocka_unit_test_teardown(test_one_for_whom_too_much_waits, end),
        cmocka_unit_test_teardown(test_too_long, end),
    };

    return cmocka_run_group_tests_name("monitor_proxy", tests, NULL, NULL);
}
