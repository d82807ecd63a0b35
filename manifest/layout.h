/* SPDX-License-Identifier: MIT */
/*
 * Where a VM's disks are plugged, kept for its next launch, since a QEMU that is gone can't be
 * asked: layout/NAME.json in the store, {"devices": {ID: {"bus": "scsi0.0", "scsi-id": 0, "lun": 3}
 * or {"bus": "port2"}}}. So a disk that came while the VM ran has the same address after it is
 * launched again, and a guest the same name for it.
 *
 * Only disks of the manifest's (manifest/volume_id.h) are in it. What else can come while the VM
 * runs is not, because a launch makes it from the manifest: memory is base memory of the size that
 * the manifest says, and a virtio-mem with room for the rest; vCPUs are those of the manifest's
 * sockets. A transient disk (addvolume without --persist) and what was added by other means than
 * the manifest is gone.
 */
#ifndef MANIFEST_LAYOUT_H
#define MANIFEST_LAYOUT_H

#include <jansson.h>
#include <stdbool.h>

#include "manifest/store.h"
#include "vmm/inventory.h"
#include "vmm/vm.h"

struct layout {
    json_t *devices; /* id -> place; NULL: nothing is known */
};

/* Where a disk is. */
struct layout_place {
    char bus[INVENTORY_ID_MAX]; /* "scsi0.0", or the port of a virtio-blk */
    bool on_scsi;
    unsigned scsi_id, lun; /* on_scsi */
};

/* What was recorded of the VM; a file that is not there, or that nobody can read any more, is an
 * empty layout. layout_free() in any case. Returns 0, or -1 with ERROR_SYSTEM. */
int layout_load(struct layout *layout, const struct store *store, const char *name,
                struct error *error);

struct layout_learning;

/* layout is borrowed; NULL with a failure of qmp, or ERROR_SYSTEM. */
typedef void layout_learnt_fn(void *user, const struct layout *layout,
                              const struct error *failure);

/* What QEMU has now, of inventory (INVENTORY_DISKS), which is not kept; of each virtio-blk QEMU is
 * asked for its port (QMP qom-get). done is called once, from the vm's pumps, within timeout_ms.
 * What is returned is done's to forget: it is freed behind it. NULL with ERROR_SYSTEM, or an error
 * of qmp_client_submit(). */
struct layout_learning *layout_learn_start(struct vm *vm, const struct inventory *inventory,
                                           double timeout_ms, layout_learnt_fn *done, void *user,
                                           struct error *error);

/* done will not be called. Before it was; NULL is allowed. */
void layout_learn_cancel(struct layout_learning *learning);

/* Puts it in the place of what is recorded, with the store's lock. Returns 0, or -1 with
 * ERROR_SYSTEM: the old one is there as it was. */
int layout_save(const struct layout *layout, struct store *store, const char *name,
                struct error *error);

/* All of it, after something has changed: asks QEMU, for which it waits at most timeout_ms, takes
 * the store's lock, and records. To be called of a launched VM (run_directory_is_launched()):
 * nobody reads it of an adopted one. Returns 0, or -1 with an error of these, or ERROR_BUSY. */
int layout_record(struct vm *vm, struct store *store, const char *name, double timeout_ms,
                  struct error *error);

/* Forgets what is recorded. Returns 0, also when there is nothing, or -1 with ERROR_SYSTEM. */
int layout_remove(struct store *store, const char *name, struct error *error);

/* False when it is not in the layout. */
bool layout_find(const struct layout *layout, const char *id, struct layout_place *ret);

void layout_free(struct layout *layout);

#endif
