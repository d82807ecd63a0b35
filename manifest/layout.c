/* SPDX-License-Identifier: MIT */
#include "manifest/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/text.h"
#include "manifest/atomic_file.h"
#include "manifest/volume_id.h"
#include "qmp/blocking.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "vmm/vm_directory.h"

#define DIRECTORY "layout"
#define PERIPHERAL "/machine/peripheral/"
#define VIRTIO "virtio" /* what an inventory has for the bus of a virtio-blk */
#define FILE_BYTES_MAX ((size_t)1 << 20)

static int without_memory(struct error *error)
{
    return error_set(error, ERROR_SYSTEM, "", "out of memory");
}

static int pass_on(const struct error *problem, struct error *error)
{
    if (error != NULL)
        *error = *problem;
    return -1;
}

static int open_directory(const struct store *store, bool make)
{
    if (store->directory < 0) {
        errno = ENOENT;
        return -1;
    }
    if (make && mkdirat(store->directory, DIRECTORY, 0700) < 0 && errno != EEXIST)
        return -1;
    return openat(store->directory, DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

static const char *name_file(const char *name, char text[VM_NAME_MAX + 8])
{
    (void)snprintf(text, VM_NAME_MAX + 8, "%.*s.json", VM_NAME_MAX, name);
    return text;
}

/* ---- reading ---- */

int layout_load(struct layout *layout, const struct store *store, const char *name,
                struct error *error)
{
    AUTO_FD int directory = open_directory(store, false);
    AUTO_FREE char *text = NULL;
    AUTO_JSON json_t *root = NULL;
    char file[VM_NAME_MAX + 8];
    AUTO_FD int fd = -1;
    ssize_t size;

    *layout = (struct layout){0};
    fd = directory >= 0 ? openat(directory, name_file(name, file), O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return errno == ENOENT ? 0
                               : error_set_errno(error, ERROR_SYSTEM, errno, "",
                                                 "cannot open the layout of '%s'", name);
    text = malloc(FILE_BYTES_MAX);
    if (text == NULL)
        return without_memory(error);
    size = pread(fd, text, FILE_BYTES_MAX, 0);
    if (size < 0)
        return error_set_errno(error, ERROR_SYSTEM, errno, "", "cannot read the layout of '%s'",
                               name);
    root = json_loadb(text, (size_t)size, 0, NULL);
    layout->devices = json_incref(field_object(root, "devices"));
    return 0;
}

bool layout_find(const struct layout *layout, const char *id, struct layout_place *ret)
{
    const json_t *place = field_object(layout->devices, id);

    if (place == NULL)
        return false;
    *ret = (struct layout_place){.bus = ""};
    text_copy(ret->bus, sizeof(ret->bus), field_string(place, "bus", ""));
    ret->on_scsi = field_unsigned(place, "scsi-id", &ret->scsi_id) &&
                   field_unsigned(place, "lun", &ret->lun);
    return true;
}

void layout_free(struct layout *layout)
{
    json_decref(layout->devices);
    *layout = (struct layout){0};
}

/* ---- learning ---- */

/* The bus that a virtio-blk sits on is its property parent_bus, a path that ends in the bus's
 * name. */
static json_t *ask_port(struct qmp_client *qmp, const char *id, double deadline_ms,
                        struct error *error)
{
    char path[sizeof(PERIPHERAL) + INVENTORY_PATH_MAX];
    AUTO_JSON json_t *answer = NULL;
    const char *name;

    (void)snprintf(path, sizeof(path), PERIPHERAL "%.200s", id);
    answer = blocking_qmp(qmp, "qom-get",
                          json_pack("{s:s, s:s}", "path", path, "property", "parent_bus"),
                          deadline_ms - clock_now_ms(), error);
    if (answer == NULL)
        return NULL;
    name = json_is_string(answer) ? strrchr(json_string_value(answer), '/') : NULL;
    return json_pack("{s:s}", "bus", name != NULL ? name + 1 : "");
}

static json_t *place_of(const struct inventory_disk *disk, struct qmp_client *qmp,
                        double deadline_ms, struct error *error)
{
    if (disk->on_scsi)
        return json_pack("{s:s, s:i, s:i}", "bus", disk->bus, "scsi-id", (int)disk->scsi_id,
                         "lun", (int)disk->lun);
    return ask_port(qmp, disk->id, deadline_ms, error);
}

int layout_learn(struct layout *layout, const struct inventory *inventory,
                 struct qmp_client *qmp, double timeout_ms, struct error *error)
{
    double deadline_ms = clock_now_ms() + timeout_ms;
    const struct inventory_disk *disk;
    struct error failure = ERROR_INIT;
    enum volume_life life;
    size_t i;

    *layout = (struct layout){.devices = json_object()};
    for (i = 0; i < inventory->disks.disk_count && layout->devices != NULL; i++) {
        disk = &inventory->disks.disks[i];
        if (!volume_id_has_life(disk->id, &life) || life == VOLUME_TRANSIENT ||
            (!disk->on_scsi && strcmp(disk->bus, VIRTIO) != 0))
            continue;
        field_set(&layout->devices, disk->id, place_of(disk, qmp, deadline_ms, &failure));
    }
    if (failure.code != ERROR_NONE)
        return pass_on(&failure, error);
    return layout->devices != NULL ? 0 : without_memory(error);
}

/* ---- writing ---- */

int layout_save(const struct layout *layout, struct store *store, const char *name,
                struct error *error)
{
    AUTO_FD int directory = open_directory(store, true);
    AUTO_JSON json_t *root =
        json_pack("{s:o}", "devices",
                  layout->devices != NULL ? json_incref(layout->devices) : json_object());
    AUTO_FREE char *text = NULL;
    char file[VM_NAME_MAX + 8];

    if (directory < 0)
        return error_set_errno(error, ERROR_SYSTEM, errno, "make room or access there",
                               "cannot make %s/" DIRECTORY, store->path);
    text = root != NULL ? codec_dump(root, 2) : NULL;
    if (text == NULL)
        return without_memory(error);
    return atomic_file_write(directory, name_file(name, file), text, strlen(text), error);
}

struct fetched {
    bool done;
    struct inventory *inventory;
    struct error error;
};

static void take_inventory(void *user, struct inventory *inventory, const struct error *error)
{
    struct fetched *fetched = user;

    fetched->done = true;
    fetched->inventory = inventory;
    if (inventory == NULL)
        fetched->error = *error;
}

static bool is_fetched(void *user)
{
    return ((const struct fetched *)user)->done;
}

static struct inventory *fetch(struct vm *vm, double timeout_ms, struct error *error)
{
    struct fetched fetched = {.error = ERROR_INIT};
    struct pump *pumps[VM_PUMPS_MAX];
    size_t count = vm_pumps(vm, pumps);

    if (inventory_fetch(vm, INVENTORY_DISKS, timeout_ms, 0, take_inventory, &fetched, error) ==
        NULL)
        return NULL;
    (void)blocking_run(pumps, count, is_fetched, &fetched, CLOCK_NEVER_MS); /* it ends in time */
    if (fetched.inventory == NULL)
        (void)pass_on(&fetched.error, error);
    return fetched.inventory;
}

int layout_record(struct vm *vm, struct store *store, const char *name, double timeout_ms,
                  struct error *error)
{
    struct inventory *inventory = fetch(vm, timeout_ms, error);
    struct layout layout;
    int status;

    if (inventory == NULL)
        return -1;
    status = layout_learn(&layout, inventory, vm_qmp(vm), timeout_ms, error);
    inventory_free(inventory);
    if (status == 0)
        status = store_lock(store, error);
    if (status == 0) {
        status = layout_save(&layout, store, name, error);
        store_unlock(store);
    }
    layout_free(&layout);
    return status;
}

int layout_remove(struct store *store, const char *name, struct error *error)
{
    AUTO_FD int directory = open_directory(store, false);
    char file[VM_NAME_MAX + 8];

    return directory < 0 ? 0 : atomic_file_remove(directory, name_file(name, file), error);
}
