/* SPDX-License-Identifier: MIT */
#include "tests/live/remains.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"

pid_t remains_find_qemu(const char *dir)
{
    char path[192], arguments[16384];
    size_t length = 0;
    int pid = 0;
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/pid", dir);
    file = fopen(path, "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%d", &pid) != 1)
        pid = 0;
    fclose(file);
    (void)snprintf(arguments, sizeof(arguments), "/proc/%d/cmdline", pid);
    file = fopen(arguments, "re");
    if (file != NULL) {
        length = fread(arguments, 1, sizeof(arguments), file);
        fclose(file);
    }
    return memmem(arguments, length, path, strlen(path) + 1) != NULL ? pid : 0;
}

void remains_tell(const char *dir)
{
    AUTO_FREE char *line = NULL;
    char path[192];
    size_t size = 0;
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/qemu.log", dir);
    file = fopen(path, "re");
    print_error("QEMU has ended before it was stopped%s\n", file != NULL ? ":" : "");
    while (file != NULL && getline(&line, &size, file) >= 0)
        print_error("    %s", line);
    if (file != NULL)
        fclose(file);
}
