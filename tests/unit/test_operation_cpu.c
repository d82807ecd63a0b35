/* SPDX-License-Identifier: MIT */
/* What is peculiar to adding a vCPU. */
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

static struct rig rig;

static const struct operation_request request = {.type = OPERATION_CPU_ADD, .timeout_ms = 5000};

static const struct operation_result *add(struct sim *sim, double timeout_ms)
{
    struct operation_request each = request;

    each.timeout_ms = timeout_ms;
    rig_open(&rig, sim, true);
    return rig_operate(&rig, &each);
}

static void assert_detail(const char *name, const char *expected)
{
    AUTO_FREE char *text = codec_dump(json_object_get(rig.result->details, name), 0);

    assert_non_null(text);
    assert_string_equal(text, expected);
}

/* ---- what is sent ---- */

static void test_lowest_free_slot(void **state)
{
    struct sim *sim = sim_new();
    AUTO_JSON json_t *expected =
        fake_json("{'driver':'qemu64-x86_64-cpu','id':'vmplug-cpu-1','socket-id':1,'core-id':0,"
                  "'thread-id':0}");

    (void)state;
    sim->cpus[1].present = false; /* a hole below slots that are taken */
    sim->cpus[2].present = true;
    assert_int_equal(add(sim, 5000)->verdict, VERDICT_ONLINE);
    assert_true(sim->cpus[1].present && !sim->cpus[3].present);
    assert_true(json_equal(sim_arguments(sim, SIM_QMP, "device_add"), expected));
    assert_detail("slot", "1");
    assert_detail("logical_ids", "[2]");
    rig_close(&rig);
}

/* Properties go back as they came, whatever they are called and however nested their types are:
 * QEMU knows, we don't. */
static void test_properties_are_passed_back(void **state)
{
    struct sim *sim = sim_new();
    AUTO_JSON json_t *expected = fake_json("{'driver':'new-cpu','id':'vmplug-cpu-1','node-id':7,"
                                           "'module-id':3,'shape':'round','wide':[1,2]}");

    (void)state;
    sim_fault(sim, (struct fault){
                       .side = SIM_QMP, .command = "query-hotpluggable-cpus",
                       .action = FAULT_ANSWER,
                       .text = "[{'type':'new-cpu','vcpus-count':1,'props':{'node-id':7,"
                               "'module-id':3,'shape':'round','wide':[1,2],'id':'hostile',"
                               "'driver':'evil'}},"
                               "{'type':'new-cpu','vcpus-count':1,'props':{},'qom-path':'/a/b'}]"});
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "device_add",
                                  .action = FAULT_REJECT, .text = "no"});
    assert_int_equal(add(sim, 5000)->verdict, VERDICT_REJECTED);
    assert_true(json_equal(sim_arguments(sim, SIM_QMP, "device_add"), expected));
    rig_close(&rig);
}

/* ---- what forbids it ---- */

static void test_ceiling(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim->cpu_count = 2;
    assert_int_equal(add(sim, 5000)->verdict, VERDICT_BLOCKED);
    assert_non_null(strstr(rig.result->error.why, "maxcpus=2"));
    assert_non_null(strstr(rig.result->error.fix, "maxcpus"));
    assert_int_equal(sim_changes(sim), 0);
    assert_string_equal(rig.result->id, "");
    rig_close(&rig);
}

static void test_machine_that_cannot(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim->has_cpus = false;
    assert_int_equal(add(sim, 5000)->verdict, VERDICT_BLOCKED);
    assert_non_null(strstr(rig.result->error.why, "is not enabled"));
    assert_int_equal(sim_changes(sim), 0);
    rig_close(&rig);
}

/* ---- who is it ---- */

/* The slot is taken, but by another's device: not realized. */
static void test_another_took_the_slot(void **state)
{
    static const char *const paths[] = {
        "/machine/peripheral/other", "/machine/unattached/device[3]", "vmplug-cpu-2",
        "/machine/peripheral/vmplug-cpu-2/lapic", "/machine/peripheral/xvmplug-cpu-2", "/"};
    char rows[512];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(paths); i++) {
        struct sim *sim = sim_new();

        (void)snprintf(rows, sizeof(rows),
                       "[{'type':'t','vcpus-count':1,'props':{}},"
                       "{'type':'t','vcpus-count':1,'props':{},'qom-path':'%s'},"
                       "{'type':'t','vcpus-count':1,'props':{},'qom-path':'/a/b'},"
                       "{'type':'t','vcpus-count':1,'props':{},'qom-path':'/a/c'}]",
                       paths[i]);
        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "query-hotpluggable-cpus",
                                      .skip = 1, .action = FAULT_ANSWER, .text = rows});
        assert_int_equal(add(sim, rig_soon_ms())->verdict, VERDICT_PENDING);
        assert_string_equal(rig.result->awaiting, "realized");
        rig_close(&rig);
    }
}

/* A vCPU that was offline before is not the new one, and is left alone. */
static void test_offline_before_is_left_alone(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim->guest.vcpus[1].online = false;
    assert_int_equal(add(sim, 5000)->verdict, VERDICT_ONLINE);
    assert_detail("logical_ids", "[2]");
    assert_false(sim->guest.vcpus[1].online);
    rig_close(&rig);
}

/* POWER lists vCPUs that are not there yet, as offline: without _OST, coming online is the sign. */
static void test_listed_before_without_ost(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim->has_ost = false;
    sim->guest.onlines = true;
    sim->guest.vcpus[2] = (struct sim_vcpu){8, false};
    sim->guest.vcpu_count = 3;
    sim->guest.ignores = true;
    assert_int_equal(add(sim, rig_soon_ms())->verdict, VERDICT_PENDING);
    assert_int_equal(sim_count(sim, SIM_AGENT, "guest-set-vcpus"), 0);
    rig_close(&rig);

    sim = sim_new();
    sim->has_ost = false;
    sim->guest.vcpus[2] = (struct sim_vcpu){8, false};
    sim->guest.vcpu_count = 3;
    sim->guest.ignores = true;
    sim_fault(sim, (struct fault){
                       .side = SIM_AGENT, .command = "guest-get-vcpus", .skip = 2,
                       .action = FAULT_ANSWER,
                       .text = "[{'logical-id':0,'online':true},{'logical-id':1,'online':true},"
                               "{'logical-id':8,'online':true,'can-offline':true}]"});
    assert_int_equal(add(sim, 5000)->verdict, VERDICT_ONLINE);
    assert_detail("logical_ids", "[8]");
    rig_close(&rig);
}

/* With _OST the same is not enough: somebody else has put an old one online meanwhile. */
static void test_online_meanwhile_is_not_ours(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim->guest.vcpus[1].online = false;
    sim->guest.ignores = true;
    sim_fault(sim, (struct fault){
                       .side = SIM_AGENT, .command = "guest-get-vcpus", .skip = 1,
                       .action = FAULT_ANSWER,
                       .text = "[{'logical-id':0,'online':true},{'logical-id':1,'online':true}]"});
    assert_int_equal(add(sim, rig_soon_ms())->verdict, VERDICT_PENDING);
    rig_close(&rig);
}

/* A core of two: both must be online. */
static void test_core_of_several(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim->vcpus_per_slot = 2;
    assert_int_equal(add(sim, 5000)->verdict, VERDICT_ONLINE);
    assert_int_equal(json_array_size(json_object_get(rig.result->details, "logical_ids")), 2);
    assert_true(sim->guest.vcpus[2].online && sim->guest.vcpus[3].online);
    rig_close(&rig);

    sim = sim_new();
    sim->vcpus_per_slot = 2;
    sim_fault(sim, (struct fault){
                       .side = SIM_AGENT, .command = "guest-get-vcpus", .skip = 1,
                       .action = FAULT_ANSWER,
                       .text = "[{'logical-id':0,'online':true},{'logical-id':2,'online':true}]"});
    assert_int_equal(add(sim, rig_soon_ms())->verdict, VERDICT_PENDING);
    rig_close(&rig);
}

/* ---- putting it online ---- */

static void fail_set(struct sim *sim, unsigned skip, unsigned times)
{
    sim_fault(sim, (struct fault){.side = SIM_AGENT, .command = "guest-set-vcpus",
                                  .skip = skip, .times = times, .action = FAULT_REJECT,
                                  .text = "Device or resource busy"});
}

static void test_set_fails(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    fail_set(sim, 0, 0);
    sim->guest.eject[1].status = 0x82; /* it does not even let go of it */
    assert_int_equal(add(sim, 9000)->verdict, VERDICT_REFUSED);
    assert_in_range(sim_count(sim, SIM_AGENT, "guest-set-vcpus"), 3, 20);
    assert_true(rig.result->elapsed_ms >= 1500);
    assert_string_equal(rig.result->error.why, "Device or resource busy");
    assert_false(rig.result->has_ost); /* the agent's word, not the firmware's */
    assert_string_equal(rig_left(&rig), "vmplug-cpu-2");
    assert_string_equal(rig_stages(&rig), "accepted realized acknowledged");
    rig_close(&rig);
}

static void test_set_fails_twice(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    fail_set(sim, 0, 2);
    assert_int_equal(add(sim, 5000)->verdict, VERDICT_ONLINE);
    assert_int_equal(sim_count(sim, SIM_AGENT, "guest-set-vcpus"), 3);
    rig_close(&rig);
}

/* Failures count in a row: a success between them begins anew. */
static void test_set_fails_now_and_then(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    fail_set(sim, 0, 2);
    fail_set(sim, 1, 2); /* this one counts only what the first lets through */
    sim->guest.set_does_nothing = true;
    assert_int_equal(add(sim, 15 * rig_soon_ms())->verdict, VERDICT_PENDING);
    assert_true(sim_count(sim, SIM_AGENT, "guest-set-vcpus") > 5);
    rig_close(&rig);
}

/* Claims without deeds are not believed, and not repeated without pause. */
static void test_set_does_nothing(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim->guest.set_does_nothing = true;
    assert_int_equal(add(sim, 4 * rig_soon_ms())->verdict, VERDICT_PENDING);
    assert_string_equal(rig.result->awaiting, "online");
    assert_true(sim_count(sim, SIM_AGENT, "guest-set-vcpus") <=
                8 + rig.result->elapsed_ms / 400);
    rig_close(&rig);
}

/* It says success once, and its list shows the vCPU offline for a while. */
static void test_slow_to_come_online(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim_fault(sim, (struct fault){.side = SIM_AGENT, .command = "guest-set-vcpus", .times = 3,
                                  .action = FAULT_ANSWER, .text = "1"});
    assert_int_equal(add(sim, 5000)->verdict, VERDICT_ONLINE);
    assert_int_equal(sim_count(sim, SIM_AGENT, "guest-set-vcpus"), 4);
    rig_close(&rig);
}

/* ---- hostile lists ---- */

static void test_hostile_lists(void **state)
{
    static const char *const lists[] = {
        "[{'logical-id':'2','online':true}]",
        "[{'logical-id':2.0,'online':true}]",
        "[{'logical-id':2}]",
        "[{'online':true},{'online':true},{'online':true}]",
        "[[{'logical-id':2,'online':true}]]",
        "{'vcpus':[{'logical-id':2,'online':true}]}",
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(lists); i++) {
        struct sim *sim = sim_new();

        sim_fault(sim, (struct fault){.side = SIM_AGENT, .command = "guest-get-vcpus",
                                      .skip = 1, .action = FAULT_ANSWER, .text = lists[i]});
        assert_int_equal(add(sim, rig_soon_ms())->verdict, VERDICT_PENDING);
        rig_close(&rig);
    }
}

/* A guest that claims 60000 new vCPUs is not sent a request of megabytes for ever. */
static void test_huge_list(void **state)
{
    AUTO_JSON json_t *list = json_array();
    AUTO_FREE char *text = NULL;
    struct sim *sim = sim_new();
    unsigned i;

    (void)state;
    for (i = 0; i < 60000; i++)
        json_array_append_new(list, json_pack("{s:i, s:b}", "logical-id", (int)i + 2, "online", 0));
    text = json_dumps(list, JSON_COMPACT);
    sim_fault(sim, (struct fault){.side = SIM_AGENT, .command = "guest-get-vcpus", .skip = 1,
                                  .action = FAULT_ANSWER, .text = text});
    (void)add(sim, 7 * rig_soon_ms());
    assert_false(verdict_is_success(rig.result->verdict));
    rig_close(&rig);
}

/* It was booting when they were asked for: nobody knows what it had. */
static void test_guest_that_was_booting(void **state)
{
    struct operation_request each = request;
    unsigned count, i;

    (void)state;
    for (count = 1; count < 3; count++) {
        struct sim *sim = sim_new();

        sim_resize(sim, 1, 4, 256 * SIM_MIB, 4 * SIM_GIB, 4);
        sim->agent_hangs = sim->guest.ignores = true;
        sim->guest.ost_count = 0;
        each.timeout_ms = rig_soon_ms();
        rig_open_recorded(&rig, sim, true);
        for (i = 0; i < count; i++) {
            each.resume = false;
            each.id = i == 0 ? "vmplug-cpu-1" : "vmplug-cpu-2";
            rig_assert_verdict(rig_operate(&rig, &each), VERDICT_PENDING);
        }
        sim->agent_hangs = sim->guest.ignores = false;
        for (i = 0; i < count; i++)
            sim_guest_shows(sim, true, 1 + i);
        each.resume = true;
        each.id = "vmplug-cpu-1";
        each.timeout_ms = 5000;
        rig_reopen(&rig);
        rig_assert_verdict(rig_operate(&rig, &each), VERDICT_ONLINE);
        assert_true(sim->guest.vcpus[count].online);
        if (count == 1) /* of two it may be either */
            assert_detail("logical_ids", "[1]");
        else
            assert_null(json_object_get(rig.result->details, "logical_ids"));
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lowest_free_slot),
        cmocka_unit_test(test_properties_are_passed_back),
        cmocka_unit_test(test_ceiling),
        cmocka_unit_test(test_machine_that_cannot),
        cmocka_unit_test(test_another_took_the_slot),
        cmocka_unit_test(test_offline_before_is_left_alone),
        cmocka_unit_test(test_listed_before_without_ost),
        cmocka_unit_test(test_online_meanwhile_is_not_ours),
        cmocka_unit_test(test_core_of_several),
        cmocka_unit_test(test_set_fails),
        cmocka_unit_test(test_set_fails_twice),
        cmocka_unit_test(test_set_fails_now_and_then),
        cmocka_unit_test(test_set_does_nothing),
        cmocka_unit_test(test_slow_to_come_online),
        cmocka_unit_test(test_hostile_lists),
        cmocka_unit_test(test_huge_list),
        cmocka_unit_test(test_guest_that_was_booting),
    };

    return cmocka_run_group_tests_name("operation, vCPU", tests, NULL, NULL);
}
