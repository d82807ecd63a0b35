/* SPDX-License-Identifier: MIT */
/*
 * What the QMP commands that vmplug uses say, typed (QEMU, qapi/machine.json, qapi/acpi.json,
 * qapi/block-core.json). Strings and objects are borrowed from the answer, and "" or NULL where a
 * member is absent. Unknown members are ignored: QEMU's versions differ in them.
 */
#ifndef QMP_QAPI_H
#define QMP_QAPI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A row of query-hotpluggable-cpus. QEMU lists the highest slot first. */
struct qapi_hotpluggable_cpu {
    const char *type;     /* the driver for device_add */
    const char *qom_path; /* "": the slot is free */
    json_t *props;        /* to be passed back as they are */
    unsigned vcpus_count;
};

/* Reads the slot, counted from 0 upwards; false when there is no such slot. */
bool qapi_read_hotpluggable_cpu(const json_t *value, size_t slot,
                                struct qapi_hotpluggable_cpu *ret);

/* A row of query-memory-devices. */
struct qapi_memory_device {
    const char *kind; /* MemoryDeviceInfoKind: "dimm", "nvdimm", "virtio-mem", … */
    const char *id;
    const char *memdev; /* the backend's QOM path */
    uint64_t bytes;
    uint64_t reserved_bytes; /* of address space: virtio-mem's is larger than what is in it */
    uint64_t requested_bytes, block_bytes; /* of a virtio-mem, else 0 */
    uint64_t addr;
    int slot; /* -1: a kind without slots */
    unsigned node;
    bool hotpluggable; /* virtio-mem and its kin do not say, and can not be unplugged */
};

void qapi_read_memory_device(const json_t *row, struct qapi_memory_device *ret);

/* Reads the row of the device with this id; false when query-memory-devices lists none. */
bool qapi_find_memory_device(const json_t *value, const char *id, struct qapi_memory_device *ret);

/* What block_set_io_throttle sets: operations and bytes a second, 0: no limit. A total excludes the
 * limits of its directions. */
struct qapi_limits {
    uint64_t iops, iops_rd, iops_wr;
    uint64_t bps, bps_rd, bps_wr;
};

/* A row of query-block. */
struct qapi_block {
    const char *qdev; /* id or QOM path of the device, "": no device uses this drive */
    bool removable;
    bool locked;
    bool tray_open;
    bool has_medium;
    const char *file;
    const char *format;
    const char *node;
    uint64_t bytes;
    bool read_only;
    bool direct; /* the host's page cache is passed by */
    struct qapi_limits limits;
};

void qapi_read_block(const json_t *row, struct qapi_block *ret);

/* ACPIOSTInfo: a row of query-acpi-ospm-status, or "info" of ACPI_DEVICE_OST. */
struct qapi_ost {
    bool is_cpu; /* else a DIMM */
    unsigned slot;
    uint32_t source;
    uint32_t status;
};

/* False when it is malformed or the slot is 65536 or above. */
bool qapi_read_ost(const json_t *row, struct qapi_ost *ret);

#endif
