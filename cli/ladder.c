/* SPDX-License-Identifier: MIT */
#include "cli/ladder.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "acpi/ost.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/size.h"
#include "base/text.h"
#include "qmp/codec.h"
#include "qmp/field.h"

#define DETAIL_MAX 512

static const char *const nouns[] = {
    [OPERATION_CPU_ADD] = "vCPU",
    [OPERATION_DIMM_ADD] = "memory",
    [OPERATION_DISK_ADD] = "disk",
    [OPERATION_CPU_REMOVE] = "vCPU",
    [OPERATION_DIMM_REMOVE] = "memory",
    [OPERATION_DISK_REMOVE] = "disk",
    [OPERATION_VIRTIO_MEM_ADD] = "memory",
    [OPERATION_VIRTIO_MEM_RESIZE] = "memory",
    [OPERATION_BACKEND_REMOVE] = "memory backend",
    [OPERATION_NODE_REMOVE] = "block node",
    [OPERATION_DISK_RESIZE] = "disk",
    [OPERATION_DISK_THROTTLE] = "disk",
    [OPERATION_CDROM_INSERT] = "medium",
    [OPERATION_CDROM_EJECT] = "medium",
};

_Static_assert(COUNT_OF(nouns) == OPERATION_TYPES_, "every operation has a noun");

/* ---- details ---- */

static void describe_place(const json_t *details, char text[DETAIL_MAX])
{
    uint64_t slot = 0, addr, node = 0, lun = 0;

    if (field_u64(details, "lun", &lun))
        (void)snprintf(text, DETAIL_MAX, "%s LUN %" PRIu64, field_string(details, "bus", "?"), lun);
    else if (field_u64(details, "slot", &slot) && field_u64(details, "addr", &addr)) {
        (void)field_u64(details, "node", &node);
        (void)snprintf(text, DETAIL_MAX, "slot %" PRIu64 ", node %" PRIu64 ", at 0x%" PRIx64, slot,
                       node, addr);
    } else if (field_u64(details, "addr", &addr)) {
        (void)field_u64(details, "node", &node);
        (void)snprintf(text, DETAIL_MAX, "on %s, node %" PRIu64 ", at 0x%" PRIx64,
                       field_string(details, "bus", "?"), node, addr);
    } else if (field_u64(details, "slot", &slot))
        (void)snprintf(text, DETAIL_MAX, "slot %" PRIu64, slot);
    else if (field_string(details, "bus", NULL) != NULL)
        (void)snprintf(text, DETAIL_MAX, "on %s", field_string(details, "bus", ""));
}

static void list_logical_ids(const json_t *ids, char text[DETAIL_MAX])
{
    const json_t *id;
    size_t used, i;

    (void)snprintf(text, DETAIL_MAX, "CPU");
    json_array_foreach(ids, i, id) {
        used = strlen(text);
        (void)snprintf(text + used, DETAIL_MAX - used, "%s %lld", i == 0 ? "" : ",",
                       (long long)json_integer_value(id));
    }
}

static void describe_guest(const json_t *details, char text[DETAIL_MAX])
{
    const json_t *ids = field_array(details, "logical_ids");
    size_t blocks = json_array_size(field_array(details, "blocks"));

    if (ids != NULL)
        list_logical_ids(ids, text);
    else if (blocks > 0)
        (void)snprintf(text, DETAIL_MAX, "%zu memory block%s", blocks, blocks == 1 ? "" : "s");
    else
        (void)snprintf(text, DETAIL_MAX, "%s", field_string(details, "guest_name", ""));
}

static void describe_stage(const struct operation_stage *stage, const json_t *details,
                           char text[DETAIL_MAX])
{
    char meaning[OST_MEANING_MAX];

    *text = '\0';
    if (stage->rung == RUNG_REALIZED)
        describe_place(details, text);
    else if (stage->rung == RUNG_ONLINE)
        describe_guest(details, text);
    else if (stage->has_ost)
        (void)snprintf(text, DETAIL_MAX, "_OST: %s",
                       ost_meaning(stage->ost_source, stage->ost_status, meaning));
    text_make_printable(text);
}

/* What is being added, behind its id. */
static void describe_device(const json_t *details, char text[DETAIL_MAX])
{
    const char *format = field_string(details, "format", NULL);
    char size[SIZE_TEXT_MAX];
    uint64_t bytes;

    *text = '\0';
    if (field_string(details, "file", NULL) != NULL)
        (void)snprintf(text, DETAIL_MAX, ", %s%s%s%s", field_string(details, "file", ""),
                       format != NULL ? " (" : "", format != NULL ? format : "",
                       format != NULL ? ")" : "");
    else if (field_u64(details, "bytes", &bytes))
        (void)snprintf(text, DETAIL_MAX, ", %s", size_format(bytes, size));
    text_make_printable(text);
}

/* ---- lines ---- */

static void erase(struct ladder *ladder)
{
    if (ladder->drawn)
        output_erase_line(ladder->out);
    ladder->drawn = false;
}

static void print_head(struct ladder *ladder, const struct operation_result *result)
{
    char text[DETAIL_MAX];

    if (ladder->headed || result->id[0] == '\0')
        return;
    ladder->headed = true;
    ladder->type = result->type;
    describe_device(result->details, text);
    output_print(ladder->out, "%s %s%s\n", nouns[ladder->type], result->id, text);
    if (field_string(result->details, "note", NULL) != NULL)
        output_print(ladder->out, "  note: %s\n", field_string(result->details, "note", ""));
}

void ladder_begin(struct ladder *ladder)
{
    ladder->started_ms = clock_now_ms();
    ladder->headed = false;
    ladder->ended = false;
    memset(ladder->reached, 0, sizeof(ladder->reached));
}

void ladder_stage(struct ladder *ladder, const struct operation_result *so_far,
                  const struct operation_stage *stage)
{
    char text[DETAIL_MAX] = "";

    erase(ladder);
    print_head(ladder, so_far);
    ladder->reached[stage->rung] = true;
    ladder->expects_ost = so_far->expects_ost;
    ladder->top = so_far->top;
    if (so_far->top != VERDICT_REMOVED || stage->has_ost)
        describe_stage(stage, so_far->details, text);
    output_print(ladder->out, "  %-12s %6.1f ms%s%s\n",
                 operation_rung_name(so_far, stage->rung), stage->ms,
                 *text != '\0' ? "  " : "", text);
    output_flush(ladder->out);
}

/* The next rung, of those that there are, above those reached. */
static const char *awaited(const struct ladder *ladder)
{
    if (!ladder->reached[RUNG_ACCEPTED])
        return rung_name(RUNG_ACCEPTED);
    if (!ladder->reached[RUNG_REALIZED])
        return rung_name(RUNG_REALIZED);
    if (!ladder->reached[RUNG_ACKNOWLEDGED] && ladder->expects_ost)
        return rung_name(RUNG_ACKNOWLEDGED);
    return verdict_name(ladder->top);
}

void ladder_tick(struct ladder *ladder)
{
    if (!ladder->out->live || ladder->quiet_line || ladder->ended)
        return;
    output_erase_line(ladder->out);
    output_style(ladder->out, OUTPUT_DIM);
    output_print(ladder->out, "  %-12s %6.1f s ...", awaited(ladder),
                 (clock_now_ms() - ladder->started_ms) / 1e3);
    output_style(ladder->out, OUTPUT_PLAIN);
    ladder->drawn = true;
    output_flush(ladder->out);
}

/* ---- verdicts ---- */

static enum output_style style_of(enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_UNCONFIRMED:
    case VERDICT_PENDING:
    case VERDICT_PARTIAL:
    case VERDICT_INTERRUPTED:
        return OUTPUT_DOUBTFUL;
    default:
        return verdict_is_success(verdict) ? OUTPUT_GOOD : OUTPUT_BAD;
    }
}

static void print_verdict(struct ladder *ladder, enum verdict verdict)
{
    output_style(ladder->out, style_of(verdict));
    output_print(ladder->out, "%s", verdict_name(verdict));
    output_style(ladder->out, OUTPUT_PLAIN);
    output_print(ladder->out, ": ");
}

static const struct {
    const char *missing;
    const char *advice;
} remedies[] = {
    {"agent", "run qemu-guest-agent in the guest, and give its socket with --agent; one client at "
              "a time can have it"},
    {"agent-command", "allow the agent its commands in the guest's qemu-ga configuration"},
    {"ost", "this machine does not relay what the guest's firmware interface answers"},
    {"qemu-command", "look by vmplug qmp, as this QEMU does not tell it in the way known"},
    {"disk-identity", "let the agent know serial numbers (udev in the guest) or read files"},
};

static const char *remedy(const char *missing)
{
    size_t i;

    for (i = 0; i < COUNT_OF(remedies); i++) {
        if (strcmp(remedies[i].missing, missing) == 0)
            return remedies[i].advice;
    }
    return "see vmplug status";
}

/* A dry run, command by command. */
static void print_plan(struct ladder *ladder, const struct operation_result *result)
{
    const json_t *line;
    size_t i;

    output_print(ladder->out, "nothing was sent for %s; this would be:", result->id);
    json_array_foreach(field_array(result->details, "would_send"), i, line) {
        AUTO_FREE char *arguments = codec_dump(json_object_get(line, "arguments"), 0);

        output_print(ladder->out, "\n  %-5s  %s%s%s", field_string(line, "to", ""),
                     field_string(line, "execute", ""), arguments != NULL ? " " : "",
                     arguments != NULL ? arguments : "");
    }
    output_print(ladder->out, "\n  and it would be %s", "");
    json_array_foreach(field_array(result->details, "expected"), i, line)
        output_print(ladder->out, "%s%s", i > 0 ? ", " : "", json_string_value(line));
}

static void print_done(struct ladder *ladder, const struct operation_result *result)
{
    char size[SIZE_TEXT_MAX];
    uint64_t bytes;

    if (field_bool(result->details, "dry_run", false))
        print_plan(ladder, result);
    else if (field_u64(result->details, "reached_bytes", &bytes))
        output_print(ladder->out, "%s has %s", result->id, size_format(bytes, size));
    else
        output_print(ladder->out, "%s is as asked for", result->id);
}

static void print_success(struct ladder *ladder, const struct operation_result *result)
{
    switch (result->verdict) {
    case VERDICT_ACCEPTED:
        output_print(ladder->out, "QEMU took the request for %s; nobody looked further",
                     result->id);
        break;
    case VERDICT_REALIZED:
        output_print(ladder->out, "QEMU has %s%s; the guest was not asked",
                     result->top == VERDICT_REMOVED ? "let go of " : "", result->id);
        break;
    case VERDICT_ACKNOWLEDGED:
        output_print(ladder->out, "the guest was told of %s and answered; nobody looked further",
                     result->id);
        break;
    case VERDICT_UNCONFIRMED:
        output_print(ladder->out, "QEMU has %s; whether the guest uses it can't be proved, for "
                                  "lack of: %s; %s",
                     result->id, result->missing, remedy(result->missing));
        break;
    case VERDICT_REMOVED:
        output_print(ladder->out, "%s is gone, from QEMU%s", result->id,
                     result->guest_unseen ? "; nobody could look into the guest"
                                          : " and from the guest");
        break;
    case VERDICT_DONE:
        print_done(ladder, result);
        break;
    default:
        output_print(ladder->out, "the guest has %s", result->id);
        break;
    }
}

static const char *subject(const struct ladder *ladder, const struct operation_result *result)
{
    return result->id[0] != '\0' ? result->id : nouns[ladder->type];
}

static void print_failure(struct ladder *ladder, const struct operation_result *result)
{
    const char *name = subject(ladder, result);

    switch (result->verdict) {
    case VERDICT_REJECTED:
        output_print(ladder->out, "QEMU refused %s", name);
        break;
    case VERDICT_REFUSED:
        output_print(ladder->out, result->top == VERDICT_REMOVED ? "the guest keeps %s"
                                                                 : "the guest refused %s", name);
        break;
    case VERDICT_PENDING:
        output_print(ladder->out, "time is up and the request still stands: %s is not yet %s", name,
                     result->awaiting != NULL ? result->awaiting : "known");
        break;
    case VERDICT_BLOCKED:
    case VERDICT_UNPROVEN:
        output_print(ladder->out, "nothing was sent for the %s", nouns[ladder->type]);
        break;
    case VERDICT_LOST:
        output_print(ladder->out, "the connection ended midway");
        break;
    case VERDICT_INTERRUPTED:
        output_print(ladder->out, "stopped on request");
        break;
    default:
        output_print(ladder->out, "the %s could not be %s", nouns[ladder->type],
                     result->top == VERDICT_REMOVED ? "taken back"
                     : result->top == VERDICT_DONE  ? "changed"
                                                    : "added");
        break;
    }
}

static void print_left(struct ladder *ladder, const struct operation_result *result)
{
    size_t i;

    if (result->verdict == VERDICT_PENDING)
        return; /* that it stands has been said */
    if (result->left_count == 0) {
        if (result->verdict == VERDICT_REJECTED || result->verdict == VERDICT_INTERRUPTED)
            output_print(ladder->out, "; nothing is left behind");
        return;
    }
    output_print(ladder->out,
                 result->verdict == VERDICT_LOST ? "; may be there:" : "; still in QEMU:");
    for (i = 0; i < result->left_count; i++)
        output_print(ladder->out, "%s %s", i == 0 ? "" : ",", result->left[i]);
}

void ladder_result(struct ladder *ladder, const struct operation_result *result)
{
    erase(ladder);
    print_head(ladder, result);
    print_verdict(ladder, result->verdict);
    if (verdict_is_success(result->verdict)) {
        print_success(ladder, result);
    } else {
        print_failure(ladder, result);
        print_left(ladder, result);
    }
    output_print(ladder->out, " (%.1f ms)\n", result->elapsed_ms);
    output_flush(ladder->out);
    ladder->ended = true;
}

void ladder_summary(struct ladder *ladder, const struct batch_result *result)
{
    erase(ladder);
    if (!result->summary)
        return;
    print_verdict(ladder, result->verdict);
    if (result->asked > 0)
        output_print(ladder->out, "%" PRIu64 " of %" PRIu64 " done", result->done, result->asked);
    else if (result->missing != NULL)
        output_print(ladder->out, "nothing was found to do, but not all could be looked at, for "
                                  "lack of: %s; %s",
                     result->missing, remedy(result->missing));
    else if (verdict_is_success(result->verdict))
        output_print(ladder->out, "there is nothing to do");
    else
        output_print(ladder->out, "nothing was sent");
    output_print(ladder->out, " (%.1f ms)\n", result->elapsed_ms);
    output_flush(ladder->out);
    ladder->ended = true;
}
