/* SPDX-License-Identifier: MIT */
#include "manifest/store.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "manifest/atomic_file.h"
#include "manifest/limits.h"
#include "manifest/yaml_read.h"
#include "manifest/yaml_write.h"
#include "qmp/field.h"

#define LOCK "lock"
#define LOCK_PATIENCE_MS 10000
#define LOCK_RETRY_MS 10
#define SUFFIX ".yaml"
#define READ_BYTES 4096
#define MEND "remove the file, and apply the manifest again"

/* Its length; what does not fit has been cut. */
static int find_path(char *text, size_t size)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

    if (state != NULL && state[0] == '/')
        return snprintf(text, size, "%s/vmplug", state);
    if (geteuid() != 0 && home != NULL && home[0] == '/')
        return snprintf(text, size, "%s/.local/state/vmplug", home);
    return snprintf(text, size, "/var/lib/vmplug");
}

/* ---- the directory ---- */

/* One that is there already is as good. A new one outlives a power failure. */
static int make_directory(int parent, const char *path)
{
    char outer[PATH_MAX];
    AUTO_FD int fd = -1;

    if (mkdirat(parent, path, 0700) < 0)
        return errno == EEXIST ? 0 : -1;
    (void)snprintf(outer, sizeof(outer), "%s/..", path);
    fd = openat(parent, outer, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fsync(fd) : -1;
}

/* The directories above it, too, but for the first: a home that is not there is not ours to
 * make. */
static int make_directories(const char *path)
{
    AUTO_FREE char *copy = strdup(path);
    char *slash;

    if (copy == NULL)
        return -1;
    slash = strchr(copy + 1, '/');
    while (slash != NULL && (slash = strchr(slash + 1, '/')) != NULL) {
        *slash = '\0';
        if (make_directory(AT_FDCWD, copy) < 0)
            return -1;
        *slash = '/';
    }
    return make_directory(AT_FDCWD, copy);
}

static int check_owner(int fd, const char *path, struct error *error)
{
    struct stat status;

    if (fstat(fd, &status) == 0 && status.st_uid == geteuid() &&
        (status.st_mode & (S_IWGRP | S_IWOTH)) == 0)
        return 0;
    return error_set(error, ERROR_BLOCKED, "make it yours alone (chown, chmod 700), or set "
                     "XDG_STATE_HOME", "%s: others may write there", path);
}

int store_open(struct store *store, const char *path, bool make, struct error *error)
{
    size_t size = sizeof(store->path);
    int length;

    *store = (struct store){.directory = -1, .lock = -1, .patience_ms = LOCK_PATIENCE_MS};
    length = path != NULL ? snprintf(store->path, size, "%s", path) : find_path(store->path, size);
    if (length < 0 || (size_t)length >= size)
        return error_set(error, ERROR_INVALID, "set XDG_STATE_HOME to a shorter one",
                         "the path of the directory for manifests is too long: %.80s…",
                         store->path);
    if (make && make_directories(store->path) < 0)
        return error_set_errno(error, ERROR_SYSTEM, errno, "make room or access there",
                               "cannot make %s", store->path);
    store->directory = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->directory < 0 && errno == ENOENT)
        return 0;
    if (store->directory < 0)
        return error_set_errno(error, ERROR_SYSTEM, errno, "", "cannot open %s", store->path);
    return check_owner(store->directory, store->path, error);
}

void store_close(struct store *store)
{
    store_unlock(store);
    if (store->directory >= 0)
        close(store->directory);
    store->directory = -1;
}

int store_lock(struct store *store, struct error *error)
{
    double until_ms = clock_now_ms() + store->patience_ms;

    store->lock = openat(store->directory, LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (store->lock < 0)
        return error_set_errno(error, ERROR_SYSTEM, errno, "make room or access there",
                               "cannot make %s/" LOCK, store->path);
    while (flock(store->lock, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK) {
            (void)error_set_errno(error, ERROR_SYSTEM, errno, "", "cannot lock %s", store->path);
            store_unlock(store);
            return -1;
        }
        if (clock_now_ms() >= until_ms) {
            store_unlock(store);
            return error_set(error, ERROR_BUSY, "let the other vmplug end first",
                             "another vmplug changes what %s has", store->path);
        }
        (void)clock_poll(NULL, 0, clock_now_ms() + LOCK_RETRY_MS);
    }
    return 0;
}

void store_unlock(struct store *store)
{
    if (store->lock >= 0)
        close(store->lock);
    store->lock = -1;
}

/* The kind's name in lower case. */
#define FOLDER_MAX 32
static const char *folder_of(enum kind kind, char text[FOLDER_MAX])
{
    size_t i;

    (void)snprintf(text, FOLDER_MAX, "%s", kind_name(kind));
    for (i = 0; text[i] != '\0'; i++)
        text[i] = (char)tolower((unsigned char)text[i]);
    return text;
}

/* The directory of a kind; -1 when it is not there. */
static int open_kind(const struct store *store, enum kind kind, bool make)
{
    char name[FOLDER_MAX];

    folder_of(kind, name);
    if (make && make_directory(store->directory, name) < 0)
        return -1;
    return store->directory < 0
               ? -1
               : openat(store->directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

#define FILE_MAX (KIND_NAME_MAX + sizeof(SUFFIX))

static int name_file(enum kind kind, const char *name, char text[FILE_MAX], struct error *error)
{
    if (kind_check_name(kind, name, error) < 0)
        return -1;
    (void)snprintf(text, FILE_MAX, "%.*s" SUFFIX, KIND_NAME_MAX, name);
    return 0;
}

/* ---- reading ---- */

static int read_file(int fd, struct buffer *text)
{
    ssize_t count;
    char *room;

    do {
        room = buffer_reserve(text, READ_BYTES);
        count = room != NULL ? read(fd, room, READ_BYTES) : -1;
        if (count < 0)
            return -1;
        buffer_commit(text, (size_t)count);
    } while (count > 0 && buffer_size(text) <= LIMITS_FILE_BYTES);
    return 0;
}

/* file: what it is called for the name of the object in it. */
static int parse(const char *path, const char *file, const char *bytes, size_t size,
                 enum kind kind, json_t **ret, struct error *error)
{
    struct document_list list = {0};
    const char *name;
    enum kind found;
    int status = yaml_read(&list, path, bytes, size, error);

    if (status == 0 && list.count != 1)
        status = error_set(error, ERROR_INVALID, MEND,
                           "%s: it holds %zu objects instead of one", path, list.count);
    if (status == 0)
        status = kind_of(&list.items[0], &found, &name, error);
    if (status == 0 && found != kind)
        status = error_set(error, ERROR_INVALID, MEND, "%s: it holds a %s", path,
                           kind_name(found));
    if (status == 0 && (name == NULL || strncmp(file, name, strlen(name)) != 0 ||
                        strcmp(file + strlen(name), SUFFIX) != 0))
        status = error_set(error, ERROR_INVALID, MEND, "%s: it holds '%.63s'", path,
                           name != NULL ? name : "");
    if (status == 0)
        *ret = json_incref(list.items[0].root);
    document_list_free(&list);
    return status;
}

static int load_at(const struct store *store, int directory, enum kind kind, const char *file,
                   json_t **ret, struct error *error)
{
    AUTO_FD int fd = openat(directory, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    char path[sizeof(store->path) + KIND_NAME_MAX + 64], folder[FOLDER_MAX];
    struct buffer text = {0};
    int status;

    *ret = NULL;
    if (fd < 0 && errno == ENOENT)
        return 0;
    (void)snprintf(path, sizeof(path), "%s/%s/%s", store->path, folder_of(kind, folder), file);
    if (fd < 0 || read_file(fd, &text) < 0)
        status = error_set_errno(error, ERROR_SYSTEM, errno, "", "cannot read %s", path);
    else
        status = parse(path, file, buffer_bytes(&text), buffer_size(&text), kind, ret, error);
    buffer_free(&text);
    return status;
}

int store_load(struct store *store, enum kind kind, const char *name, json_t **ret,
               struct error *error)
{
    AUTO_FD int directory = open_kind(store, kind, false);
    char file[FILE_MAX];

    *ret = NULL;
    if (name_file(kind, name, file, error) < 0)
        return -1;
    if (directory < 0)
        return 0;
    return load_at(store, directory, kind, file, ret, error);
}

bool store_read_name(const char *file, char *name, size_t size)
{
    size_t length = strlen(file), end = strlen(SUFFIX);

    if (file[0] == '.' || length <= end || length > KIND_NAME_MAX + end ||
        strcmp(file + length - end, SUFFIX) != 0)
        return false;
    (void)snprintf(name, size, "%.*s", (int)(length - end), file);
    return true;
}

static int is_object_file(const struct dirent *entry)
{
    char name[KIND_NAME_MAX + 1];

    return store_read_name(entry->d_name, name, sizeof(name));
}

static int take_file(struct store *store, int directory, enum kind kind, char *file,
                     json_t *objects, struct error *error)
{
    json_t *object;

    if (load_at(store, directory, kind, file, &object, error) < 0)
        return -1;
    file[strlen(file) - strlen(SUFFIX)] = '\0';
    if (object != NULL && json_object_set_new(objects, file, object) < 0)
        return error_set(error, ERROR_SYSTEM, "", "out of memory");
    return 0;
}

json_t *store_list(struct store *store, enum kind kind, struct error *error)
{
    AUTO_FD int directory = open_kind(store, kind, false);
    json_t *objects = json_object();
    struct dirent **entries = NULL;
    int count = 0, status = 0, i;

    if (objects == NULL) {
        (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
        return NULL;
    }
    if (directory >= 0)
        count = scandirat(directory, ".", &entries, is_object_file, alphasort);
    if (count < 0)
        status = error_set_errno(error, ERROR_SYSTEM, errno, "", "cannot list %s", store->path);
    for (i = 0; i < count; i++) {
        if (status == 0)
            status = take_file(store, directory, kind, entries[i]->d_name, objects, error);
        free(entries[i]);
    }
    free(entries);
    if (status == 0)
        return objects;
    json_decref(objects);
    return NULL;
}

json_t *store_names(struct store *store, enum kind kind, struct error *error)
{
    int fd = open_kind(store, kind, false);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;
    char name[KIND_NAME_MAX + 1];
    json_t *names = json_array();

    if (directory == NULL && fd >= 0)
        close(fd);
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        if (store_read_name(entry->d_name, name, sizeof(name)))
            field_append(&names, json_string(name));
    }
    if (directory != NULL)
        (void)closedir(directory);
    if (names == NULL)
        (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
    return names;
}

const char *store_folder(const struct store *store, enum kind kind, char *text, size_t size)
{
    char folder[FOLDER_MAX];

    (void)snprintf(text, size, "%s/%s", store->path, folder_of(kind, folder));
    return text;
}

/* ---- writing ---- */

/* What could not be read again, for its size or for what it is, is not stored. */
static int check(const char *file, const char *text, enum kind kind, struct error *error)
{
    json_t *again = NULL;
    int status = parse(file, file, text, strlen(text), kind, &again, error);

    json_decref(again);
    return status;
}

int store_save(struct store *store, enum kind kind, const char *name, const json_t *object,
               struct error *error)
{
    AUTO_FD int directory = -1;
    AUTO_FREE char *text = NULL;
    char file[FILE_MAX];

    if (name_file(kind, name, file, error) < 0)
        return -1;
    directory = open_kind(store, kind, true);
    if (directory < 0)
        return error_set_errno(error, ERROR_SYSTEM, errno, "make room or access there",
                               "cannot make a directory in %s", store->path);
    text = yaml_write(object);
    if (text == NULL)
        return error_set(error, ERROR_SYSTEM, "", "out of memory");
    if (check(file, text, kind, error) < 0)
        return -1;
    return atomic_file_write(directory, file, text, strlen(text), error);
}

int store_remove(struct store *store, enum kind kind, const char *name, struct error *error)
{
    AUTO_FD int directory = open_kind(store, kind, false);
    char file[FILE_MAX];

    if (name_file(kind, name, file, error) < 0)
        return -1;
    if (directory < 0)
        return 0;
    return atomic_file_remove(directory, file, error);
}
