/* SPDX-License-Identifier: MIT */
/* What is read of a VirtualMachine, and of a KubeVirt object; what is wrong has its place, and what
 * is not acted on is noted once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "manifest/cluster.h"
#include "manifest/virtual_machine.h"
#include "manifest/yaml_read.h"

#define SPEC "spec: {template: {spec: {"
#define END "}}}"
#define DISKS(disks, volumes) \
    SPEC "domain: {devices: {disks: [" disks "]}}, volumes: [" volumes "]" END
#define CLAIM(name) "{name: " name ", persistentVolumeClaim: {claimName: c}}"
#define LONGEST "a23456789-123456789-123456789-123456789-123456789-123456789-123"

static struct document document;
static struct virtual_machine vm;
static struct notes notes;
static struct error error;

static int clean(void **state)
{
    (void)state;
    virtual_machine_free(&vm);
    document_free(&document);
    notes_free(&notes);
    error = (struct error)ERROR_INIT;
    return 0;
}

static int read_text(const char *text, bool whole)
{
    (void)clean(NULL);
    if (yaml_read_value(&document, "vm.yaml", text, strlen(text), &error) < 0)
        fail_msg("%s", error.why);
    return virtual_machine_read(&vm, &document, whole, &notes, &error);
}

static void read_good(const char *text)
{
    if (read_text(text, true) < 0)
        fail_msg("%s: %s", text, error.why);
    assert_int_equal(notes.count, 0);
}

/* ---- what is read ---- */

static void test_nothing_said(void **state)
{
    (void)state;
    read_good("metadata: {name: vm1}");
    assert_string_equal(vm.name, "vm1");
    assert_false(vm.cpu.given || vm.volumes_given || vm.run_given || vm.grace_given || vm.efi);
    assert_int_equal(virtual_machine_vcpus(&vm), 1);
    assert_int_equal(vm.memory.guest_bytes, 0);
    assert_null(vm.memory.path);
    assert_null(virtual_machine_find(&vm, "x"));
    assert_int_equal(read_text("spec:", true), 0);
}

static void test_all_said(void **state)
{
    (void)state;
    read_good("metadata:\n"
              "  name: vm1\n"
              "  labels: {a: b}\n"
              "  annotations: {vmplug/qmp-socket: /q, vmplug/agent-socket: /a, vmplug/kernel: /k,\n"
              "    vmplug/api-socket: /c,\n"
              "    vmplug/initrd: /i, vmplug/cmdline: quiet, vmplug/accel: tcg, vmplug/qemu: /e,\n"
              "    other/one: 5}\n"
              "spec:\n"
              "  runStrategy: Once\n"
              "  updateVolumesStrategy: Replacement\n"
              "  template:\n"
              "    metadata: {}\n"
              "    spec:\n"
              "      architecture: amd64\n"
              "      terminationGracePeriodSeconds: 0\n"
              "      domain:\n"
              "        cpu: {sockets: 2, cores: 3, threads: 4, maxSockets: 8, model: host-model}\n"
              "        memory: {guest: 1Gi, maxGuest: 4Gi, hugepages: {pageSize: 2Mi}}\n"
              "        resources: {requests: {memory: 2Gi}, limits: {memory: 3Gi}}\n"
              "        machine: {type: q35}\n"
              "        firmware: {uuid: u, bootloader: {efi: {secureBoot: false}}}\n");
    assert_string_equal(vm.qmp_path, "/q");
    assert_string_equal(vm.api_path, "/c");
    assert_string_equal(vm.agent_path, "/a");
    assert_string_equal(vm.kernel, "/k");
    assert_string_equal(vm.initrd, "/i");
    assert_string_equal(vm.cmdline, "quiet");
    assert_string_equal(vm.accel, "tcg");
    assert_string_equal(vm.qemu, "/e");
    assert_int_equal(vm.run_strategy, RUN_ONCE);
    assert_true(vm.run_given && vm.cpu.given && vm.grace_given && vm.efi);
    assert_false(vm.secure_boot || vm.volumes_given);
    assert_int_equal(vm.grace_seconds, 0);
    assert_int_equal(virtual_machine_vcpus(&vm), 24);
    assert_int_equal(vm.cpu.max_sockets, 8);
    assert_string_equal(vm.cpu.model, "host-model");
    assert_int_equal(vm.memory.guest_bytes, 1 << 30);
    assert_int_equal(vm.memory.max_guest_bytes, UINT64_C(4) << 30);
    assert_int_equal(vm.memory.hugepage_bytes, 2 << 20);
    assert_string_equal(vm.memory.path, "spec.template.spec.domain.memory.guest");
    assert_string_equal(vm.machine, "q35");
    assert_string_equal(vm.architecture, "amd64");
    assert_string_equal(vm.uuid, "u");
}

static void test_memory_comes_from(void **state)
{
    (void)state;
    read_good(SPEC "domain: {resources: {requests: {memory: 2Gi}, limits: {memory: 3Gi}}}" END);
    assert_int_equal(vm.memory.guest_bytes, UINT64_C(2) << 30);
    assert_string_equal(vm.memory.path, "spec.template.spec.domain.resources.requests.memory");
    read_good(SPEC "domain: {resources: {limits: {memory: 3G}}}" END);
    assert_int_equal(vm.memory.guest_bytes, UINT64_C(3000000000));
    assert_string_equal(vm.memory.path, "spec.template.spec.domain.resources.limits.memory");
}

static void test_run_strategies(void **state)
{
    (void)state;
    read_good("spec: {running: true}");
    assert_int_equal(vm.run_strategy, RUN_ALWAYS);
    assert_true(vm.run_given);
    read_good("spec: {running: false}");
    assert_int_equal(vm.run_strategy, RUN_HALTED);
    read_good("spec: {runStrategy: RerunOnFailure}");
    assert_int_equal(vm.run_strategy, RUN_RERUN_ON_FAILURE);
}

static void test_volumes(void **state)
{
    const struct volume *volume;

    (void)state;
    read_good(DISKS("{name: a, disk: {bus: virtio, readonly: true}, serial: S1, bootOrder: 1, "
                    "cache: none, io: native},"
                    "{name: b}, {name: c, lun: {bus: scsi}}, {name: d, cdrom: {bus: sata, tray: "
                    "open}}, {name: e, cdrom: {readonly: false}}, {name: f}, {name: g}, {name: h}",
                    "{name: h, containerDisk: {image: i}},"
                    "{name: g, emptyDisk: {capacity: 1Gi}},"
                    "{name: f, hostDisk: {path: /f.img, type: DiskOrCreate, capacity: 2Gi}},"
                    "{name: c, dataVolume: {name: dv, hotpluggable: true}},"
                    "{name: b, persistentVolumeClaim: {claimName: pb, readOnly: true}},"
                    "{name: a, persistentVolumeClaim: {claimName: pa, hotpluggable: true, "
                    "readOnly: false}}, {name: e, dataVolume: {name: de}}"));
    assert_true(vm.volumes_given);
    assert_int_equal(vm.volume_count, 8);
    volume = virtual_machine_find(&vm, "a");
    assert_int_equal(volume->device, VOLUME_DISK);
    assert_string_equal(volume->bus, "virtio");
    assert_string_equal(volume->serial, "S1");
    assert_string_equal(volume->cache, "none");
    assert_string_equal(volume->io, "native");
    assert_int_equal(volume->boot_order, 1);
    assert_true(volume->read_only && volume->hotpluggable); /* one of the two says so */
    assert_int_equal(volume->source, VOLUME_CLAIM);
    assert_string_equal(volume->source_name, "pa");
    assert_string_equal(volume->disk_path, "spec.template.spec.domain.devices.disks[0]");
    assert_string_equal(volume->volume_path, "spec.template.spec.volumes[5]");
    volume = virtual_machine_find(&vm, "b");
    assert_true(volume->read_only && !volume->hotpluggable && volume->bus == NULL);
    volume = virtual_machine_find(&vm, "c");
    assert_true(volume->device == VOLUME_LUN && volume->source == VOLUME_DATA_VOLUME);
    volume = virtual_machine_find(&vm, "d");
    assert_true(volume->device == VOLUME_CDROM && volume->read_only);
    assert_int_equal(volume->source, VOLUME_NO_MEDIUM);
    assert_true(virtual_machine_find(&vm, "e")->read_only); /* of a CD-ROM always */
    volume = virtual_machine_find(&vm, "f");
    assert_true(volume->source == VOLUME_HOST_DISK && volume->may_make);
    assert_int_equal(volume->capacity_bytes, UINT64_C(2) << 30);
    volume = virtual_machine_find(&vm, "g");
    assert_int_equal(volume->source, VOLUME_EMPTY_DISK);
    volume = virtual_machine_find(&vm, "h");
    assert_int_equal(volume->source, VOLUME_REFUSED);
    assert_string_equal(volume->refusal, "containerDisk");
    read_good(DISKS("{name: " LONGEST "}", CLAIM(LONGEST)));
    read_good(DISKS("", ""));
    assert_true(vm.volumes_given && vm.volume_count == 0);
}

/* A part may speak of one of the two. */
static void test_part(void **state)
{
    static const char *const parts[] = {
        SPEC "domain: {devices: {disks: [{name: a}]}}" END,
        SPEC "volumes: [" CLAIM("a") "]" END,
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(parts); i++) {
        assert_int_equal(read_text(parts[i], false), 0);
        assert_int_equal(read_text(parts[i], true), -1);
    }
    assert_int_equal(read_text(DISKS("{name: a}", CLAIM("b")), false), -1);
}

/* ---- what is wrong ---- */

static void test_refused(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {SPEC "domain:\n  {cpu: {sockets: two}}" END,
         "vm.yaml:2:19: spec.template.spec.domain.cpu.sockets: must be a whole number from 1 to "
         "512, not \"two\""},
        {SPEC "domain: {cpu: {cores: 0}}" END, "cpu.cores: must be a whole number from 1 to 512"},
        {SPEC "domain: {cpu: {maxSockets: 513}}" END, "must be a whole number from 1 to 512"},
        {SPEC "domain: {cpu: {sockets: 512, cores: 512, threads: 512}}" END,
         "cpu: 512 sockets x 512 cores x 512 threads are more than 512 vCPUs"},
        {SPEC "domain: {memory: {guest: 0}}" END, "memory.guest: must be more than 0"},
        {SPEC "domain: {memory: {maxGuest: 0Gi}}" END, "memory.maxGuest: must be more than 0"},
        {SPEC "domain: {memory: {guest: 9Ei}}" END, "memory.guest: "},
        {SPEC "domain: {memory: {guest: 9E}}" END, "memory.guest: must be at most 4Pi"},
        {SPEC "domain: {memory: {maxGuest: 9E}}" END, "memory.maxGuest: must be at most 4Pi"},
        {SPEC "domain: {memory: {guest: -1}}" END, "memory.guest: "},
        {SPEC "domain: {memory: {guest: 1Gi}, resources: {requests: {memory: x}}}" END,
         "resources.requests.memory: "},
        {SPEC "domain: {devices: {disks: {a: {name: x}, b: {name: z}}}}" END,
         "devices.disks: must be a list, not an object"},
        {SPEC "domain: {devices: {disks: [{name: x}]}}, volumes: {name: x}" END,
         "volumes: must be a list, not an object"},
        {DISKS("{name: ../../x}", CLAIM("../../x")), "disks[0].name: '../../x' is no name for a"},
        {DISKS("{name: \"\"}", ""), "disks[0].name: '' is no name for a volume"},
        {DISKS("{name: 'a,b'}", ""), "'a,b' is no name for a volume"},
        {DISKS("{name: " LONGEST "4}", ""), "is no name for a volume"},
        {DISKS("{}", ""), "disks[0].name: is missing"},
        {DISKS("5", ""), "disks[0]: must be an object, not 5"},
        {DISKS("{name: a}, {name: a}", CLAIM("a")), "disks[1].name: there are two disks 'a'"},
        {DISKS("{name: a}", CLAIM("a") "," CLAIM("a")), "volumes[1].name: there are two volumes"},
        {DISKS("{name: a}", ""), "disks[0]: the disk 'a' has no volume"},
        {DISKS("", CLAIM("a")), "volumes[0].name: no disk uses the volume 'a'"},
        {DISKS("{name: a}", "{name: a}"), "volumes[0]: the volume 'a' has no source"},
        {DISKS("{name: a}", "{name: a, dataVolume: {name: d}, emptyDisk: {capacity: 1}}"),
         "volumes[0].emptyDisk: a volume has one source"},
        {DISKS("{name: a}", "{name: a, dataVolume: }"), "volumes[0].dataVolume.name: is missing"},
        {DISKS("{name: a, disk: {}, cdrom: {}}", CLAIM("a")), "it can't be several kinds"},
        {DISKS("{name: a, cdrom: {bus: virtio}}", ""), "there is no CD-ROM drive for virtio"},
        {DISKS("{name: a, disk: {bus: ide}}", CLAIM("a")),
         "disk.bus: must be scsi, virtio or sata"},
        {DISKS("{name: a, serial: 'a b'}", CLAIM("a")), "serial: 'a b' is no serial"},
        {DISKS("{name: a, serial: a234567890123456789012345678901234567}", CLAIM("a")),
         "' is no serial, which has 1 to 36 characters"},
        {DISKS("{name: a}", "{name: a, hostDisk: {path: x, type: Disk}}"), "an absolute path"},
        {DISKS("{name: a}", "{name: a, hostDisk: {path: /x}}"), "hostDisk.type: is missing"},
        {DISKS("{name: a}", "{name: a, hostDisk: {path: /x, type: DiskOrCreate}}"),
         "a disk that may have to be made has a size"},
        {DISKS("{name: a}", "{name: a, emptyDisk: {capacity: 0}}"), "must be more than 0"},
        {SPEC "devices: {disks: []}" END,
         "spec.template.spec.devices: devices belong to the domain"},
        {"spec: {running: true, runStrategy: Always}", "exclude each other"},
        {"metadata: {annotations: {vmplug/kernel: [1]}}", "must be a string, not a list"},
        {"metadata: {annotations: []}", "metadata.annotations: must be an object"},
        {"[]", "must be an object"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(rows); i++) {
        if (read_text(rows[i].text, true) == 0 || strstr(error.why, rows[i].why) == NULL)
            fail_msg("%s: %s", rows[i].text, error.why);
        assert_int_equal(error.code, ERROR_INVALID);
        assert_int_equal(strncmp(error.why, "vm.yaml:", 8), 0);
    }
}

/* ---- what is noted ---- */

static void test_noted_once(void **state)
{
    static const char text[] = "sepc: 1\n"
                               "metadata: {labels: {}}\n"
                               "spec:\n"
                               "  dataVolumeTemplates: []\n"
                               "  template:\n"
                               "    spec:\n"
                               "      networks: []\n"
                               "      domain:\n"
                               "        clock: {}\n"
                               "        memory: {hugepages: {x: 1}}\n"
                               "        resources: {requests: {cpu: 1}}\n"
                               "        devices: {interfaces: [], disks: [{name: a, tag: t, disk: "
                               "{pciAddress: p}}]}\n"
                               "      volumes: [{name: a, persistentVolumeClaim: {claimName: c, "
                               "x: 1}}]\n";
    static const char *const expected[] = {
        "1:1: sepc", "4:3: spec.dataVolumeTemplates", "7:7: spec.template.spec.networks",
        "9:9: spec.template.spec.domain.clock",
        "10:30: spec.template.spec.domain.memory.hugepages.x",
        "11:32: spec.template.spec.domain.resources.requests.cpu",
        "12:19: spec.template.spec.domain.devices.interfaces",
        "spec.template.spec.domain.devices.disks[0].tag",
        "spec.template.spec.domain.devices.disks[0].disk.pciAddress",
        "spec.template.spec.volumes[0].persistentVolumeClaim.x",
    };
    size_t i, j;

    (void)state;
    assert_int_equal(read_text(text, true), 0);
    assert_int_equal(notes.count, COUNT_OF(expected));
    for (i = 0; i < COUNT_OF(expected); i++) {
        for (j = 0; j < notes.count && strstr(notes.lines[j], expected[i]) == NULL; j++)
            continue;
        if (j == notes.count)
            fail_msg("%s is not noted", expected[i]);
        assert_non_null(strstr(notes.lines[j], " is kept, and not acted on"));
    }
    /* Again, and nothing is said twice. */
    virtual_machine_free(&vm);
    assert_int_equal(virtual_machine_read(&vm, &document, true, &notes, &error), 0);
    assert_int_equal(notes.count, COUNT_OF(expected));
}

static void test_many_notes(void **state)
{
    size_t i;

    (void)state;
    (void)clean(NULL);
    for (i = 0; i < NOTES_MAX + 5; i++)
        notes_add(&notes, "line %zu\n", i);
    assert_int_equal(notes.count, NOTES_MAX);
    assert_int_equal(notes.dropped, 5);
    assert_string_equal(notes.lines[0], "line 0?"); /* one line each */
}

/* ---- the cluster ---- */

static int read_cluster(const char *text, struct cluster *cluster)
{
    (void)clean(NULL);
    *cluster = (struct cluster)CLUSTER_INIT;
    assert_int_equal(yaml_read_value(&document, "kv.yaml", text, strlen(text), &error), 0);
    return cluster_read(cluster, &document, &notes, &error);
}

#define CONFIGURATION(inner) "spec: {configuration: {" inner "}}"
#define LIVE(inner) CONFIGURATION("liveUpdateConfiguration: {" inner "}")
#define DEVELOPER(inner) CONFIGURATION("developerConfiguration: {" inner "}")

static void test_cluster(void **state)
{
    static const struct {
        const char *text, *why;
    } bad[] = {
        {LIVE("maxCpuSockets: 0"), "maxCpuSockets: must be a whole number"},
        {LIVE("maxGuest: much"), "liveUpdateConfiguration.maxGuest: "},
        {LIVE("maxGuest: 0"), "maxGuest: must be more than 0"},
        {LIVE("maxHotplugRatio: 1000"), "maxHotplugRatio: must be a whole number from 1 to 512"},
        {CONFIGURATION("vmRolloutStrategy: Now"), "must be LiveUpdate or Stage, not \"Now\""},
        {DEVELOPER("featureGates: CPUHotplug"), "featureGates: must be a list"},
        {DEVELOPER("featureGates: [1]"), "featureGates[0]: must be a string"},
        {DEVELOPER("disabledFeatureGates: {}"), "disabledFeatureGates: must be a list"},
        {DEVELOPER("disabledFeatureGates: [[]]"), "disabledFeatureGates[0]: must be a string"},
    };
    struct cluster cluster;
    size_t i;

    (void)state;
    assert_int_equal(read_cluster("spec: {workloadUpdateStrategy: {}}", &cluster), 0);
    assert_int_equal(notes.count, 0);
    assert_true(cluster.ratio == 4 && !cluster.staged && cluster.max_sockets == 0);
    assert_int_equal(read_cluster(LIVE("maxCpuSockets: 8, maxGuest: 8Gi, maxHotplugRatio: 2"),
                                  &cluster), 0);
    assert_true(cluster.ratio == 2 && cluster.max_sockets == 8 &&
                cluster.max_guest_bytes == UINT64_C(8) << 30);
    assert_int_equal(read_cluster(DEVELOPER("featureGates: [LiveMigration], disabledFeatureGates: "
                                            "[LiveUpdate, Other]"), &cluster), 0);
    assert_string_equal(cluster.closed[GATE_CPU], "LiveUpdate");
    assert_string_equal(cluster.closed[GATE_MEMORY], "LiveUpdate");
    assert_null(cluster.closed[GATE_VOLUMES]);
    assert_int_equal(read_cluster(CONFIGURATION("vmRolloutStrategy: Stage, network: {}"), &cluster),
                     0);
    assert_true(cluster.staged && notes.count == 1);
    for (i = 0; i < COUNT_OF(bad); i++) {
        if (read_cluster(bad[i].text, &cluster) == 0 || strstr(error.why, bad[i].why) == NULL ||
            strncmp(error.why, "kv.yaml:1:", 10) != 0)
            fail_msg("%s: %s", bad[i].text, error.why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_nothing_said, clean),
        cmocka_unit_test_teardown(test_all_said, clean),
        cmocka_unit_test_teardown(test_memory_comes_from, clean),
        cmocka_unit_test_teardown(test_run_strategies, clean),
        cmocka_unit_test_teardown(test_volumes, clean),
        cmocka_unit_test_teardown(test_part, clean),
        cmocka_unit_test_teardown(test_refused, clean),
        cmocka_unit_test_teardown(test_noted_once, clean),
        cmocka_unit_test_teardown(test_many_notes, clean),
        cmocka_unit_test_teardown(test_cluster, clean),
    };

    return cmocka_run_group_tests_name("virtual_machine", tests, NULL, NULL);
}
