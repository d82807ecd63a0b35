/* SPDX-License-Identifier: MIT */
/* From a manifest and a simulated machine to what is planned; what is planned is carried out, and
 * then nothing is left to plan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "qmp/codec.h"
#include "tests/unit/manifest_rig.h"

#define VM "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nmetadata: {name: vm1}\nspec:\n" \
           "  template:\n    spec:\n"
#define CPU(inner) VM "      domain: {cpu: {" inner "}}\n"
#define MEMORY(inner) VM "      domain: {memory: {" inner "}}\n"
#define CLUSTER(inner) "---\napiVersion: kubevirt.io/v1\nkind: KubeVirt\nspec: {configuration: {" \
                       inner "}}\n"
#define SOCKETS "! spec.template.spec.domain.cpu.sockets: "
#define MACHINE(type) VM "      domain: {machine: {type: " type "}}\n"
#define MODEL "! spec.template.spec.domain.cpu.model: "
#define TYPE "! spec.template.spec.domain.machine.type: "
#define GUEST "! spec.template.spec.domain.memory.guest: "
#define DISKS "! spec.template.spec.domain.devices.disks"
#define VOLUMES "! spec.template.spec.volumes"

static struct manifest_rig self;
static char file_a[512], file_b[512], file_c[512];

static struct sim *wide_sim(void)
{
    struct sim *sim = sim_new();

    sim->cpu_count = 16;
    return sim;
}

static void assert_done(void)
{
    const struct batch_result *result = manifest_rig_apply(&self);

    if (!verdict_is_success(result->verdict))
        fail_msg("%s: %s", verdict_name(result->verdict), result->error.why);
    assert_true(result->asked == result->done);
    manifest_rig_expect(&self, "");
}

/* ---- vCPUs ---- */

struct row {
    const char *manifest;
    const char *plan;
    bool works; /* carried out, nothing is left to do */
};

static const struct row cpu_rows[] = {
    {VM "      domain: {}\n", "", true},
    {CPU("sockets: 2"), "", true},
    {CPU("model: host-model"), "", true},
    {CPU("model: 'qemu64,+x2apic'"), "", true},
    {CPU("model: qemu6"), MODEL "this QEMU runs with the model qemu64, not with qemu6\n", false},
    {CPU("sockets: 3, model: host-passthrough"), "vCPUs 2 -> 3\n"
     MODEL "this QEMU runs with the model qemu64, not with host-passthrough\n", false},
    {MACHINE("q35"), "", true},
    {MACHINE("pc-q35-7.2"), "", true},
    {MACHINE("pc-q35-7"), TYPE "this QEMU runs the machine pc-q35-7.2, not pc-q35-7\n", false},
    {MACHINE("pc"), TYPE "this QEMU runs the machine pc-q35-7.2, not pc\n", false},
    {CPU("sockets: 4"), "vCPUs 2 -> 4\n", true},
    {CPU("sockets: 1"), "vCPUs 2 -> 1\n", true},
    {CPU("sockets: 8"), "vCPUs 2 -> 8\n", true},
    {CPU("sockets: 9"), SOCKETS "9 sockets are more than maxHotplugRatio allows: 8\n", false},
    {CPU("sockets: 9, maxSockets: 9"), "vCPUs 2 -> 9\n", true},
    {CPU("sockets: 4, maxSockets: 3"), SOCKETS "4 sockets are more than maxSockets allows: 3\n",
     false},
    {CPU("sockets: 5") CLUSTER("liveUpdateConfiguration: {maxCpuSockets: 4}"),
     SOCKETS "5 sockets are more than maxCpuSockets allows: 4\n", false},
    {CPU("sockets: 5, maxSockets: 6") CLUSTER("liveUpdateConfiguration: {maxCpuSockets: 4}"),
     "vCPUs 2 -> 5\n", true},
    {CPU("sockets: 2") CLUSTER("liveUpdateConfiguration: {maxCpuSockets: 1}"), "", true},
    {CPU("sockets: 5") CLUSTER("liveUpdateConfiguration: {maxHotplugRatio: 2}"),
     SOCKETS "5 sockets are more than maxHotplugRatio allows: 4\n", false},
    {CPU("sockets: 17, maxSockets: 20"), SOCKETS "this QEMU can have maxcpus=16, not 17\n", false},
    {CPU("sockets: 2, cores: 2"),
     "! spec.template.spec.domain.cpu: this QEMU runs with 1 cores a socket and 1 threads a core, "
     "not with 2 and 1, and only sockets can come while it runs\n", false},
    {CPU("sockets: 3") CLUSTER("vmRolloutStrategy: Stage"),
     SOCKETS "vmRolloutStrategy is Stage: changes wait for a restart\n", false},
    {CPU("sockets: 3") CLUSTER("vmRolloutStrategy: LiveUpdate"), "vCPUs 2 -> 3\n", true},
    {CPU("sockets: 3") CLUSTER("developerConfiguration: {disabledFeatureGates: [CPUHotplug]}"),
     SOCKETS "the feature gate CPUHotplug is disabled\n", false},
    {CPU("sockets: 3") CLUSTER("developerConfiguration: {featureGates: []}"), "vCPUs 2 -> 3\n",
     true},
};

static void check_rows(const struct row *rows, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        manifest_rig_open(&self, wide_sim(), true);
        manifest_rig_take(&self, "%s", rows[i].manifest);
        manifest_rig_expect(&self, rows[i].plan);
        assert_int_equal(sim_changes(self.rig.sim), 0);
        if (rows[i].works)
            assert_done();
        else
            assert_true(self.plan.blocks[0].restart && self.plan.blocks[0].error.fix[0] != '\0');
        manifest_rig_close(&self);
    }
}

static void test_cpus(void **state)
{
    (void)state;
    check_rows(cpu_rows, COUNT_OF(cpu_rows));
}

/* The ratio counts from what the guest booted with, not from what it has grown to. */
static void test_ratio_counts_from_boot(void **state)
{
    struct sim *sim = wide_sim();

    (void)state;
    sim_put_cpu(sim, "vmplug-cpu-2");
    manifest_rig_open(&self, sim, true);
    manifest_rig_take(&self, CPU("sockets: 9"));
    manifest_rig_expect(&self, SOCKETS "9 sockets are more than maxHotplugRatio allows: 8\n");
    manifest_rig_close(&self);
}

/* ---- memory ---- */

static const struct row memory_rows[] = {
    {MEMORY("guest: 256Mi"), "", true},
    {MEMORY("maxGuest: 4Gi"), "", true},
    {MEMORY("guest: 512Mi"), "memory 256Mi -> 512Mi\n", true},
    {MEMORY("guest: 1Gi"), "memory 256Mi -> 1Gi\n", true},
    {MEMORY("guest: 1152Mi"), GUEST "1152Mi is more than maxHotplugRatio allows: 1Gi\n", false},
    {MEMORY("guest: 1152Mi, maxGuest: 2Gi"), "memory 256Mi -> 1152Mi\n", true},
    {MEMORY("guest: 512Mi, maxGuest: 384Mi"), GUEST "512Mi is more than maxGuest allows: 384Mi\n",
     false},
    {MEMORY("guest: 1Gi") CLUSTER("liveUpdateConfiguration: {maxGuest: 512Mi}"),
     GUEST "1Gi is more than the cluster's maxGuest allows: 512Mi\n", false},
    {MEMORY("guest: 128Mi"),
     GUEST "128Mi is less than the 256Mi that the guest booted with, which can't be taken back "
           "while it runs\n", false},
    {MEMORY("guest: 300Mi"),
     GUEST "whole memory blocks do not reach 300 MiB from 256 MiB\n", false},
    {VM "      domain: {resources: {requests: {memory: 384Mi}}}\n", "memory 256Mi -> 384Mi\n",
     true},
    {VM "      domain: {resources: {limits: {memory: 128Mi}}}\n",
     "! spec.template.spec.domain.resources.limits.memory: 128Mi is less than the 256Mi that the "
     "guest booted with, which can't be taken back while it runs\n", false},
    {MEMORY("guest: 512Mi") CLUSTER("developerConfiguration: {disabledFeatureGates: [LiveUpdate]}"),
     GUEST "the feature gate LiveUpdate is disabled\n", false},
    {VM "      domain: {cpu: {sockets: 3}, memory: {guest: 9Gi}}\n",
     "vCPUs 2 -> 3\n" GUEST "9Gi is more than maxHotplugRatio allows: 1Gi\n", false},
};

static void test_memory(void **state)
{
    (void)state;
    check_rows(memory_rows, COUNT_OF(memory_rows));
}

/* Memory comes first, and goes last. */
static void test_order(void **state)
{
    struct sim *sim = wide_sim();

    (void)state;
    sim_put_dimm(sim, "vmplug-mem-0", SIM_DIMM_BASE, 256 * SIM_MIB);
    manifest_rig_open(&self, sim, true);
    manifest_rig_take(&self, VM "      domain: {cpu: {sockets: 3}, memory: {guest: 256Mi}}\n");
    manifest_rig_expect(&self, "vCPUs 2 -> 3\nmemory 512Mi -> 256Mi\n");
    assert_done();
    manifest_rig_take(&self, VM "      domain: {cpu: {sockets: 2}, memory: {guest: 512Mi}}\n");
    manifest_rig_expect(&self, "memory 256Mi -> 512Mi\nvCPUs 3 -> 2\n");
    assert_done();
    manifest_rig_close(&self);
}

/* ---- volumes ---- */

#define WITH(disks, volumes) VM "      domain: {devices: {disks: [" disks "]}}\n" \
                                "      volumes: [" volumes "]\n"
#define DISK(name) "{name: " name ", disk: {bus: scsi}}"
#define DRIVE(name) "{name: " name ", cdrom: {bus: sata}}"
#define CLAIM(name, claim) \
    "{name: " name ", persistentVolumeClaim: {claimName: " claim ", hotpluggable: true}}"
#define FIXED(name, claim) "{name: " name ", persistentVolumeClaim: {claimName: " claim "}}"
#define PV(name) "---\napiVersion: v1\nkind: PersistentVolume\nmetadata: {name: pv-" name "}\n" \
                 "spec: {claimRef: {name: " name "}, hostPath: {path: '%s'}}\n"

/* With the claims a, b and c. */
#define take(manifest) \
    manifest_rig_take(&self, manifest PV("a") PV("b") PV("c"), file_a, file_b, file_c)

static int set_up(void **state)
{
    static char bytes[65536];

    (void)state;
    memset(bytes, 'a', sizeof(bytes));
    (void)snprintf(file_a, sizeof(file_a), "%s", fake_file("a.img", bytes, 4096));
    (void)snprintf(file_b, sizeof(file_b), "%s", fake_file("b.img", bytes, 8192));
    (void)snprintf(file_c, sizeof(file_c), "%s", fake_file("c.img", bytes, sizeof(bytes)));
    return 0;
}

static const char *file_of(const char *id)
{
    const struct sim_disk *disk = sim_find_disk(self.rig.sim, id);

    return disk != NULL ? disk->file : "";
}

static void test_disks_come_and_go(void **state)
{
    (void)state;
    manifest_rig_open(&self, wide_sim(), true);
    take(WITH(DISK("x") "," DISK("v"), CLAIM("x", "a") "," CLAIM("v", "b")));
    manifest_rig_expect(&self, "disk x in\ndisk v in\n");
    assert_done();
    assert_string_equal(file_of("vmplug-vol-x"), file_a);
    assert_string_equal(sim_find_disk(self.rig.sim, "vmplug-vol-x")->serial, "x");
    take(WITH(DISK("v"), CLAIM("v", "b")));
    manifest_rig_expect(&self, "disk x out\n");
    assert_done();
    take(WITH("", "") );
    manifest_rig_expect(&self, "disk v out\n");
    assert_done();
    take(CPU("sockets: 2")); /* which says nothing of volumes */
    manifest_rig_expect(&self, "");
    manifest_rig_close(&self);
}

/* Two that change places can't do it one after the other, since an image is in use once. */
static void test_disks_are_exchanged(void **state)
{
    (void)state;
    manifest_rig_open(&self, wide_sim(), true);
    take(WITH(DISK("x") "," DISK("v"), CLAIM("x", "a") "," CLAIM("v", "b")));
    manifest_rig_plan(&self);
    assert_done();
    take(WITH(DISK("x") "," DISK("v"), CLAIM("x", "b") "," CLAIM("v", "a")));
    manifest_rig_expect(&self, "disk x out\ndisk v out\ndisk x in\ndisk v in\n");
    assert_int_equal(self.plan.steps[2].after, 1);
    assert_int_equal(self.plan.steps[3].after, 2);
    assert_done();
    assert_string_equal(file_of("vmplug-vol-x"), file_b);
    assert_string_equal(file_of("vmplug-vol-v"), file_a);
    take(WITH(DISK("x") "," DISK("z"), CLAIM("x", "c") "," CLAIM("z", "b")));
    manifest_rig_expect(&self, "disk v out\ndisk x out\ndisk x in\ndisk z in\n");
    assert_done();
    assert_string_equal(file_of("vmplug-vol-x"), file_c);
    assert_string_equal(file_of("vmplug-vol-z"), file_b);
    manifest_rig_close(&self);
}

/* Another name for the same file is the same disk. */
static void test_disk_is_known_by_its_file(void **state)
{
    (void)state;
    manifest_rig_open(&self, wide_sim(), true);
    take(WITH(DISK("x"), CLAIM("x", "a")));
    manifest_rig_plan(&self);
    assert_done();
    take(WITH(DISK("other"), CLAIM("other", "a")));
    manifest_rig_expect(&self, "");
    manifest_rig_close(&self);
}

static void test_disk_grows(void **state)
{
    (void)state;
    manifest_rig_open(&self, wide_sim(), true);
    take(WITH(DISK("x"), CLAIM("x", "a")));
    manifest_rig_plan(&self);
    assert_done();
    assert_int_equal(truncate(file_a, (off_t)(2 * SIM_GIB)), 0);
    manifest_rig_plan(&self);
    assert_int_equal(self.plan.step_count, 1);
    assert_int_equal(self.plan.steps[0].request.each.type, OPERATION_DISK_RESIZE);
    assert_int_equal(self.plan.steps[0].request.each.bytes, 2 * SIM_GIB);
    assert_done();
    assert_int_equal(truncate(file_a, (off_t)(3 * SIM_GIB)), 0);
    take(WITH(DISK("x"), CLAIM("x", "a"))
         CLUSTER("developerConfiguration: {disabledFeatureGates: [ExpandDisks]}"));
    manifest_rig_expect(&self, VOLUMES "[0]: the feature gate ExpandDisks is disabled\n");
    manifest_rig_close(&self);
}

static void test_what_is_fixed(void **state)
{
    (void)state;
    manifest_rig_open(&self, wide_sim(), true);
    take(WITH(DISK("x"), FIXED("x", "a")));
    manifest_rig_expect(&self, VOLUMES "[0]: the volume 'x' is not hotpluggable\n");
    assert_true(self.plan.blocks[0].restart);
    sim_put_disk(self.rig.sim, "vmplug-fix-x", "x", 3);
    manifest_rig_expect(&self, VOLUMES "[0]: the volume 'x' is not hotpluggable\n");
    take(WITH("", ""));
    manifest_rig_expect(&self, VOLUMES ": 'x' is not hotpluggable, and stays until the VM is "
                               "launched again\n");
    take(WITH("{name: v, lun: {bus: scsi}}", CLAIM("v", "a")));
    manifest_rig_expect(&self, VOLUMES ": 'x' is not hotpluggable, and stays until the VM is "
                               "launched again\n" VOLUMES "[0]: a lun, which passes a SCSI device "
                               "of the host through, can't come while the VM runs\n");
    take(WITH("{name: x, disk: {bus: sata}}," DISK("v"), CLAIM("x", "a") "," CLAIM("v", "b"))
         CLUSTER("developerConfiguration: {disabledFeatureGates: [HotplugVolumes]}"));
    manifest_rig_expect(&self, VOLUMES "[0]: the feature gate HotplugVolumes is disabled\n"
                               VOLUMES "[1]: the feature gate HotplugVolumes is disabled\n");
    take(WITH("{name: z, disk: {bus: sata}}", CLAIM("z", "a")));
    manifest_rig_expect(&self, VOLUMES ": 'x' is not hotpluggable, and stays until the VM is "
                               "launched again\n"
                               VOLUMES "[0]: a disk on bus sata can't come while the VM runs\n");
    take(WITH(DISK("q"), "{name: q, containerDisk: {image: i}}"));
    manifest_rig_plan(&self);
    assert_false(self.plan.blocks[1].restart); /* no launch has it either */
    manifest_rig_close(&self);
}

/* What addvolume plugged, and what nobody knows, is left alone. */
static void test_what_is_not_the_manifests(void **state)
{
    (void)state;
    manifest_rig_open(&self, wide_sim(), true);
    sim_put_disk(self.rig.sim, "vmplug-tmp-x", "x", 3);
    sim_put_disk(self.rig.sim, "root", "r", 4);
    take(WITH("", ""));
    manifest_rig_expect(&self, "");
    manifest_rig_close(&self);
}

/* What can't be told to change while it is there waits for a restart. */
static void test_disk_with_other_settings(void **state)
{
    (void)state;
    manifest_rig_open(&self, wide_sim(), true);
    take(WITH(DISK("x"), CLAIM("x", "a")));
    manifest_rig_plan(&self);
    assert_done();
    take(WITH("{name: x, disk: {readonly: true}}", CLAIM("x", "a")));
    manifest_rig_expect(&self, DISKS "[0]: the disk 'x' can be written to while the VM runs\n");
    take(WITH("{name: x, serial: other}", CLAIM("x", "a")));
    manifest_rig_expect(&self, DISKS "[0]: the disk 'x' has the serial 'x' while the VM runs\n");
    take(WITH("{name: x, disk: {bus: virtio}}", CLAIM("x", "a")));
    manifest_rig_expect(&self, DISKS "[0]: the disk 'x' is on bus scsi while the VM runs\n");
    take(WITH("{name: x, lun: {}}", CLAIM("x", "a")));
    manifest_rig_expect(&self, DISKS "[0]: the disk 'x' is no lun while the VM runs\n");
    take(WITH("{name: x, cache: none}", CLAIM("x", "a")));
    manifest_rig_expect(&self,
                        DISKS "[0]: the disk 'x' has the host's page cache while the VM runs\n");
    assert_true(self.plan.blocks[0].restart);
    take(WITH("{name: x, cache: none}", CLAIM("x", "b"))); /* another disk, as it is wanted */
    manifest_rig_expect(&self, "disk x out\ndisk x in\n");
    assert_done();
    take(WITH("{name: x, cache: writeback}", CLAIM("x", "b")));
    manifest_rig_expect(&self, DISKS "[0]: the disk 'x' has cache: none while the VM runs\n");
    take(WITH("{name: x}", CLAIM("x", "b"))); /* what is not said stays as it is */
    manifest_rig_expect(&self, "");
    manifest_rig_close(&self);
}

static void test_disk_comes_with_its_cache(void **state)
{
    const struct sim_disk *disk;

    (void)state;
    manifest_rig_open(&self, wide_sim(), true);
    (void)sim_put_port(self.rig.sim, "pcie-root-port", "/machine/peripheral/port1", "port1");
    take(WITH("{name: x, cache: none, io: native}, {name: v, disk: {bus: virtio}, "
              "cache: writethrough, io: threads}, {name: z, io: default}",
              CLAIM("x", "a") "," CLAIM("v", "b") "," CLAIM("z", "c")));
    manifest_rig_expect(&self, "disk x in\ndisk v in\ndisk z in\n");
    assert_done();
    disk = sim_find_disk(self.rig.sim, "vmplug-vol-x");
    assert_true(disk->direct);
    assert_string_equal(disk->aio, "native");
    assert_string_equal(disk->write_cache, "on");
    disk = sim_find_disk(self.rig.sim, "vmplug-vol-v");
    assert_false(disk->direct);
    assert_string_equal(disk->aio, "threads");
    assert_string_equal(disk->write_cache, "off");
    disk = sim_find_disk(self.rig.sim, "vmplug-vol-z");
    assert_true(!disk->direct && disk->aio[0] == '\0' && disk->write_cache[0] == '\0');
    manifest_rig_close(&self);
}

/* Of what vmplug has launched the bus is known in any case. */
static void test_launched_on_other_bus(void **state)
{
    struct sim *sim = wide_sim();

    (void)state;
    sim_put_cdrom(sim, "vmplug-fix-drive", NULL);
    manifest_rig_open(&self, sim, true);
    take(WITH(DRIVE("drive"), ""));
    manifest_rig_expect(&self, "");
    take(WITH("{name: drive, cdrom: {bus: scsi}}", ""));
    manifest_rig_expect(&self, DISKS "[0]: the drive 'drive' is on bus sata while the VM runs\n");
    manifest_rig_close(&self);
}

static void test_cdrom(void **state)
{
    struct sim *sim = wide_sim();

    (void)state;
    sim_put_cdrom(sim, "drive", NULL);
    manifest_rig_open(&self, sim, true);
    take(WITH(DRIVE("drive"), ""));
    manifest_rig_expect(&self, "");
    take(WITH(DRIVE("drive"), CLAIM("drive", "a")));
    manifest_rig_expect(&self, "medium into drive\n");
    assert_done();
    take(WITH(DRIVE("drive"), CLAIM("drive", "b")));
    manifest_rig_expect(&self, "medium into drive\n");
    assert_done();
    take(WITH(DRIVE("drive") "," DISK("x"), CLAIM("x", "b")));
    manifest_rig_expect(&self, "medium of drive out\ndisk x in\n");
    assert_done();
    take(WITH(DISK("drive") "," DISK("x"), CLAIM("drive", "a") "," CLAIM("x", "b")));
    manifest_rig_expect(&self, DISKS "[0]: 'drive' is a CD-ROM drive while the VM runs\n");
    assert_true(self.plan.blocks[0].restart);
    take(WITH(DRIVE("none"), ""));
    manifest_rig_expect(&self, "disk x out\n" DISKS "[0]: the VM has no CD-ROM drive 'none', and "
                               "none can come while it runs\n");
    take(WITH(DRIVE("drive"), CLAIM("drive", "a"))
         CLUSTER("developerConfiguration: {disabledFeatureGates: [DeclarativeHotplugVolumes]}"));
    manifest_rig_expect(&self, VOLUMES ": the feature gate DeclarativeHotplugVolumes is disabled\n"
                               VOLUMES "[0]: the feature gate DeclarativeHotplugVolumes is "
                               "disabled\n");
    manifest_rig_close(&self);
}

static void test_claim_that_leads_nowhere(void **state)
{
    (void)state;
    manifest_rig_open(&self, wide_sim(), true);
    take(WITH(DISK("x") "," DISK("v"), CLAIM("x", "nowhere") "," CLAIM("v", "a")));
    manifest_rig_expect(&self, "disk v in\n"
                               VOLUMES "[0]: there is no PersistentVolumeClaim 'nowhere'\n");
    manifest_rig_close(&self);
}

/* ---- what an earlier one has begun ---- */

/* Takes a vCPU, the DIMM or the disk back while the guest does not heed. */
static void leave_pending(enum operation_type type, const char *id)
{
    const struct operation_request request = {.type = type, .id = id, .timeout_ms = 3000};

    self.rig.sim->guest.ignores_eject = true;
    assert_int_equal(rig_operate(&self.rig, &request)->verdict, VERDICT_PENDING);
    self.rig.sim->guest.ignores_eject = false;
}

/* The removal is seen to its end, and what the manifest wants comes back, in one go. */
static void test_pending_removals(void **state)
{
    static const char all[] = WITH("{name: x, disk: {bus: virtio}}", CLAIM("x", "a"))
        PV("a") PV("b") PV("c");
    struct sim *sim = wide_sim();

    (void)state;
    sim->kvm = true;
    sim_put_cpu(sim, "vmplug-cpu-2");
    sim_put_dimm(sim, "vmplug-mem-0", SIM_DIMM_BASE, 256 * SIM_MIB);
    (void)sim_put_port(sim, "pcie-root-port", "/machine/peripheral/port1", "port1");
    manifest_rig_open(&self, sim, true);
    manifest_rig_take(&self, all, file_a, file_b, file_c);
    manifest_rig_plan(&self);
    assert_done();
    leave_pending(OPERATION_DISK_REMOVE, "vmplug-vol-x");
    manifest_rig_expect(&self, "disk-remove vmplug-vol-x finished\ndisk x in\n");
    assert_int_equal(self.plan.steps[1].after, 1);
    assert_done();
    assert_string_equal(file_of("vmplug-vol-x"), file_a);

    leave_pending(OPERATION_DISK_REMOVE, "vmplug-vol-x");
    take(WITH("", ""));
    manifest_rig_expect(&self, "disk-remove vmplug-vol-x finished\n");
    assert_done();

    leave_pending(OPERATION_CPU_REMOVE, "vmplug-cpu-2");
    take(CPU("sockets: 3"));
    manifest_rig_expect(&self, "cpu-remove vmplug-cpu-2 finished\nvCPUs 3 again\n");
    assert_done();

    leave_pending(OPERATION_DIMM_REMOVE, "vmplug-mem-0");
    take(MEMORY("guest: 512Mi"));
    manifest_rig_expect(&self, "memory-remove vmplug-mem-0 finished\nmemory 512Mi again\n");
    assert_done();
    manifest_rig_close(&self);
}

static void test_leftovers_first(void **state)
{
    (void)state;
    manifest_rig_open(&self, wide_sim(), true);
    sim_leave_node(self.rig.sim, "vmplug-vol-x");
    sim_leave_node(self.rig.sim, "foreign"); /* which is nobody's business */
    take(WITH(DISK("x"), CLAIM("x", "a")));
    manifest_rig_expect(&self, "node-remove vmplug-vol-x finished\ndisk x in\n");
    assert_done();
    manifest_rig_close(&self);
}

/* ---- as JSON ---- */

static void test_json(void **state)
{
    AUTO_JSON json_t *plan = NULL, *expected = NULL;

    (void)state;
    manifest_rig_open(&self, wide_sim(), true);
    manifest_rig_take(&self, VM "      domain: {cpu: {sockets: 3}, memory: {guest: 1Mi}}\n");
    manifest_rig_plan(&self);
    plan = plan_json(&self.plan);
    expected = fake_json(
        "{'operations':[{'operation':'cpu-add','what':'vCPUs 2 -> 3','reason':"
        "'spec.template.spec.domain.cpu is 3 sockets x 1 cores x 1 threads','target':3}],"
        "'blocked':[{'path':'spec.template.spec.domain.memory.guest','reason':'1Mi is less than "
        "the 256Mi that the guest booted with, which can\\u0027t be taken back while it runs',"
        "'fix':"
        "'stop the VM and launch it again: then it has it','restart_required':true}]}");
    if (!json_equal(plan, expected))
        fail_msg("%s", json_dumps(plan, 0));
    manifest_rig_close(&self);
}

/* ---- topologies ---- */

static void test_topologies(void **state)
{
    static const struct {
        const char *props[4];
        unsigned each, cores, threads;
    } rows[] = {
        {{"{'socket-id':0,'core-id':0,'thread-id':0}", "{'socket-id':1,'core-id':0,'thread-id':0}"},
         1, 1, 1},
        {{"{'socket-id':0,'core-id':1,'thread-id':0}", "{'socket-id':0,'core-id':0,'thread-id':1}"},
         4, 2, 2},
        {{"{'socket-id':0,'die-id':1,'core-id':1,'thread-id':0}"}, 4, 4, 1},
        {{"{'core-id':0}", "{'core-id':8}"}, 0, 1, 1}, /* pseries has no sockets */
        {{"{'socket-id':'x','core-id':4294967295}"}, 1, 1, 1},
        {{"[]"}, 0, 1, 1},
        {{NULL}, 0, 1, 1},
    };
    struct inventory_cpu slots[4];
    struct inventory inventory = {.cpus = {.hotpluggable = true, .slots = slots}};
    unsigned cores, threads;
    size_t i, j;

    (void)state;
    for (i = 0; i < COUNT_OF(rows); i++) {
        for (j = 0; j < 4 && rows[i].props[j] != NULL; j++)
            slots[j] = (struct inventory_cpu){.props = fake_json(rows[i].props[j])};
        inventory.cpus.slot_count = j;
        assert_int_equal(plan_vcpus_per_socket(&inventory, &cores, &threads), rows[i].each);
        assert_int_equal(cores, rows[i].cores);
        assert_int_equal(threads, rows[i].threads);
        while (j-- > 0)
            json_decref(slots[j].props);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cpus),
        cmocka_unit_test(test_ratio_counts_from_boot),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_order),
        cmocka_unit_test_setup(test_disks_come_and_go, set_up),
        cmocka_unit_test_setup(test_disks_are_exchanged, set_up),
        cmocka_unit_test_setup(test_disk_is_known_by_its_file, set_up),
        cmocka_unit_test_setup(test_disk_grows, set_up),
        cmocka_unit_test_setup(test_what_is_fixed, set_up),
        cmocka_unit_test_setup(test_what_is_not_the_manifests, set_up),
        cmocka_unit_test_setup(test_disk_with_other_settings, set_up),
        cmocka_unit_test_setup(test_disk_comes_with_its_cache, set_up),
        cmocka_unit_test_setup(test_launched_on_other_bus, set_up),
        cmocka_unit_test_setup(test_cdrom, set_up),
        cmocka_unit_test_setup(test_claim_that_leads_nowhere, set_up),
        cmocka_unit_test_setup(test_pending_removals, set_up),
        cmocka_unit_test_setup(test_leftovers_first, set_up),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_topologies),
    };

    return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
