/* SPDX-License-Identifier: MIT */
/* QEMU's side of the simulated machine: its commands, its checks, its words. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "tests/fake/schema.h"
#include "tests/fake/sim_parts.h"

#define PAGE_BYTES (2 * SIM_MIB) /* what QEMU wants of a DIMM's address and size */

static const char *text_of(const json_t *arguments, const char *key)
{
    const char *text = json_string_value(json_object_get(arguments, key));

    return text != NULL ? text : "";
}

static void copy(char *to, size_t size, const char *from)
{
    (void)snprintf(to, size, "%s", from);
}

struct sim_dimm *sim_find_dimm(struct sim *sim, const char *id)
{
    unsigned i;

    for (i = 0; i < sim->dimm_count; i++) {
        if (strcmp(sim->dimms[i].id, id) == 0)
            return &sim->dimms[i];
    }
    return NULL;
}

struct sim_disk *sim_find_disk(struct sim *sim, const char *id)
{
    unsigned i;

    for (i = 0; i < sim->disk_count; i++) {
        if (*id != '\0' && strcmp(sim->disks[i].id, id) == 0)
            return &sim->disks[i];
    }
    return NULL;
}

struct sim_disk *sim_find_node(struct sim *sim, const char *node)
{
    unsigned i;

    for (i = 0; i < sim->disk_count; i++) {
        if (strcmp(sim->disks[i].node, node) == 0)
            return &sim->disks[i];
    }
    return NULL;
}

static bool device_exists(struct sim *sim, const char *id)
{
    unsigned i;

    for (i = 0; i < sim->cpu_count; i++) {
        if (strcmp(sim->cpus[i].id, id) == 0)
            return true;
    }
    return sim_find_dimm(sim, id) != NULL || sim_find_disk(sim, id) != NULL ||
           sim_find_virtio_mem(sim, id) != NULL || sim_find_cdrom(sim, id) != NULL;
}

/* ---- what is there from the beginning ---- */

void sim_put_cpu(struct sim *sim, const char *id)
{
    bool onlines = sim->guest.onlines;
    unsigned slot = 0;

    while (sim->cpus[slot].present)
        slot++;
    sim->cpus[slot].present = true;
    copy(sim->cpus[slot].id, sizeof(sim->cpus[slot].id), id);
    sim->guest.onlines = true;
    sim_guest_shows(sim, true, slot);
    sim->guest.onlines = onlines;
}

void sim_put_dimm(struct sim *sim, const char *id, uint64_t addr, uint64_t bytes)
{
    struct sim_dimm *dimm = &sim->dimms[sim->dimm_count];
    bool onlines = sim->guest.onlines;

    *dimm = (struct sim_dimm){.addr = addr, .bytes = bytes, .slot = sim->dimm_count};
    copy(dimm->id, sizeof(dimm->id), id);
    (void)snprintf(dimm->backend, sizeof(dimm->backend), "%.50s-memory", id);
    json_object_set_new(sim->objects, dimm->backend, json_object());
    sim->dimm_count++;
    sim->guest.onlines = true;
    sim_guest_shows(sim, false, dimm->slot);
    sim->guest.onlines = onlines;
}

void sim_put_disk(struct sim *sim, const char *id, const char *serial, unsigned lun)
{
    struct sim_disk *disk = &sim->disks[sim->disk_count++];

    *disk = (struct sim_disk){.driver = "raw", .file = "disk.raw", .bus = "scsi0.0", .lun = lun,
                              .bytes = 64 * SIM_MIB};
    copy(disk->id, sizeof(disk->id), id);
    (void)snprintf(disk->node, sizeof(disk->node), "%.50s-node", id);
    copy(disk->serial, sizeof(disk->serial), serial);
}

/* ---- queries ---- */

static json_t *query_cpus(const struct sim *sim, bool fast)
{
    json_t *list = json_array(), *row;
    char path[128];
    unsigned i, slot;

    for (i = 0; i < sim->cpu_count; i++) {
        slot = fast ? i : sim->cpu_count - 1 - i; /* QEMU lists the highest slot first */
        if (sim->cpus[slot].id[0] != '\0')
            (void)snprintf(path, sizeof(path), "/machine/peripheral/%s", sim->cpus[slot].id);
        else
            (void)snprintf(path, sizeof(path), "/machine/unattached/device[%u]", slot);
        if (fast && !sim->cpus[slot].present)
            continue;
        row = fast ? json_pack("{s:i, s:s, s:i, s:s}", "cpu-index", (int)slot, "qom-path", path,
                               "thread-id", 4000 + (sim->single_threaded ? 0 : (int)slot), "target",
                               "x86_64")
                   : json_pack("{s:{s:i, s:i, s:i}, s:i, s:s}", "props", "core-id", 0, "thread-id",
                               0, "socket-id", (int)slot, "vcpus-count", (int)sim->vcpus_per_slot,
                               "type", SIM_CPU_TYPE);
        if (!fast && sim->cpus[slot].present)
            json_object_set_new(row, "qom-path", json_string(path));
        json_array_append_new(list, row);
    }
    return sim_return(list);
}

static uint64_t plugged_bytes(const struct sim *sim)
{
    uint64_t bytes = sim_virtio_mem_bytes(sim);
    unsigned i;

    for (i = 0; i < sim->dimm_count; i++)
        bytes += sim->dimms[i].bytes;
    return bytes;
}

static json_t *query_memory_devices(const struct sim *sim)
{
    json_t *list = json_array();
    const struct sim_dimm *dimm;
    char path[128];
    unsigned i;

    for (i = 0; i < sim->dimm_count; i++) {
        dimm = &sim->dimms[i];
        (void)snprintf(path, sizeof(path), "/objects/%s", dimm->backend);
        json_array_append_new(
            list, json_pack("{s:s, s:{s:s, s:I, s:I, s:i, s:i, s:s, s:b, s:b}}", "type", "dimm",
                            "data", "id", dimm->id, "addr", (json_int_t)dimm->addr, "size",
                            (json_int_t)dimm->bytes, "slot", (int)dimm->slot, "node",
                            (int)dimm->node, "memdev", path, "hotplugged", 1, "hotpluggable", 1));
    }
    sim_virtio_mem_list(sim, list);
    return sim_return(list);
}

static json_t *query_block(struct sim *sim)
{
    json_t *list = json_array();
    const struct sim_disk *disk;
    unsigned i;

    for (i = 0; i < sim->disk_count; i++) {
        disk = &sim->disks[i];
        if (disk->id[0] != '\0')
            json_array_append_new(list, sim_disk_row(sim, disk));
    }
    sim_list_cdroms(sim, list);
    return sim_return(list);
}

static json_t *query_nodes(const struct sim *sim)
{
    json_t *list = json_array();
    unsigned i;

    for (i = 0; i < sim->disk_count; i++)
        json_array_append_new(list, sim_inserted(sim, &sim->disks[i]));
    return sim_return(list);
}

static json_t *ospm_row(const char *type, const struct sim_ost *ost, unsigned slot)
{
    char number[16];

    (void)snprintf(number, sizeof(number), "%u", slot);
    return json_pack("{s:s, s:s, s:i, s:i}", "slot", number, "slot-type", type, "source",
                     (int)ost->source, "status", (int)ost->status);
}

static json_t *query_ospm(const struct sim *sim)
{
    json_t *list = json_array();
    unsigned i;

    if (!sim->has_ost) {
        json_decref(list);
        return sim_error("GenericError", "command is not supported, missing ACPI device");
    }
    for (i = 0; i < sim->cpu_count; i++)
        json_array_append_new(list, ospm_row("CPU", &sim->cpus[i].ost, i));
    for (i = 0; i < sim->slots; i++)
        json_array_append_new(list, ospm_row("DIMM", &sim->dimm_ost[i], i));
    return sim_return(list);
}

/* ---- changes ---- */

static json_t *object_add(struct sim *sim, const json_t *arguments)
{
    const char *id = text_of(arguments, "id");

    if (strncmp(text_of(arguments, "qom-type"), "memory-backend-", 15) != 0)
        return sim_error("GenericError", "invalid object type: %s", text_of(arguments, "qom-type"));
    if (json_object_get(sim->objects, id) != NULL)
        return sim_error("GenericError",
                         "attempt to add duplicate property '%s' to object (type 'container')", id);
    json_object_set(sim->objects, id, (json_t *)(uintptr_t)arguments);
    return sim_return(json_object());
}

static json_t *blockdev_add(struct sim *sim, const json_t *arguments)
{
    const char *node = text_of(arguments, "node-name");
    const json_t *file = json_object_get(arguments, "file");
    struct sim_disk *disk = &sim->disks[sim->disk_count];

    if (sim->disk_count == SIM_NODES_MAX)
        return sim_error("GenericError", "there are no more than %d nodes here", SIM_NODES_MAX);
    if (sim_find_node(sim, node) != NULL)
        return sim_error("GenericError", "Duplicate nodes with node-name='%s'", node);
    if (strlen(node) > 31)
        return sim_error("GenericError", "Node name too long");
    *disk = (struct sim_disk){.read_only = json_is_true(json_object_get(arguments, "read-only")),
                              .bytes = 64 * SIM_MIB};
    disk->direct = json_is_true(json_object_get(json_object_get(file, "cache"), "direct"));
    copy(disk->aio, sizeof(disk->aio), text_of(file, "aio"));
    copy(disk->node, sizeof(disk->node), node);
    copy(disk->driver, sizeof(disk->driver), text_of(arguments, "driver"));
    copy(disk->file, sizeof(disk->file), text_of(file, "filename"));
    sim->disk_count++;
    return sim_return(json_object());
}

static json_t *blockdev_del(struct sim *sim, const char *node)
{
    struct sim_disk *disk = sim_find_node(sim, node);
    bool in_use;
    unsigned i;

    if (disk == NULL)
        return sim_error("GenericError", "Failed to find node with node-name='%s'", node);
    in_use = disk->id[0] != '\0';
    for (i = 0; i < sim->cdrom_count; i++)
        in_use = in_use || strcmp(sim->cdroms[i].node, node) == 0;
    if (in_use)
        return sim_error("GenericError", "Node %s is in use", node);
    *disk = sim->disks[--sim->disk_count];
    return sim_return(json_object());
}

static json_t *add_cpu(struct sim *sim, const json_t *arguments)
{
    const json_t *socket = json_object_get(arguments, "socket-id");
    json_int_t slot = json_integer_value(socket);

    if (!json_is_integer(socket))
        return sim_error("GenericError", "CPU socket-id is not set");
    if (slot < 0 || slot >= (json_int_t)sim->cpu_count)
        return sim_error("GenericError", "Invalid CPU socket-id: %d must be in range 0:%u",
                         (int)slot, sim->cpu_count - 1);
    if (sim->cpus[slot].present)
        return sim_error("GenericError", "CPU[%d] with APIC ID %d exists", (int)slot, (int)slot);
    sim->cpus[slot].present = true;
    copy(sim->cpus[slot].id, sizeof(sim->cpus[slot].id), text_of(arguments, "id"));
    sim_plugged(sim, true, (unsigned)slot);
    return sim_return(json_object());
}

static uint64_t behind_last(const struct sim *sim)
{
    uint64_t end = sim_virtio_mem_end(sim);
    unsigned i;

    end = end > SIM_DIMM_BASE ? end : SIM_DIMM_BASE;
    for (i = 0; i < sim->dimm_count; i++) {
        if (sim->dimms[i].addr + sim->dimms[i].bytes > end)
            end = sim->dimms[i].addr + sim->dimms[i].bytes;
    }
    return (end + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

static json_t *add_dimm(struct sim *sim, const json_t *arguments)
{
    const char *memdev = text_of(arguments, "memdev");
    const json_t *backend = json_object_get(sim->objects, memdev);
    const json_t *addr = json_object_get(arguments, "addr");
    struct sim_dimm dimm = {.slot = sim->dimm_count};

    if (backend == NULL)
        return sim_error("DeviceNotFound", "Device '%s' not found", memdev);
    if (sim->dimm_count >= sim->slots)
        return sim_error("GenericError", "no free slots available");
    dimm.bytes = (uint64_t)json_integer_value(json_object_get(backend, "size"));
    if (dimm.bytes % PAGE_BYTES != 0)
        return sim_error("GenericError", "backend memory size must be multiple of 0x200000");
    dimm.addr = addr != NULL ? (uint64_t)json_integer_value(addr) : behind_last(sim);
    if (dimm.addr < behind_last(sim))
        return sim_error("GenericError", "address range conflicts with memory device id='%s'",
                         sim->dimms[0].id);
    dimm.node = (unsigned)json_integer_value(json_object_get(arguments, "node"));
    copy(dimm.id, sizeof(dimm.id), text_of(arguments, "id"));
    copy(dimm.backend, sizeof(dimm.backend), memdev);
    sim->dimms[sim->dimm_count++] = dimm;
    sim_plugged(sim, false, dimm.slot);
    return sim_return(json_object());
}

/* The properties of devices are in no schema. */
static json_t *check_properties(const struct sim *sim, const json_t *arguments)
{
    static const struct {
        const char *driver, *properties;
    } devices[] = {
        {SIM_CPU_TYPE, " driver id socket-id core-id thread-id "},
        {"pc-dimm", " driver id memdev node addr slot "},
        {"virtio-mem-pci", " driver id memdev bus requested-size node memaddr "},
        {"scsi-hd", " driver id bus channel scsi-id lun drive serial write-cache "},
        {"virtio-blk-pci", " driver id bus drive serial write-cache "},
    };
    const char *driver = text_of(arguments, "driver"), *key;
    char word[128];
    json_t *value;
    size_t i;

    for (i = 0; i < COUNT_OF(devices) && strcmp(devices[i].driver, driver) != 0; i++)
        ;
    if (i == COUNT_OF(devices))
        return sim_error("GenericError", "'%s' is not a valid device model name", driver);
    json_object_foreach((json_t *)(uintptr_t)arguments, key, value) {
        (void)snprintf(word, sizeof(word), " %.100s ", key);
        if (strstr(devices[i].properties, word) == NULL)
            return sim_offence(sim, "Property '%s.%s' not found", driver, key);
    }
    return NULL;
}

static json_t *device_add(struct sim *sim, const json_t *arguments)
{
    const char *driver = text_of(arguments, "driver");
    json_t *problem = check_properties(sim, arguments);

    if (problem != NULL)
        return problem;
    if (device_exists(sim, text_of(arguments, "id")))
        return sim_error("GenericError", "Duplicate device ID '%s'", text_of(arguments, "id"));
    if (strcmp(driver, SIM_CPU_TYPE) == 0)
        return add_cpu(sim, arguments);
    if (strcmp(driver, "pc-dimm") == 0)
        return add_dimm(sim, arguments);
    if (strcmp(driver, "virtio-mem-pci") == 0)
        return sim_virtio_mem_add(sim, arguments, behind_last(sim));
    return sim_add_disk(sim, arguments);
}

/* ---- ---- */

json_t *sim_version(const struct sim *sim)
{
    return fake_jsonf("{'qemu':{'micro':%u,'minor':%u,'major':%u},'package':''}",
                      sim->major < 10 ? 22 : 13, sim->major < 10 ? 2 : 0, sim->major);
}

static json_t *constant(const char *command)
{
    static const struct {
        const char *command, *answer;
    } constants[] = {
        {"query-name", "{'name':'sim'}"},
        {"query-uuid", "{'UUID':'00000000-0000-0000-0000-000000000000'}"},
    };
    size_t i;

    for (i = 0; i < sizeof(constants) / sizeof(constants[0]); i++) {
        if (strcmp(constants[i].command, command) == 0)
            return sim_return(fake_json(constants[i].answer));
    }
    return NULL;
}

static json_t *query_status(const struct sim *sim)
{
    json_t *status = json_pack("{s:s, s:b}", "status",
                               sim->run_state != NULL ? sim->run_state : "running", "running",
                               sim->run_state == NULL);

    if (sim->major < 10)
        (void)json_object_set_new(status, "singlestep", json_false());
    return status;
}

static json_t *query(struct sim *sim, const char *command, const json_t *arguments)
{
    json_t *answer = sim_objects_do(sim, command);

    if (answer != NULL)
        return answer;
    if (strcmp(command, "query-hotpluggable-cpus") == 0)
        return sim->has_cpus
                   ? query_cpus(sim, false)
                   : sim_error("GenericError",
                               "The feature 'query-hotpluggable-cpus' is not enabled");
    if (strcmp(command, "query-cpus-fast") == 0)
        return query_cpus(sim, true);
    if (strcmp(command, "query-memory-size-summary") == 0)
        return sim_return(json_pack("{s:I, s:I}", "base-memory", (json_int_t)sim->base_bytes,
                                    "plugged-memory", (json_int_t)plugged_bytes(sim)));
    if (strcmp(command, "query-memory-devices") == 0)
        return query_memory_devices(sim);
    if (strcmp(command, "query-block") == 0)
        return query_block(sim);
    if (strcmp(command, "query-named-block-nodes") == 0)
        return query_nodes(sim);
    if (strcmp(command, "query-acpi-ospm-status") == 0)
        return query_ospm(sim);
    if (strcmp(command, "qom-list") == 0)
        return sim_qom_list(sim, text_of(arguments, "path"));
    if (strcmp(command, "qom-get") == 0)
        return sim_qom_get(sim, text_of(arguments, "path"), text_of(arguments, "property"));
    if (strcmp(command, "query-status") == 0)
        return sim_return(query_status(sim));
    if (strcmp(command, "query-version") == 0)
        return sim_return(sim_version(sim));
    if (strcmp(command, "query-kvm") == 0)
        return sim_return(json_pack("{s:b, s:b}", "enabled", sim->kvm, "present", 1));
    if (strcmp(command, "query-migrate") == 0)
        return sim_return(sim->migrating ? fake_json("{'status':'active','total-time':1}")
                                         : json_object());
    return constant(command);
}

static json_t *negotiate(struct sim *sim)
{
    if (sim->negotiated)
        return sim_error("CommandNotFound",
                         "Capabilities negotiation is already complete, command ignored");
    sim->negotiated = true;
    return sim_return(json_object());
}

json_t *sim_qmp_do(struct sim *sim, const char *command, const json_t *arguments)
{
    json_t *answer;

    if (strcmp(command, "qmp_capabilities") == 0)
        return negotiate(sim);
    if (!sim->negotiated && sim->lenient)
        return sim_error("CommandNotFound",
                         "Expecting capabilities negotiation with 'qmp_capabilities'");
    answer = query(sim, command, arguments);
    if (answer == NULL)
        answer = sim_board_do(sim, command, arguments);
    if (answer == NULL)
        answer = sim_media_do(sim, command, arguments);
    if (answer != NULL)
        return answer;
    if (strcmp(command, "object-add") == 0)
        return object_add(sim, arguments);
    if (strcmp(command, "object-del") == 0)
        return sim_object_del(sim, text_of(arguments, "id"));
    if (strcmp(command, "blockdev-add") == 0)
        return blockdev_add(sim, arguments);
    if (strcmp(command, "blockdev-del") == 0)
        return blockdev_del(sim, text_of(arguments, "node-name"));
    if (strcmp(command, "device_add") == 0)
        return device_add(sim, arguments);
    if (strcmp(command, "qom-set") == 0)
        return sim_qom_set(sim, arguments);
    if (strcmp(command, "device_del") == 0)
        return sim_device_del(sim, text_of(arguments, "id"));
    if (strcmp(command, "query-qmp-schema") == 0)
        return sim_return(json_incref(schema_json(schema_of_qemu(sim->major))));
    if (strcmp(command, "quit") == 0) {
        sim->quit = true;
        return sim_return(json_object());
    }
    return sim_offence(sim, "%s is not simulated", command);
}
