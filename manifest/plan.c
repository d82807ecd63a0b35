/* SPDX-License-Identifier: MIT */
#include "manifest/plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "manifest/quantity.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "vmm/batch_plan.h"
#include "vmm/result_json.h"

#define DOMAIN_PATH "spec.template.spec.domain"
#define CPU_PATH DOMAIN_PATH ".cpu"
#define CPU_TYPE "-x86_64-cpu"
#define RAISE_IT "raise it; where QEMU has no more room either, " PLAN_NEXT_LAUNCH

/* ---- steps and blocks ---- */

struct plan_step *plan_add_step(struct plan *plan, enum plan_subject subject)
{
    struct plan_step *grown =
        reallocarray(plan->steps, plan->step_count + 1, sizeof(*plan->steps));

    if (grown == NULL)
        return NULL;
    plan->steps = grown;
    grown += plan->step_count++;
    *grown = (struct plan_step){.subject = subject};
    return grown;
}

struct plan_block *plan_add_block(struct plan *plan, enum plan_subject subject, const char *path,
                                  bool restart)
{
    struct plan_block *grown =
        reallocarray(plan->blocks, plan->block_count + 1, sizeof(*plan->blocks));

    if (grown == NULL)
        return NULL;
    plan->blocks = grown;
    grown += plan->block_count++;
    *grown = (struct plan_block){.subject = subject, .restart = restart, .error = ERROR_INIT};
    (void)snprintf(grown->path, sizeof(grown->path), "%s", path);
    return grown;
}

/* What was begun of this kind is finished first: what is there afterwards is seen then. */
static bool is_unsettled(const struct plan *plan, enum plan_subject subject)
{
    size_t i;

    for (i = 0; i < plan->step_count; i++) {
        if (plan->steps[i].subject == subject && plan->steps[i].request.goal == BATCH_LIST)
            return true;
    }
    return false;
}

size_t plan_finishes_removal(const struct plan *plan, const char *id)
{
    size_t i;

    for (i = 0; i < plan->step_count; i++) {
        if (plan->steps[i].request.goal == BATCH_LIST &&
            plan->steps[i].item.type == OPERATION_DISK_REMOVE &&
            strcmp(plan->steps[i].id, id) == 0)
            return i + 1;
    }
    return 0;
}

static int without_memory(struct error *error)
{
    return error_set(error, ERROR_SYSTEM, "", "out of memory");
}

/* Blocked, as the error says; of one that is no refusal the plan fails. */
static int block(struct plan *plan, enum plan_subject subject, const char *path,
                 const struct error *problem, struct error *error)
{
    struct plan_block *added;

    if (problem->code == ERROR_SYSTEM) {
        *error = *problem;
        return -1;
    }
    added = plan_add_block(plan, subject, path, true);
    if (added == NULL)
        return without_memory(error);
    added->error = *problem;
    return 0;
}

/* A change that the cluster's settings hold back. False: none does. */
static bool is_held_back(const struct cluster *cluster, enum gate gate, struct error *ret)
{
    if (cluster->closed[gate] != NULL) {
        (void)error_set(ret, ERROR_BLOCKED,
                        "take it out of disabledFeatureGates, or " PLAN_NEXT_LAUNCH,
                        "the feature gate %s is disabled", cluster->closed[gate]);
        return true;
    }
    if (cluster->staged) {
        (void)error_set(ret, ERROR_BLOCKED, "set it to LiveUpdate, or " PLAN_NEXT_LAUNCH,
                        "vmRolloutStrategy is Stage: changes wait for a restart");
        return true;
    }
    return false;
}

/* ---- vCPUs ---- */

static void raise_to(unsigned *highest, const json_t *props, const char *key)
{
    unsigned number;

    if (field_unsigned(props, key, &number) && number < VIRTUAL_MACHINE_SOCKETS_MAX &&
        number + 1 > *highest)
        *highest = number + 1;
}

/* Between a socket and its cores there may be dies, and in these clusters or modules: KubeVirt
 * knows cores only. */
static void count_cores(const struct inventory_cpus *cpus, unsigned *ret_cores,
                        unsigned *ret_threads)
{
    static const char *const levels[] = {"die-id", "cluster-id", "module-id", "core-id"};
    unsigned highest;
    size_t level, i;

    for (level = 0; level < COUNT_OF(levels); level++) {
        highest = 1;
        for (i = 0; i < cpus->slot_count; i++)
            raise_to(&highest, cpus->slots[i].props, levels[level]);
        *ret_cores *= highest;
    }
    for (i = 0; i < cpus->slot_count; i++)
        raise_to(ret_threads, cpus->slots[i].props, "thread-id");
}

unsigned plan_vcpus_per_socket(const struct inventory *inventory, unsigned *ret_cores,
                               unsigned *ret_threads)
{
    const struct inventory_cpus *cpus = &inventory->cpus;

    *ret_cores = *ret_threads = 1;
    if (!cpus->hotpluggable || cpus->slot_count == 0 ||
        json_object_get(cpus->slots[0].props, "socket-id") == NULL)
        return 0;
    count_cores(cpus, ret_cores, ret_threads);
    return *ret_cores * *ret_threads;
}

/* What forbids this number of vCPUs, before QEMU's slots are looked at. False: nothing. */
static bool is_beyond(const struct plan_input *input, unsigned each, unsigned present,
                      struct error *ret)
{
    const struct virtual_machine *vm = input->vm;
    unsigned boot = (unsigned)input->inventory->cpus.boot_count;
    struct ceilings ceilings =
        ceilings_of(vm, input->cluster, (boot > 0 ? boot : present) / each, 0);

    if (vm->cpu.sockets > ceilings.sockets) {
        (void)error_set(ret, ERROR_BLOCKED, RAISE_IT,
                        "%u sockets are more than %s allows: %u", vm->cpu.sockets,
                        ceilings.sockets_by, ceilings.sockets);
        return true;
    }
    return is_held_back(input->cluster, GATE_CPU, ret);
}

/* cores and threads are the machine's; it grows by sockets. */
static bool has_other_topology(const struct plan_input *input, unsigned *ret_each,
                               struct error *ret)
{
    const struct virtual_machine *vm = input->vm;
    unsigned cores, threads;

    *ret_each = plan_vcpus_per_socket(input->inventory, &cores, &threads);
    if (*ret_each == 0) {
        *ret_each = vm->cpu.cores * vm->cpu.threads;
        return false;
    }
    if (cores == vm->cpu.cores && threads == vm->cpu.threads)
        return false;
    (void)error_set(ret, ERROR_BLOCKED, PLAN_NEXT_LAUNCH,
                    "this QEMU runs with %u cores a socket and %u threads a core, not with %u and "
                    "%u, and only sockets can come while it runs",
                    cores, threads, vm->cpu.cores, vm->cpu.threads);
    return true;
}

static int plan_cpus(struct plan *plan, const struct plan_input *input, struct error *error)
{
    const struct virtual_machine *vm = input->vm;
    unsigned want = virtual_machine_vcpus(vm), have = input->inventory->cpus.present, each;
    AUTO_FREE struct batch_item *items = NULL;
    struct error problem = ERROR_INIT;
    struct plan_step *step;
    size_t count;

    if (!vm->cpu.given)
        return 0;
    if (has_other_topology(input, &each, &problem))
        return block(plan, PLAN_CPUS, CPU_PATH, &problem, error);
    if (want == have && !is_unsettled(plan, PLAN_CPUS))
        return 0;
    if ((want != have && is_beyond(input, each, have, &problem)) ||
        batch_plan_cpus(input->inventory, want, &items, &count, &problem) < 0)
        return block(plan, PLAN_CPUS, CPU_PATH ".sockets", &problem, error);
    step = plan_add_step(plan, PLAN_CPUS);
    if (step == NULL)
        return without_memory(error);
    step->request = (struct batch_request){
        .goal = BATCH_CPUS,
        .target = want,
        .each.type = want < have ? OPERATION_CPU_REMOVE : OPERATION_CPU_ADD,
    };
    step->devices = count;
    if (want == have)
        (void)snprintf(step->what, sizeof(step->what), "vCPUs %u again", want);
    else
        (void)snprintf(step->what, sizeof(step->what), "vCPUs %u -> %u", have, want);
    (void)snprintf(step->reason, sizeof(step->reason),
                   CPU_PATH " is %u sockets x %u cores x %u threads", vm->cpu.sockets,
                   vm->cpu.cores, vm->cpu.threads);
    return 0;
}

/* ---- memory ---- */

static bool is_out_of_range(const struct plan_input *input, struct error *ret)
{
    const struct inventory_memory *memory = &input->inventory->memory;
    struct ceilings ceilings = ceilings_of(input->vm, input->cluster, 1, memory->base_bytes);
    uint64_t want = input->vm->memory.guest_bytes;
    char limit[QUANTITY_TEXT_MAX], wanted[QUANTITY_TEXT_MAX];

    quantity_format(want, wanted);
    if (want > ceilings.guest_bytes) {
        (void)error_set(ret, ERROR_BLOCKED, RAISE_IT,
                        "%s is more than %s allows: %s", wanted, ceilings.guest_by,
                        quantity_format(ceilings.guest_bytes, limit));
        return true;
    }
    if (want < memory->base_bytes) {
        (void)error_set(ret, ERROR_BLOCKED, PLAN_NEXT_LAUNCH,
                        "%s is less than the %s that the guest booted with, which can't be taken "
                        "back while it runs",
                        wanted, quantity_format(memory->base_bytes, limit));
        return true;
    }
    return is_held_back(input->cluster, GATE_MEMORY, ret);
}

/* Memory comes first, for what comes later, and goes last. */
static int plan_memory(struct plan *plan, const struct plan_input *input, bool up,
                       struct error *error)
{
    const struct virtual_machine *vm = input->vm;
    const struct inventory_memory *memory = &input->inventory->memory;
    uint64_t want = vm->memory.guest_bytes, have = memory->base_bytes + memory->plugged_bytes;
    char from[QUANTITY_TEXT_MAX], to[QUANTITY_TEXT_MAX];
    AUTO_FREE struct batch_item *items = NULL;
    struct error problem = ERROR_INIT;
    struct plan_step *step;
    size_t count = 0;

    if (want == 0 || up != (want >= have) ||
        (want == have && !is_unsettled(plan, PLAN_MEMORY)))
        return 0;
    if ((memory->known && want != have && is_out_of_range(input, &problem)) ||
        batch_plan_memory(input->inventory, want, &items, &count, &problem) < 0)
        return block(plan, PLAN_MEMORY, vm->memory.path, &problem, error);
    step = plan_add_step(plan, PLAN_MEMORY);
    if (step == NULL)
        return without_memory(error);
    step->request = (struct batch_request){
        .goal = BATCH_MEMORY,
        .target = want,
        .each = {.type = count > 0 ? items[0].type : OPERATION_DIMM_ADD,
                 .dimm.hugepages = vm->memory.hugepage_bytes != 0},
    };
    step->devices = count;
    quantity_format(have, from);
    quantity_format(want, to);
    if (want == have)
        (void)snprintf(step->what, sizeof(step->what), "memory %s again", to);
    else
        (void)snprintf(step->what, sizeof(step->what), "memory %s -> %s", from, to);
    (void)snprintf(step->reason, sizeof(step->reason), "%s is %s", vm->memory.path, to);
    return 0;
}

/* ---- what only a launch changes ---- */

/* "q35" is whichever of its versions QEMU has. */
static bool is_machine(const char *machine, const char *wanted)
{
    size_t length = strlen(wanted);

    if (strcmp(wanted, "pc") == 0)
        return is_machine(machine, "pc-i440fx");
    if (strncmp(machine, wanted, length) != 0 && strncmp(machine, "pc-", strlen("pc-")) == 0)
        machine += strlen("pc-");
    return strncmp(machine, wanted, length) == 0 &&
           (machine[length] == '\0' || machine[length] == '-');
}

static int plan_machine(struct plan *plan, const struct plan_input *input, struct error *error)
{
    const char *machine = input->inventory->machine.machine, *wanted = input->vm->machine;
    struct error problem = ERROR_INIT;

    if (wanted == NULL || machine[0] == '\0' || is_machine(machine, wanted))
        return 0;
    (void)error_set(&problem, ERROR_BLOCKED, PLAN_NEXT_LAUNCH,
                    "this QEMU runs the machine %s, not %.63s", machine, wanted);
    return block(plan, PLAN_MACHINE, DOMAIN_PATH ".machine.type", &problem, error);
}

/* A QEMU whose vCPUs can't be plugged does not say, nor what the host's model amounts to. */
static bool is_model(const char *type, const char *wanted)
{
    size_t length = strcspn(wanted, ","), end = strlen(type);

    if (end < strlen(CPU_TYPE) || strcmp(type + end - strlen(CPU_TYPE), CPU_TYPE) != 0 ||
        strcmp(wanted, "host-model") == 0)
        return true;
    if (strcmp(wanted, "host-passthrough") == 0)
        return is_model(type, "host") || is_model(type, "max");
    return end == length + strlen(CPU_TYPE) && strncmp(type, wanted, length) == 0;
}

static int plan_model(struct plan *plan, const struct plan_input *input, struct error *error)
{
    const struct inventory_cpus *cpus = &input->inventory->cpus;
    const char *type = cpus->slot_count > 0 ? cpus->slots[0].type : "";
    const char *wanted = input->vm->cpu.model;
    struct error problem = ERROR_INIT;

    if (wanted == NULL || is_model(type, wanted))
        return 0;
    (void)error_set(&problem, ERROR_BLOCKED, PLAN_NEXT_LAUNCH,
                    "this QEMU runs with the model %.*s, not with %.63s",
                    (int)(strlen(type) - strlen(CPU_TYPE)), type, wanted);
    return block(plan, PLAN_MACHINE, CPU_PATH ".model", &problem, error);
}

/* ---- what an earlier one has left half-done ---- */

static enum plan_subject subject_of(enum audit_kind kind, enum operation_type type)
{
    if (type == OPERATION_CPU_ADD || type == OPERATION_CPU_REMOVE)
        return PLAN_CPUS;
    return kind == AUDIT_NODE || type == OPERATION_DISK_ADD || type == OPERATION_DISK_REMOVE
               ? PLAN_VOLUME
               : PLAN_MEMORY;
}

static int plan_leftovers(struct plan *plan, const struct audit *audit, struct error *error)
{
    const struct audit_finding *finding;
    enum volume_life life;
    struct plan_step *step;
    size_t i;

    for (i = 0; i < audit->count; i++) {
        finding = &audit->findings[i];
        if (!finding->ours || !finding->can_clean)
            continue;
        step = plan_add_step(plan, subject_of(finding->kind, finding->item.type));
        if (step == NULL)
            return without_memory(error);
        step->item = finding->item;
        step->request = (struct batch_request){
            .goal = BATCH_LIST, .count = 1, .each.type = finding->item.type};
        step->devices = 1;
        if (volume_id_has_life(finding->item.id, &life))
            text_copy(step->volume, sizeof(step->volume), volume_id_name(finding->item.id));
        (void)snprintf(step->id, sizeof(step->id), "%s", finding->item.id);
        (void)snprintf(step->what, sizeof(step->what), "%s %.63s finished",
                       operation_type_name(finding->item.type), finding->item.id);
        (void)snprintf(step->reason, sizeof(step->reason), "%s", finding->detail);
    }
    return 0;
}

/* ---- all of it ---- */

/* Steps have been copied while they were added, and their requests point into them. */
static void point_inside(struct plan_step *step)
{
    struct operation_request *each = &step->request.each;

    if (step->request.goal == BATCH_LIST)
        step->request.items = &step->item;
    if (step->request.goal != BATCH_COUNT)
        return;
    each->id = step->id;
    each->disk.file = step->file[0] != '\0' ? step->file : NULL;
    each->disk.serial = step->serial[0] != '\0' ? step->serial : NULL;
    each->disk.bus = step->bus[0] != '\0' ? step->bus : NULL;
}

int plan_make(struct plan *plan, const struct plan_input *input, struct error *error)
{
    size_t i;

    *plan = (struct plan){0};
    if (plan_leftovers(plan, input->audit, error) < 0 ||
        plan_machine(plan, input, error) < 0 || plan_model(plan, input, error) < 0 ||
        plan_memory(plan, input, true, error) < 0 || plan_cpus(plan, input, error) < 0 ||
        plan_volumes(plan, input, error) < 0 || plan_memory(plan, input, false, error) < 0)
        return -1;
    for (i = 0; i < plan->step_count; i++)
        point_inside(&plan->steps[i]);
    return 0;
}

int plan_make_absent(struct plan *plan, const struct plan_input *input, struct error *error)
{
    struct error problem = ERROR_INIT;
    const struct volume *volume;
    struct plan_block *added;
    char file[PATH_MAX];
    size_t i;

    *plan = (struct plan){0};
    for (i = 0; i < input->vm->volume_count; i++) {
        volume = &input->vm->volumes[i];
        if (volume->source == VOLUME_NO_MEDIUM ||
            claims_find_file(input->claims, volume, file, sizeof(file), &problem) == 0)
            continue;
        added = plan_add_block(plan, PLAN_VOLUME, volume->volume_path, false);
        if (added == NULL)
            return without_memory(error);
        added->error = problem;
    }
    return 0;
}

void plan_free(struct plan *plan)
{
    free(plan->steps);
    free(plan->blocks);
    *plan = (struct plan){0};
}

/* ---- as JSON ---- */

static json_t *step_json(const struct plan_step *step)
{
    json_t *object = json_pack("{s:s, s:o, s:o}", "operation",
                               operation_type_name(step->request.each.type), "what",
                               codec_string(step->what), "reason", codec_string(step->reason));

    if (step->volume[0] != '\0')
        field_set(&object, "volume", codec_string(step->volume));
    if (step->id[0] != '\0')
        field_set(&object, "id", codec_string(step->id));
    if (step->file[0] != '\0')
        field_set(&object, "file", codec_string(step->file));
    if (step->request.target != 0)
        field_set(&object, "target", json_integer((json_int_t)step->request.target));
    else if (step->request.each.bytes != 0)
        field_set(&object, "target", json_integer((json_int_t)step->request.each.bytes));
    return object;
}

static json_t *block_json(const struct plan_block *block)
{
    return json_pack("{s:o, s:o, s:o, s:b}", "path", codec_string(block->path), "reason",
                     codec_string(block->error.why), "fix",
                     codec_string(result_json_fix(&block->error)), "restart_required",
                     block->restart);
}

json_t *plan_json(const struct plan *plan)
{
    json_t *operations = json_array(), *blocked = json_array();
    bool failed = false;
    size_t i;

    for (i = 0; i < plan->step_count; i++)
        failed |= json_array_append_new(operations, step_json(&plan->steps[i])) < 0;
    for (i = 0; i < plan->block_count; i++)
        failed |= json_array_append_new(blocked, block_json(&plan->blocks[i])) < 0;
    if (!failed)
        return json_pack("{s:o, s:o}", "operations", operations, "blocked", blocked);
    json_decref(operations);
    json_decref(blocked);
    return NULL;
}
