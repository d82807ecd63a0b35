/* SPDX-License-Identifier: MIT */
#include "daemon/watch.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/cleanup.h"

#define ITS_OWN (IN_MOVE_SELF | IN_DELETE_SELF)
#define CHANGES                                                                         \
    (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | ITS_OWN | IN_ONLYDIR)
#define READ_BYTES 16384

struct directory {
    SLIST_ENTRY(directory) link;
    int number; /* inotify's */
    watch_fn *changed;
    void *user;
};

struct watch {
    struct ev_loop *loop;
    ev_io io;
    int fd;
    SLIST_HEAD(, directory) directories;
};

static struct directory *find(struct watch *watch, int number)
{
    struct directory *directory;

    SLIST_FOREACH(directory, &watch->directories, link) {
        if (directory->number == number)
            return directory;
    }
    return NULL;
}

static void tell_all(struct watch *watch)
{
    struct directory *directory;

    SLIST_FOREACH(directory, &watch->directories, link)
        directory->changed(directory->user, NULL);
}

static void take(struct watch *watch, const struct inotify_event *event)
{
    struct directory *directory = find(watch, event->wd);

    if ((event->mask & IN_Q_OVERFLOW) != 0) {
        tell_all(watch);
    } else if (directory != NULL && (event->mask & IN_IGNORED) != 0) {
        SLIST_REMOVE(&watch->directories, directory, directory, link);
        free(directory);
    } else if (directory != NULL && (event->mask & ITS_OWN) != 0) {
        directory->changed(directory->user, WATCH_ITSELF);
    } else if (directory != NULL && event->len > 0 &&
               /* a file that was made is told once it has been written */
               ((event->mask & IN_CREATE) == 0 || (event->mask & IN_ISDIR) != 0)) {
        directory->changed(directory->user, event->name);
    }
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    struct watch *watch = io->data;
    char buffer[READ_BYTES] __attribute__((aligned(__alignof__(struct inotify_event))));
    const struct inotify_event *event;
    ssize_t size = read(watch->fd, buffer, sizeof(buffer)), at;

    (void)loop;
    (void)events;
    for (at = 0; at < size; at += (ssize_t)(sizeof(*event) + event->len)) {
        event = (const struct inotify_event *)(const void *)(buffer + at);
        take(watch, event);
    }
}

struct watch *watch_new(struct ev_loop *loop, struct error *error)
{
    struct watch *watch = calloc(1, sizeof(*watch));

    if (watch == NULL) {
        (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
        return NULL;
    }
    watch->loop = loop;
    SLIST_INIT(&watch->directories);
    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch->fd < 0) {
        (void)error_set_errno(error, ERROR_SYSTEM, errno,
                              "raise sysctl fs.inotify.max_user_instances",
                              "cannot watch directories");
        free(watch);
        return NULL;
    }
    ev_io_init(&watch->io, on_readable, watch->fd, EV_READ);
    watch->io.data = watch;
    ev_io_start(loop, &watch->io);
    return watch;
}

/* Whose watch is to end with an event IN_IGNORED. */
static void drop_those_before(const struct watch *watch, const struct directory *last)
{
    const struct directory *directory;

    SLIST_FOREACH(directory, &watch->directories, link) {
        if (directory != last && directory->changed == last->changed &&
            directory->user == last->user)
            (void)inotify_rm_watch(watch->fd, directory->number);
    }
}

int watch_add(struct watch *watch, const char *path, watch_fn *changed, void *user,
              struct error *error)
{
    int number = inotify_add_watch(watch->fd, path, CHANGES);
    struct directory *directory;

    if (number < 0)
        return error_set_errno(error, ERROR_SYSTEM, errno, "look whether it is there",
                               "cannot watch '%s'", path);
    directory = find(watch, number);
    if (directory == NULL) {
        directory = calloc(1, sizeof(*directory));
        if (directory == NULL) {
            (void)inotify_rm_watch(watch->fd, number);
            return error_set(error, ERROR_SYSTEM, "", "out of memory");
        }
        SLIST_INSERT_HEAD(&watch->directories, directory, link);
    }
    directory->number = number;
    directory->changed = changed;
    directory->user = user;
    drop_those_before(watch, directory);
    return 0;
}

void watch_free(struct watch *watch)
{
    struct directory *directory;

    if (watch == NULL)
        return;
    ev_io_stop(watch->loop, &watch->io);
    close(watch->fd);
    while ((directory = SLIST_FIRST(&watch->directories)) != NULL) {
        SLIST_REMOVE_HEAD(&watch->directories, link);
        free(directory);
    }
    free(watch);
}
