/* SPDX-License-Identifier: MIT */
#include "vmm/held.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/record.h"

#define DIRECTORY "held"
#define SYSTEM_DIRECTORY "/run/vmplug"
#define ELSEWHERE "make room or access there, or set XDG_RUNTIME_DIR"

static void write_path(char path[PATH_MAX], const char *runtime_dir, const struct held_mark *mark)
{
    (void)snprintf(path, PATH_MAX, "%s/" DIRECTORY "/%" PRIx64 "-%" PRIx64, runtime_dir,
                   (uint64_t)mark->device, (uint64_t)mark->inode);
}

static bool read_mark(const char *path, struct held *ret)
{
    char text[sizeof(*ret) + 2];
    ssize_t size = readlink(path, text, sizeof(text) - 1);
    const char *space;

    if (size <= 0)
        return false;
    text[size] = '\0';
    space = strrchr(text, ' ');
    if (space == NULL || text[0] != '/' || (size_t)(space - text) >= sizeof(ret->api_socket) ||
        vm_directory_check_name(space + 1, NULL) < 0)
        return false;
    (void)snprintf(ret->api_socket, sizeof(ret->api_socket), "%.*s", (int)(space - text), text);
    (void)snprintf(ret->name, sizeof(ret->name), "%s", space + 1);
    return true;
}

static bool is_same(const struct held *one, const struct held *other)
{
    return strcmp(one->api_socket, other->api_socket) == 0 && strcmp(one->name, other->name) == 0;
}

/* ---- the daemon's ---- */

int held_make(struct held_mark *mark, const char *runtime_dir, const char *qmp_path,
              const struct held *held, struct error *error)
{
    struct held_mark made = {0};
    char path[PATH_MAX], directory[PATH_MAX], text[sizeof(*held) + 2];
    struct stat status;

    *mark = (struct held_mark){0};
    if (held->api_socket[0] != '/')
        return error_set(error, ERROR_INVALID, "give it from the root on",
                         "'%s' is no path for others", held->api_socket);
    if (stat(qmp_path, &status) < 0)
        return error_set_errno(error, ERROR_SYSTEM, errno, "", "cannot look at '%s'", qmp_path);
    made.device = status.st_dev;
    made.inode = status.st_ino;
    (void)snprintf(directory, sizeof(directory), "%s/" DIRECTORY, runtime_dir);
    if ((mkdir(runtime_dir, 0700) < 0 && errno != EEXIST) ||
        (mkdir(directory, 0755) < 0 && errno != EEXIST))
        return error_set_errno(error, ERROR_SYSTEM, errno, ELSEWHERE, "cannot make %s", directory);
    write_path(path, runtime_dir, &made);
    (void)snprintf(text, sizeof(text), "%s %s", held->api_socket, held->name);
    if ((unlink(path) < 0 && errno != ENOENT) || symlink(text, path) < 0)
        return error_set_errno(error, ERROR_SYSTEM, errno, ELSEWHERE, "cannot make %s", path);
    *mark = made;
    return 0;
}

void held_remove(struct held_mark *mark, const char *runtime_dir, const struct held *held)
{
    char path[PATH_MAX];
    struct held there;

    if (mark->inode == 0)
        return;
    write_path(path, runtime_dir, mark);
    if (read_mark(path, &there) && is_same(&there, held))
        (void)unlink(path);
    *mark = (struct held_mark){0};
}

/* ---- everyone else's ---- */

static bool find_in(const char *runtime_dir, const struct held_mark *mark, struct held *ret)
{
    char path[PATH_MAX];
    struct stat status;

    write_path(path, runtime_dir, mark);
    return lstat(path, &status) == 0 && (status.st_uid == 0 || status.st_uid == geteuid()) &&
           read_mark(path, ret);
}

bool held_find(const char *qmp_path, struct held *ret)
{
    char runtime[VM_DIRECTORY_MAX];
    struct held_mark mark;
    struct stat status;

    if (stat(qmp_path, &status) < 0)
        return false;
    mark = (struct held_mark){.device = status.st_dev, .inode = status.st_ino};
    return find_in(record_default_directory(runtime, sizeof(runtime)), &mark, ret) ||
           find_in(SYSTEM_DIRECTORY, &mark, ret);
}
