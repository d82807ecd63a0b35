/* SPDX-License-Identifier: MIT */
#include "manifest/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"

/* Of our own, so that two who write at once do not write into one file. Should we end before it is
 * renamed, it stays, and is not one that anybody reads. */
static void name_new(const char *name, char *text, size_t size)
{
    (void)snprintf(text, size, ".%s.%ld.new", name, (long)getpid());
}

static int write_all(int fd, const char *bytes, size_t size)
{
    ssize_t count;

    while (size > 0) {
        count = write(fd, bytes, size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -1;
        bytes += count;
        size -= (size_t)count;
    }
    return fsync(fd);
}

static int fail(const char *name, int errnum, struct error *error)
{
    return error_set_errno(error, ERROR_SYSTEM, errnum,
                           "make room or access there; what was stored before is as it was",
                           "cannot store %s", name);
}

int atomic_file_write(int directory, const char *name, const void *bytes, size_t size,
                      struct error *error)
{
    char temporary[ATOMIC_FILE_NAME_MAX + 32];
    AUTO_FD int fd = -1;
    int errnum;

    name_new(name, temporary, sizeof(temporary));
    fd = openat(directory, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fail(name, errno, error);
    if (write_all(fd, bytes, size) < 0 || renameat(directory, temporary, directory, name) < 0) {
        errnum = errno;
        (void)unlinkat(directory, temporary, 0);
        return fail(name, errnum, error);
    }
    if (fsync(directory) < 0)
        return error_set_errno(error, ERROR_SYSTEM, errno, "do it again",
                               "%s is stored, and may not outlive a power failure", name);
    return 0;
}

int atomic_file_remove(int directory, const char *name, struct error *error)
{
    if (unlinkat(directory, name, 0) < 0)
        return errno == ENOENT ? 0
                               : error_set_errno(error, ERROR_SYSTEM, errno, "",
                                                 "cannot remove %s", name);
    return fsync(directory) == 0 ? 0
                                 : error_set_errno(error, ERROR_SYSTEM, errno, "",
                                                   "cannot remove %s for good", name);
}
