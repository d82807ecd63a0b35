/* SPDX-License-Identifier: MIT */
/* Names for what is added: given, taken, the next free one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "tests/fake/rig.h"

#define KINDS 3

static struct rig rig;

static void test_bad_ids(void **state)
{
    static const char *const ids[] = {"",
                                      "1a",
                                      "-a",
                                      "a b",
                                      "a/b",
                                      "a\"b",
                                      "\xc3\xa4",
                                      "a:b",
                                      "_a",
                                      ".a",
                                      ("a123456789012345678901234567890123456789012345678901234"
                                       "5678901234")};
    enum operation_type type;
    size_t i;

    (void)state;
    for (type = 0; type < KINDS; type++) {
        rig_open(&rig, sim_new(), true);
        for (i = 0; i < COUNT_OF(ids); i++) {
            struct operation_request request = rig_addition(type);

            request.id = ids[i];
            rig_assert_verdict(rig_operate(&rig, &request), VERDICT_ERROR);
            assert_int_equal(rig.result->error.code, ERROR_INVALID);
        }
        assert_int_equal(sim_changes(rig.sim), 0);
        rig_close(&rig);
    }
}

static void test_given_and_taken_ids(void **state)
{
    static const size_t longest[KINDS] = {63, 48, 31};
    enum operation_type type;
    char id[80];

    (void)state;
    for (type = 0; type < KINDS; type++) {
        struct operation_request request = rig_addition(type);

        memset(id, 'a', sizeof(id));
        id[longest[type]] = '\0';
        id[1] = '-';
        id[2] = '.';
        id[3] = '_';
        id[4] = 'Z';
        id[5] = '9';
        request.id = id;
        rig_open(&rig, sim_new(), true);
        rig_assert_verdict(rig_operate(&rig, &request), VERDICT_ONLINE);
        assert_string_equal(rig.result->id, id);
        rig_assert_verdict(rig_operate(&rig, &request), VERDICT_BLOCKED); /* it is taken now */
        assert_non_null(strstr(rig.result->error.why, id));
        id[longest[type]] = 'a';
        id[longest[type] + 1] = '\0';
        rig_assert_verdict(rig_operate(&rig, &request), VERDICT_ERROR); /* one too long */
        request.id = "scsi0";
        rig_assert_verdict(rig_operate(&rig, &request), VERDICT_BLOCKED);
        rig_close(&rig);
    }
}

static void test_next_free_ids(void **state)
{
    static const char *const seconds[KINDS] = {"vmplug-cpu-3", "vmplug-mem-1", "vmplug-disk-1"};
    enum operation_type type;

    (void)state;
    for (type = 0; type < KINDS; type++) {
        const struct operation_request request = rig_addition(type);

        rig_open(&rig, sim_new(), true);
        rig_assert_verdict(rig_operate(&rig, &request), VERDICT_ONLINE);
        assert_string_equal(rig.result->id, rig_addition_id(type));
        rig_assert_verdict(rig_operate(&rig, &request), VERDICT_ONLINE);
        assert_string_equal(rig.result->id, seconds[type]);
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_ids),
        cmocka_unit_test(test_given_and_taken_ids),
        cmocka_unit_test(test_next_free_ids),
    };

    return cmocka_run_group_tests_name("operation, ids", tests, NULL, NULL);
}
