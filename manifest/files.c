/* SPDX-License-Identifier: MIT */
#include "manifest/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "manifest/limits.h"
#include "manifest/yaml_read.h"

static int cannot_read(const char *path, struct error *error)
{
    return error_set_errno(error, ERROR_INVALID, errno, "", "%.200s can't be read", path);
}

int files_read_stream(struct document_list *list, const char *source, int fd, struct error *error)
{
    AUTO_FREE char *text = malloc(LIMITS_FILE_BYTES + 1); /* one more shows that there is more */
    size_t size = 0;
    ssize_t got = 1;

    if (text == NULL)
        return error_set(error, ERROR_SYSTEM, "", "out of memory");
    while (got > 0 && size <= LIMITS_FILE_BYTES) {
        got = read(fd, text + size, LIMITS_FILE_BYTES + 1 - size);
        if (got < 0)
            return cannot_read(source, error);
        size += (size_t)got;
    }
    return yaml_read(list, source, text, size, error);
}

static int read_file(struct document_list *list, const char *path, struct error *error)
{
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return cannot_read(path, error);
    return files_read_stream(list, path, fd, error);
}

static int is_manifest(const struct dirent *entry)
{
    const char *suffix = strrchr(entry->d_name, '.');

    return suffix != NULL && suffix != entry->d_name &&
           (strcmp(suffix, ".yaml") == 0 || strcmp(suffix, ".yml") == 0 ||
            strcmp(suffix, ".json") == 0);
}

/* Not alphasort(), whose order is the locale's. */
static int compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_entry(struct document_list *list, const char *folder, const char *name,
                      struct error *error)
{
    AUTO_FREE char *path = NULL;
    struct stat status;

    if (asprintf(&path, "%s/%s", folder, name) < 0) {
        path = NULL;
        return error_set(error, ERROR_SYSTEM, "", "out of memory");
    }
    if (stat(path, &status) < 0)
        return cannot_read(path, error);
    return S_ISREG(status.st_mode) ? read_file(list, path, error) : 0;
}

static int read_folder(struct document_list *list, const char *folder, struct error *error)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, is_manifest, compare_names), status = 0, i;

    if (count < 0)
        return cannot_read(folder, error);
    for (i = 0; i < count; i++) {
        if (status == 0)
            status = read_entry(list, folder, entries[i]->d_name, error);
        free(entries[i]);
    }
    free(entries);
    return status;
}

int files_read(struct document_list *list, const char *path, struct error *error)
{
    const size_t before = list->count;
    struct stat found;
    int status;

    if (strcmp(path, "-") == 0)
        status = files_read_stream(list, "stdin", STDIN_FILENO, error);
    else if (stat(path, &found) == 0 && S_ISDIR(found.st_mode))
        status = read_folder(list, path, error);
    else
        status = read_file(list, path, error);
    if (status == 0 && list->count == before)
        return error_set(error, ERROR_INVALID, "give a file with apiVersion: and kind: in it",
                         "%.200s: no manifest in it", path);
    return status;
}
