/* SPDX-License-Identifier: MIT */
/* The kinds of objects that manifests are made of, and which of them vmplug takes. */
#ifndef MANIFEST_KIND_H
#define MANIFEST_KIND_H

#include "manifest/document.h"

/* Characters; Kubernetes has 253, and a file system 255 with all that is around it. */
#define KIND_NAME_MAX 220

enum kind {
    KIND_VIRTUAL_MACHINE,
    KIND_KUBEVIRT,
    KIND_CLAIM,       /* PersistentVolumeClaim */
    KIND_VOLUME,      /* PersistentVolume */
    KIND_DATA_VOLUME, /* DataVolume */
    KINDS_            /* how many there are */
};

/* "VirtualMachine", "kubevirt.io/v1". */
const char *kind_name(enum kind kind);
const char *kind_api(enum kind kind);

/* Returns 0, or -1 with ERROR_INVALID: it is no name of such an object, nor of a file with it. */
int kind_check_name(enum kind kind, const char *name, struct error *error);

/* Which one a document is, by its kind and apiVersion. *ret_name is its metadata.name, borrowed, or
 * what it goes by where the kind has only one, or NULL. Returns 0, or -1 with ERROR_INVALID: it is
 * none of these, or its name is none. */
int kind_of(const struct document *document, enum kind *ret_kind, const char **ret_name,
            struct error *error);

#endif
