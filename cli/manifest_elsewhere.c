/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/manifest_run.h"
#include "cli/report.h"

static size_t count_arguments(const struct invocation *invocation)
{
    size_t count = 0;

    while (invocation->arguments[count] != NULL)
        count++;
    return count;
}

#define BUILT "/.libs/vmplug" /* by libtool, which leaves what needs no library of ours above it */

/* Beside this program, where both have just been built; else where it is installed. Returns only
 * when it can't become it. */
static void become(const char *const *argv)
{
    char path[PATH_MAX + sizeof(MANIFEST_PROGRAM)];
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);
    size_t built = sizeof(BUILT) - 1;

    if (length > (ssize_t)built && memcmp(path + length - built, BUILT, built) == 0) {
        (void)strcpy(path + length - built, "/" MANIFEST_PROGRAM);
        (void)execv(path, (char *const *)argv);
    }
    (void)execv(PKGLIBEXECDIR "/" MANIFEST_PROGRAM, (char *const *)argv);
}

int manifest_run(struct invocation *invocation)
{
    size_t count = count_arguments(invocation);
    AUTO_FREE const char **argv = calloc(count + 2, sizeof(*argv));
    struct error error = ERROR_INIT;

    if (argv == NULL)
        return 1;
    argv[0] = "vmplug";
    memcpy(argv + 1, invocation->arguments, count * sizeof(*argv));
    become(argv);
    (void)error_set_errno(&error, ERROR_SYSTEM, errno, "install all of vmplug",
                          "cannot run " PKGLIBEXECDIR "/" MANIFEST_PROGRAM);
    return report_failure(invocation, VERDICT_ERROR, &error);
}
