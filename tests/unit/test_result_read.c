/* SPDX-License-Identifier: MIT */
/* Results that were written as JSON are read again, and are the same; what is none is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/result_read.h"
#include "qmp/codec.h"
#include "vmm/result_json.h"

/* Written, read and written again. */
static void claim_same(const struct operation_result *result)
{
    AUTO_JSON json_t *first = result_json_operation(result), *second = NULL;
    struct operation_result again;

    assert_true(result_read_operation(first, &again));
    assert_int_equal(again.type, result->type);
    assert_int_equal(again.top, result->top);
    assert_int_equal(again.error.code, result->error.code);
    second = result_json_operation(&again);
    assert_true(json_equal(first, second));
    json_decref(again.details);
}

static void test_online(void **state)
{
    AUTO_JSON json_t *details = json_pack("{s:i, s:[i, i]}", "slot", 2, "logical_ids", 2, 3);
    const struct operation_result result = {
        .type = OPERATION_CPU_ADD,
        .operation = "cpu-add",
        .top = VERDICT_ONLINE,
        .id = "vmplug-cpu-2",
        .verdict = VERDICT_ONLINE,
        .stages = {{.rung = RUNG_ACCEPTED, .ms = 1.25},
                   {.rung = RUNG_REALIZED, .ms = 2},
                   {.rung = RUNG_ACKNOWLEDGED, .ms = 3, .has_ost = true, .ost_source = 1},
                   {.rung = RUNG_ONLINE, .ms = 1234.5}},
        .stage_count = 4,
        .details = details,
        .elapsed_ms = 1234.6,
    };

    (void)state;
    claim_same(&result);
}

static void test_removals_and_changes(void **state)
{
    struct operation_result result = {.type = OPERATION_DISK_REMOVE,
                                      .operation = "disk-remove",
                                      .top = VERDICT_REMOVED,
                                      .id = "disk",
                                      .verdict = VERDICT_REMOVED,
                                      .stages = {{.rung = RUNG_ONLINE, .ms = 5}},
                                      .stage_count = 1};

    (void)state;
    claim_same(&result);
    result.missing = "agent";
    claim_same(&result);
    result.type = OPERATION_DISK_RESIZE;
    result.operation = "disk-resize";
    result.top = result.verdict = VERDICT_DONE;
    claim_same(&result);
}

static void test_failures(void **state)
{
    struct operation_result result = {.type = OPERATION_DIMM_ADD,
                                      .operation = "memory-add",
                                      .top = VERDICT_ONLINE,
                                      .verdict = VERDICT_REFUSED,
                                      .has_ost = true,
                                      .ost_source = 1,
                                      .ost_status = 0x81,
                                      .left = {"one", "two"},
                                      .left_count = 2};
    unsigned code;

    (void)state;
    for (code = ERROR_NONE + 1; code < ERROR_CODES_; code++) {
        if (code == ERROR_REJECTED)
            (void)error_set_reply(&result.error, "DeviceNotFound", "there is none");
        else
            (void)error_set(&result.error, (enum error_code)code, "do this", "it was so");
        claim_same(&result);
        result.error = (struct error)ERROR_INIT;
    }
    result.verdict = VERDICT_PENDING;
    result.awaiting = "online";
    claim_same(&result);
}

static void test_summary(void **state)
{
    struct batch_result end = {.summary = true,
                               .verdict = VERDICT_PARTIAL,
                               .asked = 3,
                               .done = 2,
                               .missing = "ost",
                               .elapsed_ms = 7.5};
    AUTO_JSON json_t *first = NULL, *second = NULL;
    struct batch_result again;

    (void)state;
    (void)error_set(&end.error, ERROR_BLOCKED, "do this", "it was so");
    first = result_json_summary(&end);
    assert_true(result_read_summary(first, &again));
    second = result_json_summary(&again);
    assert_true(json_equal(first, second));
}

static void test_none(void **state)
{
    static const char *const texts[] = {
        "{}", "[]", "{\"operation\": 1}", "{\"operation\": \"cpu-add\", \"verdict\": \"fine\"}",
        "{\"operation\": \"nothing\", \"verdict\": \"online\"}"};
    struct operation_result result;
    struct batch_result end;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(texts); i++) {
        AUTO_JSON json_t *object = json_loads(texts[i], 0, NULL);

        assert_false(result_read_operation(object, &result));
        assert_null(result.details);
        assert_false(result_read_summary(object, &end));
    }
}

/* More than there is room for, and of other types than there should be. */
static void test_too_much(void **state)
{
    AUTO_JSON json_t *object = json_loads(
        "{\"operation\": \"cpu-add\", \"verdict\": \"online\", \"id\": 5, \"missing\": [{}], "
        "\"left\": [\"a\", 1, \"b\"], \"ost\": {\"source\": -1}, \"error\": [], \"stages\": ["
        "1, {\"stage\": \"x\"}, {\"stage\": \"online\"}, {\"stage\": \"online\"}, "
        "{\"stage\": \"online\"}, {\"stage\": \"online\"}, {\"stage\": \"online\"}]}",
        0, NULL);
    struct operation_result result;

    (void)state;
    assert_non_null(object);
    assert_true(result_read_operation(object, &result));
    assert_int_equal(result.stage_count, RUNGS_);
    assert_int_equal(result.left_count, 2);
    assert_false(result.has_ost);
    assert_null(result.missing);
    assert_string_equal(result.id, "");
    json_decref(result.details);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_online),  cmocka_unit_test(test_removals_and_changes),
        cmocka_unit_test(test_failures), cmocka_unit_test(test_summary),
        cmocka_unit_test(test_none),    cmocka_unit_test(test_too_much),
    };

    return cmocka_run_group_tests_name("result_read", tests, NULL, NULL);
}
