/* SPDX-License-Identifier: MIT */
/* The faults between the simulated QEMU and its socket, byte for byte, as a plain client sees them:
 * nothing of vmplug reads here. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "qmp/blocking.h"
#include "tests/fake/sim.h"

#define HEARD_BYTES 65536
#define PATIENCE_MS 30000
#define GREETING                                                                              \
    "{\"QMP\":{\"version\":{\"qemu\":{\"micro\":22,\"minor\":2,\"major\":7},\"package\":\"\"}," \
    "\"capabilities\":[\"oob\"]}}\r\n"
#define NAME(id) "{\"return\":{\"name\":\"sim\"},\"id\":" id "}\r\n"
#define ASK(id) "{\"execute\":\"query-name\",\"id\":" id "}"

/* A client that reads what there is in each turn. */
struct client {
    struct pump pump; /* first */
    int fd;
    char heard[HEARD_BYTES + 1];
    size_t size;   /* heard */
    size_t all;    /* heard or passed over, when it is more */
    size_t wanted; /* stop at so many bytes */
    unsigned reads;
    bool ended;
};

static struct sim *sim;
static struct client client, agent;

static int client_fd(const struct pump *pump)
{
    return ((const struct client *)pump)->fd;
}

static short client_events(const struct pump *pump)
{
    (void)pump;
    return POLLIN;
}

static double client_deadline_ms(const struct pump *pump)
{
    (void)pump;
    return CLOCK_NEVER_MS;
}

static enum pump_result client_process(struct pump *pump, short revents)
{
    struct client *self = (struct client *)pump;
    static char bytes[HEARD_BYTES];
    size_t kept;
    ssize_t count;

    if (revents == 0)
        return PUMP_IDLE;
    count = recv(self->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    self->ended = count <= 0;
    if (count <= 0)
        return PUMP_DEAD;
    self->reads++;
    self->all += (size_t)count;
    kept = (size_t)count < HEARD_BYTES - self->size ? (size_t)count : HEARD_BYTES - self->size;
    memcpy(self->heard + self->size, bytes, kept);
    self->size += kept;
    self->heard[self->size] = '\0';
    return PUMP_IDLE;
}

static const struct pump_ops client_ops = {.fd = client_fd,
                                           .events = client_events,
                                           .deadline_ms = client_deadline_ms,
                                           .process = client_process};

static void connect_to(struct client *self, const struct server *server)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    *self = (struct client){.pump = {.ops = &client_ops}};
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", server->path);
    self->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(self->fd, (const struct sockaddr *)&address, sizeof(address)), 0);
}

static bool has_heard(void *user)
{
    const struct client *self = user;

    return self->all >= self->wanted;
}

static bool has_ended(void *user)
{
    return ((const struct client *)user)->ended;
}

static bool run(struct client *self, blocking_condition_fn *condition, double patience_ms)
{
    struct pump *const pumps[] = {&sim->qmp.pump, &sim->agent.pump, &self->pump};

    return blocking_run(pumps, COUNT_OF(pumps), condition, self, clock_now_ms() + patience_ms);
}

static void forget(struct client *self)
{
    self->size = self->all = 0;
    self->reads = 0;
    self->heard[0] = '\0';
}

static void hear_bytes(struct client *self, size_t count)
{
    self->wanted = count;
    if (!run(self, has_heard, PATIENCE_MS))
        fail_msg("only this came: %s", self->heard);
}

/* Exactly this comes, and within some time nothing else: then the time is all that can be waited
 * for, and short. */
static void hear(struct client *self, const char *words)
{
    hear_bytes(self, strlen(words));
    assert_string_equal(self->heard, words);
    forget(self);
}

static void hear_nothing(struct client *self)
{
    self->wanted = self->all + 1;
    assert_false(run(self, has_heard, 20));
}

static void hear_end(struct client *self)
{
    if (!run(self, has_ended, PATIENCE_MS))
        fail_msg("it does not end: %s", self->heard);
}

static void say(struct client *self, const char *words)
{
    assert_int_equal(send(self->fd, words, strlen(words), MSG_NOSIGNAL), (ssize_t)strlen(words));
}

/* A sim with this script, and a client that has heard the greeting unless that is faulty. */
static void begin(const char *line)
{
    struct error error = ERROR_INIT;

    sim = sim_new();
    if (fault_add_line(&sim->faults, line, &error) < 0)
        fail_msg("%s", error.why);
    connect_to(&client, &sim->qmp);
    if (strstr(line, " greeting") == NULL)
        hear(&client, GREETING);
}

static void end(void)
{
    close(client.fd);
    sim_end(sim);
}

/* With this line, ASK(1) is answered by these words. */
static void check(const char *line, const char *words)
{
    begin(line);
    say(&client, ASK("1"));
    hear(&client, words);
    hear_nothing(&client);
    say(&client, ASK("2")); /* the next goes well */
    hear(&client, NAME("2"));
    end();
}

#define EVENT "{\"event\":\"RESUME\"}\r\n"

static void test_replies(void **state)
{
    (void)state;
    check("# a comment", NAME("1"));
    check("qmp query-name#1 reject no way",
          "{\"error\":{\"class\":\"GenericError\",\"desc\":\"no way\"},\"id\":1}\r\n");
    check("qmp query-name#1 reject DeviceNotFound: x",
          "{\"error\":{\"class\":\"DeviceNotFound\",\"desc\":\"x\"},\"id\":1}\r\n");
    check("qmp *#1 answer [1]", "{\"return\":[1],\"id\":1}\r\n");
    check("qmp *#1 garbage x}", "x}");
    check("qmp *#1 idless-error x",
          "{\"error\":{\"class\":\"GenericError\",\"desc\":\"x\"}}\r\n");
    check("any *#1 duplicate", NAME("1") NAME("1"));
    check("any *#1 event-first {\"event\":\"RESUME\"}", EVENT NAME("1"));
    check("any *#1 foreign-id", NAME("1000001"));
    check("any *#1 wrong-type", "{\"return\":[\"x\"],\"id\":1}\r\n");
    check("any *#1 bad-utf8", "{\"return\":{\"name\":\"\xc3\x28\"},\"id\":1,"
                              "\"fault\":\"\xc3\x28\"}\r\n");
    check("any *#1 lone-surrogate", "{\"return\":{\"name\":\"\\ud800\"},\"id\":1,"
                                    "\"fault\":\"\\ud800\"}\r\n");
    check("any *#1 escaped-nul", "{\"return\":{\"name\":\"a\\u0000b\"},\"id\":1,"
                                 "\"fault\":\"a\\u0000b\"}\r\n");
    check("any *#1 int63",
          "{\"return\":{\"name\":\"sim\"},\"id\":1,\"fault\":9223372036854775808}\r\n");
    check("any *#1 int64",
          "{\"return\":{\"name\":\"sim\"},\"id\":1,\"fault\":18446744073709551616}\r\n");
}

/* A number inside of what is returned, and a byte 0. */
static void test_replies_inside(void **state)
{
    static const char with_nul[] =
        "{\"return\":{\"name\":\"a\0b\"},\"id\":1,\"fault\":\"a\0b\"}\r\n";

    (void)state;
    begin("qmp query-version int64");
    say(&client, "{\"execute\":\"query-version\"}");
    hear(&client, "{\"return\":{\"qemu\":{\"micro\":18446744073709551616,\"minor\":"
                  "18446744073709551616,\"major\":18446744073709551616},\"package\":\"\"},"
                  "\"fault\":18446744073709551616}\r\n");
    end();
    begin("qmp query-name nul");
    say(&client, ASK("1"));
    hear_bytes(&client, sizeof(with_nul) - 1);
    assert_memory_equal(client.heard, with_nul, sizeof(with_nul) - 1);
    end();
}

static void test_silence(void **state)
{
    static const char *const lines[] = {"qmp query-name ignore", "qmp query-name drop"};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(lines); i++) {
        begin(lines[i]);
        say(&client, ASK("1") "{\"execute\":\"query-kvm\",\"id\":2}");
        hear(&client, "{\"return\":{\"enabled\":false,\"present\":true},\"id\":2}\r\n");
        end();
    }
}

/* Carried out or not is what tells these apart. */
static void test_carried_out(void **state)
{
    enum fault_action action;
    char line[128];

    (void)state;
    for (action = 0; action < FAULT_ACTIONS; action++) {
        (void)snprintf(line, sizeof(line), "qmp object-add %s", fault_name(action));
        begin(line);
        say(&client, "{\"execute\":\"object-add\",\"arguments\":{\"qom-type\":"
                     "\"memory-backend-ram\",\"id\":\"m\",\"size\":2097152}}"
                     "{\"execute\":\"query-name\",\"id\":2}");
        if (strncmp(fault_name(action), "hang-up", 7) == 0 || action == FAULT_EOF ||
            action == FAULT_DIE || action == FAULT_DIE_AFTER)
            hear_end(&client);
        else
            hear_bytes(&client, strlen(NAME("2")));
        if ((json_object_get(sim->objects, "m") == NULL) != fault_is_instead(action))
            fail_msg("%s", fault_name(action));
        end();
    }
}

static void test_connections(void **state)
{
    (void)state;
    begin("qmp query-name eof 10");
    say(&client, ASK("1"));
    hear_end(&client);
    assert_string_equal(client.heard, "{\"return\":");
    end();

    begin("qmp query-name hang-up");
    say(&client, ASK("1"));
    hear_end(&client);
    assert_string_equal(client.heard, "");
    close(client.fd);
    connect_to(&client, &sim->qmp); /* it still listens */
    hear(&client, GREETING);
    end();

    begin("qmp query-name die");
    connect_to(&agent, &sim->agent);
    say(&client, ASK("1"));
    hear_end(&client);
    hear_end(&agent);
    close(agent.fd);
    assert_int_equal(access(sim->qmp.path, F_OK), -1);
    assert_int_equal(access(sim->agent.path, F_OK), -1);
    end();
}

static void test_pieces(void **state)
{
    (void)state;
    begin("qmp greeting split 1");
    hear_bytes(&client, strlen(GREETING));
    assert_string_equal(client.heard, GREETING);
    assert_in_range(client.reads, strlen(GREETING) / 2, strlen(GREETING));
    end();

    begin("qmp greeting split 40");
    hear_bytes(&client, strlen(GREETING));
    assert_string_equal(client.heard, GREETING);
    assert_in_range(client.reads, 2, strlen(GREETING) / 40 + 1);
    end();
}

static void test_neighbours(void **state)
{
    (void)state;
    begin("qmp *#1 merge 10000");
    say(&client, ASK("1"));
    hear_nothing(&client);
    say(&client, ASK("2"));
    hear_bytes(&client, strlen(NAME("1") NAME("2")));
    assert_string_equal(client.heard, NAME("1") NAME("2"));
    assert_int_equal(client.reads, 1);
    end();

    begin("qmp *#1 reorder 10000");
    say(&client, ASK("1") ASK("2"));
    hear(&client, NAME("2") NAME("1"));
    end();

    begin("qmp *#1 reorder 5"); /* no other comes */
    say(&client, ASK("1"));
    hear(&client, NAME("1"));
    end();
}

static void test_time(void **state)
{
    double begun_ms;

    (void)state;
    begin("qmp *#1 delay 60");
    begun_ms = clock_now_ms();
    say(&client, ASK("1") ASK("2"));
    hear(&client, NAME("1") NAME("2"));
    assert_true(clock_now_ms() - begun_ms >= 60);
    end();

    begin("qmp *#1 late 60");
    begun_ms = clock_now_ms();
    say(&client, ASK("1") ASK("2"));
    hear(&client, NAME("2") NAME("1"));
    assert_true(clock_now_ms() - begun_ms >= 60);
    end();
}

static void test_large(void **state)
{
    (void)state;
    begin("qmp query-name huge 3");
    say(&client, ASK("1"));
    hear_bytes(&client, (3 << 20) + strlen("{\"id\":1,\"return\":\"\"}\r\n"));
    assert_memory_equal(client.heard, "{\"id\":1,\"return\":\"xxxx", 22);
    end();

    begin("qmp query-name deep 5");
    say(&client, ASK("1"));
    hear(&client, "{\"id\":1,\"return\":[[[[[]]]]]}\r\n");
    end();
}

/* Events, the greeting, and the agent's synchronisation. */
static void test_other_messages(void **state)
{
    (void)state;
    begin("qmp greeting event-first {\"event\":\"RESUME\"}");
    hear(&client, EVENT GREETING);
    end();

    begin("qmp event RESET#2 duplicate");
    sim_reset(sim);
    hear_bytes(&client, 20);
    hear_nothing(&client);
    forget(&client);
    sim_reset(sim);
    sim_reset(sim);
    hear_bytes(&client, 100);
    assert_non_null(strstr(strstr(strstr(client.heard, "RESET") + 1, "RESET") + 1, "RESET"));
    end();

    begin("agent guest-sync-delimited#2 foreign-id");
    connect_to(&agent, &sim->agent);
    say(&agent, "{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":77}}");
    hear(&agent, "\xff{\"return\":77}\n");
    say(&agent, "{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":78},\"id\":3}");
    hear(&agent, "\xff{\"return\":78,\"id\":1000003}\n");
    close(agent.fd);
    end();
}

/* The seventh command, whichever side it goes to. */
static void test_steps(void **state)
{
    (void)state;
    begin("any *#3 answer 3");
    connect_to(&agent, &sim->agent);
    say(&client, ASK("1"));
    hear(&client, NAME("1"));
    say(&agent, "{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":77}}");
    hear(&agent, "\xff{\"return\":77}\n");
    say(&client, ASK("2"));
    hear(&client, "{\"return\":3,\"id\":2}\r\n");
    assert_int_equal(sim->faults.steps, 3);
    close(agent.fd);
    end();

    begin("qmp query-name#2-3 answer 0");
    say(&client, ASK("1") ASK("2") ASK("3") ASK("4"));
    hear(&client, NAME("1") "{\"return\":0,\"id\":2}\r\n{\"return\":0,\"id\":3}\r\n" NAME("4"));
    end();

    begin("qmp query-name#2+ answer 0");
    say(&client, ASK("1") ASK("2") ASK("3"));
    hear(&client, NAME("1") "{\"return\":0,\"id\":2}\r\n{\"return\":0,\"id\":3}\r\n");
    end();
}

static void test_bad_lines(void **state)
{
    static const char *const lines[] = {
        "x",
        "guest query-name drop",
        "qmp",
        "qmp query-name",
        "qmp query-name#0 drop",
        "qmp query-name# drop",
        "qmp query-name#x drop",
        "qmp query-name#3-2 drop",
        "qmp query-name#3x drop",
        "qmp query-name explode",
        "qmp query-name drop 3",
        "qmp query-name delay x",
        "qmp query-name delay -3",
        "qmp query-name answer {",
        "qmp event",
    };
    struct error error = ERROR_INIT;
    size_t i;

    (void)state;
    sim = sim_new();
    for (i = 0; i < COUNT_OF(lines); i++) {
        if (fault_add_line(&sim->faults, lines[i], &error) == 0)
            fail_msg("taken: %s", lines[i]);
        assert_non_null(strstr(error.why, lines[i]));
    }
    assert_int_equal(sim->faults.count, 0);
    sim_end(sim);
}

static void count_told(void *user, struct sim *changed)
{
    if (changed->cpus[2].ost.source == 0)
        return;
    ++*(unsigned *)user;
    assert_int_equal(changed->guest.vcpu_count, 3);
}

/* Who hears the guest's last word and then looks, at the state that a program tells or by the
 * agent, finds what it speaks of. */
static void test_last_word(void **state)
{
    unsigned told = 0;

    (void)state;
    begin("# no fault");
    sim->on_change = count_told;
    sim->user = &told;
    say(&client, "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"qemu64-x86_64-cpu\","
                 "\"id\":\"c\",\"socket-id\":2,\"core-id\":0,\"thread-id\":0},\"id\":1}");
    hear_bytes(&client, 1);
    assert_true(told > 0);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replies),     cmocka_unit_test(test_replies_inside),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_carried_out), cmocka_unit_test(test_connections),
        cmocka_unit_test(test_pieces),      cmocka_unit_test(test_neighbours),
        cmocka_unit_test(test_time),        cmocka_unit_test(test_large),
        cmocka_unit_test(test_other_messages), cmocka_unit_test(test_steps),
        cmocka_unit_test(test_bad_lines),     cmocka_unit_test(test_last_word),
    };

    return cmocka_run_group_tests_name("faults on the wire", tests, NULL, NULL);
}
