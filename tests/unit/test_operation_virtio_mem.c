/* SPDX-License-Identifier: MIT */
/* A virtio-mem: how it is listed, added and resized. */
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

static struct sim *sim_with_port(void)
{
    struct sim *sim = sim_new();

    sim_put_port(sim, "pcie-root-port", "/machine/peripheral/port1", "port1");
    return sim;
}

/* One of 1 GiB, of which the guest has so much, all of it online. */
static struct sim *sim_with_device(uint64_t bytes)
{
    struct sim *sim = sim_new();
    struct sim_virtio_mem *device = sim_put_virtio_mem(sim, "vm0", SIM_DIMM_BASE, SIM_GIB);
    unsigned i;

    device->requested_bytes = device->bytes = bytes;
    for (i = 0; i * sim->guest.block_bytes < bytes; i++)
        sim->guest.blocks[sim->guest.block_count++] =
            (struct sim_block){.index = SIM_DIMM_BASE / sim->guest.block_bytes + i, .online = true};
    return sim;
}

static struct operation_request add_of(uint64_t bytes)
{
    return (struct operation_request){
        .type = OPERATION_VIRTIO_MEM_ADD, .timeout_ms = 5000, .dimm = {.bytes = bytes}};
}

static struct operation_request resize_to(uint64_t bytes)
{
    return (struct operation_request){.type = OPERATION_VIRTIO_MEM_RESIZE,
                                      .id = "vm0",
                                      .timeout_ms = 5000,
                                      .dimm = {.bytes = bytes}};
}

static const struct operation_result *run(struct sim *sim, bool with_agent,
                                          struct operation_request request)
{
    rig_open(&rig, sim, with_agent);
    return rig_operate(&rig, &request);
}

static void assert_detail(const char *name, const char *expected)
{
    AUTO_FREE char *text = codec_dump(json_object_get(rig.result->details, name), 0);

    if (text == NULL || strcmp(text, expected) != 0)
        fail_msg("%s is %s", name, text);
}

static void assert_blocked(struct sim *sim, struct operation_request request, const char *why,
                           const char *fix)
{
    const struct operation_result *result = run(sim, true, request);

    if (result->verdict != VERDICT_BLOCKED || strstr(result->error.why, why) == NULL ||
        strstr(result->error.fix, fix) == NULL)
        fail_msg("%s: '%s'; '%s'", verdict_name(result->verdict), result->error.why,
                 result->error.fix);
    assert_int_equal(sim_changes(sim), 0);
    rig_close(&rig);
}

/* ---- listing ---- */

/* A block may hold less of a virtio-mem than its size. */
static void test_bytes_online(void **state)
{
    static const struct {
        uint64_t bytes;
        bool there[2], online[2];
        bool known;
        uint64_t expected; /* of the device; all memory is 256 MiB more */
    } cases[] = {
        {0, {false, false}, {false, false}, true, 0},
        {4 * SIM_MIB, {true, false}, {true, false}, true, 4 * SIM_MIB},
        {4 * SIM_MIB, {true, true}, {true, true}, true, 4 * SIM_MIB},
        {4 * SIM_MIB, {true, true}, {true, false}, false, 0},
        {4 * SIM_MIB, {true, true}, {false, false}, true, 0},
        {256 * SIM_MIB, {true, true}, {false, true}, true, 128 * SIM_MIB},
        {256 * SIM_MIB, {true, true}, {true, true}, true, 256 * SIM_MIB},
        {256 * SIM_MIB, {false, true}, {false, true}, false, 0},
    };
    size_t i;
    unsigned j;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct sim *sim = sim_new();
        struct sim_virtio_mem *device;
        struct inventory *inventory;
        uint64_t bytes = 0;

        device = sim_put_virtio_mem(sim, "v", SIM_DIMM_BASE, 256 * SIM_MIB);
        device->requested_bytes = device->bytes = cases[i].bytes;
        for (j = 0; j < 2; j++) {
            if (cases[i].there[j])
                sim->guest.blocks[sim->guest.block_count++] = (struct sim_block){
                    .index = SIM_DIMM_BASE / (128 * SIM_MIB) + j, .online = cases[i].online[j]};
        }
        rig_open(&rig, sim, true);
        inventory = rig_inventory(&rig, INVENTORY_MEMORY | INVENTORY_GUEST_MEMORY, 5000, NULL);
        assert_int_equal(
            inventory_device_online(inventory, &inventory->memory.devices[0], &bytes),
            cases[i].known);
        assert_true(!cases[i].known || bytes == cases[i].expected);
        assert_int_equal(inventory_memory_online(inventory, &bytes), cases[i].known);
        assert_true(!cases[i].known || bytes == cases[i].expected + 256 * SIM_MIB);
        inventory_free(inventory);
        rig_close(&rig);
    }
}

/* ---- adding ---- */

static void test_add(void **state)
{
    AUTO_JSON json_t *backend = fake_json("{'qom-type':'memory-backend-ram',"
                                          "'id':'vmplug-mem-0-backend','size':268435456}");
    AUTO_JSON json_t *device = fake_json("{'driver':'virtio-mem-pci','id':'vmplug-mem-0','memdev':"
                                         "'vmplug-mem-0-backend','bus':'port1',"
                                         "'requested-size':268435456}");
    struct sim *sim = sim_with_port();

    (void)state;
    assert_int_equal(run(sim, true, add_of(256 * SIM_MIB))->verdict, VERDICT_ONLINE);
    assert_string_equal(rig.result->operation, "memory-add");
    assert_string_equal(rig_stages(&rig), "accepted realized online");
    assert_true(json_equal(sim_arguments(sim, SIM_QMP, "object-add"), backend));
    assert_true(json_equal(sim_arguments(sim, SIM_QMP, "device_add"), device));
    assert_detail("kind", "\"virtio-mem\"");
    assert_detail("bytes", "268435456");
    assert_detail("reached_bytes", "268435456");
    assert_detail("bus", "\"port1\"");
    assert_detail("addr", "4294967296");
    assert_int_equal(json_array_size(json_object_get(rig.result->details, "blocks")), 2);
    rig_close(&rig);
}

static void test_add_without_port(void **state)
{
    (void)state;
    assert_blocked(sim_new(), add_of(256 * SIM_MIB), "no PCI port", "pcie-root-port,id=port1");
}

static void test_add_ceilings(void **state)
{
    struct sim *sim = sim_with_port();

    (void)state;
    assert_blocked(sim_with_port(), add_of(100 * SIM_MIB), "blocks of 128 MiB", "128 MiB");
    assert_blocked(sim_with_port(), add_of(0), "0 B", "128 MiB");
    assert_blocked(sim_with_port(), add_of(4 * SIM_GIB), "exceeds maxmem", "maxmem");
    sim->slots = 0; /* it takes none */
    assert_int_equal(run(sim, true, add_of(128 * SIM_MIB))->verdict, VERDICT_ONLINE);
    rig_close(&rig);
}

static void test_add_place(void **state)
{
    struct operation_request request = add_of(256 * SIM_MIB);
    struct sim *sim = sim_with_port();

    (void)state;
    request.dimm.node_set = true;
    request.dimm.node = 1;
    sim_put_dimm(sim, "odd", SIM_DIMM_BASE, 100 * SIM_MIB);
    assert_int_equal(run(sim, true, request)->verdict, VERDICT_ONLINE);
    assert_true(json_integer_value(json_object_get(sim_arguments(sim, SIM_QMP, "device_add"),
                                                   "memaddr")) ==
                (json_int_t)(SIM_DIMM_BASE + 128 * SIM_MIB));
    assert_detail("node", "1");
    rig_close(&rig);
}

static void test_add_rejected(void **state)
{
    struct sim *sim = sim_with_port();

    (void)state;
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "device_add",
                                  .action = FAULT_REJECT, .text = "no"});
    assert_int_equal(run(sim, true, add_of(256 * SIM_MIB))->verdict, VERDICT_REJECTED);
    assert_int_equal(json_object_size(sim->objects), 0);
    rig_close(&rig);
}

/* Linux takes no more while too much of it is offline. */
static void test_add_in_pieces(void **state)
{
    struct sim *sim = sim_with_port();

    (void)state;
    sim->guest.virtio_mem_offline_bytes = 256 * SIM_MIB;
    assert_int_equal(run(sim, true, add_of(SIM_GIB))->verdict, VERDICT_ONLINE);
    assert_int_equal(sim_count(sim, SIM_AGENT, "guest-set-memory-blocks"), 4);
    assert_int_equal(json_array_size(json_object_get(rig.result->details, "blocks")), 8);
    rig_close(&rig);
}

static void test_add_without_driver(void **state)
{
    struct operation_request request = add_of(256 * SIM_MIB);
    struct sim *sim = sim_with_port();

    (void)state;
    sim->guest.ignores = true;
    request.timeout_ms = rig_soon_ms();
    assert_int_equal(run(sim, true, request)->verdict, VERDICT_PENDING);
    assert_string_equal(rig.result->awaiting, "online");
    assert_string_equal(rig_left(&rig), "vmplug-mem-0");
    assert_detail("reached_bytes", "0");
    assert_non_null(strstr(rig.result->error.why, "(it has 0 B)"));
    rig_close(&rig);
}

static void test_add_without_agent(void **state)
{
    struct operation_request request = add_of(256 * SIM_MIB);

    (void)state;
    assert_int_equal(run(sim_with_port(), false, request)->verdict, VERDICT_UNCONFIRMED);
    assert_string_equal(rig.result->missing, "agent");
    rig_close(&rig);
    request.wait_set = true;
    request.wait = RUNG_ONLINE;
    assert_int_equal(run(sim_with_port(), false, request)->verdict, VERDICT_UNPROVEN);
    assert_int_equal(sim_changes(rig.sim), 0);
    rig_close(&rig);
}

static void test_add_blocks_refuse(void **state)
{
    struct sim *sim = sim_with_port();

    (void)state;
    sim->guest.block_response = "operation-failed";
    assert_int_equal(run(sim, true, add_of(256 * SIM_MIB))->verdict, VERDICT_REFUSED);
    assert_string_equal(rig_left(&rig), "vmplug-mem-0");
    rig_close(&rig);
}

/* QEMU has counted what the guest has not made a block of yet. */
static void test_add_blocks_lag(void **state)
{
    struct operation_request request = add_of(256 * SIM_MIB);
    struct sim *sim = sim_with_port();

    (void)state;
    sim_fault(sim, (struct fault){
                       .side = SIM_AGENT, .command = "guest-get-memory-blocks", .skip = 1,
                       .times = 3, .action = FAULT_ANSWER,
                       .text = "[{'phys-index':32,'online':true}]"});
    assert_int_equal(run(sim, true, request)->verdict, VERDICT_ONLINE);
    assert_int_equal(json_array_size(json_object_get(rig.result->details, "blocks")), 2);
    rig_close(&rig);
}

static void test_add_over_old_blocks(void **state)
{
    struct sim *sim = sim_with_port();

    (void)state;
    sim->guest.blocks[sim->guest.block_count++] =
        (struct sim_block){.index = SIM_DIMM_BASE / (128 * SIM_MIB), .online = true};
    assert_int_equal(run(sim, true, add_of(256 * SIM_MIB))->verdict, VERDICT_UNCONFIRMED);
    assert_string_equal(rig.result->missing, "agent");
    rig_close(&rig);
}

/* The record names it as it names a DIMM. */
static void test_add_taken_up(void **state)
{
    struct sim *sim = sim_with_device(512 * SIM_MIB);
    const struct operation_request request = {.type = OPERATION_DIMM_ADD,
                                              .id = "vm0",
                                              .resume = true,
                                              .timeout_ms = 5000};

    (void)state;
    sim->guest.blocks[3].online = false;
    assert_int_equal(run(sim, true, request)->verdict, VERDICT_ONLINE);
    assert_true(sim->guest.blocks[3].online);
    assert_int_equal(sim_count(sim, SIM_QMP, "device_add"), 0);
    rig_close(&rig);
}

/* ---- resizing ---- */

static void test_grow(void **state)
{
    AUTO_JSON json_t *set = fake_json("{'path':'/machine/peripheral/vm0','property':"
                                      "'requested-size','value':536870912}");
    struct sim *sim = sim_with_device(256 * SIM_MIB);

    (void)state;
    assert_int_equal(run(sim, true, resize_to(512 * SIM_MIB))->verdict, VERDICT_DONE);
    assert_string_equal(rig.result->operation, "memory-resize");
    assert_true(json_equal(sim_arguments(sim, SIM_QMP, "qom-set"), set));
    assert_int_equal(sim_count(sim, SIM_QMP, "qom-set"), 1);
    assert_detail("reached_bytes", "536870912");
    assert_int_equal(json_array_size(json_object_get(rig.result->details, "blocks")), 4);
    rig_close(&rig);
}

static void test_grow_in_pieces(void **state)
{
    struct sim *sim = sim_with_device(0);

    (void)state;
    sim->guest.virtio_mem_offline_bytes = 256 * SIM_MIB;
    assert_int_equal(run(sim, true, resize_to(SIM_GIB))->verdict, VERDICT_DONE);
    assert_int_equal(sim->virtio_mems[0].bytes, SIM_GIB);
    rig_close(&rig);
}

static void test_grow_by_less_than_a_block(void **state)
{
    struct sim *sim = sim_with_device(130 * SIM_MIB);

    (void)state;
    assert_int_equal(run(sim, true, resize_to(132 * SIM_MIB))->verdict, VERDICT_DONE);
    rig_close(&rig);
}

static void test_shrink(void **state)
{
    struct sim *sim = sim_with_device(SIM_GIB);

    (void)state;
    assert_int_equal(run(sim, true, resize_to(256 * SIM_MIB))->verdict, VERDICT_DONE);
    assert_int_equal(sim_count(sim, SIM_AGENT, "guest-set-memory-blocks"), 0);
    assert_int_equal(sim->virtio_mems[0].bytes, 256 * SIM_MIB);
    rig_close(&rig);
    assert_int_equal(run(sim_with_device(SIM_GIB), true, resize_to(0))->verdict, VERDICT_DONE);
    rig_close(&rig);
}

/* Only the guest gives memory back: QEMU's word is enough, unlike with growing. */
static void test_without_agent(void **state)
{
    struct operation_request request = resize_to(512 * SIM_MIB);

    (void)state;
    assert_int_equal(run(sim_with_device(SIM_GIB), false, request)->verdict, VERDICT_DONE);
    assert_null(rig.result->missing);
    rig_close(&rig);
    assert_int_equal(run(sim_with_device(0), false, request)->verdict, VERDICT_UNCONFIRMED);
    assert_string_equal(rig.result->missing, "agent");
    assert_int_equal(rig.sim->virtio_mems[0].bytes, 512 * SIM_MIB);
    rig_close(&rig);
    request.wait_set = true;
    request.wait = RUNG_ONLINE;
    assert_int_equal(run(sim_with_device(SIM_GIB), false, request)->verdict, VERDICT_DONE);
    rig_close(&rig);
    assert_int_equal(run(sim_with_device(0), false, request)->verdict, VERDICT_UNPROVEN);
    assert_int_equal(sim_changes(rig.sim), 0);
    rig_close(&rig);
}

static void lose_agent(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    (void)user;
    if (side == SIM_AGENT && strcmp(command, "guest-set-memory-blocks") == 0)
        server_hang_up(&sim->agent);
}

static void test_agent_lost_midway(void **state)
{
    struct sim *sim = sim_with_device(0);

    (void)state;
    sim->on_command = lose_agent;
    assert_int_equal(run(sim, true, resize_to(512 * SIM_MIB))->verdict, VERDICT_PENDING);
    assert_int_equal(sim->virtio_mems[0].bytes, 512 * SIM_MIB);
    rig_close(&rig);
}

static void test_partial_shrink(void **state)
{
    struct operation_request request = resize_to(0);
    struct sim *sim = sim_with_device(SIM_GIB);

    (void)state;
    sim->guest.virtio_mem_kept_bytes = 4 * SIM_MIB;
    request.timeout_ms = rig_soon_ms();
    assert_int_equal(run(sim, true, request)->verdict, VERDICT_PENDING);
    assert_string_equal(rig.result->awaiting, "done");
    assert_string_equal(rig_left(&rig), "");
    assert_detail("reached_bytes", "4194304");
    assert_non_null(strstr(rig.result->error.why, "(it has 4 MiB)"));
    /* QEMU goes on asking; taking it up again asks for nothing new. */
    sim->guest.virtio_mem_kept_bytes = 0;
    request.resume = true;
    assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_DONE);
    assert_int_equal(sim_count(sim, SIM_QMP, "qom-set"), 1);
    rig_close(&rig);
}

static void test_nothing_to_do(void **state)
{
    struct sim *sim = sim_with_device(512 * SIM_MIB);

    (void)state;
    assert_int_equal(run(sim, true, resize_to(512 * SIM_MIB))->verdict, VERDICT_DONE);
    assert_int_equal(sim_changes(sim), 0);
    rig_close(&rig);
}

static void test_by_path(void **state)
{
    struct operation_request request = resize_to(512 * SIM_MIB);

    (void)state;
    request.id = "/machine/peripheral/vm0";
    assert_int_equal(run(sim_with_device(0), true, request)->verdict, VERDICT_DONE);
    assert_string_equal(rig.result->id, "vm0");
    rig_close(&rig);
}

static void test_resize_blocked(void **state)
{
    struct operation_request request = resize_to(512 * SIM_MIB);
    struct sim *sim = sim_new();

    (void)state;
    assert_blocked(sim_new(), request, "no memory device 'vm0'", "memory list");
    sim_put_dimm(sim, "vm0", SIM_DIMM_BASE, 128 * SIM_MIB);
    assert_blocked(sim, request, "is a dimm", "--kind virtio-mem");
    assert_blocked(sim_with_device(0), resize_to(2 * SIM_GIB), "1 GiB at most, not 2 GiB",
                   "up to 1 GiB");
    assert_blocked(sim_with_device(0), resize_to(3 * SIM_MIB), "blocks of 2 MiB",
                   "ask for 2 MiB or 4 MiB");
    assert_blocked(sim_with_device(0), resize_to(1), "no multiple", "ask for 0 B or 2 MiB");
}

static void test_resize_rejected(void **state)
{
    struct sim *sim = sim_with_device(0);

    (void)state;
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "qom-set",
                                  .action = FAULT_REJECT, .text = "no"});
    assert_int_equal(run(sim, true, resize_to(512 * SIM_MIB))->verdict, VERDICT_REJECTED);
    assert_string_equal(rig_left(&rig), "");
    rig_close(&rig);
}

/* QEMU's own block size where it tells none: it says what it does not like. */
static void test_odd_rows(void **state)
{
    static const char *const rows[] = {
        "[{'type':'virtio-mem','data':{'id':'vm0'}}]",
        "[{'type':'virtio-mem','data':{'id':'vm0','block-size':0,'max-size':-1}}]",
        "[{'type':'virtio-mem','data':{'id':'vm0','block-size':'2','requested-size':[]}}]",
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(rows); i++) {
        struct sim *sim = sim_with_device(0);

        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "query-memory-devices",
                                      .action = FAULT_ANSWER, .text = rows[i]});
        assert_blocked(sim, resize_to(512 * SIM_MIB), "0 B at most", "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_online),
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_add_without_port),
        cmocka_unit_test(test_add_ceilings),
        cmocka_unit_test(test_add_place),
        cmocka_unit_test(test_add_rejected),
        cmocka_unit_test(test_add_in_pieces),
        cmocka_unit_test(test_add_without_driver),
        cmocka_unit_test(test_add_without_agent),
        cmocka_unit_test(test_add_blocks_refuse),
        cmocka_unit_test(test_add_blocks_lag),
        cmocka_unit_test(test_add_over_old_blocks),
        cmocka_unit_test(test_add_taken_up),
        cmocka_unit_test(test_grow),
        cmocka_unit_test(test_grow_in_pieces),
        cmocka_unit_test(test_grow_by_less_than_a_block),
        cmocka_unit_test(test_shrink),
        cmocka_unit_test(test_without_agent),
        cmocka_unit_test(test_agent_lost_midway),
        cmocka_unit_test(test_partial_shrink),
        cmocka_unit_test(test_nothing_to_do),
        cmocka_unit_test(test_by_path),
        cmocka_unit_test(test_resize_blocked),
        cmocka_unit_test(test_resize_rejected),
        cmocka_unit_test(test_odd_rows),
    };

    return cmocka_run_group_tests_name("operation, virtio-mem", tests, NULL, NULL);
}
