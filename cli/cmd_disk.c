/* SPDX-License-Identifier: MIT */
#include "base/cleanup.h"
#include "base/size.h"
#include "cli/fetch.h"
#include "cli/perform.h"
#include "cli/report.h"
#include "vmm/status_json.h"
#include "vmm/words.h"
#include "cli/status_text.h"
#include "qmp/codec.h"

#define FILES_MAX 4096

static int list(struct invocation *invocation)
{
    int exit_code = 0;
    struct inventory *inventory =
        fetch(invocation, INVENTORY_DISKS | INVENTORY_AGENT | INVENTORY_GUEST_DISKS, &exit_code);

    if (inventory == NULL)
        return exit_code;
    if (invocation->out.json) {
        AUTO_JSON json_t *array = status_json_disks(inventory);

        output_json(&invocation->out, array, 0);
    } else {
        status_text_disks(&invocation->out, inventory);
    }
    inventory_free(inventory);
    return 0;
}

/* What can be given to one disk only. */
static int check_add(const struct invocation *invocation, struct error *error)
{
    static const enum option_key unique[] = {OPTION_ID, OPTION_SERIAL, OPTION_LUN};
    size_t i;

    for (i = 0; i < COUNT_OF(unique) && invocation->operand_count > 1; i++) {
        if (options_given(&invocation->options, unique[i]))
            return error_set(error, ERROR_INVALID, "add the disks by a command each",
                             "disk add: --%s fits one FILE, and there are %zu",
                             options_spec(unique[i])->name, invocation->operand_count);
    }
    for (i = 0; i < invocation->operand_count; i++) {
        if (words_check_file(invocation->operands[i], error) < 0)
            return -1;
    }
    return 0;
}

static int add(struct invocation *invocation)
{
    const struct options *options = &invocation->options;
    struct batch_request request = {
        .goal = BATCH_COUNT,
        .count = invocation->operand_count,
        .each = perform_request(invocation, OPERATION_DISK_ADD),
        .files = invocation->operands,
        .atomic = options->atomic,
    };

    request.each.disk = (struct operation_disk){
        .file = invocation->operands[0],
        .format = options->format,
        .serial = options->serial,
        .bus = options->bus,
        .lun_set = options_given(options, OPTION_LUN),
        .lun = options->lun,
        .read_only = options->read_only,
    };
    return perform(invocation, &request);
}

static int change(struct invocation *invocation, struct operation_request each)
{
    struct batch_request request = {.goal = BATCH_COUNT, .count = 1, .each = each};

    request.each.id = invocation->operands[0];
    return perform(invocation, &request);
}

static int check_resize(const struct invocation *invocation, struct error *error)
{
    struct error mistake = ERROR_INIT;
    uint64_t bytes;

    if (size_parse(invocation->operands[1], &bytes, &mistake) == 0)
        return 0;
    return error_set(error, ERROR_INVALID, "write it like 512M or 2G", "disk resize: %s",
                     mistake.why);
}

static int resize(struct invocation *invocation)
{
    struct operation_request request = perform_request(invocation, OPERATION_DISK_RESIZE);

    (void)size_parse(invocation->operands[1], &request.bytes, NULL);
    return change(invocation, request);
}

static int check_throttle(const struct invocation *invocation, struct error *error)
{
    const struct options *options = &invocation->options;

    if (options->off && (options_given(options, OPTION_IOPS) || options_given(options, OPTION_BPS)))
        return error_set(error, ERROR_INVALID, "say --off alone, or give limits",
                         "disk throttle: --off lifts the limits that --iops and --bps set");
    return 0;
}

/* As much as query-block tells of them. */
static int show_limits(struct invocation *invocation)
{
    const struct inventory_disk *disk;
    struct error error = ERROR_INIT;
    struct inventory *inventory;
    int exit_code = 0;

    inventory = fetch(invocation, INVENTORY_DISKS, &exit_code);
    if (inventory == NULL)
        return exit_code;
    disk = inventory_find_drive(inventory, invocation->operands[0]);
    if (disk == NULL || disk->cdrom) {
        (void)error_set(&error, ERROR_BLOCKED, "see vmplug disk list for those there are",
                        "there is no disk '%s'", invocation->operands[0]);
        exit_code = report_failure(invocation, VERDICT_BLOCKED, &error);
    } else if (invocation->out.json) {
        AUTO_JSON json_t *object = status_json_limits(disk);

        output_json(&invocation->out, object, 0);
    } else {
        status_text_limits(&invocation->out, disk);
    }
    inventory_free(inventory);
    return exit_code;
}

static int throttle(struct invocation *invocation)
{
    const struct options *options = &invocation->options;
    struct operation_request request = perform_request(invocation, OPERATION_DISK_THROTTLE);

    request.limits = (struct operation_limits){
        .iops_set = options->off || options_given(options, OPTION_IOPS),
        .iops = options->iops,
        .bps_set = options->off || options_given(options, OPTION_BPS),
        .bps = options->bps,
    };
    if (!request.limits.iops_set && !request.limits.bps_set)
        return show_limits(invocation);
    return change(invocation, request);
}

static int take_back(struct invocation *invocation)
{
    return perform_removal(invocation, OPERATION_DISK_REMOVE);
}

static const struct command_example list_examples[] = {
    {"disk list", "the disks, where they sit, and what the guest calls them"},
    {"disk list --json | jq '.[].guest_name'", "the names inside the guest"},
    {NULL, NULL},
};

static const struct command_example add_examples[] = {
    {"disk add data.qcow2", "a disk on the first virtio-scsi bus"},
    {"disk add data.raw --serial DATA-1 --read-only", "found in the guest by its serial number"},
    {"disk add image --format raw", "say the format where the name does not"},
    {"disk add a.qcow2 b.qcow2", "two disks, one after the other"},
    {"disk add data.raw --bus virtio", "a virtio-blk, in the first free PCI port"},
    {"disk add nbd://server/export", "a disk on the network, by its NBD URI"},
    {NULL, NULL},
};

static const struct command_example remove_examples[] = {
    {"disk remove vmplug-disk-0", "take a disk back"},
    {"disk remove data1 data2 --force", "two, whatever the guest still does with them"},
    {NULL, NULL},
};

static const struct command_example resize_examples[] = {
    {"disk resize data1 20G", "20 GiB in all, with the guest running"},
    {NULL, NULL},
};

static const struct command_example throttle_examples[] = {
    {"disk throttle data1", "the limits that it has"},
    {"disk throttle data1 --iops 500 --bps 20M", "500 operations and 20 MiB a second"},
    {"disk throttle data1 --bps 0", "no limit to the bytes; the other one stays"},
    {"disk throttle data1 --off", "no limits"},
    {NULL, NULL},
};

static const struct command commands[] = {
    {
        .name = "disk list",
        .operands = "",
        .summary = "list the disks, where they sit, and their names in the guest",
        .help = "IN GUEST is shown where it is certain: by the disk's serial number, or by its LUN "
                "where the agent gives no serial numbers, every disk is on virtio-scsi or a "
                "virtio-blk, and no two have the same LUN.",
        .examples = list_examples,
        .options = OPTIONS_VM,
        .flags = COMMAND_NEEDS_QMP | COMMAND_USES_AGENT,
        .run = list,
    },
    {
        .name = "disk add",
        .operands = "FILE...",
        .operands_min = 1,
        .operands_max = FILES_MAX,
        .summary = "add a disk image or block device as a disk",
        .help = "FILE is a path on this host, which QEMU must be able to open, too. The format is "
                "told by the name: what ends in .raw is raw, what ends in .qcow2 must be qcow2; "
                "under any other name what begins like a qcow2 image needs --format, since a guest "
                "can write such a beginning into a raw image and so read the host's files. "
                "Anything else is raw.\n\n"
                "FILE may also be nbd://HOST[:PORT]/EXPORT or nbd+unix:///EXPORT?socket=PATH: a "
                "disk that an NBD server has, and raw if not said otherwise. When the server is "
                "gone, the guest's reads and writes fail.\n\n"
                "Where there is an agent, the guest's own list of disks is the proof: the new one "
                "is recognised by its serial number. Disks have no acknowledgement by the "
                "firmware, so that rung is left out.\n\n"
                "It becomes a disk on virtio-scsi or, with --bus virtio, a virtio-blk, for which "
                "a PCI port must be free (QEMU's -device pcie-root-port), and whose serial number "
                "has 20 characters at most.",
        .examples = add_examples,
        .options = OPTIONS_CHANGE | OPTION_BIT(OPTION_ID) |
                   OPTION_BIT(OPTION_SERIAL) | OPTION_BIT(OPTION_BUS) | OPTION_BIT(OPTION_LUN) |
                   OPTION_BIT(OPTION_FORMAT) | OPTION_BIT(OPTION_READ_ONLY),
        .flags = COMMAND_NEEDS_QMP | COMMAND_USES_AGENT | COMMAND_TAKES_FILES,
        .check = check_add,
        .run = add,
    },
    {
        .name = "disk remove",
        .operands = "ID...",
        .operands_min = 1,
        .operands_max = FILES_MAX,
        .summary = "take disks back, and their block nodes with them",
        .help = "SCSI does not ask the guest: what it had not written yet is lost. So a disk that "
                "the guest has mounted, swaps to or has built something upon is blocked, as far as "
                "its agent tells; --force takes it away all the same.\n\n"
                "Of a virtio-blk the guest is asked, and where it does not answer in time the "
                "request stands, and the verdict is pending: vmplug wait takes it up again.",
        .examples = remove_examples,
        .options = OPTIONS_REMOVE,
        .flags = COMMAND_NEEDS_QMP | COMMAND_USES_AGENT,
        .ids = "disk list",
        .run = take_back,
    },
    {
        .name = "disk resize",
        .operands = "ID SIZE",
        .operands_min = 2,
        .operands_max = 2,
        .summary = "let a disk grow to SIZE",
        .help = "SIZE is what the disk has in the end: bytes, or 512M, 2G and the like. The image "
                "grows, and the guest is told. A disk never shrinks, and with the size that it has "
                "nothing is done, which is a success. File systems on it do not grow with it: that "
                "is the guest's part.\n\n"
                "QEMU's own inventory is the proof and, where the guest's name of the disk is "
                "certain and its agent may read files, the size that the guest's kernel shows.",
        .examples = resize_examples,
        .options = OPTIONS_REMOVE,
        .flags = COMMAND_NEEDS_QMP | COMMAND_USES_AGENT,
        .check = check_resize,
        .ids = "disk list",
        .run = resize,
    },
    {
        .name = "disk throttle",
        .operands = "ID",
        .operands_min = 1,
        .operands_max = 1,
        .summary = "limit what a disk may do in a second, or show its limits",
        .help = "Without an option it shows the limits, 0 being none. One that is not named stays "
                "as it is. The limits are for reading and writing together, and take the place of "
                "separate ones for the two; bursts that somebody else has allowed are lost.",
        .examples = throttle_examples,
        .options = OPTIONS_REMOVE | OPTION_BIT(OPTION_IOPS) | OPTION_BIT(OPTION_BPS) |
                   OPTION_BIT(OPTION_OFF),
        .flags = COMMAND_NEEDS_QMP | COMMAND_USES_AGENT,
        .check = check_throttle,
        .ids = "disk list",
        .run = throttle,
    },
};

const struct command_group cmd_disk_group = {
    .word = "disk", .title = "Disks", .commands = commands, .count = COUNT_OF(commands)};
