/* SPDX-License-Identifier: MIT */
/*
 * A vCPU goes by its id, or, when it was there from the start and has none, by its QOM path.
 * Nothing is put offline beforehand: the guest's ACPI does that, and undoes it when it fails.
 * Under emulation no DEVICE_DELETED ever names the vCPU; its slot in query-hotpluggable-cpus and
 * the guest's _OST are what counts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qmp/qapi.h"
#include "vmm/hazard.h"
#include "vmm/operation_kind.h"

/* By id, or by the slot's number in decimal. */
static const struct inventory_cpu *find_cpu(const struct inventory_cpus *cpus, const char *name)
{
    char number[16];
    size_t i;

    for (i = 0; i < cpus->slot_count && *name != '\0'; i++) {
        (void)snprintf(number, sizeof(number), "%u", cpus->slots[i].slot);
        if (strcmp(cpus->slots[i].id, name) == 0 || strcmp(number, name) == 0)
            return &cpus->slots[i];
    }
    return NULL;
}

static int check(const struct operation *operation, const struct inventory_cpu *cpu,
                 struct error *error)
{
    const char *name = operation->request.id;

    if (platform_check_shrink(&operation->before->board.platform, PLATFORM_CPU, error) < 0)
        return -1;
    if (cpu == NULL || !cpu->present)
        return error_set(error, ERROR_BLOCKED, "see vmplug cpu list for those there are",
                         cpu == NULL ? "there is no vCPU '%s'" : "slot %s has no vCPU", name);
    if (cpu->slot == 0)
        return error_set(error, ERROR_BLOCKED, "choose another one",
                         "slot 0 is the first boot vCPU, which can't go");
    return operation->request.force ? 0 : hazard_check_cpu_remove(operation->before, error);
}

static int plan(struct operation *operation, struct error *error)
{
    const struct inventory_cpu *cpu = find_cpu(&operation->before->cpus, operation->request.id);
    const char *name;

    if ((cpu == NULL || !cpu->present) &&
        record_has(vm_record(operation->vm), operation->request.id, "-remove"))
        return operation_take_up_removal(operation, error);
    if (check(operation, cpu, error) < 0)
        return -1;
    name = cpu->id[0] != '\0' ? cpu->id : operation->request.id;
    (void)snprintf(operation->result.id, OPERATION_ID_MAX, "%.63s", name);
    (void)snprintf(operation->path, sizeof(operation->path), "%s", cpu->qom_path);
    operation->slot = cpu->slot;
    operation->vcpus_count = cpu->vcpus_count;
    operation_detail(operation, "slot", json_integer(cpu->slot));
    if (hazard_after_cpu_remove(operation->before) != NULL)
        operation_note(operation, hazard_after_cpu_remove(operation->before));
    operation_add_step(operation, "device_del", json_pack("{s:s}", "id", cpu->qom_path), NULL,
                       NULL, "");
    return 0;
}

static bool is_gone(struct operation *operation, const json_t *answer)
{
    struct qapi_hotpluggable_cpu cpu;

    return qapi_read_hotpluggable_cpu(answer, operation->slot, &cpu) &&
           strcmp(cpu.qom_path, operation->path) != 0;
}

/* From how many vCPUs one goes. The guest may not list all that QEMU has: not one that it has
 * refused, or has not come to yet. */
static size_t vcpus_before(const struct inventory *before)
{
    return before->guest.cpu_count > before->cpus.present ? before->guest.cpu_count
                                                          : before->cpus.present;
}

static void on_vcpus(struct operation *operation, const json_t *value, const struct error *error)
{
    size_t before = vcpus_before(operation->before), count = 0;
    struct qga_vcpu *cpus = NULL;

    if (error != NULL || !qga_read_vcpus(value, &cpus, &count)) {
        operation_look_later(operation);
        return;
    }
    free(cpus);
    if (count == 0) { /* no guest has none: that is no answer */
        operation_look_later(operation);
        return;
    }
    if (operation->request.resume || count + operation->vcpus_count <= before ||
        !operation->before->has_ost) /* there, absent ones are listed as offline */
        operation_confirmed(operation);
    else
        operation_look_later(operation);
}

static void look_inside(struct operation *operation)
{
    operation_ask_agent(operation, "guest-get-vcpus", on_vcpus);
}

static bool has_baseline(const struct inventory *before)
{
    return before->guest.cpus_known;
}

static void on_gone(struct operation *operation)
{
    record_count_vcpu_removed(vm_record(operation->vm), operation->result.id);
}

static void advise(struct error *error)
{
    static const struct operation_advice advice[] = {
        {"not supported device type", "wait until the guest has started: before, QEMU can't tell "
                                      "it"},
        {NULL, NULL},
    };

    operation_advise(error, advice);
}

static const char *const agent_commands[] = {"guest-get-vcpus", NULL};

const struct operation_kind cpu_remove_kind = {
    .name = "cpu-remove",
    .top = VERDICT_REMOVED,
    .removes = true,
    .parts = INVENTORY_PLATFORM | INVENTORY_CPUS | INVENTORY_GUEST_CPUS | INVENTORY_ACCEL,
    .has_ost = true,
    .ost_type = LEDGER_CPU,
    .ost_answer = OST_EJECTION,
    .agent_commands = agent_commands,
    .has_baseline = has_baseline,
    .plan = plan,
    .take_up = operation_take_up_removal,
    .realized_query = "query-hotpluggable-cpus",
    .is_realized = is_gone,
    .on_realized = on_gone,
    .look_inside = look_inside,
    .refusal_fix = "look into the guest's kernel log; it needs CONFIG_HOTPLUG_CPU, and no thread "
                   "that is bound to this CPU",
    .advise = advise,
};
