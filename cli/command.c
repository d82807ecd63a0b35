/* SPDX-License-Identifier: MIT */
#include "cli/command.h"

const struct command_group *const command_groups[] = {
    &cmd_status_group, &cmd_cpu_group, &cmd_memory_group, &cmd_disk_group, &cmd_cdrom_group,
    &cmd_wait_group, &cmd_doctor_group, &cmd_audit_group, &cmd_events_group,
    &cmd_manifest_group, &cmd_get_group, &cmd_patch_group, &cmd_launch_group, &cmd_serve_group,
    &cmd_raw_group, &cmd_help_group, &cmd_version_group,
    NULL,
};
