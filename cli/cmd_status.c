/* SPDX-License-Identifier: MIT */
#include "base/cleanup.h"
#include "cli/fetch.h"
#include "vmm/status_json.h"
#include "cli/status_text.h"
#include "qmp/codec.h"

static int run(struct invocation *invocation)
{
    AUTO_JSON json_t *record = record_list(vm_record(invocation->session.vm));
    AUTO_JSON json_t *pending = NULL;
    int exit_code = 0;
    struct inventory *inventory = fetch(invocation, STATUS_PARTS, &exit_code);

    if (inventory == NULL)
        return exit_code;
    pending = inventory_pending(inventory, record);
    if (invocation->out.json) {
        AUTO_JSON json_t *object = status_json(inventory);

        (void)json_object_set(object, "pending", pending);
        output_json(&invocation->out, object, 0);
    } else {
        status_text(&invocation->out, inventory);
        status_text_pending(&invocation->out, pending);
    }
    inventory_free(inventory);
    return 0;
}

static const struct command_example examples[] = {
    {"-q /run/vm/qmp -g /run/vm/agent status", "all that QEMU and the guest tell"},
    {"status --json | jq .cpus.online", "how many vCPUs the guest uses"},
    {NULL, NULL},
};

static const struct command commands[] = {
    {
        .name = "status",
        .operands = "",
        .summary = "show the VM: vCPUs, memory, disks, agent, and what can still grow",
        .help =
            "Asks QEMU and the guest agent what there is. What the guest has online is the guest's "
            "own word; without an agent it is not known, and shown as nothing (null with --json), "
            "never guessed. A silent agent is given two seconds and then counts as absent; that is "
            "no failure.\n\n"
            "Requests that the guest has not answered yet are listed as pending, from vmplug's own "
            "record: QEMU does not show them.\n\n"
            "A disk's name inside the guest is shown where it is certain: by its serial number, or "
            "by its LUN where the agent gives no serial numbers, every disk is on virtio-scsi or a "
            "virtio-blk, and no two have the same LUN.",
        .examples = examples,
        .options = OPTIONS_VM,
        .flags = COMMAND_NEEDS_QMP | COMMAND_USES_AGENT,
        .run = run,
    },
};

const struct command_group cmd_status_group = {
    .title = "The VM", .commands = commands, .count = COUNT_OF(commands)};
