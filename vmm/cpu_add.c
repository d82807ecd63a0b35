/* SPDX-License-Identifier: MIT */
/*
 * A vCPU goes into the lowest free slot of query-hotpluggable-cpus, with the slot's properties
 * passed back as QEMU gave them, whatever the topology. The guest numbers its CPUs by itself, so
 * the new one is recognised as the logical id that was not there before.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "qmp/qapi.h"
#include "vmm/guest_tree.h"
#include "vmm/hazard.h"
#include "vmm/operation_kind.h"

static const struct inventory_cpu *lowest_free(const struct inventory_cpus *cpus, unsigned nth)
{
    size_t i;

    for (i = 0; i < cpus->slot_count; i++) {
        if (!cpus->slots[i].present && nth-- == 0)
            return &cpus->slots[i];
    }
    return NULL;
}

/* vCPUs that QEMU has and the guest, which will list them on its own time, has not yet: they must
 * not be taken for the new one. */
static unsigned unseen_vcpus(const struct inventory *before)
{
    const struct inventory_guest *guest = &before->guest;

    if (!before->has_ost || !guest->cpus_known || guest->cpu_count >= before->cpus.present)
        return 0;
    return before->cpus.present - (unsigned)guest->cpu_count;
}

static void remember(const struct operation *operation, json_t **entry)
{
    const struct inventory_guest *guest = &operation->before->guest;
    json_t *had = json_array();
    size_t i;

    for (i = 0; i < guest->cpu_count; i++)
        field_append(&had, json_pack("{s:I, s:b}", "logical-id",
                                     (json_int_t)guest->cpus[i].logical_id, "online",
                                     (int)guest->cpus[i].online));
    field_set(entry, "guest_had", had);
}

/* Is it one that the guest had before? On a board without _OST the guest lists vCPUs that are not
 * plugged yet, as offline (POWER): there, one that has come online since is new, too. */
static bool is_old(const struct inventory *before, const struct qga_vcpu *cpu)
{
    const struct qga_vcpu *found =
        qga_find_vcpu(before->guest.cpus, before->guest.cpu_count, cpu->logical_id);

    return found != NULL && (before->has_ost || found->online || !cpu->online);
}

/* What the guest had counts as it was when the vCPU was asked for. Where that is not on record, CPU
 * 0 does, which it boots on and which stays, and all others are to be online. Returns -1 with
 * ERROR_SYSTEM without memory. */
static int recall_vcpus(struct operation *operation, struct error *error)
{
    struct inventory_guest *guest = &operation->before->guest;
    AUTO_JSON json_t *entry = record_find(vm_record(operation->vm), operation->request.id);
    AUTO_FREE struct qga_vcpu *now = guest->cpus;
    size_t count = guest->cpu_count, i;

    guest->cpus = NULL;
    guest->cpu_count = 0;
    (void)qga_read_vcpus(field_array(entry, "guest_had"), &guest->cpus, &guest->cpu_count);
    if (guest->cpu_count == 0) {
        free(guest->cpus);
        guest->cpus = calloc(1, sizeof(*guest->cpus));
        if (guest->cpus == NULL)
            return error_set(error, ERROR_SYSTEM, "", "out of memory");
        guest->cpus[0].online = true;
        guest->cpu_count = 1;
    }
    operation->vcpus_count = operation->before->cpus.present;
    for (i = 0; i < count && operation->vcpus_count > 1; i++)
        operation->vcpus_count -= is_old(operation->before, &now[i]) ? 1 : 0;
    return 0;
}

/* A vCPU that stands already, by its id, or by its slot's number where it has none. */
static int take_up(struct operation *operation, struct error *error)
{
    const struct inventory_cpus *cpus = &operation->before->cpus;
    char number[16];
    size_t i;

    for (i = 0; i < cpus->slot_count; i++) {
        (void)snprintf(number, sizeof(number), "%u", cpus->slots[i].slot);
        if (!cpus->slots[i].present ||
            strcmp(cpus->slots[i].id[0] != '\0' ? cpus->slots[i].id : number,
                   operation->request.id) != 0)
            continue;
        (void)snprintf(operation->result.id, OPERATION_ID_MAX, "%s", operation->request.id);
        (void)snprintf(operation->path, sizeof(operation->path), "%s", cpus->slots[i].qom_path);
        operation->slot = cpus->slots[i].slot;
        operation_detail(operation, "slot", json_integer(operation->slot));
        return recall_vcpus(operation, error);
    }
    return error_set(error, ERROR_BLOCKED, "see vmplug cpu list for those there are",
                     "there is no vCPU '%s'", operation->request.id);
}

static int plan(struct operation *operation, struct error *error)
{
    const struct inventory_cpus *cpus = &operation->before->cpus;
    const struct inventory_cpu *cpu = lowest_free(cpus, operation->request.nth);
    json_t *arguments;

    if (platform_check_grow(&operation->before->board.platform, PLATFORM_CPU, error) < 0)
        return -1;
    if (cpu == NULL)
        return error_set(error, ERROR_BLOCKED,
                         "restart QEMU with a larger -smp …,maxcpus=N",
                         "this QEMU has as many vCPUs as it can have (maxcpus=%u)", cpus->max);
    if (!operation->request.force &&
        hazard_check_cpu_add(operation->vm, operation->before, error) < 0)
        return -1;
    if (operation_choose_id(operation, "vmplug-cpu-", cpu->slot, OPERATION_ID_MAX - 1, error) < 0)
        return -1;
    (void)snprintf(operation->path, sizeof(operation->path), "/machine/peripheral/%s",
                   operation->result.id);
    operation->slot = cpu->slot;
    operation->vcpus_count = cpu->vcpus_count;
    if (cpu->vcpus_count == 1) /* where slots are vCPUs */
        operation->vcpus_count += unseen_vcpus(operation->before);
    arguments = json_pack("{s:s, s:s}", "driver", cpu->type, "id", operation->result.id);
    if (json_object_update_missing(arguments, cpu->props) < 0) {
        json_decref(arguments);
        arguments = NULL;
    }
    operation_add_step(operation, "device_add", arguments, NULL, NULL, operation->result.id);
    operation_detail(operation, "slot", json_integer(cpu->slot));
    operation_detail(operation, "props", json_incref(cpu->props));
    return 0;
}

/* The slot that was chosen is occupied by this device. */
static bool is_realized(struct operation *operation, const json_t *answer)
{
    struct qapi_hotpluggable_cpu cpu;

    return qapi_read_hotpluggable_cpu(answer, operation->slot, &cpu) &&
           strcmp(cpu.qom_path, operation->path) == 0;
}

/* Sorts the guest's vCPUs: new ones that are online and new ones that are not, as lists of logical
 * ids. */
static void sort_out(const struct operation *operation, const struct qga_vcpu *cpus, size_t count,
                     json_t **online, json_t **offline)
{
    size_t i;

    for (i = 0; i < count; i++) {
        if (!is_old(operation->before, &cpus[i]))
            field_append(cpus[i].online ? online : offline, json_integer(cpus[i].logical_id));
    }
}

/* Whether all of them were set or only the first few, the next look shows, and asks for the
 * rest. */
static void on_set(struct operation *operation, const json_t *value, const struct error *error)
{
    (void)value;
    if (error != NULL)
        operation_online_failed(operation, error);
    else
        operation_look_again(operation);
}

/* Which of the new ones are this slot's can be told when there are no others. */
static void name_vcpus(struct operation *operation, json_t *online)
{
    if (json_array_size(online) == operation->before->cpus.slots[operation->slot].vcpus_count)
        operation_detail(operation, "logical_ids", json_incref(online));
}

static void on_vcpus(struct operation *operation, const json_t *value, const struct error *error)
{
    AUTO_JSON json_t *online = json_array();
    AUTO_JSON json_t *offline = json_array();
    struct qga_vcpu *cpus = NULL;
    size_t count = 0;

    if (error != NULL || !qga_read_vcpus(value, &cpus, &count)) {
        operation_look_later(operation);
        return;
    }
    sort_out(operation, cpus, count, &online, &offline);
    free(cpus);
    if (json_array_size(offline) > 0) {
        operation_ask_agent_with(operation, "guest-set-vcpus", qga_vcpus_online(offline), on_set);
    } else if (json_array_size(online) >= operation->vcpus_count &&
               guest_tree_is_due(operation)) {
        guest_tree_ask_core(operation);
    } else if (json_array_size(online) >= operation->vcpus_count) {
        name_vcpus(operation, online);
        operation_confirmed(operation);
    } else {
        operation_look_later(operation);
    }
}

static void look_inside(struct operation *operation)
{
    operation_ask_agent(operation, "guest-get-vcpus", on_vcpus);
}

static bool enter(struct operation *operation)
{
    struct inventory_cpus *cpus = &operation->before->cpus;
    struct inventory_cpu *cpu = &cpus->slots[operation->slot];

    cpu->present = cpu->removable = true;
    text_copy(cpu->id, sizeof(cpu->id), operation->result.id);
    text_copy(cpu->qom_path, sizeof(cpu->qom_path), operation->path);
    cpus->present += cpu->vcpus_count;
    return true;
}

static bool has_baseline(const struct inventory *before)
{
    return before->guest.cpus_known;
}

static const char *const agent_commands[] = {"guest-get-vcpus", "guest-set-vcpus", NULL};

const struct operation_kind cpu_add_kind = {
    .name = "cpu-add",
    .top = VERDICT_ONLINE,
    .guest_decides = true,
    .parts = INVENTORY_PLATFORM | INVENTORY_SLOTS | INVENTORY_GUEST_CPUS | INVENTORY_ACCEL,
    .has_ost = true,
    .ost_type = LEDGER_CPU,
    .ost_answer = OST_INSERTION,
    .agent_commands = agent_commands,
    .has_baseline = has_baseline,
    .has_undo_type = true,
    .undo_type = OPERATION_CPU_REMOVE,
    .plan = plan,
    .take_up = take_up,
    .remember = remember,
    .realized_query = "query-hotpluggable-cpus",
    .is_realized = is_realized,
    .tells_no_more = true,
    .look_inside = look_inside,
    .enter = enter,
    .refusal_fix = "look into the guest's kernel log",
};
