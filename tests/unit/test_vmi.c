/* SPDX-License-Identifier: MIT */
/* What is, in KubeVirt's words: each condition is there as long as its cause. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "manifest/vmi.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "tests/unit/manifest_rig.h"

#define VM "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nmetadata: {name: vm1}\n" \
           "spec: {template: {spec: "

static struct manifest_rig self;
static json_t *vmi; /* of the last look() */

static const json_t *look(void)
{
    json_decref(vmi);
    manifest_rig_plan(&self);
    vmi = vmi_json(&self.input, &self.plan);
    assert_non_null(vmi);
    return json_object_get(vmi, "status");
}

static int tear_down(void **state)
{
    (void)state;
    json_decref(vmi);
    vmi = NULL;
    manifest_rig_close(&self);
    return 0;
}

static const json_t *find(const json_t *status, const char *type)
{
    const json_t *condition;
    size_t i;

    json_array_foreach(json_object_get(status, "conditions"), i, condition) {
        if (strcmp(field_string(condition, "type", ""), type) == 0)
            return condition;
    }
    return NULL;
}

static const char *status_of(const json_t *status, const char *type)
{
    return field_string(find(status, type), "status", "absent");
}

static const char *message_of(const json_t *status, const char *type)
{
    return field_string(find(status, type), "message", "");
}

static void assert_has(const json_t *status, const char *wanted)
{
    AUTO_JSON json_t *value = fake_json(wanted);
    AUTO_FREE char *text = json_dumps(status, JSON_INDENT(2));

    if (!fake_json_has(status, value))
        fail_msg("%s\nhas not %s", text, wanted);
}

/* ---- conditions ---- */

static void test_nothing_to_do(void **state)
{
    const json_t *status;

    (void)state;
    manifest_rig_open(&self, sim_new(), true);
    manifest_rig_take(&self, VM "{domain: {cpu: {sockets: 2}}}}}\n");
    status = look();
    assert_string_equal(field_string(vmi, "kind", ""), "VirtualMachineInstance");
    assert_has(vmi, "{'metadata':{'name':'vm1'},'spec':{'domain':{'cpu':{'cores':1,'sockets':2,"
                    "'threads':1}}}}");
    assert_has(status, "{'phase':'Running',"
                       "'currentCPUTopology':{'cores':1,'sockets':2,'threads':1},"
                       "'memory':{'guestAtBoot':'256Mi','guestCurrent':'256Mi',"
                       "'guestRequested':'256Mi'},'machine':{'type':'pc-q35-7.2'}}");
    assert_string_equal(status_of(status, "Ready"), "True");
    assert_string_equal(status_of(status, "AgentConnected"), "True");
    assert_string_equal(status_of(status, "HotVCPUChange"), "absent");
    assert_string_equal(status_of(status, "HotMemoryChange"), "absent");
    assert_string_equal(status_of(status, "VolumesChange"), "absent");
    assert_string_equal(status_of(status, "RestartRequired"), "absent");
    assert_string_equal(status_of(status, "Paused"), "absent");
}

static void test_changes_come_and_go(void **state)
{
    const json_t *status;

    (void)state;
    manifest_rig_open(&self, sim_new(), true);
    manifest_rig_take(&self, VM "{domain: {cpu: {sockets: 3}, memory: {guest: 512Mi}}}}}\n");
    status = look();
    assert_string_equal(status_of(status, "HotVCPUChange"), "True");
    assert_string_equal(message_of(status, "HotVCPUChange"), "vCPUs 2 -> 3");
    assert_string_equal(status_of(status, "HotMemoryChange"), "True");
    assert_has(status, "{'currentCPUTopology':{'sockets':2},'memory':{'guestRequested':'512Mi',"
                       "'guestCurrent':'256Mi'}}");
    assert_true(verdict_is_success(manifest_rig_apply(&self)->verdict));
    status = look();
    assert_string_equal(status_of(status, "HotVCPUChange"), "absent");
    assert_string_equal(status_of(status, "HotMemoryChange"), "absent");
    assert_has(status, "{'currentCPUTopology':{'sockets':3},'memory':{'guestRequested':'512Mi',"
                       "'guestCurrent':'512Mi','guestAtBoot':'256Mi'}}");
}

static void test_restart_required(void **state)
{
    const json_t *status;

    (void)state;
    manifest_rig_open(&self, sim_new(), true);
    manifest_rig_take(&self, VM "{domain: {cpu: {sockets: 2, cores: 2}, memory: {guest: 9Gi}}}}}");
    status = look();
    assert_string_equal(status_of(status, "RestartRequired"), "True");
    assert_string_equal(message_of(status, "RestartRequired"),
                        "spec.template.spec.domain.memory.guest: 9Gi is more than maxHotplugRatio "
                        "allows: 1Gi; spec.template.spec.domain.cpu: this QEMU runs with 1 cores a "
                        "socket and 1 threads a core, not with 2 and 1, and only sockets can come "
                        "while it runs");
    manifest_rig_take(&self, VM "{domain: {cpu: {sockets: 2}}}}}\n");
    assert_string_equal(status_of(look(), "RestartRequired"), "absent");
    manifest_rig_take(&self, VM "{domain: {devices: {disks: [{name: x}]}}, volumes: [{name: x, "
                                "containerDisk: {image: i}}]}}}\n");
    assert_string_equal(status_of(look(), "RestartRequired"), "absent"); /* it would not help */
}

/* However many causes there are, each is named. */
static void test_many_causes(void **state)
{
    char disks[4096] = "", volumes[8192] = "";
    const char *message;
    size_t i, used = 0, more = 0;

    (void)state;
    manifest_rig_open(&self, sim_new(), true);
    for (i = 0; i < 40; i++) {
        used += (size_t)snprintf(disks + used, sizeof(disks) - used, "{name: disk-%zu},", i);
        more += (size_t)snprintf(volumes + more, sizeof(volumes) - more,
                                 "{name: disk-%zu, hostDisk: {path: /d%zu, type: Disk}},", i, i);
    }
    manifest_rig_take(&self, VM "{domain: {devices: {disks: [%s]}}, volumes: [%s]}}}\n", disks,
                      volumes);
    message = message_of(look(), "RestartRequired");
    assert_non_null(strstr(message, "volumes[0]: the volume 'disk-0' is not hotpluggable; "));
    assert_non_null(strstr(message, "volumes[39]: the volume 'disk-39' is not hotpluggable"));
}

static void test_agent_absent(void **state)
{
    const json_t *status;

    (void)state;
    manifest_rig_open(&self, sim_new(), false);
    manifest_rig_take(&self, VM "{domain: {}}}}\n");
    status = look();
    assert_string_equal(status_of(status, "AgentConnected"), "False");
    assert_string_not_equal(message_of(status, "AgentConnected"), "");
    assert_string_equal(status_of(status, "Ready"), "True");
    assert_has(status, "{'currentCPUTopology':{'sockets':2},'memory':{'guestCurrent':'256Mi'}}");
}

static void test_guest_has_less_than_qemu(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim_put_cpu(sim, "vmplug-cpu-2");
    sim->guest.vcpus[2].online = false;
    manifest_rig_open(&self, sim, true);
    manifest_rig_take(&self, VM "{domain: {cpu: {sockets: 3}}}}}\n");
    assert_has(look(), "{'currentCPUTopology':{'sockets':2}}");
    assert_string_equal(status_of(json_object_get(vmi, "status"), "HotVCPUChange"), "True");
}

static void test_paused(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim->run_state = "paused";
    manifest_rig_open(&self, sim, true);
    manifest_rig_take(&self, VM "{domain: {}}}}\n");
    assert_string_equal(status_of(look(), "Ready"), "False");
    assert_string_equal(status_of(json_object_get(vmi, "status"), "Paused"), "True");
}

/* ---- volumes ---- */

static const json_t *volume(const json_t *status, const char *name)
{
    const json_t *row;
    size_t i;

    json_array_foreach(json_object_get(status, "volumeStatus"), i, row) {
        if (strcmp(field_string(row, "name", ""), name) == 0)
            return row;
    }
    fail_msg("no volume %s", name);
    return NULL;
}

static void test_volumes(void **state)
{
    static const char both[] = VM
        "{domain: {devices: {disks: [{name: x}, {name: fix}, {name: drive, cdrom: {}}]}},\n"
        "volumes: [{name: x, persistentVolumeClaim: {claimName: c, hotpluggable: true}},\n"
        "{name: fix, hostDisk: {path: /nonexistent, type: Disk}}]}}}\n---\n"
        "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: pv}\n"
        "spec: {claimRef: {name: c}, hostPath: {path: '%s'}}\n";
    struct sim *sim = sim_new();
    const json_t *status;

    (void)state;
    sim_put_disk(sim, "vmplug-tmp-extra", "extra", 3);
    sim_put_disk(sim, "foreign", "foreign", 4);
    sim_put_cdrom(sim, "drive", NULL);
    manifest_rig_open(&self, sim, true);
    manifest_rig_take(&self, both, fake_file("c.img", "image", 5));
    status = look();
    assert_has(volume(status, "x"), "{'phase':'Pending','target':'','hotplugVolume':{},"
                                    "'persistentVolumeClaimInfo':{'claimName':'c'}}");
    assert_has(volume(status, "fix"), "{'phase':'Pending','reason':'Blocked','message':"
                                      "'the volume \\u0027fix\\u0027 is not hotpluggable'}");
    assert_has(volume(status, "extra"), "{'phase':'Ready','hotplugVolume':{}}");
    assert_has(volume(status, "drive"), "{'phase':'Ready'}");
    assert_int_equal(json_array_size(json_object_get(status, "volumeStatus")), 4);
    (void)manifest_rig_apply(&self);
    status = look();
    assert_has(volume(status, "x"), "{'phase':'Ready','target':'sdc'}");
    manifest_rig_take(&self, VM "{domain: {devices: {disks: []}}, volumes: []}}}\n");
    assert_has(volume(look(), "x"), "{'phase':'Detaching'}");
    assert_string_equal(status_of(json_object_get(vmi, "status"), "VolumesChange"), "True");
}

/* ---- the VirtualMachine ---- */

static void test_vm(void **state)
{
    AUTO_JSON json_t *object = fake_json("{'metadata':{'name':'vm1'},'status':{'old':1}}");
    AUTO_JSON json_t *stopped = vmi_json_vm(object, NULL, NULL, "it is off");
    AUTO_JSON json_t *running = NULL;
    const json_t *status = json_object_get(stopped, "status");

    (void)state;
    assert_has(status, "{'created':false,'ready':false,'printableStatus':'Stopped'}");
    assert_null(json_object_get(status, "old"));
    assert_string_equal(status_of(status, "Ready"), "False");
    assert_string_equal(message_of(status, "Ready"), "it is off");
    manifest_rig_open(&self, sim_new(), true);
    manifest_rig_take(&self, VM "{domain: {cpu: {sockets: 9}}}}}\n");
    (void)look();
    running = vmi_json_vm(object, &self.input, &self.plan, NULL);
    status = json_object_get(running, "status");
    assert_has(status, "{'created':true,'ready':true,'printableStatus':'Running'}");
    assert_string_equal(status_of(status, "RestartRequired"), "True");
}

static void test_printable(void **state)
{
    (void)state;
    assert_string_equal(vmi_printable_status(NULL), "Stopped");
    assert_string_equal(vmi_printable_status("running"), "Running");
    assert_string_equal(vmi_printable_status("paused"), "Paused");
    assert_string_equal(vmi_printable_status("inmigrate"), "Migrating");
    assert_string_equal(vmi_printable_status("prelaunch"), "Starting");
    assert_string_equal(vmi_printable_status("guest-panicked"), "Crashed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_nothing_to_do, tear_down),
        cmocka_unit_test_teardown(test_changes_come_and_go, tear_down),
        cmocka_unit_test_teardown(test_restart_required, tear_down),
        cmocka_unit_test_teardown(test_many_causes, tear_down),
        cmocka_unit_test_teardown(test_agent_absent, tear_down),
        cmocka_unit_test_teardown(test_guest_has_less_than_qemu, tear_down),
        cmocka_unit_test_teardown(test_paused, tear_down),
        cmocka_unit_test_teardown(test_volumes, tear_down),
        cmocka_unit_test_teardown(test_vm, tear_down),
        cmocka_unit_test(test_printable),
    };

    return cmocka_run_group_tests_name("vmi", tests, NULL, NULL);
}
