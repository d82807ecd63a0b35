/* SPDX-License-Identifier: MIT */
/*
 * What is taken of a manifest at most. They are larger than any manifest that means something, and
 * small enough that one which means harm is refused in no time.
 */
#ifndef MANIFEST_LIMITS_H
#define MANIFEST_LIMITS_H

#include <stddef.h>

#define LIMITS_FILE_BYTES ((size_t)1 << 20)
#define LIMITS_DEPTH 64       /* objects and lists that are one inside of the other */
#define LIMITS_VALUES 50000   /* in all documents of a file, with what aliases stand for */
#define LIMITS_TEXT_BYTES ((size_t)4 << 20) /* likewise, of strings and keys */
#define LIMITS_DOCUMENTS 1000 /* in all files of a directory */
#define LIMITS_ANCHORS 256    /* of a document */
#define LIMITS_DISKS 4096     /* of a VM, and volumes */

#endif
