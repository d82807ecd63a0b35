/* SPDX-License-Identifier: MIT */
/* Rows of QEMU's answers, as recorded and as they should never be; test_ledger.c has those of
 * _OST. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "qmp/codec.h"
#include "qmp/qapi.h"
#include "tests/fake/fake.h"

static void test_hotpluggable_cpu(void **state)
{
    AUTO_JSON json_t *value = fake_json(
        "[{'props':{'core-id':0,'thread-id':0,'socket-id':1,'node-id':0},'vcpus-count':1,"
        "'type':'qemu64-x86_64-cpu'},"
        "{'props':{'core-id':0,'thread-id':0,'socket-id':0},'vcpus-count':4,"
        "'qom-path':'/machine/unattached/device[0]','type':'qemu64-x86_64-cpu'}]");
    struct qapi_hotpluggable_cpu cpu;

    (void)state;
    assert_true(qapi_read_hotpluggable_cpu(value, 0, &cpu)); /* the last row is slot 0 */
    assert_string_equal(cpu.qom_path, "/machine/unattached/device[0]");
    assert_int_equal(cpu.vcpus_count, 4);
    assert_true(qapi_read_hotpluggable_cpu(value, 1, &cpu));
    assert_string_equal(cpu.qom_path, "");
    assert_string_equal(cpu.type, "qemu64-x86_64-cpu");
    assert_int_equal(json_integer_value(json_object_get(cpu.props, "socket-id")), 1);
    assert_false(qapi_read_hotpluggable_cpu(value, 2, &cpu));
    assert_false(qapi_read_hotpluggable_cpu(value, SIZE_MAX, &cpu));
    assert_false(qapi_read_hotpluggable_cpu(NULL, 0, &cpu));
}

static void test_odd_hotpluggable_cpus(void **state)
{
    AUTO_JSON json_t *value =
        fake_json("[{'props':[],'type':7,'qom-path':{},'vcpus-count':'1'},3]");
    struct qapi_hotpluggable_cpu cpu;
    size_t slot;

    (void)state;
    for (slot = 0; slot < 2; slot++) {
        assert_true(qapi_read_hotpluggable_cpu(value, slot, &cpu));
        assert_string_equal(cpu.type, "");
        assert_string_equal(cpu.qom_path, "");
        assert_null(cpu.props);
        assert_int_equal(cpu.vcpus_count, 1);
    }
}

static void test_memory_device(void **state)
{
    AUTO_JSON json_t *dimm = fake_json(
        "{'type':'dimm','data':{'memdev':'/objects/m0','hotplugged':true,'addr':4294967296,"
        "'hotpluggable':true,'size':268435456,'slot':3,'node':1,'id':'d0'}}");
    AUTO_JSON json_t *virtio = fake_json(
        "{'type':'virtio-mem','data':{'memdev':'/objects/vm','size':4194304,'max-size':1073741824,"
        "'requested-size':4194304,'block-size':2097152,'node':0,'memaddr':5368709120,'id':'v0'}}");
    AUTO_JSON json_t *list = json_pack("[O, O]", dimm, virtio);
    AUTO_JSON json_t *unknown = fake_json("{'type':'sgx-epc','data':{'size':1,'memaddr':2}}");
    struct qapi_memory_device device;

    (void)state;
    qapi_read_memory_device(dimm, &device);
    assert_string_equal(device.kind, "dimm");
    assert_string_equal(device.id, "d0");
    assert_true(device.bytes == 268435456 && device.addr == 4294967296);
    assert_true(device.reserved_bytes == device.bytes);
    assert_int_equal(device.slot, 3);
    assert_int_equal(device.node, 1);
    assert_true(device.hotpluggable);
    assert_false(qapi_find_memory_device(list, "d", &device));
    assert_false(qapi_find_memory_device(NULL, "v0", &device));
    assert_true(qapi_find_memory_device(list, "v0", &device));
    assert_string_equal(device.kind, "virtio-mem");
    assert_true(device.bytes == 4194304 && device.addr == 5368709120);
    assert_true(device.reserved_bytes == 1073741824); /* however little is in it */
    assert_int_equal(device.slot, -1);
    qapi_read_memory_device(unknown, &device);
    assert_string_equal(device.kind, "sgx-epc");
    assert_string_equal(device.id, "");
    assert_int_equal(device.slot, -1);
    qapi_read_memory_device(NULL, &device);
    assert_string_equal(device.kind, "");
}

static void test_odd_memory_device(void **state)
{
    static const char *const slots[] = {"-1", "65536", "'3'", "3.0", "null"};
    struct qapi_memory_device device;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(slots); i++) {
        AUTO_JSON json_t *row = fake_jsonf(
            "{'type':'dimm','data':{'slot':%s,'size':-1,'addr':'x','node':-2}}", slots[i]);

        qapi_read_memory_device(row, &device);
        assert_int_equal(device.slot, -1);
        assert_true(device.bytes == 0 && device.addr == 0 && device.node == 0);
    }
}

static void test_block(void **state)
{
    AUTO_JSON json_t *disk = fake_json(
        "{'io-status':'ok','device':'','locked':false,'removable':false,'inserted':{'iops_rd':0,"
        "'image':{'virtual-size':67108864,'filename':'d.qcow2','format':'qcow2'},'ro':true,"
        "'node-name':'q0','drv':'qcow2','file':'other'},'qdev':'disk0','type':'unknown'}");
    AUTO_JSON json_t *empty = fake_json("{'device':'','locked':true,'removable':true,'qdev':'cd0',"
                                        "'tray_open':true,'type':'unknown'}");
    AUTO_JSON json_t *odd =
        fake_json("{'qdev':5,'removable':'yes','inserted':{'image':[],'file':'f','ro':0}}");
    struct qapi_block block;

    (void)state;
    qapi_read_block(disk, &block);
    assert_string_equal(block.qdev, "disk0");
    assert_true(block.has_medium && block.read_only && !block.removable);
    assert_string_equal(block.file, "d.qcow2");
    assert_string_equal(block.format, "qcow2");
    assert_string_equal(block.node, "q0");
    assert_true(block.bytes == 67108864);
    qapi_read_block(empty, &block);
    assert_true(!block.has_medium && block.removable && block.locked && block.tray_open);
    assert_string_equal(block.file, "");
    assert_true(block.bytes == 0);
    qapi_read_block(odd, &block);
    assert_string_equal(block.qdev, "");
    assert_string_equal(block.file, "f");
    assert_true(block.has_medium && !block.removable && !block.read_only);
    qapi_read_block(NULL, &block);
    assert_string_equal(block.qdev, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hotpluggable_cpu),
        cmocka_unit_test(test_odd_hotpluggable_cpus),
        cmocka_unit_test(test_memory_device),
        cmocka_unit_test(test_odd_memory_device),
        cmocka_unit_test(test_block),
    };

    return cmocka_run_group_tests_name("QAPI answers", tests, NULL, NULL);
}
