/* SPDX-License-Identifier: MIT */
/* Texts that the simulated guest's kernel shows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fake/sim_parts.h"

#define HANDLE 2000

/* What Debian's kernel shows. */
json_t *sim_texts_new(void)
{
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:n}", "/proc/meminfo",
        "MemTotal:         245880 kB\nMemFree:          177832 kB\nMemAvailable:     177376 kB\n",
        "/sys/devices/system/memory/auto_online_blocks", "offline\n",
        "/sys/devices/system/memory/memory0/removable", "1\n",
        "/sys/devices/system/cpu/hotplug/states", "  0: offline\n",
        "/sys/firmware/acpi/hotplug/processor/enabled", "1\n",
        "/sys/firmware/acpi/hotplug/memory/enabled", "1\n",
        "/sys/module/acpiphp/parameters/disable", "N\n",
        "/sys/module/pciehp/parameters/pciehp_poll_mode", "N\n", "/sys/module/virtio_mem/refcnt",
        "0\n",
        "/boot/config-6.1.0-13-amd64");
}

static json_t *open_text(struct sim *sim, const char *path, const json_t *text)
{
    if (sim_has_file_open(sim))
        fake_fail("vmplug opens %s in the guest while another file is open", path);
    if (!json_is_string(text))
        return sim_error("GenericError", "failed to open file '%s' (mode: 'r'): No such file or "
                         "directory", path);
    sim->guest.open_text = text;
    return sim_return(json_integer(HANDLE));
}

static json_t *read_text(const json_t *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *bytes = (const unsigned char *)json_string_value(text);
    size_t size = json_string_length(text), i;
    char *encoded = malloc(size * 4 / 3 + 5), *at = encoded;
    unsigned bits;
    json_t *reply;

    for (i = 0; i < size; i += 3) {
        bits = (unsigned)bytes[i] << 16;
        bits |= i + 1 < size ? (unsigned)bytes[i + 1] << 8 : 0;
        bits |= i + 2 < size ? (unsigned)bytes[i + 2] : 0;
        *at++ = digits[bits >> 18];
        *at++ = digits[bits >> 12 & 63];
        *at++ = i + 1 < size ? digits[bits >> 6 & 63] : '=';
        *at++ = i + 2 < size ? digits[bits & 63] : '=';
    }
    *at = '\0';
    reply = sim_return(json_pack("{s:I, s:s, s:b}", "count", (json_int_t)size, "buf-b64", encoded,
                                 "eof", 1));
    free(encoded);
    return reply;
}

json_t *sim_text_do(struct sim *sim, const char *command, const json_t *arguments)
{
    const char *path = json_string_value(json_object_get(arguments, "path"));
    const json_t *text = path != NULL ? json_object_get(sim->guest.files, path) : NULL;

    if (strcmp(command, "guest-file-open") == 0)
        return text != NULL ? open_text(sim, path, text) : NULL;
    if (sim->guest.open_text == NULL ||
        json_integer_value(json_object_get(arguments, "handle")) != HANDLE)
        return NULL;
    if (strcmp(command, "guest-file-read") == 0)
        return read_text(sim->guest.open_text);
    if (strcmp(command, "guest-file-close") != 0)
        fake_fail("vmplug's %s is of a file that it only reads", command);
    sim->guest.open_text = NULL;
    return sim_return(json_object());
}

bool sim_has_file_open(const struct sim *sim)
{
    return sim->guest.file.handle != 0 || sim->guest.open_text != NULL;
}
