/* SPDX-License-Identifier: MIT */
/* Disks that are there and change: their size and their limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "qmp/codec.h"
#include "tests/fake/rig.h"

#define BYTES (64 * SIM_MIB) /* of a simulated disk */

static struct rig rig;

static struct sim *sim_with_disk(void)
{
    struct sim *sim = sim_new();

    sim_put_disk(sim, "data", "SER1", 3);
    return sim;
}

static struct operation_request request_of(enum operation_type type)
{
    return (struct operation_request){.type = type, .id = "data", .timeout_ms = 5000};
}

static struct operation_request resize_to(uint64_t bytes)
{
    struct operation_request request = request_of(OPERATION_DISK_RESIZE);

    request.bytes = bytes;
    return request;
}

static const struct operation_result *run(struct sim *sim, const struct operation_request *request)
{
    rig_open(&rig, sim, true);
    return rig_operate(&rig, request);
}

static void assert_stopped(struct sim *sim, const struct operation_request *request,
                           const char *why)
{
    const struct operation_result *result = run(sim, request);

    if (result->verdict != VERDICT_BLOCKED || strstr(result->error.why, why) == NULL)
        fail_msg("%s: '%s'", verdict_name(result->verdict), result->error.why);
    assert_true(result->error.fix[0] != '\0');
    assert_int_equal(sim_changes(sim), 0);
    rig_close(&rig);
}

/* ---- size ---- */

static void test_resize(void **state)
{
    struct operation_request request = resize_to(2 * BYTES);
    AUTO_JSON json_t *sent = fake_json("{'node-name':'data-node','size':134217728}");
    struct sim *sim = sim_with_disk();

    (void)state;
    assert_int_equal(run(sim, &request)->verdict, VERDICT_DONE);
    assert_string_equal(rig_stages(&rig), "accepted realized online");
    assert_true(json_equal(sim_arguments(sim, SIM_QMP, "block_resize"), sent));
    assert_int_equal(sim_count(sim, SIM_AGENT, "guest-file-close"), 1);
    assert_string_equal(
        json_string_value(json_object_get(rig.result->details, "guest_name")), "/dev/sda");
    assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_DONE); /* nothing to do */
    assert_int_equal(sim_count(sim, SIM_QMP, "block_resize"), 1);
    rig_close(&rig);
}

/* A guest that does not notice is waited for; one that can't be asked is not. */
static void test_resize_in_the_guest(void **state)
{
    struct operation_request request = resize_to(2 * BYTES);
    struct sim *sim = sim_with_disk();

    (void)state;
    sim_fault(sim, (struct fault){.side = SIM_AGENT, .command = "guest-file-read", .times = 2,
                                  .action = FAULT_ANSWER,
                                  .text = "{'count':7,'buf-b64':'MTMxMDcyCg==','eof':true}"});
    assert_int_equal(run(sim, &request)->verdict, VERDICT_DONE);
    assert_int_equal(sim_count(sim, SIM_AGENT, "guest-file-read"), 3);
    rig_close(&rig);

    sim = sim_with_disk();
    sim_fault(sim, (struct fault){.side = SIM_AGENT, .command = "guest-file-read",
                                  .action = FAULT_ANSWER, .text = "{'buf-b64':'IQ=='}"});
    request.timeout_ms = rig_soon_ms();
    assert_int_equal(run(sim, &request)->verdict, VERDICT_PENDING);
    assert_string_equal(rig.result->awaiting, "done");
    assert_string_equal(rig_left(&rig), "");
    rig_close(&rig);

    sim = sim_with_disk();
    sim_disable(sim, "guest-file-open");
    request.timeout_ms = 5000;
    assert_int_equal(run(sim, &request)->verdict, VERDICT_DONE);
    assert_null(rig.result->missing);
    rig_close(&rig);
}

static void test_resize_blocked(void **state)
{
    struct operation_request request = resize_to(BYTES / 2);
    struct sim *sim = sim_with_disk();

    (void)state;
    assert_stopped(sim, &request, "would cut off");
    request = resize_to(BYTES + 1);
    assert_stopped(sim_with_disk(), &request, "whole sectors");
    request = resize_to(0);
    assert_stopped(sim_with_disk(), &request, "whole sectors");
    request = resize_to(2 * BYTES);
    request.id = "nosuch";
    assert_stopped(sim_with_disk(), &request, "no disk 'nosuch'");
    request.id = "cd0";
    sim = sim_new();
    sim_put_cdrom(sim, "cd0", NULL);
    assert_stopped(sim, &request, "CD-ROM");
    request.id = "data";
    sim = sim_with_disk();
    sim->disks[0].read_only = true;
    assert_stopped(sim, &request, "read-only");
}

static void test_resize_rejected(void **state)
{
    struct operation_request request = resize_to(2 * BYTES);
    struct sim *sim = sim_with_disk();

    (void)state;
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "block_resize",
                                  .action = FAULT_REJECT, .text = "Cannot grow device files"});
    assert_int_equal(run(sim, &request)->verdict, VERDICT_REJECTED);
    assert_string_equal(rig_left(&rig), "");
    rig_close(&rig);
}

/* ---- limits ---- */

static void assert_limits(const struct sim *sim, uint64_t iops, uint64_t bps)
{
    static const uint64_t none[2];

    assert_int_equal(sim->disks[0].limits[3], iops);
    assert_int_equal(sim->disks[0].limits[0], bps);
    assert_memory_equal(&sim->disks[0].limits[1], none, sizeof(none));
    assert_memory_equal(&sim->disks[0].limits[4], none, sizeof(none));
}

static void test_throttle(void **state)
{
    struct operation_request request = request_of(OPERATION_DISK_THROTTLE);
    struct sim *sim = sim_with_disk();

    (void)state;
    request.limits = (struct operation_limits){.iops_set = true, .iops = 100};
    assert_int_equal(run(sim, &request)->verdict, VERDICT_DONE);
    assert_string_equal(rig_stages(&rig), "accepted realized online");
    assert_limits(sim, 100, 0);
    request.limits = (struct operation_limits){.bps_set = true, .bps = 4096};
    assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_DONE);
    assert_limits(sim, 100, 4096); /* the other one stays */
    assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_DONE);
    assert_int_equal(sim_count(sim, SIM_QMP, "block_set_io_throttle"), 2); /* nothing to do */
    request.limits = (struct operation_limits){.iops_set = true, .bps_set = true};
    assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_DONE);
    assert_limits(sim, 0, 0);
    rig_close(&rig);
}

/* QEMU takes no total beside limits of the two directions. */
static void test_throttle_of_directions(void **state)
{
    struct operation_request request = request_of(OPERATION_DISK_THROTTLE);
    struct sim *sim = sim_with_disk();

    (void)state;
    sim->disks[0].limits[1] = 1000; /* bps_rd */
    sim->disks[0].limits[4] = 10;   /* iops_rd */
    request.limits = (struct operation_limits){.iops_set = true, .iops = 100};
    assert_int_equal(run(sim, &request)->verdict, VERDICT_DONE);
    assert_int_equal(sim->disks[0].limits[1], 1000);
    assert_int_equal(sim->disks[0].limits[3], 100);
    assert_int_equal(sim->disks[0].limits[4], 0);
    rig_close(&rig);
}

static void test_throttle_refused(void **state)
{
    struct operation_request request = request_of(OPERATION_DISK_THROTTLE);
    struct sim *sim = sim_with_disk();

    (void)state;
    request.limits = (struct operation_limits){.iops_set = true, .iops = 100};
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "block_set_io_throttle",
                                  .action = FAULT_REJECT, .text = "no"});
    assert_int_equal(run(sim, &request)->verdict, VERDICT_REJECTED);
    rig_close(&rig);

    sim = sim_with_disk(); /* QEMU says yes, and does not do it */
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "block_set_io_throttle",
                                  .action = FAULT_ANSWER, .text = "{}"});
    request.timeout_ms = rig_soon_ms();
    assert_int_equal(run(sim, &request)->verdict, VERDICT_PENDING);
    assert_string_equal(rig.result->awaiting, "done");
    rig_close(&rig);
    request.id = "nosuch";
    assert_stopped(sim_with_disk(), &request, "no disk 'nosuch'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resize),
        cmocka_unit_test(test_resize_in_the_guest),
        cmocka_unit_test(test_resize_blocked),
        cmocka_unit_test(test_resize_rejected),
        cmocka_unit_test(test_throttle),
        cmocka_unit_test(test_throttle_of_directions),
        cmocka_unit_test(test_throttle_refused),
    };

    return cmocka_run_group_tests_name("operation, change", tests, NULL, NULL);
}
