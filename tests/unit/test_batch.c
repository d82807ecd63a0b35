/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "qmp/blocking.h"
#include "tests/fake/rig.h"

static struct rig rig;

static struct batch_request cpus(enum batch_goal goal, uint64_t number)
{
    return (struct batch_request){.goal = goal,
                                  .count = number,
                                  .target = number,
                                  .each = {.type = OPERATION_CPU_ADD, .timeout_ms = 5000}};
}

static struct batch_request memory(uint64_t target)
{
    return (struct batch_request){.goal = BATCH_MEMORY,
                                  .target = target,
                                  .each = {.type = OPERATION_DIMM_ADD, .timeout_ms = 5000}};
}

static const struct batch_result *run(struct sim *sim, bool with_agent,
                                      const struct batch_request *request)
{
    rig_open(&rig, sim, with_agent);
    return rig_batch(&rig, request);
}

static void assert_result(enum verdict verdict, uint64_t asked, uint64_t done, bool summary)
{
    const struct batch_result *result = &rig.batch_result;

    if (result->verdict != verdict)
        fail_msg("%s, not %s: %s", verdict_name(result->verdict), verdict_name(verdict),
                 result->error.why);
    assert_int_equal(result->asked, asked);
    assert_int_equal(result->done, done);
    assert_int_equal(result->summary, summary);
    assert_true((result->error.code == ERROR_NONE) == verdict_is_success(verdict));
    /* Without a summary, one device's own result is all that a user sees. */
    assert_true(result->summary || rig.results == 1);
}

/* ---- so many ---- */

static void test_one(void **state)
{
    const struct batch_request request = cpus(BATCH_COUNT, 1);

    (void)state;
    (void)run(sim_new(), true, &request);
    assert_result(VERDICT_ONLINE, 1, 1, false);
    rig_close(&rig);
}

static void test_several(void **state)
{
    const struct batch_request request = cpus(BATCH_COUNT, 3);
    struct sim *sim = sim_new();

    (void)state;
    sim->cpu_count = 8;
    (void)run(sim, true, &request);
    assert_result(VERDICT_ONLINE, 3, 3, true);
    assert_int_equal(rig.results, 3);
    assert_string_equal(rig.ids[0], "vmplug-cpu-2"); /* in rising order */
    assert_string_equal(rig.ids[1], "vmplug-cpu-3");
    assert_string_equal(rig.ids[2], "vmplug-cpu-4");
    rig_close(&rig);
}

static void test_none(void **state)
{
    const struct batch_request request = cpus(BATCH_COUNT, 0);

    (void)state;
    (void)run(sim_new(), true, &request);
    assert_result(VERDICT_DONE, 0, 0, true);
    assert_int_equal(sim_changes(rig.sim), 0);
    rig_close(&rig);
}

static void test_too_many(void **state)
{
    const struct batch_request request = cpus(BATCH_COUNT, 4097);
    const struct batch_observer observer = {.user = NULL};
    struct error error = ERROR_INIT;

    (void)state;
    rig_open(&rig, sim_new(), true);
    assert_null(batch_start(rig.vm, &request, &observer, &error));
    assert_int_equal(error.code, ERROR_INVALID);
    rig_close(&rig);
    batch_free(NULL);
}

static void test_files(void **state)
{
    char paths[2][512];
    const char *const files[] = {paths[0], paths[1]};
    const struct batch_request request = {.goal = BATCH_COUNT,
                                          .count = 2,
                                          .files = files,
                                          .each = {.type = OPERATION_DISK_ADD, .timeout_ms = 5000}};
    struct sim *sim = sim_new();

    (void)state;
    (void)snprintf(paths[0], sizeof(paths[0]), "%s", fake_file("a.raw", "", 0));
    (void)snprintf(paths[1], sizeof(paths[1]), "%s", fake_file("b.raw", "", 0));
    (void)run(sim, true, &request);
    assert_result(VERDICT_ONLINE, 2, 2, true);
    assert_string_equal(sim->disks[0].file, paths[0]);
    assert_string_equal(sim->disks[1].file, paths[1]);
    rig_close(&rig);
}

/* ---- it stops ---- */

static void test_partial(void **state)
{
    const struct batch_request request = cpus(BATCH_COUNT, 4);

    (void)state;
    (void)run(sim_new(), true, &request); /* there is room for two */
    assert_result(VERDICT_PARTIAL, 4, 2, true);
    assert_int_equal(rig.results, 3); /* the third says why, and no fourth is tried */
    assert_int_equal(rig.verdicts[2], VERDICT_BLOCKED);
    assert_int_equal(rig.batch_result.error.code, ERROR_BLOCKED);
    rig_close(&rig);
}

static void test_first_fails(void **state)
{
    const struct batch_request request = cpus(BATCH_COUNT, 3);
    struct sim *sim = sim_new();

    (void)state;
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "device_add",
                                  .action = FAULT_REJECT, .text = "no"});
    (void)run(sim, true, &request);
    assert_result(VERDICT_REJECTED, 3, 0, true); /* its own verdict, since none was done */
    assert_int_equal(sim_count(sim, SIM_QMP, "device_add"), 1);
    rig_close(&rig);
}

static void test_lost_midway(void **state)
{
    const struct batch_request request = cpus(BATCH_COUNT, 2);
    struct sim *sim = sim_new();

    (void)state;
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "device_add", .skip = 1,
                                  .action = FAULT_DIE});
    (void)run(sim, true, &request);
    assert_result(VERDICT_PARTIAL, 2, 1, true);
    assert_int_equal(rig.verdicts[1], VERDICT_LOST);
    rig_close(&rig);
}

/* Of several that succeeded the least proved one speaks for all. */
static void test_least_proved_speaks(void **state)
{
    const struct batch_request request = cpus(BATCH_COUNT, 2);
    struct sim *sim = sim_new();

    (void)state;
    sim_fault(sim, (struct fault){.side = SIM_AGENT, .command = "guest-info", .times = 1,
                                  .action = FAULT_REJECT, .text = "not now"});
    (void)run(sim, true, &request);
    assert_result(VERDICT_UNCONFIRMED, 2, 2, true);
    assert_int_equal(rig.verdicts[0], VERDICT_UNCONFIRMED);
    assert_int_equal(rig.verdicts[1], VERDICT_ONLINE);
    rig_close(&rig);
}

/* ---- exactly so many vCPUs ---- */

static void test_set_cpus(void **state)
{
    static const struct {
        uint64_t target;
        enum verdict verdict;
        uint64_t asked;
        const char *why;
    } cases[] = {
        {2, VERDICT_DONE, 0, ""},
        {3, VERDICT_ONLINE, 1, ""},
        {4, VERDICT_ONLINE, 2, ""},
        {5, VERDICT_BLOCKED, 0, "can have maxcpus=4, not 5"},
        {1, VERDICT_REMOVED, 1, ""},
        {0, VERDICT_BLOCKED, 0, "0 vCPUs can't be reached"},
        {UINT64_MAX, VERDICT_BLOCKED, 0, "not 18446744073709551615"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        const struct batch_request request = cpus(BATCH_CPUS, cases[i].target);

        (void)run(sim_new(), true, &request);
        assert_result(cases[i].verdict, cases[i].asked, cases[i].asked, true);
        assert_non_null(strstr(rig.batch_result.error.why, cases[i].why));
        if (cases[i].asked == 0)
            assert_int_equal(sim_changes(rig.sim), 0);
        rig_close(&rig);
    }
}

static void test_set_cpus_in_cores(void **state)
{
    struct batch_request request = cpus(BATCH_CPUS, 7);
    struct sim *sim = sim_new();

    (void)state;
    sim->vcpus_per_slot = 2; /* 4 of 8 */
    (void)run(sim, true, &request);
    assert_result(VERDICT_BLOCKED, 0, 0, true);
    assert_non_null(strstr(rig.batch_result.error.why, "2 vCPUs at a time"));
    request.target = 8;
    (void)rig_batch(&rig, &request);
    assert_result(VERDICT_ONLINE, 2, 2, true);
    rig_close(&rig);
}

/* What was removed is not brought back, and nothing else is tried. */
static void test_set_cpus_down_all_or_nothing(void **state)
{
    struct batch_request request = cpus(BATCH_CPUS, 2);
    struct sim *sim = sim_new();

    (void)state;
    sim->kvm = true;
    sim_put_cpu(sim, "a");
    sim_put_cpu(sim, "b");
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "device_del", .skip = 1,
                                  .action = FAULT_REJECT, .text = "no"});
    request.atomic = true;
    (void)run(sim, true, &request);
    assert_result(VERDICT_PARTIAL, 2, 1, true);
    assert_int_equal(rig.results, 2);
    assert_int_equal(rig.batch_result.error.code, ERROR_REJECTED);
    rig_close(&rig);
}

static void test_all_or_nothing_beyond_the_ceiling(void **state)
{
    struct batch_request request = cpus(BATCH_COUNT, 3); /* there is room for two */

    (void)state;
    request.atomic = true;
    (void)run(sim_new(), true, &request); /* so nothing is begun */
    assert_result(VERDICT_BLOCKED, 0, 0, true);
    assert_int_equal(rig.results, 0);
    assert_non_null(strstr(rig.batch_result.error.why, "room for 2"));
    assert_int_equal(sim_changes(rig.sim), 0);
    request.count = 2;
    request.each.dry_run = true;
    (void)rig_batch(&rig, &request);
    assert_result(VERDICT_DONE, 2, 2, true);
    assert_int_equal(sim_changes(rig.sim), 0);
    rig_close(&rig);
}

/* ---- exactly so much memory ---- */

static void test_set_memory(void **state)
{
    static const struct {
        uint64_t target;
        enum verdict verdict;
        uint64_t asked;
        const char *why, *fix;
    } cases[] = {
        {256 * SIM_MIB, VERDICT_DONE, 0, "", ""},
        {384 * SIM_MIB, VERDICT_ONLINE, 1, "", ""},
        {SIM_GIB, VERDICT_ONLINE, 1, "", ""},
        {4 * SIM_GIB, VERDICT_ONLINE, 2, "", ""}, /* 1 GiB first: the guest is small */
        {300 * SIM_MIB, VERDICT_BLOCKED, 0, "do not reach 300 MiB from 256 MiB",
         "ask for 256 MiB or 384 MiB"},
        {1000 * SIM_MIB, VERDICT_BLOCKED, 0, "1000 MiB", "ask for 896 MiB or 1 GiB"},
        {128 * SIM_MIB, VERDICT_BLOCKED, 0, "do not reach 128 MiB", "ask for 256 MiB"},
        {10 * SIM_GIB, VERDICT_BLOCKED, 0, "maxmem=4 GiB, not 10 GiB", "maxmem=SIZE"},
        {9999 * SIM_MIB, VERDICT_BLOCKED, 0, "maxmem=4 GiB, not 9999 MiB", "maxmem=SIZE"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        const struct batch_request request = memory(cases[i].target);

        (void)run(sim_new(), true, &request);
        assert_result(cases[i].verdict, cases[i].asked, cases[i].asked, true);
        assert_non_null(strstr(rig.batch_result.error.why, cases[i].why));
        assert_non_null(strstr(rig.batch_result.error.fix, cases[i].fix));
        if (cases[i].asked == 0)
            assert_int_equal(sim_changes(rig.sim), 0);
        else
            assert_true(rig.sim->dimms[0].bytes + rig.sim->dimms[1].bytes ==
                        cases[i].target - 256 * SIM_MIB);
        rig_close(&rig);
    }
}

static void test_set_memory_counts_what_is_plugged(void **state)
{
    const struct batch_request request = memory(SIM_GIB);
    struct sim *sim = sim_new();

    (void)state;
    sim_put_dimm(sim, "a", SIM_DIMM_BASE, 256 * SIM_MIB);
    sim->guest.block_bytes = 256 * SIM_MIB;
    (void)run(sim, true, &request);
    assert_result(VERDICT_ONLINE, 1, 1, true);
    assert_true(sim->dimms[1].bytes == 512 * SIM_MIB);
    rig_close(&rig);
}

static void test_set_memory_near_a_virtio_mem(void **state)
{
    static const struct {
        uint64_t target; /* from 512 MiB */
        const char *fix;
    } cases[] = {
        {513 * SIM_MIB, "ask for 512 MiB or 514 MiB"},
        {511 * SIM_MIB, "ask for 510 MiB or 512 MiB"},
        {100 * SIM_MIB, "ask for 256 MiB"},
        {767 * SIM_MIB, "ask for 766 MiB or 768 MiB"},
        {769 * SIM_MIB, "ask for 768 MiB or 896 MiB"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        const struct batch_request request = memory(cases[i].target);
        struct sim *sim = sim_new();
        struct sim_virtio_mem *device = sim_put_virtio_mem(sim, "v", SIM_DIMM_BASE, 512 * SIM_MIB);

        device->bytes = device->requested_bytes = 256 * SIM_MIB;
        (void)run(sim, true, &request);
        assert_result(VERDICT_BLOCKED, 0, 0, true);
        if (strcmp(rig.batch_result.error.fix, cases[i].fix) != 0)
            fail_msg("%s", rig.batch_result.error.fix);
        rig_close(&rig);
    }
}

/* What a virtio-mem can make up for alone, it does, and no DIMM comes or goes. */
static void test_set_memory_by_virtio_mem(void **state)
{
    static const struct {
        uint64_t target; /* from 768 MiB */
        enum verdict verdict;
        uint64_t asked, bytes;
        unsigned dimms;
        const char *note;
    } cases[] = {
        {768 * SIM_MIB, VERDICT_DONE, 0, 256 * SIM_MIB, 1, NULL},
        {1024 * SIM_MIB, VERDICT_DONE, 1, 512 * SIM_MIB, 1, "no DIMM is added"},
        {1152 * SIM_MIB, VERDICT_ONLINE, 1, 256 * SIM_MIB, 2, "no virtio-mem can"},
        {770 * SIM_MIB, VERDICT_DONE, 1, 258 * SIM_MIB, 1, "no DIMM is added"},
        {512 * SIM_MIB, VERDICT_DONE, 1, 0, 1, "no DIMM is taken back"},
        {769 * SIM_MIB, VERDICT_BLOCKED, 0, 256 * SIM_MIB, 1, NULL},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        const struct batch_request request = memory(cases[i].target);
        struct sim *sim = sim_new();
        struct sim_virtio_mem *device;

        sim_put_dimm(sim, "a", SIM_DIMM_BASE, 256 * SIM_MIB);
        device = sim_put_virtio_mem(sim, "v", SIM_DIMM_BASE + SIM_GIB, 512 * SIM_MIB);
        device->bytes = device->requested_bytes = 256 * SIM_MIB;
        sim->guest.blocks[sim->guest.block_count++] =
            (struct sim_block){.index = 40, .online = true};
        sim->guest.blocks[sim->guest.block_count++] =
            (struct sim_block){.index = 41, .online = true};
        (void)run(sim, true, &request);
        assert_result(cases[i].verdict, cases[i].asked, cases[i].asked, true);
        assert_true(device->bytes == cases[i].bytes);
        assert_int_equal(sim->dimm_count, cases[i].dimms);
        assert_true(cases[i].note == NULL || strstr(rig.note, cases[i].note) != NULL);
        rig_close(&rig);
    }
}

static void test_set_memory_in_the_dark(void **state)
{
    const struct batch_request request = memory(SIM_GIB);
    struct sim *sim = sim_new();

    (void)state;
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "query-memory-size-summary",
                                  .action = FAULT_REJECT, .text = "no"});
    (void)run(sim, true, &request);
    assert_result(VERDICT_BLOCKED, 0, 0, true);
    assert_int_equal(sim_changes(sim), 0);
    rig_close(&rig);
}

/* ---- no QEMU ---- */

static void test_no_session(void **state)
{
    const struct batch_request requests[] = {cpus(BATCH_CPUS, 4), memory(SIM_GIB),
                                             cpus(BATCH_COUNT, 2)};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(requests); i++) {
        struct sim *sim = sim_new();

        rig_open(&rig, sim, true);
        sim_die(sim); /* before its greeting */
        (void)rig_batch(&rig, &requests[i]);
        assert_result(VERDICT_ERROR, i == 2 ? 2 : 0, 0, true);
        rig_close(&rig);

        sim = sim_new();
        sim_fault(sim, (struct fault){.side = SIM_QMP, .skip = 2, .action = FAULT_DIE});
        (void)run(sim, true, &requests[i]);
        assert_result(VERDICT_LOST, i == 2 ? 2 : 0, 0, true);
        rig_close(&rig);
    }
}

/* ---- the user ---- */

struct interruption {
    unsigned at, seen;
    bool frees;
};

static void interrupt(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    struct interruption *interruption = user;

    (void)sim;
    (void)side;
    (void)command;
    if (interruption->seen++ != interruption->at)
        return;
    if (interruption->frees) {
        batch_free(STEAL(rig.batch));
        rig.ends = 1; /* nobody will tell us */
        return;
    }
    batch_interrupt(rig.batch);
    batch_interrupt(rig.batch);
}

static unsigned cpus_present(const struct sim *sim)
{
    unsigned count = 0, i;

    for (i = 0; i < sim->cpu_count; i++)
        count += sim->cpus[i].present ? 1 : 0;
    return count;
}

/* At each step of the whole: what was done is counted, what was begun is ended or named, and
 * nothing more is begun. */
static void test_interrupted_at_each_step(void **state)
{
    const struct batch_request requests[] = {cpus(BATCH_COUNT, 2), cpus(BATCH_CPUS, 4),
                                             cpus(BATCH_COUNT, 1)};
    unsigned at;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(requests); i++) {
        for (at = 0;; at++) {
            struct interruption interruption = {.at = at};
            struct sim *sim = sim_new();
            const struct batch_result *result;
            bool met;

            sim->on_command = interrupt;
            sim->user = &interruption;
            result = run(sim, true, &requests[i]);
            met = interruption.seen > at;
            if (!verdict_is_success(result->verdict)) {
                assert_int_equal(result->verdict, VERDICT_INTERRUPTED);
                assert_int_equal(result->error.code, ERROR_CANCELLED);
                /* At most the one under way stands beside those that were done. */
                assert_true(cpus_present(sim) <= 2 + result->done + 1);
            } else {
                assert_int_equal(result->done, result->asked);
            }
            /* Something is always said: by a device's result, or by the summary. */
            assert_true(rig.results > 0 || result->summary);
            rig_close(&rig);
            if (!met)
                break;
        }
        assert_true(at > 10);
    }
}

static void test_freed_at_each_step(void **state)
{
    const struct batch_request request = cpus(BATCH_CPUS, 4);
    unsigned at;

    (void)state;
    for (at = 0;; at++) {
        struct interruption interruption = {.at = at, .frees = true};
        struct sim *sim = sim_new();
        bool met;

        sim->on_command = interrupt;
        sim->user = &interruption;
        (void)run(sim, true, &request);
        met = interruption.seen > at;
        rig_close(&rig);
        if (!met)
            break;
    }
    assert_true(at > 10);
}

static void on_done_free(void *user, const struct batch_result *result)
{
    struct rig *freed = user;

    freed->ends++;
    freed->batch_result = *result;
    batch_free(STEAL(freed->batch));
}

static bool has_ended(void *user)
{
    return ((const struct rig *)user)->ends > 0;
}

static void test_freed_in_its_end(void **state)
{
    const struct batch_request request = cpus(BATCH_COUNT, 2);
    const struct batch_observer observer = {.done = on_done_free, .user = &rig};
    struct pump *pumps[BLOCKING_PUMPS_MAX] = {NULL};

    (void)state;
    rig_open(&rig, sim_new(), true);
    rig.batch = batch_start(rig.vm, &request, &observer, NULL);
    assert_int_equal(vm_pumps(rig.vm, pumps), 3);
    pumps[3] = &rig.sim->qmp.pump;
    pumps[4] = &rig.sim->agent.pump;
    assert_true(blocking_run(pumps, 5, has_ended, &rig, clock_now_ms() + 5000));
    assert_int_equal(rig.batch_result.verdict, VERDICT_ONLINE);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one),
        cmocka_unit_test(test_several),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_partial),
        cmocka_unit_test(test_first_fails),
        cmocka_unit_test(test_lost_midway),
        cmocka_unit_test(test_least_proved_speaks),
        cmocka_unit_test(test_set_cpus),
        cmocka_unit_test(test_set_cpus_in_cores),
        cmocka_unit_test(test_set_cpus_down_all_or_nothing),
        cmocka_unit_test(test_all_or_nothing_beyond_the_ceiling),
        cmocka_unit_test(test_set_memory),
        cmocka_unit_test(test_set_memory_counts_what_is_plugged),
        cmocka_unit_test(test_set_memory_by_virtio_mem),
        cmocka_unit_test(test_set_memory_near_a_virtio_mem),
        cmocka_unit_test(test_set_memory_in_the_dark),
        cmocka_unit_test(test_no_session),
        cmocka_unit_test(test_interrupted_at_each_step),
        cmocka_unit_test(test_freed_at_each_step),
        cmocka_unit_test(test_freed_in_its_end),
    };

    return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
