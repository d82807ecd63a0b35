/* SPDX-License-Identifier: MIT */
#include "daemon/manifests.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "daemon/log.h"
#include "manifest/desired.h"
#include "manifest/files.h"
#include "qmp/codec.h"

#define SETTLE_SECONDS 0.02 /* a file that is written in pieces is taken once */
#define RETRY_SECONDS 0.2   /* while somebody else has the store */
#define LOOK_SECONDS 1.     /* while there is no directory */

struct manifests {
    struct ev_loop *loop;
    struct watch *watch;
    const char *path;
    json_t *waiting; /* names of files -> true, in the order in which they came */
    ev_timer timer;
    ev_timer look; /* active: it can't be read */
};

static bool is_manifest(const char *name)
{
    const char *suffix = strrchr(name, '.');

    return suffix != NULL && name[0] != '.' &&
           (strcmp(suffix, ".yaml") == 0 || strcmp(suffix, ".yml") == 0 ||
            strcmp(suffix, ".json") == 0);
}

static void set_timer(struct manifests *manifests, double seconds)
{
    ev_timer_stop(manifests->loop, &manifests->timer);
    ev_timer_set(&manifests->timer, seconds, 0);
    ev_timer_start(manifests->loop, &manifests->timer);
}

/* ---- one file ---- */

static void tell_notes(const char *path, const struct notes *notes)
{
    size_t i;

    for (i = 0; i < notes->count; i++)
        log_line(LOG_LEVEL_NOTICE, NULL, notes->lines[i], "file", path, NULL);
}

static int take_documents(const char *path, const struct document_list *list, struct error *error)
{
    struct desired desired;
    int status = desired_open(&desired, true, error);

    desired.store.patience_ms = 0;
    if (status == 0 && !desired_was_taken(&desired, list)) {
        status = desired_take(&desired, list, NULL, true, error);
        tell_notes(path, &desired.notes);
        if (status == 0)
            log_line(LOG_LEVEL_INFO, NULL, "a manifest is taken", "file", path, NULL);
    }
    desired_close(&desired);
    return status;
}

/* Returns 0, also when there is no such file any more, or nothing could be done about it; -1 when
 * it is to be tried again. */
static int take(const char *path)
{
    struct document_list list = {0};
    struct error error = ERROR_INIT;
    struct stat status;
    int taken;

    if (lstat(path, &status) < 0) {
        log_line(LOG_LEVEL_NOTICE, NULL, "a manifest has gone, and changes nothing", "file", path,
                 "fix", "vmplug forget makes the daemon let go of a VM", NULL);
        return 0;
    }
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
        return 0;
    taken = files_read(&list, path, &error);
    if (taken == 0)
        taken = take_documents(path, &list, &error);
    document_list_free(&list);
    if (taken == 0)
        return 0;
    if (error.code == ERROR_BUSY)
        return -1;
    log_error(LOG_LEVEL_ERROR, NULL, "a manifest is not taken", &error);
    return 0;
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct manifests *manifests = timer->data;
    void *first = json_object_iter(manifests->waiting);
    char path[PATH_MAX];

    (void)loop;
    (void)events;
    if (first == NULL)
        return;
    (void)snprintf(path, sizeof(path), "%s/%s", manifests->path, json_object_iter_key(first));
    if (take(path) < 0) {
        set_timer(manifests, RETRY_SECONDS);
        return;
    }
    (void)json_object_del(manifests->waiting, json_object_iter_key(first));
    if (json_object_size(manifests->waiting) > 0)
        set_timer(manifests, 0);
}

/* ---- all of them ---- */

static void wait_for(struct manifests *manifests, const char *name)
{
    if (is_manifest(name))
        (void)json_object_set_new(manifests->waiting, name, json_true());
    if (json_object_size(manifests->waiting) > 0)
        set_timer(manifests, SETTLE_SECONDS);
}

static void on_changed(void *user, const char *name);

static void take_all(struct manifests *manifests, struct dirent **entries, int count)
{
    int i;

    for (i = 0; i < count; i++) {
        wait_for(manifests, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

/* The directory may be another one by now. */
void manifests_rescan(struct manifests *manifests)
{
    int watched = watch_add(manifests->watch, manifests->path, on_changed, manifests, NULL);
    struct dirent **entries;
    int count = watched == 0 ? scandir(manifests->path, &entries, NULL, alphasort) : -1;

    if (count >= 0) {
        ev_timer_stop(manifests->loop, &manifests->look);
        take_all(manifests, entries, count);
    } else if (!ev_is_active(&manifests->look)) {
        log_line(LOG_LEVEL_WARNING, NULL, "the directory of manifests can't be read", "directory",
                 manifests->path, "why", strerror(errno), NULL);
        ev_timer_again(manifests->loop, &manifests->look);
    }
}

static void on_look(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    manifests_rescan(timer->data);
}

/* A directory or a link that is swapped, or this directory, may stand for any of the files. */
static void on_changed(void *user, const char *name)
{
    struct manifests *manifests = user;

    if (name != NULL && is_manifest(name))
        wait_for(manifests, name);
    else if (name == NULL || strcmp(name, WATCH_ITSELF) == 0 || strncmp(name, "..", 2) == 0)
        manifests_rescan(manifests);
}

struct manifests *manifests_new(struct ev_loop *loop, struct watch *watch, const char *path,
                                struct error *error)
{
    struct manifests *manifests = calloc(1, sizeof(*manifests));

    if (manifests != NULL)
        manifests->waiting = json_object();
    if (manifests == NULL || manifests->waiting == NULL) {
        free(manifests);
        (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
        return NULL;
    }
    manifests->loop = loop;
    manifests->watch = watch;
    manifests->path = path;
    ev_timer_init(&manifests->timer, on_timer, 0, 0);
    manifests->timer.data = manifests;
    ev_timer_init(&manifests->look, on_look, 0, LOOK_SECONDS);
    manifests->look.data = manifests;
    if (watch_add(watch, path, on_changed, manifests, error) < 0) {
        manifests_free(manifests);
        return NULL;
    }
    manifests_rescan(manifests);
    return manifests;
}

void manifests_free(struct manifests *manifests)
{
    if (manifests == NULL)
        return;
    ev_timer_stop(manifests->loop, &manifests->timer);
    ev_timer_stop(manifests->loop, &manifests->look);
    json_decref(manifests->waiting);
    free(manifests);
}
