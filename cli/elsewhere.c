/* SPDX-License-Identifier: MIT */
#include "cli/elsewhere.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/report.h"

#define BY_LIBTOOL "/.libs" /* where it puts what needs a library of ours; the others stay above */

static size_t count_arguments(const char *const *arguments)
{
    size_t count = 0;

    while (arguments[count] != NULL)
        count++;
    return count;
}

/* The folder in which vmplug is, or was built. Returns 0, or -1. */
static int find_folder(char *path, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", path, size - 1);
    char *slash;

    if (length < 0)
        return -1;
    path[length] = '\0';
    slash = strrchr(path, '/');
    if (slash == NULL)
        return -1;
    *slash = '\0';
    slash = strrchr(path, '/');
    if (slash != NULL && strcmp(slash, BY_LIBTOOL) == 0)
        *slash = '\0';
    return 0;
}

/* Returns only when it can't become it. One that is not installed has the others beside it. */
static void become(const char *program, const char *const *argv)
{
    char folder[PATH_MAX], path[PATH_MAX + NAME_MAX];

    if (find_folder(folder, sizeof(folder)) == 0) {
        (void)snprintf(path, sizeof(path), "%s/%s", folder, program);
        (void)execv(path, (char *const *)argv);
    }
    (void)snprintf(path, sizeof(path), PKGLIBEXECDIR "/%s", program);
    (void)execv(path, (char *const *)argv);
}

int elsewhere_run(struct invocation *invocation, const char *program,
                  const char *const *arguments)
{
    size_t count = count_arguments(arguments);
    AUTO_FREE const char **argv = calloc(count + 2, sizeof(*argv));
    struct error error = ERROR_INIT;

    if (argv == NULL)
        return 1;
    argv[0] = "vmplug";
    memcpy(argv + 1, arguments, count * sizeof(*argv));
    become(program, argv);
    (void)error_set_errno(&error, ERROR_SYSTEM, errno, "install all of vmplug",
                          "cannot run " PKGLIBEXECDIR "/%s", program);
    return report_failure(invocation, VERDICT_ERROR, &error);
}
