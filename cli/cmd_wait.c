/* SPDX-License-Identifier: MIT */
#include "base/cleanup.h"
#include "cli/perform.h"
#include "cli/report.h"
#include "qmp/codec.h"
#include "qmp/field.h"

static int run(struct invocation *invocation)
{
    const char *id = invocation->operands[0];
    AUTO_JSON json_t *entry = record_find(vm_record(invocation->session.vm), id);
    struct batch_request request = {.goal = BATCH_COUNT, .count = 1};
    struct error error = ERROR_INIT;
    enum operation_type type;

    if (!operation_type_find(field_string(entry, "operation", ""), &type)) {
        (void)error_set(&error, ERROR_BLOCKED,
                        "see vmplug status for what is there and pending; another user, or another "
                        "XDG_RUNTIME_DIR, has a record of its own",
                        "no request for '%s' is on record: whether one stands is unknown", id);
        return report_device_failure(invocation, id, VERDICT_BLOCKED, &error);
    }
    request.each = perform_request(invocation, type);
    request.each.id = id;
    request.each.resume = true;
    return perform(invocation, &request);
}

static const struct command_example examples[] = {
    {"wait vmplug-mem-0", "until the guest has given it back, or a minute has passed"},
    {"wait vmplug-mem-0 --timeout 600", "ten minutes"},
    {NULL, NULL},
};

static const struct command commands[] = {
    {
        .name = "wait",
        .operands = "ID",
        .operands_min = 1,
        .operands_max = 1,
        .summary = "take up a pending request again, and wait for its end",
        .help = "A request whose time was over, or that was interrupted, stands: QEMU goes on "
                "with it. vmplug keeps a record of such requests, since QEMU does not show them "
                "(vmplug status does). This waits for the one for ID to end, and says how it did, "
                "as the command that made it would have. A guest that gives no sign of having "
                "heard is asked the same again.",
        .examples = examples,
        .options = OPTIONS_VM,
        .flags = COMMAND_NEEDS_QMP | COMMAND_USES_AGENT,
        .ids = "status",
        .run = run,
    },
};

const struct command_group cmd_wait_group = {
    .title = "Pending requests", .commands = commands, .count = COUNT_OF(commands)};
