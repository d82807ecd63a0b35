/* SPDX-License-Identifier: MIT */
#include "vmm/inventory.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "vmm/inventory_parts.h"

struct inventory_fetch {
    struct inventory_question question; /* first: the parts see no more than this */
    double deadline_ms, agent_timeout_ms;
    bool asked_rest;
    inventory_done_fn *done;
    void *user;
};

void inventory_free(struct inventory *inventory)
{
    struct inventory_scsi_device *device;
    size_t i;

    if (inventory == NULL)
        return;
    for (i = 0; i < inventory->cpus.slot_count; i++)
        json_decref(inventory->cpus.slots[i].props);
    free(inventory->cpus.slots);
    free(inventory->cpus.vcpus);
    json_decref(inventory->cpus.threads);
    free(inventory->memory.devices);
    free(inventory->memory.zones);
    while ((device = SLIST_FIRST(&inventory->disks.scsi_devices)) != NULL) {
        SLIST_REMOVE_HEAD(&inventory->disks.scsi_devices, link);
        free(device);
    }
    free(inventory->disks.buses);
    free(inventory->disks.disks);
    free(inventory->pci.buses);
    free(inventory->objects.backends);
    free(inventory->objects.nodes);
    free(inventory->board.tree);
    json_decref(inventory->guest.commands);
    free(inventory->guest.cpus);
    free(inventory->guest.blocks);
    for (i = 0; i < INVENTORY_FILES_; i++)
        free(inventory->guest.files[i].text);
    free(inventory->guest.disks);
    qga_uses_free(&inventory->guest.uses);
    json_decref(inventory->names);
    free(inventory);
}

static void forget(struct inventory_question *question)
{
    inventory_forget_readings(question);
    inventory_board_forget(question);
}

static void on_gathered(void *user, const struct error *failure);

/* What can only be asked when the memory devices, the guest's blocks, and what QEMU has to say of
 * the board are known. False when that is nothing, or with *error when memory runs out. */
static bool ask_rest(struct inventory_fetch *fetch, struct error *error)
{
    struct inventory_question *question = &fetch->question;

    if ((question->inventory->parts & (INVENTORY_GUEST_ZONES | INVENTORY_PLATFORM)) == 0 ||
        fetch->asked_rest)
        return false;
    fetch->asked_rest = true;
    question->gather = gather_new(question->vm, fetch->deadline_ms - clock_now_ms(),
                                  fetch->agent_timeout_ms, on_gathered, fetch, error);
    if (question->gather == NULL)
        return false;
    inventory_zones_ask(question);
    inventory_board_ask_guest(question);
    gather_begin(question->gather);
    return true;
}

static void on_gathered(void *user, const struct error *failure)
{
    struct inventory_fetch *fetch = user;
    struct inventory_fetch ended;
    struct error error = ERROR_INIT;

    if (failure == NULL) /* it may have gone after its last answer, when only the agent spoke */
        failure = qmp_client_failure(vm_qmp(fetch->question.vm));
    if (failure == NULL && ask_rest(fetch, &error))
        return;
    if (error.code != ERROR_NONE)
        failure = &error;
    forget(&fetch->question);
    ended = *fetch;
    free(fetch);
    if (failure != NULL) {
        inventory_free(ended.question.inventory);
        ended.question.inventory = NULL;
    } else {
        inventory_machine_finish(ended.question.inventory, ended.question.vm);
        inventory_guest_finish(ended.question.inventory, ended.question.vm);
        inventory_cpus_finish(ended.question.inventory);
        inventory_disks_finish(ended.question.inventory);
        inventory_objects_finish(ended.question.inventory);
        inventory_board_finish(ended.question.inventory);
    }
    ended.done(ended.user, ended.question.inventory, failure);
}

/* A slot that was emptied may have been filled again: whether it was is asked only then. */
static bool was_emptied(const struct ledger *ledger)
{
    const struct ledger_entry *entry;
    unsigned slot;

    for (slot = 0; slot < ledger->tables[LEDGER_CPU].count; slot++) {
        entry = ledger_news(ledger, LEDGER_CPU, slot, 0);
        if (entry != NULL && ost_kind(entry->source) == OST_EJECTION)
            return true;
    }
    return false;
}

static void take_rows(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_question *question = user;
    struct inventory *inventory = question->inventory;

    (void)item;
    (void)error;
    inventory->has_ost = value != NULL;
    if (value != NULL && !ledger_take_rows(vm_ledger(question->vm), value, clock_now_ms()))
        gather_out_of_memory(question->gather);
    if ((inventory->parts & INVENTORY_SLOTS) == 0 && was_emptied(vm_ledger(question->vm))) {
        inventory->parts |= INVENTORY_SLOTS;
        inventory_cpus_ask(question);
    }
}

static void take_names(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_question *question = user;
    const char *key = item;
    const json_t *row;
    const char *name;
    size_t i;

    (void)error;
    json_array_foreach(value, i, row) {
        name = json_string_value(json_object_get(row, key));
        if (name != NULL && strcmp(name, "type") != 0 &&
            json_object_set_new(question->inventory->names, name, json_true()) < 0)
            gather_out_of_memory(question->gather);
    }
}

/* "setup", "active", "device", "postcopy-…" and their like (QAPI MigrationStatus). None was begun
 * when there is no status. */
static void take_migration(void *user, void *item, const json_t *value, const struct error *error)
{
    static const char *const over[] = {"none", "", "completed", "failed", "cancelled"};
    struct inventory_question *question = user;
    const char *status = field_string(value, "status", "");
    size_t i;

    (void)item;
    (void)error;
    question->inventory->migrating = true;
    for (i = 0; i < COUNT_OF(over); i++) {
        if (strcmp(status, over[i]) == 0)
            question->inventory->migrating = false;
    }
}

static char name_key[] = "name", node_key[] = "node-name";
static char peripheral[] = "/machine/peripheral", anonymous[] = "/machine/peripheral-anon";

static void take_peripherals(void *user, void *item, const json_t *value,
                             const struct error *error)
{
    const struct inventory_question *question = user;
    unsigned parts = question->inventory->parts;

    if (parts & INVENTORY_DISKS)
        inventory_disks_take_peripherals(question, item, value);
    if (parts & INVENTORY_PCI)
        inventory_pci_take_peripherals(question, item, value);
    if ((parts & INVENTORY_NAMES) && item == peripheral)
        take_names(user, name_key, value, error);
}

static void ask_names(struct gather *gather)
{
    gather_qom_list(gather, "/objects", take_names, name_key);
    gather_ask_with(gather, PEER_QMP, "query-named-block-nodes", json_pack("{s:b}", "flat", 1),
                    take_names, node_key);
    gather_ask(gather, PEER_QMP, "query-migrate", take_migration, NULL);
}

static void ask_all(struct inventory_question *question)
{
    unsigned parts = question->inventory->parts;

    /* The agent is asked first: its answers take longest, and both sides work at once; then what
     * leads to further questions. */
    if (parts & (INVENTORY_AGENT | INVENTORY_GUEST_CPUS | INVENTORY_GUEST_MEMORY |
                 INVENTORY_GUEST_DISKS | INVENTORY_GUEST_MOUNTS | INVENTORY_GUEST_KERNEL |
                 INVENTORY_GUEST_MEMINFO))
        inventory_guest_ask(question);
    if (parts & (INVENTORY_DISKS | INVENTORY_PCI | INVENTORY_NAMES))
        gather_qom_list(question->gather, peripheral, take_peripherals, peripheral);
    if (parts & (INVENTORY_DISKS | INVENTORY_PCI))
        gather_qom_list(question->gather, anonymous, take_peripherals, anonymous);
    if (parts & INVENTORY_OSPM)
        gather_ask(question->gather, PEER_QMP, "query-acpi-ospm-status", take_rows, NULL);
    if (parts & (INVENTORY_MACHINE | INVENTORY_ACCEL))
        inventory_machine_ask_accel(question);
    if (parts & INVENTORY_MACHINE)
        inventory_machine_ask(question);
    if (parts & (INVENTORY_MACHINE | INVENTORY_PLATFORM | INVENTORY_ACCEL | INVENTORY_TYPE))
        inventory_machine_ask_type(question);
    if (parts & (INVENTORY_PLATFORM | INVENTORY_DIMM | INVENTORY_VIRTIO_MEM))
        inventory_board_ask(question);
    if (parts & INVENTORY_CPUS)
        inventory_cpus_ask(question);
    if (parts & INVENTORY_MEMORY)
        inventory_memory_ask(question);
    if (parts & INVENTORY_DISKS)
        inventory_disks_ask(question);
    if (parts & INVENTORY_PCI)
        inventory_pci_ask(question);
    if (parts & INVENTORY_NAMES)
        ask_names(question->gather);
    if (parts & INVENTORY_BALLOON)
        inventory_balloon_ask(question);
    if (parts & INVENTORY_OBJECTS)
        inventory_objects_ask(question);
}

struct inventory_fetch *inventory_fetch(struct vm *vm, unsigned parts, double timeout_ms,
                                        double agent_timeout_ms, inventory_done_fn *done,
                                        void *user, struct error *error)
{
    struct inventory_fetch *fetch = calloc(1, sizeof(*fetch));
    struct inventory *inventory = calloc(1, sizeof(*inventory));
    struct gather *gather = gather_new(vm, timeout_ms, agent_timeout_ms, on_gathered, fetch, error);

    if (inventory != NULL)
        inventory->names = json_object();
    if (fetch == NULL || gather == NULL || inventory == NULL || inventory->names == NULL) {
        gather_cancel(gather);
        inventory_free(inventory);
        free(fetch);
        (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
        return NULL;
    }
    inventory->parts = parts;
    if (parts & INVENTORY_PLATFORM)
        inventory->parts |= INVENTORY_OSPM;
    fetch->question =
        (struct inventory_question){.vm = vm, .gather = gather, .inventory = inventory};
    STAILQ_INIT(&fetch->question.readings);
    fetch->deadline_ms = clock_now_ms() + timeout_ms;
    fetch->agent_timeout_ms = agent_timeout_ms;
    fetch->done = done;
    fetch->user = user;
    ask_all(&fetch->question);
    gather_begin(gather);
    return fetch;
}

void inventory_fetch_cancel(struct inventory_fetch *fetch)
{
    if (fetch == NULL)
        return;
    gather_cancel(fetch->question.gather);
    forget(&fetch->question);
    inventory_free(fetch->question.inventory);
    free(fetch);
}

bool inventory_name_taken(const struct inventory *inventory, const char *id)
{
    return json_object_get(inventory->names, id) != NULL;
}

static bool is_removal(const json_t *entry)
{
    return strstr(field_string(entry, "operation", ""), "-remove") != NULL;
}

/* Devices go by their id, vCPUs that are to go by their QOM path. */
bool inventory_is_present(const struct inventory *inventory, const json_t *entry)
{
    const char *id = field_string(entry, "id", "");
    const char *name = is_removal(entry) ? field_string(entry, "path", id) : id;
    const struct inventory_memory_device *memory = inventory_find_memory(inventory, name);
    const struct inventory_cpu *cpu;
    unsigned slot;
    uint64_t addr;
    size_t i;

    if (memory != NULL && field_u64(entry, "addr", &addr) && addr != 0)
        return memory->addr == addr;
    for (i = 0; i < inventory->cpus.slot_count; i++) {
        cpu = &inventory->cpus.slots[i];
        if (cpu->present && (strcmp(cpu->qom_path, name) == 0 || strcmp(cpu->id, name) == 0))
            return !field_unsigned(entry, "slot", &slot) || cpu->slot == slot;
    }
    return inventory_name_taken(inventory, name);
}

/* Did the removed device leave something behind that was to go with it? */
static bool has_remains(const struct inventory *inventory, const json_t *cleanups)
{
    const char *key, *name;
    json_t *cleanup, *value;
    size_t i;

    json_array_foreach(cleanups, i, cleanup) {
        json_object_foreach(cleanup, key, value) {
            name = json_string_value(value);
            if (name != NULL && inventory_name_taken(inventory, name))
                return true;
        }
    }
    return false;
}

/* Has the guest all of this vCPU or DIMM online, for which it was asked? */
static bool is_online(const struct inventory *inventory, const char *id)
{
    const struct inventory_memory_device *memory = inventory_find_memory(inventory, id);
    const struct inventory_cpus *cpus = &inventory->cpus;
    uint64_t bytes;
    size_t i;

    if (memory != NULL)
        return strcmp(memory->kind, "dimm") == 0 &&
               inventory_device_online(inventory, memory, &bytes) && bytes == memory->bytes;
    for (i = 0; i < cpus->slot_count; i++) {
        if (cpus->slots[i].present && strcmp(cpus->slots[i].id, id) == 0)
            return inventory_slot_online(inventory, &cpus->slots[i]) ==
                   (int)cpus->slots[i].vcpus_count;
    }
    return false;
}

json_t *inventory_pending(const struct inventory *inventory, const json_t *record)
{
    json_t *list = json_array();
    const char *operation, *id;
    const json_t *entry;
    bool present;
    size_t i;

    json_array_foreach(record, i, entry) {
        operation = field_string(entry, "operation", "");
        id = field_string(entry, "id", "");
        present = inventory_is_present(inventory, entry);
        if (!present &&
            !(is_removal(entry) && has_remains(inventory, field_array(entry, "cleanups"))))
            continue;
        if (!is_removal(entry) && is_online(inventory, id))
            continue;
        field_append(&list, json_pack("{s:s, s:s, s:b}", "operation", operation, "id", id,
                                      "present", present));
    }
    return list;
}
