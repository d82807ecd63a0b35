/* SPDX-License-Identifier: MIT */
#include "daemon/ch_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "config.h"
#include "qmp/codec.h"
#include "qmp/field.h"

#define PERIPHERAL "/machine/peripheral/"

/* ---- reading ---- */

static const json_t *member(const json_t *body, const char *key)
{
    const json_t *value = json_object_get(body, key);

    return json_is_null(value) ? NULL : value;
}

int ch_json_read_number(const json_t *body, const char *key, uint64_t maximum, bool *ret_set,
                        uint64_t *ret, struct error *error)
{
    const json_t *value = member(body, key);
    uint64_t number;

    if (value == NULL)
        return 0;
    if (json_is_string(value) || !codec_get_u64(value, &number) || number > maximum)
        return error_set(error, ERROR_INVALID, "write it with digits only",
                         "%s is no whole number from 0 to %" PRIu64, key, maximum);
    *ret = number;
    if (ret_set != NULL)
        *ret_set = true;
    return 0;
}

int ch_json_read_bool(const json_t *body, const char *key, bool *ret, struct error *error)
{
    const json_t *value = member(body, key);

    if (value == NULL)
        return 0;
    if (!json_is_boolean(value))
        return error_set(error, ERROR_INVALID, "write true or false", "%s is no boolean", key);
    *ret = json_is_true(value);
    return 0;
}

int ch_json_read_string(const json_t *body, const char *key, const char **ret, struct error *error)
{
    const json_t *value = member(body, key);

    if (value == NULL)
        return 0;
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
        return error_set(error, ERROR_INVALID, "write it in quotes", "%s is no string", key);
    *ret = json_string_value(value);
    return 0;
}

int ch_json_need_string(const json_t *body, const char *key, const char **ret, struct error *error)
{
    *ret = NULL;
    if (ch_json_read_string(body, key, ret, error) < 0)
        return -1;
    return *ret != NULL ? 0
                        : error_set(error, ERROR_INVALID, "say which one is meant",
                                    "%s is missing", key);
}

/* ---- writing ---- */

json_t *ch_json_ping(void)
{
    return json_pack("{s:s, s:s, s:I, s:[]}", "build_version", "vmplug-" PACKAGE_VERSION,
                     "version", PACKAGE_VERSION, "pid", (json_int_t)getpid(), "features");
}

static const char *state_of(const char *run_state)
{
    static const struct {
        const char *qemu, *theirs;
    } states[] = {
        {"running", "Running"},       {"prelaunch", "Created"}, {"inmigrate", "Created"},
        {"shutdown", "Shutdown"},     {"guest-panicked", "Shutdown"},
        {"internal-error", "Shutdown"}, {"debug", "BreakPoint"},
    };
    size_t i;

    for (i = 0; i < COUNT_OF(states); i++) {
        if (strcmp(states[i].qemu, run_state) == 0)
            return states[i].theirs;
    }
    return "Paused";
}

static bool has_virtio_mem(const struct inventory_memory *memory)
{
    size_t i;

    for (i = 0; i < memory->device_count; i++) {
        if (strcmp(memory->devices[i].kind, "virtio-mem") == 0)
            return true;
    }
    return false;
}

static json_t *memory_json(const struct inventory_memory *memory)
{
    json_t *object;

    if (!memory->known)
        return json_null();
    object = json_pack("{s:I, s:I, s:s}", "size", (json_int_t)memory->base_bytes,
                       "hotplugged_size", (json_int_t)memory->plugged_bytes, "hotplug_method",
                       has_virtio_mem(memory) ? "VirtioMem" : "Acpi");
    if (memory->room_known && memory->max_bytes >= memory->base_bytes)
        field_set(&object, "hotplug_size",
                  json_integer((json_int_t)(memory->max_bytes - memory->base_bytes)));
    return object;
}

static json_t *disk_json(const struct inventory_disk *disk)
{
    json_t *object = json_pack("{s:o, s:o, s:b}", "id", codec_string(disk->id), "path",
                               codec_string(disk->file), "readonly", disk->read_only);

    if (disk->serial[0] != '\0')
        field_set(&object, "serial", codec_string(disk->serial));
    return object;
}

static void add_node(json_t **tree, const char *id)
{
    if (id[0] != '\0')
        field_set(tree, id, json_pack("{s:o, s:[], s:[], s:n}", "id", codec_string(id),
                                      "resources", "children", "pci_bdf"));
}

static json_t *device_tree(const struct inventory *inventory)
{
    json_t *tree = json_object();
    size_t i;

    for (i = 0; i < inventory->disks.disk_count; i++)
        add_node(&tree, inventory->disks.disks[i].id);
    for (i = 0; i < inventory->memory.device_count; i++)
        add_node(&tree, inventory->memory.devices[i].id);
    return tree;
}

/* What the guest has: without what its balloon has taken. */
static json_t *actual_bytes(const struct inventory_memory *memory)
{
    uint64_t bytes = memory->base_bytes + memory->plugged_bytes, ballooned = memory->base_bytes;
    size_t i;

    if (!memory->known)
        return json_null();
    for (i = 0; i < memory->device_count; i++)
        ballooned += strcmp(memory->devices[i].kind, "dimm") == 0 ? memory->devices[i].bytes : 0;
    if (memory->balloon_known && memory->balloon_bytes < ballooned)
        bytes -= ballooned - memory->balloon_bytes;
    return json_integer((json_int_t)bytes);
}

json_t *ch_json_info(const struct inventory *inventory)
{
    const struct inventory_disks *rows = &inventory->disks;
    json_t *disks = json_array();
    size_t i;

    for (i = 0; i < rows->disk_count; i++) {
        if (!rows->disks[i].cdrom)
            field_append(&disks, disk_json(&rows->disks[i]));
    }
    return json_pack("{s:{s:{s:i, s:i}, s:o, s:o}, s:s, s:o, s:o}", "config", "cpus", "boot_vcpus",
                     (int)inventory->cpus.present, "max_vcpus", (int)inventory->cpus.max, "memory",
                     memory_json(&inventory->memory), "disks", disks, "state",
                     state_of(inventory->machine.state), "memory_actual_size",
                     actual_bytes(&inventory->memory), "device_tree", device_tree(inventory));
}

/* QEMU tells a device by its id, or by its place in QOM, or not at all. */
static void read_device(const json_t *row, char id[INVENTORY_ID_MAX])
{
    const char *name = field_string(row, "qdev", "");

    if (*name == '\0')
        name = field_string(row, "device", "");
    if (strncmp(name, PERIPHERAL, strlen(PERIPHERAL)) == 0) {
        name += strlen(PERIPHERAL);
        (void)snprintf(id, INVENTORY_ID_MAX, "%.*s", (int)strcspn(name, "/"), name);
    } else {
        (void)snprintf(id, INVENTORY_ID_MAX, "%s", name);
    }
}

json_t *ch_json_counters(const json_t *stats)
{
    static const struct {
        const char *theirs, *qemu;
    } counters[] = {
        {"read_bytes", "rd_bytes"},
        {"write_bytes", "wr_bytes"},
        {"read_ops", "rd_operations"},
        {"write_ops", "wr_operations"},
    };
    json_t *object = json_object(), *device;
    char id[INVENTORY_ID_MAX];
    const json_t *row;
    uint64_t number;
    size_t i, j;

    json_array_foreach(stats, i, row) {
        read_device(row, id);
        if (id[0] == '\0')
            continue;
        device = json_object();
        for (j = 0; j < COUNT_OF(counters); j++) {
            if (field_u64(field_object(row, "stats"), counters[j].qemu, &number))
                field_set(&device, counters[j].theirs, json_integer((json_int_t)number));
        }
        field_set(&object, id, device);
    }
    return object;
}

static const json_t *find_pci(const json_t *devices, const char *id, unsigned depth)
{
    const json_t *device, *found;
    size_t i;

    json_array_foreach(devices, i, device) {
        if (strcmp(field_string(device, "qdev_id", ""), id) == 0)
            return device;
        found = depth == 0 ? NULL
                           : find_pci(field_array(field_object(device, "pci_bridge"), "devices"),
                                      id, depth - 1);
        if (found != NULL)
            return found;
    }
    return NULL;
}

#define BRIDGES_MAX 16 /* one behind the other */

json_t *ch_json_device(const char *id, const char *bus, const json_t *pci)
{
    json_t *object = json_pack("{s:o}", "id", codec_string(id));
    const json_t *root, *device = NULL;
    unsigned number, slot, function;
    char controller[INVENTORY_ID_MAX], bdf[32];
    size_t i;

    (void)snprintf(controller, sizeof(controller), "%.*s", (int)strcspn(bus, "."), bus);
    json_array_foreach(pci, i, root) {
        if (device == NULL)
            device = find_pci(field_array(root, "devices"), id, BRIDGES_MAX);
        if (device == NULL && controller[0] != '\0')
            device = find_pci(field_array(root, "devices"), controller, BRIDGES_MAX);
    }
    if (field_unsigned(device, "bus", &number) && field_unsigned(device, "slot", &slot) &&
        field_unsigned(device, "function", &function)) {
        (void)snprintf(bdf, sizeof(bdf), "0000:%02x:%02x.%x", number, slot, function);
        field_set(&object, "bdf", json_string(bdf));
    }
    return object;
}
