/* SPDX-License-Identifier: MIT */
#include "cli/manifest_run.h"

#include <string.h>

#include "base/cleanup.h"
#include "cli/manifest_parts.h"

static const struct {
    const char *command;
    int (*run)(struct invocation *invocation);
} parts[] = {
    {"plan", manifest_plan},
    {"apply", manifest_apply},
    {"addvolume", manifest_addvolume},
    {"removevolume", manifest_removevolume},
    {"get vm", manifest_get_vm},
    {"get vmi", manifest_get_vmi},
    {"patch vm", manifest_patch},
    {"launch", manifest_launch},
    {"adopt", manifest_adopt},
    {"forget", manifest_forget},
    {"stop", manifest_stop},
};

int manifest_run(struct invocation *invocation)
{
    size_t i;

    for (i = 0; i < COUNT_OF(parts); i++) {
        if (strcmp(parts[i].command, invocation->command->name) == 0)
            return parts[i].run(invocation);
    }
    return 1; /* tests/unit/test_cli_manifest holds the table against the commands */
}
