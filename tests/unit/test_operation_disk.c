/* SPDX-License-Identifier: MIT */
/* What is peculiar to adding a disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "qmp/codec.h"
#include "tests/fake/rig.h"
#include "vmm/operation_kind.h"

#define QCOW2 "QFI\xfb\0\0\0\3"

static struct rig rig;
static char image[512];

static struct operation_request request_for(void)
{
    (void)snprintf(image, sizeof(image), "%s", fake_file("data.raw", "", 0));
    return (struct operation_request){
        .type = OPERATION_DISK_ADD, .timeout_ms = 5000, .disk = {.file = image}};
}

static const struct operation_result *run(struct sim *sim, const struct operation_request *request)
{
    rig_open(&rig, sim, true);
    return rig_operate(&rig, request);
}

static const struct operation_result *add(struct sim *sim, double timeout_ms)
{
    struct operation_request request = request_for();

    request.timeout_ms = timeout_ms;
    return run(sim, &request);
}

static void assert_detail(const char *name, const char *expected)
{
    AUTO_FREE char *text = codec_dump(json_object_get(rig.result->details, name), 0);

    assert_non_null(text);
    assert_string_equal(text, expected);
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

/* ---- what is sent ---- */

static void test_commands(void **state)
{
    AUTO_JSON json_t *device = fake_json(
        "{'driver':'scsi-hd','id':'vmplug-disk-0','bus':'scsi0.0','channel':0,'scsi-id':0,'lun':1,"
        "'drive':'vmplug-disk-0','serial':'vmplug-disk-0'}");
    AUTO_JSON json_t *node = NULL;
    struct sim *sim = sim_new();

    (void)state;
    assert_int_equal(add(sim, 5000)->verdict, VERDICT_ONLINE);
    node = fake_jsonf("{'driver':'raw','node-name':'vmplug-disk-0','file':{'driver':'file',"
                      "'filename':'%s'}}", image);
    assert_true(json_equal(sim_arguments(sim, SIM_QMP, "blockdev-add"), node));
    assert_true(json_equal(sim_arguments(sim, SIM_QMP, "device_add"), device));
    assert_detail("bus", "\"scsi0.0\"");
    assert_detail("lun", "1");
    assert_detail("format", "\"raw\"");
    assert_detail("serial", "\"vmplug-disk-0\"");
    assert_detail("guest_name", "\"/dev/sda\"");
    assert_null(json_object_get(rig.result->details, "note"));
    rig_close(&rig);
}

static void test_options(void **state)
{
    struct operation_request request = request_for();
    struct sim *sim = sim_new();

    (void)state;
    request.id = "data1";
    request.disk.serial = "SER-1_x.y";
    request.disk.lun_set = true;
    request.disk.lun = 16383;
    request.disk.bus = "scsi0.0";
    request.disk.format = "vmdk";
    request.disk.read_only = true;
    assert_int_equal(run(sim, &request)->verdict, VERDICT_ONLINE);
    assert_string_equal(rig.result->id, "data1");
    assert_string_equal(sim->disks[0].serial, "SER-1_x.y");
    assert_string_equal(sim->disks[0].driver, "vmdk");
    assert_int_equal(sim->disks[0].lun, 16383);
    assert_true(sim->disks[0].read_only);
    assert_int_equal(sim_count(sim, SIM_AGENT, "guest-set-vcpus"), 0);
    rig_close(&rig);
}

static void test_header_that_is_ignored(void **state)
{
    struct operation_request request = request_for();
    struct sim *sim = sim_new();

    (void)state;
    (void)snprintf(image, sizeof(image), "%s", fake_file("written.raw", QCOW2, 8));
    assert_int_equal(run(sim, &request)->verdict, VERDICT_ONLINE);
    assert_string_equal(sim->disks[0].driver, "raw");
    assert_non_null(json_object_get(rig.result->details, "note"));
    rig_close(&rig);
}

/* ---- what forbids it ---- */

static void test_images_that_will_not_do(void **state)
{
    struct operation_request request = request_for();

    (void)state;
    (void)snprintf(image, sizeof(image), "%s", fake_path("missing.raw"));
    assert_stopped(sim_new(), &request, VERDICT_BLOCKED, "missing.raw");
    (void)snprintf(image, sizeof(image), "%s", fake_dir());
    assert_stopped(sim_new(), &request, VERDICT_BLOCKED, "cannot open");
    (void)snprintf(image, sizeof(image), "%s", fake_file("bad.img", QCOW2, 8));
    assert_stopped(sim_new(), &request, VERDICT_BLOCKED, "does not say which it is");
}

static void test_buses(void **state)
{
    struct operation_request request = request_for();
    struct sim *sim = sim_new();

    (void)state;
    sim->scsi_count = 0;
    assert_stopped(sim, &request, VERDICT_BLOCKED, "no virtio-scsi bus");
    request.disk.bus = "scsi7.0";
    assert_stopped(sim_new(), &request, VERDICT_BLOCKED, "'scsi7.0'");
    request.disk.bus = "";
    assert_stopped(sim_new(), &request, VERDICT_BLOCKED, "''");
    request.disk.bus = "scsi";
    assert_int_equal(run(sim_new(), &request)->verdict, VERDICT_ONLINE);
    rig_close(&rig);
}

static void test_serials(void **state)
{
    static const char *const bad[] = {"", "a b", "a/b", "a\"", "\xc3\xa4", "a,b", "a\n",
                                      "1234567890123456789012345678901234567"};
    struct operation_request request = request_for();
    struct sim *sim;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(bad); i++) {
        request.disk.serial = bad[i];
        assert_stopped(sim_new(), &request, VERDICT_ERROR, "is no serial");
    }
    request.disk.serial = "123456789012345678901234567890123456"; /* 36 */
    assert_int_equal(run(sim_new(), &request)->verdict, VERDICT_ONLINE);
    rig_close(&rig);
    sim = sim_new();
    sim_put_disk(sim, "old", "SER1", 9);
    request.disk.serial = "SER1";
    assert_stopped(sim, &request, VERDICT_BLOCKED, "has the serial 'SER1' already");
    sim = sim_new();
    sim_put_disk(sim, "old", "vmplug-disk-0", 9); /* our id is another's serial */
    request.disk.serial = NULL;
    assert_stopped(sim, &request, VERDICT_BLOCKED, "already");
}

/* ---- places ---- */

static void test_luns(void **state)
{
    struct operation_request request = request_for();
    struct sim *sim = sim_new();

    (void)state;
    sim_put_disk(sim, "a", "", 1);
    sim_put_disk(sim, "b", "", 3);
    assert_int_equal(run(sim, &request)->verdict, VERDICT_ONLINE);
    assert_detail("lun", "2");
    assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_ONLINE);
    assert_detail("lun", "4");
    request.disk.lun_set = true;
    request.disk.lun = 2;
    assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_BLOCKED);
    request.disk.lun = 0;
    assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_ONLINE);
    request.disk.lun = 16384;
    assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_BLOCKED);
    rig_close(&rig);
}

/* A disk that QEMU has let go of and the guest has not yet. */
static void test_luns_that_the_guest_still_has(void **state)
{
    struct operation_request request = request_for();
    struct sim *sim = sim_new();

    (void)state;
    sim->guest.more_disks =
        "[{'name':'/dev/sdx','partition':false,'dependencies':[],'address':{'unit':1}},"
        "{'name':'/dev/sdy','partition':false,'dependencies':[],'address':{'unit':9999}}]";
    assert_int_equal(run(sim, &request)->verdict, VERDICT_ONLINE);
    assert_detail("lun", "2");
    rig_close(&rig);
}

/* A LUN that another target has is avoided, too: the agent can't tell targets apart. */
static void test_luns_of_other_targets(void **state)
{
    struct operation_request request = request_for();
    struct sim *sim = sim_new();

    (void)state;
    sim_put_disk(sim, "a", "", 1);
    sim->disks[0].scsi_id = 5;
    assert_int_equal(run(sim, &request)->verdict, VERDICT_ONLINE);
    assert_detail("lun", "2");
    request.disk.lun_set = true; /* unless it is asked for */
    request.disk.lun = 1;
    assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_ONLINE);
    rig_close(&rig);
}

/* The first bus with room at that LUN, and only then a refusal that names those that are full. */
static void test_full_buses(void **state)
{
    struct operation_request request = request_for();
    struct sim *sim = sim_new();

    (void)state;
    sim->scsi_count = 2;
    sim_put_disk(sim, "a", "", 4);
    request.disk.lun_set = true;
    request.disk.lun = 4;
    assert_int_equal(run(sim, &request)->verdict, VERDICT_ONLINE);
    assert_detail("bus", "\"scsi1.0\"");
    assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_BLOCKED);
    assert_string_equal(rig.result->error.why, "LUN 4 is taken on scsi0.0, scsi1.0");
    request.disk.bus = "scsi1.0";
    assert_int_equal(rig_operate(&rig, &request)->verdict, VERDICT_BLOCKED);
    assert_string_equal(rig.result->error.why, "LUN 4 is taken on scsi1.0");
    rig_close(&rig);
}

/* As many disks as fit on a bus: 255 on each of 256 targets. */
static void test_no_address_left(void **state)
{
    struct inventory_bus buses[] = {{.name = "a"}, {.name = "b"}};
    struct inventory before = {.disks = {.buses = buses, .bus_count = 1}};
    struct operation operation = {.request = request_for(), .before = &before};
    struct inventory_scsi_device *devices = calloc(256 * 255, sizeof(*devices));
    struct error error = ERROR_INIT;
    size_t i;

    (void)state;
    assert_non_null(devices);
    for (i = 0; i < 256 * 255; i++) {
        devices[i].scsi_id = (unsigned)i / 255;
        devices[i].lun = (unsigned)i % 255 + 1;
        strcpy(devices[i].bus, "a");
        SLIST_INSERT_HEAD(&before.disks.scsi_devices, &devices[i], link);
    }
    operation.result.details = json_object();
    assert_int_equal(disk_add_kind.plan(&operation, &error), -1);
    assert_int_equal(error.code, ERROR_BLOCKED);
    assert_string_equal(error.why, "no address is left on a");
    before.disks.bus_count = 2;
    assert_int_equal(disk_add_kind.plan(&operation, &error), 0);
    assert_string_equal(json_string_value(json_object_get(operation.result.details, "bus")), "b");
    for (i = 0; i < operation.step_count; i++) {
        json_decref(operation.steps[i].arguments);
        json_decref(operation.steps[i].undo_arguments);
    }
    json_decref(operation.result.details);
    free(devices);
}

/* ---- identity ---- */

static void test_by_the_agents_serial(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim_put_disk(sim, "old", "SER1", 9);
    assert_int_equal(add(sim, 5000)->verdict, VERDICT_ONLINE);
    assert_detail("guest_name", "\"/dev/sdb\"");
    assert_int_equal(sim_count(sim, SIM_AGENT, "guest-file-open"), 0);
    rig_close(&rig);
}

/* Without udev in the guest the agent knows no serials: page 0x80 is read, of disks at our LUN. */
static void test_by_the_page(void **state)
{
    struct sim *sim = sim_new();

    (void)state;
    sim_put_disk(sim, "old", "SER1", 9);
    sim->guest.tells_serials = false;
    sim->guest.has_vpd = true;
    assert_int_equal(add(sim, 5000)->verdict, VERDICT_ONLINE);
    assert_detail("guest_name", "\"/dev/sdb\"");
    assert_int_equal(sim_count(sim, SIM_AGENT, "guest-file-open"), 1);
    assert_int_equal(sim_count(sim, SIM_AGENT, "guest-file-close"), 1);
    assert_int_equal(sim->guest.file.handle, 0);
    rig_close(&rig);
}

/* Two disks at that LUN: the one that was there before is none of ours and is not looked at. */
static void test_by_the_page_among_several(void **state)
{
    struct operation_request request = request_for();
    struct sim *sim = sim_new();

    (void)state;
    sim_put_disk(sim, "old", "SER1", 4);
    sim->disks[0].scsi_id = 2;
    sim->guest.tells_serials = false;
    sim->guest.has_vpd = true;
    request.disk.lun_set = true;
    request.disk.lun = 4;
    assert_int_equal(run(sim, &request)->verdict, VERDICT_ONLINE);
    assert_detail("guest_name", "\"/dev/sdb\"");
    assert_int_equal(sim_count(sim, SIM_AGENT, "guest-file-open"), 1);
    assert_int_equal(sim_count(sim, SIM_AGENT, "guest-file-close"), 1);
    rig_close(&rig);
}

static void test_by_neither(void **state)
{
    struct operation_request request = request_for();
    struct sim *sim = sim_new();

    (void)state;
    sim->guest.tells_serials = false;
    sim_disable(sim, "guest-file-read");
    assert_int_equal(run(sim, &request)->verdict, VERDICT_UNCONFIRMED);
    assert_string_equal(rig.result->missing, "disk-identity");
    assert_string_equal(rig_stages(&rig), "accepted realized");
    assert_int_equal(sim_count(sim, SIM_AGENT, "guest-file-open"), 0);
    rig_close(&rig);

    sim = sim_new(); /* who insists on online waits in vain, and is told so at once */
    sim->guest.tells_serials = false;
    sim_disable(sim, "guest-file-read");
    request.wait_set = true;
    request.wait = RUNG_ONLINE;
    assert_int_equal(run(sim, &request)->verdict, VERDICT_PENDING);
    assert_string_equal(rig.result->missing, "disk-identity");
    assert_true(rig.result->elapsed_ms < 3000);
    rig_close(&rig);

    sim = sim_new(); /* the page can't be opened: perhaps later */
    sim->guest.tells_serials = false;
    assert_int_equal(add(sim, rig_soon_ms())->verdict, VERDICT_PENDING);
    assert_string_equal(rig.result->awaiting, "online");
    rig_close(&rig);
}

/* What the guest may write where page 0x80 should be. */
static void test_hostile_pages(void **state)
{
    static const struct {
        const char *answer;
        bool matches;
    } cases[] = {
        {"{'count':12,'buf-b64':'AIAACFMxMjM0NTY3','eof':true}", true},     /* S1234567 */
        {"{'count':14,'buf-b64':'AIAAClMxMjM0NTY3ICA=','eof':true}", true}, /* padded */
        {"{'count':12,'buf-b64':'AIAA/1MxMjM0NTY3','eof':true}", true},     /* says 255 */
        {"{'count':13,'buf-b64':'AIAACVMxMjM0NTY3OA==','eof':true}", false}, /* one more */
        {"{'count':12,'buf-b64':'AIAAB1MxMjM0NTY3','eof':true}", false},    /* one less */
        {"{'count':13,'buf-b64':'AIAACSBTMTIzNDU2Nw==','eof':true}", false}, /* space in front */
        {"{'count':4,'buf-b64':'AIAAAA==','eof':true}", false},
        {"{'count':3,'buf-b64':'AIAA','eof':true}", false},
        {"{'count':0,'buf-b64':'','eof':true}", false},
        {"{'count':8,'buf-b64':'UzEyMzQ1Njc=','eof':true}", false}, /* no header */
        {"{'count':8,'buf-b64':'!!!!','eof':true}", false},
        {"{'buf-b64':7}", false},
        {"[]", false},
        {"null", false},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct operation_request request = request_for();
        struct sim *sim = sim_new();

        request.disk.serial = "S1234567";
        request.timeout_ms = cases[i].matches ? 5000 : rig_soon_ms();
        sim->guest.tells_serials = false;
        sim->guest.has_vpd = true;
        sim_fault(sim, (struct fault){.side = SIM_AGENT, .command = "guest-file-read",
                                      .action = FAULT_ANSWER, .text = cases[i].answer});
        (void)run(sim, &request);
        if ((rig.result->verdict == VERDICT_ONLINE) != cases[i].matches)
            fail_msg("%s: %s", cases[i].answer, verdict_name(rig.result->verdict));
        assert_true(sim_count(sim, SIM_AGENT, "guest-file-close") >= 1);
        rig_close(&rig);
    }
}

/* More than a page, in base64: it must not overrun anything. */
static void test_a_page_too_long(void **state)
{
    char text[2000] = "{'buf-b64':'";
    struct sim *sim = sim_new();

    (void)state;
    memset(text + strlen(text), 'A', 1600);
    (void)strcat(text, "'}");
    sim->guest.tells_serials = false;
    sim->guest.has_vpd = true;
    sim_fault(sim, (struct fault){.side = SIM_AGENT, .command = "guest-file-read",
                                  .action = FAULT_ANSWER, .text = text});
    assert_int_equal(add(sim, rig_soon_ms())->verdict, VERDICT_PENDING);
    rig_close(&rig);
}

static void test_hostile_handles(void **state)
{
    static const char *const handles[] = {"'1000'", "null", "{}", "1.5", "[1000]"};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(handles); i++) {
        struct sim *sim = sim_new();

        sim->guest.tells_serials = false;
        sim->guest.has_vpd = true;
        sim_fault(sim, (struct fault){.side = SIM_AGENT, .command = "guest-file-open",
                                      .action = FAULT_ANSWER, .text = handles[i]});
        assert_int_equal(add(sim, rig_soon_ms())->verdict, VERDICT_PENDING);
        assert_int_equal(sim_count(sim, SIM_AGENT, "guest-file-read"), 0);
        rig_close(&rig);
    }
}

/* Names that would lead the agent, which is root in the guest, elsewhere; and numbers that would
 * keep us busy. The simulated agent fails the test when any other path is opened. */
static void test_hostile_disks(void **state)
{
    static const char *const lists[] = {
        "[{'name':'/dev/../etc','partition':false,'address':{'unit':1}}]",
        "[{'name':'/dev/..','partition':false,'address':{'unit':1}}]",
        "[{'name':'/dev/sda/../../x','partition':false,'address':{'unit':1}}]",
        "[{'name':'../../etc/shadow','partition':false,'address':{'unit':1}}]",
        "[{'name':'/dev/x%n%s','partition':false,'address':{'unit':1}}]",
        "[{'name':'/dev/sda1','partition':true,'address':{'serial':'vmplug-disk-0'}}]",
        "[{'name':'/dev/sda','address':{'serial':'vmplug-disk-0'}}]",
        "[{'name':7,'partition':false,'address':{'serial':'vmplug-disk-0'}}]",
        "[{'name':'/dev/sda','partition':false,'serial':'vmplug-disk-0','address':{'unit':2}}]",
        "[{'name':'/dev/sda','partition':false,'address':{'serial':['vmplug-disk-0'],'unit':2}}]",
        "[{'name':'/dev/sda','partition':false,'address':{'serial':'vmplug-disk-0 ','unit':1}}]",
        "[{'name':'/dev/sda','partition':false,'address':{'serial':'vmplug-disk-00','unit':1}}]",
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(lists); i++) {
        struct sim *sim = sim_new();

        sim_fault(sim, (struct fault){.side = SIM_AGENT, .command = "guest-get-disks",
                                      .skip = 1, .action = FAULT_ANSWER, .text = lists[i]});
        if (add(sim, rig_soon_ms())->verdict != VERDICT_PENDING)
            fail_msg("%s: %s", lists[i], verdict_name(rig.result->verdict));
        rig_close(&rig);
    }
}

static void test_huge_list(void **state)
{
    AUTO_JSON json_t *list = json_array();
    AUTO_FREE char *text = NULL;
    struct sim *sim = sim_new();
    unsigned i;

    (void)state;
    for (i = 0; i < 40000; i++)
        json_array_append_new(list, fake_json("{'name':'/dev/sda','partition':false}"));
    text = json_dumps(list, JSON_COMPACT);
    sim_fault(sim, (struct fault){.side = SIM_AGENT, .command = "guest-get-disks", .skip = 1,
                                  .action = FAULT_ANSWER, .text = text});
    /* the deadline holds */
    assert_int_equal(add(sim, 8 * rig_soon_ms())->verdict, VERDICT_PENDING);
    rig_close(&rig);
}

/* ---- QEMU's words ---- */

static void test_advice(void **state)
{
    static const struct {
        const char *desc, *fix;
    } cases[] = {
        {"Failed to get \"write\" lock", "--read-only"},
        {"Could not open 'x': Permission denied", "the user that QEMU runs as"},
        {"Could not open image: Permission denied", "--read-only"},
        {"Failed to connect to 'h:1': Connection refused", "whether the server runs"},
        {"Connection attempt cancelled by timeout", "whether the server runs"},
        {"Parameter 'driver' does not accept value 'foo'", "a --format that this QEMU knows"},
        {"Parameter 'server' is missing", "another --format"},
        {"Image is not in qcow2 format", "leave --format out"},
        {"Could not open '/x': No such file or directory", "the path that QEMU sees"},
        {"Could not refresh total sector count: Invalid argument", ""},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++) {
        struct sim *sim = sim_new();

        sim_fault(sim, (struct fault){.side = SIM_QMP, .command = "blockdev-add",
                                      .action = FAULT_REJECT, .text = cases[i].desc});
        assert_int_equal(add(sim, 5000)->verdict, VERDICT_REJECTED);
        assert_string_equal(rig.result->error.why, cases[i].desc);
        if (cases[i].fix[0] != '\0')
            assert_non_null(strstr(rig.result->error.fix, cases[i].fix));
        else
            assert_string_equal(rig.result->error.fix, "");
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_header_that_is_ignored),
        cmocka_unit_test(test_images_that_will_not_do),
        cmocka_unit_test(test_buses),
        cmocka_unit_test(test_serials),
        cmocka_unit_test(test_luns),
        cmocka_unit_test(test_luns_that_the_guest_still_has),
        cmocka_unit_test(test_luns_of_other_targets),
        cmocka_unit_test(test_full_buses),
        cmocka_unit_test(test_no_address_left),
        cmocka_unit_test(test_by_the_agents_serial),
        cmocka_unit_test(test_by_the_page),
        cmocka_unit_test(test_by_the_page_among_several),
        cmocka_unit_test(test_by_neither),
        cmocka_unit_test(test_hostile_pages),
        cmocka_unit_test(test_a_page_too_long),
        cmocka_unit_test(test_hostile_handles),
        cmocka_unit_test(test_hostile_disks),
        cmocka_unit_test(test_huge_list),
        cmocka_unit_test(test_advice),
    };

    return cmocka_run_group_tests_name("operation, disk", tests, NULL, NULL);
}
