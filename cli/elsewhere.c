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

#define BUILT "/.libs/vmplug" /* by libtool, which leaves what needs no library of ours above it */

static size_t count_arguments(const char *const *arguments)
{
    size_t count = 0;

    while (arguments[count] != NULL)
        count++;
    return count;
}

/* Returns only when it can't become it. */
static void become(const char *program, const char *const *argv)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path));
    ssize_t above = length - (ssize_t)strlen(BUILT);
    char built[PATH_MAX + NAME_MAX], installed[PATH_MAX];

    if (above > 0 && length < (ssize_t)sizeof(path) &&
        memcmp(path + above, BUILT, strlen(BUILT)) == 0) {
        (void)snprintf(built, sizeof(built), "%.*s/%s", (int)above, path, program);
        (void)execv(built, (char *const *)argv);
    }
    (void)snprintf(installed, sizeof(installed), PKGLIBEXECDIR "/%s", program);
    (void)execv(installed, (char *const *)argv);
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
