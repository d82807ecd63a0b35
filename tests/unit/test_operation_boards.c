/* SPDX-License-Identifier: MIT */
/* What the board rules out is blocked before anything is sent; what it rules is kept to. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "qmp/field.h"
#include "tests/fake/rig.h"

#define TIMEOUT_MS 5000

static struct rig rig;

static const struct operation_request cpu_add = {.type = OPERATION_CPU_ADD,
                                                 .timeout_ms = TIMEOUT_MS};

static const struct operation_result *operate(struct sim *sim, bool with_agent,
                                              const struct operation_request *request)
{
    rig_open(&rig, sim, with_agent);
    return rig_operate(&rig, request);
}

static const struct operation_result *add_memory(struct sim *sim, bool with_agent, uint64_t mib)
{
    const struct operation_request request = {.type = OPERATION_DIMM_ADD,
                                              .timeout_ms = TIMEOUT_MS,
                                              .dimm = {.bytes = mib * SIM_MIB}};

    return operate(sim, with_agent, &request);
}

static void assert_blocked(struct sim *sim, const char *why, const char *fix)
{
    assert_int_equal(rig.result->verdict, VERDICT_BLOCKED);
    assert_non_null(strstr(rig.result->error.why, why));
    assert_non_null(strstr(rig.result->error.fix, fix));
    assert_int_equal(sim_changes(sim), 0);
    rig_close(&rig);
}

static json_t *read_tree(const char *name)
{
    static char blob[SIM_FILE_MAX];
    char path[512];
    size_t size;
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/tests/data/fdt/%s", getenv("VMPLUG_SOURCE"), name);
    file = fopen(path, "r");
    assert_non_null(file);
    size = fread(blob, 1, sizeof(blob), file);
    (void)fclose(file);
    return json_stringn_nocheck(blob, size);
}

#define LMB_LIST \
    "/proc/device-tree/ibm,dynamic-reconfiguration-memory/ibm,dynamic-memory-v2"

/* 4 GiB onwards, where the simulated QEMU puts memory devices: four LMBs with these flags. */
static json_t *lmb_list(unsigned char flags)
{
    const unsigned char list[] = {0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0,
                                  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, flags};

    return json_stringn_nocheck((const char *)list, sizeof(list));
}

/* POWER: no _OST; memory in LMBs, which the guest puts online by itself. */
static struct sim *pseries(void)
{
    struct sim *sim = sim_new();

    sim->board = &sim_pseries;
    sim->has_ost = false;
    sim->guest.onlines = true;
    sim->guest.block_bytes = 256 * SIM_MIB;
    (void)json_object_set_new(sim->guest.files, "/sys/firmware/fdt",
                              read_tree("pseries-negotiated.dtb"));
    (void)json_object_set_new(sim->guest.files, LMB_LIST, lmb_list(8));
    return sim;
}

/* arm's UEFI tells the guest of its flash, and Linux makes a block of that. */
static void test_flash_is_no_memory(void **state)
{
    static const struct {
        uint64_t block;
        bool counts;
    } cases[] = {{0, false}, {7, false}, {8, true}, {9, true}, {32, true}, {34, false}};
    struct inventory *inventory;
    uint64_t expected = 0, online = 0;
    struct sim *sim = sim_new();
    size_t i;

    (void)state;
    sim->board = &sim_virt_arm; /* its tree has 512 MiB at 1 GiB */
    sim->has_cpus = false;
    sim_put_dimm(sim, "m", SIM_DIMM_BASE, 128 * SIM_MIB);
    for (i = 0; i < COUNT_OF(cases); i++) {
        sim->guest.blocks[i] = (struct sim_block){.index = cases[i].block, .online = true};
        expected += cases[i].counts ? 128 * SIM_MIB : 0;
    }
    sim->guest.block_count = COUNT_OF(cases);
    rig_open(&rig, sim, true);
    inventory = rig_inventory(&rig, INVENTORY_MEMORY | INVENTORY_GUEST_MEMORY | INVENTORY_BOARD,
                              TIMEOUT_MS, NULL);
    assert_true(inventory_memory_online(inventory, &online));
    assert_int_equal(online, expected);
    inventory_free(inventory);
    rig_close(&rig);
}

static void test_no_vcpus(void **state)
{
    static const struct sim_board *const boards[] = {&sim_virt_arm, &sim_virt_riscv, &sim_microvm};
    struct operation_request removal = cpu_add;
    struct sim *sim;
    size_t i;

    (void)state;
    removal.type = OPERATION_CPU_REMOVE;
    removal.id = "1";
    for (i = 0; i < COUNT_OF(boards); i++) {
        sim = sim_new();
        sim->board = boards[i];
        sim->has_cpus = false;
        (void)operate(sim, true, &cpu_add);
        assert_blocked(sim, "no vCPU hotplug on board", "machine type");
        sim = sim_new();
        sim->board = boards[i];
        sim->has_cpus = false;
        (void)operate(sim, true, &removal);
        assert_blocked(sim, "no vCPU hotplug on board", "machine type");
    }
}

/* They are used where a newer QEMU has them. */
static void test_vcpus_of_a_newer_virt(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim->board = &sim_virt_arm;
    assert_int_equal(operate(sim, true, &cpu_add)->verdict, VERDICT_ONLINE);
    rig_close(&rig);
}

static void test_s390_gives_no_vcpu_back(void **state)
{
    struct operation_request removal = cpu_add;
    struct sim *sim = sim_new();

    (void)state;
    sim->board = &sim_s390;
    sim->has_ost = false;
    assert_int_equal(operate(sim, true, &cpu_add)->verdict, VERDICT_ONLINE);
    removal.type = OPERATION_CPU_REMOVE;
    removal.id = "1";
    assert_int_equal(rig_operate(&rig, &removal)->verdict, VERDICT_BLOCKED);
    assert_non_null(strstr(rig.result->error.why, "s390"));
    assert_int_equal(sim_count(sim, SIM_QMP, "device_del"), 0);
    rig_close(&rig);
}

static void test_no_dimms(void **state)
{
    static const struct {
        const struct sim_board *board;
        bool has_ost;
        const char *why;
    } cases[] = {
        {&sim_virt_arm, false, "GED"},
        {&sim_virt_riscv, false, "no pc-dimm"},
        {&sim_s390, false, "no pc-dimm"},
        {&sim_microvm, true, "microvm takes no DIMM"},
    };
    struct sim *sim;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        sim = sim_new();
        sim->board = cases[i].board;
        sim->has_ost = cases[i].has_ost;
        (void)add_memory(sim, true, 256);
        assert_blocked(sim, cases[i].why, "");
    }
}

static void test_acpi_is_off(void **state)
{
    static const struct sim_board board = {.arch = "x86_64", .machine = "pc-q35-7.2-machine",
                                           .acpi = "off"};
    struct sim *sim = sim_new();

    (void)state;
    sim->board = &board;
    (void)operate(sim, true, &cpu_add);
    assert_blocked(sim, "acpi=off", "without acpi=off");
    sim = sim_new();
    sim->board = &board;
    (void)add_memory(sim, true, 128);
    assert_blocked(sim, "acpi=off", "without acpi=off");
}

static unsigned count_temporary(void)
{
    DIR *stream = opendir(fake_dir());
    const struct dirent *entry;
    unsigned count = 0;

    while ((entry = readdir(stream)) != NULL)
        count += strncmp(entry->d_name, "vmplug-", strlen("vmplug-")) == 0 ? 1 : 0;
    closedir(stream);
    return count;
}

/* The size of an LMB stands in the device tree. Before the guest runs QEMU writes it, into a
 * directory that is gone afterwards; a QEMU whose guest has booted might die of it, and is not
 * asked: the guest is. */
static void test_lmb(void **state)
{
    struct sim *sim;
    unsigned i;

    (void)state;
    for (i = 0; i < 2; i++) {
        sim = pseries();
        if (i == 0)
            sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "query-status",
                                          .action = FAULT_ANSWER,
                                          .text = "{'status':'prelaunch','running':false}"});
        (void)add_memory(sim, i == 1, 100);
        assert_int_equal(sim_count(sim, SIM_QMP, "dumpdtb"), i == 0 ? 1 : 0);
        assert_int_equal(sim_count(sim, SIM_AGENT, "guest-file-read"), i == 0 ? 0 : 1);
        assert_int_equal(count_temporary(), 0);
        assert_blocked(sim, "logical memory blocks (LMB) of 256 MiB", "ask for 256 MiB");
        sim = pseries();
        assert_int_equal(add_memory(sim, i == 1, 256)->verdict,
                         i == 1 ? VERDICT_ONLINE : VERDICT_UNCONFIRMED);
        assert_string_equal(rig_stages(&rig),
                            i == 1 ? "accepted realized online" : "accepted realized");
        assert_int_equal(sim_count(sim, SIM_AGENT, "guest-set-memory-blocks"), 0);
        rig_close(&rig);
    }
}

/* Where no _OST is, the guest's own tree says whether it has taken the memory. */
static void test_word_of_the_guest(void **state)
{
    const struct operation_request add = {
        .type = OPERATION_DIMM_ADD, .timeout_ms = 1000, .dimm = {.bytes = 256 * SIM_MIB}};
    struct sim *sim = pseries();

    (void)state;
    assert_int_equal(operate(sim, true, &add)->verdict, VERDICT_ONLINE);
    assert_string_equal(field_string(rig.result->details, "guest_device_tree", ""), "assigned");
    rig_close(&rig);
    sim = pseries();
    (void)json_object_set_new(sim->guest.files, LMB_LIST, lmb_list(0));
    assert_int_equal(operate(sim, true, &add)->verdict, VERDICT_PENDING);
    rig_close(&rig);
    sim = pseries(); /* it is not there, or makes no sense: then the blocks alone count */
    (void)json_object_set_new(sim->guest.files, LMB_LIST, json_null());
    assert_int_equal(operate(sim, true, &add)->verdict, VERDICT_ONLINE);
    assert_null(json_object_get(rig.result->details, "guest_device_tree"));
    rig_close(&rig);
    sim = pseries();
    (void)json_object_set_new(sim->guest.files, LMB_LIST, json_string("nonsense"));
    assert_int_equal(operate(sim, true, &add)->verdict, VERDICT_ONLINE);
    rig_close(&rig);
}

static void test_core_of_the_guest(void **state)
{
    static const char rows[] =
        "[{'type':'power9_v2.0-spapr-cpu-core','vcpus-count':1,'props':{'core-id':8}%s},"
        "{'type':'power9_v2.0-spapr-cpu-core','vcpus-count':1,'props':{'core-id':0},"
        "'qom-path':'/machine/unattached/device[0]'}]";
    static const char core[] = "/proc/device-tree/cpus/PowerPC,POWER9@8/reg";
    char before[512], after[512];
    struct sim *sim;
    unsigned i;

    (void)state;
    (void)snprintf(before, sizeof(before), rows, "");
    (void)snprintf(after, sizeof(after), rows,
                   ",'qom-path':'/machine/peripheral/vmplug-cpu-1'");
    for (i = 0; i < 2; i++) {
        sim = pseries();
        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "query-hotpluggable-cpus",
                                      .times = 1, .action = FAULT_ANSWER, .text = before});
        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "query-hotpluggable-cpus",
                                      .action = FAULT_ANSWER, .text = after});
        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "device_add", .times = 1,
                                      .action = FAULT_ANSWER, .text = "{}"});
        sim_fault(sim, (struct fault){
                           .side = SIM_AGENT, .command = "guest-get-vcpus", .skip = 1,
                           .action = FAULT_ANSWER,
                           .text = "[{'logical-id':0,'online':true},{'logical-id':1,'online':true},"
                                   "{'logical-id':2,'online':true}]"});
        (void)json_object_set_new(sim->guest.files, core,
                                  i == 0 ? json_string("8") : json_null());
        assert_int_equal(operate(sim, true, &cpu_add)->verdict, VERDICT_ONLINE);
        assert_string_equal(field_string(rig.result->details, "guest_device_tree", "-"),
                            i == 0 ? "present" : "-");
        rig_close(&rig);
    }
}

/* No word of the guest's is no refusal: QEMU still holds the request, and refuses another. */
static void test_silent_pseries(void **state)
{
    const struct operation_request removal = {.type = OPERATION_DIMM_REMOVE, .id = "m",
                                              .timeout_ms = rig_soon_ms()};
    struct sim *sim = pseries();

    (void)state;
    sim->guest.ignores_eject = true;
    sim_put_dimm(sim, "m", SIM_DIMM_BASE, 256 * SIM_MIB);
    rig_open_recorded(&rig, sim, true);
    assert_int_equal(rig_operate(&rig, &removal)->verdict, VERDICT_PENDING);
    assert_non_null(strstr(rig.result->error.fix, "vmplug wait m"));
    assert_non_null(strstr(rig.result->error.fix, "without a word"));
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "device_del",
                                  .action = FAULT_REJECT,
                                  .text = "Memory unplug already in progress for device m"});
    assert_int_equal(rig_operate(&rig, &removal)->verdict, VERDICT_PENDING);
    rig_close(&rig);
}

/* Where QEMU can't write the tree, the guest has it. */
static void test_tree_of_the_guest(void **state)
{
    struct sim *sim = sim_new();
    struct inventory *inventory;

    (void)state;
    sim->board = &sim_virt_arm;
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "dumpdtb", .action = FAULT_REJECT,
                                  .text = "Error saving FDT to file: Permission denied"});
    (void)json_object_set_new(sim->guest.files, "/sys/firmware/fdt",
                              read_tree("arm-ged.dtb"));
    rig_open(&rig, sim, true);
    inventory = rig_inventory(&rig, INVENTORY_BOARD | INVENTORY_AGENT, 5000, NULL);
    assert_non_null(inventory->board.tree);
    assert_string_equal(inventory->board.tree->compatible, "linux,dummy-virt");
    assert_int_equal(inventory->board.platform.board, PLATFORM_VIRT_ARM);
    assert_int_equal(count_temporary(), 0);
    inventory_free(inventory);
    rig_close(&rig);
}

/* A tree that is none, from either side, is as good as none at all. */
static void test_bad_trees(void **state)
{
    struct sim *sim = sim_new();
    struct inventory *inventory;

    (void)state;
    sim->board = &sim_virt_riscv;
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "dumpdtb", .action = FAULT_ANSWER,
                                  .text = "{}"}); /* and wrote nothing */
    (void)json_object_set_new(sim->guest.files, "/sys/firmware/fdt", json_string("rubbish"));
    rig_open(&rig, sim, true);
    inventory = rig_inventory(&rig, INVENTORY_BOARD | INVENTORY_AGENT, 5000, NULL);
    assert_null(inventory->board.tree);
    assert_int_equal(inventory->board.platform.board, PLATFORM_VIRT_RISCV);
    inventory_free(inventory);
    rig_close(&rig);
}

/* What doctor and audit rest on. */
static void test_topology(void **state)
{
    struct sim *sim = sim_new();
    struct inventory *inventory;
    char why[256];

    (void)state;
    sim->board = &sim_virt_riscv; /* whose tree has 2 vCPUs and 512 MiB */
    rig_open(&rig, sim, true);
    inventory = rig_inventory(&rig, INVENTORY_BOARD | INVENTORY_MEMORY, 5000, NULL);
    assert_int_equal(inventory->cpus.boot_count, 2);
    assert_false(inventory_topology_agrees(inventory, why, sizeof(why)));
    assert_non_null(strstr(why, "512 MiB"));
    inventory_free(inventory);
    sim->base_bytes = 512 * SIM_MIB;
    sim_put_cpu(sim, "plugged");
    inventory = rig_inventory(&rig, INVENTORY_BOARD | INVENTORY_MEMORY, 5000, NULL);
    assert_int_equal(inventory->cpus.boot_count, 2);
    assert_int_equal(inventory->cpus.present, 3);
    assert_true(inventory_topology_agrees(inventory, why, sizeof(why)));
    inventory_free(inventory);
    rig_close(&rig);
}

/* x86 has none, and is not asked for one. */
static void test_x86_is_not_asked(void **state)
{
    struct sim *sim = sim_new();
    struct inventory *inventory;

    (void)state;
    rig_open(&rig, sim, true);
    inventory = rig_inventory(&rig, INVENTORY_BOARD | INVENTORY_AGENT, 5000, NULL);
    assert_null(inventory->board.tree);
    assert_int_equal(sim_count(sim, SIM_QMP, "dumpdtb"), 0);
    assert_int_equal(sim_count(sim, SIM_AGENT, "guest-file-open"), 0);
    inventory_free(inventory);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flash_is_no_memory),
        cmocka_unit_test(test_no_vcpus),
        cmocka_unit_test(test_vcpus_of_a_newer_virt),
        cmocka_unit_test(test_s390_gives_no_vcpu_back),
        cmocka_unit_test(test_no_dimms),
        cmocka_unit_test(test_acpi_is_off),
        cmocka_unit_test(test_lmb),
        cmocka_unit_test(test_word_of_the_guest),
        cmocka_unit_test(test_core_of_the_guest),
        cmocka_unit_test(test_silent_pseries),
        cmocka_unit_test(test_tree_of_the_guest),
        cmocka_unit_test(test_bad_trees),
        cmocka_unit_test(test_topology),
        cmocka_unit_test(test_x86_is_not_asked),
    };

    (void)setenv("TMPDIR", fake_dir(), 1); /* where the tree is written */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
