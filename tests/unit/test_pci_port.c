/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "tests/fake/rig.h"
#include "vmm/pci_port.h"

#define PERIPHERAL "/machine/peripheral/"

static struct rig rig;

static struct sim_port *put(struct sim *sim, const char *type, const char *id)
{
    char path[128];

    (void)snprintf(path, sizeof(path), PERIPHERAL "%s", id);
    return sim_put_port(sim, type, path, id);
}

static struct sim_port *put_root(struct sim *sim)
{
    return sim_put_port(sim, "i440FX-pcihost", "/machine/i440fx", "pci.0");
}

static void assert_chosen(struct sim *sim, const char *expected)
{
    char bus[INVENTORY_ID_MAX] = "";
    struct error error = ERROR_INIT;
    struct inventory *inventory;

    rig_open(&rig, sim, false);
    inventory = rig_inventory(&rig, INVENTORY_PCI, 5000, NULL);
    if (pci_port_choose(inventory, bus, &error) < 0)
        fail_msg("none: %s", error.why);
    assert_string_equal(bus, expected);
    inventory_free(inventory);
    rig_close(&rig);
}

static void assert_none(struct sim *sim, const char *why, const char *fix)
{
    char bus[INVENTORY_ID_MAX] = "";
    struct error error = ERROR_INIT;
    struct inventory *inventory;

    rig_open(&rig, sim, false);
    inventory = rig_inventory(&rig, INVENTORY_PCI | INVENTORY_ACCEL, 5000, NULL);
    assert_int_equal(pci_port_choose(inventory, bus, &error), -1);
    assert_int_equal(error.code, ERROR_BLOCKED);
    assert_string_equal(bus, "");
    if (strstr(error.why, why) == NULL || strstr(error.fix, fix) == NULL)
        fail_msg("'%s'; '%s'", error.why, error.fix);
    inventory_free(inventory);
    rig_close(&rig);
}

static void test_no_port(void **state)
{
    (void)state;
    assert_none(sim_new(), "no PCI port that can be hotplugged", "pcie-root-port,id=port1");
}

/* There is none, or the guest would not see what is in it. */
static void test_boards_without_ports(void **state)
{
    static const struct {
        const struct sim_board *board;
        const char *why, *fix;
    } cases[] = {
        {&sim_microvm, "this microvm has no PCI port", "virtio-scsi bus"},
        {&sim_pseries, "rtas_errd", "virtio-scsi bus"},
        {&sim_s390, "virtio-ccw", "virtio-scsi bus"},
    };
    struct sim *sim;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        sim = sim_new();
        sim->board = cases[i].board;
        assert_none(sim, cases[i].why, cases[i].fix);
    }
}

static void test_free_port(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    put(sim, "pcie-root-port", "port10");
    put(sim, "pcie-root-port", "port2");
    put(sim, "pcie-root-port", "port1")->devices = 1;
    assert_chosen(sim, "port2");
}

static void test_taken_ports(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    put(sim, "pcie-root-port", "port1")->devices = 1;
    assert_none(sim, "1 can be hotplugged, and it is taken", "pcie-root-port");
    sim = sim_new();
    put(sim, "pcie-root-port", "port1")->devices = 1;
    put(sim, "pcie-root-port", "port2")->devices = 1;
    put(sim, "pcie-root-port", "port3")->off = true;
    assert_none(sim, "2 can be hotplugged, and all are taken", "pcie-root-port");
}

static void test_ports_that_take_nothing(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    put(sim, "pcie-root-port", "off")->off = true;
    put(sim, "pcie-root-port", "no-handler")->handler = "";
    put(sim, "x3130-upstream", "upstream");
    put(sim, "pci-bridge", "shpc")->handler = PERIPHERAL "shpc";
    assert_none(sim, "no PCI port that can be hotplugged", "pcie-root-port");
}

static void test_native_hotplug(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    put(sim, "pcie-root-port", "port1")->handler = PERIPHERAL "port1";
    assert_chosen(sim, "port1");
}

static void test_anonymous_port(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim_put_port(sim, "pcie-root-port", "/machine/peripheral-anon/device[0]", "pcie.1");
    assert_chosen(sim, "pcie.1");
}

static void test_other_ports(void **state)
{
    static const char *const types[] = {"ioh3420", "xio3130-downstream", "pci-bridge",
                                        "pcie-pci-bridge"};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(types); i++) {
        struct sim *sim = sim_new();

        put(sim, types[i], "bus0");
        assert_chosen(sim, "bus0");
    }
}

static void test_root_bus_of_pc(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    put_root(sim)->devices = 7;
    assert_chosen(sim, "pci.0");
    sim = sim_new(); /* acpi-root-pci-hotplug=off */
    put_root(sim)->handler = "";
    assert_none(sim, "no PCI port", "");
}

static void test_conventional_buses_fill_up(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    put_root(sim)->devices = 34; /* functions of one device count, too */
    put(sim, "pci-bridge", "bridge1")->devices = 31;
    assert_chosen(sim, "bridge1");
    sim = sim_new();
    put_root(sim)->devices = 34;
    put(sim, "pci-bridge", "bridge1")->devices = 32;
    assert_none(sim, "2 can be hotplugged", "");
}

static void test_express_first(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    put(sim, "pci-bridge", "a");
    put(sim, "pcie-root-port", "b");
    assert_chosen(sim, "b");
}

static void test_odd_answers(void **state)
{
    static const char *const answers[] = {"{}", "[]", "7", "[7,{},{'name':7,'type':[]}]"};
    unsigned i;

    (void)state;
    for (i = 0; i < COUNT_OF(answers); i++) {
        struct sim *sim = sim_new();

        put(sim, "pcie-root-port", "port1");
        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "qom-list", .skip = i % 3,
                                      .action = FAULT_ANSWER, .text = answers[i]});
        assert_none(sim, "no PCI port", "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_port),
        cmocka_unit_test(test_boards_without_ports),
        cmocka_unit_test(test_free_port),
        cmocka_unit_test(test_taken_ports),
        cmocka_unit_test(test_ports_that_take_nothing),
        cmocka_unit_test(test_native_hotplug),
        cmocka_unit_test(test_anonymous_port),
        cmocka_unit_test(test_other_ports),
        cmocka_unit_test(test_root_bus_of_pc),
        cmocka_unit_test(test_conventional_buses_fill_up),
        cmocka_unit_test(test_express_first),
        cmocka_unit_test(test_odd_answers),
    };

    return cmocka_run_group_tests_name("PCI ports", tests, NULL, NULL);
}
