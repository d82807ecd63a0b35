/* SPDX-License-Identifier: MIT */
/* What the daemon says of itself, and of who changed what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "daemon/audit_log.h"
#include "daemon/log.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "tests/fake/jump.h"

/* stderr is a pipe, whose other end is read here, and a private directory holds the files. */
static struct {
    int real_stderr, pipe;
    char folder[64], path[80];
} host;

static int set_up(void **state)
{
    int ends[2];

    (void)state;
    unsetenv("JOURNAL_STREAM");
    (void)strcpy(host.folder, "/tmp/vmplug-audit-log-XXXXXX");
    if (mkdtemp(host.folder) == NULL || pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    (void)snprintf(host.path, sizeof(host.path), "%s/log", host.folder);
    host.real_stderr = dup(STDERR_FILENO);
    host.pipe = ends[0];
    (void)fcntl(host.pipe, F_SETFL, O_NONBLOCK);
    (void)dup2(ends[1], STDERR_FILENO);
    return close(ends[1]);
}

static int tear_down(void **state)
{
    (void)state;
    (void)dup2(host.real_stderr, STDERR_FILENO);
    close(host.real_stderr);
    close(host.pipe);
    (void)unlink(host.path);
    return rmdir(host.folder);
}

/* What has been said since, with '\n' at its end; "" when it is nothing. */
static const char *said(void)
{
    static char text[65536];
    ssize_t size = read(host.pipe, text, sizeof(text) - 1);

    text[size > 0 ? size : 0] = '\0';
    return text;
}

/* Behind the time, which every line begins with. */
static void expect_said(const char *line)
{
    const char *text = said();

    assert_int_equal(strncmp(text, "time=2", 6), 0);
    assert_string_equal(strchr(text, ' '), line);
}

static char *file_text(void)
{
    static char text[65536];
    AUTO_FD int fd = open(host.path, O_RDONLY);
    ssize_t size = read(fd, text, sizeof(text) - 1);

    assert_true(size >= 0);
    text[size] = '\0';
    return text;
}

/* ---- the log ---- */

static void test_line(void **state)
{
    (void)state;
    log_line(LOG_LEVEL_INFO, NULL, "begun", NULL);
    expect_said(" level=info message=begun\n");
    log_line(LOG_LEVEL_WARNING, "db", "two words", "key", "a\"b\\", "none", NULL, "empty", "",
             "equals", "a=b", "evil", "\n\x1b[31m<3>", NULL);
    expect_said(" level=warning vm=db message=\"two words\" key=\"a\\\"b\\\\\" empty=\"\" "
                "equals=\"a=b\" evil=??[31m<3>\n");
}

static void test_levels(void **state)
{
    (void)state;
    log_line(LOG_LEVEL_DEBUG, NULL, "hidden", NULL);
    assert_string_equal(said(), "");
    log_set_level(LOG_LEVEL_DEBUG);
    log_line(LOG_LEVEL_DEBUG, NULL, "shown", NULL);
    expect_said(" level=debug message=shown\n");
    log_set_level(LOG_LEVEL_ERROR);
    log_line(LOG_LEVEL_WARNING, NULL, "hidden", NULL);
    assert_string_equal(said(), "");
    log_set_level(LOG_LEVEL_INFO);
}

static void test_error_line(void **state)
{
    struct error error = ERROR_INIT;

    (void)state;
    (void)error_set(&error, ERROR_BUSY, "", "no");
    log_error(LOG_LEVEL_ERROR, "db", "tried", &error);
    expect_said(" level=error vm=db message=tried why=no\n");
    (void)error_set(&error, ERROR_BUSY, "do it", "no");
    log_error(LOG_LEVEL_NOTICE, NULL, "tried", &error);
    expect_said(" level=notice message=tried why=no fix=\"do it\"\n");
}

static void test_journal(void **state)
{
    struct stat status;
    char stream[64];

    (void)state;
    assert_int_equal(fstat(STDERR_FILENO, &status), 0);
    (void)snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)status.st_dev,
                   (unsigned long long)status.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_line(LOG_LEVEL_ERROR, "db", "begun", "a", "b", NULL);
    assert_string_equal(said(), "<3>vm=db message=begun a=b\n");
    (void)strcat(stream, "0"); /* somebody else's */
    setenv("JOURNAL_STREAM", stream, 1);
    log_line(LOG_LEVEL_ERROR, NULL, "begun", NULL);
    expect_said(" level=error message=begun\n");
    unsetenv("JOURNAL_STREAM");
}

/* Nobody reads: nobody waits, either, and what was dropped is told. */
static void test_full(void **state)
{
    char long_value[2048], wanted[64];
    int lines, dropped;
    size_t size = 0;

    (void)state;
    (void)memset(long_value, 'x', sizeof(long_value) - 1);
    long_value[sizeof(long_value) - 1] = '\0';
    assert_int_equal(fcntl(STDERR_FILENO, F_SETPIPE_SZ, 8192), 8192);
    for (lines = 0; lines < 100; lines++)
        log_line(LOG_LEVEL_INFO, NULL, long_value, "a", long_value, "b", long_value, "c",
                 long_value, "d", long_value, NULL);
    for (lines = 0; (size = strlen(said())) > 0; lines += (int)(size / LOG_LINE_BYTES))
        assert_int_equal(size % LOG_LINE_BYTES, 0); /* each is cut, and ends with its '\n' */
    assert_in_range(lines, 1, 2);
    dropped = 100 - lines;
    log_line(LOG_LEVEL_INFO, NULL, "heard", NULL);
    (void)snprintf(wanted, sizeof(wanted), " level=info message=heard dropped=%d\n", dropped);
    expect_said(wanted);
    log_line(LOG_LEVEL_INFO, NULL, "heard", NULL);
    expect_said(" level=info message=heard\n");
}

/* ---- the audit log ---- */

static struct audit_log *open_log(void)
{
    struct error error = ERROR_INIT;
    struct audit_log *log = audit_log_new(host.path, &error);

    if (log == NULL)
        fail_msg("%s", error.why);
    return log;
}

static void test_entries(void **state)
{
    const struct peer_id peer = {.uid = 1000, .gid = 100, .pid = 4711};
    struct audit_log *log = open_log();
    AUTO_JSON json_t *line = NULL;
    struct stat status;
    char *text, *end;

    (void)state;
    assert_int_equal(stat(host.path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
    assert_int_equal(audit_log_add(log, &peer, "db", "disk-add", AUDIT_LOG_BEGUN,
                                   json_pack("{s:i}", "operation", 7), NULL), 0);
    assert_int_equal(audit_log_add(log, NULL, NULL, "re\nload", "success", NULL, NULL), 0);
    audit_log_free(log);
    assert_string_equal(said(), "");
    text = file_text();
    end = strchr(text, '\n');
    *end = '\0';
    line = codec_parse(text, NULL);
    assert_non_null(line);
    assert_int_equal(strlen(field_string(line, "time", "")), strlen("2026-11-21T19:30:00.125Z"));
    assert_int_equal(json_object_del(line, "time"), 0);
    end = codec_dump(line, 0);
    assert_string_equal(end, "{\"uid\":1000,\"gid\":100,\"pid\":4711,\"vm\":\"db\","
                             "\"action\":\"disk-add\",\"verdict\":\"begun\","
                             "\"details\":{\"operation\":7}}");
    free(end);
    json_decref(line);
    text += strlen(text) + 1;
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    line = codec_parse(text, NULL);
    assert_int_equal(json_integer_value(json_object_get(line, "uid")), geteuid());
    assert_int_equal(json_integer_value(json_object_get(line, "pid")), getpid());
    assert_true(json_is_null(json_object_get(line, "vm")));
    assert_string_equal(field_string(line, "action", ""), "re\nload");
    assert_null(json_object_get(line, "details"));
}

static void test_without_file(void **state)
{
    const struct peer_id peer = {.uid = 1000, .gid = 100, .pid = 4711};
    struct audit_log *log = audit_log_new(NULL, NULL);

    (void)state;
    assert_non_null(log);
    assert_int_equal(audit_log_reopen(log, NULL), 0);
    assert_int_equal(audit_log_add(log, &peer, "db", "disk-add", "success",
                                   json_pack("{s:i}", "a", 1), NULL), 0);
    expect_said(" level=notice vm=db message=change action=disk-add verdict=success uid=1000 "
                "pid=4711 details=\"{\\\"a\\\":1}\"\n");
    audit_log_free(log);
    assert_int_equal(audit_log_add(NULL, &peer, "db", "a", "b", json_object(), NULL), 0);
    audit_log_free(NULL);
}

static void test_reopen(void **state)
{
    struct audit_log *log = open_log();
    struct error error = ERROR_INIT;
    char rotated[96];
    struct stat status;

    (void)state;
    (void)snprintf(rotated, sizeof(rotated), "%s.1", host.path);
    assert_int_equal(rename(host.path, rotated), 0);
    assert_int_equal(audit_log_add(log, NULL, "a", "b", "c", NULL, NULL), 0);
    assert_int_equal(audit_log_reopen(log, NULL), 0);
    assert_int_equal(stat(host.path, &status), 0);
    assert_int_equal(status.st_size, 0);
    assert_int_equal(audit_log_add(log, NULL, "a", "b", "c", NULL, NULL), 0);
    assert_int_equal(stat(rotated, &status), 0);
    assert_int_equal(status.st_size, strlen(file_text()));

    /* What can't be opened is not gone over to. */
    assert_int_equal(unlink(host.path), 0);
    assert_int_equal(rename(rotated, host.path), 0);
    assert_int_equal(audit_log_reopen(log, NULL), 0);
    assert_int_equal(rename(host.path, rotated), 0);
    assert_int_equal(symlink(rotated, host.path), 0);
    assert_int_equal(audit_log_reopen(log, &error), -1);
    assert_int_equal(error.code, ERROR_SYSTEM);
    assert_null(audit_log_new(host.path, &error));
    assert_int_equal(audit_log_add(log, NULL, "a", "b", "c", NULL, NULL), 0);
    assert_int_equal(stat(rotated, &status), 0);
    assert_int_equal(status.st_size, 2 * (strchr(file_text(), '\n') + 1 - file_text()));
    assert_int_equal(unlink(rotated), 0);
    audit_log_free(log);
}

/* A line for which there is no room is not there at all, and said to be missing. */
static void test_no_room(void **state)
{
    struct audit_log *log = open_log();
    struct error error = ERROR_INIT;
    struct rlimit before, limit;
    struct stat whole, status;

    (void)state;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(audit_log_add(log, NULL, "db", "b", "c", NULL, NULL), 0);
    assert_int_equal(stat(host.path, &whole), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = (rlim_t)whole.st_size + 10;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(audit_log_add(log, NULL, "db", "b", "c", NULL, &error), -1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(error.code, ERROR_SYSTEM);
    assert_non_null(strstr(said(), "vm=db message=\"a change is not in the audit log\""));
    assert_int_equal(stat(host.path, &status), 0);
    assert_int_equal(status.st_size, whole.st_size);
    assert_int_equal(audit_log_add(log, NULL, "db", "b", "c", NULL, &error), 0);
    assert_int_equal(stat(host.path, &status), 0);
    assert_int_equal(status.st_size, 2 * whole.st_size);
    audit_log_free(log);
}

static void test_long_details(void **state)
{
    struct audit_log *log = open_log();
    json_t *details = json_array();
    int i;

    (void)state;
    for (i = 0; i < 4096; i++)
        (void)json_array_append_new(details, json_integer(100000 + i));
    assert_int_equal(audit_log_add(log, NULL, "db", "b", "c", details, NULL), 0);
    assert_non_null(strstr(file_text(), "\"details\":true}\n"));
    audit_log_free(log);
}

static size_t count_lines(const char *words)
{
    const char *text = file_text();
    size_t count = 0;

    while ((text = strstr(text, words)) != NULL) {
        text += strlen(words);
        count++;
    }
    return count;
}

/* Who may do nothing can't fill the log, nor keep others out of it; how often he tried is told. */
static void test_refusals(void **state)
{
    struct peer_id peer = {.uid = 1000, .gid = 100, .pid = 4711};
    const struct peer_id other = {.uid = 1001, .gid = 100, .pid = 4712};
    struct audit_log *log = open_log();
    int i;

    (void)state;
    for (i = 0; i < AUDIT_LOG_REFUSALS + 7; i++)
        assert_int_equal(audit_log_add(log, &peer, "db", "b", AUDIT_LOG_FORBIDDEN,
                                       json_object(), NULL), 0);
    assert_int_equal(count_lines("\"uid\":1000,"), AUDIT_LOG_REFUSALS);
    assert_int_equal(audit_log_add(log, &other, "db", "b", AUDIT_LOG_FORBIDDEN, NULL, NULL), 0);
    assert_int_equal(count_lines("\"uid\":1001,"), 1);
    assert_int_equal(audit_log_add(log, &peer, "db", "b", AUDIT_LOG_BEGUN, NULL, NULL), 0);
    assert_int_equal(count_lines("\"begun\""), 1);
    assert_int_equal(count_lines("suppressed"), 0);

    jump_ms(AUDIT_LOG_REFUSALS_MS);
    assert_int_equal(audit_log_add(log, &peer, "db", "b", AUDIT_LOG_FORBIDDEN, NULL, NULL), 0);
    assert_int_equal(count_lines("\"uid\":1000,"), AUDIT_LOG_REFUSALS + 3);
    assert_int_equal(count_lines("\"action\":\"suppressed\",\"verdict\":\"forbidden\","
                                 "\"details\":{\"count\":7}}\n"), 1);

    /* So many others that nobody remembers him. */
    for (i = 0; i < AUDIT_LOG_REFUSALS; i++)
        assert_int_equal(audit_log_add(log, &peer, "db", "b", AUDIT_LOG_FORBIDDEN, NULL, NULL), 0);
    assert_int_equal(count_lines("suppressed"), 1);
    for (peer.uid = 2000; peer.uid < 2200; peer.uid++) {
        jump_ms(1);
        assert_int_equal(audit_log_add(log, &peer, "db", "b", AUDIT_LOG_FORBIDDEN, NULL, NULL), 0);
    }
    assert_int_equal(count_lines("\"details\":{\"count\":1}}\n"), 1);

    /* At the end. */
    for (i = 0; i < AUDIT_LOG_REFUSALS + 2; i++)
        assert_int_equal(audit_log_add(log, &other, "db", "b", AUDIT_LOG_FORBIDDEN, NULL, NULL), 0);
    assert_int_equal(count_lines("suppressed"), 2);
    audit_log_free(log);
    assert_int_equal(count_lines("\"details\":{\"count\":2}}\n"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_line),   TEST(test_levels),  TEST(test_error_line),   TEST(test_journal),
        TEST(test_full),   TEST(test_entries), TEST(test_without_file), TEST(test_reopen),
        TEST(test_no_room), TEST(test_long_details), TEST(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
