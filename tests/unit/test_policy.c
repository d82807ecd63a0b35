/* SPDX-License-Identifier: MIT */
/* Who has which role by which rules, and what is no policy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "daemon/policy.h"

static char path[64];

static int set_up(void **state)
{
    (void)state;
    (void)strcpy(path, "/tmp/vmplug-policy-XXXXXX");
    cleanup_fd((int[]){mkstemp(path)});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(path);
}

static void write_policy(const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static struct policy *read_policy(const char *text)
{
    struct error error = ERROR_INIT;
    struct policy *policy;

    write_policy(text);
    policy = policy_new(path, &error);
    if (policy == NULL)
        fail_msg("%s", error.why);
    return policy;
}

/* why: behind the file's name. */
static void refuse(const char *text, const char *why)
{
    struct error error = ERROR_INIT;

    write_policy(text);
    assert_null(policy_new(path, &error));
    assert_int_equal(error.code, ERROR_INVALID);
    assert_int_equal(strncmp(error.why, path, strlen(path)), 0);
    assert_string_equal(error.why + strlen(path), why);
}

/* Nobody's that runs tests. */
static struct peer_id user(unsigned uid)
{
    return (struct peer_id){.uid = 2000000 + uid, .gid = 3000000 + uid, .pid = 1};
}

static void test_without_file(void **state)
{
    struct error error = ERROR_INIT;
    struct policy *policy = policy_new(NULL, &error);
    const struct peer_id other = user(1), self = {.uid = geteuid(), .gid = 1}, root = {.uid = 0};

    (void)state;
    assert_non_null(policy);
    assert_int_equal(policy_role(policy, &self, NULL), ROLE_ADMINISTRATOR);
    assert_int_equal(policy_role(policy, &root, "db"), ROLE_ADMINISTRATOR);
    assert_int_equal(policy_role(policy, &other, "db"), ROLE_NONE);
    assert_int_equal(policy_role(policy, &other, NULL), ROLE_NONE);
    assert_int_equal(policy_highest_role(policy, &other), ROLE_NONE);
    assert_int_equal(policy_reload(policy, &error), 0);
    assert_int_equal(policy_check(policy, &other, NULL, ROLE_VIEWER, &error), -1);
    assert_int_equal(error.code, ERROR_BLOCKED);
    assert_string_equal(error.why,
                        "this takes a viewer of the daemon, and uid 2000001 is nobody there");
    assert_string_equal(error.fix,
                        "have the daemon started with --policy, and a rule put there");
    policy_free(policy);
    assert_int_equal(policy_role(NULL, &other, NULL), ROLE_ADMINISTRATOR);
    policy_free(NULL);
}

static const char rules[] = "rules:\n"
                            "- {role: viewer, users: [2000001, 2000002]}\n"
                            "- {role: operator, users: [2000002], vms: [db, \"web-*\"]}\n"
                            "- {role: administrator, groups: [3000003], vms: [web-1]}\n"
                            "- {role: administrator, users: [2000004]}\n"
                            "---\n"
                            "rules: [{role: viewer, groups: [3000009], vms: ['*']}]\n";

static void test_rules(void **state)
{
    static const struct {
        unsigned uid;
        enum role daemon, db, web_1, other, highest;
    } rows[] = {
        {1, ROLE_VIEWER, ROLE_VIEWER, ROLE_VIEWER, ROLE_VIEWER, ROLE_VIEWER},
        {2, ROLE_VIEWER, ROLE_OPERATOR, ROLE_OPERATOR, ROLE_VIEWER, ROLE_OPERATOR},
        {3, ROLE_NONE, ROLE_NONE, ROLE_ADMINISTRATOR, ROLE_NONE, ROLE_ADMINISTRATOR},
        {4, ROLE_ADMINISTRATOR, ROLE_ADMINISTRATOR, ROLE_ADMINISTRATOR, ROLE_ADMINISTRATOR,
         ROLE_ADMINISTRATOR},
        {5, ROLE_NONE, ROLE_NONE, ROLE_NONE, ROLE_NONE, ROLE_NONE},
        {9, ROLE_NONE, ROLE_VIEWER, ROLE_VIEWER, ROLE_VIEWER, ROLE_VIEWER},
    };
    struct policy *policy = read_policy(rules);
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(rows); i++) {
        const struct peer_id peer = user(rows[i].uid);

        assert_int_equal(policy_role(policy, &peer, NULL), rows[i].daemon);
        assert_int_equal(policy_role(policy, &peer, "db"), rows[i].db);
        assert_int_equal(policy_role(policy, &peer, "web-1"), rows[i].web_1);
        assert_int_equal(policy_role(policy, &peer, "db-web-1"), rows[i].other);
        assert_int_equal(policy_highest_role(policy, &peer), rows[i].highest);
    }
    policy_free(policy);
}

static void test_further_groups(void **state)
{
    static const gid_t groups[] = {7, 3000003, 8};
    struct policy *policy = read_policy(rules);
    struct peer_id peer = user(5), copy;

    (void)state;
    peer.groups = groups;
    peer.group_count = 1;
    assert_int_equal(policy_role(policy, &peer, "web-1"), ROLE_NONE);
    peer.group_count = 3;
    assert_int_equal(policy_role(policy, &peer, "web-1"), ROLE_ADMINISTRATOR);
    assert_int_equal(policy_role(policy, &peer, "web-2"), ROLE_NONE);
    assert_int_equal(peer_copy(&copy, &peer, NULL), 0);
    peer.group_count = 0;
    assert_int_equal(policy_role(policy, &copy, "web-1"), ROLE_ADMINISTRATOR);
    peer_free(&copy);
    peer_free(&copy);
    policy_free(policy);
}

static void test_check(void **state)
{
    struct policy *policy = read_policy(rules);
    const struct peer_id peer = user(2);
    struct error error = ERROR_INIT;
    char fix[128];

    (void)state;
    assert_int_equal(policy_check(policy, &peer, "db", ROLE_VIEWER, &error), 0);
    assert_int_equal(policy_check(policy, &peer, "db", ROLE_OPERATOR, &error), 0);
    assert_int_equal(error.code, ERROR_NONE);
    assert_int_equal(policy_check(policy, &peer, "a", ROLE_OPERATOR, &error), -1);
    assert_int_equal(error.code, ERROR_BLOCKED);
    assert_string_equal(error.why,
                        "this takes an operator of 'a', and uid 2000002 is a viewer there");
    (void)snprintf(fix, sizeof(fix), "have a rule for it put into %s", path);
    assert_string_equal(error.fix, fix);
    policy_free(policy);
}

static void test_names(void **state)
{
    struct policy *policy = read_policy("rules: [{role: viewer, users: [daemon], groups: [bin]}]");
    struct peer_id peer = user(1);

    (void)state;
    peer.uid = 1; /* that of daemon, everywhere */
    assert_int_equal(policy_role(policy, &peer, NULL), ROLE_VIEWER);
    peer.uid = 4000000;
    assert_int_equal(policy_role(policy, &peer, NULL), ROLE_NONE);
    policy_free(policy);
}

static void test_refused(void **state)
{
    (void)state;
    refuse("rules", ":1:1: a document that is no object");
    refuse("{}", ":1:1: rules: is missing");
    refuse("rules: 7", ":1:8: rules: must be a list, not 7");
    refuse("rules: []\nrule: []", ":2:7: rule: is not known");
    refuse("rules:\n- ~", ":2:3: rules[0]: is empty");
    refuse("rules:\n- users: [1]", ":2:3: rules[0].role: is missing");
    refuse("rules:\n- role: viewer", ":2:3: rules[0]: matches nobody");
    refuse("rules:\n- {role: viewer, users: []}", ":2:3: rules[0]: matches nobody");
    refuse("rules:\n- {role: none, users: [1]}",
           ":2:10: rules[0].role: must be viewer, operator or administrator, not \"none\"");
    refuse("rules:\n- {role: viewer, users: root}",
           ":2:25: rules[0].users: must be a list, not \"root\"");
    refuse("rules:\n- role: viewer\n  users: [0, nobody-is-called-so]",
           ":3:14: rules[0].users[1]: there is no user 'nobody-is-called-so'");
    refuse("rules:\n- role: viewer\n  groups: [nobody-is-called-so]",
           ":3:12: rules[0].groups[0]: there is no group 'nobody-is-called-so'");
    refuse("rules:\n- {role: viewer, users: [-1]}",
           ":2:26: rules[0].users[0]: must be a whole number from 0 to 4294967294, not -1");
    refuse("rules:\n- {role: viewer, users: [4294967295]}",
           ":2:26: rules[0].users[0]: must be a whole number from 0 to 4294967294, not 4294967295");
    refuse("rules:\n- {role: viewer, users: [~]}", ":2:26: rules[0].users[0]: is empty");
}

/* What would mean all VMs where one is meant. */
static void test_refused_vms(void **state)
{
    (void)state;
    refuse("rules:\n- {role: viewer, users: [1], vm: [db]}",
           ":2:34: rules[0].vm: is not known");
    refuse("rules:\n- role: viewer\n  users: [1]\n  vms:\n", ":4:7: rules[0].vms: is empty");
    refuse("rules:\n- {role: viewer, users: [1], vms: []}", ":2:35: rules[0].vms: is empty");
    refuse("rules:\n- {role: viewer, users: [1], vms: db}",
           ":2:35: rules[0].vms: must be a list, not \"db\"");
    refuse("rules:\n- {role: viewer, users: [1], vms: [7]}",
           ":2:36: rules[0].vms[0]: must be a string, not 7");
    refuse("rules:\n- {role: viewer, users: [1], vms: [~]}", ":2:36: rules[0].vms[0]: is empty");
}

static void test_owner(void **state)
{
    struct error error = ERROR_INIT;
    struct policy *policy = read_policy(rules);

    (void)state;
    policy_free(policy);
    assert_int_equal(chmod(path, 0620), 0);
    assert_null(policy_new(path, &error));
    assert_int_equal(error.code, ERROR_BLOCKED);
    assert_int_equal(chmod(path, 0602), 0);
    assert_null(policy_new(path, &error));
    assert_int_equal(chmod(path, 0644), 0);
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 2000001, (gid_t)-1), 0);
        assert_null(policy_new(path, &error));
        assert_int_equal(error.code, ERROR_BLOCKED);
    }
    assert_int_equal(chown(path, geteuid(), (gid_t)-1), 0);
    assert_null(policy_new("/tmp", &error));
    assert_int_equal(error.code, ERROR_INVALID);
    assert_null(policy_new("/dev/null", &error));
    assert_int_equal(error.code, ERROR_INVALID);
    assert_null(policy_new("/tmp/vmplug-is-not-there", &error));
    assert_int_equal(error.code, ERROR_SYSTEM);
}

static void test_reload(void **state)
{
    struct policy *policy = read_policy(rules);
    struct error error = ERROR_INIT;
    const struct peer_id peer = user(5);

    (void)state;
    write_policy("rules: [{role: operator, users: [2000005]}]");
    assert_int_equal(policy_role(policy, &peer, "a"), ROLE_NONE);
    assert_int_equal(policy_reload(policy, &error), 0);
    assert_int_equal(policy_role(policy, &peer, "a"), ROLE_OPERATOR);
    write_policy("rules: [{role: administrator, users: [2000005]}, {role: boss}]");
    assert_int_equal(policy_reload(policy, &error), -1);
    assert_int_equal(error.code, ERROR_INVALID);
    assert_int_equal(policy_role(policy, &peer, "a"), ROLE_OPERATOR);
    write_policy("");
    assert_int_equal(policy_reload(policy, &error), 0);
    assert_int_equal(policy_role(policy, &peer, "a"), ROLE_NONE);
    policy_free(policy);
}

static void test_peer(void **state)
{
    AUTO_FREE gid_t *groups = calloc(65536, sizeof(*groups));
    int pair[2], count = getgroups(65536, groups);
    struct error error = ERROR_INIT;
    struct peer_id peer;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(peer_read(pair[0], &peer, &error), 0);
    assert_int_equal(peer.uid, geteuid());
    assert_int_equal(peer.gid, getegid());
    assert_int_equal(peer.pid, getpid());
    assert_int_equal(peer.group_count, count);
    if (count > 0)
        assert_memory_equal(peer.groups, groups, (size_t)count * sizeof(*groups));
    peer_free(&peer);
    close(pair[0]);
    close(pair[1]);
    assert_int_equal(peer_read(STDIN_FILENO, &peer, &error), -1);
    assert_int_equal(error.code, ERROR_SYSTEM);
    assert_int_equal(policy_role(NULL, &peer, NULL), ROLE_ADMINISTRATOR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_file), cmocka_unit_test(test_rules),
        cmocka_unit_test(test_further_groups), cmocka_unit_test(test_check),
        cmocka_unit_test(test_names),        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_refused_vms),  cmocka_unit_test(test_owner),
        cmocka_unit_test(test_reload),       cmocka_unit_test(test_peer),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
