/* SPDX-License-Identifier: MIT */
/*
 * A simulated VM becomes what its manifest says. Whatever message the daemon is killed at, the next
 * one brings it to the same end, with nothing left beside it and nothing done twice.
 */
#include "daemon/reconcile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "daemon/log.h"
#include "manifest/desired.h"
#include "manifest/yaml_read.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "tests/fake/rig.h"
#include "vmm/audit.h"

#define VM(domain, volumes) \
    "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nmetadata: {name: vm}\n" \
    "spec: {template: {spec: {domain: {" domain "}, volumes: [" volumes "]}}}\n---\n"
#define MORE                                                                       \
    VM("cpu: {sockets: 4}, memory: {guest: 512Mi}, devices: {disks: [{name: x}]}", \
       "{name: x, persistentVolumeClaim: {claimName: a, hotpluggable: true}}")
#define LESS VM("cpu: {sockets: 2}, memory: {guest: 256Mi}, devices: {disks: []}", "")
#define CLAIM                                                                      \
    "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: pv-a}\n"             \
    "spec: {claimRef: {name: a}, hostPath: {path: '%s'}}\n"
#define STEPS_MAX 2000

static struct rig rig;
static struct daemon context = {.timeout_ms = 5000};
static struct reconcile *reconcile;
static struct vm_jobs *jobs;
static unsigned dones;
static struct batch_result last;
static char file[512];

/* ---- a daemon, and the end of one ---- */

static struct sim *new_sim(void)
{
    struct sim *sim = sim_new();

    sim->kvm = true;
    sim->guest.has_vpd = true;
    return sim;
}

static void launch(void)
{
    jobs = vm_jobs_new(rig.vm, context.timeout_ms);
    reconcile = reconcile_new(&context, "vm");
    assert_non_null(jobs);
    assert_non_null(reconcile);
    reconcile_attach(reconcile, jobs);
}

static void end_daemon(void)
{
    struct error why = ERROR_INIT;

    (void)error_set(&why, ERROR_DISCONNECTED, "", "gone");
    reconcile_stop(reconcile);
    vm_jobs_abandon(jobs, &why);
    reconcile_detach(reconcile, "Absent", &why);
    vm_jobs_free(STEAL(jobs));
    reconcile_free(STEAL(reconcile));
}

static void store(const char *format)
{
    struct document_list list = {0};
    struct error error = ERROR_INIT;
    struct desired desired;
    char text[4096];

    (void)snprintf(text, sizeof(text), "%s", format);
    (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), CLAIM, file);
    if (yaml_read(&list, "t", text, strlen(text), &error) < 0 ||
        desired_open(&desired, true, &error) < 0 ||
        desired_take(&desired, &list, NULL, true, &error) < 0)
        fail_msg("%s", error.why);
    desired_close(&desired);
    document_list_free(&list);
}

static int begin(void **state)
{
    (void)state;
    dones = 0;
    fake_empty(fake_path("state"));
    (void)snprintf(file, sizeof(file), "%s", fake_file("a.img", "image", 5));
    (void)setenv("XDG_STATE_HOME", fake_path("state"), 1);
    (void)setenv("XDG_RUNTIME_DIR", fake_path("runtime"), 1);
    log_set_level(LOG_LEVEL_ERROR);
    context.loop = ev_default_loop(0); /* never run: what is to be tried again is not */
    store(MORE);
    rig_open_recorded(&rig, new_sim(), true);
    return 0;
}

static int end(void **state)
{
    (void)state;
    if (reconcile != NULL)
        end_daemon();
    rig_close(&rig);
    return 0;
}

/* ---- what is awaited ---- */

static void on_done(void *user, const struct batch_result *result)
{
    (void)user;
    dones++;
    last = *result;
}

static bool is_done(void *user)
{
    (void)user;
    return dones > 0;
}

static const struct batch_result *await(void)
{
    const struct batch_observer observer = {.done = on_done};

    dones = 0;
    reconcile_request(reconcile, &observer);
    rig_run(&rig, is_done, NULL);
    assert_int_equal(dones, 1);
    return &last;
}

static void assert_condition(const char *status, const char *reason)
{
    AUTO_JSON json_t *condition = reconcile_condition(reconcile);

    assert_string_equal(field_string(condition, "type", ""), "Synchronized");
    if (strcmp(field_string(condition, "status", ""), status) != 0 ||
        strcmp(field_string(condition, "reason", ""), reason) != 0)
        fail_msg("%s %s: %s", field_string(condition, "status", ""),
                 field_string(condition, "reason", ""), field_string(condition, "message", ""));
}

/* All that QEMU and the guest have, and nothing beside it. */
static void assert_more(unsigned step)
{
    struct inventory *inventory = rig_inventory(&rig, PLAN_PARTS, 1000, NULL);
    struct audit *audit = audit_new(rig.vm, inventory);
    uint64_t online_bytes = 0;

    if (inventory->cpus.present != 4 || inventory_cpus_online(inventory) != 4 ||
        !inventory_memory_online(inventory, &online_bytes) || online_bytes != 512 * SIM_MIB ||
        inventory->memory.plugged_bytes != 256 * SIM_MIB || inventory->disks.disk_count != 1 ||
        audit->count != 0)
        fail_msg("killed at %u: %u vCPUs, %ju bytes plugged, %zu disks, %zu findings (%s)", step,
                 inventory->cpus.present, (uintmax_t)inventory->memory.plugged_bytes,
                 inventory->disks.disk_count, audit->count,
                 audit->count > 0 ? audit->findings[0].detail : "");
    audit_free(audit);
    inventory_free(inventory);
}

static bool are_idle(void *user)
{
    (void)user;
    return vm_jobs_are_idle(jobs);
}

static bool has_changed(void *user)
{
    (void)user;
    return sim_changes(rig.sim) > 0;
}

/* ---- tests ---- */

static void test_synchronized(void **state)
{
    unsigned changes;

    (void)state;
    launch();
    assert_condition("Unknown", "Connected");
    assert_int_equal(await()->verdict, VERDICT_ONLINE);
    assert_condition("True", "Synchronized");
    assert_more(0);
    changes = sim_changes(rig.sim);
    assert_int_equal(await()->verdict, VERDICT_DONE);
    assert_int_equal(sim_changes(rig.sim), changes);
    store(LESS);
    assert_int_equal(await()->verdict, VERDICT_REMOVED);
    assert_condition("True", "Synchronized");
}

/* Who asks while it is under way is told of the next time, which goes by what is stored by then. */
static void test_asked_meanwhile(void **state)
{
    (void)state;
    launch();
    rig_run(&rig, has_changed, NULL);
    store(LESS);
    assert_int_equal(await()->verdict, VERDICT_REMOVED);
    assert_condition("True", "Synchronized");
}

struct killing {
    unsigned at, seen;
};

static void count(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    struct killing *killing = user;

    (void)sim;
    (void)side;
    (void)command;
    killing->seen++;
}

static bool is_reached(void *user)
{
    const struct killing *killing = user;

    return killing->seen > killing->at || vm_jobs_are_idle(jobs);
}

static void test_killed_anywhere(void **state)
{
    struct killing killing = {.at = 0};
    bool reached = true;

    (void)state;
    for (killing.at = 0; reached && killing.at < STEPS_MAX; killing.at++) {
        rig_close(&rig);
        rig_open_recorded(&rig, new_sim(), true);
        killing.seen = 0;
        rig.sim->on_command = count;
        rig.sim->user = &killing;
        launch();
        rig_run(&rig, is_reached, &killing);
        reached = killing.seen > killing.at;
        end_daemon();
        rig_reopen(&rig);
        launch();
        (void)await();
        assert_condition("True", "Synchronized");
        end_daemon();
        assert_more(killing.at);
    }
    assert_true(killing.at > 100);
    assert_false(reached);
}

static void test_refused(void **state)
{
    (void)state;
    rig.sim->guest.ost[0] = (struct sim_ost){1, 0x81};
    rig.sim->guest.ost_count = 1;
    launch();
    (void)await();
    assert_condition("False", "Refused");
}

static void test_lost(void **state)
{
    (void)state;
    sim_fault(rig.sim, (struct fault){.side = SIM_QMP,
                                      .command = "device_add",
                                      .times = 1,
                                      .action = FAULT_DIE});
    launch();
    assert_int_equal(await()->verdict, VERDICT_LOST);
    assert_condition("False", "Lost");
    end_daemon();
}

/* QEMU goes in the middle of one that somebody already wants once more: he is told, once. */
static void test_lost_when_wanted(void **state)
{
    const struct batch_observer observer = {.done = on_done};
    struct error why = ERROR_INIT;

    (void)state;
    launch();
    rig_run(&rig, has_changed, NULL);
    reconcile_request(reconcile, &observer);
    (void)error_set(&why, ERROR_DISCONNECTED, "", "gone");
    vm_jobs_abandon(jobs, &why);
    reconcile_detach(reconcile, "Absent", &why);
    assert_int_equal(dones, 1);
    assert_condition("Unknown", "Absent");
    vm_jobs_free(STEAL(jobs));
    reconcile_free(STEAL(reconcile));
}

/* A manifest that is none is said to be. */
static void test_nothing_stored(void **state)
{
    struct error error = ERROR_INIT;
    struct desired desired;

    (void)state;
    assert_int_equal(desired_open(&desired, true, &error), 0);
    assert_int_equal(desired_forget(&desired, "vm", &error), 0);
    desired_close(&desired);
    launch();
    assert_int_equal(await()->verdict, VERDICT_BLOCKED);
    assert_condition("False", "Blocked");
    rig_run(&rig, are_idle, NULL);
}

static void test_not_connected(void **state)
{
    const struct batch_observer observer = {.done = on_done};

    (void)state;
    reconcile = reconcile_new(&context, "vm");
    reconcile_request(reconcile, &observer);
    assert_int_equal(dones, 1);
    assert_int_equal(last.verdict, VERDICT_ERROR);
    assert_condition("Unknown", "Absent");
    reconcile_free(STEAL(reconcile));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_synchronized, begin, end),
        cmocka_unit_test_setup_teardown(test_asked_meanwhile, begin, end),
        cmocka_unit_test_setup_teardown(test_killed_anywhere, begin, end),
        cmocka_unit_test_setup_teardown(test_refused, begin, end),
        cmocka_unit_test_setup_teardown(test_lost, begin, end),
        cmocka_unit_test_setup_teardown(test_lost_when_wanted, begin, end),
        cmocka_unit_test_setup_teardown(test_nothing_stored, begin, end),
        cmocka_unit_test_setup_teardown(test_not_connected, begin, end),
    };

    return cmocka_run_group_tests_name("reconcile", tests, NULL, NULL);
}
