/* SPDX-License-Identifier: MIT */
/*
 * What QEMU and the guest say of a VM at one moment. Each part is asked for only when wanted.
 * A figure that could not be learnt has its `…_known` flag false: it is reported as null, never
 * guessed. All strings come from QEMU or the guest; the guest's are cut and checked.
 */
#ifndef VMM_INVENTORY_H
#define VMM_INVENTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "acpi/platform.h"
#include "acpi/topology.h"
#include "qmp/qapi.h"
#include "qmp/qga.h"
#include "qmp/qga_use.h"
#include "vmm/gather.h"

/* Until an agent that says nothing counts as absent: it is a process of a guest that may be busy
 * booting, and a person waits for the answer. */
#define INVENTORY_AGENT_SILENCE_MS 2000

#define INVENTORY_ID_MAX 128
#define INVENTORY_PATH_MAX 256
#define INVENTORY_SERIAL_MAX QGA_SERIAL_MAX

enum inventory_part {
    INVENTORY_MACHINE = 1 << 0, /* name, machine type, accelerator, run state, versions */
    INVENTORY_SLOTS = 1 << 1,   /* of vCPUs: what there is and what there can be */
    INVENTORY_MEMORY = 1 << 2,
    INVENTORY_DISKS = 1 << 3,
    INVENTORY_OSPM = 1 << 4,         /* brings the vm's _OST ledger up to date, and _SLOTS along
                                        when one of them has been emptied */
    INVENTORY_NAMES = 1 << 5,        /* ids in use: devices, objects, block nodes */
    INVENTORY_AGENT = 1 << 6,        /* whether it answers, and which commands it has */
    INVENTORY_GUEST_CPUS = 1 << 7,   /* guest-get-vcpus */
    INVENTORY_GUEST_MEMORY = 1 << 8, /* guest-get-memory-blocks, -block-info */
    INVENTORY_GUEST_DISKS = 1 << 9,  /* guest-get-disks */
    INVENTORY_ACCEL = 1 << 10,       /* of INVENTORY_MACHINE all that tells one QEMU from another */
    INVENTORY_GUEST_MOUNTS = 1 << 11, /* guest-get-fsinfo, and swap */
    INVENTORY_PCI = 1 << 12,          /* ports and bridges, and what sits on them */
    INVENTORY_GUEST_ZONES = 1 << 13,  /* of plugged memory; with _MEMORY and _GUEST_MEMORY */
    INVENTORY_OBJECTS = 1 << 14,      /* memory backends and block nodes, and whether they are used;
                                         with INVENTORY_MEMORY, whose devices use some */
    INVENTORY_GUEST_KERNEL = 1 << 15, /* guest-get-osinfo, and files of the guest */
    INVENTORY_BALLOON = 1 << 16,      /* query-balloon */
    INVENTORY_GUEST_MEMINFO = 1 << 17, /* of INVENTORY_GUEST_KERNEL how much memory is available */
    INVENTORY_PLATFORM = 1 << 18, /* what the board can grow, as far as these tell of it: _SLOTS of
                                     vCPUs, _DIMM, _VIRTIO_MEM; brings _OSPM along */
    INVENTORY_DIMM = 1 << 19,       /* whether QEMU knows pc-dimm */
    INVENTORY_VIRTIO_MEM = 1 << 20, /* and virtio-mem-pci */
    INVENTORY_THREADS = 1 << 21, /* of the vCPUs that there are, and of boot */
    INVENTORY_TYPE = 1 << 22,    /* of INVENTORY_MACHINE run state, architecture and machine type */
    INVENTORY_ALL = (1 << 23) - 1,

    INVENTORY_CPUS = INVENTORY_SLOTS | INVENTORY_THREADS,
    INVENTORY_BOARD = INVENTORY_PLATFORM | INVENTORY_CPUS | INVENTORY_DIMM | INVENTORY_VIRTIO_MEM,
};

struct inventory_machine {
    char name[INVENTORY_ID_MAX]; /* "" when QEMU was given none */
    char uuid[40];
    char state[32];   /* "running", "paused", … (QAPI RunState) */
    char machine[64]; /* "pc-q35-7.2" */
    char arch[32];
    char accel[16]; /* "kvm", else "tcg" */
    char qemu[32];  /* "7.2.22" */
};

/* One row of query-hotpluggable-cpus. */
struct inventory_cpu {
    unsigned slot; /* 0 is the first boot vCPU; rises in the order in which slots are filled */
    bool present;
    bool removable; /* present, and not slot 0 */
    char id[INVENTORY_ID_MAX]; /* of a vCPU plugged with one, else "" */
    char qom_path[INVENTORY_PATH_MAX];
    char type[64];       /* the driver for device_add */
    json_t *props;       /* as QEMU gave them, to be passed back as they are */
    unsigned vcpus_count; /* vCPUs in this slot: a core may be several */
    int64_t thread_id;   /* of its first vCPU on the host, 0 when unknown */
};

struct inventory_cpus {
    bool hotpluggable; /* the machine has query-hotpluggable-cpus */
    char reason[256];  /* QEMU's words when it has not */
    struct inventory_cpu *slots; /* in ascending slot order */
    size_t slot_count;
    struct topology_vcpu *vcpus; /* those of boot, in the order of their index */
    size_t boot_count;
    unsigned present; /* vCPUs, not slots */
    unsigned max;
    json_t *threads; /* of query-cpus-fast, or NULL */
};

struct inventory_memory_device {
    char id[INVENTORY_ID_MAX]; /* "" when it has none */
    char memdev[INVENTORY_PATH_MAX]; /* its backend's QOM path */
    char kind[24];             /* "dimm", "nvdimm", "virtio-mem", … (QAPI MemoryDeviceInfoKind) */
    uint64_t bytes;
    uint64_t reserved_bytes; /* of address space, from addr on */
    uint64_t requested_bytes, block_bytes; /* of a virtio-mem, else 0 */
    int slot; /* -1: has none */
    unsigned node;
    uint64_t addr;
    bool hotpluggable;
};

/* Where the guest has a block of plugged memory that is online. */
struct inventory_zone {
    size_t device; /* index among the memory devices */
    uint64_t block;
    bool known;
    bool movable;
};

struct inventory_memory {
    bool known;
    uint64_t base_bytes;
    uint64_t plugged_bytes;
    bool room_known; /* slots_total and max_bytes */
    uint64_t max_bytes;
    bool balloon_known;     /* there is one, and it answered */
    uint64_t balloon_bytes; /* what it leaves of base memory and DIMMs */
    unsigned slots_total;
    struct inventory_memory_device *devices;
    size_t device_count;
    struct inventory_zone *zones;
    size_t zone_count;
};

/* A virtio-scsi bus. */
struct inventory_bus {
    char name[INVENTORY_ID_MAX]; /* "scsi0.0", what device_add takes; "" for an HBA without */
    char path[INVENTORY_PATH_MAX];
};

/* Anything that sits on one of these buses, whether QEMU gave it a drive or not. */
struct inventory_scsi_device {
    SLIST_ENTRY(inventory_scsi_device) link;
    char path[INVENTORY_PATH_MAX]; /* QOM */
    char driver[32];               /* "scsi-hd", "scsi-cd", … */
    char bus[INVENTORY_ID_MAX];
    unsigned scsi_id;
    unsigned lun;
    char serial[INVENTORY_SERIAL_MAX];
};

SLIST_HEAD(inventory_scsi_device_list, inventory_scsi_device);

/* A disk or CD-ROM drive on any bus, with or without a medium. */
struct inventory_disk {
    char id[INVENTORY_PATH_MAX];  /* the device's id, or its QOM path when it has none */
    char qdev[INVENTORY_PATH_MAX]; /* what QMP's block commands call it */
    char bus[INVENTORY_ID_MAX];   /* "" when it is not on a bus that we know */
    bool on_scsi; /* bus, scsi_id and lun are set */
    unsigned scsi_id;
    unsigned lun;
    bool cdrom;
    bool floppy; /* in a complete inventory there is none */
    bool tray_open, locked;
    bool has_medium;
    char file[1024];
    char format[32];
    char node[64];
    uint64_t bytes;
    bool read_only;
    bool direct; /* the host's page cache is passed by */
    bool passed_through; /* a scsi-block */
    struct qapi_limits limits;
    char serial[INVENTORY_SERIAL_MAX];
};

struct inventory_disks {
    bool known;
    struct inventory_scsi_device_list scsi_devices;
    struct inventory_bus *buses;
    size_t bus_count;
    struct inventory_disk *disks;
    size_t disk_count;
};

/* The root bus of machine pc, or the bus behind a port or bridge. */
struct inventory_pci_bus {
    char name[INVENTORY_ID_MAX]; /* "port1", what device_add takes */
    char path[INVENTORY_PATH_MAX];
    bool express;      /* PCI Express: takes one device; else a bus of 32 slots */
    bool hotpluggable; /* takes a device while the guest runs */
    unsigned device_count;
};

struct inventory_pci {
    struct inventory_pci_bus *buses;
    size_t bus_count;
};

struct inventory_object {
    char name[INVENTORY_ID_MAX];
    bool used; /* by a device, the machine, another node, a job, an export, or nobody knows */
};

struct inventory_objects {
    bool backends_known, nodes_known;
    struct inventory_object *backends; /* memory-backend-… */
    size_t backend_count;
    struct inventory_object *nodes; /* block nodes that were given a name */
    size_t node_count;
    size_t container_count; /* backends asked so far */
};

struct inventory_board {
    bool acpi_off; /* the machine's property acpi */
    bool lacks_dimm, lacks_virtio_mem; /* QEMU knows no such device */
    struct platform platform;
    struct fdt_board *tree; /* as the guest booted with it; NULL: none, or it can't be had */
};

enum inventory_file_name {
    INVENTORY_FILE_CONFIG,      /* the kernel's configuration, CONFIG_…=y line by line */
    INVENTORY_FILE_MEMINFO,
    INVENTORY_FILE_ONLINING,    /* "offline", "online", "online_movable", …: of new memory */
    INVENTORY_FILE_REMOVABLE,   /* "1": the kernel can give memory back at all */
    INVENTORY_FILE_CPU_STATES,  /* there: the kernel takes CPUs on and off line */
    INVENTORY_FILE_ACPI_CPU,    /* "1": … and hears of new ones by ACPI */
    INVENTORY_FILE_ACPI_MEMORY, /* the same of memory */
    INVENTORY_FILE_ACPIPHP,     /* there: the kernel hears of PCI devices by ACPI */
    INVENTORY_FILE_PCIEHP,      /* there: … or by PCI Express itself */
    INVENTORY_FILE_VIRTIO_MEM,  /* there: the driver is loaded, else it may be yet */
    INVENTORY_FILES_            /* how many there are */
};

/* A file of the guest: its text, or known not to be there, or nothing is known. */
struct inventory_file {
    bool known;
    char *text; /* NULL: not there */
};

struct inventory_guest {
    bool wanted;    /* an agent socket was given */
    bool connected; /* and it answered */
    char reason[384]; /* why it did not */
    char version[32];
    json_t *commands; /* name -> enabled */
    bool cpus_known;
    struct qga_vcpu *cpus; /* in ascending logical_id order */
    size_t cpu_count;
    bool blocks_known;
    uint64_t block_bytes; /* 0: unknown */
    struct qga_memory_block *blocks;
    size_t block_count;
    bool disks_known;
    struct qga_disk *disks;
    size_t disk_count;
    struct qga_uses uses; /* of disks, as far as the agent tells */
    char kernel[64];      /* "6.1.0-13-amd64", "" when unknown */
    struct inventory_file files[INVENTORY_FILES_];
};

struct inventory {
    unsigned parts;
    bool migrating; /* with INVENTORY_NAMES: device_add and device_del are refused meanwhile */
    bool has_ost; /* query-acpi-ospm-status answered: this machine relays _OST */
    json_t *names; /* id -> true, of devices, objects and block nodes */
    struct inventory_machine machine;
    struct inventory_cpus cpus;
    struct inventory_memory memory;
    struct inventory_disks disks;
    struct inventory_pci pci;
    struct inventory_objects objects;
    struct inventory_board board;
    struct inventory_guest guest;
};

/* inventory is the caller's (free it with inventory_free()), or NULL with *error when QEMU could
 * not be asked. */
typedef void inventory_done_fn(void *user, struct inventory *inventory, const struct error *error);

struct inventory_fetch;

/* Asks QEMU and the agent for the parts (enum inventory_part, or'ed), all at once. done fires from
 * the pump, once, and within timeout_ms. A silent agent is given agent_timeout_ms and then reported
 * as absent; what a slow one has not said in timeout_ms is unknown. NULL with
 * ERROR_SYSTEM. Rests on QAPI query-name, -uuid, -status, -version, -target, -kvm,
 * -hotpluggable-cpus, -cpus-fast, -memory-size-summary, -memory-devices, -block,
 * -named-block-nodes, -acpi-ospm-status, -balloon, qom-list, qom-get, device-list-properties,
 * dumpdtb, x-debug-query-block-graph. */
struct inventory_fetch *inventory_fetch(struct vm *vm, unsigned parts, double timeout_ms,
                                        double agent_timeout_ms, inventory_done_fn *done,
                                        void *user, struct error *error);

/* done will not fire. Only before it did. */
void inventory_fetch_cancel(struct inventory_fetch *fetch);

void inventory_free(struct inventory *inventory);

/* The agent answered and lists this command as enabled. */
bool inventory_agent_has(const struct inventory *inventory, const char *command);

/* The same of all that it takes to read the guest's files. */
bool inventory_can_read_files(const struct inventory *inventory);

/* Memory comes and goes in multiples of it: the guest's block, and what the board insists on. Rests
 * on INVENTORY_BOARD, and knows the guest's by INVENTORY_GUEST_MEMORY. */
uint64_t inventory_memory_unit(const struct inventory *inventory);

/* Does the guest go by the machine that QEMU has? False, with the first difference, when the device
 * tree has another. Rests on INVENTORY_BOARD and INVENTORY_MEMORY; only with board.tree. */
bool inventory_topology_agrees(const struct inventory *inventory, char *why, size_t size);

/* The requests of a record (see vmm/record.h) that this inventory does not contradict: each has
 * "operation", "id", and "present", whether the device is there. An addition whose device is gone
 * is left out, and so is one of a vCPU or DIMM that the guest has online, as far as that is known,
 * and a removal that has ended and left nothing behind. Rests on INVENTORY_NAMES and
 * INVENTORY_CPUS. A new reference; NULL without memory. */
json_t *inventory_pending(const struct inventory *inventory, const json_t *record);

/* Is the device of this entry of a record there? Another one may have its id by now, at another
 * address or in another slot. Rests on INVENTORY_NAMES, _CPUS and _MEMORY, as far as they are
 * there. */
bool inventory_is_present(const struct inventory *inventory, const json_t *entry);

/* Taken by a device, an object or a block node. */
bool inventory_name_taken(const struct inventory *inventory, const char *id);

/* The memory device with this id, or NULL. */
const struct inventory_memory_device *inventory_find_memory(const struct inventory *inventory,
                                                            const char *id);

/* Can the memory device of this index be taken back? Writes why, or why not. False when it can't be
 * told, and *ret_can with it. Rests on INVENTORY_GUEST_ZONES and _BOARD. */
bool inventory_can_give_back(const struct inventory *inventory, size_t device, bool *ret_can,
                             char *reason, size_t size);

/* What to do where there is no virtio-scsi bus: the device is another one on each kind of board.
 * Rests on INVENTORY_ACCEL. */
const char *inventory_scsi_fix(const struct inventory *inventory);

/* The drive with this id, NULL when there is none. */
const struct inventory_disk *inventory_find_drive(const struct inventory *inventory,
                                                  const char *id);

/* The guest's name of a disk, "/dev/sda", where it is certain: by serial, or by a LUN that no other
 * has where the agent gives no serials. NULL when it is not. */
const char *inventory_guest_disk_name(const struct inventory *inventory,
                                      const struct inventory_disk *disk);

/* Had the guest this disk when it was asked? A name is used again at once: it is another disk where
 * LUN or serial are told and differ. */
bool inventory_guest_had(const struct inventory *inventory, const struct qga_disk *disk);

/* Is this the guest's disk of that serial? udev's ID_SERIAL, which the agent gives, has vendor and
 * model before a scsi-hd's own. */
bool inventory_disk_has_serial(const struct qga_disk *disk, const char *serial);

/* Memory that the guest could use without swapping (Linux' MemAvailable). False when it did not
 * tell. */
bool inventory_guest_available(const struct inventory *inventory, uint64_t *ret_bytes);

/* vCPUs that the guest has online, or -1 when it was not asked or did not say. */
int inventory_cpus_online(const struct inventory *inventory);

/* How many of this present slot's vCPUs the guest has online, or -1 when that can't be told. The
 * guest numbers CPUs by itself; both sides' order is taken for the same, which is true of vCPUs
 * that were there at boot, and of later ones as long as slots were filled upwards. */
int inventory_slot_online(const struct inventory *inventory, const struct inventory_cpu *cpu);

/* Bytes of [addr, addr + bytes) that the guest has online. False when that can't be known. */
bool inventory_bytes_online(const struct inventory *inventory, uint64_t addr, uint64_t bytes,
                            uint64_t *ret_bytes);

/* Bytes of this memory device, and of all memory, that the guest has online. Blocks where QEMU has
 * no memory are not counted, as far as the board's device tree tells (INVENTORY_BOARD). A block
 * may hold less of a virtio-mem than its size: false also when it can't be told which. */
bool inventory_device_online(const struct inventory *inventory,
                             const struct inventory_memory_device *device, uint64_t *ret_bytes);
bool inventory_memory_online(const struct inventory *inventory, uint64_t *ret_bytes);

#endif
