/* SPDX-License-Identifier: MIT */
/* The checks of commands by recorded schemas. That their words are QEMU's is for the live test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "tests/fake/fake.h"
#include "tests/fake/schema.h"

/* why: what is wrong with it; NULL: nothing. */
static void check(const struct schema *schema, const char *message, const char *why)
{
    struct error error = ERROR_INIT;
    json_t *value = fake_json(message);
    int result = schema_check(schema, value, &error);

    if ((result < 0) != (why != NULL))
        fail_msg("%s: %s", message, result < 0 ? error.why : "taken");
    if (why != NULL)
        assert_string_equal(error.why, why);
    json_decref(value);
}

static void test_both_versions(void **state)
{
    static const unsigned majors[] = {7, 10};
    const struct schema *schema;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(majors); i++) {
        schema = schema_of_qemu(majors[i]);
        check(schema, "{'execute':'query-name'}", NULL);
        check(schema, "{'execute':'query-name','arguments':{},'id':7}", NULL);
        check(schema, "{'execute':'query-name','arguments':{'x':1}}",
              "Parameter 'x' is unexpected");
        check(schema, "{'execute':'query-nam'}", "The command query-nam has not been found");
        check(schema, "{'execute':'SHUTDOWN'}", "The command SHUTDOWN has not been found");
        check(schema, "{'execute':7}", "QMP input member 'execute' must be a string");
        check(schema, "{'execute':'query-name','arguments':[]}",
              "QMP input member 'arguments' must be an object");
        check(schema, "[]", "QMP input must be a JSON object");
    }
}

/* What one version has and the other has not. */
static void test_versions_differ(void **state)
{
    struct error error = ERROR_INIT;
    json_t *status = fake_json("{'status':'running','running':true}");

    (void)state;
    check(schema_of_qemu(7), "{'execute':'query-hotpluggable-cpus'}", NULL);
    check(schema_of_qemu(10), "{'execute':'announce-self','arguments':{'initial':1,'max':1,"
                              "'rounds':1,'step':1,'more':1}}",
          "Parameter 'more' is unexpected");
    assert_int_equal(schema_check_answer(schema_of_qemu(10), "query-status", status, &error), 0);
    assert_int_equal(schema_check_answer(schema_of_qemu(7), "query-status", status, &error), -1);
    assert_string_equal(error.why, "Parameter 'return.singlestep' is missing");
    json_decref(status);
}

static void test_unions(void **state)
{
    const struct schema *schema = schema_of_qemu(7);

    (void)state;
    check(schema,
          "{'execute':'blockdev-add','arguments':{'driver':'qcow2','node-name':'n',"
          "'read-only':true,'file':{'driver':'nbd','server':{'type':'inet','host':'h','port':'1'},"
          "'export':'e'}}}",
          NULL);
    check(schema,
          "{'execute':'blockdev-add','arguments':{'driver':'raw','file':{'driver':'nbd',"
          "'server':{'type':'inet','path':'h'}}}}",
          "Parameter 'file.server.host' is missing");
    check(schema,
          "{'execute':'blockdev-add','arguments':{'driver':'raw','file':{'driver':'file',"
          "'filename':'/x','export':'e'}}}",
          "Parameter 'file.export' is unexpected");
    check(schema,
          "{'execute':'object-add','arguments':{'qom-type':'memory-backend-file','id':'m',"
          "'size':1,'mem-path':'/x'}}",
          NULL);
    check(schema,
          "{'execute':'object-add','arguments':{'qom-type':'memory-backend-ram','id':'m','size':1,"
          "'mem-path':'/x'}}",
          "Parameter 'mem-path' is unexpected");
    check(schema, "{'execute':'device_add','arguments':{'driver':'pc-dimm','memdev':'m'}}", NULL);
}

static void test_agent(void **state)
{
    const struct schema *schema = schema_of_agent();

    (void)state;
    check(schema,
          "{'execute':'guest-set-vcpus','arguments':{'vcpus':[{'logical-id':1,'online':true}]}}",
          NULL);
    check(schema, "{'execute':'guest-set-vcpus','arguments':{'vcpus':[{'logical-id':1}]}}",
          "Parameter 'vcpus[0].online' is missing");
    check(schema,
          "{'execute':'guest-file-seek','arguments':{'handle':1,'offset':0,'whence':'set'}}", NULL);
    check(schema,
          "{'execute':'guest-file-seek','arguments':{'handle':1,'offset':0,'whence':'x'}}",
          "Parameter 'whence' does not accept value 'x'");
    check(schema, "{'execute':'device_add'}", "The command device_add has not been found");
}

static void test_events(void **state)
{
    struct error error = ERROR_INIT;
    json_t *data = fake_json("{'path':'/x'}"), *other = fake_json("{'device':'x'}");

    (void)state;
    assert_int_equal(schema_check_event(schema_of_qemu(7), "DEVICE_DELETED", data, &error), 0);
    assert_int_equal(schema_check_event(schema_of_qemu(7), "DEVICE_DELETED", other, &error), -1);
    assert_string_equal(error.why, "Parameter 'path' is missing");
    json_decref(data);
    json_decref(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_versions), cmocka_unit_test(test_versions_differ),
        cmocka_unit_test(test_unions),        cmocka_unit_test(test_agent),
        cmocka_unit_test(test_events),
    };

    return cmocka_run_group_tests_name("recorded schemas", tests, NULL, NULL);
}
