/* SPDX-License-Identifier: MIT */
#include "qmp/qga.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qmp/field.h"

#define DEV "/dev/"

/* How many items of an answer are taken: a guest must not decide how much we store. */
static size_t bounded(const json_t *value)
{
    size_t count = json_array_size(value);

    return count < QGA_ITEMS_MAX ? count : QGA_ITEMS_MAX;
}

bool qga_read_vcpus(const json_t *value, struct qga_vcpu **ret_vcpus, size_t *ret_count)
{
    size_t count = bounded(value), used = 0, i;
    struct qga_vcpu *vcpus;
    const json_t *row;

    if (!json_is_array(value))
        return false;
    vcpus = calloc(count + 1, sizeof(*vcpus));
    if (vcpus == NULL)
        return false;
    for (i = 0; i < count; i++) {
        row = json_array_get(value, i);
        if (!field_s64(row, "logical-id", &vcpus[used].logical_id))
            continue;
        vcpus[used].online = field_bool(row, "online", false);
        vcpus[used].can_offline = field_bool(row, "can-offline", false);
        used++;
    }
    *ret_vcpus = vcpus;
    *ret_count = used;
    return true;
}

bool qga_read_memory_blocks(const json_t *value, struct qga_memory_block **ret_blocks,
                            size_t *ret_count)
{
    size_t count = bounded(value), used = 0, i;
    struct qga_memory_block *blocks;
    const json_t *row;

    if (!json_is_array(value))
        return false;
    blocks = calloc(count + 1, sizeof(*blocks));
    if (blocks == NULL)
        return false;
    for (i = 0; i < count; i++) {
        row = json_array_get(value, i);
        if (!field_u64(row, "phys-index", &blocks[used].index))
            continue;
        blocks[used].online = field_bool(row, "online", false);
        used++;
    }
    *ret_blocks = blocks;
    *ret_count = used;
    return true;
}

/* The name will be part of a path inside the guest, read by the agent as root. */
static bool is_disk_name(const char *name)
{
    size_t length = strlen(name);

    return length > strlen(DEV) && length < sizeof(((struct qga_disk *)NULL)->name) &&
           strncmp(name, DEV, strlen(DEV)) == 0 &&
           strspn(name + strlen(DEV), "abcdefghijklmnopqrstuvwxyz0123456789") ==
               length - strlen(DEV);
}

bool qga_read_disks(const json_t *value, struct qga_disk **ret_disks, size_t *ret_count)
{
    size_t count = bounded(value), used = 0, i;
    struct qga_disk *disks, *disk;
    const json_t *row, *address;

    if (!json_is_array(value))
        return false;
    disks = calloc(count + 1, sizeof(*disks));
    if (disks == NULL)
        return false;
    for (i = 0; i < count; i++) {
        row = json_array_get(value, i);
        if (field_bool(row, "partition", true) || !is_disk_name(field_string(row, "name", "")))
            continue;
        disk = &disks[used++];
        address = field_object(row, "address");
        (void)snprintf(disk->name, sizeof(disk->name), "%s", field_string(row, "name", ""));
        (void)snprintf(disk->serial, sizeof(disk->serial), "%s",
                       field_string(address, "serial", ""));
        disk->has_unit = field_unsigned(address, "unit", &disk->unit);
    }
    *ret_disks = disks;
    *ret_count = used;
    return true;
}

uint64_t qga_read_block_bytes(const json_t *value)
{
    uint64_t bytes;

    /* Linux has powers of two; anything else would be divided by. */
    if (!field_u64(value, "size", &bytes) || bytes < UINT64_C(1) << 20 ||
        (bytes & (bytes - 1)) != 0)
        return 0;
    return bytes;
}

json_t *qga_read_commands(const json_t *value)
{
    const json_t *list = field_array(value, "supported_commands");
    json_t *commands = json_object();
    size_t count = bounded(list), i;
    const json_t *row;
    const char *name;

    for (i = 0; i < count; i++) {
        row = json_array_get(list, i);
        name = field_string(row, "name", NULL);
        if (name != NULL)
            (void)json_object_set_new(commands, name,
                                      json_boolean(field_bool(row, "enabled", false)));
    }
    return commands;
}

static json_t *online(const char *list, const char *key, const json_t *numbers)
{
    json_t *entries = json_array();
    const json_t *number;
    size_t i;

    json_array_foreach(numbers, i, number)
        (void)json_array_append_new(
            entries, json_pack("{s:I, s:b}", key, json_integer_value(number), "online", 1));
    return json_pack("{s:o}", list, entries);
}

json_t *qga_vcpus_online(const json_t *logical_ids)
{
    return online("vcpus", "logical-id", logical_ids);
}

json_t *qga_memory_blocks_online(const json_t *indexes)
{
    return online("mem-blks", "phys-index", indexes);
}

int qga_check_memory_blocks_set(const json_t *value, struct error *error)
{
    const char *response;
    const json_t *row;
    uint64_t index = 0;
    int64_t code = 0;
    size_t i;

    if (!json_is_array(value))
        return error_set(error, ERROR_REJECTED, "", "the guest agent answered for no memory block");
    json_array_foreach(value, i, row) {
        response = field_string(row, "response", "no response");
        if (strcmp(response, "success") == 0)
            continue;
        (void)field_u64(row, "phys-index", &index);
        (void)field_s64(row, "error-code", &code);
        return error_set(error, ERROR_REJECTED, "look into the guest's kernel log",
                         "the guest could not put memory block %" PRIu64 " online: %.40s%s%s",
                         index, response, code > 0 ? ": " : "",
                         code > 0 && code < 4096 ? strerror((int)code) : "");
    }
    return 0;
}
