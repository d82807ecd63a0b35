/* SPDX-License-Identifier: MIT */
/*
 * A QEMU with a guest in it, simulated as far as vmplug can see: a monitor and an agent socket
 * that answer from a state, with QEMU's own checks and words. A test sets the state before the
 * first command, injects faults, and reads the state and the record of commands afterwards. A
 * command or argument that is not in QEMU's schema (schema.h) fails the test.
 */
#ifndef TESTS_FAKE_SIM_H
#define TESTS_FAKE_SIM_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/fake/fake.h"
#include "tests/fake/fault.h"
#include "tests/fake/server.h"

#define SIM_CPUS_MAX 32
#define SIM_DIMMS_MAX 32
#define SIM_NODES_MAX 32
#define SIM_CDROMS_MAX 4
#define SIM_FILE_MAX 65536
#define SIM_BLOCKS_MAX 512
#define SIM_PORTS_MAX 16
#define SIM_VIRTIO_MEMS_MAX 4
#define SIM_OST_MAX 4
#define SIM_TASKS_MAX 64
#define SIM_MIB (UINT64_C(1) << 20)
#define SIM_GIB (UINT64_C(1) << 30)
#define SIM_DIMM_BASE (4 * SIM_GIB) /* where memory devices go */

struct sim_ost {
    uint32_t source, status;
};

struct sim_cpu {
    bool present;
    char id[64]; /* "" of a boot vCPU */
    struct sim_ost ost;
};

struct sim_dimm {
    char id[64], backend[64];
    uint64_t addr, bytes;
    unsigned slot, node;
};

struct sim_virtio_mem {
    char id[64], backend[64];
    uint64_t addr, max_bytes, block_bytes;
    uint64_t requested_bytes, bytes; /* what QEMU asks for, what the guest has taken */
    unsigned node;
};

/* A CD-ROM drive. */
struct sim_cdrom {
    char id[64], node[64]; /* node: the medium's, "" without one */
    bool tray_open;
    bool locked; /* by the guest */
};

/* A machine type of some architecture. */
struct sim_board {
    const char *arch, *machine;
    const char *acpi;           /* its property; NULL: it has none */
    bool lacks_dimm, lacks_virtio_mem;
    const char *tree;           /* of tests/data/fdt, what dumpdtb writes; NULL: it has none */
};

extern const struct sim_board sim_q35, sim_microvm, sim_virt_arm, sim_virt_riscv, sim_pseries,
    sim_s390;

/* A block node, and the scsi-hd or virtio-blk-pci that uses it, if any. */
struct sim_disk {
    char node[64], file[512], driver[16];
    bool read_only, direct;
    char aio[16], write_cache[8];
    uint64_t bytes;
    uint64_t limits[6]; /* of block_set_io_throttle, in the order of its documentation */
    char id[64], bus[64], serial[64]; /* id is "" while no device uses it */
    bool virtio; /* a virtio-blk-pci uses it, and bus is that of a port */
    unsigned scsi_id, lun;
    bool seen; /* by the guest */
};

/* A PCI port or bridge and the bus behind it. */
struct sim_port {
    const char *type;
    char path[128], bus[64];
    const char *handler; /* the bus's hotplug-handler: ACPI; "": it takes nothing */
    bool off;            /* a port with hotplug=off */
    unsigned devices;
};

struct sim_vcpu {
    int64_t logical_id;
    bool online;
};

struct sim_block {
    uint64_t index;
    bool online;
    bool movable; /* put online by "online_movable" */
};

/* The guest's file that its agent has open: a disk's VPD page, or an attribute of a block. */
struct sim_file {
    int64_t handle; /* 0: none is open */
    unsigned char bytes[SIM_FILE_MAX];
    size_t size, at;
    uint64_t block;
    char attribute[16]; /* of a memory block: "state" or "valid_zones"; "": another file */
    char written[64];   /* and not flushed yet */
};

/* How the guest takes what is plugged in. */
struct sim_guest {
    struct sim_ost ost[SIM_OST_MAX]; /* what it answers to each, in turn */
    unsigned ost_count;
    struct sim_ost eject[SIM_OST_MAX]; /* to each ejection, in turn; the last one decides */
    unsigned eject_count;
    bool ignores_eject;    /* it is frozen, or knows no ACPI */
    bool keeps_showing;    /* what was ejected */
    const char *mounts;    /* guest-get-fsinfo's answer; NULL: nothing is mounted */
    const char *swaps;     /* its /proc/swaps; NULL: it has none */
    const char *more_disks; /* rows of guest-get-disks beside QEMU's disks: LVM, RAID */
    const char *flush_error; /* of a block's state; NULL: it is taken */
    double ost_delay_ms;   /* before each of these answers */
    bool ost_unheard;      /* the events are lost; QEMU's table has the last word all the same */
    bool ignores;          /* it never shows what was plugged in */
    bool onlines;          /* by itself, without the agent */
    bool set_does_nothing; /* guest-set-… claims success */
    bool tells_serials;    /* guest-get-disks */
    bool has_vpd;          /* /sys/block/…/device/vpd_pg80 can be read */
    uint64_t virtio_mem_kept_bytes;    /* what it can't give back of a virtio-mem */
    uint64_t virtio_mem_offline_bytes; /* with so much offline it takes no more; 0: no limit */
    const char *block_response; /* of guest-set-memory-blocks, NULL: "success" */
    struct sim_vcpu vcpus[SIM_CPUS_MAX];
    unsigned vcpu_count;
    uint64_t block_bytes;
    struct sim_block blocks[SIM_BLOCKS_MAX];
    unsigned block_count;
    bool opens_trays;    /* that it has locked, when QEMU asks it to */
    bool forgives;       /* files that it has not, left open or not open: no failed test */
    bool has_no_drives;  /* /dev/sr0, for lack of a driver */
    struct sim_file file;
    json_t *files; /* path -> text, or null: it is not there */
};

/* What the guest has been asked for, and not answered to yet. */
struct sim_task {
    bool ejecting, is_cpu;
    unsigned slot;
    unsigned told; /* answers given */
};

struct sim {
    struct server qmp, agent;
    bool greets;       /* else the monitor stays silent, as when another client holds it */
    bool agent_hangs;
    bool event_first;  /* ACPI_DEVICE_OST before the reply that it belongs to */
    bool has_cpus;     /* query-hotpluggable-cpus */
    bool has_ost;      /* query-acpi-ospm-status and the event */
    bool kvm;
    const struct sim_board *board;
    unsigned major;    /* of QEMU's version */
    bool single_threaded; /* all vCPUs are one host thread */
    bool migrating;
    const char *run_state; /* NULL: running; how the guest takes that is up to the test */
    const char *unplug_error; /* event by which a board without _OST says that the guest refused:
                                 DEVICE_UNPLUG_GUEST_ERROR or MEM_UNPLUG_ERROR; NULL: none */
    struct sim_cpu cpus[SIM_CPUS_MAX];
    unsigned cpu_count;
    unsigned vcpus_per_slot; /* a slot may be a core of several */
    uint64_t base_bytes, max_bytes;
    unsigned slots;
    struct sim_dimm dimms[SIM_DIMMS_MAX];
    unsigned dimm_count;
    struct sim_ost dimm_ost[SIM_DIMMS_MAX];
    json_t *objects;   /* id -> object-add's arguments; the machine's own pc.ram goes without */
    uint64_t balloon_bytes; /* what it leaves; 0: there is none */
    char numa_backend[64]; /* of a NUMA node: in use without a device */
    struct sim_disk disks[SIM_NODES_MAX];
    unsigned disk_count;
    unsigned scsi_count; /* virtio-scsi-pci "scsi0", "scsi1", … */
    json_t *types;     /* QOM path -> type, of devices that a test makes up */
    struct sim_virtio_mem virtio_mems[SIM_VIRTIO_MEMS_MAX];
    unsigned virtio_mem_count;
    struct sim_port ports[SIM_PORTS_MAX];
    unsigned port_count;
    struct sim_cdrom cdroms[SIM_CDROMS_MAX]; /* on another bus */
    unsigned cdrom_count;
    struct sim_guest guest;
    json_t *disabled;  /* agent commands: name -> true */

    struct faults faults;
    json_t *record[2]; /* every command received, by side */

    /* Called for each command before it is carried out; may be NULL. */
    void (*on_command)(void *user, struct sim *sim, enum sim_side side, const char *command);
    void *user;

    /* Called after what may have changed the state, before it is told; may be NULL. */
    void (*on_change)(void *user, struct sim *sim);

    /* A program: a client's mistakes are answered as QEMU does. Else they are vmplug's, and fail
     * the test. */
    bool lenient;
    bool negotiated; /* qmp_capabilities came */
    bool quit;       /* and so did that */

    struct sim_task tasks[SIM_TASKS_MAX]; /* the guest's, one after the other */
    unsigned task_count;
};

/* q35 with 2 of 4 vCPUs, 256 MiB in 2 blocks of at most 4 GiB, 4 slots, a virtio-scsi bus without
 * disks; the guest answers 1/0 at once, shows all, and leaves it to the agent to put it online. */
struct sim *sim_new(void);

/* The same with sockets at these paths; agent_path NULL: it has none. */
struct sim *sim_new_at(const char *qmp_path, const char *agent_path);

/* Another size than that; before anything is plugged in. The guest has its memory in blocks of
 * guest.block_bytes. */
void sim_resize(struct sim *sim, unsigned cpus, unsigned max_cpus, uint64_t base_bytes,
                uint64_t max_bytes, unsigned slots);

/* All that there is, as a new value. */
json_t *sim_state(const struct sim *sim);

/* Both sockets, as a process; see fake_serve(). Writes two. */
void sim_actors(struct sim *sim, struct fake_actor actors[2]);

/* Frees. */
void sim_end(struct sim *sim);

/* fault_add(&sim->faults, fault) */
void sim_fault(struct sim *sim, struct fault fault);
void sim_disable(struct sim *sim, const char *agent_command);

/* Adds a vCPU, a DIMM, a disk or a CD-ROM drive (file: what is in it, or NULL) that is there from
 * the beginning, and that the guest has online. The vCPU goes into the first slot behind those
 * that are taken. */
void sim_put_cpu(struct sim *sim, const char *id);
void sim_put_dimm(struct sim *sim, const char *id, uint64_t addr, uint64_t bytes);
void sim_put_disk(struct sim *sim, const char *id, const char *serial, unsigned lun);
void sim_put_cdrom(struct sim *sim, const char *id, const char *file);

/* Adds a virtio-mem that is there from the beginning, still empty. */
struct sim_virtio_mem *sim_put_virtio_mem(struct sim *sim, const char *id, uint64_t addr,
                                          uint64_t max_bytes);

/* Adds a PCI port or bridge by its QOM path, with a free bus behind it. */
struct sim_port *sim_put_port(struct sim *sim, const char *type, const char *path,
                              const char *bus);

/* Adds a memory backend or a block node that nobody uses. */
void sim_leave_backend(struct sim *sim, const char *id);
void sim_leave_node(struct sim *sim, const char *name);

/* Whether one of the guest's files is open. Opening a second one fails the test. */
bool sim_has_file_open(const struct sim *sim);

/* Closes both connections and listens no more. */
void sim_die(struct sim *sim);

/* The machine is reset: the guest forgets what it was asked for. */
void sim_reset(struct sim *sim);

/* The guest's kernel panics: QEMU says so, and nobody in the guest does anything any more. */
void sim_panic(struct sim *sim);

/* How often a command came, and its arguments the last time (borrowed; NULL: never). */
unsigned sim_count(const struct sim *sim, enum sim_side side, const char *command);
const json_t *sim_arguments(const struct sim *sim, enum sim_side side, const char *command);

/* How many commands came that change QEMU or the guest. */
unsigned sim_changes(const struct sim *sim);

struct sim_dimm *sim_find_dimm(struct sim *sim, const char *id);
struct sim_disk *sim_find_disk(struct sim *sim, const char *id);
struct sim_virtio_mem *sim_find_virtio_mem(struct sim *sim, const char *id);
struct sim_disk *sim_find_node(struct sim *sim, const char *node);
struct sim_cdrom *sim_find_cdrom(struct sim *sim, const char *id);

#endif
