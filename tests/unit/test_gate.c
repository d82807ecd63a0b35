/* SPDX-License-Identifier: MIT */
/* Which gate of the host's settings switches off which kind of change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "daemon/gate.h"
#include "manifest/store.h"
#include "qmp/codec.h"

static int set_up(void **state)
{
    static char folder[64];

    (void)strcpy(folder, "/tmp/vmplug-gate-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    *state = folder;
    return setenv("XDG_STATE_HOME", folder, 1);
}

static int tear_down(void **state)
{
    const char *folder = *state;
    char path[128];
    static const char *const made[] = {"vmplug/kubevirt/kubevirt.yaml", "vmplug/kubevirt",
                                       "vmplug/lock", "vmplug", ""};
    size_t i;

    for (i = 0; i < COUNT_OF(made); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", folder, made[i]);
        (void)remove(path);
    }
    return access(folder, F_OK) == 0 ? -1 : 0;
}

/* gate: NULL: none. */
static void disable(const char *gate)
{
    AUTO_JSON json_t *object = json_pack(
        "{s:s, s:s, s:{s:s}, s:{s:{s:{s:[s*]}}}}", "apiVersion", "kubevirt.io/v1", "kind",
        "KubeVirt", "metadata", "name", "kubevirt", "spec", "configuration",
        "developerConfiguration", "disabledFeatureGates", gate);
    struct store store;

    assert_non_null(object);
    assert_int_equal(store_open(&store, NULL, true, NULL), 0);
    assert_int_equal(store_lock(&store, NULL), 0);
    assert_int_equal(store_save(&store, KIND_KUBEVIRT, "kubevirt", object, NULL), 0);
    store_close(&store);
}

#define BIT(type) (1u << (type))
#define ALL (BIT(OPERATION_TYPES_) - 1)
#define CPUS (BIT(OPERATION_CPU_ADD) | BIT(OPERATION_CPU_REMOVE))
#define MEMORY                                                                     \
    (BIT(OPERATION_DIMM_ADD) | BIT(OPERATION_DIMM_REMOVE) | BIT(OPERATION_VIRTIO_MEM_ADD) | \
     BIT(OPERATION_VIRTIO_MEM_RESIZE))
#define VOLUMES                                                                        \
    (BIT(OPERATION_DISK_ADD) | BIT(OPERATION_DISK_REMOVE) | BIT(OPERATION_CDROM_INSERT) | \
     BIT(OPERATION_CDROM_EJECT))

/* The kinds that are switched off; each refusal names the gate. */
static unsigned closed(const char *gate)
{
    char why[80];
    unsigned type, found = 0;

    (void)snprintf(why, sizeof(why), "the feature gate %s is disabled", gate);
    for (type = 0; type < OPERATION_TYPES_; type++) {
        struct error error = ERROR_INIT;

        if (gate_check_operation(type, &error) == 0)
            continue;
        found |= BIT(type);
        assert_int_equal(error.code, ERROR_BLOCKED);
        assert_string_equal(error.why, why);
        assert_string_equal(error.fix,
                            "take it out of disabledFeatureGates of the KubeVirt object");
    }
    return found;
}

static void test_kinds(void **state)
{
    static const struct {
        const char *gate;
        unsigned closes;
    } rows[] = {
        {NULL, 0},
        {"CPUHotplug", CPUS},
        {"LiveUpdate", CPUS | MEMORY},
        {"HotplugVolumes", VOLUMES},
        {"DeclarativeHotplugVolumes", VOLUMES},
        {"ExpandDisks", BIT(OPERATION_DISK_RESIZE)},
        {"Snapshot", 0},
    };
    size_t i;

    (void)state;
    assert_int_equal(closed(""), 0); /* nothing is stored */
    for (i = 0; i < COUNT_OF(rows); i++) {
        disable(rows[i].gate);
        assert_int_equal(closed(rows[i].gate), rows[i].closes);
    }
}

static void test_goals(void **state)
{
    const struct batch_item items[] = {{.type = OPERATION_BACKEND_REMOVE},
                                       {.type = OPERATION_CPU_ADD}};
    struct batch_request cpus = {.goal = BATCH_CPUS}, memory = {.goal = BATCH_MEMORY};
    struct batch_request list = {.goal = BATCH_LIST, .count = 1, .items = items};

    (void)state;
    disable("CPUHotplug");
    assert_int_equal(gate_check(&cpus, NULL), -1);
    assert_int_equal(gate_check(&memory, NULL), 0);
    assert_int_equal(gate_check(&list, NULL), 0);
    list.count = 2;
    assert_int_equal(gate_check(&list, NULL), -1);
    disable("LiveUpdate");
    assert_int_equal(gate_check(&memory, NULL), -1);
    disable(NULL);
    assert_int_equal(gate_check(&cpus, NULL), 0);
    assert_int_equal(gate_check(&memory, NULL), 0);
    assert_int_equal(gate_check(&list, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kinds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_goals, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
