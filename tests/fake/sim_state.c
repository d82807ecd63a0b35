/* SPDX-License-Identifier: MIT */
/* The simulated machine's state for somebody else's eyes: what QEMU holds, and what the guest has,
 * as they are and not as they are told. */
#include "tests/fake/sim_parts.h"

static json_t *ost_of(const struct sim_ost *ost)
{
    return json_pack("{s:I, s:I}", "source", (json_int_t)ost->source, "status",
                     (json_int_t)ost->status);
}

static json_t *list_cpus(const struct sim *sim)
{
    json_t *list = json_array();
    unsigned i;

    for (i = 0; i < sim->cpu_count; i++)
        json_array_append_new(list, json_pack("{s:i, s:s, s:b, s:o}", "slot", (int)i, "id",
                                              sim->cpus[i].id, "present", sim->cpus[i].present,
                                              "ost", ost_of(&sim->cpus[i].ost)));
    return list;
}

static json_t *list_dimms(const struct sim *sim)
{
    json_t *list = json_array();
    const struct sim_dimm *dimm;
    unsigned i;

    for (i = 0; i < sim->dimm_count; i++) {
        dimm = &sim->dimms[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:i, s:I, s:I, s:o}", "id", dimm->id,
                                              "backend", dimm->backend, "slot", (int)dimm->slot,
                                              "node", (int)dimm->node, "addr",
                                              (json_int_t)dimm->addr, "bytes",
                                              (json_int_t)dimm->bytes, "ost",
                                              ost_of(&sim->dimm_ost[dimm->slot])));
    }
    return list;
}

static json_t *list_virtio_mems(const struct sim *sim)
{
    json_t *list = json_array();
    const struct sim_virtio_mem *device;
    unsigned i;

    for (i = 0; i < sim->virtio_mem_count; i++) {
        device = &sim->virtio_mems[i];
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "id", device->id, "backend",
                            device->backend, "addr", (json_int_t)device->addr, "max_bytes",
                            (json_int_t)device->max_bytes, "requested_bytes",
                            (json_int_t)device->requested_bytes, "bytes",
                            (json_int_t)device->bytes));
    }
    return list;
}

/* Every block node, with the device that uses it. */
static json_t *list_nodes(const struct sim *sim)
{
    json_t *list = json_array();
    const struct sim_disk *disk;
    unsigned i;

    for (i = 0; i < sim->disk_count; i++) {
        disk = &sim->disks[i];
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:i}", "node", disk->node, "file",
                            disk->file, "driver", disk->driver, "bytes", (json_int_t)disk->bytes,
                            "device", disk->id, "bus", disk->id[0] != '\0' ? disk->bus : "",
                            "serial", disk->id[0] != '\0' ? disk->serial : "", "lun",
                            (int)disk->lun));
    }
    return list;
}

static json_t *list_cdroms(const struct sim *sim)
{
    json_t *list = json_array();
    unsigned i;

    for (i = 0; i < sim->cdrom_count; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:b}", "id", sim->cdroms[i].id,
                                              "node", sim->cdroms[i].node, "open",
                                              sim->cdroms[i].tray_open, "locked",
                                              sim->cdroms[i].locked));
    return list;
}

static json_t *list_objects(const struct sim *sim)
{
    json_t *list = json_array(), *value;
    const char *id;

    json_object_foreach(sim->objects, id, value)
        json_array_append_new(list, json_string(id));
    return list;
}

static json_t *guest_state(const struct sim_guest *guest)
{
    json_t *cpus = json_array(), *blocks = json_array();
    unsigned i;

    for (i = 0; i < guest->vcpu_count; i++)
        json_array_append_new(cpus, json_pack("{s:I, s:b}", "cpu", guest->vcpus[i].logical_id,
                                              "online", guest->vcpus[i].online));
    for (i = 0; i < guest->block_count; i++)
        json_array_append_new(blocks, json_pack("{s:I, s:b, s:b}", "block",
                                                (json_int_t)guest->blocks[i].index, "online",
                                                guest->blocks[i].online, "movable",
                                                guest->blocks[i].movable));
    return json_pack("{s:o, s:o, s:I, s:i}", "cpus", cpus, "blocks", blocks, "block_bytes",
                     (json_int_t)guest->block_bytes, "files_open", guest->file.handle != 0);
}

json_t *sim_state(const struct sim *sim)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:{s:i, s:i}}", "cpus",
                     list_cpus(sim), "dimms", list_dimms(sim), "virtio_mems",
                     list_virtio_mems(sim), "nodes", list_nodes(sim), "cdroms", list_cdroms(sim),
                     "objects", list_objects(sim), "guest", guest_state(&sim->guest), "unanswered",
                     (int)sim->task_count, "commands", "qmp",
                     (int)json_array_size(sim->record[SIM_QMP]), "agent",
                     (int)json_array_size(sim->record[SIM_AGENT]));
}
