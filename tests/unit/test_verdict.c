/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "vmm/verdict.h"

/* The words and codes that users rely on. */
static void test_verdicts(void **state)
{
    static const struct {
        enum verdict verdict;
        const char *name;
        int exit_code;
        bool success;
    } cases[] = {
        {VERDICT_ACCEPTED, "accepted", 0, true},
        {VERDICT_REALIZED, "realized", 0, true},
        {VERDICT_ACKNOWLEDGED, "acknowledged", 0, true},
        {VERDICT_ONLINE, "online", 0, true},
        {VERDICT_REMOVED, "removed", 0, true},
        {VERDICT_DONE, "done", 0, true},
        {VERDICT_UNCONFIRMED, "unconfirmed", 0, true},
        {VERDICT_REJECTED, "rejected", 4, false},
        {VERDICT_REFUSED, "refused", 5, false},
        {VERDICT_PENDING, "pending", 6, false},
        {VERDICT_BLOCKED, "blocked", 7, false},
        {VERDICT_UNPROVEN, "unproven", 8, false},
        {VERDICT_LOST, "lost", 9, false},
        {VERDICT_PARTIAL, "partial", 10, false},
        {VERDICT_INTERRUPTED, "interrupted", 130, false},
        {VERDICT_ERROR, "error", 1, false},
    };
    size_t i;

    (void)state;
    assert_int_equal(COUNT_OF(cases), VERDICTS_);
    for (i = 0; i < COUNT_OF(cases); i++) {
        assert_string_equal(verdict_name(cases[i].verdict), cases[i].name);
        assert_int_equal(verdict_exit_code(cases[i].verdict), cases[i].exit_code);
        assert_int_equal(verdict_is_success(cases[i].verdict), cases[i].success);
    }
}

static void test_rungs(void **state)
{
    static const char *const names[] = {"accepted", "realized", "acknowledged", "online"};
    static const char *const others[] = {"", "removed", "Online", "online ", "on", "acknowledge"};
    enum rung rung;
    size_t i;

    (void)state;
    assert_int_equal(COUNT_OF(names), RUNGS_);
    for (i = 0; i < COUNT_OF(names); i++) {
        assert_string_equal(rung_name((enum rung)i), names[i]);
        assert_true(rung_parse(names[i], &rung));
        assert_int_equal(rung, i);
        assert_string_equal(verdict_name((enum verdict)rung), names[i]);
    }
    for (i = 0; i < COUNT_OF(others); i++) {
        rung = RUNG_REALIZED;
        assert_false(rung_parse(others[i], &rung));
        assert_int_equal(rung, RUNG_REALIZED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_rungs),
    };

    return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
