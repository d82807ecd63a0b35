/* SPDX-License-Identifier: MIT */
#include "base/cleanup.h"
#include "cli/fetch.h"
#include "cli/perform.h"
#include "vmm/status_json.h"
#include "vmm/words.h"
#include "cli/status_text.h"
#include "qmp/codec.h"

static int list(struct invocation *invocation)
{
    int exit_code = 0;
    struct inventory *inventory = fetch(invocation, INVENTORY_DISKS, &exit_code);

    if (inventory == NULL)
        return exit_code;
    if (invocation->out.json) {
        AUTO_JSON json_t *array = status_json_cdroms(inventory);

        output_json(&invocation->out, array, 0);
    } else {
        status_text_cdroms(&invocation->out, inventory);
    }
    inventory_free(inventory);
    return 0;
}

static int change(struct invocation *invocation, enum operation_type type, const char *file)
{
    struct batch_request request = {
        .goal = BATCH_COUNT, .count = 1, .each = perform_request(invocation, type)};

    request.each.id = invocation->operands[0];
    request.each.disk.file = file;
    request.each.disk.format = invocation->options.format;
    return perform(invocation, &request);
}

static int check_insert(const struct invocation *invocation, struct error *error)
{
    return words_check_file(invocation->operands[1], error);
}

static int insert(struct invocation *invocation)
{
    return change(invocation, OPERATION_CDROM_INSERT, invocation->operands[1]);
}

static int eject(struct invocation *invocation)
{
    return change(invocation, OPERATION_CDROM_EJECT, NULL);
}

static const struct command_example list_examples[] = {
    {"cdrom list", "the drives, their trays, and what is in them"},
    {"cdrom list --json | jq '.[] | select(.locked).id'", "those whose medium the guest uses"},
    {NULL, NULL},
};

static const struct command_example insert_examples[] = {
    {"cdrom insert cd0 debian.iso", "in place of what is in it"},
    {"cdrom insert cd0 tools.iso --force", "although the guest has the former one mounted"},
    {NULL, NULL},
};

static const struct command_example eject_examples[] = {
    {"cdrom eject cd0", "the guest is asked where it has locked the tray"},
    {"cdrom eject cd0 --timeout 5 || vmplug cdrom eject cd0 --force", "ask first, then insist"},
    {NULL, NULL},
};

static const struct command commands[] = {
    {
        .name = "cdrom list",
        .operands = "",
        .summary = "list the CD-ROM drives, their trays and their media",
        .help = "A drive that QEMU was given without an id has its QOM path for one.",
        .examples = list_examples,
        .options = OPTIONS_VM,
        .flags = COMMAND_NEEDS_QMP,
        .run = list,
    },
    {
        .name = "cdrom insert",
        .operands = "ID FILE",
        .operands_min = 2,
        .operands_max = 2,
        .summary = "put a medium into a CD-ROM drive, in place of what is in it",
        .help = "FILE is an image or block device of this host, which QEMU must be able to open, "
                "too; it is opened for reading only. What ends in .iso or .raw is raw; else the "
                "format is told as for vmplug disk add. The tray is closed in the end, and the "
                "former medium's block node is taken away.\n\n"
                "A medium that the guest has mounted locks the tray. The guest is then asked to "
                "open it, and where it does not in time, the verdict is pending, and the former "
                "medium stays; --force takes it out all the same, and whatever the guest does with "
                "it fails.\n\n"
                "QEMU's own inventory is the proof. Where there is an agent that may read files, "
                "the guest's drives are read, too, and the one with the new medium is named.",
        .examples = insert_examples,
        .options = OPTIONS_REMOVE | OPTION_BIT(OPTION_FORMAT),
        .flags = COMMAND_NEEDS_QMP | COMMAND_USES_AGENT | COMMAND_TAKES_FILES,
        .check = check_insert,
        .ids = "cdrom list",
        .run = insert,
    },
    {
        .name = "cdrom eject",
        .operands = "ID",
        .operands_min = 1,
        .operands_max = 1,
        .summary = "take the medium out of a CD-ROM drive",
        .help = "The drive is left empty, its tray closed, and the medium's block node is taken "
                "away. With nothing in it, nothing is done, which is a success.\n\n"
                "A medium that the guest has mounted locks the tray. The guest is then asked to "
                "open it: one with udev unmounts the medium and does, others do nothing. Where the "
                "tray is not open in time, the verdict is pending, and the medium stays; --force "
                "takes it out all the same, and whatever the guest does with it fails.",
        .examples = eject_examples,
        .options = OPTIONS_REMOVE,
        .flags = COMMAND_NEEDS_QMP | COMMAND_USES_AGENT,
        .ids = "cdrom list",
        .run = eject,
    },
};

const struct command_group cmd_cdrom_group = {
    .word = "cdrom", .title = "CD-ROMs", .commands = commands, .count = COUNT_OF(commands)};
