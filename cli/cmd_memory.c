/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/size.h"
#include "cli/fetch.h"
#include "cli/perform.h"
#include "cli/report.h"
#include "vmm/status_json.h"
#include "cli/status_text.h"
#include "qmp/codec.h"

static int list(struct invocation *invocation)
{
    int exit_code = 0;
    struct inventory *inventory =
        fetch(invocation,
              INVENTORY_MEMORY | INVENTORY_AGENT | INVENTORY_GUEST_MEMORY | INVENTORY_GUEST_ZONES |
                  INVENTORY_BOARD,
              &exit_code);

    if (inventory == NULL)
        return exit_code;
    if (invocation->out.json) {
        AUTO_JSON json_t *object = status_json_memory(inventory);

        output_json(&invocation->out, object, 0);
    } else {
        status_text_memory(&invocation->out, inventory);
    }
    inventory_free(inventory);
    return 0;
}

/* SIZE is the last operand of all that take one. */
static int read_size(const struct invocation *invocation, uint64_t *ret_bytes,
                     struct error *error)
{
    struct error problem = ERROR_INIT;

    if (size_parse(invocation->operands[invocation->operand_count - 1], ret_bytes, &problem) == 0)
        return 0;
    (void)error_set(error, problem.code, "", "%s: SIZE: %s", invocation->command->name,
                    problem.why);
    error_advise(error, "%s", problem.fix);
    return -1;
}

static int check(const struct invocation *invocation, struct error *error)
{
    const struct options *options = &invocation->options;
    uint64_t bytes;

    if (read_size(invocation, &bytes, error) < 0)
        return -1;
    if (options->hugepages && options->backend == BACKEND_FILE)
        return error_set(error, ERROR_INVALID, "name a file on a hugetlbfs, without --hugepages",
                         "%s: --hugepages says nothing of a file", invocation->command->name);
    return 0;
}

/* QEMU's working directory is not ours. Returns 0, or -1 with ERROR_SYSTEM or ERROR_INVALID. */
static int make_absolute(const char *path, char absolute[PATH_MAX], struct error *error)
{
    char directory[PATH_MAX];

    if (path[0] == '/')
        *directory = '\0';
    else if (getcwd(directory, sizeof(directory)) == NULL)
        return error_set_errno(error, ERROR_SYSTEM, errno, "use an absolute path",
                               "cannot tell the working directory");
    if (snprintf(absolute, PATH_MAX, "%s%s%s", directory, path[0] == '/' ? "" : "/", path) >=
        PATH_MAX)
        return error_set(error, ERROR_INVALID, "use a shorter path", "the path is too long");
    return 0;
}

static int run_batch(struct invocation *invocation, struct batch_request *request)
{
    const struct options *options = &invocation->options;
    struct operation_dimm *dimm = &request->each.dimm;
    struct error error = ERROR_INIT;
    char backend_path[PATH_MAX];

    dimm->node_set = options_given(options, OPTION_NODE);
    dimm->node = options->node;
    dimm->backend = options->backend;
    dimm->hugepages = options->hugepages;
    dimm->movable = options->movable;
    request->atomic = options->atomic;
    if (options->backend_path != NULL) {
        if (make_absolute(options->backend_path, backend_path, &error) < 0)
            return report_failure(invocation, report_verdict(&error, true), &error);
        dimm->backend_path = backend_path;
    }
    return perform(invocation, request);
}

static int add(struct invocation *invocation)
{
    struct batch_request request = {
        .goal = BATCH_COUNT,
        .count = 1,
        .each = perform_request(invocation, invocation->options.virtio_mem
                                                ? OPERATION_VIRTIO_MEM_ADD
                                                : OPERATION_DIMM_ADD),
    };

    (void)read_size(invocation, &request.each.dimm.bytes, NULL);
    return run_batch(invocation, &request);
}

static int resize(struct invocation *invocation)
{
    struct batch_request request = {
        .goal = BATCH_COUNT,
        .count = 1,
        .each = perform_request(invocation, OPERATION_VIRTIO_MEM_RESIZE),
    };

    request.each.id = invocation->operands[0];
    request.each.dimm.movable = invocation->options.movable;
    (void)read_size(invocation, &request.each.dimm.bytes, NULL);
    return perform(invocation, &request);
}

static int set(struct invocation *invocation)
{
    struct batch_request request = {
        .goal = BATCH_MEMORY,
        .each = perform_request(invocation, OPERATION_DIMM_ADD),
    };

    (void)read_size(invocation, &request.target, NULL);
    return run_batch(invocation, &request);
}

static int take_back(struct invocation *invocation)
{
    return perform_removal(invocation, OPERATION_DIMM_REMOVE);
}

static const struct command_example list_examples[] = {
    {"memory list", "DIMMs and virtio-mem, and how much of each is online"},
    {"memory list --json | jq .online_bytes", "what the guest has online"},
    {NULL, NULL},
};

static const struct command_example add_examples[] = {
    {"memory add 512M", "a DIMM of 512 MiB"},
    {"memory add 1G --node 1 --hugepages", "from huge pages, on the guest's NUMA node 1"},
    {"memory add 512M --movable", "so that the guest can give it back later"},
    {"memory add 2G --backend file:/dev/shm/vm-2", "from a file of the host"},
    {"memory add 4G --kind virtio-mem", "a virtio-mem, to be resized between 0 and 4 GiB"},
    {NULL, NULL},
};

static const struct command_example resize_examples[] = {
    {"memory resize vmplug-mem-0 1G", "give it 1 GiB, be that more or less than before"},
    {"memory resize vmplug-mem-0 0", "take all of it back"},
    {NULL, NULL},
};

static const struct command_example set_examples[] = {
    {"memory set 4G", "as much as is lacking to 4 GiB in all"},
    {"memory set 1G", "or take back what is too much"},
    {NULL, NULL},
};

static const struct command_example remove_examples[] = {
    {"memory remove vmplug-mem-0", "take a DIMM back"},
    {"memory remove vmplug-mem-1 vmplug-mem-0", "two, one after the other"},
    {NULL, NULL},
};

#define OPTIONS_BACKEND \
    (OPTION_BIT(OPTION_NODE) | OPTION_BIT(OPTION_BACKEND) | OPTION_BIT(OPTION_HUGEPAGES) | \
     OPTION_BIT(OPTION_MOVABLE))

static const struct command commands[] = {
    {
        .name = "memory list",
        .operands = "",
        .summary = "list DIMMs and virtio-mem, and how much of each the guest uses",
        .help = "SIZE of a virtio-mem is what the guest has taken, of what it may be resized to. "
                "ONLINE is how much of the device's memory the guest has online, by its own list "
                "of memory blocks. CAN GO tells whether the guest can give it back: yes when it "
                "has all of it as movable memory (see memory add --movable), no when QEMU "
                "can't unplug it, ? when the guest's kernel may have put something immovable into "
                "it, which only trying tells, or when its agent does not tell.",
        .examples = list_examples,
        .options = OPTIONS_VM,
        .flags = COMMAND_NEEDS_QMP | COMMAND_USES_AGENT,
        .run = list,
    },
    {
        .name = "memory add",
        .operands = "SIZE",
        .operands_min = 1,
        .operands_max = 1,
        .summary = "add a DIMM or a virtio-mem of SIZE",
        .help = "SIZE is written as 512M, 2G or a number of bytes; K, M, G, T and P are powers of "
                "1024. The guest takes memory in whole blocks (128 MiB on most x86-64 guests, "
                "more on large ones), and a size that is none is blocked. Where there is an agent, "
                "every block of the new DIMM is put online, and looked at in the guest's own "
                "list. The guest can give a DIMM back only as long as nothing immovable lies in "
                "it: with --movable it is put online so that nothing will.\n\n"
                "A DIMM goes as a whole. With --kind virtio-mem, memory resize takes back and "
                "gives again any part of SIZE, which is also the most it can have. It can be "
                "shrunk to 0, but not removed. It is a PCI device, and takes a port that can be "
                "hotplugged (on q35 a pcie-root-port) and a guest with its driver.\n\n"
                "How much there can be is fixed when QEMU starts (-m ...,slots=N,maxmem=SIZE).",
        .examples = add_examples,
        .options = OPTIONS_CHANGE | OPTION_BIT(OPTION_ID) | OPTION_BIT(OPTION_KIND) |
                   OPTIONS_BACKEND,
        .flags = COMMAND_NEEDS_QMP | COMMAND_USES_AGENT,
        .check = check,
        .run = add,
    },
    {
        .name = "memory set",
        .operands = "SIZE",
        .operands_min = 1,
        .operands_max = 1,
        .summary = "add or remove memory until there is SIZE in all",
        .help = "Counts the base memory in. A virtio-mem that can make up for the difference alone "
                "is resized. Else what is lacking is added in DIMMs, each as large as the guest's "
                "free memory can bear: it keeps its books on new memory in the old, a byte for "
                "64. What is too much is taken back in whole DIMMs, newest "
                "first. A size that can't be reached so is blocked, and the nearest below and "
                "above are named. With SIZE there already, nothing is done, which is a success.",
        .examples = set_examples,
        .options = OPTIONS_CHANGE | OPTIONS_BACKEND,
        .flags = COMMAND_NEEDS_QMP | COMMAND_USES_AGENT,
        .check = check,
        .run = set,
    },
    {
        .name = "memory resize",
        .operands = "ID SIZE",
        .operands_min = 2,
        .operands_max = 2,
        .summary = "give a virtio-mem more or less memory",
        .help = "SIZE is anything from 0 to what the virtio-mem was added with, in its own blocks "
                "(mostly of 2 MiB; a size between is blocked, and the nearest are named). The "
                "guest follows as far as it can. What it takes is put online; what it can't move "
                "it keeps, and when the time is over the verdict is pending, with reached_bytes "
                "saying how far it came. QEMU goes on asking for the rest.",
        .examples = resize_examples,
        .options = OPTIONS_REMOVE | OPTION_BIT(OPTION_MOVABLE),
        .flags = COMMAND_NEEDS_QMP | COMMAND_USES_AGENT,
        .check = check,
        .ids = "memory list",
        .run = resize,
    },
    {
        .name = "memory remove",
        .operands = "ID...",
        .operands_min = 1,
        .operands_max = 4096,
        .summary = "take DIMMs back from the guest, and their backends with them",
        .help = "The guest is asked to give the DIMM back, and refuses when something in it can't "
                "be moved; then it stays online as it was. Memory that was added with --movable is "
                "sure to be free of such things.\n\n"
                "When the time is over and the guest has not answered, the request stands, and the "
                "verdict is pending: vmplug status shows it, and vmplug wait takes it up again.",
        .examples = remove_examples,
        .options = OPTIONS_REMOVE,
        .flags = COMMAND_NEEDS_QMP | COMMAND_USES_AGENT,
        .ids = "memory list",
        .run = take_back,
    },
};

const struct command_group cmd_memory_group = {
    .word = "memory", .title = "Memory", .commands = commands, .count = COUNT_OF(commands)};
