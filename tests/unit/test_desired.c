/* SPDX-License-Identifier: MIT */
/* What is given is merged with what is stored, and stored: all of it when all of it is good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "manifest/desired.h"
#include "manifest/yaml_read.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "tests/fake/fake.h"

#define HEAD "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\n"
#define VM HEAD "metadata: {name: vm1}\n"
#define SPEC(inner) "spec: {template: {spec: {domain: {" inner "}}}}\n"

static struct desired desired;
static struct error error;

static void open_it(void)
{
    if (desired_open(&desired, true, &error) < 0)
        fail_msg("%s", error.why);
}

static int set_up(void **state)
{
    (void)state;
    fake_empty(fake_dir());
    error = (struct error)ERROR_INIT;
    (void)setenv("XDG_STATE_HOME", fake_dir(), 1);
    open_it();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    desired_close(&desired);
    return 0;
}

/* As another command. */
static void again(void)
{
    desired_close(&desired);
    error = (struct error)ERROR_INIT;
    open_it();
}

static int take_named(const char *text, const char *name, bool save)
{
    struct document_list list = {.count = 0};
    int status;

    again();
    if (yaml_read(&list, "t", text, strlen(text), &error) < 0)
        fail_msg("%s", error.why);
    status = desired_take(&desired, &list, name, save, &error);
    document_list_free(&list);
    return status;
}

static void apply(const char *text)
{
    if (take_named(text, NULL, true) < 0)
        fail_msg("%s", error.why);
}

static json_t *stored(enum kind kind, const char *name)
{
    json_t *object = NULL;

    if (store_load(&desired.store, kind, name, &object, &error) < 0)
        fail_msg("%s", error.why);
    return object;
}

/* The stored VM's spec is this one. */
static void assert_spec(const char *expected)
{
    AUTO_JSON json_t *object = stored(KIND_VIRTUAL_MACHINE, "vm1"), *wanted = fake_json(expected);
    AUTO_FREE char *text = json_dumps(object, 0);

    if (!json_equal(json_object_get(object, "spec"), wanted))
        fail_msg("%s, not %s", text, expected);
}

#define DOMAIN(inner) "{'template':{'spec':{'domain':{" inner "}}}}"

/* ---- apply ---- */

/* What the document before said and this one does not, goes; what others said stays. */
static void test_three_ways(void **state)
{
    (void)state;
    apply(VM SPEC("cpu: {sockets: 2, cores: 1}, memory: {guest: 1Gi}"));
    assert_spec(DOMAIN("'cpu':{'sockets':2,'cores':1},'memory':{'guest':'1Gi'}"));
    apply(VM SPEC("cpu: {sockets: 4}, memory: {guest: 1Gi}"));
    assert_spec(DOMAIN("'cpu':{'sockets':4},'memory':{'guest':'1Gi'}"));
    assert_int_equal(desired.vm_count, 1);
    assert_true(desired.vms[0]->stored);
    assert_int_equal(desired.vms[0]->vm.cpu.sockets, 4);
}

static json_t *merge_in(const json_t *object, const void *user, struct error *failure)
{
    AUTO_JSON json_t *more = fake_json(user);
    json_t *changed = json_deep_copy(object);

    (void)failure;
    assert_int_equal(json_object_update_recursive(changed, more), 0);
    return changed;
}

static void test_what_others_said_stays(void **state)
{
    (void)state;
    apply(VM SPEC("cpu: {sockets: 2}"));
    again();
    assert_int_equal(desired_change(&desired, "vm1", merge_in,
                                    "{'spec':" DOMAIN("'memory':{'guest':'2Gi'},"
                                                      "'cpu':{'sockets':5}") "}", true, &error), 0);
    assert_int_equal(desired.vm_count, 1);
    assert_int_equal(desired.vms[0]->vm.cpu.sockets, 5);
    assert_spec(DOMAIN("'cpu':{'sockets':5},'memory':{'guest':'2Gi'}"));
    apply(VM SPEC("cpu: {sockets: 3}"));
    assert_spec(DOMAIN("'cpu':{'sockets':3},'memory':{'guest':'2Gi'}"));
    apply(VM SPEC(""));
    assert_spec(DOMAIN("'memory':{'guest':'2Gi'}"));
}

/* Applying what `get` prints changes nothing, however often. */
static void test_what_get_prints(void **state)
{
    AUTO_JSON json_t *first = NULL, *last = NULL;
    AUTO_FREE char *text = NULL;
    unsigned i;

    (void)state;
    apply(VM SPEC("cpu: {sockets: 2}"));
    first = stored(KIND_VIRTUAL_MACHINE, "vm1");
    assert_non_null(strstr(field_string(json_object_get(json_object_get(first, "metadata"),
                                                        "annotations"),
                                        ANNOTATION_LAST_APPLIED, ""), "\"sockets\""));
    for (i = 0; i < 3; i++) {
        AUTO_JSON json_t *printed = stored(KIND_VIRTUAL_MACHINE, "vm1");

        json_object_set_new(printed, "status", fake_json("{'ready':true}"));
        free(text);
        text = json_dumps(printed, 0);
        apply(text);
        json_decref(last);
        last = stored(KIND_VIRTUAL_MACHINE, "vm1");
        assert_null(json_object_get(last, "status"));
    }
    assert_true(json_equal(json_object_get(first, "spec"), json_object_get(last, "spec")));
    assert_true(strlen(text) < 1000); /* the annotation holds no annotation, with its own in it */
}

static void test_not_saved(void **state)
{
    (void)state;
    assert_int_equal(take_named(VM SPEC("cpu: {sockets: 2}"), NULL, false), 0);
    assert_int_equal(desired.vm_count, 1);
    assert_null(stored(KIND_VIRTUAL_MACHINE, "vm1"));
}

static void test_names(void **state)
{
    (void)state;
    assert_int_equal(take_named(HEAD SPEC("cpu: {sockets: 2}"), NULL, true), 0);
    assert_int_equal(desired.vm_count, 1);
    assert_false(desired.vms[0]->stored);
    assert_null(desired.vms[0]->vm.name);
    assert_int_equal(take_named(HEAD SPEC("cpu: {sockets: 2}"), "vm1", true), 0);
    assert_string_equal(desired.vms[0]->vm.name, "vm1");
    assert_spec(DOMAIN("'cpu':{'sockets':2}"));
    assert_int_equal(take_named("apiVersion: v1\nkind: PersistentVolume\n", "vm1", true), -1);
    assert_string_equal(error.why, "t:1:1: metadata: a PersistentVolume without a name");
    assert_int_equal(take_named("apiVersion: kubevirt.io/v1\nkind: KubeVirt\nspec: {configuration: "
                                "{vmRolloutStrategy: Stage}}\n", NULL, true), 0);
    assert_true(desired.cluster.staged);
    again();
    assert_true(desired.cluster.staged);
}

/* Nothing is stored of a file in which one document is bad, wherever it stands. */
static void test_all_or_nothing(void **state)
{
    static const char *const bad[] = {
        "kind: VirtualMachine\n",
        VM "spec: {running: 5}\n",
        HEAD "metadata: {name: UP}\n",
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: c}\n"
        "spec: {volumeName: 5}\n",
        "apiVersion: kubevirt.io/v1\nkind: KubeVirt\nspec: {configuration: 7}\n",
        VM "spec: {template: {spec: {domain: {devices: {disks: [{name: a}]}}}}}\n",
    };
    char text[1024];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(bad); i++) {
        (void)snprintf(text, sizeof(text), VM SPEC("cpu: {sockets: 2}") "---\n%s", bad[i]);
        assert_int_equal(take_named(text, NULL, true), -1);
        assert_int_equal(error.code, ERROR_INVALID);
        assert_int_equal(strncmp(error.why, "t:", 2), 0);
        assert_null(stored(KIND_VIRTUAL_MACHINE, "vm1"));
        assert_int_equal(desired.store.lock, -1);
    }
}

/* A fragment of a stored VM need not be whole; what it makes of it must be. */
static void test_fragments(void **state)
{
    (void)state;
    apply(VM);
    again();
    assert_int_equal(desired_change(&desired, "vm1", merge_in,
                                    "{'spec':{'template':{'spec':{'domain':{'devices':{'disks':"
                                    "[{'name':'a'}]}},'volumes':[{'name':'a','dataVolume':"
                                    "{'name':'d'}}]}}}}", true, &error), 0);
    assert_int_equal(take_named(VM "spec: {template: {spec: {volumes: []}}}\n", NULL, true), -1);
    assert_string_equal(error.why, "t:4:25: spec.template.spec.domain.devices.disks[0]: the disk "
                                   "'a' has no volume"); /* the place of what is there around it */
    again();
    assert_int_equal(take_named(VM "spec: {template: {spec: {domain: {devices: {disks: "
                                   "[{name: a}, {name: b}]}}}}}\n", NULL, true), -1);
    assert_string_equal(error.why, "t:4:64: spec.template.spec.domain.devices.disks[1]: the disk "
                                   "'b' has no volume");
}

/* Where nothing is stored, the document is all there is, and has the place of what is amiss. */
static void test_a_first_one_is_whole(void **state)
{
    (void)state;
    assert_int_equal(take_named(VM SPEC("devices: {disks: [{name: a}]}"), NULL, true), -1);
    assert_non_null(strstr(error.why, "the disk 'a' has no volume"));
    assert_memory_equal(error.why, "t:", 2);
    assert_true(error.why[2] >= '1' && error.why[2] <= '9');
}

static void test_notes(void **state)
{
    (void)state;
    apply(VM "spec: {dataVolumeTemplates: []}\n---\napiVersion: v1\nkind: PersistentVolumeClaim\n"
             "metadata: {name: c}\nspec: {resource: {}}\n");
    assert_int_equal(desired.notes.count, 2);
    again();
    assert_int_equal(desired_take_stored(&desired, "vm1", &error), 0);
    assert_int_equal(desired.notes.count, 0); /* told when it was given */
    again();
    assert_int_equal(desired_change(&desired, "vm1", merge_in, "{'spec':{'preference':{}}}", true,
                                    &error), 0);
    assert_int_equal(desired.notes.count, 1); /* what has come with the change */
    assert_non_null(strstr(desired.notes.lines[0], "spec.preference"));
}

/* ---- changes ---- */

static void test_changes_that_are_refused(void **state)
{
    static const char *const bad[] = {
        "{'metadata':{'name':'vm2'}}",   "{'metadata':{'name':5}}", "{'metadata':[]}",
        "{'kind':'PersistentVolume','apiVersion':'v1'}", "{'kind':'Pod'}", "{'apiVersion':'v2'}",
        "{'spec':{'running':'yes'}}",    "{'spec':[]}",
    };
    size_t i;

    (void)state;
    apply(VM SPEC("cpu: {sockets: 2}"));
    for (i = 0; i < COUNT_OF(bad); i++) {
        again();
        if (desired_change(&desired, "vm1", merge_in, bad[i], true, &error) == 0)
            fail_msg("%s", bad[i]);
        assert_int_equal(error.code, ERROR_INVALID);
        assert_spec(DOMAIN("'cpu':{'sockets':2}"));
    }
    assert_int_equal(desired_change(&desired, "vm2", merge_in, "{}", true, &error), -1);
    assert_int_equal(error.code, ERROR_BLOCKED);
    assert_int_equal(desired_change(&desired, "../vm1", merge_in, "{}", true, &error), -1);
    assert_int_equal(error.code, ERROR_INVALID);
    again();
    assert_int_equal(desired_change(&desired, "vm1", merge_in,
                                    "{'spec':" DOMAIN("'cpu':{'sockets':3}") "}", false, NULL), 0);
    assert_spec(DOMAIN("'cpu':{'sockets':2}")); /* a dry run */
}

static void test_stored_and_bare(void **state)
{
    (void)state;
    assert_int_equal(desired_take_stored(&desired, "vm1", &error), -1);
    assert_int_equal(error.code, ERROR_BLOCKED);
    assert_int_equal(desired_take_bare(&desired, "vm1", &error), 0);
    assert_false(desired.vms[0]->stored);
    assert_string_equal(desired.vms[0]->vm.name, "vm1");
    assert_int_equal(desired_take_bare(&desired, "a/b", &error), -1);
    assert_int_equal(error.code, ERROR_INVALID);
}

/* ---- what somebody has put into the store ---- */

static void test_odd_annotations(void **state)
{
    static const char *const annotations[] = {
        "{vmplug/last-applied: 5}", "{vmplug/last-applied: 'no JSON'}",
        "{vmplug/last-applied: '[1]'}", "{vmplug/last-applied: '\"x\"'}",
        "{vmplug/last-applied: '{\"spec\":[],\"metadata\":7}'}", "{}", "",
    };
    char text[512];
    size_t i;

    (void)state;
    apply(VM SPEC("cpu: {sockets: 2}"));
    for (i = 0; i < COUNT_OF(annotations); i++) {
        (void)snprintf(text, sizeof(text), HEAD "metadata: {name: vm1, annotations: %s}\n"
                       SPEC("memory: {guest: 1Gi}"), annotations[i]);
        fake_file("vmplug/virtualmachine/vm1.yaml", text, strlen(text));
        apply(VM SPEC("cpu: {sockets: 4}"));
        assert_spec(DOMAIN("'memory':{'guest':'1Gi'},'cpu':{'sockets':4}"));
    }
}

/* The annotation is as large again as the object: what could not be read again is not stored. */
static void test_too_large(void **state)
{
    static char text[800000];
    size_t used = (size_t)snprintf(text, sizeof(text), HEAD "metadata: {name: vm1, labels: {a: '");

    (void)state;
    apply(VM SPEC("cpu: {sockets: 2}"));
    memset(text + used, 'x', 700000);
    (void)snprintf(text + used + 700000, sizeof(text) - used - 700000, "'}}\n");
    assert_int_equal(take_named(text, NULL, true), -1);
    assert_int_equal(error.code, ERROR_INVALID);
    assert_spec(DOMAIN("'cpu':{'sockets':2}"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_three_ways),
        TEST(test_what_others_said_stays),
        TEST(test_what_get_prints),
        TEST(test_not_saved),
        TEST(test_names),
        TEST(test_all_or_nothing),
        TEST(test_fragments),
        TEST(test_a_first_one_is_whole),
        TEST(test_notes),
        TEST(test_changes_that_are_refused),
        TEST(test_stored_and_bare),
        TEST(test_odd_annotations),
        TEST(test_too_large),
    };

    return cmocka_run_group_tests_name("desired", tests, NULL, NULL);
}
