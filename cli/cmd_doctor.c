/* SPDX-License-Identifier: MIT */
#include "base/cleanup.h"
#include "cli/fetch.h"
#include "cli/report.h"
#include "cli/table.h"
#include "qmp/codec.h"
#include "vmm/doctor_json.h"

static void print_text(struct output *out, const struct doctor *doctor, unsigned cans)
{
    struct table table = {.columns = 3};
    unsigned i;

    for (i = 0; i < DOCTOR_CANS_; i++) {
        if ((cans & DOCTOR_BIT(i)) == 0)
            continue;
        table_add(&table, "%s", doctor_can_name((enum doctor_can)i));
        table_add(&table, "%s", doctor_result_name(doctor->can[i]));
        table_add(&table, "%s", "");
    }
    table_print(&table, out, 0);
    output_print(out, "\n");
    for (i = 0; i < doctor->count; i++) {
        if (!doctor_concerns(&doctor->checks[i], cans))
            continue;
        table_add(&table, "%s", doctor->checks[i].name);
        table_add(&table, "%s", doctor_result_name(doctor->checks[i].result));
        table_add(&table, "%s%s%s", doctor->checks[i].reason,
                  doctor->checks[i].fix[0] != '\0' ? "; " : "", doctor->checks[i].fix);
    }
    table_print(&table, out, 0);
}

/* ---- what is asked for ---- */

static int check(const struct invocation *invocation, struct error *error)
{
    enum doctor_can can;
    size_t i;

    for (i = 0; i < invocation->operand_count; i++) {
        if (!doctor_can_parse(invocation->operands[i], &can))
            return error_set(error, ERROR_INVALID,
                             "one of cpu_add, cpu_remove, memory_add, memory_remove, disk_add, "
                             "disk_remove, virtio_mem, cdrom",
                             "doctor: WHAT: '%s' is nothing that can be done",
                             invocation->operands[i]);
    }
    return 0;
}

static unsigned asked_for(const struct invocation *invocation)
{
    unsigned asked = 0;
    enum doctor_can can;
    size_t i;

    if (invocation->operand_count == 0)
        return DOCTOR_BIT(DOCTOR_VIRTIO_MEM) - 1; /* all that stand before */
    for (i = 0; i < invocation->operand_count; i++) {
        if (doctor_can_parse(invocation->operands[i], &can))
            asked |= DOCTOR_BIT(can);
    }
    return asked;
}

/* Says what stands against the first that can't be done for certain. */
static int conclude(const struct invocation *invocation, const struct doctor *doctor)
{
    unsigned asked = asked_for(invocation), can;
    const struct doctor_check *obstacle;
    struct error error = ERROR_INIT;

    for (can = 0; can < DOCTOR_CANS_; can++) {
        if ((asked & DOCTOR_BIT(can)) == 0 || doctor->can[can] == DOCTOR_YES)
            continue;
        obstacle = doctor_obstacle(doctor, (enum doctor_can)can);
        (void)error_set(&error, ERROR_BLOCKED, "", "%s %s: %s",
                        doctor_can_name((enum doctor_can)can),
                        doctor->can[can] == DOCTOR_NO ? "can't be done" : "is not certain",
                        obstacle->reason);
        error_advise(&error, "%s", obstacle->fix);
        report_line(invocation->command->name, &error);
        return verdict_exit_code(VERDICT_BLOCKED);
    }
    return 0;
}

static int run(struct invocation *invocation)
{
    unsigned cans = invocation->operand_count > 0 ? asked_for(invocation) : DOCTOR_ALL;
    struct doctor doctor;
    struct inventory *inventory;
    int exit_code = 0;

    inventory = fetch(invocation, DOCTOR_PARTS, &exit_code);
    if (inventory == NULL)
        return exit_code;
    doctor_examine(&doctor, invocation->session.vm, inventory);
    inventory_free(inventory);
    if (invocation->out.json) {
        AUTO_JSON json_t *object = doctor_json(&doctor, cans);

        output_json(&invocation->out, object, 0);
    } else {
        print_text(&invocation->out, &doctor, cans);
    }
    output_flush(&invocation->out);
    return conclude(invocation, &doctor);
}

static const struct command_example examples[] = {
    {"doctor", "everything, each with its fix"},
    {"doctor cpu_add memory_add", "exit status 0 only if both can be done"},
    {"doctor --json | jq '.checks[] | select(.result != \"yes\")'", "what stands in the way"},
    {NULL, NULL},
};

static const struct command commands[] = {
    {
        .name = "doctor",
        .operands = "[WHAT]...",
        .operands_max = DOCTOR_CANS_,
        .summary = "tell whether this VM can grow and shrink, and what stands in the way",
        .help =
            "Looks at each prerequisite in QEMU and in the guest, changes nothing, and names a fix "
            "for what is lacking. WHAT is cpu_add, cpu_remove, memory_add, memory_remove, "
            "disk_add, disk_remove, virtio_mem or cdrom, and then the rest is left out. The exit "
            "status is 0 when all that is asked for, or without WHAT the first six, can certainly "
            "be done, else 7.\n\n"
            "What the guest's kernel can do is read from its /boot/config-... through the agent, "
            "or else told from files that only such a kernel has. What can't be learnt is unknown "
            "(null with --json), and then nothing is certain that depends on it.",
        .examples = examples,
        .options = OPTIONS_VM,
        .flags = COMMAND_NEEDS_QMP | COMMAND_USES_AGENT,
        .check = check,
        .words = "cpu_add cpu_remove memory_add memory_remove disk_add disk_remove virtio_mem "
                 "cdrom",
        .run = run,
    },
};

const struct command_group cmd_doctor_group = {
    .title = "What can be done", .commands = commands, .count = COUNT_OF(commands)};
