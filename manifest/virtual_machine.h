/* SPDX-License-Identifier: MIT */
/*
 * A KubeVirt VirtualMachine (kubevirt.io/v1), as far as vmplug acts on it. A manifest may say as
 * little as it likes: what it does not say has the value noted here, and `…_given` where that
 * matters. vmplug-manifest(5) has a row for every field.
 */
#ifndef MANIFEST_VIRTUAL_MACHINE_H
#define MANIFEST_VIRTUAL_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "manifest/document.h"
#include "manifest/notes.h"

#define VIRTUAL_MACHINE_API "kubevirt.io/v1"
#define VIRTUAL_MACHINE_SOCKETS_MAX 512 /* vCPUs in all, as KubeVirt has it */

/* What Kubernetes has no field for. */
#define ANNOTATION_QMP "vmplug/qmp-socket"
#define ANNOTATION_AGENT "vmplug/agent-socket"
#define ANNOTATION_API "vmplug/api-socket"
#define ANNOTATION_KERNEL "vmplug/kernel"
#define ANNOTATION_INITRD "vmplug/initrd"
#define ANNOTATION_CMDLINE "vmplug/cmdline"
#define ANNOTATION_ACCEL "vmplug/accel"
#define ANNOTATION_QEMU "vmplug/qemu"
#define ANNOTATION_LAST_APPLIED "vmplug/last-applied"

enum volume_device { VOLUME_DISK, VOLUME_LUN, VOLUME_CDROM };

enum volume_source {
    VOLUME_NO_MEDIUM,   /* a CD-ROM drive without a volume */
    VOLUME_CLAIM,       /* persistentVolumeClaim */
    VOLUME_DATA_VOLUME, /* dataVolume: the claim of its name */
    VOLUME_HOST_DISK,
    VOLUME_EMPTY_DISK,
    VOLUME_REFUSED, /* another kind, which only a cluster can provide: see `refusal` */
};

/* A disk of spec.template.spec.domain.devices.disks and the volume of its name. */
struct volume {
    const char *name;
    enum volume_device device;
    const char *bus;    /* "scsi", "virtio", "sata"; NULL: not said */
    const char *serial; /* NULL: not said */
    bool read_only;     /* of a CD-ROM always */
    unsigned boot_order; /* 0: not said */
    const char *cache;   /* "none", "writethrough", "writeback"; NULL: not said */
    const char *io;      /* "native", "threads", "io_uring"; NULL: not said */
    enum volume_source source;
    const char *source_name; /* the claim, or the hostDisk's path; NULL: none */
    const char *refusal;     /* VOLUME_REFUSED: "containerDisk" */
    uint64_t capacity_bytes; /* of an emptyDisk, and of a hostDisk that may be made; else 0 */
    bool may_make;           /* a hostDisk of type DiskOrCreate */
    bool hotpluggable;
    char disk_path[64];   /* "spec.template.spec.domain.devices.disks[1]" */
    char volume_path[64]; /* "spec.template.spec.volumes[1]", or "" */
};

enum run_strategy { RUN_ALWAYS, RUN_RERUN_ON_FAILURE, RUN_MANUAL, RUN_HALTED, RUN_ONCE };

struct virtual_machine {
    json_t *object;   /* what all strings belong to */
    const char *name; /* NULL: it has none */
    const char *qmp_path, *agent_path, *api_path;
    const char *kernel, *initrd, *cmdline;
    const char *accel, *qemu;
    enum run_strategy run_strategy; /* running: true is RUN_ALWAYS */
    bool run_given;
    struct {
        bool given; /* one of sockets, cores and threads */
        unsigned sockets, cores, threads; /* 1 if not said */
        unsigned max_sockets;             /* 0: not said */
        const char *model;
    } cpu;
    struct {
        uint64_t guest_bytes;     /* memory.guest, else what is requested, else the limit; or 0 */
        uint64_t max_guest_bytes; /* 0: not said */
        uint64_t hugepage_bytes;  /* 0: none */
        const char *path;         /* of the field that guest_bytes is from */
    } memory;
    bool volumes_given; /* false: nothing is said of disks, which stay as they are */
    struct volume *volumes;
    size_t volume_count;
    const char *machine;      /* "q35" */
    const char *architecture; /* "amd64", "arm64" */
    bool efi, secure_boot;
    const char *uuid;
    unsigned grace_seconds; /* terminationGracePeriodSeconds; 0 is a value, see grace_given */
    bool grace_given;
};

/* Reads the document. Fields that vmplug does not act on are noted, once each. whole: every disk
 * has its volume; else it is a part, to be merged with what is stored, and may say of one of the
 * two only. Returns 0, or -1 with ERROR_INVALID, whose why begins with the place; or ERROR_SYSTEM.
 * virtual_machine_free() in any case. */
int virtual_machine_read(struct virtual_machine *vm, const struct document *document, bool whole,
                         struct notes *notes, struct error *error);
void virtual_machine_free(struct virtual_machine *vm);

/* The volume of this name, or NULL. */
const struct volume *virtual_machine_find(const struct virtual_machine *vm, const char *name);

/* QEMU's words for caches: is the host's page cache passed by, and is the disk one with a cache of
 * its own to the guest ("on", "off"; NULL: not said)? */
bool virtual_machine_is_direct(const struct volume *volume);
const char *virtual_machine_write_cache(const struct volume *volume);

/* Characters of a disk's serial number that a guest sees on this bus; NULL: the default one. */
size_t virtual_machine_serial_max(const char *bus);

/* sockets x cores x threads */
unsigned virtual_machine_vcpus(const struct virtual_machine *vm);

#endif
