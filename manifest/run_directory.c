/* SPDX-License-Identifier: MIT */
#include "manifest/run_directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"

/* A lock of the open file, which those who inherit it hold together, and which can be asked for
 * without being taken (F_OFD_SETLK, fcntl(2)). */
static const struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

/* Whoever removes the directory removes the file, too, which then is no lock any more. */
static bool is_linked(int lock)
{
    struct stat status;

    return fstat(lock, &status) == 0 && status.st_nlink > 0;
}

int run_directory_lock(int directory, const char *name, int *ret_lock, struct error *error)
{
    AUTO_FD int lock = openat(directory, RUN_DIRECTORY_LOCK,
                              O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (lock < 0)
        return error_set_errno(error, ERROR_SYSTEM, errno, "make room or access there",
                               "cannot make the lock of the VM '%s'", name);
    if (fcntl(lock, F_OFD_SETLK, &whole) < 0 || !is_linked(lock)) {
        (void)error_set(error, ERROR_BLOCKED, "", "the VM '%s' runs", name);
        error_advise(error, "vmplug stop %s ends it; vmplug apply changes it while it runs", name);
        return -1;
    }
    *ret_lock = steal_fd(&lock);
    return 0;
}

bool run_directory_is_launched(const char *name, pid_t *ret_supervisor)
{
    AUTO_FD int directory = vm_directory_open(name, false, NULL);
    AUTO_FD int lock = -1;
    struct flock held = whole;
    char text[32] = "";

    if (directory >= 0)
        lock = openat(directory, RUN_DIRECTORY_LOCK, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (lock < 0 || fcntl(lock, F_OFD_GETLK, &held) < 0 || held.l_type == F_UNLCK)
        return false;
    if (ret_supervisor != NULL)
        *ret_supervisor = pread(lock, text, sizeof(text) - 1, 0) > 0
                              ? (pid_t)strtol(text, NULL, 10)
                              : 0;
    return true;
}

bool run_directory_is_adopted(int directory)
{
    struct stat status;

    return fstatat(directory, VM_DIRECTORY_QMP, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISLNK(status.st_mode);
}

static void remove_disks(int directory)
{
    int fd = openat(directory, RUN_DIRECTORY_DISKS,
                    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *disks = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;

    if (disks == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    while ((entry = readdir(disks)) != NULL)
        (void)unlinkat(fd, entry->d_name, 0);
    closedir(disks);
    (void)unlinkat(directory, RUN_DIRECTORY_DISKS, AT_REMOVEDIR);
}

void run_directory_clean(int directory)
{
    static const char *const names[] = {
        VM_DIRECTORY_QMP,     VM_DIRECTORY_QMP_2, VM_DIRECTORY_AGENT,
        VM_DIRECTORY_CONSOLE, VM_DIRECTORY_PID,
    };
    size_t i;

    for (i = 0; i < COUNT_OF(names); i++)
        (void)unlinkat(directory, names[i], 0);
    remove_disks(directory);
}

void run_directory_remove(int directory, const char *name)
{
    char path[VM_DIRECTORY_MAX];

    run_directory_clean(directory);
    (void)unlinkat(directory, RUN_DIRECTORY_LOG, 0);
    (void)unlinkat(directory, RUN_DIRECTORY_CONSOLE_LOG, 0);
    (void)unlinkat(directory, RUN_DIRECTORY_LOCK, 0);
    (void)rmdir(vm_directory_path(name, NULL, path, sizeof(path)));
}
