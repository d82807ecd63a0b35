/* SPDX-License-Identifier: MIT */
/* Words that somebody chose for a device: whether they are well-formed, which needs no VM. */
#ifndef VMM_WORDS_H
#define VMM_WORDS_H

#include <stddef.h>

#include "base/error.h"

#define WORDS_ID_MAX 48     /* characters; no kind takes a longer one, and a disk fewer */
#define WORDS_SERIAL_MAX 36 /* the longest that fits into a SCSI disk's VPD page; virtio takes 20 */

/* An id as QEMU's id_wellformed() has it, a disk's serial, and a disk image's path or URI. Return
 * 0, or -1 with ERROR_INVALID. */
int words_check_id(const char *id, size_t length_max, struct error *error);
int words_check_serial(const char *serial, size_t length_max, struct error *error);
int words_check_file(const char *file, struct error *error);

#endif
