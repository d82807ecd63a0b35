/* SPDX-License-Identifier: MIT */
/*
 * Runs vmplug anew for each run of a trace, against the replayed peers, and compares what it prints
 * and how it ends with what the trace says, but for times. Without arguments: every trace below
 * tests/data/traces, a few at once. A trace without "stdout" lines is not compared: what vmplug
 * prints is shown, as such lines.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "qmp/blocking.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "tests/fake/fake.h"
#include "tests/fake/replay.h"

#define AT_ONCE 6
#define PATIENCE_MS 120000
#define ARGUMENTS_MAX 64
#define IMAGE_BYTES 65536

/* What vmplug prints, until its end. */
struct reader {
    struct pump pump; /* first */
    int fd;
    struct buffer text;
};

static int reader_fd(const struct pump *pump)
{
    return ((const struct reader *)pump)->fd;
}

static short reader_events(const struct pump *pump)
{
    (void)pump;
    return POLLIN;
}

static double reader_deadline_ms(const struct pump *pump)
{
    (void)pump;
    return CLOCK_NEVER_MS;
}

static enum pump_result reader_process(struct pump *pump, short revents)
{
    struct reader *reader = (struct reader *)pump;
    ssize_t count = 1;

    if (revents != 0)
        count = read(reader->fd, buffer_reserve(&reader->text, 4096), 4096);
    if (count <= 0)
        close(steal_fd(&reader->fd));
    else if (revents != 0)
        buffer_commit(&reader->text, (size_t)count);
    return PUMP_IDLE;
}

static const struct pump_ops reader_ops = {.fd = reader_fd,
                                           .events = reader_events,
                                           .deadline_ms = reader_deadline_ms,
                                           .process = reader_process};

static bool has_ended(void *user)
{
    return ((const struct reader *)user)->fd < 0;
}

/* ---- vmplug ---- */

/* The image that an argument names has the format that its name promises, and nothing else. */
static void make_image(const char *path)
{
    const char *content = strstr(path, ".qcow2") != NULL ? "QFI\xfb" : "";
    FILE *file = fopen(path, "wxe");

    if (file == NULL)
        return;
    (void)fputs(content, file);
    if (ftruncate(fileno(file), IMAGE_BYTES) < 0 || fclose(file) != 0)
        fake_fail("cannot make %s", path);
}

/* The recorded arguments, and behind them, where they count, sockets of ours. */
static void build_arguments(const json_t *begin, const char *arguments[ARGUMENTS_MAX])
{
    const char *ours[] = {"--trace", fake_path("again.trace"), "--qmp", fake_path("qmp"),
                          "--agent", fake_path("agent")};
    size_t ours_count = 2, count = 0, i;
    const json_t *argument;
    bool placed = false;

    if (field_string(begin, "qmp", NULL) != NULL || field_string(begin, "agent", NULL) != NULL)
        ours_count = field_string(begin, "agent", NULL) != NULL ? 6 : 4;
    arguments[count++] = getenv("VMPLUG") != NULL ? getenv("VMPLUG") : "./vmplug";
    json_array_foreach(field_array(begin, "arguments"), i, argument) {
        const char *text = json_string_value(argument);
        size_t directory = strlen(fake_dir());

        if (text == NULL || count > ARGUMENTS_MAX - 8)
            fake_fail("the trace begins with bad arguments");
        if (strncmp(text, fake_dir(), directory) == 0 && strchr(text + directory, '.') != NULL)
            make_image(text);
        if (strcmp(text, "--") == 0)
            placed = true;
        for (size_t at = 0; placed && strcmp(text, "--") == 0 && at < ours_count; at++)
            arguments[count++] = ours[at];
        arguments[count++] = text;
    }
    for (i = 0; !placed && i < ours_count; i++)
        arguments[count++] = ours[i];
    arguments[count] = NULL;
}

static pid_t start(const json_t *begin, struct reader *reader)
{
    const char *arguments[ARGUMENTS_MAX];
    int fds[2];
    pid_t pid;

    build_arguments(begin, arguments);
    if (pipe2(fds, O_CLOEXEC) < 0 || (pid = fork()) < 0)
        fake_fail("cannot start: %s", strerror(errno));
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)dup2(fds[1], STDOUT_FILENO);
        (void)dup2(open(fake_path("stderr"), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
        execv(arguments[0], (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    close(fds[1]);
    *reader = (struct reader){.pump = {.ops = &reader_ops}, .fd = fds[0]};
    return pid;
}

static int await(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- comparing ---- */

/* Takes out what differs from time to time, and words for people, which may get better. */
static void keep_facts(json_t *value)
{
    static const char *const times[] = {"ms", "elapsed_ms"};
    static const char *const words[] = {"desc", "fix", "reason", "note", "action"};
    const char *key;
    json_t *member;
    size_t i;

    for (i = 0; i < COUNT_OF(times); i++)
        (void)json_object_del(value, times[i]);
    for (i = 0; i < COUNT_OF(words); i++) {
        if (json_is_string(json_object_get(value, words[i])))
            (void)json_object_set_new(value, words[i], json_string("..."));
    }
    json_object_foreach(value, key, member)
        keep_facts(member);
    json_array_foreach(value, i, member)
        keep_facts(member);
}

/* The lines of a text, each an object; what is none stays a string. */
static json_t *parse_lines(const struct buffer *text)
{
    json_t *lines = json_array(), *value;
    const char *at = buffer_bytes(text), *end = at + buffer_size(text), *line_end;

    for (; at < end; at = line_end + 1) {
        AUTO_FREE char *line = NULL;

        line_end = memchr(at, '\n', (size_t)(end - at));
        if (line_end == NULL)
            line_end = end;
        line = strndup(at, (size_t)(line_end - at));
        value = codec_parse(line, NULL);
        (void)json_array_append_new(lines, value != NULL ? value : json_string(line));
    }
    return lines;
}

static void print_lines(const json_t *lines)
{
    const json_t *value;
    size_t i;

    json_array_foreach(lines, i, value) {
        AUTO_FREE char *text = codec_dump(value, 0);

        printf("{\"channel\":\"stdout\",\"message\":%s}\n", text);
    }
}

/* What vmplug had to say about a run that did not go as it should. */
static void print_stderr(void)
{
    FILE *file = fopen(fake_path("stderr"), "re");
    AUTO_FREE char *line = NULL;
    size_t size = 0;

    while (file != NULL && getline(&line, &size, file) >= 0)
        printf("  %s", line);
    if (file != NULL)
        fclose(file);
}

static bool compare_lines(const char *name, json_t *expected, json_t *got)
{
    AUTO_FREE char *want = NULL, *have = NULL;

    keep_facts(expected);
    keep_facts(got);
    if (json_equal(expected, got))
        return true;
    want = codec_dump(expected, 0);
    have = codec_dump(got, 0);
    printf("%s: expected on stdout\n  %s\n  got\n  %s\n", name, want, have);
    return false;
}

/* ---- runs and traces ---- */

/* How vmplug ended, after it was driven against the replay. */
static int drive(struct replay *replay, const json_t *begin, struct reader *reader)
{
    struct pump *pumps[] = {&reader->pump, replay_qmp_pump(replay), replay_agent_pump(replay)};
    pid_t pid = start(begin, reader);

    if (!blocking_run(pumps, COUNT_OF(pumps), has_ended, reader, clock_now_ms() + PATIENCE_MS)) {
        (void)kill(pid, SIGKILL);
        if (reader->fd >= 0)
            close(reader->fd);
    }
    return await(pid);
}

static bool play(const char *name, json_t *run)
{
    struct replay *replay = replay_new(run, fake_path("qmp"), fake_path("agent"));
    json_t *expected = field_array(run, "stdout");
    AUTO_JSON json_t *got = NULL;
    uint64_t exit_code = 0;
    struct reader reader;
    int status = drive(replay, field_object(run, "begin"), &reader);
    const char *failure = replay_verdict(replay);
    bool good = failure == NULL;

    if (failure != NULL)
        printf("%s: %s\n", name, failure);
    got = parse_lines(&reader.text);
    buffer_free(&reader.text);
    if (json_array_size(expected) == 0)
        print_lines(got);
    else
        good &= compare_lines(name, expected, got);
    if (!field_u64(field_object(run, "end"), "exit", &exit_code) || status != (int)exit_code) {
        printf("%s: exit status %d, expected %d\n", name, status, (int)exit_code);
        good = false;
    }
    if (!good)
        print_stderr();
    if (!good && replay_note(replay)[0] != '\0')
        printf("%s: not in the trace:\n%s\n", name, replay_note(replay));
    replay_free(replay);
    return good;
}

/* In a process of its own. All runs of a trace are of one QEMU, by whose process vmplug knows what
 * stands from the run before. */
static int play_trace(const char *path)
{
    struct error error = ERROR_INIT;
    AUTO_JSON json_t *runs = replay_read(path, fake_dir(), &error);
    bool good = runs != NULL;
    json_t *run;
    size_t i;

    if (!good)
        printf("%s\n", error.why);
    if (setenv("XDG_RUNTIME_DIR", fake_dir(), 1) < 0 || unsetenv("VMPLUG_QMP") < 0 ||
        unsetenv("VMPLUG_AGENT") < 0)
        return 1;
    json_array_foreach(runs, i, run)
        good = play(path, run) && good;
    return good ? 0 : 1;
}

static unsigned play_all(char *const paths[], size_t count)
{
    unsigned failed = 0;
    size_t running = 0, i = 0;
    int status;
    pid_t pid;

    while (i < count || running > 0) {
        if (i < count && running < AT_ONCE) {
            fflush(stdout);
            pid = fork();
            if (pid == 0)
                exit(play_trace(paths[i]));
            running += pid > 0 ? 1 : 0;
            failed += pid < 0 ? 1 : 0;
            i++;
        } else if (wait(&status) > 0) {
            running--;
            failed += status != 0 ? 1 : 0;
        }
    }
    return failed;
}

int main(int argc, char **argv)
{
    const char *source = getenv("VMPLUG_SOURCE");
    char pattern[2048];
    unsigned failed;
    glob_t found;

    if (argc > 1)
        return play_all(argv + 1, (size_t)argc - 1) == 0 ? 0 : 1;
    (void)snprintf(pattern, sizeof(pattern), "%s/tests/data/traces/*/*.trace",
                   source != NULL ? source : "..");
    if (glob(pattern, 0, NULL, &found) != 0) {
        printf("no traces: %s\n", pattern);
        return 1;
    }
    failed = play_all(found.gl_pathv, found.gl_pathc);
    printf("%zu traces replayed, %u failed\n", found.gl_pathc, failed);
    globfree(&found);
    return failed == 0 ? 0 : 1;
}
