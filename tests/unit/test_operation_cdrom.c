/* SPDX-License-Identifier: MIT */
/* Media: what goes into CD-ROM drives and comes out of them, and the trays that a guest locks. */
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

#define IMAGE_BYTES 40960

static struct rig rig;
static char image[512], other[512];

/* An image whose every sector differs from those of another. */
static void make_image(const char *name, char letter, char path[512])
{
    char bytes[IMAGE_BYTES];

    memset(bytes, letter, sizeof(bytes));
    (void)snprintf(path, 512, "%s", fake_file(name, bytes, sizeof(bytes)));
}

static struct sim *sim_with_drive(bool full)
{
    struct sim *sim = sim_new();

    make_image("new.iso", 'n', image);
    make_image("old.iso", 'o', other);
    sim_put_cdrom(sim, "cd0", full ? other : NULL);
    return sim;
}

static struct operation_request request_of(enum operation_type type)
{
    return (struct operation_request){
        .type = type, .id = "cd0", .timeout_ms = 5000, .disk = {.file = image}};
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

/* The drive as it was found: its medium in a closed tray, and no node too many. */
static void assert_untouched(const struct sim *sim)
{
    assert_string_equal(sim->cdroms[0].node, "cd0-medium");
    assert_false(sim->cdroms[0].tray_open);
    assert_int_equal(sim->disk_count, 1);
    assert_string_equal(rig_left(&rig), "");
}

static const char *guest_name(void)
{
    const char *name = json_string_value(json_object_get(rig.result->details, "guest_name"));

    return name != NULL ? name : "";
}

/* ---- insert ---- */

static void test_insert(void **state)
{
    struct operation_request request = request_of(OPERATION_CDROM_INSERT);
    struct sim *sim = sim_with_drive(false);
    AUTO_JSON json_t *node = NULL;

    (void)state;
    assert_int_equal(run(sim, &request)->verdict, VERDICT_DONE);
    assert_string_equal(rig_stages(&rig), "accepted realized online");
    assert_string_equal(rig.result->id, "cd0");
    assert_string_equal(guest_name(), "/dev/sr0");
    node = fake_jsonf("{'driver':'raw','node-name':'vmplug-medium-0','read-only':true,"
                      "'file':{'driver':'file','filename':'%s'}}", image);
    assert_true(json_equal(sim_arguments(sim, SIM_QMP, "blockdev-add"), node));
    assert_int_equal(sim_count(sim, SIM_QMP, "blockdev-remove-medium"), 0);
    assert_string_equal(sim->cdroms[0].node, "vmplug-medium-0");
    assert_false(sim->cdroms[0].tray_open);
    rig_close(&rig);
}

static void test_insert_in_place_of_another(void **state)
{
    struct operation_request request = request_of(OPERATION_CDROM_INSERT);
    struct sim *sim = sim_with_drive(true);

    (void)state;
    assert_int_equal(run(sim, &request)->verdict, VERDICT_DONE);
    assert_string_equal(guest_name(), "/dev/sr0");
    assert_string_equal(sim->cdroms[0].node, "vmplug-medium-0");
    assert_int_equal(sim->disk_count, 1); /* the former node is gone */
    request.disk.file = other;            /* and once more, with a name that is free */
    assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_DONE);
    assert_string_equal(sim->cdroms[0].node, "vmplug-medium-1");
    assert_int_equal(sim->disk_count, 1);
    rig_close(&rig);
}

static void test_insert_into_an_open_tray(void **state)
{
    struct operation_request request = request_of(OPERATION_CDROM_INSERT);
    struct sim *sim = sim_with_drive(false);

    (void)state;
    sim->cdroms[0].tray_open = true;
    assert_int_equal(run(sim, &request)->verdict, VERDICT_DONE);
    assert_int_equal(sim_count(sim, SIM_QMP, "blockdev-open-tray"), 0);
    assert_false(sim->cdroms[0].tray_open);
    rig_close(&rig);
}

/* QEMU's inventory decides where the guest can't be read, or has no driver for the drive. */
static void test_insert_unseen(void **state)
{
    struct operation_request request = request_of(OPERATION_CDROM_INSERT);
    struct sim *sim = sim_with_drive(false);

    (void)state;
    sim_disable(sim, "guest-file-seek");
    assert_int_equal(run(sim, &request)->verdict, VERDICT_DONE);
    assert_string_equal(guest_name(), "");
    assert_int_equal(sim_count(sim, SIM_AGENT, "guest-file-open"), 0);
    rig_close(&rig);

    sim = sim_with_drive(false);
    sim->guest.has_no_drives = true;
    assert_int_equal(run(sim, &request)->verdict, VERDICT_DONE);
    assert_string_equal(guest_name(), "");
    assert_true(sim_count(sim, SIM_AGENT, "guest-file-open") > 1);
    rig_close(&rig);

    sim = sim_with_drive(false); /* another drive's medium could be taken for this one */
    sim_put_cdrom(sim, "cd1", image);
    assert_int_equal(run(sim, &request)->verdict, VERDICT_DONE);
    assert_int_equal(sim_count(sim, SIM_AGENT, "guest-file-open"), 0);
    rig_close(&rig);
}

static void test_insert_refused_by_qemu(void **state)
{
    static const char *const commands[] = {"blockdev-add", "blockdev-open-tray",
                                           "blockdev-remove-medium", "blockdev-insert-medium",
                                           "blockdev-close-tray"};
    struct operation_request request = request_of(OPERATION_CDROM_INSERT);
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(commands); i++) {
        struct sim *sim = sim_with_drive(true);

        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = commands[i], .times = 1,
                                      .action = FAULT_REJECT, .text = "no"});
        assert_int_equal(run(sim, &request)->verdict, VERDICT_REJECTED);
        assert_untouched(sim);
        rig_close(&rig);
    }
}

static void test_insert_blocked(void **state)
{
    struct operation_request request = request_of(OPERATION_CDROM_INSERT);
    struct sim *sim;

    (void)state;
    request.id = "nosuch";
    assert_stopped(sim_with_drive(false), &request, VERDICT_BLOCKED, "no CD-ROM drive 'nosuch'");
    request.id = "data";
    sim = sim_with_drive(false);
    sim_put_disk(sim, "data", "S", 1);
    assert_stopped(sim, &request, VERDICT_BLOCKED, "is a disk");
    request.id = "cd0";
    request.disk.file = "/nonexistent.iso";
    assert_stopped(sim_with_drive(false), &request, VERDICT_BLOCKED, "No such file");
}

/* ---- eject ---- */

static void test_eject(void **state)
{
    struct operation_request request = request_of(OPERATION_CDROM_EJECT);
    struct sim *sim = sim_with_drive(true);

    (void)state;
    assert_int_equal(run(sim, &request)->verdict, VERDICT_DONE);
    assert_string_equal(rig_stages(&rig), "accepted realized online");
    assert_string_equal(sim->cdroms[0].node, "");
    assert_false(sim->cdroms[0].tray_open);
    assert_int_equal(sim->disk_count, 0);
    assert_null(json_object_get(sim_arguments(sim, SIM_QMP, "blockdev-open-tray"), "force"));
    assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_DONE); /* nothing is in it */
    assert_int_equal(sim_count(sim, SIM_QMP, "blockdev-open-tray"), 1);
    rig_close(&rig);
}

/* ---- trays that the guest has locked ---- */

static void test_locked(void **state)
{
    static const enum operation_type types[] = {OPERATION_CDROM_EJECT, OPERATION_CDROM_INSERT};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(types); i++) {
        struct operation_request request = request_of(types[i]);
        struct sim *sim = sim_with_drive(true);

        sim->cdroms[0].locked = true;
        request.timeout_ms = rig_soon_ms();
        assert_int_equal(run(sim, &request)->verdict, VERDICT_PENDING);
        assert_string_equal(rig.result->awaiting, "done");
        assert_non_null(strstr(rig.result->error.why, "locked the tray"));
        assert_non_null(strstr(rig.result->error.fix, "--force"));
        assert_int_equal(sim_count(sim, SIM_QMP, "blockdev-remove-medium"), 0);
        assert_untouched(sim);

        request.force = true;
        request.timeout_ms = 5000;
        assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_DONE);
        rig_close(&rig);
    }
}

static void test_locked_and_empty(void **state)
{
    struct operation_request request = request_of(OPERATION_CDROM_INSERT);
    struct sim *sim = sim_with_drive(false);

    (void)state;
    sim->cdroms[0].locked = true;
    request.timeout_ms = rig_soon_ms();
    assert_int_equal(run(sim, &request)->verdict, VERDICT_PENDING);
    assert_int_equal(sim->disk_count, 0);
    request.force = true;
    request.timeout_ms = 5000;
    assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_DONE);
    rig_close(&rig);
}

/* The guest opens it when it has been asked, or somebody in it does. */
static void open_late(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    unsigned *looks = user;

    if (side == SIM_QMP && strcmp(command, "query-block") == 0 && ++*looks == 4)
        sim->cdroms[0].tray_open = true;
}

static void test_locked_and_opened_by_the_guest(void **state)
{
    struct operation_request request = request_of(OPERATION_CDROM_EJECT);
    struct sim *sim = sim_with_drive(true);
    unsigned looks = 0;

    (void)state;
    sim->cdroms[0].locked = sim->guest.opens_trays = true;
    assert_int_equal(run(sim, &request)->verdict, VERDICT_DONE);
    assert_int_equal(sim->disk_count, 0);
    rig_close(&rig);

    sim = sim_with_drive(true);
    sim->cdroms[0].locked = true;
    sim->on_command = open_late;
    sim->user = &looks;
    assert_int_equal(run(sim, &request)->verdict, VERDICT_DONE);
    assert_int_equal(sim->disk_count, 0);
    rig_close(&rig);
}

static void interrupt(void *user, struct sim *sim, enum sim_side side, const char *command)
{
    unsigned *looks = user;

    (void)sim;
    if (side == SIM_QMP && strcmp(command, "query-block") == 0 && ++*looks == 3)
        operation_interrupt(rig.operation);
}

static void test_locked_and_interrupted(void **state)
{
    struct operation_request request = request_of(OPERATION_CDROM_INSERT);
    struct sim *sim = sim_with_drive(true);
    unsigned looks = 0;

    (void)state;
    sim->cdroms[0].locked = true;
    sim->on_command = interrupt;
    sim->user = &looks;
    assert_int_equal(run(sim, &request)->verdict, VERDICT_INTERRUPTED);
    assert_untouched(sim);
    rig_close(&rig);
}

static void test_locked_and_lost(void **state)
{
    struct operation_request request = request_of(OPERATION_CDROM_INSERT);
    struct sim *sim = sim_with_drive(true);

    (void)state;
    sim->cdroms[0].locked = true;
    sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "query-block", .skip = 2,
                                  .action = FAULT_DIE});
    assert_int_equal(run(sim, &request)->verdict, VERDICT_LOST);
    assert_string_equal(rig_left(&rig), "vmplug-medium-0 cd0");
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_insert),
        cmocka_unit_test(test_insert_in_place_of_another),
        cmocka_unit_test(test_insert_into_an_open_tray),
        cmocka_unit_test(test_insert_unseen),
        cmocka_unit_test(test_insert_refused_by_qemu),
        cmocka_unit_test(test_insert_blocked),
        cmocka_unit_test(test_eject),
        cmocka_unit_test(test_locked),
        cmocka_unit_test(test_locked_and_empty),
        cmocka_unit_test(test_locked_and_opened_by_the_guest),
        cmocka_unit_test(test_locked_and_interrupted),
        cmocka_unit_test(test_locked_and_lost),
    };

    return cmocka_run_group_tests_name("operation, CD-ROM", tests, NULL, NULL);
}
