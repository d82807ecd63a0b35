/* SPDX-License-Identifier: MIT */
/*
 * Another vmplug is at work on the same QEMU and was faster: what it took between our look and our
 * command is ours no more, and something else is chosen. What QEMU refuses for another reason stays
 * refused, and what is the other's stays where it is.
 */
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

static struct rig rig;

/* What the other one does when our command arrives, the first so many times. */
struct rival {
    const char *command;
    void (*act)(struct sim *sim, unsigned turn);
    unsigned turns, turn;
};

static void on_command(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    struct rival *rival = user;

    if (side == SIM_QMP && strcmp(command, rival->command) == 0 && rival->turn < rival->turns)
        rival->act(sim, rival->turn++);
}

static const struct operation_result *race(struct rival *rival, struct sim *sim,
                                           const struct operation_request *request)
{
    sim->on_command = on_command;
    sim->user = rival;
    rig_open_recorded(&rig, sim, true);
    return rig_operate(&rig, request);
}

static void take_cpu(struct sim *sim, unsigned turn)
{
    (void)turn;
    sim_put_cpu(sim, "theirs");
}

static void take_cpu_id(struct sim *sim, unsigned turn)
{
    char id[32];

    (void)snprintf(id, sizeof(id), "vmplug-cpu-%u", 2 + turn);
    sim_put_cpu(sim, id);
}

static void take_backend(struct sim *sim, unsigned turn)
{
    (void)turn;
    sim_leave_backend(sim, "vmplug-mem-0-backend");
}

static void take_node(struct sim *sim, unsigned turn)
{
    char name[32];

    (void)snprintf(name, sizeof(name), "vmplug-disk-%u", turn);
    sim_leave_node(sim, name);
}

static void take_lun(struct sim *sim, unsigned turn)
{
    (void)turn;
    sim_put_disk(sim, "theirs", "THEIRS", 1);
}

static void take_port(struct sim *sim, unsigned turn)
{
    (void)turn;
    sim->ports[0].devices = 1;
}

static void do_nothing(struct sim *sim, unsigned turn)
{
    (void)sim;
    (void)turn;
}

static void test_another_is_chosen(void **state)
{
    static const struct {
        enum operation_type type;
        struct rival rival;
        const char *bus, *id;
    } rows[] = {
        {OPERATION_CPU_ADD, {"device_add", take_cpu, 1, 0}, NULL, "vmplug-cpu-3"},
        {OPERATION_CPU_ADD, {"device_add", take_cpu_id, 1, 0}, NULL, "vmplug-cpu-3"},
        {OPERATION_DIMM_ADD, {"object-add", take_backend, 1, 0}, NULL, "vmplug-mem-1"},
        {OPERATION_DISK_ADD, {"blockdev-add", take_node, 1, 0}, NULL, "vmplug-disk-1"},
        {OPERATION_DISK_ADD, {"blockdev-add", take_node, 9, 0}, NULL, "vmplug-disk-9"},
        {OPERATION_DISK_ADD, {"device_add", take_lun, 1, 0}, NULL, "vmplug-disk-0"},
        {OPERATION_DISK_ADD, {"device_add", take_port, 1, 0}, "virtio", "vmplug-disk-0"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(rows); i++) {
        struct operation_request request = rig_addition(rows[i].type);
        const struct operation_result *result;
        struct rival rival = rows[i].rival;
        struct sim *sim = sim_new();

        (void)sim_put_port(sim, "pcie-root-port", "/machine/peripheral/port1", "port1");
        (void)sim_put_port(sim, "pcie-root-port", "/machine/peripheral/port2", "port2");
        request.disk.bus = rows[i].bus;
        result = race(&rival, sim, &request);
        if (result->verdict != VERDICT_ONLINE)
            fail_msg("row %zu: %s: %s", i, verdict_name(result->verdict), result->error.why);
        assert_int_equal(rival.turn, rival.turns);
        assert_string_equal(result->id, rows[i].id);
        assert_int_equal(result->error.code, ERROR_NONE);
        assert_int_equal(result->left_count, 0);
        rig_close(&rig);
    }
}

/* ---- the guest's names ---- */

struct renaming {
    bool in_between; /* the guest is seen without either disk */
    unsigned looks;
};

/* The other's disk goes, and ours has its name. */
static void give_name_back(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    struct renaming *renaming = user;

    if (side == SIM_QMP && strcmp(command, "blockdev-add") == 0)
        sim->disk_count = 0;
    if (side == SIM_AGENT && strcmp(command, "guest-get-disks") == 0)
        sim->guest.ignores = ++renaming->looks == 2 && renaming->in_between;
}

static void test_name_is_used_again(void **state)
{
    static const struct {
        bool virtio, tells_serials, in_between;
    } rows[] = {
        {false, false, false}, /* another LUN */
        {true, true, false},   /* another serial */
        {true, false, true},   /* neither is told, but it was gone */
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(rows); i++) {
        struct operation_request request = rig_addition(OPERATION_DISK_ADD);
        struct renaming renaming = {.in_between = rows[i].in_between};
        struct sim *sim = sim_new();

        (void)sim_put_port(sim, "pcie-root-port", "/machine/peripheral/port1", "port1");
        sim_put_disk(sim, "theirs", "THEIRS", rows[i].virtio ? 0 : 1);
        sim->disks[0].virtio = rows[i].virtio;
        sim->guest.tells_serials = rows[i].tells_serials;
        sim->guest.has_vpd = true;
        request.disk.bus = rows[i].virtio ? "virtio" : NULL;
        request.disk.serial = "OURS";
        sim->on_command = give_name_back;
        sim->user = &renaming;
        rig_open(&rig, sim, true);
        (void)rig_operate(&rig, &request);
        rig_assert_verdict(rig.result, VERDICT_ONLINE);
        assert_string_equal(json_string_value(json_object_get(rig.result->details, "guest_name")),
                            rows[i].virtio ? "/dev/vda" : "/dev/sda");
        rig_close(&rig);
    }
}

static void test_the_others_things_stay(void **state)
{
    const struct operation_request request = rig_addition(OPERATION_DISK_ADD);
    struct rival rival = {"blockdev-add", take_node, 1, 0};
    struct sim *sim = sim_new();

    (void)state;
    assert_int_equal(race(&rival, sim, &request)->verdict, VERDICT_ONLINE);
    assert_non_null(sim_find_node(sim, "vmplug-disk-0"));
    assert_int_equal(sim_count(sim, SIM_QMP, "blockdev-del"), 0);
    rig_close(&rig);
}

/* What the user named is not ours to change. */
static void test_named_by_the_user(void **state)
{
    struct operation_request request = rig_addition(OPERATION_DISK_ADD);
    struct rival rival = {"blockdev-add", take_node, 1, 0};
    struct sim *sim = sim_new();
    const struct operation_result *result;

    (void)state;
    request.id = "vmplug-disk-0";
    result = race(&rival, sim, &request);
    assert_int_equal(result->verdict, VERDICT_REJECTED);
    assert_non_null(strstr(result->error.why, "Duplicate"));
    assert_string_equal(result->id, "vmplug-disk-0");
    assert_int_equal(sim_changes(sim), 1);
    assert_non_null(sim_find_node(sim, "vmplug-disk-0"));
    rig_close(&rig);
}

static void test_the_last_place_is_taken(void **state)
{
    const struct operation_request request = rig_addition(OPERATION_CPU_ADD);
    struct rival rival = {"device_add", take_cpu, 2, 0};
    struct sim *sim = sim_new();
    const struct operation_result *result;

    (void)state;
    result = race(&rival, sim, &request);
    assert_int_equal(result->verdict, VERDICT_REJECTED);
    assert_non_null(strstr(result->error.why, "exists"));
    assert_int_equal(sim_changes(sim), 2);
    rig_close(&rig);
}

/* … and has let go of it by the time that we look, so that the same is chosen once more. */
static void test_free_again(void **state)
{
    static const struct {
        enum operation_type type;
        const char *command, *text, *id;
    } rows[] = {
        {OPERATION_CPU_ADD, "device_add", "Duplicate device ID 'vmplug-cpu-2'", "vmplug-cpu-2"},
        {OPERATION_CPU_ADD, "device_add", "CPU[2] with APIC ID 2 exists", "vmplug-cpu-2"},
        {OPERATION_DIMM_ADD, "object-add",
         "attempt to add duplicate property 'vmplug-mem-0-backend' to object (type 'container')",
         "vmplug-mem-0"},
        {OPERATION_DIMM_ADD, "device_add", "slot 0 is busy", "vmplug-mem-0"},
        {OPERATION_DISK_ADD, "blockdev-add", "Duplicate nodes with node-name='vmplug-disk-0'",
         "vmplug-disk-0"},
        {OPERATION_DISK_ADD, "device_add", "lun already used by 'theirs'", "vmplug-disk-0"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(rows); i++) {
        const struct operation_request request = rig_addition(rows[i].type);
        struct sim *sim = sim_new();

        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = rows[i].command, .times = 1,
                                      .action = FAULT_REJECT, .text = rows[i].text});
        rig_open(&rig, sim, true);
        rig_assert_verdict(rig_operate(&rig, &request), VERDICT_ONLINE);
        assert_string_equal(rig.result->id, rows[i].id);
        assert_int_equal(sim_count(sim, SIM_QMP, rows[i].command), 2);
        rig_close(&rig);
    }
}

/* The same plan again is no other one. */
static void test_refused_for_another_reason(void **state)
{
    const struct operation_request request = rig_addition(OPERATION_DISK_ADD);
    struct rival rival = {"device_add", do_nothing, 1, 0};
    struct sim *sim = sim_new();

    (void)state;
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "device_add",
                                  .action = FAULT_REJECT, .text = "No such property"});
    assert_int_equal(race(&rival, sim, &request)->verdict, VERDICT_REJECTED);
    assert_int_equal(sim_count(sim, SIM_QMP, "device_add"), 1);
    rig_close(&rig);
}

static void test_not_for_ever(void **state)
{
    const struct operation_request request = rig_addition(OPERATION_DISK_ADD);
    struct rival rival = {"blockdev-add", take_node, 31, 0};
    struct sim *sim = sim_new();

    (void)state;
    assert_int_equal(race(&rival, sim, &request)->verdict, VERDICT_REJECTED);
    assert_int_equal(sim_count(sim, SIM_QMP, "blockdev-add"), 16);
    rig_close(&rig);
}

/* ---- what comes between the two plans ---- */

static void take_node_and_die(struct sim *sim, unsigned turn)
{
    take_node(sim, turn);
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "query-block",
                                  .action = FAULT_DIE});
}

static void take_node_and_freeze(struct sim *sim, unsigned turn)
{
    take_node(sim, turn);
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "query-block",
                                  .action = FAULT_IGNORE});
}

static void interrupt(struct sim *sim, unsigned turn)
{
    (void)sim;
    (void)turn;
    operation_interrupt(rig.operation);
}

static void on_command_of_either(void *user, struct sim *sim, enum sim_side side,
                                 const char *command)
{
    struct rival *rivals = user;

    on_command(&rivals[0], sim, side, command);
    if (rivals[0].turn > 0)
        on_command(&rivals[1], sim, side, command);
}

static void test_interrupted_between(void **state)
{
    const struct operation_request request = rig_addition(OPERATION_DISK_ADD);
    struct rival rivals[] = {{"blockdev-add", take_node_and_freeze, 1, 0},
                             {"query-block", interrupt, 1, 0}};
    struct sim *sim = sim_new();

    (void)state;
    sim->on_command = on_command_of_either;
    sim->user = rivals;
    rig_open(&rig, sim, true);
    assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_INTERRUPTED);
    assert_int_equal(sim_changes(sim), 1);
    assert_int_equal(rig.result->left_count, 0);
    rig_close(&rig);
}

static void test_lost_between(void **state)
{
    const struct operation_request request = rig_addition(OPERATION_DISK_ADD);
    struct rival rival = {"blockdev-add", take_node_and_die, 1, 0};

    (void)state;
    assert_int_equal(race(&rival, sim_new(), &request)->verdict, VERDICT_LOST);
    assert_int_equal(rig.result->left_count, 0);
    rig_close(&rig);
}

static void test_frozen_between(void **state)
{
    struct operation_request request = rig_addition(OPERATION_DISK_ADD);
    struct rival rival = {"blockdev-add", take_node_and_freeze, 1, 0};

    (void)state;
    request.timeout_ms = rig_soon_ms();
    assert_int_equal(race(&rival, sim_new(), &request)->verdict, VERDICT_REJECTED);
    assert_non_null(strstr(rig.result->error.why, "Duplicate"));
    assert_true(rig.result->elapsed_ms < request.timeout_ms + 100);
    rig_close(&rig);
}

/* ---- the record ---- */

/* The other's device of this id has come and is on its way out by the time that we ask. */
static void take_node_and_remove_it(struct sim *sim, unsigned turn)
{
    take_node(sim, turn);
    assert_true(record_put(vm_record(rig.vm), fake_jsonf("{'operation':'disk-remove',"
                                                          "'id':'vmplug-disk-%u'}", turn)));
}

static void test_the_others_requests_stay_on_record(void **state)
{
    const struct operation_request request = rig_addition(OPERATION_DISK_ADD);
    struct rival rival = {"blockdev-add", take_node_and_remove_it, 31, 0};
    AUTO_JSON json_t *entries = NULL;

    (void)state;
    assert_int_equal(race(&rival, sim_new(), &request)->verdict, VERDICT_REJECTED);
    entries = record_list(vm_record(rig.vm));
    assert_int_equal(json_array_size(entries), rival.turn);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_another_is_chosen),
        cmocka_unit_test(test_name_is_used_again),
        cmocka_unit_test(test_the_others_things_stay),
        cmocka_unit_test(test_named_by_the_user),
        cmocka_unit_test(test_the_last_place_is_taken),
        cmocka_unit_test(test_free_again),
        cmocka_unit_test(test_refused_for_another_reason),
        cmocka_unit_test(test_not_for_ever),
        cmocka_unit_test(test_interrupted_between),
        cmocka_unit_test(test_lost_between),
        cmocka_unit_test(test_frozen_between),
        cmocka_unit_test(test_the_others_requests_stay_on_record),
    };

    return cmocka_run_group_tests_name("operation, another vmplug", tests, NULL, NULL);
}
