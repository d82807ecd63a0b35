/* SPDX-License-Identifier: MIT */
#include <limits.h>
#include <string.h>

#include "base/text.h"
#include "qmp/field.h"
#include "qmp/qapi.h"
#include "vmm/inventory_parts.h"

#define SLOTS_MAX 8192
#define PERIPHERAL "/machine/peripheral/"

static void keep_slot(struct inventory_cpu *cpu, const struct qapi_hotpluggable_cpu *row)
{
    text_copy(cpu->type, sizeof(cpu->type), row->type);
    text_copy(cpu->qom_path, sizeof(cpu->qom_path), row->qom_path);
    cpu->props = json_incref(row->props);
    cpu->vcpus_count = row->vcpus_count;
    cpu->present = cpu->qom_path[0] != '\0';
    if (strncmp(cpu->qom_path, PERIPHERAL, strlen(PERIPHERAL)) == 0)
        text_copy(cpu->id, sizeof(cpu->id), cpu->qom_path + strlen(PERIPHERAL));
}

static void take_slots(void *user, void *item, const json_t *value, const struct error *error)
{
    const struct inventory_question *question = user;
    struct inventory_cpus *cpus = &question->inventory->cpus;
    size_t count = json_array_size(value);
    struct qapi_hotpluggable_cpu row;
    size_t i;

    (void)item;
    if (error != NULL)
        text_copy(cpus->reason, sizeof(cpus->reason), error->why);
    if (count == 0 || count > SLOTS_MAX)
        return;
    cpus->slots = gather_allocate(question->gather, count, sizeof(*cpus->slots));
    if (cpus->slots == NULL)
        return;
    cpus->hotpluggable = true;
    cpus->slot_count = count;
    for (i = 0; qapi_read_hotpluggable_cpu(value, i, &row); i++) {
        cpus->slots[i].slot = (unsigned)i;
        keep_slot(&cpus->slots[i], &row);
    }
}

static struct inventory_cpu *find_path(struct inventory_cpus *cpus, const char *path)
{
    size_t i;

    for (i = 0; i < cpus->slot_count; i++) {
        if (cpus->slots[i].present && strcmp(cpus->slots[i].qom_path, path) == 0)
            return &cpus->slots[i];
    }
    return NULL;
}

/* A core's vCPUs have QOM paths below the core's; the first one's thread stands for it. */
static struct inventory_cpu *find_owner(struct inventory_cpus *cpus, const char *path)
{
    char parent[INVENTORY_PATH_MAX];
    struct inventory_cpu *cpu = find_path(cpus, path);
    char *slash;

    if (cpu != NULL)
        return cpu;
    text_copy(parent, sizeof(parent), path);
    slash = strrchr(parent, '/');
    if (slash == NULL)
        return NULL;
    *slash = '\0';
    return find_path(cpus, parent);
}

static int number_of(const json_t *props, const char *key)
{
    unsigned number;

    return field_unsigned(props, key, &number) && number <= INT_MAX ? (int)number : FDT_UNKNOWN;
}

/* Those that were plugged since have a path of their own. */
static void keep_boot_vcpus(const struct inventory_question *question, const json_t *rows)
{
    struct inventory_cpus *cpus = &question->inventory->cpus;
    const json_t *row, *props;
    size_t i;

    cpus->vcpus =
        gather_allocate(question->gather, json_array_size(rows), sizeof(*cpus->vcpus));
    json_array_foreach(rows, i, row) {
        if (cpus->vcpus == NULL ||
            strncmp(field_string(row, "qom-path", ""), PERIPHERAL, strlen(PERIPHERAL)) == 0)
            continue;
        props = field_object(row, "props");
        cpus->vcpus[cpus->boot_count++] =
            (struct topology_vcpu){.node = number_of(props, "node-id"),
                                   .socket = number_of(props, "socket-id"),
                                   .cluster = number_of(props, "cluster-id"),
                                   .core = number_of(props, "core-id"),
                                   .thread = number_of(props, "thread-id")};
    }
}

/* Whose they are is known when the slots are, too. */
static void take_threads(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_cpus *cpus = &((struct inventory_question *)user)->inventory->cpus;

    (void)item;
    (void)error;
    cpus->threads = json_incref((json_t *)value);
    if (json_array_size(value) > 0 && json_array_size(value) <= SLOTS_MAX)
        keep_boot_vcpus(user, value);
}

static void give_threads(struct inventory_cpus *cpus)
{
    struct inventory_cpu *cpu;
    const json_t *row;
    size_t i;

    json_array_foreach(cpus->threads, i, row) {
        cpu = find_owner(cpus, field_string(row, "qom-path", ""));
        if (cpu != NULL && cpu->thread_id == 0)
            (void)field_s64(row, "thread-id", &cpu->thread_id);
    }
}

void inventory_cpus_ask(const struct inventory_question *question)
{
    if (question->inventory->parts & INVENTORY_SLOTS)
        gather_ask(question->gather, PEER_QMP, "query-hotpluggable-cpus", take_slots, NULL);
    if (question->inventory->parts & INVENTORY_THREADS)
        gather_ask(question->gather, PEER_QMP, "query-cpus-fast", take_threads, NULL);
}

void inventory_cpus_finish(struct inventory *inventory)
{
    struct inventory_cpus *cpus = &inventory->cpus;
    size_t i;

    give_threads(cpus);
    if (!cpus->hotpluggable)
        cpus->present = cpus->max = (unsigned)json_array_size(cpus->threads);
    for (i = 0; i < cpus->slot_count; i++) {
        cpus->slots[i].removable = cpus->slots[i].present && i > 0;
        cpus->max += cpus->slots[i].vcpus_count;
        if (cpus->slots[i].present)
            cpus->present += cpus->slots[i].vcpus_count;
    }
}
