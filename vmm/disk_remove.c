/* SPDX-License-Identifier: MIT */
/*
 * A disk goes by its id, and its block node after it. SCSI does not ask the guest: whatever it had
 * not written is lost, so a disk that the guest has mounted is not taken away unless forced.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qmp/qapi.h"
#include "vmm/hazard.h"
#include "vmm/operation_kind.h"

static const struct inventory_disk *find_disk(const struct inventory_disks *disks, const char *id)
{
    size_t i;

    for (i = 0; i < disks->disk_count; i++) {
        if (strcmp(disks->disks[i].id, id) == 0)
            return &disks->disks[i];
    }
    return NULL;
}

/* Is the guest's disk known to be one of QEMU's? */
static bool is_identified(const struct inventory *before, const char *name)
{
    const char *other;
    size_t i;

    for (i = 0; i < before->disks.disk_count; i++) {
        other = inventory_guest_disk_name(before, &before->disks.disks[i]);
        if (other != NULL && strcmp(other, name) == 0)
            return true;
    }
    return false;
}

/* A disk whose name in the guest is not certain may be any that is not known to be another. */
static int check_unnamed(const struct inventory *before, const char *id, struct error *error)
{
    const char *name, *use;
    size_t i;

    for (i = 0; i < before->guest.disk_count; i++) {
        name = before->guest.disks[i].name;
        use = qga_uses_find(&before->guest.uses, name);
        if (use == NULL || is_identified(before, name))
            continue;
        return error_set(error, ERROR_BLOCKED,
                         "unmount it (or swapoff) in the guest first, or use --force",
                         "the guest uses its %.63s for %s, and that may be '%s'", name, use, id);
    }
    return 0;
}

static int check(const struct operation *operation, const struct inventory_disk *disk,
                 const char *guest_name, struct error *error)
{
    const char *id = operation->request.id, *use;

    if (disk == NULL)
        return error_set(error, ERROR_BLOCKED, "see vmplug disk list for those there are",
                         "there is no disk '%s'", id);
    if (disk->cdrom)
        return error_set(error, ERROR_BLOCKED, "take its medium out with vmplug cdrom eject",
                         "'%s' is a CD-ROM drive", id);
    if (disk->id[0] == '/')
        return error_set(error, ERROR_BLOCKED, "give disks an id when QEMU is started",
                         "the disk '%s' has no id", id);
    if (operation->request.force)
        return 0;
    if (strcmp(disk->bus, "virtio") == 0 &&
        hazard_check_memory_map(operation->vm, operation->before, error) < 0)
        return -1;
    if (guest_name == NULL)
        return check_unnamed(operation->before, id, error);
    use = qga_uses_find(&operation->before->guest.uses, guest_name);
    if (use == NULL)
        return 0;
    return error_set(error, ERROR_BLOCKED,
                     "unmount it (or swapoff) in the guest first, or use --force",
                     "the guest uses '%s', its %s, for %s", id, guest_name, use);
}

/* Another disk that has the same block node, which then stays; NULL: none. */
static const struct inventory_disk *find_sharer(const struct inventory_disks *disks,
                                                const struct inventory_disk *disk)
{
    size_t i;

    for (i = 0; i < disks->disk_count; i++) {
        if (&disks->disks[i] != disk && strcmp(disks->disks[i].node, disk->node) == 0)
            return &disks->disks[i];
    }
    return NULL;
}

/* Whether the guest uses it is known where its agent tells, and where it is sure which of the
 * guest's disks it is. */
static void note_unseen_use(struct operation *operation, const char *guest_name)
{
    if (guest_name == NULL || !inventory_agent_has(operation->before, "guest-get-fsinfo"))
        operation_note(operation, "whether the guest had it mounted could not be seen");
}

/* The block node goes with the disk, unless QEMU named it, and so takes it away itself. */
static void plan_node(struct operation *operation, const struct inventory_disk *disk)
{
    const struct inventory_disk *sharer = find_sharer(&operation->before->disks, disk);
    char text[160];

    if (disk->node[0] == '\0' || disk->node[0] == '#')
        return;
    if (sharer == NULL) {
        operation_clean_node(operation, disk->node);
        return;
    }
    (void)snprintf(text, sizeof(text), "the block node '%.31s' stays: '%.63s' has it, too",
                   disk->node, sharer->id);
    operation_note(operation, text);
}

static int plan(struct operation *operation, struct error *error)
{
    const struct inventory *before = operation->before;
    const struct inventory_disk *disk = find_disk(&before->disks, operation->request.id);
    const char *guest_name = disk != NULL ? inventory_guest_disk_name(before, disk) : NULL;

    if (disk == NULL && record_has(vm_record(operation->vm), operation->request.id, "-remove"))
        return operation_take_up_removal(operation, error);
    (void)snprintf(operation->result.id, OPERATION_ID_MAX, "%.63s", operation->request.id);
    if (check(operation, disk, guest_name, error) < 0)
        return -1;
    (void)snprintf(operation->path, sizeof(operation->path), "%s", disk->id);
    if (guest_name != NULL) {
        (void)snprintf(operation->guest_name, sizeof(operation->guest_name), "%s", guest_name);
        operation_detail(operation, "guest_name", json_string(guest_name));
    }
    if (disk->file[0] != '\0')
        operation_detail(operation, "file", json_string(disk->file));
    note_unseen_use(operation, guest_name);
    plan_node(operation, disk);
    operation_add_step(operation, "device_del", json_pack("{s:s}", "id", disk->id), NULL, NULL, "");
    return 0;
}

/* Gone from the drives that have a device. A virtio-blk shows as the path of its backend. */
static bool is_gone(struct operation *operation, const json_t *answer)
{
    char backend[INVENTORY_PATH_MAX + 64];
    struct qapi_block block;
    const json_t *row;
    size_t i;

    (void)snprintf(backend, sizeof(backend), "/machine/peripheral/%s/virtio-backend",
                   operation->path); /* the id, uncut */
    json_array_foreach(answer, i, row) {
        qapi_read_block(row, &block);
        if (strcmp(block.qdev, operation->path) == 0 || strcmp(block.qdev, backend) == 0)
            return false;
    }
    return json_is_array(answer);
}

/* Its name may be another's by now. */
static bool is_it(const struct operation *operation, const struct qga_disk *disk)
{
    return strcmp(disk->name, operation->guest_name) == 0 &&
           (operation->request.resume || inventory_guest_had(operation->before, disk));
}

static void on_disks(struct operation *operation, const json_t *value, const struct error *error)
{
    struct qga_disk *disks = NULL;
    size_t count = 0, i;
    bool found = false;

    if (error != NULL || !qga_read_disks(value, &disks, &count)) {
        operation_look_later(operation);
        return;
    }
    for (i = 0; i < count; i++)
        found = found || is_it(operation, &disks[i]);
    free(disks);
    if (found)
        operation_look_later(operation);
    else
        operation_confirmed(operation);
}

static void look_inside(struct operation *operation)
{
    operation->result.guest_unseen = operation->guest_name[0] == '\0';
    if (operation->result.guest_unseen)
        operation_confirmed(operation); /* what the guest called it was not known */
    else
        operation_ask_agent(operation, "guest-get-disks", on_disks);
}

static const char *const agent_commands[] = {"guest-get-disks", NULL};

const struct operation_kind disk_remove_kind = {
    .name = "disk-remove",
    .top = VERDICT_REMOVED,
    .removes = true,
    .parts = INVENTORY_DISKS | INVENTORY_GUEST_DISKS | INVENTORY_GUEST_MOUNTS | HAZARD_PARTS,
    .agent_commands = agent_commands,
    .plan = plan,
    .take_up = operation_take_up_removal,
    .realized_query = "query-block",
    .is_realized = is_gone,
    .look_inside = look_inside,
    .refusal_fix = "look into the guest's kernel log, and try again",
};
