/* SPDX-License-Identifier: MIT */
/* What a trace holds: its first and last line, messages of all sorts, and its end at the limit. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "cli/trace.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "tests/fake/fake.h"

static char path[256];
static struct trace trace;
static struct tap tap;

static int begin(void **state)
{
    struct error error = ERROR_INIT;

    (void)state;
    (void)snprintf(path, sizeof(path), "%s", fake_path("trace"));
    (void)unlink(path);
    assert_int_equal(trace_open(&trace, path, false, &error), 0);
    tap = trace_tap(&trace);
    return 0;
}

/* The lines that were written. */
static json_t *end(void)
{
    json_t *lines = json_array(), *line;
    char text[4096];
    FILE *file = fopen(path, "re");

    trace_close(&trace);
    assert_non_null(file);
    while (fgets(text, sizeof(text), file) != NULL) {
        assert_int_equal(text[strlen(text) - 1], '\n');
        line = codec_parse(text, NULL);
        assert_non_null(line);
        assert_true(json_number_value(json_object_get(line, "ms")) > 0);
        (void)json_array_append_new(lines, line);
    }
    fclose(file);
    return lines;
}

/* Without its time. */
static void assert_line(const json_t *lines, size_t index, const char *expected)
{
    json_t *line = json_array_get(lines, index);
    AUTO_FREE char *text = NULL;

    (void)json_object_del(line, "ms");
    text = codec_dump(line, 0);
    assert_string_equal(text, expected);
}

static void pass(const char *channel, bool sent, const char *text)
{
    tap.message(tap.user, channel, sent, text, text != NULL ? strlen(text) : 0);
}

static void test_messages(void **state)
{
    AUTO_JSON json_t *lines = NULL;
    struct stat status;

    (void)state;
    pass("agent", true, "\xff{\"execute\":\"x\"}\n");
    pass("qmp", false, "{\n  \"return\": 18446744073709551615\n}");
    pass("qmp", false, "{no \xff JSON\033}");
    pass("qmp", false, NULL);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    lines = end();
    assert_int_equal(json_array_size(lines), 4);
    assert_line(lines, 0, "{\"channel\":\"agent\",\"direction\":\"sent\",\"delimited\":true,"
                          "\"message\":{\"execute\":\"x\"}}");
    assert_line(lines, 1, "{\"channel\":\"qmp\",\"direction\":\"received\","
                          "\"message\":{\"return\":18446744073709551615}}");
    assert_line(lines, 2,
                "{\"channel\":\"qmp\",\"direction\":\"received\",\"text\":\"{no ? JSON?}\"}");
    assert_line(lines, 3, "{\"channel\":\"qmp\",\"direction\":\"closed\"}");
}

static void test_first_and_last(void **state)
{
    static const char *const arguments[] = {"qmp", "--trace", "f", "set_password",
                                            "{\"protocol\":\"vnc\",\"password\":\"geheim\"}", NULL};
    const struct trace_run run = {.arguments = arguments,
                                  .raw_command = "set_password",
                                  .raw_json = arguments[4],
                                  .qmp_path = "/run/q\"mp"};
    AUTO_JSON json_t *lines = NULL;

    (void)state;
    trace_begin(&trace, &run);
    trace_end(&trace, 4);
    lines = end();
    assert_int_equal(json_array_size(lines), 2);
    (void)json_object_del(json_array_get(lines, 0), "version");
    assert_line(lines, 0,
                "{\"channel\":\"vmplug\",\"direction\":\"begin\",\"trace\":1,"
                "\"arguments\":[\"qmp\",\"--trace\",\"f\",\"set_password\","
                "\"{\\\"protocol\\\":\\\"vnc\\\",\\\"password\\\":\\\"***\\\"}\"],"
                "\"qmp\":\"/run/q\\\"mp\",\"agent\":null}");
    assert_line(lines, 1, "{\"channel\":\"vmplug\",\"direction\":\"end\",\"exit\":4}");
}

#define LONG_BYTES 200000

static int reading;
static size_t taken;

/* A write that waits is interrupted, and finds room afterwards. */
static void take_some(int signal_number)
{
    char bytes[65536];
    ssize_t count = read(reading, bytes, sizeof(bytes));

    (void)signal_number;
    if (count > 0)
        taken += (size_t)count;
}

/* What a pipe takes only in part is gone on with. */
static void test_in_parts(void **state)
{
    struct sigaction taking = {.sa_handler = take_some}; /* without SA_RESTART */
    struct itimerval often = {.it_interval.tv_usec = 5000, .it_value.tv_usec = 5000};
    struct itimerval never = {.it_value.tv_usec = 0};
    char *text = malloc(LONG_BYTES);
    int ends[2];

    (void)state;
    assert_non_null(text);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    reading = ends[0];
    (void)dup2(ends[1], trace.fd);
    (void)memset(text, 'x', LONG_BYTES);
    text[0] = text[LONG_BYTES - 2] = '"';
    text[LONG_BYTES - 1] = '\0';
    assert_int_equal(sigaction(SIGALRM, &taking, NULL), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    pass("qmp", false, text);
    assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
    assert_int_not_equal(trace.fd, -1); /* it goes on */
    close(ends[1]);
    trace_close(&trace);
    while (taken < trace.bytes)
        take_some(0);
    assert_true(taken > LONG_BYTES);
    close(ends[0]);
    free(text);
}

/* What runs behind the trace's end goes on, and stderr has one line about it. */
static void test_limit(void **state)
{
    FILE *heard = tmpfile();
    int stderr_fd = dup(STDERR_FILENO), i;
    AUTO_JSON json_t *lines = NULL;
    char said[512] = "", more[8];
    struct stat status;

    (void)state;
    assert_non_null(heard);
    trace.limit_bytes = 400;
    fflush(stderr);
    (void)dup2(fileno(heard), STDERR_FILENO);
    for (i = 0; i < 100; i++)
        pass("qmp", false, "{\"event\":\"STOP\"}");
    trace_end(&trace, 0);
    (void)dup2(stderr_fd, STDERR_FILENO);
    close(stderr_fd);
    rewind(heard);
    assert_non_null(fgets(said, sizeof(said), heard));
    assert_non_null(strstr(said, "--trace: the trace ends here: the file has reached"));
    assert_null(fgets(more, sizeof(more), heard));
    fclose(heard);
    assert_int_equal(stat(path, &status), 0);
    assert_in_range(status.st_size, 300, 500);
    lines = end();
    assert_line(lines, json_array_size(lines) - 1,
                "{\"channel\":\"vmplug\",\"direction\":\"end\",\"limit\":400}");
}

/* What another vmplug has written counts, too. */
static void test_limit_counts_what_was_there(void **state)
{
    struct error error = ERROR_INIT;
    struct stat status;

    (void)state;
    pass("qmp", false, "{\"event\":\"STOP\"}");
    trace_close(&trace);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(trace_open(&trace, path, false, &error), 0);
    assert_int_equal(trace.bytes, status.st_size);
    assert_true(trace.limit_bytes == UINT64_C(256) << 20);
    trace_close(&trace);
}

static void test_no_trace_no_tap(void **state)
{
    struct error error = ERROR_INIT;

    (void)state;
    trace_close(&trace);
    assert_int_equal(trace_open(&trace, NULL, false, &error), 0);
    assert_null(trace_tap(&trace).message);
    trace_end(&trace, 0);
    assert_int_equal(trace_open(&trace, "/nonexistent/trace", false, &error), -1);
    assert_int_equal(error.code, ERROR_INVALID);
    assert_non_null(strstr(error.why, "/nonexistent/trace"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_messages, begin),
        cmocka_unit_test_setup(test_first_and_last, begin),
        cmocka_unit_test_setup(test_in_parts, begin),
        cmocka_unit_test_setup(test_limit, begin),
        cmocka_unit_test_setup(test_limit_counts_what_was_there, begin),
        cmocka_unit_test_setup(test_no_trace_no_tap, begin),
    };

    return cmocka_run_group_tests_name("cli/trace", tests, NULL, NULL);
}
