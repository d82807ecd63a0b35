/* SPDX-License-Identifier: MIT */
#include "vmm/record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "qmp/codec.h"
#include "qmp/field.h"

#define ENTRIES_MAX 65536
#define NEW ".new"
#define LOCK_PATIENCE_MS 1000
#define READ_BYTES 4096

struct record {
    char name[64]; /* of the file in the directory */
    bool failed;   /* see record_failed() */
    char directory[];
};

const char *record_default_directory(char *text, size_t size)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");

    if (runtime != NULL && runtime[0] == '/')
        (void)snprintf(text, size, "%s/vmplug", runtime);
    else if (geteuid() == 0)
        (void)snprintf(text, size, "/run/vmplug");
    else
        (void)snprintf(text, size, "/tmp/vmplug-%u", (unsigned)geteuid());
    return text;
}

/* Field 22 of /proc/PID/stat, counted behind the command's name, which may hold anything (proc(5)).
 * 0 when there is no such process. */
static unsigned long long start_time(pid_t pid)
{
    char path[64], line[1024];
    unsigned long long time = 0;
    const char *rest;
    ssize_t size;
    AUTO_FD int fd = -1;

    (void)snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    size = fd >= 0 ? read(fd, line, sizeof(line) - 1) : -1;
    if (size <= 0)
        return 0;
    line[size] = '\0';
    rest = strrchr(line, ')');
    if (rest == NULL || sscanf(rest + 1,
                               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
                               "%*d %*d %*d %llu",
                               &time) != 1)
        return 0;
    return time;
}

struct record *record_new(const char *directory)
{
    size_t size = strlen(directory) + 1;
    struct record *record = calloc(1, sizeof(*record) + size);

    if (record != NULL)
        memcpy(record->directory, directory, size);
    return record;
}

bool record_bind(struct record *record, pid_t pid)
{
    unsigned long long time = start_time(pid);

    if (time != 0)
        (void)snprintf(record->name, sizeof(record->name), "%ld-%llu.json", (long)pid, time);
    return time != 0;
}

bool record_failed(struct record *record)
{
    bool failed = record != NULL && record->failed;

    if (failed)
        record->failed = false;
    return failed;
}

void record_free(struct record *record)
{
    free(record);
}

/* ---- the file ---- */

/* The directory, if it is ours alone; -1 when it is not there or not so. Everything goes through
 * this descriptor: another user who may rename the directory can't put another one in its place. */
static int open_directory(const struct record *record)
{
    AUTO_FD int fd = open(record->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    struct stat status;

    if (fd < 0 || fstat(fd, &status) < 0 || status.st_uid != geteuid() ||
        (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return -1;
    return steal_fd(&fd);
}

static const char *fault_of_directory(const char *directory)
{
    struct stat status;

    if (lstat(directory, &status) < 0)
        return strerror(errno);
    if (S_ISLNK(status.st_mode))
        return "it is a symbolic link";
    if (!S_ISDIR(status.st_mode))
        return "it is no directory";
    if (status.st_uid != geteuid())
        return "it belongs to another user";
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return "other users may write to it";
    return "it can't be written, or another vmplug holds it";
}

const char *record_explain(const struct record *record, char *text, size_t size)
{
    (void)snprintf(text, size, "%s: %s", record->directory, fault_of_directory(record->directory));
    text_make_printable(text);
    return text;
}

/* The same with its lock, which lasts until the descriptor is closed. It is never held for long,
 * unless its holder was stopped, and that must not hold us up, too. */
static int lock(const struct record *record, bool make)
{
    double until_ms = clock_now_ms() + LOCK_PATIENCE_MS;
    AUTO_FD int fd = -1;

    if (make)
        (void)mkdir(record->directory, 0700);
    fd = open_directory(record);
    while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK || clock_now_ms() >= until_ms)
            return -1;
        (void)clock_poll(NULL, 0, clock_now_ms() + 1);
    }
    return steal_fd(&fd);
}

/* The text of the record, with its NUL; empty where there is none. Returns -1 without memory. */
static int read_text(const struct record *record, int directory, struct buffer *text)
{
    AUTO_FD int fd = directory >= 0
                         ? openat(directory, record->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
                         : -1;
    ssize_t count = 0;
    char *room;

    do {
        room = buffer_reserve(text, READ_BYTES);
        if (room == NULL)
            return -1;
        count = fd >= 0 ? read(fd, room, READ_BYTES) : 0;
        buffer_commit(text, count > 0 ? (size_t)count : 0);
    } while (count > 0);
    return buffer_append(text, "", 1);
}

/* What cannot be read counts as empty: QEMU's inventory has the last word anyway. NULL without
 * memory: then it is not empty, and must not be written again. */
static json_t *load(struct record *record, int directory)
{
    struct buffer text = {0};
    struct error error = ERROR_INIT;
    json_t *content = NULL;

    if (read_text(record, directory, &text) < 0)
        (void)error_set(&error, ERROR_SYSTEM, "", "out of memory");
    else
        content = codec_parse(buffer_bytes(&text), &error);
    buffer_free(&text);
    if (!json_is_object(content) && error.code != ERROR_SYSTEM) {
        json_decref(content);
        content = json_object();
    }
    if (field_array(content, "pending") == NULL)
        field_set(&content, "pending", json_array());
    record->failed = record->failed || content == NULL;
    return content;
}

/* Another process has this number now, which is our QEMU's, or none has it. A stranger's that was
 * given to another one goes when that has ended, too. */
static bool is_over(const struct record *record, const char *name, pid_t pid)
{
    if (pid == (pid_t)strtol(record->name, NULL, 10))
        return strcmp(name, record->name) != 0;
    return kill(pid, 0) < 0 && errno == ESRCH;
}

/* Records of processes that are no more. */
static void sweep(const struct record *record, int directory)
{
    int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = fd >= 0 ? fdopendir(fd) : NULL;
    unsigned long long time;
    struct dirent *entry;
    int length;
    long pid;

    while (entries != NULL && (entry = readdir(entries)) != NULL) {
        length = 0;
        if (sscanf(entry->d_name, "%ld-%llu.json%n", &pid, &time, &length) == 2 && length > 0 &&
            entry->d_name[length] == '\0' && is_over(record, entry->d_name, (pid_t)pid))
            (void)unlinkat(directory, entry->d_name, 0);
    }
    if (entries != NULL)
        (void)closedir(entries);
    else if (fd >= 0)
        close(fd);
}

/* Whole or not at all, whatever happens meanwhile. */
static bool store(const struct record *record, int directory, const json_t *content)
{
    AUTO_FREE char *text = codec_dump(content, 0);
    AUTO_FD int fd = -1;
    size_t length;

    /* Once for each QEMU: where there are thousands, each time would take longer than all else. */
    if (faccessat(directory, record->name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
        sweep(record, directory);
    fd = openat(directory, NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (text == NULL || fd < 0)
        return false;
    length = strlen(text);
    return write(fd, text, length) == (ssize_t)length &&
           renameat(directory, NEW, directory, record->name) == 0;
}

/* ---- entries ---- */

static bool is_of(const json_t *entry, const char *id)
{
    return strcmp(field_string(entry, "id", ""), id) == 0;
}

/* Returns how many there were. */
static size_t take_out(json_t *entries, const char *id)
{
    size_t count = 0, i;

    for (i = json_array_size(entries); i-- > 0;) {
        if (!is_of(json_array_get(entries, i), id))
            continue;
        (void)json_array_remove(entries, i);
        count++;
    }
    return count;
}

bool record_put(struct record *record, json_t *entry)
{
    AUTO_JSON json_t *owned = entry;
    AUTO_JSON json_t *content = NULL;
    AUTO_FD int locked = record != NULL ? lock(record, true) : -1;
    json_t *entries;

    if (locked < 0)
        return false;
    content = load(record, locked);
    entries = field_array(content, "pending");
    (void)take_out(entries, field_string(owned, "id", ""));
    if (json_array_size(entries) >= ENTRIES_MAX || json_array_append(entries, owned) < 0)
        return false;
    return store(record, locked, content);
}

void record_drop(struct record *record, const char *id)
{
    AUTO_JSON json_t *content = NULL;
    AUTO_FD int locked = -1;

    if (record == NULL)
        return;
    locked = lock(record, false);
    if (locked < 0)
        return;
    content = load(record, locked);
    if (take_out(field_array(content, "pending"), id) > 0)
        (void)store(record, locked, content);
}

json_t *record_list(struct record *record)
{
    AUTO_JSON json_t *content = NULL;
    AUTO_FD int directory = -1;

    if (record == NULL)
        return json_array();
    directory = open_directory(record);
    content = load(record, directory);
    return json_incref(field_array(content, "pending"));
}

json_t *record_find(struct record *record, const char *id)
{
    AUTO_JSON json_t *entries = record_list(record);
    json_t *entry;
    size_t i;

    json_array_foreach(entries, i, entry) {
        if (is_of(entry, id))
            return json_incref(entry);
    }
    return NULL;
}

bool record_has(struct record *record, const char *id, const char *suffix)
{
    AUTO_JSON json_t *entry = record_find(record, id);
    const char *operation = field_string(entry, "operation", "");
    size_t length = strlen(operation);

    return length >= strlen(suffix) && strcmp(operation + length - strlen(suffix), suffix) == 0;
}

/* ---- vCPUs ---- */

unsigned record_vcpus_removed(struct record *record)
{
    AUTO_FD int directory = record != NULL ? open_directory(record) : -1;
    AUTO_JSON json_t *content = record != NULL ? load(record, directory) : NULL;
    unsigned count = 0;

    (void)field_unsigned(content, "vcpus_removed", &count);
    return count;
}

static bool is_counted(json_t *entries, const char *id)
{
    json_t *entry;
    size_t i;

    json_array_foreach(entries, i, entry) {
        if (is_of(entry, id) && field_bool(entry, "counted", false))
            return true;
        if (is_of(entry, id))
            (void)json_object_set_new(entry, "counted", json_true());
    }
    return false;
}

void record_count_vcpu_removed(struct record *record, const char *id)
{
    AUTO_JSON json_t *content = NULL;
    AUTO_FD int locked = record != NULL ? lock(record, true) : -1;
    unsigned count = 0;

    if (locked < 0)
        return;
    content = load(record, locked);
    if (is_counted(field_array(content, "pending"), id))
        return;
    (void)field_unsigned(content, "vcpus_removed", &count);
    field_set(&content, "vcpus_removed", json_integer((json_int_t)count + 1));
    if (content != NULL)
        (void)store(record, locked, content);
}
