/* SPDX-License-Identifier: MIT */
#include "daemon/audit_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "daemon/log.h"
#include "qmp/codec.h"
#include "qmp/field.h"

#define DETAILS_BYTES 16384

#define REFUSED_USERS 64 /* that are counted at once */

/* Refusals of one user, in the time that began then. */
struct refusals {
    uid_t uid;
    double since_ms;
    unsigned written; /* 0: nobody's */
    uint64_t suppressed;
};

struct audit_log {
    char *path; /* NULL: the log */
    int fd;
    struct refusals refusals[REFUSED_USERS];
};

static int open_file(const char *path, struct error *error)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY |
                            O_NONBLOCK, 0640);

    if (fd < 0)
        (void)error_set_errno(error, ERROR_SYSTEM, errno, "make room or access there",
                              "cannot open the audit log %.200s", path);
    return fd;
}

/* NULL without memory. */
static json_t *describe(const struct peer_id *peer, const char *vm, const char *action,
                        const char *verdict, json_t *details)
{
    const struct peer_id self = {.uid = geteuid(), .gid = getegid(), .pid = getpid()};
    char time[LOG_TIME_MAX];
    json_t *line = json_object();

    if (peer == NULL)
        peer = &self;
    field_set(&line, "time", json_string(log_time(time)));
    field_set(&line, "uid", json_integer(peer->uid));
    field_set(&line, "gid", json_integer(peer->gid));
    field_set(&line, "pid", json_integer(peer->pid));
    field_set(&line, "vm", vm != NULL ? codec_string(vm) : json_null());
    field_set(&line, "action", codec_string(action));
    field_set(&line, "verdict", codec_string(verdict));
    if (details != NULL)
        field_set(&line, "details", json_incref(details));
    return line;
}

/* Of a line of which only a part has found room nothing stays. */
static int write_line(const struct audit_log *log, const char *bytes, size_t size,
                      struct error *error)
{
    ssize_t written = write(log->fd, bytes, size);
    off_t end;

    if (written >= 0 && (size_t)written == size)
        return 0;
    if (written >= 0)
        errno = ENOSPC;
    (void)error_set_errno(error, ERROR_SYSTEM, errno, "make room there", "cannot write to %.200s",
                          log->path);
    end = written > 0 ? lseek(log->fd, 0, SEEK_END) : -1;
    if (end >= written && ftruncate(log->fd, end - written) < 0)
        log_line(LOG_LEVEL_ERROR, NULL, "the audit log has a torn line", "file", log->path, NULL);
    return -1;
}

static int add_to_file(const struct audit_log *log, const json_t *line, struct error *error)
{
    struct buffer text = {.bytes = NULL};
    int status;

    if (line == NULL || codec_append(&text, line) < 0 || buffer_append(&text, "\n", 1) < 0)
        status = error_set(error, ERROR_SYSTEM, "", "out of memory");
    else
        status = write_line(log, buffer_bytes(&text), buffer_size(&text), error);
    buffer_free(&text);
    return status;
}

static void add_to_log(const struct peer_id *peer, const char *vm, const char *action,
                       const char *verdict, const char *details)
{
    char uid[24], pid[24];

    (void)snprintf(uid, sizeof(uid), "%u", (unsigned)(peer != NULL ? peer->uid : geteuid()));
    (void)snprintf(pid, sizeof(pid), "%d", (int)(peer != NULL ? peer->pid : getpid()));
    log_line(LOG_LEVEL_NOTICE, vm, "change", "action", action, "verdict", verdict, "uid", uid,
             "pid", pid, "details", details, NULL);
}

static int add(const struct audit_log *log, const struct peer_id *peer, const char *vm,
               const char *action, const char *verdict, json_t *details, struct error *error)
{
    AUTO_JSON json_t *owned = details, *line = NULL;
    AUTO_FREE char *text = owned != NULL ? codec_dump(owned, 0) : NULL;
    struct error problem = ERROR_INIT;

    if (log->path == NULL) {
        add_to_log(peer, vm, action, verdict, text);
        return 0;
    }
    if (text != NULL && strlen(text) > DETAILS_BYTES)
        details = json_true();
    line = describe(peer, vm, action, verdict, details);
    if (add_to_file(log, line, &problem) == 0)
        return 0;
    log_error(LOG_LEVEL_ERROR, vm, "a change is not in the audit log", &problem);
    add_to_log(peer, vm, action, verdict, text);
    if (error != NULL)
        *error = problem;
    return -1;
}

/* ---- refusals ---- */

static void tell_suppressed(const struct audit_log *log, struct refusals *refusals)
{
    const struct peer_id peer = {.uid = refusals->uid, .gid = (gid_t)-1};

    if (refusals->suppressed > 0)
        (void)add(log, &peer, NULL, "suppressed", AUDIT_LOG_FORBIDDEN,
                  json_pack("{s:I}", "count", (json_int_t)refusals->suppressed), NULL);
    refusals->suppressed = 0;
}

/* Those of this user, or of who was refused longest ago. */
static struct refusals *find_refusals(struct audit_log *log, uid_t uid)
{
    struct refusals *found = &log->refusals[0];
    size_t i;

    for (i = 0; i < COUNT_OF(log->refusals); i++) {
        if (log->refusals[i].written > 0 && log->refusals[i].uid == uid)
            return &log->refusals[i];
        if (log->refusals[i].since_ms < found->since_ms)
            found = &log->refusals[i];
    }
    return found;
}

/* Whether this one is written. */
static bool take_refusal(struct audit_log *log, uid_t uid)
{
    struct refusals *refusals = find_refusals(log, uid);
    double now_ms = clock_now_ms();

    if (refusals->written == 0 || refusals->uid != uid ||
        now_ms >= refusals->since_ms + AUDIT_LOG_REFUSALS_MS) {
        tell_suppressed(log, refusals);
        *refusals = (struct refusals){.uid = uid, .since_ms = now_ms};
    }
    if (refusals->written < AUDIT_LOG_REFUSALS) {
        refusals->written++;
        return true;
    }
    refusals->suppressed++;
    return false;
}

int audit_log_add(struct audit_log *log, const struct peer_id *peer, const char *vm,
                  const char *action, const char *verdict, json_t *details, struct error *error)
{
    if (log != NULL && (peer == NULL || strcmp(verdict, AUDIT_LOG_FORBIDDEN) != 0 ||
                        take_refusal(log, peer->uid)))
        return add(log, peer, vm, action, verdict, details, error);
    json_decref(details);
    return 0;
}

/* ---- the beginning and the end ---- */

struct audit_log *audit_log_new(const char *path, struct error *error)
{
    struct audit_log *log = calloc(1, sizeof(*log));

    if (log == NULL) {
        (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
        return NULL;
    }
    log->fd = -1;
    if (path == NULL)
        return log;
    log->path = strdup(path);
    if (log->path == NULL)
        (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
    else
        log->fd = open_file(path, error);
    if (log->fd >= 0)
        return log;
    audit_log_free(log);
    return NULL;
}

int audit_log_reopen(struct audit_log *log, struct error *error)
{
    int fd;

    if (log->path == NULL)
        return 0;
    fd = open_file(log->path, error);
    if (fd < 0)
        return -1;
    close(log->fd);
    log->fd = fd;
    return 0;
}

void audit_log_free(struct audit_log *log)
{
    size_t i;

    if (log == NULL)
        return;
    for (i = 0; i < COUNT_OF(log->refusals) && (log->path == NULL || log->fd >= 0); i++)
        tell_suppressed(log, &log->refusals[i]);
    if (log->fd >= 0)
        close(log->fd);
    free(log->path);
    free(log);
}
