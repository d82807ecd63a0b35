/* SPDX-License-Identifier: MIT */
/*
 * The simulated machine's virtio-mem: QEMU asks for a size, and the guest comes nearer to it with
 * every command that it has time for. Its memory is always the first part of the device's range.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/fake/sim_parts.h"

#define BLOCK_BYTES (2 * SIM_MIB)

struct sim_virtio_mem *sim_find_virtio_mem(struct sim *sim, const char *id)
{
    unsigned i;

    for (i = 0; i < sim->virtio_mem_count; i++) {
        if (strcmp(sim->virtio_mems[i].id, id) == 0)
            return &sim->virtio_mems[i];
    }
    return NULL;
}

struct sim_virtio_mem *sim_put_virtio_mem(struct sim *sim, const char *id, uint64_t addr,
                                          uint64_t max_bytes)
{
    struct sim_virtio_mem *device = &sim->virtio_mems[sim->virtio_mem_count++];

    if (sim->virtio_mem_count > SIM_VIRTIO_MEMS_MAX)
        fake_fail("too many virtio-mem");
    *device = (struct sim_virtio_mem){
        .addr = addr, .max_bytes = max_bytes, .block_bytes = BLOCK_BYTES};
    (void)snprintf(device->id, sizeof(device->id), "%s", id);
    (void)snprintf(device->backend, sizeof(device->backend), "%.50s-backend", id);
    json_object_set_new(sim->objects, device->backend, json_object());
    return device;
}

/* ---- the guest ---- */

static void show_blocks(struct sim_guest *guest, const struct sim_virtio_mem *device)
{
    uint64_t first = device->addr / guest->block_bytes;
    uint64_t end = (device->addr + device->bytes + guest->block_bytes - 1) / guest->block_bytes;
    uint64_t last = (device->addr + device->max_bytes) / guest->block_bytes, index = first;
    unsigned kept = 0, i;

    for (i = 0; i < guest->block_count; i++) {
        if (guest->blocks[i].index >= end && guest->blocks[i].index < last)
            continue;
        if (guest->blocks[i].index >= first && guest->blocks[i].index < end)
            index = guest->blocks[i].index + 1 > index ? guest->blocks[i].index + 1 : index;
        guest->blocks[kept++] = guest->blocks[i];
    }
    guest->block_count = kept;
    for (; index < end; index++) {
        if (guest->block_count == SIM_BLOCKS_MAX)
            return;
        guest->blocks[guest->block_count++] =
            (struct sim_block){.index = index, .online = guest->onlines};
    }
}

static uint64_t offline_bytes(const struct sim_guest *guest)
{
    uint64_t bytes = 0;
    unsigned i;

    for (i = 0; i < guest->block_count; i++)
        bytes += guest->blocks[i].online ? 0 : guest->block_bytes;
    return bytes;
}

/* How large it becomes next. */
static uint64_t next_size(const struct sim_guest *guest, const struct sim_virtio_mem *device)
{
    uint64_t wanted = device->requested_bytes, limit = guest->virtio_mem_offline_bytes;

    if (wanted < device->bytes)
        return wanted > guest->virtio_mem_kept_bytes ? wanted : guest->virtio_mem_kept_bytes;
    if (limit != 0 && offline_bytes(guest) >= limit)
        return device->bytes;
    if (limit != 0 && wanted - device->bytes > limit)
        return device->bytes + limit;
    return wanted;
}

void sim_virtio_mem_work(struct sim *sim)
{
    struct sim_virtio_mem *device;
    char path[128];
    uint64_t bytes;
    unsigned i;

    for (i = 0; i < sim->virtio_mem_count && !sim->guest.ignores; i++) {
        device = &sim->virtio_mems[i];
        bytes = next_size(&sim->guest, device);
        if (bytes == device->bytes)
            continue;
        device->bytes = bytes;
        show_blocks(&sim->guest, device);
        (void)snprintf(path, sizeof(path), "/machine/peripheral/%s", device->id);
        sim_emit(sim, "MEMORY_DEVICE_SIZE_CHANGE",
                 json_pack("{s:s, s:I, s:s}", "id", device->id, "size", (json_int_t)bytes,
                           "qom-path", path));
    }
}

/* ---- QEMU ---- */

uint64_t sim_virtio_mem_end(const struct sim *sim)
{
    uint64_t end = 0;
    unsigned i;

    for (i = 0; i < sim->virtio_mem_count; i++) {
        if (sim->virtio_mems[i].addr + sim->virtio_mems[i].max_bytes > end)
            end = sim->virtio_mems[i].addr + sim->virtio_mems[i].max_bytes;
    }
    return end;
}

uint64_t sim_virtio_mem_bytes(const struct sim *sim)
{
    uint64_t bytes = 0;
    unsigned i;

    for (i = 0; i < sim->virtio_mem_count; i++)
        bytes += sim->virtio_mems[i].bytes;
    return bytes;
}

void sim_virtio_mem_list(const struct sim *sim, json_t *devices)
{
    const struct sim_virtio_mem *device;
    char path[128];
    unsigned i;

    for (i = 0; i < sim->virtio_mem_count; i++) {
        device = &sim->virtio_mems[i];
        (void)snprintf(path, sizeof(path), "/objects/%s", device->backend);
        json_array_append_new(
            devices,
            json_pack("{s:s, s:{s:s, s:I, s:I, s:I, s:I, s:I, s:i, s:s}}", "type", "virtio-mem",
                      "data", "id", device->id, "memaddr", (json_int_t)device->addr, "size",
                      (json_int_t)device->bytes, "requested-size",
                      (json_int_t)device->requested_bytes, "max-size",
                      (json_int_t)device->max_bytes, "block-size",
                      (json_int_t)device->block_bytes, "node", (int)device->node, "memdev", path));
    }
}

static json_t *request(struct sim_virtio_mem *device, const json_t *value)
{
    uint64_t bytes = (uint64_t)json_integer_value(value);

    if (!json_is_integer(value))
        return sim_error("GenericError", "Parameter 'requested-size' expects uint64");
    if (bytes % device->block_bytes != 0)
        return sim_error("GenericError",
                         "'requested-size' has to be multiples of 'block-size' (0x%" PRIx64 ")",
                         device->block_bytes);
    if (bytes > device->max_bytes)
        return sim_error("GenericError",
                         "'requested-size' cannot exceed the memory backend size(0x%" PRIx64 ")",
                         device->max_bytes);
    device->requested_bytes = bytes;
    return sim_return(json_object());
}

json_t *sim_virtio_mem_add(struct sim *sim, const json_t *arguments, uint64_t free_addr)
{
    const char *memdev = json_string_value(json_object_get(arguments, "memdev"));
    const char *bus = json_string_value(json_object_get(arguments, "bus"));
    const json_t *backend = json_object_get(sim->objects, memdev);
    const json_t *addr = json_object_get(arguments, "memaddr");
    struct sim_port *port = sim_find_port(sim, bus);
    struct sim_virtio_mem *device;
    json_t *answer;

    if (backend == NULL)
        return sim_error("DeviceNotFound", "Device '%s' not found", memdev);
    if (port == NULL)
        return sim_error("GenericError", "Bus '%s' not found", bus);
    if (port->off || port->handler[0] == '\0')
        return sim_error("GenericError", "Bus '%s' does not support hotplugging", bus);
    if (sim->virtio_mem_count == SIM_VIRTIO_MEMS_MAX)
        return sim_error("GenericError", "there are no more than %d virtio-mem here",
                         SIM_VIRTIO_MEMS_MAX);
    device = &sim->virtio_mems[sim->virtio_mem_count];
    *device = (struct sim_virtio_mem){
        .addr = addr != NULL ? (uint64_t)json_integer_value(addr) : free_addr,
        .max_bytes = (uint64_t)json_integer_value(json_object_get(backend, "size")),
        .block_bytes = BLOCK_BYTES,
        .node = (unsigned)json_integer_value(json_object_get(arguments, "node"))};
    answer = request(device, json_object_get(arguments, "requested-size"));
    if (json_object_get(answer, "error") != NULL)
        return answer;
    (void)snprintf(device->id, sizeof(device->id), "%s",
                   json_string_value(json_object_get(arguments, "id")));
    (void)snprintf(device->backend, sizeof(device->backend), "%s", memdev);
    sim->virtio_mem_count++;
    port->devices++;
    return answer;
}

json_t *sim_qom_set(struct sim *sim, const json_t *arguments)
{
    static const char peripheral[] = "/machine/peripheral/";
    const char *path = json_string_value(json_object_get(arguments, "path"));
    const char *property = json_string_value(json_object_get(arguments, "property"));
    struct sim_virtio_mem *device = NULL;

    if (strncmp(path, peripheral, strlen(peripheral)) == 0)
        device = sim_find_virtio_mem(sim, path + strlen(peripheral));
    if (device == NULL)
        return sim_error("DeviceNotFound", "Device '%s' not found", path);
    if (strcmp(property, "requested-size") != 0)
        return sim_offence(sim, "Property '%s' is set", property);
    return request(device, json_object_get(arguments, "value"));
}
