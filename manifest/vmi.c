/* SPDX-License-Identifier: MIT */
#include "manifest/vmi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "manifest/quantity.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "vmm/status_json.h"

#define DEVICES "/dev/"

/* ---- conditions ---- */

static void add_condition(json_t *conditions, const char *type, bool status, const char *reason,
                          const char *message)
{
    json_t *condition =
        json_pack("{s:s, s:s, s:n, s:n}", "type", type, "status", status ? "True" : "False",
                  "lastProbeTime", "lastTransitionTime");

    if (reason != NULL)
        field_set(&condition, "reason", json_string(reason));
    if (message != NULL)
        field_set(&condition, "message", codec_string(message));
    (void)json_array_append_new(conditions, condition);
}

static const struct plan_step *find_step(const struct plan *plan, enum plan_subject subject)
{
    size_t i;

    for (i = 0; i < plan->step_count; i++) {
        if (plan->steps[i].subject == subject)
            return &plan->steps[i];
    }
    return NULL;
}

static void add_change(json_t *conditions, const char *type, const struct plan *plan,
                       enum plan_subject subject)
{
    const struct plan_step *step = find_step(plan, subject);

    if (step != NULL)
        add_condition(conditions, type, true, NULL, step->what);
}

/* Of several causes each is named. */
static void add_restart_required(json_t *conditions, const struct plan *plan)
{
    const struct plan_block *block;
    struct buffer message = {0};
    size_t i;

    for (i = 0; i < plan->block_count; i++) {
        block = &plan->blocks[i];
        if (!block->restart)
            continue;
        if (buffer_size(&message) > 0)
            (void)buffer_append(&message, "; ", 2);
        (void)buffer_append(&message, block->path, strlen(block->path));
        (void)buffer_append(&message, ": ", 2);
        (void)buffer_append(&message, block->error.why, strlen(block->error.why));
    }
    if (buffer_size(&message) > 0 && buffer_append(&message, "", 1) == 0)
        add_condition(conditions, "RestartRequired", true, "NotLiveUpdatable",
                      buffer_bytes(&message));
    buffer_free(&message);
}

static bool is_running(const struct inventory *inventory)
{
    return strcmp(inventory->machine.state, "running") == 0;
}

static json_t *conditions_of(const struct plan_input *input, const struct plan *plan)
{
    const struct inventory *inventory = input->inventory;
    json_t *conditions = json_array();

    add_condition(conditions, "Ready", is_running(inventory),
                  is_running(inventory) ? NULL : "GuestNotRunning", NULL);
    if (strcmp(inventory->machine.state, "paused") == 0)
        add_condition(conditions, "Paused", true, "PausedByUser", NULL);
    add_condition(conditions, "AgentConnected", inventory->guest.connected, NULL,
                  inventory->guest.connected ? NULL : inventory->guest.reason);
    add_change(conditions, "HotVCPUChange", plan, PLAN_CPUS);
    add_change(conditions, "HotMemoryChange", plan, PLAN_MEMORY);
    add_change(conditions, "VolumesChange", plan, PLAN_VOLUME);
    add_restart_required(conditions, plan);
    return conditions;
}

/* ---- vCPUs and memory: the guest's word where there is one, else QEMU's ---- */

static json_t *topology(const struct inventory *inventory)
{
    int online = inventory_cpus_online(inventory);
    unsigned vcpus = online >= 0 ? (unsigned)online : inventory->cpus.present, cores, threads;
    unsigned each = plan_vcpus_per_socket(inventory, &cores, &threads);

    return json_pack("{s:i, s:i, s:i}", "cores", (int)cores, "sockets",
                     (int)(each != 0 ? vcpus / each : vcpus), "threads", (int)threads);
}

static json_t *quantity(uint64_t bytes)
{
    char text[QUANTITY_TEXT_MAX];

    return json_string(quantity_format(bytes, text));
}

static json_t *memory_of(const struct plan_input *input)
{
    const struct inventory_memory *memory = &input->inventory->memory;
    AUTO_JSON json_t *status = status_json_memory(input->inventory);
    uint64_t current = memory->base_bytes + memory->plugged_bytes;
    uint64_t requested = input->vm->memory.guest_bytes;

    (void)codec_get_u64(json_object_get(status, "online_bytes"), &current);
    return json_pack("{s:o, s:o, s:o}", "guestAtBoot", quantity(memory->base_bytes),
                     "guestCurrent", quantity(current), "guestRequested",
                     quantity(requested != 0 ? requested
                                             : memory->base_bytes + memory->plugged_bytes));
}

/* ---- volumes ---- */

static const struct plan_step *find_volume_step(const struct plan *plan, const char *volume)
{
    size_t i;

    for (i = 0; i < plan->step_count; i++) {
        if (strcmp(plan->steps[i].volume, volume) == 0)
            return &plan->steps[i];
    }
    return NULL;
}

static const struct plan_block *find_volume_block(const struct plan *plan,
                                                  const struct volume *volume)
{
    size_t i;

    for (i = 0; volume != NULL && i < plan->block_count; i++) {
        if (strcmp(plan->blocks[i].path, volume->volume_path) == 0 ||
            strcmp(plan->blocks[i].path, volume->disk_path) == 0)
            return &plan->blocks[i];
    }
    return NULL;
}

static const char *phase_of(const struct plan *plan, const char *name,
                            const struct inventory_disk *device, const struct plan_block *block)
{
    const struct plan_step *step = find_volume_step(plan, name);

    if (step != NULL && (step->request.each.type == OPERATION_DISK_REMOVE ||
                         step->request.each.type == OPERATION_CDROM_EJECT))
        return "Detaching";
    return device == NULL || step != NULL || block != NULL ? "Pending" : "Ready";
}

/* A device, a volume, or both. */
static json_t *volume_status(const struct plan_input *input, const struct plan *plan,
                             const char *name, const struct volume *volume,
                             const struct inventory_disk *device)
{
    const char *guest_name =
        device != NULL ? inventory_guest_disk_name(input->inventory, device) : NULL;
    const struct plan_block *block = find_volume_block(plan, volume);
    json_t *status = json_pack("{s:o, s:s, s:s}", "name", codec_string(name), "phase",
                               phase_of(plan, name, device, block), "target",
                               guest_name == NULL ? ""
                               : strncmp(guest_name, DEVICES, strlen(DEVICES)) == 0
                                   ? guest_name + strlen(DEVICES)
                                   : guest_name);
    enum volume_life life;

    if (device != NULL && device->has_medium)
        field_set(&status, "size", json_integer((json_int_t)device->bytes));
    if (volume != NULL &&
        (volume->source == VOLUME_CLAIM || volume->source == VOLUME_DATA_VOLUME))
        field_set(&status, "persistentVolumeClaimInfo",
                  json_pack("{s:s}", "claimName", volume->source_name));
    if ((volume != NULL && volume->hotpluggable) ||
        (device != NULL && volume_id_has_life(device->id, &life) && life != VOLUME_FIXED))
        field_set(&status, "hotplugVolume", json_object());
    if (block != NULL) {
        field_set(&status, "reason", json_string("Blocked"));
        field_set(&status, "message", codec_string(block->error.why));
    }
    return status;
}

/* Of the manifest's devices those that it has no volume for any more, or never had. */
static void add_others(json_t *statuses, const struct plan_input *input, const struct plan *plan,
                       const struct inventory_disk *const *known, size_t count)
{
    const struct inventory_disks *disks = &input->inventory->disks;
    enum volume_life life;
    size_t i, j;

    for (i = 0; i < disks->disk_count; i++) {
        for (j = 0; j < count && known[j] != &disks->disks[i]; j++)
            ;
        if (j == count && volume_id_has_life(disks->disks[i].id, &life))
            (void)json_array_append_new(
                statuses, volume_status(input, plan, volume_id_name(disks->disks[i].id), NULL,
                                        &disks->disks[i]));
    }
}

static json_t *volumes_of(const struct plan_input *input, const struct plan *plan)
{
    const struct virtual_machine *vm = input->vm;
    AUTO_FREE const struct inventory_disk **known =
        calloc(vm->volume_count + 1, sizeof(*known));
    json_t *statuses = json_array();
    char file[PATH_MAX];
    size_t i;

    for (i = 0; known != NULL && i < vm->volume_count; i++) {
        file[0] = '\0';
        if (vm->volumes[i].source != VOLUME_NO_MEDIUM)
            (void)claims_find_file(input->claims, &vm->volumes[i], file, sizeof(file), NULL);
        known[i] = plan_find_device(input, &vm->volumes[i], file);
        (void)json_array_append_new(statuses, volume_status(input, plan, vm->volumes[i].name,
                                                            &vm->volumes[i], known[i]));
    }
    if (known != NULL)
        add_others(statuses, input, plan, known, vm->volume_count);
    return statuses;
}

/* ---- the objects ---- */

/* As KubeVirt has it, the instance's spec is the template's. */
static json_t *spec_of(const struct virtual_machine *vm)
{
    const json_t *template = json_object_get(json_object_get(vm->object, "spec"), "template");
    json_t *spec = json_deep_copy(json_object_get(template, "spec"));
    json_t *domain = json_object_get(spec, "domain");

    if (json_is_object(domain) && vm->cpu.given)
        (void)json_object_set_new(
            domain, "cpu",
            json_pack("{s:i, s:i, s:i}", "cores", (int)vm->cpu.cores, "sockets",
                      (int)vm->cpu.sockets, "threads", (int)vm->cpu.threads));
    return spec != NULL ? spec : json_object();
}

json_t *vmi_json(const struct plan_input *input, const struct plan *plan)
{
    const struct inventory *inventory = input->inventory;
    json_t *status = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "phase", "Running",
                               "conditions", conditions_of(input, plan), "currentCPUTopology",
                               topology(inventory), "memory", memory_of(input), "volumeStatus",
                               volumes_of(input, plan), "machine",
                               json_pack("{s:o}", "type",
                                         codec_string(inventory->machine.machine)));

    return json_pack("{s:s, s:s, s:{s:o}, s:o, s:o}", "apiVersion", VIRTUAL_MACHINE_API, "kind",
                     "VirtualMachineInstance", "metadata", "name",
                     codec_string(input->vm->name != NULL ? input->vm->name : ""), "spec",
                     spec_of(input->vm), "status", status);
}

const char *vmi_printable_status(const char *state)
{
    if (state == NULL)
        return "Stopped";
    if (strcmp(state, "running") == 0)
        return "Running";
    if (strcmp(state, "paused") == 0)
        return "Paused";
    if (strcmp(state, "inmigrate") == 0 || strcmp(state, "postmigrate") == 0)
        return "Migrating";
    return strcmp(state, "prelaunch") == 0 ? "Starting" : "Crashed";
}

json_t *vmi_json_vm(const json_t *object, const struct plan_input *input, const struct plan *plan,
                    const char *why)
{
    json_t *vm = json_deep_copy(object), *conditions = json_array();
    const char *state = input != NULL ? input->inventory->machine.state : NULL;
    bool ready = input != NULL && is_running(input->inventory);

    add_condition(conditions, "Ready", ready, ready ? NULL : "VMINotRunning", why);
    if (plan != NULL)
        add_restart_required(conditions, plan);
    field_set(&vm, "status",
              json_pack("{s:b, s:b, s:s, s:o}", "created", input != NULL, "ready", ready,
                        "printableStatus", vmi_printable_status(state), "conditions",
                        conditions));
    return vm;
}
