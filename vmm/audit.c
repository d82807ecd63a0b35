/* SPDX-License-Identifier: MIT */
#include "vmm/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "qmp/codec.h"
#include "qmp/field.h"

#define OUR_PREFIX "vmplug-"

struct auditor {
    struct vm *vm;
    const struct inventory *inventory;
    json_t *record;  /* all entries */
    json_t *pending; /* those that stand; see inventory_pending() */
    struct audit *audit;
    bool failed; /* memory ran out */
};

static const char *const kind_names[] = {
    [AUDIT_PENDING] = "pending",
    [AUDIT_REFUSED] = "refused",
    [AUDIT_CPU_OFFLINE] = "cpu-offline",
    [AUDIT_MEMORY_OFFLINE] = "memory-offline",
    [AUDIT_MEMORY_MISSING] = "memory-missing",
    [AUDIT_BACKEND] = "memory-backend",
    [AUDIT_NODE] = "block-node",
    [AUDIT_TOPOLOGY] = "topology",
};

_Static_assert(COUNT_OF(kind_names) == AUDIT_KINDS_, "every kind has its name");

const char *audit_kind_name(enum audit_kind kind)
{
    return kind_names[kind];
}

/* ---- findings ---- */

static struct audit_finding *add(struct auditor *auditor, enum audit_kind kind, const char *id)
{
    struct audit *audit = auditor->audit;
    struct audit_finding *grown =
        reallocarray(audit->findings, audit->count + 1, sizeof(*grown));

    if (grown == NULL) {
        auditor->failed = true;
        return NULL;
    }
    audit->findings = grown;
    grown = &grown[audit->count++];
    *grown = (struct audit_finding){.kind = kind};
    text_copy(grown->id, sizeof(grown->id), id);
    grown->ours = strncmp(id, OUR_PREFIX, strlen(OUR_PREFIX)) == 0;
    return grown;
}

/* What deals with it; an id that is too long for an operation is not vmplug's, and nothing does. */
static void clean_by(struct audit_finding *finding, enum operation_type type, bool resume,
                     const char *id)
{
    finding->item.type = type;
    finding->item.resume = resume;
    finding->can_clean =
        snprintf(finding->item.id, sizeof(finding->item.id), "%s", id) < OPERATION_ID_MAX;
}

/* Into the finding's detail or action. */
__attribute__((format(printf, 2, 3)))
static void say(char text[AUDIT_TEXT_MAX], const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, AUDIT_TEXT_MAX, format, arguments);
    va_end(arguments);
}

static void miss(struct audit *audit, const char *missing, const char *what, const char *reason)
{
    struct audit_unseen *unseen = &audit->unseen[audit->unseen_count++];

    if (audit->missing == NULL)
        audit->missing = missing;
    unseen->what = what;
    text_copy(unseen->reason, sizeof(unseen->reason), reason);
}

/* ---- requests that stand ---- */

static bool is_removal(const json_t *entry)
{
    return strstr(field_string(entry, "operation", ""), "-remove") != NULL;
}

/* The device is there, and this is awaited of it. */
static bool is_awaited(const struct auditor *auditor, const char *id, bool removal)
{
    const json_t *entry;
    size_t i;

    json_array_foreach(auditor->pending, i, entry) {
        if (strcmp(field_string(entry, "id", ""), id) == 0 && is_removal(entry) == removal &&
            field_bool(entry, "present", false))
            return true;
    }
    return false;
}

/* Removals are asked for anew, since a guest that was reset has forgotten them; where the device
 * has gone, what it left is found among the backends and nodes. Of a vCPU's or DIMM's addition more
 * is known further down. */
static void look_at_record(struct auditor *auditor)
{
    struct audit_finding *finding;
    enum operation_type type;
    const json_t *entry;
    const char *id;
    size_t i;

    json_array_foreach(auditor->pending, i, entry) {
        id = field_string(entry, "id", "");
        if (!field_bool(entry, "present", false) ||
            !operation_type_find(field_string(entry, "operation", ""), &type) ||
            type == OPERATION_CPU_ADD || type == OPERATION_DIMM_ADD)
            continue;
        finding = add(auditor, AUDIT_PENDING, id);
        if (finding == NULL)
            return;
        finding->ours = true;
        clean_by(finding, type, !is_removal(entry), id);
        say(finding->detail, "%s was asked for, and nobody has seen its end",
            operation_type_name(type));
        say(finding->action, "vmplug wait %s", id);
    }
}

/* ---- devices ---- */

static bool was_refused(const struct auditor *auditor, enum ledger_slot_type type, unsigned slot,
                        char meaning[OST_MEANING_MAX])
{
    const struct ledger_entry *last = ledger_news(vm_ledger(auditor->vm), type, slot, 0);

    if (last == NULL || ost_kind(last->source) != OST_INSERTION ||
        ost_outcome(last->source, last->status) != OST_FAILURE)
        return false;
    (void)ost_meaning(last->source, last->status, meaning);
    return true;
}

static void find_refused(struct auditor *auditor, const char *id, enum operation_type removal,
                         const char *meaning)
{
    struct audit_finding *finding = add(auditor, AUDIT_REFUSED, id);

    if (finding == NULL)
        return;
    say(finding->detail, "the guest refused it: %s", meaning);
    say(finding->action, "vmplug %s remove %s",
        removal == OPERATION_CPU_REMOVE ? "cpu" : "memory", id);
    clean_by(finding, removal, false, id);
}

/* Of what is there and not, or perhaps not, online in the guest. */
static void advise_online(struct audit_finding *finding)
{
    if (finding->kind == AUDIT_PENDING) {
        finding->ours = true;
        say(finding->action, "vmplug wait %s", finding->id);
    } else {
        say(finding->action, "put it online: vmplug audit --clean%s",
            finding->ours ? "" : " --all");
    }
}

static void look_at_cpu(struct auditor *auditor, const struct inventory_cpu *cpu)
{
    int online = inventory_slot_online(auditor->inventory, cpu);
    struct audit_finding *finding;
    char meaning[OST_MEANING_MAX], id[INVENTORY_ID_MAX];
    bool awaited;

    (void)snprintf(id, sizeof(id), "%u", cpu->slot);
    if (cpu->id[0] != '\0')
        text_copy(id, sizeof(id), cpu->id);
    awaited = is_awaited(auditor, id, false);
    if (!cpu->present || online == (int)cpu->vcpus_count || is_awaited(auditor, id, true))
        return;
    if (was_refused(auditor, LEDGER_CPU, cpu->slot, meaning)) {
        find_refused(auditor, id, OPERATION_CPU_REMOVE, meaning);
        return;
    }
    if (online < 0 && !awaited)
        return;
    finding = add(auditor, awaited ? AUDIT_PENDING : AUDIT_CPU_OFFLINE, id);
    if (finding == NULL)
        return;
    say(finding->detail, "it is there, and %s",
        online < 0 ? "whether the guest uses it is not known" : "the guest has it offline");
    advise_online(finding);
    clean_by(finding, OPERATION_CPU_ADD, true, id);
}

static void look_at_cpus(struct auditor *auditor)
{
    const struct inventory_cpus *cpus = &auditor->inventory->cpus;
    size_t i;

    for (i = 0; i < cpus->slot_count; i++)
        look_at_cpu(auditor, &cpus->slots[i]);
}

/* Blocks of [addr, addr + bytes) that the guest lists. */
static uint64_t count_blocks(const struct inventory_guest *guest, uint64_t addr, uint64_t bytes,
                             bool offline_only)
{
    uint64_t count = 0;
    size_t i;

    for (i = 0; i < guest->block_count; i++) {
        if (guest->blocks[i].index >= addr / guest->block_bytes &&
            guest->blocks[i].index <= (addr + (bytes - 1)) / guest->block_bytes)
            count += offline_only && guest->blocks[i].online ? 0 : 1;
    }
    return count;
}

static void find_missing(struct auditor *auditor, const char *id, uint64_t have, uint64_t all)
{
    struct audit_finding *finding = add(auditor, AUDIT_MEMORY_MISSING, id);

    if (finding == NULL)
        return;
    say(finding->detail, "the guest has %" PRIu64 " of its %" PRIu64 " memory blocks", have, all);
    say(finding->action, "vmplug memory remove %s, and see the guest's kernel log", id);
    clean_by(finding, OPERATION_DIMM_REMOVE, false, id);
}

static void find_offline(struct auditor *auditor, const char *id, bool awaited, uint64_t offline,
                         uint64_t all)
{
    struct audit_finding *finding =
        add(auditor, awaited ? AUDIT_PENDING : AUDIT_MEMORY_OFFLINE, id);

    if (finding == NULL)
        return;
    if (all > 0)
        say(finding->detail,
            "%" PRIu64 " of its %" PRIu64 " memory blocks are offline in the guest", offline, all);
    else
        say(finding->detail, "it is there, and whether the guest uses it is not known");
    advise_online(finding);
    clean_by(finding, OPERATION_DIMM_ADD, true, id);
}

/* An id that is too long, or none, can't be dealt with. */
static void look_at_dimm(struct auditor *auditor, const struct inventory_memory_device *dimm)
{
    const struct inventory_guest *guest = &auditor->inventory->guest;
    bool known = guest->blocks_known && guest->block_bytes != 0 && dimm->bytes > 0;
    bool awaited = is_awaited(auditor, dimm->id, false);
    uint64_t all = 0, have = 0, offline = 0;
    char meaning[OST_MEANING_MAX];

    if (known) {
        all = (dimm->bytes + guest->block_bytes - 1) / guest->block_bytes;
        have = count_blocks(guest, dimm->addr, dimm->bytes, false);
        offline = count_blocks(guest, dimm->addr, dimm->bytes, true);
    }
    if ((known && have >= all && offline == 0) || is_awaited(auditor, dimm->id, true))
        return;
    if (was_refused(auditor, LEDGER_DIMM, (unsigned)dimm->slot, meaning))
        find_refused(auditor, dimm->id, OPERATION_DIMM_REMOVE, meaning);
    else if (known && have < all && !awaited)
        find_missing(auditor, dimm->id, have, all);
    else if (known || awaited)
        find_offline(auditor, dimm->id, awaited, offline, all);
}

/* Blocks that belong to no device. Those of virtio-mem come and go by its driver's will. */
static void look_at_base_memory(struct auditor *auditor)
{
    const struct inventory_guest *guest = &auditor->inventory->guest;
    const struct inventory_memory *memory = &auditor->inventory->memory;
    struct audit_finding *finding;
    uint64_t offline, of_devices = 0;
    size_t i;

    if (!guest->blocks_known || guest->block_bytes == 0)
        return;
    for (i = 0; i < memory->device_count; i++) {
        if (memory->devices[i].reserved_bytes > 0)
            of_devices += count_blocks(guest, memory->devices[i].addr,
                                       memory->devices[i].reserved_bytes, true);
    }
    offline = count_blocks(guest, 0, UINT64_MAX, true);
    if (offline <= of_devices)
        return;
    finding = add(auditor, AUDIT_MEMORY_OFFLINE, "base");
    if (finding == NULL)
        return;
    say(finding->detail,
        "%" PRIu64 " blocks of the memory from the start are offline in the guest",
        offline - of_devices);
    say(finding->action, "put them online in the guest, if nobody meant them to be offline");
}

static void look_at_memory(struct auditor *auditor)
{
    const struct inventory_memory *memory = &auditor->inventory->memory;
    size_t i;

    for (i = 0; i < memory->device_count; i++) {
        if (strcmp(memory->devices[i].kind, "dimm") == 0)
            look_at_dimm(auditor, &memory->devices[i]);
    }
    look_at_base_memory(auditor);
}

/* ---- leftovers ---- */

/* The recorded request that would have taken it away in the end, or NULL. */
static const json_t *find_request(const struct auditor *auditor, const char *key, const char *name)
{
    const json_t *entry, *cleanup;
    size_t i, j;

    json_array_foreach(auditor->record, i, entry) {
        json_array_foreach(field_array(entry, "cleanups"), j, cleanup) {
            if (strcmp(field_string(cleanup, key, ""), name) == 0)
                return entry;
        }
    }
    return NULL;
}

/* Is one of the findings this request? It is finished once, with all that it leaves. */
static bool is_found(const struct audit *audit, const json_t *entry)
{
    const struct audit_finding *finding;
    size_t i;

    for (i = 0; entry != NULL && i < audit->count; i++) {
        finding = &audit->findings[i];
        if ((finding->kind == AUDIT_PENDING || finding->item.resume) &&
            strcmp(finding->item.id, field_string(entry, "id", "")) == 0)
            return true;
    }
    return false;
}

static void look_at_object(struct auditor *auditor, enum audit_kind kind,
                           const struct inventory_object *object)
{
    const char *key = kind == AUDIT_BACKEND ? "id" : "node-name";
    const json_t *request = find_request(auditor, key, object->name);
    struct audit_finding *finding;
    enum operation_type type;

    if (object->used || is_found(auditor->audit, request))
        return;
    finding = add(auditor, kind, object->name);
    if (finding == NULL)
        return;
    say(finding->detail, "no device uses it");
    clean_by(finding, kind == AUDIT_BACKEND ? OPERATION_BACKEND_REMOVE : OPERATION_NODE_REMOVE,
             false, object->name);
    if (request != NULL && is_removal(request) &&
        operation_type_find(field_string(request, "operation", ""), &type)) {
        finding->ours = true;
        say(finding->detail, "what it belonged to has been removed");
        clean_by(finding, type, true, field_string(request, "id", ""));
    }
    if (finding->ours)
        say(finding->action, "delete it: vmplug audit --clean");
    else
        say(finding->action, "delete it: vmplug qmp %s '{\"%s\": \"%.64s\"}'",
            kind == AUDIT_BACKEND ? "object-del" : "blockdev-del", key, object->name);
}

static void look_at_objects(struct auditor *auditor)
{
    const struct inventory_objects *objects = &auditor->inventory->objects;
    size_t i;

    for (i = 0; i < objects->backend_count; i++)
        look_at_object(auditor, AUDIT_BACKEND, &objects->backends[i]);
    for (i = 0; i < objects->node_count; i++)
        look_at_object(auditor, AUDIT_NODE, &objects->nodes[i]);
}

/* ---- all ---- */

static void look_at_topology(struct auditor *auditor)
{
    const struct inventory *inventory = auditor->inventory;
    struct audit_finding *finding;
    char why[AUDIT_TEXT_MAX];

    if (inventory->board.tree == NULL || inventory_topology_agrees(inventory, why, sizeof(why)))
        return;
    finding = add(auditor, AUDIT_TOPOLOGY, inventory->machine.machine);
    if (finding == NULL)
        return;
    say(finding->detail, "%s", why);
    say(finding->action, "start QEMU without a device tree of your own (-dtb)");
}

static void look_for_gaps(struct audit *audit, const struct inventory *inventory)
{
    const struct inventory_guest *guest = &inventory->guest;
    const char *reason = guest->connected ? "the guest agent does not tell" : guest->reason;
    const char *missing = guest->connected ? "agent-command" : "agent";

    if (!guest->cpus_known)
        miss(audit, missing, "the guest's vCPUs", reason);
    if (!guest->blocks_known || guest->block_bytes == 0)
        miss(audit, missing, "the guest's memory", reason);
    if (!inventory->objects.backends_known)
        miss(audit, "qemu-command", "memory backends", "this QEMU does not tell");
    if (!inventory->objects.nodes_known)
        miss(audit, "qemu-command", "block nodes", "this QEMU does not tell who uses them");
}

struct audit *audit_new(struct vm *vm, const struct inventory *inventory)
{
    AUTO_JSON json_t *record = record_list(vm_record(vm));
    AUTO_JSON json_t *pending = inventory_pending(inventory, record);
    struct auditor auditor = {.vm = vm,
                              .inventory = inventory,
                              .record = record,
                              .pending = pending,
                              .audit = calloc(1, sizeof(*auditor.audit))};

    if (auditor.audit == NULL)
        return NULL;
    auditor.failed = record == NULL || pending == NULL;
    look_at_record(&auditor);
    look_at_cpus(&auditor);
    look_at_memory(&auditor);
    look_at_objects(&auditor);
    look_at_topology(&auditor);
    look_for_gaps(auditor.audit, inventory);
    if (!auditor.failed)
        return auditor.audit;
    audit_free(auditor.audit);
    return NULL;
}

void audit_free(struct audit *audit)
{
    if (audit == NULL)
        return;
    free(audit->findings);
    free(audit);
}
