/* SPDX-License-Identifier: MIT */
#include "daemon/monitor_rights.h"

#include <string.h>

#include "base/cleanup.h"
#include "qmp/field.h"

struct row {
    const char *command;
    enum role role;
    bool changes;
};

/* dumpdtb makes QEMU write a file wherever the sender says. */
static const struct row qmp_rows[] = {
    {"balloon", ROLE_OPERATOR, true},
    {"block_resize", ROLE_OPERATOR, true},
    {"block_set_io_throttle", ROLE_OPERATOR, true},
    {"blockdev-add", ROLE_OPERATOR, true},
    {"blockdev-close-tray", ROLE_OPERATOR, true},
    {"blockdev-del", ROLE_OPERATOR, true},
    {"blockdev-insert-medium", ROLE_OPERATOR, true},
    {"blockdev-open-tray", ROLE_OPERATOR, true},
    {"blockdev-remove-medium", ROLE_OPERATOR, true},
    {"cont", ROLE_OPERATOR, true},
    {"device-list-properties", ROLE_VIEWER, false},
    {"device_add", ROLE_OPERATOR, true},
    {"device_del", ROLE_OPERATOR, true},
    {"dumpdtb", ROLE_OPERATOR, false},
    {"object-add", ROLE_OPERATOR, true},
    {"object-del", ROLE_OPERATOR, true},
    {"qom-get", ROLE_VIEWER, false},
    {"qom-list", ROLE_VIEWER, false},
    {"qom-list-properties", ROLE_VIEWER, false},
    {"qom-set", ROLE_OPERATOR, true},
    {"stop", ROLE_OPERATOR, true},
    {"x-debug-query-block-graph", ROLE_VIEWER, false},
};

/* Of a file what matters is its opening, by which a sender has its handle. */
static const struct row agent_rows[] = {
    {"guest-file-close", ROLE_VIEWER, false},
    {"guest-file-flush", ROLE_OPERATOR, false},
    {"guest-file-open", ROLE_VIEWER, false},
    {"guest-file-read", ROLE_VIEWER, false},
    {"guest-file-seek", ROLE_VIEWER, false},
    {"guest-file-write", ROLE_OPERATOR, true},
    {"guest-fsfreeze-status", ROLE_VIEWER, false},
    {"guest-info", ROLE_VIEWER, false},
    {"guest-ping", ROLE_VIEWER, false},
    {"guest-set-memory-blocks", ROLE_OPERATOR, true},
    {"guest-set-vcpus", ROLE_OPERATOR, true},
};

/* What of the guest's files tells how it takes devices; the agent would read any, as root. */
static const char *const viewer_paths[] = {"/sys/", "/proc/meminfo", "/proc/swaps",
                                           "/proc/device-tree/", "/boot/config-"};
static const char *const operator_read_paths[] = {"/dev/sr"};
static const char *const operator_write_paths[] = {"/sys/devices/system/memory/"};

/* Those of object-add's secrets, which qom-get would tell (QEMU, crypto/secret_common.c). */
static const char *const secret_properties[] = {"data", "rawdata"};

/* What vmplug plugs; of others an operator is no judge (a host's own devices, for one). A vCPU's
 * type ends in -cpu or, on pseries, -core. */
static const struct driver {
    const char *name; /* NULL: a vCPU */
    enum operation_type comes, goes;
} drivers[] = {
    {NULL, OPERATION_CPU_ADD, OPERATION_CPU_REMOVE},
    {"pc-dimm", OPERATION_DIMM_ADD, OPERATION_DIMM_REMOVE},
    {"scsi-hd", OPERATION_DISK_ADD, OPERATION_DISK_REMOVE},
    {"virtio-blk-pci", OPERATION_DISK_ADD, OPERATION_DISK_REMOVE},
    {"virtio-mem-pci", OPERATION_VIRTIO_MEM_ADD, OPERATION_DIMM_REMOVE},
};
static const char *const vcpu_ends[] = {"-cpu", "-core"};

static bool begins(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool is_below(const char *path, const char *const *starts, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        if (begins(path, starts[i]) && strstr(path, "..") == NULL)
            return true;
    }
    return false;
}

static struct monitor_right of_opening(const json_t *arguments)
{
    const char *path = field_string(arguments, "path", "");
    const char *mode = field_string(arguments, "mode", "r");
    bool reads = strcmp(mode, "r") == 0 || strcmp(mode, "rb") == 0;

    if (reads && is_below(path, viewer_paths, COUNT_OF(viewer_paths)))
        return (struct monitor_right){.role = ROLE_VIEWER};
    if (reads && is_below(path, operator_read_paths, COUNT_OF(operator_read_paths)))
        return (struct monitor_right){.role = ROLE_OPERATOR};
    if (!reads && is_below(path, operator_write_paths, COUNT_OF(operator_write_paths)))
        return (struct monitor_right){.role = ROLE_OPERATOR, .changes = true};
    return (struct monitor_right){.role = ROLE_ADMINISTRATOR, .changes = !reads};
}

static bool is_secret(const json_t *arguments)
{
    const char *property = field_string(arguments, "property", "");
    size_t i;

    for (i = 0; i < COUNT_OF(secret_properties); i++) {
        if (strcmp(property, secret_properties[i]) == 0)
            return true;
    }
    return false;
}

static bool is_vcpu(const char *driver)
{
    size_t length = strlen(driver), end, i;

    for (i = 0; i < COUNT_OF(vcpu_ends); i++) {
        end = strlen(vcpu_ends[i]);
        if (length > end && strcmp(driver + length - end, vcpu_ends[i]) == 0)
            return true;
    }
    return false;
}

/* NULL: it is none of those that vmplug plugs. */
static const struct driver *find_driver(const char *driver)
{
    size_t i;

    for (i = 0; i < COUNT_OF(drivers); i++) {
        if (is_vcpu(driver) ? drivers[i].name == NULL
                            : drivers[i].name != NULL && strcmp(driver, drivers[i].name) == 0)
            return &drivers[i];
    }
    return NULL;
}

/* Arguments that make of an operator's command an administrator's. */
static bool goes_further(const char *command, const json_t *arguments)
{
    if (strcmp(command, "qom-get") == 0)
        return is_secret(arguments);
    if (strcmp(command, "qom-set") == 0)
        return strcmp(field_string(arguments, "property", ""), "requested-size") != 0;
    if (strcmp(command, "object-add") == 0)
        return !begins(field_string(arguments, "qom-type", ""), "memory-backend-");
    return strcmp(command, "device_add") == 0 &&
           find_driver(field_string(arguments, "driver", "")) == NULL;
}

static const struct row *find(enum peer peer, const char *command)
{
    const struct row *rows = peer == PEER_QMP ? qmp_rows : agent_rows;
    size_t count = peer == PEER_QMP ? COUNT_OF(qmp_rows) : COUNT_OF(agent_rows), i;

    for (i = 0; i < count; i++) {
        if (strcmp(rows[i].command, command) == 0)
            return &rows[i];
    }
    return NULL;
}

struct monitor_right monitor_rights_of(enum peer peer, const char *command,
                                       const json_t *arguments)
{
    const struct row *row = find(peer, command);

    if (peer == PEER_AGENT && strcmp(command, "guest-file-open") == 0)
        return of_opening(arguments);
    if (row != NULL)
        return (struct monitor_right){.role = peer == PEER_QMP && goes_further(command, arguments)
                                                  ? ROLE_ADMINISTRATOR
                                                  : row->role,
                                      .changes = row->changes};
    if (begins(command, peer == PEER_QMP ? "query-" : "guest-get-"))
        return (struct monitor_right){.role = ROLE_VIEWER};
    return (struct monitor_right){.role = ROLE_ADMINISTRATOR, .changes = true};
}

bool monitor_rights_operation(const char *command, const json_t *arguments,
                              enum operation_type *ret)
{
    static const struct {
        const char *command;
        enum operation_type type;
    } rows[] = {
        {"balloon", OPERATION_VIRTIO_MEM_RESIZE}, /* memory that grows and shrinks, as that does */
        {"block_resize", OPERATION_DISK_RESIZE},
        {"blockdev-insert-medium", OPERATION_CDROM_INSERT},
        {"blockdev-remove-medium", OPERATION_CDROM_EJECT},
        {"qom-set", OPERATION_VIRTIO_MEM_RESIZE},
    };
    bool comes = strcmp(command, "device_add") == 0;
    const struct driver *driver = comes || monitor_rights_needs_driver(command)
                                      ? find_driver(field_string(arguments, "driver", ""))
                                      : NULL;
    size_t i;

    for (i = 0; driver == NULL && i < COUNT_OF(rows); i++) {
        if (strcmp(rows[i].command, command) != 0)
            continue;
        *ret = rows[i].type;
        return true;
    }
    if (driver != NULL)
        *ret = comes ? driver->comes : driver->goes;
    return driver != NULL;
}

bool monitor_rights_needs_driver(const char *command)
{
    return strcmp(command, "device_del") == 0;
}

json_t *monitor_rights_ask_driver(const json_t *arguments)
{
    const char *id = field_string(arguments, "id", "");

    return json_pack("{s:s, s:{s:s+, s:s}}", "execute", "qom-get", "arguments", "path",
                     id[0] == '/' ? "" : "/machine/peripheral/", id, "property", "type");
}

json_t *monitor_rights_subject(const json_t *arguments)
{
    static const char *const keys[] = {"id",       "device", "node-name", "driver", "qom-type",
                                       "path",     "bus",    "property",  "mode",   "handle",
                                       "mem-blks", "vcpus"};
    json_t *subject = json_object();
    json_t *value;
    size_t i;

    for (i = 0; i < COUNT_OF(keys); i++) {
        value = json_object_get(arguments, keys[i]);
        if (json_is_string(value) || json_is_integer(value) || json_is_array(value))
            (void)json_object_set(subject, keys[i], value);
    }
    return subject;
}
