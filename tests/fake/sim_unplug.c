/* SPDX-License-Identifier: MIT */
/* How the simulated machine gives devices back. */
#include <stdio.h>
#include <string.h>

#include "tests/fake/sim_parts.h"

#define PERIPHERAL "/machine/peripheral/"

static void say_deleted(struct sim *sim, const char *id, const char *child)
{
    char path[128];
    json_t *data;

    (void)snprintf(path, sizeof(path), PERIPHERAL "%s%s", id, child);
    data = json_pack("{s:s}", "path", path);
    if (*child == '\0')
        json_object_set_new(data, "device", json_string(id));
    sim_emit(sim, "DEVICE_DELETED", data);
}

/* Under emulation the vCPU itself is never reported as deleted, only its interrupt controller. */
static void unplug_cpu(struct sim *sim, unsigned slot)
{
    struct sim_cpu *cpu = &sim->cpus[slot];
    unsigned left = 0, i;
    char id[64];

    (void)snprintf(id, sizeof(id), "%s", cpu->id);
    cpu->present = false;
    cpu->id[0] = '\0';
    for (i = 0; i < sim->cpu_count; i++)
        left += sim->cpus[i].present ? sim->vcpus_per_slot : 0;
    if (sim->guest.vcpu_count > left && !sim->guest.keeps_showing) /* else it never showed it */
        sim->guest.vcpu_count -= sim->vcpus_per_slot;
    say_deleted(sim, id, "/lapic");
}

static void hide_blocks(struct sim_guest *guest, uint64_t addr, uint64_t bytes)
{
    unsigned kept = 0, i;

    for (i = 0; i < guest->block_count; i++) {
        if (guest->blocks[i].index < addr / guest->block_bytes ||
            guest->blocks[i].index >= (addr + bytes) / guest->block_bytes)
            guest->blocks[kept++] = guest->blocks[i];
    }
    guest->block_count = kept;
}

static void unplug_dimm(struct sim *sim, unsigned slot)
{
    struct sim_dimm gone;
    unsigned i;

    for (i = 0; i < sim->dimm_count && sim->dimms[i].slot != slot; i++)
        ;
    if (i == sim->dimm_count)
        return;
    gone = sim->dimms[i];
    sim->dimms[i] = sim->dimms[--sim->dimm_count];
    if (!sim->guest.keeps_showing)
        hide_blocks(&sim->guest, gone.addr, gone.bytes);
    say_deleted(sim, gone.id, "");
}

void sim_unplug(struct sim *sim, bool is_cpu, unsigned slot)
{
    if (is_cpu)
        unplug_cpu(sim, slot);
    else
        unplug_dimm(sim, slot);
}

static bool find_cpu(const struct sim *sim, const char *id, unsigned *ret_slot)
{
    char path[128];
    unsigned i;

    for (i = 0; i < sim->cpu_count; i++) {
        if (sim->cpus[i].id[0] != '\0')
            (void)snprintf(path, sizeof(path), PERIPHERAL "%s", sim->cpus[i].id);
        else
            (void)snprintf(path, sizeof(path), "/machine/unattached/device[%u]", i);
        *ret_slot = i;
        if (sim->cpus[i].present && (strcmp(path, id) == 0 || strcmp(sim->cpus[i].id, id) == 0))
            return true;
    }
    return false;
}

void sim_refuse_by_event(struct sim *sim, const char *id)
{
    char path[128];

    (void)snprintf(path, sizeof(path), PERIPHERAL "%s", id);
    if (strcmp(sim->unplug_error, "MEM_UNPLUG_ERROR") == 0)
        sim_emit(sim, sim->unplug_error, json_pack("{s:s, s:s}", "device", id, "msg",
                                                   "Memory hotunplug rejected by the guest"));
    else
        sim_emit(sim, sim->unplug_error, json_pack("{s:s, s:s}", "device", id, "path", path));
}

/* SCSI does not ask the guest. PCI does, and of a virtio-blk two objects go. */
static void unplug_disk(struct sim *sim, struct sim_disk *disk)
{
    char id[64];

    if (disk->virtio && sim->guest.ignores_eject)
        return;
    (void)snprintf(id, sizeof(id), "%s", disk->id);
    disk->id[0] = '\0';
    if (disk->virtio) {
        sim_find_port(sim, disk->bus)->devices--;
        say_deleted(sim, id, "/virtio-backend");
    }
    say_deleted(sim, id, "");
}

json_t *sim_device_del(struct sim *sim, const char *id)
{
    struct sim_dimm *dimm = sim_find_dimm(sim, id);
    struct sim_disk *disk = sim_find_disk(sim, id);
    unsigned slot;

    if (disk != NULL) {
        unplug_disk(sim, disk);
    } else if (sim_find_virtio_mem(sim, id) != NULL) {
        return sim_error("GenericError", "virtio based memory devices cannot be unplugged.");
    } else if (dimm != NULL) {
        sim_eject(sim, false, dimm->slot);
    } else if (find_cpu(sim, id, &slot)) {
        if (slot == 0)
            return sim_error("GenericError", "Boot CPU is unpluggable");
        sim_eject(sim, true, slot);
    } else {
        return sim_error("DeviceNotFound", "Device '%s' not found", id);
    }
    return sim_return(json_object());
}
