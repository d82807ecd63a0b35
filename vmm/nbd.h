/* SPDX-License-Identifier: MIT */
/*
 * Where a disk on the network is, as an NBD URI says it (the NBD project's doc/uri.md), as far as
 * QEMU can do without certificates:
 *
 *   nbd://host[:port]/export
 *   nbd+unix:///export?socket=PATH
 */
#ifndef VMM_NBD_H
#define VMM_NBD_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

#define NBD_EXPORT_MAX 1024

struct nbd {
    char host[256]; /* an IPv6 address has no brackets here; "": a Unix socket */
    char port[6];
    char socket[108]; /* absolute */
    char export_name[NBD_EXPORT_MAX]; /* "": the server's default */
};

/* It is meant to be such a URI, and no path. */
bool nbd_is_uri(const char *text);

/* Reads one; each of its parts percent-decoded, and none with control characters in it. Returns 0,
 * or -1 with ERROR_INVALID. */
int nbd_parse(const char *uri, struct nbd *ret, struct error *error);

/* The block node that reads from there, for blockdev-add; a new reference. */
json_t *nbd_node(const struct nbd *nbd);

#endif
