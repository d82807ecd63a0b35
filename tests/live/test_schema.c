/* SPDX-License-Identifier: MIT */
/*
 * What is recorded of QEMU's commands for the fake one is what QEMU says of them now, and what the
 * fake says of bad ones is what QEMU says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "qmp/blocking.h"
#include "qmp/qmp_client.h"
#include "tests/fake/fake.h"
#include "tests/fake/schema.h"
#include "tests/live/harness.h"

#define COMMAND_MS 10000

static struct harness_vm vm;
static const struct schema *schema;

/* Mistakes of each kind. Where the schema can't tell QEMU's words to the end, they are cut. */
static const struct {
    const char *command, *arguments;
    size_t alike; /* so many characters; 0: all */
} mistakes[] = {
    {"nonsense", "{}", 0},
    {"query-name", "{'x':1}", 0},
    {"qom-list", "{}", 0},
    {"object-add", "{'id':'a'}", 0},
    {"object-add", "{'qom-type':'memory-backend-ram'}", 0},
    {"object-add", "{'qom-type':'memory-backend-ram','id':'a'}", 0},
    {"object-add", "{'qom-type':'memory-backend-ram','id':7,'size':1}", 0},
    {"object-add", "{'qom-type':'memory-backend-ram','id':'a','size':2097152,'foo':1}", 0},
    {"object-add", "{'qom-type':'memory-backend-ram','id':'a','size':2097152,'share':1}", 0},
    {"object-add", "{'qom-type':'memory-backend-ram','id':'a','size':2097152,'policy':'x'}", 0},
    {"object-add", "{'qom-type':'memory-backend-ram','id':'a','size':2097152,'host-nodes':1}", 0},
    {"object-add", "{'qom-type':'none','id':'a'}", 0},
    {"object-add", "{'qom-type':7,'id':'a'}", 0},
    {"blockdev-add", "{'node-name':'x'}", 0},
    {"blockdev-add", "{'driver':'none'}", 0},
    {"blockdev-add", "{'driver':'raw','node-name':'x'}", 0},
    {"blockdev-add", "{'driver':'raw','node-name':'x','file':7}", 45},
    {"blockdev-add", "{'driver':'raw','node-name':'x','file':{}}", 0},
    {"blockdev-add", "{'driver':'raw','node-name':'x','file':{'driver':'file'}}", 0},
    {"blockdev-add",
     "{'driver':'raw','node-name':'x','file':{'driver':'file','filename':'/x','y':1}}", 0},
    {"blockdev-add",
     "{'driver':'raw','node-name':'x','file':{'driver':'nbd','server':{'type':'unix'}}}", 0},
    {"blockdev-add", "{'driver':'raw','file':{'driver':'nbd','server':{'type':'x'}}}", 0},
    {"blockdev-add", "{'driver':'raw','node-name':'x','read-only':'on','file':'y'}", 0},
    {"device_add", "{}", 0},
    {"device_del", "{'id':7}", 0},
    {"device_del", "{'id':null}", 0},
    {"qom-set", "{'path':'/machine','property':'x'}", 0},
    {"block_resize", "{'node-name':'x'}", 0},
    {"block_set_io_throttle", "{'id':'x','bps':1}", 0},
    {"human-monitor-command", "{'command-line':'info','cpu-index':'x'}", 0},
    {"blockdev-open-tray", "{'id':'x','force':1}", 0},
    {"transaction", "{'actions':[{'type':'abort','data':{'x':1}}]}", 0},
    {"transaction", "{'actions':[{'type':'abort'}]}", 0},
    {"transaction", "{'actions':{}}", 0},
};

static void start(void)
{
    json_t *version, *number;

    harness_start_bare(&vm, HARNESS_ARGUMENTS("-machine", "none"));
    version = harness_qmp(&vm, "query-version", NULL);
    number = json_object_get(version, "qemu");
    if (!fake_json_has(number, fake_json("{'major':7,'minor':2}")) &&
        !fake_json_has(number, fake_json("{'major':10,'minor':0}"))) {
        harness_stop(&vm);
        print_message("another version of QEMU than those that are recorded\n");
        skip();
    }
    schema = schema_of_qemu((unsigned)json_integer_value(json_object_get(number, "major")));
    json_decref(version);
}

static void compare_schema(void)
{
    json_t *told = harness_qmp(&vm, "query-qmp-schema", NULL);

    if (!json_equal(told, schema_json(schema)))
        fail_msg("QEMU has other commands than are recorded: run scripts/record-schema");
    json_decref(told);
}

static void compare_words(struct qmp_client *client, const char *command, const char *arguments,
                          size_t alike)
{
    struct error real = ERROR_INIT, ours = ERROR_INIT;
    json_t *message;

    message = json_pack("{s:s, s:o}", "execute", command, "arguments", fake_json(arguments));
    assert_null(blocking_qmp(client, command, json_incref(json_object_get(message, "arguments")),
                             COMMAND_MS, &real));
    if (schema_check(schema, message, &ours) == 0)
        fail_msg("%s %s is right, but QEMU says: %s", command, arguments, real.why);
    if (strcmp(real.class_name, ours.class_name) != 0 ||
        strncmp(real.why, ours.why, alike > 0 ? alike : sizeof(real.why)) != 0)
        fail_msg("%s %s: QEMU says %s: %s, and we %s: %s", command, arguments, real.class_name,
                 real.why, ours.class_name, ours.why);
    json_decref(message);
}

static void test_recorded(void **state)
{
    struct qmp_client_options options = {.path = vm.qmp};
    struct error error = ERROR_INIT;
    struct qmp_client *client;
    size_t i;

    (void)state;
    start();
    compare_schema();
    client = qmp_client_new(&options, &error);
    assert_non_null(client);
    for (i = 0; i < COUNT_OF(mistakes); i++)
        compare_words(client, mistakes[i].command, mistakes[i].arguments, mistakes[i].alike);
    qmp_client_free(client);
    harness_stop(&vm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded),
    };

    harness_need_tools();
    return cmocka_run_group_tests_name("recorded schemas", tests, NULL, NULL);
}
