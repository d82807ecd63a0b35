/* SPDX-License-Identifier: MIT */
/* vmplug: vCPUs, memory and disks for a running QEMU, and the proof that the guest has them. */
#include "cli/invocation.h"

static const struct command_group *const groups[] = {
    &cmd_status_group,   &cmd_cpu_group,   &cmd_memory_group, &cmd_disk_group,
    &cmd_cdrom_group,    &cmd_wait_group,  &cmd_doctor_group, &cmd_audit_group,
    &cmd_events_group,   &cmd_raw_group,   &cmd_help_group,   &cmd_version_group,
    &cmd_generate_group, NULL,
};

int main(int argc, char **argv)
{
    return invocation_main(groups, argc, argv);
}
