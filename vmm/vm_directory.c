/* SPDX-License-Identifier: MIT */
#include "vmm/vm_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vmm/record.h"

#define ELSEWHERE "make room or access there, or set XDG_RUNTIME_DIR"
#define LETTERS "abcdefghijklmnopqrstuvwxyz0123456789"

int vm_directory_check_name(const char *name, struct error *error)
{
    size_t length = strlen(name);

    if (length == 0 || length > VM_NAME_MAX || strspn(name, LETTERS "-") != length ||
        name[0] == '-' || name[length - 1] == '-')
        return error_set(error, ERROR_INVALID,
                         "use at most 63 of a-z, 0-9 and -, with no - at either end",
                         "'%.80s' is no name for a VM", name);
    return 0;
}

const char *vm_directory_all(char *text, size_t size)
{
    char runtime[VM_DIRECTORY_MAX];

    (void)snprintf(text, size, "%s/vm",
                   record_default_directory(runtime, sizeof(runtime)));
    return text;
}

const char *vm_directory_path(const char *name, const char *file, char *text, size_t size)
{
    char all[VM_DIRECTORY_MAX];

    (void)snprintf(text, size, "%s/%s%s%s", vm_directory_all(all, sizeof(all)), name,
                   file != NULL ? "/" : "", file != NULL ? file : "");
    return text;
}

/* A step down, into a directory that nobody else may write to. */
static int step_into(int from, const char *name, bool make, struct error *error)
{
    AUTO_FD int fd = -1;
    struct stat status;

    if (make && mkdirat(from, name, 0700) < 0 && errno != EEXIST)
        return error_set_errno(error, ERROR_BLOCKED, errno, ELSEWHERE, "cannot make %s", name);
    fd = openat(from, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return error_set_errno(error, ERROR_BLOCKED, errno, ELSEWHERE, "cannot open %s", name);
    if (fstat(fd, &status) < 0 || status.st_uid != geteuid() ||
        (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        errno = EACCES;
        return error_set(error, ERROR_BLOCKED, "remove it, or set XDG_RUNTIME_DIR",
                         "%s is not ours alone", name);
    }
    return steal_fd(&fd);
}

int vm_directory_open(const char *name, bool make, struct error *error)
{
    char runtime[VM_DIRECTORY_MAX];
    AUTO_FD int top = step_into(AT_FDCWD, record_default_directory(runtime, sizeof(runtime)),
                                make, error);
    AUTO_FD int all = top >= 0 ? step_into(top, "vm", make, error) : -1;

    return all >= 0 ? step_into(all, name, make, error) : -1;
}

int vm_directory_find_socket(const char *name, const char *file, char *text, size_t size,
                             struct error *error)
{
    AUTO_FD int directory = vm_directory_open(name, false, error);
    struct stat status;
    bool there;

    if (directory < 0 && errno != ENOENT)
        return -1;
    there = directory >= 0 && fstatat(directory, file, &status, AT_SYMLINK_NOFOLLOW) == 0;
    /* The directory of one that has ended stays, with its logs. */
    if (directory < 0 || (!there && strcmp(file, VM_DIRECTORY_QMP) == 0))
        return error_set(error, ERROR_BLOCKED,
                         "see vmplug get vm; vmplug launch starts one, vmplug adopt names one",
                         "no VM '%s' runs here", name);
    if (!there)
        return error_set(error, ERROR_BLOCKED, "see vmplug get vm",
                         "the VM '%s' has no socket '%s'", name, file);
    (void)vm_directory_path(name, file, text, size);
    return 0;
}
