/* SPDX-License-Identifier: MIT */
/* From a claim to a file, and what to give where a link is missing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/stat.h>

#include "base/cleanup.h"
#include "manifest/yaml_read.h"
#include "tests/unit/manifest_rig.h"

#define VM_OF(source) \
    "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\n" \
    "spec: {template: {spec: {domain: {devices: {disks: [{name: x}]}},\n" \
    "  volumes: [{name: x, " source "}]}}}\n"
#define CLAIMED VM_OF("persistentVolumeClaim: {claimName: c}")
#define PVC(spec) "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: c}\n" \
                  "spec: {" spec "}\n"
#define PV(name, spec) "---\napiVersion: v1\nkind: PersistentVolume\nmetadata: {name: " name "}\n" \
                       "spec: {" spec "}\n"
#define HOST "hostPath: {path: /images/a.img}"

static struct manifest_rig self;
static char path[PATH_MAX];
static struct error error;

static int find(const char *manifest, size_t size)
{
    int status;

    error = (struct error)ERROR_INIT;
    manifest_rig_take(&self, "%s", manifest);
    status = claims_find_file(&self.claims, &self.vm.volumes[0], path, size, &error);
    assert_true((status == 0) == (error.code == ERROR_NONE));
    return status;
}

static int tear_down(void **state)
{
    (void)state;
    virtual_machine_free(&self.vm);
    objects_free(&self.objects);
    notes_free(&self.notes);
    document_list_free(&self.documents);
    return 0;
}

static void test_found(void **state)
{
    static const char *const manifests[] = {
        VM_OF("hostDisk: {path: /images/a.img, type: Disk}"),
        CLAIMED PVC("volumeName: v") PV("v", HOST),
        CLAIMED PVC("volumeName: v") PV("v", "local: {path: /images/a.img}"),
        CLAIMED PVC("") PV("v", "claimRef: {name: c}, " HOST) PV("w", "hostPath: {path: /b}"),
        CLAIMED PVC("volumeName: v") PV("v", HOST)
            PV("w", "claimRef: {name: c}, hostPath: {path: /b}"), /* the claim decides */
        VM_OF("dataVolume: {name: c}") PVC("volumeName: v") PV("v", HOST),
        VM_OF("dataVolume: {name: c}") PV("v", "claimRef: {name: c}, " HOST),
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(manifests); i++) {
        if (find(manifests[i], sizeof(path)) < 0)
            fail_msg("%zu: %s", i, error.why);
        assert_string_equal(path, "/images/a.img");
    }
}

static void test_links_that_are_missing(void **state)
{
    static const struct {
        const char *manifest, *why, *fix;
    } rows[] = {
        {CLAIMED, "there is no PersistentVolumeClaim 'c'", "'c' that names it in spec.volumeName"},
        {CLAIMED PVC(""), "the claim 'c' is bound to no volume", "apply a PersistentVolume"},
        {CLAIMED PVC("volumeName: v"), "bound to 'v', and there is no such", "apply a Persistent"},
        {CLAIMED PVC("volumeName: v") PV("w", "claimRef: {name: c}, " HOST), "bound to 'v'",
         "apply"},
        {CLAIMED PVC("volumeName: v") PV("v", "csi: {driver: x}"), "has no path on this host",
         "spec.hostPath.path"},
        {VM_OF("emptyDisk: {capacity: 1Gi}"), "an emptyDisk lives as long as", "use a hostDisk"},
        {VM_OF("containerDisk: {image: i}"), "kind containerDisk needs a cluster",
         "use a hostDisk"},
        {VM_OF("cloudInitNoCloud: {}"), "kind cloudInitNoCloud needs a cluster", "use a hostDisk"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(find(rows[i].manifest, sizeof(path)), -1);
        assert_int_equal(error.code, ERROR_BLOCKED);
        if (strstr(error.why, rows[i].why) == NULL || strstr(error.fix, rows[i].fix) == NULL)
            fail_msg("%zu: %s; %s", i, error.why, error.fix);
    }
}

static void test_directory(void **state)
{
    char manifest[2048];

    (void)state;
    assert_int_equal(mkdir(fake_path("claims"), 0700), 0);
    (void)snprintf(manifest, sizeof(manifest),
                   CLAIMED PVC("volumeName: v") PV("v", "hostPath: {path: %s}"),
                   fake_path("claims"));
    assert_int_equal(find(manifest, sizeof(path)), 0);
    assert_string_equal(path, fake_path("claims/disk.img"));
    assert_int_equal(find(manifest, strlen(path)), -1); /* never cut */
    assert_int_equal(error.code, ERROR_BLOCKED);
    assert_non_null(strstr(error.why, "is too long"));
}

static void test_empty_disk(void **state)
{
    (void)state;
    manifest_rig_take(&self, "%s", VM_OF("emptyDisk: {capacity: 1Gi}"));
    self.claims.empty_directory = "/run/vm1";
    assert_int_equal(claims_find_file(&self.claims, &self.vm.volumes[0], path, sizeof(path), NULL),
                     0);
    assert_string_equal(path, "/run/vm1/x.img");
}

/* What the store holds may have been written by anybody who can. */
static void test_objects_of_any_shape(void **state)
{
    static const char *const specs[] = {
        "{}", "[]", "null", "7", "{'volumeName':7}", "{'volumeName':['v']}",
        "{'claimRef':'c'}", "{'claimRef':[]}", "{'claimRef':{'name':{}}}",
        "{'claimRef':{'name':'c'},'hostPath':'x'}", "{'claimRef':{'name':'c'},'local':[]}",
        "{'claimRef':{'name':'c'},'hostPath':{'path':7}}",
        "{'claimRef':{'name':'c'},'hostPath':{'path':'relative'}}",
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(specs); i++) {
        manifest_rig_take(&self, "%s", CLAIMED);
        assert_int_equal(objects_give(&self.objects, KIND_CLAIM, "c",
                                      fake_jsonf("{'spec':%s}", specs[i]), NULL), 0);
        assert_int_equal(objects_give(&self.objects, KIND_VOLUME, "v",
                                      fake_jsonf("{'spec':%s}", specs[i]), NULL), 0);
        assert_int_equal(claims_find_file(&self.claims, &self.vm.volumes[0], path, sizeof(path),
                                          NULL), -1);
    }
}

static void test_checks(void **state)
{
    static const struct {
        const char *text;
        enum kind kind;
        const char *why;
    } rows[] = {
        {"spec: {volumeName: 5}", KIND_CLAIM, "t:1:20: spec.volumeName: must be a string, not 5"},
        {"spec: []", KIND_CLAIM, "t:1:7: spec: must be an object, not a list"},
        {"spec: {hostPath: /a}", KIND_VOLUME, "t:1:18: spec.hostPath: must be an object"},
        {"spec: {hostPath: {}}", KIND_VOLUME, "spec.hostPath.path: is missing"},
        {"spec: {local: {path: a}}", KIND_VOLUME, "spec.local.path: it must be an absolute path"},
        {"spec: {claimRef: {name: [c]}}", KIND_VOLUME, "spec.claimRef.name: must be a string"},
        {"spec: 5", KIND_DATA_VOLUME, "t:1:7: spec: must be an object, not 5"},
        {"spec: {volumeName: a, resource: {}, resources: {}}\nsepc: 1", KIND_CLAIM, NULL},
    };
    struct document document;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(rows); i++) {
        struct notes notes = {.count = 0};

        error = (struct error)ERROR_INIT;
        assert_int_equal(yaml_read_value(&document, "t", rows[i].text, strlen(rows[i].text), NULL),
                         0);
        assert_int_equal(claims_check(&document, rows[i].kind, &notes, &error),
                         rows[i].why != NULL ? -1 : 0);
        if (rows[i].why != NULL && strstr(error.why, rows[i].why) == NULL)
            fail_msg("%zu: %s", i, error.why);
        if (rows[i].why == NULL) {
            assert_int_equal(notes.count, 2);
            assert_string_equal(notes.lines[0], "t:2:1: sepc is kept, and not acted on");
            assert_string_equal(notes.lines[1], "t:1:23: spec.resource is kept, and not acted on");
        }
        notes_free(&notes);
        document_free(&document);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_found, tear_down),
        cmocka_unit_test_teardown(test_links_that_are_missing, tear_down),
        cmocka_unit_test_teardown(test_directory, tear_down),
        cmocka_unit_test_teardown(test_empty_disk, tear_down),
        cmocka_unit_test_teardown(test_objects_of_any_shape, tear_down),
        cmocka_unit_test(test_checks),
    };

    return cmocka_run_group_tests_name("claims", tests, NULL, NULL);
}
