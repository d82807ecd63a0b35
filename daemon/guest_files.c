/* SPDX-License-Identifier: MIT */
#include "daemon/guest_files.h"

#include <string.h>

#include "qmp/field.h"

#define PREFIX "guest-file-"

/* Where it stands, or the count. */
static size_t find(const struct guest_files *files, const json_t *arguments)
{
    int64_t handle;
    size_t i = 0;

    if (!field_s64(arguments, "handle", &handle))
        return files->count;
    while (i < files->count && files->handles[i] != handle)
        i++;
    return i;
}

int guest_files_check(const struct guest_files *files, const char *command,
                      const json_t *arguments, struct error *error)
{
    if (strncmp(command, PREFIX, strlen(PREFIX)) != 0)
        return 0;
    if (strcmp(command, PREFIX "open") == 0)
        return files->count < GUEST_FILES_MAX
                   ? 0
                   : error_set(error, ERROR_LIMIT, "close one first",
                               "%d files of the guest are open already", GUEST_FILES_MAX);
    if (find(files, arguments) < files->count)
        return 0;
    return error_set(error, ERROR_BLOCKED, "", "no file with this handle was opened here");
}

void guest_files_note(struct guest_files *files, const char *command, const json_t *arguments,
                      const json_t *value)
{
    size_t at;

    if (strcmp(command, PREFIX "open") == 0 && json_is_integer(value) &&
        files->count < GUEST_FILES_MAX)
        files->handles[files->count++] = json_integer_value(value);
    if (strcmp(command, PREFIX "close") != 0)
        return;
    at = find(files, arguments);
    if (at < files->count)
        files->handles[at] = files->handles[--files->count];
}

void guest_files_close(struct guest_files *files, struct vm *vm)
{
    while (files->count > 0)
        vm_close_guest_file(vm, files->handles[--files->count]);
}
