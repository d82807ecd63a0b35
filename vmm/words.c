/* SPDX-License-Identifier: MIT */
#include "vmm/words.h"

#include <string.h>

#include "vmm/nbd.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define CHARACTERS LETTERS "0123456789-._"

int words_check_id(const char *id, size_t length_max, struct error *error)
{
    size_t length = strlen(id);

    if (length > 0 && length <= length_max && strspn(id, CHARACTERS) == length &&
        strspn(id, LETTERS) > 0)
        return 0;
    return error_set(error, ERROR_INVALID,
                     "begin with a letter, go on with letters, digits, '-', '.' or '_'",
                     "'%s' is no id, which has 1 to %zu characters", id, length_max);
}

int words_check_serial(const char *serial, size_t length_max, struct error *error)
{
    size_t length = strlen(serial);

    if (length > 0 && length <= length_max && strspn(serial, CHARACTERS) == length)
        return 0;
    return error_set(error, ERROR_INVALID, "use letters, digits, '-', '.' and '_'",
                     "'%s' is no serial, which has 1 to %zu characters", serial, length_max);
}

/* What begins like http:// is no path that anybody means. */
int words_check_file(const char *file, struct error *error)
{
    size_t scheme = strspn(file, LETTERS "0123456789+-.");
    struct nbd nbd;

    if (nbd_is_uri(file))
        return nbd_parse(file, &nbd, error);
    if (*file == '\0')
        return error_set(error, ERROR_INVALID, "give a file on this host, or an nbd:// URI",
                         "FILE: the path is empty");
    if (scheme == 0 || strncmp(file + scheme, "://", 3) != 0)
        return 0;
    return error_set(error, ERROR_INVALID, "only files on this host and nbd:// URIs are known",
                     "FILE: %s is neither", file);
}
