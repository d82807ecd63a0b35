/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "base/cleanup.h"
#include "cli/fetch.h"
#include "cli/perform.h"
#include "cli/report.h"
#include "cli/table.h"
#include "qmp/codec.h"
#include "vmm/audit_json.h"

/* ---- as it is ---- */

static void print_text(struct output *out, const struct audit *audit)
{
    static const char *const heads[] = {"KIND", "ID", "OWNER", "WHAT", "ACTION"};
    struct table table = {.columns = COUNT_OF(heads)};
    const struct audit_finding *finding;
    size_t i;

    if (audit->count == 0)
        output_print(out, "clean%s\n",
                     audit->unseen_count > 0 ? ", as far as it could be looked at" : "");
    for (i = 0; i < COUNT_OF(heads) && audit->count > 0; i++)
        table_add(&table, "%s", heads[i]);
    for (i = 0; i < audit->count; i++) {
        finding = &audit->findings[i];
        table_add(&table, "%s", audit_kind_name(finding->kind));
        table_add(&table, "%s", finding->id);
        table_add(&table, "%s", finding->ours ? "vmplug" : "other");
        table_add(&table, "%s", finding->detail);
        table_add(&table, "%s", finding->action);
    }
    table_print(&table, out, 0);
    for (i = 0; i < audit->unseen_count; i++)
        output_print(out, "not looked at: %s: %s\n", audit->unseen[i].what,
                     audit->unseen[i].reason);
}

static void print(struct output *out, const struct audit *audit)
{
    AUTO_JSON json_t *object = out->json ? audit_json(audit) : NULL;

    if (out->json)
        output_json(out, object, 0);
    else
        print_text(out, audit);
}

/* ---- made clean ---- */

static int clean(struct invocation *invocation, const struct audit *audit)
{
    AUTO_FREE struct batch_item *items = calloc(audit->count + 1, sizeof(*items));
    struct batch_request request = {
        .goal = BATCH_LIST,
        .each = perform_request(invocation, OPERATION_CPU_ADD),
        .items = items,
        .missing = audit->missing,
    };
    struct error error = ERROR_INIT;
    size_t i;

    if (items == NULL) {
        (void)error_set(&error, ERROR_SYSTEM, "", "out of memory");
        return report_failure(invocation, VERDICT_ERROR, &error);
    }
    for (i = 0; i < audit->count; i++) {
        if (audit->findings[i].can_clean &&
            (audit->findings[i].ours || invocation->options.all))
            items[request.count++] = audit->findings[i].item;
    }
    for (i = 0; i < audit->unseen_count; i++)
        fprintf(stderr, "vmplug: audit: not looked at: %s: %s\n", audit->unseen[i].what,
                audit->unseen[i].reason);
    return perform(invocation, &request);
}

static int check(const struct invocation *invocation, struct error *error)
{
    const struct options *options = &invocation->options;

    if (!options->clean && (options->all || options->force || options->dry_run))
        return error_set(error, ERROR_INVALID, "add --clean",
                         "audit: without --clean nothing is changed");
    return 0;
}

static int run(struct invocation *invocation)
{
    struct error error = ERROR_INIT;
    struct inventory *inventory;
    struct audit *audit;
    int exit_code = 0;

    inventory = fetch(invocation, AUDIT_PARTS, &exit_code);
    if (inventory == NULL)
        return exit_code;
    audit = audit_new(invocation->session.vm, inventory);
    inventory_free(inventory);
    if (audit == NULL) {
        (void)error_set(&error, ERROR_SYSTEM, "", "out of memory");
        return report_failure(invocation, VERDICT_ERROR, &error);
    }
    if (invocation->options.clean)
        exit_code = clean(invocation, audit);
    else
        print(&invocation->out, audit);
    audit_free(audit);
    return exit_code;
}

static const struct command_example examples[] = {
    {"audit", "what is left, and what to do about it"},
    {"audit --json | jq '.findings[] | select(.owner == \"vmplug\")'", "what vmplug left"},
    {"audit --clean --dry-run", "what cleaning would send"},
    {"audit --clean --timeout 120", "finish it or take it away; two minutes for each"},
    {NULL, NULL},
};

static const struct command commands[] = {
    {
        .name = "audit",
        .operands = "",
        .summary = "find what half-finished plugs have left behind, and clean it up",
        .help =
            "Looks for memory backends and block nodes that no device uses; for vCPUs and DIMMs "
            "that are there and that the guest refused, or has not online, as after its reboot; "
            "and for requests on record that nobody has seen the end of. What begins with vmplug- "
            "or is on record is vmplug's own, all else somebody else's, who may want it as it is. "
            "Findings are no failure: the exit status is 0 with them and without. What could not "
            "be looked at, for lack of an agent, is named, and then the audit is not called "
            "clean (clean is null with --json).\n\n"
            "--clean deals with vmplug's own: it deletes backends and nodes, puts vCPUs and memory "
            "online, removes what the guest refused, and asks anew for removals that stand. The "
            "failure of one does not stop the others. When not all could be looked at, the verdict "
            "is unconfirmed at the best. Which of the guest's vCPUs is which only the guest knows: "
            "to finish one that is not on record is to put all of them online. With --all it deals "
            "with everybody's.\n\n"
            "A backend or node that another vmplug has made this very moment, for a device that it "
            "adds next, looks left behind: clean while nobody else is plugging, or that addition "
            "is rejected.",
        .examples = examples,
        .options = OPTIONS_VM | OPTION_BIT(OPTION_CLEAN) | OPTION_BIT(OPTION_ALL) |
                   OPTION_BIT(OPTION_FORCE) | OPTION_BIT(OPTION_DRY_RUN),
        .flags = COMMAND_NEEDS_QMP | COMMAND_USES_AGENT,
        .check = check,
        .run = run,
    },
};

const struct command_group cmd_audit_group = {
    .title = "What went wrong", .commands = commands, .count = COUNT_OF(commands)};
