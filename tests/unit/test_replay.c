/* SPDX-License-Identifier: MIT */
/* The replayer itself: who says the recorded things hears the recorded answers, and who says
 * something else is told at which line. The client is a socket in the test's own hands. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "qmp/channel.h"
#include "tests/fake/fake.h"
#include "tests/fake/replay.h"

#define BEGIN "{'channel':'vmplug','direction':'begin','trace':1,'arguments':[]}"
#define QMP(way, message) "{'channel':'qmp','direction':'" way "','message':" message "}"
#define AGENT(way, message) "{'channel':'agent','direction':'" way "','message':" message "}"
#define GREETING QMP("received", "{'QMP':{}}")

static json_t *runs;
static struct replay *replay;
static int qmp = -1, agent = -1;
static char heard[4096];

static void connect_to(const char *name, int *ret_fd)
{
    *ret_fd = channel_connect(fake_path(name), NULL);
    assert_true(*ret_fd >= 0);
}

/* Plays these lines, ended by NULL, to a client on each socket; ' stands for ". */
static void play(const char *const *lines)
{
    struct error error = ERROR_INIT;
    FILE *file = fopen(fake_path("trace"), "we");
    bool has_agent = false;

    assert_non_null(file);
    for (; *lines != NULL; lines++) {
        AUTO_FREE char *line = strdup(*lines);

        for (char *at = line; *at != '\0'; at++)
            *at = *at == '\'' ? '"' : *at;
        has_agent |= strstr(line, "\"channel\":\"agent\"") != NULL;
        fprintf(file, "%s\n", line);
    }
    fclose(file);
    runs = replay_read(fake_path("trace"), "/where", &error);
    if (runs == NULL)
        fail_msg("%s", error.why);
    replay = replay_new(json_array_get(runs, 0), fake_path("qmp"), fake_path("agent"));
    connect_to("qmp", &qmp);
    if (has_agent)
        connect_to("agent", &agent);
}

#define PLAY(...) play((const char *const[]){BEGIN, GREETING, __VA_ARGS__, NULL})

static int stop(void **state)
{
    (void)state;
    if (replay != NULL)
        replay_free(replay);
    json_decref(runs);
    replay = NULL;
    runs = NULL;
    cleanup_fd(&qmp);
    cleanup_fd(&agent);
    qmp = agent = -1;
    return 0;
}

/* Lets the replayer do all that it can do now. */
static void pump(void)
{
    struct pump *pumps[] = {replay_qmp_pump(replay), replay_agent_pump(replay)};
    bool more = true;
    size_t i;

    while (more) {
        more = false;
        for (i = 0; i < COUNT_OF(pumps); i++) {
            struct pollfd polled = {.fd = -1};

            if (pumps[i] == NULL)
                continue;
            polled.fd = pump_fd(pumps[i]);
            polled.events = pump_events(pumps[i]);
            if (poll(&polled, 1, 0) > 0) {
                (void)pump_process(pumps[i], polled.revents);
                more = true;
            }
        }
    }
}

/* Says this, and returns what comes back, without line ends and with ' for ". */
static const char *say(int fd, const char *text)
{
    AUTO_FREE char *json = strdup(text);
    ssize_t count;
    char *to = heard;

    for (char *at = json; *at != '\0'; at++)
        *at = *at == '\'' ? '"' : *at;
    assert_int_equal(send(fd, json, strlen(json), MSG_NOSIGNAL), strlen(json));
    pump();
    count = recv(fd, heard, sizeof(heard) - 1, MSG_DONTWAIT);
    heard[count > 0 ? count : 0] = '\0';
    for (const char *at = heard; *at != '\0'; at++) {
        if (*at != '\r' && *at != '\n')
            *to++ = *at == '"' ? '\'' : *at;
    }
    *to = '\0';
    return heard;
}

static void assert_verdict(const char *const *words)
{
    const char *why = replay_verdict(replay);

    if (*words == NULL && why != NULL)
        fail_msg("%s", why);
    for (; *words != NULL; words++) {
        if (why == NULL || strstr(why, *words) == NULL)
            fail_msg("no '%s' in: %s", *words, why != NULL ? why : "(nothing)");
    }
}

#define ASSERT_VERDICT(...) assert_verdict((const char *const[]){__VA_ARGS__})

static void test_ids_and_paths(void **state)
{
    (void)state;
    PLAY(QMP("sent", "{'execute':'blockdev-add','arguments':{'f':'@DIR@/a'},'id':7}"),
         QMP("received", "{'return':{},'id':7}"));
    pump();
    assert_string_equal(
        say(qmp, "{'execute':'blockdev-add','arguments':{'f':'/where/a'},'id':99}"),
        "{'QMP':{}}{'return':{},'id':99}");
    ASSERT_VERDICT(NULL);
}

/* However often it is asked: the next answer that differs, then the last one. */
static void test_looks(void **state)
{
    (void)state;
    PLAY(QMP("sent", "{'execute':'query-x','id':1}"), QMP("received", "{'return':0,'id':1}"),
         QMP("sent", "{'execute':'query-x','id':2}"), QMP("received", "{'return':0,'id':2}"),
         QMP("sent", "{'execute':'query-x','id':3}"), QMP("received", "{'return':1,'id':3}"),
         QMP("sent", "{'execute':'device_del','id':4}"), QMP("received", "{'return':{},'id':4}"),
         QMP("sent", "{'execute':'query-x','id':5}"), QMP("received", "{'return':2,'id':5}"));
    assert_string_equal(say(qmp, "{'execute':'query-x','id':1}"),
                        "{'QMP':{}}{'return':0,'id':1}");
    assert_string_equal(say(qmp, "{'execute':'query-x','id':2}"), "{'return':1,'id':2}");
    assert_string_equal(say(qmp, "{'execute':'query-x','id':3}"), "{'return':1,'id':3}");
    assert_string_equal(say(qmp, "{'execute':'device_del','id':4}"), "{'return':{},'id':4}");
    assert_string_equal(say(qmp, "{'execute':'query-x','id':5}"), "{'return':2,'id':5}");
    assert_string_equal(say(qmp, "{'execute':'query-x','id':6}"), "{'return':2,'id':6}");
    ASSERT_VERDICT(NULL);
}

/* An event keeps its place among the answers, and comes after each look was made once. */
static void test_events(void **state)
{
    (void)state;
    PLAY(QMP("sent", "{'execute':'device_add','id':1}"), QMP("received", "{'event':'A'}"),
         QMP("received", "{'return':{},'id':1}"), QMP("received", "{'event':'B'}"),
         QMP("sent", "{'execute':'query-x','id':2}"), QMP("received", "{'return':0,'id':2}"),
         QMP("sent", "{'execute':'query-x','id':3}"), QMP("received", "{'event':'C'}"),
         QMP("received", "{'return':1,'id':3}"));
    assert_string_equal(say(qmp, "{'execute':'device_add','id':1}"),
                        "{'QMP':{}}{'event':'A'}{'return':{},'id':1}{'event':'B'}");
    assert_string_equal(say(qmp, "{'execute':'query-x','id':2}"),
                        "{'return':0,'id':2}{'event':'C'}");
    assert_string_equal(say(qmp, "{'execute':'query-x','id':3}"), "{'return':1,'id':3}");
    ASSERT_VERDICT(NULL);
}

static void test_agent(void **state)
{
    (void)state;
    PLAY(AGENT("sent", "{'execute':'guest-sync-delimited','arguments':{'id':5}}"),
         AGENT("received", "{'return':5}"),
         AGENT("sent", "{'execute':'guest-file-open','arguments':{'path':'/sys/a'}}"),
         AGENT("received", "{'return':1000}"),
         AGENT("sent", "{'execute':'guest-file-read','arguments':{'handle':1000}}"),
         AGENT("received", "{'return':{'buf-b64':'eA=='}}"),
         AGENT("sent", "{'execute':'guest-file-open','arguments':{'path':'/sys/a'}}"),
         AGENT("received", "{'return':1001}"),
         AGENT("sent", "{'execute':'guest-file-read','arguments':{'handle':1001}}"),
         AGENT("received", "{'return':{'buf-b64':'eQ=='}}"),
         QMP("received", "{'event':'LATE'}"));
    assert_string_equal(
        say(agent, "\xff{'execute':'guest-sync-delimited','arguments':{'id':31}}"),
        "\xff{'return':31}");
    assert_string_equal(say(agent, "{'execute':'guest-file-open','arguments':{'path':'/sys/a'}}"),
                        "{'return':1000}");
    assert_string_equal(say(agent, "{'execute':'guest-file-read','arguments':{'handle':1000}}"),
                        "{'return':{'buf-b64':'eA=='}}");
    assert_string_equal(say(agent, "{'execute':'guest-file-read','arguments':{'handle':1000}}"),
                        "{'return':{'buf-b64':'eQ=='}}");
    ASSERT_VERDICT(NULL);
}

static void test_silence_and_end(void **state)
{
    char byte;

    (void)state;
    PLAY(QMP("sent", "{'execute':'query-x','id':1}"),
         "{'channel':'qmp','direction':'closed'}");
    assert_string_equal(say(qmp, "{'execute':'query-x','id':1}"), "{'QMP':{}}");
    assert_int_equal(recv(qmp, &byte, 1, MSG_DONTWAIT), 0);
    assert_true(replay_is_over(replay));
    ASSERT_VERDICT(NULL);
}

/* ---- what it refuses ---- */

static void test_other_arguments(void **state)
{
    (void)state;
    PLAY(QMP("sent", "{'execute':'device_add','arguments':{'id':'a'},'id':1}"),
         QMP("received", "{'return':{},'id':1}"));
    (void)say(qmp, "{'execute':'device_add','arguments':{'id':'b'},'id':1}");
    assert_non_null(replay_failure(replay));
    ASSERT_VERDICT("line 3", "expected device_add {\"id\": \"a\"}",
                   "got device_add {\"id\": \"b\"}", NULL);
}

static void test_other_order(void **state)
{
    (void)state;
    PLAY(QMP("sent", "{'execute':'object-add','id':1}"), QMP("received", "{'return':{},'id':1}"),
         QMP("sent", "{'execute':'device_add','id':2}"), QMP("received", "{'return':{},'id':2}"));
    (void)say(qmp, "{'execute':'device_add','id':1}");
    ASSERT_VERDICT("line 3", "expected object-add", "got device_add", NULL);
}

static void test_one_too_many(void **state)
{
    (void)state;
    PLAY(QMP("sent", "{'execute':'device_del','id':1}"), QMP("received", "{'return':{},'id':1}"));
    (void)say(qmp, "{'execute':'device_del','id':1}");
    assert_null(replay_failure(replay));
    (void)say(qmp, "{'execute':'device_del','id':2}");
    ASSERT_VERDICT("behind the last line", "got device_del", NULL);
}

static void test_never_came(void **state)
{
    (void)state;
    PLAY(QMP("sent", "{'execute':'query-x','id':1}"), QMP("received", "{'return':0,'id':1}"),
         QMP("sent", "{'execute':'query-y','id':2}"), QMP("received", "{'return':0,'id':2}"));
    (void)say(qmp, "{'execute':'query-x','id':1}");
    ASSERT_VERDICT("line 5", "expected query-y", "never came", NULL);
}

/* A new question does not break an old trace, but it is told. */
static void test_stranger(void **state)
{
    (void)state;
    PLAY(QMP("sent", "{'execute':'query-x','id':1}"), QMP("received", "{'return':0,'id':1}"));
    (void)say(qmp, "{'execute':'query-x','id':1}");
    assert_non_null(strstr(say(qmp, "{'execute':'query-new','id':2}"), "CommandNotFound"));
    assert_non_null(strstr(replay_note(replay), "query-new"));
    ASSERT_VERDICT(NULL);
}

static void test_no_trace(void **state)
{
    static const char *const texts[] = {
        "{\"channel\":\"qmp\",\"direction\":\"sent\"}\n",
        "{\"channel\":\"vmplug\",\"direction\":\"begin\",\"trace\":2}\n", "nonsense\n", ""};
    struct error error = ERROR_INIT;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(texts); i++) {
        assert_null(replay_read(fake_file("trace", texts[i], strlen(texts[i])), "/", &error));
        assert_int_equal(error.code, ERROR_INVALID);
    }
    assert_null(replay_read("/nonexistent", "/", &error));
}

/* The same as a program: how it ends when this is asked of it. */
static int ask_program(const char *command)
{
    const char *program = getenv("VMPLUG_FAKE_QEMU"), *client = getenv("VMPLUG");
    char line[1024];
    FILE *pipe;

    (void)snprintf(line, sizeof(line), "%s --qmp %s --replay %s 2>/dev/null",
                   program != NULL ? program : "./vmplug-fake-qemu", fake_path("program"),
                   fake_path("trace"));
    pipe = popen(line, "re");
    assert_non_null(pipe);
    assert_non_null(fgets(line, sizeof(line), pipe));
    assert_string_equal(line, "ready\n");
    (void)snprintf(line, sizeof(line), "%s --qmp %s qmp %s >/dev/null 2>&1",
                   client != NULL ? client : "./vmplug", fake_path("program"), command);
    (void)!system(line);
    return pclose(pipe);
}

static void test_program(void **state)
{
    (void)state;
    PLAY(QMP("sent", "{'execute':'qmp_capabilities'}"), QMP("received", "{'return':{}}"),
         QMP("sent", "{'execute':'stop','id':1}"), QMP("received", "{'return':{},'id':1}"));
    assert_int_equal(ask_program("stop"), 0);
    assert_int_not_equal(ask_program("cont"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_ids_and_paths, stop),
        cmocka_unit_test_teardown(test_looks, stop),
        cmocka_unit_test_teardown(test_events, stop),
        cmocka_unit_test_teardown(test_agent, stop),
        cmocka_unit_test_teardown(test_silence_and_end, stop),
        cmocka_unit_test_teardown(test_other_arguments, stop),
        cmocka_unit_test_teardown(test_other_order, stop),
        cmocka_unit_test_teardown(test_one_too_many, stop),
        cmocka_unit_test_teardown(test_never_came, stop),
        cmocka_unit_test_teardown(test_stranger, stop),
        cmocka_unit_test(test_no_trace),
        cmocka_unit_test_teardown(test_program, stop),
    };

    return cmocka_run_group_tests_name("tests/fake/replay", tests, NULL, NULL);
}
