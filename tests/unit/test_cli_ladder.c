/* SPDX-License-Identifier: MIT */
/* An operation as people see it: in a pipe line by line, on a terminal with the awaited rung. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "cli/ladder.h"
#include "qmp/codec.h"

struct page {
    struct output out;
    struct ladder ladder;
    FILE *stream;
    char *text;
    size_t size;
};

static void open_page(struct page *page, enum operation_type type)
{
    *page = (struct page){.stream = NULL};
    page->stream = open_memstream(&page->text, &page->size);
    assert_non_null(page->stream);
    output_init(&page->out, page->stream, false);
    page->ladder.out = &page->out;
    page->ladder.type = type;
    ladder_begin(&page->ladder);
}

static void assert_page(struct page *page, const char *expected)
{
    fclose(page->stream);
    assert_string_equal(page->text, expected);
    free(page->text);
}

static void reach(struct page *page, struct operation_result *result, enum rung rung, double ms)
{
    struct operation_stage *stage = &result->stages[result->stage_count++];

    *stage = (struct operation_stage){.rung = rung, .ms = ms};
    if (rung == RUNG_ACKNOWLEDGED) {
        stage->has_ost = true;
        stage->ost_source = OST_SOURCE_DEVICE_CHECK;
    }
    ladder_stage(&page->ladder, result, stage);
}

static void test_cpu_online(void **state)
{
    struct operation_result result = {.operation = "cpu-add",
        .type = OPERATION_CPU_ADD,
        .top = VERDICT_ONLINE, .id = "vmplug-cpu-1"};
    AUTO_JSON json_t *details = json_pack("{s:i}", "slot", 1);
    struct page page;

    (void)state;
    result.details = details;
    open_page(&page, OPERATION_CPU_ADD);
    reach(&page, &result, RUNG_ACCEPTED, 1.9);
    reach(&page, &result, RUNG_REALIZED, 2.4);
    reach(&page, &result, RUNG_ACKNOWLEDGED, 58.0);
    (void)json_object_set_new(details, "logical_ids", json_pack("[i]", 1));
    reach(&page, &result, RUNG_ONLINE, 633.1);
    result.verdict = VERDICT_ONLINE;
    result.elapsed_ms = 633.1;
    ladder_result(&page.ladder, &result);
    assert_page(&page, "vCPU vmplug-cpu-1\n"
                       "  accepted        1.9 ms\n"
                       "  realized        2.4 ms  slot 1\n"
                       "  acknowledged   58.0 ms  _OST: success\n"
                       "  online        633.1 ms  CPU 1\n"
                       "online: the guest has vmplug-cpu-1 (633.1 ms)\n");
}

static void test_memory_details(void **state)
{
    AUTO_JSON json_t *details =
        json_pack("{s:I, s:i, s:I, s:i, s:[i, i]}", "bytes", (json_int_t)(256 << 20), "slot", 0,
                  "addr", (json_int_t)0x100000000, "node", 1, "blocks", 32, 33);
    struct operation_result result = {
        .operation = "memory-add",
        .type = OPERATION_DIMM_ADD,
        .top = VERDICT_ONLINE, .id = "vmplug-mem-0", .details = details};
    struct page page;

    (void)state;
    open_page(&page, OPERATION_DIMM_ADD);
    reach(&page, &result, RUNG_REALIZED, 2.4);
    reach(&page, &result, RUNG_ONLINE, 12345.6);
    assert_page(&page, "memory vmplug-mem-0, 256 MiB\n"
                       "  realized        2.4 ms  slot 0, node 1, at 0x100000000\n"
                       "  online       12345.6 ms  2 memory blocks\n");
}

/* Nothing that comes from elsewhere reaches the terminal as it is. */
static void test_hostile_names(void **state)
{
    AUTO_JSON json_t *details =
        json_pack("{s:s, s:s, s:s, s:i, s:s}", "file", "/a\033]0;x\a\nb.raw", "format", "raw",
                  "bus", "scsi0.0", "lun", 1, "guest_name", "/dev/\033[2Jsda");
    struct operation_result result = {
        .operation = "disk-add",
        .type = OPERATION_DISK_ADD,
        .top = VERDICT_ONLINE, .id = "vmplug-disk-0", .details = details};
    struct page page;

    (void)state;
    open_page(&page, OPERATION_DISK_ADD);
    reach(&page, &result, RUNG_REALIZED, 1);
    reach(&page, &result, RUNG_ONLINE, 2);
    assert_page(&page, "disk vmplug-disk-0, /a?]0;x??b.raw (raw)\n"
                       "  realized        1.0 ms  scsi0.0 LUN 1\n"
                       "  online          2.0 ms  /dev/?[2Jsda\n");
}

/* The last line of each end: what is missing, awaited, left. */
static void test_verdicts(void **state)
{
    static const struct {
        struct operation_result result;
        const char *line;
    } cases[] = {
        {{.verdict = VERDICT_ACCEPTED},
         "accepted: QEMU took the request for x; nobody looked further (1.0 ms)\n"},
        {{.verdict = VERDICT_REALIZED}, "realized: QEMU has x; the guest was not asked (1.0 ms)\n"},
        {{.verdict = VERDICT_ACKNOWLEDGED},
         "acknowledged: the guest was told of x and answered; nobody looked further (1.0 ms)\n"},
        {{.verdict = VERDICT_UNCONFIRMED, .missing = "agent"},
         "unconfirmed: QEMU has x; whether the guest uses it can't be proved, for lack of: agent; "
         "run qemu-guest-agent in the guest, and give its socket with --agent; one client at a "
         "time can have it "
         "(1.0 ms)\n"},
        {{.verdict = VERDICT_REJECTED},
         "rejected: QEMU refused x; nothing is left behind (1.0 ms)\n"},
        {{.verdict = VERDICT_REJECTED, .left = {"x", "x-backend"}, .left_count = 2},
         "rejected: QEMU refused x; still in QEMU: x, x-backend (1.0 ms)\n"},
        {{.verdict = VERDICT_DONE}, "done: x is as asked for (1.0 ms)\n"},
        {{.verdict = VERDICT_REMOVED, .top = VERDICT_REMOVED},
         "removed: x is gone, from QEMU and from the guest (1.0 ms)\n"},
        {{.verdict = VERDICT_REMOVED, .top = VERDICT_REMOVED, .guest_unseen = true},
         "removed: x is gone, from QEMU; nobody could look into the guest (1.0 ms)\n"},
        {{.verdict = VERDICT_REFUSED, .top = VERDICT_REMOVED},
         "refused: the guest keeps x (1.0 ms)\n"},
        {{.verdict = VERDICT_REFUSED, .left = {"x"}, .left_count = 1},
         "refused: the guest refused x; still in QEMU: x (1.0 ms)\n"},
        {{.verdict = VERDICT_PENDING, .awaiting = "online", .left = {"x"}, .left_count = 1},
         "pending: time is up and the request still stands: x is not yet online (1.0 ms)\n"},
        {{.verdict = VERDICT_BLOCKED}, "blocked: nothing was sent for the vCPU (1.0 ms)\n"},
        {{.verdict = VERDICT_UNPROVEN}, "unproven: nothing was sent for the vCPU (1.0 ms)\n"},
        {{.verdict = VERDICT_LOST, .left = {"x"}, .left_count = 1},
         "lost: the connection ended midway; may be there: x (1.0 ms)\n"},
        {{.verdict = VERDICT_INTERRUPTED, .left = {"x"}, .left_count = 1},
         "interrupted: stopped on request; still in QEMU: x (1.0 ms)\n"},
        {{.verdict = VERDICT_INTERRUPTED},
         "interrupted: stopped on request; nothing is left behind (1.0 ms)\n"},
        {{.verdict = VERDICT_ERROR}, "error: the vCPU could not be added (1.0 ms)\n"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct operation_result result = cases[i].result;
        struct page page;

        strcpy(result.id, "x");
        result.elapsed_ms = 1;
        open_page(&page, OPERATION_CPU_ADD);
        page.ladder.headed = true;
        ladder_result(&page.ladder, &result);
        assert_page(&page, cases[i].line);
    }
}

static void test_summary(void **state)
{
    struct batch_result result = {
        .summary = true, .verdict = VERDICT_PARTIAL, .asked = 3, .done = 1, .elapsed_ms = 20};
    struct page page;

    (void)state;
    open_page(&page, OPERATION_CPU_ADD);
    ladder_summary(&page.ladder, &result);
    result = (struct batch_result){.summary = true, .verdict = VERDICT_DONE};
    ladder_summary(&page.ladder, &result);
    result.verdict = VERDICT_BLOCKED;
    ladder_summary(&page.ladder, &result);
    result.summary = false; /* one device has said it all */
    ladder_summary(&page.ladder, &result);
    assert_page(&page, "partial: 1 of 3 done (20.0 ms)\n"
                       "done: there is nothing to do (0.0 ms)\n"
                       "blocked: nothing was sent (0.0 ms)\n");
}

/* The second device of a batch gets a headline of its own. */
static void test_next_device(void **state)
{
    struct operation_result first = {.id = "a"}, second = {.id = "b"};
    struct page page;

    (void)state;
    open_page(&page, OPERATION_CPU_ADD);
    reach(&page, &first, RUNG_ACCEPTED, 1);
    ladder_begin(&page.ladder);
    reach(&page, &second, RUNG_ACCEPTED, 2);
    assert_page(&page, "vCPU a\n  accepted        1.0 ms\nvCPU b\n  accepted        2.0 ms\n");
}

/* A pipe gets no live line; a terminal does, and it is gone before the next line. */
static void test_live_line(void **state)
{
    struct operation_result result = {.id = "a", .type = OPERATION_DISK_ADD, .top = VERDICT_ONLINE};
    struct page page;

    (void)state;
    open_page(&page, OPERATION_DISK_ADD);
    ladder_tick(&page.ladder);
    page.out.live = true;
    ladder_tick(&page.ladder);
    reach(&page, &result, RUNG_ACCEPTED, 1);
    reach(&page, &result, RUNG_REALIZED, 1);
    page.ladder.started_ms -= 1500;
    ladder_tick(&page.ladder);
    result.verdict = VERDICT_ONLINE;
    ladder_result(&page.ladder, &result);
    ladder_tick(&page.ladder);
    assert_page(&page, "\r\033[K  accepted        0.0 s ...\r\033[Kdisk a\n"
                       "  accepted        1.0 ms\n"
                       "  realized        1.0 ms\n"
                       "\r\033[K  online          1.5 s ...\r\033[Konline: the guest has a "
                       "(0.0 ms)\n");
}

/* Only what this VM has is awaited. */
static void test_awaited_rung(void **state)
{
    static const struct {
        enum operation_type type;
        bool expects_ost;
        const char *line;
    } cases[] = {
        {OPERATION_CPU_ADD, true, "\r\033[K  acknowledged    1.5 s ..."},
        {OPERATION_CPU_ADD, false, "\r\033[K  online          1.5 s ..."},
        {OPERATION_DIMM_ADD, true, "\r\033[K  acknowledged    1.5 s ..."},
        {OPERATION_DIMM_ADD, false, "\r\033[K  online          1.5 s ..."},
        {OPERATION_DISK_REMOVE, false, "\r\033[K  removed         1.5 s ..."},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct operation_result result = {
            .expects_ost = cases[i].expects_ost,
            .top = cases[i].type == OPERATION_DISK_REMOVE ? VERDICT_REMOVED : VERDICT_ONLINE};
        struct page page;

        open_page(&page, cases[i].type);
        reach(&page, &result, RUNG_ACCEPTED, 1);
        reach(&page, &result, RUNG_REALIZED, 1);
        page.out.live = true;
        page.ladder.started_ms -= 1500;
        ladder_tick(&page.ladder);
        fflush(page.stream);
        if (strstr(page.text, cases[i].line) == NULL)
            fail_msg("%s", page.text);
        fclose(page.stream);
        free(page.text);
    }
}

static void test_json_silences_it(void **state)
{
    struct operation_result result = {.id = "a", .verdict = VERDICT_ONLINE};
    struct page page;

    (void)state;
    open_page(&page, OPERATION_CPU_ADD);
    page.out.json = true;
    reach(&page, &result, RUNG_ACCEPTED, 1);
    ladder_result(&page.ladder, &result);
    assert_page(&page, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cpu_online),      cmocka_unit_test(test_memory_details),
        cmocka_unit_test(test_hostile_names),   cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_summary),         cmocka_unit_test(test_next_device),
        cmocka_unit_test(test_awaited_rung),
        cmocka_unit_test(test_live_line),       cmocka_unit_test(test_json_silences_it),
    };

    return cmocka_run_group_tests_name("cli/ladder", tests, NULL, NULL);
}
