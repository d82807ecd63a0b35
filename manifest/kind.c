/* SPDX-License-Identifier: MIT */
#include "manifest/kind.h"

#include <string.h>

#include "base/cleanup.h"
#include "vmm/vm_directory.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyz0123456789"

static const struct {
    const char *name, *api;
    const char *only; /* the name of one that has none */
} kinds[] = {
    [KIND_VIRTUAL_MACHINE] = {"VirtualMachine", "kubevirt.io/v1", NULL},
    [KIND_KUBEVIRT] = {"KubeVirt", "kubevirt.io/v1", "kubevirt"},
    [KIND_CLAIM] = {"PersistentVolumeClaim", "v1", NULL},
    [KIND_VOLUME] = {"PersistentVolume", "v1", NULL},
    [KIND_DATA_VOLUME] = {"DataVolume", "cdi.kubevirt.io/v1beta1", NULL},
};

_Static_assert(COUNT_OF(kinds) == KINDS_, "every kind has its name");

const char *kind_name(enum kind kind)
{
    return kinds[kind].name;
}

const char *kind_api(enum kind kind)
{
    return kinds[kind].api;
}

static void find(struct node root, enum kind *ret_kind)
{
    static const char *const names[] = {"VirtualMachine", "KubeVirt", "PersistentVolumeClaim",
                                        "PersistentVolume", "DataVolume", NULL};
    struct node name = document_get(root, "kind"), api = document_get(root, "apiVersion");
    const char *text = NULL;
    unsigned number = 0;

    _Static_assert(COUNT_OF(names) == KINDS_ + 1, "they are the same");
    if (!document_require(name) || !document_choice(name, names, &number))
        return;
    *ret_kind = (enum kind)number;
    if (document_require(api) && document_string(api, &text) &&
        strcmp(text, kinds[number].api) != 0)
        document_refuse(api, "", "a %s has apiVersion %s, not '%.80s'", kinds[number].name,
                        kinds[number].api, text);
}

/* A VM's is also one of a directory with sockets, and shorter. */
int kind_check_name(enum kind kind, const char *name, struct error *error)
{
    size_t length = strlen(name);

    if (kind == KIND_VIRTUAL_MACHINE)
        return vm_directory_check_name(name, error);
    if (length > 0 && length <= KIND_NAME_MAX && strspn(name, LETTERS "-.") == length &&
        strchr("-.", name[0]) == NULL && strchr("-.", name[length - 1]) == NULL)
        return 0;
    return error_set(error, ERROR_INVALID,
                     "use a-z, 0-9, - and ., beginning and ending with one of the first",
                     "'%.80s' is no name for a %s", name, kinds[kind].name);
}

static void check_name(struct node node, enum kind kind, const char *name)
{
    struct error problem = ERROR_INIT;

    if (kind_check_name(kind, name, &problem) < 0)
        document_refuse(node, problem.fix, "%s", problem.why);
}

int kind_of(const struct document *document, enum kind *ret_kind, const char **ret_name,
            struct error *error)
{
    struct error problem = ERROR_INIT;
    struct node root = document_root(document, &problem), name;

    *ret_name = NULL;
    find(root, ret_kind);
    name = document_get(document_get(root, "metadata"), "name");
    if (problem.code == ERROR_NONE && document_string(name, ret_name))
        check_name(name, *ret_kind, *ret_name);
    else if (problem.code == ERROR_NONE && *ret_name == NULL)
        *ret_name = kinds[*ret_kind].only;
    if (problem.code == ERROR_NONE)
        return 0;
    if (error != NULL)
        *error = problem;
    return -1;
}
