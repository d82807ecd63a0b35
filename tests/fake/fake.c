/* SPDX-License-Identifier: MIT */
#include "tests/fake/fake.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "qmp/blocking.h"

#define PATH_BYTES 512
#define PATHS 16

bool fake_in_child;

/* ---- JSON ---- */

json_t *fake_json(const char *text)
{
    json_error_t problem;
    json_t *value;
    char *copy, *at;

    if (text == NULL || *text == '\0')
        return NULL;
    copy = strdup(text);
    for (at = copy; *at != '\0'; at++)
        *at = *at == '\'' ? '"' : *at;
    value = json_loads(copy, JSON_DECODE_ANY | JSON_ALLOW_NUL, &problem);
    free(copy);
    if (value == NULL)
        fake_fail("not JSON: %s in: %s", problem.text, text);
    return value;
}

json_t *fake_jsonf(const char *format, ...)
{
    va_list arguments;
    json_t *value;
    char *text;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        fake_fail("out of memory");
    va_end(arguments);
    value = fake_json(text);
    free(text);
    return value;
}

bool fake_json_has(const json_t *value, const json_t *wanted)
{
    const char *key;
    json_t *member;

    if (!json_is_object(wanted))
        return json_equal(value, wanted);
    json_object_foreach((json_t *)(uintptr_t)wanted, key, member) {
        if (!fake_json_has(json_object_get(value, key), member))
            return false;
    }
    return true;
}

/* ---- files ---- */

static char directory[PATH_BYTES];
static pid_t owner;

void fake_empty(const char *path)
{
    DIR *stream = opendir(path);
    struct dirent *entry;
    char below[PATH_BYTES + 256];

    while (stream != NULL && (entry = readdir(stream)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlinkat(dirfd(stream), entry->d_name, 0) == 0)
            continue;
        (void)snprintf(below, sizeof(below), "%.500s/%.250s", path, entry->d_name);
        fake_empty(below);
        (void)unlinkat(dirfd(stream), entry->d_name, AT_REMOVEDIR);
    }
    if (stream != NULL)
        closedir(stream);
}

static void remove_directory(void)
{
    if (getpid() != owner)
        return;
    fake_empty(directory);
    (void)rmdir(directory);
}

const char *fake_dir(void)
{
    if (directory[0] != '\0')
        return directory;
    (void)snprintf(directory, sizeof(directory), "%s/vmplug-fake-XXXXXX",
                   getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
    if (mkdtemp(directory) == NULL)
        fake_fail("cannot make a temporary directory: %s", strerror(errno));
    owner = getpid();
    (void)atexit(remove_directory);
    return directory;
}

const char *fake_path(const char *name)
{
    static char paths[PATHS][PATH_BYTES];
    static unsigned next;
    char *path = paths[next++ % PATHS];

    (void)snprintf(path, PATH_BYTES, "%.200s/%.200s", fake_dir(), name);
    return path;
}

const char *fake_file(const char *name, const void *bytes, size_t size)
{
    const char *path = fake_path(name);
    FILE *file = fopen(path, "w");

    if (file == NULL || (size > 0 && fwrite(bytes, size, 1, file) != 1) || fclose(file) != 0)
        fake_fail("cannot write %s", path);
    return path;
}

/* ---- serving from a child ---- */

struct stop {
    struct pump pump; /* first */
    int fd;
    bool asked;
};

static int stop_fd(const struct pump *pump)
{
    return ((const struct stop *)pump)->fd;
}

static short stop_events(const struct pump *pump)
{
    (void)pump;
    return POLLIN;
}

static double stop_deadline_ms(const struct pump *pump)
{
    (void)pump;
    return CLOCK_NEVER_MS;
}

static enum pump_result stop_process(struct pump *pump, short revents)
{
    if (revents != 0)
        ((struct stop *)pump)->asked = true;
    return PUMP_IDLE;
}

static const struct pump_ops stop_ops = {
    .fd = stop_fd, .events = stop_events, .deadline_ms = stop_deadline_ms, .process = stop_process};

static bool is_stopped(void *user)
{
    return ((const struct stop *)user)->asked;
}

static _Noreturn void serve(const struct fake_actor actors[], size_t count, int fd)
{
    struct stop stop = {.pump = {.ops = &stop_ops}, .fd = fd};
    struct pump *pumps[BLOCKING_PUMPS_MAX] = {&stop.pump};
    size_t i;

    fake_in_child = true;
    if (count >= BLOCKING_PUMPS_MAX)
        fake_fail("too many actors");
    for (i = 0; i < count; i++)
        pumps[i + 1] = actors[i].pump;
    (void)blocking_run(pumps, count + 1, is_stopped, &stop, CLOCK_NEVER_MS);
    for (i = 0; i < count; i++) {
        if (actors[i].check != NULL)
            actors[i].check(actors[i].user);
    }
    _exit(0);
}

struct fake_child fake_serve(const struct fake_actor actors[], size_t count)
{
    struct fake_child child;
    int fds[2];

    (void)fake_dir(); /* it is the parent's to remove */
    if (pipe(fds) < 0)
        fake_fail("cannot make a pipe: %s", strerror(errno));
    (void)fcntl(fds[1], F_SETFD, FD_CLOEXEC); /* what the test starts must not hold the child up */
    child = (struct fake_child){.pid = fork(), .stop_fd = fds[1]};
    if (child.pid < 0)
        fake_fail("cannot fork: %s", strerror(errno));
    if (child.pid == 0) {
        close(fds[1]);
        serve(actors, count, fds[0]);
    }
    close(fds[0]);
    return child;
}

void fake_join(struct fake_child *child)
{
    int status;

    close(child->stop_fd);
    while (waitpid(child->pid, &status, 0) < 0) {
        if (errno != EINTR)
            fake_fail("lost the fake's process: %s", strerror(errno));
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fake_fail("the fake was not content; see its words above");
}
