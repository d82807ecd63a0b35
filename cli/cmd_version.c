/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "base/cleanup.h"
#include "cli/fetch.h"
#include "qmp/codec.h"

static json_t *text_or_null(const char *text)
{
    return *text != '\0' ? codec_string(text) : json_null();
}

static void print(struct output *out, const char *qemu, const struct inventory_guest *guest)
{
    if (out->json) {
        AUTO_JSON json_t *object =
            json_pack("{s:s, s:o, s:o}", "vmplug", PACKAGE_VERSION, "qemu", text_or_null(qemu),
                      "agent", text_or_null(guest != NULL ? guest->version : ""));

        output_json(out, object, 0);
        return;
    }
    output_print(out, "vmplug %s\n", PACKAGE_VERSION);
    if (*qemu != '\0')
        output_print(out, "QEMU %s\n", qemu);
    if (guest != NULL && guest->connected)
        output_print(out, "agent %s\n", guest->version);
    else if (guest != NULL && guest->wanted)
        output_print(out, "agent not known: %s\n", guest->reason);
}

static int run(struct invocation *invocation)
{
    struct inventory *inventory;
    int exit_code = 0;

    if (invocation->session.vm == NULL) {
        print(&invocation->out, "", NULL);
        return 0;
    }
    inventory = fetch(invocation, INVENTORY_MACHINE | INVENTORY_AGENT, &exit_code);
    if (inventory == NULL)
        return exit_code;
    print(&invocation->out, inventory->machine.qemu, &inventory->guest);
    inventory_free(inventory);
    return 0;
}

static const struct command_example examples[] = {
    {"version", "vmplug's"},
    {"-q /run/vm/qmp -g /run/vm/agent version", "QEMU's and the agent's, too"},
    {NULL, NULL},
};

static const struct command commands[] = {
    {
        .name = "version",
        .operands = "",
        .summary = "print vmplug's version and, with --qmp, QEMU's and the agent's",
        .help = "With --json all three are there; what was not asked, or did not answer, is null.",
        .examples = examples,
        .options = OPTIONS_VM,
        .flags = COMMAND_USES_QMP | COMMAND_USES_AGENT,
        .run = run,
    },
};

const struct command_group cmd_version_group = {
    .title = "vmplug itself", .commands = commands, .count = COUNT_OF(commands)};
