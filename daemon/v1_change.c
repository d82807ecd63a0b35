/* SPDX-License-Identifier: MIT */
#include "daemon/v1_change.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "manifest/document.h"
#include "vmm/words.h"

#define LUN_MAX 16383
#define NODE_MAX 127

struct reading {
    struct document document;
    struct node root;
    struct v1_change *change;
};

static struct node member(const struct reading *reading, const char *key)
{
    return document_get(reading->root, key);
}

/* ---- values ---- */

/* A word that QEMU takes: what check finds wrong is the node's error. */
static const char *read_word(struct node node,
                             int (*check)(const char *text, size_t length_max,
                                          struct error *error),
                             size_t length_max)
{
    struct error problem = ERROR_INIT;
    const char *word = NULL;

    if (document_string(node, &word) && check(word, length_max, &problem) < 0)
        document_refuse(node, "choose another one", "%s", problem.why);
    return word;
}

/* Of what is there already: an id, a slot, or a path in QEMU's tree. */
static const char *read_name(struct node node)
{
    const char *name = NULL;

    if (document_require(node) && document_string(node, &name) &&
        (name[0] == '\0' || strlen(name) > NAME_MAX))
        document_refuse(node, "see the VM's status for those there are",
                        "must have 1 to %d characters", NAME_MAX);
    return name;
}

static void read_bytes(struct node node, bool required, uint64_t *ret)
{
    int64_t bytes;

    if (required && !document_require(node))
        return;
    if (document_integer(node, 0, INT64_MAX, &bytes))
        *ret = (uint64_t)bytes;
}

static uint64_t read_count(struct node node, unsigned least, unsigned otherwise)
{
    (void)document_unsigned(node, least, V1_CHANGE_COUNT, &otherwise);
    return otherwise;
}

/* The daemon's working directory is nobody's. */
static bool is_file(struct node node, const char *file)
{
    struct error problem = ERROR_INIT;

    if (words_check_file(file, &problem) < 0)
        document_refuse(node, "choose another one", "%s", problem.why);
    else if (file[0] == '/' || strncmp(file, "nbd", 3) == 0)
        return true;
    else
        document_refuse(node, "give the path from the root on", "'%.128s' is a relative path",
                        file);
    return false;
}

/* A list of strings, at least one, into change->texts. */
static size_t read_texts(struct reading *reading, const char *key, bool are_files)
{
    struct node list = member(reading, key), item;
    size_t count = json_array_size(list.value), i = 0;
    const char **texts;

    if (!document_require(list) || !document_is_list(list))
        return 0;
    if (count == 0 || count > V1_CHANGE_COUNT) {
        document_refuse(list, "name 1 to 4096", "must name 1 to %d, not %zu", V1_CHANGE_COUNT,
                        count);
        return 0;
    }
    texts = calloc(count, sizeof(*texts));
    if (texts == NULL) {
        document_refuse(list, "", "out of memory");
        return 0;
    }
    reading->change->texts = texts;
    DOCUMENT_EACH(item, list) {
        if (!are_files)
            texts[i] = read_name(item);
        else if (document_string(item, &texts[i]))
            (void)is_file(item, texts[i]);
        i++;
    }
    return count;
}

/* ---- operations ---- */

static void read_add_cpus(struct reading *reading)
{
    struct batch_request *request = &reading->change->request;

    request->goal = BATCH_COUNT;
    request->count = read_count(member(reading, "count"), 1, 1);
    (void)document_bool(member(reading, "atomic"), &request->atomic);
}

static void read_set_cpus(struct reading *reading)
{
    struct batch_request *request = &reading->change->request;
    struct node count = member(reading, "count");

    request->goal = BATCH_CPUS;
    if (document_require(count))
        request->target = read_count(count, 1, 1);
    (void)document_bool(member(reading, "atomic"), &request->atomic);
}

static void read_dimm(struct reading *reading)
{
    static const char *const backends[] = {"ram", "memfd", "file", NULL};
    struct operation_dimm *dimm = &reading->change->request.each.dimm;
    struct node path = member(reading, "backend_path");
    unsigned backend = 0;

    dimm->node_set = document_unsigned(member(reading, "node"), 0, NODE_MAX, &dimm->node);
    if (document_choice(member(reading, "backend"), backends, &backend))
        dimm->backend = (enum backend_type)backend;
    if (document_string(path, &dimm->backend_path)) {
        if (dimm->backend_path[0] != '/')
            document_refuse(path, "give the path from the root on", "is a relative path");
        dimm->backend = BACKEND_FILE;
    } else if (dimm->backend == BACKEND_FILE) {
        (void)document_require(path);
    }
    (void)document_bool(member(reading, "hugepages"), &dimm->hugepages);
    (void)document_bool(member(reading, "movable"), &dimm->movable);
    if (dimm->hugepages && dimm->backend == BACKEND_FILE)
        document_refuse(member(reading, "hugepages"), "name a file on a hugetlbfs, without it",
                        "says nothing of a file");
    (void)document_bool(member(reading, "atomic"), &reading->change->request.atomic);
}

static void read_add_memory(struct reading *reading)
{
    struct batch_request *request = &reading->change->request;
    bool virtio_mem = false;

    request->goal = BATCH_COUNT;
    request->count = 1;
    request->each.id = read_word(member(reading, "id"), words_check_id, WORDS_ID_MAX);
    read_bytes(member(reading, "bytes"), true, &request->each.dimm.bytes);
    if (document_bool(member(reading, "virtio_mem"), &virtio_mem) && virtio_mem)
        request->each.type = OPERATION_VIRTIO_MEM_ADD;
    read_dimm(reading);
}

static void read_set_memory(struct reading *reading)
{
    struct batch_request *request = &reading->change->request;

    request->goal = BATCH_MEMORY;
    read_bytes(member(reading, "bytes"), true, &request->target);
    read_dimm(reading);
}

static void read_resize_memory(struct reading *reading)
{
    struct batch_request *request = &reading->change->request;

    request->goal = BATCH_COUNT;
    request->count = 1;
    request->each.id = read_name(member(reading, "id"));
    read_bytes(member(reading, "bytes"), true, &request->each.dimm.bytes);
    (void)document_bool(member(reading, "movable"), &request->each.dimm.movable);
}

static void read_removal(struct reading *reading)
{
    struct batch_request *request = &reading->change->request;

    request->goal = BATCH_COUNT;
    request->count = read_texts(reading, "ids", false);
    request->ids = reading->change->texts;
}

static void read_add_disks(struct reading *reading)
{
    static const char *const unique[] = {"id", "serial", "lun"};
    struct batch_request *request = &reading->change->request;
    struct operation_disk *disk = &request->each.disk;
    size_t i;

    request->goal = BATCH_COUNT;
    request->count = read_texts(reading, "files", true);
    request->files = reading->change->texts;
    disk->file = request->count > 0 ? request->files[0] : NULL;
    request->each.id = read_word(member(reading, "id"), words_check_id, WORDS_ID_MAX);
    disk->serial = read_word(member(reading, "serial"), words_check_serial, WORDS_SERIAL_MAX);
    (void)document_string(member(reading, "bus"), &disk->bus);
    disk->lun_set = document_unsigned(member(reading, "lun"), 0, LUN_MAX, &disk->lun);
    (void)document_string(member(reading, "format"), &disk->format);
    (void)document_bool(member(reading, "read_only"), &disk->read_only);
    (void)document_bool(member(reading, "atomic"), &request->atomic);
    for (i = 0; i < COUNT_OF(unique) && request->count > 1; i++) {
        if (document_is_there(member(reading, unique[i])))
            document_refuse(member(reading, unique[i]), "add the disks by an operation each",
                            "fits one file, and there are %zu", (size_t)request->count);
    }
}

static void read_one(struct reading *reading)
{
    struct batch_request *request = &reading->change->request;

    request->goal = BATCH_COUNT;
    request->count = 1;
    request->each.id = read_name(member(reading, "id"));
}

static void read_resize_disk(struct reading *reading)
{
    read_one(reading);
    read_bytes(member(reading, "bytes"), true, &reading->change->request.each.bytes);
}

static void read_throttle(struct reading *reading)
{
    struct operation_limits *limits = &reading->change->request.each.limits;
    struct node iops = member(reading, "iops"), bps = member(reading, "bps");

    read_one(reading);
    limits->iops_set = document_is_there(iops);
    limits->bps_set = document_is_there(bps);
    read_bytes(iops, false, &limits->iops);
    read_bytes(bps, false, &limits->bps);
    if (!limits->iops_set && !limits->bps_set)
        (void)document_require(iops);
}

static void read_insert(struct reading *reading)
{
    struct operation_disk *disk = &reading->change->request.each.disk;
    struct node file = member(reading, "file");

    read_one(reading);
    if (document_require(file) && document_string(file, &disk->file))
        (void)is_file(file, disk->file);
    (void)document_string(member(reading, "format"), &disk->format);
}

static void read_wait(struct reading *reading)
{
    read_one(reading);
    reading->change->request.each.resume = true;
    reading->change->resume = reading->change->request.each.id;
}

/* ---- all of them ---- */

#define COMMON "operation", "timeout_ms", "wait", "dry_run", "force"
#define MEMBERS(...) ((const char *const[]){COMMON, __VA_ARGS__ NULL})
#define BACKEND "node", "backend", "backend_path", "hugepages", "movable", "atomic",

static const struct kind {
    enum operation_type type;
    void (*read)(struct reading *reading);
    const char *const *members;
} kinds[] = {
    {OPERATION_CPU_ADD, read_add_cpus, MEMBERS("count", "atomic",)},
    {OPERATION_CPU_ADD, read_set_cpus, MEMBERS("count", "atomic",)},
    {OPERATION_CPU_REMOVE, read_removal, MEMBERS("ids",)},
    {OPERATION_DIMM_ADD, read_add_memory, MEMBERS("bytes", "id", "virtio_mem", BACKEND)},
    {OPERATION_DIMM_ADD, read_set_memory, MEMBERS("bytes", BACKEND)},
    {OPERATION_VIRTIO_MEM_RESIZE, read_resize_memory, MEMBERS("id", "bytes", "movable",)},
    {OPERATION_DIMM_REMOVE, read_removal, MEMBERS("ids",)},
    {OPERATION_DISK_ADD, read_add_disks,
     MEMBERS("files", "id", "serial", "bus", "lun", "format", "read_only", "atomic",)},
    {OPERATION_DISK_REMOVE, read_removal, MEMBERS("ids",)},
    {OPERATION_DISK_RESIZE, read_resize_disk, MEMBERS("id", "bytes",)},
    {OPERATION_DISK_THROTTLE, read_throttle, MEMBERS("id", "iops", "bps",)},
    {OPERATION_CDROM_INSERT, read_insert, MEMBERS("id", "file", "format",)},
    {OPERATION_CDROM_EJECT, read_one, MEMBERS("id",)},
    {OPERATION_CPU_ADD, read_wait, MEMBERS("id",)},
};

const char *const v1_change_names[] = {
    "cpu-add",     "cpu-set",       "cpu-remove",   "memory-add",  "memory-set",
    "memory-resize", "memory-remove", "disk-add",    "disk-remove", "disk-resize",
    "disk-throttle", "cdrom-insert",  "cdrom-eject", "wait",        NULL,
};

static void refuse_unknown(struct node node, void *user)
{
    const struct reading *reading = user;

    document_refuse(node, "leave it out", "%s has no such member", reading->change->name);
}

static void read_common(struct reading *reading)
{
    static const char *const rungs[] = {"accepted", "realized", "acknowledged", "online", NULL};
    struct operation_request *each = &reading->change->request.each;
    int64_t timeout_ms;
    unsigned rung;

    if (document_integer(member(reading, "timeout_ms"), 1, V1_CHANGE_MS, &timeout_ms))
        each->timeout_ms = (double)timeout_ms;
    each->wait_set = document_choice(member(reading, "wait"), rungs, &rung);
    if (each->wait_set)
        each->wait = (enum rung)rung;
    (void)document_bool(member(reading, "dry_run"), &each->dry_run);
    (void)document_bool(member(reading, "force"), &each->force);
}

static void read_all(struct reading *reading)
{
    struct node operation = member(reading, "operation");
    struct v1_change *change = reading->change;
    const char *name;
    size_t index = 0;

    if (!document_is_object(reading->root)) {
        document_refuse(reading->root, "send one", "must be an object");
        return;
    }
    if (!document_require(operation) || !document_string(operation, &name))
        return;
    while (v1_change_names[index] != NULL && strcmp(v1_change_names[index], name) != 0)
        index++;
    change->name = v1_change_names[index];
    if (change->name == NULL) {
        document_refuse(operation, "see /v1/openapi.json for those there are",
                        "there is no operation '%.64s'", name);
        return;
    }
    change->request.each.type = kinds[index].type;
    read_common(reading);
    kinds[index].read(reading);
    document_each_unknown(reading->root, kinds[index].members, refuse_unknown, reading);
}

struct v1_change *v1_change_read(json_t *object, double timeout_ms, struct error *error)
{
    struct v1_change *change = calloc(1, sizeof(*change));
    struct reading reading = {.change = change};
    struct error problem = ERROR_INIT;

    if (change == NULL || document_init(&reading.document, "the body", object, &problem) < 0) {
        free(change);
        (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
        return NULL;
    }
    change->object = json_incref(object);
    change->request.each.timeout_ms = timeout_ms;
    reading.root = document_root(&reading.document, &problem);
    read_all(&reading);
    document_free(&reading.document);
    if (problem.code == ERROR_NONE)
        return change;
    v1_change_free(change);
    if (error != NULL)
        *error = problem;
    return NULL;
}

void v1_change_free(struct v1_change *change)
{
    if (change == NULL)
        return;
    json_decref(change->object);
    free(change->texts);
    free(change);
}
