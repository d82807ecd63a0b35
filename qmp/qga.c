/* SPDX-License-Identifier: MIT */
#include "qmp/qga.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "qmp/codec.h"
#include "qmp/field.h"

#define DEV "/dev/"
#define NUMBER_TEXT_MAX 24

/* How many items of an answer are taken: a guest must not decide how much we store. */
static size_t bounded(const json_t *value, size_t max)
{
    size_t count = json_array_size(value);

    return count < max ? count : max;
}

/* What a guest says twice counts once. Without memory *said becomes NULL. */
static bool was_said(json_t **said, const char *key)
{
    if (json_object_get(*said, key) != NULL)
        return true;
    field_set(said, key, json_true());
    return false;
}

static int compare_vcpus(const void *left, const void *right)
{
    int64_t a = ((const struct qga_vcpu *)left)->logical_id;
    int64_t b = ((const struct qga_vcpu *)right)->logical_id;

    return (a > b) - (a < b);
}

const struct qga_vcpu *qga_find_vcpu(const struct qga_vcpu *vcpus, size_t count,
                                     int64_t logical_id)
{
    const struct qga_vcpu wanted = {.logical_id = logical_id};

    return count > 0 ? bsearch(&wanted, vcpus, count, sizeof(*vcpus), compare_vcpus) : NULL;
}

bool qga_read_vcpus(const json_t *value, struct qga_vcpu **ret_vcpus, size_t *ret_count)
{
    size_t count = bounded(value, QGA_VCPUS_MAX), used = 0, i;
    AUTO_JSON json_t *said = json_object();
    char number[NUMBER_TEXT_MAX];
    AUTO_FREE struct qga_vcpu *vcpus = NULL;
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
        (void)snprintf(number, sizeof(number), "%" PRId64, vcpus[used].logical_id);
        if (was_said(&said, number))
            continue;
        vcpus[used].online = field_bool(row, "online", false);
        vcpus[used].can_offline = field_bool(row, "can-offline", false);
        used++;
    }
    if (said == NULL)
        return false;
    qsort(vcpus, used, sizeof(*vcpus), compare_vcpus);
    *ret_vcpus = STEAL(vcpus);
    *ret_count = used;
    return true;
}

bool qga_read_memory_blocks(const json_t *value, struct qga_memory_block **ret_blocks,
                            size_t *ret_count)
{
    size_t count = bounded(value, QGA_ITEMS_MAX), used = 0, i;
    AUTO_JSON json_t *said = json_object();
    char number[NUMBER_TEXT_MAX];
    AUTO_FREE struct qga_memory_block *blocks = NULL;
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
        (void)snprintf(number, sizeof(number), "%" PRIu64, blocks[used].index);
        if (was_said(&said, number))
            continue;
        blocks[used].online = field_bool(row, "online", false);
        used++;
    }
    if (said == NULL)
        return false;
    *ret_blocks = STEAL(blocks);
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
    size_t count = bounded(value, QGA_ITEMS_MAX), used = 0, i;
    AUTO_JSON json_t *said = json_object();
    AUTO_FREE struct qga_disk *disks = NULL;
    struct qga_disk *disk;
    const json_t *row, *address;
    const char *name;

    if (!json_is_array(value))
        return false;
    disks = calloc(count + 1, sizeof(*disks));
    if (disks == NULL)
        return false;
    for (i = 0; i < count; i++) {
        row = json_array_get(value, i);
        name = field_string(row, "name", "");
        if (field_bool(row, "partition", true) || !is_disk_name(name) || was_said(&said, name))
            continue;
        disk = &disks[used++];
        address = field_object(row, "address");
        text_copy(disk->name, sizeof(disk->name), name);
        text_copy(disk->serial, sizeof(disk->serial), field_string(address, "serial", ""));
        disk->has_unit = field_unsigned(address, "unit", &disk->unit);
    }
    if (said == NULL)
        return false;
    *ret_disks = STEAL(disks);
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
    size_t count = bounded(list, QGA_ITEMS_MAX), i;
    const json_t *row;
    const char *name;

    for (i = 0; i < count; i++) {
        row = json_array_get(list, i);
        name = field_string(row, "name", NULL);
        if (name != NULL)
            field_set(&commands, name, json_boolean(field_bool(row, "enabled", false)));
    }
    return commands;
}

static json_t *online(const char *list, const char *key, const json_t *numbers)
{
    json_t *entries = json_array();
    const json_t *number;
    size_t i;

    json_array_foreach(numbers, i, number)
        field_append(&entries,
                     json_pack("{s:I, s:b}", key, json_integer_value(number), "online", 1));
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
