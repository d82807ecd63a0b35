/* SPDX-License-Identifier: MIT */
/* What the guest says when it is asked to give something back, by _OST or by QEMU's events, and
 * what is made of its silence. */
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
#include "tests/fake/sim_parts.h"

#define KINDS 2 /* those with an _OST */

static struct rig rig;

static const enum operation_type types[KINDS] = {OPERATION_CPU_REMOVE, OPERATION_DIMM_REMOVE};
static const char *const ids[KINDS] = {"c", "m"};
static const char *const queries[KINDS] = {"query-hotpluggable-cpus", "query-memory-devices"};
static const unsigned slots[KINDS] = {2, 0};

static struct sim *new_sim(void)
{
    struct sim *sim = sim_new();

    sim->kvm = true;
    sim_put_cpu(sim, "c");
    sim_put_dimm(sim, "m", SIM_DIMM_BASE, 256 * SIM_MIB);
    return sim;
}

static void run(struct sim *sim, unsigned kind, double timeout_ms)
{
    const struct operation_request request = {
        .type = types[kind], .id = ids[kind], .timeout_ms = timeout_ms};

    rig_open_recorded(&rig, sim, true);
    (void)rig_operate(&rig, &request);
}

static bool is_there(const struct sim *sim, unsigned kind)
{
    return kind == 0 ? sim->cpus[2].present : sim->dimm_count == 1;
}

static void assert_end(enum verdict verdict, bool recorded)
{
    AUTO_JSON json_t *entry = rig_recorded(&rig, rig.result->id);

    if (rig.result->verdict != verdict)
        fail_msg("%s is %s, not %s (%s)", rig.result->operation,
                 verdict_name(rig.result->verdict), verdict_name(verdict), rig.result->error.why);
    assert_int_equal(entry != NULL, recorded);
    assert_int_equal(rig.result->left_count, 0);
}

/* ---- it will not ---- */

static void assert_refused(unsigned kind, const struct sim_ost *ost)
{
    char meaning[OST_MEANING_MAX];

    assert_end(VERDICT_REFUSED, false);
    assert_true(rig.result->has_ost);
    assert_int_equal(rig.result->ost_source, ost->source);
    assert_int_equal(rig.result->ost_status, ost->status);
    assert_non_null(strstr(rig.result->error.why,
                           ost_meaning(ost->source, ost->status, meaning)));
    assert_true(rig.result->error.fix[0] != '\0');
    assert_string_equal(rig_stages(&rig), "accepted");
    assert_int_equal(sim_changes(rig.sim), 1); /* the one device_del */
    assert_true(is_there(rig.sim, kind));
}

static void test_refused(void **state)
{
    static const struct sim_ost answers[] = {{3, 0x80}, {3, 0x81}, {3, 0x82}, {3, 0x83},
                                             {3, 1},    {0x103, 0x80}, {0x103, 0x82}};
    unsigned kind, early;
    size_t i;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        for (early = 0; early < 2; early++) {
            for (i = 0; i < COUNT_OF(answers); i++) {
                struct sim *sim = new_sim();

                sim->event_first = early == 1;
                sim->guest.eject[1] = answers[i]; /* after "in progress" */
                run(sim, kind, 5000);
                assert_refused(kind, &answers[i]);
                rig_close(&rig);
            }
        }
    }
}

/* The event is lost; QEMU's table has it. */
static void test_refused_unheard(void **state)
{
    unsigned kind;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        struct sim *sim = new_sim();

        sim->guest.ost_unheard = true;
        sim->guest.eject[1].status = 0x82;
        run(sim, kind, 5000);
        assert_refused(kind, &sim->guest.eject[1]);
        rig_close(&rig);
    }
}

/* Boards without _OST tell by an event. */
static void test_refused_by_event(void **state)
{
    static const char *const events[] = {"DEVICE_UNPLUG_GUEST_ERROR", "MEM_UNPLUG_ERROR"};
    unsigned kind;
    size_t i;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        for (i = kind == 0 ? 1 : 0; i < COUNT_OF(events); i++) {
            struct sim *sim = new_sim();

            sim->has_ost = false;
            sim->unplug_error = events[kind == 0 ? 0 : i];
            run(sim, kind, 5000);
            assert_end(VERDICT_REFUSED, false);
            assert_false(rig.result->has_ost);
            assert_non_null(strstr(rig.result->error.why, "the guest refused"));
            assert_int_equal(strstr(rig.result->error.why, "rejected by the guest") != NULL,
                             kind == 1 && i == 1);
            assert_int_equal(sim_changes(sim), 1);
            assert_true(is_there(sim, kind));
            rig_close(&rig);
        }
    }
}

/* ---- words that decide nothing ---- */

static void test_in_progress_and_silence(void **state)
{
    unsigned kind, says;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        for (says = 0; says < 2; says++) {
            double timeout_ms = rig_soon_ms();
            struct sim *sim = new_sim();

            sim->guest.eject_count = says;
            run(sim, kind, timeout_ms);
            assert_end(VERDICT_PENDING, true);
            assert_string_equal(rig.result->awaiting, "removed");
            assert_true(rig.result->elapsed_ms >= timeout_ms - 1);
            assert_true(rig.result->elapsed_ms < timeout_ms + 100);
            assert_int_equal(sim_count(sim, SIM_QMP, "device_del"), 1);
            rig_close(&rig);
        }
    }
}

/* What was said of an earlier request, or of something that was plugged in. */
static void test_words_of_old(void **state)
{
    unsigned kind;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        struct sim *sim = new_sim();

        sim->cpus[2].ost = sim->dimm_ost[0] = (struct sim_ost){3, 0x82};
        sim->guest.ignores_eject = true;
        run(sim, kind, 2 * rig_soon_ms());
        assert_end(VERDICT_PENDING, true);
        rig_close(&rig);

        sim = new_sim();
        sim->guest.eject[0] = (struct sim_ost){1, 0x82};
        run(sim, kind, 5000);
        assert_end(VERDICT_REMOVED, false);
        rig_close(&rig);
    }
}

static void say_of_others(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    unsigned kind = *(const unsigned *)user;

    if (side != SIM_QMP || strcmp(command, "device_del") != 0)
        return;
    sim_emit(sim, "ACPI_DEVICE_OST",
             fake_jsonf("{'info':{'device':'x','slot':'%u','slot-type':'%s','source':3,"
                        "'status':130}}", slots[kind] + 1, kind == 0 ? "CPU" : "DIMM"));
    sim_emit(sim, "ACPI_DEVICE_OST",
             fake_jsonf("{'info':{'device':'x','slot':'%u','slot-type':'%s','source':3,"
                        "'status':130}}", slots[kind], kind == 0 ? "DIMM" : "CPU"));
    sim_emit(sim, "DEVICE_UNPLUG_GUEST_ERROR",
             fake_json("{'device':'x','path':'/machine/peripheral/x'}"));
    sim_emit(sim, "MEM_UNPLUG_ERROR", fake_json("{'device':'x','msg':'no'}"));
    sim_emit(sim, "DEVICE_DELETED", fake_json("{'device':'x','path':'/machine/peripheral/x'}"));
}

/* Other slots' and other devices' failures are not this one's. */
static void test_words_of_others(void **state)
{
    unsigned kind;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        struct sim *sim = new_sim();

        sim->on_command = say_of_others;
        sim->user = &kind;
        run(sim, kind, 5000);
        assert_end(VERDICT_REMOVED, false);
        rig_close(&rig);
    }
}

/* ---- _OST and inventory do not agree ---- */

/* "Success", and QEMU has it all the same: that is no removal. */
static void test_success_but_there(void **state)
{
    static const char *const rows[KINDS] = {
        "[{'type':'t','vcpus-count':1,'props':{}},"
        "{'type':'t','vcpus-count':1,'props':{},'qom-path':'/machine/peripheral/c'},"
        "{'type':'t','vcpus-count':1,'props':{},'qom-path':'/machine/unattached/device[1]'},"
        "{'type':'t','vcpus-count':1,'props':{},'qom-path':'/machine/unattached/device[0]'}]",
        "[{'type':'dimm','data':{'id':'m','addr':4294967296,'size':268435456,'slot':0,'node':0,"
        "'memdev':'/objects/m-memory','hotplugged':true,'hotpluggable':true}}]"};
    unsigned kind;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        struct sim *sim = new_sim();

        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = queries[kind], .skip = 1,
                                      .action = FAULT_ANSWER, .text = rows[kind]});
        run(sim, kind, rig_soon_ms());
        assert_end(VERDICT_PENDING, true);
        assert_string_equal(rig_stages(&rig), "accepted");
        rig_close(&rig);
    }
}

static void unplug_when_asked(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    unsigned kind = *(const unsigned *)user;

    if (side == SIM_QMP && strcmp(command, queries[kind]) == 0 && is_there(sim, kind) &&
        sim_count(sim, SIM_QMP, "device_del") > 0)
        sim_unplug(sim, kind == 0, slots[kind]);
}

/* Gone without a word, or with a word that contradicts: gone is gone. */
static void test_gone_but_no_success(void **state)
{
    unsigned kind, says;

    (void)state;
    for (kind = 0; kind < KINDS; kind++) {
        for (says = 0; says < 2; says++) {
            struct sim *sim = new_sim();

            sim->on_command = unplug_when_asked;
            sim->user = &kind;
            sim->guest.eject[0] = (struct sim_ost){3, 0x81};
            sim->guest.eject_count = says;
            sim->guest.ost_delay_ms = 60;
            run(sim, kind, 5000);
            assert_end(VERDICT_REMOVED, false);
            assert_string_equal(rig_stages(&rig), "accepted realized online");
            rig_close(&rig);
        }
    }
}

/* ---- reset ---- */

struct reset {
    unsigned kind;
    bool done;
    unsigned heard_at; /* which device_del the guest hears; 0: none */
};

static void reset_once(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    struct reset *reset = user;
    unsigned asked = sim_count(sim, SIM_QMP, "device_del");

    if (side != SIM_QMP)
        return;
    if (!reset->done && asked > 0 && strcmp(command, queries[reset->kind]) == 0) {
        reset->done = true;
        sim_reset(sim);
    }
    if (strcmp(command, "device_del") == 0 && asked == reset->heard_at) {
        sim->guest.ignores_eject = false;
        sim->guest.eject[0].status = 0;
        sim->guest.eject_count = 1;
    }
}

static void run_reset(unsigned kind, bool had_begun, unsigned heard_at, double timeout_ms)
{
    struct reset reset = {.kind = kind, .heard_at = heard_at};
    struct sim *sim = new_sim();

    sim->on_command = reset_once;
    sim->user = &reset;
    sim->guest.ignores_eject = !had_begun;
    sim->guest.eject_count = 1; /* "in progress", before the reset */
    sim->event_first = true;
    run(sim, kind, timeout_ms);
    assert_true(reset.done);
}

/* The guest has forgotten: it is asked again, whether it had begun or not. */
static void test_asked_again_after_reset(void **state)
{
    (void)state;
    run_reset(0, true, 2, 8000);
    assert_end(VERDICT_REMOVED, false);
    assert_int_equal(sim_count(rig.sim, SIM_QMP, "device_del"), 2);
    assert_true(rig.result->elapsed_ms >= 2000);
    rig_close(&rig);
}

/* It does not hear, then or ever: it is asked every two seconds and no more often. */
static void test_asked_again_and_again(void **state)
{
    (void)state;
    run_reset(1, false, 0, 4600);
    assert_end(VERDICT_PENDING, true);
    assert_int_equal(sim_count(rig.sim, SIM_QMP, "device_del"), 3);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_refused_unheard),
        cmocka_unit_test(test_refused_by_event),
        cmocka_unit_test(test_in_progress_and_silence),
        cmocka_unit_test(test_words_of_old),
        cmocka_unit_test(test_words_of_others),
        cmocka_unit_test(test_success_but_there),
        cmocka_unit_test(test_gone_but_no_success),
        cmocka_unit_test(test_asked_again_after_reset),
        cmocka_unit_test(test_asked_again_and_again),
    };

    return cmocka_run_group_tests_name("operation, ejection", tests, NULL, NULL);
}
