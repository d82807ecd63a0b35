/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
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

/* Beside this program, where both have just been built; else where it is installed. Returns only
 * when it can't become it. */
static void become(const char *const *argv)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - sizeof(MANIFEST_PROGRAM));
    char *slash;

    if (length > 0) {
        path[length] = '\0';
        slash = strrchr(path, '/');
        (void)strcpy(slash + 1, MANIFEST_PROGRAM); /* room was left for it */
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
