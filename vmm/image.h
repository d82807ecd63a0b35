/* SPDX-License-Identifier: MIT */
/*
 * A disk image: on the host, looked at before QEMU is asked to open it, or on an NBD server.
 *
 * Its format is never guessed from content alone: a guest that can write to a raw image can write
 * a qcow2 header into it, with a backing file of its choice, and whoever believes it hands the
 * guest a file of the host. So the name, which the guest can't change, has the last word:
 *
 *   name ends in   content is qcow2   content is not
 *   .qcow2         qcow2              refused: not a qcow2 image
 *   .raw, .iso     raw (noted)        raw
 *   anything else  refused: say which raw
 */
#ifndef VMM_IMAGE_H
#define VMM_IMAGE_H

#include <limits.h>
#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "vmm/nbd.h"

struct image {
    char path[PATH_MAX]; /* absolute: QEMU's working directory is not ours; or the NBD URI */
    const char *format;  /* "raw" or "qcow2", or what the caller said */
    bool block_device;   /* of the host */
    bool header_ignored; /* taken as raw although it begins like qcow2 */
    bool remote;         /* behind nbd */
    struct nbd nbd;
};

/* Looks at file. format is NULL or what the user said, which is then believed. An NBD URI (see
 * vmm/nbd.h) is read and no more, and is raw unless the user said something else. Returns 0, or -1
 * with ERROR_BLOCKED: it does not exist, is not readable (unless read_only also not writable), is
 * no regular file or block device, or its format is ambiguous; with ERROR_INVALID: its path or its
 * format is not UTF-8, or it is no well-formed URI. */
int image_inspect(const char *file, const char *format, bool read_only, struct image *ret,
                  struct error *error);

/* The arguments of blockdev-add that open the image under this node name; a new reference. */
json_t *image_node(const struct image *image, const char *node_name, bool read_only);

/* Has *node, which image_node() has made, pass the host's page cache by, and QEMU read and write in
 * this way ("native", "threads", "io_uring"; NULL: its own). Behind an NBD server neither means
 * anything. Without memory *node is NULL. */
void image_tune(json_t **node, const struct image *image, bool direct, const char *aio);

#endif
