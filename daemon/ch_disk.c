/* SPDX-License-Identifier: MIT */
/* Disks come, grow and go. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "daemon/ch_endpoints.h"
#include "daemon/ch_json.h"

static struct operation_request request_of(const struct ch_job *job, enum operation_type type,
                                           const char *id)
{
    return (struct operation_request){.type = type, .id = id, .timeout_ms = job->base.timeout_ms};
}

static void run_one(struct ch_job *job, const struct operation_request *each,
                    vm_job_batch_fn *then)
{
    const struct batch_request request = {.goal = BATCH_COUNT, .count = 1, .each = *each};

    ch_job_batch(job, &request, then);
}

/* The disk that the request's id names; NULL when the job has ended for want of it. */
static const char *find_disk(struct ch_job *job, const struct inventory *inventory,
                             const char *what)
{
    const char *id = json_string_value(json_object_get(job->options.body, "id"));
    const struct inventory_disk *disk = inventory_find_drive(inventory, id);
    struct error error = ERROR_INIT;

    if (disk != NULL && !disk->cdrom)
        return id;
    (void)error_set(&error, ERROR_BLOCKED, "see vm.info for those there are",
                    "there is no disk '%.128s'", id);
    ch_job_fail_error(job, CH_NOT_FOUND, what, &error);
    return NULL;
}

/* ---- vm.resize-disk ---- */

#define RESIZE "The disk could not be resized"

static void on_resized(void *user, const struct batch_result *result)
{
    struct ch_job *job = user;

    if (verdict_is_success(result->verdict))
        ch_job_succeed(job, NULL);
    else
        ch_job_fail_batch(job, RESIZE, result);
}

static void resize_found(void *user, const struct inventory *inventory)
{
    struct ch_job *job = user;
    const char *id = find_disk(job, inventory, RESIZE);
    struct operation_request each;

    if (id == NULL)
        return;
    each = request_of(job, OPERATION_DISK_RESIZE, id);
    (void)ch_json_read_number(job->options.body, "desired_size", INT64_MAX, NULL, &each.bytes,
                              NULL);
    run_one(job, &each, on_resized);
}

void ch_disk_resize(struct ch_job *job)
{
    struct error error = ERROR_INIT;
    bool set = false;
    const char *id;
    uint64_t bytes;

    if (ch_json_need_string(job->options.body, "id", &id, &error) < 0 ||
        ch_json_read_number(job->options.body, "desired_size", INT64_MAX, &set, &bytes, &error) < 0)
        ch_job_fail_error(job, CH_BAD_REQUEST, RESIZE, &error);
    else if (!set)
        ch_job_fail(job, CH_BAD_REQUEST, RESIZE, "desired_size is missing", "give it in bytes");
    else
        vm_job_look(&job->base, INVENTORY_DISKS, resize_found);
}

/* ---- vm.remove-device ---- */

#define REMOVE "The device could not be removed"

static void on_removed(void *user, const struct batch_result *result)
{
    struct ch_job *job = user;

    if (verdict_is_success(result->verdict))
        ch_job_succeed(job, NULL);
    else
        ch_job_fail_batch(job, REMOVE, result);
}

static void remove_found(void *user, const struct inventory *inventory)
{
    struct ch_job *job = user;
    const char *id = find_disk(job, inventory, REMOVE);
    struct operation_request each;

    if (id == NULL)
        return;
    each = request_of(job, OPERATION_DISK_REMOVE, id);
    run_one(job, &each, on_removed);
}

void ch_disk_remove(struct ch_job *job)
{
    struct error error = ERROR_INIT;
    const char *id;

    if (ch_json_need_string(job->options.body, "id", &id, &error) < 0)
        ch_job_fail_error(job, CH_BAD_REQUEST, REMOVE, &error);
    else
        vm_job_look(&job->base, INVENTORY_DISKS, remove_found);
}

/* ---- vm.add-disk ---- */

#define ADD "The disk could not be added"

struct disk_config {
    const char *path, *id, *serial, *image_type;
    bool read_only;
};

/* What would make it another disk than was asked for is refused, not ignored. */
static int refuse_unknown(const json_t *body, struct error *error)
{
    static const char *const unknown[] = {"vhost_user",          "iommu",           "direct",
                                          "rate_limiter_config", "rate_limit_group", "pci_segment",
                                          "pci_device_id"};
    const json_t *value;
    size_t i;

    for (i = 0; i < COUNT_OF(unknown); i++) {
        value = json_object_get(body, unknown[i]);
        if (value == NULL || json_is_null(value) || json_is_false(value) ||
            (json_is_integer(value) && json_integer_value(value) == 0))
            continue;
        (void)error_set(error, ERROR_INVALID, "", "%s can't be had of this server", unknown[i]);
        error_advise(error, "leave %s out", unknown[i]);
        return -1;
    }
    return 0;
}

/* *ret is QEMU's word; NULL: by the file's name and content. */
static int read_format(const char *image_type, const char **ret, struct error *error)
{
    static const struct {
        const char *theirs, *qemu;
    } formats[] = {{"Raw", "raw"}, {"Qcow2", "qcow2"}, {"FixedVhd", "vpc"}, {"Vhdx", "vhdx"},
                   {"Unknown", NULL}};
    size_t i;

    *ret = NULL;
    for (i = 0; image_type != NULL && i < COUNT_OF(formats); i++) {
        if (strcmp(formats[i].theirs, image_type) != 0)
            continue;
        *ret = formats[i].qemu;
        return 0;
    }
    return image_type == NULL ? 0
                              : error_set(error, ERROR_INVALID,
                                          "choose Raw, Qcow2, FixedVhd or Vhdx",
                                          "image_type is no type of image");
}

static int read_config(const json_t *body, struct disk_config *ret, struct error *error)
{
    const char *format;

    *ret = (struct disk_config){.path = NULL};
    if (ch_json_need_string(body, "path", &ret->path, error) < 0 ||
        ch_json_read_string(body, "id", &ret->id, error) < 0 ||
        ch_json_read_string(body, "serial", &ret->serial, error) < 0 ||
        ch_json_read_string(body, "image_type", &ret->image_type, error) < 0 ||
        ch_json_read_bool(body, "readonly", &ret->read_only, error) < 0 ||
        read_format(ret->image_type, &format, error) < 0)
        return -1;
    return refuse_unknown(body, error);
}

static bool is_same_file(const char *one, const char *other)
{
    AUTO_FREE char *first = realpath(one, NULL);
    AUTO_FREE char *second = realpath(other, NULL);

    return first != NULL && second != NULL ? strcmp(first, second) == 0 : strcmp(one, other) == 0;
}

static int find_duplicate(const struct disk_config *config, const struct inventory *inventory,
                          struct error *error)
{
    const struct inventory_disks *disks = &inventory->disks;
    size_t i;

    if (config->id != NULL && inventory_name_taken(inventory, config->id))
        return error_set(error, ERROR_BLOCKED, "choose another id",
                         "the id '%.128s' is taken", config->id);
    for (i = 0; i < disks->disk_count; i++) {
        if (disks->disks[i].file[0] != '\0' && is_same_file(config->path, disks->disks[i].file))
            return error_set(error, ERROR_BLOCKED, "choose another path, or remove that disk",
                             "'%.160s' is the disk '%.100s' already", config->path,
                             disks->disks[i].id);
    }
    return 0;
}

static void on_place(void *user, const json_t *value, const struct error *error)
{
    struct ch_job *job = user;

    (void)error; /* without bdf then: the disk is there */
    ch_job_succeed(job, ch_json_device(job->last_id, job->bus, value));
}

static void on_added(void *user, const struct batch_result *result)
{
    struct ch_job *job = user;

    if (verdict_is_success(result->verdict))
        vm_job_ask(&job->base, "query-pci", NULL, on_place);
    else
        ch_job_fail_batch(job, ADD, result);
}

/* As in Cloud Hypervisor it is a virtio-blk where there is no virtio-scsi. */
static void add_unless_there(void *user, const struct inventory *inventory)
{
    struct ch_job *job = user;
    struct operation_request each = request_of(job, OPERATION_DISK_ADD, NULL);
    struct error error = ERROR_INIT;
    struct disk_config config;

    (void)read_config(job->options.body, &config, NULL);
    if (find_duplicate(&config, inventory, &error) < 0) {
        ch_job_fail_error(job, CH_CONFLICT, ADD, &error);
        return;
    }
    each.id = config.id;
    each.disk.file = config.path;
    each.disk.serial = config.serial;
    each.disk.read_only = config.read_only;
    each.disk.bus = inventory->disks.bus_count > 0 ? NULL : "virtio";
    (void)read_format(config.image_type, &each.disk.format, NULL);
    run_one(job, &each, on_added);
}

void ch_disk_add(struct ch_job *job)
{
    struct error error = ERROR_INIT;
    struct disk_config config;

    if (read_config(job->options.body, &config, &error) < 0)
        ch_job_fail_error(job, CH_BAD_REQUEST, ADD, &error);
    else
        vm_job_look(&job->base, INVENTORY_DISKS | INVENTORY_NAMES, add_unless_there);
}
