/* SPDX-License-Identifier: MIT */
#include "daemon/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "manifest/files.h"

/* uid_t and gid_t; all bits set is nobody's. */
#define NUMBER_MAX (UINT32_MAX - 1)
#define NO_NUMBER UINT32_MAX

struct numbers {
    uint32_t *items;
    size_t count;
};

struct rule {
    enum role role;
    struct numbers users, groups;
    char **vms; /* names and patterns; NULL: all, and the daemon itself */
    size_t vm_count;
};

struct rules {
    struct rule *items;
    size_t count;
};

struct policy {
    char *path; /* NULL: no rules */
    struct rules rules;
};

static const char *const role_names[] = {"none", "viewer", "operator", "administrator", NULL};

const char *policy_role_name(enum role role)
{
    return role_names[role];
}

static void rules_free(struct rules *rules)
{
    size_t i, vm;

    for (i = 0; i < rules->count; i++) {
        for (vm = 0; vm < rules->items[i].vm_count; vm++)
            free(rules->items[i].vms[vm]);
        free(rules->items[i].vms);
        free(rules->items[i].users.items);
        free(rules->items[i].groups.items);
    }
    free(rules->items);
    *rules = (struct rules){.count = 0};
}

/* ---- reading ---- */

static void without_memory(struct node node)
{
    if (node.error->code == ERROR_NONE)
        (void)error_set(node.error, ERROR_SYSTEM, "", "out of memory");
}

/* An item more of a list; NULL without memory. */
static void *grow(struct node node, void *items, size_t count, size_t size)
{
    void *more = reallocarray(items, count + 1, size);

    if (more == NULL)
        without_memory(node);
    return more;
}

/* Turns a name into a number; NO_NUMBER with errno, which is 0 when there is none of this name. */
typedef uint32_t find_number_fn(const char *name);

static uint32_t find_user(const char *name)
{
    const struct passwd *user = getpwnam(name);

    return user != NULL ? user->pw_uid : NO_NUMBER;
}

static uint32_t find_group(const char *name)
{
    const struct group *group = getgrnam(name);

    return group != NULL ? group->gr_gid : NO_NUMBER;
}

static uint32_t read_number(struct node node, const char *what, find_number_fn *find)
{
    uint32_t number = NO_NUMBER;
    const char *name = NULL;

    if (json_is_integer(node.value)) {
        (void)document_unsigned(node, 0, NUMBER_MAX, &number);
        return number;
    }
    if (!document_is_there(node))
        document_refuse(node, "write a name or a number", "is empty");
    if (!document_string(node, &name))
        return NO_NUMBER;
    errno = 0;
    number = find(name);
    if (number == NO_NUMBER && errno != 0 && errno != ENOENT && errno != ESRCH)
        document_refuse(node, "", "the %s '%.64s' cannot be looked up: %s", what, name,
                        strerror(errno));
    else if (number == NO_NUMBER)
        document_refuse(node, "write one that there is, or its number without quotes",
                        "there is no %s '%.64s'", what, name);
    return number;
}

static void read_numbers(struct node list, const char *what, find_number_fn *find,
                         struct numbers *ret)
{
    struct node item;
    uint32_t *items;

    if (!document_is_list(list))
        return;
    DOCUMENT_EACH(item, list) {
        items = grow(item, ret->items, ret->count, sizeof(*items));
        if (items == NULL)
            return;
        ret->items = items;
        ret->items[ret->count++] = read_number(item, what, find);
    }
}

static void read_vms(struct node list, struct rule *rule)
{
    const char *name = "";
    struct node item;
    char **vms;

    if (list.value == NULL)
        return;
    if (!document_is_list(list))
        document_refuse(list, "name a VM, or leave out vms: for all", "is empty");
    DOCUMENT_EACH(item, list) {
        if (!document_is_there(item))
            document_refuse(item, "write a name or a pattern", "is empty");
        (void)document_string(item, &name);
        vms = grow(item, rule->vms, rule->vm_count, sizeof(*vms));
        if (vms == NULL)
            return;
        rule->vms = vms;
        vms[rule->vm_count] = strdup(name);
        if (vms[rule->vm_count++] == NULL)
            without_memory(item);
    }
    if (rule->vm_count == 0)
        document_refuse(list, "name a VM, or leave out vms: for all", "is empty");
}

static void refuse_unknown(struct node member, void *user)
{
    (void)user;
    document_refuse(member, "see man vmplug-policy for what there is", "is not known");
}

static void read_rule(struct node node, struct rule *rule)
{
    static const char *const known[] = {"role", "users", "groups", "vms", NULL};
    unsigned choice = 0;

    document_each_unknown(node, known, refuse_unknown, NULL);
    document_require(document_get(node, "role"));
    if (document_choice(document_get(node, "role"), role_names + ROLE_VIEWER, &choice))
        rule->role = ROLE_VIEWER + choice;
    read_numbers(document_get(node, "users"), "user", find_user, &rule->users);
    read_numbers(document_get(node, "groups"), "group", find_group, &rule->groups);
    read_vms(document_get(node, "vms"), rule);
    if (rule->users.count + rule->groups.count == 0)
        document_refuse(node, "say users: or groups:", "matches nobody");
}

static void read_rules(const struct document *document, struct rules *rules, struct error *error)
{
    static const char *const known[] = {"rules", NULL};
    struct node root = document_root(document, error), list = document_get(root, "rules"), item;
    struct rule *items;

    document_each_unknown(root, known, refuse_unknown, NULL);
    if (!document_require(list) || !document_is_list(list))
        return;
    DOCUMENT_EACH(item, list) {
        if (!document_is_object(item))
            document_refuse(item, "say role: and users: in it", "is empty");
        items = grow(item, rules->items, rules->count, sizeof(*items));
        if (items == NULL)
            return;
        rules->items = items;
        items[rules->count] = (struct rule){.role = ROLE_NONE};
        read_rule(item, &items[rules->count++]);
    }
}

/* What it says is as good as whoever may write to it. */
static int check_owner(int fd, const char *path, struct error *error)
{
    struct stat status;

    if (fstat(fd, &status) < 0)
        return error_set_errno(error, ERROR_SYSTEM, errno, "", "cannot look at %.200s", path);
    if (!S_ISREG(status.st_mode))
        return error_set(error, ERROR_INVALID, "give a file of rules", "%.200s is no file", path);
    if ((status.st_uid == 0 || status.st_uid == geteuid()) &&
        (status.st_mode & (S_IWGRP | S_IWOTH)) == 0)
        return 0;
    return error_set(error, ERROR_BLOCKED, "give it to root (chown root, chmod go-w)",
                     "%.200s: others may write to it, and who can decides over every VM", path);
}

static int read_file(const char *path, struct rules *rules, struct error *error)
{
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct document_list documents = {.count = 0};
    struct error problem = ERROR_INIT;
    size_t i;

    if (fd < 0)
        return error_set_errno(error, ERROR_SYSTEM, errno, "", "cannot open %.200s", path);
    if (check_owner(fd, path, &problem) == 0)
        (void)files_read_stream(&documents, path, fd, &problem);
    for (i = 0; i < documents.count && problem.code == ERROR_NONE; i++)
        read_rules(&documents.items[i], rules, &problem);
    document_list_free(&documents);
    if (problem.code == ERROR_NONE)
        return 0;
    if (error != NULL)
        *error = problem;
    return -1;
}

struct policy *policy_new(const char *path, struct error *error)
{
    struct policy *policy = calloc(1, sizeof(*policy));

    if (policy != NULL && path != NULL)
        policy->path = strdup(path);
    if (policy == NULL || (path != NULL && policy->path == NULL))
        (void)error_set(error, ERROR_SYSTEM, "", "out of memory");
    else if (policy_reload(policy, error) == 0)
        return policy;
    policy_free(policy);
    return NULL;
}

int policy_reload(struct policy *policy, struct error *error)
{
    struct rules rules = {.count = 0};

    if (policy->path == NULL)
        return 0;
    if (read_file(policy->path, &rules, error) < 0) {
        rules_free(&rules);
        return -1;
    }
    rules_free(&policy->rules);
    policy->rules = rules;
    return 0;
}

void policy_free(struct policy *policy)
{
    if (policy == NULL)
        return;
    rules_free(&policy->rules);
    free(policy->path);
    free(policy);
}

/* ---- deciding ---- */

static bool holds(const struct numbers *numbers, uint32_t number)
{
    size_t i;

    for (i = 0; i < numbers->count; i++) {
        if (numbers->items[i] == number)
            return true;
    }
    return false;
}

static bool is_for_peer(const struct rule *rule, const struct peer_id *peer)
{
    size_t i;

    if (holds(&rule->users, peer->uid) || holds(&rule->groups, peer->gid))
        return true;
    for (i = 0; i < peer->group_count; i++) {
        if (holds(&rule->groups, peer->groups[i]))
            return true;
    }
    return false;
}

static bool is_for_vm(const struct rule *rule, const char *vm)
{
    size_t i;

    for (i = 0; vm != NULL && i < rule->vm_count; i++) {
        if (fnmatch(rule->vms[i], vm, 0) == 0)
            return true;
    }
    return rule->vms == NULL;
}

/* The highest role of a VM, of the daemon (NULL), or of anything. */
static enum role find_role(const struct policy *policy, const struct peer_id *peer, const char *vm,
                           bool anything)
{
    enum role role = ROLE_NONE;
    const struct rule *rule;
    size_t i;

    if (policy == NULL || peer->uid == 0 || peer->uid == geteuid())
        return ROLE_ADMINISTRATOR;
    for (i = 0; i < policy->rules.count; i++) {
        rule = &policy->rules.items[i];
        if (rule->role > role && is_for_peer(rule, peer) && (anything || is_for_vm(rule, vm)))
            role = rule->role;
    }
    return role;
}

enum role policy_role(const struct policy *policy, const struct peer_id *peer, const char *vm)
{
    return find_role(policy, peer, vm, false);
}

enum role policy_highest_role(const struct policy *policy, const struct peer_id *peer)
{
    return find_role(policy, peer, NULL, true);
}

int policy_check(const struct policy *policy, const struct peer_id *peer, const char *vm,
                 enum role needed, struct error *error)
{
    static const char *const texts[] = {"nobody", "a viewer", "an operator", "an administrator"};
    enum role role = policy_role(policy, peer, vm);

    if (role >= needed)
        return 0;
    (void)error_set(error, ERROR_BLOCKED, "", "this takes %s of %s%.64s%s, and uid %u is %s there",
                    texts[needed], vm != NULL ? "'" : "", vm != NULL ? vm : "the daemon",
                    vm != NULL ? "'" : "", (unsigned)peer->uid, texts[role]);
    if (policy->path != NULL)
        error_advise(error, "have a rule for it put into %s", policy->path);
    else
        error_advise(error, "have the daemon started with --policy, and a rule put there");
    return -1;
}
