/* SPDX-License-Identifier: MIT */
/* Where manifests come from: a file, a directory, or the standard input. */
#ifndef MANIFEST_FILES_H
#define MANIFEST_FILES_H

#include "base/error.h"
#include "manifest/document.h"

/* Puts the documents of what path names behind those of the list: a file, the *.yaml, *.yml and
 * *.json of a directory, in the order of their names and without what is in directories in it, or
 * "-", the standard input. A pipe is read to its end, and nothing further than it may be long.
 * Returns 0, or -1 with the errors of yaml_read(), or ERROR_INVALID for what can't be read or has
 * no document in it; the list is still to be freed. */
int files_read(struct document_list *list, const char *path, struct error *error);

/* The same of what is open already, and is called source in errors; it may have no document. */
int files_read_stream(struct document_list *list, const char *source, int fd,
                      struct error *error);

#endif
