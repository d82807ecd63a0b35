/* SPDX-License-Identifier: MIT */
/* Disks that are a virtio-blk in a PCI port: added, recognised in the guest, and given back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "qmp/codec.h"
#include "tests/fake/rig.h"

static struct rig rig;
static char image[512];

static struct sim *sim_with_port(void)
{
    struct sim *sim = sim_new();

    (void)sim_put_port(sim, "pcie-root-port", "/machine/peripheral/port1", "port1");
    return sim;
}

static struct operation_request request_of(enum operation_type type)
{
    (void)snprintf(image, sizeof(image), "%s", fake_file("data.raw", "", 0));
    return (struct operation_request){.type = type,
                                      .timeout_ms = 5000,
                                      .id = type == OPERATION_DISK_ADD ? NULL : "vmplug-disk-0",
                                      .disk = {.file = image, .bus = "virtio"}};
}

static const struct operation_result *run(struct sim *sim, const struct operation_request *request)
{
    rig_open(&rig, sim, true);
    return rig_operate(&rig, request);
}

static void assert_stopped(struct sim *sim, const struct operation_request *request,
                           enum verdict verdict, const char *why)
{
    const struct operation_result *result = run(sim, request);

    if (result->verdict != verdict || strstr(result->error.why, why) == NULL)
        fail_msg("%s: '%s'", verdict_name(result->verdict), result->error.why);
    assert_true(result->error.fix[0] != '\0');
    assert_int_equal(sim_changes(sim), 0);
    rig_close(&rig);
}

static const char *guest_name(void)
{
    const char *name = json_string_value(json_object_get(rig.result->details, "guest_name"));

    return name != NULL ? name : "";
}

static void test_add(void **state)
{
    struct operation_request request = request_of(OPERATION_DISK_ADD);
    AUTO_JSON json_t *device =
        fake_json("{'driver':'virtio-blk-pci','id':'vmplug-disk-0','bus':'port1',"
                  "'drive':'vmplug-disk-0','serial':'vmplug-disk-0'}");
    struct sim *sim = sim_with_port();

    (void)state;
    assert_int_equal(run(sim, &request)->verdict, VERDICT_ONLINE);
    assert_string_equal(rig_stages(&rig), "accepted realized online");
    assert_string_equal(guest_name(), "/dev/vda");
    assert_true(json_equal(sim_arguments(sim, SIM_QMP, "device_add"), device));
    assert_null(json_object_get(rig.result->details, "lun"));
    rig_close(&rig);
}

/* Without udev in the guest, beside a scsi-hd whose LUN is the number that the agent gives for a
 * virtio-blk. */
static void test_add_by_the_attribute(void **state)
{
    struct operation_request request = request_of(OPERATION_DISK_ADD);
    struct sim *sim = sim_with_port();

    (void)state;
    sim_put_disk(sim, "old", "SER1", 0);
    sim->guest.tells_serials = false;
    sim->guest.has_vpd = true;
    assert_int_equal(run(sim, &request)->verdict, VERDICT_ONLINE);
    assert_string_equal(guest_name(), "/dev/vdb");
    assert_int_equal(sim_count(sim, SIM_AGENT, "guest-file-open"), 1);
    rig_close(&rig);
}

static void test_add_of_another(void **state)
{
    static const char *const serials[] = {
        "{'buf-b64':'dm1wbHVnLWRpc2stMA==','eof':true}", /* ours */
        "{'buf-b64':'dm1wbHVnLWRpc2stMAo=','eof':true}", /* ours and a line's end */
        "{'buf-b64':'dm1wbHVnLWRpc2stMDA=','eof':true}", /* one character more */
        "{'buf-b64':'dm1wbHVnLWRpc2st','eof':true}",     /* one less */
        "{'buf-b64':'','eof':true}",
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(serials); i++) {
        struct operation_request request = request_of(OPERATION_DISK_ADD);
        struct sim *sim = sim_with_port();

        sim->guest.tells_serials = false;
        sim_fault(sim, (struct fault){.side = SIM_AGENT, .command = "guest-file-read",
                                      .action = FAULT_ANSWER, .text = serials[i]});
        request.timeout_ms = i < 2 ? 5000 : rig_soon_ms();
        assert_int_equal(run(sim, &request)->verdict, i < 2 ? VERDICT_ONLINE : VERDICT_PENDING);
        rig_close(&rig);
    }
}

static void test_add_blocked(void **state)
{
    struct operation_request request = request_of(OPERATION_DISK_ADD);
    struct sim *sim = sim_with_port();

    (void)state;
    assert_stopped(sim_new(), &request, VERDICT_BLOCKED, "no PCI port");
    sim->ports[0].devices = 1;
    assert_stopped(sim, &request, VERDICT_BLOCKED, "no PCI port is free");
    request.disk.lun_set = true;
    assert_stopped(sim_with_port(), &request, VERDICT_ERROR, "no LUN");
    request.disk.lun_set = false;
    request.disk.serial = "123456789012345678901"; /* 21 */
    assert_stopped(sim_with_port(), &request, VERDICT_ERROR, "1 to 20 characters");
    request.disk.serial = NULL;
    request.id = "a-disk-with-a-long-name";
    assert_stopped(sim_with_port(), &request, VERDICT_ERROR, "1 to 20 characters");
}

static void test_add_rejected(void **state)
{
    struct operation_request request = request_of(OPERATION_DISK_ADD);
    struct sim *sim = sim_with_port();

    (void)state;
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "device_add",
                                  .action = FAULT_REJECT, .text = "no"});
    assert_int_equal(run(sim, &request)->verdict, VERDICT_REJECTED);
    assert_int_equal(sim->disk_count, 0);
    assert_string_equal(rig_left(&rig), "");
    rig_close(&rig);
}

/* The guest is asked, and two objects go; the port is free again. */
static void test_remove(void **state)
{
    struct operation_request add = request_of(OPERATION_DISK_ADD);
    struct operation_request take_back = request_of(OPERATION_DISK_REMOVE);
    struct sim *sim = sim_with_port();

    (void)state;
    assert_int_equal(run(sim, &add)->verdict, VERDICT_ONLINE);
    sim->guest.ignores_eject = true;
    take_back.timeout_ms = rig_soon_ms();
    assert_int_equal(rig_operate(&rig, &take_back)->verdict, VERDICT_PENDING);
    assert_int_equal(sim->disk_count, 1);
    sim->guest.ignores_eject = false;
    take_back.timeout_ms = 5000;
    assert_int_equal(rig_operate(&rig, &take_back)->verdict, VERDICT_REMOVED);
    assert_int_equal(sim->disk_count, 0);
    assert_int_equal(sim->ports[0].devices, 0);
    assert_int_equal(rig_operate(&rig, &add)->verdict, VERDICT_ONLINE);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_add_by_the_attribute),
        cmocka_unit_test(test_add_of_another),
        cmocka_unit_test(test_add_blocked),
        cmocka_unit_test(test_add_rejected),
        cmocka_unit_test(test_remove),
    };

    return cmocka_run_group_tests_name("operation, virtio-blk", tests, NULL, NULL);
}
