/* SPDX-License-Identifier: MIT */
#include "vmm/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/size.h"
#include "base/text.h"
#include "vmm/hazard.h"
#include "vmm/pci_port.h"

#define CPUS (DOCTOR_BIT(DOCTOR_CPU_ADD) | DOCTOR_BIT(DOCTOR_CPU_REMOVE))
#define MEMORY (DOCTOR_BIT(DOCTOR_MEMORY_ADD) | DOCTOR_BIT(DOCTOR_MEMORY_REMOVE))
#define DISKS (DOCTOR_BIT(DOCTOR_DISK_ADD) | DOCTOR_BIT(DOCTOR_DISK_REMOVE))

static const char *const can_names[] = {
    [DOCTOR_CPU_ADD] = "cpu_add",
    [DOCTOR_CPU_REMOVE] = "cpu_remove",
    [DOCTOR_MEMORY_ADD] = "memory_add",
    [DOCTOR_MEMORY_REMOVE] = "memory_remove",
    [DOCTOR_DISK_ADD] = "disk_add",
    [DOCTOR_DISK_REMOVE] = "disk_remove",
    [DOCTOR_VIRTIO_MEM] = "virtio_mem",
    [DOCTOR_CDROM] = "cdrom",
};

_Static_assert(COUNT_OF(can_names) == DOCTOR_CANS_, "everything has its name");

const char *doctor_can_name(enum doctor_can can)
{
    return can_names[can];
}

bool doctor_can_parse(const char *word, enum doctor_can *ret)
{
    unsigned can;

    for (can = 0; can < DOCTOR_CANS_; can++) {
        *ret = (enum doctor_can)can;
        if (strcmp(can_names[can], word) == 0)
            return true;
    }
    return false;
}

const char *doctor_result_name(enum doctor_result result)
{
    static const char *const names[] = {"yes", "no", "unknown"};

    return names[result];
}

struct doctor_check *doctor_add(struct doctor *doctor, const char *name,
                                enum doctor_result result, unsigned forbids)
{
    /* The last one takes what would be too many: a mistake that tests see. */
    struct doctor_check *check =
        &doctor->checks[doctor->count < DOCTOR_CHECKS_MAX ? doctor->count++
                                                          : DOCTOR_CHECKS_MAX - 1];

    *check = (struct doctor_check){.result = result, .forbids = forbids, .clouds = forbids};
    text_copy(check->name, sizeof(check->name), name);
    return check;
}

void doctor_reason(struct doctor_check *check, const char *reason, ...)
{
    va_list arguments;

    va_start(arguments, reason);
    (void)vsnprintf(check->reason, sizeof(check->reason), reason, arguments);
    va_end(arguments);
    text_make_printable(check->reason);
}

void doctor_fix(struct doctor_check *check, const char *fix)
{
    if (check->result != DOCTOR_YES)
        text_copy(check->fix, sizeof(check->fix), fix);
}

static enum doctor_result yes_if(bool condition)
{
    return condition ? DOCTOR_YES : DOCTOR_NO;
}

/* ---- the machine ---- */

static void examine_migration(struct doctor *doctor, const struct inventory *inventory)
{
    struct doctor_check *check =
        doctor_add(doctor, "no-migration", yes_if(!inventory->migrating),
                   CPUS | MEMORY | DISKS | DOCTOR_BIT(DOCTOR_VIRTIO_MEM));

    doctor_reason(check, "%s", inventory->migrating
                                   ? "a migration is under way, and QEMU plugs nothing meanwhile"
                                   : "no migration is under way");
    doctor_fix(check, "wait until it has ended, or cancel it");
}

static void examine_acpi(struct doctor *doctor, const struct inventory *inventory)
{
    struct doctor_check *check = doctor_add(doctor, "acpi", yes_if(inventory->has_ost), 0);

    doctor_reason(check, "%s", inventory->has_ost
                                   ? "the machine tells the guest by ACPI, and relays its answers"
                                   : "the machine has no ACPI hotplug, and relays no _OST");
}

static bool has_virtio_mem(const struct inventory_memory *memory)
{
    size_t i;

    for (i = 0; i < memory->device_count; i++) {
        if (strcmp(memory->devices[i].kind, "virtio-mem") == 0)
            return true;
    }
    return false;
}

static enum doctor_result result_of(enum platform_answer answer)
{
    static const enum doctor_result results[] = {[PLATFORM_NO] = DOCTOR_NO,
                                                 [PLATFORM_YES] = DOCTOR_YES,
                                                 [PLATFORM_UNKNOWN] = DOCTOR_UNKNOWN};

    return results[answer];
}

static const char *heard(enum platform_signal signal)
{
    static const char *const texts[] = {
        [PLATFORM_SIGNAL_UNKNOWN] = "how the guest hears of it is not known",
        [PLATFORM_SIGNAL_ACPI] = "the guest hears of it by ACPI",
        [PLATFORM_SIGNAL_DRC] = "the guest hears of it by its firmware's connectors (DRC)",
        [PLATFORM_SIGNAL_SCLP] = "the guest hears of it by the service-call processor (SCLP)",
        [PLATFORM_SIGNAL_VIRTIO] = "the guest hears of it by the device itself",
    };

    return texts[signal];
}

/* What the board has to say of a kind of device. */
static void examine_growth(struct doctor *doctor, const char *name, const char *what,
                           const struct platform_ability *ability, unsigned forbids)
{
    struct doctor_check *check = doctor_add(doctor, name, result_of(ability->grow), forbids);

    if (ability->grow == PLATFORM_NO)
        doctor_reason(check, "%s", ability->why);
    else
        doctor_reason(check, "this board can plug %s; %s%s", what, heard(ability->signal),
                      ability->by_itself ? ", and puts it online by itself" : "");
    doctor_fix(check, ability->grow == PLATFORM_NO ? ability->fix
                                                   : "try it: QEMU has the last word");
}

static void examine_board(struct doctor *doctor, const struct inventory *inventory)
{
    const struct platform_ability *abilities = inventory->board.platform.abilities;
    const struct platform_ability *cpus = &abilities[PLATFORM_CPU];
    struct doctor_check *check;

    examine_growth(doctor, "cpu-hotplug", "vCPUs", cpus, DOCTOR_BIT(DOCTOR_CPU_ADD));
    check = doctor_add(doctor, "cpu-unplug", result_of(cpus->shrink),
                       DOCTOR_BIT(DOCTOR_CPU_REMOVE));
    doctor_reason(check, "%s", cpus->shrink == PLATFORM_NO ? cpus->why_no_shrink
                                                           : "this board can unplug vCPUs");
    doctor_fix(check, cpus->fix);
    examine_growth(doctor, "memory-hotplug", "DIMMs", &abilities[PLATFORM_DIMM], MEMORY);
    examine_growth(doctor, "virtio-mem", "virtio-mem", &abilities[PLATFORM_VIRTIO_MEM],
                   has_virtio_mem(&inventory->memory) ? 0 : DOCTOR_BIT(DOCTOR_VIRTIO_MEM));
}

/* Where no ACPI tells the guest, its device tree does. */
static void examine_topology(struct doctor *doctor, const struct inventory *inventory)
{
    struct doctor_check *check;
    char why[DOCTOR_TEXT_MAX];
    bool agrees;

    if (inventory->board.tree == NULL)
        return;
    agrees = inventory_topology_agrees(inventory, why, sizeof(why));
    check = doctor_add(doctor, "topology", yes_if(agrees), 0);
    doctor_reason(check, "%s", agrees ? "the device tree has the vCPUs and the memory that QEMU has"
                                      : why);
    doctor_fix(check, "start QEMU without a device tree of your own (-dtb)");
}

static void examine_cpu_room(struct doctor *doctor, const struct inventory_cpus *cpus)
{
    struct doctor_check *check;

    if (!cpus->hotpluggable)
        return;
    check = doctor_add(doctor, "cpu-room", yes_if(cpus->present < cpus->max),
                       DOCTOR_BIT(DOCTOR_CPU_ADD));
    doctor_reason(check, "%u of maxcpus=%u are there", cpus->present, cpus->max);
    doctor_fix(check, "restart QEMU with a larger -smp …,maxcpus=N");
}

static void examine_slots(struct doctor *doctor, const struct inventory *inventory)
{
    const struct inventory_memory *memory = &inventory->memory;
    struct doctor_check *check;
    unsigned used = 0;
    size_t i;

    if (inventory->board.platform.abilities[PLATFORM_DIMM].grow == PLATFORM_NO)
        return; /* no number of slots would help */
    for (i = 0; i < memory->device_count; i++)
        used += memory->devices[i].slot >= 0 ? 1 : 0;
    check = doctor_add(doctor, "memory-slots",
                       memory->room_known ? yes_if(used < memory->slots_total) : DOCTOR_UNKNOWN,
                       DOCTOR_BIT(DOCTOR_MEMORY_ADD));
    if (memory->room_known)
        doctor_reason(check, "%u of %u memory slots are taken", used, memory->slots_total);
    else
        doctor_reason(check, "this QEMU does not tell how many it has");
    doctor_fix(check, "restart QEMU with more slots: -m …,slots=N,maxmem=SIZE");
}

static void examine_room(struct doctor *doctor, const struct inventory *inventory)
{
    const struct inventory_memory *memory = &inventory->memory;
    const struct platform_ability *abilities = inventory->board.platform.abilities;
    uint64_t used = memory->base_bytes;
    uint64_t block = inventory_memory_unit(inventory);
    char used_text[SIZE_TEXT_MAX], max_text[SIZE_TEXT_MAX];
    struct doctor_check *check;
    size_t i;

    if (abilities[PLATFORM_DIMM].grow == PLATFORM_NO &&
        abilities[PLATFORM_VIRTIO_MEM].grow == PLATFORM_NO)
        return;
    for (i = 0; i < memory->device_count; i++)
        used += memory->devices[i].reserved_bytes;
    check = doctor_add(doctor, "memory-room",
                       memory->room_known ? yes_if(used <= memory->max_bytes &&
                                                   memory->max_bytes - used >= block)
                                          : DOCTOR_UNKNOWN,
                       DOCTOR_BIT(DOCTOR_MEMORY_ADD) |
                           (has_virtio_mem(memory) ? 0 : DOCTOR_BIT(DOCTOR_VIRTIO_MEM)));
    if (memory->room_known)
        doctor_reason(check, "%s of maxmem=%s is taken", size_format(used, used_text),
                      size_format(memory->max_bytes, max_text));
    else
        doctor_reason(check, "this QEMU does not tell how much it can have");
    doctor_fix(check, "restart QEMU with more room: -m …,slots=N,maxmem=SIZE");
}

/* A balloon counts DIMMs as it counts the base memory, and no other devices. */
static void examine_balloon(struct doctor *doctor, const struct inventory_memory *memory)
{
    uint64_t total = memory->base_bytes;
    char actual_text[SIZE_TEXT_MAX], total_text[SIZE_TEXT_MAX];
    struct doctor_check *check;
    size_t i;

    for (i = 0; i < memory->device_count; i++)
        total += strcmp(memory->devices[i].kind, "dimm") == 0 ? memory->devices[i].bytes : 0;
    check = doctor_add(doctor, "balloon-empty",
                       yes_if(!memory->balloon_known || memory->balloon_bytes >= total), 0);
    if (!memory->balloon_known)
        doctor_reason(check, "there is no balloon");
    else
        doctor_reason(check, "the balloon leaves %s of %s to the guest",
                      size_format(memory->balloon_bytes, actual_text),
                      size_format(total, total_text));
    doctor_fix(check, "deflate it before memory is added: vmplug qmp balloon '{\"value\": BYTES}'");
}

static void examine_disks(struct doctor *doctor, const struct inventory *inventory)
{
    const struct inventory_disks *disks = &inventory->disks;
    const char *bus = NULL;
    struct doctor_check *check;
    bool has_cdrom = false;
    size_t i;

    for (i = 0; i < disks->bus_count && bus == NULL; i++)
        bus = disks->buses[i].name[0] != '\0' ? disks->buses[i].name : NULL;
    check = doctor_add(doctor, "scsi-bus", yes_if(bus != NULL), DISKS);
    doctor_reason(check, bus != NULL ? "disks go onto %s" : "there is no virtio-scsi bus", bus);
    doctor_fix(check, inventory_scsi_fix(inventory));
    for (i = 0; i < disks->disk_count; i++)
        has_cdrom = has_cdrom || disks->disks[i].cdrom;
    check = doctor_add(doctor, "cdrom-drive", yes_if(has_cdrom), DOCTOR_BIT(DOCTOR_CDROM));
    doctor_reason(check, has_cdrom ? "there is a CD-ROM drive" : "there is no CD-ROM drive");
    doctor_fix(check, "start QEMU with -device scsi-cd,id=cd0");
}

/* One that is there is resized, another one takes a port. */
static void examine_pci(struct doctor *doctor, const struct inventory *inventory)
{
    bool found = has_virtio_mem(&inventory->memory);
    char bus[INVENTORY_ID_MAX];
    struct error error = ERROR_INIT;
    int status = pci_port_choose(inventory, bus, &error);
    struct doctor_check *check = doctor_add(doctor, "pci-port", yes_if(status == 0),
                                            found ? 0 : DOCTOR_BIT(DOCTOR_VIRTIO_MEM));

    if (status == 0)
        doctor_reason(check, "a PCI device goes onto %s", bus);
    else
        doctor_reason(check, "%s", error.why);
    doctor_fix(check, error.fix);
}

/* ---- known defects of this QEMU ---- */

static void add_hazard(struct doctor *doctor, const char *name, unsigned cans, int status,
                       const struct error *error)
{
    enum doctor_result result = error->code == ERROR_SYSTEM ? DOCTOR_UNKNOWN : yes_if(status == 0);
    struct doctor_check *check = doctor_add(doctor, name, result, cans);

    doctor_reason(check, "%s", status == 0 ? "no defect of this QEMU is known that it would meet"
                                           : error->why);
    if (status != 0)
        doctor_fix(check, error->fix);
}

static void examine_hazards(struct doctor *doctor, struct vm *vm,
                            const struct inventory *inventory)
{
    const struct platform_ability *cpus = &inventory->board.platform.abilities[PLATFORM_CPU];
    const char *harm = hazard_after_cpu_remove(inventory);
    unsigned mapped = DOCTOR_BIT(DOCTOR_MEMORY_ADD) | DOCTOR_BIT(DOCTOR_MEMORY_REMOVE);
    struct error error = ERROR_INIT;
    int status;

    if (cpus->grow != PLATFORM_NO) {
        status = hazard_check_cpu_add(vm, inventory, &error);
        add_hazard(doctor, "cpu-add-safe", DOCTOR_BIT(DOCTOR_CPU_ADD), status, &error);
    }
    if (!has_virtio_mem(&inventory->memory)) /* one that is there is resized, which is safe */
        mapped |= DOCTOR_BIT(DOCTOR_VIRTIO_MEM);
    status = hazard_check_memory_map(vm, inventory, &error);
    add_hazard(doctor, "memory-map-safe", mapped, status, &error);
    if (cpus->shrink == PLATFORM_NO)
        return;
    status = hazard_check_cpu_remove(inventory, &error);
    add_hazard(doctor, "cpu-remove-safe", DOCTOR_BIT(DOCTOR_CPU_REMOVE), status, &error);
    if (status == 0 && harm != NULL)
        doctor_reason(&doctor->checks[doctor->count - 1], "it can be done, but: %s", harm);
}

/* ---- all ---- */

bool doctor_concerns(const struct doctor_check *check, unsigned cans)
{
    return cans == DOCTOR_ALL || ((check->forbids | check->clouds) & cans) != 0;
}

const struct doctor_check *doctor_obstacle(const struct doctor *doctor, enum doctor_can can)
{
    const struct doctor_check *cloud = NULL, *check;
    size_t i;

    for (i = 0; i < doctor->count; i++) {
        check = &doctor->checks[i];
        if (check->result == DOCTOR_NO && (check->forbids & DOCTOR_BIT(can)) != 0)
            return check;
        if (cloud == NULL && check->result != DOCTOR_YES &&
            (check->clouds & DOCTOR_BIT(can)) != 0)
            cloud = check;
    }
    return cloud;
}

static enum doctor_result conclude(const struct doctor *doctor, enum doctor_can can)
{
    const struct doctor_check *obstacle = doctor_obstacle(doctor, can);

    if (obstacle == NULL)
        return DOCTOR_YES;
    return obstacle->result == DOCTOR_NO && (obstacle->forbids & DOCTOR_BIT(can)) != 0
               ? DOCTOR_NO
               : DOCTOR_UNKNOWN;
}

void doctor_examine(struct doctor *doctor, struct vm *vm, const struct inventory *inventory)
{
    unsigned can;

    *doctor = (struct doctor){.count = 0};
    examine_migration(doctor, inventory);
    examine_acpi(doctor, inventory);
    examine_board(doctor, inventory);
    examine_topology(doctor, inventory);
    examine_cpu_room(doctor, &inventory->cpus);
    examine_slots(doctor, inventory);
    examine_room(doctor, inventory);
    examine_balloon(doctor, &inventory->memory);
    examine_disks(doctor, inventory);
    examine_pci(doctor, inventory);
    examine_hazards(doctor, vm, inventory);
    doctor_examine_guest(doctor, inventory);
    for (can = 0; can < DOCTOR_CANS_; can++)
        doctor->can[can] = conclude(doctor, (enum doctor_can)can);
}
