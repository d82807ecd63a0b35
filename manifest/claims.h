/* SPDX-License-Identifier: MIT */
/* Which file a volume is: from claim to PersistentVolume to a path on this host. */
#ifndef MANIFEST_CLAIMS_H
#define MANIFEST_CLAIMS_H

#include <stddef.h>

#include "manifest/notes.h"
#include "manifest/objects.h"
#include "manifest/virtual_machine.h"

struct claims {
    struct objects *objects;
    const char *empty_directory; /* where emptyDisks are while the VM runs; NULL: nowhere */
};

/* Checks a PersistentVolumeClaim, a PersistentVolume or a DataVolume, as far as it is gone by
 * below; what its spec hardly ever has is noted. Returns 0, or -1 with ERROR_INVALID,
 * whose why begins with the place. */
int claims_check(const struct document *document, enum kind kind, struct notes *notes,
                 struct error *error);

/* Writes the path of the volume's file, at most size bytes. A claim is bound by its
 * spec.volumeName, or by a PersistentVolume whose spec.claimRef names it; that volume's hostPath or
 * local path is a file, or a directory with the file disk.img in it, as KubeVirt has it. A
 * DataVolume's claim has its name. Whether the file is there is not looked at. Returns 0, or -1
 * with ERROR_BLOCKED, whose fix says which object to give, or ERROR_SYSTEM. Not for
 * VOLUME_NO_MEDIUM. */
int claims_find_file(struct claims *claims, const struct volume *volume, char *path, size_t size,
                     struct error *error);

#endif
