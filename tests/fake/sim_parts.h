/* SPDX-License-Identifier: MIT */
/* Between sim.c, which moves messages, and the two sides that know what they mean. */
#ifndef TESTS_FAKE_SIM_PARTS_H
#define TESTS_FAKE_SIM_PARTS_H

#include "tests/fake/sim.h"

#define SIM_CPU_TYPE "qemu64-x86_64-cpu"

/* Carries a command out. Returns {"return": …} or {"error": …}, a new reference. */
json_t *sim_qmp_do(struct sim *sim, const char *command, const json_t *arguments);
json_t *sim_agent_do(struct sim *sim, const char *command, const json_t *arguments);

json_t *sim_return(json_t *value); /* value is taken over */
json_t *sim_error(const char *class_name, const char *desc, ...)
    __attribute__((format(printf, 2, 3)));

/* vmplug did what it must not: fails the test, or tells a lenient sim's client. */
json_t *sim_offence(const struct sim *sim, const char *desc, ...)
    __attribute__((format(printf, 2, 3)));

/* Something was plugged in: the guest begins to answer, and shows it when it has answered. */
void sim_plugged(struct sim *sim, bool is_cpu, unsigned slot);
void sim_guest_shows(struct sim *sim, bool is_cpu, unsigned slot);

/* device_del, and what happens when the guest lets go. */
json_t *sim_device_del(struct sim *sim, const char *id);
void sim_unplug(struct sim *sim, bool is_cpu, unsigned slot);

/* The machine: its properties, and what QEMU tells of it (sim_board.c); NULL: another's command. */
json_t *sim_board_get(const struct sim *sim, const char *property);
json_t *sim_board_do(const struct sim *sim, const char *command, const json_t *arguments);

/* Backends and block nodes (sim_objects.c). */
json_t *sim_get_container(const struct sim *sim, const char *path);
json_t *sim_objects_do(const struct sim *sim, const char *command); /* NULL: another's command */
json_t *sim_object_del(struct sim *sim, const char *id);

/* What the guest's kernel shows as text: path -> text, or null. */
json_t *sim_texts_new(void);

/* QEMU's version, as the greeting and query-version say it. */
json_t *sim_version(const struct sim *sim);

/* The guest is asked to give something back: the last of its answers decides. */
void sim_eject(struct sim *sim, bool is_cpu, unsigned slot);

/* qom-list and qom-get of all. */
json_t *sim_qom_list(const struct sim *sim, const char *path);
json_t *sim_qom_get(const struct sim *sim, const char *path, const char *property);

/* qom-list and qom-get of PCI ports and buses. sim_pci_list() adds to what is known of the path,
 * and says whether it is a port's or a bus's; sim_pci_get() is NULL for what is neither. */
bool sim_pci_list(const struct sim *sim, const char *path, json_t *list);
json_t *sim_pci_get(const struct sim *sim, const char *path, const char *property);

struct sim_port *sim_find_port(struct sim *sim, const char *bus);

/* virtio-mem: QEMU's side of it, and the guest's time to do something. */
json_t *sim_virtio_mem_add(struct sim *sim, const json_t *arguments, uint64_t free_addr);
void sim_virtio_mem_list(const struct sim *sim, json_t *devices);
uint64_t sim_virtio_mem_bytes(const struct sim *sim);
uint64_t sim_virtio_mem_end(const struct sim *sim);
json_t *sim_qom_set(struct sim *sim, const json_t *arguments);
void sim_virtio_mem_work(struct sim *sim);

/* The commands on drives and their media; NULL when it is none of them. */
json_t *sim_media_do(struct sim *sim, const char *command, const json_t *arguments);

/* Appends the CD-ROM drives to the rows of query-block. */
void sim_list_cdroms(struct sim *sim, json_t *rows);

/* What a row of query-block says of the node in a drive, and the row of a disk. */
json_t *sim_inserted(const struct sim *sim, const struct sim_disk *node);
json_t *sim_disk_row(const struct sim *sim, const struct sim_disk *disk);

/* device_add of a disk, and qom-get of a virtio-blk; NULL when it is none. */
json_t *sim_add_disk(struct sim *sim, const json_t *arguments);
json_t *sim_virtio_blk_get(const struct sim *sim, const char *path, const char *property);

/* The guest refuses to give the device back, on a board that tells so by sim->unplug_error. */
void sim_refuse_by_event(struct sim *sim, const char *id);

/* The agent's file commands. NULL when it is none of them. */
json_t *sim_file_do(struct sim *sim, const char *command, const json_t *arguments);

void sim_emit(struct sim *sim, const char *event, json_t *data);

#endif
