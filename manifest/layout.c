/* SPDX-License-Identifier: MIT */
#include "manifest/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
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

/* A port that QEMU is asked for. */
struct asked {
    struct layout_learning *learning;
    char id[INVENTORY_PATH_MAX];
    int64_t number; /* 0: it has answered */
};

struct layout_learning {
    struct vm *vm;
    struct vm_timer timer; /* the end is told from here */
    struct layout layout;
    struct asked *asked;
    size_t count, unanswered;
    struct error failure;
    layout_learnt_fn *done;
    void *user;
};

void layout_learn_cancel(struct layout_learning *learning)
{
    size_t i;

    if (learning == NULL)
        return;
    for (i = 0; i < learning->count; i++) {
        if (learning->asked[i].number > 0)
            vm_cancel(learning->vm, PEER_QMP, learning->asked[i].number);
    }
    vm_timer_stop(learning->vm, &learning->timer);
    layout_free(&learning->layout);
    free(learning->asked);
    free(learning);
}

static void end_learning(void *user)
{
    struct layout_learning *learning = user;
    bool failed;

    if (learning->layout.devices == NULL && learning->failure.code == ERROR_NONE)
        (void)without_memory(&learning->failure);
    failed = learning->failure.code != ERROR_NONE;
    learning->done(learning->user, failed ? NULL : &learning->layout,
                   failed ? &learning->failure : NULL);
    layout_learn_cancel(learning);
}

/* The bus that a virtio-blk sits on is its property parent_bus, a path that ends in the bus's
 * name. */
static void on_port(void *user, const struct reply *reply)
{
    struct asked *asked = user;
    struct layout_learning *learning = asked->learning;
    const char *path = json_string_value(reply->value);
    const char *name = path != NULL ? strrchr(path, '/') : NULL;

    asked->number = 0;
    if (reply->error != NULL)
        learning->failure = *reply->error;
    else
        field_set(&learning->layout.devices, asked->id,
                  json_pack("{s:s}", "bus", name != NULL ? name + 1 : ""));
    if (--learning->unanswered == 0)
        vm_timer_set(learning->vm, &learning->timer, 0);
}

static int ask_port(struct layout_learning *learning, const char *id, double timeout_ms,
                    struct error *error)
{
    struct asked *asked = &learning->asked[learning->count];
    char path[sizeof(PERIPHERAL) + INVENTORY_PATH_MAX];
    struct request request = {
        .command = "qom-get", .timeout_ms = timeout_ms, .done = on_port, .user = asked};

    (void)snprintf(path, sizeof(path), PERIPHERAL "%.200s", id);
    request.arguments = json_pack("{s:s, s:s}", "path", path, "property", "parent_bus");
    *asked = (struct asked){.learning = learning};
    text_copy(asked->id, sizeof(asked->id), id);
    asked->number = vm_submit(learning->vm, PEER_QMP, &request, error);
    if (asked->number < 0)
        return -1;
    learning->count++;
    learning->unanswered++;
    return 0;
}

static int learn_one(struct layout_learning *learning, const struct inventory_disk *disk,
                     double timeout_ms, struct error *error)
{
    enum volume_life life;

    if (!volume_id_has_life(disk->id, &life) || life == VOLUME_TRANSIENT)
        return 0;
    if (disk->on_scsi)
        field_set(&learning->layout.devices, disk->id,
                  json_pack("{s:s, s:i, s:i}", "bus", disk->bus, "scsi-id", (int)disk->scsi_id,
                            "lun", (int)disk->lun));
    else if (strcmp(disk->bus, VIRTIO) == 0)
        return ask_port(learning, disk->id, timeout_ms, error);
    return 0;
}

struct layout_learning *layout_learn_start(struct vm *vm, const struct inventory *inventory,
                                           double timeout_ms, layout_learnt_fn *done, void *user,
                                           struct error *error)
{
    const struct inventory_disks *disks = &inventory->disks;
    struct layout_learning *learning = calloc(1, sizeof(*learning));
    size_t i;

    if (learning != NULL)
        learning->asked = calloc(disks->disk_count + 1, sizeof(*learning->asked));
    if (learning == NULL || learning->asked == NULL) {
        free(learning);
        (void)without_memory(error);
        return NULL;
    }
    learning->vm = vm;
    learning->done = done;
    learning->user = user;
    learning->timer = (struct vm_timer){.fired = end_learning, .user = learning};
    learning->layout.devices = json_object();
    for (i = 0; i < disks->disk_count; i++) {
        if (learn_one(learning, &disks->disks[i], timeout_ms, error) < 0) {
            layout_learn_cancel(learning);
            return NULL;
        }
    }
    if (learning->unanswered == 0)
        vm_timer_set(vm, &learning->timer, 0);
    return learning;
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

/* What is to be recorded where, and what came of it. */
struct recording {
    struct store *store;
    const char *name;
    bool done;
    int status;
    struct error error;
};

static void record(void *user, const struct layout *layout, const struct error *failure)
{
    struct recording *recording = user;

    recording->done = true;
    recording->status = failure != NULL ? pass_on(failure, &recording->error)
                                        : store_lock(recording->store, &recording->error);
    if (recording->status < 0)
        return;
    recording->status =
        layout_save(layout, recording->store, recording->name, &recording->error);
    store_unlock(recording->store);
}

static bool is_recorded(void *user)
{
    return ((const struct recording *)user)->done;
}

int layout_record(struct vm *vm, struct store *store, const char *name, double timeout_ms,
                  struct error *error)
{
    struct recording recording = {.store = store, .name = name, .error = ERROR_INIT};
    struct inventory *inventory = fetch(vm, timeout_ms, error);
    struct layout_learning *learning = NULL;
    struct pump *pumps[VM_PUMPS_MAX];
    size_t count = vm_pumps(vm, pumps);

    if (inventory != NULL)
        learning = layout_learn_start(vm, inventory, timeout_ms, record, &recording, error);
    inventory_free(inventory);
    if (learning == NULL)
        return -1;
    (void)blocking_run(pumps, count, is_recorded, &recording, CLOCK_NEVER_MS); /* it ends in time */
    return recording.status == 0 ? 0 : pass_on(&recording.error, error);
}

int layout_remove(struct store *store, const char *name, struct error *error)
{
    AUTO_FD int directory = open_directory(store, false);
    char file[VM_NAME_MAX + 8];

    return directory < 0 ? 0 : atomic_file_remove(directory, name_file(name, file), error);
}
