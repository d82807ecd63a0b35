/* SPDX-License-Identifier: MIT */
/* What is peculiar to adding a DIMM. */
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
#include "tests/fake/sim_parts.h"

static struct rig rig;

static struct operation_request request_for(uint64_t bytes)
{
    return (struct operation_request){
        .type = OPERATION_DIMM_ADD, .timeout_ms = 5000, .dimm = {.bytes = bytes}};
}

static const struct operation_result *run(struct sim *sim, bool with_agent,
                                          const struct operation_request *request)
{
    rig_open(&rig, sim, with_agent);
    return rig_operate(&rig, request);
}

static const struct operation_result *add(struct sim *sim, uint64_t bytes, double timeout_ms)
{
    struct operation_request request = request_for(bytes);

    request.timeout_ms = timeout_ms;
    return run(sim, true, &request);
}

static void assert_detail(const char *name, const char *expected)
{
    AUTO_FREE char *text = codec_dump(json_object_get(rig.result->details, name), 0);

    assert_non_null(text);
    assert_string_equal(text, expected);
}

static void assert_blocked(struct sim *sim, bool with_agent, uint64_t bytes, const char *why,
                           const char *fix)
{
    const struct operation_request request = request_for(bytes);
    const struct operation_result *result = run(sim, with_agent, &request);

    if (result->verdict != VERDICT_BLOCKED || strstr(result->error.why, why) == NULL ||
        strstr(result->error.fix, fix) == NULL)
        fail_msg("%s: '%s'; '%s'", verdict_name(result->verdict), result->error.why,
                 result->error.fix);
    assert_int_equal(sim_changes(sim), 0);
    rig_close(&rig);
}

/* ---- what is sent ---- */

static void test_commands(void **state)
{
    AUTO_JSON json_t *backend = fake_json("{'qom-type':'memory-backend-ram',"
                                          "'id':'vmplug-mem-0-backend','size':268435456}");
    AUTO_JSON json_t *device = fake_json("{'driver':'pc-dimm','id':'vmplug-mem-0',"
                                         "'memdev':'vmplug-mem-0-backend'}");
    struct sim *sim = sim_new();

    (void)state;
    assert_int_equal(add(sim, 256 * SIM_MIB, 5000)->verdict, VERDICT_ONLINE);
    assert_true(json_equal(sim_arguments(sim, SIM_QMP, "object-add"), backend));
    assert_true(json_equal(sim_arguments(sim, SIM_QMP, "device_add"), device));
    assert_detail("bytes", "268435456");
    assert_detail("slot", "0");
    assert_detail("addr", "4294967296");
    assert_detail("node", "0");
    assert_int_equal(json_array_size(json_object_get(rig.result->details, "blocks")), 2);
    rig_close(&rig);
}

static void test_backends(void **state)
{
    static const struct {
        enum backend_type type;
        bool hugepages;
        const char *arguments;
    } cases[] = {
        {BACKEND_RAM, false, "{'qom-type':'memory-backend-ram'}"},
        {BACKEND_MEMFD, false, "{'qom-type':'memory-backend-memfd'}"},
        {BACKEND_MEMFD, true, "{'qom-type':'memory-backend-memfd','hugetlb':true}"},
        {BACKEND_RAM, true, "{'qom-type':'memory-backend-memfd','hugetlb':true}"},
        {BACKEND_FILE, false, "{'qom-type':'memory-backend-file','mem-path':'pool'}"},
        {BACKEND_FILE, true, "{'qom-type':'memory-backend-file','mem-path':'pool'}"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON json_t *expected = fake_json(cases[i].arguments);
        struct operation_request request = request_for(128 * SIM_MIB);
        struct sim *sim = sim_new();

        json_object_set_new(expected, "id", json_string("vmplug-mem-0-backend"));
        json_object_set_new(expected, "size", json_integer(128 * SIM_MIB));
        request.dimm.backend = cases[i].type;
        request.dimm.backend_path = "pool";
        request.dimm.hugepages = cases[i].hugepages;
        assert_int_equal(run(sim, true, &request)->verdict, VERDICT_ONLINE);
        assert_true(json_equal(sim_arguments(sim, SIM_QMP, "object-add"), expected));
        rig_close(&rig);
    }
}

static void test_path_that_is_no_utf8(void **state)
{
    struct operation_request request = request_for(128 * SIM_MIB);
    struct sim *sim = sim_new();

    (void)state;
    request.dimm.backend = BACKEND_FILE;
    request.dimm.backend_path = "/pool/\xff";
    assert_int_equal(run(sim, true, &request)->verdict, VERDICT_ERROR);
    assert_int_equal(rig.result->error.code, ERROR_INVALID);
    assert_non_null(strstr(rig.result->error.why, "is not UTF-8"));
    assert_int_equal(sim_changes(sim), 0);
    rig_close(&rig);
}

static void test_node(void **state)
{
    struct operation_request request = request_for(128 * SIM_MIB);
    struct sim *sim = sim_new();

    (void)state;
    request.dimm.node_set = true;
    request.dimm.node = 1;
    assert_int_equal(run(sim, true, &request)->verdict, VERDICT_ONLINE);
    assert_detail("node", "1");
    rig_close(&rig);
}

static void test_backend_id_is_taken(void **state)
{
    struct operation_request request = request_for(128 * SIM_MIB);
    struct sim *sim = sim_new();

    (void)state;
    json_object_set_new(sim->objects, "vmplug-mem-0-backend", json_object());
    json_object_set_new(sim->objects, "mine-backend", json_object());
    assert_int_equal(run(sim, true, &request)->verdict, VERDICT_ONLINE);
    assert_string_equal(rig.result->id, "vmplug-mem-1"); /* goes on to the next */
    request.id = "mine";
    assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_BLOCKED);
    assert_non_null(strstr(rig.result->error.why, "mine-backend"));
    rig_close(&rig);
}

/* ---- sizes ---- */

static void test_sizes_that_are_no_blocks(void **state)
{
    struct sim *sim;

    (void)state;
    assert_blocked(sim_new(), true, 100 * SIM_MIB, "100 MiB", "ask for 128 MiB");
    assert_blocked(sim_new(), false, 100 * SIM_MIB, "100 MiB", "ask for 128 MiB");
    assert_blocked(sim_new(), true, 0, "0 B", "ask for 128 MiB");
    assert_blocked(sim_new(), true, 1, "1 B", "ask for 128 MiB");
    assert_blocked(sim_new(), true, 200 * SIM_MIB, "200 MiB", "ask for 128 MiB or 256 MiB");
    assert_blocked(sim_new(), true, 128 * SIM_MIB + 1, "134217729 B", "128 MiB or 256 MiB");
    assert_blocked(sim_new(), true, INT64_MAX, "9223372036854775807 B", "or 8192 PiB");
    sim = sim_new(); /* a guest of 64 GiB and more has larger blocks */
    sim->guest.block_bytes = SIM_GIB;
    assert_blocked(sim, true, 256 * SIM_MIB, "blocks of 1 GiB", "ask for 1 GiB");
}

static void test_ceilings(void **state)
{
    struct sim *sim = sim_new();
    unsigned i;

    (void)state;
    sim->slots = 0;
    assert_blocked(sim, true, 128 * SIM_MIB, "without memory slots", "slots=N,maxmem");
    sim = sim_new();
    for (i = 0; i < 4; i++)
        sim_put_dimm(sim, (const char *[]){"a", "b", "c", "d"}[i],
                     SIM_DIMM_BASE + i * 128 * SIM_MIB, 128 * SIM_MIB);
    assert_blocked(sim, true, 128 * SIM_MIB, "all 4 memory slots are taken", "slots=N,maxmem");
    assert_blocked(sim_new(), true, 4 * SIM_GIB, "exceeds maxmem=4 GiB, of which 3840 MiB is free",
                   "maxmem");
    sim = sim_new();
    sim_put_dimm(sim, "a", SIM_DIMM_BASE, 3 * SIM_GIB);
    assert_blocked(sim, true, 896 * SIM_MIB, "of which 768 MiB is free", "maxmem");
    sim = sim_new();
    sim->max_bytes = sim->base_bytes;
    assert_blocked(sim, true, 128 * SIM_MIB, "of which 0 B is free", "maxmem");
    sim = sim_new(); /* as launch makes it */
    (void)sim_put_virtio_mem(sim, "room", SIM_DIMM_BASE, 3840 * SIM_MIB);
    assert_blocked(sim, true, 128 * SIM_MIB, "of which 0 B is free",
                   "vmplug memory resize room SIZE can give that virtio-mem 3840 MiB more, or ");
    sim = sim_new(); /* all of it, to the byte */
    sim_put_dimm(sim, "a", SIM_DIMM_BASE, 3 * SIM_GIB);
    assert_int_equal(add(sim, 768 * SIM_MIB, 5000)->verdict, VERDICT_ONLINE);
    rig_close(&rig);
}

/* virtio-mem reserves address space for all that it may grow to, and takes no slot. */
static void test_virtio_mem_reserves(void **state)
{
    static const char devices[] =
        "[{'type':'virtio-mem','data':{'id':'v','memaddr':4294967296,'size':4194304,"
        "'max-size':3221225472,'requested-size':4194304,'block-size':2097152,'node':0,"
        "'memdev':'/objects/v'}}]";
    struct sim *sim = sim_new();
    const struct operation_request request = request_for(256 * SIM_MIB);

    (void)state;
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "query-memory-devices",
                                  .action = FAULT_ANSWER, .text = devices});
    assert_blocked(sim, true, 896 * SIM_MIB, "of which 768 MiB is free", "maxmem");
    sim = sim_new();
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "query-memory-devices",
                                  .times = 1, .action = FAULT_ANSWER, .text = devices});
    /* Its 4 MiB are no whole block, but its room is: QEMU may place ours behind. */
    assert_int_equal(run(sim, true, &request)->verdict, VERDICT_ONLINE);
    assert_null(json_object_get(sim_arguments(sim, SIM_QMP, "device_add"), "addr"));
    rig_close(&rig);
}

/* QEMU that does not tell its ceilings will say itself. */
static void test_unknown_room(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim->slots = 0;
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "qom-get", .action = FAULT_REJECT,
                                  .text = "Property '.memory' not found"});
    assert_int_equal(add(sim, 128 * SIM_MIB, 5000)->verdict, VERDICT_REJECTED);
    assert_string_equal(rig.result->error.why, "no free slots available");
    assert_int_equal(json_object_size(sim->objects), 0);
    rig_close(&rig);
}

/* QEMU's words. */
static void test_advice(void **state)
{
    static const struct {
        const char *command, *desc, *fix;
    } cases[] = {
        {"object-add", "unable to map backing store for guest RAM: Cannot allocate memory",
         "huge pages on this host"},
        {"object-add", "cannot set up guest memory 'm': Cannot allocate memory", "ask for less"},
        {"object-add", "can't open backing store /x for guest RAM: No such file or directory",
         "a file that QEMU may"},
        {"device_add", "'DIMM property node has value 5' which exceeds the number of numa nodes: 1",
         "lower --node"},
        {"device_add", "'node' property has value '5', which exceedsthe number of numa nodes: 1",
         "lower --node"},
        {"device_add", "no free slots available", "slots=N"},
        {"device_add", "never heard of it", ""},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct sim *sim = sim_new();

        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = cases[i].command,
                                      .action = FAULT_REJECT, .text = cases[i].desc});
        assert_int_equal(add(sim, 128 * SIM_MIB, 5000)->verdict, VERDICT_REJECTED);
        assert_string_equal(rig.result->error.why, cases[i].desc);
        assert_non_null(strstr(rig.result->error.fix, cases[i].fix));
        assert_int_equal(rig.result->error.fix[0] == '\0', cases[i].fix[0] == '\0');
        rig_close(&rig);
    }
}

/* ---- places ---- */

/* Behind a DIMM of an odd size QEMU would place the next one where no guest's block begins, which
 * Linux refuses while answering success. */
static void test_misaligned_neighbours(void **state)
{
    static const struct {
        uint64_t addr, bytes;
        uint64_t chosen; /* 0: left to QEMU */
    } cases[] = {
        {SIM_DIMM_BASE, 100 * SIM_MIB, SIM_DIMM_BASE + 128 * SIM_MIB},
        {SIM_DIMM_BASE, 130 * SIM_MIB, SIM_DIMM_BASE + 256 * SIM_MIB},
        {SIM_DIMM_BASE + 2 * SIM_MIB, 128 * SIM_MIB, SIM_DIMM_BASE + 256 * SIM_MIB},
        {SIM_DIMM_BASE, 128 * SIM_MIB, 0},
        {SIM_DIMM_BASE + 2 * SIM_MIB, 126 * SIM_MIB, 0},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct sim *sim = sim_new();
        const json_t *addr;

        sim_put_dimm(sim, "odd", cases[i].addr, cases[i].bytes);
        assert_int_equal(add(sim, 256 * SIM_MIB, 5000)->verdict, VERDICT_ONLINE);
        addr = json_object_get(sim_arguments(sim, SIM_QMP, "device_add"), "addr");
        assert_true((uint64_t)json_integer_value(addr) == cases[i].chosen);
        assert_int_equal(addr != NULL, cases[i].chosen != 0);
        rig_close(&rig);
    }
}

static void test_misaligned_among_others(void **state)
{
    struct sim *sim = sim_new();
    const json_t *addr;

    (void)state;
    sim_put_dimm(sim, "odd", SIM_DIMM_BASE, 100 * SIM_MIB);
    sim_put_dimm(sim, "even", SIM_DIMM_BASE + 512 * SIM_MIB, 512 * SIM_MIB);
    assert_int_equal(add(sim, 128 * SIM_MIB, 5000)->verdict, VERDICT_ONLINE);
    addr = json_object_get(sim_arguments(sim, SIM_QMP, "device_add"), "addr");
    assert_true((uint64_t)json_integer_value(addr) == SIM_DIMM_BASE + SIM_GIB); /* behind all */
    rig_close(&rig);
}

/* ---- putting it online ---- */

/* _OST says success, and no blocks appear: Linux has refused the memory without saying so. */
static void test_acknowledged_without_blocks(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim->guest.ignores = true;
    assert_int_equal(add(sim, 256 * SIM_MIB, 9000)->verdict, VERDICT_REFUSED);
    assert_non_null(strstr(rig.result->error.why, "made no memory blocks of it"));
    assert_string_equal(rig_stages(&rig), "accepted realized acknowledged");
    assert_string_equal(rig_left(&rig), ""); /* taken back */
    assert_int_equal(sim->dimm_count, 0);
    assert_int_equal(json_object_size(sim->objects), 0);
    assert_true(rig.result->elapsed_ms > 1900);
    rig_close(&rig);
}

/* The same without an answer by _OST is no refusal, only silence. */
static void test_silence_without_blocks(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim->guest.ignores = true;
    sim->guest.ost_count = 0;
    assert_int_equal(add(sim, 256 * SIM_MIB, 3000)->verdict, VERDICT_PENDING);
    assert_string_equal(rig.result->awaiting, "online");
    rig_close(&rig);
}

static void test_one_block_is_missing(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim_fault(sim, (struct fault){
                       .side = SIM_AGENT, .command = "guest-get-memory-blocks", .skip = 1,
                       .action = FAULT_ANSWER, .text = "[{'phys-index':32,'online':true}]"});
    assert_int_equal(add(sim, 256 * SIM_MIB, 2 * rig_soon_ms())->verdict, VERDICT_PENDING);
    rig_close(&rig);
}

/* Blocks outside of the DIMM are others'. */
static void test_only_its_own_blocks(void **state)
{
    struct sim *sim = sim_new();
    AUTO_JSON json_t *expected = fake_json("{'mem-blks':[{'phys-index':34,'online':true},"
                                           "{'phys-index':33,'online':true}]}");
    unsigned i;

    (void)state;
    sim_put_dimm(sim, "a", SIM_DIMM_BASE, 128 * SIM_MIB); /* block 32 */
    for (i = 0; i < sim->guest.block_count; i++)
        sim->guest.blocks[i].online = false;
    sim->guest.blocks[sim->guest.block_count++] = (struct sim_block){35, false, false};
    assert_int_equal(add(sim, 256 * SIM_MIB, 5000)->verdict, VERDICT_ONLINE);
    assert_true(json_equal(sim_arguments(sim, SIM_AGENT, "guest-set-memory-blocks"), expected));
    for (i = 0; i < 4; i++)
        assert_false(sim->guest.blocks[i].online);
    rig_close(&rig);
}

static void test_blocks_refuse(void **state)
{
    static const struct {
        const char *response, *why;
    } cases[] = {
        {"operation-failed", "online: operation-failed: Device or resource busy"},
        {"operation-not-supported", "online: operation-not-supported"},
        {"not-found", "online: not-found"},
        {"", "online: "},
        {"SUCCESS", "online: SUCCESS"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct sim *sim = sim_new();

        sim->guest.block_response = cases[i].response;
        sim->guest.eject[1].status = 0x82;
        assert_int_equal(add(sim, 256 * SIM_MIB, 5000)->verdict, VERDICT_REFUSED);
        assert_non_null(strstr(rig.result->error.why, cases[i].why));
        assert_in_range(sim_count(sim, SIM_AGENT, "guest-set-memory-blocks"), 3, 20);
        assert_string_equal(rig_left(&rig), "vmplug-mem-0"); /* it does not let go either */
        rig_close(&rig);
    }
}

/* The command as a whole fails, or answers nonsense. */
static void test_set_fails(void **state)
{
    static const struct {
        enum fault_action action;
        const char *text;
    } cases[] = {
        {FAULT_REJECT, "no"}, {FAULT_ANSWER, "{}"}, {FAULT_ANSWER, "[7]"}, {FAULT_ANSWER, "2"}};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct sim *sim = sim_new();

        sim_fault(sim, (struct fault){.side = SIM_AGENT, .command = "guest-set-memory-blocks",
                                      .action = cases[i].action, .text = cases[i].text});
        assert_int_equal(add(sim, 256 * SIM_MIB, 5000)->verdict, VERDICT_REFUSED);
        rig_close(&rig);
    }
}

static void test_set_succeeds_in_the_end(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim_fault(sim, (struct fault){
                       .side = SIM_AGENT, .command = "guest-set-memory-blocks", .times = 2,
                       .action = FAULT_ANSWER,
                       .text = "[{'phys-index':32,'response':'success'},"
                               "{'phys-index':33,'response':'operation-failed','error-code':16}]"});
    assert_int_equal(add(sim, 256 * SIM_MIB, 5000)->verdict, VERDICT_ONLINE);
    rig_close(&rig);
}

static void test_set_does_nothing(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim->guest.set_does_nothing = true;
    assert_int_equal(add(sim, 256 * SIM_MIB, 4 * rig_soon_ms())->verdict, VERDICT_PENDING);
    assert_true(sim_count(sim, SIM_AGENT, "guest-set-memory-blocks") <=
                8 + rig.result->elapsed_ms / 400);
    rig_close(&rig);
}

/* ---- as movable memory ---- */

/* An agent that claims success is not asked ever faster. */
static void test_movable_does_nothing(void **state)
{
    struct operation_request request = request_for(256 * SIM_MIB);
    struct sim *sim = sim_new();

    (void)state;
    request.dimm.movable = true;
    request.timeout_ms = 4 * rig_soon_ms();
    sim->guest.set_does_nothing = true;
    assert_int_equal(run(sim, true, &request)->verdict, VERDICT_PENDING);
    assert_true(sim_count(sim, SIM_AGENT, "guest-file-write") <=
                8 + rig.result->elapsed_ms / 400);
    rig_close(&rig);
}

/* What was to be movable is so when it is taken up again. */
static void test_movable_taken_up(void **state)
{
    struct operation_request request = request_for(256 * SIM_MIB);
    struct sim *sim = sim_new();
    unsigned i;

    (void)state;
    request.dimm.movable = true;
    request.timeout_ms = rig_soon_ms();
    sim->guest.ignores = true;
    rig_open_recorded(&rig, sim, true);
    assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_PENDING);
    sim_guest_shows(sim, false, 0);
    rig_reopen(&rig);
    request = (struct operation_request){.type = OPERATION_DIMM_ADD, .id = "vmplug-mem-0",
                                         .resume = true, .timeout_ms = 5000};
    assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_ONLINE);
    assert_detail("movable", "true");
    assert_int_equal(sim->guest.block_count, 4);
    for (i = 2; i < 4; i++)
        assert_true(sim->guest.blocks[i].online && sim->guest.blocks[i].movable);
    rig_close(&rig);
}

/* ---- odd answers ---- */

static void test_odd_rows(void **state)
{
    static const char *const rows[] = {
        "[{'type':'dimm','data':{'id':'vmplug-mem-0'}}]", /* no slot: an old or odd QEMU */
        "[{'type':'dimm','data':{'id':'vmplug-mem-0','slot':-1,'addr':1,'size':1}}]",
        "[{'type':'dimm','data':{'id':'vmplug-mem-','slot':0,'addr':4294967296}}]",
        "[{'type':'dimm','data':{'slot':0}},{'type':'dimm'},7]",
        "{}",
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(rows); i++) {
        struct sim *sim = sim_new();

        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "query-memory-devices",
                                      .skip = 1, .action = FAULT_ANSWER, .text = rows[i]});
        assert_int_equal(add(sim, 128 * SIM_MIB, rig_soon_ms())->verdict, VERDICT_PENDING);
        assert_string_equal(rig.result->awaiting, "realized");
        rig_close(&rig);
    }
}

/* A block size that would be divided by. */
static void test_hostile_block_size(void **state)
{
    static const char *const sizes[] = {"{'size':0}", "{'size':1}", "{'size':-1}", "{}",
                                        "{'size':100000000}"};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(sizes); i++) {
        struct sim *sim = sim_new();

        sim_fault(sim, (struct fault){.side = SIM_AGENT,
                                      .command = "guest-get-memory-block-info",
                                      .action = FAULT_ANSWER, .text = sizes[i]});
        assert_int_equal(add(sim, 256 * SIM_MIB, 5000)->verdict, VERDICT_UNCONFIRMED);
        assert_int_equal(sim_count(sim, SIM_AGENT, "guest-set-memory-blocks"), 0);
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_backends),
        cmocka_unit_test(test_path_that_is_no_utf8),
        cmocka_unit_test(test_node),
        cmocka_unit_test(test_backend_id_is_taken),
        cmocka_unit_test(test_sizes_that_are_no_blocks),
        cmocka_unit_test(test_ceilings),
        cmocka_unit_test(test_virtio_mem_reserves),
        cmocka_unit_test(test_unknown_room),
        cmocka_unit_test(test_advice),
        cmocka_unit_test(test_misaligned_neighbours),
        cmocka_unit_test(test_misaligned_among_others),
        cmocka_unit_test(test_acknowledged_without_blocks),
        cmocka_unit_test(test_silence_without_blocks),
        cmocka_unit_test(test_one_block_is_missing),
        cmocka_unit_test(test_only_its_own_blocks),
        cmocka_unit_test(test_blocks_refuse),
        cmocka_unit_test(test_set_fails),
        cmocka_unit_test(test_set_succeeds_in_the_end),
        cmocka_unit_test(test_set_does_nothing),
        cmocka_unit_test(test_movable_does_nothing),
        cmocka_unit_test(test_movable_taken_up),
        cmocka_unit_test(test_odd_rows),
        cmocka_unit_test(test_hostile_block_size),
    };

    return cmocka_run_group_tests_name("operation, DIMM", tests, NULL, NULL);
}
