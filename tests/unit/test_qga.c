/* SPDX-License-Identifier: MIT */
/* What a guest agent may say, read with suspicion. */
#include <errno.h>
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
#include "qmp/qga.h"
#include "tests/fake/fake.h"

static const char *const no_lists[] = {"{}", "1", "'x'", "null", "true", "{'0':{'logical-id':1}}"};

/* ---- vCPUs ---- */

static void test_vcpus(void **state)
{
    AUTO_JSON json_t *value = fake_json("[{'logical-id':1,'online':true,'can-offline':true},"
                                        "{'logical-id':0,'online':true,'can-offline':false},"
                                        "{'logical-id':7,'online':false}]");
    AUTO_FREE struct qga_vcpu *vcpus = NULL;
    size_t count = 0;

    (void)state;
    assert_true(qga_read_vcpus(value, &vcpus, &count));
    assert_int_equal(count, 3);
    assert_int_equal(vcpus[0].logical_id, 0); /* the agent promises no order, the reader does */
    assert_true(vcpus[0].online && !vcpus[0].can_offline);
    assert_int_equal(vcpus[1].logical_id, 1);
    assert_true(vcpus[1].online && vcpus[1].can_offline);
    assert_int_equal(vcpus[2].logical_id, 7);
    assert_true(!vcpus[2].online && !vcpus[2].can_offline);
}

static void test_hostile_vcpus(void **state)
{
    AUTO_JSON json_t *value =
        fake_json("[1,null,[],{},{'logical-id':'1','online':true},{'logical-id':1.5},"
                  "{'logical-id':9223372036854775807,'online':1,'can-offline':'yes'},"
                  "{'logical-id':-1,'online':true}]");
    AUTO_FREE struct qga_vcpu *vcpus = NULL;
    size_t count = 99, i;

    (void)state;
    assert_true(qga_read_vcpus(value, &vcpus, &count));
    assert_int_equal(count, 2);
    assert_true(vcpus[0].logical_id == -1 && vcpus[0].online);
    assert_true(vcpus[1].logical_id == INT64_MAX && !vcpus[1].online && !vcpus[1].can_offline);
    for (i = 0; i < COUNT_OF(no_lists); i++) {
        AUTO_JSON json_t *other = fake_json(no_lists[i]);
        struct qga_vcpu *untouched = vcpus;

        assert_false(qga_read_vcpus(other, &untouched, &count));
        assert_ptr_equal(untouched, vcpus);
    }
    assert_false(qga_read_vcpus(NULL, &vcpus, &count));
}

static void test_empty_lists(void **state)
{
    AUTO_JSON json_t *value = json_array();
    AUTO_FREE struct qga_vcpu *vcpus = NULL;
    AUTO_FREE struct qga_memory_block *blocks = NULL;
    AUTO_FREE struct qga_disk *disks = NULL;
    size_t count = 99;

    (void)state;
    assert_true(qga_read_vcpus(value, &vcpus, &count));
    assert_int_equal(count, 0);
    assert_true(qga_read_memory_blocks(value, &blocks, &count));
    assert_int_equal(count, 0);
    assert_true(qga_read_disks(value, &disks, &count));
    assert_int_equal(count, 0);
}

/* A guest must not decide how much we store. */
static void test_huge_lists_are_cut(void **state)
{
    AUTO_JSON json_t *vcpu_list = json_array();
    AUTO_JSON json_t *block_list = json_array();
    AUTO_JSON json_t *disk_list = json_array();
    AUTO_FREE struct qga_vcpu *vcpus = NULL;
    AUTO_FREE struct qga_memory_block *blocks = NULL;
    AUTO_FREE struct qga_disk *disks = NULL;
    size_t count;
    char name[32];
    int i;

    (void)state;
    for (i = 0; i < QGA_ITEMS_MAX + 10; i++) {
        (void)snprintf(name, sizeof(name), "/dev/sd%d", i);
        json_array_append_new(vcpu_list, json_pack("{s:i}", "logical-id", i));
        json_array_append_new(block_list, json_pack("{s:i}", "phys-index", i));
        json_array_append_new(disk_list, json_pack("{s:s, s:b}", "name", name, "partition", 0));
    }
    assert_true(qga_read_vcpus(vcpu_list, &vcpus, &count));
    assert_int_equal(count, QGA_VCPUS_MAX);
    assert_true(qga_read_memory_blocks(block_list, &blocks, &count));
    assert_int_equal(count, QGA_ITEMS_MAX);
    assert_true(qga_read_disks(disk_list, &disks, &count));
    assert_int_equal(count, QGA_ITEMS_MAX);
}

/* What is said twice would count for two. */
static void test_repeated_items(void **state)
{
    AUTO_JSON json_t *vcpu_list = fake_json("[{'logical-id':7},{'logical-id':0,'online':true},"
                                            "{'logical-id':7,'online':true}]");
    AUTO_JSON json_t *block_list = fake_json("[{'phys-index':9},{'phys-index':8,'online':true},"
                                             "{'phys-index':9,'online':true}]");
    AUTO_JSON json_t *disk_list =
        fake_json("[{'name':'/dev/sdb','partition':false,'address':{'unit':1,'serial':'A'}},"
                  "{'name':'/dev/sda','partition':false},"
                  "{'name':'/dev/sdb','partition':false,'address':{'unit':2,'serial':'B'}}]");
    AUTO_FREE struct qga_vcpu *vcpus = NULL;
    AUTO_FREE struct qga_memory_block *blocks = NULL;
    AUTO_FREE struct qga_disk *disks = NULL;
    size_t count = 0;

    (void)state;
    assert_true(qga_read_vcpus(vcpu_list, &vcpus, &count));
    assert_int_equal(count, 2);
    assert_true(vcpus[1].logical_id == 7 && !vcpus[1].online);
    assert_true(qga_read_memory_blocks(block_list, &blocks, &count));
    assert_int_equal(count, 2);
    assert_true(blocks[0].index == 9 && !blocks[0].online && blocks[1].index == 8);
    assert_true(qga_read_disks(disk_list, &disks, &count));
    assert_int_equal(count, 2);
    assert_string_equal(disks[0].name, "/dev/sdb");
    assert_string_equal(disks[0].serial, "A");
    assert_int_equal(disks[0].unit, 1);
    assert_string_equal(disks[1].name, "/dev/sda");
}

static void test_find_vcpu(void **state)
{
    static const struct qga_vcpu vcpus[] = {
        {.logical_id = INT64_MIN}, {.logical_id = -1}, {.logical_id = 3},
        {.logical_id = INT64_MAX}};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(vcpus); i++)
        assert_ptr_equal(qga_find_vcpu(vcpus, COUNT_OF(vcpus), vcpus[i].logical_id), &vcpus[i]);
    assert_null(qga_find_vcpu(vcpus, COUNT_OF(vcpus), 2));
    assert_null(qga_find_vcpu(NULL, 0, 2));
}

/* ---- memory ---- */

static void test_blocks(void **state)
{
    AUTO_JSON json_t *value =
        fake_json("[{'phys-index':33,'online':true,'can-offline':true},{'phys-index':32},"
                  "{'phys-index':-1,'online':true},{'phys-index':'32','online':true},7,"
                  "{'phys-index':'\\u0000number:18446744073709551615','online':true}]");
    AUTO_FREE struct qga_memory_block *blocks = NULL;
    size_t count = 0, i;

    (void)state;
    assert_true(qga_read_memory_blocks(value, &blocks, &count));
    assert_int_equal(count, 3);
    assert_true(blocks[0].index == 33 && blocks[0].online);
    assert_true(blocks[1].index == 32 && !blocks[1].online);
    assert_true(blocks[2].index == UINT64_MAX && blocks[2].online);
    for (i = 0; i < COUNT_OF(no_lists); i++) {
        AUTO_JSON json_t *other = fake_json(no_lists[i]);

        assert_false(qga_read_memory_blocks(other, &blocks, &count));
    }
}

/* It is divided by, and compared with addresses. */
static void test_block_bytes(void **state)
{
    static const struct {
        const char *value;
        uint64_t bytes;
    } cases[] = {
        {"{'size':134217728}", 134217728},
        {"{'size':2147483648}", 2147483648},
        {"{'size':1048576}", 1048576},
        {"{'size':524288}", 0},
        {"{'size':1}", 0},
        {"{'size':0}", 0},
        {"{'size':-134217728}", 0},
        {"{'size':134217729}", 0},
        {"{'size':201326592}", 0},
        {"{'size':'134217728'}", 0},
        {"{'size':134217728.0}", 0},
        {"{'size':'\\u0000number:9223372036854775808'}", UINT64_C(1) << 63},
        {"{'size':'\\u0000number:18446744073709551616'}", 0},
        {"{}", 0},
        {"[]", 0},
        {"134217728", 0},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON json_t *value = fake_json(cases[i].value);

        if (qga_read_block_bytes(value) != cases[i].bytes)
            fail_msg("%s", cases[i].value);
    }
    assert_true(qga_read_block_bytes(NULL) == 0);
}

static void test_blocks_set(void **state)
{
    static const struct {
        const char *value, *why; /* NULL: all is well */
    } cases[] = {
        {"[]", NULL},
        {"[{'phys-index':32,'response':'success'},{'phys-index':33,'response':'success'}]", NULL},
        {"[{'phys-index':32,'response':'success'},{'phys-index':33,'response':'not-found'}]",
         "block 33 online: not-found"},
        {"[{'phys-index':32,'response':'operation-failed','error-code':16}]",
         "block 32 online: operation-failed: Device or resource busy"},
        {"[{'phys-index':32,'response':'operation-failed','error-code':-5}]",
         "online: operation-failed"},
        {"[{'phys-index':32,'response':'operation-failed','error-code':9999999}]",
         "online: operation-failed"},
        {"[{'response':'operation-failed','error-code':'x'}]", "block 0 online: operation-failed"},
        {"[{'phys-index':32}]", "no response"},
        {"[{'phys-index':32,'response':true}]", "no response"},
        {"[7]", "no response"},
        {"[{'response':'\\u001b[2Jxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'}"
         "]",
         "?[2Jxxx"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON json_t *value = fake_json(cases[i].value);
        struct error error = ERROR_INIT;

        assert_int_equal(qga_check_memory_blocks_set(value, &error), cases[i].why != NULL ? -1 : 0);
        assert_int_equal(error.code, cases[i].why != NULL ? ERROR_REJECTED : ERROR_NONE);
        if (cases[i].why != NULL && strstr(error.why, cases[i].why) == NULL)
            fail_msg("%s gives '%s'", cases[i].value, error.why);
    }
}

/* No list of answers is no success. */
static void test_blocks_set_answers_nonsense(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(no_lists); i++) {
        AUTO_JSON json_t *value = fake_json(no_lists[i]);
        struct error error = ERROR_INIT;

        assert_int_equal(qga_check_memory_blocks_set(value, &error), -1);
        assert_int_equal(error.code, ERROR_REJECTED);
    }
}

/* ---- disks ---- */

static void test_disks(void **state)
{
    AUTO_JSON json_t *value = fake_json(
        "[{'name':'/dev/sda1','partition':true,'dependencies':['/dev/sda']},"
        "{'name':'/dev/sda','partition':false,'dependencies':[],'address':{'bus-type':'scsi',"
        "'bus':0,'target':0,'unit':5,'serial':'SER1','dev':'/dev/sda'}},"
        "{'name':'/dev/vdb','partition':false,'address':{'unit':0}},"
        "{'name':'/dev/sr0','partition':false}]");
    AUTO_FREE struct qga_disk *disks = NULL;
    size_t count = 0;

    (void)state;
    assert_true(qga_read_disks(value, &disks, &count));
    assert_int_equal(count, 3);
    assert_string_equal(disks[0].name, "/dev/sda");
    assert_string_equal(disks[0].serial, "SER1");
    assert_true(disks[0].has_unit && disks[0].unit == 5);
    assert_string_equal(disks[1].name, "/dev/vdb");
    assert_string_equal(disks[1].serial, "");
    assert_true(disks[1].has_unit && disks[1].unit == 0);
    assert_string_equal(disks[2].name, "/dev/sr0");
    assert_false(disks[2].has_unit);
}

/* The name becomes part of a path that the agent opens as root. */
static void test_hostile_disk_names(void **state)
{
    static const char *const names[] = {
        "'/dev/../etc/shadow'", "'/dev/../x'", "'/dev/'", "'/dev'", "''", "'sda'", "'/dev/sd a'",
        "'/dev/sda/'", "'/dev//sda'", "'/dev/./sda'", "'/dev/mapper/root'", "'/dev/SDA'",
        "'/dev/sda\\u0000'", "'/dev/sda\\n'", "'/dev/sd\\u00e4'", "'/dev/sd*'", "'/dev/sd%s'",
        "'/Dev/sda'", "' /dev/sda'", "'/dev/dm-0'", "1", "null", "['/dev/sda']",
        "'/dev/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'",
    };
    size_t count, i;

    (void)state;
    for (i = 0; i < COUNT_OF(names); i++) {
        AUTO_JSON json_t *value = fake_jsonf("[{'name':%s,'partition':false}]", names[i]);
        AUTO_FREE struct qga_disk *disks = NULL;

        assert_true(qga_read_disks(value, &disks, &count));
        if (count != 0 && strcmp(disks[0].name, "/dev/sda") != 0)
            fail_msg("%s gives %s", names[i], disks[0].name);
    }
}

static void test_hostile_disks(void **state)
{
    AUTO_JSON json_t *value = fake_json(
        "[1,{},{'name':'/dev/sda'},{'name':'/dev/sdb','partition':0},"
        "{'name':'/dev/sdc','partition':false,'address':7},"
        "{'name':'/dev/sdd','partition':false,'address':{'unit':-1,'serial':5}},"
        "{'name':'/dev/sde','partition':false,'address':{'unit':4294967296,'serial':"
        "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'}}]");
    AUTO_JSON json_t *rude = fake_json(
        "[{'name':'/dev/sda','partition':false,'address':{'serial':'\\u001b[2J\\u009bS\\n'}}]");
    AUTO_FREE struct qga_disk *disks = NULL;
    AUTO_FREE struct qga_disk *rude_disks = NULL;
    size_t count = 0, i;

    (void)state;
    assert_true(qga_read_disks(rude, &rude_disks, &count));
    assert_string_equal(rude_disks[0].serial, "?[2J?S?");
    assert_true(qga_read_disks(value, &disks, &count));
    assert_int_equal(count, 3); /* whoever does not say that it is no partition is one */
    for (i = 0; i < 3; i++) {
        assert_false(disks[i].has_unit);
        assert_true(strlen(disks[i].serial) < QGA_SERIAL_MAX);
    }
    assert_string_equal(disks[0].name, "/dev/sdc");
    assert_string_equal(disks[1].serial, "");
    for (i = 0; i < COUNT_OF(no_lists); i++) {
        AUTO_JSON json_t *other = fake_json(no_lists[i]);

        assert_false(qga_read_disks(other, &disks, &count));
    }
}

/* ---- commands ---- */

static void test_commands(void **state)
{
    AUTO_JSON json_t *value = fake_json(
        "{'version':'7.2.22','supported_commands':[{'name':'guest-ping','enabled':true},"
        "{'name':'guest-exec','enabled':false},{'name':'guest-x'},{'name':'guest-y','enabled':1},"
        "{'enabled':true},{'name':7,'enabled':true},'guest-z',null]}");
    AUTO_JSON json_t *commands = qga_read_commands(value);
    size_t i;

    (void)state;
    assert_int_equal(json_object_size(commands), 4);
    assert_true(json_is_true(json_object_get(commands, "guest-ping")));
    assert_true(json_is_false(json_object_get(commands, "guest-exec")));
    assert_true(json_is_false(json_object_get(commands, "guest-x")));
    assert_true(json_is_false(json_object_get(commands, "guest-y")));
    for (i = 0; i < COUNT_OF(no_lists); i++) {
        AUTO_JSON json_t *other = fake_jsonf("{'supported_commands':%s}", no_lists[i]);
        AUTO_JSON json_t *none = qga_read_commands(other);

        assert_int_equal(json_object_size(none), 0);
    }
}

static void test_arguments(void **state)
{
    AUTO_JSON json_t *numbers = fake_json("[3,1]");
    AUTO_JSON json_t *vcpus = qga_vcpus_online(numbers);
    AUTO_JSON json_t *blocks = qga_memory_blocks_online(numbers);
    AUTO_FREE char *vcpu_text = codec_dump(vcpus, 0);
    AUTO_FREE char *block_text = codec_dump(blocks, 0);

    (void)state;
    assert_string_equal(vcpu_text, "{\"vcpus\":[{\"logical-id\":3,\"online\":true},"
                                   "{\"logical-id\":1,\"online\":true}]}");
    assert_string_equal(block_text, "{\"mem-blks\":[{\"phys-index\":3,\"online\":true},"
                                    "{\"phys-index\":1,\"online\":true}]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vcpus),
        cmocka_unit_test(test_hostile_vcpus),
        cmocka_unit_test(test_empty_lists),
        cmocka_unit_test(test_huge_lists_are_cut),
        cmocka_unit_test(test_repeated_items),
        cmocka_unit_test(test_find_vcpu),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_block_bytes),
        cmocka_unit_test(test_blocks_set),
        cmocka_unit_test(test_blocks_set_answers_nonsense),
        cmocka_unit_test(test_disks),
        cmocka_unit_test(test_hostile_disk_names),
        cmocka_unit_test(test_hostile_disks),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_arguments),
    };

    return cmocka_run_group_tests_name("guest agent answers", tests, NULL, NULL);
}
