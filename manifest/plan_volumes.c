/* SPDX-License-Identifier: MIT */
/*
 * Declarative volumes (VEP 31): a volume with its disk that is new is plugged, one that is gone is
 * unplugged, one with another source is exchanged. A CD-ROM drive stays, and its medium comes and
 * goes. A file that has grown is a disk that grows.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "manifest/plan.h"
#include "manifest/quantity.h"

#define VOLUMES_PATH "spec.template.spec.volumes"

/* One volume of the manifest, and what is there of it. */
struct candidate {
    const struct volume *volume;
    char file[PATH_MAX]; /* "" of a drive without a medium */
    struct error problem; /* its file is not known */
    const struct inventory_disk *device; /* NULL: not there, or not for long */
    bool blocked; /* and that has been said */
    size_t after; /* 1 + the step by which what is there goes; 0: none */
};

static bool is_same_file(const char *a, const char *b)
{
    struct stat first, second;

    if (strcmp(a, b) == 0)
        return true;
    return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

static const struct inventory_disk *find_by_id(const struct inventory *inventory,
                                               const char *volume)
{
    const struct inventory_disks *disks = &inventory->disks;
    char hotpluggable[VOLUME_ID_MAX], fixed[VOLUME_ID_MAX], transient[VOLUME_ID_MAX];
    const char *const ids[] = {
        volume_id(VOLUME_HOTPLUGGABLE, volume, hotpluggable),
        volume_id(VOLUME_FIXED, volume, fixed),
        volume_id(VOLUME_TRANSIENT, volume, transient),
        volume,
    };
    size_t i, id;

    for (id = 0; id < COUNT_OF(ids); id++) {
        for (i = 0; i < disks->disk_count; i++) {
            if (strcmp(disks->disks[i].id, ids[id]) == 0)
                return &disks->disks[i];
        }
    }
    return NULL;
}

/* By its id it is a volume's of the manifest, and no other's by its file. */
static bool has_owner(const struct plan_input *input, const struct inventory_disk *device)
{
    size_t i;

    for (i = 0; i < input->vm->volume_count; i++) {
        if (find_by_id(input->inventory, input->vm->volumes[i].name) == device)
            return true;
    }
    return false;
}

const struct inventory_disk *plan_find_device(const struct plan_input *input,
                                              const struct volume *volume, const char *file)
{
    const struct inventory_disks *disks = &input->inventory->disks;
    const struct inventory_disk *device = find_by_id(input->inventory, volume->name);
    size_t i;

    for (i = 0; device == NULL && file != NULL && *file != '\0' && i < disks->disk_count; i++) {
        if (disks->disks[i].has_medium && is_same_file(disks->disks[i].file, file) &&
            disks->disks[i].cdrom == (volume->device == VOLUME_CDROM) &&
            !has_owner(input, &disks->disks[i]))
            device = &disks->disks[i];
    }
    return device;
}

static int without_memory(struct error *error)
{
    return error_set(error, ERROR_SYSTEM, "", "out of memory");
}

static const char *path_of(const struct volume *volume)
{
    return volume->volume_path[0] != '\0' ? volume->volume_path : volume->disk_path;
}

static int block(struct plan *plan, const char *path, bool restart, const struct error *problem,
                 struct error *error)
{
    struct plan_block *added = plan_add_block(plan, PLAN_VOLUME, path, restart);

    if (added == NULL)
        return without_memory(error);
    added->error = *problem;
    return 0;
}

static struct plan_step *add(struct plan *plan, enum operation_type type, const char *volume,
                             const char *id)
{
    struct plan_step *step = plan_add_step(plan, PLAN_VOLUME);

    if (step == NULL)
        return NULL;
    step->request = (struct batch_request){.goal = BATCH_COUNT, .count = 1, .each.type = type};
    step->devices = 1;
    text_copy(step->volume, sizeof(step->volume), volume);
    text_copy(step->id, sizeof(step->id), id);
    return step;
}

/* ---- what can't be ---- */

/* Does something keep this volume's device from changing while the VM runs? */
static bool is_fixed(const struct plan_input *input, const struct volume *volume,
                     struct error *ret)
{
    const char *gate = input->cluster->closed[GATE_VOLUMES];

    if (gate != NULL)
        (void)error_set(ret, ERROR_BLOCKED,
                        "take it out of disabledFeatureGates, or " PLAN_NEXT_LAUNCH,
                        "the feature gate %s is disabled", gate);
    else if (!volume->hotpluggable)
        (void)error_set(ret, ERROR_BLOCKED,
                        volume->source == VOLUME_CLAIM || volume->source == VOLUME_DATA_VOLUME
                            ? "say hotpluggable: true in it, or " PLAN_NEXT_LAUNCH
                            : "make it a claim that is hotpluggable, or " PLAN_NEXT_LAUNCH,
                        "the volume '%.63s' is not hotpluggable", volume->name);
    else if (volume->device == VOLUME_LUN)
        (void)error_set(ret, ERROR_BLOCKED, "make it a disk, or " PLAN_NEXT_LAUNCH,
                        "a lun, which passes a SCSI device of the host through, can't come while "
                        "the VM runs");
    else if (volume->device == VOLUME_DISK && volume->bus != NULL &&
             strcmp(volume->bus, "sata") == 0)
        (void)error_set(ret, ERROR_BLOCKED, "choose scsi or virtio, or " PLAN_NEXT_LAUNCH,
                        "a disk on bus sata can't come while the VM runs");
    else
        return false;
    return true;
}

/* ---- what goes ---- */

static const struct candidate *find_candidate(const struct candidate *candidates, size_t count,
                                              const struct inventory_disk *device)
{
    size_t i;

    for (i = 0; i < count; i++) {
        if (candidates[i].device == device)
            return &candidates[i];
    }
    return NULL;
}

/* A device of a manifest's that no manifest has any more. */
static int let_go(struct plan *plan, const struct plan_input *input,
                  const struct inventory_disk *device, struct error *error)
{
    const char *gate = input->cluster->closed[GATE_VOLUMES];
    struct error problem = ERROR_INIT;
    enum volume_life life;
    struct plan_step *step;

    if (!volume_id_has_life(device->id, &life) || life == VOLUME_TRANSIENT ||
        plan_finishes_removal(plan, device->id) != 0)
        return 0;
    if (life == VOLUME_FIXED || device->cdrom) {
        (void)error_set(&problem, ERROR_BLOCKED, "stop the VM and launch it again: then it is gone",
                        "'%s' is not hotpluggable, and stays until the VM is launched again",
                        volume_id_name(device->id));
        return block(plan, VOLUMES_PATH, true, &problem, error);
    }
    if (gate != NULL) {
        (void)error_set(&problem, ERROR_BLOCKED, "take it out of disabledFeatureGates",
                        "the feature gate %s is disabled", gate);
        return block(plan, VOLUMES_PATH, true, &problem, error);
    }
    step = add(plan, OPERATION_DISK_REMOVE, volume_id_name(device->id), device->id);
    if (step == NULL)
        return without_memory(error);
    (void)snprintf(step->what, sizeof(step->what), "disk %.63s out", step->volume);
    (void)snprintf(step->reason, sizeof(step->reason), "%s has no volume for it", VOLUMES_PATH);
    return 0;
}

static int plan_leaving(struct plan *plan, const struct plan_input *input,
                        const struct candidate *candidates, size_t count, struct error *error)
{
    const struct inventory_disks *disks = &input->inventory->disks;
    size_t i;

    for (i = 0; i < disks->disk_count; i++) {
        if (find_candidate(candidates, count, &disks->disks[i]) == NULL &&
            let_go(plan, input, &disks->disks[i], error) < 0)
            return -1;
    }
    return 0;
}

static int plan_eject(struct plan *plan, const struct candidate *candidate, struct error *error)
{
    struct plan_step *step =
        add(plan, OPERATION_CDROM_EJECT, candidate->volume->name, candidate->device->id);

    if (step == NULL)
        return without_memory(error);
    (void)snprintf(step->what, sizeof(step->what), "medium of %.63s out", step->volume);
    (void)snprintf(step->reason, sizeof(step->reason), "%s has no volume '%.63s'", VOLUMES_PATH,
                   step->volume);
    return 0;
}

/* ---- what comes ---- */

static void choose_serial(struct plan_step *step, const struct volume *volume)
{
    if (volume->serial != NULL)
        text_copy(step->serial, sizeof(step->serial), volume->serial);
    else
        volume_id_serial(volume->name, virtual_machine_serial_max(step->bus), step->serial,
                         sizeof(step->serial));
}

static int plan_disk(struct plan *plan, const struct candidate *candidate, struct error *error)
{
    const struct volume *volume = candidate->volume;
    char id[VOLUME_ID_MAX];
    struct plan_step *step = add(plan, OPERATION_DISK_ADD, volume->name,
                                 volume_id(VOLUME_HOTPLUGGABLE, volume->name, id));

    if (step == NULL)
        return without_memory(error);
    text_copy(step->file, sizeof(step->file), candidate->file);
    text_copy(step->bus, sizeof(step->bus), volume->bus != NULL ? volume->bus : "scsi");
    choose_serial(step, volume);
    step->request.each.disk.read_only = volume->read_only;
    step->request.each.disk.direct = virtual_machine_is_direct(volume);
    step->request.each.disk.aio = volume->io;
    step->request.each.disk.write_cache = virtual_machine_write_cache(volume);
    step->after = candidate->after;
    (void)snprintf(step->what, sizeof(step->what), "disk %.63s in", step->volume);
    (void)snprintf(step->reason, sizeof(step->reason), "%s is %.180s", path_of(volume),
                   volume->source_name != NULL ? volume->source_name : volume->name);
    return 0;
}

static int plan_medium(struct plan *plan, const struct candidate *candidate, struct error *error)
{
    const struct volume *volume = candidate->volume;
    struct plan_step *step =
        add(plan, OPERATION_CDROM_INSERT, volume->name, candidate->device->id);

    if (step == NULL)
        return without_memory(error);
    text_copy(step->file, sizeof(step->file), candidate->file);
    (void)snprintf(step->what, sizeof(step->what), "medium into %.63s", step->volume);
    (void)snprintf(step->reason, sizeof(step->reason), "%s is %.180s", path_of(volume),
                   volume->source_name != NULL ? volume->source_name : volume->name);
    return 0;
}

/* A raw file that is larger than QEMU knows. */
static int plan_growth(struct plan *plan, const struct plan_input *input,
                       const struct candidate *candidate, struct error *error)
{
    const struct inventory_disk *device = candidate->device;
    char from[QUANTITY_TEXT_MAX], to[QUANTITY_TEXT_MAX];
    struct error problem = ERROR_INIT;
    struct plan_step *step;
    struct stat status;
    uint64_t bytes;

    if (strcmp(device->format, "raw") != 0 || stat(candidate->file, &status) < 0 ||
        !S_ISREG(status.st_mode))
        return 0;
    bytes = (uint64_t)status.st_size / 512 * 512; /* what QEMU can make of it */
    if (bytes <= device->bytes)
        return 0;
    if (input->cluster->closed[GATE_EXPAND_DISKS] != NULL) {
        (void)error_set(&problem, ERROR_BLOCKED, "take it out of disabledFeatureGates",
                        "the feature gate ExpandDisks is disabled");
        return block(plan, path_of(candidate->volume), true, &problem, error);
    }
    step = add(plan, OPERATION_DISK_RESIZE, candidate->volume->name, device->id);
    if (step == NULL)
        return without_memory(error);
    step->request.each.bytes = bytes;
    (void)snprintf(step->what, sizeof(step->what), "disk %.63s %s -> %s", step->volume,
                   quantity_format(device->bytes, from), quantity_format(bytes, to));
    (void)snprintf(step->reason, sizeof(step->reason), "its file has grown");
    return 0;
}

/* ---- each volume, in turns: what goes makes room for what comes ---- */

static bool is_known(const struct candidate *candidate)
{
    return candidate->problem.code == ERROR_NONE;
}

static int hold_back(struct plan *plan, const struct plan_input *input,
                     const struct candidate *candidate, bool *ret_held, struct error *error)
{
    const char *gate = input->cluster->closed[GATE_VOLUMES];
    struct error problem = ERROR_INIT;

    *ret_held = gate != NULL;
    if (gate == NULL)
        return 0;
    (void)error_set(&problem, ERROR_BLOCKED, "take it out of disabledFeatureGates",
                    "the feature gate %s is disabled", gate);
    return block(plan, path_of(candidate->volume), true, &problem, error);
}

static bool is_drive(const struct candidate *candidate)
{
    return candidate->volume->device == VOLUME_CDROM && candidate->device != NULL &&
           candidate->device->cdrom;
}

static int turn_eject(struct plan *plan, const struct plan_input *input,
                      struct candidate *candidate, struct error *error)
{
    bool held;

    if (!is_drive(candidate) || candidate->volume->source != VOLUME_NO_MEDIUM ||
        !candidate->device->has_medium)
        return 0;
    if (hold_back(plan, input, candidate, &held, error) < 0)
        return -1;
    return held ? 0 : plan_eject(plan, candidate, error);
}

/* Another source: the old device makes room for the new one. */
static int turn_exchange(struct plan *plan, const struct plan_input *input,
                         struct candidate *candidate, struct error *error)
{
    const struct inventory_disk *device = candidate->device;
    struct error problem = ERROR_INIT;
    struct plan_step *step;

    if (!is_known(candidate) || candidate->volume->device == VOLUME_CDROM || device == NULL)
        return 0;
    if (device->cdrom) {
        (void)error_set(&problem, ERROR_BLOCKED, PLAN_NEXT_LAUNCH,
                        "'%.63s' is a CD-ROM drive while the VM runs", candidate->volume->name);
        candidate->blocked = true;
        return block(plan, candidate->volume->disk_path, true, &problem, error);
    }
    if (is_same_file(device->file, candidate->file))
        return 0;
    if (is_fixed(input, candidate->volume, &problem)) {
        candidate->blocked = true;
        return block(plan, path_of(candidate->volume), true, &problem, error);
    }
    step = add(plan, OPERATION_DISK_REMOVE, candidate->volume->name, device->id);
    if (step == NULL)
        return without_memory(error);
    (void)snprintf(step->what, sizeof(step->what), "disk %.63s out", step->volume);
    (void)snprintf(step->reason, sizeof(step->reason), "%s has another source: it has %.150s",
                   path_of(candidate->volume), device->file);
    candidate->after = plan->step_count;
    candidate->device = NULL;
    return 0;
}

/* The manifest's word for the bus of this device; NULL: nobody knows. What vmplug has launched and
 * is on neither of the first two is on sata; a drive of somebody else's is taken as it is. */
static const char *bus_of(const struct inventory_disk *device)
{
    enum volume_life life;
    bool launched = volume_id_has_life(device->id, &life) && life == VOLUME_FIXED;

    if (device->cdrom && !launched)
        return NULL;
    if (device->on_scsi)
        return "scsi";
    if (device->bus[0] != '\0')
        return device->bus;
    return launched ? "sata" : NULL;
}

__attribute__((format(printf, 3, 4)))
static bool differs(const struct volume *volume, struct error *ret, const char *how, ...)
{
    char words[128];
    va_list arguments;

    va_start(arguments, how);
    (void)vsnprintf(words, sizeof(words), how, arguments);
    va_end(arguments);
    (void)error_set(ret, ERROR_BLOCKED, PLAN_NEXT_LAUNCH, "the %s '%.63s' %s while the VM runs",
                    volume->device == VOLUME_CDROM ? "drive" : "disk", volume->name, words);
    return true;
}

/* In what else than its source? What QEMU does not tell (io, and whether the disk began with a
 * cache of its own, which the guest can switch) is not compared. */
static bool is_another(const struct volume *volume, const struct inventory_disk *device,
                       struct error *ret)
{
    const char *bus = bus_of(device);

    if (volume->bus != NULL && bus != NULL && strcmp(volume->bus, bus) != 0)
        return differs(volume, ret, "is on bus %s", bus);
    if (volume->device == VOLUME_CDROM)
        return false;
    if (bus != NULL && device->passed_through != (volume->device == VOLUME_LUN))
        return differs(volume, ret, "is %s lun", device->passed_through ? "a" : "no");
    if (device->read_only != volume->read_only)
        return differs(volume, ret, "can%s be written to", device->read_only ? "not" : "");
    if (volume->serial != NULL && device->serial[0] != '\0' &&
        strcmp(volume->serial, device->serial) != 0)
        return differs(volume, ret, "has the serial '%.40s'", device->serial);
    if (volume->cache != NULL && device->direct != (strcmp(volume->cache, "none") == 0))
        return differs(volume, ret, "has %s", device->direct ? "cache: none"
                                                             : "the host's page cache");
    return false;
}

/* It stays as it is: other than by its source it can't be told to change. */
static int turn_stay(struct plan *plan, const struct plan_input *input,
                     struct candidate *candidate, struct error *error)
{
    const struct volume *volume = candidate->volume;
    const struct inventory_disk *device = candidate->device;
    struct error problem = ERROR_INIT;

    if (!is_known(candidate) || device == NULL || candidate->blocked ||
        device->cdrom != (volume->device == VOLUME_CDROM))
        return 0;
    if (is_another(volume, device, &problem) &&
        block(plan, volume->disk_path, true, &problem, error) < 0)
        return -1;
    return device->cdrom ? 0 : plan_growth(plan, input, candidate, error);
}

static int turn_arrive(struct plan *plan, const struct plan_input *input,
                       struct candidate *candidate, struct error *error)
{
    const struct volume *volume = candidate->volume;
    struct error problem = ERROR_INIT;

    if (!is_known(candidate))
        return block(plan, path_of(volume), false, &candidate->problem, error);
    if (volume->device == VOLUME_CDROM || candidate->device != NULL)
        return 0;
    if (is_fixed(input, volume, &problem))
        return block(plan, path_of(volume), true, &problem, error);
    return plan_disk(plan, candidate, error);
}

static int turn_insert(struct plan *plan, const struct plan_input *input,
                       struct candidate *candidate, struct error *error)
{
    const struct volume *volume = candidate->volume;
    struct error problem = ERROR_INIT;
    bool held;

    if (volume->device != VOLUME_CDROM || !is_known(candidate))
        return 0;
    if (!is_drive(candidate)) {
        (void)error_set(&problem, ERROR_BLOCKED, PLAN_NEXT_LAUNCH,
                        "the VM has no CD-ROM drive '%.63s', and none can come while it runs",
                        volume->name);
        return block(plan, volume->disk_path, true, &problem, error);
    }
    if (volume->source == VOLUME_NO_MEDIUM ||
        (candidate->device->has_medium && is_same_file(candidate->device->file, candidate->file)))
        return 0;
    if (hold_back(plan, input, candidate, &held, error) < 0)
        return -1;
    return held ? 0 : plan_medium(plan, candidate, error);
}

static int look(struct candidate *candidate, const struct plan *plan, const struct volume *volume,
                const struct plan_input *input, struct error *error)
{
    *candidate = (struct candidate){.volume = volume};
    if (volume->source != VOLUME_NO_MEDIUM &&
        claims_find_file(input->claims, volume, candidate->file, sizeof(candidate->file),
                         &candidate->problem) < 0 &&
        candidate->problem.code == ERROR_SYSTEM) {
        *error = candidate->problem;
        return -1;
    }
    candidate->device = plan_find_device(input, volume, candidate->file);
    if (candidate->device != NULL)
        candidate->after = plan_finishes_removal(plan, candidate->device->id);
    if (candidate->after != 0)
        candidate->device = NULL;
    return 0;
}

static int look_at_all(struct candidate *candidates, const struct plan *plan,
                       const struct plan_input *input, struct error *error)
{
    size_t i;

    for (i = 0; i < input->vm->volume_count; i++) {
        if (look(&candidates[i], plan, &input->vm->volumes[i], input, error) < 0)
            return -1;
    }
    return 0;
}

typedef int turn_fn(struct plan *plan, const struct plan_input *input,
                    struct candidate *candidate, struct error *error);

static int take_turn(turn_fn *turn, struct plan *plan, const struct plan_input *input,
                     struct candidate *candidates, struct error *error)
{
    size_t i;

    for (i = 0; i < input->vm->volume_count; i++) {
        if (turn(plan, input, &candidates[i], error) < 0)
            return -1;
    }
    return 0;
}

int plan_volumes(struct plan *plan, const struct plan_input *input, struct error *error)
{
    static turn_fn *const turns[] = {turn_exchange, turn_stay, turn_arrive, turn_insert};
    size_t count = input->vm->volume_count, i;
    AUTO_FREE struct candidate *candidates = NULL;
    struct error problem = ERROR_INIT;

    if (!input->vm->volumes_given)
        return 0;
    if (!input->inventory->disks.known) {
        (void)error_set(&problem, ERROR_BLOCKED, "", "this QEMU does not tell which disks it has");
        return block(plan, VOLUMES_PATH, false, &problem, error);
    }
    candidates = calloc(count + 1, sizeof(*candidates));
    if (candidates == NULL)
        return without_memory(error);
    if (look_at_all(candidates, plan, input, error) < 0 ||
        take_turn(turn_eject, plan, input, candidates, error) < 0 ||
        plan_leaving(plan, input, candidates, count, error) < 0)
        return -1;
    for (i = 0; i < COUNT_OF(turns); i++) {
        if (take_turn(turns[i], plan, input, candidates, error) < 0)
            return -1;
    }
    return 0;
}
