/* SPDX-License-Identifier: MIT */
/* Batches on the way down: exactly so much and less than there is, several removals, all or
 * nothing; and what a dry run foretells of several. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "qmp/codec.h"
#include "tests/fake/rig.h"

static struct rig rig;

static struct sim *new_sim(void)
{
    struct sim *sim = sim_new();

    sim->kvm = true;
    sim->cpu_count = 8;
    sim->slots = 8;
    sim->max_bytes = 16 * SIM_GIB;
    return sim;
}

static void run(struct sim *sim, const struct batch_request *request)
{
    rig_open_recorded(&rig, sim, true);
    (void)rig_batch(&rig, request);
}

static void assert_result(enum verdict verdict, uint64_t asked, uint64_t done)
{
    const struct batch_result *result = &rig.batch_result;

    if (result->verdict != verdict)
        fail_msg("%s, not %s: %s", verdict_name(result->verdict), verdict_name(verdict),
                 result->error.why);
    assert_int_equal(result->asked, asked);
    assert_int_equal(result->done, done);
    assert_true((result->error.code == ERROR_NONE) == verdict_is_success(verdict));
}

/* The ids of the operations in their order, as "a b". */
static const char *order(void)
{
    static char text[512];
    size_t used = 0;
    unsigned i;

    text[0] = '\0';
    for (i = 0; i < rig.results && i < RIG_RESULTS_MAX; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i > 0 ? " " : "",
                                 rig.ids[i]);
    return text;
}

static unsigned cpus_present(const struct sim *sim)
{
    unsigned count = 0, i;

    for (i = 0; i < sim->cpu_count; i++)
        count += sim->cpus[i].present ? 1 : 0;
    return count;
}

/* ---- vCPUs downwards ---- */

/* From the highest slot down; boot vCPUs go by their slot's number. */
static void test_cpus_downwards(void **state)
{
    static const struct {
        uint64_t target, asked;
        const char *order;
    } cases[] = {{4, 0, ""}, {3, 1, "y"}, {2, 2, "y x"}, {1, 3, "y x 1"}};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        const struct batch_request request = {
            .goal = BATCH_CPUS, .target = cases[i].target,
            .each = {.type = OPERATION_CPU_ADD, .timeout_ms = 5000}};
        struct sim *sim = new_sim();

        sim_put_cpu(sim, "x");
        sim_put_cpu(sim, "y");
        run(sim, &request);
        assert_result(cases[i].asked > 0 ? VERDICT_REMOVED : VERDICT_DONE, cases[i].asked,
                      cases[i].asked);
        assert_string_equal(order(), cases[i].order);
        assert_int_equal(cpus_present(sim), cases[i].target);
        rig_close(&rig);
    }
}

static void test_cpus_that_cannot_be_reached(void **state)
{
    struct batch_request request = {.goal = BATCH_CPUS, .target = 0,
                                    .each = {.type = OPERATION_CPU_ADD, .timeout_ms = 5000}};
    struct sim *sim = new_sim();

    (void)state;
    sim->vcpus_per_slot = 2; /* 4 */
    run(sim, &request);
    assert_result(VERDICT_BLOCKED, 0, 0);
    request.target = 3;
    (void)rig_batch(&rig, &request);
    assert_result(VERDICT_BLOCKED, 0, 0);
    assert_int_equal(sim_changes(sim), 0);
    request.target = 2;
    sim->guest.vcpu_count = 4;
    (void)rig_batch(&rig, &request);
    assert_result(VERDICT_REMOVED, 1, 1);
    rig_close(&rig);
}

/* One that won't go ends it, and says so. */
static void test_cpus_partly(void **state)
{
    const struct batch_request request = {.goal = BATCH_CPUS, .target = 2,
                                          .each = {.type = OPERATION_CPU_ADD, .timeout_ms = 5000}};
    struct sim *sim = new_sim();

    (void)state;
    sim_put_cpu(sim, "x");
    sim_put_cpu(sim, "y");
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "device_del", .skip = 1,
                                  .action = FAULT_REJECT, .text = "no"});
    run(sim, &request);
    assert_result(VERDICT_PARTIAL, 2, 1);
    assert_int_equal(rig.verdicts[1], VERDICT_REJECTED);
    assert_int_equal(cpus_present(sim), 3);
    rig_close(&rig);
}

/* ---- memory downwards ---- */

static struct sim *sim_with_dimms(void)
{
    struct sim *sim = new_sim();

    sim_put_dimm(sim, "a", SIM_DIMM_BASE, 256 * SIM_MIB);
    sim_put_dimm(sim, "b", SIM_DIMM_BASE + SIM_GIB, 512 * SIM_MIB);
    sim_put_dimm(sim, "c", SIM_DIMM_BASE + 2 * SIM_GIB, 128 * SIM_MIB);
    return sim; /* 256 + 256 + 512 + 128 = 1152 MiB */
}

/* New memory is accounted for in old: a guest that has little to spare gets a small piece first. */
static void test_set_memory_in_bearable_pieces(void **state)
{
    const struct batch_request request = {
        .goal = BATCH_MEMORY, .target = SIM_GIB,
        .each = {.type = OPERATION_DIMM_ADD, .timeout_ms = 5000}};
    struct sim *sim = sim_new();

    (void)state;
    json_object_set_new(sim->guest.files, "/proc/meminfo",
                        json_string("MemTotal: 245880 kB\nMemAvailable:     8192 kB\n"));
    run(sim, &request);
    assert_result(VERDICT_ONLINE, 2, 2);
    assert_true(sim->dimms[0].bytes == 128 * SIM_MIB); /* a quarter of 8 MiB, times 64 */
    assert_true(sim->dimms[1].bytes == 640 * SIM_MIB);
    rig_close(&rig);
}

static void test_memory_downwards(void **state)
{
    static const struct {
        uint64_t target;
        enum verdict verdict;
        uint64_t asked;
        const char *order, *fix;
    } cases[] = {
        {1152, VERDICT_DONE, 0, "", ""},
        {1024, VERDICT_REMOVED, 1, "c", ""},
        {512, VERDICT_REMOVED, 2, "c b", ""},
        {256, VERDICT_REMOVED, 3, "c b a", ""},
        {768, VERDICT_REMOVED, 2, "c a", ""}, /* the newest that make it up: b is too large */
        {896, VERDICT_REMOVED, 1, "a", ""},
        {1000, VERDICT_BLOCKED, 0, "", "ask for 896 MiB or 1 GiB"},
        {1100, VERDICT_BLOCKED, 0, "", "ask for 1 GiB or 1152 MiB"},
        {400, VERDICT_BLOCKED, 0, "", "ask for 384 MiB or 512 MiB"},
        {255, VERDICT_BLOCKED, 0, "", "ask for 256 MiB"},
        {0, VERDICT_BLOCKED, 0, "", "ask for 256 MiB"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        const struct batch_request request = {
            .goal = BATCH_MEMORY, .target = cases[i].target * SIM_MIB,
            .each = {.type = OPERATION_DIMM_ADD, .timeout_ms = 5000}};
        struct sim *sim = sim_with_dimms();
        uint64_t left = sim->base_bytes;
        unsigned j;

        run(sim, &request);
        assert_result(cases[i].verdict, cases[i].asked, cases[i].asked);
        assert_string_equal(order(), cases[i].order);
        if (strstr(rig.batch_result.error.fix, cases[i].fix) == NULL)
            fail_msg("%u MiB: %s", (unsigned)cases[i].target, rig.batch_result.error.fix);
        for (j = 0; j < sim->dimm_count; j++)
            left += sim->dimms[j].bytes;
        assert_true(cases[i].verdict == VERDICT_BLOCKED || left == cases[i].target * SIM_MIB);
        assert_true(cases[i].asked > 0 || sim_changes(sim) == 0);
        rig_close(&rig);
    }
}

/* What has no id or can't be unplugged stays. */
static void test_memory_that_stays(void **state)
{
    static const char *const rows[] = {
        "[{'type':'dimm','data':{'id':'a','addr':4294967296,'size':268435456,'slot':0,'node':0,"
        "'memdev':'/objects/x','hotplugged':false,'hotpluggable':false}}]",
        "[{'type':'dimm','data':{'addr':4294967296,'size':268435456,'slot':0,'node':0,"
        "'memdev':'/objects/x','hotplugged':true,'hotpluggable':true}}]"};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(rows); i++) {
        const struct batch_request request = {
            .goal = BATCH_MEMORY, .target = 256 * SIM_MIB,
            .each = {.type = OPERATION_DIMM_ADD, .timeout_ms = 5000}};
        struct sim *sim = new_sim();

        sim_put_dimm(sim, "a", SIM_DIMM_BASE, 256 * SIM_MIB);
        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "query-memory-devices",
                                      .action = FAULT_ANSWER, .text = rows[i]});
        run(sim, &request);
        assert_result(VERDICT_BLOCKED, 0, 0);
        assert_non_null(strstr(rig.batch_result.error.fix, "ask for 512 MiB"));
        assert_int_equal(sim_changes(sim), 0);
        rig_close(&rig);
    }
}

/* ---- several removals ---- */

static void test_removals(void **state)
{
    static const char *const ids[] = {"a", "nobody", "c"};
    struct batch_request request = {.goal = BATCH_COUNT, .count = 1, .ids = ids,
                                    .each = {.type = OPERATION_DIMM_REMOVE, .timeout_ms = 5000}};

    (void)state;
    run(sim_with_dimms(), &request);
    assert_result(VERDICT_REMOVED, 1, 1);
    assert_false(rig.batch_result.summary);
    rig_close(&rig);

    request.count = 3;
    run(sim_with_dimms(), &request);
    assert_result(VERDICT_PARTIAL, 3, 1);
    assert_true(rig.batch_result.summary);
    assert_string_equal(order(), "a nobody");
    assert_int_equal(rig.verdicts[1], VERDICT_BLOCKED);
    assert_non_null(sim_find_dimm(rig.sim, "c")); /* it stops there */
    rig_close(&rig);
}

/* ---- all or nothing ---- */

static struct batch_request atomic(enum operation_type type, uint64_t count,
                                   const char *const *files)
{
    return (struct batch_request){
        .goal = BATCH_COUNT, .count = count, .atomic = true, .files = files,
        .each = {.type = type, .timeout_ms = 5000, .dimm = {.bytes = 256 * SIM_MIB}}};
}

static void test_atomic(void **state)
{
    static const char *const orders[] = {
        "vmplug-cpu-2 vmplug-cpu-3 vmplug-cpu-4 vmplug-cpu-3 vmplug-cpu-2",
        "vmplug-mem-0 vmplug-mem-1 vmplug-mem-2 vmplug-mem-1 vmplug-mem-0",
        "vmplug-disk-0 vmplug-disk-1 vmplug-disk-2 vmplug-disk-1 vmplug-disk-0"};
    char paths[3][512];
    const char *const files[] = {paths[0], paths[1], paths[2]};
    unsigned type, i;

    (void)state;
    for (i = 0; i < 3; i++)
        (void)snprintf(paths[i], sizeof(paths[i]), "%s", fake_file(i == 0   ? "a"
                                                                   : i == 1 ? "b"
                                                                            : "c", "", 0));
    for (type = OPERATION_CPU_ADD; type <= OPERATION_DISK_ADD; type++) {
        const struct batch_request request = atomic(
            (enum operation_type)type, 3, type == OPERATION_DISK_ADD ? files : NULL);
        struct sim *sim = new_sim();

        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "device_add", .skip = 2,
                                      .action = FAULT_REJECT, .text = "no more"});
        run(sim, &request);
        assert_result(VERDICT_REJECTED, 3, 0);
        assert_string_equal(rig.batch_result.error.why, "no more");
        assert_string_equal(order(), orders[type]);
        assert_int_equal(rig.verdicts[3], VERDICT_REMOVED);
        assert_int_equal(rig.verdicts[4], VERDICT_REMOVED);
        assert_int_equal(cpus_present(sim), 2);
        assert_int_equal(sim->dimm_count + sim->disk_count + json_object_size(sim->objects), 0);
        rig_close(&rig);
    }
}

static void test_atomic_success(void **state)
{
    const struct batch_request request = atomic(OPERATION_CPU_ADD, 3, NULL);

    (void)state;
    run(new_sim(), &request);
    assert_result(VERDICT_ONLINE, 3, 3);
    assert_int_equal(cpus_present(rig.sim), 5);
    rig_close(&rig);
}

static void test_atomic_first_fails(void **state)
{
    const struct batch_request request = atomic(OPERATION_CPU_ADD, 3, NULL);
    struct sim *sim = new_sim();

    (void)state;
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "device_add",
                                  .action = FAULT_REJECT, .text = "no"});
    run(sim, &request);
    assert_result(VERDICT_REJECTED, 3, 0);
    assert_int_equal(rig.results, 1);
    rig_close(&rig);
}

/* One of those that were added does not go: that is said, and the others are tried all the same. */
static void test_atomic_and_stuck(void **state)
{
    const struct batch_request request = atomic(OPERATION_DIMM_ADD, 3, NULL);
    struct sim *sim = new_sim();

    (void)state;
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "device_add", .skip = 2,
                                  .action = FAULT_REJECT, .text = "no more"});
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "device_del", .times = 1,
                                  .action = FAULT_REJECT, .text = "stuck"});
    run(sim, &request);
    assert_result(VERDICT_PARTIAL, 3, 1);
    assert_int_equal(rig.results, 5);
    assert_int_equal(rig.verdicts[3], VERDICT_REJECTED);
    assert_int_equal(rig.verdicts[4], VERDICT_REMOVED);
    assert_non_null(sim_find_dimm(sim, "vmplug-mem-1"));
    assert_int_equal(sim->dimm_count, 1);
    rig_close(&rig);
}

/* QEMU dies: nothing can be taken back, and nothing is said to be. */
static void test_atomic_and_lost(void **state)
{
    const struct batch_request request = atomic(OPERATION_CPU_ADD, 3, NULL);
    struct sim *sim = new_sim();

    (void)state;
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "device_add", .skip = 2,
                                  .action = FAULT_DIE});
    run(sim, &request);
    assert_result(VERDICT_PARTIAL, 3, 2);
    assert_int_equal(rig.verdicts[2], VERDICT_LOST);
    rig_close(&rig);
}

/* "Exactly so much" taken back, too: the pieces that were added go again. */
static void test_atomic_set(void **state)
{
    const struct batch_request request = {
        .goal = BATCH_MEMORY, .target = 8 * SIM_GIB, .atomic = true,
        .each = {.type = OPERATION_DIMM_ADD, .timeout_ms = 5000}};
    struct sim *sim = new_sim();

    (void)state;
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "device_add", .skip = 1,
                                  .action = FAULT_REJECT, .text = "no more"});
    run(sim, &request);
    assert_int_equal(rig.batch_result.verdict, VERDICT_REJECTED);
    assert_int_equal(rig.batch_result.done, 0);
    assert_int_equal(sim->dimm_count, 0);
    rig_close(&rig);
}

/* Removals are not taken back by further removals. */
static void test_atomic_downwards(void **state)
{
    const struct batch_request request = {
        .goal = BATCH_CPUS, .target = 2, .atomic = true,
        .each = {.type = OPERATION_CPU_ADD, .timeout_ms = 5000}};
    struct sim *sim = new_sim();

    (void)state;
    sim_put_cpu(sim, "x");
    sim_put_cpu(sim, "y");
    sim_put_dimm(sim, "y", SIM_DIMM_BASE, 256 * SIM_MIB); /* a namesake */
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "device_del", .skip = 1,
                                  .action = FAULT_REJECT, .text = "no"});
    run(sim, &request);
    assert_result(VERDICT_PARTIAL, 2, 1);
    assert_int_equal(rig.results, 2);
    assert_int_equal(sim_count(sim, SIM_QMP, "device_del"), 2);
    rig_close(&rig);
}

struct interruption {
    unsigned at, seen;
};

static void interrupt(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    struct interruption *interruption = user;

    (void)sim;
    (void)side;
    (void)command;
    if (interruption->seen++ == interruption->at && rig.batch != NULL)
        batch_interrupt(rig.batch);
}

/* Whenever it is interrupted, what is said to be done stands, and of the rest at most the one that
 * was under way, which its own result names. */
static void test_atomic_interrupted_at_each_step(void **state)
{
    const struct batch_request request = atomic(OPERATION_DIMM_ADD, 2, NULL);
    unsigned at;
    bool met;

    (void)state;
    for (at = 0, met = true; met; at++) {
        struct interruption interruption = {.at = at};
        struct sim *sim = new_sim();

        sim->on_command = interrupt;
        sim->user = &interruption;
        run(sim, &request);
        met = interruption.seen > at;
        if (verdict_is_success(rig.batch_result.verdict)) {
            assert_int_equal(sim->dimm_count, 2);
        } else {
            if (rig.batch_result.done > 0)
                fail_msg("at %u: %u done, %s", at, (unsigned)rig.batch_result.done,
                         verdict_name(rig.batch_result.verdict));
            assert_int_equal(rig.batch_result.verdict, VERDICT_INTERRUPTED);
            assert_true(sim->dimm_count <= 1);
        }
        rig_close(&rig);
    }
    assert_true(at > 20);
}

/* ---- dry runs ---- */

static void test_dry_run(void **state)
{
    struct batch_request request = atomic(OPERATION_CPU_ADD, 3, NULL);
    unsigned type;

    (void)state;
    for (type = OPERATION_CPU_ADD; type <= OPERATION_DIMM_ADD; type++) {
        static const char *const orders[] = {"vmplug-cpu-2 vmplug-cpu-3 vmplug-cpu-4",
                                             "vmplug-mem-0 vmplug-mem-1 vmplug-mem-2"};

        request.each.type = (enum operation_type)type;
        request.each.dry_run = true;
        run(new_sim(), &request);
        assert_result(VERDICT_DONE, 3, 3);
        assert_string_equal(order(), orders[type]);
        assert_int_equal(sim_changes(rig.sim), 0);
        request.each.dry_run = false; /* and so it comes */
        (void)rig_batch(&rig, &request);
        assert_result(VERDICT_ONLINE, 3, 3);
        assert_string_equal(order(), orders[type]);
        rig_close(&rig);
    }
}

/* What there will be no room for is foretold, too. */
static void test_dry_run_without_room(void **state)
{
    struct batch_request request = atomic(OPERATION_CPU_ADD, 7, NULL);

    (void)state;
    request.each.dry_run = true;
    run(new_sim(), &request); /* 2 of 8 */
    assert_result(VERDICT_BLOCKED, 0, 0);
    rig_close(&rig);

    request.atomic = false;
    run(new_sim(), &request);
    assert_result(VERDICT_PARTIAL, 7, 6);
    assert_int_equal(rig.results, 7);
    assert_int_equal(rig.verdicts[6], VERDICT_BLOCKED);
    rig_close(&rig);

    request.atomic = true; /* nothing was done, and nothing is taken back */
    request.each.type = OPERATION_DIMM_ADD;
    request.count = 9;
    run(new_sim(), &request); /* 8 slots */
    assert_result(VERDICT_PARTIAL, 9, 8);
    rig_close(&rig);

    request.count = 2;
    request.each.dimm.bytes = 9 * SIM_GIB;
    run(new_sim(), &request); /* of 15.75 GiB */
    assert_result(VERDICT_PARTIAL, 2, 1);
    assert_int_equal(sim_changes(rig.sim), 0);
    rig_close(&rig);
}

static void test_dry_run_downwards(void **state)
{
    struct batch_request request = {.goal = BATCH_CPUS, .target = 2,
                                    .each = {.type = OPERATION_CPU_ADD, .dry_run = true,
                                             .timeout_ms = 5000}};
    struct sim *sim = sim_with_dimms();

    (void)state;
    sim_put_cpu(sim, "x");
    sim_put_cpu(sim, "y");
    run(sim, &request);
    assert_result(VERDICT_DONE, 2, 2);
    assert_string_equal(order(), "y x");
    request.goal = BATCH_MEMORY;
    request.target = 512 * SIM_MIB;
    (void)rig_batch(&rig, &request);
    assert_result(VERDICT_DONE, 2, 2);
    assert_string_equal(order(), "c b");
    request.target = 2 * SIM_GIB; /* and upwards, in pieces */
    (void)rig_batch(&rig, &request);
    assert_result(VERDICT_DONE, 1, 1);
    assert_int_equal(sim_changes(sim), 0);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cpus_downwards),
        cmocka_unit_test(test_cpus_that_cannot_be_reached),
        cmocka_unit_test(test_cpus_partly),
        cmocka_unit_test(test_set_memory_in_bearable_pieces),
        cmocka_unit_test(test_memory_downwards),
        cmocka_unit_test(test_memory_that_stays),
        cmocka_unit_test(test_removals),
        cmocka_unit_test(test_atomic),
        cmocka_unit_test(test_atomic_success),
        cmocka_unit_test(test_atomic_first_fails),
        cmocka_unit_test(test_atomic_and_stuck),
        cmocka_unit_test(test_atomic_and_lost),
        cmocka_unit_test(test_atomic_set),
        cmocka_unit_test(test_atomic_downwards),
        cmocka_unit_test(test_atomic_interrupted_at_each_step),
        cmocka_unit_test(test_dry_run),
        cmocka_unit_test(test_dry_run_without_room),
        cmocka_unit_test(test_dry_run_downwards),
    };

    return cmocka_run_group_tests_name("batch, downwards and back", tests, NULL, NULL);
}
