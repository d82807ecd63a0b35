/* SPDX-License-Identifier: MIT */
/* Who may, and who did, with each allocation failing in turn: nobody may more for it, and no line
 * is lost unnoticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>

#include "base/cleanup.h"
#include "daemon/audit_log.h"
#include "daemon/policy.h"
#include "qmp/codec.h"
#include "tests/fake/oom.h"

static char path[64];

static int set_up(void **state)
{
    static const char rules[] = "rules:\n"
                                "- {role: viewer, users: [2000001], groups: [7, 8]}\n"
                                "- {role: operator, users: [2000001], vms: [a, b]}\n";
    AUTO_FD int fd = -1;

    (void)state;
    (void)strcpy(path, "/tmp/vmplug-alloc-XXXXXX");
    fd = mkstemp(path);
    return write(fd, rules, strlen(rules)) == (ssize_t)strlen(rules) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(path);
}

static void each(oom_body_fn *body)
{
    assert_int_not_equal(oom_each(body, NULL), 0);
    (void)oom_each_lasting(body, NULL);
}

static void check_role(const struct policy *policy)
{
    static const gid_t groups[] = {7};
    const struct peer_id peer = {
        .uid = 2000001, .gid = 1, .groups = groups, .group_count = COUNT_OF(groups)};

    assert_int_equal(policy_role(policy, &peer, "a"), ROLE_OPERATOR);
    assert_int_equal(policy_role(policy, &peer, "c"), ROLE_VIEWER);
}

static void use_policy(void *user)
{
    struct error error = ERROR_INIT;
    struct policy *policy;

    (void)user;
    oom_on();
    policy = policy_new(path, &error);
    if (policy != NULL)
        check_role(policy);
    else
        assert_true(oom_struck() && error.code == ERROR_SYSTEM);
    policy_free(policy);
}

/* What was read before stays. */
static void use_reload(void *user)
{
    struct policy *policy = policy_new(path, NULL);

    (void)user;
    assert_non_null(policy);
    oom_on();
    assert_true(policy_reload(policy, NULL) == 0 || oom_struck());
    check_role(policy);
    policy_free(policy);
}

static void use_peer(void *user)
{
    static const gid_t groups[] = {7, 8};
    const struct peer_id peer = {.uid = 1, .groups = groups, .group_count = COUNT_OF(groups)};
    struct peer_id copy;

    (void)user;
    oom_on();
    if (peer_copy(&copy, &peer, NULL) < 0)
        assert_true(oom_struck() && copy.group_count == 0);
    peer_free(&copy);
}

static void use_audit_log(void *user)
{
    struct error error = ERROR_INIT;
    struct audit_log *log;

    (void)user;
    oom_on();
    log = audit_log_new("/dev/null", &error);
    if (log != NULL)
        (void)audit_log_add(log, NULL, "db", "disk-add", AUDIT_LOG_BEGUN,
                            json_pack("{s:i}", "operation", 7), &error);
    assert_true(error.code == ERROR_NONE || (oom_struck() && error.code == ERROR_SYSTEM));
    audit_log_free(log);
}

static void test_each(void **state)
{
    int told = dup(STDERR_FILENO);
    AUTO_FD int nowhere = open("/dev/null", O_WRONLY);

    (void)state;
    each(use_policy);
    each(use_reload);
    each(use_peer);
    (void)dup2(nowhere, STDERR_FILENO); /* each line that is missing is said to be */
    each(use_audit_log);
    (void)dup2(told, STDERR_FILENO);
    close(told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
