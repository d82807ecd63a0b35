/* SPDX-License-Identifier: MIT */
/* A plan is carried out on a simulated machine: in its order, past what fails, and, interrupted
 * wherever it may be, to the manifest's end by the next one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "tests/unit/manifest_rig.h"

#define VM(domain, volumes) \
    "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nspec: {template: {spec: {domain: {" domain \
    "}, volumes: [" volumes "]}}}\n"
#define CPU_ONLY(sockets) \
    "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nspec: {template: {spec: {domain: {cpu: {" \
    sockets "}}}}}\n"
#define CLAIM(name, claim) \
    "{name: " name ", persistentVolumeClaim: {claimName: " claim ", hotpluggable: true}}"
#define PV(name, path) "---\napiVersion: v1\nkind: PersistentVolume\nmetadata: {name: pv-" name \
                       "}\nspec: {claimRef: {name: " name "}, hostPath: {path: '" path "'}}\n"

static struct manifest_rig self;
static char files[3][512];

#define take(manifest) \
    manifest_rig_take(&self, manifest PV("a", "%s") PV("b", "%s") PV("c", "%s") \
                      PV("none", "/nonexistent/disk.img"), files[0], files[1], files[2])

static int set_up(void **state)
{
    static const char bytes[4096] = "image";
    static const char *const names[] = {"a.img", "b.img", "c.img"};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(files); i++)
        (void)snprintf(files[i], sizeof(files[i]), "%s", fake_file(names[i], bytes, sizeof(bytes)));
    return 0;
}

static struct sim *new_sim(void)
{
    struct sim *sim = sim_new();

    sim->kvm = true;
    sim->cpu_count = 8;
    sim_put_cdrom(sim, "drive", NULL);
    (void)sim_put_port(sim, "pcie-root-port", "/machine/peripheral/port1", "port1");
    (void)sim_put_port(sim, "pcie-root-port", "/machine/peripheral/port2", "port2");
    return sim;
}

static void assert_ended(enum verdict verdict, uint64_t done, uint64_t asked)
{
    const struct batch_result *result = &self.rig.batch_result;

    if (result->verdict != verdict || result->done != done || result->asked != asked)
        fail_msg("%s, %ju of %ju: %s", verdict_name(result->verdict), (uintmax_t)result->done,
                 (uintmax_t)result->asked, result->error.why);
    assert_true(result->summary);
    assert_true((result->error.code == ERROR_NONE) == verdict_is_success(verdict));
}

static void plan_and_apply(void)
{
    manifest_rig_plan(&self);
    (void)manifest_rig_apply(&self);
}

/* ---- all goes well ---- */

static void test_in_order(void **state)
{
    (void)state;
    manifest_rig_open(&self, new_sim(), true);
    take(VM("cpu: {sockets: 4}, memory: {guest: 512Mi}, devices: {disks: [{name: x}]}",
            CLAIM("x", "a")));
    plan_and_apply();
    assert_ended(VERDICT_ONLINE, 4, 4);
    assert_string_equal(self.rig.ids[0], "vmplug-mem-0");
    assert_string_equal(self.rig.ids[1], "vmplug-cpu-2");
    assert_string_equal(self.rig.ids[2], "vmplug-cpu-3");
    assert_string_equal(self.rig.ids[3], "vmplug-vol-x");
    plan_and_apply();
    assert_ended(VERDICT_DONE, 0, 0); /* nothing was left to do */
    assert_int_equal(self.rig.results, 0);
    take(VM("cpu: {sockets: 5}, devices: {disks: []}", ""));
    plan_and_apply();
    assert_ended(VERDICT_DONE, 2, 2); /* one is online and one is removed */
    manifest_rig_close(&self);
}

static void test_least_proved_speaks_for_all(void **state)
{
    (void)state;
    manifest_rig_open(&self, new_sim(), false);
    take(CPU_ONLY("sockets: 3"));
    plan_and_apply();
    assert_ended(VERDICT_UNCONFIRMED, 1, 1);
    take(VM("cpu: {sockets: 2}, memory: {guest: 256Mi}, devices: {disks: [{name: x}]}",
            CLAIM("x", "a")));
    plan_and_apply();
    assert_ended(VERDICT_UNCONFIRMED, 2, 2);
    assert_string_equal(self.rig.batch_result.missing, "agent");
    manifest_rig_close(&self);
}

static void test_dry_run(void **state)
{
    const struct operation_request pattern = {.timeout_ms = RIG_TIMEOUT_MS, .dry_run = true};
    struct batch_observer observer;
    unsigned changes;

    (void)state;
    manifest_rig_open(&self, new_sim(), true);
    take(VM("devices: {disks: [{name: x}]}", CLAIM("x", "a")));
    plan_and_apply();
    changes = sim_changes(self.rig.sim);
    take(VM("cpu: {sockets: 4}, devices: {disks: [{name: x}]}", CLAIM("x", "b")));
    manifest_rig_plan(&self);
    observer = rig_observer(&self.rig);
    apply_free(self.apply);
    self.apply = apply_start(self.rig.vm, &self.plan, &pattern, &observer, NULL);
    (void)rig_await_batch(&self.rig);
    assert_ended(VERDICT_DONE, 4, 4);
    assert_int_equal(sim_changes(self.rig.sim), changes);
    manifest_rig_close(&self);
}

/* ---- something fails ---- */

static void test_others_go_on(void **state)
{
    (void)state;
    manifest_rig_open(&self, new_sim(), true);
    take(VM("cpu: {sockets: 3}, devices: {disks: [{name: x}, {name: v}, {name: z}]}",
            CLAIM("x", "a") "," CLAIM("v", "none") "," CLAIM("z", "b")));
    plan_and_apply();
    assert_ended(VERDICT_PARTIAL, 3, 4);
    assert_non_null(strstr(self.rig.batch_result.error.why, "/nonexistent/disk.img"));
    assert_non_null(sim_find_disk(self.rig.sim, "vmplug-vol-z"));
    manifest_rig_expect(&self, "disk v in\n");
    (void)manifest_rig_apply(&self);
    assert_ended(VERDICT_BLOCKED, 0, 1); /* alone, its own verdict */
    manifest_rig_close(&self);
}

/* What needs the place of another one waits for it. */
static void test_what_depends_is_not_tried(void **state)
{
    (void)state;
    manifest_rig_open(&self, new_sim(), true);
    take(VM("devices: {disks: [{name: x, disk: {bus: virtio}}]}", CLAIM("x", "a")));
    plan_and_apply();
    assert_ended(VERDICT_ONLINE, 1, 1);
    self.rig.sim->guest.ignores_eject = true;
    take(VM("devices: {disks: [{name: x, disk: {bus: virtio}}, {name: z}]}",
            CLAIM("x", "b") "," CLAIM("z", "c")));
    manifest_rig_expect(&self, "disk x out\ndisk x in\ndisk z in\n");
    (void)manifest_rig_apply(&self);
    assert_ended(VERDICT_PARTIAL, 1, 3);
    assert_int_equal(self.rig.results, 2);
    assert_int_equal(self.rig.verdicts[0], VERDICT_PENDING);
    assert_int_equal(self.rig.verdicts[1], VERDICT_ONLINE);
    self.rig.sim->guest.ignores_eject = false;
    plan_and_apply();
    assert_true(verdict_is_success(self.rig.batch_result.verdict));
    manifest_rig_expect(&self, "");
    assert_string_equal(sim_find_disk(self.rig.sim, "vmplug-vol-x")->file, files[1]);
    manifest_rig_close(&self);
}

static void test_blocked(void **state)
{
    (void)state;
    manifest_rig_open(&self, new_sim(), true);
    take(CPU_ONLY("sockets: 9"));
    plan_and_apply();
    assert_ended(VERDICT_BLOCKED, 0, 1);
    take(VM("cpu: {sockets: 3}, memory: {guest: 1Mi}, devices: {disks: [{name: q, cdrom: {}}]}",
            ""));
    plan_and_apply();
    assert_ended(VERDICT_BLOCKED, 1, 3);
    assert_non_null(strstr(self.rig.batch_result.error.why, "no CD-ROM drive 'q'"));
    manifest_rig_close(&self);
}

static void die(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    (void)user;
    if (side == SIM_QMP && strcmp(command, "device_add") == 0)
        sim_die(sim);
}

static void test_lost(void **state)
{
    (void)state;
    manifest_rig_open(&self, new_sim(), true);
    take(VM("cpu: {sockets: 4}, memory: {guest: 512Mi}, devices: {disks: [{name: x}]}",
            CLAIM("x", "a")));
    manifest_rig_plan(&self);
    self.rig.sim->on_command = die;
    (void)manifest_rig_apply(&self);
    assert_ended(VERDICT_LOST, 0, 4); /* with those that were not tried any more */
    assert_int_equal(self.rig.results, 1);
    manifest_rig_close(&self);
}

/* ---- interrupted ---- */

struct interruption {
    unsigned at, seen;
    bool done;
};

static void interrupt(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    struct interruption *interruption = user;

    (void)sim;
    (void)side;
    (void)command;
    if (interruption->seen++ != interruption->at)
        return;
    interruption->done = true;
    apply_interrupt(self.apply);
}

/* From x: a, v: b, 3 sockets, 512 MiB and a medium to all of it otherwise. */
static void begin(void)
{
    manifest_rig_open(&self, new_sim(), true);
    take(VM("cpu: {sockets: 3}, memory: {guest: 512Mi}, devices: {disks: [{name: x, disk: {bus: "
            "virtio}}, {name: v}, {name: drive, cdrom: {}}]}",
            CLAIM("x", "a") "," CLAIM("v", "b") "," CLAIM("drive", "c")));
    plan_and_apply();
    manifest_rig_expect(&self, "");
    take(VM("cpu: {sockets: 4}, memory: {guest: 256Mi}, devices: {disks: [{name: x, disk: {bus: "
            "virtio}}, {name: z}, {name: drive, cdrom: {}}]}",
            CLAIM("x", "b") "," CLAIM("z", "c")));
    manifest_rig_expect(&self, "vCPUs 3 -> 4\nmedium of drive out\ndisk v out\ndisk x out\n"
                               "disk x in\ndisk z in\nmemory 512Mi -> 256Mi\n");
}

static bool interrupt_at(unsigned at)
{
    struct interruption interruption = {.at = at};

    begin();
    self.rig.sim->on_command = interrupt;
    self.rig.sim->user = &interruption;
    (void)manifest_rig_apply(&self);
    self.rig.sim->on_command = NULL;
    if (interruption.done && !verdict_is_success(self.rig.batch_result.verdict)) {
        assert_int_equal(self.rig.batch_result.verdict, VERDICT_INTERRUPTED);
        assert_true(self.rig.batch_result.asked >= 7);
    }
    manifest_rig_reopen(&self);
    plan_and_apply();
    if (!verdict_is_success(self.rig.batch_result.verdict))
        fail_msg("interrupted at %u, then %s: %s", at,
                 verdict_name(self.rig.batch_result.verdict), self.rig.batch_result.error.why);
    manifest_rig_expect(&self, "");
    manifest_rig_close(&self);
    return interruption.done;
}

/* At each message in turn: the next apply brings it to the manifest's end. */
static void test_interrupted_anywhere(void **state)
{
    unsigned at;

    (void)state;
    for (at = 0; interrupt_at(at); at++)
        continue;
    assert_true(at > 50);
}

/* Before anything has begun, and in the end. */
static void test_interrupted_between(void **state)
{
    const struct operation_request pattern = {.timeout_ms = RIG_TIMEOUT_MS};
    struct batch_observer observer;

    (void)state;
    begin();
    observer = rig_observer(&self.rig);
    apply_free(self.apply);
    self.apply = apply_start(self.rig.vm, &self.plan, &pattern, &observer, NULL);
    apply_interrupt(self.apply);
    (void)rig_await_batch(&self.rig);
    assert_ended(VERDICT_INTERRUPTED, 0, 7);
    assert_int_equal(self.rig.results, 0);
    manifest_rig_close(&self);
    apply_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_in_order, set_up),
        cmocka_unit_test_setup(test_least_proved_speaks_for_all, set_up),
        cmocka_unit_test_setup(test_dry_run, set_up),
        cmocka_unit_test_setup(test_others_go_on, set_up),
        cmocka_unit_test_setup(test_what_depends_is_not_tried, set_up),
        cmocka_unit_test_setup(test_blocked, set_up),
        cmocka_unit_test_setup(test_lost, set_up),
        cmocka_unit_test_setup(test_interrupted_anywhere, set_up),
        cmocka_unit_test_setup(test_interrupted_between, set_up),
    };

    return cmocka_run_group_tests_name("apply", tests, NULL, NULL);
}
