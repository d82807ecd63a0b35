/* SPDX-License-Identifier: MIT */
/* What of QMP and of the agent's protocol is for whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "daemon/monitor_rights.h"

static void claim(enum peer peer, const char *command, const char *arguments, enum role role,
                  bool changes)
{
    json_t *object = json_loads(arguments, 0, NULL);
    struct monitor_right right = monitor_rights_of(peer, command, object);

    json_decref(object);
    if (right.role != role || right.changes != changes)
        fail_msg("%s %s: %s, %d", command, arguments, policy_role_name(right.role),
                 right.changes);
}

static void test_qmp(void **state)
{
    (void)state;
    claim(PEER_QMP, "query-anything", "{}", ROLE_VIEWER, false);
    claim(PEER_QMP, "qom-get", "{\"property\":\"type\"}", ROLE_VIEWER, false);
    claim(PEER_QMP, "qom-get", "{\"property\":\"data\"}", ROLE_ADMINISTRATOR, false);
    claim(PEER_QMP, "dumpdtb", "{\"filename\":\"/x\"}", ROLE_OPERATOR, false);
    claim(PEER_QMP, "qom-set", "{\"property\":\"requested-size\"}", ROLE_OPERATOR, true);
    claim(PEER_QMP, "qom-set", "{\"property\":\"size\"}", ROLE_ADMINISTRATOR, true);
    claim(PEER_QMP, "object-add", "{\"qom-type\":\"memory-backend-ram\"}", ROLE_OPERATOR, true);
    claim(PEER_QMP, "object-add", "{\"qom-type\":\"secret\"}", ROLE_ADMINISTRATOR, true);
    claim(PEER_QMP, "device_add", "{\"driver\":\"qemu64-x86_64-cpu\"}", ROLE_OPERATOR, true);
    claim(PEER_QMP, "device_add", "{\"driver\":\"scsi-hd\"}", ROLE_OPERATOR, true);
    claim(PEER_QMP, "device_add", "{\"driver\":\"vfio-pci\"}", ROLE_ADMINISTRATOR, true);
    claim(PEER_QMP, "device_add", "{\"driver\":\"-cpu\"}", ROLE_ADMINISTRATOR, true);
    claim(PEER_QMP, "quit", "{}", ROLE_ADMINISTRATOR, true);
    claim(PEER_QMP, "migrate", "{}", ROLE_ADMINISTRATOR, true);
    claim(PEER_QMP, "guest-ping", "{}", ROLE_ADMINISTRATOR, true);
}

/* Each command that changes something is an operator's at least, and waits for its turn. */
static void test_no_viewer(void **state)
{
    static const struct {
        enum peer peer;
        const char *command;
    } rows[] = {
        {PEER_QMP, "balloon"},
        {PEER_QMP, "block_resize"},
        {PEER_QMP, "block_set_io_throttle"},
        {PEER_QMP, "blockdev-add"},
        {PEER_QMP, "blockdev-close-tray"},
        {PEER_QMP, "blockdev-del"},
        {PEER_QMP, "blockdev-insert-medium"},
        {PEER_QMP, "blockdev-open-tray"},
        {PEER_QMP, "blockdev-remove-medium"},
        {PEER_QMP, "cont"},
        {PEER_QMP, "device_add"},
        {PEER_QMP, "device_del"},
        {PEER_QMP, "human-monitor-command"},
        {PEER_QMP, "object-add"},
        {PEER_QMP, "object-del"},
        {PEER_QMP, "qom-set"},
        {PEER_QMP, "stop"},
        {PEER_QMP, "system_powerdown"},
        {PEER_QMP, "system_reset"},
        {PEER_AGENT, "guest-exec"},
        {PEER_AGENT, "guest-file-write"},
        {PEER_AGENT, "guest-set-memory-blocks"},
        {PEER_AGENT, "guest-set-vcpus"},
        {PEER_AGENT, "guest-shutdown"},
    };
    struct monitor_right right;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        right = monitor_rights_of(rows[i].peer, rows[i].command, NULL);
        if (right.role < ROLE_OPERATOR || !right.changes)
            fail_msg("%s: %s", rows[i].command, policy_role_name(right.role));
    }
}

static void test_agent(void **state)
{
    (void)state;
    claim(PEER_AGENT, "guest-get-vcpus", "{}", ROLE_VIEWER, false);
    claim(PEER_AGENT, "query-status", "{}", ROLE_ADMINISTRATOR, true);
    claim(PEER_AGENT, "guest-exec", "{}", ROLE_ADMINISTRATOR, true);
    claim(PEER_AGENT, "guest-file-open", "{\"path\":\"/sys/block\"}", ROLE_VIEWER, false);
    claim(PEER_AGENT, "guest-file-open", "{\"path\":\"/sys/../etc/shadow\"}", ROLE_ADMINISTRATOR,
          false);
    claim(PEER_AGENT, "guest-file-open", "{\"path\":\"/sys/x\",\"mode\":\"w\"}",
          ROLE_ADMINISTRATOR, true);
    claim(PEER_AGENT, "guest-file-open", "{\"path\":\"/dev/sr0\"}", ROLE_OPERATOR, false);
    claim(PEER_AGENT, "guest-file-open",
          "{\"path\":\"/sys/devices/system/memory/memory4/state\",\"mode\":\"w\"}", ROLE_OPERATOR,
          true);
}

static void claim_operation(const char *command, const char *driver, enum operation_type type)
{
    json_t *arguments = json_pack("{s:s}", "driver", driver);
    enum operation_type got = OPERATION_TYPES_;

    assert_true(monitor_rights_operation(command, arguments, &got) ==
                (type != OPERATION_TYPES_));
    assert_int_equal(got, type);
    json_decref(arguments);
}

static void test_operations(void **state)
{
    (void)state;
    claim_operation("device_add", "qemu64-x86_64-cpu", OPERATION_CPU_ADD);
    claim_operation("device_add", "power9_v2.0-spapr-cpu-core", OPERATION_CPU_ADD);
    claim_operation("device_add", "pc-dimm", OPERATION_DIMM_ADD);
    claim_operation("device_add", "e1000", OPERATION_TYPES_);
    claim_operation("balloon", "", OPERATION_VIRTIO_MEM_RESIZE);
    claim_operation("block_resize", "", OPERATION_DISK_RESIZE);
    claim_operation("qom-set", "", OPERATION_VIRTIO_MEM_RESIZE);
    claim_operation("device_del", "", OPERATION_TYPES_);
    claim_operation("device_del", "host-x86_64-cpu", OPERATION_CPU_REMOVE);
    claim_operation("device_del", "virtio-mem-pci", OPERATION_DIMM_REMOVE);
    claim_operation("device_del", "scsi-hd", OPERATION_DISK_REMOVE);
    claim_operation("device_del", "e1000", OPERATION_TYPES_);
}

/* No secret goes into the log. */
static void test_subject(void **state)
{
    json_t *arguments = json_loads("{\"id\": \"a\", \"qom-type\": \"secret\", \"data\": \"x\", "
                                   "\"driver\": {\"file\": 1}, \"buf-b64\": \"x\", \"handle\": 7}",
                                   0, NULL);
    json_t *subject = monitor_rights_subject(arguments);
    json_t *expected = json_loads("{\"id\": \"a\", \"qom-type\": \"secret\", \"handle\": 7}", 0,
                                  NULL);

    (void)state;
    assert_true(json_equal(subject, expected));
    json_decref(expected);
    json_decref(subject);
    json_decref(arguments);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_qmp),
        cmocka_unit_test(test_no_viewer),
        cmocka_unit_test(test_agent),
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_subject),
    };

    return cmocka_run_group_tests_name("monitor_rights", tests, NULL, NULL);
}
