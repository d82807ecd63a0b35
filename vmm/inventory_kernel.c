/* SPDX-License-Identifier: MIT */
/*
 * What the guest's kernel tells of itself in files, read through its agent: its configuration, and
 * what shows in sysfs where that is not readable.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "qmp/field.h"
#include "vmm/inventory_parts.h"

#define FILE_MAX (1 << 20)

static const char *const paths[] = {
    [INVENTORY_FILE_CONFIG] = "", /* known when the release is */
    [INVENTORY_FILE_MEMINFO] = "/proc/meminfo",
    [INVENTORY_FILE_ONLINING] = "/sys/devices/system/memory/auto_online_blocks",
    [INVENTORY_FILE_REMOVABLE] = "/sys/devices/system/memory/memory0/removable",
    [INVENTORY_FILE_CPU_STATES] = "/sys/devices/system/cpu/hotplug/states",
    [INVENTORY_FILE_ACPI_CPU] = "/sys/firmware/acpi/hotplug/processor/enabled",
    [INVENTORY_FILE_ACPI_MEMORY] = "/sys/firmware/acpi/hotplug/memory/enabled",
    [INVENTORY_FILE_ACPIPHP] = "/sys/module/acpiphp/parameters/disable",
    [INVENTORY_FILE_PCIEHP] = "/sys/module/pciehp/parameters/pciehp_poll_mode",
    [INVENTORY_FILE_VIRTIO_MEM] = "/sys/module/virtio_mem/refcnt",
};

static bool take_text(struct inventory *inventory, void *item, const char *text,
                      size_t size_bytes, const char *why)
{
    struct inventory_file *file = item;

    (void)inventory;
    (void)size_bytes;
    file->text = text != NULL ? strdup(text) : NULL;
    file->known = text != NULL || strstr(why, "No such file or directory") != NULL;
    return text == NULL || file->text != NULL;
}

static void read_file(struct inventory_question *question, enum inventory_file_name name,
                      const char *path)
{
    inventory_read_file(question, path, FILE_MAX, take_text,
                        &question->inventory->guest.files[name]);
}

/* It becomes part of a path. */
static bool is_release(const char *text)
{
    size_t i;

    for (i = 0; text[i] != '\0'; i++) {
        if (!isalnum((unsigned char)text[i]) && strchr(".-_+~", text[i]) == NULL)
            return false;
    }
    return i > 0;
}

static void take_osinfo(void *user, void *item, const json_t *value, const struct error *error)
{
    struct inventory_question *question = user;
    struct inventory_guest *guest = &question->inventory->guest;
    const char *release = field_string(value, "kernel-release", "");
    char path[sizeof(guest->kernel) + sizeof("/boot/config-")];

    (void)item;
    (void)error;
    if (!is_release(release))
        return;
    text_copy(guest->kernel, sizeof(guest->kernel), release);
    (void)snprintf(path, sizeof(path), "/boot/config-%s", guest->kernel);
    read_file(question, INVENTORY_FILE_CONFIG, path);
}

void inventory_kernel_ask(struct inventory_question *question)
{
    unsigned name;

    if (inventory_agent_has(question->inventory, "guest-get-osinfo"))
        gather_ask(question->gather, PEER_AGENT, "guest-get-osinfo", take_osinfo, NULL);
    for (name = INVENTORY_FILE_CONFIG + 1; name < INVENTORY_FILES_; name++)
        read_file(question, (enum inventory_file_name)name, paths[name]);
}

void inventory_meminfo_ask(struct inventory_question *question)
{
    read_file(question, INVENTORY_FILE_MEMINFO, paths[INVENTORY_FILE_MEMINFO]);
}

bool inventory_guest_available(const struct inventory *inventory, uint64_t *ret_bytes)
{
    static const char key[] = "MemAvailable:";
    const struct inventory_file *meminfo = &inventory->guest.files[INVENTORY_FILE_MEMINFO];
    const char *found = meminfo->known && meminfo->text != NULL ? strstr(meminfo->text, key) : NULL;
    uint64_t kib;

    if (found == NULL || sscanf(found + strlen(key), "%" SCNu64 " kB", &kib) != 1 ||
        kib > UINT64_MAX / 1024)
        return false;
    *ret_bytes = kib * 1024;
    return true;
}
