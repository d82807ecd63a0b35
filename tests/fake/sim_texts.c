/* SPDX-License-Identifier: MIT */
/* Texts that the simulated guest's kernel shows. */
#include "tests/fake/sim_parts.h"

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
