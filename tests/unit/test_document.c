/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "manifest/yaml_read.h"

static const char text[] = "kind: VirtualMachine\n"        /* 1 */
                           "metadata:\n"                   /* 2 */
                           "  annotations:\n"              /* 3 */
                           "    vmplug/kernel: [1]\n"      /* 4 */
                           "spec:\n"                       /* 5 */
                           "  running: \"yes\"\n"          /* 6 */
                           "  nothing:\n"                  /* 7 */
                           "  cpu: {sockets: two, cores: 3, threads: 1.5}\n" /* 8 */
                           "  disks:\n"                    /* 9 */
                           "  - name: a\n"                 /* 10 */
                           "    size: 1gi\n"               /* 11 */
                           "  - name: 5\n"                 /* 12 */
                           "    size: &size 2Gi\n"         /* 13 */
                           "    bus: ide\n"                /* 14 */
                           "  - {size: *size, é: 9}\n"     /* 15 */
                           "  - 7\n";                      /* 16 */

struct fixture {
    struct document document;
    struct error error;
    struct node root;
};

static int set_up(void **state)
{
    static struct fixture fixture;

    fixture.error = (struct error)ERROR_INIT;
    assert_int_equal(yaml_read_value(&fixture.document, "vm.yaml", text, strlen(text),
                                     &fixture.error), 0);
    fixture.root = document_root(&fixture.document, &fixture.error);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    document_free(&fixture->document);
    return 0;
}

static struct node spec(const struct fixture *fixture, const char *key)
{
    return document_get(document_get(fixture->root, "spec"), key);
}

static struct node disk(const struct fixture *fixture, unsigned number)
{
    struct node node = document_first(spec(fixture, "disks"));

    while (number-- > 0)
        node = document_next(node);
    return node;
}

static void expect(struct fixture *fixture, const char *why)
{
    assert_int_equal(fixture->error.code, ERROR_INVALID);
    assert_string_equal(fixture->error.why, why);
    fixture->error = (struct error)ERROR_INIT;
}

static void test_reads(void **state)
{
    struct fixture *fixture = *state;
    struct node cpu = spec(fixture, "cpu");
    const char *string = "default";
    unsigned number = 7, choice = 9;
    uint64_t bytes = 0;
    bool yes = true;

    assert_true(document_string(document_get(fixture->root, "kind"), &string));
    assert_string_equal(string, "VirtualMachine");
    assert_true(document_unsigned(document_get(cpu, "cores"), 1, 4, &number));
    assert_int_equal(number, 3);
    assert_true(document_bytes(document_get(disk(fixture, 1), "size"), &bytes));
    assert_true(bytes == UINT64_C(2) << 30);
    assert_true(document_bytes(document_get(disk(fixture, 2), "size"), &bytes));
    assert_true(document_choice(document_get(fixture->root, "kind"),
                                (const char *const[]){"A", "VirtualMachine", NULL}, &choice));
    assert_int_equal(choice, 1);
    /* What is not there, or null, changes nothing. */
    string = "default";
    assert_false(document_string(document_get(cpu, "model"), &string));
    assert_false(document_string(document_get(document_get(cpu, "a"), "b"), &string));
    assert_false(document_string(document_get(spec(fixture, "nothing"), "b"), &string));
    assert_false(document_string(spec(fixture, "nothing"), &string));
    assert_string_equal(string, "default");
    assert_false(document_bool(document_get(cpu, "none"), &yes));
    assert_false(document_is_there(spec(fixture, "nothing")));
    assert_false(document_is_there(document_first(spec(fixture, "nothing"))));
    assert_true(yes);
    assert_int_equal(fixture->error.code, ERROR_NONE);
}

static void test_refuses(void **state)
{
    struct fixture *fixture = *state;
    struct node cpu = spec(fixture, "cpu"), kernel;
    const char *string = NULL;
    unsigned number = 7;
    uint64_t bytes = 7;
    bool yes = true;

    assert_false(document_unsigned(document_get(cpu, "sockets"), 1, 512, &number));
    expect(fixture, "vm.yaml:8:18: spec.cpu.sockets: must be a whole number from 1 to 512, not "
                    "\"two\"");
    assert_false(document_unsigned(document_get(cpu, "cores"), 1, 2, &number));
    expect(fixture, "vm.yaml:8:30: spec.cpu.cores: must be a whole number from 1 to 2, not 3");
    assert_false(document_unsigned(document_get(cpu, "threads"), 1, 2, &number));
    expect(fixture, "vm.yaml:8:42: spec.cpu.threads: must be a whole number from 1 to 2, not 1.5");
    assert_false(document_bool(spec(fixture, "running"), &yes));
    assert_string_equal(fixture->error.fix, "write true or false, without quotes");
    expect(fixture, "vm.yaml:6:12: spec.running: must be true or false, not \"yes\"");
    assert_false(document_bytes(document_get(disk(fixture, 0), "size"), &bytes));
    assert_string_equal(fixture->error.fix, "write 1Gi");
    expect(fixture, "vm.yaml:11:11: spec.disks[0].size: '1gi' is not a quantity");
    assert_false(document_string(document_get(disk(fixture, 1), "name"), &string));
    expect(fixture, "vm.yaml:12:11: spec.disks[1].name: must be a string, not 5");
    assert_false(document_choice(document_get(disk(fixture, 1), "bus"),
                                 (const char *const[]){"scsi", "virtio", "sata", NULL}, &number));
    expect(fixture, "vm.yaml:14:10: spec.disks[1].bus: must be scsi, virtio or sata, not \"ide\"");
    assert_false(document_is_there(document_get(disk(fixture, 3), "name")));
    expect(fixture, "vm.yaml:16:5: spec.disks[3]: must be an object, not 7");
    assert_false(document_is_list(cpu));
    expect(fixture, "vm.yaml:8:8: spec.cpu: must be a list, not an object");
    kernel = document_get(document_get(document_get(fixture->root, "metadata"), "annotations"),
                          "vmplug/kernel");
    assert_false(document_string(kernel, &string));
    expect(fixture, "vm.yaml:4:20: metadata.annotations[vmplug/kernel]: must be a string, not a "
                    "list");
    assert_false(document_is_there(document_first(spec(fixture, "running"))));
    expect(fixture, "vm.yaml:6:12: spec.running: must be an object, not \"yes\"");
    assert_true(number == 7 && bytes == 7 && yes && string == NULL);
}

/* What is missing is missing where the innermost is that is there, and the first error stays. */
static void test_missing(void **state)
{
    struct fixture *fixture = *state;
    struct node cpu = spec(fixture, "cpu");

    assert_true(document_require(cpu));
    assert_false(document_require(document_get(cpu, "model")));
    assert_false(document_require(document_get(fixture->root, "apiVersion")));
    expect(fixture, "vm.yaml:8:8: spec.cpu.model: is missing");
    assert_false(document_require(document_get(document_get(fixture->root, "status"), "phase")));
    expect(fixture, "vm.yaml:1:1: status: is missing");
    assert_false(document_require(spec(fixture, "nothing")));
    expect(fixture, "vm.yaml:7:11: spec.nothing: is missing");
    document_refuse(disk(fixture, 2), "do %s", "the %s of %d", "name", 5);
    assert_string_equal(fixture->error.fix, "do %s");
    expect(fixture, "vm.yaml:15:5: spec.disks[2]: the name of 5");
}

static void add_name(struct node member, void *user)
{
    char where[DOCUMENT_WHERE_MAX];

    (void)strcat(user, document_where(member, where));
    (void)strcat(user, "\n");
}

static void test_unknown(void **state)
{
    struct fixture *fixture = *state;
    char names[512] = "";
    struct node node;
    unsigned count = 0;

    document_each_unknown(disk(fixture, 2), (const char *const[]){"size", NULL}, add_name, names);
    document_each_unknown(document_get(fixture->root, "spec"),
                          (const char *const[]){"cpu", "disks", "running", NULL}, add_name, names);
    document_each_unknown(fixture->root, (const char *const[]){"kind", "spec", NULL}, add_name,
                          names);
    document_each_unknown(disk(fixture, 3), (const char *const[]){NULL}, add_name, names);
    assert_string_equal(names, "vm.yaml:15:19: spec.disks[2][é]\n"
                               "vm.yaml:7:3: spec.nothing\n"
                               "vm.yaml:2:1: metadata\n");
    DOCUMENT_EACH(node, spec(fixture, "cpu"))
        count++;
    assert_int_equal(count, 3);
    assert_int_equal(fixture->error.code, ERROR_NONE);
}

/* A value of no text has the path alone. */
static void test_value(void **state)
{
    struct fixture *fixture = *state;
    struct document document;
    unsigned number = 0;
    struct node node;
    char where[DOCUMENT_WHERE_MAX];

    assert_int_equal(document_init(&document, "vm web", fixture->document.root, NULL), 0);
    node = document_root(&document, &fixture->error);
    assert_string_equal(document_where(node, where), "vm web");
    node = document_get(document_get(document_get(node, "spec"), "cpu"), "threads");
    assert_false(document_unsigned(node, 1, 2, &number));
    expect(fixture, "vm web: spec.cpu.threads: must be a whole number from 1 to 2, not 1.5");
    document_free(&document);
}

/* A name that is too long loses its beginning; what is wrong is still told. */
static void test_long(void **state)
{
    char source[300], key[100], yaml[2000];
    struct error error = ERROR_INIT;
    struct document document;
    struct node node;
    size_t used = 0;
    unsigned i;

    (void)state;
    memset(source, 's', sizeof(source) - 1);
    source[sizeof(source) - 1] = '\0';
    memset(key, 'k', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    for (i = 0; i < 15; i++)
        used += (size_t)snprintf(yaml + used, sizeof(yaml) - used, "{%s: ", key);
    memset(yaml + used, '}', 15);
    yaml[used + 15] = '\0';
    assert_int_equal(yaml_read_value(&document, source, yaml, strlen(yaml), NULL), 0);
    node = document_root(&document, &error);
    while (document_is_there(document_first(node)))
        node = document_first(node);
    document_refuse(document_first(node), "", "is wrong");
    assert_non_null(strstr(error.why, ": is wrong"));
    assert_non_null(strstr(error.why, "s:1:"));
    document_free(&document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refuses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_missing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unknown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_value, set_up, tear_down),
        cmocka_unit_test(test_long),
    };

    return cmocka_run_group_tests_name("document", tests, NULL, NULL);
}
