/* SPDX-License-Identifier: MIT */
/*
 * A series asks QEMU no more for each device than for the first, however many there are: what one
 * operation has found and added is what the next one begins with. What others do to the same QEMU
 * meanwhile must not be missed for that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "tests/fake/rig.h"

#define LONGEST 12

static struct rig rig;

/* So many of a type, one after the other, up to this rung. */
static void add(struct sim *sim, bool with_agent, enum operation_type type, size_t count,
                enum rung wait)
{
    static char paths[LONGEST][512];
    const char *files[LONGEST];
    struct batch_request request = {
        .goal = BATCH_COUNT, .count = count, .each = rig_addition(type), .files = files};
    size_t i;

    for (i = 0; i < count; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "%zu.raw", i);
        (void)snprintf(paths[i], sizeof(paths[i]), "%s", fake_file(name, "", 0));
        files[i] = paths[i];
    }
    request.each.wait_set = true;
    request.each.wait = wait;
    rig_open(&rig, sim, with_agent);
    (void)rig_batch(&rig, &request);
}

static struct sim *large_sim(void)
{
    struct sim *sim = sim_new();

    sim_resize(sim, 2, 2 + LONGEST, 2 * sim->guest.block_bytes, 64 * SIM_GIB, LONGEST);
    return sim;
}

static size_t count_commands(bool with_agent, enum operation_type type, size_t count,
                             enum rung wait)
{
    size_t commands;

    add(large_sim(), with_agent, type, count, wait);
    assert_int_equal(rig.batch_result.done, count);
    commands = json_array_size(rig.sim->record[SIM_QMP]);
    rig_close(&rig);
    return commands;
}

static void test_is_linear(void **state)
{
    static const struct {
        enum operation_type type;
        size_t steps; /* that change something */
    } rows[] = {{OPERATION_CPU_ADD, 1}, {OPERATION_DIMM_ADD, 2}, {OPERATION_DISK_ADD, 2}};
    static const enum rung rungs[] = {RUNG_ACCEPTED, RUNG_REALIZED};
    size_t i, j, first;

    (void)state;
    for (i = 0; i < COUNT_OF(rows) * COUNT_OF(rungs) * 2; i++) {
        enum rung rung = rungs[i / 2 % 2];
        bool with_agent = i % 2 == 0;

        j = i / 4;
        first = count_commands(with_agent, rows[j].type, 1, rung);
        assert_int_equal(count_commands(with_agent, rows[j].type, LONGEST, rung) - first,
                         (LONGEST - 1) * (rows[j].steps + (rung == RUNG_REALIZED ? 1 : 0)));
    }
}

static bool was_asked(const char *command)
{
    const json_t *line;
    size_t i;

    json_array_foreach(rig.sim->record[SIM_QMP], i, line) {
        if (strstr(json_string_value(json_object_get(line, "execute")), command) != NULL)
            return true;
    }
    return false;
}

/* Each question costs QEMU time, most of it by the byte: none is asked whose answer would change
 * neither what is sent nor what is refused. */
static void test_needless_questions(void **state)
{
    static const struct {
        enum operation_type type;
        const char *commands[6];
    } rows[] = {
        {OPERATION_CPU_ADD,
         {"device-list-properties", "query-cpus-fast", "query-memory", "query-block", "version"}},
        {OPERATION_DIMM_ADD,
         {"query-hotpluggable-cpus", "query-cpus-fast", "query-block", "version"}},
        {OPERATION_DISK_ADD,
         {"query-hotpluggable-cpus", "query-cpus-fast", "query-kvm", "query-acpi-ospm-status",
          "device-list-properties", "version"}},
    };
    size_t i, j;

    (void)state;
    for (i = 0; i < COUNT_OF(rows); i++) {
        add(large_sim(), false, rows[i].type, 1, RUNG_ACCEPTED);
        assert_true(was_asked("query-migrate"));
        for (j = 0; j < COUNT_OF(rows[i].commands) && rows[i].commands[j] != NULL; j++) {
            if (was_asked(rows[i].commands[j]))
                fail_msg("%s asks %s", operation_type_name(rows[i].type), rows[i].commands[j]);
        }
        rig_close(&rig);
    }
}

static unsigned seen;

static bool is_second(enum sim_side side, const char *command, const char *wanted)
{
    return side == SIM_QMP && strcmp(command, wanted) == 0 && seen++ == 1;
}

/* query-block takes the longer the more disks there are: it is asked once. */
static void test_the_others_are_not_looked_at(void **state)
{
    (void)state;
    add(large_sim(), false, OPERATION_DISK_ADD, 4, RUNG_REALIZED);
    assert_int_equal(rig.batch_result.verdict, VERDICT_REALIZED);
    assert_int_equal(sim_count(rig.sim, SIM_QMP, "query-block"), 2); /* inventory, and evidence */
    rig_close(&rig);
}

/* Accepted, and yet not there when it is looked at: no success. */
static void vanish(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    (void)user;
    if (side == SIM_QMP && strcmp(command, "qom-get") == 0 && sim->disk_count == 2)
        sim->disks[1].id[0] = '\0';
}

static void test_evidence_is_wanted(void **state)
{
    struct sim *sim = large_sim();

    (void)state;
    sim->on_command = vanish;
    add(sim, false, OPERATION_DISK_ADD, 3, RUNG_REALIZED);
    assert_int_equal(rig.batch_result.verdict, VERDICT_PARTIAL);
    assert_int_equal(rig.verdicts[1], VERDICT_PENDING);
    rig_close(&rig);
}

/* What the guest has to say is said anew to each. */
static void test_the_guest_is_asked_each_time(void **state)
{
    (void)state;
    add(large_sim(), true, OPERATION_CPU_ADD, 3, RUNG_ONLINE);
    assert_int_equal(rig.batch_result.verdict, VERDICT_ONLINE);
    assert_int_equal(sim_count(rig.sim, SIM_AGENT, "guest-info"), 3);
    rig_close(&rig);
}

/* ---- others at work ---- */

static void take_slot(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    (void)user;
    if (is_second(side, command, "device_add"))
        sim_put_cpu(sim, "theirs");
}

static void take_node(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    (void)user;
    if (is_second(side, command, "blockdev-add"))
        sim_leave_node(sim, "vmplug-disk-1");
}

static void test_another_is_faster(void **state)
{
    static const struct {
        enum operation_type type;
        void (*act)(void *user, struct sim *sim, enum sim_side side, const char *command);
        const char *ids[3];
    } rows[] = {
        {OPERATION_CPU_ADD, take_slot, {"vmplug-cpu-2", "vmplug-cpu-4", "vmplug-cpu-5"}},
        {OPERATION_DISK_ADD, take_node, {"vmplug-disk-0", "vmplug-disk-2", "vmplug-disk-3"}},
    };
    size_t i, j;

    (void)state;
    for (i = 0; i < COUNT_OF(rows); i++) {
        struct sim *sim = large_sim();

        seen = 0;
        sim->on_command = rows[i].act;
        add(sim, false, rows[i].type, 3, RUNG_REALIZED);
        assert_int_equal(rig.batch_result.verdict, VERDICT_REALIZED);
        for (j = 0; j < COUNT_OF(rows[i].ids); j++)
            assert_string_equal(rig.ids[j], rows[i].ids[j]);
        rig_close(&rig);
    }
}

/* Slot 2, which this series has filled, is free again. */
static void take_away(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    (void)user;
    if (!is_second(side, command, "device_add"))
        return;
    sim->cpus[2].present = false;
    sim->cpus[2].id[0] = '\0';
    server_send_json(&sim->qmp,
                     json_pack("{s:s, s:{s:i, s:i}, s:{s:s, s:s}}", "event", "DEVICE_DELETED",
                               "timestamp", "seconds", 1, "microseconds", 1, "data", "device",
                               "vmplug-cpu-2", "path", "/machine/peripheral/vmplug-cpu-2"));
}

static void test_something_goes(void **state)
{
    struct sim *sim = large_sim();

    (void)state;
    seen = 0;
    sim->on_command = take_away;
    add(sim, false, OPERATION_CPU_ADD, 3, RUNG_REALIZED);
    assert_int_equal(rig.batch_result.verdict, VERDICT_REALIZED);
    assert_string_equal(rig.ids[1], "vmplug-cpu-3");
    assert_string_equal(rig.ids[2], "vmplug-cpu-2");
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_linear),
        cmocka_unit_test(test_needless_questions),
        cmocka_unit_test(test_the_others_are_not_looked_at),
        cmocka_unit_test(test_evidence_is_wanted),
        cmocka_unit_test(test_the_guest_is_asked_each_time),
        cmocka_unit_test(test_another_is_faster),
        cmocka_unit_test(test_something_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
