/* SPDX-License-Identifier: MIT */
#include "qmp/qapi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "qmp/field.h"
#include "qmp/limits.h"

bool qapi_read_hotpluggable_cpu(const json_t *value, size_t slot,
                                struct qapi_hotpluggable_cpu *ret)
{
    size_t count = json_array_size(value);
    const json_t *row;

    if (slot >= count)
        return false;
    row = json_array_get(value, count - 1 - slot);
    *ret = (struct qapi_hotpluggable_cpu){
        .type = field_string(row, "type", ""),
        .qom_path = field_string(row, "qom-path", ""),
        .props = field_object(row, "props"),
    };
    if (!field_unsigned(row, "vcpus-count", &ret->vcpus_count))
        ret->vcpus_count = 1;
    return true;
}

void qapi_read_memory_device(const json_t *row, struct qapi_memory_device *ret)
{
    const json_t *data = field_object(row, "data");
    int64_t slot;

    *ret = (struct qapi_memory_device){
        .kind = field_string(row, "type", ""),
        .id = field_string(data, "id", ""),
        .memdev = field_string(data, "memdev", ""),
        .slot = -1,
        .hotpluggable = field_bool(data, "hotpluggable", false),
    };
    (void)field_u64(data, "size", &ret->bytes);
    if (!field_u64(data, "max-size", &ret->reserved_bytes))
        ret->reserved_bytes = ret->bytes;
    (void)field_u64(data, "requested-size", &ret->requested_bytes);
    (void)field_u64(data, "block-size", &ret->block_bytes);
    if (!field_u64(data, "addr", &ret->addr))
        (void)field_u64(data, "memaddr", &ret->addr); /* virtio-mem's word for it */
    if (field_s64(data, "slot", &slot) && slot >= 0 && slot < LIMITS_OST_SLOTS)
        ret->slot = (int)slot;
    (void)field_unsigned(data, "node", &ret->node);
}

bool qapi_find_memory_device(const json_t *value, const char *id, struct qapi_memory_device *ret)
{
    const json_t *row;
    size_t i;

    json_array_foreach(value, i, row) {
        qapi_read_memory_device(row, ret);
        if (strcmp(ret->id, id) == 0)
            return true;
    }
    return false;
}

static void read_limits(const json_t *inserted, struct qapi_limits *ret)
{
    (void)field_u64(inserted, "iops", &ret->iops);
    (void)field_u64(inserted, "iops_rd", &ret->iops_rd);
    (void)field_u64(inserted, "iops_wr", &ret->iops_wr);
    (void)field_u64(inserted, "bps", &ret->bps);
    (void)field_u64(inserted, "bps_rd", &ret->bps_rd);
    (void)field_u64(inserted, "bps_wr", &ret->bps_wr);
}

void qapi_read_block(const json_t *row, struct qapi_block *ret)
{
    const json_t *inserted = field_object(row, "inserted");
    const json_t *image = field_object(inserted, "image");

    *ret = (struct qapi_block){
        .qdev = field_string(row, "qdev", ""),
        .removable = field_bool(row, "removable", false),
        .locked = field_bool(row, "locked", false),
        .tray_open = field_bool(row, "tray_open", false),
        .has_medium = inserted != NULL,
        .file = field_string(image, "filename", field_string(inserted, "file", "")),
        .format = field_string(inserted, "drv", ""),
        .node = field_string(inserted, "node-name", ""),
        .read_only = field_bool(inserted, "ro", false),
        .direct = field_bool(field_object(inserted, "cache"), "direct", false),
    };
    (void)field_u64(image, "virtual-size", &ret->bytes);
    read_limits(inserted, &ret->limits);
}

/* QEMU gives the slot's number as a string. */
static bool read_slot(const json_t *row, unsigned *ret_slot)
{
    const char *text = field_string(row, "slot", "");
    unsigned long number;
    char *end;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    number = strtoul(text, &end, 10);
    if (errno != 0 || *end != '\0' || number >= LIMITS_OST_SLOTS)
        return false;
    *ret_slot = (unsigned)number;
    return true;
}

bool qapi_read_ost(const json_t *row, struct qapi_ost *ret)
{
    const char *type = field_string(row, "slot-type", "");

    ret->is_cpu = strcmp(type, "CPU") == 0;
    return (ret->is_cpu || strcmp(type, "DIMM") == 0) && read_slot(row, &ret->slot) &&
           field_unsigned(row, "source", &ret->source) &&
           field_unsigned(row, "status", &ret->status);
}
