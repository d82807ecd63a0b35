/* SPDX-License-Identifier: MIT */
/* A diagnosis of a simulated machine: what is lacking is named, and nothing is claimed that nobody
 * said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "tests/fake/rig.h"
#include "vmm/doctor.h"

static struct rig rig;
static struct doctor doctor;

static void examine(struct sim *sim, bool with_agent)
{
    struct inventory *inventory;

    rig_open(&rig, sim, with_agent);
    inventory = rig_inventory(&rig, DOCTOR_PARTS, 5000, NULL);
    doctor_examine(&doctor, rig.vm, inventory);
    inventory_free(inventory);
    assert_int_equal(sim_changes(sim), 0);
    assert_false(sim_has_file_open(sim));
    rig_close(&rig);
}

static const struct doctor_check *look_for(const char *name)
{
    size_t i;

    for (i = 0; i < doctor.count; i++) {
        if (strcmp(doctor.checks[i].name, name) == 0)
            return &doctor.checks[i];
    }
    return NULL;
}

static bool has_check(const char *name)
{
    return look_for(name) != NULL;
}

static const struct doctor_check *find(const char *name)
{
    if (!has_check(name))
        fail_msg("there is no check %s", name);
    return look_for(name);
}

static void assert_check(const char *name, enum doctor_result result, const char *word)
{
    const struct doctor_check *check = find(name);

    if (check->result != result || strstr(check->reason, word) == NULL)
        fail_msg("%s: %s: %s", name, doctor_result_name(check->result), check->reason);
    assert_true((check->result == DOCTOR_YES) ? check->fix[0] == '\0' : true);
}

/* What can be done for certain (+), can't (-), or is unknown (?), in the order of the enum. */
static const char *summarise(void)
{
    static char text[DOCTOR_CANS_ + 1];
    unsigned can;

    for (can = 0; can < DOCTOR_CANS_; can++)
        text[can] = "+-?"[doctor.can[can]];
    return text;
}

static void test_all_well(void **state)
{
    size_t i, j;

    (void)state;
    examine(sim_new(), true);
    assert_string_equal(summarise(), "++++++--");
    assert_check("guest-kernel", DOCTOR_YES, "6.1.0-13-amd64");
    assert_check("guest-cpu-hotplug", DOCTOR_YES, "sysfs");
    assert_check("memory-room", DOCTOR_YES, "256 MiB of maxmem=4 GiB");
    assert_check("guest-free-memory", DOCTOR_YES, "173 MiB");
    assert_check("scsi-bus", DOCTOR_YES, "scsi0.0");
    assert_check("pci-port", DOCTOR_NO, "no PCI port");
    assert_non_null(strstr(find("pci-port")->fix, "pcie-root-port"));
    assert_null(doctor_obstacle(&doctor, DOCTOR_CPU_ADD));
    assert_true(doctor.count < DOCTOR_CHECKS_MAX);
    for (i = 0; i < doctor.count; i++) {
        assert_true(doctor.checks[i].reason[0] != '\0');
        for (j = 0; j < i; j++)
            assert_string_not_equal(doctor.checks[i].name, doctor.checks[j].name);
    }
}

static void test_no_room(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim->cpu_count = 2;
    sim->slots = 0;
    sim->max_bytes = sim->base_bytes;
    sim->scsi_count = 0;
    examine(sim, true);
    assert_string_equal(summarise(), "-+-+----");
    assert_check("cpu-room", DOCTOR_NO, "2 of maxcpus=2");
    assert_check("memory-slots", DOCTOR_NO, "0 of 0");
    assert_check("memory-room", DOCTOR_NO, "maxmem=256 MiB");
    assert_check("scsi-bus", DOCTOR_NO, "no virtio-scsi bus");
    assert_string_equal(doctor_obstacle(&doctor, DOCTOR_CPU_ADD)->name, "cpu-room");
}

static void test_machine_that_cannot(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim->board = &sim_virt_arm;
    sim->has_cpus = sim->has_ost = false;
    examine(sim, true);
    assert_string_equal(summarise(), "----++--");
    assert_check("memory-hotplug", DOCTOR_NO, "GED");
    assert_check("cpu-hotplug", DOCTOR_NO, "is not enabled");
    assert_check("acpi", DOCTOR_NO, "no ACPI hotplug");
    assert_false(has_check("cpu-add-safe")); /* what can't be done harms nobody */
    assert_false(has_check("cpu-remove-safe"));
    assert_false(has_check("memory-slots"));
    assert_true(has_check("memory-room")); /* of a virtio-mem */
    sim = sim_new();
    sim->board = &sim_s390;
    sim->has_ost = false;
    examine(sim, true);
    assert_false(has_check("memory-room"));
}

/* Each board has a virtio-scsi of its own. */
static void test_scsi_of_boards(void **state)
{
    static const struct {
        const struct sim_board *board;
        const char *fix;
    } cases[] = {{&sim_q35, "virtio-scsi-pci"},
                 {&sim_microvm, "virtio-scsi-device"},
                 {&sim_s390, "virtio-scsi-ccw"}};
    struct sim *sim;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        sim = sim_new();
        sim->board = cases[i].board;
        sim->has_ost = false;
        sim->scsi_count = 0;
        examine(sim, true);
        assert_non_null(strstr(find("scsi-bus")->fix, cases[i].fix));
    }
}

static void test_migration(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "query-migrate",
                                  .action = FAULT_ANSWER, .text = "{'status':'active'}"});
    examine(sim, true);
    assert_string_equal(summarise(), "--------");
    assert_check("no-migration", DOCTOR_NO, "under way");
}

static void test_defects(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim->cpus[2].ost = (struct sim_ost){3, 0}; /* one was taken from this emulated QEMU 7.2 */
    examine(sim, true);
    assert_string_equal(summarise(), "-+--++--");
    assert_check("cpu-add-safe", DOCTOR_NO, "corrupts its memory");
    assert_check("memory-map-safe", DOCTOR_NO, "corrupts its memory");
    assert_check("cpu-remove-safe", DOCTOR_YES, "but");
}

static void test_balloon(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim->balloon_bytes = 128 * SIM_MIB;
    examine(sim, true);
    assert_check("balloon-empty", DOCTOR_NO, "128 MiB of 256 MiB");
    assert_string_equal(summarise(), "++++++--");
    sim = sim_new();
    sim->balloon_bytes = 256 * SIM_MIB;
    examine(sim, true);
    assert_check("balloon-empty", DOCTOR_YES, "256 MiB of 256 MiB");
}

/* QEMU would do it, and nobody could say what came of it. */
static void test_no_agent(void **state)
{
    (void)state;
    examine(sim_new(), false);
    assert_string_equal(summarise(), "?????+--");
    assert_check("agent", DOCTOR_NO, "no agent socket");
    assert_check("guest-cpu-hotplug", DOCTOR_UNKNOWN, "not known");
    assert_string_equal(doctor_obstacle(&doctor, DOCTOR_CPU_ADD)->name, "agent");
}

/* What policy forbids is told from what the agent is too old for. */
static void test_agent_commands(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim_disable(sim, "guest-set-vcpus");
    examine(sim, true);
    assert_string_equal(summarise(), "?+++++--");
    assert_check("guest-set-vcpus", DOCTOR_NO, "policy");
    assert_non_null(strstr(find("guest-set-vcpus")->fix, "qemu-ga.conf"));
    sim = sim_new();
    sim_fault(sim, (struct fault){
                       .side = SIM_AGENT, .command = "guest-info", .action = FAULT_ANSWER,
                       .text = "{'version':'1.0','supported_commands':[{'name':'guest-info',"
                               "'enabled':true,'success-response':true}]}"});
    examine(sim, true);
    assert_string_equal(summarise(), "?????+--");
    assert_check("guest-set-vcpus", DOCTOR_NO, "version 1.0");
    assert_non_null(strstr(find("guest-set-vcpus")->fix, "newer"));
}

static void put_file(struct sim *sim, const char *path, const char *text)
{
    json_object_set_new(sim->guest.files, path, json_string(text));
}

static void test_kernel_by_configuration(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    put_file(sim, "/boot/config-6.1.0-13-amd64",
             "# CONFIG_MEMORY_HOTREMOVE is not set\nCONFIG_NO_CONFIG_HOTPLUG_CPU=y\n"
             "CONFIG_HOTPLUG_CPU=y\nCONFIG_ACPI_HOTPLUG_CPU=y\nCONFIG_MEMORY_HOTPLUG=y\n"
             "CONFIG_ACPI_HOTPLUG_MEMORY=y\n");
    put_file(sim, "/sys/firmware/acpi/hotplug/memory/enabled", "0\n");
    examine(sim, true);
    assert_string_equal(summarise(), "++--++--");
    assert_check("guest-cpu-hotplug", DOCTOR_YES, "configuration");
    assert_check("guest-memory-hotplug", DOCTOR_NO, "CONFIG_ACPI_HOTPLUG_MEMORY");
    assert_check("guest-memory-hotremove", DOCTOR_NO, "CONFIG_MEMORY_HOTREMOVE");
}

static void test_kernel_by_sysfs(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    json_object_set_new(sim->guest.files, "/sys/firmware/acpi/hotplug/processor/enabled",
                        json_null());
    put_file(sim, "/sys/devices/system/memory/memory0/removable", "0\n");
    examine(sim, true);
    assert_string_equal(summarise(), "--+-++--");
    assert_check("guest-cpu-hotplug", DOCTOR_NO, "CONFIG_ACPI_HOTPLUG_CPU");
    sim = sim_new();
    sim_fault(sim, (struct fault){.side = SIM_AGENT, .command = "guest-file-open",
                                  .action = FAULT_REJECT, .text = "Permission denied"});
    examine(sim, true);
    assert_string_equal(summarise(), "????++--");
    assert_check("guest-cpu-hotplug", DOCTOR_UNKNOWN, "not known");
}

/* A guest that names a kernel to have vmplug read something else. */
static void test_hostile_release(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    put_file(sim, "/boot/config-../../etc/shadow", "CONFIG_HOTPLUG_CPU=n\n");
    sim_fault(sim, (struct fault){.side = SIM_AGENT, .command = "guest-get-osinfo",
                                  .action = FAULT_ANSWER,
                                  .text = "{'kernel-release':'../../etc/shadow'}"});
    examine(sim, true);
    assert_check("guest-kernel", DOCTOR_UNKNOWN, "does not tell");
    assert_check("guest-cpu-hotplug", DOCTOR_YES, "sysfs");
}

static void test_memory_policy(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    put_file(sim, "/sys/devices/system/memory/auto_online_blocks", "online\n");
    put_file(sim, "/proc/meminfo", "MemTotal: 245880 kB\nMemAvailable:  1024 kB\n");
    examine(sim, true);
    assert_string_equal(summarise(), "++-?++--");
    assert_check("memory-movable", DOCTOR_NO, "(online)");
    assert_check("guest-free-memory", DOCTOR_NO, "1 MiB");
    sim = sim_new();
    put_file(sim, "/sys/devices/system/memory/auto_online_blocks", "online_movable\n");
    examine(sim, true);
    assert_check("memory-movable", DOCTOR_YES, "movable");
}

/* One DIMM that can go is enough. */
static void test_plugged_memory(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim_put_dimm(sim, "d0", SIM_DIMM_BASE, 128 * SIM_MIB);
    put_file(sim, "/sys/devices/system/memory/memory32/valid_zones", "Normal\n");
    examine(sim, true);
    assert_string_equal(summarise(), "+++?++--");
    assert_check("plugged-memory-movable", DOCTOR_UNKNOWN, "d0: block 32");
    assert_non_null(strstr(find("plugged-memory-movable")->fix, "try it"));
    sim = sim_new();
    sim_put_dimm(sim, "d0", SIM_DIMM_BASE, 128 * SIM_MIB);
    sim_put_dimm(sim, "d1", SIM_DIMM_BASE + 128 * SIM_MIB, 128 * SIM_MIB);
    put_file(sim, "/sys/devices/system/memory/memory32/valid_zones", "Normal\n");
    put_file(sim, "/sys/devices/system/memory/memory33/valid_zones", "Movable\n");
    examine(sim, true);
    assert_string_equal(summarise(), "++++++--");
    assert_check("plugged-memory-movable", DOCTOR_YES, "d1");
}

static struct sim *pseries(void)
{
    struct sim *sim = sim_new();

    sim->board = &sim_pseries;
    sim->has_ost = false;
    (void)json_object_set_new(sim->guest.files, "/sys/firmware/fdt", json_null());
    return sim;
}

/* There the guest puts memory online by itself, whatever the file says, and gives back what its
 * kernel does not use. */
static void test_memory_of_pseries(void **state)
{
    struct sim *sim = pseries();

    (void)state;
    sim_put_dimm(sim, "d0", SIM_DIMM_BASE, 256 * SIM_MIB);
    put_file(sim, "/sys/devices/system/memory/memory32/valid_zones", "Normal\n");
    examine(sim, true);
    assert_check("memory-movable", DOCTOR_NO, "as on this board always");
    assert_check("plugged-memory-movable", DOCTOR_UNKNOWN, "goes only while");
    assert_non_null(strstr(find("plugged-memory-movable")->fix, "memhp_default_state"));
    sim = pseries();
    put_file(sim, "/sys/devices/system/memory/auto_online_blocks", "online_movable\n");
    examine(sim, true);
    assert_check("memory-movable", DOCTOR_YES, "as movable");
}

/* A virtio-mem is there, or could be plugged; without its driver it may be of no use. */
static void test_devices(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    (void)sim_put_virtio_mem(sim, "vm0", SIM_DIMM_BASE, 1 * SIM_GIB);
    sim_put_cdrom(sim, "cd0", NULL);
    examine(sim, true);
    assert_string_equal(summarise(), "++++++++");
    sim = sim_new();
    (void)sim_put_port(sim, "pcie-root-port", "/machine/peripheral/port1", "port1");
    put_file(sim, "/boot/config-6.1.0-13-amd64", "CONFIG_VIRTIO_MEM=m\n");
    examine(sim, true);
    assert_int_equal(doctor.can[DOCTOR_VIRTIO_MEM], DOCTOR_YES);
    assert_check("pci-port", DOCTOR_YES, "port1");
    sim = sim_new();
    (void)sim_put_port(sim, "pcie-root-port", "/machine/peripheral/port1", "port1");
    json_object_set_new(sim->guest.files, "/sys/module/virtio_mem/refcnt", json_null());
    examine(sim, true);
    assert_int_equal(doctor.can[DOCTOR_VIRTIO_MEM], DOCTOR_UNKNOWN);
}

static void test_names(void **state)
{
    enum doctor_can can;
    unsigned i;

    (void)state;
    for (i = 0; i < DOCTOR_CANS_; i++) {
        assert_true(doctor_can_parse(doctor_can_name((enum doctor_can)i), &can));
        assert_int_equal(can, i);
    }
    assert_false(doctor_can_parse("cpu-add", &can));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_well),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_machine_that_cannot),
        cmocka_unit_test(test_scsi_of_boards),
        cmocka_unit_test(test_migration),
        cmocka_unit_test(test_defects),
        cmocka_unit_test(test_balloon),
        cmocka_unit_test(test_no_agent),
        cmocka_unit_test(test_agent_commands),
        cmocka_unit_test(test_kernel_by_configuration),
        cmocka_unit_test(test_kernel_by_sysfs),
        cmocka_unit_test(test_hostile_release),
        cmocka_unit_test(test_memory_policy),
        cmocka_unit_test(test_plugged_memory),
        cmocka_unit_test(test_memory_of_pseries),
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests_name("vmm: doctor", tests, NULL, NULL);
}
