/* SPDX-License-Identifier: MIT */
/* The functions of base/, qmp/ and acpi/ that allocate, with each allocation failing in turn. Those
 * of vmm/, and the agent's session, are in test_alloc_vm.c and test_alloc_operation.c; what they do
 * not reach shows in `make coverage`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "acpi/ledger.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "qmp/blocking.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "qmp/framer.h"
#include "qmp/qga.h"
#include "qmp/qga_use.h"
#include "tests/fake/oom.h"
#include "tests/fake/peer.h"
#include "tests/fake/wire.h"
#include "vmm/image.h"

static void each(oom_body_fn *body)
{
    assert_int_not_equal(oom_each(body, NULL), 0);
    (void)oom_each_lasting(body, NULL);
}

/* ---- bytes and JSON ---- */

static void use_buffer(void *user)
{
    struct buffer buffer = {0};

    (void)user;
    oom_on();
    if (buffer_append(&buffer, "abc", 3) == 0 && buffer_reserve(&buffer, 5000) != NULL)
        buffer_commit(&buffer, 5000);
    else
        assert_true(buffer_size(&buffer) == 0 || buffer_size(&buffer) == 3);
    if (buffer_size(&buffer) > 0)
        assert_memory_equal(buffer_bytes(&buffer), "abc", 3);
    buffer_consume(&buffer, buffer_size(&buffer));
    buffer_free(&buffer);
}

/* What was read and written again is the same, or nothing. */
static void use_codec(void *user)
{
    static const char text[] = "{\"wide\":18446744073709551615,\"list\":[1,\"two\",null]}";
    const struct framer_message message = {
        .bytes = text, .size_bytes = strlen(text), .wide_number = true};
    AUTO_JSON json_t *value = NULL, *parsed = NULL;
    struct error error = ERROR_INIT;
    struct buffer buffer = {0};
    char *dumped;

    (void)user;
    oom_on();
    value = codec_decode(&message, &error);
    parsed = codec_parse(text, &error);
    assert_true((value != NULL && parsed != NULL) || error.code == ERROR_SYSTEM);
    if (value != NULL && codec_append(&buffer, value) == 0)
        assert_memory_equal(buffer_bytes(&buffer), text, strlen(text));
    else
        assert_true(oom_struck());
    buffer_free(&buffer);
    dumped = parsed != NULL ? codec_dump(parsed, 0) : NULL;
    if (dumped != NULL)
        assert_string_equal(dumped, text);
    else
        assert_true(oom_struck());
    free(dumped);
    json_decref(STEAL(value)); /* before the run is over */
    json_decref(STEAL(parsed));
}

static void use_framer(void *user)
{
    static const struct framer_limits limits = {.message_bytes = 1000, .depth = 10};
    struct framer_message message;
    struct framer framer;
    char *room;

    (void)user;
    framer_init(&framer, &limits);
    oom_on();
    room = framer_reserve(&framer, 100);
    if (room != NULL) {
        memcpy(room, "{}", 2);
        framer_fed(&framer, 2);
        assert_int_equal(framer_next(&framer, &message, NULL), FRAMER_MESSAGE);
    }
    framer_free(&framer);
}

static void build_fields(void *user)
{
    json_t *object, *array;

    (void)user;
    oom_on();
    array = json_array();
    field_append(&array, json_integer(1));
    field_append(&array, json_string("two"));
    object = json_object();
    field_set(&object, "list", array);
    field_set(&object, "flag", json_true());
    if (object != NULL)
        assert_int_equal(json_array_size(field_array(object, "list")), 2);
    else
        assert_true(oom_struck());
    json_decref(object);
}

static void test_bytes_and_json(void **state)
{
    (void)state;
    each(use_buffer);
    each(use_codec);
    each(use_framer);
    each(build_fields);
}

/* ---- answers ---- */

static json_t *answer;

static void read_vcpus(void *user)
{
    struct qga_vcpu *vcpus = NULL;
    size_t count = 0;

    (void)user;
    oom_on();
    if (qga_read_vcpus(answer, &vcpus, &count))
        assert_int_equal(count, 2);
    else
        assert_true(oom_struck());
    free(vcpus);
}

static void read_blocks(void *user)
{
    struct qga_memory_block *blocks = NULL;
    size_t count = 0;

    (void)user;
    oom_on();
    if (qga_read_memory_blocks(answer, &blocks, &count))
        assert_int_equal(count, 2);
    else
        assert_true(oom_struck());
    free(blocks);
}

static void read_disks(void *user)
{
    struct qga_disk *disks = NULL;
    struct qga_uses uses = {0};
    size_t count = 0;

    (void)user;
    oom_on();
    if (qga_read_disks(answer, &disks, &count))
        assert_int_equal(count, 2);
    else
        assert_true(oom_struck());
    free(disks);
    if (qga_uses_read_dependencies(&uses, answer) &&
        qga_uses_read_filesystems(&uses, answer) && qga_uses_read_swaps(&uses, "\n/dev/sdc x\n"))
        assert_true(qga_uses_find(&uses, "/dev/sdz") != NULL &&
                    qga_uses_find(&uses, "/dev/sdc") != NULL);
    else
        assert_true(oom_struck());
    qga_uses_free(&uses);
}

static void read_rows(void *user)
{
    struct ledger ledger = {0};
    bool all;

    (void)user;
    oom_on();
    all = ledger_take_rows(&ledger, answer, 1);
    assert_true(all || oom_struck());
    ledger_settle_rows(&ledger, answer, 2);
    (void)ledger_take_event(&ledger, json_array_get(answer, 0), 3);
    if (all)
        assert_non_null(ledger_news(&ledger, LEDGER_DIMM, 1, 0));
    ledger_free(&ledger);
}

static void read_commands(void *user)
{
    json_t *commands, *vcpus, *blocks;

    (void)user;
    oom_on();
    commands = qga_read_commands(answer);
    assert_true(json_object_size(commands) == 2 || commands == NULL);
    vcpus = qga_vcpus_online(json_object_get(answer, "numbers"));
    assert_true(json_array_size(json_object_get(vcpus, "vcpus")) == 2 || vcpus == NULL);
    blocks = qga_memory_blocks_online(json_object_get(answer, "numbers"));
    assert_true(json_array_size(json_object_get(blocks, "mem-blks")) == 2 || blocks == NULL);
    assert_true((commands != NULL && vcpus != NULL && blocks != NULL) || oom_struck());
    json_decref(commands);
    json_decref(vcpus);
    json_decref(blocks);
}

static void test_answers(void **state)
{
    static const struct {
        oom_body_fn *body;
        const char *text;
    } cases[] = {
        {read_vcpus, "[{'logical-id':0,'online':true},{'logical-id':1,'online':false}]"},
        {read_blocks, "[{'phys-index':0,'online':true},{'phys-index':1,'online':false}]"},
        {read_disks, "[{'name':'/dev/sda','partition':false,'dependencies':['/dev/sdz']},"
                     "{'name':'/dev/sdb','partition':false}]"},
        {read_rows, "[{'slot':'1','slot-type':'DIMM','source':1,'status':0}]"},
        {read_commands, "{'supported_commands':[{'name':'a','enabled':true},"
                        "{'name':'b','enabled':true}],'numbers':[1,2]}"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        answer = fake_json(cases[i].text);
        each(cases[i].body);
        json_decref(answer);
    }
}

/* ---- what opens a disk ---- */

static void make_node(void *user)
{
    struct image image;
    json_t *node;

    (void)user;
    assert_int_equal(image_inspect("nbd://host/export", NULL, true, &image, NULL), 0);
    oom_on();
    node = image_node(&image, "node", true);
    if (node != NULL)
        assert_true(field_bool(node, "read-only", false));
    else
        assert_true(oom_struck());
    json_decref(node);
}

static void test_image(void **state)
{
    (void)state;
    each(make_node);
}

/* ---- sessions ---- */

struct asked {
    unsigned count;
    bool answered;
    struct error error;
};

static void on_reply(void *user, const struct reply *reply)
{
    struct asked *asked = user;

    asked->count++;
    asked->answered = reply->value != NULL;
    if (reply->error != NULL)
        asked->error = *reply->error;
}

static bool is_told(void *user)
{
    return ((const struct asked *)user)->count > 0;
}

static void on_event(void *user, const struct qmp_event *event)
{
    (void)user;
    (void)event;
}

static struct request request_for(const char *command, struct asked *asked)
{
    return (struct request){.command = command,
                            .arguments = json_pack("{s:s}", "key", "value"),
                            .timeout_ms = 60000,
                            .done = on_reply,
                            .user = asked};
}

static void check_asked(const struct asked *asked)
{
    assert_true(asked->count <= 1);
    if (!asked->answered)
        assert_int_equal(asked->error.code, ERROR_SYSTEM);
}

static void ask_qmp(void *user)
{
    struct peer *peer = peer_new("qmp");
    const struct qmp_client_options options = {.path = peer_path(peer)};
    struct asked asked = {.count = 0};
    struct pump *pumps[2] = {NULL, peer_pump(peer)};
    struct qmp_client *client;
    struct request request;

    (void)user;
    peer_greet(peer);
    peer_expect(peer, "query-name", NULL);
    peer_reply(peer, "{'name':'vm'}");
    oom_spare(pumps[1]);
    oom_on();
    client = qmp_client_new(&options, &asked.error);
    if (client != NULL) {
        pumps[0] = qmp_client_pump(client);
        (void)qmp_client_subscribe(client, on_event, NULL);
        request = request_for("query-name", &asked);
        if (qmp_client_submit(client, &request, &asked.error) > 0)
            assert_true(blocking_run(pumps, 2, is_told, &asked, CLOCK_NEVER_MS));
    }
    check_asked(&asked);
    qmp_client_free(client);
    oom_off();
    peer_end_unchecked(peer);
}

static void test_sessions(void **state)
{
    (void)state;
    assert_int_not_equal(oom_each(ask_qmp, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_and_json),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_image),
        cmocka_unit_test(test_sessions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
