/* SPDX-License-Identifier: MIT */
/*
 * From a manifest to QEMU's command line, with the room to grow that it declares. The same input
 * gives the same line; nothing is made or started.
 *
 * What QEMU always gets: virtio-scsi `scsi0`, a virtio-serial with the agent's channel, ports
 * `port1` to `port8` for virtio-blk disks to come (and one more for each that is there), two
 * monitors, a serial console. Room for memory is one virtio-mem, `vmplug-mem-room`, in a port of
 * its own, as KubeVirt has it: it grows and shrinks by as little as 2 MiB.
 */
#ifndef MANIFEST_LAUNCH_ARGUMENTS_H
#define MANIFEST_LAUNCH_ARGUMENTS_H

#include "manifest/argv.h"
#include "manifest/ceilings.h"
#include "manifest/claims.h"
#include "manifest/firmware.h"
#include "manifest/layout.h"
#include "manifest/volume_id.h"

#define LAUNCH_ARGUMENTS_ROOM "vmplug-mem-room"
#define LAUNCH_ARGUMENTS_PORTS 8 /* that are free after the launch */

struct launch_input {
    const struct virtual_machine *vm;
    const struct cluster *cluster;
    struct claims *claims;       /* its empty_directory is where emptyDisks will be */
    const struct layout *layout; /* where disks were */
    const struct store *store;   /* whose path the firmware's variables are below */
    const char *name;
    const char *directory; /* the VM's at run time, for sockets and the console's log */
};

/* Which board a VM is made for, and what that can do. */
struct launch_board {
    const char *architecture; /* "amd64" */
    const char *machine;      /* "q35", also what its versions' names hold */
    const char *qemu;         /* "qemu-system-x86_64" */
    const char *host;         /* … and what uname(2) calls a host of its own kind */
    bool adds_cpus;           /* while the guest runs */
    bool has_sata;
    bool always_efi;
};

/* By spec.template.spec.architecture, else by the machine type, else amd64. Returns 0, or -1 with
 * ERROR_INVALID. */
int launch_arguments_find_board(const struct virtual_machine *vm,
                                const struct launch_board **ret, struct error *error);

/* Does it start with UEFI: since the manifest says so, or since the board has nothing else? */
bool launch_arguments_wants_efi(const struct virtual_machine *vm,
                                const struct launch_board *board);

/* What QEMU calls this volume's device and block node. Returns text. */
const char *launch_arguments_volume_id(const struct volume *volume, char text[VOLUME_ID_MAX]);

/* Fills in *argv; argv_free() in any case. Image files are looked at, but for an emptyDisk and a
 * hostDisk that may be made. A ceiling that comes from a ratio or from the cluster is cut to what
 * the board can have; the VM's own is refused. A board that adds no vCPUs (arm64) has those of its
 * launch and no room for more. Returns 0, or -1 with ERROR_INVALID or ERROR_BLOCKED, whose why
 * begins with the path in the manifest where there is one, or ERROR_SYSTEM. */
int launch_arguments_make(struct argv *argv, const struct launch_input *input,
                          struct error *error);

/* ---- between the files of this part ---- */

/* Disks, the ports that they and further ones need, and the order that they boot in. */
int launch_arguments_add_disks(struct argv *argv, const struct launch_input *input,
                               const struct launch_board *board, struct error *error);

#endif
