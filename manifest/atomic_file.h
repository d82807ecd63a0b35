/* SPDX-License-Identifier: MIT */
/* Files that are there whole or not at all, whatever ends in the middle of it. */
#ifndef MANIFEST_ATOMIC_FILE_H
#define MANIFEST_ATOMIC_FILE_H

#include <stddef.h>

#include "base/error.h"

/* Puts a file of these bytes, mode 0600, in the place of `name` in the directory: it is written
 * beside it, flushed to the disk and renamed, and so is the directory. After a failure, or a crash
 * at any step, the old file is there as it was; but when it was the directory that could not be
 * flushed, the new one is, and a crash may bring the old one back, which the error says. name is at
 * most ATOMIC_FILE_NAME_MAX bytes. Returns 0, or -1 with ERROR_SYSTEM. */
#define ATOMIC_FILE_NAME_MAX 230
int atomic_file_write(int directory, const char *name, const void *bytes, size_t size,
                      struct error *error);

/* Takes it away, and the directory knows it for good. One that is not there is no failure. */
int atomic_file_remove(int directory, const char *name, struct error *error);

#endif
