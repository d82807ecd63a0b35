/* SPDX-License-Identifier: MIT */
/*
 * The guest's side of a diagnosis. What its kernel can do stands in its configuration where that is
 * readable; else sysfs shows it: a file that only such a kernel makes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/size.h"
#include "vmm/doctor.h"
#include "vmm/operation_kind.h"

#define PAGE_BYTES 4096
#define PAGE_STRUCT_BYTES 64 /* what the guest's kernel keeps of each page */
#define WORD_MAX 32

/* ---- the agent ---- */

static const struct {
    const struct operation_kind *kind;
    enum doctor_can can;
} kinds[] = {
    {&cpu_add_kind, DOCTOR_CPU_ADD},       {&cpu_remove_kind, DOCTOR_CPU_REMOVE},
    {&dimm_add_kind, DOCTOR_MEMORY_ADD},   {&dimm_remove_kind, DOCTOR_MEMORY_REMOVE},
    {&disk_add_kind, DOCTOR_DISK_ADD},     {&disk_remove_kind, DOCTOR_DISK_REMOVE},
    {&virtio_mem_add_kind, DOCTOR_VIRTIO_MEM},
};

static bool needs(const struct operation_kind *kind, const char *command)
{
    const char *const *at;

    for (at = kind->agent_commands; *at != NULL; at++) {
        if (strcmp(*at, command) == 0)
            return true;
    }
    return false;
}

/* What can't be proved without this command (NULL: without an agent). QEMU does it all the same. */
static unsigned clouded_by(const char *command)
{
    unsigned bits = 0;
    size_t i;

    for (i = 0; i < COUNT_OF(kinds); i++) {
        if (kinds[i].kind->guest_decides &&
            (command == NULL || needs(kinds[i].kind, command)))
            bits |= DOCTOR_BIT(kinds[i].can);
    }
    return bits;
}

static void examine_agent(struct doctor *doctor, const struct inventory_guest *guest)
{
    struct doctor_check *check =
        doctor_add(doctor, "agent", guest->connected ? DOCTOR_YES : DOCTOR_NO, 0);

    check->clouds = clouded_by(NULL);
    if (guest->connected)
        doctor_reason(check, "version %s answers", guest->version);
    else
        doctor_reason(check, "%s", guest->reason);
    doctor_fix(check, guest->wanted ? "run qemu-guest-agent in the guest, and look whether another "
                                      "client holds its socket"
                                    : "give the guest agent's socket with --agent");
}

/* An agent lists what its policy forbids, and does not list what it does not know. */
static struct doctor_check *examine_command(struct doctor *doctor,
                                            const struct inventory *inventory,
                                            const char *command)
{
    bool known = json_object_get(inventory->guest.commands, command) != NULL;
    bool enabled = inventory_agent_has(inventory, command);
    struct doctor_check *check = doctor_add(doctor, command, enabled ? DOCTOR_YES : DOCTOR_NO, 0);

    check->clouds = clouded_by(command);
    if (enabled)
        doctor_reason(check, "the agent takes it");
    else if (known)
        doctor_reason(check, "the guest's policy forbids the agent this command");
    else
        doctor_reason(check, "version %s of the agent does not know this command",
                      inventory->guest.version);
    doctor_fix(check, known ? "take it out of block-rpcs (blacklist) in the guest's qemu-ga.conf"
                            : "install a newer qemu-guest-agent in the guest");
    return check;
}

/* What no kind demands: to put memory online as movable, and to look into the guest's kernel. */
static const struct {
    const char *command;
    bool makes_movable;
} others[] = {
    {"guest-file-open", true},   {"guest-file-write", true},  {"guest-file-flush", true},
    {"guest-file-close", true},  {"guest-file-read", false},  {"guest-get-osinfo", false},
};

static void examine_commands(struct doctor *doctor, const struct inventory *inventory)
{
    const char *const *command;
    struct doctor_check *check;
    size_t i, earlier;

    if (!inventory->guest.connected)
        return;
    for (i = 0; i < COUNT_OF(kinds); i++) {
        for (command = kinds[i].kind->agent_commands; *command != NULL; command++) {
            for (earlier = 0; earlier < i && !needs(kinds[earlier].kind, *command); earlier++)
                ;
            if (earlier == i)
                examine_command(doctor, inventory, *command);
        }
    }
    for (i = 0; i < COUNT_OF(others); i++) {
        check = examine_command(doctor, inventory, others[i].command);
        check->clouds = others[i].makes_movable ? DOCTOR_BIT(DOCTOR_MEMORY_REMOVE) : 0;
    }
}

/* ---- the kernel ---- */

static const char *reading_fix(const struct inventory_guest *guest)
{
    return guest->connected ? "allow the agent to read files" : "see what is said of the agent";
}

static enum doctor_result configured(const struct inventory_file *config, const char *option)
{
    char line[64];
    const char *found;

    (void)snprintf(line, sizeof(line), "%s=", option);
    found = strstr(config->text, line);
    while (found != NULL && found != config->text && found[-1] != '\n')
        found = strstr(found + 1, line);
    return found != NULL && (found[strlen(line)] == 'y' || found[strlen(line)] == 'm') ? DOCTOR_YES
                                                                                       : DOCTOR_NO;
}

struct option {
    const char *name;
    enum inventory_file_name file; /* there only where the kernel has it */
    bool acpi;                     /* only of machines that have it */
    bool loadable;                 /* the file says nothing when it is not there, nor by 0 */
};

static bool is_off(const struct option *option, const struct inventory_file *file)
{
    return !option->loadable && file->known && file->text != NULL && file->text[0] == '0';
}

static enum doctor_result shown(const struct option *option, const struct inventory_file *file)
{
    if (!file->known || (option->loadable && file->text == NULL))
        return DOCTOR_UNKNOWN;
    return file->text != NULL && !is_off(option, file) ? DOCTOR_YES : DOCTOR_NO;
}

/* One check over the options that a thing takes: the first that is lacking decides. */
static void examine_options(struct doctor *doctor, const struct inventory *inventory,
                            const char *name, const struct option *options, size_t count,
                            unsigned forbids)
{
    const struct inventory_file *config = &inventory->guest.files[INVENTORY_FILE_CONFIG];
    bool by_config = config->known && config->text != NULL;
    struct doctor_check *check = doctor_add(doctor, name, DOCTOR_YES, forbids);
    const struct inventory_file *file;
    enum doctor_result result;
    size_t i;

    doctor_reason(check, "the guest's kernel has what it takes, %s",
                  by_config ? "by its configuration" : "as sysfs shows");
    for (i = 0; i < count && check->result != DOCTOR_NO; i++) {
        if (options[i].acpi && !inventory->has_ost)
            continue;
        file = &inventory->guest.files[options[i].file];
        result = shown(&options[i], file);
        if (by_config && !is_off(&options[i], file))
            result = configured(config, options[i].name);
        if (result == DOCTOR_YES)
            continue;
        check->result = result;
        doctor_reason(check, result == DOCTOR_NO ? "the guest's kernel lacks %s, or has it off"
                                                 : "whether the guest's kernel has %s is not known",
                      options[i].name);
        doctor_fix(check, result == DOCTOR_NO
                              ? "give the guest a kernel that has it, and look into "
                                "/sys/firmware/acpi/hotplug there"
                              : reading_fix(&inventory->guest));
    }
}

static void examine_kernel(struct doctor *doctor, const struct inventory *inventory)
{
    static const struct option cpus[] = {
        {"CONFIG_HOTPLUG_CPU", INVENTORY_FILE_CPU_STATES, false, false},
        {"CONFIG_ACPI_HOTPLUG_CPU", INVENTORY_FILE_ACPI_CPU, true, false},
    };
    static const struct option memory[] = {
        {"CONFIG_MEMORY_HOTPLUG", INVENTORY_FILE_ONLINING, false, false},
        {"CONFIG_ACPI_HOTPLUG_MEMORY", INVENTORY_FILE_ACPI_MEMORY, true, false},
    };
    static const struct option memory_remove[] = {
        {"CONFIG_MEMORY_HOTREMOVE", INVENTORY_FILE_REMOVABLE, false, false},
    };
    static const struct option pci_acpi[] = {
        {"CONFIG_HOTPLUG_PCI_ACPI", INVENTORY_FILE_ACPIPHP, true, false},
    };
    static const struct option pci_express[] = {
        {"CONFIG_HOTPLUG_PCI_PCIE", INVENTORY_FILE_PCIEHP, false, false},
    };
    static const struct option virtio_mem[] = {
        {"CONFIG_VIRTIO_MEM", INVENTORY_FILE_VIRTIO_MEM, false, true},
    };
    struct doctor_check *check =
        doctor_add(doctor, "guest-kernel",
                   inventory->guest.kernel[0] != '\0' ? DOCTOR_YES : DOCTOR_UNKNOWN, 0);

    doctor_reason(check, "%s", inventory->guest.kernel[0] != '\0' ? inventory->guest.kernel
                                                                  : "the agent does not tell");
    examine_options(doctor, inventory, "guest-cpu-hotplug", cpus, COUNT_OF(cpus),
                    DOCTOR_BIT(DOCTOR_CPU_ADD) | DOCTOR_BIT(DOCTOR_CPU_REMOVE));
    examine_options(doctor, inventory, "guest-memory-hotplug", memory, COUNT_OF(memory),
                    DOCTOR_BIT(DOCTOR_MEMORY_ADD) | DOCTOR_BIT(DOCTOR_MEMORY_REMOVE));
    examine_options(doctor, inventory, "guest-memory-hotremove", memory_remove,
                    COUNT_OF(memory_remove), DOCTOR_BIT(DOCTOR_MEMORY_REMOVE));
    examine_options(doctor, inventory, "guest-pci-hotplug-acpi", pci_acpi, COUNT_OF(pci_acpi), 0);
    examine_options(doctor, inventory, "guest-pci-hotplug-express", pci_express,
                    COUNT_OF(pci_express), 0);
    examine_options(doctor, inventory, "guest-virtio-mem", virtio_mem, COUNT_OF(virtio_mem),
                    DOCTOR_BIT(DOCTOR_VIRTIO_MEM));
}

/* ---- its memory ---- */

static void examine_block(struct doctor *doctor, const struct inventory_guest *guest)
{
    struct doctor_check *check =
        doctor_add(doctor, "memory-block", guest->block_bytes != 0 ? DOCTOR_YES : DOCTOR_UNKNOWN,
                   DOCTOR_BIT(DOCTOR_MEMORY_ADD));
    char size[SIZE_TEXT_MAX];

    if (guest->block_bytes != 0)
        doctor_reason(check, "the guest takes memory in blocks of %s",
                      size_format(guest->block_bytes, size));
    else
        doctor_reason(check, "the size of the guest's memory blocks is not known");
}

/* What the guest puts online by itself, vmplug can't put online as movable. On some boards it does
 * so whatever the file says, which has a word in the choice of the zone only. */
static void examine_onlining(struct doctor *doctor, const struct inventory *inventory)
{
    const struct inventory_file *file = &inventory->guest.files[INVENTORY_FILE_ONLINING];
    bool by_itself = inventory->board.platform.abilities[PLATFORM_DIMM].by_itself;
    struct doctor_check *check = doctor_add(doctor, "memory-movable", DOCTOR_UNKNOWN, 0);
    char word[WORD_MAX] = "";

    check->clouds = DOCTOR_BIT(DOCTOR_MEMORY_REMOVE);
    if (file->known && file->text != NULL)
        (void)sscanf(file->text, "%31s", word);
    if (strcmp(word, "offline") == 0 && !by_itself) {
        check->result = DOCTOR_YES;
        doctor_reason(check, "the guest leaves it to the agent to put new memory online: what is "
                             "added with --movable can be taken back");
    } else if (strcmp(word, "online_movable") == 0) {
        check->result = DOCTOR_YES;
        doctor_reason(check, "the guest puts new memory online by itself, as movable");
    } else if (*word != '\0') {
        check->result = DOCTOR_NO;
        doctor_reason(check, "the guest puts new memory online by itself (%s), where its kernel "
                             "may use it for what can't be moved away again",
                      by_itself ? "as on this board always" : word);
    } else {
        doctor_reason(check, "what the guest does with new memory is not known");
    }
    doctor_fix(check, check->result == DOCTOR_NO
                          ? "write online_movable into the guest's "
                            "/sys/devices/system/memory/auto_online_blocks, or boot it with "
                            "memhp_default_state=online_movable"
                          : reading_fix(&inventory->guest));
}

static bool some_zone_is_known(const struct inventory_memory *memory)
{
    size_t i;

    for (i = 0; i < memory->zone_count; i++) {
        if (memory->zones[i].known)
            return true;
    }
    return false;
}

/* Of the memory that is plugged, one device that can go is enough. */
static void examine_plugged(struct doctor *doctor, const struct inventory *inventory)
{
    const struct inventory_memory *memory = &inventory->memory;
    char reason[DOCTOR_TEXT_MAX - INVENTORY_ID_MAX];
    struct doctor_check *check;
    bool can = false, known = true;
    size_t dimms = 0, i;

    for (i = 0; i < memory->device_count; i++)
        dimms += memory->devices[i].slot >= 0 ? 1 : 0;
    if (dimms == 0)
        return;
    check = doctor_add(doctor, "plugged-memory-movable", DOCTOR_UNKNOWN, 0);
    check->clouds = DOCTOR_BIT(DOCTOR_MEMORY_REMOVE);
    for (i = 0; i < memory->device_count && !can; i++) {
        if (memory->devices[i].slot < 0)
            continue; /* virtio-mem is resized, and not taken back */
        known = inventory_can_give_back(inventory, i, &can, reason, sizeof(reason)) && known;
        doctor_reason(check, "%s: %s",
                      memory->devices[i].id[0] != '\0' ? memory->devices[i].id
                                                       : memory->devices[i].kind, reason);
    }
    if (can || known)
        check->result = can ? DOCTOR_YES : DOCTOR_NO;
    if (inventory->board.platform.abilities[PLATFORM_DIMM].by_itself)
        doctor_fix(check, "try it: the guest may refuse; boot it with "
                          "memhp_default_state=online_movable for memory that is to come");
    else
        doctor_fix(check, known || some_zone_is_known(memory)
                              ? "try it: the guest may refuse; add memory with --movable from "
                                "now on"
                              : reading_fix(&inventory->guest));
}

/* The structures for new memory come from the old. */
static void examine_free_memory(struct doctor *doctor, const struct inventory *inventory)
{
    const struct inventory_guest *guest = &inventory->guest;
    uint64_t block = inventory_memory_unit(inventory);
    uint64_t cost = block / PAGE_BYTES * PAGE_STRUCT_BYTES, available = 0;
    char have[SIZE_TEXT_MAX], bears[SIZE_TEXT_MAX];
    struct doctor_check *check =
        doctor_add(doctor, "guest-free-memory", DOCTOR_UNKNOWN, DOCTOR_BIT(DOCTOR_MEMORY_ADD));

    if (inventory_guest_available(inventory, &available)) {
        check->result = available >= cost ? DOCTOR_YES : DOCTOR_NO;
        available = available / SIZE_MIB * SIZE_MIB;
        doctor_reason(check, "the guest has %s available, enough to keep account of %s of new "
                             "memory",
                      size_format(available, have),
                      size_format(available / cost * block, bears));
    } else {
        doctor_reason(check, "how much memory the guest has available is not known");
    }
    doctor_fix(check, check->result == DOCTOR_NO ? "free memory in the guest" : reading_fix(guest));
}

void doctor_examine_guest(struct doctor *doctor, const struct inventory *inventory)
{
    examine_agent(doctor, &inventory->guest);
    examine_commands(doctor, inventory);
    examine_kernel(doctor, inventory);
    examine_block(doctor, &inventory->guest);
    examine_onlining(doctor, inventory);
    examine_plugged(doctor, inventory);
    examine_free_memory(doctor, inventory);
}
